internal import Crypto
internal import Foundation
internal import GRDB
internal import NIOCore
internal import NIOPosix
internal import Signatures

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
        guard version == nil, let id = bucketCache.id(bucket) else {
            return try await openStored(bucket: bucket, key: key, version: version)
        }
        let place = HotObjects.Key(bucket: id, key: key)
        let (found, stamp) = hot.find(place)
        if let found { return reader(found.entry, .inline(found.bytes, found.entry.content), []) }
        let content = try await openStored(bucket: bucket, key: key, version: version)
        if let stamp, let object = (content as? ContentReader)?.small { hot.insert(place, object, stamp: stamp) }
        return content
    }

    private func openStored(bucket: String, key: String, version: String?) async throws -> any ObjectContent {
        var missing: Int64?
        while true {
            let (entry, source, parts) = try await look(bucket: bucket, key: key, version: version)
            switch entry.layout {
            case .inline, .marker: return reader(entry, source, parts)
            case .file where !entry.content.isRemote:
                // An open descriptor is all it needs: an overwrite unlinks the name, not the file.
                let descriptor = try await threads.blocking { [directory] in try directory.open(entry.content) }
                if let descriptor { return reader(entry, source, parts, descriptor: descriptor) }
                // Gone between the two looks; but a row that keeps naming it is damage.
                guard missing != entry.content else {
                    throw ObjectStoreError.failed(
                        "\(directory.path(entry.content)) is missing; restore it from a backup")
                }
                missing = entry.content
            case .file, .pieces:
                // Pin first, then look again: if the row is still there, whoever deletes or moves it later will see the
                // pin.
                pins.pin(entry.content)
                let again: Look
                do {
                    again = try await look(bucket: bucket, key: key, version: version)
                } catch {
                    unpin(entry.content)
                    throw error
                }
                guard again.entry.content == entry.content else {
                    unpin(entry.content)
                    continue
                }
                return reader(again.entry, again.source, again.parts) { [self] in unpin(entry.content) }
            }
        }
    }

    private typealias Look = (entry: ObjectIndex.Entry, source: ContentReader.Source, parts: [ObjectPart])

    private func look(bucket: String, key: String, version: String?) async throws -> Look {
        try await index.read { database -> Look in
            let id = try ObjectIndex.bucketID(bucket, database)
            let entry = try ObjectIndex.entry(bucket: id, key: key, version: Self.storedVersion(version), database)
            if entry.layout == .marker {
                throw ObjectStoreError.isDeleteMarker(
                    key: key, version: entry.record.versionID, isNamed: true, modified: entry.record.modified)
            }
            let (source, parts) = try Self.source(entry, database)
            return (entry, source, parts)
        }
    }

    private func unpin(_ content: Int64) {
        for file in pins.unpin(content) { drop(file) }
    }

    private func reader(
        _ entry: ObjectIndex.Entry, _ source: ContentReader.Source, _ parts: [ObjectPart], descriptor: Int32? = nil,
        release: @escaping @Sendable () -> Void = {}
    ) -> any ObjectContent {
        if case .files(let pieces) = source, pieces.contains(where: { $0.file.isRemote }) {
            return PlacedReader(
                record: entry.record, parts: parts, pieces: pieces, directory: directory, threads: threads,
                remote: remote.contents, release: release)
        }
        return ContentReader(
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
            // No file system looks after these bytes; encrypted ones carry their own proof.
            if let sha256 = entry.record.sha256, entry.record.attributes.encryption == nil,
                hexadecimal(SHA256.hash(data: data)) != sha256
            {
                throw ObjectStoreError.failed(
                    "the index holds wrong bytes of \(entry.record.key); stop the service and run mallee walrus rebuild"
                )
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
