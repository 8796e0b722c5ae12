import Foundation

/// A user of the host that is being set up, read from its own /etc/passwd: it need not be the running host's, and a
/// static program has no other name services.
struct SystemUser: Sendable, Equatable {
    let name: String
    let user: uid_t
    let group: gid_t

    /// Nil if there is no such user.
    static func find(_ name: String, layout: InstalledLayout) -> SystemUser? {
        // Without the file there are no users; an empty root directory has none.
        guard let text = try? String(contentsOfFile: layout.path("/etc/passwd"), encoding: .utf8) else { return nil }
        return parse(name, text)
    }

    /// From the lines of passwd(5).
    static func parse(_ name: String, _ text: String) -> SystemUser? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 4, fields[0] == name, let user = uid_t(fields[2]), let group = gid_t(fields[3])
            else { continue }
            return SystemUser(name: name, user: user, group: group)
        }
        return nil
    }

    /// Does something with this user's rights, and comes back to root's. So what is made has the right owner from its
    /// first moment, and a link that this user laid leads root nowhere.
    ///
    /// All threads of the process change, hence only for commands that do one thing at a time.
    func perform<Result>(_ body: () throws -> Result) throws -> Result {
        guard geteuid() == 0 else { return try body() }
        guard setegid(group) == 0 else { throw CommandFailure("Cannot take the group of the user \(name).") }
        guard seteuid(user) == 0 else {
            restore()
            throw CommandFailure("Cannot take the rights of the user \(name).")
        }
        defer { restore() }
        return try body()
    }

    private func restore() {
        // To go on with wrong rights would make files of a wrong owner.
        guard seteuid(0) == 0, setegid(0) == 0 else {
            FileHandle.standardError.write(Data("mallee: cannot take root's rights back\n".utf8))
            exit(1)
        }
    }
}
