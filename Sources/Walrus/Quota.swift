public import ObjectStore

/// Decides on quantities, before anything is written.
public protocol WalrusQuota: Sendable {
    /// Throws if the account may not have one more bucket than `present`.
    func permitBucket(account: String, present: Int) async throws
    /// Throws if the bucket's owner may not store so many bytes more; nil where the size is not known beforehand.
    func permitBytes(bucket: BucketRecord, bytes: Int64?) async throws
}

/// Limits the number of buckets of an account, and nothing else.
public struct BucketCountQuota: WalrusQuota {
    /// The most buckets that an account may have.
    public var maximum: Int

    /// Makes the rule.
    public init(maximum: Int = 1000) { self.maximum = maximum }

    /// See `WalrusQuota`.
    public func permitBucket(account: String, present: Int) async throws {
        guard present < maximum else { throw WalrusError.tooManyBuckets(maximum: maximum) }
    }

    /// See `WalrusQuota`.
    public func permitBytes(bucket: BucketRecord, bytes: Int64?) async throws {}
}
