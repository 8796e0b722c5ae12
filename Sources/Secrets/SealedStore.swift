public import Store
import Synchronization

/// A store whose values below some prefixes are wrapped; everything else passes through.
///
/// The states of the keys, which the key file tells and which every start and every rotation brings to the last one:
///
///     plain values, no key ──► one key, plain values left ──► one key ──► two keys, values of both ──► one key
///          (an older release)        │    wrapping                 rotate         │     rewrapping        (the new)
///                                    └── interrupted: the next start goes on ─────┘
///
/// A key leaves the file only when no value and no event of the history is wrapped by it, so an interruption loses
/// nothing.
public final class SealedStore: Store {
    private struct State {
        var box: SecretBox
        /// Counts the changes of the current key.
        var generation = 0
        /// Commits under way, by the generation that sealed them.
        var underWay: [Int: Int] = [:]
        var isRotating = false
    }

    private let store: any Store
    private let keyFile: SecretKeyFile
    private let prefixes: [String]
    private let state: Mutex<State>

    /// What a rotation did.
    public struct Rotation: Sendable, Equatable {
        /// The id of the key that wraps everything now.
        public var keyID: String
        /// How many values were wrapped anew.
        public var rewrapped: Int
        /// It went on with one that was interrupted, and made no key of its own.
        public var isContinuation: Bool
    }

    private init(_ store: any Store, keyFile: SecretKeyFile, prefixes: [String], box: SecretBox) {
        self.store = store
        self.keyFile = keyFile
        self.prefixes = prefixes
        state = Mutex(State(box: box))
    }

    /// Opens the key file, or makes it if nothing is wrapped yet; wraps what is not; ends an interrupted rotation.
    ///
    /// - Parameter prefixes: of the keys whose values are secret.
    /// - Throws: `keyFileMissing`, `wrongKeys`, `keyFileDamaged`, `keyFileOpen`, `file`, `store`.
    public static func open(_ store: any Store, keyFile: SecretKeyFile, prefixes: [String])
        async throws(SecretsError) -> SealedStore
    {
        let kept = try keyFile.read()
        var needed: Set<String> = []
        var hasPlain = false
        do throws(StoreError) {
            try await entries(of: store, prefixes) { entry in
                if let id = SecretBox.keyID(of: entry.value.bytes) { needed.insert(id) } else { hasPlain = true }
            }
        } catch {
            throw .store(error.description)
        }
        guard let kept else {
            guard needed.isEmpty else { throw .keyFileMissing(path: keyFile.path, needed: needed.sorted()) }
            let key = SecretKey()
            try keyFile.write([key])
            let sealed = SealedStore(store, keyFile: keyFile, prefixes: prefixes, box: SecretBox(current: key))
            if hasPlain { _ = try await sealed.finish(current: key) }
            return sealed
        }
        guard needed.isSubset(of: kept.map(\.id)) else {
            throw .wrongKeys(path: keyFile.path, needed: needed.sorted(), present: kept.map(\.id))
        }
        let sealed = SealedStore(
            store, keyFile: keyFile, prefixes: prefixes,
            box: SecretBox(current: kept[0], older: Array(kept.dropFirst())))
        if hasPlain || kept.count > 1 { _ = try await sealed.finish(current: kept[0]) }
        return sealed
    }

    /// The id of the key that wraps what is written now.
    public var keyID: String { state.withLock { $0.box.current.id } }

    // MARK: Rotation

    /// Makes a new key, wraps everything by it, and forgets the old one. The store can be used meanwhile.
    ///
    /// - Throws: as `open`; what was done stays, and the next start or rotation goes on.
    public func rotate() async throws(SecretsError) -> Rotation {
        let isFirst = state.withLock { state in
            if state.isRotating { return false }
            state.isRotating = true
            return true
        }
        guard isFirst else { throw .store("The key is being rotated already; wait until that has ended.") }
        defer { state.withLock { $0.isRotating = false } }
        guard let kept = try keyFile.read() else {
            throw .keyFileMissing(path: keyFile.path, needed: [keyID])
        }
        guard kept.contains(where: { $0.id == keyID }) else {
            throw .wrongKeys(path: keyFile.path, needed: [keyID], present: kept.map(\.id))
        }
        if kept.count > 1 {
            install(kept[0])
            return Rotation(
                keyID: kept[0].id, rewrapped: try await finish(current: kept[0]), isContinuation: true)
        }
        let next = SecretKey()
        try keyFile.write([next] + kept)
        install(next)
        return Rotation(keyID: next.id, rewrapped: try await finish(current: next), isContinuation: false)
    }

    private func install(_ key: SecretKey) {
        state.withLock { state in
            guard state.box.current != key else { return }
            state.box = state.box.replacing(current: key)
            state.generation += 1
        }
    }

    /// Wraps everything by `current`, removes what was wrapped otherwise from the history too, and leaves no other key
    /// in the file. Keys stay in memory, since a reader may hold a value that was wrapped by an old one.
    private func finish(current: SecretKey) async throws(SecretsError) -> Int {
        var rewrapped = 0
        do throws(StoreError) {
            // Commits that were sealed by an older key may still arrive; there is nothing that tells of their end.
            while state.withLock({ state in
                state.underWay.contains { $0.key < state.generation && $0.value > 0 }
            }) {
                do {
                    try await Task.sleep(for: .milliseconds(5))
                } catch {
                    throw StoreError.cancelled
                }
            }
            while true {
                let (changed, left) = try await rewrap(current)
                rewrapped += changed
                if left == 0 { break }
            }
            try await store.purge()
        } catch {
            throw .store(error.description)
        }
        try keyFile.write([current])
        return rewrapped
    }

    /// One pass: how many values were wrapped anew, and how many others changed meanwhile and are to be looked at again.
    private func rewrap(_ current: SecretKey) async throws(StoreError) -> (changed: Int, left: Int) {
        var found: [StoreEntry] = []
        try await Self.entries(of: store, prefixes) { entry in
            if SecretBox.keyID(of: entry.value.bytes) != current.id { found.append(entry) }
        }
        let batch = 100
        var changed = 0
        for start in stride(from: 0, to: found.count, by: batch) {
            let entries = found[start..<min(start + batch, found.count)]
            if try await rewrapTogether(entries) {
                changed += entries.count
                continue
            }
            // One of them was changed by its owner just now: the others each by itself.
            for entry in entries where try await rewrapTogether([entry]) { changed += 1 }
        }
        return (changed, found.count - changed)
    }

    private func rewrapTogether(_ entries: ArraySlice<StoreEntry>) async throws(StoreError) -> Bool {
        let box = state.withLock { $0.box }
        var transaction = StoreTransaction()
        for entry in entries {
            let plain = try opened(entry.value.bytes, entry.key, box)
            transaction.conditions.append(.modRevision(entry.key, equals: entry.value.modRevision))
            transaction.operations.append(.put(entry.key, try sealed(plain, entry.key, box)))
        }
        return try await store.commit(transaction).revision != nil
    }

    private static func entries(of store: any Store, _ prefixes: [String], _ body: (StoreEntry) -> Void)
        async throws(StoreError)
    {
        for prefix in prefixes {
            var after: String?
            while true {
                let page = try await store.range(prefix: prefix, after: after, limit: 1000)
                page.entries.forEach(body)
                guard page.more, let last = page.entries.last else { break }
                after = last.key
            }
        }
    }

    // MARK: Store

    /// The value, opened.
    public func get(_ key: String) async throws(StoreError) -> StoredValue? {
        guard var value = try await store.get(key) else { return nil }
        try open(&value, key)
        return value
    }

    /// The entries, opened.
    public func range(prefix: String, after: String?, limit: Int?) async throws(StoreError) -> StoreRange {
        var range = try await store.range(prefix: prefix, after: after, limit: limit)
        for index in range.entries.indices {
            try open(&range.entries[index].value, range.entries[index].key)
        }
        return range
    }

    /// Seals what is secret of the transaction.
    public func commit(_ transaction: StoreTransaction) async throws(StoreError) -> StoreCommit {
        let isSecret = transaction.operations.contains { operation in
            if case .put(let key, _) = operation { self.isSecret(key) } else { false }
        }
        guard isSecret else { return try opened(await store.commit(transaction)) }
        let (box, generation) = state.withLock { state in
            state.underWay[state.generation, default: 0] += 1
            return (state.box, state.generation)
        }
        defer {
            state.withLock { state in
                let left = (state.underWay[generation] ?? 1) - 1
                state.underWay[generation] = left > 0 ? left : nil
            }
        }
        var transaction = transaction
        for (index, operation) in transaction.operations.enumerated() {
            if case .put(let key, let value) = operation, self.isSecret(key) {
                transaction.operations[index] = .put(key, try sealed(value, key, box))
            }
        }
        return try opened(await store.commit(transaction))
    }

    /// The changes, with their values opened.
    public func watch(prefix: String, from revision: Int64) -> AsyncThrowingStream<[StoreEvent], any Error> {
        let stream = store.watch(prefix: prefix, from: revision)
        // One reader, as every watch has.
        let reader = WatchReader(stream.makeAsyncIterator())
        return AsyncThrowingStream {
            guard var events = try await reader.next() else { return nil }
            for index in events.indices {
                guard case .put(var value) = events[index].change else { continue }
                try self.open(&value, events[index].key)
                events[index].change = .put(value)
            }
            return events
        }
    }

    /// The store's.
    public var currentRevision: Int64 {
        get async throws(StoreError) { try await store.currentRevision }
    }

    /// The store's.
    public func compact(before revision: Int64) async throws(StoreError) { try await store.compact(before: revision) }

    /// The store's.
    public func purge() async throws(StoreError) { try await store.purge() }

    /// The store's.
    public func close() async { await store.close() }

    private func isSecret(_ key: String) -> Bool { prefixes.contains { key.utf8.starts(with: $0.utf8) } }

    private func open(_ value: inout StoredValue, _ key: String) throws(StoreError) {
        guard isSecret(key), SecretBox.keyID(of: value.bytes) != nil else { return }
        value.bytes = try opened(value.bytes, key, state.withLock { $0.box })
    }

    private func opened(_ commit: StoreCommit) throws(StoreError) -> StoreCommit {
        guard case .conditionFailed(let condition, let index, .some(var current)) = commit else { return commit }
        try open(&current, condition.key)
        return .conditionFailed(condition, index: index, current: current)
    }

    private func opened(_ value: [UInt8], _ key: String, _ box: SecretBox) throws(StoreError) -> [UInt8] {
        do throws(SecretsError) {
            return try box.open(value, name: key)
        } catch {
            throw .unreadable(error.description)
        }
    }

    private func sealed(_ value: [UInt8], _ key: String, _ box: SecretBox) throws(StoreError) -> [UInt8] {
        do throws(SecretsError) {
            return try box.seal(value, name: key)
        } catch {
            throw .unreadable(error.description)
        }
    }
}

/// The iterator of a watch, which the closure of another stream moves on.
private final class WatchReader: @unchecked Sendable {
    // Only the one reader of the stream calls `next`, never two at once.
    private var iterator: AsyncThrowingStream<[StoreEvent], any Error>.Iterator

    init(_ iterator: AsyncThrowingStream<[StoreEvent], any Error>.Iterator) { self.iterator = iterator }

    func next() async throws -> [StoreEvent]? {
        var copy = iterator
        defer { iterator = copy }
        return try await copy.next()
    }
}
