import Posix
import Testing

@Suite struct ThreadTests {
    @Test func `a lock lets one thread at a time count`() throws {
        let lock = Lock()
        nonisolated(unsafe) var count = 0
        let threads = try (0..<4).map { _ in
            try Thread.start(name: "count") { for _ in 0..<10_000 { lock.withLock { count += 1 } } }
        }
        for thread in threads { #expect(thread.join(timeout: 60_000)) }
        #expect(lock.withLock { count } == 40_000)
    }

    @Test func `a lock is open again after an error`() throws {
        struct Failure: Error, Equatable {}
        let lock = Lock()
        do throws(Failure) {
            try lock.withLock { () throws(Failure) in throw Failure() }
            Issue.record("no error")
        } catch {}
        #expect(lock.withLock { 5 } == 5)
    }

    @Test func `a condition wakes its waiter, or gives up in time`() throws {
        let lock = Lock()
        let condition = Condition()
        nonisolated(unsafe) var ready = false
        let start = Clock.monotonic
        lock.lock()
        while condition.wait(lock, timeout: 30) {}
        lock.unlock()
        #expect(Clock.monotonic - start >= 29)
        let thread = try Thread.start(name: "signal") {
            lock.withLock { ready = true }
            condition.signal()
        }
        lock.lock()
        while !ready, condition.wait(lock, timeout: 120_000) {}
        #expect(ready)
        lock.unlock()
        #expect(thread.join(timeout: 120_000))
    }

    @Test func `joining gives up in time`() throws {
        let gate = Lock()
        gate.lock()
        let thread = try Thread.start(name: "blocked") { gate.withLock {} }
        #expect(!thread.join(timeout: 20))
        gate.unlock()
        #expect(thread.join(timeout: 120_000))
    }

    @Test func `deadlines pass, and nil never does`() {
        #expect(Deadline(after: 0).isPast)
        #expect(Deadline(after: -5).remaining == 0)
        #expect(!Deadline(after: nil).isPast)
        #expect(Deadline(after: nil).remaining == nil)
        #expect((Deadline(after: .max).remaining ?? 0) > 1_000_000)
    }

    @Test func `the host knows itself`() throws {
        #expect(try !Host.name().isEmpty)
        #expect(try !Host.machine().isEmpty)
        #expect(Host.processors >= 1)
        let memory = try Host.memory()
        #expect(memory.total > 0 && memory.available > 0 && memory.available <= memory.total)
        #expect(try Host.arguments().count >= 1)
        #expect(try Random.bytes(32) != Random.bytes(32))
        #expect(Environment["MALLEE_SURELY_NOT_SET"] == nil)
        #expect(Environment.all.contains { $0.hasPrefix("PATH=") })
    }
}
