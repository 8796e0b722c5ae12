import CloudModel
import Logging
import Store

// Reading and writing the store: loading at start, and the one way in which anything is changed.

/// Changes that are made together, or not at all.
struct Mutation: Sendable {
    /// What must be so besides the conditions of the single changes.
    var conditions: [StoreCondition] = []
    /// Records to store.
    var puts: [StoredRecord] = []
    /// Records to delete.
    var deletes: [StoredRecord] = []

    /// Adds a record that must not exist yet.
    mutating func create(_ record: StoredRecord) {
        conditions.append(.keyAbsent(record.key))
        puts.append(record)
    }

    /// Replaces a record that must still be at `revision`.
    mutating func update(_ record: StoredRecord, revision: Int64) {
        conditions.append(.modRevision(record.key, equals: revision))
        puts.append(record)
    }

    /// Deletes a record that must still be at `revision`.
    mutating func delete(_ record: StoredRecord, revision: Int64) {
        conditions.append(.modRevision(record.key, equals: revision))
        deletes.append(record)
    }

    /// How many conditions and operations the store counts.
    var steps: Int { conditions.count + puts.count + deletes.count }
    var isEmpty: Bool { puts.isEmpty && deletes.isEmpty }
}

extension CloudController {
    /// Commits what `plan` makes of the view; plans anew when the store turns out to have something newer.
    ///
    /// - Parameter plan: pure; gets the view as it is and gives the changes with the answer for when they are made.
    /// - Throws: what `plan` throws, and the store's failures.
    func mutate<Answer>(_ plan: (CloudView) throws(CloudError) -> (Mutation, Answer)) async throws(CloudError)
        -> Answer
    {
        if !uncertain.isEmpty { try await settleUncertainty() }
        // Each round that fails means that another one succeeded; the limit is far beyond what contention does.
        for _ in 0..<1000 {
            let (mutation, answer) = try plan(view)
            if mutation.isEmpty { return answer }
            if try await write(mutation) { return answer }
        }
        throw .unavailable(
            component: "cloud controller", reason: "The resource is being changed by too many requests; try again.")
    }

    /// Commits and takes the changes into the view.
    ///
    /// - Returns: false if a condition did not hold; the view then has what the store has instead.
    func write(_ mutation: Mutation) async throws(CloudError) -> Bool {
        let transaction = try await Self.transaction(mutation)
        let result: StoreCommit
        do {
            result = try await store.commit(transaction)
        } catch {
            if case .unavailable = error {
                // It may have been applied: the store is asked before anything else is changed.
                for record in mutation.puts + mutation.deletes { uncertain[record.key] = record }
            }
            throw Self.cloudError(error)
        }
        switch result {
        case .succeeded(let revision):
            for record in mutation.deletes { view.remove(record) }
            for record in mutation.puts { view.set(record, revision: revision) }
            return true
        case .conditionFailed(let condition, _, let current):
            try refresh(condition.key, current, absent: mutation)
            return false
        }
    }

    /// Encoding is the expensive part of a small commit, so it happens outside of the actor.
    private nonisolated static func transaction(_ mutation: Mutation) async throws(CloudError) -> StoreTransaction {
        var transaction = StoreTransaction(conditions: mutation.conditions)
        transaction.operations.reserveCapacity(mutation.puts.count + mutation.deletes.count)
        for record in mutation.puts {
            let bytes = try record.encoded()
            transaction.operations.append(.put(record.key, bytes))
        }
        for record in mutation.deletes { transaction.operations.append(.delete(record.key)) }
        return transaction
    }

    private func refresh(_ key: String, _ current: StoredValue?, absent mutation: Mutation) throws(CloudError) {
        if let current {
            if let record = try StoredRecord.decode(key: key, bytes: current.bytes) {
                view.set(record, revision: current.modRevision)
            }
        } else if let record = (mutation.puts + mutation.deletes).first(where: { $0.key == key }) {
            view.remove(record)
        }
    }

    /// Reads records again of which the store did not say whether it took them.
    func settleUncertainty() async throws(CloudError) {
        for (key, record) in uncertain {
            let value: StoredValue?
            do {
                value = try await store.get(key)
            } catch {
                throw Self.cloudError(error)
            }
            guard uncertain[key] != nil else { continue }
            if let value {
                if let known = try StoredRecord.decode(key: key, bytes: value.bytes) {
                    view.set(known, revision: value.modRevision)
                }
            } else {
                view.remove(record)
            }
            uncertain[key] = nil
        }
    }

    /// Everything that is kept in memory.
    static func load(from store: any Store) async throws(CloudError) -> CloudView {
        var view = CloudView()
        for prefix in Key.loadedPrefixes {
            var after: String?
            while true {
                let page: StoreRange
                do {
                    page = try await store.range(prefix: prefix, after: after, limit: 4000)
                } catch {
                    throw cloudError(error)
                }
                for (record, revision) in try await decode(page.entries) { view.set(record, revision: revision) }
                guard page.more, let last = page.entries.last else { break }
                after = last.key
            }
        }
        return view
    }

    /// Decodes on all processors: at start it is most of the work.
    private static func decode(_ entries: [StoreEntry]) async throws(CloudError) -> [(StoredRecord, Int64)] {
        let chunk = 500
        let result = await withTaskGroup(
            of: Result<[(StoredRecord, Int64)], CloudError>.self,
            returning: Result<[(StoredRecord, Int64)], CloudError>.self
        ) { group in
            for start in stride(from: 0, to: entries.count, by: chunk) {
                let slice = entries[start..<min(start + chunk, entries.count)]
                group.addTask {
                    var records: [(StoredRecord, Int64)] = []
                    do throws(CloudError) {
                        for entry in slice {
                            if let record = try StoredRecord.decode(key: entry.key, bytes: entry.value.bytes) {
                                records.append((record, entry.value.modRevision))
                            }
                        }
                    } catch {
                        return .failure(error)
                    }
                    return .success(records)
                }
            }
            var all: [(StoredRecord, Int64)] = []
            for await part in group {
                switch part {
                case .success(let records): all += records
                case .failure(let error): return .failure(error)
                }
            }
            return .success(all)
        }
        return try result.get()
    }

    /// The store's failures in the cloud's words.
    static func cloudError(_ error: StoreError) -> CloudError {
        switch error {
        case .unavailable, .closed, .cancelled:
            .unavailable(component: "store", reason: "The cloud's store does not answer; try again.")
        case .invalid, .compacted, .locked, .corrupted, .newerSchema, .unreadable:
            .internalError(message: "The cloud's store failed.", detail: error.description)
        }
    }
}
