import Foundation
import Posix

/// The two copies of the enrolment secret: root's, which is handed out to nodes, and the cluster controller's.
enum EnrolmentSecret {
    /// A new one: 32 random bytes as hexadecimal digits, in a line.
    static func make() throws -> String { Hex.encode(try Random.bytes(32)) + "\n" }

    /// Replaces both copies. The cluster controller reads its own with each node that enrols.
    ///
    /// Its copy comes first: interrupted in between, nodes with the old secret stay out, which is what was wanted, and
    /// the command can be repeated.
    static func rotate(layout: InstalledLayout, user: SystemUser?) throws {
        let lock = try DirectoryLock(layout.path(InstalledLayout.configuration))
        defer { lock.release() }
        let files = try FrontEndConfiguration(layout: layout)
        let copy = layout.path(files.enrolmentSecret)
        guard try InstalledFile.read(layout.path(InstalledLayout.enrolmentSecret)) != nil else {
            throw CommandFailure(
                "There is no \(layout.path(InstalledLayout.enrolmentSecret)): this host is no front end yet; `mallee init` "
                    + "makes it one.")
        }
        let secret = try make()
        try writeCopy(secret, copy, user: user)
        try writeHandedOut(secret, layout)
    }

    /// Root's copy.
    static func writeHandedOut(_ secret: String, _ layout: InstalledLayout) throws {
        try InstalledFile.write(
            layout.path(InstalledLayout.enrolmentSecret), secret, .init(user: geteuid(), group: getegid(), mode: 0o400))
    }

    /// The cluster controller's copy, made with its user's rights.
    static func writeCopy(_ secret: String, _ path: String, user: SystemUser?) throws {
        func write() throws {
            try InstalledFile.write(path, secret, .init(user: geteuid(), group: getegid(), mode: 0o600))
        }
        guard let user else { return try write() }
        try user.perform(write)
    }
}
