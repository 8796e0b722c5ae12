// Who calls, and where access keys are known.

/// An account that has proved who it is.
public struct WalrusPrincipal: Sendable, Equatable {
    /// The account's id, as in `BucketRecord.owner`.
    public var accountID: String
    /// A name to show; S3 prints it beside the id.
    public var displayName: String
    /// Whether it administers the cloud, and so may do everything.
    public var isAdministrator: Bool
    /// The user's ARN; nil for the account itself.
    public var userARN: String?

    /// Makes a principal.
    public init(accountID: String, displayName: String, isAdministrator: Bool, userARN: String? = nil) {
        self.accountID = accountID
        self.displayName = displayName
        self.isAdministrator = isAdministrator
        self.userARN = userARN
    }
}

/// Whoever sent a request, with the facts about it that policies may ask for.
public struct WalrusCaller: Sendable {
    /// The account; nil for an unsigned request.
    public var principal: WalrusPrincipal?
    /// The values of a condition key (`aws:SourceIp`, `s3:prefix`, …) by its name in lower case.
    public var facts: @Sendable (String) -> [String]?

    /// Makes a caller.
    public init(principal: WalrusPrincipal?, facts: @escaping @Sendable (String) -> [String]? = { _ in nil }) {
        self.principal = principal
        self.facts = facts
    }

    /// Nobody in particular: an unsigned request.
    public static let anonymous = WalrusCaller(principal: nil)

    /// An account, of whose request nothing else is known.
    public static func principal(_ principal: WalrusPrincipal) -> WalrusCaller { WalrusCaller(principal: principal) }
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
    /// Whether there is such an account, so that it may be granted something; nil if that cannot be said.
    func accountExists(_ id: String) async throws -> Bool?
    /// The name to show for an account; nil if it has none or is not known.
    func displayName(ofAccount id: String) async throws -> String?
    /// The account of an e-mail address; nil if there is none.
    func account(forEmail address: String) async throws -> String?
}

extension S3CredentialSource {
    /// Not known by default.
    public func accountExists(_ id: String) async throws -> Bool? { nil }

    /// None by default.
    public func displayName(ofAccount id: String) async throws -> String? { nil }

    /// None by default.
    public func account(forEmail address: String) async throws -> String? { nil }
}
