// Who calls, and who may do what.

public import ObjectStore

/// An account that has proved who it is.
public struct WalrusPrincipal: Sendable, Equatable {
    /// The account's id, as in `BucketRecord.owner`.
    public var accountID: String
    /// A name to show; S3 prints it beside the id.
    public var displayName: String
    /// Whether it administers the cloud, and so may do everything.
    public var isAdministrator: Bool

    /// Makes a principal.
    public init(accountID: String, displayName: String, isAdministrator: Bool) {
        self.accountID = accountID
        self.displayName = displayName
        self.isAdministrator = isAdministrator
    }
}

/// Whoever sent a request.
public enum WalrusCaller: Sendable, Equatable {
    /// Nobody in particular: an unsigned request.
    case anonymous
    /// An account.
    case principal(WalrusPrincipal)

    /// The account, if there is one.
    public var principal: WalrusPrincipal? {
        if case .principal(let principal) = self { principal } else { nil }
    }
}

/// What an access key stands for.
public struct S3Credential: Sendable {
    /// The secret key.
    public var secret: String
    /// Who signs with it.
    public var principal: WalrusPrincipal

    /// Makes a credential.
    public init(secret: String, principal: WalrusPrincipal) {
        self.secret = secret
        self.principal = principal
    }
}

/// Where access keys are known: the cloud controller, in this process or over the network.
public protocol S3CredentialSource: Sendable {
    /// The credential of an access key id; nil if there is no such key or it is inactive.
    ///
    /// - Throws: if the look-up itself fails; the request is then answered with a retryable error.
    func credential(forAccessKey id: String) async throws -> S3Credential?
}

/// What can be done to a bucket and what is in it.
public enum WalrusAction: Sendable, Equatable, CaseIterable {
    /// See that the bucket exists, where, and what it holds.
    case listBucket
    /// Read settings of the bucket.
    case readBucketSettings
    /// Delete the bucket.
    case deleteBucket
    /// Read an object.
    case getObject
    /// Write an object, also in parts.
    case putObject
    /// Delete an object.
    case deleteObject
    /// See or give up uploads under way.
    case manageUploads
}

/// Decides on access.
public protocol WalrusAccess: Sendable {
    /// Whether the caller may do this to the bucket, or to the object of that key in it.
    func permits(_ caller: WalrusCaller, _ action: WalrusAction, bucket: BucketRecord, key: String?) async -> Bool
}

/// The owner and administrators may do everything, others nothing.
public struct OwnerAccess: WalrusAccess {
    /// Makes the rule.
    public init() {}

    /// See `WalrusAccess`.
    public func permits(
        _ caller: WalrusCaller, _ action: WalrusAction, bucket: BucketRecord, key: String?
    ) async -> Bool {
        guard let principal = caller.principal else { return false }
        return principal.isAdministrator || principal.accountID == bucket.owner
    }
}

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
