public import CloudModel
import Store

// Access keys and passwords, through IAM's eyes.

extension CloudController {
    // MARK: Whose

    /// The user of that name, or the caller himself: his name, and the record unless he is the account itself.
    func owner(_ name: String?, _ caller: Caller, _ view: CloudView) throws(CloudError) -> (name: String, user: User?) {
        if let name, name.lowercased() != Account.rootUserName {
            let user = try named(name, in: \.users, of: caller.accountID, view).value
            return (user.name, user)
        }
        if name != nil { return (Account.rootUserName, nil) }
        switch caller.identity {
        case .account: return (Account.rootUserName, nil)
        case .user(let own, _):
            let user = try named(own, in: \.users, of: caller.accountID, view).value
            return (user.name, user)
        case .role, .federated:
            throw .invalidValue(
                parameter: "userName", value: "",
                reason: "Must specify userName when calling with non-User credentials")
        }
    }

    static func keys(of owner: (name: String, user: User?), account: String, _ view: CloudView)
        -> [Stored<AccessKey>]
    {
        view.accessKeys.values.filter { key in
            guard key.value.accountID == account else { return false }
            return owner.user.map { key.value.belongs(to: $0) } ?? (key.value.userName == Account.rootUserName)
        }.sorted { ($0.value.createdAt, $0.value.id) < ($1.value.createdAt, $1.value.id) }
    }

    // MARK: Access keys

    /// See `IdentityBackend`.
    public func createAccessKey(user: String?, as caller: Caller) async throws(CloudError) -> AccessKey {
        let id = Credentials.accessKeyID()
        let secret = Credentials.secret()
        let now = configuration.now()
        return try await mutate { (view) throws(CloudError) in
            let owner = try self.owner(user, caller, view)
            let count = Self.keys(of: owner, account: caller.accountID, view).count
            guard count < IdentityRules.keysPerUser else {
                throw .limitExceeded(.accessKey, limit: IdentityRules.keysPerUser, inUse: count, requested: 1)
            }
            let key = AccessKey(
                id: id, secret: secret, accountID: caller.accountID, userName: owner.name, isActive: true,
                createdAt: now)
            var mutation = Mutation()
            mutation.conditions.append(.exists(owner.user?.record.key ?? Key.account(caller.accountID)))
            mutation.create(.accessKey(key))
            return (mutation, key)
        }
    }

    /// See `IdentityBackend`.
    public func accessKeys(user: String?, as caller: Caller)
        async throws(CloudError) -> (user: String, keys: [AccessKey])
    {
        let owner = try owner(user, caller, view)
        return (owner.name, Self.keys(of: owner, account: caller.accountID, view).map(\.value))
    }

    private func key(_ id: String, user: String?, _ caller: Caller, _ view: CloudView)
        throws(CloudError) -> Stored<AccessKey>
    {
        let owner = try owner(user, caller, view)
        guard let key = Self.keys(of: owner, account: caller.accountID, view).first(where: { $0.value.id == id }) else {
            throw .notFound(.accessKey, [id])
        }
        return key
    }

    /// See `IdentityBackend`.
    public func updateAccessKey(id: String, user: String?, isActive: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.key(id, user: user, caller, view)
            var key = stored.value
            key.isActive = isActive
            var mutation = Mutation()
            if key != stored.value { mutation.update(.accessKey(key), revision: stored.revision) }
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public func deleteAccessKey(id: String, user: String?, as caller: Caller) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.key(id, user: user, caller, view)
            var mutation = Mutation()
            mutation.delete(.accessKey(stored.value), revision: stored.revision)
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public func accessKeyLastUsed(id: String, as caller: Caller) async throws(CloudError) -> (
        user: String, use: CredentialUse?
    ) {
        guard let key = view.accessKeys[id]?.value, key.accountID == caller.accountID else {
            throw .unauthorized(operation: "\(caller.arn) is not authorized to perform: iam:GetAccessKeyLastUsed")
        }
        return (key.userName, uses(of: key.accountID).keys[id])
    }

    /// See `IdentityBackend`.
    public func account(ofKey id: String) async throws(CloudError) -> String? { view.accessKeys[id]?.value.accountID }

    // MARK: Passwords

    /// See `IdentityBackend`.
    public nonisolated func createLoginProfile(user: String, password: String, mustReset: Bool, as caller: Caller)
        async throws(CloudError) -> LoginProfile
    {
        try await checkOwner(user, caller)
        try IdentityRules.checkPassword(password, await ownPasswordPolicy(of: caller.accountID))
        // Here, outside of the actor: it is meant to take long.
        let profile = LoginProfile(
            password: try IdentityRules.hash(password), mustReset: mustReset, createdAt: configuration.now())
        try await setLoginProfile(of: user, as: caller) { (current) throws(CloudError) in
            guard current == nil else { throw .duplicate(.loginProfile, user) }
            return profile
        }
        return profile
    }

    /// See `IdentityBackend`.
    public func loginProfile(user: String?, as caller: Caller)
        async throws(CloudError) -> (user: String, profile: LoginProfile)
    {
        let owner = try owner(user, caller, view)
        let profile =
            owner.user.map(\.loginProfile) ?? view.accounts[caller.accountID]?.value.loginProfile
        guard let profile else { throw .notFound(.loginProfile, [owner.name]) }
        return (owner.name, profile)
    }

    /// See `IdentityBackend`.
    public nonisolated func updateLoginProfile(
        user: String, password: String?, mustReset: Bool?, as caller: Caller
    ) async throws(CloudError) {
        var hash: PasswordHash?
        if let password {
            let policy = await ownPasswordPolicy(of: caller.accountID)
            let (_, current) = try await loginProfile(user: user, as: caller)
            try IdentityRules.checkPassword(password, policy)
            // Whether it is an earlier one takes as long as that many sign-ins, so it is found out here, too.
            let earlier = ([current.password] + (current.earlier ?? [])).prefix(policy?.reusePrevention ?? 0)
            for old in earlier where try IdentityRules.verify(password, old) {
                throw .invalidValue(
                    parameter: "Password", value: "(not shown)",
                    reason: "Password does not conform to the account password policy: it is one of the last "
                        + "\(earlier.count).")
            }
            hash = try IdentityRules.hash(password)
        }
        let new = hash
        let now = configuration.now()
        try await setLoginProfile(of: user, as: caller) { (current) throws(CloudError) in
            guard var profile = current else { throw .notFound(.loginProfile, [user]) }
            if let new {
                profile.earlier = Array(([profile.password] + (profile.earlier ?? [])).prefix(24))
                profile.password = new
                profile.changedAt = now
            }
            profile.mustReset = mustReset ?? profile.mustReset
            return profile
        }
    }

    /// See `IdentityBackend`.
    public func deleteLoginProfile(user: String, as caller: Caller) async throws(CloudError) {
        try await setLoginProfile(of: user, as: caller) { (current) throws(CloudError) in
            guard current != nil else { throw .notFound(.loginProfile, [user]) }
            return nil
        }
    }

    /// Somebody who is not there is told before what is wrong with his password.
    private func checkOwner(_ name: String, _ caller: Caller) throws(CloudError) {
        _ = try owner(name, caller, view)
    }

    private func setLoginProfile(
        of name: String, as caller: Caller,
        _ change: @Sendable (LoginProfile?) throws(CloudError) -> LoginProfile?
    ) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            var mutation = Mutation()
            if name.lowercased() == Account.rootUserName {
                guard let stored = view.accounts[caller.accountID] else {
                    throw .notFound(.account, [caller.accountID])
                }
                var account = stored.value
                account.loginProfile = try change(account.loginProfile)
                mutation.update(.account(account), revision: stored.revision)
            } else {
                let stored = try self.named(name, in: \.users, of: caller.accountID, view)
                var user = stored.value
                user.loginProfile = try change(user.loginProfile)
                mutation.update(.user(user), revision: stored.revision)
            }
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public nonisolated func changePassword(from old: String, to new: String, as caller: Caller)
        async throws(CloudError)
    {
        let (name, profile) = try await loginProfile(user: nil, as: caller)
        guard try IdentityRules.verify(old, profile.password) else {
            throw .unauthorized(operation: "The old password was incorrect.")
        }
        try await updateLoginProfile(user: name, password: new, mustReset: false, as: caller)
    }

    /// See `IdentityBackend`.
    public nonisolated func signIn(account: String, user: String, password: String, code: String?)
        async throws(CloudError) -> SignIn
    {
        guard let (principal, profile) = await passwordOwner(account: account, user: user) else {
            // As long as with a wrong password, so that the time does not tell who exists.
            _ = try IdentityRules.hash(password)
            return .refused
        }
        guard try IdentityRules.verify(password, profile.password) else { return .refused }
        return try await admit(principal, profile, code: code)
    }

    private func passwordOwner(account text: String, user name: String) -> (Principal, LoginProfile)? {
        guard let account = account(named: text)?.value, account.isDisabled != true else { return nil }
        if name.lowercased() == Account.rootUserName {
            return account.loginProfile.map { (Principal(account), $0) }
        }
        guard let user = view.identities.users.named(name, of: account.id)?.value, let profile = user.loginProfile
        else { return nil }
        return (Principal(user, of: account), profile)
    }

    /// What else is asked of somebody whose password is right.
    private func admit(_ principal: Principal, _ profile: LoginProfile, code: String?) async throws(CloudError)
        -> SignIn
    {
        let account = principal.accountID
        let now = configuration.now()
        var principal = principal
        if view.identities.mfaDevices.records(of: account).contains(where: { $0.value.ownerID == principal.userID }) {
            guard let code else { return .needsCode }
            guard try await takeCode(code, serialNumber: nil, ofUser: principal.userID, account: account) else {
                return .refused
            }
            principal.mfaAt = now
        }
        note(CredentialUse(time: now, service: "console"), \.passwords, principal.userID, of: account)
        // The account's own password never ends: nobody could replace it.
        if principal.identity != .account, let policy = ownPasswordPolicy(of: account),
            let end = policy.end(ofPasswordFrom: profile.passwordSince), end <= now
        {
            return policy.isHardExpiry ? .refused : .mustChangePassword(principal)
        }
        return profile.mustReset ? .mustChangePassword(principal) : .done(principal)
    }

    /// An account by id, name or alias.
    func account(named text: String) -> Stored<Account>? {
        if let account = view.accounts[text] { return account }
        return view.accounts.values.first { $0.value.name == text || $0.value.alias == text }
    }
}

extension Principal {
    init(_ user: User, of account: Account) {
        self.init(
            accountID: account.id, accountName: account.name, isAdministrator: account.isAdministrator,
            identity: .user(name: user.name, path: user.path), userID: user.id, userName: user.name)
    }
}
