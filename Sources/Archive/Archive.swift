// Archive: libarchive's one Swift face.
//
// Here: reading compressed files as one stream, reading archive members (of a file, or of a file in a disc image),
// writing archives and ISO 9660 discs, and a reader of discs at any place, since libarchive's goes front to back only.
// Not here: what the members mean (RPM, roll, credentials zip: their users' business).
// Failing: `ArchiveError` with libarchive's own text and the path. Blocking: call it from a thread that may wait.

/// What libarchive could not do.
public struct ArchiveError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file concerned.
    public let path: String
    /// libarchive's text.
    public let message: String

    /// Makes an error.
    public init(path: String, message: String) {
        self.path = path
        self.message = message
    }

    /// Path and cause.
    public var description: String { "\(path): \(message)" }
}

/// Metadata of an archive member.
public struct ArchiveEntry: Sendable, Equatable {
    /// What a member is.
    public enum Kind: Sendable, Equatable {
        case file
        case directory
        /// A symbolic link and where it points.
        case symbolicLink(target: String)
        /// A character device with its numbers.
        case characterDevice(major: UInt32, minor: UInt32)
    }
    /// Path within the archive, without a leading slash.
    public var path: String
    /// What it is.
    public var kind: Kind
    /// Permission bits.
    public var permissions: UInt16
    /// Size in bytes; for files.
    public var size: Int64
    /// When it was modified, in seconds since 1970; 0 if the archive does not say.
    public var modified: Int64

    /// Makes an entry.
    public init(path: String, kind: Kind, permissions: UInt16, size: Int64 = 0, modified: Int64 = 0) {
        self.path = path
        self.kind = kind
        self.permissions = permissions
        self.size = size
        self.modified = modified
    }
}
