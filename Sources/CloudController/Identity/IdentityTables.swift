import CloudModel

/// Something with a name in an account and a unique id.
protocol NamedIdentity: Sendable {
    static var kind: ResourceKind { get }
    var id: String { get }
    var accountID: String { get }
    var name: String { get set }
    var path: String { get set }
    var createdAt: Timestamp { get }
    /// As the store has it.
    var record: StoredRecord { get }
}

/// A user, group or role.
protocol PolicyBearer: NamedIdentity {
    var inlinePolicies: [InlinePolicy] { get set }
    var attachedPolicies: [String] { get set }
}

/// What bears tags.
protocol TagBearer: NamedIdentity {
    var tags: [Tag] { get set }
}

extension User: PolicyBearer, TagBearer {
    static var kind: ResourceKind { .user }
    var record: StoredRecord { .user(self) }
}
extension UserGroup: PolicyBearer {
    static var kind: ResourceKind { .userGroup }
    var record: StoredRecord { .userGroup(self) }
}
extension Role: PolicyBearer, TagBearer {
    static var kind: ResourceKind { .role }
    var record: StoredRecord { .role(self) }
}
extension ManagedPolicy: TagBearer {
    static var kind: ResourceKind { .policy }
    var record: StoredRecord { .policy(self) }
}
extension InstanceProfile: TagBearer {
    static var kind: ResourceKind { .instanceProfile }
    var record: StoredRecord { .instanceProfile(self) }
}

/// Identities of one kind, by id, account and name.
struct NamedTable<Value: NamedIdentity> {
    private var table = OwnedTable<String, Value>()
    private var ids: [CloudView.GroupName: String] = [:]

    subscript(id: String) -> Stored<Value>? { table[id] }

    func records(of account: String) -> [Stored<Value>] { table.records(of: account) }

    func count(of account: String) -> Int { table.count(of: account) }

    /// In whatever case the name is written.
    func named(_ name: String, of account: String) -> Stored<Value>? {
        ids[CloudView.GroupName(accountID: account, name: name.lowercased())].flatMap { table[$0] }
    }

    /// By name.
    func sorted(of account: String) -> [Value] {
        records(of: account).map(\.value).sorted { ($0.name.lowercased(), $0.id) < ($1.name.lowercased(), $1.id) }
    }

    mutating func set(_ value: Value, revision: Int64) {
        table.set(value, id: value.id, account: value.accountID, revision: revision)
        ids[CloudView.GroupName(accountID: value.accountID, name: value.name.lowercased())] = value.id
    }

    mutating func remove(_ value: Value) {
        let name = CloudView.GroupName(accountID: value.accountID, name: value.name.lowercased())
        guard ids[name] == value.id else { return }
        ids[name] = nil
        table.remove(value.id, account: value.accountID)
    }
}

/// All identities of a cloud.
struct IdentityTables {
    var users = NamedTable<User>()
    var groups = NamedTable<UserGroup>()
    var roles = NamedTable<Role>()
    var policies = NamedTable<ManagedPolicy>()
    var profiles = NamedTable<InstanceProfile>()
    /// By fingerprint.
    var certificates = OwnedTable<[UInt8], SigningCertificate>()
    /// By serial number in lower case.
    var mfaDevices = OwnedTable<String, MFADevice>()
    /// By account.
    var uses = OwnedTable<String, CredentialUsesRecord>()
    /// Seals session tokens.
    var sessionKey: SessionKeyRecord?

    /// Takes a record that is one of these.
    mutating func set(_ record: StoredRecord, revision: Int64) {
        switch record {
        case .user(let user): users.set(user, revision: revision)
        case .userGroup(let group): groups.set(group, revision: revision)
        case .role(let role): roles.set(role, revision: revision)
        case .policy(let policy): policies.set(policy, revision: revision)
        case .instanceProfile(let profile): profiles.set(profile, revision: revision)
        case .certificate(let certificate):
            certificates.set(
                certificate, id: certificate.fingerprint, account: certificate.accountID, revision: revision)
        case .mfaDevice(let device):
            mfaDevices.set(
                device, id: device.serialNumber.lowercased(), account: device.accountID, revision: revision)
        case .credentialUses(let uses):
            self.uses.set(uses, id: uses.accountID, account: uses.accountID, revision: revision)
        case .sessionKey(let key): sessionKey = key
        default: break
        }
    }

    /// Forgets a record that is one of these.
    mutating func remove(_ record: StoredRecord) {
        switch record {
        case .user(let user): users.remove(user)
        case .userGroup(let group): groups.remove(group)
        case .role(let role): roles.remove(role)
        case .policy(let policy): policies.remove(policy)
        case .instanceProfile(let profile): profiles.remove(profile)
        case .certificate(let certificate):
            certificates.remove(certificate.fingerprint, account: certificate.accountID)
        case .mfaDevice(let device):
            mfaDevices.remove(device.serialNumber.lowercased(), account: device.accountID)
        case .credentialUses(let uses): self.uses.remove(uses.accountID, account: uses.accountID)
        case .sessionKey: sessionKey = nil
        default: break
        }
    }

    /// The managed policy with this ARN that an account may use: its own, or one that every account has.
    func policy(arn: String, of account: String) -> ManagedPolicy? {
        if let builtIn = BuiltInPolicies.byARN[arn] { return builtIn }
        let prefix = "arn:aws:iam::\(account):policy/"
        guard arn.hasPrefix(prefix), let name = arn.split(separator: "/").last else { return nil }
        guard let policy = policies.named(String(name), of: account)?.value, policy.arn == arn else { return nil }
        return policy
    }
}
