import CArchive
import Posix

/// Writes an ISO 9660 disc with Rock Ridge names: everything readable, owned by root, without Joliet.
///
/// Equal inputs make equal bytes, wherever and whenever. libarchive's writer puts the present time, its own version and
/// times in the local zone on the disc and has no option to say otherwise; `close` puts given ones there instead.
/// Not for use by two threads at once.
public final class DiscWriter {
    private let handle: OpaquePointer
    private let path: String
    private let volume: String
    private let time: Int64
    private var directories: [String: Int] = [:]
    private var isClosed = false

    /// Creates, or truncates, an image.
    ///
    /// - Parameters:
    ///   - path: The image.
    ///   - volume: Its volume identifier; at most 32 ASCII characters count.
    ///   - time: Seconds since 1970, for the volume and for directories.
    ///   - directories: Every directory to be, without leading slash; those above are understood.
    public init(path: String, volume: String, time: Int64, directories: [String]) throws(ArchiveError) {
        guard let handle = archive_write_new() else { throw ArchiveError(path: path, message: "out of memory") }
        self.handle = handle
        self.path = path
        self.volume = String(
            volume.unicodeScalars.filter { $0.isASCII && $0.value >= 32 }.prefix(32).map(Character.init))
        self.time = time
        archive_write_set_format_iso9660(handle)
        for (option, value) in [
            ("rockridge", "useful"), ("joliet", nil), ("iso-level", "3"), ("pad", nil), ("volume-id", "ROLL"),
        ] as [(String, String?)] {
            guard archive_write_set_format_option(handle, "iso9660", option, value) == ARCHIVE_OK else {
                throw failure()
            }
        }
        guard archive_write_open_filename(handle, path) == ARCHIVE_OK else { throw failure() }
        // A directory's count of links, which fsck and find(1) expect to be two and one for each directory in it.
        for directory in directories {
            var name = directory
            while !name.isEmpty, name != ".", self.directories[name] == nil {
                self.directories[name] = 2
                name = FileSystem.parent(name)
                if name == "/" { break }
            }
        }
        for name in self.directories.keys { self.directories[FileSystem.parent(name)]? += 1 }
        for (name, links) in self.directories.sorted(by: { $0.key < $1.key }) {
            let entry = ArchiveEntry(path: name, kind: .directory, permissions: 0o755, modified: time)
            try header(entry, links: links)
        }
    }

    deinit { archive_write_free(handle) }

    private func failure() -> ArchiveError {
        ArchiveError(path: path, message: archive_error_string(handle).map { String(cString: $0) } ?? "unknown error")
    }

    private func header(_ member: ArchiveEntry, links: Int) throws(ArchiveError) {
        guard let entry = archive_entry_new() else { throw ArchiveError(path: path, message: "out of memory") }
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, member.path)
        archive_entry_set_filetype(entry, member.kind == .directory ? 0o040000 : 0o100000)
        archive_entry_set_perm(entry, mode_t(member.permissions))
        archive_entry_set_nlink(entry, UInt32(links))
        archive_entry_set_size(entry, member.size)
        archive_entry_set_mtime(entry, time_t(member.modified), 0)
        archive_entry_set_atime(entry, time_t(member.modified), 0)
        archive_entry_set_ctime(entry, time_t(member.modified), 0)
        guard archive_write_header(handle, entry) == ARCHIVE_OK else { throw failure() }
    }

    /// Adds a file; its directory must be one of those given at first.
    ///
    /// - Parameters:
    ///   - name: Its path on the disc, without leading slash.
    ///   - content: Its bytes.
    ///   - modified: Seconds since 1970.
    ///   - progress: Called with the bytes written of this file.
    public func add(
        _ name: String, _ content: FileRegion, modified: Int64, progress: (Int64) -> Void = { _ in }
    ) throws {
        let parent = FileSystem.parent(name)
        guard parent == "." || directories[parent] != nil else {
            throw ArchiveError(path: path, message: "\(name) is in no directory of the disc")
        }
        try header(
            ArchiveEntry(path: name, kind: .file, permissions: 0o644, size: content.size, modified: modified), links: 1)
        var written: Int64 = 0
        try content.forEachPiece { piece in
            let count = piece.withUnsafeBytes { archive_write_data(handle, $0.baseAddress, $0.count) }
            guard count == piece.count else { throw failure() }
            written += Int64(count)
            progress(written)
        }
    }

    /// Adds a small file.
    public func add(_ name: String, bytes: [UInt8], modified: Int64) throws {
        try add(name, FileRegion(bytes: bytes, name: name), modified: modified)
    }

    /// Finishes the image. A writer that is dropped without it leaves a useless file.
    public func close() throws(ArchiveError) {
        guard !isClosed else { return }
        isClosed = true
        guard archive_write_close(handle) == ARCHIVE_OK else { throw failure() }
        try DiscTimes.settle(path: path, volume: volume, time: time)
    }
}
