/// Why Walrus refuses, by what the caller can do about it.
public enum WalrusError: Error, Sendable, Equatable {
    /// The caller may not do this.
    case accessDenied
    /// The bucket is there and belongs to somebody else.
    case bucketTaken
    /// The bucket is there and belongs to the caller, elsewhere than asked for.
    case bucketOwned
    /// Not a bucket's name; the text says which rule it breaks.
    case invalidBucketName(String)
    /// The key has more than 1024 bytes.
    case keyTooLong(bytes: Int)
    /// The key is empty or holds a NUL.
    case invalidKey(String)
    /// More bytes than one put or part may have.
    case tooLarge(size: Int64, maximum: Int64)
    /// A part's number is not from 1 to 10,000.
    case invalidPartNumber(Int)
    /// Completion names no part.
    case noParts
    /// The account has all it may have; the text says of what.
    case quotaExceeded(String)
    /// A quota in the caller's policies: its condition key.
    case policyQuota(String, limit: Int64)
    /// The account may not create more buckets.
    case tooManyBuckets(maximum: Int)
    /// A copy onto itself that changes nothing.
    case copyOntoItself
    /// The version is kept by object lock.
    case locked
    /// The bucket has no object lock.
    case noObjectLock
    /// Versioning of a bucket with object lock cannot be suspended.
    case lockNeedsVersioning
    /// Access control lists have no effect in this bucket.
    case aclsDisabled
    /// A setting that cannot be; its S3 code.
    case invalidSetting(String)
    /// There is no store behind this one to which contents could go.
    case noRemoteStore
    /// The object is encrypted with a customer's key, which is not in the request.
    case encryptionKeyNeeded
    /// The customer's key is not the one.
    case encryptionKeyWrong
    /// The object is not encrypted with a customer's key.
    case encryptionKeyNotApplicable
}
