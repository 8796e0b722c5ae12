// The index of the file back end in SQLite. Keys are stored as blobs, so that they sort by their bytes as S3 wants and
// so that Unicode equivalence plays no part.
//
//   object    the newest version of each key, unless that is a delete marker: what a listing reads
//   version   everything older, and all delete markers
//   inline, piece   where the bytes of a content are, if not in one file
//
// Within a key `sequence` grows with each version.

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
    /// Nowhere: a delete marker.
    case marker = 3
}

enum ObjectIndex {
    static func open(path: String) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.label = "objects"
        configuration.maximumReaderCount = 8
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { database in
            // The journal is what makes a commit durable; the index only has to be consistent, which NORMAL grants.
            try database.execute(sql: "PRAGMA synchronous = NORMAL")
            try database.execute(sql: "PRAGMA cache_size = -8192")
            // `Upkeep` folds the log into the file long before, where no commit waits for it.
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 16384")
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
        migrator.registerMigration("versions") { database in
            try database.execute(
                sql: """
                    ALTER TABLE bucket ADD COLUMN versioning TEXT NOT NULL DEFAULT '';
                    ALTER TABLE object ADD COLUMN version TEXT NOT NULL DEFAULT '';
                    ALTER TABLE object ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE piece ADD COLUMN checksum TEXT;
                    CREATE TABLE version (
                        bucket INTEGER NOT NULL, key BLOB NOT NULL, sequence INTEGER NOT NULL, version TEXT NOT NULL,
                        content INTEGER, layout INTEGER NOT NULL, size INTEGER NOT NULL,
                        modified INTEGER NOT NULL, etag TEXT NOT NULL, sha256 TEXT, attributes TEXT NOT NULL,
                        PRIMARY KEY (bucket, key, sequence DESC)) WITHOUT ROWID;
                    CREATE INDEX versionByContent ON version (content) WHERE content IS NOT NULL;
                    CREATE TABLE setting (
                        bucket INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
                        PRIMARY KEY (bucket, name)) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("journal") { database in
            try database.execute(
                sql: """
                    CREATE TABLE journal (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL);
                    INSERT INTO journal (id, sequence) VALUES (1, 0);
                    CREATE TABLE usage (
                        bucket INTEGER PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL,
                        partBytes INTEGER NOT NULL);
                    """)
            try recount(database)
        }
        migrator.registerMigration("piece digests") { database in
            // As hexadecimal digits; null of what was put together before.
            try database.execute(sql: "ALTER TABLE piece ADD COLUMN md5 TEXT")
        }
        return migrator
    }

    /// Whether anything names this file.
    static func isNamed(_ file: Int64, _ database: Database) throws -> Bool {
        let statement = try database.cachedStatement(
            sql: """
                SELECT EXISTS (SELECT 1 FROM object WHERE content = :f AND layout = 1)
                    OR EXISTS (SELECT 1 FROM piece WHERE file = :f) OR EXISTS (SELECT 1 FROM part WHERE file = :f)
                    OR EXISTS (SELECT 1 FROM version WHERE content = :f AND layout = 1)
                """)
        return try Bool.fetchOne(statement, arguments: ["f": file]) ?? false
    }

    static func bucketID(_ name: String, _ database: Database) throws -> Int64 { try bucket(name, database).id }

    static func bucket(_ name: String, _ database: Database) throws -> (id: Int64, versioning: VersioningState) {
        let statement = try database.cachedStatement(sql: "SELECT id, versioning FROM bucket WHERE name = ?")
        guard let row = try Row.fetchOne(statement, arguments: [name]) else {
            throw ObjectStoreError.noSuchBucket(name)
        }
        return (row[0], try versioning(row[1]))
    }

    static func versioning(_ text: String) throws -> VersioningState {
        guard let state = VersioningState(rawValue: text) else {
            throw ObjectStoreError.failed("the index holds an unknown versioning state; a newer version wrote it")
        }
        return state
    }

    /// All buckets with their settings, by id.
    static func buckets(_ database: Database) throws -> [(id: Int64, record: BucketRecord)] {
        var settings: [Int64: [String: String]] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT bucket, name, value FROM setting") {
            settings[row[0], default: [:]][row[1]] = row[2]
        }
        return try Row.fetchAll(database, sql: "SELECT id, name, owner, region, created, versioning FROM bucket").map {
            (
                $0[0],
                BucketRecord(
                    name: $0[1], owner: $0[2], region: $0[3], created: $0[4], versioning: try versioning($0[5]),
                    settings: settings[$0[0]] ?? [:])
            )
        }
    }

    /// How most objects' attributes are stored.
    private static let plain = "{\"headers\":{},\"metadata\":{}}"

    static func encode(_ attributes: ObjectAttributes) throws -> String {
        attributes == ObjectAttributes()
            ? plain : String(decoding: try JSONEncoder().encode(attributes), as: UTF8.self)
    }

    static func decode(_ text: String) throws -> ObjectAttributes {
        if text == plain { return ObjectAttributes() }
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

    /// A row of `object` or `version`.
    struct Entry: Sendable {
        var record: ObjectRecord
        /// 0 of a delete marker.
        var content: Int64
        var layout: Layout
        var sequence: Int64 = 0
        /// The record's attributes, where they were encoded before the one writer's turn.
        var attributes: String?
    }

    static let columns =
        "key, COALESCE(content, 0), layout, size, modified, etag, sha256, attributes, version, sequence"

    static func entry(_ row: Row) throws -> Entry {
        let key: Data = row[0]
        guard let layout = Layout(rawValue: row[2]) else {
            throw ObjectStoreError.failed("the index holds an unknown layout; it was written by a newer version")
        }
        var record = ObjectRecord(
            key: String(decoding: key, as: UTF8.self), size: row[3], etag: row[5], sha256: row[6], modified: row[4],
            attributes: try decode(row[7]))
        record.version = row[8]
        record.isDeleteMarker = layout == .marker
        return Entry(record: record, content: row[1], layout: layout, sequence: row[9])
    }

    /// The newest version of a key, which may be a delete marker.
    static func newest(bucket: Int64, key: Data, _ database: Database) throws -> Entry? {
        if let entry = try current(bucket: bucket, key: key, database) { return entry }
        let statement = try database.cachedStatement(
            sql: "SELECT \(columns) FROM version WHERE bucket = ? AND key = ? ORDER BY sequence DESC LIMIT 1")
        return try Row.fetchOne(statement, arguments: [bucket, key]).map(entry)
    }

    /// The object of a key.
    static func current(bucket: Int64, key: Data, _ database: Database) throws -> Entry? {
        let statement = try database.cachedStatement(
            sql: "SELECT \(columns) FROM object WHERE bucket = ? AND key = ?")
        return try Row.fetchOne(statement, arguments: [bucket, key]).map(entry)
    }

    /// The object, or a version (by its id as stored); throws as `ObjectBackend.head` does.
    static func entry(bucket: Int64, key: String, version: String?, _ database: Database) throws -> Entry {
        let data = Data(key.utf8)
        guard let version else {
            if let entry = try current(bucket: bucket, key: data, database) { return entry }
            if let marker = try newest(bucket: bucket, key: data, database) {
                throw ObjectStoreError.isDeleteMarker(
                    key: key, version: marker.record.versionID, isNamed: false, modified: marker.record.modified)
            }
            throw ObjectStoreError.noSuchKey(key)
        }
        guard let entry = try stored(bucket: bucket, key: data, version: version, database) else {
            throw ObjectStoreError.noSuchVersion(key: key, version: version.isEmpty ? "null" : version)
        }
        return entry
    }

    /// A version by its id as stored.
    static func stored(bucket: Int64, key: Data, version: String, _ database: Database) throws -> Entry? {
        let newest = try current(bucket: bucket, key: key, database)
        if let newest, newest.record.version == version { return newest }
        let statement = try database.cachedStatement(
            sql: "SELECT \(columns) FROM version WHERE bucket = ? AND key = ? AND version = ?")
        guard var found = try Row.fetchOne(statement, arguments: [bucket, key, version]).map(entry) else { return nil }
        found.record.isLatest =
            try newest == nil
            && Int.fetchOne(
                database.cachedStatement(
                    sql: "SELECT 1 FROM version WHERE bucket = ? AND key = ? AND sequence > ? LIMIT 1"),
                arguments: [bucket, key, found.sequence]) == nil
        return found
    }
}
