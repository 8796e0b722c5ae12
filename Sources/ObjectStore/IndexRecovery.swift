// Opening the index, and making it anew where it is lost:
//
//   index there and whole ──> replay of groups it has not seen (after a crash, or an older copy was put back)
//   index lost or damaged ──> moved aside, made anew: newest whole snapshot, then every group behind it
//   no journal yet        ──> a snapshot of the index (a store of a former version)
//
// Nothing that was acknowledged is only in the index; nothing is thrown away before its successor is durable.

internal import Foundation
internal import GRDB
internal import Glibc
internal import NIOCore

/// What opening a store did beside opening it.
public struct RecoveryReport: Sendable, Equatable {
    /// Why the index was made anew; nil if it was not.
    public var rebuilt: String?
    /// Rows in the index that was made anew.
    public var rows: Int64 = 0
    /// Groups of changes that were taken from the journal since the index had not seen them.
    public var replayed: Int64 = 0
    /// What of the journal cannot be read, for the log.
    public var damage: [String] = []
    /// Files that no record names, removed.
    public var orphans = 0
    /// Files that no record names, kept since it is not certain that they are garbage.
    public var strays = 0

    /// Nothing happened.
    public init() {}
}

/// Opens, checks and rebuilds the index of one store.
struct IndexRecovery {
    let root: String
    let journal: JournalDirectory
    /// An index up to this size is read completely before it is trusted.
    let checkLimit: Int64

    var path: String { root + "/index.sqlite" }
    /// There when the index was found damaged while in use, or shall be made anew.
    var markPath: String { root + "/index.damaged" }

    /// Has the index made anew when the store is opened next.
    static func mark(root: String) throws(ObjectStoreError) {
        let path = root + "/index.damaged"
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw posixFailure("open", path) }
        Glibc.close(descriptor)
        try syncDirectory(root)
    }

    struct Opened {
        var index: DatabasePool
        var report: RecoveryReport
        /// The last group that the index holds.
        var sequence: UInt64
        /// Bytes of the journal behind its snapshot.
        var bytesSinceSnapshot: Int64
    }

    func open() throws -> Opened {
        var report = RecoveryReport()
        let segments = try journal.segments()
        let snapshots = try journal.snapshots()
        let hasJournal = !segments.isEmpty || !snapshots.isEmpty
        var index: DatabasePool?
        if let cause = damageOfIndex() {
            guard hasJournal else {
                // Without either, an empty store is what there is, if it really is empty.
                if cause.isMissing, !hasContents() { return try fresh() }
                throw ObjectStoreError.failed(
                    "\(path) \(cause.text), and there is no journal in \(journal.path) to make it anew from; restore "
                        + "both from a backup")
            }
            report.rebuilt = cause.text
            index = try rebuild(segments, snapshots, &report)
        } else {
            index = try ObjectIndex.open(path: path)
        }
        guard let index else { throw ObjectStoreError.failed("\(path) could not be opened") }
        if report.rebuilt == nil, hasJournal {
            if try !replay(into: index, segments, snapshots, &report) {
                // An index that is older than everything the journal still has.
                try index.close()
                report = RecoveryReport()
                report.rebuilt = "is older than the journal reaches back"
                let anew = try rebuild(segments, snapshots, &report)
                return try finish(anew, report, segments, snapshots)
            }
        }
        return try finish(index, report, segments, snapshots)
    }

    private func finish(
        _ index: DatabasePool, _ report: RecoveryReport, _ segments: [JournalDirectory.File],
        _ snapshots: [JournalDirectory.File]
    ) throws -> Opened {
        let sequence = try index.read { try ObjectIndex.sequence($0) }
        if report.replayed > 0 || report.rebuilt != nil { try index.write { try ObjectIndex.recount($0) } }
        var bytes = segments.reduce(Int64(0)) { $0 + $1.size }
        // A former version's store, or a damaged journal: from now on everything is twice there again.
        if !report.damage.isEmpty || (snapshots.isEmpty && segments.first?.number != 1) {
            try JournalSnapshot.write(index, to: journal)
            bytes = 0
        }
        return Opened(index: index, report: report, sequence: sequence, bytesSinceSnapshot: bytes)
    }

    private func fresh() throws -> Opened {
        for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
        return Opened(
            index: try ObjectIndex.open(path: path), report: RecoveryReport(), sequence: 0, bytesSinceSnapshot: 0)
    }

    /// Whether there are content files.
    private func hasContents() -> Bool {
        guard let found = FileManager.default.enumerator(atPath: root + "/data") else { return false }
        for case let name as String in found where name.utf8.count == 19 { return true }
        return false
    }

    // MARK: Judging

    private func damageOfIndex() -> (text: String, isMissing: Bool)? {
        var status = stat()
        guard stat(path, &status) == 0 else { return ("is missing", true) }
        if status.st_size == 0 { return ("is empty", true) }
        if access(markPath, F_OK) == 0 { return ("is marked as damaged", false) }
        do {
            // Read-only would not do: what the write-ahead log holds is part of it.
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            defer { try? queue.close() }  // a close that fails leaves nothing that matters: the file is read only here
            if Int64(status.st_size) <= checkLimit, let problem = try queue.read({ try Self.problem($0) }) {
                return ("is damaged: \(problem)", false)
            }
            try queue.read { _ = try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM grdb_migrations") }
            return nil
        } catch let error as DatabaseError
            where [.SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_ERROR].contains(error.resultCode)
        {
            return ("is damaged: \(error.message ?? "\(error.resultCode)")", false)
        } catch {
            // Anything else is the disk's or the system's doing; opening it says so better.
            return nil
        }
    }

    /// What SQLite's own check finds.
    static func problem(_ database: Database) throws -> String? {
        do {
            let answer = try String.fetchOne(database, sql: "PRAGMA quick_check(1)") ?? "no answer"
            return answer == "ok" ? nil : answer
        } catch let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode) {
            return error.message ?? "\(error.resultCode)"
        }
    }

    // MARK: Replay

    /// Groups that the index has not seen.
    ///
    /// - Returns: false if they cannot be joined to the index.
    private func replay(
        into index: DatabasePool, _ segments: [JournalDirectory.File], _ snapshots: [JournalDirectory.File],
        _ report: inout RecoveryReport
    ) throws -> Bool {
        let known = try index.read { try ObjectIndex.sequence($0) }
        let first = segments.first?.number ?? .max
        if first > known + 1, let newest = snapshots.last, newest.number > known { return false }
        // Files that end before what is known need not be read.
        let wanted = zip(segments, segments.dropFirst().map(\.number) + [UInt64.max])
            .filter { $0.1 > known + 1 }.map { $0.0 }
        let seen = max(try apply(wanted, after: known, to: index, &report), snapshots.last?.number ?? 0)
        if seen < known { report.damage.append("\(journal.path): groups \(seen + 1) to \(known) are missing") }
        return true
    }

    /// Applies groups in order, many in one transaction.
    ///
    /// - Returns: the last group that was met.
    @discardableResult
    private func apply(
        _ segments: [JournalDirectory.File], after known: UInt64, to index: DatabasePool,
        _ report: inout RecoveryReport
    ) throws -> UInt64 {
        var last = known
        var seen: UInt64 = 0
        for segment in segments {
            let reader = try JournalReader(path: segment.path)
            var isDone = false
            while !isDone {
                let (gaps, count, reached) = try index.writeWithoutTransaction { database in
                    var gaps: [String] = []
                    var count: Int64 = 0
                    var reached = last
                    try database.inTransaction(.immediate) {
                        var bytes = 0
                        while bytes < 16 << 20 {
                            guard let frame = try reader.next() else {
                                isDone = true
                                break
                            }
                            bytes += frame.payload.readableBytes
                            seen = max(seen, frame.sequence)
                            guard frame.sequence > reached else { continue }
                            if frame.sequence > reached + 1 {
                                gaps.append(
                                    "\(segment.path): groups \(reached + 1) to \(frame.sequence - 1) are missing")
                            }
                            try Self.apply(frame, database)
                            reached = frame.sequence
                            count += 1
                        }
                        try ObjectIndex.setSequence(reached, database)
                        return .commit
                    }
                    return (gaps, count, reached)
                }
                report.damage += gaps
                report.replayed += count
                last = reached
            }
            report.damage += reader.damage.map {
                "\(segment.path): bytes \($0.lowerBound) to \($0.upperBound) are damaged"
            }
        }
        return seen
    }

    private static func apply(_ frame: JournalFrame, _ database: Database) throws {
        var payload = frame.payload
        while let (statement, values) = try JournalEntry.decode(&payload) {
            try database.cachedStatement(sql: statement.sql).execute(arguments: StatementArguments(values))
        }
    }

    // MARK: Rebuilding

    private func rebuild(
        _ segments: [JournalDirectory.File], _ snapshots: [JournalDirectory.File], _ report: inout RecoveryReport
    ) throws -> DatabasePool {
        let new = path + ".new"
        for suffix in ["", "-wal", "-shm"] { unlink(new + suffix) }
        let index = try ObjectIndex.open(path: new)
        var base: UInt64 = 0
        for snapshot in snapshots.reversed() {
            if try load(snapshot, into: index) {
                base = snapshot.number
                break
            }
            report.damage.append("\(snapshot.path) is damaged")
            try index.write { try ObjectIndex.clear($0) }
        }
        if base == 0, let first = segments.first, first.number > 1 {
            report.damage.append("\(journal.path): nothing is left of groups 1 to \(first.number - 1)")
        }
        try apply(segments, after: base, to: index, &report)
        report.rows = try index.read { try ObjectIndex.countRows($0) }
        report.replayed = 0
        // Everything into the one file, which then takes the place of the old one.
        try index.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
        try index.close()
        let stamp = String(time(nil))
        for suffix in ["", "-wal", "-shm"] where access(path + suffix, F_OK) == 0 {
            let aside = root + "/index.damaged-" + stamp + suffix
            guard rename(path + suffix, aside) == 0 else { throw posixFailure("rename", path + suffix) }
        }
        for suffix in ["-wal", "-shm"] { unlink(new + suffix) }
        guard rename(new, path) == 0 else { throw posixFailure("rename", new) }
        unlink(markPath)
        try syncDirectory(root)
        return try ObjectIndex.open(path: path)
    }

    /// Reads a snapshot into an empty index.
    ///
    /// - Returns: false if it is not whole.
    private func load(_ snapshot: JournalDirectory.File, into index: DatabasePool) throws -> Bool {
        let reader = try JournalReader(path: snapshot.path)
        var isWhole = false
        var isDone = false
        while !isDone {
            try index.writeWithoutTransaction { database in
                try database.inTransaction(.immediate) {
                    var bytes = 0
                    while bytes < 16 << 20 {
                        guard let frame = try reader.next() else {
                            isDone = true
                            break
                        }
                        isWhole = frame.payload.readableBytes == 0
                        bytes += frame.payload.readableBytes
                        try Self.apply(frame, database)
                    }
                    return .commit
                }
            }
        }
        guard isWhole, reader.damage.isEmpty else { return false }
        try index.write { try ObjectIndex.setSequence(snapshot.number, $0) }
        return true
    }
}

/// Writes all rows of the index into one file.
enum JournalSnapshot {
    /// Bytes of entries in a frame.
    private static let frameSize = 1 << 20

    /// Writes a snapshot and removes what it makes superfluous. Blocks; the index may be written to meanwhile.
    static func write(_ index: DatabasePool, to journal: JournalDirectory) throws {
        let new = journal.path + "/new"
        let descriptor = Glibc.open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw posixFailure("open", new) }
        defer { Glibc.close(descriptor) }
        do {
            func write(_ bytes: [UInt8]) throws {
                try bytes.withUnsafeBytes {
                    try writeAll($0, to: descriptor, path: new, free: journal.free)
                }
            }
            try write(JournalFormat.header)
            let sequence = try index.read { database in
                let sequence = try ObjectIndex.sequence(database)
                var payload = ByteBuffer()
                func flush() throws {
                    let frame = JournalFormat.frame(sequence: sequence, payload: payload)
                    try frame.withUnsafeReadableBytes {
                        try writeAll($0, to: descriptor, path: new, free: journal.free)
                    }
                    payload.clear()
                }
                for statement in IndexStatement.allCases {
                    guard let select = statement.rows else { continue }
                    let rows = try Row.fetchCursor(database, sql: select)
                    while let row = try rows.next() {
                        JournalEntry.encode(statement, Array(row.databaseValues), into: &payload)
                        if payload.readableBytes >= frameSize { try flush() }
                    }
                }
                if payload.readableBytes > 0 { try flush() }
                // The empty frame says that nothing is missing.
                try flush()
                return sequence
            }
            guard fsync(descriptor) == 0 else { throw posixFailure("fsync", new) }
            guard rename(new, journal.snapshotPath(sequence)) == 0 else { throw posixFailure("rename", new) }
            try syncDirectory(journal.path)
            try journal.prune(upTo: sequence)
        } catch {
            unlink(new)
            throw error
        }
    }
}
