internal import GRDB
public import NIOCore
internal import NIOPosix
internal import Signatures
internal import Synchronization

extension FileBackend {
    /// How bodies are taken in. A batch is what one visit of an I/O thread writes, and another hashes; while they do, the
    /// next one arrives.
    private struct Pace {
        var batch: Int
        /// Whether their MD5s are computed side by side. One alone is quicker by itself.
        var isShared: Bool

        /// Few get large batches, since each wakes threads; of many, each keeps little memory: three batches are there
        /// at once, of which a buffer takes up to twice the size.
        static func of(_ receiving: Int) -> Pace {
            let batch =
                switch receiving {
                case ...3: 256 << 10
                case ...32: 128 << 10
                default: 64 << 10
                }
            return Pace(batch: batch, isShared: receiving > 2)
        }
    }

    /// See `ObjectBackend`.
    public func put<Body: AsyncSequence & Sendable>(
        bucket: String, key: String, options: PutOptions, body: Body
    ) async throws -> ObjectRecord where Body.Element == ByteBuffer {
        let place = try await self.bucket(bucket).place
        let received = try await receive(
            body, options: options, inlineLimit: place == .files ? configuration.inlineLimit : 0, place: place)
        var attributes = options.attributes
        attributes.checksum = received.checksum
        var record = ObjectRecord(
            key: key, size: received.digests.size, etag: hexadecimal(received.digests.md5),
            sha256: received.digests.sha256.isEmpty ? nil : hexadecimal(received.digests.sha256),
            modified: configuration.clock(), attributes: attributes)
        let content: Int64
        let layout: Layout
        var small: ByteBuffer?
        switch received.stored {
        case .inline(let id, let buffer):
            (content, layout, small) = (id, .inline, buffer)
        case .file(let id):
            (content, layout) = (id, .file)
        }
        let entry = ObjectIndex.Entry(
            record: record, content: content, layout: layout, attributes: try ObjectIndex.encode(attributes))
        let bytes = small
        do {
            let (version, released) = try await commits.write { writer in
                let target = try ObjectIndex.bucket(bucket, writer.database)
                let result = try ObjectIndex.replace(bucket: target, entry, condition: options.condition, writer)
                if let bytes { try writer.run(.putInline, [content, Self.data(bytes)]) }
                return result
            }
            record.version = version
            try await dispose(released)
        } catch {
            // Only when the write is known not to have happened; in doubt the file stays for the next start to judge.
            if layout == .file, error is ObjectStoreError {
                try await dispose([.init(content: content, files: [content])])
            }
            throw error
        }
        return record
    }

    struct Received: Sendable {
        var stored: ContentWriter.Stored
        var digests: ContentDigests
        var checksum: ObjectChecksum?
    }

    /// Bytes that are hashed where they arrive, since a change of threads would cost as much.
    private static let quickBody = 64 << 10

    /// Takes in a body, checks it, and makes it durable in its place. On a throw nothing is left behind.
    func receive<Body: AsyncSequence & Sendable>(
        _ body: Body, options: PutOptions, inlineLimit: Int, place: ContentPlace
    ) async throws -> Received where Body.Element == ByteBuffer {
        try checkSpace(for: options.expectedSize ?? 0)
        let writer = ContentWriter(
            directory: directory, inlineLimit: inlineLimit, checksum: options.checksum, key: options.key,
            hasSHA256: options.hasSHA256 || place == .s3, isPassing: place == .s3)
        do {
            if let expected = options.expectedSize, expected <= Int64(min(inlineLimit, Self.quickBody)) {
                var total: Int64 = 0
                for try await buffer in body {
                    total += Int64(buffer.readableBytes)
                    guard total <= expected else {
                        throw ObjectStoreError.incompleteBody(expected: expected, received: total)
                    }
                    try writer.append(buffer)
                }
                return try Self.finish(writer, options)
            }
            try await fill(writer, from: body, expected: options.expectedSize)
            let received = try await threads.blocking { try Self.finish(writer, options) }
            return place == .s3 ? try await deliver(received, isPlain: options.key == nil) : received
        } catch {
            try await threads.blocking { writer.discard() }
            throw error
        }
    }

    private static func finish(_ writer: ContentWriter, _ options: PutOptions) throws -> Received {
        let digests = writer.digests()
        if let expected = options.expectedSize, expected != digests.size {
            throw ObjectStoreError.incompleteBody(expected: expected, received: digests.size)
        }
        let checksum = try options.validate(digests)
        return Received(stored: try writer.finish(), digests: digests, checksum: checksum)
    }

    /// Hashes and writes batches while the next arrives.
    private func fill<Body: AsyncSequence & Sendable>(
        _ writer: ContentWriter, from body: Body, expected: Int64?
    ) async throws where Body.Element == ByteBuffer {
        let pace = Pace.of(receiving.add(1, ordering: .relaxed).newValue)
        defer { receiving.subtract(1, ordering: .relaxed) }
        if pace.isShared { writer.shareLanes() }
        try await withThrowingTaskGroup(of: Void.self) { digests in
            try await withThrowingTaskGroup(of: Void.self) { stores in
                var batch = ByteBuffer()
                var total: Int64 = 0
                var sinceCheck: Int64 = 0
                for try await var buffer in body {
                    total += Int64(buffer.readableBytes)
                    if let expected, total > expected {
                        throw ObjectStoreError.incompleteBody(expected: expected, received: total)
                    }
                    // A buffer that has to grow would take twice as much, and be copied.
                    if batch.capacity == 0 {
                        batch.reserveCapacity(min(pace.batch + (64 << 10), Int(clamping: expected ?? .max)))
                    }
                    batch.writeBuffer(&buffer)
                    guard batch.readableBytes >= pace.batch else { continue }
                    sinceCheck += Int64(batch.readableBytes)
                    if expected == nil, sinceCheck > 64 << 20 {
                        sinceCheck = 0
                        try checkSpace(for: 0)
                    }
                    let full = batch
                    batch = ByteBuffer()
                    try await stores.next()
                    stores.addTask { [threads] in try await threads.blocking { try writer.store(full) } }
                    try await digests.next()
                    digests.addTask { [self] in try await digest(full, writer) }
                }
                // The rest is synced while what is slower, the digest, is still being computed.
                let rest = batch
                try await stores.next()
                stores.addTask { [threads] in
                    try await threads.blocking {
                        try writer.store(rest)
                        try writer.settle()
                    }
                }
                try await digests.next()
                digests.addTask { [self] in try await digest(rest, writer) }
                try await stores.next()
            }
            try await digests.next()
        }
    }

    private func digest(_ batch: ByteBuffer, _ writer: ContentWriter) async throws {
        if let lane = writer.lane { return await lanes.update(lane, batch) }
        try await threads.blocking { writer.digest(batch) }
    }

    /// Refuses before anything is written, so that the index always has room to commit and to delete.
    func checkSpace(for size: Int64) throws {
        // A look into the kernel's memory; it waits for no disk.
        let free = directory.free()
        guard free >= reserve, free - reserve >= size else {
            throw ObjectStoreError.insufficientStorage(needed: size, free: max(free - reserve, 0))
        }
    }

    /// See `ObjectBackend`.
    public func delete(
        bucket: String, _ deletions: [Deletion], permit: @escaping @Sendable (ObjectRecord) throws -> Void
    ) async throws -> [Result<Deleted, any Error>] {
        let now = configuration.clock()
        let (results, released) = try await commits.write {
            writer -> ([Result<Deleted, any Error>], [ObjectIndex.Released]) in
            let target = try ObjectIndex.bucket(bucket, writer.database)
            var released: [ObjectIndex.Released] = []
            var results: [Result<Deleted, any Error>] = []
            for deletion in deletions {
                do {
                    let done = try ObjectIndex.delete(bucket: target, deletion, now: now, permit: permit, writer)
                    released += done.released
                    results.append(.success(done.deleted))
                } catch let error as DatabaseError {
                    throw error
                } catch {
                    // Every refusal comes before the first change of its deletion.
                    results.append(.failure(error))
                }
            }
            return (results, released)
        }
        try await dispose(released)
        return results
    }

    /// See `ObjectBackend`.
    @discardableResult
    public func change(
        bucket: String, key: String, version: String?,
        _ change: @escaping @Sendable (inout ObjectAttributes) throws -> Void
    ) async throws -> ObjectRecord {
        try await commits.write { writer in
            let id = try ObjectIndex.bucketID(bucket, writer.database)
            var entry = try ObjectIndex.entry(
                bucket: id, key: key, version: Self.storedVersion(version), writer.database)
            if entry.layout == .marker {
                throw ObjectStoreError.isDeleteMarker(
                    key: key, version: entry.record.versionID, isNamed: true,
                    modified: entry.record.modified)
            }
            try change(&entry.record.attributes)
            try ObjectIndex.update(bucket: id, entry, writer)
            return entry.record
        }
    }
}
