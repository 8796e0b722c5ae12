import CArchive
import Posix

/// Reads an archive, or one compressed file, front to back. Not for use by two threads at once.
public final class ArchiveReader {
    /// What is expected in the file.
    public enum Content: Sendable {
        /// Members of any archive format that libarchive knows.
        case archive
        /// One file's bytes, compressed by gzip, bzip2, xz, zstd, lz4 or lzip, or not at all.
        case compressedFile
    }

    private let handle: OpaquePointer
    private let path: String

    /// Opens a file.
    ///
    /// - Throws: `ArchiveError` if it cannot be read or is no archive.
    public convenience init(path: String, content: Content = .archive) throws(ArchiveError) {
        try self.init(name: path, content: content)
        guard archive_read_open_filename(handle, path, 1 << 20) == ARCHIVE_OK else { throw failure() }
        if content == .compressedFile {
            var entry: OpaquePointer?
            guard archive_read_next_header(handle, &entry) == ARCHIVE_OK else { throw failure() }
        }
    }

    /// Opens an archive that is in memory, for one inside another. The bytes are kept as long as the reader.
    public convenience init(bytes: [UInt8], name: String) throws(ArchiveError) {
        try self.init(name: name, content: .archive)
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
        copy.copyBytes(from: bytes)
        memory = copy
        guard archive_read_open_memory(handle, copy.baseAddress, bytes.count) == ARCHIVE_OK else { throw failure() }
    }

    /// Opens an archive, or one compressed file, that is a part of a file.
    public convenience init(region: FileRegion, content: Content = .archive) throws(ArchiveError) {
        try self.init(name: region.name, content: content)
        let feed = RegionFeed(region)
        self.feed = feed
        let result = archive_read_open(
            handle, Unmanaged.passUnretained(feed).toOpaque(), nil,
            { handle, client, buffer in
                guard let client, let buffer else { return -1 }
                let feed = Unmanaged<RegionFeed>.fromOpaque(client).takeUnretainedValue()
                do throws(ArchiveError) {
                    return try feed.next(buffer)
                } catch {
                    archive_set_error_text(handle, PosixError.inputOutput, error.message)
                    return -1
                }
            }, nil)
        guard result == ARCHIVE_OK else { throw failure() }
        if content == .compressedFile {
            var entry: OpaquePointer?
            guard archive_read_next_header(handle, &entry) == ARCHIVE_OK else { throw failure() }
        }
    }

    private var memory: UnsafeMutableRawBufferPointer?
    private var feed: RegionFeed?

    private init(name: String, content: Content) throws(ArchiveError) {
        guard let handle = archive_read_new() else { throw ArchiveError(path: name, message: "out of memory") }
        self.handle = handle
        path = name
        archive_read_support_filter_all(handle)
        switch content {
        case .archive: archive_read_support_format_all(handle)
        case .compressedFile: archive_read_support_format_raw(handle)
        }
    }

    deinit {
        archive_read_free(handle)
        memory?.deallocate()
    }

    private func failure() -> ArchiveError {
        ArchiveError(path: path, message: archive_error_string(handle).map { String(cString: $0) } ?? "unknown error")
    }

    /// The next member; nil at the end.
    public func next() throws(ArchiveError) -> ArchiveEntry? {
        var entry: OpaquePointer?
        let result = archive_read_next_header(handle, &entry)
        if result == ARCHIVE_EOF { return nil }
        guard result == ARCHIVE_OK || result == ARCHIVE_WARN, let entry else { throw failure() }
        var name = archive_entry_pathname(entry).map { String(cString: $0) } ?? ""
        while name.hasPrefix("./") { name.removeFirst(2) }
        while name.hasPrefix("/") { name.removeFirst() }
        let permissions = UInt16(truncatingIfNeeded: archive_entry_perm(entry))
        let kind: ArchiveEntry.Kind =
            switch UInt32(archive_entry_filetype(entry)) {
            case 0o040000: .directory
            case 0o120000: .symbolicLink(target: archive_entry_symlink(entry).map { String(cString: $0) } ?? "")
            case 0o020000:
                .characterDevice(
                    major: UInt32(truncatingIfNeeded: archive_entry_rdevmajor(entry)),
                    minor: UInt32(truncatingIfNeeded: archive_entry_rdevminor(entry)))
            default: .file
            }
        return ArchiveEntry(
            path: name, kind: kind, permissions: permissions, size: archive_entry_size(entry),
            modified: archive_entry_mtime_is_set(entry) != 0 ? Int64(archive_entry_mtime(entry)) : 0)
    }

    /// Up to `limit` bytes of the current member; empty at its end.
    public func read(upTo limit: Int) throws(ArchiveError) -> [UInt8] {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, initialized in
            count = archive_read_data(handle, buffer.baseAddress, limit)
            initialized = max(0, count)
        }
        guard count >= 0 else { throw failure() }
        return bytes
    }

    /// The rest of the current member.
    ///
    /// - Throws: `ArchiveError` if it is larger than `limit` bytes, too.
    public func readAll(limit: Int) throws(ArchiveError) -> [UInt8] {
        var result: [UInt8] = []
        while true {
            let part = try read(upTo: 1 << 18)
            if part.isEmpty { return result }
            guard result.count + part.count <= limit else {
                throw ArchiveError(path: path, message: "a member is larger than \(limit) bytes")
            }
            result.append(contentsOf: part)
        }
    }

    /// Bytes of the (compressed) file consumed so far, for progress.
    public var consumedBytes: Int64 { archive_filter_bytes(handle, -1) }
}

/// What libarchive asks for the next bytes of a region; the buffer it is given lives until it asks again.
private final class RegionFeed {
    private let region: FileRegion
    private var position: Int64 = 0
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)

    init(_ region: FileRegion) { self.region = region }

    deinit { buffer.deallocate() }

    func next(_ result: UnsafeMutablePointer<UnsafeRawPointer?>) throws(ArchiveError) -> Int {
        let bytes = try region.read(Int(min(Int64(buffer.count), region.size - position)), at: position)
        buffer.copyBytes(from: bytes)
        position += Int64(bytes.count)
        result.pointee = UnsafeRawPointer(buffer.baseAddress)
        return bytes.count
    }
}
