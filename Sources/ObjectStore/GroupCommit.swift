// Many waiting writes in one transaction, so that they share one fsync, the journal's:
//
//   idle ──write()──> draining ──queue empty──> idle
//                      │  ^
//                      └──┘ take all that waits, run each in a savepoint, journal, commit, answer all

internal import GRDB
internal import NIOCore
internal import Synchronization

/// Runs writes of the index. A write that fails is rolled back alone; if the commit fails, all of its group fail.
final class GroupCommit: Sendable {
    private typealias Answer = @Sendable ((any Error)?) -> Void

    private struct Job: Sendable {
        /// Runs in the transaction and returns what to call once its fate is known.
        let run: @Sendable (IndexWriter) -> Answer
        /// Answers a job that was never run.
        let fail: @Sendable (any Error) -> Void
    }

    private struct State {
        var waiting: [Job] = []
        var draining = false
    }

    /// Bounds how long one transaction keeps the first of its writers waiting.
    private static let largestGroup = 512

    private let database: DatabasePool
    private let journal: JournalWriter
    /// Told of each group that is durable, before its writers are: what it added to the usage of buckets.
    private let committed:
        @Sendable (_ usage: [Int64: StorageUsage], _ writes: Int, _ bytesSinceSnapshot: Int64) -> Void
    private let hot: HotObjects
    private let state = Mutex(State())

    init(
        _ database: DatabasePool, journal: JournalWriter, hot: HotObjects,
        committed: @escaping @Sendable ([Int64: StorageUsage], Int, Int64) -> Void
    ) {
        self.database = database
        self.journal = journal
        self.hot = hot
        self.committed = committed
    }

    /// Runs `body` in a transaction and returns when it is durable.
    func write<T: Sendable>(_ body: @escaping @Sendable (IndexWriter) throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<T, any Error>) in
            let run: @Sendable (IndexWriter) -> Answer = { writer in
                let mark = writer.mark
                let result: Result<T, any Error> = Result {
                    var value: T?
                    do {
                        try writer.database.inSavepoint {
                            value = try body(writer)
                            return .commit
                        }
                    } catch {
                        writer.rollBack(to: mark)
                        throw error
                    }
                    guard let value else { throw ObjectStoreError.failed("a write returned nothing") }
                    return value
                }
                return { commitError in
                    if let commitError {
                        continuation.resume(throwing: commitError)
                    } else {
                        continuation.resume(with: result)
                    }
                }
            }
            enqueue(Job(run: run, fail: { continuation.resume(throwing: $0) }))
        }
    }

    private func enqueue(_ job: Job) {
        let start = state.withLock { state in
            state.waiting.append(job)
            defer { state.draining = true }
            return !state.draining
        }
        guard start else { return }
        database.asyncWriteWithoutTransaction { database in
            while true {
                let group = self.state.withLock { state -> [Job] in
                    let group = Array(state.waiting.prefix(Self.largestGroup))
                    state.waiting.removeFirst(group.count)
                    if group.isEmpty { state.draining = false }
                    return group
                }
                if group.isEmpty { return }
                self.commit(group, in: database)
            }
        }
    }

    private func commit(_ group: [Job], in database: Database) {
        var answers: [Answer] = []
        var failure: (any Error)?
        let writer = IndexWriter(database)
        var isJournalled = false
        var closed: [HotObjects.Key] = []
        do {
            try database.inTransaction(.immediate) {
                for job in group {
                    answers.append(job.run(writer))
                    // SQLite gives up the whole transaction by itself when the disk is full or fails.
                    guard database.isInsideTransaction else {
                        throw ObjectStoreError.failed("the index gave up a transaction: is its disk full?")
                    }
                }
                // A group of refusals and look-ups changes nothing.
                guard writer.entries.readableBytes > 0 else { return .rollback }
                try ObjectIndex.setSequence(journal.sequence + 1, database)
                try ObjectIndex.count(writer.usage, database)
                _ = try journal.append(writer.entries)
                isJournalled = true
                closed = writer.keys
                hot.willCommit(closed)
                return .commit
            }
            committed(writer.usage, group.count, journal.bytesSinceSnapshot)
        } catch {
            if isJournalled { journal.takeBack() }
            failure = ObjectIndex.explained(error)
        }
        hot.didCommit(closed)
        for (position, job) in group.enumerated() {
            if position < answers.count {
                answers[position](failure)
            } else {
                job.fail(failure ?? ObjectStoreError.failed("a write was not run"))
            }
        }
    }
}
