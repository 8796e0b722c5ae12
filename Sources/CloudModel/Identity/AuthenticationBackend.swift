/// What an access key, perhaps with a session token, stands for.
public struct Credential: Hashable, Sendable {
    /// The key's id.
    public var accessKeyID: String
    /// Verifies signatures. Not for logs.
    public var secret: String
    /// Whose it is.
    public var principal: Principal
    /// Makes a credential.
    public init(accessKeyID: String, secret: String, principal: Principal) {
        self.accessKeyID = accessKeyID
        self.secret = secret
        self.principal = principal
    }
}

/// The outcome of looking an access key up.
public enum CredentialLookup: Hashable, Sendable {
    /// It is good.
    case found(Credential)
    /// No such key, or it is disabled, or its owner is gone.
    case unknownKey
    /// The session token is not one of this cloud, or not of this key.
    case invalidToken
    /// The session is over.
    case expiredToken
}

/// One thing that an action concerns.
public struct AccessResource: Hashable, Sendable {
    /// Its ARN, or "*" where the action has no resource.
    public var arn: String
    /// Condition keys of this resource, such as `ec2:resourcetag/role`; names in lower case.
    public var facts: [String: [String]]
    /// Makes a resource.
    public init(_ arn: String, facts: [String: [String]] = [:]) {
        self.arn = arn
        self.facts = facts
    }
}

/// A question to the gate: may the caller do this to all of these?
public struct AccessCheck: Hashable, Sendable {
    /// `service:Action`.
    public var action: String
    /// What it concerns; all have to be allowed.
    public var resources: [AccessResource]
    /// Condition keys of the request beside those that the gate knows from the caller (`aws:…`); names in lower case.
    public var facts: [String: [String]]
    /// How much the request adds to what the account holds, by condition keys of quotas in lower case
    /// (`ec2:quota-vminstancenumber`); the gate adds what is there.
    public var additions: [String: Int64]
    /// Makes a question.
    public init(
        _ action: String, resources: [AccessResource] = [AccessResource("*")], facts: [String: [String]] = [:],
        additions: [String: Int64] = [:]
    ) {
        self.action = action
        self.resources = resources
        self.facts = facts
        self.additions = additions
    }
}

/// Who somebody is and what he may do: the gate that every interface passes.
public protocol AuthenticationBackend: Sendable {
    /// The active access key of an account itself; nil for any other. Interfaces that know users ask `credential`.
    func accessKey(id: String) async throws(CloudError) -> AccessKey?
    /// The account with this id; nil if there is none.
    func account(id: String) async throws(CloudError) -> Account?
    /// What an access key stands for, with the session token of temporary credentials.
    func credential(accessKeyID: String, sessionToken: String?) async throws(CloudError) -> CredentialLookup
    /// The certificate with this SHA-256 and whose it is; nil if it is unknown, inactive, revoked, or its owner is gone.
    /// Whether it is expired is for the caller to see.
    func signingCertificate(fingerprint: [UInt8]) async throws(CloudError) -> (SigningCertificate, Principal)?
    /// Returns if the caller may do it.
    ///
    /// - Throws: `unauthorized` with the sentence for the user, `limitExceeded` if a quota is reached.
    func authorize(_ caller: Caller, _ check: AccessCheck) async throws(CloudError)
}
