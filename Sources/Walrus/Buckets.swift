public import ObjectStore

extension Walrus {
    /// The caller's buckets, by name.
    public func listBuckets(_ caller: WalrusCaller) async throws -> [BucketRecord] {
        guard let principal = caller.principal else { throw WalrusError.accessDenied }
        return try await backend.buckets(owner: principal.accountID)
    }

    /// Creates a bucket. Creating one's own again in the same place succeeds, as it does in S3's first region.
    public func createBucket(_ caller: WalrusCaller, name: String, location: String) async throws {
        guard let principal = caller.principal else { throw WalrusError.accessDenied }
        try Names.checkBucket(name)
        let present = try await backend.buckets(owner: principal.accountID)
        if let mine = present.first(where: { $0.name == name }) {
            guard mine.region == location else { throw WalrusError.bucketOwned }
            return
        }
        try await quota.permitBucket(account: principal.accountID, present: present.count)
        do {
            try await backend.createBucket(
                BucketRecord(name: name, owner: principal.accountID, region: location, created: clock()))
        } catch ObjectStoreError.bucketExists(let owner) {
            // Two at once of the same account are one as well.
            guard owner == principal.accountID else { throw WalrusError.bucketTaken }
        }
    }

    /// The bucket, if the caller may see it.
    public func headBucket(_ caller: WalrusCaller, name: String) async throws -> BucketRecord {
        try await authorised(caller, .listBucket, name)
    }

    /// Where the bucket is: the location constraint, empty for none.
    public func bucketLocation(_ caller: WalrusCaller, name: String) async throws -> String {
        try await authorised(caller, .readBucketSettings, name).region
    }

    /// Deletes an empty bucket.
    public func deleteBucket(_ caller: WalrusCaller, name: String) async throws {
        _ = try await authorised(caller, .deleteBucket, name)
        try await backend.deleteBucket(name)
    }

    /// A page of the bucket's objects.
    public func listObjects(
        _ caller: WalrusCaller, bucket: String, _ query: ListQuery
    ) async throws -> (page: ListPage<ObjectRecord>, owner: String) {
        let record = try await authorised(caller, .listBucket, bucket)
        return (try await backend.list(bucket: bucket, query), record.owner)
    }
}
