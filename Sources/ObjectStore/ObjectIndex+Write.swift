// What changes rows of the index. Everything here runs inside a transaction of the one writer.

internal import Foundation
internal import GRDB

extension ObjectIndex {
    /// What a content leaves behind when the index lets go of it.
    struct Released: Sendable {
        var content: Int64
        var files: [Int64]
    }

    /// Takes a content's own rows out and says which files are now free.
    static func release(_ entry: Entry, _ database: Database) throws -> Released {
        let content = entry.content
        switch entry.layout {
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
        case .marker:
            return Released(content: 0, files: [])
        }
    }

    private static func check(_ condition: PutCondition, _ former: Entry?, key: String) throws {
        switch condition {
        case .none: break
        case .absent: guard former == nil else { throw ObjectStoreError.preconditionFailed }
        case .present:
            guard former != nil else { throw ObjectStoreError.noSuchKey(key) }
        case .notEtag(let etag):
            if let former, former.record.etag == etag { throw ObjectStoreError.preconditionFailed }
        case .etag(let etag):
            guard let former else { throw ObjectStoreError.noSuchKey(key) }
            guard former.record.etag == etag else { throw ObjectStoreError.preconditionFailed }
        }
    }

    static func newVersionID() -> String { hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) }) }

    /// Makes an entry the newest of its key, if the condition holds.
    ///
    /// - Returns: the entry's version, and what those that it replaces leave behind.
    static func replace(
        bucket: (id: Int64, versioning: VersioningState), _ entry: Entry, condition: PutCondition, _ database: Database
    ) throws -> (version: String, released: [Released]) {
        let key = Data(entry.record.key.utf8)
        let former = try current(bucket: bucket.id, key: key, database)
        try check(condition, former, key: entry.record.key)
        var entry = entry
        let released = try makeWay(
            bucket, key, former, version: &entry.record.version, sequence: &entry.sequence, database)
        try insertObject(bucket.id, key, entry, database)
        return (entry.record.version, released)
    }

    /// Takes the former object out of the way of a new version, by the rules of the bucket's versioning.
    private static func makeWay(
        _ bucket: (id: Int64, versioning: VersioningState), _ key: Data, _ former: Entry?, version: inout String,
        sequence: inout Int64, _ database: Database
    ) throws -> [Released] {
        var released: [Released] = []
        version = bucket.versioning == .enabled ? newVersionID() : ""
        if bucket.versioning == .never {
            if let former { released.append(try release(former, database)) }
            return released
        }
        let newest = try former ?? newest(bucket: bucket.id, key: key, database)
        sequence = (newest?.sequence ?? 0) + 1
        if bucket.versioning == .suspended {
            // The new one is the null version, of which there is one.
            if let null = try stored(bucket: bucket.id, key: key, version: "", database) {
                released.append(try release(null, database))
                try removeRow(bucket.id, key, null, isCurrent: null.sequence == former?.sequence, database)
                if null.sequence == former?.sequence { return released }
            }
        }
        if let former { try retire(bucket.id, key, former, database) }
        return released
    }

    private static func removeRow(
        _ bucket: Int64, _ key: Data, _ entry: Entry, isCurrent: Bool, _ database: Database
    ) throws {
        if isCurrent {
            try database.cachedStatement(sql: "DELETE FROM object WHERE bucket = ? AND key = ?")
                .execute(arguments: [bucket, key])
        } else {
            try database.cachedStatement(sql: "DELETE FROM version WHERE bucket = ? AND key = ? AND sequence = ?")
                .execute(arguments: [bucket, key, entry.sequence])
        }
    }

    /// The object becomes an older version.
    private static func retire(_ bucket: Int64, _ key: Data, _ former: Entry, _ database: Database) throws {
        try insertVersion(bucket, key, former, database)
        try removeRow(bucket, key, former, isCurrent: true, database)
    }

    private static func insertObject(_ bucket: Int64, _ key: Data, _ entry: Entry, _ database: Database) throws {
        let record = entry.record
        try database.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO object
                    (bucket, key, content, layout, size, modified, etag, sha256, attributes, version, sequence)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(
            arguments: [
                bucket, key, entry.content, entry.layout.rawValue, record.size, record.modified, record.etag,
                record.sha256, try encode(record.attributes), record.version, entry.sequence,
            ])
    }

    private static func insertVersion(_ bucket: Int64, _ key: Data, _ entry: Entry, _ database: Database) throws {
        let record = entry.record
        try database.cachedStatement(
            sql: """
                INSERT INTO version
                    (bucket, key, content, layout, size, modified, etag, sha256, attributes, version, sequence)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(
            arguments: [
                bucket, key, entry.layout == .marker ? nil : entry.content, entry.layout.rawValue, record.size,
                record.modified, record.etag, record.sha256, try encode(record.attributes), record.version,
                entry.sequence,
            ])
    }

    /// Writes changed attributes of an entry.
    static func update(bucket: Int64, _ entry: Entry, _ database: Database) throws {
        let key = Data(entry.record.key.utf8)
        let attributes = try encode(entry.record.attributes)
        // One of the two holds it: a content, a version and a sequence name the same row.
        for table in ["object", "version"] {
            try database.cachedStatement(
                sql: "UPDATE \(table) SET attributes = ? WHERE bucket = ? AND key = ? AND sequence = ? AND version = ?"
            ).execute(arguments: [attributes, bucket, key, entry.sequence, entry.record.version])
        }
    }

    // MARK: Deletion

    private static func check(_ deletion: Deletion, _ entry: Entry?) throws {
        guard deletion.isConditional else { return }
        // What is not there needs no deletion, whatever the condition.
        guard let record = entry?.record else { return }
        if record.isDeleteMarker, deletion.version == nil {
            // There is something, of which nothing else can hold.
            guard deletion.etag == "*", deletion.modified == nil, deletion.size == nil else {
                throw ObjectStoreError.preconditionFailed
            }
            return
        }
        if let etag = deletion.etag, etag != "*", etag != record.etag { throw ObjectStoreError.preconditionFailed }
        if let modified = deletion.modified, modified != record.modified / 1000 {
            throw ObjectStoreError.preconditionFailed
        }
        if let size = deletion.size, size != record.size { throw ObjectStoreError.preconditionFailed }
    }

    /// Deletes one object or version.
    static func delete(
        bucket: (id: Int64, versioning: VersioningState), _ deletion: Deletion, now: Int64,
        permit: (ObjectRecord) throws -> Void, _ database: Database
    ) throws -> (deleted: Deleted, released: [Released]) {
        let key = Data(deletion.key.utf8)
        if let version = deletion.version {
            return try deleteVersion(
                bucket.id, key, deletion, version: version == "null" ? "" : version, permit, database)
        }
        let former = try current(bucket: bucket.id, key: key, database)
        let newest = try former ?? newest(bucket: bucket.id, key: key, database)
        try check(deletion, newest)
        if newest == nil, deletion.isConditional { return (Deleted(key: deletion.key, isMarker: false), []) }
        switch bucket.versioning {
        case .never:
            guard let former else { return (Deleted(key: deletion.key, isMarker: false), []) }
            try permit(former.record)
            try removeRow(bucket.id, key, former, isCurrent: true, database)
            return (
                Deleted(key: deletion.key, isMarker: false, removed: former.record), [try release(former, database)]
            )
        case .enabled, .suspended:
            if bucket.versioning == .suspended, let former, former.record.version.isEmpty {
                try permit(former.record)
            }
            let record = ObjectRecord(
                key: deletion.key, size: 0, etag: "", sha256: nil, modified: now, attributes: ObjectAttributes())
            var marker = Entry(record: record, content: 0, layout: .marker)
            let released = try makeWay(
                bucket, key, former, version: &marker.record.version, sequence: &marker.sequence, database)
            try insertVersion(bucket.id, key, marker, database)
            return (
                Deleted(key: deletion.key, version: marker.record.versionID, isMarker: true), released
            )
        }
    }

    private static func deleteVersion(
        _ bucket: Int64, _ key: Data, _ deletion: Deletion, version: String, _ permit: (ObjectRecord) throws -> Void,
        _ database: Database
    ) throws -> (deleted: Deleted, released: [Released]) {
        let shown = version.isEmpty ? "null" : version
        let entry = try stored(bucket: bucket, key: key, version: version, database)
        try check(deletion, entry)
        guard let entry else { return (Deleted(key: deletion.key, version: shown, isMarker: false), []) }
        try permit(entry.record)
        let isCurrent = entry.layout != .marker && entry.record.isLatest
        try removeRow(bucket, key, entry, isCurrent: isCurrent, database)
        if entry.record.isLatest { try promote(bucket, key, database) }
        return (
            Deleted(key: deletion.key, version: shown, isMarker: entry.layout == .marker, removed: entry.record),
            [try release(entry, database)]
        )
    }

    /// The newest version that is left becomes the object, unless it is a delete marker.
    private static func promote(_ bucket: Int64, _ key: Data, _ database: Database) throws {
        guard let newest = try newest(bucket: bucket, key: key, database), newest.layout != .marker else { return }
        try removeRow(bucket, key, newest, isCurrent: false, database)
        try insertObject(bucket, key, newest, database)
    }
}
