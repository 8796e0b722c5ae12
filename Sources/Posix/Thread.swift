import CPosix

/// A kernel thread.
public final class Thread: @unchecked Sendable {
    // Shared between the thread and those who wait for its end; `lock` guards `ended`.
    private let lock = Lock()
    private let change = Condition()
    private var ended = false

    private init() {}

    /// The body and the handle, for the way through C.
    private final class Start {
        let thread: Thread
        let body: @Sendable () -> Void
        init(_ thread: Thread, _ body: @escaping @Sendable () -> Void) {
            self.thread = thread
            self.body = body
        }
    }

    /// Runs `body` on a thread of its own, which needs no `join`. The name (15 bytes) shows in ps and top.
    /// Fails when the system's limit of threads is reached. `stackSize` in bytes; 0 takes the system's default.
    @discardableResult
    public static func start(
        name: String, stackSize: Int = 0, _ body: @escaping @Sendable () -> Void
    ) throws(PosixError) -> Thread {
        let thread = Thread()
        let start = Unmanaged.passRetained(Start(thread, body))
        let result = cposix_thread_start(
            name, stackSize,
            { context in
                guard let context else { return }
                let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                start.body()
                start.thread.finish()
            }, start.toOpaque())
        if result < 0 { start.release() }
        try check(result, "start thread", name)
        return thread
    }

    private func finish() {
        lock.lock()
        ended = true
        change.broadcast()
        lock.unlock()
    }

    /// Waits until the body has returned; false when it has not within the time limit.
    @discardableResult
    public func join(timeout: Milliseconds? = nil) -> Bool {
        let deadline = Deadline(after: timeout)
        lock.lock()
        defer { lock.unlock() }
        while !ended {
            if !change.wait(lock, timeout: deadline.remaining), deadline.isPast { break }
        }
        return ended
    }

    /// Lets this thread rest.
    public static func sleep(_ time: Milliseconds) { cposix_sleep(time) }
}

/// A mutual exclusion lock; not recursive.
public final class Lock: @unchecked Sendable {
    let mutex: UnsafeMutableRawPointer

    /// An open lock.
    public init() { mutex = cposix_mutex_create() }
    deinit { cposix_mutex_destroy(mutex) }

    /// Takes it, waiting as long as another thread has it.
    public func lock() { cposix_mutex_lock(mutex) }
    /// Gives it back.
    public func unlock() { cposix_mutex_unlock(mutex) }

    /// Runs `body` while holding the lock.
    public func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        cposix_mutex_lock(mutex)
        defer { cposix_mutex_unlock(mutex) }
        return try body()
    }
}

/// Lets threads wait for a change of what a `Lock` guards.
public final class Condition: @unchecked Sendable {
    private let condition: UnsafeMutableRawPointer

    /// A condition without waiters.
    public init() { condition = cposix_condition_create() }
    deinit { cposix_condition_destroy(condition) }

    /// Gives `lock` (which must be held) back, waits, and takes it again. False after the time limit.
    /// May wake without reason: look at the guarded state in a loop.
    @discardableResult
    public func wait(_ lock: Lock, timeout: Milliseconds? = nil) -> Bool {
        cposix_condition_wait(condition, lock.mutex, shimTimeout(timeout))
    }

    /// Wakes one waiter.
    public func signal() { cposix_condition_signal(condition) }
    /// Wakes all waiters.
    public func broadcast() { cposix_condition_broadcast(condition) }
}
