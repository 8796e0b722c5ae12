public import NIOCore
public import ObjectStore

extension Walrus {
    /// Stores an object.
    public func putObject<Body: AsyncSequence & Sendable>(
        _ caller: WalrusCaller, bucket: String, key: String, options: PutOptions, body: Body
    ) async throws -> ObjectRecord where Body.Element == ByteBuffer {
        let record = try await authorised(caller, .putObject, bucket, key: key)
        try Names.checkKey(key)
        try await checkSize(options.expectedSize, in: record)
        return try await backend.put(bucket: bucket, key: key, options: options, body: body)
    }

    func checkSize(_ size: Int64?, in bucket: BucketRecord) async throws {
        if let size, size > configuration.largestPut {
            throw WalrusError.tooLarge(size: size, maximum: configuration.largestPut)
        }
        try await quota.permitBytes(bucket: bucket, bytes: size)
    }

    /// Opens an object for reading; the caller closes it.
    public func getObject(_ caller: WalrusCaller, bucket: String, key: String) async throws -> any ObjectContent {
        _ = try await authorised(caller, .getObject, bucket, key: key)
        return try await backend.open(bucket: bucket, key: key)
    }

    /// The record of an object.
    public func headObject(_ caller: WalrusCaller, bucket: String, key: String) async throws -> ObjectRecord {
        _ = try await authorised(caller, .getObject, bucket, key: key)
        return try await backend.head(bucket: bucket, key: key)
    }

    /// Deletes objects; keys without an object count as deleted.
    public func deleteObjects(_ caller: WalrusCaller, bucket: String, keys: [String]) async throws {
        for key in keys { _ = try await authorised(caller, .deleteObject, bucket, key: key) }
        if keys.isEmpty { _ = try await authorised(caller, .deleteObject, bucket) }
        try await backend.delete(bucket: bucket, keys: keys)
    }

    /// What a copy does with headers and metadata.
    public enum CopyDirective: Sendable {
        /// Those of the source.
        case copy
        /// These.
        case replace(ObjectAttributes)
    }

    /// Copies an opened object to a key. `source` came from `getObject`, so the right to read it is checked.
    public func copyObject(
        _ caller: WalrusCaller, source: any ObjectContent, sourceBucket: String, bucket: String, key: String,
        directive: CopyDirective
    ) async throws -> ObjectRecord {
        var attributes = source.record.attributes
        switch directive {
        case .copy:
            if sourceBucket == bucket, source.record.key.utf8.elementsEqual(key.utf8) {
                throw WalrusError.copyOntoItself
            }
        case .replace(let replacement):
            attributes = replacement
        }
        let checksum = source.record.attributes.checksum
        attributes.checksum = nil
        // The bytes are hashed on their way, so a checksum that was right stays right, or the copy fails.
        let options = PutOptions(
            attributes: attributes, expectedSize: source.record.size, checksum: checksum?.algorithm,
            validate: { digests in
                if let sha256 = source.record.sha256, sha256 != Self.hexadecimal(digests.sha256) {
                    throw ObjectStoreError.failed("the bytes of \(source.record.key) are not those that were stored")
                }
                return checksum
            })
        return try await putObject(
            caller, bucket: bucket, key: key, options: options, body: ContentStream(source))
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}
