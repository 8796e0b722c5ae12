internal import Glibc
internal import NIOCore

/// The files of a journal.
struct JournalDirectory: Sendable {
    /// One of them.
    struct File: Sendable {
        /// A segment's first group, or the last group that a snapshot holds.
        var number: UInt64
        var path: String
        var size: Int64
    }

    let path: String

    init(root: String) throws(ObjectStoreError) {
        path = root + "/journal"
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw posixFailure("mkdir", path) }
    }

    private static func name(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }

    /// Files with an extension, by their number.
    private func files(_ suffix: String) throws(ObjectStoreError) -> [File] {
        guard let stream = opendir(path) else { throw posixFailure("opendir", path) }
        defer { closedir(stream) }
        var found: [File] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name.hasSuffix(suffix), name.utf8.count == 16 + suffix.utf8.count,
                let number = UInt64(name.dropLast(suffix.utf8.count), radix: 16)
            else { continue }
            var status = stat()
            guard stat(path + "/" + name, &status) == 0 else { throw posixFailure("stat", path + "/" + name) }
            found.append(File(number: number, path: path + "/" + name, size: Int64(status.st_size)))
        }
        return found.sorted { $0.number < $1.number }
    }

    func segments() throws(ObjectStoreError) -> [File] { try files(".log") }
    func snapshots() throws(ObjectStoreError) -> [File] { try files(".snapshot") }

    func snapshotPath(_ number: UInt64) -> String { path + "/" + Self.name(number) + ".snapshot" }

    /// Bytes that are free where the journal lies.
    func free() -> Int64 { freeSpace(path) }

    /// A new segment that begins with this group, durable and empty.
    func createSegment(
        first: UInt64
    ) throws(ObjectStoreError) -> (descriptor: Int32, path: String, size: Int64) {
        let file = path + "/" + Self.name(first) + ".log"
        // What may lie there holds no whole group, or the number would be taken.
        let descriptor = Glibc.open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == ENOSPC || errno == EDQUOT { throw .insufficientStorage(needed: 0, free: free()) }
            throw posixFailure("open", file)
        }
        do throws(ObjectStoreError) {
            try ByteBuffer(bytes: JournalFormat.header).withUnsafeReadableBytes { bytes throws(ObjectStoreError) in
                try writeAll(bytes, to: descriptor, path: file, free: free)
            }
            guard fsync(descriptor) == 0 else { throw posixFailure("fsync", file) }
            try syncDirectory(path)
        } catch {
            Glibc.close(descriptor)
            unlink(file)
            throw error
        }
        return (descriptor, file, Int64(JournalFormat.header.count))
    }

    /// Removes what a snapshot makes superfluous.
    func prune(upTo snapshot: UInt64) throws(ObjectStoreError) {
        for old in try snapshots() where old.number < snapshot { unlink(old.path) }
        let segments = try segments()
        for (one, next) in zip(segments, segments.dropFirst()) where next.number <= snapshot + 1 { unlink(one.path) }
    }
}

/// Makes the names in a directory durable.
func syncDirectory(_ path: String) throws(ObjectStoreError) {
    let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw posixFailure("open", path) }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw posixFailure("fsync", path) }
}

/// Bytes that an unprivileged writer may still fill.
func freeSpace(_ path: String) -> Int64 {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return 0 }
    return Int64(
        clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
}
