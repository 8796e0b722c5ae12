internal import GRDB
internal import NIOPosix
internal import Synchronization

/// What the index needs now and then, done beside the store's work: a snapshot when the journal has grown, and the fold of
/// SQLite's log into its file, which would otherwise be a commit's, with all who wait behind it. It counts commits, too.
final class Upkeep: Sendable {
    private struct State {
        var isWriting = false
        var isClosed = false
        /// The size of the last snapshot: the next is due when the journal has grown by as much.
        var lastSize: Int64 = 0
        var bytesAtSnapshot: Int64 = 0
        var commits: Int64 = 0
        var writes: Int64 = 0
        var failure: String?
        var task: Task<Void, Never>?
        var isFolding = false
        var bytesAtFold: Int64 = 0
        var fold: Task<Void, Never>?
    }

    /// Journalled bytes after which the log is folded: about a quarter of what SQLite would do by itself.
    private static let foldAfter: Int64 = 8 << 20

    private let index: DatabasePool
    private let journal: JournalDirectory
    private let snapshotAfter: Int64
    private let threads: NIOThreadPool
    private let state = Mutex(State())

    init(index: DatabasePool, journal: JournalDirectory, snapshotAfter: Int64, threads: NIOThreadPool) {
        self.index = index
        self.journal = journal
        self.snapshotAfter = snapshotAfter
        self.threads = threads
    }

    /// Groups that were committed, and the writes in them; why the last snapshot failed.
    var counts: (commits: Int64, writes: Int64, failure: String?) {
        state.withLock { ($0.commits, $0.writes, $0.failure) }
    }

    /// A group is durable; `bytes` is what was journalled since the store was opened and before.
    func committed(writes: Int, bytes: Int64) {
        state.withLock { state in
            state.commits += 1
            state.writes += Int64(writes)
            if !state.isFolding, !state.isClosed, bytes - state.bytesAtFold > Self.foldAfter {
                state.isFolding = true
                state.bytesAtFold = bytes
                state.fold = Task { await self.fold() }
            }
            guard !state.isWriting, !state.isClosed,
                bytes - state.bytesAtSnapshot > max(snapshotAfter, state.lastSize)
            else { return }
            state.isWriting = true
            state.bytesAtSnapshot = bytes
            state.task = Task { await self.snapshot() }
        }
    }

    private func fold() async {
        // By a connection of its own: the writer's is busy. What fails here is tried again, and in the end by the writer.
        try? await threads.blocking { [index] in
            let folder = try DatabaseQueue(path: index.path)
            defer { try? folder.close() }  // nothing of its own can be lost
            try folder.writeWithoutTransaction { _ = try $0.checkpoint(.passive) }
        }
        state.withLock { $0.isFolding = false }
    }

    private func snapshot() async {
        var size: Int64?
        var failure: String?
        do {
            size = try await threads.blocking { [index, journal] in
                try JournalSnapshot.write(index, to: journal)
                return try journal.snapshots().last?.size
            }
        } catch {
            failure = "\(error)"
        }
        state.withLock { state in
            state.isWriting = false
            state.lastSize = size ?? state.lastSize
            state.failure = failure
        }
    }

    /// Waits for what is being written; nothing new begins.
    func finish() async {
        let (task, fold) = state.withLock { state in
            state.isClosed = true
            return (state.task, state.fold)
        }
        await task?.value
        await fold?.value
    }
}
