public import Posix
public import TLS

/// An HTTP/1.1 server: one thread takes connections into a bounded queue, a bounded number of threads serve them.
///
/// A connection keeps its thread between requests, until `idleTime`, or until another connection waits for a thread:
/// then the one that has been idle longest is closed, which HTTP clients must expect at any time.
public final class HTTPServer: @unchecked Sendable {
    /// Sizes and limits.
    public struct Options: Sendable {
        /// Connections served at the same time.
        public var threads = 64
        /// Connections that wait for a thread; more are answered 503 (with TLS: closed).
        public var queue = 128
        /// Limits of each connection.
        public var limits = HTTPLimits()
        /// Encrypts, if set.
        public var tls: TLSContext?
        /// Told of connections that failed before a request, such as TLS handshakes; for the log.
        public var onError: (@Sendable (String) -> Void)?

        /// Plain, 64 threads, 128 waiting.
        public init() {}
    }

    private struct Connection {
        let stream: any ByteStream
        /// Waits for a request.
        var isIdle = false
        /// Since when it waits for another request; nil while it waits for its first, which it was promised a thread for.
        var idleSince: Milliseconds?
    }

    /// Where it listens; has the port.
    public let listener: Listener
    private let handler: any HTTPHandler
    private let options: Options

    // `lock` guards all that follows; `change` tells of it.
    private let lock = Lock()
    private let change = Condition()
    private var waiting: [Socket] = []
    private var connections: [Int: Connection] = [:]
    private var nextNumber = 0
    private var workers = 0
    private var idleWorkers = 0
    private var accepting = false
    private var stopping = false

    /// A server that does not serve yet.
    public init(listener: Listener, handler: any HTTPHandler, options: Options = Options()) {
        self.listener = listener
        self.handler = handler
        self.options = options
    }

    /// The TCP port; 0 for a Unix socket.
    public var port: UInt16 { listener.port }

    /// Starts to take connections and returns.
    public func start() throws(PosixError) {
        lock.withLock { accepting = true }
        do throws(PosixError) {
            try Thread.start(name: "http-accept") { [self] in acceptLoop() }
        } catch {
            lock.withLock { accepting = false }
            throw error
        }
    }

    /// Takes no more connections, closes idle ones, and lets requests that are being answered finish; what is not
    /// finished within `grace` is cut off. True when nothing had to be.
    @discardableResult
    public func stop(grace: Milliseconds = 10_000) -> Bool {
        listener.close()
        lock.lock()
        stopping = true
        waiting.removeAll()
        for connection in connections.values where connection.isIdle { connection.stream.shutdown() }
        change.broadcast()
        let clean = waitForWorkers(Deadline(after: grace))
        if !clean {
            for connection in connections.values { connection.stream.shutdown() }
            // Threads in a handler that does not return are left behind; they find their stream closed.
            _ = waitForWorkers(Deadline(after: 1000))
        }
        lock.unlock()
        return clean
    }

    private func waitForWorkers(_ deadline: Deadline) -> Bool {
        while workers > 0 || accepting {
            if deadline.isPast { return false }
            change.wait(lock, timeout: deadline.remaining)
        }
        return true
    }

    private func acceptLoop() {
        while !lock.withLock({ stopping }) {
            do throws(PosixError) {
                guard let socket = try listener.accept(timeout: nil) else { continue }
                enqueue(socket)
            } catch {
                if lock.withLock({ stopping }) { break }
                options.onError?(error.description)
                // Out of descriptors or memory: others must finish first.
                Thread.sleep(50)
            }
        }
        lock.withLock {
            accepting = false
            change.broadcast()
        }
    }

    private func enqueue(_ socket: Socket) {
        lock.lock()
        if stopping || waiting.count >= options.queue {
            lock.unlock()
            reject(socket)
            return
        }
        waiting.append(socket)
        let enough = idleWorkers >= waiting.count
        if enough {
            change.broadcast()
        } else if workers < options.threads {
            workers += 1
            do throws(PosixError) {
                try Thread.start(name: "http") { [self] in work() }
            } catch {
                workers -= 1
                options.onError?(error.description)
                if workers == 0 {
                    waiting.removeLast()
                    lock.unlock()
                    reject(socket)
                    return
                }
            }
        } else {
            closeLongestIdle()
        }
        lock.unlock()
    }

    /// Makes room for a connection that waits. With `lock` held.
    private func closeLongestIdle() {
        var best: (number: Int, since: Milliseconds)?
        for (number, connection) in connections {
            guard let since = connection.idleSince else { continue }
            if let known = best, known.since <= since { continue }
            best = (number, since)
        }
        guard let best, let stream = connections[best.number]?.stream else { return }
        connections[best.number]?.idleSince = nil
        stream.shutdown()
    }

    private func reject(_ socket: Socket) {
        if options.tls == nil {
            let text =
                "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            do throws(PosixError) {
                // Never waits: a slow peer must not hold up the others.
                try send(Array(text.utf8), over: socket, timeout: 0)
            } catch {}  // closed without a word, then
        }
        socket.shutdown()
    }

    private func work() {
        lock.lock()
        while !stopping {
            if waiting.isEmpty {
                idleWorkers += 1
                let woken = change.wait(lock, timeout: 10_000)
                idleWorkers -= 1
                if !woken, waiting.isEmpty { break }
                continue
            }
            let socket = waiting.removeFirst()
            let number = nextNumber
            nextNumber += 1
            connections[number] = Connection(stream: socket)
            lock.unlock()
            serve(socket, number)
            lock.lock()
            connections[number] = nil
        }
        workers -= 1
        change.broadcast()
        lock.unlock()
    }

    private func serve(_ socket: Socket, _ number: Int) {
        var stream: any ByteStream = socket
        if let tls = options.tls {
            do throws(TLSError) {
                stream = try tls.connect(socket, timeout: options.limits.headerTime)
            } catch {
                options.onError?(error.message)
                // So that the alert which tells the peer why is not lost.
                linger(socket, timeout: 500)
                socket.shutdown()
                return
            }
            let encrypted = stream
            lock.withLock { connections[number] = Connection(stream: encrypted) }
        }
        let connection = HTTPConnection(stream, handler, options.limits)
        connection.isStopping = { [self] in lock.withLock { stopping } }
        connection.setIdle = { [self] requests in setIdle(number, requests) }
        connection.run()
    }

    private func setIdle(_ number: Int, _ requests: Int?) {
        lock.withLock {
            connections[number]?.isIdle = requests != nil
            connections[number]?.idleSince = (requests ?? 0) > 0 ? Clock.monotonic : nil
            guard requests != nil else { return }
            if stopping {
                connections[number]?.stream.shutdown()
            } else if waiting.count > idleWorkers, workers >= options.threads {
                closeLongestIdle()
            }
        }
    }
}
