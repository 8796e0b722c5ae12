public import NIOCore
public import ObjectStore

extension Walrus {
    /// The access control list of an object, and its owner.
    public func objectACL(
        _ caller: WalrusCaller, bucket: String, key: String, version: String?
    ) async throws -> (list: AccessControlList, owner: String, object: ObjectRecord) {
        let (state, object) = try await authorisedObject(caller, .getObjectACL, bucket, key, version: version)
        return (try Access.list(of: object, in: state), Access.owner(of: object, in: state), object)
    }

    /// Who owns an object.
    public func owner(of object: ObjectRecord, in state: BucketState) -> String { Access.owner(of: object, in: state) }

    /// Sets the access control list of an object.
    public func putObjectACL(
        _ caller: WalrusCaller, bucket: String, key: String, version: String?,
        _ list: @Sendable (_ owner: String, _ bucketOwner: String) async throws -> AccessControlList
    ) async throws -> ObjectRecord {
        let (state, object) = try await authorisedObject(caller, .putObjectACL, bucket, key, version: version)
        if state.settings.ownership == .enforced { throw WalrusError.aclsDisabled }
        let list = try await list(Access.owner(of: object, in: state), state.record.owner)
        try checkACL(list, in: state)
        return try await backend.change(bucket: bucket, key: key, version: object.versionID) {
            $0.acl = ObjectACL.encode(list)
        }
    }

    /// The tags of an object.
    public func objectTags(
        _ caller: WalrusCaller, bucket: String, key: String, version: String?
    ) async throws -> ObjectRecord {
        try await authorisedObject(caller, .getObjectTagging, bucket, key, version: version).object
    }

    /// Sets the tags of an object; none removes them.
    public func putObjectTags(
        _ caller: WalrusCaller, bucket: String, key: String, version: String?, _ tags: [ObjectTag]?
    ) async throws -> ObjectRecord {
        let action = tags == nil ? WalrusAction.deleteObjectTagging : .putObjectTagging
        let (_, object) = try await authorisedObject(caller, action, bucket, key, version: version)
        return try await backend.change(bucket: bucket, key: key, version: object.versionID) {
            $0.tags = tags.flatMap { $0.isEmpty ? nil : $0 }
        }
    }

    private func lockable(
        _ caller: WalrusCaller, _ action: WalrusAction, _ bucket: String, _ key: String, _ version: String?
    ) async throws -> ObjectRecord {
        let state = try await authorised(caller, action, bucket, key: key)
        guard state.settings.objectLock != nil else { throw WalrusError.noObjectLock }
        return try await authorisedObject(caller, action, bucket, key, version: version).object
    }

    /// The record of an object in a bucket with object lock.
    public func objectLock(
        _ caller: WalrusCaller, _ action: WalrusAction, bucket: String, key: String, version: String?
    ) async throws -> ObjectRecord {
        try await lockable(caller, action, bucket, key, version)
    }

    /// Sets retention. It can be lengthened; shortening it needs the bypass of governance.
    public func putRetention(
        _ caller: WalrusCaller, bucket: String, key: String, version: String?, _ retention: ObjectRetention?,
        bypass: Bool
    ) async throws {
        let object = try await lockable(caller, .putObjectRetention, bucket, key, version)
        if bypass { _ = try await authorised(caller, .bypassGovernanceRetention, bucket, key: key) }
        let now = clock()
        try await backend.change(bucket: bucket, key: key, version: object.versionID) { attributes in
            if let present = attributes.retention, present.until > now {
                let isLonger =
                    retention.map { $0.until >= present.until && $0.mode == present.mode } ?? false
                if !isLonger, present.mode == .compliance || !bypass { throw WalrusError.locked }
            }
            attributes.retention = retention
        }
    }

    /// Sets or lifts a legal hold.
    public func putLegalHold(
        _ caller: WalrusCaller, bucket: String, key: String, version: String?, _ isOn: Bool
    ) async throws {
        let object = try await lockable(caller, .putObjectLegalHold, bucket, key, version)
        try await backend.change(bucket: bucket, key: key, version: object.versionID) { $0.legalHold = isOn }
    }
}

extension Walrus {
    /// Stores an access log on behalf of the service itself.
    ///
    /// - Parameter grants: to whom the bucket's owner has it granted.
    public func putLog(bucket: String, key: String, _ bytes: ByteBuffer, grants: [Grant] = []) async throws {
        let state = try await state(bucket)
        var options = PutOptions(
            attributes: ObjectAttributes(headers: ["content-type": "text/plain"]),
            expectedSize: Int64(bytes.readableBytes))
        let (contentKey, record) = try newKey(.standard, in: state).map { ($0, $1) } ?? (nil, nil)
        options.key = contentKey
        options.attributes.encryption = record
        if !grants.isEmpty {
            let list = AccessControlList(grants: AccessControlList.owned(by: state.record.owner).grants + grants)
            options.attributes.acl = ObjectACL.encode(list)
        }
        _ = try await backend.put(bucket: bucket, key: key, options: options, body: OneBuffer(bytes: bytes))
    }
}

/// A body in memory.
private struct OneBuffer: AsyncSequence, Sendable {
    let bytes: ByteBuffer

    struct AsyncIterator: AsyncIteratorProtocol {
        var rest: ByteBuffer?

        mutating func next() async throws -> ByteBuffer? {
            defer { rest = nil }
            return rest
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rest: bytes.readableBytes == 0 ? nil : bytes) }
}
