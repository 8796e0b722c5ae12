internal import Synchronization

/// All buckets by name with what lies in them, since nearly every call asks for one; changed once a commit is durable.
final class BucketCache: Sendable {
    struct Entry: Sendable {
        var id: Int64
        var record: BucketRecord
        var usage = StorageUsage()
    }

    private struct State {
        var byName: [String: Entry] = [:]
        var names: [Int64: String] = [:]
        /// By owner.
        var totals: [String: StorageUsage] = [:]

        mutating func add(_ entry: Entry) {
            byName[entry.record.name] = entry
            names[entry.id] = entry.record.name
            totals[entry.record.owner] = (totals[entry.record.owner] ?? StorageUsage()) + entry.usage
        }
    }

    private let state = Mutex(State())

    init(_ entries: [Entry]) { fill(entries) }

    /// Everything anew.
    func fill(_ entries: [Entry]) {
        state.withLock { state in
            state = State()
            for entry in entries { state.add(entry) }
        }
    }

    func add(_ entry: Entry) { state.withLock { $0.add(entry) } }

    func remove(_ name: String) {
        state.withLock { state in
            guard let entry = state.byName.removeValue(forKey: name) else { return }
            state.names[entry.id] = nil
            state.totals[entry.record.owner] = (state.totals[entry.record.owner] ?? StorageUsage()) - entry.usage
        }
    }

    func id(_ name: String) -> Int64? { state.withLock { $0.byName[name]?.id } }

    func record(_ name: String) -> BucketRecord? { state.withLock { $0.byName[name]?.record } }

    /// Replaces the record of a bucket that is there.
    func update(_ record: BucketRecord) { state.withLock { $0.byName[record.name]?.record = record } }

    func records(owner: String?) -> [BucketRecord] {
        state.withLock { $0.byName.values.map(\.record).filter { owner == nil || $0.owner == owner } }
    }

    /// Adds what a commit added, by the bucket's id.
    func count(_ added: [Int64: StorageUsage]) {
        guard !added.isEmpty else { return }
        state.withLock { state in
            for (id, usage) in added {
                guard let name = state.names[id], var entry = state.byName[name] else { continue }
                entry.usage = entry.usage + usage
                state.byName[name] = entry
                state.totals[entry.record.owner] = (state.totals[entry.record.owner] ?? StorageUsage()) + usage
            }
        }
    }

    func usage(bucket: String) -> StorageUsage? { state.withLock { $0.byName[bucket]?.usage } }

    func usage(owner: String) -> StorageUsage { state.withLock { $0.totals[owner] ?? StorageUsage() } }
}
