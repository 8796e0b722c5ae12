public import CloudModel
import Store

// Accounts, access keys, and the first start.

extension CloudController {
    // MARK: CloudBackend

    /// The active access key of an account itself; nil if there is none. Users' keys are looked up with their identity
    /// (`credential`): whoever asks here takes the caller for the account.
    public func accessKey(id: String) async throws(CloudError) -> AccessKey? {
        guard let key = view.accessKeys[id]?.value, key.isActive, key.isRoot,
            let account = view.accounts[key.accountID]?.value, account.isDisabled != true
        else {
            return nil
        }
        return key
    }

    /// The account with this id; nil if there is none.
    public func account(id: String) async throws(CloudError) -> Account? { view.accounts[id]?.value }

    // MARK: Administration

    /// All accounts, by id.
    public func listAccounts() -> [Account] { view.accounts.values.map(\.value).sorted { $0.id < $1.id } }

    /// The account that the first start made.
    public func administratorAccount() throws(CloudError) -> Account {
        guard let cloud = view.cloud, let account = view.accounts[cloud.administratorAccountID]?.value else {
            throw .internalError(
                message: "The cloud has no administrator's account.", detail: "no \(Key.cloud) or its account")
        }
        return account
    }

    /// Access keys of an account, oldest first. They hold secrets: not for logs.
    public func accessKeys(accountID: String) -> [AccessKey] {
        view.accessKeys.values.map(\.value).filter { $0.accountID == accountID }
            .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    /// Makes an account with its default security group.
    ///
    /// - Parameter id: 12 digits; nil for random ones.
    /// - Throws: `duplicate` if the name or the id is taken.
    public func createAccount(name: String, id: String? = nil, isAdministrator: Bool = false)
        async throws(CloudError) -> Account
    {
        guard !name.isEmpty, name.utf8.count <= 255 else {
            throw .invalidValue(parameter: "AccountName", value: name, reason: "An account's name has 1 to 255 bytes.")
        }
        if let id {
            guard id.utf8.count == 12, id.utf8.allSatisfy({ (48...57).contains($0) }) else {
                throw .invalidValue(parameter: "AccountId", value: id, reason: "An account id has 12 digits.")
            }
        }
        let account = Account(
            id: id ?? Credentials.accountID(), name: name, isAdministrator: isAdministrator,
            createdAt: configuration.now())
        return try await mutate { (view) throws(CloudError) in
            guard view.accounts[account.id] == nil else { throw .duplicate(.account, account.id) }
            guard !view.accounts.values.contains(where: { $0.value.name == name }) else {
                throw .duplicate(.account, name)
            }
            var mutation = Mutation()
            mutation.create(.account(account))
            mutation.create(.group(Self.defaultGroup(of: account.id)))
            return (mutation, account)
        }
    }

    /// Makes an access key for a user of an account.
    ///
    /// - Parameter key: id and secret to use instead of random ones, for set-ups whose credentials come from elsewhere.
    public func createAccessKey(accountID: String, userName: String = "admin", key: (id: String, secret: String)? = nil)
        async throws(CloudError) -> AccessKey
    {
        let new = AccessKey(
            id: key?.id ?? Credentials.accessKeyID(), secret: key?.secret ?? Credentials.secret(),
            accountID: accountID, userName: userName, isActive: true, createdAt: configuration.now())
        try Self.check(new)
        return try await mutate { (view) throws(CloudError) in
            guard view.accounts[accountID] != nil else { throw .notFound(.account, [accountID]) }
            guard new.isRoot || view.identities.users.named(userName, of: accountID) != nil else {
                throw .notFound(.user, [userName])
            }
            guard view.accessKeys[new.id] == nil else { throw .duplicate(.accessKey, new.id) }
            var mutation = Mutation()
            mutation.conditions.append(.exists(Key.account(accountID)))
            mutation.create(.accessKey(new))
            return (mutation, new)
        }
    }

    /// Enables or disables an access key.
    public func setAccessKey(id: String, isActive: Bool) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            guard let stored = view.accessKeys[id] else { throw .notFound(.accessKey, [id]) }
            var key = stored.value
            key.isActive = isActive
            var mutation = Mutation()
            if key != stored.value { mutation.update(.accessKey(key), revision: stored.revision) }
            return (mutation, ())
        }
    }

    /// Deletes an access key; nothing happens if there is none.
    public func deleteAccessKey(id: String) async throws(CloudError) {
        try await mutate { view in
            var mutation = Mutation()
            if let stored = view.accessKeys[id] {
                mutation.delete(.accessKey(stored.value), revision: stored.revision)
            }
            return (mutation, ())
        }
    }

    // MARK: First start

    /// Makes a new cloud in the store. If another process does so at the same time, the first one's stays.
    static func initialise(_ store: any Store, configuration: CloudConfiguration) async throws(CloudError) {
        let now = configuration.now()
        let account = Account(
            id: configuration.accountID ?? Credentials.accountID(), name: configuration.accountName,
            isAdministrator: true, createdAt: now)
        let key = AccessKey(
            id: configuration.accessKey?.id ?? Credentials.accessKeyID(),
            secret: configuration.accessKey?.secret ?? Credentials.secret(), accountID: account.id,
            userName: "admin", isActive: true, createdAt: now)
        try check(key)
        var records: [StoredRecord] = [
            .cloud(CloudRecord(administratorAccountID: account.id, createdAt: now)), .account(account),
            .accessKey(key), .group(defaultGroup(of: account.id)),
        ]
        records += InstanceType.defaults.map { .type($0) }
        var transaction = StoreTransaction(conditions: [.keyAbsent(Key.cloud)])
        for record in records {
            let bytes = try record.encoded()
            transaction.operations.append(.put(record.key, bytes))
        }
        do {
            _ = try await store.commit(transaction)
        } catch {
            throw cloudError(error)
        }
    }

    static func defaultGroup(of account: String) -> SecurityGroup {
        let id = SecurityGroupID.random()
        // As in EC2: members may talk to each other, nobody else may reach them.
        let within = SecurityGroupRule(
            id: .random(), isEgress: false, ipProtocol: "-1", fromPort: -1, toPort: -1,
            peer: .group(id: id, accountID: account, name: "default"))
        return SecurityGroup(
            id: id, accountID: account, name: "default", description: "default VPC security group",
            rules: [within, PermissionRules.allowAllEgress()])
    }

    private static func check(_ key: AccessKey) throws(CloudError) {
        // What fits into the credential field of every signature.
        let idIsGood =
            (3...128).contains(key.id.utf8.count)
            && key.id.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
            }
        guard idIsGood else {
            throw .invalidValue(
                parameter: "AccessKeyId", value: key.id,
                reason: "An access key's id has 3 to 128 letters, digits and underscores.")
        }
        guard (8...256).contains(key.secret.utf8.count), key.secret.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw .invalidValue(
                parameter: "SecretAccessKey", value: "(not shown)",
                reason: "A secret key has 8 to 256 printable ASCII characters without blanks.")
        }
    }
}

/// Random credentials, from the system's generator.
enum Credentials {
    static func accessKeyID() -> String { "AKIA" + text(16, of: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") }
    static func secret() -> String {
        text(40, of: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    }
    /// 12 digits, the first of them not 0, since some tools read the id as a number.
    static func accountID() -> String { text(1, of: "123456789") + text(11, of: "0123456789") }

    static func text(_ length: Int, of alphabet: String) -> String {
        let letters = Array(alphabet.utf8)
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<length).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension CloudController {
    /// The caller as the cloud knows him.
    ///
    /// - Throws: `unauthorized` if his account is gone.
    func authorise(_ caller: Caller, _ operation: String) throws(CloudError) {
        guard view.accounts[caller.accountID] != nil else { throw .unauthorized(operation: operation) }
    }
}
