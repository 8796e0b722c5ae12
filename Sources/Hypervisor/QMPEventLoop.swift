import Posix

/// One thread that reads the QMP connections of all guests, so that the number of threads does not grow with guests.
final class QMPEventLoop: @unchecked Sendable {
    // `lock` guards all that changes.
    private let lock = Lock()
    private var connections: [Int32: QMPConnection] = [:]
    private var thread: Thread?
    private var isStopping = false
    private let wakeReading: File
    private let wakeWriting: File

    /// Called on the loop's thread for each event.
    var onEvent: @Sendable (QMPConnection, QMPEvent) -> Void = { _, _ in }
    /// Called on the loop's thread when a connection is lost; it is closed already.
    var onLost: @Sendable (QMPConnection) -> Void = { _ in }
    /// Called on the loop's thread at least every `idlePause`; returns when it wants to be called again, in milliseconds.
    var onTick: @Sendable () -> Milliseconds = { QMPEventLoop.idlePause }

    /// How long the loop sleeps when nothing happens.
    static let idlePause: Milliseconds = 500

    init() throws(PosixError) {
        (wakeReading, wakeWriting) = try File.pipe()
    }

    /// Reads this connection from now on; starts the thread with the first one.
    func add(_ connection: QMPConnection) throws(PosixError) {
        lock.lock()
        defer { lock.unlock() }
        connections[connection.descriptor] = connection
        if thread == nil { thread = try Thread.start(name: "qmp") { self.run() } }
        try wakeWriting.write([0])
    }

    /// Lets the loop look at the clock now.
    func wake() {
        lock.lock()
        defer { lock.unlock() }
        do throws(PosixError) {
            try wakeWriting.write([0])
        } catch {}  // The loop comes round by itself within idlePause.
    }

    /// Ends the thread and closes all connections. Not to be called on the loop's thread.
    func stop() {
        lock.lock()
        isStopping = true
        let running = thread
        let open = connections
        connections = [:]
        lock.unlock()
        wake()
        running?.join(timeout: 5_000)
        for (_, connection) in open { connection.close() }
    }

    private func run() {
        var pause = Self.idlePause
        while true {
            lock.lock()
            let stopping = isStopping
            var items = [Poll.Item(wakeReading.descriptor, readable: true)]
            for (descriptor, _) in connections { items.append(Poll.Item(descriptor, readable: true)) }
            lock.unlock()
            if stopping { return }
            do throws(PosixError) {
                items = try Poll.wait(items, timeout: pause)
                if items[0].isReadable { _ = try wakeReading.read(4096) }
            } catch {
                // Only for want of memory; with no pause it would spin.
                Thread.sleep(Self.idlePause)
                continue
            }
            for item in items.dropFirst() where item.isReadable { read(item.descriptor) }
            pause = onTick()
        }
    }

    private func read(_ descriptor: Int32) {
        guard let connection = lock.withLock({ connections[descriptor] }) else { return }
        if let events = connection.receive() {
            for event in events { onEvent(connection, event) }
            return
        }
        lock.withLock { _ = connections.removeValue(forKey: descriptor) }
        connection.close()
        onLost(connection)
    }
}
