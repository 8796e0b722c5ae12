import GRDB

/// The statements that read and change entries, within a SQLite transaction that the caller opened.
enum SQLiteTransaction {
    /// Checks the conditions, then makes the changes and records their events. Returns the answer if one failed,
    /// in which case nothing was changed.
    static func apply(
        _ transaction: StoreTransaction, revision: Int64, events: inout [StoreEvent], _ db: Database
    ) throws -> StoreCommit? {
        for (index, condition) in transaction.conditions.enumerated() {
            let current = try value(condition.key, db)
            if !condition.holds(for: current) {
                return .conditionFailed(condition, index: index, current: current)
            }
        }
        for operation in transaction.operations {
            switch operation {
            case .put(let key, let bytes):
                try put(key, bytes, revision: revision, events: &events, db)
            case .delete(let key):
                try delete(key, revision: revision, events: &events, db)
            case .deletePrefix(let prefix):
                var keys: [String] = []
                try forEachEntry(prefix: prefix, after: nil, db) { row in
                    keys.append(row.text(0))
                    return true
                }
                for key in keys { try delete(key, revision: revision, events: &events, db) }
            }
        }
        return nil
    }

    static func value(_ key: String, _ db: Database) throws -> StoredValue? {
        let select = try SQLiteStatement(
            db, "SELECT key, value, create_revision, mod_revision, version FROM entries WHERE key = ?")
        try select.bind(1, key)
        return try select.step() ? value(select) : nil
    }

    /// A page of entries, with one look beyond it.
    static func entries(
        prefix: String, after: String?, limit: Int?, _ db: Database
    ) throws -> (entries: [StoreEntry], more: Bool) {
        var entries: [StoreEntry] = []
        var more = false
        try forEachEntry(prefix: prefix, after: after, db) { row in
            if let limit, entries.count == limit {
                more = true
                return false
            }
            entries.append(StoreEntry(key: row.text(0), value: value(row)))
            return true
        }
        return (entries, more)
    }

    /// The recorded events of `revisions` whose key begins with `prefix`, in order.
    static func events(prefix: String, revisions: ClosedRange<Int64>, _ db: Database) throws -> [StoreEvent] {
        let select = try SQLiteStatement(
            db,
            """
            SELECT key, value, create_revision, revision, version FROM events
            WHERE revision BETWEEN ? AND ? ORDER BY revision, position
            """)
        select.bind(1, revisions.lowerBound)
        select.bind(2, revisions.upperBound)
        var events: [StoreEvent] = []
        while try select.step() {
            guard select.withText(0, { $0.starts(with: prefix.utf8) }) else { continue }
            let change: StoreEvent.Change = select.isNull(1) ? .delete : .put(value(select))
            events.append(StoreEvent(key: select.text(0), revision: select.int(3), change: change))
        }
        return events
    }

    /// The last revision and the oldest one in the history.
    static func counters(_ db: Database) throws -> (revision: Int64, oldest: Int64) {
        let select = try SQLiteStatement(db, "SELECT revision, oldest FROM counters WHERE id = 1")
        guard try select.step() else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the table of counters is empty")
        }
        return (select.int(0), select.int(1))
    }

    /// Calls `body` for each entry in the order of keys until it returns false.
    private static func forEachEntry(
        prefix: String, after: String?, _ db: Database, _ body: (borrowing SQLiteStatement) throws -> Bool
    ) throws {
        // SQLite compares text by its bytes (collation BINARY); String's own `<` would not.
        let continued = after.map { !$0.utf8.lexicographicallyPrecedes(prefix.utf8) } ?? false
        let select = try SQLiteStatement(
            db,
            continued
                ? "SELECT key, value, create_revision, mod_revision, version FROM entries WHERE key > ? ORDER BY key"
                : "SELECT key, value, create_revision, mod_revision, version FROM entries WHERE key >= ? ORDER BY key")
        try select.bind(1, continued ? after ?? "" : prefix)
        while try select.step() {
            guard select.withText(0, { $0.starts(with: prefix.utf8) }), try body(select) else { return }
        }
    }

    private static func put(
        _ key: String, _ bytes: [UInt8], revision: Int64, events: inout [StoreEvent], _ db: Database
    ) throws {
        let upsert = try SQLiteStatement(
            db,
            """
            INSERT INTO entries (key, value, create_revision, mod_revision, version) VALUES (?1, ?2, ?3, ?3, 1)
            ON CONFLICT (key) DO UPDATE SET
                value = excluded.value, mod_revision = excluded.mod_revision, version = version + 1
            RETURNING create_revision, version
            """)
        try upsert.bind(1, key)
        try upsert.bind(2, bytes)
        upsert.bind(3, revision)
        guard try upsert.step() else {
            throw DatabaseError(resultCode: .SQLITE_INTERNAL, message: "no row was returned for \(key)")
        }
        let value = StoredValue(
            bytes: bytes, createRevision: upsert.int(0), modRevision: revision, version: upsert.int(1))
        try upsert.run()

        let insert = try SQLiteStatement(
            db,
            """
            INSERT INTO events (revision, position, key, value, create_revision, version) VALUES (?, ?, ?, ?, ?, ?)
            """)
        insert.bind(1, revision)
        insert.bind(2, Int64(events.count))
        try insert.bind(3, key)
        try insert.bind(4, bytes)
        insert.bind(5, value.createRevision)
        insert.bind(6, value.version)
        try insert.run()
        events.append(StoreEvent(key: key, revision: revision, change: .put(value)))
    }

    private static func delete(
        _ key: String, revision: Int64, events: inout [StoreEvent], _ db: Database
    ) throws {
        let delete = try SQLiteStatement(db, "DELETE FROM entries WHERE key = ? RETURNING 1")
        try delete.bind(1, key)
        guard try delete.step() else { return }
        try delete.run()

        let insert = try SQLiteStatement(db, "INSERT INTO events (revision, position, key) VALUES (?, ?, ?)")
        insert.bind(1, revision)
        insert.bind(2, Int64(events.count))
        try insert.bind(3, key)
        try insert.run()
        events.append(StoreEvent(key: key, revision: revision, change: .delete))
    }

    /// The value of a row with the columns key, value, create_revision, mod_revision, version.
    private static func value(_ row: borrowing SQLiteStatement) -> StoredValue {
        StoredValue(
            bytes: row.bytes(1), createRevision: row.int(2), modRevision: row.int(3), version: row.int(4))
    }
}
