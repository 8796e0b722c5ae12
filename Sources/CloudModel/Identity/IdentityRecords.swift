// The records of accounts' identities. Names are unique in the account whatever their case; unique ids are never used
// again ("IAM identifiers" in the IAM User Guide).

/// A policy that belongs to one identity alone.
public struct InlinePolicy: Hashable, Sendable, Codable {
    /// Unique in its identity.
    public var name: String
    /// JSON.
    public var document: String
    /// Makes a policy.
    public init(name: String, document: String) {
        self.name = name
        self.document = document
    }
}

/// A password, as what scrypt (RFC 7914) makes of it.
public struct PasswordHash: Hashable, Sendable, Codable {
    /// Random bytes.
    public var salt: [UInt8]
    /// What came out.
    public var digest: [UInt8]
    /// Scrypt's cost parameter N.
    public var cost: Int
    /// Makes a hash.
    public init(salt: [UInt8], digest: [UInt8], cost: Int) {
        self.salt = salt
        self.digest = digest
        self.cost = cost
    }
}

/// The password with which a user signs in to the console.
public struct LoginProfile: Hashable, Sendable, Codable {
    /// The password.
    public var password: PasswordHash
    /// Whether he has to choose another at his next sign-in.
    public var mustReset: Bool
    /// When it was created.
    public var createdAt: Timestamp
    /// When the password was changed; nil if it is still the first.
    public var changedAt: Timestamp?
    /// Passwords before this one, latest first, as many as a password policy may ask about.
    public var earlier: [PasswordHash]?
    /// Makes a profile.
    public init(password: PasswordHash, mustReset: Bool, createdAt: Timestamp) {
        self.password = password
        self.mustReset = mustReset
        self.createdAt = createdAt
    }
    /// Since when the password is this one.
    public var passwordSince: Timestamp { changedAt ?? createdAt }
}

/// A user of an account.
public struct User: Hashable, Sendable, Codable {
    /// Unique id, `AIDA…`.
    public var id: String
    /// Owner.
    public var accountID: String
    /// Unique in the account.
    public var name: String
    /// "/" or "/division/".
    public var path: String
    /// When it was created.
    public var createdAt: Timestamp
    /// Ids of groups that he is in, in the order of joining.
    public var groupIDs: [String] = []
    /// Policies of his own.
    public var inlinePolicies: [InlinePolicy] = []
    /// ARNs of attached policies.
    public var attachedPolicies: [String] = []
    /// ARN of the policy that bounds what the others may allow.
    public var boundary: String?
    /// Tags.
    public var tags: [Tag] = []
    /// His password.
    public var loginProfile: LoginProfile?
    /// Makes a user.
    public init(id: String, accountID: String, name: String, path: String, createdAt: Timestamp) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.path = path
        self.createdAt = createdAt
    }
    /// The ARN.
    public var arn: String { "arn:aws:iam::\(accountID):user\(path)\(name)" }
}

/// A group of users.
public struct UserGroup: Hashable, Sendable, Codable {
    /// Unique id, `AGPA…`.
    public var id: String
    /// Owner.
    public var accountID: String
    /// Unique in the account.
    public var name: String
    /// "/" or "/division/".
    public var path: String
    /// When it was created.
    public var createdAt: Timestamp
    /// Policies of its own.
    public var inlinePolicies: [InlinePolicy] = []
    /// ARNs of attached policies.
    public var attachedPolicies: [String] = []
    /// Makes a group.
    public init(id: String, accountID: String, name: String, path: String, createdAt: Timestamp) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.path = path
        self.createdAt = createdAt
    }
    /// The ARN.
    public var arn: String { "arn:aws:iam::\(accountID):group\(path)\(name)" }
}

/// A role that others may take on for a while.
public struct Role: Hashable, Sendable, Codable {
    /// Unique id, `AROA…`.
    public var id: String
    /// Owner.
    public var accountID: String
    /// Unique in the account.
    public var name: String
    /// "/" or "/division/".
    public var path: String
    /// When it was created.
    public var createdAt: Timestamp
    /// Who may take it on: JSON.
    public var trustPolicy: String
    /// Free text.
    public var description: String?
    /// The longest session, in seconds: 3600 to 43200.
    public var maximumSession: Int
    /// Policies of its own.
    public var inlinePolicies: [InlinePolicy] = []
    /// ARNs of attached policies.
    public var attachedPolicies: [String] = []
    /// ARN of the policy that bounds what the others may allow.
    public var boundary: String?
    /// Tags.
    public var tags: [Tag] = []
    /// Makes a role.
    public init(
        id: String, accountID: String, name: String, path: String, createdAt: Timestamp, trustPolicy: String,
        description: String? = nil, maximumSession: Int = 3600
    ) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.path = path
        self.createdAt = createdAt
        self.trustPolicy = trustPolicy
        self.description = description
        self.maximumSession = maximumSession
    }
    /// The ARN.
    public var arn: String { "arn:aws:iam::\(accountID):role\(path)\(name)" }
}

/// A policy that can be attached to any number of identities.
public struct ManagedPolicy: Hashable, Sendable, Codable {
    /// One of up to five versions.
    public struct Version: Hashable, Sendable, Codable {
        /// The n of "vn".
        public var number: Int
        /// JSON.
        public var document: String
        /// When it was created.
        public var createdAt: Timestamp
        /// Makes a version.
        public init(number: Int, document: String, createdAt: Timestamp) {
            self.number = number
            self.document = document
            self.createdAt = createdAt
        }
        /// Such as "v1".
        public var id: String { "v\(number)" }
    }
    /// Unique id, `ANPA…`.
    public var id: String
    /// Owner; "aws" for those that every account has.
    public var accountID: String
    /// Unique in the account.
    public var name: String
    /// "/" or "/division/".
    public var path: String
    /// Free text.
    public var description: String?
    /// When it was created.
    public var createdAt: Timestamp
    /// When it was changed.
    public var updatedAt: Timestamp
    /// Oldest first, never empty.
    public var versions: [Version]
    /// The number of the version in force.
    public var defaultVersion: Int
    /// The highest number that was ever given.
    public var lastVersion: Int
    /// Tags.
    public var tags: [Tag] = []
    /// Makes a policy of one version.
    public init(
        id: String, accountID: String, name: String, path: String, description: String? = nil, document: String,
        createdAt: Timestamp
    ) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.path = path
        self.description = description
        self.createdAt = createdAt
        updatedAt = createdAt
        versions = [Version(number: 1, document: document, createdAt: createdAt)]
        defaultVersion = 1
        lastVersion = 1
    }
    /// The ARN.
    public var arn: String { "arn:aws:iam::\(accountID):policy\(path)\(name)" }
    /// The document in force.
    public var document: String { versions.first { $0.number == defaultVersion }?.document ?? "" }
}

/// What gives an instance a role.
public struct InstanceProfile: Hashable, Sendable, Codable {
    /// Unique id, `AIPA…`.
    public var id: String
    /// Owner.
    public var accountID: String
    /// Unique in the account.
    public var name: String
    /// "/" or "/division/".
    public var path: String
    /// When it was created.
    public var createdAt: Timestamp
    /// Id of its role.
    public var roleID: String?
    /// Tags.
    public var tags: [Tag] = []
    /// Makes a profile.
    public init(id: String, accountID: String, name: String, path: String, createdAt: Timestamp) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.path = path
        self.createdAt = createdAt
    }
    /// The ARN.
    public var arn: String { "arn:aws:iam::\(accountID):instance-profile\(path)\(name)" }
}

/// A user's X.509 certificate, with whose key he signs SOAP messages.
public struct SigningCertificate: Hashable, Sendable, Codable {
    /// At least 24 capital letters and digits.
    public var id: String
    /// Owner.
    public var accountID: String
    /// The user; `Account.rootUserName` for the account itself.
    public var userName: String
    /// The certificate.
    public var pem: String
    /// Inactive ones verify nothing.
    public var isActive: Bool
    /// When it was added.
    public var createdAt: Timestamp
    /// When it ends by itself.
    public var notAfter: Timestamp
    /// SHA-256 of its DER form; unique in the cloud.
    public var fingerprint: [UInt8]
    /// When it was revoked for good; nil if it was not.
    public var revokedAt: Timestamp?
    /// Makes a record.
    public init(
        id: String, accountID: String, userName: String, pem: String, isActive: Bool, createdAt: Timestamp,
        notAfter: Timestamp, fingerprint: [UInt8]
    ) {
        self.id = id
        self.accountID = accountID
        self.userName = userName
        self.pem = pem
        self.isActive = isActive
        self.createdAt = createdAt
        self.notAfter = notAfter
        self.fingerprint = fingerprint
    }
}
