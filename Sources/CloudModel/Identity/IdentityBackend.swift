// Users, groups, roles and what belongs to them, within the caller's account. Nothing here asks whether the caller may:
// interfaces pass the gate (`AuthenticationBackend.authorize`) before. Names are found whatever their case.

/// What policies can be put on.
public enum PolicyHolder: Hashable, Sendable {
    /// By name.
    case user(String)
    /// By name.
    case group(String)
    /// By name.
    case role(String)
}

/// What tags can be put on here.
public enum TaggedIdentity: Hashable, Sendable {
    /// By name.
    case user(String)
    /// By name.
    case role(String)
    /// By ARN.
    case policy(String)
    /// By name.
    case instanceProfile(String)
    /// By serial number.
    case mfaDevice(String)
}

/// An attached policy.
public struct AttachedPolicy: Hashable, Sendable {
    /// Its ARN.
    public var arn: String
    /// Its name.
    public var name: String
    /// Makes it.
    public init(arn: String, name: String) {
        self.arn = arn
        self.name = name
    }
}

/// Who has a managed policy.
public struct PolicyEntities: Hashable, Sendable {
    /// Users, by name.
    public var users: [User] = []
    /// Groups, by name.
    public var groups: [UserGroup] = []
    /// Roles, by name.
    public var roles: [Role] = []
    /// How many users and roles it bounds.
    public var boundaries = 0
    /// Nobody.
    public init() {}
}

/// When and for what credentials were used last.
public struct CredentialUse: Hashable, Sendable, Codable {
    /// When.
    public var time: Timestamp
    /// Such as "ec2"; "console" for a password.
    public var service: String
    /// Makes it.
    public init(time: Timestamp, service: String) {
        self.time = time
        self.service = service
    }
}

/// The last uses that are known of an account's credentials. They are kept every few minutes, so a crash forgets the
/// latest.
public struct CredentialUses: Hashable, Sendable, Codable {
    /// By the key's id.
    public var keys: [String: CredentialUse] = [:]
    /// Of roles' sessions, by the role's unique id.
    public var roles: [String: CredentialUse] = [:]
    /// Of passwords, by the user's unique id, or the account's id for the account itself.
    public var passwords: [String: CredentialUse] = [:]
    /// None.
    public init() {}
}

/// What a request for the credential report found.
public enum CredentialReportState: Hashable, Sendable {
    /// There was none, or an old one: it is being made.
    case started
    /// There is one of the last four hours.
    case complete
}

/// A table of all users of an account and the state of their credentials.
public struct CredentialReport: Hashable, Sendable {
    /// CSV with a heading ("Get credential reports" in the IAM User Guide).
    public var content: String
    /// When it was made.
    public var generatedAt: Timestamp
    /// Makes it.
    public init(content: String, generatedAt: Timestamp) {
        self.content = content
        self.generatedAt = generatedAt
    }
}

/// Temporary credentials.
public struct TemporaryCredentials: Hashable, Sendable {
    /// `ASIA…`.
    public var accessKeyID: String
    /// Handed out once.
    public var secret: String
    /// Goes with every request.
    public var sessionToken: String
    /// When they end.
    public var expiresAt: Timestamp
    /// As whom they act.
    public var principal: Principal
    /// Makes them.
    public init(
        accessKeyID: String, secret: String, sessionToken: String, expiresAt: Timestamp, principal: Principal
    ) {
        self.accessKeyID = accessKeyID
        self.secret = secret
        self.sessionToken = sessionToken
        self.expiresAt = expiresAt
        self.principal = principal
    }
}

/// What an account has, for GetAccountSummary.
public struct IdentitySummary: Hashable, Sendable {
    /// By the names of IAM's summary keys.
    public var values: [String: Int]
    /// Makes a summary.
    public init(_ values: [String: Int]) { self.values = values }
}

/// Users, groups, roles, policies, keys, certificates and sessions.
public protocol IdentityBackend: AuthenticationBackend, CredentialAdministration {
    // MARK: Users
    /// - Throws: `duplicate` if the name is taken.
    func createUser(name: String, path: String, boundary: String?, tags: [Tag], as caller: Caller)
        async throws(CloudError) -> User
    /// The user of that name, or the caller himself.
    func user(_ name: String?, as caller: Caller) async throws(CloudError) -> User
    /// By name.
    func users(as caller: Caller) async throws(CloudError) -> [User]
    /// Renames and moves. Keys, groups and certificates stay his.
    func updateUser(_ name: String, newName: String?, newPath: String?, as caller: Caller) async throws(CloudError)
    /// - Throws: `inUse` as long as he has keys, policies, groups, a password or certificates.
    func deleteUser(_ name: String, as caller: Caller) async throws(CloudError)

    // MARK: Groups
    /// - Throws: `duplicate` if the name is taken.
    func createGroup(name: String, path: String, as caller: Caller) async throws(CloudError) -> UserGroup
    /// The group with its members.
    func group(_ name: String, as caller: Caller) async throws(CloudError) -> (group: UserGroup, members: [User])
    /// By name.
    func groups(as caller: Caller) async throws(CloudError) -> [UserGroup]
    /// The groups that a user is in.
    func groups(ofUser name: String, as caller: Caller) async throws(CloudError) -> [UserGroup]
    /// Renames and moves.
    func updateGroup(_ name: String, newName: String?, newPath: String?, as caller: Caller) async throws(CloudError)
    /// - Throws: `inUse` as long as it has members or policies.
    func deleteGroup(_ name: String, as caller: Caller) async throws(CloudError)
    /// Puts a user into a group, or takes him out.
    func setMembership(user: String, group: String, isMember: Bool, as caller: Caller) async throws(CloudError)

    // MARK: Roles
    /// - Throws: `duplicate` if the name is taken.
    func createRole(
        name: String, path: String, trustPolicy: String, description: String?, maximumSession: Int?,
        boundary: String?, tags: [Tag], as caller: Caller
    ) async throws(CloudError) -> Role
    /// The role of that name.
    func role(_ name: String, as caller: Caller) async throws(CloudError) -> Role
    /// By name.
    func roles(as caller: Caller) async throws(CloudError) -> [Role]
    /// Changes what is given.
    func updateRole(
        _ name: String, description: String?, maximumSession: Int?, trustPolicy: String?, as caller: Caller
    ) async throws(CloudError) -> Role
    /// - Throws: `inUse` as long as it has policies or is in an instance profile.
    func deleteRole(_ name: String, as caller: Caller) async throws(CloudError)

    // MARK: Policies
    /// Adds or replaces.
    func putInlinePolicy(_ policy: InlinePolicy, on holder: PolicyHolder, as caller: Caller) async throws(CloudError)
    /// By name.
    func inlinePolicies(of holder: PolicyHolder, as caller: Caller) async throws(CloudError) -> [InlinePolicy]
    /// - Throws: `notFound` if there is none.
    func deleteInlinePolicy(_ name: String, of holder: PolicyHolder, as caller: Caller) async throws(CloudError)
    /// - Throws: `duplicate` if the name is taken.
    func createPolicy(
        name: String, path: String, document: String, description: String?, tags: [Tag], as caller: Caller
    ) async throws(CloudError) -> ManagedPolicy
    /// One of the account's or of the cloud's.
    func policy(arn: String, as caller: Caller) async throws(CloudError) -> ManagedPolicy
    /// The account's by name, then the cloud's.
    func policies(as caller: Caller) async throws(CloudError) -> [ManagedPolicy]
    /// - Throws: `inUse` as long as it is attached or has other versions.
    func deletePolicy(arn: String, as caller: Caller) async throws(CloudError)
    /// - Throws: `limitExceeded` beyond five.
    func createPolicyVersion(arn: String, document: String, isDefault: Bool, as caller: Caller)
        async throws(CloudError) -> (policy: ManagedPolicy, version: ManagedPolicy.Version)
    /// - Throws: `inUse` for the default one.
    func deletePolicyVersion(arn: String, version: String, as caller: Caller) async throws(CloudError)
    /// Which version is in force.
    func setDefaultPolicyVersion(arn: String, version: String, as caller: Caller) async throws(CloudError)
    /// Attaches a managed policy; nothing happens if it is.
    func attachPolicy(arn: String, to holder: PolicyHolder, as caller: Caller) async throws(CloudError)
    /// - Throws: `notFound` if it is not attached.
    func detachPolicy(arn: String, from holder: PolicyHolder, as caller: Caller) async throws(CloudError)
    /// In the order of attaching.
    func attachedPolicies(of holder: PolicyHolder, as caller: Caller) async throws(CloudError) -> [AttachedPolicy]
    /// Who has the policy.
    func entities(ofPolicy arn: String, as caller: Caller) async throws(CloudError) -> PolicyEntities
    /// Bounds a user or a role; nil takes the bound away.
    func setBoundary(_ arn: String?, of holder: PolicyHolder, as caller: Caller) async throws(CloudError)

    // MARK: Tags
    /// Adds or replaces.
    func tag(_ identity: TaggedIdentity, with tags: [Tag], as caller: Caller) async throws(CloudError)
    /// Keys that are not there are ignored.
    func untag(_ identity: TaggedIdentity, keys: [String], as caller: Caller) async throws(CloudError)
    /// The tags.
    func tags(of identity: TaggedIdentity, as caller: Caller) async throws(CloudError) -> [Tag]

    // MARK: Access keys and passwords. Without a name they are the caller's own.
    /// - Throws: `limitExceeded` beyond two of a user.
    func createAccessKey(user: String?, as caller: Caller) async throws(CloudError) -> AccessKey
    /// Oldest first, and whose they are.
    func accessKeys(user: String?, as caller: Caller) async throws(CloudError) -> (user: String, keys: [AccessKey])
    /// Enables or disables.
    func updateAccessKey(id: String, user: String?, isActive: Bool, as caller: Caller) async throws(CloudError)
    /// Deletes for good.
    func deleteAccessKey(id: String, user: String?, as caller: Caller) async throws(CloudError)
    /// Whose key it is, and its last use.
    func accessKeyLastUsed(id: String, as caller: Caller) async throws(CloudError) -> (
        user: String, use: CredentialUse?
    )
    /// Remembers that somebody used his credentials. The gate does so by itself (`authorize`).
    func noteUse(of caller: Caller, service: String) async
    /// The last uses of all credentials of the account.
    func credentialUses(as caller: Caller) async throws(CloudError) -> CredentialUses
    /// - Throws: `duplicate` if he has a password.
    func createLoginProfile(user: String, password: String, mustReset: Bool, as caller: Caller)
        async throws(CloudError) -> LoginProfile
    /// - Throws: `notFound` if he has none.
    func loginProfile(user: String?, as caller: Caller) async throws(CloudError) -> (
        user: String, profile: LoginProfile
    )
    /// Changes what is given.
    func updateLoginProfile(user: String, password: String?, mustReset: Bool?, as caller: Caller)
        async throws(CloudError)
    /// - Throws: `notFound` if he has none.
    func deleteLoginProfile(user: String, as caller: Caller) async throws(CloudError)
    /// The caller's own.
    func changePassword(from old: String, to new: String, as caller: Caller) async throws(CloudError)
    /// Signs in with a password: by the account's id, name or alias.
    ///
    /// - Parameter code: of one of his MFA devices, if he has any.
    func signIn(account: String, user: String, password: String, code: String?) async throws(CloudError) -> SignIn
    /// What the account asks of its users' passwords.
    ///
    /// - Throws: `notFound` of a password policy if it asks for nothing but IAM's least.
    func passwordPolicy(as caller: Caller) async throws(CloudError) -> PasswordPolicy
    /// Replaces it; nil takes it away. Passwords that there are stay good.
    func setPasswordPolicy(_ policy: PasswordPolicy?, as caller: Caller) async throws(CloudError)

    // MARK: MFA devices, by serial number
    /// Makes one that nobody has. The secret is in the answer only.
    ///
    /// - Throws: `duplicate` if path and name are taken.
    func createMFADevice(name: String, path: String, tags: [Tag], as caller: Caller)
        async throws(CloudError) -> MFADevice
    /// By serial number, oldest first; without a secret, as all that follow.
    func mfaDevices(as caller: Caller) async throws(CloudError) -> [MFADeviceListing]
    /// Those of a user, or the caller's own.
    func mfaDevices(ofUser name: String?, as caller: Caller) async throws(CloudError) -> [MFADeviceListing]
    /// One of them.
    func mfaDevice(_ serialNumber: String, as caller: Caller) async throws(CloudError) -> MFADeviceListing
    /// Gives it to a user, who shows by two consecutive codes that he has it.
    ///
    /// - Throws: `duplicate` if somebody has it, `invalidValue` of `AuthenticationCode`, `limitExceeded` beyond eight.
    func enableMFADevice(_ serialNumber: String, user: String, codes: (String, String), as caller: Caller)
        async throws(CloudError)
    /// Learns anew how far the device's clock is off, from two consecutive codes.
    func resynchroniseMFADevice(_ serialNumber: String, user: String, codes: (String, String), as caller: Caller)
        async throws(CloudError)
    /// Takes it from its user (nil: the caller); the device remains.
    func deactivateMFADevice(_ serialNumber: String, user: String?, as caller: Caller) async throws(CloudError)
    /// - Throws: `inUse` as long as somebody has it.
    func deleteMFADevice(_ serialNumber: String, as caller: Caller) async throws(CloudError)

    // MARK: Signing certificates. Without a user they are the caller's own.
    /// Takes a user's own certificate.
    ///
    /// - Throws: `invalidValue` of `CertificateBody`, `duplicate` if the cloud has it, `limitExceeded` beyond two.
    func uploadSigningCertificate(_ pem: String, user: String?, as caller: Caller)
        async throws(CloudError) -> SigningCertificate
    /// Oldest first.
    func signingCertificates(user: String?, as caller: Caller) async throws(CloudError) -> [SigningCertificate]
    /// Enables or disables.
    func updateSigningCertificate(id: String, user: String?, isActive: Bool, as caller: Caller)
        async throws(CloudError)
    /// Deletes for good.
    func deleteSigningCertificate(id: String, user: String?, as caller: Caller) async throws(CloudError)

    // MARK: Instance profiles
    /// - Throws: `duplicate` if the name is taken.
    func createInstanceProfile(name: String, path: String, tags: [Tag], as caller: Caller)
        async throws(CloudError) -> InstanceProfile
    /// The profile with its role.
    func instanceProfile(_ name: String, as caller: Caller) async throws(CloudError) -> (InstanceProfile, Role?)
    /// By name.
    func instanceProfiles(as caller: Caller) async throws(CloudError) -> [(InstanceProfile, Role?)]
    /// - Throws: `inUse` as long as it has a role.
    func deleteInstanceProfile(_ name: String, as caller: Caller) async throws(CloudError)
    /// Puts a role into a profile, or takes it out; it holds one at most.
    func setRole(_ role: String, ofProfile profile: String, isMember: Bool, as caller: Caller)
        async throws(CloudError)

    // MARK: The account
    /// Makes the report on credentials unless there is a fresh one.
    func generateCredentialReport(as caller: Caller) async throws(CloudError) -> CredentialReportState
    /// The report.
    ///
    /// - Throws: `notFound` of the report, `incorrectState` if it is older than four hours.
    func credentialReport(as caller: Caller) async throws(CloudError) -> CredentialReport
    /// What policies say of requests that nobody makes. An answer for each action and resource, in that order.
    ///
    /// - Throws: `notFound` of the source, `invalidValue` of `PolicyDocument`.
    func simulate(_ simulation: PolicySimulation, as caller: Caller) async throws(CloudError) -> [SimulatedDecision]
    /// The condition keys and variables that policies ask for, sorted: those given, and those of the source.
    func contextKeys(source: String?, policies: [String], as caller: Caller) async throws(CloudError) -> [String]
    /// What it has.
    func identitySummary(as caller: Caller) async throws(CloudError) -> IdentitySummary
    /// - Throws: `duplicate` if another account has it.
    func setAlias(_ alias: String, as caller: Caller) async throws(CloudError)
    /// - Throws: `notFound` if the account does not have it.
    func deleteAlias(_ alias: String, as caller: Caller) async throws(CloudError)

    // MARK: Accounts, for administrators of the cloud
    /// All accounts, by id.
    func accounts(as caller: Caller) async throws(CloudError) -> [Account]
    /// An account by id, name or alias.
    func findAccount(_ name: String, as caller: Caller) async throws(CloudError) -> Account
    /// Makes one with its default security group.
    func addAccount(name: String, as caller: Caller) async throws(CloudError) -> Account
    /// - Throws: `inUse` if it holds resources, or identities and not `recursive`.
    func deleteAccount(_ name: String, recursive: Bool, as caller: Caller) async throws(CloudError)
    /// Policies on an account; see `Account.policies`. A nil document deletes.
    func setAccountPolicy(_ name: String, document: String?, of account: String, as caller: Caller)
        async throws(CloudError)

    // MARK: Sessions
    /// STS: GetSessionToken.
    func sessionToken(seconds: Int?, mfa: MFACode?, as caller: Caller) async throws(CloudError) -> TemporaryCredentials
    /// STS: GetFederationToken.
    func federationToken(name: String, policies: [String], policyARNs: [String], seconds: Int?, as caller: Caller)
        async throws(CloudError) -> TemporaryCredentials
    /// STS: AssumeRole. The role's trust policy decides, together with the caller's own policies.
    func assumeRole(_ request: AssumeRoleRequest, as caller: Caller) async throws(CloudError) -> TemporaryCredentials
    /// The account of an access key id; nil if it is no key of this cloud.
    func account(ofKey id: String) async throws(CloudError) -> String?
}

/// STS: AssumeRole.
public struct AssumeRoleRequest: Hashable, Sendable {
    /// The role.
    public var roleARN: String
    /// A name for the session.
    public var sessionName: String
    /// Limits the session.
    public var policy: String?
    /// Limits the session.
    public var policyARNs: [String]
    /// How long; nil for an hour.
    public var seconds: Int?
    /// What the trust policy may ask for.
    public var externalID: String?
    /// That the caller has his MFA device, which the trust policy may ask for.
    public var mfa: MFACode?
    /// Makes a request.
    public init(
        roleARN: String, sessionName: String, policy: String? = nil, policyARNs: [String] = [], seconds: Int? = nil,
        externalID: String? = nil, mfa: MFACode? = nil
    ) {
        self.roleARN = roleARN
        self.sessionName = sessionName
        self.policy = policy
        self.policyARNs = policyARNs
        self.seconds = seconds
        self.externalID = externalID
        self.mfa = mfa
    }
}
