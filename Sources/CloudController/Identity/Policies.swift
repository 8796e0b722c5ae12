import AccessPolicy
public import CloudModel

// Inline and managed policies, boundaries, and tags of identities.

extension CloudController {
    // MARK: Inline policies

    /// See `IdentityBackend`.
    public func putInlinePolicy(_ policy: InlinePolicy, on holder: PolicyHolder, as caller: Caller)
        async throws(CloudError)
    {
        try IdentityRules.checkName(policy.name, "policyName", most: 128)
        let most =
            switch holder {
            case .user: IdentityRules.userPolicySize
            case .group: IdentityRules.groupPolicySize
            case .role: IdentityRules.rolePolicySize
            }
        try IdentityRules.checkPolicy(policy.document, most: most, .inline)
        try await changeBearer(holder, of: caller.accountID) { (bearer, _) throws(CloudError) in
            if let index = bearer.inlinePolicies.firstIndex(where: { $0.name == policy.name }) {
                bearer.inlinePolicies[index] = policy
            } else {
                bearer.inlinePolicies.append(policy)
            }
            let size = bearer.inlinePolicies.reduce(0) { $0 + $1.document.utf8.count }
            // White space does not count towards AWS's limit; here it does beyond twice that limit.
            guard size <= most * 2 else {
                throw .limitExceeded(.inlinePolicy, limit: most, inUse: size, requested: 0)
            }
        }
    }

    /// See `IdentityBackend`.
    public func inlinePolicies(of holder: PolicyHolder, as caller: Caller) async throws(CloudError) -> [InlinePolicy] {
        try bearer(holder, of: caller.accountID).inlinePolicies.sorted { $0.name < $1.name }
    }

    /// See `IdentityBackend`.
    public func deleteInlinePolicy(_ name: String, of holder: PolicyHolder, as caller: Caller)
        async throws(CloudError)
    {
        try await changeBearer(holder, of: caller.accountID) { (bearer, _) throws(CloudError) in
            guard bearer.inlinePolicies.contains(where: { $0.name == name }) else {
                throw .notFound(.inlinePolicy, [name])
            }
            bearer.inlinePolicies.removeAll { $0.name == name }
        }
    }

    private func bearer(_ holder: PolicyHolder, of account: String) throws(CloudError) -> any PolicyBearer {
        switch holder {
        case .user(let name): try named(name, in: \.users, of: account, view).value
        case .group(let name): try named(name, in: \.groups, of: account, view).value
        case .role(let name): try named(name, in: \.roles, of: account, view).value
        }
    }

    private func changeBearer(
        _ holder: PolicyHolder, of account: String,
        _ change: (inout any PolicyBearer, CloudView) throws(CloudError) -> Void
    ) async throws(CloudError) {
        func changed<Value: PolicyBearer>(_ value: inout Value, _ view: CloudView) throws(CloudError) {
            var bearer: any PolicyBearer = value
            try change(&bearer, view)
            value.inlinePolicies = bearer.inlinePolicies
            value.attachedPolicies = bearer.attachedPolicies
        }
        switch holder {
        case .user(let name): _ = try await self.change(name, in: \.users, of: account, changed)
        case .group(let name): _ = try await self.change(name, in: \.groups, of: account, changed)
        case .role(let name): _ = try await self.change(name, in: \.roles, of: account, changed)
        }
    }

    // MARK: Managed policies

    /// See `IdentityBackend`.
    public func createPolicy(
        name: String, path: String, document: String, description: String?, tags: [Tag], as caller: Caller
    ) async throws(CloudError) -> ManagedPolicy {
        try IdentityRules.checkName(name, "policyName", most: 128)
        try IdentityRules.checkPath(path)
        try IdentityRules.checkTags(tags)
        try IdentityRules.checkPolicy(document, most: IdentityRules.policySize, .managed)
        var policy = ManagedPolicy(
            id: Credentials.uniqueID("ANPA"), accountID: caller.accountID, name: name, path: path,
            description: description, document: document, createdAt: configuration.now())
        policy.tags = tags
        return try await create(policy, in: \.policies, most: IdentityRules.policiesPerAccount)
    }

    /// See `IdentityBackend`.
    public func policy(arn: String, as caller: Caller) async throws(CloudError) -> ManagedPolicy {
        guard let policy = view.identities.policy(arn: arn, of: caller.accountID) else {
            throw .notFound(.policy, [arn])
        }
        return policy
    }

    /// See `IdentityBackend`.
    public func policies(as caller: Caller) async throws(CloudError) -> [ManagedPolicy] {
        view.identities.policies.sorted(of: caller.accountID) + BuiltInPolicies.all.sorted { $0.name < $1.name }
    }

    /// The account's own policy with this ARN, to be changed.
    private func changePolicy(
        _ arn: String, as caller: Caller, _ change: (inout ManagedPolicy, CloudView) throws(CloudError) -> Void
    ) async throws(CloudError) -> ManagedPolicy {
        guard BuiltInPolicies.byARN[arn] == nil else {
            throw .unauthorized(operation: "\(arn) is a policy of the cloud, which nobody can change.")
        }
        let policy = try await policy(arn: arn, as: caller)
        return try await self.change(policy.name, in: \.policies, of: caller.accountID, change)
    }

    /// See `IdentityBackend`.
    public func deletePolicy(arn: String, as caller: Caller) async throws(CloudError) {
        guard BuiltInPolicies.byARN[arn] == nil else {
            throw .unauthorized(operation: "\(arn) is a policy of the cloud, which nobody can delete.")
        }
        try await mutate { (view) throws(CloudError) in
            guard let policy = view.identities.policy(arn: arn, of: caller.accountID),
                let stored = view.identities.policies[policy.id]
            else { throw .notFound(.policy, [arn]) }
            let entities = Self.entities(ofPolicy: arn, account: caller.accountID, view)
            let isAttached =
                !entities.users.isEmpty || !entities.groups.isEmpty || !entities.roles.isEmpty
                || entities.boundaries > 0
            guard !isAttached else { throw .inUse(.policy, arn, by: "detach all entities") }
            guard stored.value.versions.count == 1 else {
                throw .inUse(.policy, arn, by: "delete all non-default versions")
            }
            var mutation = Mutation()
            mutation.delete(.policy(stored.value), revision: stored.revision)
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public func createPolicyVersion(arn: String, document: String, isDefault: Bool, as caller: Caller)
        async throws(CloudError) -> (policy: ManagedPolicy, version: ManagedPolicy.Version)
    {
        try IdentityRules.checkPolicy(document, most: IdentityRules.policySize, .managed)
        let now = configuration.now()
        let policy = try await changePolicy(arn, as: caller) { (policy, _) throws(CloudError) in
            guard policy.versions.count < IdentityRules.versionsPerPolicy else {
                throw .limitExceeded(
                    .policyVersion, limit: IdentityRules.versionsPerPolicy, inUse: policy.versions.count, requested: 1)
            }
            policy.lastVersion += 1
            policy.updatedAt = now
            policy.versions.append(
                ManagedPolicy.Version(number: policy.lastVersion, document: document, createdAt: now))
            if isDefault { policy.defaultVersion = policy.lastVersion }
        }
        return (policy, ManagedPolicy.Version(number: policy.lastVersion, document: document, createdAt: now))
    }

    /// See `IdentityBackend`.
    public func deletePolicyVersion(arn: String, version: String, as caller: Caller) async throws(CloudError) {
        _ = try await changePolicy(arn, as: caller) { (policy, _) throws(CloudError) in
            let number = try Self.number(of: version, in: policy)
            guard number != policy.defaultVersion else {
                throw .inUse(.policyVersion, version, by: "default version")
            }
            policy.versions.removeAll { $0.number == number }
        }
    }

    private static func number(of version: String, in policy: ManagedPolicy) throws(CloudError) -> Int {
        guard let found = policy.versions.first(where: { $0.id == version }) else {
            throw .notFound(.policyVersion, [policy.arn, version])
        }
        return found.number
    }

    /// See `IdentityBackend`.
    public func setDefaultPolicyVersion(arn: String, version: String, as caller: Caller) async throws(CloudError) {
        let now = configuration.now()
        _ = try await changePolicy(arn, as: caller) { (policy, _) throws(CloudError) in
            policy.defaultVersion = try Self.number(of: version, in: policy)
            policy.updatedAt = now
        }
    }

    /// See `IdentityBackend`.
    public func attachPolicy(arn: String, to holder: PolicyHolder, as caller: Caller) async throws(CloudError) {
        try await changeBearer(holder, of: caller.accountID) { (bearer, view) throws(CloudError) in
            guard view.identities.policy(arn: arn, of: caller.accountID) != nil else { throw .notFound(.policy, [arn]) }
            if bearer.attachedPolicies.contains(arn) { return }
            let most = IdentityRules.attachedPoliciesPerIdentity
            guard bearer.attachedPolicies.count < most else {
                throw .limitExceeded(.policy, limit: most, inUse: bearer.attachedPolicies.count, requested: 1)
            }
            bearer.attachedPolicies.append(arn)
        }
    }

    /// See `IdentityBackend`.
    public func detachPolicy(arn: String, from holder: PolicyHolder, as caller: Caller) async throws(CloudError) {
        try await changeBearer(holder, of: caller.accountID) { (bearer, _) throws(CloudError) in
            guard bearer.attachedPolicies.contains(arn) else { throw .notFound(.attachment, [arn]) }
            bearer.attachedPolicies.removeAll { $0 == arn }
        }
    }

    /// See `IdentityBackend`.
    public func attachedPolicies(of holder: PolicyHolder, as caller: Caller)
        async throws(CloudError) -> [AttachedPolicy]
    {
        try bearer(holder, of: caller.accountID).attachedPolicies.map { arn in
            AttachedPolicy(arn: arn, name: arn.split(separator: "/").last.map(String.init) ?? arn)
        }
    }

    /// See `IdentityBackend`.
    public func entities(ofPolicy arn: String, as caller: Caller) async throws(CloudError) -> PolicyEntities {
        _ = try await policy(arn: arn, as: caller)
        return Self.entities(ofPolicy: arn, account: caller.accountID, view)
    }

    private static func entities(ofPolicy arn: String, account: String, _ view: CloudView) -> PolicyEntities {
        var entities = PolicyEntities()
        let users = view.identities.users.sorted(of: account)
        let roles = view.identities.roles.sorted(of: account)
        entities.users = users.filter { $0.attachedPolicies.contains(arn) }
        entities.groups = view.identities.groups.sorted(of: account).filter { $0.attachedPolicies.contains(arn) }
        entities.roles = roles.filter { $0.attachedPolicies.contains(arn) }
        entities.boundaries = users.count { $0.boundary == arn } + roles.count { $0.boundary == arn }
        return entities
    }

    /// See `IdentityBackend`.
    public func setBoundary(_ arn: String?, of holder: PolicyHolder, as caller: Caller) async throws(CloudError) {
        if let arn { _ = try await policy(arn: arn, as: caller) }
        switch holder {
        case .user(let name):
            _ = try await change(name, in: \.users, of: caller.accountID) { (user, _) throws(CloudError) in
                guard arn != nil || user.boundary != nil else { throw .notFound(.policy, ["\(name) has no boundary"]) }
                user.boundary = arn
            }
        case .role(let name):
            _ = try await change(name, in: \.roles, of: caller.accountID) { (role, _) throws(CloudError) in
                guard arn != nil || role.boundary != nil else { throw .notFound(.policy, ["\(name) has no boundary"]) }
                role.boundary = arn
            }
        case .group(let name):
            throw .invalidValue(parameter: "groupName", value: name, reason: "Groups have no permissions boundary.")
        }
    }

    // MARK: Tags

    /// See `IdentityBackend`.
    public func tag(_ identity: TaggedIdentity, with tags: [Tag], as caller: Caller) async throws(CloudError) {
        try IdentityRules.checkTags(tags)
        try await changeTags(of: identity, as: caller) { (current) throws(CloudError) in
            try NamingRules.merge(tags, into: current)
        }
    }

    /// See `IdentityBackend`.
    public func untag(_ identity: TaggedIdentity, keys: [String], as caller: Caller) async throws(CloudError) {
        try IdentityRules.checkTagKeys(keys)
        try await changeTags(of: identity, as: caller) { current in current.filter { !keys.contains($0.key) } }
    }

    /// See `IdentityBackend`.
    public func tags(of identity: TaggedIdentity, as caller: Caller) async throws(CloudError) -> [Tag] {
        switch identity {
        case .user(let name): try named(name, in: \.users, of: caller.accountID, view).value.tags
        case .role(let name): try named(name, in: \.roles, of: caller.accountID, view).value.tags
        case .policy(let arn): try await policy(arn: arn, as: caller).tags
        case .instanceProfile(let name): try named(name, in: \.profiles, of: caller.accountID, view).value.tags
        case .mfaDevice(let serial): try device(serial, of: caller.accountID, view).value.tags
        }
    }

    private func changeTags(
        of identity: TaggedIdentity, as caller: Caller, _ tags: ([Tag]) throws(CloudError) -> [Tag]
    ) async throws(CloudError) {
        func changed<Value: TagBearer>(_ value: inout Value, _ view: CloudView) throws(CloudError) {
            value.tags = try tags(value.tags)
        }
        switch identity {
        case .user(let name): _ = try await change(name, in: \.users, of: caller.accountID, changed)
        case .role(let name): _ = try await change(name, in: \.roles, of: caller.accountID, changed)
        case .policy(let arn): _ = try await changePolicy(arn, as: caller, changed)
        case .instanceProfile(let name): _ = try await change(name, in: \.profiles, of: caller.accountID, changed)
        case .mfaDevice(let serial):
            try await changeDevice(serial, of: caller.accountID) { (device, _) throws(CloudError) in
                device.tags = try tags(device.tags)
            }
        }
    }
}
