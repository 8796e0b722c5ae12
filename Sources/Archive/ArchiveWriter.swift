import CArchive

/// Writes an archive front to back. Not for use by two threads at once.
public final class ArchiveWriter {
    /// Format and compression.
    public enum Format: Sendable {
        /// cpio "newc", gzip: what the Linux kernel takes as an initramfs.
        case initramfs
        /// One file's bytes, gzip; without a name or time, so that equal bytes make equal files.
        case gzip
        /// PKZIP, deflated, with Unix rights.
        case zip
    }

    private let handle: OpaquePointer
    private let path: String
    private var isClosed = false

    /// Creates, or truncates, the file.
    public init(path: String, format: Format) throws(ArchiveError) {
        guard let handle = archive_write_new() else { throw ArchiveError(path: path, message: "out of memory") }
        self.handle = handle
        self.path = path
        switch format {
        case .initramfs:
            archive_write_set_format_cpio_newc(handle)
            archive_write_add_filter_gzip(handle)
            // The time stamp would make equal inputs differ.
            archive_write_set_filter_option(handle, "gzip", "timestamp", nil)
        case .gzip:
            archive_write_set_format_raw(handle)
            archive_write_add_filter_gzip(handle)
            archive_write_set_filter_option(handle, "gzip", "timestamp", nil)
            archive_write_set_filter_option(handle, "gzip", "compression-level", "9")
        case .zip: archive_write_set_format_zip(handle)
        }
        guard archive_write_open_filename(handle, path) == ARCHIVE_OK else { throw failure() }
    }

    deinit { archive_write_free(handle) }

    private func failure() -> ArchiveError {
        ArchiveError(path: path, message: archive_error_string(handle).map { String(cString: $0) } ?? "unknown error")
    }

    /// Adds a member owned by root.
    public func add(_ member: ArchiveEntry, bytes: [UInt8] = []) throws(ArchiveError) {
        guard let entry = archive_entry_new() else { throw ArchiveError(path: path, message: "out of memory") }
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, member.path)
        archive_entry_set_perm(entry, mode_t(member.permissions))
        archive_entry_set_mtime(entry, time_t(member.modified), 0)
        archive_entry_set_size(entry, member.kind == .file ? Int64(bytes.count) : 0)
        switch member.kind {
        case .file:
            archive_entry_set_filetype(entry, 0o100000)
        case .directory: archive_entry_set_filetype(entry, 0o040000)
        case .symbolicLink(let target):
            archive_entry_set_filetype(entry, 0o120000)
            archive_entry_set_symlink(entry, target)
        case .characterDevice(let major, let minor):
            archive_entry_set_filetype(entry, 0o020000)
            archive_entry_set_rdevmajor(entry, dev_t(major))
            archive_entry_set_rdevminor(entry, dev_t(minor))
        }
        guard archive_write_header(handle, entry) == ARCHIVE_OK else { throw failure() }
        if case .file = member.kind, !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { archive_write_data(handle, $0.baseAddress, $0.count) }
            guard written == bytes.count else { throw failure() }
        }
    }

    /// Finishes the archive. A writer that is dropped without it leaves a useless file.
    public func close() throws(ArchiveError) {
        guard !isClosed else { return }
        isClosed = true
        guard archive_write_close(handle) == ARCHIVE_OK else { throw failure() }
    }
}
