// Who calls, and where access keys are known.

public import AccessPolicy
internal import ObjectStore
internal import Synchronization

/// Somebody who has proved who he is: an account, or one of its users.
public struct WalrusPrincipal: Sendable {
    /// The account's id, as in `BucketRecord.owner`.
    public var accountID: String
    /// A name to show; S3 prints it beside the id.
    public var displayName: String
    /// Whether it administers the cloud, and so may do everything.
    public var isAdministrator: Bool
    /// The ARN of the user or session; nil for the account itself.
    public var userARN: String?
    /// Other ARNs by which policies may name him: a session's role.
    public var otherARNs: [String] = []
    /// The user's name; nil for the account itself and for sessions.
    public var userName: String?
    /// The unique id of user or session.
    public var userID: String
    /// The policies of his identity; nil for an account that nothing limits.
    public var policies: IdentityPolicies?
    /// What policies may ask about him, by condition key in lower case, as it is at this moment: tags, proof of his MFA
    /// device, when his temporary credentials were made.
    public var facts: [String: [String]] = [:]

    /// Makes a principal; by default an account itself.
    public init(
        accountID: String, displayName: String, isAdministrator: Bool, userARN: String? = nil,
        otherARNs: [String] = [], userName: String? = nil, userID: String? = nil, policies: IdentityPolicies? = nil
    ) {
        self.accountID = accountID
        self.displayName = displayName
        self.isAdministrator = isAdministrator
        self.userARN = userARN
        self.otherARNs = otherARNs
        self.userName = userName
        self.userID = userID ?? accountID
        self.policies = policies
    }

    /// As policies see him.
    var inPolicies: PolicyPrincipal {
        var principal = PolicyPrincipal(account: accountID, userARN: userARN)
        principal.otherARNs = otherARNs
        return principal
    }
}

/// Whoever sent a request, with the facts about it that policies may ask for.
public struct WalrusCaller: Sendable {
    /// The account; nil for an unsigned request.
    public var principal: WalrusPrincipal?
    /// The values of a condition key (`aws:SourceIp`, `s3:prefix`, …) by its name in lower case.
    public var facts: @Sendable (String) -> [String]?
    /// The bucket that the request is about, once it was read: a request reads it once.
    public let bucket = RequestBucket()

    /// Makes a caller.
    public init(principal: WalrusPrincipal?, facts: @escaping @Sendable (String) -> [String]? = { _ in nil }) {
        self.principal = principal
        self.facts = facts
    }

    /// Nobody in particular: an unsigned request.
    public static var anonymous: WalrusCaller { WalrusCaller(principal: nil) }

    /// An account, of whose request nothing else is known.
    public static func principal(_ principal: WalrusPrincipal) -> WalrusCaller { WalrusCaller(principal: principal) }
}

/// The bucket of one request as it was when the request first asked for it, and what allowed the request.
public final class RequestBucket: Sendable {
    private let known = Mutex<BucketState?>(nil)
    private let grants = Atomic(false)

    /// Whether something was allowed by an access control list alone: without it the request would have been refused.
    public var neededACL: Bool { grants.load(ordering: .relaxed) }

    func noteACL() { grants.store(true, ordering: .relaxed) }

    /// The bucket of this name, if the request has read it.
    public func state(_ name: String) -> BucketState? {
        known.withLock { $0.flatMap { $0.record.name == name ? $0 : nil } }
    }

    func note(_ state: BucketState) { known.withLock { $0 = $0 ?? state } }

    /// What follows in the request shall see the bucket as it is now.
    func forget() { known.withLock { $0 = nil } }
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

/// The outcome of looking an access key up.
public enum S3CredentialLookup: Sendable {
    /// It is good.
    case found(S3Credential)
    /// There is no such key, or it is inactive.
    case unknownKey
    /// The session token is not one of this cloud, or not of this key.
    case invalidToken
    /// The session is over.
    case expiredToken
}

/// Where access keys are known: the cloud controller, in this process or over the network.
public protocol S3CredentialSource: Sendable {
    /// The credential of an access key id; nil if there is no such key or it is inactive.
    ///
    /// - Throws: if the look-up itself fails; the request is then answered with a retryable error.
    func credential(forAccessKey id: String) async throws -> S3Credential?
    /// The credential of an access key id with the session token that temporary ones bring.
    func credential(forAccessKey id: String, sessionToken: String?) async throws -> S3CredentialLookup
    /// To whom an active signing certificate belongs, by the SHA-256 of its DER; nil for one that is unknown, inactive or
    /// revoked.
    func principal(ofCertificate fingerprint: [UInt8]) async throws -> WalrusPrincipal?
    /// Whether there is such an account, so that it may be granted something; nil if that cannot be said.
    func accountExists(_ id: String) async throws -> Bool?
    /// The name to show for an account; nil if it has none or is not known.
    func displayName(ofAccount id: String) async throws -> String?
    /// The account of an e-mail address; nil if there is none.
    func account(forEmail address: String) async throws -> String?
}

extension S3CredentialSource {
    /// Without temporary credentials by default.
    public func credential(forAccessKey id: String, sessionToken: String?) async throws -> S3CredentialLookup {
        guard sessionToken == nil else { return .invalidToken }
        return try await credential(forAccessKey: id).map { .found($0) } ?? .unknownKey
    }

    /// None are known by default.
    public func principal(ofCertificate fingerprint: [UInt8]) async throws -> WalrusPrincipal? { nil }

    /// Not known by default.
    public func accountExists(_ id: String) async throws -> Bool? { nil }

    /// None by default.
    public func displayName(ofAccount id: String) async throws -> String? { nil }

    /// None by default.
    public func account(forEmail address: String) async throws -> String? { nil }
}
