import GRDB
import Synchronization

/// The embedded engine: one SQLite file (WAL, `synchronous=FULL`), one process at a time.
///
/// Concurrent commits share one SQLite transaction and one sync to disk (``SQLiteWriter``); reads run beside them on
/// connections of their own, each at one revision.
public final class SQLiteStore: Store {
    private let path: String
    private let database: any DatabaseWriter
    private let feed: EventFeed
    private let writer: SQLiteWriter
    private let closed = Mutex(false)
    /// Nil in memory. Released by `close`.
    private let lock: Mutex<StoreLock?>

    /// How many revisions are kept for watches unless told otherwise: a watch that falls further behind starts anew.
    public static let defaultHistory = 50_000

    /// Opens the store at `path`, making it (0600) and its directory (0700) if they do not exist. Blocks on disk.
    ///
    /// - Parameter history: revisions kept for watches, 1 or more.
    /// - Throws: `.locked` if another process (or this one) has it open, `.corrupted`, `.newerSchema`, `.unavailable`.
    public convenience init(path: String, history: Int = defaultHistory) throws(StoreError) {
        try SQLiteSchema.prepareFile(path)
        let lock = try StoreLock(path: path)
        do {
            var configuration = Configuration()
            configuration.label = "store"
            // Only for a reader of the command line (a backup, say) that holds the file for a moment.
            configuration.busyMode = .timeout(5)
            let pool = try DatabasePool(path: path, configuration: configuration)
            try pool.writeWithoutTransaction { db in
                // DatabasePool sets NORMAL, with which the last commits are lost when the power fails.
                try db.execute(sql: "PRAGMA synchronous = FULL")
            }
            try self.init(database: pool, path: path, history: history, lock: lock)
        } catch {
            throw SQLiteSchema.storeError(error, path: path)
        }
    }

    /// A store in memory, for tests: everything is gone when it is released.
    public static func inMemory(history: Int = defaultHistory) throws(StoreError) -> SQLiteStore {
        do {
            return try SQLiteStore(database: DatabaseQueue(), path: ":memory:", history: history, lock: nil)
        } catch {
            throw SQLiteSchema.storeError(error, path: ":memory:")
        }
    }

    private init(database: any DatabaseWriter, path: String, history: Int, lock: StoreLock?) throws {
        guard history >= 1 else { throw StoreError.invalid("the history must keep at least one revision") }
        let counters = try database.writeWithoutTransaction { db in
            try SQLiteSchema.migrate(db, path: path)
            return try SQLiteTransaction.counters(db)
        }
        self.database = database
        self.path = path
        self.lock = Mutex(lock)
        feed = EventFeed(published: counters.revision, oldest: counters.oldest)
        writer = SQLiteWriter(
            database: database, path: path, feed: feed, revision: counters.revision, oldest: counters.oldest,
            history: Int64(history))
    }

    /// One look-up by primary key.
    public func get(_ key: String) async throws(StoreError) -> StoredValue? {
        try StoreLimits.check(key: key)
        return try await read { db in try SQLiteTransaction.value(key, db) }
    }

    /// A scan of the primary key, in one snapshot.
    public func range(prefix: String, after: String?, limit: Int?) async throws(StoreError) -> StoreRange {
        if !prefix.isEmpty { try StoreLimits.check(key: prefix) }
        if let limit, limit < 1 { throw .invalid("the limit of a range is \(limit), it must be 1 or more") }
        return try await read { db in
            let page = try SQLiteTransaction.entries(prefix: prefix, after: after, limit: limit, db)
            let revision = try SQLiteTransaction.counters(db).revision
            return StoreRange(entries: page.entries, revision: revision, more: page.more)
        }
    }

    /// Joins the group that is committed next; see ``SQLiteWriter``.
    public func commit(_ transaction: StoreTransaction) async throws(StoreError) -> StoreCommit {
        try StoreLimits.check(transaction)
        return try await writer.commit(transaction)
    }

    /// Reads recent events from memory, older ones from the file.
    public func watch(prefix: String, from revision: Int64) -> AsyncThrowingStream<[StoreEvent], any Error> {
        let cursor = Mutex(max(revision, 1))
        return AsyncThrowingStream {
            // One reader at a time, so the cursor does not move between reading and setting it.
            var next = cursor.withLock { $0 }
            while !Task.isCancelled {
                let found: [StoreEvent]
                switch self.feed.step(from: next) {
                case .failed(let error):
                    throw error
                case .caughtUp:
                    await self.feed.wait(for: next)
                    continue
                case .events(let revisions, next: let following):
                    next = following
                    found = revisions.flatMap { $0.events.filter { $0.key.utf8.starts(with: prefix.utf8) } }
                case .history(through: let last):
                    found = try await self.history(prefix: prefix, next...last)
                    next = last + 1
                }
                cursor.withLock { $0 = next }
                if !found.isEmpty { return found }
            }
            return nil
        }
    }

    /// From memory.
    public var currentRevision: Int64 {
        get async throws(StoreError) {
            if closed.withLock({ $0 }) { throw .closed }
            return feed.published
        }
    }

    /// Deletes the rows; SQLite reuses their pages.
    public func compact(before revision: Int64) async throws(StoreError) {
        try await writer.compact(before: revision)
    }

    /// Compacts, then copies the file without its free pages (VACUUM) and empties the WAL.
    public func purge() async throws(StoreError) {
        try await compact(before: try await currentRevision)
        do {
            try await database.vacuum()
            if let pool = database as? DatabasePool {
                _ = try await pool.writeWithoutTransaction { db in try db.checkpoint(.truncate) }
            }
        } catch {
            throw SQLiteSchema.storeError(error, path: path)
        }
    }

    /// Folds the WAL into the file and releases the lock.
    public func close() async {
        let first = closed.withLock { closed in
            defer { closed = true }
            return !closed
        }
        guard first else { return }
        await writer.close()
        feed.close()
        // Everything is durable already; closing only folds the WAL into the file, which the next opening does too.
        try? database.close()
        lock.withLock { $0 = nil }
    }

    /// The events of a part of the history, unless it was compacted meanwhile.
    private func history(prefix: String, _ revisions: ClosedRange<Int64>) async throws(StoreError) -> [StoreEvent] {
        try await read { db in
            let oldest = try SQLiteTransaction.counters(db).oldest
            guard oldest <= revisions.lowerBound else { throw StoreError.compacted(oldest: oldest) }
            return try SQLiteTransaction.events(prefix: prefix, revisions: revisions, db)
        }
    }

    private func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(StoreError) -> T {
        if closed.withLock({ $0 }) { throw .closed }
        do {
            return try await database.read(body)
        } catch {
            if closed.withLock({ $0 }) { throw .closed }
            throw SQLiteSchema.storeError(error, path: path)
        }
    }
}
