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
        if version == nil, let id = bucketCache.id(bucket),
            let found = hot.find(HotObjects.Key(bucket: id, key: key)).object
        {
            return found.entry.record
        }
        return try await entry(bucket: bucket, key: key, version: version).record
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
        if let found {
            if let bytes = found.bytes { return reader(found.entry, .inline(bytes, found.entry.content), []) }
            if let opened = try await openFile(found.entry) {
                return reader(found.entry, Self.file(found.entry), [], opened)
            }
            // Replaced since, or moved.
            hot.remove(place)
        }
        let content = try await openStored(bucket: bucket, key: key, version: version)
        if let stamp, let object = (content as? ContentReader)?.hot { hot.insert(place, object, stamp: stamp) }
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
                if let opened = try await openFile(entry) { return reader(entry, source, parts, opened) }
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

    /// Bytes of an object that are brought into the system's memory when it is opened.
    private static let warmed: Int64 = 1 << 20

    /// Opens the file of an object; nil if it is not there any more.
    private func openFile(_ entry: ObjectIndex.Entry) async throws -> OpenedFile? {
        try await threads.blocking { [directory] in
            guard let descriptor = try directory.open(entry.content) else { return nil }
            guard entry.record.attributes.encryption == nil else { return OpenedFile(descriptor: descriptor, warm: 0) }
            let warm = min(entry.record.size, Self.warmed)
            do {
                try directory.warm(descriptor, id: entry.content, at: 0, count: Int(warm))
            } catch {
                directory.close(descriptor)
                throw error
            }
            return OpenedFile(descriptor: descriptor, warm: warm)
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
        _ entry: ObjectIndex.Entry, _ source: ContentReader.Source, _ parts: [ObjectPart], _ opened: OpenedFile? = nil,
        release: @escaping @Sendable () -> Void = {}
    ) -> any ObjectContent {
        if case .files(let pieces) = source, pieces.contains(where: { $0.file.isRemote }) {
            return PlacedReader(
                record: entry.record, parts: parts, pieces: pieces, directory: directory, threads: threads,
                remote: remote.contents, release: release)
        }
        return ContentReader(
            record: entry.record, parts: parts, source: source, opened: opened, directory: directory,
            threads: threads, release: release)
    }

    private static func file(_ entry: ObjectIndex.Entry) -> ContentReader.Source {
        .files([.init(file: entry.content, start: 0, size: entry.record.size)])
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
            return (file(entry), [])
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
