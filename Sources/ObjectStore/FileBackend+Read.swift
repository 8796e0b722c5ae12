internal import Foundation
internal import GRDB
internal import NIOCore
internal import NIOPosix

extension FileBackend {
    /// A version's id as the index has it.
    static func storedVersion(_ version: String?) -> String? { version == "null" ? "" : version }

    /// See `ObjectBackend`.
    public func head(bucket: String, key: String, version: String?) async throws -> ObjectRecord {
        try await entry(bucket: bucket, key: key, version: version).record
    }

    private func entry(bucket: String, key: String, version: String?) async throws -> ObjectIndex.Entry {
        try await index.read { database in
            let id = try ObjectIndex.bucketID(bucket, database)
            return try ObjectIndex.entry(bucket: id, key: key, version: Self.storedVersion(version), database)
        }
    }

    /// See `ObjectBackend`.
    public func open(bucket: String, key: String, version: String?) async throws -> any ObjectContent {
        var missing: Int64?
        while true {
            let (entry, source, parts) = try await index.read {
                database -> (ObjectIndex.Entry, ContentReader.Source, [ObjectPart]) in
                let id = try ObjectIndex.bucketID(bucket, database)
                let entry = try ObjectIndex.entry(
                    bucket: id, key: key, version: Self.storedVersion(version), database)
                if entry.layout == .marker {
                    throw ObjectStoreError.isDeleteMarker(
                        key: key, version: entry.record.versionID, isNamed: true,
                        modified: entry.record.modified)
                }
                let (source, parts) = try Self.source(entry, database)
                return (entry, source, parts)
            }
            switch entry.layout {
            case .inline, .marker: return reader(entry, source, parts)
            case .file:
                // An open descriptor is all it needs: an overwrite unlinks the name, not the file.
                let descriptor = try await threads.blocking { [directory] in try directory.open(entry.content) }
                if let descriptor { return reader(entry, source, parts, descriptor: descriptor) }
                // Gone between the two looks; but a row that keeps naming it is damage.
                guard missing != entry.content else {
                    throw ObjectStoreError.failed(
                        "\(directory.path(entry.content)) is missing; restore it from a backup")
                }
                missing = entry.content
            case .pieces:
                // Pin first, then look again: if the row is still there, whoever deletes it later will see the pin.
                pins.pin(entry.content)
                let opened = reader(entry, source, parts) { [pins, directory] in
                    for file in pins.unpin(entry.content) { directory.remove(file) }
                }
                do {
                    let again = try await self.entry(bucket: bucket, key: key, version: version)
                    if again.content == entry.content { return opened }
                } catch {
                    opened.close()
                    throw error
                }
                opened.close()
            }
        }
    }

    private func reader(
        _ entry: ObjectIndex.Entry, _ source: ContentReader.Source, _ parts: [ObjectPart], descriptor: Int32? = nil,
        release: @escaping @Sendable () -> Void = {}
    ) -> ContentReader {
        ContentReader(
            record: entry.record, parts: parts, source: source, descriptor: descriptor, directory: directory,
            threads: threads, release: release)
    }

    private static func source(
        _ entry: ObjectIndex.Entry, _ database: Database
    ) throws -> (ContentReader.Source, [ObjectPart]) {
        switch entry.layout {
        case .inline, .marker:
            let statement = try database.cachedStatement(sql: "SELECT data FROM inline WHERE content = ?")
            guard let data = try Data.fetchOne(statement, arguments: [entry.content]) else {
                throw ObjectStoreError.failed("the index lacks the bytes of content \(entry.content)")
            }
            return (.inline(ByteBuffer(bytes: data), entry.content), [])
        case .file:
            return (.files([.init(file: entry.content, start: 0, size: entry.record.size)]), [])
        case .pieces:
            var start: Int64 = 0
            var parts: [ObjectPart] = []
            let pieces = try Row.fetchAll(
                database, sql: "SELECT file, size, number, checksum FROM piece WHERE content = ? ORDER BY number",
                arguments: [entry.content]
            ).map { row in
                let piece = ContentReader.Piece(file: row[0], start: start, size: row[1])
                start += piece.size
                parts.append(
                    ObjectPart(
                        number: row[2], size: row[1], checksum: ObjectIndex.decodeChecksum(row[3])))
                return piece
            }
            return (.files(pieces), parts)
        }
    }
}
