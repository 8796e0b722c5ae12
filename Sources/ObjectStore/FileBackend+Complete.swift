internal import Foundation
internal import GRDB

extension FileBackend {
    private struct StoredPart {
        var file: Int64
        var size: Int64
        var etag: String
        var checksum: ObjectChecksum?
    }

    /// See `ObjectBackend`.
    public func completeUpload(
        bucket: String, key: String, upload: String, parts: [CompletedPart], options: CompletionOptions
    ) async throws -> ObjectRecord {
        for (one, next) in zip(parts, parts.dropFirst()) where one.number >= next.number {
            throw ObjectStoreError.invalidPartOrder
        }
        let modified = configuration.clock()
        let (record, released) = try await commits.write { writer in
            let database = writer.database
            let target = try ObjectIndex.bucket(bucket, database)
            let begun = try Self.upload(bucket: bucket, key: key, id: upload, database).upload
            var stored: [Int: StoredPart] = [:]
            let rows = try Row.fetchAll(
                database, sql: "SELECT number, file, size, etag, checksum FROM part WHERE upload = ?",
                arguments: [upload])
            for row in rows {
                stored[row[0]] = StoredPart(
                    file: row[1], size: row[2], etag: row[3], checksum: ObjectIndex.decodeChecksum(row[4]))
            }
            let content = Int64.random(in: 1...Int64.max)
            var chosen: [StoredPart] = []
            for (position, part) in parts.enumerated() {
                guard let found = stored.removeValue(forKey: part.number), found.etag == part.etag,
                    part.checksum == nil || part.checksum == found.checksum?.value
                else { throw ObjectStoreError.invalidPart(number: part.number) }
                if position < parts.count - 1, found.size < options.minimumPartSize {
                    throw ObjectStoreError.partTooSmall(
                        number: part.number, size: found.size, minimum: options.minimumPartSize)
                }
                chosen.append(found)
                try writer.run(
                    .putHashedPiece,
                    [
                        content, part.number, found.file, found.size, ObjectIndex.encode(found.checksum), found.etag,
                    ])
            }
            let size = chosen.reduce(0) { $0 + $1.size }
            if let announced = options.size, announced != size {
                throw ObjectStoreError.sizeMismatch(announced: announced, computed: size)
            }
            var attributes = begun.attributes
            attributes.checksum = try Self.checksum(of: chosen, asked: begun.attributes.checksum)
            if let announced = options.checksum, let computed = attributes.checksum, announced != computed.value {
                // Clients leave the number of parts out of what they announce.
                guard computed.value.hasPrefix(announced + "-") else {
                    throw ObjectStoreError.contentMismatch(
                        "The \(computed.algorithm.rawValue) you specified did not match the calculated checksum.")
                }
            }
            let object = ObjectRecord(
                key: key, size: size, etag: ObjectRecord.etag(ofParts: parts.map(\.etag)), sha256: nil,
                modified: modified, attributes: attributes)
            var released = stored.values.map { ObjectIndex.Released(content: $0.file, files: [$0.file]) }
            let entry = ObjectIndex.Entry(record: object, content: content, layout: .pieces)
            let result = try ObjectIndex.replace(bucket: target, entry, condition: options.condition, writer)
            released += result.released
            let under = (chosen + stored.values).reduce(0) { $0 + $1.size }
            writer.count(target.id, partBytes: -under)
            try writer.run(.deleteParts, [upload])
            try writer.run(.deleteUpload, [upload])
            var made = object
            made.version = result.version
            return (made, released)
        }
        try await dispose(released)
        return record
    }

    /// The checksum of the whole from those of its parts, if each has one of the algorithm that was asked for.
    private static func checksum(of parts: [StoredPart], asked: ObjectChecksum?) throws -> ObjectChecksum? {
        guard let asked else { return nil }
        var values: [(bytes: [UInt8], size: Int64)] = []
        for part in parts {
            guard let checksum = part.checksum, checksum.algorithm == asked.algorithm,
                let data = Data(base64Encoded: checksum.value)
            else { return nil }
            values.append((Array(data), part.size))
        }
        if asked.isComposite {
            let value = Data(asked.algorithm.checksum(of: values.flatMap(\.bytes))).base64EncodedString()
            return ObjectChecksum(
                algorithm: asked.algorithm, value: value + "-\(parts.count)", isComposite: true)
        }
        guard let combined = asked.algorithm.combined(values) else { return nil }
        return ObjectChecksum(algorithm: asked.algorithm, value: Data(combined).base64EncodedString())
    }
}
