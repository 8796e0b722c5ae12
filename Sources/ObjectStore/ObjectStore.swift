// Where objects lie: the protocol of a back end and the one that keeps them in local files.
//
// Here: buckets, objects and multipart uploads as durable, listable records with their bytes; checksums; the rule that
// nothing is acknowledged before it is on the disk. Not here: who may do what, naming rules, quotas (Walrus), HTTP (S3).
// It fails with `ObjectStoreError`, and passes on whatever a body's sequence throws.

public import NIOCore

/// An object opened for reading: its record, and its bytes as they were at that moment, whatever happens to the key
/// afterwards. Read it from one task at a time; `close` it.
public protocol ObjectContent: AnyObject, Sendable {
    /// The record.
    var record: ObjectRecord { get }
    /// The parts it was put together from; empty for an object of one piece.
    var parts: [ObjectPart] { get }
    /// Gives the key of an encrypted object; reading it without fails.
    func unlock(_ key: ContentKey)
    /// Up to `count` bytes from `offset`; fewer only at the end.
    func read(at offset: Int64, count: Int) async throws -> ByteBuffer
    /// The bytes from `offset` on, as they lie in one file and in the system's memory; nil where they have to be worked
    /// on or fetched from elsewhere, so that `read` is the way. Good until the next call.
    func stretch(at offset: Int64, limit: Int) async throws -> FileStretch?
    /// Lets go of the files. Further reads fail.
    func close()
}

/// Bytes of an open file.
public struct FileStretch: Sendable {
    /// Belongs to the content that gave it.
    public var descriptor: Int32
    /// Where in the file.
    public var offset: Int64
    /// How many, at least one.
    public var count: Int
}

extension ObjectContent {
    /// None.
    public func stretch(at offset: Int64, limit: Int) async throws -> FileStretch? { nil }
}

/// Keeps buckets, objects and uploads. What a call has returned is durable.
public protocol ObjectBackend: Sendable {
    /// The key that wraps the keys of encrypted objects.
    var storeKey: ContentKey { get }

    /// Creates a bucket. Throws `bucketExists`.
    func createBucket(_ bucket: BucketRecord) async throws
    /// The bucket. Throws `noSuchBucket`.
    func bucket(_ name: String) async throws -> BucketRecord
    /// All buckets of an owner (nil: of everybody), by name.
    func buckets(owner: String?) async throws -> [BucketRecord]
    /// Deletes an empty bucket; uploads under way are given up. Throws `bucketNotEmpty`.
    func deleteBucket(_ name: String) async throws

    /// Changes versioning or settings of a bucket in one step; a setting of nil is removed. Throws `noSuchBucket`, or
    /// what `check` throws for the bucket as it is.
    @discardableResult
    func changeBucket(
        _ name: String, versioning: VersioningState?, settings: [String: String?],
        check: @escaping @Sendable (BucketRecord) throws -> Void
    ) async throws -> BucketRecord

    /// Stores an object as the newest of its key, at once and whole.
    func put<Body: AsyncSequence & Sendable>(
        bucket: String, key: String, options: PutOptions, body: Body
    ) async throws -> ObjectRecord where Body.Element == ByteBuffer
    /// The record of an object, or of one version (`null` for the null version), which may be a delete marker. Throws
    /// `noSuchKey`, `noSuchVersion`, or `isDeleteMarker` where the newest version is one and none was asked for.
    func head(bucket: String, key: String, version: String?) async throws -> ObjectRecord
    /// Opens an object or one version. Throws as `head` does, and `isDeleteMarker` for a version that is one.
    func open(bucket: String, key: String, version: String?) async throws -> any ObjectContent
    /// Deletes objects or versions, all in one step; keys without an object count as deleted.
    ///
    /// - Parameter permit: called for each version that would be removed for good; a throw keeps it.
    func delete(
        bucket: String, _ deletions: [Deletion], permit: @escaping @Sendable (ObjectRecord) throws -> Void
    ) async throws -> [Result<Deleted, any Error>]
    /// Changes the attributes of an object or version in one step; `modified` stays.
    @discardableResult
    func change(
        bucket: String, key: String, version: String?,
        _ change: @escaping @Sendable (inout ObjectAttributes) throws -> Void
    ) async throws -> ObjectRecord
    /// A page of objects.
    func list(bucket: String, _ query: ListQuery) async throws -> ListPage<ObjectRecord>
    /// A page of versions and delete markers, newest first within a key; `afterVersion` goes on within the key that
    /// `after` names.
    func versions(bucket: String, _ query: ListQuery, afterVersion: String) async throws -> ListPage<ObjectRecord>

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
        bucket: String, key: String, upload: String, parts: [CompletedPart], options: CompletionOptions
    ) async throws -> ObjectRecord
    /// Ends an upload and drops its parts. Throws `noSuchUpload`.
    func abortUpload(bucket: String, key: String, upload: String) async throws
    /// Uploads under way by key, then age; `after` counts keys, and within its key the uploads after `afterUpload`.
    func uploads(bucket: String, _ query: ListQuery, afterUpload: String) async throws -> ListPage<UploadRecord>
    /// What lies in a bucket; quick. Throws `noSuchBucket`.
    func usage(bucket: String) async throws -> StorageUsage
    /// What lies in all buckets of an owner; quick enough to be asked at each write.
    func usage(owner: String) async throws -> StorageUsage
}

extension ObjectBackend {
    /// The record of an object.
    public func head(bucket: String, key: String) async throws -> ObjectRecord {
        try await head(bucket: bucket, key: key, version: nil)
    }

    /// The sum over the owner's buckets.
    public func usage(owner: String) async throws -> StorageUsage {
        var sum = StorageUsage()
        for bucket in try await buckets(owner: owner) { sum = sum + (try await usage(bucket: bucket.name)) }
        return sum
    }

    /// Opens an object.
    public func open(bucket: String, key: String) async throws -> any ObjectContent {
        try await open(bucket: bucket, key: key, version: nil)
    }

    /// Deletes objects; keys without an object count as deleted.
    public func delete(bucket: String, keys: [String]) async throws {
        let results = try await delete(bucket: bucket, keys.map { Deletion(key: $0) }, permit: { _ in })
        for result in results { _ = try result.get() }
    }
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
