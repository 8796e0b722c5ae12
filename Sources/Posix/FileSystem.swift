import CPosix

/// What is known of a file without opening it.
public struct FileStatus: Sendable, Equatable {
    /// Bytes, as read.
    public let size: Int64
    /// Bytes taken on the disk: less than `size` for a file with holes.
    public let allocated: Int64
    /// Last modification, milliseconds since 1970.
    public let modified: Milliseconds
    /// The number that, with `device`, tells whether two names are one file.
    public let inode: Int64
    /// The file system.
    public let device: Int64
    /// Type and rights as in stat(2).
    public let mode: UInt32
    /// Owner.
    public let user: UInt32
    /// Owning group.
    public let group: UInt32
    /// Number of names.
    public let links: UInt32

    init(_ raw: cposix_stat) {
        size = raw.size
        allocated = raw.allocated
        modified = raw.modified
        inode = raw.inode
        device = raw.device
        mode = raw.mode
        user = raw.uid
        group = raw.gid
        links = raw.links
    }

    private var type: UInt32 { mode & 0o170000 }
    /// Whether it is a directory.
    public var isDirectory: Bool { type == 0o040000 }
    /// Whether it is an ordinary file.
    public var isRegular: Bool { type == 0o100000 }
    /// Whether it is a symbolic link.
    public var isSymbolicLink: Bool { type == 0o120000 }
    /// Whether it is a socket.
    public var isSocket: Bool { type == 0o140000 }
    /// Whether it is a block device.
    public var isBlockDevice: Bool { type == 0o060000 }
    /// Whether it is a character device.
    public var isCharacterDevice: Bool { type == 0o020000 }
    /// The rights alone, such as 0o644.
    public var permissions: UInt32 { mode & 0o7777 }
}

/// Room on a file system, in bytes.
public struct FileSystemSpace: Sendable, Equatable {
    /// All of it.
    public let total: Int64
    /// Unused.
    public let free: Int64
    /// Unused and open to a user who is not root.
    public let available: Int64
}

/// Operations on paths.
public enum FileSystem {
    /// The whole file. More than `limit` bytes are an EFBIG error rather than a surprise in memory.
    /// Also reads files of /proc, whose size is not known before.
    public static func read(_ path: String, limit: Int = 16 << 20) throws(PosixError) -> [UInt8] {
        let file = try File(path, .read)
        let size = Int(min(try file.status().size, Int64(limit)))
        var bytes = try file.read(max(size, 4096))
        while true {
            if bytes.count > limit {
                throw PosixError(errno: PosixError.tooLarge, operation: "read all of", detail: path)
            }
            let more = try file.read(65536)
            if more.isEmpty { return bytes }
            bytes += more
        }
    }

    /// The whole file as text; bytes that are not UTF-8 are replaced.
    public static func readText(_ path: String, limit: Int = 16 << 20) throws(PosixError) -> String {
        String(decoding: try read(path, limit: limit), as: UTF8.self)
    }

    /// Replaces the file as a whole: a reader, also one after a power cut, sees the old or the new, never a part.
    public static func write(_ path: String, _ bytes: [UInt8], permissions: UInt32 = 0o644) throws(PosixError) {
        let (file, temporary) = try temporaryFile(beside: path)
        do throws(PosixError) {
            try file.write(bytes)
            try file.setPermissions(permissions)
            try file.synchronize()
            try file.close()
            try rename(temporary, to: path)
        } catch {
            _ = cposix_unlink(temporary)  // best effort: the error that matters is already at hand
            throw error
        }
        try synchronizeDirectory(parent(path))
    }

    /// Replaces the file as a whole with text, as `write(_:_:permissions:)`.
    public static func write(_ path: String, text: String, permissions: UInt32 = 0o644) throws(PosixError) {
        try write(path, Array(text.utf8), permissions: permissions)
    }

    /// Adds to the end; made if it is not there. Not forced to disk.
    public static func append(_ path: String, _ bytes: [UInt8], permissions: UInt32 = 0o644) throws(PosixError) {
        let file = try File(path, [.write, .create, .append], permissions: permissions)
        try file.write(bytes)
        try file.close()
    }

    /// A new file of unguessable name in the same directory, open for writing, readable by the owner only.
    public static func temporaryFile(beside path: String) throws(PosixError) -> (file: File, path: String) {
        let name = "\(path).\(Hex.encode(try Random.bytes(6))).tmp"
        return (try File(name, [.read, .write, .create, .exclusive], permissions: 0o600), name)
    }

    /// A new directory of unguessable name, open to the owner only: `prefix` and random digits.
    public static func temporaryDirectory(_ prefix: String = "/tmp/mallee-") throws(PosixError) -> String {
        let path = prefix + Hex.encode(try Random.bytes(8))
        try check(cposix_mkdir(path, 0o700), "make directory", path)
        return path
    }

    /// Makes a directory and those above it; one that is there already is fine.
    public static func makeDirectory(_ path: String, permissions: UInt32 = 0o755) throws(PosixError) {
        let result = cposix_mkdir(path, permissions)
        if result == -PosixError.notFound, parent(path) != path {
            try makeDirectory(parent(path), permissions: permissions)
            return try makeDirectory(path, permissions: permissions)
        }
        if result == -PosixError.alreadyThere, isDirectory(path) { return }
        try check(result, "make directory", path)
    }

    /// Names in a directory, sorted, without "." and "..".
    public static func list(_ path: String) throws(PosixError) -> [String] {
        var code: Int32 = 0
        guard let directory = cposix_opendir(path, &code) else {
            throw PosixError(errno: code, operation: "list", detail: path)
        }
        defer { cposix_closedir(directory) }
        var names: [String] = []
        var buffer = [CChar](repeating: 0, count: 256)
        while true {
            let length = buffer.withUnsafeMutableBufferPointer {
                cposix_readdir(directory, $0.baseAddress, $0.count)
            }
            if try check(length, "list", path) == 0 { break }
            names.append(string(buffer, Int(length)))
        }
        names.sort()
        return names
    }

    /// Removes a file, link, socket or empty directory. With `ifPresent`, one that is not there is fine.
    public static func remove(_ path: String, ifPresent: Bool = false) throws(PosixError) {
        var result = cposix_unlink(path)
        if result == -PosixError.isADirectory || result == -PosixError.notPermitted { result = cposix_rmdir(path) }
        if ifPresent, result == -PosixError.notFound { return }
        try check(result, "remove", path)
    }

    /// Removes a file or a directory with all that is in it, without following symbolic links.
    /// What is not there is fine.
    public static func removeTree(_ path: String) throws(PosixError) {
        guard let found = try statusIfPresent(path, followLinks: false) else { return }
        if found.isDirectory {
            for name in try list(path) { try removeTree(join(path, name)) }
        }
        try remove(path, ifPresent: true)
    }

    /// Gives a file another name at once, replacing what has that name.
    public static func rename(_ path: String, to newPath: String) throws(PosixError) {
        try check(cposix_rename(path, newPath), "rename", "\(path) to \(newPath)")
    }

    /// Gives a file a second name.
    public static func link(_ path: String, as newPath: String) throws(PosixError) {
        try check(cposix_link(path, newPath), "link", "\(path) as \(newPath)")
    }

    /// Makes `path` a symbolic link to `target`.
    public static func symbolicLink(to target: String, at path: String) throws(PosixError) {
        try check(cposix_symlink(target, path), "make symbolic link", path)
    }

    /// Where a symbolic link points.
    public static func readLink(_ path: String) throws(PosixError) -> String {
        try text(capacity: 4096, "read link", path) { cposix_readlink(path, $0, $1) }
    }

    /// The path without symbolic links, "." and "..".
    public static func realPath(_ path: String) throws(PosixError) -> String {
        try text(capacity: 4097, "resolve", path) { cposix_realpath(path, $0, $1) }
    }

    /// Size, times and rights.
    public static func status(_ path: String, followLinks: Bool = true) throws(PosixError) -> FileStatus {
        var raw = cposix_stat()
        try check(cposix_stat_path(path, followLinks, &raw), "examine", path)
        return FileStatus(raw)
    }

    /// Size, times and rights, or nil when nothing has this name.
    public static func statusIfPresent(_ path: String, followLinks: Bool = true) throws(PosixError) -> FileStatus? {
        do throws(PosixError) {
            return try status(path, followLinks: followLinks)
        } catch {
            if error.isNotFound || error.errno == PosixError.notADirectory { return nil }
            throw error
        }
    }

    /// Whether something has this name and can be examined.
    public static func exists(_ path: String) -> Bool {
        var raw = cposix_stat()
        return cposix_stat_path(path, true, &raw) == 0
    }

    /// Whether it is a directory that can be examined.
    public static func isDirectory(_ path: String) -> Bool {
        var raw = cposix_stat()
        return cposix_stat_path(path, true, &raw) == 0 && FileStatus(raw).isDirectory
    }

    /// Sets the time of last use and modification, now by default (milliseconds since 1970).
    public static func touch(_ path: String, at time: Milliseconds? = nil) throws(PosixError) {
        try check(cposix_utimes(path, time ?? -1), "set the time of", path)
    }

    /// Changes the rights.
    public static func setPermissions(_ path: String, _ permissions: UInt32) throws(PosixError) {
        try check(cposix_chmod(path, permissions), "change the rights of", path)
    }

    /// Changes the owner.
    public static func setOwner(_ path: String, user: UInt32, group: UInt32) throws(PosixError) {
        try check(cposix_chown(path, user, group), "change the owner of", path)
    }

    /// Room on the file system that holds `path`.
    public static func space(_ path: String) throws(PosixError) -> FileSystemSpace {
        var total: Int64 = 0
        var free: Int64 = 0
        var available: Int64 = 0
        try check(cposix_statvfs(path, &total, &free, &available), "examine the file system of", path)
        return FileSystemSpace(total: total, free: free, available: available)
    }

    /// Makes `copy` (which must not exist) share the blocks of `path`, at once and without using room (FICLONE).
    /// False, and no file, where the file system cannot.
    public static func reflink(_ path: String, to copy: String, permissions: UInt32 = 0o644) throws(PosixError) -> Bool
    {
        let source = try File(path, .read)
        let target = try File(copy, [.write, .create, .exclusive], permissions: permissions)
        let result = cposix_reflink(source.descriptor, target.descriptor)
        if result == 0 { return true }
        _ = cposix_unlink(copy)  // the empty file made a moment ago
        // EOPNOTSUPP, EXDEV, EINVAL, ENOTTY, ENOSYS: not here. Anything else is an error.
        if result == -95 || result == -18 || result == -22 || result == -25 || result == -38 { return false }
        throw PosixError(errno: -result, operation: "clone", detail: path)
    }

    /// Makes names that were added to or removed from a directory survive a power cut.
    public static func synchronizeDirectory(_ path: String) throws(PosixError) {
        let directory = try File(path, [.read, .directory])
        try directory.synchronize()
    }

    /// The full path of a program, looked up as a shell does unless the name has a slash; nil when there is none.
    public static func findExecutable(_ name: String) -> String? {
        if name.utf8.contains(0x2f) { return cposix_executable(name) == 0 ? name : nil }
        let path = Environment["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        for directory in path.split(separator: ":") {
            let candidate = join(String(directory), name)
            if cposix_executable(candidate) == 0 { return candidate }
        }
        return nil
    }

    /// Sets which rights new files do not get; returns what was set before. For the whole process.
    @discardableResult
    public static func setUmask(_ mask: UInt32) -> UInt32 { cposix_umask(mask) }

    /// Two parts of a path with one slash between.
    public static func join(_ directory: String, _ name: String) -> String {
        directory.isEmpty ? name : directory.utf8.last == 0x2f ? directory + name : directory + "/" + name
    }

    /// The directory part: "/a" of "/a/b", "/" of "/a", "." of "a".
    public static func parent(_ path: String) -> String {
        var bytes = Array(path.utf8)
        while bytes.count > 1, bytes.last == 0x2f { bytes.removeLast() }
        guard let slash = bytes.lastIndex(of: 0x2f) else { return "." }
        bytes.removeSubrange(slash...)
        while bytes.count > 1, bytes.last == 0x2f { bytes.removeLast() }
        return bytes.isEmpty ? "/" : String(decoding: bytes, as: UTF8.self)
    }

    /// The last part: "b" of "/a/b".
    public static func name(_ path: String) -> String {
        var bytes = Array(path.utf8)
        while bytes.count > 1, bytes.last == 0x2f { bytes.removeLast() }
        guard bytes.count > 1, let slash = bytes.lastIndex(of: 0x2f) else {
            return String(decoding: bytes, as: UTF8.self)
        }
        return String(decoding: bytes[(slash + 1)...], as: UTF8.self)
    }
}
