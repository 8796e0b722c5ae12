// What `mallee init` does, in an order that an interrupted run can be repeated from anywhere:
//
//   directories → authority → identities → enrolment secret → key of the secrets → fingerprint → configuration
//
// Each file appears whole or not at all; what is there is kept. The configuration comes last, since services that find
// it start.
import Foundation
import Posix
import Secrets
import ServiceHost

/// Makes a front end out of a host on which the packages are installed.
struct FrontEndSetup {
    /// What the administrator says.
    struct Answers {
        /// Name of the availability zone.
        var zone: String
        /// The address that nodes reach this host under.
        var address: String
        /// The address or name that users reach this host under.
        var publicAddress: String
        /// The block of the instances' addresses.
        var addressBlock: String
        /// auto or approve.
        var enrolment: String
        var region: String
        /// Where Walrus keeps objects; nil for the usual place.
        var walrusDirectory: String?
    }

    /// What was done about a thing that a front end has.
    enum Outcome: String {
        case present, made, set, renewed, repaired

        /// Whether the host is another than before.
        var isChange: Bool { self != .present }
        /// The word, as wide as the longest.
        var column: String { rawValue.padding(toLength: 9, withPad: " ", startingAt: 0) }
    }

    let layout: InstalledLayout
    let answers: Answers
    /// Whom the services run as; nil leaves everything to whoever runs this.
    let user: SystemUser?
    let hostName: String
    /// Told of each thing: what was done about it, and what it is.
    let report: (Outcome, String) -> Void

    private static let renewal: TimeInterval = 60 * 86400

    /// Does what is missing.
    ///
    /// - Returns: what is there, but not as it was asked for; each a sentence.
    /// - Throws: `CommandFailure`, `PosixError` or `ServiceHostError` with cause and cure.
    func run() throws -> [String] {
        _ = try InstalledFile.directory(layout.path(InstalledLayout.configuration), mode: 0o755)
        let lock = try DirectoryLock(layout.path(InstalledLayout.configuration))
        defer { lock.release() }
        var files = try FrontEndConfiguration(layout: layout, walrusDirectory: answers.walrusDirectory)
        try makeDirectories(files)
        let authority = try makeAuthority(files)
        var differences = try makeIdentities(authority, files)
        try makeSecret(files)
        try makeSecretsKey(files)
        try makeFingerprint(authority)
        differences += try files.fill(answers)
        for (path, keys) in try files.write(group: user?.group ?? 0) {
            report(.set, "\(path): \(keys.joined(separator: ", "))")
        }
        return differences
    }

    /// Does something as the services' user, if there is one.
    private func asUser<Result>(_ body: () throws -> Result) throws -> Result {
        guard let user else { return try body() }
        return try user.perform(body)
    }

    // MARK: Directories

    private func makeDirectories(_ files: FrontEndConfiguration) throws {
        // Root's and sticky: the services make what is theirs there, and can neither move nor replace what is root's.
        for path in [InstalledLayout.state, InstalledLayout.logs]
        where try InstalledFile.directory(layout.path(path), mode: 0o1770, sharedWith: user) {
            report(.made, "\(path)")
        }
        let own = files.stateDirectories + [InstalledLayout.identities, files.authority] + files.identities.map(\.path)
        for path in own {
            let path = layout.path(path)
            // A place of the administrator's choice may lie where the user cannot make directories.
            let isOurs = path.hasPrefix(layout.path(InstalledLayout.state) + "/")
            let made =
                isOurs
                ? try asUser { try InstalledFile.directory(path, mode: 0o700) }
                : try InstalledFile.directory(path, mode: 0o700, owner: user)
            if made { report(.made, "\(path.dropFirst(layout.root.count))") }
        }
        let administrator = layout.path(InstalledLayout.administrator)
        if try InstalledFile.directory(administrator, mode: 0o700) { report(.made, "\(InstalledLayout.administrator)") }
        let status = try FileSystem.status(administrator, followLinks: false)
        guard status.user == geteuid() else {
            throw CommandFailure(
                "\(administrator) belongs to user id \(status.user); it must be root's. Move it away and run this again."
            )
        }
    }

    // MARK: Certificates

    private func makeAuthority(_ files: FrontEndConfiguration) throws -> CloudAuthority {
        let directory = layout.path(files.authority)
        let wasThere = FileSystem.exists(directory + "/ca.crt")
        if !wasThere {
            // A new authority beside what an earlier one has signed is a cloud that nobody trusts.
            let earlier =
                [layout.path(InstalledLayout.fingerprint)]
                + (files.identities.map(\.path) + [InstalledLayout.administrator]).map {
                    layout.path($0) + "/component.crt"
                }
            if let trace = earlier.first(where: { FileSystem.exists($0) }) {
                throw CommandFailure(
                    "The authority is not in \(directory), but there was one: \(trace) is of it. Restore "
                        + "\(directory) from a backup. To begin anew with an authority that no node knows, move the "
                        + "directories below \(layout.path(InstalledLayout.identities)), "
                        + "\(layout.path(InstalledLayout.administrator)) and "
                        + "\(layout.path(InstalledLayout.fingerprint)) away; every node must then enrol again.")
            }
        }
        let authority = try asUser { try CloudAuthority.open(directory: directory) }
        report(wasThere ? .present : .made, "\(files.authority): the cloud's certificate authority")
        return authority
    }

    private func makeIdentities(_ authority: CloudAuthority, _ files: FrontEndConfiguration) throws -> [String] {
        var differences: [String] = []
        let hosts = [answers.address, answers.publicAddress, hostName, "localhost", "127.0.0.1"]
        var unique: [String] = []
        for host in hosts where !unique.contains(host) { unique.append(host) }
        // Certificates have names of 48 characters, hosts may have longer ones.
        let host = String(hostName.prefix(48))
        for (role, path) in files.identities {
            let name = role == .cluster ? files.zone ?? answers.zone : host
            differences += try asUser {
                try makeIdentity(authority, role, name: name, hosts: unique, path: path)
            }
        }
        differences += try makeIdentity(
            authority, .client, name: "admin", hosts: [], path: InstalledLayout.administrator)
        let link = layout.path(InstalledLayout.administrator) + "/eucarc"
        if try FileSystem.statusIfPresent(link, followLinks: false) == nil {
            try FileSystem.symbolicLink(to: files.credentials, at: link)
        }
        return differences
    }

    private func makeIdentity(
        _ authority: CloudAuthority, _ role: ComponentName.Role, name: String, hosts: [String], path: String
    ) throws -> [String] {
        guard let component = ComponentName(role: role, name: name) else {
            throw CommandFailure(
                "\"\(name)\" cannot be the name of a \(role.rawValue) certificate: 1 to 48 letters, digits, dots, "
                    + "dashes and underscores. Change the host's name or the zone's.")
        }
        let directory = layout.path(path)
        var outcome = Outcome.made
        if FileSystem.exists(directory + "/component.crt") {
            // Half of one is what an interrupted run has left: key and certificate do not belong together. One that
            // cannot be read or is damaged is for the administrator to look at.
            if let kept = try ComponentIdentity.loadIfPresent(directory: directory) {
                guard kept.authorityPEM == authority.certificatePEM else {
                    throw CommandFailure(
                        "The identity in \(directory) is of another authority than the one of this cloud. Restore the "
                            + "authority's directory from a backup, or move \(directory) away.")
                }
                if (try? authority.verify(kept.certificatePEM, now: Date() + Self.renewal)) != nil {
                    report(.present, "\(path): \(kept.name)")
                    if kept.name == component || role != .cluster { return [] }
                    return ["\(path) is the identity of \(kept.name), not of \(component)."]
                }
                outcome = .renewed
            } else {
                outcome = .repaired
            }
        }
        let identity = try authority.issue(component, hosts: hosts)
        try identity.write(directory: directory)
        report(outcome, "\(path): \(component)")
        return []
    }

    // MARK: Enrolment

    /// Two copies: root's, which is handed out to nodes, and the cluster controller's.
    private func makeSecret(_ files: FrontEndConfiguration) throws {
        let handedOut = layout.path(InstalledLayout.enrolmentSecret)
        let copy = layout.path(files.enrolmentSecret)
        let present = try InstalledFile.read(handedOut)
        let presentCopy = try asUser { try InstalledFile.read(copy) }
        if let present, let presentCopy {
            report(.present, "\(InstalledLayout.enrolmentSecret) and \(files.enrolmentSecret): the enrolment secret")
            if present == presentCopy { return }
            throw CommandFailure(
                "\(InstalledLayout.enrolmentSecret) and \(files.enrolmentSecret) differ, so that no node can enrol: "
                    + "remove the wrong one and run this again.")
        }
        let secret = try present ?? presentCopy ?? EnrolmentSecret.make()
        if present == nil {
            try EnrolmentSecret.writeHandedOut(secret, layout)
            report(.made, "\(InstalledLayout.enrolmentSecret)")
        }
        if presentCopy == nil {
            try EnrolmentSecret.writeCopy(secret, copy, user: user)
            report(.made, "\(files.enrolmentSecret)")
        }
    }

    /// The key that wraps the secrets in the cloud controller's store. Where there is a store already, the cloud
    /// controller itself knows whether one may be made.
    private func makeSecretsKey(_ files: FrontEndConfiguration) throws {
        let file = SecretKeyFile(path: layout.path(files.secretsKey))
        if FileSystem.exists(file.path) {
            report(.present, "\(files.secretsKey)")
        } else if !FileSystem.exists(layout.path(files.cloudStore)) {
            try asUser { _ = try file.createIfAbsent() }
            report(.made, "\(files.secretsKey): the key of the secrets in the store; back it up")
        }
    }

    private func makeFingerprint(_ authority: CloudAuthority) throws {
        let line = try authority.fingerprint() + "\n"
        let path = layout.path(InstalledLayout.fingerprint)
        if let present = try InstalledFile.read(path) {
            report(.present, "\(InstalledLayout.fingerprint)")
            if present.trimmingCharacters(in: .whitespacesAndNewlines) + "\n" == line { return }
            throw CommandFailure(
                "\(InstalledLayout.fingerprint) is of another authority, so that no node would trust this cloud: remove "
                    + "it and run this again, and hand the new one out to the nodes.")
        }
        try InstalledFile.write(path, line, .init(user: geteuid(), group: getegid(), mode: 0o644))
        report(.made, "\(InstalledLayout.fingerprint)")
    }
}

/// A lock on a directory, which leaves no file behind and ends with the process.
final class DirectoryLock {
    private var descriptor: Int32

    /// Waits until no other process has it.
    init(_ path: String) throws {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else {
            throw CommandFailure("Cannot lock \(path): \(String(cString: strerror(errno))).")
        }
    }

    func release() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    deinit { release() }
}
