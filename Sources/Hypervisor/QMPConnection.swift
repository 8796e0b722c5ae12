// The client side of QMP, QEMU's machine protocol: JSON objects in lines over a Unix socket
// (docs/interop/qmp-spec.rst of QEMU).
//
//     connected ──greeting, reply to qmp_capabilities──▶ ready ──end of stream, nonsense──▶ lost
//
// Commands may be sent at once: QEMU reads them in order, and qmp_capabilities was the first. Replies are matched by id.
import JSON
import Posix

/// What came back for a command.
enum QMPReply: Sendable {
    /// The command's result.
    case value(JSONValue)
    /// QEMU refused; its words.
    case refused(String)
    /// The connection ended first.
    case lost
}

/// Something that QEMU tells by itself.
struct QMPEvent: Sendable, Equatable {
    var name: String
    var data: JSONValue
}

/// One connection. Bytes are read by the event loop's thread only; commands may be sent by any thread.
final class QMPConnection: @unchecked Sendable {
    // `lock` guards all that changes; `input` belongs to the event loop's thread alone.
    private let lock = Lock()
    private let socket: Socket
    private var nextID: Int64 = 1
    private var pending: [Int64: @Sendable (QMPReply) -> Void] = [:]
    private var isLost = false
    private var input: [UInt8] = []

    /// The longest line that is believed: ringbuf-read of 64 KiB in base64 is 88 KiB.
    static let maximumLine = 1 << 20
    /// A command is some hundred bytes, which the socket's buffer always takes unless QEMU hangs.
    private static let writeTimeout: Milliseconds = 2_000

    var descriptor: Int32 { socket.descriptor }

    /// Takes over a connected socket and begins the negotiation.
    init(socket: Socket) {
        self.socket = socket
        send("qmp_capabilities") { _ in }
    }

    /// Sends a command; `reply` is called once, on the event loop's thread or, if the connection is lost already, here.
    func send(
        _ command: String, _ arguments: JSONValue? = nil, reply: @escaping @Sendable (QMPReply) -> Void
    ) {
        lock.lock()
        guard !isLost else {
            lock.unlock()
            reply(.lost)
            return
        }
        let id = nextID
        nextID += 1
        pending[id] = reply
        var members = [JSONMember("execute", .string(command)), JSONMember("id", .integer(id))]
        if let arguments { members.append(JSONMember("arguments", arguments)) }
        var line = JSONValue.object(members).serializedBytes
        line.append(0x0a)
        var failed = false
        do throws(PosixError) {
            try socket.write(line, timeout: Self.writeTimeout)
        } catch {
            failed = true
        }
        lock.unlock()
        // The reader sees the end of the stream and gives every waiting command its answer.
        if failed { socket.shutdown() }
    }

    /// Sends a command and waits for its result. Not for the event loop's thread.
    func execute(
        _ command: String, _ arguments: JSONValue? = nil, timeout: Milliseconds
    ) throws(HypervisorError) -> JSONValue {
        let waiter = Waiter<QMPReply>()
        send(command, arguments) { reply in waiter.give(reply) }
        switch waiter.take(timeout: timeout) {
        case .value(let value): return value
        case .refused(let words): throw HypervisorError(.failed, "QEMU refused \(command): \(words)")
        case .lost: throw HypervisorError(.ended, "QEMU ended before it answered \(command)")
        case nil:
            throw HypervisorError(
                .timedOut, "QEMU did not answer \(command) within \(timeout) ms; the host may be overloaded")
        }
    }

    /// Reads what is there and hands out replies; returns events in order, or nil if the connection is lost.
    func receive() -> [QMPEvent]? {
        var events: [QMPEvent] = []
        do throws(PosixError) {
            let bytes = try socket.read(1 << 16, timeout: 0)
            guard !bytes.isEmpty else { return nil }
            var lineStart = 0
            var scan = input.count
            input.append(contentsOf: bytes)
            while scan < input.count {
                if input[scan] == 0x0a {
                    guard handle(Array(input[lineStart..<scan]), &events) else { return nil }
                    lineStart = scan + 1
                }
                scan += 1
            }
            input.removeSubrange(0..<lineStart)
            return input.count <= Self.maximumLine ? events : nil
        } catch {
            return error.isTimeout || error.errno == PosixError.tryAgain ? events : nil
        }
    }

    /// One line; false if it is not QMP.
    private func handle(_ line: [UInt8], _ events: inout [QMPEvent]) -> Bool {
        let message: JSONValue
        do throws(JSONError) {
            message = try JSONValue.parse(line, maximumDepth: 32, maximumBytes: Self.maximumLine)
        } catch {
            return false
        }
        if let event = message["event"]?.text {
            events.append(QMPEvent(name: event, data: message["data"] ?? .null))
        } else if let id = message["id"]?.int64 {
            let waiting = lock.withLock { pending.removeValue(forKey: id) }
            if let value = message["return"] {
                waiting?(.value(value))
            } else {
                waiting?(.refused(message["error"]?["desc"]?.text ?? "no reason given"))
            }
        } else {
            // The greeting, or an error about a command that QEMU could not read, which we do not send.
            return message["QMP"] != nil
        }
        return true
    }

    /// Ends the connection; every waiting command is answered with `lost`.
    func close() {
        lock.lock()
        isLost = true
        let waiting = pending
        pending = [:]
        lock.unlock()
        socket.shutdown()
        for (_, reply) in waiting { reply(.lost) }
    }
}

/// A place where one thread leaves a value that another waits for.
final class Waiter<Value: Sendable>: @unchecked Sendable {
    // `lock` guards `value`.
    private let lock = Lock()
    private let change = Condition()
    private var value: Value?

    func give(_ value: Value) {
        lock.lock()
        self.value = value
        change.broadcast()
        lock.unlock()
    }

    /// The value, or nil after the time limit.
    func take(timeout: Milliseconds) -> Value? {
        let deadline = Deadline(after: timeout)
        lock.lock()
        defer { lock.unlock() }
        while value == nil {
            if !change.wait(lock, timeout: deadline.remaining), deadline.isPast { break }
        }
        return value
    }
}
