public import NIOCore
public import ObjectStore
internal import Signatures

/// What a request says of a new object beside its bytes and headers.
public struct WriteOptions: Sendable {
    /// The access control list, given the owners of object and bucket; nil for the owner's alone.
    public var acl: (@Sendable (_ owner: String, _ bucketOwner: String) throws -> AccessControlList)?
    /// Whether `acl` is anything but the bucket owner's full control, which buckets without such lists refuse.
    public var namesForeignACL = false
    /// Tags.
    public var tags: [ObjectTag]?
    /// Retention; nil for the bucket's default.
    public var retention: ObjectRetention?
    /// Legal hold.
    public var legalHold: Bool?
    /// Where the website sends a reader of a copy that keeps its source's other attributes.
    public var redirect: String?
    /// Encryption.
    public var encryption = EncryptionRequest.standard

    /// Makes options.
    public init() {}
}

extension Walrus {
    /// Fills in what the bucket's settings and the request make of a new object.
    func prepare(
        _ caller: WalrusCaller, _ state: BucketState, _ write: WriteOptions, _ attributes: inout ObjectAttributes
    ) throws -> ContentKey? {
        let bucketOwner = state.record.owner
        var owner = caller.principal?.accountID ?? bucketOwner
        if state.settings.ownership == .enforced { owner = bucketOwner }
        if state.settings.ownership == .enforced, write.namesForeignACL { throw WalrusError.aclsDisabled }
        let list = try write.acl?(owner, bucketOwner)
        if let list {
            try checkACL(list, in: state)
            if state.settings.ownership == .preferred,
                list == AccessControlList.canned("bucket-owner-full-control", owner: owner, bucketOwner: bucketOwner)
            {
                owner = bucketOwner
            } else if list != .owned(by: owner) {
                attributes.acl = ObjectACL.encode(list)
            }
        }
        if owner != bucketOwner { attributes.owner = owner }
        attributes.tags = write.tags.flatMap { $0.isEmpty ? nil : $0 }
        if write.retention != nil || write.legalHold != nil, state.settings.objectLock == nil {
            throw WalrusError.noObjectLock
        }
        attributes.retention = write.retention ?? state.settings.objectLock?.retention(from: clock())
        attributes.legalHold = write.legalHold
        guard let (key, record) = try newKey(write.encryption, in: state) else { return nil }
        attributes.encryption = record
        return key
    }

    /// Stores an object.
    public func putObject<Body: AsyncSequence & Sendable>(
        _ caller: WalrusCaller, bucket: String, key: String, options: PutOptions, write: WriteOptions = WriteOptions(),
        body: Body
    ) async throws -> ObjectRecord where Body.Element == ByteBuffer {
        let state = try await authorised(caller, .putObject, bucket, key: key)
        try Names.checkKey(key)
        try checkSize(options.expectedSize)
        try await limitBytes(caller, state.record, key: key, size: options.expectedSize)
        var options = options
        options.key = try prepare(caller, state, write, &options.attributes)
        let prepared = options
        return try await withinQuota(
            of: state.record, replacing: key, objects: 1, size: options.expectedSize
        ) { known in
            try await backend.put(bucket: bucket, key: key, options: prepared.announcing(known), body: body)
        }
    }

    func checkSize(_ size: Int64?) throws {
        if let size, size > configuration.largestPut {
            throw WalrusError.tooLarge(size: size, maximum: configuration.largestPut)
        }
    }

    /// Opens an object for reading; the caller closes it.
    ///
    /// - Parameter check: may refuse what is there before the customer's key is looked at.
    public func getObject(
        _ caller: WalrusCaller, bucket: String, key: String, version: String? = nil, customerKey: CustomerKey? = nil,
        check: (any ObjectContent) throws -> Void = { _ in }
    ) async throws -> (content: any ObjectContent, state: BucketState) {
        let (state, content) = try await authorisedContent(caller, .getObject, bucket, key, version: version)
        do {
            try check(content)
            if let key = try self.key(content.record.attributes.encryption, customerKey) { content.unlock(key) }
        } catch {
            content.close()
            throw error
        }
        return (content, state)
    }

    /// The record of an object.
    public func headObject(
        _ caller: WalrusCaller, bucket: String, key: String, version: String? = nil, customerKey: CustomerKey? = nil
    ) async throws -> (record: ObjectRecord, state: BucketState) {
        let (state, record) = try await authorisedObject(caller, .getObject, bucket, key, version: version)
        _ = try self.key(record.attributes.encryption, customerKey)
        return (record, state)
    }

    /// The parts of an object (none if it is of one piece) and its record.
    public func objectParts(
        _ caller: WalrusCaller, bucket: String, key: String, version: String?, customerKey: CustomerKey?
    ) async throws -> (record: ObjectRecord, parts: [ObjectPart]) {
        let (_, content) = try await authorisedContent(caller, .getObjectAttributes, bucket, key, version: version)
        defer { content.close() }
        _ = try self.key(content.record.attributes.encryption, customerKey)
        return (content.record, content.parts)
    }

    // MARK: Deletion

    /// Throws if a version is locked.
    static func checkLock(_ attributes: ObjectAttributes, now: Int64, bypass: Bool) throws {
        if attributes.legalHold == true { throw WalrusError.locked }
        if let retention = attributes.retention, retention.until > now, retention.mode == .compliance || !bypass {
            throw WalrusError.locked
        }
    }

    /// Deletes objects and versions; keys without an object count as deleted.
    ///
    /// - Parameter bypass: the caller wants to delete in spite of governance retention.
    public func deleteObjects(
        _ caller: WalrusCaller, bucket: String, _ deletions: [Deletion], bypass: Bool = false
    ) async throws -> [Result<Deleted, any Error>] {
        let state = try await state(caller, bucket)
        var results: [Result<Deleted, any Error>?] = []
        var permitted: [Deletion] = []
        for deletion in deletions {
            do {
                let action = WalrusAction.deleteObject.onVersion(deletion.version)
                // A right on the bucket's list covers versions as well.
                let question = AccessQuestion(
                    caller: caller, action: action, state: state, key: deletion.key, object: nil)
                guard try Access.permits(question) else { throw WalrusError.accessDenied }
                if bypass { try require(caller, .bypassGovernanceRetention, state, key: deletion.key) }
                permitted.append(deletion)
                results.append(nil)
            } catch {
                results.append(.failure(error))
            }
        }
        let now = clock()
        var done = try await backend.delete(bucket: bucket, permitted) { record in
            try Self.checkLock(record.attributes, now: now, bypass: bypass)
        }[...]
        return results.map { $0 ?? done.popFirst() ?? .failure(WalrusError.accessDenied) }
    }

    // MARK: Copies

    /// What a copy does with headers, metadata and tags.
    public struct CopyDirective: Sendable {
        /// Headers and metadata in place of the source's; nil to copy them.
        public var attributes: ObjectAttributes?
        /// Tags in place of the source's; nil to copy them.
        public var tags: [ObjectTag]?
        /// The checksum that the copy shall have; nil to keep the source's.
        public var checksum: ChecksumAlgorithm?
        /// Whether anything else is asked that makes a copy onto itself a change.
        public var changesSomething: Bool
        /// Headers that the copy never has from its source, with its own values; nil for none.
        public var ownHeaders: [String: String?]

        /// Makes a directive.
        public init(
            attributes: ObjectAttributes?, tags: [ObjectTag]?, checksum: ChecksumAlgorithm? = nil,
            changesSomething: Bool = false, ownHeaders: [String: String?] = [:]
        ) {
            self.attributes = attributes
            self.tags = tags
            self.checksum = checksum
            self.changesSomething = changesSomething
            self.ownHeaders = ownHeaders
        }
    }

    /// Copies an opened object to a key. `source` came from `getObject`, so the right to read it is checked.
    public func copyObject(
        _ caller: WalrusCaller, source: any ObjectContent, sourceBucket: String, sourceVersion: String?, bucket: String,
        key: String, directive: CopyDirective, write: WriteOptions, condition: PutCondition = .none
    ) async throws -> ObjectRecord {
        let former = source.record.attributes
        if directive.attributes == nil, !directive.changesSomething, sourceVersion == nil, sourceBucket == bucket,
            source.record.key.utf8.elementsEqual(key.utf8),
            // Where new objects are encrypted, a copy onto itself is how older ones come to be.
            try await state(caller, bucket).settings.encryption == nil
        {
            throw WalrusError.copyOntoItself
        }
        var attributes = directive.attributes ?? ObjectAttributes(headers: former.headers, metadata: former.metadata)
        if directive.attributes == nil { attributes.redirect = write.redirect }
        for (name, value) in directive.ownHeaders { attributes.headers[name] = value }
        var write = write
        write.tags = directive.tags ?? former.tags
        // The bytes are hashed on their way, so a checksum that was right stays right, or the copy fails.
        let kept = former.checksum.flatMap { $0.isComposite ? nil : $0 }
        let algorithm = directive.checksum ?? former.checksum?.algorithm
        let options = PutOptions(
            attributes: attributes, expectedSize: source.record.size, checksum: algorithm, condition: condition,
            validate: { digests in
                if let sha256 = source.record.sha256, sha256 != hexadecimal(digests.sha256) {
                    throw ObjectStoreError.failed("the bytes of \(source.record.key) are not those that were stored")
                }
                guard let algorithm, let computed = digests.checksum else { return nil }
                let value = ObjectChecksum(algorithm: algorithm, rawValue: computed)
                if let kept, kept.algorithm == algorithm, kept.value != value.value {
                    throw ObjectStoreError.failed("the bytes of \(source.record.key) are not those that were stored")
                }
                return value
            })
        return try await putObject(
            caller, bucket: bucket, key: key, options: options, write: write, body: ContentStream(source))
    }
}

extension PutOptions {
    /// The same, telling the number of bytes to `known` before they become visible.
    func announcing(_ known: @escaping @Sendable (Int64) throws -> Void) -> PutOptions {
        var options = self
        let validate = options.validate
        options.validate = { digests in
            let checksum = try validate(digests)
            try known(digests.size)
            return checksum
        }
        return options
    }
}
