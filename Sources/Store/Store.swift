// Store: the ordered, revisioned key-value interface in which services keep intent durably.
//
// Lives here: the protocol with its values and errors, and the engines that implement it (SQLite today).
// Does not live here: what the keys and values mean; services own their documents and their key layout.
//
// Fails with `StoreError`, each case by what the caller can do. A commit is atomic, and durable when it returns.
// The model is that of etcd v3 (one revision counter for the whole store, a bounded history that can be watched),
// so that etcd can be an engine without any change above this line.

/// An ordered, revisioned key-value store. Every engine passes the same contract suite (StoreTests).
///
/// Keys are UTF-8 strings of 1 to ``StoreLimits/keyBytes`` bytes without NUL, compared and ordered by their bytes
/// (not by Unicode equivalence). Values are at most ``StoreLimits/valueBytes`` bytes. Each transaction that changes
/// something takes the next revision, a counter of the whole store that starts at 0 and never goes back.
public protocol Store: Sendable {
    /// The value now stored under `key`, or nil. Sees every commit that has returned.
    func get(_ key: String) async throws(StoreError) -> StoredValue?

    /// The entries whose key begins with `prefix` ("" for all), ordered by key, read at one revision.
    ///
    /// - Parameters:
    ///   - after: only keys greater than this one: the last key of the page before.
    ///   - limit: at most this many entries (1 or more); nil for all of them.
    func range(prefix: String, after: String?, limit: Int?) async throws(StoreError) -> StoreRange

    /// Applies all operations if every condition holds, otherwise none; durable when it returns.
    ///
    /// A failed condition is a result, not an error. When an error is thrown nothing was applied, except for
    /// ``StoreError/unavailable(_:)``, after which the caller must read to know. Cancelling the task does not
    /// recall a commit.
    func commit(_ transaction: StoreTransaction) async throws(StoreError) -> StoreCommit

    /// Every change of keys that begin with `prefix`, from `revision` on (inclusive), first the past, then live.
    ///
    /// To follow a view: `range`, then watch from its `revision + 1`. Each element holds whole revisions, in order:
    /// none is missed, repeated, or split over two elements. Fails with ``StoreError/compacted(oldest:)`` if `revision`
    /// is no longer in the history, also later, when the reader falls behind the history that is kept: read the range
    /// anew then. Ends with ``StoreError/closed`` when the store is closed. For one reader; cancelling its task ends it.
    func watch(prefix: String, from revision: Int64) -> AsyncThrowingStream<[StoreEvent], any Error>

    /// The revision of the last commit that changed something; 0 for a store that was never written.
    var currentRevision: Int64 { get async throws(StoreError) }

    /// Forgets the history before `revision`; current values stay. Watches from an earlier revision fail afterwards.
    func compact(before revision: Int64) async throws(StoreError)

    /// Forgets the whole history and leaves nothing of replaced and deleted values behind on the medium either, as far as
    /// the engine has it in hand. Slow: for when a secret was stored that must not have been.
    func purge() async throws(StoreError)

    /// Finishes the commits under way, ends the watches and releases the engine. Every later call throws `.closed`.
    func close() async
}

extension Store {
    /// All entries whose key begins with `prefix`, read at one revision.
    public func range(prefix: String) async throws(StoreError) -> StoreRange {
        try await range(prefix: prefix, after: nil, limit: nil)
    }

    /// Forgets the history: all that an engine can do that does not know better.
    public func purge() async throws(StoreError) { try await compact(before: try await currentRevision) }
}

/// Sizes that every engine enforces (below etcd's own limit of 1.5 MiB for one request with one value).
public enum StoreLimits {
    /// Longest key in bytes of UTF-8.
    public static let keyBytes = 512
    /// Longest value in bytes.
    public static let valueBytes = 1 << 20
    /// Most conditions and operations together in one transaction (etcd: `--max-txn-ops`).
    public static let transactionSteps = 10_000
}

/// A value with the revisions that made it.
public struct StoredValue: Sendable, Hashable {
    /// The bytes that were put.
    public var bytes: [UInt8]
    /// Revision of the put that created the key (since its last deletion).
    public var createRevision: Int64
    /// Revision of the last put: what compare-and-set compares with.
    public var modRevision: Int64
    /// How often it was put since it was created; 1 for the first time.
    public var version: Int64

    /// A value as an engine read it.
    public init(bytes: [UInt8], createRevision: Int64, modRevision: Int64, version: Int64) {
        self.bytes = bytes
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
    }
}

/// A key with its value.
public struct StoreEntry: Sendable, Hashable {
    /// The key.
    public var key: String
    /// What is stored under it.
    public var value: StoredValue

    /// An entry as an engine read it.
    public init(key: String, value: StoredValue) {
        self.key = key
        self.value = value
    }
}

/// The answer of ``Store/range(prefix:after:limit:)``.
public struct StoreRange: Sendable, Hashable {
    /// Ordered by the bytes of the key.
    public var entries: [StoreEntry]
    /// The store's revision at which all of them were read; watch from the next one to follow.
    public var revision: Int64
    /// There are further entries: ask again with `after` = the last key.
    public var more: Bool

    /// A page as an engine read it.
    public init(entries: [StoreEntry], revision: Int64, more: Bool) {
        self.entries = entries
        self.revision = revision
        self.more = more
    }
}

/// What must be so for a transaction to be applied.
public enum StoreCondition: Sendable, Hashable {
    /// There is no such key.
    case keyAbsent(String)
    /// The key exists and was last put at exactly this revision.
    case modRevision(String, equals: Int64)
    /// The key exists.
    case exists(String)

    /// The key it is about.
    public var key: String {
        switch self {
        case .keyAbsent(let key), .modRevision(let key, equals: _), .exists(let key): key
        }
    }

    /// Whether it holds for what is stored under its key now.
    public func holds(for current: StoredValue?) -> Bool {
        switch self {
        case .keyAbsent: current == nil
        case .modRevision(_, equals: let revision): current?.modRevision == revision
        case .exists: current != nil
        }
    }
}

/// One change within a transaction.
public enum StoreOperation: Sendable, Hashable {
    /// Creates the key or replaces its value.
    case put(String, [UInt8])
    /// Removes the key; nothing happens if it does not exist.
    case delete(String)
    /// Removes every key that begins with this (not empty) prefix.
    case deletePrefix(String)
}

/// Conditions and the operations that are applied, all or none, if they hold.
///
/// No key may be touched twice: neither by two operations nor by an operation and a `deletePrefix` over it
/// (etcd has the same rule). Several conditions about one key are fine.
public struct StoreTransaction: Sendable, Hashable {
    /// All must hold; none means "always".
    public var conditions: [StoreCondition]
    /// Applied together at one revision.
    public var operations: [StoreOperation]

    /// A transaction of these parts; add to the arrays to build it up.
    public init(conditions: [StoreCondition] = [], operations: [StoreOperation] = []) {
        self.conditions = conditions
        self.operations = operations
    }
}

/// How a commit ended.
public enum StoreCommit: Sendable, Hashable {
    /// Applied at this revision (the current one if nothing changed: no operations, or deletes of absent keys).
    case succeeded(revision: Int64)
    /// Nothing was applied: `conditions[index]`, the first that does not hold, and what its key holds instead.
    case conditionFailed(StoreCondition, index: Int, current: StoredValue?)

    /// The revision if it was applied, otherwise nil.
    public var revision: Int64? {
        if case .succeeded(let revision) = self { revision } else { nil }
    }
}

/// A change that a watch reports.
public struct StoreEvent: Sendable, Hashable {
    /// What happened to the key.
    public enum Change: Sendable, Hashable {
        /// Now holds this.
        case put(StoredValue)
        /// Is gone.
        case delete
    }

    /// The key that changed.
    public var key: String
    /// The revision of the commit that changed it; all events of one commit share it.
    public var revision: Int64
    /// What happened.
    public var change: Change

    /// An event as an engine recorded it.
    public init(key: String, revision: Int64, change: Change) {
        self.key = key
        self.revision = revision
        self.change = change
    }
}

/// Why a store could not do what it was asked, by what the caller can do about it.
public enum StoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The request itself is wrong (key or value too large, a key touched twice): a mistake in the caller.
    case invalid(String)
    /// The history asked for was compacted; read the range anew and watch from there. `oldest` is still there.
    case compacted(oldest: Int64)
    /// Another process has the store open.
    case locked(path: String, pid: Int32?)
    /// The file is damaged or no store at all.
    case corrupted(path: String, detail: String)
    /// A value is there and cannot be read, for a reason that the text tells with its cure.
    case unreadable(String)
    /// The file was written by a later release.
    case newerSchema(path: String, found: Int, known: Int)
    /// The engine failed (disk full, I/O error, no connection); it may work again later.
    case unavailable(String)
    /// The caller's task was cancelled while reading.
    case cancelled
    /// The store was closed.
    case closed

    /// Cause and cure in a sentence or two.
    public var description: String {
        switch self {
        case .invalid(let problem):
            "Invalid store request: \(problem)."
        case .compacted(let oldest):
            "The history asked for was compacted; the oldest revision kept is \(oldest). Read the range again."
        case .locked(let path, let pid):
            "The store \(path) is in use by \(pid.map { "process \($0)" } ?? "another process"). "
                + "Stop that process first, or give this one another state directory."
        case .corrupted(let path, let detail):
            "The store \(path) is damaged or not a Mallee store (\(detail)). Restore it from a backup; "
                + "to start empty, move the file and its -wal and -shm files away."
        case .unreadable(let problem):
            problem
        case .newerSchema(let path, let found, let known):
            "The store \(path) has schema \(found), this release knows up to \(known). "
                + "Start the release that wrote it, or restore a backup made before the upgrade."
        case .unavailable(let cause):
            "The store is unavailable: \(cause)."
        case .cancelled:
            "The read was cancelled."
        case .closed:
            "The store is closed."
        }
    }
}
