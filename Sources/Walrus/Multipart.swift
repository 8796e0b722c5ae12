public import NIOCore
public import ObjectStore

extension Walrus {
    /// Begins a multipart upload.
    public func createUpload(
        _ caller: WalrusCaller, bucket: String, key: String, attributes: ObjectAttributes,
        write: WriteOptions = WriteOptions()
    ) async throws -> UploadRecord {
        let state = try await authorised(caller, .putObject, bucket, key: key)
        try Names.checkKey(key)
        var attributes = attributes
        _ = try prepare(caller, state, write, &attributes)
        return try await backend.createUpload(
            bucket: bucket, key: key, owner: caller.principal?.accountID ?? state.record.owner, attributes: attributes)
    }

    /// Stores a part.
    public func uploadPart<Body: AsyncSequence & Sendable>(
        _ caller: WalrusCaller, bucket: String, key: String, upload: String, number: Int, options: PutOptions,
        customerKey: CustomerKey? = nil, body: Body
    ) async throws -> (part: PartRecord, encryption: ObjectEncryption?)
    where Body.Element == ByteBuffer {
        let state = try await authorised(caller, .putObject, bucket, key: key)
        guard (1...10_000).contains(number) else { throw WalrusError.invalidPartNumber(number) }
        try checkSize(options.expectedSize)
        let encryption = try await backend.upload(bucket: bucket, key: key, id: upload).attributes.encryption
        var options = options
        options.key = try self.key(encryption, customerKey)
        let prepared = options
        let part = try await withinQuota(
            of: state.record, replacing: nil, objects: 0, size: options.expectedSize
        ) { known in
            try await backend.putPart(
                bucket: bucket, key: key, upload: upload, number: number, options: prepared.announcing(known),
                body: body)
        }
        return (part, encryption)
    }

    /// The checksum that the parts of an upload shall have.
    public func uploadChecksum(
        _ caller: WalrusCaller, bucket: String, key: String, upload: String
    ) async throws -> ObjectChecksum? {
        _ = try await authorised(caller, .putObject, bucket, key: key)
        return try await backend.upload(bucket: bucket, key: key, id: upload).attributes.checksum
    }

    /// Parts after a number, in order.
    public func listParts(
        _ caller: WalrusCaller, bucket: String, key: String, upload: String, after: Int, limit: Int
    ) async throws -> (upload: UploadRecord, parts: [PartRecord]) {
        _ = try await authorised(caller, .listMultipartUploadParts, bucket, key: key)
        return (
            try await backend.upload(bucket: bucket, key: key, id: upload),
            try await backend.parts(bucket: bucket, key: key, upload: upload, after: after, limit: limit)
        )
    }

    /// Makes an object of the parts.
    public func completeUpload(
        _ caller: WalrusCaller, bucket: String, key: String, upload: String, parts: [CompletedPart],
        options: CompletionOptions, customerKey: CustomerKey? = nil
    ) async throws -> ObjectRecord {
        let state = try await authorised(caller, .putObject, bucket, key: key)
        guard !parts.isEmpty else { throw WalrusError.noParts }
        try await checkKey(customerKey, bucket: bucket, key: key, upload: upload)
        var options = options
        options.minimumPartSize = configuration.smallestPart
        let settled = options
        do {
            // The bytes are counted already, as parts.
            return try await withinQuota(of: state.record, replacing: key, objects: 1, size: 0) { _ in
                try await backend.completeUpload(
                    bucket: bucket, key: key, upload: upload, parts: parts, options: settled)
            }
        } catch ObjectStoreError.noSuchUpload {
            // A client that lost the answer asks again: if the object is just what these parts make, it is done.
            guard let present = try await present(bucket: bucket, key: key),
                present.etag == ObjectRecord.etag(ofParts: parts.map(\.etag))
            else { throw ObjectStoreError.noSuchUpload(upload) }
            return present
        }
    }

    /// Throws if completion brings another customer's key than its parts have. As S3 has it, the key may be left out,
    /// but not where the upload or one of its parts has a checksum.
    private func checkKey(_ customer: CustomerKey?, bucket: String, key: String, upload: String) async throws {
        let attributes: ObjectAttributes
        do {
            attributes = try await backend.upload(bucket: bucket, key: key, id: upload).attributes
        } catch ObjectStoreError.noSuchUpload {
            // Completed before, perhaps: completion itself knows.
            return
        }
        guard customer == nil else {
            _ = try self.key(attributes.encryption, customer)
            return
        }
        guard attributes.encryption?.kind == .customer else { return }
        var hasChecksum = attributes.checksum != nil
        if !hasChecksum {
            hasChecksum = try await backend.parts(bucket: bucket, key: key, upload: upload, after: 0, limit: 10_000)
                .contains { $0.checksum != nil }
        }
        if hasChecksum { throw WalrusError.encryptionKeyNeeded }
    }

    /// The object of a key; nil if there is none.
    func present(bucket: String, key: String) async throws -> ObjectRecord? {
        do {
            return try await backend.head(bucket: bucket, key: key)
        } catch ObjectStoreError.noSuchKey, ObjectStoreError.isDeleteMarker {
            return nil
        }
    }

    /// Ends an upload and drops its parts.
    public func abortUpload(_ caller: WalrusCaller, bucket: String, key: String, upload: String) async throws {
        _ = try await authorised(caller, .abortMultipartUpload, bucket, key: key)
        try await backend.abortUpload(bucket: bucket, key: key, upload: upload)
    }

    /// Uploads under way.
    public func listUploads(
        _ caller: WalrusCaller, bucket: String, _ query: ListQuery, afterUpload: String
    ) async throws -> ListPage<UploadRecord> {
        _ = try await authorised(caller, .listBucketMultipartUploads, bucket)
        return try await backend.uploads(bucket: bucket, query, afterUpload: afterUpload)
    }
}
