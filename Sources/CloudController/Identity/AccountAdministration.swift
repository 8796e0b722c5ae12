import AccessPolicy
public import CloudModel

// The account as a whole, and the cloud's accounts for its administrators.

extension CloudController {
    /// See `IdentityBackend`.
    public func identitySummary(as caller: Caller) async throws(CloudError) -> IdentitySummary {
        let account = caller.accountID
        let tables = view.identities
        let own = view.accounts[account]?.value
        let rootKeys = view.accessKeys.values.contains {
            $0.value.accountID == account && $0.value.userName == Account.rootUserName
        }
        let rootCertificates = tables.certificates.records(of: account).contains {
            $0.value.userName == Account.rootUserName
        }
        let devices = tables.mfaDevices.records(of: account).map(\.value)
        return IdentitySummary([
            "Users": tables.users.count(of: account), "UsersQuota": IdentityRules.usersPerAccount,
            "Groups": tables.groups.count(of: account), "GroupsQuota": IdentityRules.groupsPerAccount,
            "Roles": tables.roles.count(of: account), "RolesQuota": IdentityRules.rolesPerAccount,
            "Policies": tables.policies.count(of: account), "PoliciesQuota": IdentityRules.policiesPerAccount,
            "InstanceProfiles": tables.profiles.count(of: account),
            "InstanceProfilesQuota": IdentityRules.profilesPerAccount,
            "PolicyVersionsInUse": tables.policies.records(of: account).reduce(0) { $0 + $1.value.versions.count },
            "PolicyVersionsInUseQuota": 10_000, "VersionsPerPolicyQuota": IdentityRules.versionsPerPolicy,
            "GroupsPerUserQuota": IdentityRules.groupsPerUser, "AccessKeysPerUserQuota": IdentityRules.keysPerUser,
            "SigningCertificatesPerUserQuota": IdentityRules.certificatesPerUser,
            "AttachedPoliciesPerUserQuota": IdentityRules.attachedPoliciesPerIdentity,
            "AttachedPoliciesPerGroupQuota": IdentityRules.attachedPoliciesPerIdentity,
            "AttachedPoliciesPerRoleQuota": IdentityRules.attachedPoliciesPerIdentity,
            "UserPolicySizeQuota": IdentityRules.userPolicySize,
            "GroupPolicySizeQuota": IdentityRules.groupPolicySize,
            "RolePolicySizeQuota": IdentityRules.rolePolicySize, "PolicySizeQuota": IdentityRules.policySize,
            "AssumeRolePolicySizeQuota": IdentityRules.trustPolicySize, "GlobalEndpointTokenVersion": 1,
            "AccountAccessKeysPresent": rootKeys ? 1 : 0, "AccountPasswordPresent": own?.loginProfile == nil ? 0 : 1,
            "AccountSigningCertificatesPresent": rootCertificates ? 1 : 0,
            "AccountMFAEnabled": devices.contains { $0.ownerID == account } ? 1 : 0,
            "MFADevices": devices.count, "MFADevicesInUse": devices.count { $0.ownerID != nil }, "Providers": 0,
            "ServerCertificates": 0, "ServerCertificatesQuota": 0,
        ])
    }

    /// See `IdentityBackend`.
    public func setAlias(_ alias: String, as caller: Caller) async throws(CloudError) {
        let isGood =
            (3...63).contains(alias.utf8.count) && !alias.hasPrefix("-") && !alias.hasSuffix("-")
            && alias.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) || $0 == 45 }
            // Twelve digits would be an id.
            && !alias.utf8.allSatisfy { (48...57).contains($0) }
        guard isGood else {
            throw .invalidValue(
                parameter: "accountAlias", value: String(alias.prefix(64)),
                reason:
                    "1 validation error detected: Value at 'accountAlias' failed to satisfy constraint: Member must "
                    + "have 3 to 63 lower-case letters, digits and dashes")
        }
        try await mutate { (view) throws(CloudError) in
            guard let stored = view.accounts[caller.accountID] else { throw .notFound(.account, [caller.accountID]) }
            let isTaken = view.accounts.values.contains {
                $0.value.id != caller.accountID && ($0.value.alias == alias || $0.value.name == alias)
            }
            guard !isTaken else { throw .duplicate(.accountAlias, alias) }
            var account = stored.value
            account.alias = alias
            var mutation = Mutation()
            mutation.update(.account(account), revision: stored.revision)
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public func deleteAlias(_ alias: String, as caller: Caller) async throws(CloudError) {
        try await changeAccount(caller.accountID) { (account) throws(CloudError) in
            guard account.alias == alias else { throw .notFound(.accountAlias, [alias]) }
            account.alias = nil
        }
    }

    func changeAccount(_ id: String, _ change: (inout Account) throws(CloudError) -> Void)
        async throws(CloudError)
    {
        try await mutate { (view) throws(CloudError) in
            guard let stored = view.accounts[id] else { throw .notFound(.account, [id]) }
            var account = stored.value
            try change(&account)
            var mutation = Mutation()
            if account != stored.value { mutation.update(.account(account), revision: stored.revision) }
            return (mutation, ())
        }
    }

    // MARK: The cloud's accounts

    func requireAdministrator(_ caller: Caller, _ operation: String) throws(CloudError) {
        guard caller.isAdministrator, view.accounts[caller.accountID]?.value.isAdministrator == true else {
            throw .unauthorized(operation: "\(operation) is for administrators of the cloud only.")
        }
    }

    /// See `IdentityBackend`.
    public func accounts(as caller: Caller) async throws(CloudError) -> [Account] {
        try requireAdministrator(caller, "ListAccounts")
        return listAccounts()
    }

    /// See `IdentityBackend`.
    public func findAccount(_ name: String, as caller: Caller) async throws(CloudError) -> Account {
        try requireAdministrator(caller, "To act for another account")
        guard let account = account(named: name)?.value else { throw .notFound(.account, [name]) }
        return account
    }

    /// See `IdentityBackend`.
    public func addAccount(name: String, as caller: Caller) async throws(CloudError) -> Account {
        try requireAdministrator(caller, "CreateAccount")
        guard !view.accounts.values.contains(where: { $0.value.alias == name }) else {
            throw .duplicate(.account, name)
        }
        return try await createAccount(name: name)
    }

    /// See `IdentityBackend`.
    public func deleteAccount(_ name: String, recursive: Bool, as caller: Caller) async throws(CloudError) {
        try requireAdministrator(caller, "DeleteAccount")
        let id = try await findAccount(name, as: caller).id
        try await mutate { (view) throws(CloudError) in
            guard let stored = view.accounts[id] else { throw .notFound(.account, [name]) }
            guard !stored.value.isAdministrator else {
                throw .notPermitted("The account \(stored.value.name) administers the cloud and stays.")
            }
            let instances = view.instances.liveCounts[id, default: 0] > 0
            let holdings: [(Bool, String)] = [
                (instances, "terminate its instances"),
                (Self.imagesInUse(of: id, view) > 0, "deregister its images"),
            ]
            if let held = holdings.first(where: \.0) { throw .inUse(.account, stored.value.name, by: held.1) }
            let identities = Self.identityRecords(of: id, view)
            let others = identities.filter { record in
                // Its own keys go with it; the default group came with it.
                if case .accessKey(let key) = record.record { return !key.isRoot }
                return true
            }
            guard recursive || others.isEmpty else {
                throw .inUse(.account, stored.value.name, by: "delete its users, groups, roles and policies")
            }
            var mutation = Mutation()
            mutation.delete(.account(stored.value), revision: stored.revision)
            for identity in identities { mutation.delete(identity.record, revision: identity.revision) }
            for group in view.groups.records(of: id) {
                mutation.delete(.group(group.value), revision: group.revision)
            }
            if let uses = view.identities.uses[id] {
                mutation.delete(.credentialUses(uses.value), revision: uses.revision)
            }
            for pair in view.keyPairs.records(of: id) {
                mutation.delete(.keyPair(pair.value), revision: pair.revision)
            }
            for group in view.placementGroups.records(of: id) {
                mutation.delete(.placementGroup(group.value), revision: group.revision)
            }
            for template in view.launchTemplates.records(of: id) {
                mutation.delete(.launchTemplate(template.value), revision: template.revision)
            }
            if let tags = view.networkTags[id] {
                mutation.delete(.networkTags(tags.value), revision: tags.revision)
            }
            return (mutation, ())
        }
    }

    /// Without those that are out of use, whose records stay until the last instance of theirs is over.
    static func imagesInUse(of account: String, _ view: CloudView) -> Int {
        view.images.records(of: account).reduce(0) { $0 + ($1.value.state == .deregistered ? 0 : 1) }
    }

    private static func identityRecords(of account: String, _ view: CloudView)
        -> [(record: StoredRecord, revision: Int64)]
    {
        let tables = view.identities
        var records: [(record: StoredRecord, revision: Int64)] = []
        records += view.accessKeys.values.filter { $0.value.accountID == account }
            .map { (.accessKey($0.value), $0.revision) }
        records += tables.users.records(of: account).map { ($0.value.record, $0.revision) }
        records += tables.groups.records(of: account).map { ($0.value.record, $0.revision) }
        records += tables.roles.records(of: account).map { ($0.value.record, $0.revision) }
        records += tables.policies.records(of: account).map { ($0.value.record, $0.revision) }
        records += tables.profiles.records(of: account).map { ($0.value.record, $0.revision) }
        records += tables.certificates.records(of: account).map { (.certificate($0.value), $0.revision) }
        records += tables.mfaDevices.records(of: account).map { (.mfaDevice($0.value), $0.revision) }
        return records
    }

    /// See `IdentityBackend`.
    public func setAccountPolicy(_ name: String, document: String?, of account: String, as caller: Caller)
        async throws(CloudError)
    {
        try requireAdministrator(caller, "PutAccountPolicy")
        let id = try await findAccount(account, as: caller).id
        try IdentityRules.checkName(name, "policyName", most: 128)
        if let document {
            try IdentityRules.checkPolicy(document, most: IdentityRules.policySize, .inline)
        }
        try await changeAccount(id) { (account) throws(CloudError) in
            var policies = account.policies ?? []
            let index = policies.firstIndex { $0.name == name }
            if let document {
                if let index {
                    policies[index].document = document
                } else {
                    policies.append(InlinePolicy(name: name, document: document))
                }
            } else {
                guard let index else { throw .notFound(.inlinePolicy, [name]) }
                policies.remove(at: index)
            }
            account.policies = policies.isEmpty ? nil : policies
        }
    }
}
