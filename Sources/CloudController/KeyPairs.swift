public import CloudModel
import Logging

// Key pairs: the cloud keeps public halves only.

extension CloudController {
    /// Makes a key pair; `type` is rsa or ed25519, nil for rsa. EC2: CreateKeyPair.
    public nonisolated func createKeyPair(name: String, type: String?, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> CreatedKeyPair
    {
        let type = type ?? "rsa"
        guard type == "rsa" || type == "ed25519" else {
            throw .invalidValue(
                parameter: "KeyType", value: type,
                reason: "Invalid value '\(type)' for KeyType. It can be rsa or ed25519.")
        }
        try await checkNewKeyPair(name: name, tags: tags, dryRun: dryRun, "CreateKeyPair", as: caller)
        // Here, outside of the actor: an RSA key takes tens of milliseconds.
        let key = try type == "rsa" ? GeneratedKey.rsa(comment: name) : GeneratedKey.ed25519(comment: name)
        let pair = try await record(
            name: name, type: key.type, fingerprint: key.fingerprint, publicKey: key.publicKey, tags: tags, as: caller)
        return CreatedKeyPair(keyPair: pair, privateKey: key.privateKey)
    }

    /// `material`: OpenSSH line, PEM or DER of a public key. EC2: ImportKeyPair.
    public nonisolated func importKeyPair(
        name: String, material: [UInt8], tags: [Tag], dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> KeyPair {
        let key = try PublicKey.read(material)
        try await checkNewKeyPair(name: name, tags: tags, dryRun: dryRun, "ImportKeyPair", as: caller)
        return try await record(
            name: name, type: key.type, fingerprint: key.importFingerprint, publicKey: key.line(comment: name),
            importedText: PublicKey.shown(material), tags: tags, as: caller)
    }

    private func checkNewKeyPair(name: String, tags: [Tag], dryRun: Bool, _ operation: String, as caller: Caller)
        throws(CloudError)
    {
        try authorise(caller, operation)
        try NamingRules.checkKeyPairName(name)
        try NamingRules.checkTags(tags)
        guard view.keyPair(name, of: caller.accountID) == nil else { throw .duplicate(.keyPair, name) }
        let count = view.keyPairs.count(of: caller.accountID)
        guard count < NamingRules.keyPairLimit else {
            throw .limitExceeded(.keyPair, limit: NamingRules.keyPairLimit, inUse: count, requested: 1)
        }
        if dryRun { throw .dryRunSucceeded }
    }

    private func record(
        name: String, type: String, fingerprint: String, publicKey: String, importedText: String? = nil, tags: [Tag],
        as caller: Caller
    ) async throws(CloudError) -> KeyPair {
        var made = KeyPair(
            id: .random(), accountID: caller.accountID, name: name, type: type, fingerprint: fingerprint,
            publicKey: publicKey, createdAt: configuration.now(), tags: tags)
        made.importedText = importedText
        let pair = made
        return try await mutate { (view) throws(CloudError) in
            guard view.keyPair(name, of: caller.accountID) == nil else { throw .duplicate(.keyPair, name) }
            var mutation = Mutation()
            mutation.create(.keyPair(pair))
            return (mutation, pair)
        }
    }

    /// EC2: DescribeKeyPairs.
    public nonisolated func describeKeyPairs(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<KeyPair>
    {
        let pagination = try Pagination(request, scope: "DescribeKeyPairs " + caller.accountID)
        let filters = try FilterMatcher<KeyPair>(request.filters)
        let pairs = try await ownKeyPairs(request, as: caller)
        if request.dryRun { throw .dryRunSucceeded }
        return pagination.page(oldestFirst: pairs.filter(filters.matches), made: \.createdAt, id: \.id.value)
    }

    private func ownKeyPairs(_ request: DescribeRequest, as caller: Caller) throws(CloudError) -> [KeyPair] {
        try authorise(caller, "DescribeKeyPairs")
        if request.ids.isEmpty, request.names.isEmpty {
            return view.keyPairs.records(of: caller.accountID).map(\.value)
        }
        if caller.isAdministrator, request.ids + request.names == ["verbose"] {
            return view.keyPairs.byID.values.map(\.value)
        }
        var found: [KeyPairID: KeyPair] = [:]
        var missing: [String] = []
        for text in request.ids {
            let pair = try keyPair(id: text, as: caller)
            if let pair { found[pair.value.id] = pair.value } else { missing.append(text) }
        }
        for name in request.names {
            let pair = view.keyPair(name, of: caller.accountID)?.value
            if let pair { found[pair.id] = pair } else { missing.append(name) }
        }
        guard missing.isEmpty else { throw .notFound(.keyPair, missing) }
        return Array(found.values)
    }

    /// The key pair with this id if the caller may see it.
    func keyPair(id text: String, as caller: Caller) throws(CloudError) -> Stored<KeyPair>? {
        guard let id = KeyPairID(text) else { throw .malformedID(.keyPair, text) }
        guard let name = view.keyPairNames[id], let pair = view.keyPairs[name],
            caller.isAdministrator || pair.value.accountID == caller.accountID
        else { return nil }
        return pair
    }

    /// By name or id; nil if there was none, which is no error. EC2: DeleteKeyPair.
    public func deleteKeyPair(name: String?, id: String?, dryRun: Bool, as caller: Caller) async throws(CloudError)
        -> KeyPair?
    {
        try authorise(caller, "DeleteKeyPair")
        guard name != nil || id != nil else { throw .missingParameter("KeyName or KeyPairId") }
        return try await mutate { (view) throws(CloudError) in
            var stored: Stored<KeyPair>?
            if let id {
                stored = try self.keyPair(id: id, as: caller)
                if let name, let found = stored, found.value.name != name {
                    throw .invalidCombination("KeyName and KeyPairId name different key pairs")
                }
            } else if let name {
                stored = view.keyPair(name, of: caller.accountID)
            }
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            if let stored { mutation.delete(.keyPair(stored.value), revision: stored.revision) }
            return (mutation, stored?.value)
        }
    }
}
