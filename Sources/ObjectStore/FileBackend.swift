// The file back end: bytes in files, records in SQLite.
//
// A put:   body ──> new file ──fsync──> index row (group commit) ──> answer      the former file is unlinked after it
// A get:   index row ──> open file ──> stream                         an overwrite meanwhile does not disturb it
// A crash between any two steps leaves at most a file that no row names, which `open` collects.

internal import Foundation
internal import GRDB
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Settings of the file back end.
public struct FileBackendConfiguration: Sendable {
    /// Directory that holds everything; created if its parent exists.
    public var root: String
    /// Objects up to this size in bytes are kept in the index. 0 to 1 MiB.
    public var inlineLimit: Int
    /// Bytes of the file system that stay free: a put that would go below is refused. nil: 1 % of it, at least 64 MiB
    /// and at most 4 GiB.
    public var reserve: Int64?
    /// Threads for file I/O and hashing.
    public var threads: Int
    /// Milliseconds since 1970.
    public var clock: @Sendable () -> Int64

    /// Makes settings.
    public init(
        root: String, inlineLimit: Int = 16_384, reserve: Int64? = nil, threads: Int = 8,
        clock: @escaping @Sendable () -> Int64 = FileBackendConfiguration.systemClock
    ) {
        self.root = root
        self.inlineLimit = min(max(inlineLimit, 0), 1 << 20)
        self.reserve = reserve
        self.threads = max(threads, 1)
        self.clock = clock
    }

    /// The system's clock.
    public static let systemClock: @Sendable () -> Int64 = {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}

/// Objects on a local file system. One process at a time may open a root.
public final class FileBackend: ObjectBackend {
    /// How many files were collected when the store was opened.
    public let orphansCollected: Int

    let configuration: FileBackendConfiguration
    let directory: DataDirectory
    let index: DatabasePool
    let commits: GroupCommit
    let threads: NIOThreadPool
    let pins = Pins()
    let reserve: Int64
    /// All buckets, since nearly every call asks for one; changed after the commit.
    private let bucketCache: Mutex<[String: BucketRecord]>

    private init(
        configuration: FileBackendConfiguration, directory: DataDirectory, index: DatabasePool,
        threads: NIOThreadPool, orphans: Int, buckets: [BucketRecord]
    ) {
        self.configuration = configuration
        self.directory = directory
        self.index = index
        self.threads = threads
        commits = GroupCommit(index)
        orphansCollected = orphans
        reserve = configuration.reserve ?? min(max(directory.capacity() / 100, 64 << 20), 4 << 30)
        bucketCache = Mutex(Dictionary(buckets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }))
    }

    /// Opens a store, creating it if there is none, and collects files that no record names.
    public static func open(_ configuration: FileBackendConfiguration) async throws -> FileBackend {
        let threads = NIOThreadPool(numberOfThreads: configuration.threads)
        threads.start()
        do {
            let (directory, index, orphans, buckets) = try await threads.blocking {
                let directory = try DataDirectory(root: configuration.root)
                let index = try ObjectIndex.open(path: configuration.root + "/index.sqlite")
                return try index.read { database in
                    let orphans = try directory.collectOrphans { try ObjectIndex.isNamed($0, database) }
                    let buckets = try Row.fetchAll(database, sql: "SELECT name, owner, region, created FROM bucket")
                        .map { BucketRecord(name: $0[0], owner: $0[1], region: $0[2], created: $0[3]) }
                    return (directory, index, orphans, buckets)
                }
            }
            return FileBackend(
                configuration: configuration, directory: directory, index: index, threads: threads, orphans: orphans,
                buckets: buckets)
        } catch {
            try await threads.shutdownGracefully()
            throw error
        }
    }

    /// Closes the index and stops the threads. Calls under way must have ended.
    public func close() async throws {
        try index.close()
        try await threads.shutdownGracefully()
        directory.unlock()
    }

    /// Removes files that the index has let go of, unless somebody reads them.
    func dispose(_ released: [ObjectIndex.Released]) async throws {
        var files: [Int64] = []
        for item in released { files += pins.doom(item.content, files: item.files) }
        guard !files.isEmpty else { return }
        let doomed = files
        try await threads.blocking { [directory] in for file in doomed { directory.remove(file) } }
    }

    // MARK: Buckets

    /// See `ObjectBackend`.
    public func createBucket(_ bucket: BucketRecord) async throws {
        try await commits.write { database in
            if let owner = try String.fetchOne(
                database, sql: "SELECT owner FROM bucket WHERE name = ?", arguments: [bucket.name])
            {
                throw ObjectStoreError.bucketExists(owner: owner)
            }
            try database.execute(
                sql: "INSERT INTO bucket (name, owner, region, created) VALUES (?, ?, ?, ?)",
                arguments: [bucket.name, bucket.owner, bucket.region, bucket.created])
        }
        bucketCache.withLock { $0[bucket.name] = bucket }
    }

    /// See `ObjectBackend`.
    public func bucket(_ name: String) async throws -> BucketRecord {
        guard let bucket = bucketCache.withLock({ $0[name] }) else { throw ObjectStoreError.noSuchBucket(name) }
        return bucket
    }

    /// See `ObjectBackend`.
    public func buckets(owner: String?) async throws -> [BucketRecord] {
        bucketCache.withLock { cache in
            cache.values.filter { owner == nil || $0.owner == owner }
                .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        }
    }

    /// See `ObjectBackend`.
    public func deleteBucket(_ name: String) async throws {
        let files = try await commits.write { database -> [Int64] in
            let id = try ObjectIndex.bucketID(name, database)
            guard
                try Int.fetchOne(database, sql: "SELECT 1 FROM object WHERE bucket = ? LIMIT 1", arguments: [id]) == nil
            else { throw ObjectStoreError.bucketNotEmpty(name) }
            let parts = "upload IN (SELECT id FROM upload WHERE bucket = ?)"
            let files = try Int64.fetchAll(database, sql: "SELECT file FROM part WHERE \(parts)", arguments: [id])
            try database.execute(sql: "DELETE FROM part WHERE \(parts)", arguments: [id])
            try database.execute(sql: "DELETE FROM upload WHERE bucket = ?", arguments: [id])
            try database.execute(sql: "DELETE FROM bucket WHERE id = ?", arguments: [id])
            return files
        }
        bucketCache.withLock { $0[name] = nil }
        try await dispose(files.map { .init(content: $0, files: [$0]) })
    }

    /// See `ObjectBackend`.
    public func usage(bucket: String) async throws -> (objects: Int64, bytes: Int64) {
        try await index.read { database in
            let id = try ObjectIndex.bucketID(bucket, database)
            let row = try Row.fetchOne(
                database, sql: "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM object WHERE bucket = ?", arguments: [id])
            return (row?[0] ?? 0, row?[1] ?? 0)
        }
    }

    // MARK: Reading

    /// See `ObjectBackend`.
    public func head(bucket: String, key: String) async throws -> ObjectRecord {
        try await entry(bucket: bucket, key: key).record
    }

    private func entry(bucket: String, key: String) async throws -> ObjectIndex.Entry {
        try await index.read { database in
            let id = try ObjectIndex.bucketID(bucket, database)
            guard let entry = try ObjectIndex.entry(bucket: id, key: key, database) else {
                throw ObjectStoreError.noSuchKey(key)
            }
            return entry
        }
    }

    /// See `ObjectBackend`.
    public func open(bucket: String, key: String) async throws -> any ObjectContent {
        var missing: Int64?
        while true {
            let (entry, source) = try await index.read { database -> (ObjectIndex.Entry, ContentReader.Source) in
                let id = try ObjectIndex.bucketID(bucket, database)
                guard let entry = try ObjectIndex.entry(bucket: id, key: key, database) else {
                    throw ObjectStoreError.noSuchKey(key)
                }
                return (entry, try Self.source(entry, database))
            }
            switch entry.layout {
            case .inline: return reader(entry, source)
            case .file:
                // An open descriptor is all it needs: an overwrite unlinks the name, not the file.
                let descriptor = try await threads.blocking { [directory] in try directory.open(entry.content) }
                if let descriptor { return reader(entry, source, descriptor: descriptor) }
                // Gone between the two looks; but a row that keeps naming it is damage.
                guard missing != entry.content else {
                    throw ObjectStoreError.failed(
                        "\(directory.path(entry.content)) is missing; restore it from a backup")
                }
                missing = entry.content
            case .pieces:
                // Pin first, then look again: if the row is still there, whoever deletes it later will see the pin.
                pins.pin(entry.content)
                let opened = reader(entry, source) { [pins, directory] in
                    for file in pins.unpin(entry.content) { directory.remove(file) }
                }
                if try await self.entry(bucket: bucket, key: key).content == entry.content { return opened }
                opened.close()
            }
        }
    }

    private func reader(
        _ entry: ObjectIndex.Entry, _ source: ContentReader.Source, descriptor: Int32? = nil,
        release: @escaping @Sendable () -> Void = {}
    ) -> ContentReader {
        ContentReader(
            record: entry.record, source: source, descriptor: descriptor, directory: directory, threads: threads,
            release: release)
    }

    private static func source(_ entry: ObjectIndex.Entry, _ database: Database) throws -> ContentReader.Source {
        switch entry.layout {
        case .inline:
            let statement = try database.cachedStatement(sql: "SELECT data FROM inline WHERE content = ?")
            guard let data = try Data.fetchOne(statement, arguments: [entry.content]) else {
                throw ObjectStoreError.failed("the index lacks the bytes of content \(entry.content)")
            }
            return .inline(ByteBuffer(bytes: data))
        case .file:
            return .files([.init(file: entry.content, start: 0, size: entry.record.size)])
        case .pieces:
            var start: Int64 = 0
            let pieces = try Row.fetchAll(
                database, sql: "SELECT file, size FROM piece WHERE content = ? ORDER BY number",
                arguments: [entry.content]
            ).map { row in
                let piece = ContentReader.Piece(file: row[0], start: start, size: row[1])
                start += piece.size
                return piece
            }
            return .files(pieces)
        }
    }
}
