import Synchronization

/// The events of one revision.
struct RevisionEvents: Sendable {
    var revision: Int64
    var events: [StoreEvent]
}

/// Hands committed events to the watches of an embedded engine.
///
/// Readers pull: each keeps only its next revision, and the history on disk is the buffer. So a slow reader costs no
/// memory, and nothing can be missed or repeated between past and present. The last revisions stay in memory here,
/// which is where readers that keep up find them.
final class EventFeed: Sendable {
    /// What a reader that wants `cursor` next should do.
    enum Step {
        /// Revisions `cursor..<next`, all of them, are these.
        case events([RevisionEvents], next: Int64)
        /// Not in memory any more: read `cursor...through` from the history.
        case history(through: Int64)
        /// Everything was read: wait for more.
        case caughtUp
        case failed(StoreError)
    }

    private struct State {
        /// Without gaps: `recent[i].revision == recent[0].revision + i`, the last one is `published`.
        var recent: [RevisionEvents] = []
        var recentBytes = 0
        var published: Int64
        var oldest: Int64
        var closed = false
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let state: Mutex<State>
    private let recentRevisions = 4096
    private let recentByteLimit = 16 << 20
    /// Revisions in one element, so that a reader far behind does not hold everything at once.
    private let chunk = 512

    init(published: Int64, oldest: Int64) {
        state = Mutex(State(published: published, oldest: oldest))
    }

    /// The last revision that was handed out.
    var published: Int64 { state.withLock { $0.published } }

    /// Adds revisions that are durable now, in order, each once.
    func publish(_ revisions: [RevisionEvents]) {
        guard let last = revisions.last else { return }
        let waiting = state.withLock { state in
            state.recent.append(contentsOf: revisions)
            state.recentBytes += revisions.reduce(0) { $0 + Self.size($1) }
            state.published = last.revision
            trim(&state)
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    /// The history before `oldest` is gone.
    func compacted(oldest: Int64) {
        state.withLock { $0.oldest = max($0.oldest, oldest) }
    }

    /// Ends every reader with `.closed`.
    func close() {
        let waiting = state.withLock { state in
            state.closed = true
            state.recent = []
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    func step(from cursor: Int64) -> Step {
        state.withLock { state in
            if state.closed { return .failed(.closed) }
            if cursor < state.oldest { return .failed(.compacted(oldest: state.oldest)) }
            if cursor > state.published { return .caughtUp }
            guard let first = state.recent.first?.revision, cursor >= first else {
                return .history(through: min(state.published, cursor + Int64(chunk) - 1))
            }
            let from = Int(cursor - first)
            let slice = state.recent[from..<min(state.recent.count, from + chunk)]
            return .events(Array(slice), next: cursor + Int64(slice.count))
        }
    }

    /// Returns when `cursor` was published, the feed was closed, or the task was cancelled.
    func wait(for cursor: Int64) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state in
                    // A task is marked as cancelled before its handler runs, so either this sees the mark or the
                    // handler finds the continuation.
                    if state.closed || cursor <= state.published || Task.isCancelled { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if ready { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }

    private func trim(_ state: inout State) {
        // Dropping from the front of an array costs its length: let it grow by half before.
        guard state.recent.count > recentRevisions * 3 / 2 || state.recentBytes > recentByteLimit else { return }
        var drop = max(0, state.recent.count - recentRevisions)
        var bytes = state.recentBytes - state.recent[..<drop].reduce(0) { $0 + Self.size($1) }
        while bytes > recentByteLimit / 2, drop < state.recent.count {
            bytes -= Self.size(state.recent[drop])
            drop += 1
        }
        state.recent.removeFirst(drop)
        state.recentBytes = bytes
    }

    private static func size(_ revision: RevisionEvents) -> Int {
        revision.events.reduce(0) { sum, event in
            if case .put(let value) = event.change { sum + value.bytes.count + 128 } else { sum + 128 }
        }
    }
}
