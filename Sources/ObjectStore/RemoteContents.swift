// Contents that lie in a store elsewhere. The index names them by negative ids: a content keeps the magnitude of its id
// wherever it lies, so that moving it changes a sign and the encryption of its chunks stays good.
//
//   id > 0   root/data/ab/abcdef0123456789          id < 0   the remote content abcdef0123456789

public import NIOCore
internal import Signatures

/// A store of immutable contents beside the files of the index: what a back end over somebody else's store implements.
/// It fails with `ObjectStoreError.unavailable` when the store cannot be reached after a bounded number of attempts.
public protocol RemoteContents: Sendable {
    /// Stores a content, whole or not at all; it is durable when this returns. One that is there is replaced.
    ///
    /// - Parameter digests: MD5 and SHA-256 of the bytes, where they are known already.
    func put(
        _ name: String, size: Int64, digests: RemoteDigests?, source: @escaping RemoteSource
    ) async throws
    /// Bytes of a content; nil if it is not there.
    func open(_ name: String, range: Range<Int64>) async throws -> (any RemoteBody)?
    /// Removes a content; one that is not there is fine.
    func remove(_ name: String) async throws
    /// Up to 1,000 contents after a name, in the order of names.
    func list(after: String) async throws -> [RemoteEntry]
}

/// Gives up to so many bytes from an offset of the content that is to be stored; asked again where an attempt failed.
public typealias RemoteSource = @Sendable (_ offset: Int64, _ count: Int) async throws -> ByteBuffer

/// Digests of a content, raw.
public struct RemoteDigests: Sendable {
    /// 16 bytes.
    public var md5: [UInt8]
    /// 32 bytes.
    public var sha256: [UInt8]

    /// Makes digests.
    public init(md5: [UInt8], sha256: [UInt8]) {
        self.md5 = md5
        self.sha256 = sha256
    }
}

/// A content in a listing.
public struct RemoteEntry: Sendable, Equatable {
    /// 16 hexadecimal digits.
    public var name: String
    /// Bytes.
    public var size: Int64
    /// Milliseconds since 1970, by the remote store's clock.
    public var modified: Int64

    /// Makes an entry.
    public init(name: String, size: Int64, modified: Int64) {
        self.name = name
        self.size = size
        self.modified = modified
    }
}

/// The bytes of a remote content as they arrive. For one reader; the connection waits for it.
public protocol RemoteBody: AnyObject, Sendable {
    /// The next bytes, in order; nil at the end of the range. Goes on behind a connection that broke.
    func next() async throws -> ByteBuffer?
}

/// Where new contents of a bucket go.
public enum ContentPlace: String, Sendable, CaseIterable {
    /// The local file system.
    case files
    /// The remote store.
    case s3

    /// The setting of a bucket that holds its place; `files` where it is absent.
    public static let setting = "place"
}

extension BucketRecord {
    /// Where new contents of this bucket go.
    public var place: ContentPlace { settings[ContentPlace.setting].flatMap(ContentPlace.init) ?? .files }
}

extension Int64 {
    /// Whether it is the id of a content in the remote store.
    var isRemote: Bool { self < 0 }
    /// The same content's id in the other place.
    var elsewhere: Int64 { -self }
}

/// Names of remote contents.
enum RemoteName {
    static func name(_ id: Int64) -> String {
        hexadecimal(stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: id.magnitude >> UInt64($0)) })
    }

    /// The (negative) id; nil for what is no content of ours.
    static func id(_ name: String) -> Int64? {
        guard name.utf8.count == 16, let magnitude = Int64(name, radix: 16), magnitude > 0 else { return nil }
        return -magnitude
    }
}
