// Where objects lie: the protocol of a back end and the one that keeps them in local files.
//
// Here: buckets, objects and multipart uploads as durable, listable records with their bytes; checksums; the rule that
// nothing is acknowledged before it is on the disk. Not here: who may do what, naming rules, quotas (Walrus), HTTP (S3).
// It fails with `ObjectStoreError`, and passes on whatever a body's sequence throws.

public import NIOCore

/// A bucket.
public struct BucketRecord: Sendable, Equatable {
    /// The name, unique in the store.
    public var name: String
    /// The account that owns it.
    public var owner: String
    /// The location constraint it was created with; empty for none.
    public var region: String
    /// Milliseconds since 1970.
    public var created: Int64

    /// Makes a record.
    public init(name: String, owner: String, region: String, created: Int64) {
        self.name = name
        self.owner = owner
        self.region = region
        self.created = created
    }
}

/// What a client said about an object beside its bytes.
public struct ObjectAttributes: Sendable, Equatable, Codable {
    /// Standard headers that are given back as they came (`content-type`, `cache-control`, …), names in lower case.
    public var headers: [String: String]
    /// User metadata, names in lower case without `x-amz-meta-`.
    public var metadata: [String: String]
    /// The checksum the client asked for, once the bytes are known to match it.
    public var checksum: ObjectChecksum?

    /// Makes attributes.
    public init(
        headers: [String: String] = [:], metadata: [String: String] = [:], checksum: ObjectChecksum? = nil
    ) {
        self.headers = headers
        self.metadata = metadata
        self.checksum = checksum
    }
}

/// A checksum of a whole object.
public struct ObjectChecksum: Sendable, Equatable, Codable {
    /// The algorithm.
    public var algorithm: ChecksumAlgorithm
    /// The value in Base64.
    public var value: String

    /// Makes a checksum.
    public init(algorithm: ChecksumAlgorithm, value: String) {
        self.algorithm = algorithm
        self.value = value
    }
}

/// An object without its bytes.
public struct ObjectRecord: Sendable, Equatable {
    /// The key, any UTF-8 of 1 to 1024 bytes.
    public var key: String
    /// Bytes.
    public var size: Int64
    /// The entity tag without quotes: MD5 in hexadecimal, or `md5-of-md5s-N` for N parts.
    public var etag: String
    /// SHA-256 of the bytes in hexadecimal; nil for objects put together from parts.
    public var sha256: String?
    /// Milliseconds since 1970.
    public var modified: Int64
    /// Headers and metadata.
    public var attributes: ObjectAttributes
}

/// What is known about the bytes of a body once all have arrived.
public struct ContentDigests: Sendable, Equatable {
    /// Bytes.
    public var size: Int64
    /// MD5, raw.
    public var md5: [UInt8]
    /// SHA-256, raw.
    public var sha256: [UInt8]
    /// The checksum that was asked for, raw.
    public var checksum: [UInt8]?
}

/// What comes with the bytes of a put.
public struct PutOptions: Sendable {
    /// Headers and metadata.
    public var attributes: ObjectAttributes
    /// The announced size in bytes; another number of bytes is refused.
    public var expectedSize: Int64?
    /// A checksum to compute beside MD5 and SHA-256.
    public var checksum: ChecksumAlgorithm?
    /// Called when all bytes are there and before they become visible: a throw refuses the put. It may return the
    /// checksum to record.
    public var validate: @Sendable (ContentDigests) throws -> ObjectChecksum?
    /// What must hold for the object that is there (conditional writes).
    public var condition: PutCondition

    /// Makes options; by default everything is accepted.
    public init(
        attributes: ObjectAttributes = ObjectAttributes(), expectedSize: Int64? = nil,
        checksum: ChecksumAlgorithm? = nil, condition: PutCondition = .none,
        validate: @escaping @Sendable (ContentDigests) throws -> ObjectChecksum? = { _ in nil }
    ) {
        self.attributes = attributes
        self.expectedSize = expectedSize
        self.checksum = checksum
        self.condition = condition
        self.validate = validate
    }
}

/// The condition of a write on the present object, judged in the same transaction.
public enum PutCondition: Sendable, Equatable {
    /// Overwrite whatever is there.
    case none
    /// Only if there is no such object (`If-None-Match: *`).
    case absent
    /// Only if there is an object (`If-Match: *`).
    case present
    /// Only if the object is there with this entity tag (`If-Match`).
    case etag(String)
    /// Only if there is no object with this entity tag (`If-None-Match`).
    case notEtag(String)
}

/// A page of a listing to be read.
public struct ListQuery: Sendable {
    /// Only keys that start with this.
    public var prefix: String
    /// Keys are rolled up to the first occurrence of this after the prefix; empty for none.
    public var delimiter: String
    /// Only keys (and rolled-up prefixes) after this one in byte order.
    public var after: String
    /// At most so many keys and prefixes together.
    public var limit: Int

    /// Makes a query.
    public init(prefix: String = "", delimiter: String = "", after: String = "", limit: Int = 1000) {
        self.prefix = prefix
        self.delimiter = delimiter
        self.after = after
        self.limit = limit
    }
}

/// A page of a listing.
public struct ListPage<Item: Sendable>: Sendable {
    /// The items in byte order of their keys.
    public var items: [Item]
    /// The rolled-up prefixes in byte order.
    public var commonPrefixes: [String]
    /// Where the next page starts (to be given as `after`); nil if this one is the last.
    public var next: String?

    /// Makes a page.
    public init(items: [Item] = [], commonPrefixes: [String] = [], next: String? = nil) {
        self.items = items
        self.commonPrefixes = commonPrefixes
        self.next = next
    }
}

/// A multipart upload under way.
public struct UploadRecord: Sendable, Equatable {
    /// The upload's id.
    public var id: String
    /// The key that it will become.
    public var key: String
    /// The account that began it.
    public var owner: String
    /// Milliseconds since 1970.
    public var initiated: Int64
    /// Headers and metadata of the object to be.
    public var attributes: ObjectAttributes
}

/// An uploaded part.
public struct PartRecord: Sendable, Equatable {
    /// 1 to 10,000.
    public var number: Int
    /// Bytes.
    public var size: Int64
    /// MD5 in hexadecimal.
    public var etag: String
    /// Milliseconds since 1970.
    public var modified: Int64
    /// The part's checksum, if one was sent.
    public var checksum: ObjectChecksum?
}

/// A part as the caller names it when completing.
public struct CompletedPart: Sendable, Equatable {
    /// 1 to 10,000.
    public var number: Int
    /// The part's entity tag, without quotes.
    public var etag: String

    /// Makes one.
    public init(number: Int, etag: String) {
        self.number = number
        self.etag = etag
    }
}

/// An object opened for reading: its record, and its bytes as they were at that moment, whatever happens to the key
/// afterwards. Read it from one task at a time; `close` it.
public protocol ObjectContent: AnyObject, Sendable {
    /// The record.
    var record: ObjectRecord { get }
    /// Up to `count` bytes from `offset`; fewer only at the end.
    func read(at offset: Int64, count: Int) async throws -> ByteBuffer
    /// Lets go of the files. Further reads fail.
    func close()
}

/// Keeps buckets, objects and uploads. What a call has returned is durable.
public protocol ObjectBackend: Sendable {
    /// Creates a bucket. Throws `bucketExists`.
    func createBucket(_ bucket: BucketRecord) async throws
    /// The bucket. Throws `noSuchBucket`.
    func bucket(_ name: String) async throws -> BucketRecord
    /// All buckets of an owner (nil: of everybody), by name.
    func buckets(owner: String?) async throws -> [BucketRecord]
    /// Deletes an empty bucket; uploads under way are given up. Throws `bucketNotEmpty`.
    func deleteBucket(_ name: String) async throws

    /// Stores an object, replacing the one of that key at once and whole.
    func put<Body: AsyncSequence & Sendable>(
        bucket: String, key: String, options: PutOptions, body: Body
    ) async throws -> ObjectRecord where Body.Element == ByteBuffer
    /// The record of an object. Throws `noSuchKey`.
    func head(bucket: String, key: String) async throws -> ObjectRecord
    /// Opens an object. Throws `noSuchKey`.
    func open(bucket: String, key: String) async throws -> any ObjectContent
    /// Deletes objects; keys without an object count as deleted.
    func delete(bucket: String, keys: [String]) async throws
    /// A page of objects.
    func list(bucket: String, _ query: ListQuery) async throws -> ListPage<ObjectRecord>

    /// Begins a multipart upload.
    func createUpload(
        bucket: String, key: String, owner: String, attributes: ObjectAttributes
    ) async throws -> UploadRecord
    /// The upload. Throws `noSuchUpload`.
    func upload(bucket: String, key: String, id: String) async throws -> UploadRecord
    /// Stores a part, replacing the one of that number.
    func putPart<Body: AsyncSequence & Sendable>(
        bucket: String, key: String, upload: String, number: Int, options: PutOptions, body: Body
    ) async throws -> PartRecord where Body.Element == ByteBuffer
    /// Parts after a number, in order.
    func parts(bucket: String, key: String, upload: String, after: Int, limit: Int) async throws -> [PartRecord]
    /// Makes an object of the parts and ends the upload.
    func completeUpload(
        bucket: String, key: String, upload: String, parts: [CompletedPart], minimumPartSize: Int64,
        condition: PutCondition
    ) async throws -> ObjectRecord
    /// Ends an upload and drops its parts. Throws `noSuchUpload`.
    func abortUpload(bucket: String, key: String, upload: String) async throws
    /// Uploads under way by key, then age; `after` counts keys, and within its key the uploads after `afterUpload`.
    func uploads(bucket: String, _ query: ListQuery, afterUpload: String) async throws -> ListPage<UploadRecord>
    /// Objects and bytes of a bucket.
    func usage(bucket: String) async throws -> (objects: Int64, bytes: Int64)
}

/// A stretch of an object as a sequence of buffers.
public struct ContentStream: AsyncSequence, Sendable {
    /// Bytes at a time: large enough that the hop to an I/O thread costs little, small enough for many readers.
    public static let chunkSize = 256 << 10

    private let content: any ObjectContent
    private let range: Range<Int64>

    /// Makes a stream; whoever made `content` closes it.
    public init(_ content: any ObjectContent, range: Range<Int64>? = nil) {
        self.content = content
        self.range = range ?? 0..<content.record.size
    }

    /// See `AsyncSequence`.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let content: any ObjectContent
        var offset: Int64
        let end: Int64

        /// See `AsyncIteratorProtocol`.
        public mutating func next() async throws -> ByteBuffer? {
            guard offset < end else { return nil }
            let buffer = try await content.read(at: offset, count: Int(Swift.min(end - offset, Int64(chunkSize))))
            guard buffer.readableBytes > 0 else {
                throw ObjectStoreError.failed("the object \(content.record.key) is shorter than its record")
            }
            offset += Int64(buffer.readableBytes)
            return buffer
        }
    }

    /// See `AsyncSequence`.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(content: content, offset: range.lowerBound, end: range.upperBound)
    }
}
