internal import GRDB
internal import NIOPosix
internal import Synchronization

/// The remote store, once there is one.
final class RemoteLink: Sendable {
    private let state = Mutex<(any RemoteContents)?>(nil)

    var contents: (any RemoteContents)? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// Removes contents that the index let go of, in the background. What cannot be removed now is found again by the next
/// start or the next audit.
///
/// A content that moves to and fro has the same name each time it comes to a place. So it is asked, at the moment of the
/// removal and while nobody moves it, whether the index names it again.
final class ContentCollector: Sendable {
    let moves = MoveLock()
    private let entrance: AsyncStream<Int64>.Continuation
    private let work: Task<Void, Never>

    init(index: DatabasePool, directory: DataDirectory, threads: NIOThreadPool, remote: RemoteLink) {
        let (queue, entrance) = AsyncStream.makeStream(of: Int64.self, bufferingPolicy: .bufferingOldest(1_000_000))
        self.entrance = entrance
        let moves = moves
        work = Task {
            await withDiscardingTaskGroup { group in
                // Removing is all waiting: a few at a time.
                for _ in 0..<4 {
                    group.addTask {
                        for await id in queue {
                            await moves.hold(Int64(id.magnitude))
                            do {
                                if try await !index.read({ try ObjectIndex.isNamed(id, $0) }) {
                                    if id.isRemote {
                                        try await remote.contents?.remove(RemoteName.name(id))
                                    } else {
                                        try await threads.blocking { directory.remove(id) }
                                    }
                                }
                            } catch {
                                // It only takes space until then: the next start or audit finds it, see above.
                            }
                            await moves.release(Int64(id.magnitude))
                        }
                    }
                }
            }
        }
    }

    /// Nothing names this content any more.
    func collect(_ id: Int64) { entrance.yield(id) }

    /// Finishes what waits.
    func close() async {
        entrance.finish()
        await work.value
    }
}

/// One at a time may move or remove a content.
actor MoveLock {
    private var waiting: [Int64: [CheckedContinuation<Void, Never>]] = [:]

    /// Returns when nobody else holds it.
    func hold(_ content: Int64) async {
        guard waiting[content] != nil else {
            waiting[content] = []
            return
        }
        await withCheckedContinuation { waiting[content]?.append($0) }
    }

    /// Hands it to the next.
    func release(_ content: Int64) {
        guard var others = waiting[content], !others.isEmpty else {
            waiting[content] = nil
            return
        }
        let next = others.removeFirst()
        waiting[content] = others
        next.resume()
    }
}
