// What changes rows of the index. Everything here runs inside a transaction of the one writer.

internal import Foundation
internal import GRDB
internal import Signatures

extension ObjectIndex {
    /// What a content leaves behind when the index lets go of it.
    struct Released: Sendable {
        var content: Int64
        var files: [Int64]
    }

    /// Takes a content's own rows out and says which files are now free.
    static func release(_ entry: Entry, in bucket: Int64, _ writer: IndexWriter) throws -> Released {
        let content = entry.content
        if entry.layout != .marker { writer.count(bucket, objects: -1, bytes: -entry.record.size) }
        switch entry.layout {
        case .inline:
            try writer.run(.deleteInline, [content])
            return Released(content: content, files: [])
        case .file:
            return Released(content: content, files: [content])
        case .pieces:
            let files = try Int64.fetchAll(
                writer.database, sql: "SELECT file FROM piece WHERE content = ?", arguments: [content])
            try writer.run(.deletePieces, [content])
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
        bucket: (id: Int64, versioning: VersioningState), _ entry: Entry, condition: PutCondition, _ writer: IndexWriter
    ) throws -> (version: String, released: [Released]) {
        let key = Data(entry.record.key.utf8)
        writer.touch(bucket.id, entry.record.key)
        let former = try current(bucket: bucket.id, key: key, writer.database)
        try check(condition, former, key: entry.record.key)
        var entry = entry
        let released = try makeWay(
            bucket, key, former, version: &entry.record.version, sequence: &entry.sequence, writer)
        try insertObject(bucket.id, key, entry, writer)
        writer.count(bucket.id, objects: 1, bytes: entry.record.size)
        return (entry.record.version, released)
    }

    /// Takes the former object out of the way of a new version, by the rules of the bucket's versioning.
    private static func makeWay(
        _ bucket: (id: Int64, versioning: VersioningState), _ key: Data, _ former: Entry?, version: inout String,
        sequence: inout Int64, _ writer: IndexWriter
    ) throws -> [Released] {
        var released: [Released] = []
        version = bucket.versioning == .enabled ? newVersionID() : ""
        if bucket.versioning == .never {
            if let former { released.append(try release(former, in: bucket.id, writer)) }
            return released
        }
        let newest = try former ?? newest(bucket: bucket.id, key: key, writer.database)
        sequence = (newest?.sequence ?? 0) + 1
        if bucket.versioning == .suspended {
            // The new one is the null version, of which there is one.
            if let null = try stored(bucket: bucket.id, key: key, version: "", writer.database) {
                released.append(try release(null, in: bucket.id, writer))
                try removeRow(bucket.id, key, null, isCurrent: null.sequence == former?.sequence, writer)
                if null.sequence == former?.sequence { return released }
            }
        }
        if let former { try retire(bucket.id, key, former, writer) }
        return released
    }

    private static func removeRow(
        _ bucket: Int64, _ key: Data, _ entry: Entry, isCurrent: Bool, _ writer: IndexWriter
    ) throws {
        if isCurrent {
            try writer.run(.deleteObject, [bucket, key])
        } else {
            try writer.run(.deleteVersion, [bucket, key, entry.sequence])
        }
    }

    /// The object becomes an older version.
    private static func retire(_ bucket: Int64, _ key: Data, _ former: Entry, _ writer: IndexWriter) throws {
        try insertVersion(bucket, key, former, writer)
        try removeRow(bucket, key, former, isCurrent: true, writer)
    }

    static func insertObject(_ bucket: Int64, _ key: Data, _ entry: Entry, _ writer: IndexWriter) throws {
        let record = entry.record
        try writer.run(
            .putObject,
            [
                bucket, key, entry.content, entry.layout.rawValue, record.size, record.modified, record.etag,
                record.sha256, try entry.attributes ?? encode(record.attributes), record.version, entry.sequence,
            ])
    }

    static func insertVersion(_ bucket: Int64, _ key: Data, _ entry: Entry, _ writer: IndexWriter) throws {
        let record = entry.record
        try writer.run(
            .putVersion,
            [
                bucket, key, entry.layout == .marker ? nil : entry.content, entry.layout.rawValue, record.size,
                record.modified, record.etag, record.sha256, try entry.attributes ?? encode(record.attributes),
                record.version,
                entry.sequence,
            ])
    }

    /// Writes changed attributes of an entry.
    static func update(bucket: Int64, _ entry: Entry, _ writer: IndexWriter) throws {
        let key = Data(entry.record.key.utf8)
        let attributes = try encode(entry.record.attributes)
        writer.touch(bucket, entry.record.key)
        // One of the two holds it: a content, a version and a sequence name the same row.
        for statement in [IndexStatement.setObjectAttributes, .setVersionAttributes] {
            try writer.run(statement, [attributes, bucket, key, entry.sequence, entry.record.version])
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
        permit: (ObjectRecord) throws -> Void, _ writer: IndexWriter
    ) throws -> (deleted: Deleted, released: [Released]) {
        let key = Data(deletion.key.utf8)
        writer.touch(bucket.id, deletion.key)
        if let version = deletion.version {
            return try deleteVersion(
                bucket.id, key, deletion, version: version == "null" ? "" : version, permit, writer)
        }
        let former = try current(bucket: bucket.id, key: key, writer.database)
        let newest = try former ?? newest(bucket: bucket.id, key: key, writer.database)
        try check(deletion, newest)
        if newest == nil, deletion.isConditional { return (Deleted(key: deletion.key, isMarker: false), []) }
        switch bucket.versioning {
        case .never:
            guard let former else { return (Deleted(key: deletion.key, isMarker: false), []) }
            try permit(former.record)
            try removeRow(bucket.id, key, former, isCurrent: true, writer)
            return (
                Deleted(key: deletion.key, isMarker: false, removed: former.record),
                [try release(former, in: bucket.id, writer)]
            )
        case .enabled, .suspended:
            if bucket.versioning == .suspended, let former, former.record.version.isEmpty {
                try permit(former.record)
            }
            let record = ObjectRecord(
                key: deletion.key, size: 0, etag: "", sha256: nil, modified: now, attributes: ObjectAttributes())
            var marker = Entry(record: record, content: 0, layout: .marker)
            let released = try makeWay(
                bucket, key, former, version: &marker.record.version, sequence: &marker.sequence, writer)
            try insertVersion(bucket.id, key, marker, writer)
            return (
                Deleted(key: deletion.key, version: marker.record.versionID, isMarker: true), released
            )
        }
    }

    private static func deleteVersion(
        _ bucket: Int64, _ key: Data, _ deletion: Deletion, version: String, _ permit: (ObjectRecord) throws -> Void,
        _ writer: IndexWriter
    ) throws -> (deleted: Deleted, released: [Released]) {
        let shown = version.isEmpty ? "null" : version
        let entry = try stored(bucket: bucket, key: key, version: version, writer.database)
        try check(deletion, entry)
        guard let entry else { return (Deleted(key: deletion.key, version: shown, isMarker: false), []) }
        try permit(entry.record)
        let isCurrent = entry.layout != .marker && entry.record.isLatest
        try removeRow(bucket, key, entry, isCurrent: isCurrent, writer)
        if entry.record.isLatest { try promote(bucket, key, writer) }
        return (
            Deleted(key: deletion.key, version: shown, isMarker: entry.layout == .marker, removed: entry.record),
            [try release(entry, in: bucket, writer)]
        )
    }

    /// The newest version that is left becomes the object, unless it is a delete marker.
    private static func promote(_ bucket: Int64, _ key: Data, _ writer: IndexWriter) throws {
        guard let newest = try newest(bucket: bucket, key: key, writer.database), newest.layout != .marker else {
            return
        }
        try removeRow(bucket, key, newest, isCurrent: false, writer)
        try insertObject(bucket, key, newest, writer)
    }
}
