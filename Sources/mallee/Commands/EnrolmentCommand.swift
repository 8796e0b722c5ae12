import ArgumentParser
import Foundation
import Posix

/// What nodes need to enrol: the secret, and the fingerprint by which they know their cloud.
struct EnrolmentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enrolment", abstract: "Change the enrolment secret, or show the authority's fingerprint.",
        subcommands: [Secret.self, Fingerprint.self])

    struct Secret: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "secret", abstract: "The secret by which a node shows that it belongs to the cluster.",
            subcommands: [Rotate.self])
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Make a new secret; the old one is worth nothing from then on.",
            discussion: """
                Nodes that have enrolled go on with their certificates. New ones need the new secret: on a Rocks frontend \
                411 hands it out at once, elsewhere copy /etc/mallee/enrolment.secret to them. Run it on the frontend, as \
                root, when the secret may have become known. No service is restarted.
                """)

        @OptionGroup var host: HostRoot

        func run() throws {
            try host.requireRoot()
            let layout = InstalledLayout(root: host.root)
            let audit = try LocalAudit(directory: layout.path(InstalledLayout.logs))
            try EnrolmentSecret.rotate(layout: layout, user: SystemUser.find(InstalledLayout.user, layout: layout))
            audit.record("RotateEnrolmentSecret", resources: [InstalledLayout.enrolmentSecret])
            print("There is a new enrolment secret in \(InstalledLayout.enrolmentSecret).")
            guard host.root == nil, FileSystem.exists("/var/411/Files.mk") else {
                return print("Copy it to hosts that have not enrolled yet.")
            }
            let done = try Command.run("make", ["--no-print-directory", "-C", "/var/411"], timeout: 300_000)
            guard done.isSuccess else {
                throw CommandFailure(
                    "411 does not hand it out (\(done.explanation)): run `make -C /var/411 force` when that is cured.")
            }
            print("411 hands it out; `411get --all` on a node brings it at once.")
        }
    }

    struct Fingerprint: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fingerprint",
            abstract: "Print the fingerprint of the cloud's authority: AUTHORITY_FINGERPRINT of a node.")

        @OptionGroup var host: HostRoot

        func run() throws {
            let path = InstalledLayout(root: host.root).path(InstalledLayout.fingerprint)
            guard let line = try InstalledFile.read(path) else {
                throw CommandFailure("There is no \(path): this host is no front end; `mallee init` makes it one.")
            }
            print(line.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }
}

/// The option of commands that can work on a host that is not running.
struct HostRoot: ParsableArguments {
    @Option(help: "Directory that is the root of the host (default: this host).", completion: .directory)
    var root: String?

    func requireRoot() throws {
        if root == nil, geteuid() != 0 {
            throw CommandFailure("This writes to /etc/mallee: run it as root (or into --root DIR).")
        }
    }
}
