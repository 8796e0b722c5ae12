import CPosix

/// An open file, closed at the latest when the last reference goes. Not for use by two threads at once,
/// except `read(at:)` and `write(at:)`, which do not move the position.
public final class File: @unchecked Sendable {
    /// How to open.
    public struct Mode: OptionSet, Sendable {
        /// The bits as the C shim takes them.
        public let rawValue: Int32
        /// A mode from the C shim's bits.
        public init(rawValue: Int32) { self.rawValue = rawValue }
        /// For reading.
        public static let read = Mode(rawValue: 1)
        /// For writing.
        public static let write = Mode(rawValue: 2)
        /// Made if it is not there.
        public static let create = Mode(rawValue: 4)
        /// Emptied if it is there.
        public static let truncate = Mode(rawValue: 8)
        /// Each write goes to the end.
        public static let append = Mode(rawValue: 16)
        /// With `create`: fails if it is there.
        public static let exclusive = Mode(rawValue: 32)
        /// Only if it is a directory.
        public static let directory = Mode(rawValue: 64)
        /// Fails if the last part of the path is a symbolic link.
        public static let noFollow = Mode(rawValue: 128)
        /// Reads and writes that would wait fail with EAGAIN (pipes, terminals).
        public static let nonBlocking = Mode(rawValue: 256)
    }

    /// Where the next read or write takes place, counted from there.
    public enum Origin: Int32, Sendable {
        /// From the first byte.
        case start = 0
        /// From the present position.
        case here = 1
        /// From behind the last byte.
        case end = 2
    }

    /// What it was opened as; for messages.
    public let path: String
    /// The descriptor; -1 after `close`.
    public private(set) var descriptor: Int32

    /// Opens `path`; `permissions` count when it is made here (less the umask).
    public init(_ path: String, _ mode: Mode, permissions: UInt32 = 0o644) throws(PosixError) {
        self.path = path
        self.descriptor = -1
        self.descriptor = try check(cposix_open(path, mode.rawValue, permissions), "open", path)
    }

    /// Takes over an open descriptor, which it closes in the end.
    public init(descriptor: Int32, path: String) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        // An error of close here has no one to tell; who needs to know calls `close` or `synchronize`.
        if descriptor >= 0 { _ = cposix_close(descriptor) }
    }

    /// A pipe: what is written to one end is read from the other.
    public static func pipe() throws(PosixError) -> (reading: File, writing: File) {
        var reading: Int32 = -1
        var writing: Int32 = -1
        try check(cposix_pipe(&reading, &writing), "make a pipe")
        return (File(descriptor: reading, path: "pipe"), File(descriptor: writing, path: "pipe"))
    }

    /// Closes it now and tells of a failed last write. Closing twice is harmless.
    public func close() throws(PosixError) {
        guard descriptor >= 0 else { return }
        let closing = descriptor
        descriptor = -1
        try check(cposix_close(closing), "close", path)
    }

    /// Hands the descriptor to the caller, who must close it.
    public func release() -> Int32 {
        let released = descriptor
        descriptor = -1
        return released
    }

    /// At most `count` bytes from the present position; empty at the end.
    public func read(_ count: Int) throws(PosixError) -> [UInt8] {
        var result: Int64 = 0
        let fd = descriptor
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            result = cposix_read(fd, buffer.baseAddress, count)
            filled = result > 0 ? Int(result) : 0
        }
        try check(result, "read", path)
        return bytes
    }

    /// Fills part of a buffer from the present position; 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(PosixError) -> Int {
        Int(try check(cposix_read(descriptor, buffer.baseAddress, buffer.count), "read", path))
    }

    /// At most `count` bytes from `offset` on; fewer only at the end of the file.
    public func read(_ count: Int, at offset: Int64) throws(PosixError) -> [UInt8] {
        var result: Int64 = 0
        let fd = descriptor
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                result = cposix_pread(
                    fd, buffer.baseAddress.map { $0 + filled }, count - filled, offset + Int64(filled))
                if result <= 0 { return }
                filled += Int(result)
            }
        }
        try check(result, "read", path)
        return bytes
    }

    /// Writes all bytes at the present position.
    public func write(_ bytes: [UInt8]) throws(PosixError) {
        try write(bytes[...])
    }

    /// Writes all bytes at the present position.
    public func write(_ bytes: ArraySlice<UInt8>) throws(PosixError) {
        let fd = descriptor
        let result = bytes.withUnsafeBytes { buffer in Self.writeAll(fd, buffer, at: nil) }
        try check(result, "write to", path)
    }

    /// Writes all bytes of a buffer at the present position.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(PosixError) {
        try check(Self.writeAll(descriptor, bytes, at: nil), "write to", path)
    }

    /// Writes all bytes from `offset` on.
    public func write(_ bytes: [UInt8], at offset: Int64) throws(PosixError) {
        let fd = descriptor
        let result = bytes.withUnsafeBytes { buffer in Self.writeAll(fd, buffer, at: offset) }
        try check(result, "write to", path)
    }

    private static func writeAll(_ fd: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int64?) -> Int64 {
        guard let base = bytes.baseAddress else { return 0 }
        var done = 0
        while done < bytes.count {
            let written =
                if let offset {
                    cposix_pwrite(fd, base + done, bytes.count - done, offset + Int64(done))
                } else {
                    cposix_write(fd, base + done, bytes.count - done)
                }
            if written < 0 { return written }
            if written == 0 { return -Int64(PosixError.inputOutput) }
            done += Int(written)
        }
        return Int64(done)
    }

    /// Moves the position; returns it, counted from the start.
    @discardableResult
    public func seek(_ offset: Int64, from origin: Origin = .start) throws(PosixError) -> Int64 {
        try check(cposix_seek(descriptor, offset, origin.rawValue), "seek in", path)
    }

    /// Returns when everything written is on the disk (fsync; with `dataOnly` fdatasync).
    public func synchronize(dataOnly: Bool = false) throws(PosixError) {
        try check(cposix_fsync(descriptor, dataOnly), "write to disk", path)
    }

    /// Makes the file exactly `size` bytes long; what is new reads as zeros and takes no room.
    public func truncate(to size: Int64) throws(PosixError) {
        try check(cposix_ftruncate(descriptor, size), "change the size of", path)
    }

    /// Size, times and rights of the open file.
    public func status() throws(PosixError) -> FileStatus {
        var raw = cposix_stat()
        try check(cposix_stat_fd(descriptor, &raw), "examine", path)
        return FileStatus(raw)
    }

    /// Whether reads and writes that would wait fail with EAGAIN (pipes, terminals, sockets); for all who share the
    /// open file.
    public func setNonBlocking(_ on: Bool) throws(PosixError) {
        try check(cposix_set_nonblocking(descriptor, on), "set up", path)
    }

    /// Changes the rights of the open file.
    public func setPermissions(_ permissions: UInt32) throws(PosixError) {
        try check(cposix_fchmod(descriptor, permissions), "change the rights of", path)
    }

    /// The next range that holds data at or after `offset`, nil when only holes follow (SEEK_DATA, SEEK_HOLE).
    public func nextData(from offset: Int64) throws(PosixError) -> Range<Int64>? {
        let start = cposix_seek_data(descriptor, offset, false)
        if start == -6 { return nil }  // ENXIO: nothing but holes
        try check(start, "seek data in", path)
        let end = try check(cposix_seek_data(descriptor, start, true), "seek data in", path)
        return start..<max(start, end)
    }
}

/// An exclusive lock on a file (flock), held until `release` or until the last reference goes.
/// It is the kernel's, so that it ends with the process however that ends.
public final class FileLock: @unchecked Sendable {
    private let file: File

    private init(_ file: File) { self.file = file }

    /// Locks `path` (made if it is not there). Without `wait`, nil when somebody else holds it.
    public static func acquire(_ path: String, wait: Bool = false) throws(PosixError) -> FileLock? {
        let file = try File(path, [.read, .write, .create], permissions: 0o600)
        let result = cposix_flock(file.descriptor, wait)
        if result == -PosixError.tryAgain { return nil }
        try check(result, "lock", path)
        return FileLock(file)
    }

    /// Gives the lock up, also where a child that is just being started has the descriptor still.
    public func release() throws(PosixError) {
        try check(cposix_unlock(file.descriptor), "unlock")
        try file.close()
    }
}
