import CloudModel

/// A record with the revision at which the store has it: what compare-and-set needs. Shared by all views and
/// snapshots, so that handing out 20,000 of them copies 20,000 references.
final class Stored<Value: Sendable>: Sendable {
    let value: Value
    let revision: Int64
    init(_ value: Value, revision: Int64) {
        self.value = value
        self.revision = revision
    }
}

/// Records by id, and by account for reads that concern one owner.
struct OwnedTable<ID: Hashable & Sendable, Value: Sendable> {
    private(set) var byID: [ID: Stored<Value>] = [:]
    private(set) var idsByAccount: [String: Set<ID>] = [:]

    subscript(id: ID) -> Stored<Value>? { byID[id] }

    func records(of account: String) -> [Stored<Value>] {
        (idsByAccount[account] ?? []).compactMap { byID[$0] }
    }

    func count(of account: String) -> Int { idsByAccount[account]?.count ?? 0 }

    /// Takes a record unless a newer one is known.
    mutating func set(_ value: Value, id: ID, account: String, revision: Int64) {
        if let known = byID[id], known.revision >= revision { return }
        byID[id] = Stored(value, revision: revision)
        idsByAccount[account, default: []].insert(id)
    }

    mutating func remove(_ id: ID, account: String) {
        byID[id] = nil
        idsByAccount[account]?.remove(id)
    }
}
