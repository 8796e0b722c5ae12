public import CloudModel
import Store

// Users and groups, and what all named identities have in common.

extension CloudController {
    // MARK: Any named identity

    /// The identity of that name in the caller's account.
    func named<Value: NamedIdentity>(
        _ name: String, in table: KeyPath<IdentityTables, NamedTable<Value>>, of account: String, _ view: CloudView
    ) throws(CloudError) -> Stored<Value> {
        guard let found = view.identities[keyPath: table].named(name, of: account) else {
            throw .notFound(Value.kind, [name])
        }
        return found
    }

    /// Records a new identity whose name is free.
    func create<Value: NamedIdentity>(
        _ new: Value, in table: any KeyPath<IdentityTables, NamedTable<Value>> & Sendable, most: Int
    ) async throws(CloudError) -> Value {
        try await mutate { (view) throws(CloudError) in
            guard view.accounts[new.accountID] != nil else { throw .notFound(.account, [new.accountID]) }
            guard view.identities[keyPath: table].named(new.name, of: new.accountID) == nil else {
                throw .duplicate(Value.kind, new.name)
            }
            let count = view.identities[keyPath: table].count(of: new.accountID)
            guard count < most else { throw .limitExceeded(Value.kind, limit: most, inUse: count, requested: 1) }
            var mutation = Mutation()
            mutation.conditions.append(.exists(Key.account(new.accountID)))
            mutation.create(new.record)
            return (mutation, new)
        }
    }

    /// Changes an identity in place.
    func change<Value: NamedIdentity>(
        _ name: String, in table: any KeyPath<IdentityTables, NamedTable<Value>> & Sendable, of account: String,
        _ change: (inout Value, CloudView) throws(CloudError) -> Void
    ) async throws(CloudError) -> Value {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.named(name, in: table, of: account, view)
            var value = stored.value
            try change(&value, view)
            var mutation = Mutation()
            mutation.update(value.record, revision: stored.revision)
            return (mutation, value)
        }
    }

    /// The changes that rename an identity; its record lies under its name.
    private func rename<Value: NamedIdentity>(
        _ stored: Stored<Value>, to changed: Value, in table: KeyPath<IdentityTables, NamedTable<Value>>,
        _ view: CloudView
    ) throws(CloudError) -> Mutation {
        var mutation = Mutation()
        if changed.name.lowercased() == stored.value.name.lowercased() {
            mutation.update(changed.record, revision: stored.revision)
        } else {
            guard view.identities[keyPath: table].named(changed.name, of: changed.accountID) == nil else {
                throw .duplicate(Value.kind, changed.name)
            }
            mutation.delete(stored.value.record, revision: stored.revision)
            mutation.create(changed.record)
        }
        return mutation
    }

    /// `admin` is the account itself, as in the original.
    static func isReserved(_ name: String) -> Bool {
        [Account.rootUserName, Account.systemUserName].contains(name.lowercased())
    }

    // MARK: Users

    /// See `IdentityBackend`.
    public func createUser(name: String, path: String, boundary: String?, tags: [Tag], as caller: Caller)
        async throws(CloudError) -> User
    {
        try IdentityRules.checkName(name, "userName", most: 64)
        try IdentityRules.checkPath(path)
        try IdentityRules.checkTags(tags)
        guard !Self.isReserved(name) else { throw .duplicate(.user, name) }
        if let boundary { _ = try await policy(arn: boundary, as: caller) }
        var user = User(
            id: Credentials.uniqueID("AIDA"), accountID: caller.accountID, name: name, path: path,
            createdAt: configuration.now())
        user.boundary = boundary
        user.tags = tags
        return try await create(user, in: \.users, most: IdentityRules.usersPerAccount)
    }

    /// See `IdentityBackend`.
    public func user(_ name: String?, as caller: Caller) async throws(CloudError) -> User {
        guard let name else {
            if case .user(let own, _) = caller.identity {
                return try named(own, in: \.users, of: caller.accountID, view).value
            }
            guard case .account = caller.identity else {
                throw .invalidValue(
                    parameter: "userName", value: "",
                    reason: "Must specify userName when calling with non-User credentials")
            }
            return rootUser(of: caller.accountID)
        }
        if name == Account.rootUserName { return rootUser(of: caller.accountID) }
        return try named(name, in: \.users, of: caller.accountID, view).value
    }

    /// The account itself, as tools expect to see it among users.
    func rootUser(of account: String) -> User {
        User(
            id: account, accountID: account, name: Account.rootUserName, path: "/",
            createdAt: view.accounts[account]?.value.createdAt ?? configuration.now())
    }

    /// See `IdentityBackend`.
    public func users(as caller: Caller) async throws(CloudError) -> [User] {
        view.identities.users.sorted(of: caller.accountID)
    }

    /// See `IdentityBackend`.
    public func updateUser(_ name: String, newName: String?, newPath: String?, as caller: Caller)
        async throws(CloudError)
    {
        if let newName {
            try IdentityRules.checkName(newName, "newUserName", most: 64)
            guard !Self.isReserved(newName) else { throw .duplicate(.user, newName) }
        }
        if let newPath { try IdentityRules.checkPath(newPath) }
        try await mutate { (view) throws(CloudError) in
            let stored = try self.named(name, in: \.users, of: caller.accountID, view)
            var user = stored.value
            user.name = newName ?? user.name
            user.path = newPath ?? user.path
            var mutation = try self.rename(stored, to: user, in: \.users, view)
            guard user.name != stored.value.name else { return (mutation, ()) }
            // Keys and certificates know their owner by name.
            for key in view.accessKeys.values where key.value.belongs(to: stored.value) {
                var changed = key.value
                changed.userName = user.name
                mutation.update(.accessKey(changed), revision: key.revision)
            }
            for certificate in view.identities.certificates.records(of: caller.accountID)
            where certificate.value.userName == stored.value.name {
                var changed = certificate.value
                changed.userName = user.name
                mutation.update(.certificate(changed), revision: certificate.revision)
            }
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public func deleteUser(_ name: String, as caller: Caller) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.named(name, in: \.users, of: caller.accountID, view)
            let user = stored.value
            let isCertified = view.identities.certificates.records(of: user.accountID).contains {
                $0.value.userName == user.name && $0.value.revokedAt == nil
            }
            let obstacles: [(Bool, String)] = [
                (!user.attachedPolicies.isEmpty, "detach all policies"),
                (!user.inlinePolicies.isEmpty, "delete policies"),
                (!user.groupIDs.isEmpty, "remove users from group"),
                (view.accessKeys.values.contains { $0.value.belongs(to: user) }, "delete access keys"),
                (isCertified, "delete signing certificates"), (user.loginProfile != nil, "delete login profile"),
                (
                    view.identities.mfaDevices.records(of: user.accountID).contains { $0.value.ownerID == user.id },
                    "deactivate MFA devices"
                ),
            ]
            if let obstacle = obstacles.first(where: \.0) { throw .inUse(.user, user.name, by: obstacle.1) }
            var mutation = Mutation()
            mutation.delete(.user(user), revision: stored.revision)
            // A revoked certificate goes with its owner.
            for certificate in view.identities.certificates.records(of: user.accountID)
            where certificate.value.userName == user.name {
                mutation.delete(.certificate(certificate.value), revision: certificate.revision)
            }
            return (mutation, ())
        }
    }

    // MARK: Groups

    /// See `IdentityBackend`.
    public func createGroup(name: String, path: String, as caller: Caller) async throws(CloudError) -> UserGroup {
        try IdentityRules.checkName(name, "groupName", most: 128)
        try IdentityRules.checkPath(path)
        return try await create(
            UserGroup(
                id: Credentials.uniqueID("AGPA"), accountID: caller.accountID, name: name, path: path,
                createdAt: configuration.now()),
            in: \.groups, most: IdentityRules.groupsPerAccount)
    }

    /// See `IdentityBackend`.
    public func group(_ name: String, as caller: Caller)
        async throws(CloudError) -> (group: UserGroup, members: [User])
    {
        let group = try named(name, in: \.groups, of: caller.accountID, view).value
        let members = view.identities.users.sorted(of: caller.accountID).filter { $0.groupIDs.contains(group.id) }
        return (group, members)
    }

    /// See `IdentityBackend`.
    public func groups(as caller: Caller) async throws(CloudError) -> [UserGroup] {
        view.identities.groups.sorted(of: caller.accountID)
    }

    /// See `IdentityBackend`.
    public func groups(ofUser name: String, as caller: Caller) async throws(CloudError) -> [UserGroup] {
        let user = try named(name, in: \.users, of: caller.accountID, view).value
        return user.groupIDs.compactMap { view.identities.groups[$0]?.value }
    }

    /// See `IdentityBackend`.
    public func updateGroup(_ name: String, newName: String?, newPath: String?, as caller: Caller)
        async throws(CloudError)
    {
        if let newName { try IdentityRules.checkName(newName, "newGroupName", most: 128) }
        if let newPath { try IdentityRules.checkPath(newPath) }
        try await mutate { (view) throws(CloudError) in
            let stored = try self.named(name, in: \.groups, of: caller.accountID, view)
            var group = stored.value
            group.name = newName ?? group.name
            group.path = newPath ?? group.path
            return (try self.rename(stored, to: group, in: \.groups, view), ())
        }
    }

    /// See `IdentityBackend`.
    public func deleteGroup(_ name: String, as caller: Caller) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.named(name, in: \.groups, of: caller.accountID, view)
            let group = stored.value
            let hasMembers = view.identities.users.records(of: group.accountID).contains {
                $0.value.groupIDs.contains(group.id)
            }
            let obstacles: [(Bool, String)] = [
                (hasMembers, "remove users from group"), (!group.attachedPolicies.isEmpty, "detach all policies"),
                (!group.inlinePolicies.isEmpty, "delete policies"),
            ]
            if let obstacle = obstacles.first(where: \.0) { throw .inUse(.userGroup, group.name, by: obstacle.1) }
            var mutation = Mutation()
            mutation.delete(.userGroup(group), revision: stored.revision)
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public func setMembership(user name: String, group groupName: String, isMember: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try await mutate { (view) throws(CloudError) in
            let group = try self.named(groupName, in: \.groups, of: caller.accountID, view)
            let stored = try self.named(name, in: \.users, of: caller.accountID, view)
            var user = stored.value
            if isMember == user.groupIDs.contains(group.value.id) { return (Mutation(), ()) }
            if isMember {
                guard user.groupIDs.count < IdentityRules.groupsPerUser else {
                    throw .limitExceeded(
                        .userGroup, limit: IdentityRules.groupsPerUser, inUse: user.groupIDs.count, requested: 1)
                }
                user.groupIDs.append(group.value.id)
            } else {
                user.groupIDs.removeAll { $0 == group.value.id }
            }
            var mutation = Mutation()
            // Deleting the group at the same moment must not leave a member behind.
            mutation.conditions.append(.exists(group.value.record.key))
            mutation.update(.user(user), revision: stored.revision)
            return (mutation, ())
        }
    }
}

extension AccessKey {
    func belongs(to user: User) -> Bool { accountID == user.accountID && userName == user.name }

    /// Whether it is the account's own, not a user's.
    var isRoot: Bool { CloudController.isReserved(userName) }
}
