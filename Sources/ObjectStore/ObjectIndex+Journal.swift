// What the index keeps for the journal and of the usage of buckets.

internal import Foundation
internal import GRDB

extension ObjectIndex {
    /// The last group of the journal that the index holds.
    static func sequence(_ database: Database) throws -> UInt64 {
        let statement = try database.cachedStatement(sql: "SELECT sequence FROM journal WHERE id = 1")
        return UInt64(bitPattern: try Int64.fetchOne(statement) ?? 0)
    }

    static func setSequence(_ sequence: UInt64, _ database: Database) throws {
        try database.cachedStatement(sql: "INSERT OR REPLACE INTO journal (id, sequence) VALUES (1, ?)")
            .execute(arguments: [Int64(bitPattern: sequence)])
    }

    /// Adds to the usage of buckets.
    static func count(_ usage: [Int64: StorageUsage], _ database: Database) throws {
        for (bucket, added) in usage where added != StorageUsage() {
            try database.cachedStatement(
                sql: """
                    INSERT INTO usage (bucket, objects, bytes, partBytes) VALUES (?, ?, ?, ?)
                    ON CONFLICT (bucket) DO UPDATE SET objects = objects + excluded.objects,
                        bytes = bytes + excluded.bytes, partBytes = partBytes + excluded.partBytes
                    """
            ).execute(arguments: [bucket, added.objects, added.bytes, added.partBytes])
        }
    }

    /// The usage of all buckets, by their ids.
    static func usage(_ database: Database) throws -> [Int64: StorageUsage] {
        var found: [Int64: StorageUsage] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT bucket, objects, bytes, partBytes FROM usage") {
            var usage = StorageUsage()
            (usage.objects, usage.bytes, usage.partBytes) = (row[1], row[2], row[3])
            found[row[0]] = usage
        }
        return found
    }

    /// All buckets with their usage.
    static func cached(_ database: Database) throws -> [BucketCache.Entry] {
        let usage = try usage(database)
        return try buckets(database).map { id, record in
            BucketCache.Entry(id: id, record: record, usage: usage[id] ?? StorageUsage())
        }
    }

    /// Counts everything anew.
    static func recount(_ database: Database) throws {
        try database.execute(
            sql: """
                DELETE FROM usage;
                INSERT INTO usage (bucket, objects, bytes, partBytes)
                    SELECT bucket, SUM(objects), SUM(bytes), SUM(partBytes) FROM (
                        SELECT bucket, COUNT(*) AS objects, SUM(size) AS bytes, 0 AS partBytes FROM object
                            GROUP BY bucket UNION ALL
                        SELECT bucket, COUNT(*), SUM(size), 0 FROM version WHERE content IS NOT NULL
                            GROUP BY bucket UNION ALL
                        SELECT upload.bucket, 0, 0, SUM(part.size) FROM part JOIN upload ON upload.id = part.upload
                            GROUP BY upload.bucket)
                    GROUP BY bucket;
                """)
    }

    /// Empties the index.
    static func clear(_ database: Database) throws {
        for table in ["bucket", "setting", "object", "version", "inline", "piece", "upload", "part"] {
            try database.execute(sql: "DELETE FROM \(table)")
        }
    }

    /// Objects, versions, uploads and parts.
    static func countRows(_ database: Database) throws -> Int64 {
        var sum: Int64 = 0
        for table in ["bucket", "object", "version", "upload", "part"] {
            sum += try Int64.fetchOne(database, sql: "SELECT COUNT(*) FROM \(table)") ?? 0
        }
        return sum
    }

    /// The id that the next bucket gets.
    static func nextBucketID(_ database: Database) throws -> Int64 {
        let used = try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'bucket'") ?? 0
        let largest = try Int64.fetchOne(database, sql: "SELECT MAX(id) FROM bucket") ?? 0
        return max(used, largest) + 1
    }

    /// SQLite's words for a full disk and for damage, in the store's.
    static func explained(_ error: any Error) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        switch error.resultCode {
        case .SQLITE_FULL: return ObjectStoreError.insufficientStorage(needed: 0, free: 0)
        case .SQLITE_READONLY:
            return ObjectStoreError.failed("the index cannot be written: is its file system mounted read-only?")
        default: return error
        }
    }
}
