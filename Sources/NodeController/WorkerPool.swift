public import Posix

/// A bounded set of threads that run jobs, now or at a later time.
///
/// Threads are started as jobs need them, up to the limit. Jobs that are due run in the order in which they became due.
/// A job that blocks for long holds one thread: blocking work belongs into a pool of its own, away from work that must be
/// prompt.
public final class WorkerPool: @unchecked Sendable {
    /// A piece of work.
    public typealias Job = @Sendable () -> Void

    private struct Entry {
        let due: Milliseconds
        let order: UInt64
        let job: Job

        func isBefore(_ other: Entry) -> Bool { due != other.due ? due < other.due : order < other.order }
    }

    // Everything below is guarded by `lock`; that makes the class safe to share.
    private let lock = Lock()
    private let change = Condition()
    private var heap: [Entry] = []
    private var counter: UInt64 = 0
    private var idle = 0
    private var threads: [Thread] = []
    private var running = 0
    private var stopped = false

    private let name: String
    private let limit: Int
    private let log: NodeLog

    /// Creates a pool of at most `threads` threads; none is started before the first job.
    public init(name: String, threads: Int, log: NodeLog) {
        self.name = name
        limit = max(1, threads)
        self.log = log
    }

    /// Runs a job as soon as a thread is free. After `stop` it is dropped.
    public func submit(_ job: @escaping Job) { submit(after: 0, job) }

    /// Runs a job after a time. After `stop` it is dropped.
    public func submit(after delay: Milliseconds, _ job: @escaping Job) {
        let due = Clock.monotonic + max(0, delay)
        lock.lock()
        defer { lock.unlock() }
        guard !stopped else { return }
        counter += 1
        push(Entry(due: due, order: counter, job: job))
        if idle > 0 {
            change.signal()
        } else if running < limit {
            startThread()
        }
    }

    /// Drops what waits and returns when what runs is done, or false after the time limit.
    @discardableResult
    public func stop(timeout: Milliseconds? = nil) -> Bool {
        let deadline = Deadline(after: timeout)
        lock.lock()
        stopped = true
        heap = []
        change.broadcast()
        let joining = threads
        lock.unlock()
        for thread in joining where !thread.join(timeout: deadline.remaining) { return false }
        return true
    }

    // MARK: Threads

    /// With the lock held.
    private func startThread() {
        running += 1
        do throws(PosixError) {
            threads.append(try Thread.start(name: name) { self.work() })
        } catch {
            running -= 1
            // With another thread alive the job is only late; without one, the next submission tries again.
            log.error("\(error); \(running) threads of \(name) go on with the work")
        }
    }

    private func work() {
        lock.lock()
        while true {
            guard !stopped else { break }
            guard let first = heap.first else {
                wait(nil)
                continue
            }
            let now = Clock.monotonic
            if first.due > now {
                wait(first.due - now)
                continue
            }
            let entry = pop()
            // Somebody should watch the rest while this thread is busy.
            if !heap.isEmpty {
                if idle > 0 { change.signal() } else if running < limit, isDue { startThread() }
            }
            lock.unlock()
            entry.job()
            lock.lock()
        }
        running -= 1
        lock.unlock()
    }

    private var isDue: Bool { heap.first.map { first in first.due <= Clock.monotonic } ?? false }

    private func wait(_ time: Milliseconds?) {
        idle += 1
        change.wait(lock, timeout: time)
        idle -= 1
    }

    // MARK: A binary heap

    private func push(_ entry: Entry) {
        heap.append(entry)
        var index = heap.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].isBefore(heap[parent]) else { break }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    private func pop() -> Entry {
        let first = heap[0]
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
                least = child
            }
            guard least != index else { break }
            heap.swapAt(index, least)
            index = least
        }
        return first
    }
}
