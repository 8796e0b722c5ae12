/// As whom somebody acts within an account.
public enum CallerIdentity: Hashable, Sendable {
    /// The account itself: its owner, who may do everything in it. The original calls him the account's user "admin".
    case account
    /// A user with his path ("/" or "/division/").
    case user(name: String, path: String)
    /// A session of a role.
    case role(name: String, session: String)
    /// A session under a name of its own (GetFederationToken), of the user with that unique id or of the account.
    case federated(name: String, of: String?)

    /// The ARN ("IAM identifiers" in the IAM User Guide).
    public func arn(account: String) -> String {
        switch self {
        case .account: "arn:aws:iam::\(account):root"
        case .user(let name, let path): "arn:aws:iam::\(account):user\(path)\(name)"
        case .role(let name, let session): "arn:aws:sts::\(account):assumed-role/\(name)/\(session)"
        case .federated(let name, _): "arn:aws:sts::\(account):federated-user/\(name)"
        }
    }
}

/// Somebody whom the cloud knows, apart from any request.
public struct Principal: Hashable, Sendable {
    /// Account.
    public var accountID: String
    /// The account's name.
    public var accountName: String
    /// Whether the account administers the cloud.
    public var isAdministrator: Bool
    /// As whom within the account.
    public var identity: CallerIdentity
    /// The unique id of user or role, with the session's name behind a colon; the account's id for the account.
    public var userID: String
    /// A name for people: the user's, the session's, or "admin" for the account.
    public var userName: String
    /// Policies that limit a session further; nil without such.
    public var sessionPolicies: [String]?
    /// When temporary credentials end; nil for lasting ones.
    public var expiresAt: Timestamp?
    /// When he proved, for these temporary credentials, that he has his MFA device; nil if he did not.
    public var mfaAt: Timestamp?
    /// When these temporary credentials were made; nil for lasting ones.
    public var issuedAt: Timestamp?

    /// Makes a principal.
    public init(
        accountID: String, accountName: String, isAdministrator: Bool, identity: CallerIdentity = .account,
        userID: String? = nil, userName: String, sessionPolicies: [String]? = nil, expiresAt: Timestamp? = nil
    ) {
        self.accountID = accountID
        self.accountName = accountName
        self.isAdministrator = isAdministrator
        self.identity = identity
        self.userID = userID ?? accountID
        self.userName = userName
        self.sessionPolicies = sessionPolicies
        self.expiresAt = expiresAt
    }

    /// The account itself.
    public init(_ account: Account, userName: String = Account.rootUserName) {
        self.init(
            accountID: account.id, accountName: account.name, isAdministrator: account.isAdministrator,
            userName: userName)
    }

    /// See `CallerIdentity`.
    public var arn: String { identity.arn(account: accountID) }
}

/// Who asks. Interfaces make it after they have authenticated the request; the back end authorises by it.
public struct Caller: Hashable, Sendable {
    /// Account of the caller.
    public var accountID: String
    /// User within the account.
    public var userName: String
    /// Whether the account administers the cloud. What a user of it may do is up to his policies all the same.
    public var isAdministrator: Bool
    /// As whom he acts within the account.
    public var identity: CallerIdentity
    /// See `Principal`.
    public var userID: String
    /// See `Principal`.
    public var sessionPolicies: [String]?
    /// See `Principal`.
    public var expiresAt: Timestamp?
    /// See `Principal`.
    public var mfaAt: Timestamp?
    /// See `Principal`.
    public var issuedAt: Timestamp?
    /// The access key (or fingerprint of the certificate) used, for the audit.
    public var accessKeyID: String
    /// Id of the request: it goes through every component, log and report.
    public var requestID: String
    /// Where the request came from.
    public var sourceAddress: String
    /// Whether it came over TLS.
    public var isSecure: Bool
    /// What the client says it is, and where it was sent from: the headers User-Agent and Referer.
    public var userAgent: String?
    /// See `userAgent`.
    public var referer: String?

    /// Makes a caller; without an identity the account itself.
    public init(
        accountID: String, userName: String, isAdministrator: Bool, identity: CallerIdentity = .account,
        accessKeyID: String, requestID: String, sourceAddress: String, isSecure: Bool = false
    ) {
        self.accountID = accountID
        self.userName = userName
        self.isAdministrator = isAdministrator
        self.identity = identity
        userID = accountID
        self.accessKeyID = accessKeyID
        self.requestID = requestID
        self.sourceAddress = sourceAddress
        self.isSecure = isSecure
    }

    /// Makes the caller of one request.
    public init(
        _ principal: Principal, accessKeyID: String, requestID: String, sourceAddress: String, isSecure: Bool
    ) {
        accountID = principal.accountID
        userName = principal.userName
        isAdministrator = principal.isAdministrator
        identity = principal.identity
        userID = principal.userID
        sessionPolicies = principal.sessionPolicies
        expiresAt = principal.expiresAt
        mfaAt = principal.mfaAt
        issuedAt = principal.issuedAt
        self.accessKeyID = accessKeyID
        self.requestID = requestID
        self.sourceAddress = sourceAddress
        self.isSecure = isSecure
    }

    /// See `CallerIdentity`.
    public var arn: String { identity.arn(account: accountID) }
}
