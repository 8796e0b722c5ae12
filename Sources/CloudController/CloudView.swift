import CloudModel

/// All that the cloud controller knows of the store, indexed; reads are answered from it alone.
///
/// It takes the store's records in any order: an older revision never replaces a newer one.
struct CloudView {
    private(set) var cloud: CloudRecord?
    private(set) var accounts: [String: Stored<Account>] = [:]
    private(set) var accessKeys: [String: Stored<AccessKey>] = [:]
    private(set) var types: [String: Stored<InstanceType>] = [:]
    private(set) var images = OwnedTable<ImageID, Image>()
    private(set) var keyPairs = OwnedTable<KeyPairName, KeyPair>()
    private(set) var keyPairNames: [KeyPairID: KeyPairName] = [:]
    private(set) var groups = OwnedTable<SecurityGroupID, SecurityGroup>()
    private(set) var groupIDs: [GroupName: SecurityGroupID] = [:]
    private(set) var ruleOwners: [SecurityGroupRuleID: SecurityGroupID] = [:]
    private(set) var tokens: [String: Stored<TokenRecord>] = [:]
    private(set) var tombstones: [InstanceID: Stored<TombstoneRecord>] = [:]
    private(set) var networks: [String: Stored<NetworkRecord>] = [:]
    private(set) var placementGroups = OwnedTable<PlacementGroupID, PlacementGroup>()
    private(set) var launchTemplates = OwnedTable<LaunchTemplateID, LaunchTemplate>()
    private(set) var launchTemplateIDs: [GroupName: LaunchTemplateID] = [:]
    private(set) var networkTags: [String: Stored<NetworkTagsRecord>] = [:]
    private(set) var imageImports = OwnedTable<ImageImportID, ImageImport>()
    private(set) var bundleTasks = OwnedTable<BundleTaskID, BundleTask>()
    /// The tasks that are not over, by their instances.
    private(set) var bundledInstances: [InstanceID: BundleTaskID] = [:]
    private(set) var usages: [String: Stored<UsageRecord>] = [:]
    private(set) var refusals: Stored<RefusalsRecord>?
    var instances = InstanceTable()
    private(set) var identities = IdentityTables()
    /// The authority for users' certificates, once it was needed.
    private(set) var signingAuthority: SigningAuthorityRecord?

    /// A key pair's name in its account.
    struct KeyPairName: Hashable, Sendable {
        var accountID: String
        var name: String
    }
    /// A group's or template's name in its account.
    struct GroupName: Hashable, Sendable {
        var accountID: String
        var name: String
    }

    /// Takes what the store has at `revision`.
    mutating func set(_ record: StoredRecord, revision: Int64) {
        switch record {
        case .cloud(let record): cloud = record
        case .account(let account): Self.set(&accounts, account.id, account, revision)
        case .accessKey(let key): Self.set(&accessKeys, key.id, key, revision)
        case .type(let type): Self.set(&types, type.name, type, revision)
        case .image(let image): images.set(image, id: image.id, account: image.accountID, revision: revision)
        case .keyPair(let pair):
            let name = KeyPairName(accountID: pair.accountID, name: pair.name)
            keyPairs.set(pair, id: name, account: pair.accountID, revision: revision)
            keyPairNames[pair.id] = name
        case .group(let group): set(group, revision: revision)
        case .instance(let instance): instances.set(instance, revision: revision)
        case .token(let token): Self.set(&tokens, record.key, token, revision)
        case .tombstone(let tombstone): Self.set(&tombstones, tombstone.id, tombstone, revision)
        case .network(let network): Self.set(&networks, network.zone, network, revision)
        case .placementGroup(let group):
            placementGroups.set(group, id: group.id, account: group.accountID, revision: revision)
        case .launchTemplate(let template):
            launchTemplates.set(template, id: template.id, account: template.accountID, revision: revision)
            launchTemplateIDs[GroupName(accountID: template.accountID, name: template.name)] = template.id
        case .networkTags(let tags): Self.set(&networkTags, tags.accountID, tags, revision)
        case .imageImport(let task):
            imageImports.set(task, id: task.id, account: task.accountID, revision: revision)
        case .bundleTask(let task):
            bundleTasks.set(task, id: task.id, account: task.accountID, revision: revision)
            if bundleTasks[task.id]?.value.state.isActive == true {
                bundledInstances[task.instanceID] = task.id
            } else if bundledInstances[task.instanceID] == task.id {
                bundledInstances[task.instanceID] = nil
            }
        case .user, .userGroup, .role, .policy, .instanceProfile, .certificate, .mfaDevice, .credentialUses,
            .sessionKey:
            identities.set(record, revision: revision)
        case .signingAuthority(let record): signingAuthority = record
        case .refusals(let record):
            if (refusals?.revision ?? 0) < revision { refusals = Stored(record, revision: revision) }
        case .usage(let usage): Self.set(&usages, usage.accountID, usage, revision)
        case .userData: break
        }
    }

    /// Forgets what the store no longer has.
    mutating func remove(_ record: StoredRecord) {
        switch record {
        case .cloud: cloud = nil
        case .account(let account): accounts[account.id] = nil
        case .accessKey(let key): accessKeys[key.id] = nil
        case .type(let type): types[type.name] = nil
        case .image(let image): images.remove(image.id, account: image.accountID)
        case .keyPair(let pair):
            keyPairs.remove(KeyPairName(accountID: pair.accountID, name: pair.name), account: pair.accountID)
            keyPairNames[pair.id] = nil
        case .group(let group):
            for rule in groups[group.id]?.value.rules ?? [] { ruleOwners[rule.id] = nil }
            groups.remove(group.id, account: group.accountID)
            groupIDs[GroupName(accountID: group.accountID, name: group.name)] = nil
        case .instance(let instance): instances.remove(instance.id)
        case .token: tokens[record.key] = nil
        case .tombstone(let tombstone): tombstones[tombstone.id] = nil
        case .network(let network): networks[network.zone] = nil
        case .placementGroup(let group): placementGroups.remove(group.id, account: group.accountID)
        case .launchTemplate(let template):
            launchTemplates.remove(template.id, account: template.accountID)
            launchTemplateIDs[GroupName(accountID: template.accountID, name: template.name)] = nil
        case .networkTags(let tags): networkTags[tags.accountID] = nil
        case .imageImport(let task): imageImports.remove(task.id, account: task.accountID)
        case .bundleTask(let task):
            bundleTasks.remove(task.id, account: task.accountID)
            if bundledInstances[task.instanceID] == task.id { bundledInstances[task.instanceID] = nil }
        case .user, .userGroup, .role, .policy, .instanceProfile, .certificate, .mfaDevice, .credentialUses,
            .sessionKey:
            identities.remove(record)
        case .signingAuthority: signingAuthority = nil
        case .refusals: refusals = nil
        case .usage(let usage): usages[usage.accountID] = nil
        case .userData: break
        }
    }

    func keyPair(_ name: String, of account: String) -> Stored<KeyPair>? {
        keyPairs[KeyPairName(accountID: account, name: name)]
    }

    func group(named name: String, of account: String) -> Stored<SecurityGroup>? {
        groupIDs[GroupName(accountID: account, name: name)].flatMap { groups[$0] }
    }

    func launchTemplate(named name: String, of account: String) -> Stored<LaunchTemplate>? {
        launchTemplateIDs[GroupName(accountID: account, name: name)].flatMap { launchTemplates[$0] }
    }

    /// An account has few of them.
    func placementGroup(named name: String, of account: String) -> Stored<PlacementGroup>? {
        placementGroups.records(of: account).first { $0.value.name == name }
    }

    private mutating func set(_ group: SecurityGroup, revision: Int64) {
        if let known = groups[group.id] {
            if known.revision >= revision { return }
            for rule in known.value.rules { ruleOwners[rule.id] = nil }
        }
        groups.set(group, id: group.id, account: group.accountID, revision: revision)
        groupIDs[GroupName(accountID: group.accountID, name: group.name)] = group.id
        for rule in group.rules { ruleOwners[rule.id] = group.id }
    }

    private static func set<Name: Hashable, Value: Sendable>(
        _ table: inout [Name: Stored<Value>], _ name: Name, _ value: Value, _ revision: Int64
    ) {
        if let known = table[name], known.revision >= revision { return }
        table[name] = Stored(value, revision: revision)
    }
}
