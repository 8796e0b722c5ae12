// The file back end: bytes in files, records in SQLite.
//
// A put:   body ──> new file ──fsync──> journal and index row (group commit) ──> answer    then the former file is unlinked
// A get:   index row ──> open file ──> stream                         an overwrite meanwhile does not disturb it
// A crash between any two steps leaves at most a file that no row names, which `open` collects. The index can be made
// again from the journal (`Journal`), which holds small objects as well.

internal import Foundation
internal import GRDB
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// What an acknowledged change survives.
public enum Durability: String, Sendable, CaseIterable {
    /// Loss of power: files, their names and the journal are synced before the answer.
    case power
    /// The death of the process, not that of the system: nothing is synced.
    case process
}

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
    /// What an acknowledged change survives.
    public var durability: Durability
    /// Bytes of journal behind its snapshot after which the next snapshot is written, if that is larger: the journal
    /// takes about twice the index's size on the disk at most.
    public var snapshotAfter: Int64
    /// Memory for small objects that are read again and again.
    public var hotBytes: Int
    /// An index of up to so many bytes is checked completely when it is opened.
    public var checkLimit: Int64
    /// Where the contents of new buckets go.
    public var place = ContentPlace.files
    /// Milliseconds since 1970.
    public var clock: @Sendable () -> Int64

    /// Makes settings.
    public init(
        root: String, inlineLimit: Int = 16_384, reserve: Int64? = nil, threads: Int = 8,
        durability: Durability = .power, snapshotAfter: Int64 = 256 << 20, checkLimit: Int64 = 256 << 20,
        hotBytes: Int = 32 << 20,
        clock: @escaping @Sendable () -> Int64 = FileBackendConfiguration.systemClock
    ) {
        self.root = root
        self.inlineLimit = min(max(inlineLimit, 0), 1 << 20)
        self.reserve = reserve
        self.threads = max(threads, 1)
        self.durability = durability
        self.snapshotAfter = snapshotAfter
        self.checkLimit = checkLimit
        self.hotBytes = hotBytes
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
    /// What opening the store did beside opening it.
    public let recovery: RecoveryReport
    /// How many files were collected when the store was opened.
    public var orphansCollected: Int { recovery.orphans }
    /// See `ObjectBackend`.
    public let storeKey: ContentKey

    let configuration: FileBackendConfiguration
    let directory: DataDirectory
    let journal: JournalDirectory
    let index: DatabasePool
    let commits: GroupCommit
    let threads: NIOThreadPool
    let lanes: MD5Lanes
    let pins = Pins()
    /// Bodies that are being taken in.
    let receiving = Atomic<Int>(0)
    let reserve: Int64
    let bucketCache: BucketCache
    let upkeep: Upkeep
    let hot: HotObjects
    let remote = RemoteLink()
    let collector: ContentCollector

    private init(
        configuration: FileBackendConfiguration, directory: DataDirectory, journal: JournalDirectory,
        opened: IndexRecovery.Opened, report: RecoveryReport, threads: NIOThreadPool, buckets: [BucketCache.Entry],
        storeKey: ContentKey, storeID: String
    ) {
        self.storeKey = storeKey
        self.storeID = storeID
        collector = ContentCollector(index: opened.index, directory: directory, threads: threads, remote: remote)
        self.configuration = configuration
        self.directory = directory
        self.journal = journal
        self.index = opened.index
        self.threads = threads
        lanes = MD5Lanes(threads)
        recovery = report
        reserve = configuration.reserve ?? min(max(directory.capacity() / 100, 64 << 20), 4 << 30)
        let cache = BucketCache(buckets)
        bucketCache = cache
        let writer = JournalWriter(
            journal, sequence: opened.sequence, bytesSinceSnapshot: opened.bytesSinceSnapshot,
            isSynced: configuration.durability == .power)
        let upkeep = Upkeep(
            index: opened.index, journal: journal, snapshotAfter: configuration.snapshotAfter, threads: threads)
        self.upkeep = upkeep
        let hot = HotObjects(bytes: configuration.hotBytes)
        self.hot = hot
        commits = GroupCommit(opened.index, journal: writer, hot: hot) { usage, writes, bytes in
            cache.count(usage)
            upkeep.committed(writes: writes, bytes: bytes)
        }
    }

    /// Opens a store, creating it if there is none; makes its index anew if it is lost, and collects files that no
    /// record names.
    public static func open(_ configuration: FileBackendConfiguration) async throws -> FileBackend {
        let threads = NIOThreadPool(numberOfThreads: configuration.threads)
        threads.start()
        do {
            return try await threads.blocking {
                let directory = try DataDirectory(
                    root: configuration.root, isSynced: configuration.durability == .power)
                let journal = try JournalDirectory(root: configuration.root)
                let opened = try IndexRecovery(
                    root: configuration.root, journal: journal, checkLimit: configuration.checkLimit
                ).open()
                var report = opened.report
                let buckets = try opened.index.read { database in
                    // If something of the journal was lost, a file without a record may be all that is left.
                    let found = try directory.collectOrphans(keep: !report.damage.isEmpty) {
                        try ObjectIndex.isNamed($0, database)
                    }
                    (report.orphans, report.strays) = report.damage.isEmpty ? (found, 0) : (0, found)
                    return try ObjectIndex.cached(database)
                }
                return FileBackend(
                    configuration: configuration, directory: directory, journal: journal, opened: opened,
                    report: report, threads: threads, buckets: buckets, storeKey: try directory.storeKey(),
                    storeID: try directory.storeID())
            }
        } catch {
            try await threads.shutdownGracefully()
            throw error
        }
    }

    /// Reads the whole index, as `open` does with a small one; a damaged one is marked, so that the next start makes it
    /// anew.
    ///
    /// - Returns: what is wrong; nil if nothing is.
    public func checkIndex() async throws -> String? {
        let problem = try await index.read { try IndexRecovery.problem($0) }
        if problem != nil { try IndexRecovery.mark(root: configuration.root) }
        return problem
    }

    /// Figures for an operator.
    public var figures: (commits: Int64, writes: Int64, freeBytes: Int64, reserve: Int64, snapshotFailure: String?) {
        let counts = upkeep.counts
        return (counts.commits, counts.writes, directory.free(), reserve, counts.failure)
    }

    /// Closes the index and stops the threads. Calls under way must have ended.
    public func close() async throws {
        await collector.close()
        await upkeep.finish()
        // If this fails the log stays beside the index and is read with it the next time.
        // By SQL, since a store may be closed twice and the call itself does not bear a closed connection.
        try? await index.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try index.close()
        directory.removeSpare()
        try await threads.shutdownGracefully()
        directory.unlock()
    }

    /// Removes files that the index has let go of, unless somebody reads them.
    func dispose(_ released: [ObjectIndex.Released]) async throws {
        var files: [Int64] = []
        for item in released { files += pins.doom(item.content, files: item.files) }
        guard !files.isEmpty else { return }
        for file in files where file.isRemote { drop(file) }
        let doomed = files.filter { !$0.isRemote }
        if doomed.isEmpty { return }
        try await threads.blocking { [directory] in for file in doomed { directory.remove(file) } }
    }

    /// Removes a content that nothing names any more, wherever it lies.
    func drop(_ file: Int64) {
        collector.collect(file)
    }

    /// Names this store to a remote one, for ever.
    public let storeID: String

    /// Whether a remote store is attached.
    public var hasRemote: Bool { remote.contents != nil }

    /// Gives the store whose contents the index names beside its files. Contents there cannot be read before.
    public func attach(_ contents: any RemoteContents) {
        remote.contents = contents
    }

    // MARK: Buckets

    /// See `ObjectBackend`.
    public func createBucket(_ bucket: BucketRecord) async throws {
        var bucket = bucket
        if configuration.place != .files, bucket.settings[ContentPlace.setting] == nil {
            bucket.settings[ContentPlace.setting] = configuration.place.rawValue
        }
        let made = bucket
        let id = try await commits.write { [bucket = made] writer in
            if let owner = try String.fetchOne(
                writer.database, sql: "SELECT owner FROM bucket WHERE name = ?", arguments: [bucket.name])
            {
                throw ObjectStoreError.bucketExists(owner: owner)
            }
            let id = try ObjectIndex.nextBucketID(writer.database)
            try writer.run(
                .putBucket,
                [id, bucket.name, bucket.owner, bucket.region, bucket.created, bucket.versioning.rawValue])
            for (name, value) in bucket.settings { try writer.run(.putSetting, [id, name, value]) }
            return id
        }
        bucketCache.add(BucketCache.Entry(id: id, record: bucket))
    }

    /// See `ObjectBackend`.
    public func bucket(_ name: String) async throws -> BucketRecord {
        guard let bucket = bucketCache.record(name) else { throw ObjectStoreError.noSuchBucket(name) }
        return bucket
    }

    /// See `ObjectBackend`.
    public func buckets(owner: String?) async throws -> [BucketRecord] {
        bucketCache.records(owner: owner).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
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
            return try await commits.write { [bucketCache] writer in
                let id = try ObjectIndex.bucketID(name, writer.database)
                guard var record = bucketCache.record(name) else { throw ObjectStoreError.noSuchBucket(name) }
                try check(record)
                if let versioning { record.versioning = versioning }
                try writer.run(
                    .putBucket,
                    [id, record.name, record.owner, record.region, record.created, record.versioning.rawValue])
                for (setting, value) in settings {
                    if let value {
                        try writer.run(.putSetting, [id, setting, value])
                    } else {
                        try writer.run(.deleteSetting, [id, setting])
                    }
                    record.settings[setting] = value
                }
                record.revision += 1
                bucketCache.update(record)
                return record
            }
        } catch let error where !(error is ObjectStoreError) {
            let present = try await index.read { try ObjectIndex.cached($0) }
            bucketCache.fill(present)
            throw error
        }
    }

    /// See `ObjectBackend`.
    public func deleteBucket(_ name: String) async throws {
        let files = try await commits.write { writer -> [Int64] in
            let database = writer.database
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
            for statement in [IndexStatement.deletePartsOfBucket, .deleteUploads, .deleteSettings, .deleteBucket] {
                try writer.run(statement, [id])
            }
            try database.execute(sql: "DELETE FROM usage WHERE bucket = ?", arguments: [id])
            return files
        }
        bucketCache.remove(name)
        try await dispose(files.map { .init(content: $0, files: [$0]) })
    }

    /// See `ObjectBackend`.
    public func usage(bucket: String) async throws -> StorageUsage {
        guard let usage = bucketCache.usage(bucket: bucket) else { throw ObjectStoreError.noSuchBucket(bucket) }
        return usage
    }

    /// See `ObjectBackend`.
    public func usage(owner: String) async throws -> StorageUsage { bucketCache.usage(owner: owner) }
}
