// The index of the file back end in SQLite. Keys are stored as blobs, so that they sort by their bytes as S3 wants and
// so that Unicode equivalence plays no part.

internal import Foundation
internal import GRDB

/// Where the bytes of an object lie.
enum Layout: Int, Sendable {
    /// In the index itself (small objects: one fsync, shared by the group, instead of three).
    case inline = 0
    /// In the file of the content's id.
    case file = 1
    /// In several files, listed in `piece`.
    case pieces = 2
}

enum ObjectIndex {
    static func open(path: String) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.label = "objects"
        configuration.maximumReaderCount = 8
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { database in
            // FULL: a commit has reached the disk when it returns, WAL or not.
            try database.execute(sql: "PRAGMA synchronous = FULL")
            try database.execute(sql: "PRAGMA cache_size = -8192")
        }
        let pool = try DatabasePool(path: path, configuration: configuration)
        try migrator.migrate(pool)
        return pool
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("objects") { database in
            try database.execute(
                sql: """
                    CREATE TABLE bucket (
                        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
                        region TEXT NOT NULL, created INTEGER NOT NULL);
                    CREATE TABLE object (
                        bucket INTEGER NOT NULL, key BLOB NOT NULL, content INTEGER NOT NULL UNIQUE,
                        layout INTEGER NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, etag TEXT NOT NULL,
                        sha256 TEXT, attributes TEXT NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID;
                    CREATE TABLE inline (content INTEGER PRIMARY KEY, data BLOB NOT NULL);
                    CREATE TABLE piece (
                        content INTEGER NOT NULL, number INTEGER NOT NULL, file INTEGER NOT NULL UNIQUE,
                        size INTEGER NOT NULL, PRIMARY KEY (content, number)) WITHOUT ROWID;
                    CREATE TABLE upload (
                        id TEXT NOT NULL PRIMARY KEY, bucket INTEGER NOT NULL, key BLOB NOT NULL, owner TEXT NOT NULL,
                        initiated INTEGER NOT NULL, attributes TEXT NOT NULL);
                    CREATE INDEX uploadByKey ON upload (bucket, key, id);
                    CREATE TABLE part (
                        upload TEXT NOT NULL, number INTEGER NOT NULL, file INTEGER NOT NULL UNIQUE,
                        size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL, checksum TEXT,
                        PRIMARY KEY (upload, number)) WITHOUT ROWID;
                    """)
        }
        return migrator
    }

    /// Whether anything names this file.
    static func isNamed(_ file: Int64, _ database: Database) throws -> Bool {
        let statement = try database.cachedStatement(
            sql: """
                SELECT EXISTS (SELECT 1 FROM object WHERE content = :f AND layout = 1)
                    OR EXISTS (SELECT 1 FROM piece WHERE file = :f) OR EXISTS (SELECT 1 FROM part WHERE file = :f)
                """)
        return try Bool.fetchOne(statement, arguments: ["f": file]) ?? false
    }

    static func bucketID(_ name: String, _ database: Database) throws -> Int64 {
        let statement = try database.cachedStatement(sql: "SELECT id FROM bucket WHERE name = ?")
        guard let id = try Int64.fetchOne(statement, arguments: [name]) else {
            throw ObjectStoreError.noSuchBucket(name)
        }
        return id
    }

    static func encode(_ attributes: ObjectAttributes) throws -> String {
        String(decoding: try JSONEncoder().encode(attributes), as: UTF8.self)
    }

    static func decode(_ text: String) throws -> ObjectAttributes {
        if text == "{\"headers\":{},\"metadata\":{}}" { return ObjectAttributes() }
        return try JSONDecoder().decode(ObjectAttributes.self, from: Data(text.utf8))
    }

    static func encode(_ checksum: ObjectChecksum?) -> String? {
        checksum.map { $0.algorithm.rawValue + " " + $0.value }
    }

    static func decodeChecksum(_ text: String?) -> ObjectChecksum? {
        guard let parts = text?.split(separator: " "), parts.count == 2,
            let algorithm = ChecksumAlgorithm(rawValue: String(parts[0]))
        else { return nil }
        return ObjectChecksum(algorithm: algorithm, value: String(parts[1]))
    }

    /// A row of `object`.
    struct Entry: Sendable {
        var record: ObjectRecord
        var content: Int64
        var layout: Layout
    }

    static let columns = "key, content, layout, size, modified, etag, sha256, attributes"

    static func entry(_ row: Row) throws -> Entry {
        let key: Data = row[0]
        guard let layout = Layout(rawValue: row[2]) else {
            throw ObjectStoreError.failed("the index holds an unknown layout; it was written by a newer version")
        }
        return Entry(
            record: ObjectRecord(
                key: String(decoding: key, as: UTF8.self), size: row[3], etag: row[5], sha256: row[6],
                modified: row[4], attributes: try decode(row[7])),
            content: row[1], layout: layout)
    }

    static func entry(bucket: Int64, key: String, _ database: Database) throws -> Entry? {
        let statement = try database.cachedStatement(
            sql: "SELECT \(columns) FROM object WHERE bucket = ? AND key = ?")
        return try Row.fetchOne(statement, arguments: [bucket, Data(key.utf8)]).map(entry)
    }

    /// What a content leaves behind when the index lets go of it.
    struct Released: Sendable {
        var content: Int64
        var files: [Int64]
    }

    /// Takes a content's own rows out and says which files are now free.
    static func release(_ content: Int64, _ layout: Layout, _ database: Database) throws -> Released {
        switch layout {
        case .inline:
            try database.cachedStatement(sql: "DELETE FROM inline WHERE content = ?").execute(arguments: [content])
            return Released(content: content, files: [])
        case .file:
            return Released(content: content, files: [content])
        case .pieces:
            let files = try Int64.fetchAll(
                database, sql: "SELECT file FROM piece WHERE content = ?", arguments: [content])
            try database.execute(sql: "DELETE FROM piece WHERE content = ?", arguments: [content])
            return Released(content: content, files: files)
        }
    }

    /// Puts an entry in place of the present one, if the condition holds.
    ///
    /// - Returns: what the former one leaves behind.
    static func replace(
        bucket: Int64, _ entry: Entry, condition: PutCondition, _ database: Database
    ) throws -> Released? {
        let statement = try database.cachedStatement(
            sql: "SELECT content, layout, etag FROM object WHERE bucket = ? AND key = ?")
        let key = Data(entry.record.key.utf8)
        let former = try Row.fetchOne(statement, arguments: [bucket, key])
        switch condition {
        case .none: break
        case .absent: guard former == nil else { throw ObjectStoreError.preconditionFailed }
        case .present:
            guard former != nil else { throw ObjectStoreError.noSuchKey(entry.record.key) }
        case .notEtag(let etag):
            if let former, former[2] as String == etag { throw ObjectStoreError.preconditionFailed }
        case .etag(let etag):
            guard let former else { throw ObjectStoreError.noSuchKey(entry.record.key) }
            guard former[2] as String == etag else { throw ObjectStoreError.preconditionFailed }
        }
        var released: Released?
        if let former, let layout = Layout(rawValue: former[1]) {
            released = try release(former[0], layout, database)
        }
        let record = entry.record
        try database.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO object (bucket, key, content, layout, size, modified, etag, sha256, attributes)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(
            arguments: [
                bucket, key, entry.content, entry.layout.rawValue, record.size, record.modified, record.etag,
                record.sha256, try encode(record.attributes),
            ])
        return released
    }
}
