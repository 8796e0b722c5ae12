public import Posix

/// The time that simulated guests live in: real, or moved by hand.
///
/// Any number of simulated hosts share one clock. Moved by hand it needs no thread at all; real time takes one, for all of
/// them together, from the first action on.
public final class SimulatedClock: @unchecked Sendable {
    /// Who moves the time.
    public enum Mode: Sendable {
        /// It passes by itself.
        case automatic
        /// `advance` moves it, from 0.
        case manual
    }

    private struct Action {
        let time: Milliseconds
        let number: Int64
        let run: @Sendable () -> Void
    }

    // `lock` guards all that changes; actions run while it is not held.
    private let lock = Lock()
    private let change = Condition()
    private let mode: Mode
    private let origin = Clock.monotonic
    private var manualTime: Milliseconds = 0
    /// A binary heap, earliest first; of one time, in the order in which they were scheduled.
    private var heap: [Action] = []
    private var lastNumber: Int64 = 0
    private var hasThread = false

    /// Creates a clock at 0.
    public init(_ mode: Mode) { self.mode = mode }

    /// Whether time passes by itself.
    var isAutomatic: Bool { mode == .automatic }

    /// Milliseconds since the clock was made.
    public var now: Milliseconds {
        switch mode {
        case .automatic: Clock.monotonic - origin
        case .manual: lock.withLock { manualTime }
        }
    }

    /// Moves the time on and runs what falls due, in order, on the caller's thread; what that schedules within the span
    /// runs too. Only for `manual`; of an automatic clock it does nothing.
    public func advance(milliseconds: Milliseconds) {
        guard mode == .manual else { return }
        let target = lock.withLock { manualTime + max(0, milliseconds) }
        while true {
            lock.lock()
            guard let first = heap.first, first.time <= target else {
                manualTime = max(manualTime, target)
                lock.unlock()
                return
            }
            manualTime = max(manualTime, first.time)
            removeFirst()
            lock.unlock()
            first.run()
        }
    }

    /// Runs an action so long from now. There is no way to cancel it: it must look whether it is still wanted.
    func schedule(after delay: Milliseconds, _ action: @escaping @Sendable () -> Void) throws(PosixError) {
        let time = now + max(0, delay)
        lock.lock()
        defer { lock.unlock() }
        lastNumber += 1
        insert(Action(time: time, number: lastNumber, run: action))
        guard mode == .automatic else { return }
        if !hasThread {
            hasThread = true
            do throws(PosixError) {
                try Thread.start(name: "simulated-clock") { self.run() }
            } catch {
                hasThread = false
                throw error
            }
        }
        change.signal()
    }

    /// The automatic clock's thread; ends when there is nothing left to do, so that an idle clock can go.
    private func run() {
        lock.lock()
        while let first = heap.first {
            let wait = first.time - now
            if wait > 0 {
                change.wait(lock, timeout: wait)
                continue
            }
            removeFirst()
            lock.unlock()
            first.run()
            lock.lock()
        }
        hasThread = false
        lock.unlock()
    }

    // MARK: The heap

    private static func isBefore(_ first: Action, _ second: Action) -> Bool {
        first.time != second.time ? first.time < second.time : first.number < second.number
    }

    private func insert(_ action: Action) {
        heap.append(action)
        var index = heap.count - 1
        while index > 0, Self.isBefore(heap[index], heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count {
                if Self.isBefore(heap[child], heap[least]) { least = child }
            }
            if least == index { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
