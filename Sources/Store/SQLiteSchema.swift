import Foundation
import GRDB

/// Opening a store's file: modes, integrity, schema version and its migrations.
enum SQLiteSchema {
    /// "MALL": says in the file's header whose it is (`file` and `sqlite3 .dbinfo` show it).
    static let applicationID: Int32 = 0x4D41_4C4C

    /// Each brings the schema from the version that is its index to the next; never edit one that was released.
    private static let migrations: [@Sendable (Database) throws -> Void] = [
        { db in
            try db.execute(
                sql: """
                    CREATE TABLE entries (
                        key TEXT NOT NULL PRIMARY KEY,
                        value BLOB NOT NULL,
                        create_revision INTEGER NOT NULL,
                        mod_revision INTEGER NOT NULL,
                        version INTEGER NOT NULL
                    ) STRICT;
                    -- value, create_revision and version are NULL for a deletion
                    CREATE TABLE events (
                        revision INTEGER NOT NULL,
                        position INTEGER NOT NULL,
                        key TEXT NOT NULL,
                        value BLOB,
                        create_revision INTEGER,
                        version INTEGER,
                        PRIMARY KEY (revision, position)
                    ) STRICT, WITHOUT ROWID;
                    -- one row: the last revision, and the oldest one whose events are kept
                    CREATE TABLE counters (
                        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
                        revision INTEGER NOT NULL,
                        oldest INTEGER NOT NULL
                    ) STRICT;
                    INSERT INTO counters VALUES (1, 0, 1);
                    """)
        }
    ]

    /// The version that this release writes.
    static var version: Int { migrations.count }

    /// Makes the directory (0700) if needed, and the file (0600) before SQLite would make it with the umask's mode.
    /// SQLite gives the -wal and -shm files the mode of the database.
    static func prepareFile(_ path: String) throws(StoreError) {
        let directory = (path as NSString).deletingLastPathComponent
        if !directory.isEmpty {
            do {
                try FileManager.default.createDirectory(
                    atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw .unavailable("cannot create the directory \(directory): \(error.localizedDescription)")
            }
        }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .unavailable("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        defer { _ = close(descriptor) }
        guard fchmod(descriptor, 0o600) == 0 else {
            throw .unavailable("cannot set the mode of \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Checks a database that was just opened and brings it to ``version``.
    static func migrate(_ db: Database, path: String) throws {
        let owner = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") ?? 0
        guard owner == applicationID || (owner == 0 && found == 0 && tables == 0) else {
            throw StoreError.corrupted(path: path, detail: "it is a database of another program")
        }
        guard found <= version else {
            throw StoreError.newerSchema(path: path, found: found, known: version)
        }
        if tables > 0 {
            let verdict = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no answer"
            guard verdict == "ok" else { throw StoreError.corrupted(path: path, detail: verdict) }
        }
        for step in found..<version {
            try db.inTransaction(.immediate) {
                try migrations[step](db)
                try db.execute(sql: "PRAGMA application_id = \(applicationID)")
                try db.execute(sql: "PRAGMA user_version = \(step + 1)")
                return .commit
            }
        }
    }

    /// An engine's error in the store's vocabulary.
    static func storeError(_ error: any Error, path: String) -> StoreError {
        switch error {
        case let error as StoreError: return error
        case is CancellationError: return .cancelled
        case let error as DatabaseError:
            let message = error.message ?? "SQLite error \(error.resultCode.rawValue)"
            switch error.resultCode {
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .corrupted(path: path, detail: message)
            case .SQLITE_FULL:
                return .unavailable("\(message); make room on the file system of \(path)")
            default: return .unavailable("\(message) (SQLite code \(error.extendedResultCode.rawValue), \(path))")
            }
        default: return .unavailable("\(error) (\(path))")
        }
    }
}
