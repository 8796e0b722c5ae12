// Moves the contents of a bucket to where its setting says they belong, while it is read and written:
//
//   in the wrong place ──copy──> in both ──compare──> row changed (one commit) ──> the former copy is removed
//
// The row names one whole copy at every moment. A crash leaves at most a copy that no row names, which is replaced by
// the next attempt or collected; what is left to do is what the index says lies in the wrong place.

internal import Crypto
internal import Foundation
internal import GRDB
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Signatures

/// How far the move of a bucket's contents is.
public struct MoveState: Sendable, Equatable {
    /// Where new contents go, and where the others are moved to.
    public var place: ContentPlace
    /// Contents in the wrong place.
    public var contents: Int64
    /// Their bytes.
    public var bytes: Int64
}

/// What a pass of the mover did.
public struct MoveOutcome: Sendable, Equatable {
    /// Contents that were moved and compared.
    public var moved: Int64 = 0
    /// Their bytes as stored.
    public var bytes: Int64 = 0
    /// What could not be moved since it is damaged; it stays where it is.
    public var damaged: [String] = []
}

extension FileBackend {
    /// A content in the wrong place.
    private struct Misplaced: Sendable {
        enum Row: Sendable {
            case entry(key: Data, version: String)
            case piece(content: Int64, number: Int)
            case part(upload: String, number: Int)
        }

        var row: Row
        /// The id by which the row names it.
        var file: Int64
        var isInline = false
        /// Bytes as stored.
        var size: Int64
        /// Of the bytes as stored, where it is known.
        var sha256: String?
    }

    /// What of a bucket lies in the wrong place.
    public func moveState(bucket: String) async throws -> MoveState {
        let place = try await self.bucket(bucket).place
        return try await index.read { database in
            let id = try ObjectIndex.bucketID(bucket, database)
            var state = MoveState(place: place, contents: 0, bytes: 0)
            for query in Self.queries(place) {
                let row = try Row.fetchOne(
                    database, sql: "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM (\(query.sql))",
                    arguments: ["bucket": id])
                state.contents += row?[0] ?? 0
                state.bytes += row?[1] ?? 0
            }
            return state
        }
    }

    /// Moves everything of a bucket that lies in the wrong place, one content after the other.
    ///
    /// - Parameter progress: called after each content.
    /// - Throws: `unavailable` if the remote store does not answer; what was moved stays moved.
    public func moveContents(
        bucket: String, progress: @Sendable (MoveOutcome) -> Void = { _ in }
    ) async throws -> MoveOutcome {
        var outcome = MoveOutcome()
        var left: Set<Int64> = []
        while true {
            // The setting may change meanwhile.
            let place = try await self.bucket(bucket).place
            let skipped = left.count
            let batch = try await index.read { database in
                let id = try ObjectIndex.bucketID(bucket, database)
                return try Self.queries(place).flatMap { query in
                    try Row.fetchAll(
                        database, sql: query.sql + " LIMIT \(50 + skipped)", arguments: ["bucket": id]
                    ).map(query.read)
                }
            }.filter { !left.contains($0.file) }
            if batch.isEmpty { return outcome }
            for item in batch {
                try Task.checkCancellation()
                await collector.moves.hold(Int64(item.file.magnitude))
                let result: Result<Bool, any Error>
                do {
                    result = .success(try await move(item, bucket: bucket, to: place))
                } catch {
                    result = .failure(error)
                }
                await collector.moves.release(Int64(item.file.magnitude))
                do {
                    if try result.get() {
                        outcome.moved += 1
                        outcome.bytes += item.size
                    }
                } catch ObjectStoreError.failed(let reason) {
                    // What was deleted or overwritten while it was copied is no damage.
                    if try await isNamed(item) {
                        left.insert(item.file)
                        outcome.damaged.append(reason)
                    }
                }
                progress(outcome)
            }
        }
    }

    // MARK: What lies in the wrong place

    private struct Query: Sendable {
        var sql: String
        var read: @Sendable (Row) -> Misplaced
    }

    private static func queries(_ place: ContentPlace) -> [Query] {
        let isEncrypted = { (attributes: String) in "json_extract(\(attributes), '$.encryption.kind') IS NOT NULL" }
        let stored: @Sendable (Row, Bool) -> Int64 = { row, isEncrypted in
            isEncrypted ? ContentKey.sealedSize(row["size"]) : row["size"]
        }
        // Small objects go along; an object without bytes has nothing to move.
        let entries =
            place == .s3 ? "(layout = 1 AND content > 0 OR layout = 0 AND size > 0)" : "layout = 1 AND content < 0"
        let files = place == .s3 ? "> 0" : "< 0"
        let tables = ["object", "version"].map { table in
            Query(
                sql: """
                    SELECT key, version, content, layout, size, sha256, \(isEncrypted("attributes")) AS sealed
                    FROM \(table) WHERE bucket = :bucket AND \(entries)
                    """
            ) { row in
                let isSealed: Bool = row["sealed"]
                return Misplaced(
                    row: .entry(key: row["key"], version: row["version"]), file: row["content"],
                    isInline: row["layout"] == 0, size: stored(row, isSealed), sha256: isSealed ? nil : row["sha256"])
            }
        }
        let pieces = ["object", "version"].map { table in
            Query(
                sql: """
                    SELECT piece.content AS content, number, file, piece.size AS size,
                        \(isEncrypted("owner.attributes")) AS sealed
                    FROM \(table) AS owner JOIN piece ON piece.content = owner.content
                    WHERE owner.bucket = :bucket AND owner.layout = 2 AND file \(files)
                    """
            ) { row in
                Misplaced(
                    row: .piece(content: row["content"], number: row["number"]), file: row["file"],
                    size: stored(row, row["sealed"]))
            }
        }
        let parts = Query(
            sql: """
                SELECT upload, number, file, size, \(isEncrypted("upload.attributes")) AS sealed
                FROM upload JOIN part ON part.upload = upload.id WHERE bucket = :bucket AND file \(files)
                """
        ) { row in
            Misplaced(
                row: .part(upload: row["upload"], number: row["number"]), file: row["file"],
                size: stored(row, row["sealed"]))
        }
        return tables + pieces + [parts]
    }

    // MARK: Moving one

    /// - Returns: whether it was moved; it may be gone by now.
    private func move(_ item: Misplaced, bucket: String, to place: ContentPlace) async throws -> Bool {
        switch place {
        case .s3: try await copyOut(item)
        case .files: try await copyIn(item)
        }
        // An inline content has no file of its own, and its id gets one with the sign of its place.
        let moved = item.file.elsewhere
        let pinned: Int64?
        do {
            pinned = try await commits.write { writer in
                try Self.rename(item, to: moved, bucket: bucket, writer)
            }
        } catch {
            // In doubt the copy stays for the next attempt or start to judge.
            if error is ObjectStoreError { drop(moved) }
            throw error
        }
        guard let pinned else {
            drop(moved)
            return false
        }
        if !item.isInline { try await dispose([.init(content: pinned, files: [item.file])]) }
        return true
    }

    /// Lets the row name the content in its new place.
    ///
    /// - Returns: the content by which readers hold the former place; nil if the row is gone.
    private static func rename(
        _ item: Misplaced, to moved: Int64, bucket: String, _ writer: IndexWriter
    ) throws -> Int64? {
        switch item.row {
        case .entry(let key, let version):
            let id: Int64
            do {
                id = try ObjectIndex.bucketID(bucket, writer.database)
            } catch ObjectStoreError.noSuchBucket {
                return nil
            }
            guard
                var entry = try ObjectIndex.stored(bucket: id, key: key, version: version, writer.database),
                entry.content == item.file, entry.layout == (item.isInline ? .inline : .file)
            else { return nil }
            if item.isInline { try writer.run(.deleteInline, [item.file]) }
            entry.content = moved
            entry.layout = .file
            if entry.record.isLatest {
                try ObjectIndex.insertObject(id, key, entry, writer)
            } else {
                try ObjectIndex.insertVersion(id, key, entry, writer)
            }
            return item.file
        case .piece(let content, let number):
            let row = try Row.fetchOne(
                writer.database,
                sql: "SELECT size, checksum, md5 FROM piece WHERE content = ? AND number = ? AND file = ?",
                arguments: [content, number, item.file])
            guard let row else { return nil }
            try writer.run(
                .putHashedPiece,
                [content, number, moved, row[0] as Int64, row[1] as String?, row[2] as String?])
            return content
        case .part(let upload, let number):
            let row = try Row.fetchOne(
                writer.database,
                sql: "SELECT size, etag, modified, checksum FROM part WHERE upload = ? AND number = ? AND file = ?",
                arguments: [upload, number, item.file])
            guard let row else { return nil }
            try writer.run(
                .putPart,
                [
                    upload, number, moved, row[0] as Int64, row[1] as String, row[2] as Int64, row[3] as String?,
                ])
            return item.file
        }
    }

    private func isNamed(_ item: Misplaced) async throws -> Bool {
        try await index.read { database in
            guard item.isInline else { return try ObjectIndex.isNamed(item.file, database) }
            return try Bool.fetchOne(
                database, sql: "SELECT EXISTS (SELECT 1 FROM inline WHERE content = ?)", arguments: [item.file])
                ?? false
        }
    }

    private func copyOut(_ item: Misplaced) async throws {
        let contents = try requireRemote()
        let source: RemoteSource
        if item.isInline {
            guard
                let data = try await index.read({ database in
                    try Data.fetchOne(
                        database, sql: "SELECT data FROM inline WHERE content = ?", arguments: [item.file])
                })
            else { return }  // gone: the row will not be there either
            let bytes = ByteBuffer(bytes: data)
            source = { offset, count in
                bytes.getSlice(at: Int(offset), length: min(count, data.count - Int(offset))) ?? ByteBuffer()
            }
            guard data.count == Int(item.size) else {
                throw ObjectStoreError.failed(
                    "the index holds \(data.count) bytes of content \(item.file), not \(item.size)")
            }
        } else {
            guard let size = try await threads.blocking({ [directory] in try directory.size(item.file) }) else {
                if try await index.read({ try ObjectIndex.isNamed(item.file, $0) }) {
                    throw ObjectStoreError.failed("\(directory.path(item.file)) is missing; restore it from a backup")
                }
                return
            }
            guard size == item.size else {
                throw ObjectStoreError.failed(
                    "\(directory.path(item.file)) has \(size) bytes; its record says \(item.size)")
            }
            source = localSource(item.file)
        }
        let digests = try await Self.digests(of: source, size: item.size)
        if let known = item.sha256, known != hexadecimal(digests.sha256) {
            throw ObjectStoreError.failed(
                "content \(RemoteName.name(item.file)) does not have the SHA-256 of its record")
        }
        let name = RemoteName.name(item.file)
        try await contents.put(name, size: item.size, digests: digests, source: source)
        // What arrived is read again before the only other copy goes.
        guard try await hexadecimal(sha256(name, size: item.size)) == hexadecimal(digests.sha256) else {
            throw ObjectStoreError.unavailable("the remote store gives other bytes of \(name) than it was sent")
        }
    }

    private static func digests(of source: RemoteSource, size: Int64) async throws -> RemoteDigests {
        var md5 = Insecure.MD5()
        var sha256 = SHA256()
        var offset: Int64 = 0
        while offset < size {
            let buffer = try await source(offset, Int(min(size - offset, 256 << 10)))
            guard buffer.readableBytes > 0 else { throw ObjectStoreError.failed("a content is shorter than its size") }
            buffer.withUnsafeReadableBytes {
                md5.update(bufferPointer: $0)
                sha256.update(bufferPointer: $0)
            }
            offset += Int64(buffer.readableBytes)
        }
        return RemoteDigests(md5: Array(md5.finalize()), sha256: Array(sha256.finalize()))
    }

    private func sha256(_ name: String, size: Int64) async throws -> [UInt8] {
        guard let body = try await requireRemote().open(name, range: 0..<size) else {
            throw ObjectStoreError.unavailable("the remote store does not have \(name), which it has just stored")
        }
        var hash = SHA256()
        while let buffer = try await body.next() { buffer.withUnsafeReadableBytes { hash.update(bufferPointer: $0) } }
        return Array(hash.finalize())
    }

    private func copyIn(_ item: Misplaced) async throws {
        try checkSpace(for: item.size)
        let name = RemoteName.name(item.file)
        guard let body = try await requireRemote().open(name, range: 0..<item.size) else {
            if try await index.read({ try ObjectIndex.isNamed(item.file, $0) }) {
                throw ObjectStoreError.failed("the remote content \(name) is missing; restore it")
            }
            return
        }
        let id = item.file.elsewhere
        let directory = directory
        let descriptor = try await threads.blocking { try directory.replace(id) }
        defer { Glibc.close(descriptor) }
        do {
            var hash = SHA256()
            var size: Int64 = 0
            while let buffer = try await body.next() {
                buffer.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
                size += Int64(buffer.readableBytes)
                try await threads.blocking {
                    try buffer.withUnsafeReadableBytes { try directory.append($0, to: descriptor, id: id) }
                }
            }
            guard size == item.size else {
                throw ObjectStoreError.failed(
                    "the remote content \(name) has \(size) bytes; its record says \(item.size)")
            }
            if let known = item.sha256, known != hexadecimal(hash.finalize()) {
                throw ObjectStoreError.failed("the remote content \(name) does not have the SHA-256 of its record")
            }
            try await threads.blocking {
                try directory.sync(id, descriptor: descriptor)
                try directory.syncName(id)
            }
        } catch {
            try await threads.blocking { directory.remove(id) }
            throw error
        }
    }
}
