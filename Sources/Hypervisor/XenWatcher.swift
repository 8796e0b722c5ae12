import Posix

/// One thread for all domains: it waits for xenstore to tell that a domain ended, reads consoles, and looks at the list
/// of domains now and then in case xenstore's word was lost.
final class XenWatcher: @unchecked Sendable {
    // `lock` guards the thread and `isStopping`; the rest belongs to the thread.
    private let lock = Lock()
    private var thread: Thread?
    private var isStopping = false
    private let wakeReading: File
    private let wakeWriting: File
    private var store: XenStoreConnection?
    private var lastLook: Milliseconds = -1_000_000

    /// Called on the thread when a domain may have ended (true), and every `idlePause` otherwise.
    var onChange: @Sendable (Bool) -> Void = { _ in }
    /// The terminals to wait for; opens what can be opened.
    var consoles: @Sendable () -> [Int32] = { [] }
    /// Called on the thread when a terminal has something.
    var onOutput: @Sendable (Int32) -> Void = { _ in }

    private static let idlePause: Milliseconds = 500
    /// A watch is reliable; this is for a xenstored that was started again.
    private static let safetyPause: Milliseconds = 15_000
    /// Without xenstore the list is all there is.
    private static let blindPause: Milliseconds = 2_000

    init() throws(PosixError) {
        (wakeReading, wakeWriting) = try File.pipe()
    }

    /// Starts the thread, unless it runs; otherwise wakes it.
    func start() {
        lock.lock()
        defer { lock.unlock() }
        do throws(PosixError) {
            if thread == nil, !isStopping { thread = try Thread.start(name: "xen") { self.run() } }
            try wakeWriting.write([0])
        } catch {
            Output.error("the watch over Xen's domains does not start: \(error.description)")
        }
    }

    /// Ends the thread. Not to be called on it.
    func stop() {
        lock.lock()
        isStopping = true
        let running = thread
        lock.unlock()
        do throws(PosixError) {
            try wakeWriting.write([0])
        } catch {}  // It comes round by itself within idlePause.
        running?.join(timeout: 30_000)
    }

    /// A value out of xenstore; nil if there is none or xenstore does not answer. On the watcher's thread.
    func read(_ path: String) -> String? {
        do throws(PosixError) {
            return try connection()?.read(path)
        } catch {
            store = nil
            return nil
        }
    }

    private func connection() throws(PosixError) -> XenStoreConnection? {
        if let store { return store }
        let new = try XenStoreConnection.open()
        try new.watch("@releaseDomain")
        store = new
        return new
    }

    private func run() {
        while !lock.withLock({ isStopping }) {
            var isNews = false
            do throws(PosixError) {
                isNews = try connection()?.takeEvents() ?? false
            } catch {
                store = nil
            }
            let now = Clock.monotonic
            let pause = store == nil ? Self.blindPause : Self.safetyPause
            if now - lastLook >= pause { isNews = true }
            if isNews { lastLook = now }
            onChange(isNews)
            var items = [Poll.Item(wakeReading.descriptor, readable: true)]
            if let store { items.append(Poll.Item(store.descriptor, readable: true)) }
            let terminals = consoles()
            for descriptor in terminals { items.append(Poll.Item(descriptor, readable: true)) }
            do throws(PosixError) {
                items = try Poll.wait(items, timeout: Self.idlePause)
                if items[0].isReadable { _ = try wakeReading.read(4096) }
            } catch {
                // Only for want of memory; with no pause it would spin.
                Thread.sleep(Self.idlePause)
                continue
            }
            for item in items.suffix(terminals.count) where item.isReadable { onOutput(item.descriptor) }
        }
    }
}
