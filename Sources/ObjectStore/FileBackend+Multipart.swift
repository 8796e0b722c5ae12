internal import Foundation
internal import GRDB
public import NIOCore
internal import Signatures

extension FileBackend {
    /// See `ObjectBackend`.
    public func createUpload(
        bucket: String, key: String, owner: String, attributes: ObjectAttributes
    ) async throws -> UploadRecord {
        let random = (0..<16).map { _ in UInt8.random(in: 0...255) }
        let upload = UploadRecord(
            id: hexadecimal(random), key: key, owner: owner, initiated: configuration.clock(), attributes: attributes)
        try await commits.write { writer in
            try writer.run(
                .putUpload,
                [
                    upload.id, try ObjectIndex.bucketID(bucket, writer.database), Self.data(key), owner,
                    upload.initiated, try ObjectIndex.encode(attributes),
                ])
        }
        return upload
    }

    private static func upload(_ row: Row) throws -> UploadRecord {
        let key: Data = row[1]
        return UploadRecord(
            id: row[0], key: String(decoding: key, as: UTF8.self), owner: row[2], initiated: row[3],
            attributes: try ObjectIndex.decode(row[4]))
    }

    /// Throws unless the upload is under way for just this bucket and key.
    static func upload(
        bucket: String, key: String, id: String, _ database: Database
    ) throws -> (bucket: Int64, upload: UploadRecord) {
        let bucketID = try ObjectIndex.bucketID(bucket, database)
        let row = try Row.fetchOne(
            database,
            sql: "SELECT id, key, owner, initiated, attributes FROM upload WHERE id = ? AND bucket = ? AND key = ?",
            arguments: [id, bucketID, data(key)])
        guard let row else { throw ObjectStoreError.noSuchUpload(id) }
        return (bucketID, try upload(row))
    }

    /// See `ObjectBackend`.
    public func upload(bucket: String, key: String, id: String) async throws -> UploadRecord {
        try await index.read { try Self.upload(bucket: bucket, key: key, id: id, $0).upload }
    }

    /// See `ObjectBackend`.
    public func putPart<Body: AsyncSequence & Sendable>(
        bucket: String, key: String, upload: String, number: Int, options: PutOptions, body: Body
    ) async throws -> PartRecord where Body.Element == ByteBuffer {
        _ = try await self.upload(bucket: bucket, key: key, id: upload)
        // Parts are always files: their bytes are what the object will be made of.
        let received = try await receive(
            body, options: options, inlineLimit: -1, place: try await self.bucket(bucket).place)
        let part = PartRecord(
            number: number, size: received.digests.size, etag: hexadecimal(received.digests.md5),
            modified: configuration.clock(), checksum: received.checksum)
        let file: Int64
        switch received.stored {
        case .file(let id): file = id
        case .inline(_, _): file = try await emptyFile()
        }
        do {
            let former = try await commits.write { writer -> Int64? in
                let target = try Self.upload(bucket: bucket, key: key, id: upload, writer.database).bucket
                let former = try Row.fetchOne(
                    writer.database, sql: "SELECT file, size FROM part WHERE upload = ? AND number = ?",
                    arguments: [upload, number])
                try writer.run(
                    .putPart,
                    [
                        upload, number, file, part.size, part.etag, part.modified, ObjectIndex.encode(part.checksum),
                    ])
                writer.count(target, partBytes: part.size - (former?[1] ?? 0))
                return former?[0]
            }
            if let former { try await dispose([.init(content: former, files: [former])]) }
        } catch {
            if error is ObjectStoreError { try await dispose([.init(content: file, files: [file])]) }
            throw error
        }
        return part
    }

    /// A body without a byte never reaches the disk; a part of none needs a file all the same.
    private func emptyFile() async throws -> Int64 {
        try await threads.blocking { [directory] in
            let writer = ContentWriter(directory: directory, inlineLimit: -1, checksum: nil)
            try writer.append(ByteBuffer())
            guard case .file(let id) = try writer.finish() else {
                throw ObjectStoreError.failed("an empty part has no file")
            }
            return id
        }
    }

    /// See `ObjectBackend`.
    public func parts(
        bucket: String, key: String, upload: String, after: Int, limit: Int
    ) async throws -> [PartRecord] {
        try await index.read { database in
            _ = try Self.upload(bucket: bucket, key: key, id: upload, database)
            return try Row.fetchAll(
                database,
                sql: """
                    SELECT number, size, etag, modified, checksum FROM part WHERE upload = ? AND number > ?
                    ORDER BY number LIMIT ?
                    """, arguments: [upload, after, limit]
            ).map {
                PartRecord(
                    number: $0[0], size: $0[1], etag: $0[2], modified: $0[3],
                    checksum: ObjectIndex.decodeChecksum($0[4]))
            }
        }
    }

    /// See `ObjectBackend`.
    public func abortUpload(bucket: String, key: String, upload: String) async throws {
        let files = try await commits.write { writer -> [Int64] in
            let target = try Self.upload(bucket: bucket, key: key, id: upload, writer.database).bucket
            let parts = try Row.fetchAll(
                writer.database, sql: "SELECT file, size FROM part WHERE upload = ?", arguments: [upload]
            ).map { (file: $0[0] as Int64, size: $0[1] as Int64) }
            writer.count(target, partBytes: -parts.reduce(0) { $0 + $1.size })
            try writer.run(.deleteParts, [upload])
            try writer.run(.deleteUpload, [upload])
            return parts.map(\.file)
        }
        try await dispose(files.map { .init(content: $0, files: [$0]) })
    }

    /// See `ObjectBackend`.
    public func uploads(
        bucket: String, _ query: ListQuery, afterUpload: String
    ) async throws -> ListPage<UploadRecord> {
        try await index.read { database in
            let id = try ObjectIndex.bucketID(bucket, database)
            // Several uploads may share a key: the walk is over key, NUL, id. (No key holds a NUL.)
            let key = Self.data(query.after)
            let behind = afterUpload.isEmpty ? key + [1] : key + [0] + Self.data(afterUpload) + [0]
            return try Self.page(query, behind: behind) { start, end, limit in
                let place = "CAST(key || x'00' || id AS BLOB)"
                let bound = end == nil ? "" : "AND \(place) < :end"
                var arguments: StatementArguments = ["bucket": id, "start": start, "limit": limit]
                if let end { arguments += ["end": end] }
                return try Row.fetchAll(
                    database,
                    sql: """
                        SELECT id, key, owner, initiated, attributes FROM upload
                        WHERE bucket = :bucket AND \(place) >= :start \(bound) ORDER BY key, id LIMIT :limit
                        """, arguments: arguments
                ).map {
                    let upload = try Self.upload($0)
                    return (upload.key, Self.data(upload.key) + [0] + Self.data(upload.id), upload)
                }
            }
        }
    }
}
