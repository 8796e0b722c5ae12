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

/// All buckets by name.
private final class BucketCache: Sendable {
    private let records: Mutex<[String: BucketRecord]>

    init(_ buckets: [BucketRecord]) {
        records = Mutex(Dictionary(buckets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }))
    }

    func withLock<R>(_ body: (inout sending [String: BucketRecord]) -> sending R) -> R { records.withLock(body) }

    func fill(_ buckets: [BucketRecord]) {
        withLock { $0 = Dictionary(buckets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }) }
    }
}

/// Objects on a local file system. One process at a time may open a root.
public final class FileBackend: ObjectBackend {
    /// How many files were collected when the store was opened.
    public let orphansCollected: Int
    /// See `ObjectBackend`.
    public let storeKey: ContentKey

    let configuration: FileBackendConfiguration
    let directory: DataDirectory
    let index: DatabasePool
    let commits: GroupCommit
    let threads: NIOThreadPool
    let pins = Pins()
    let reserve: Int64
    /// All buckets, since nearly every call asks for one; changed after the commit.
    private let bucketCache: BucketCache

    private init(
        configuration: FileBackendConfiguration, directory: DataDirectory, index: DatabasePool,
        threads: NIOThreadPool, orphans: Int, buckets: [BucketRecord], storeKey: ContentKey
    ) {
        self.storeKey = storeKey
        self.configuration = configuration
        self.directory = directory
        self.index = index
        self.threads = threads
        commits = GroupCommit(index)
        orphansCollected = orphans
        reserve = configuration.reserve ?? min(max(directory.capacity() / 100, 64 << 20), 4 << 30)
        bucketCache = BucketCache(buckets)
    }

    /// Opens a store, creating it if there is none, and collects files that no record names.
    public static func open(_ configuration: FileBackendConfiguration) async throws -> FileBackend {
        let threads = NIOThreadPool(numberOfThreads: configuration.threads)
        threads.start()
        do {
            let (directory, index, orphans, buckets, storeKey) = try await threads.blocking {
                let directory = try DataDirectory(root: configuration.root)
                let index = try ObjectIndex.open(path: configuration.root + "/index.sqlite")
                return try index.read { database in
                    let orphans = try directory.collectOrphans { try ObjectIndex.isNamed($0, database) }
                    return (
                        directory, index, orphans, try ObjectIndex.buckets(database), try directory.storeKey()
                    )
                }
            }
            return FileBackend(
                configuration: configuration, directory: directory, index: index, threads: threads, orphans: orphans,
                buckets: buckets, storeKey: storeKey)
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
                sql: "INSERT INTO bucket (name, owner, region, created, versioning) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    bucket.name, bucket.owner, bucket.region, bucket.created, bucket.versioning.rawValue,
                ])
            let id = database.lastInsertedRowID
            for (name, value) in bucket.settings {
                try database.execute(
                    sql: "INSERT INTO setting (bucket, name, value) VALUES (?, ?, ?)", arguments: [id, name, value])
            }
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
    @discardableResult
    public func changeBucket(
        _ name: String, versioning: VersioningState?, settings: [String: String?],
        check: @escaping @Sendable (BucketRecord) throws -> Void
    ) async throws -> BucketRecord {
        // The cache is changed inside the transaction's turn, so that it sees the changes in their order; if the
        // commit fails, what is there is read again.
        do {
            return try await commits.write { [bucketCache] database in
                let id = try ObjectIndex.bucketID(name, database)
                guard var record = bucketCache.withLock({ $0[name] }) else {
                    throw ObjectStoreError.noSuchBucket(name)
                }
                try check(record)
                if let versioning {
                    try database.execute(
                        sql: "UPDATE bucket SET versioning = ? WHERE id = ?", arguments: [versioning.rawValue, id])
                    record.versioning = versioning
                }
                for (setting, value) in settings {
                    if let value {
                        try database.execute(
                            sql: "INSERT OR REPLACE INTO setting (bucket, name, value) VALUES (?, ?, ?)",
                            arguments: [id, setting, value])
                    } else {
                        try database.execute(
                            sql: "DELETE FROM setting WHERE bucket = ? AND name = ?", arguments: [id, setting])
                    }
                    record.settings[setting] = value
                }
                record.revision += 1
                let changed = record
                bucketCache.withLock { $0[name] = changed }
                return changed
            }
        } catch let error where !(error is ObjectStoreError) {
            let present = try await index.read { try ObjectIndex.buckets($0) }
            bucketCache.fill(present)
            throw error
        }
    }

    /// See `ObjectBackend`.
    public func deleteBucket(_ name: String) async throws {
        let files = try await commits.write { database -> [Int64] in
            let id = try ObjectIndex.bucketID(name, database)
            guard
                try Int.fetchOne(
                    database,
                    sql: """
                        SELECT 1 FROM object WHERE bucket = :id UNION ALL SELECT 1 FROM version WHERE bucket = :id
                        LIMIT 1
                        """, arguments: ["id": id]) == nil
            else { throw ObjectStoreError.bucketNotEmpty(name) }
            let parts = "upload IN (SELECT id FROM upload WHERE bucket = ?)"
            let files = try Int64.fetchAll(database, sql: "SELECT file FROM part WHERE \(parts)", arguments: [id])
            try database.execute(sql: "DELETE FROM part WHERE \(parts)", arguments: [id])
            try database.execute(sql: "DELETE FROM upload WHERE bucket = ?", arguments: [id])
            try database.execute(sql: "DELETE FROM setting WHERE bucket = ?", arguments: [id])
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
                database,
                sql: """
                    SELECT COUNT(*), COALESCE(SUM(size), 0) FROM (
                        SELECT size FROM object WHERE bucket = :id UNION ALL
                        SELECT size FROM version WHERE bucket = :id AND content IS NOT NULL)
                    """, arguments: ["id": id])
            return (row?[0] ?? 0, row?[1] ?? 0)
        }
    }
}
