import GRDB
import Synchronization

/// The one writer of a SQLite store, with group commit.
///
///     submit ──▶ pending ──drain──▶ BEGIN · request · request · … · COMMIT (one fsync) ──▶ publish ──▶ answer all
///
/// While one group is being synced to disk the next one gathers, so the number of transactions in a group follows
/// the load by itself. Conditions of a request are evaluated inside the SQLite transaction, after the operations of
/// those before it and before its own first change: a failed condition leaves nothing to undo.
final class SQLiteWriter: Sendable {
    private struct Request {
        enum Work {
            case commit(StoreTransaction)
            case compact(before: Int64)
        }
        var work: Work
        var answer: CheckedContinuation<Result<StoreCommit, StoreError>, Never>
    }

    private struct State {
        var pending: [Request] = []
        var draining = false
        var closed = false
        var idle: [CheckedContinuation<Void, Never>] = []
    }

    /// The counters as they are on disk; read and written on the writer's queue only, hence inside its own lock.
    private struct Counters {
        var revision: Int64
        var oldest: Int64
    }

    private let database: any DatabaseWriter
    private let path: String
    private let feed: EventFeed
    private let history: Int64
    private let state = Mutex(State())
    private let counters: Mutex<Counters>
    /// Bounds how long the first request of a group waits for the last, and the size of the WAL.
    private let groupLimit = 512
    /// Trimming a few revisions at a time keeps it off the latency of a single commit.
    private let trimStep: Int64 = 64

    init(
        database: any DatabaseWriter, path: String, feed: EventFeed, revision: Int64, oldest: Int64, history: Int64
    ) {
        self.database = database
        self.path = path
        self.feed = feed
        self.history = history
        counters = Mutex(Counters(revision: revision, oldest: oldest))
    }

    func commit(_ transaction: StoreTransaction) async throws(StoreError) -> StoreCommit {
        try await submit(.commit(transaction))
    }

    func compact(before revision: Int64) async throws(StoreError) {
        _ = try await submit(.compact(before: revision))
    }

    /// Refuses new requests and returns when the last one was answered.
    func close() async {
        await withCheckedContinuation { continuation in
            let idle = state.withLock { state in
                state.closed = true
                if state.draining { state.idle.append(continuation) }
                return !state.draining
            }
            if idle { continuation.resume() }
        }
    }

    private func submit(_ work: Request.Work) async throws(StoreError) -> StoreCommit {
        let result: Result<StoreCommit, StoreError> = await withCheckedContinuation { continuation in
            enum Next { case nothing, refuse, drain }
            let next: Next = state.withLock { state in
                if state.closed { return .refuse }
                state.pending.append(Request(work: work, answer: continuation))
                if state.draining { return .nothing }
                state.draining = true
                return .drain
            }
            switch next {
            case .nothing: break
            case .refuse: continuation.resume(returning: .failure(.closed))
            case .drain: database.asyncWriteWithoutTransaction { db in self.drain(db) }
            }
        }
        return try result.get()
    }

    private func drain(_ db: Database) {
        while true {
            var idle: [CheckedContinuation<Void, Never>] = []
            let group: [Request] = state.withLock { state in
                guard !state.pending.isEmpty else {
                    state.draining = false
                    idle = state.idle
                    state.idle = []
                    return []
                }
                if state.pending.count <= groupLimit {
                    defer { state.pending = [] }
                    return state.pending
                }
                defer { state.pending.removeFirst(groupLimit) }
                return Array(state.pending.prefix(groupLimit))
            }
            if group.isEmpty {
                for waiter in idle { waiter.resume() }
                return
            }
            perform(group, db)
        }
    }

    private func perform(_ group: [Request], _ db: Database) {
        do {
            let answers = try write(group, db)
            for (request, answer) in zip(group, answers) { request.answer.resume(returning: .success(answer)) }
        } catch {
            // SQLite rolled the whole group back. One that does not fit on the disk must not fail its neighbours.
            if group.count > 1 {
                for request in group { perform([request], db) }
            } else {
                for request in group {
                    request.answer.resume(returning: .failure(SQLiteSchema.storeError(error, path: path)))
                }
            }
        }
    }

    /// One SQLite transaction for the group; publishes its events when they are durable.
    private func write(_ group: [Request], _ db: Database) throws -> [StoreCommit] {
        var next = counters.withLock { $0 }
        let before = next
        var revisions: [RevisionEvents] = []
        var answers: [StoreCommit] = []
        try db.inTransaction(.immediate) {
            for request in group {
                switch request.work {
                case .commit(let transaction):
                    var events: [StoreEvent] = []
                    let failed = try SQLiteTransaction.apply(
                        transaction, revision: next.revision + 1, events: &events, db)
                    if let failed {
                        answers.append(failed)
                        continue
                    }
                    if !events.isEmpty {
                        next.revision += 1
                        revisions.append(RevisionEvents(revision: next.revision, events: events))
                    }
                    answers.append(.succeeded(revision: next.revision))
                case .compact(let revision):
                    next.oldest = max(next.oldest, min(revision, next.revision + 1))
                    answers.append(.succeeded(revision: next.revision))
                }
            }
            if next.revision - history >= next.oldest + trimStep { next.oldest = next.revision - history + 1 }
            if next.oldest != before.oldest {
                let delete = try SQLiteStatement(db, "DELETE FROM events WHERE revision < ?")
                delete.bind(1, next.oldest)
                try delete.run()
            }
            if next.revision != before.revision || next.oldest != before.oldest {
                let update = try SQLiteStatement(db, "UPDATE counters SET revision = ?, oldest = ? WHERE id = 1")
                update.bind(1, next.revision)
                update.bind(2, next.oldest)
                try update.run()
            }
            return .commit
        }
        counters.withLock { $0 = next }
        feed.publish(revisions)
        feed.compacted(oldest: next.oldest)
        return answers
    }
}
