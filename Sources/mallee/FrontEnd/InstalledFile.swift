import Foundation
import Posix

/// Files of an installation: whole or absent after a crash, and never wider open than they shall be.
enum InstalledFile {
    /// Owner and rights of a file.
    struct Access {
        var user: uid_t
        var group: gid_t
        var mode: UInt32
    }

    /// The text of a file; nil if there is none.
    static func read(_ path: String) throws -> String? {
        guard let status = try FileSystem.statusIfPresent(path, followLinks: false) else { return nil }
        guard status.isRegular else { throw CommandFailure("\(path) is not an ordinary file; move it away.") }
        return try FileSystem.readText(path, limit: 1 << 20)
    }

    /// Replaces a file as a whole. Owner and rights are there before its name is.
    static func write(_ path: String, _ text: String, _ access: Access) throws {
        let (file, temporary) = try FileSystem.temporaryFile(beside: path)
        do {
            try file.write(Array(text.utf8))
            if geteuid() == 0, fchown(file.descriptor, access.user, access.group) != 0 {
                throw CommandFailure("Cannot set the owner of \(path): \(String(cString: strerror(errno))).")
            }
            try file.setPermissions(access.mode)
            try file.synchronize()
            try FileSystem.rename(temporary, to: path)
            let directory = try File(FileSystem.parent(path), [.read, .directory])
            try directory.synchronize()
        } catch {
            try? FileSystem.remove(temporary, ifPresent: true)  // the error that matters is at hand
            throw error
        }
    }

    /// Makes a directory if it is not there, and takes rights away from one that is open wider than `mode`.
    ///
    /// - Parameter sharedWith: whose group the directory gets, while it stays root's.
    /// - Returns: whether it was made now.
    static func directory(
        _ path: String, mode: UInt32, owner: SystemUser? = nil, sharedWith: SystemUser? = nil
    ) throws -> Bool {
        var made = false
        if try FileSystem.statusIfPresent(path, followLinks: false) == nil {
            let parent = FileSystem.parent(path)
            if !FileSystem.exists(parent) { _ = try directory(parent, mode: 0o755) }
            guard mkdir(path, mode_t(mode)) == 0 || errno == EEXIST else {
                throw CommandFailure("Cannot make \(path): \(String(cString: strerror(errno))).")
            }
            made = true
        }
        // Through the descriptor: what is examined is what is changed.
        let directory = try File(path, [.read, .directory, .noFollow])
        let status = try directory.status()
        if let owner, geteuid() == 0, status.user == 0, owner.user != 0 {
            guard fchown(directory.descriptor, owner.user, owner.group) == 0 else {
                throw CommandFailure("Cannot set the owner of \(path): \(String(cString: strerror(errno))).")
            }
        }
        if let sharedWith, geteuid() == 0, status.user != 0 || status.group != sharedWith.group {
            guard fchown(directory.descriptor, 0, sharedWith.group) == 0 else {
                throw CommandFailure("Cannot set the owner of \(path): \(String(cString: strerror(errno))).")
            }
            try directory.setPermissions(mode)
        }
        // The umask may have taken rights that are meant to be there from a new one.
        if made { try directory.setPermissions(mode) }
        if status.permissions & ~mode != 0 { try directory.setPermissions(status.permissions & mode) }
        return made
    }
}
