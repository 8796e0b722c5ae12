public import CloudModel

// When credentials were used last. Every request is noted in memory; the store gets it every few minutes.

extension CloudController {
    /// How often it is written down, in seconds. IAM itself promises nothing better than hours.
    private static let interval: Int64 = 300

    /// See `IdentityBackend`.
    public func noteUse(of caller: Caller, service: String) {
        let use = CredentialUse(time: configuration.now(), service: service)
        if case .role(let name, _) = caller.identity {
            guard let id = view.identities.roles.named(name, of: caller.accountID)?.value.id else { return }
            note(use, \.roles, id, of: caller.accountID)
        } else if view.accessKeys[caller.accessKeyID] != nil {
            // Only keys of the store, so that the table is bounded by them.
            note(use, \.keys, caller.accessKeyID, of: caller.accountID)
        }
    }

    /// Remembers the use of a key by a component that decides by itself.
    public func noteUse(ofKey id: String, principal: Principal, service: String) {
        noteUse(
            of: Caller(principal, accessKeyID: id, requestID: "", sourceAddress: "", isSecure: false),
            service: service)
    }

    func note(
        _ use: CredentialUse, _ kind: WritableKeyPath<CredentialUses, [String: CredentialUse]>, _ id: String,
        of account: String
    ) {
        let known = credentialUses[account]?[keyPath: kind][id]
        // A busy client sends thousands in a second, for which one note is enough.
        if let known, known.service == use.service, use.time.milliseconds - known.time.milliseconds < 1000 { return }
        credentialUses[account, default: view.identities.uses[account]?.value.uses ?? CredentialUses()][keyPath: kind][
            id] = use
        unkeptUses.insert(account)
    }

    /// What is known of an account's credentials.
    func uses(of account: String) -> CredentialUses {
        credentialUses[account] ?? view.identities.uses[account]?.value.uses ?? CredentialUses()
    }

    /// See `IdentityBackend`.
    public func credentialUses(as caller: Caller) async throws(CloudError) -> CredentialUses {
        uses(of: caller.accountID)
    }

    /// Writes down what was noted, without what is gone.
    func keepUses(at now: Timestamp) async throws(CloudError) {
        guard !unkeptUses.isEmpty, now.milliseconds - usesKeptAt.milliseconds >= Self.interval * 1000 else { return }
        usesKeptAt = now
        for account in unkeptUses {
            unkeptUses.remove(account)
            do throws(CloudError) {
                try await mutate { (view) throws(CloudError) in
                    var mutation = Mutation()
                    guard view.accounts[account] != nil else { return (mutation, ()) }
                    var uses = self.uses(of: account)
                    let tables = view.identities
                    uses.keys = uses.keys.filter { view.accessKeys[$0.key] != nil }
                    uses.roles = uses.roles.filter { tables.roles[$0.key] != nil }
                    uses.passwords = uses.passwords.filter { $0.key == account || tables.users[$0.key] != nil }
                    let record = StoredRecord.credentialUses(CredentialUsesRecord(accountID: account, uses: uses))
                    if let stored = tables.uses[account] {
                        mutation.update(record, revision: stored.revision)
                    } else {
                        mutation.create(record)
                    }
                    return (mutation, ())
                }
            } catch {
                unkeptUses.insert(account)
                throw error
            }
        }
    }
}
