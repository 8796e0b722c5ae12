public import ObjectStore

/// What comes with the creation of a bucket.
public struct BucketOptions: Sendable {
    /// The location constraint; empty for none.
    public var location: String
    /// The access control list; nil for the owner's alone.
    public var acl: AccessControlList?
    /// Whether objects can be locked.
    public var objectLock: Bool
    /// Who owns what others put.
    public var ownership: ObjectOwnership?

    /// Makes options.
    public init(
        location: String = "", acl: AccessControlList? = nil, objectLock: Bool = false,
        ownership: ObjectOwnership? = nil
    ) {
        self.location = location
        self.acl = acl
        self.objectLock = objectLock
        self.ownership = ownership
    }
}

extension Walrus {
    /// The caller's buckets, by name.
    public func listBuckets(_ caller: WalrusCaller) async throws -> [BucketRecord] {
        // Nobody owns nothing.
        guard let principal = caller.principal else { return [] }
        try requireIdentity(caller, "s3:ListAllMyBuckets", "*")
        return try await backend.buckets(owner: principal.accountID)
    }

    /// Creates a bucket. Creating one's own again in the same place succeeds, as it does in S3's first region.
    public func createBucket(_ caller: WalrusCaller, name: String, options: BucketOptions) async throws {
        guard let principal = caller.principal else { throw WalrusError.accessDenied }
        try requireIdentity(caller, WalrusAction.createBucket.rawValue, "arn:aws:s3:::" + name)
        try Names.checkBucket(name)
        if options.ownership == .enforced, let acl = options.acl, acl != .owned(by: principal.accountID) {
            throw WalrusError.invalidSetting("InvalidBucketAclWithObjectOwnership")
        }
        let present = try await backend.buckets(owner: principal.accountID)
        if let mine = present.first(where: { $0.name == name }) {
            try repeated(mine, options)
            return
        }
        if let most = try await quota.limits(of: principal.accountID).buckets, present.count >= most {
            throw WalrusError.tooManyBuckets(maximum: most)
        }
        try limit(caller, .createBucket, "arn:aws:s3:::" + name, ["s3:quota-bucketnumber": Int64(present.count + 1)])
        var record = BucketRecord(name: name, owner: principal.accountID, region: options.location, created: clock())
        if let acl = options.acl, acl != .owned(by: principal.accountID) {
            record.settings[BucketSetting.acl.rawValue] = try BucketSettings.encode(acl)
        }
        if options.objectLock {
            record.versioning = .enabled
            record.settings[BucketSetting.objectLock.rawValue] = try BucketSettings.encode(ObjectLockConfiguration())
        }
        if let ownership = options.ownership {
            record.settings[BucketSetting.ownership.rawValue] = try BucketSettings.encode(ownership)
        }
        do {
            try await backend.createBucket(record)
        } catch ObjectStoreError.bucketExists(let owner) {
            // Two at once of the same account are one as well.
            guard owner == principal.accountID else { throw WalrusError.bucketTaken }
        }
    }

    private func repeated(_ mine: BucketRecord, _ options: BucketOptions) throws {
        guard mine.region == options.location else { throw WalrusError.bucketOwned }
        let asked = options.acl ?? .owned(by: mine.owner)
        let present = try state(mine).settings.acl ?? .owned(by: mine.owner)
        guard asked == present else { throw WalrusError.bucketTaken }
    }

    /// Deletes an empty bucket.
    public func deleteBucket(_ caller: WalrusCaller, name: String) async throws {
        _ = try await authorised(caller, .deleteBucket, name)
        try await backend.deleteBucket(name)
    }

    /// Changes settings, if the caller may do what `action` says; nil removes one.
    ///
    /// - Parameter check: may refuse, seeing the bucket as it is at the moment of the change.
    public func configure(
        _ caller: WalrusCaller, _ action: WalrusAction, bucket: String, versioning: VersioningState? = nil,
        _ settings: [BucketSetting: String?], check: @escaping @Sendable (BucketRecord) throws -> Void = { _ in }
    ) async throws {
        _ = try await authorised(caller, action, bucket)
        var named: [String: String?] = [:]
        for (setting, value) in settings { named.updateValue(value, forKey: setting.rawValue) }
        caller.bucket.forget()
        try await backend.changeBucket(bucket, versioning: versioning, settings: named, check: check)
    }

    /// Turns versioning on or suspends it.
    public func putVersioning(_ caller: WalrusCaller, bucket: String, _ versioning: VersioningState) async throws {
        try await configure(caller, .putBucketVersioning, bucket: bucket, versioning: versioning, [:]) { record in
            if versioning == .suspended, record.settings[BucketSetting.objectLock.rawValue] != nil {
                throw WalrusError.lockNeedsVersioning
            }
        }
    }

    /// Sets a bucket's access control list.
    public func putBucketACL(_ caller: WalrusCaller, bucket: String, _ list: AccessControlList) async throws {
        let state = try await authorised(caller, .putBucketACL, bucket)
        if state.settings.ownership == .enforced { throw WalrusError.aclsDisabled }
        try checkACL(list, in: state)
        caller.bucket.forget()
        try await backend.changeBucket(
            bucket, versioning: nil, settings: [BucketSetting.acl.rawValue: try BucketSettings.encode(list)],
            check: { _ in })
    }

    /// Throws if the bucket's settings forbid such a list.
    func checkACL(_ list: AccessControlList, in state: BucketState) throws {
        if state.settings.ownership == .enforced, list != .owned(by: state.record.owner) {
            throw WalrusError.aclsDisabled
        }
        if state.settings.publicAccessBlock?.blockACLs == true, list.isPublic { throw WalrusError.accessDenied }
    }

    /// A page of the bucket's objects.
    public func listObjects(
        _ caller: WalrusCaller, bucket: String, _ query: ListQuery
    ) async throws -> (page: ListPage<ObjectRecord>, owner: String) {
        let state = try await authorised(caller, .listBucket, bucket)
        return (try await backend.list(bucket: bucket, query), state.record.owner)
    }

    /// A page of the bucket's versions.
    public func listVersions(
        _ caller: WalrusCaller, bucket: String, _ query: ListQuery, afterVersion: String
    ) async throws -> (page: ListPage<ObjectRecord>, owner: String) {
        let state = try await authorised(caller, .listBucketVersions, bucket)
        return (try await backend.versions(bucket: bucket, query, afterVersion: afterVersion), state.record.owner)
    }

    /// What lies in a bucket.
    public func usage(_ bucket: String) async throws -> StorageUsage { try await backend.usage(bucket: bucket) }

    /// All buckets with what lies in them, by name.
    public func allUsage() async throws -> [(record: BucketRecord, usage: StorageUsage)] {
        var found: [(record: BucketRecord, usage: StorageUsage)] = []
        for record in try await backend.buckets(owner: nil) {
            // One that was deleted meanwhile has none.
            guard let usage = try? await backend.usage(bucket: record.name) else { continue }
            found.append((record, usage))
        }
        return found
    }

    /// What lies in all buckets of an account, and how many they are.
    public func usage(ofAccount account: String) async throws -> (buckets: Int, usage: StorageUsage) {
        (try await backend.buckets(owner: account).count, try await backend.usage(owner: account))
    }
}
