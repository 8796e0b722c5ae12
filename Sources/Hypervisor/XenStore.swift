// The client side of xenstore's wire protocol (docs/misc/xenstore.txt and xen/include/public/io/xs_wire.h of Xen): a
// header of four 32-bit words, then at most 4096 bytes. It has been the same since Xen 3.0.
//
// Here: what the driver asks, and the watch that tells of domains that end. Written by hand since libxenstore is not
// there for i386 and is bound to a Xen's packages.
import Posix

/// One connection to xenstored, used by one thread at a time.
final class XenStoreConnection: @unchecked Sendable {
    /// What a message is (enum xsd_sockmsg_type).
    enum Kind: UInt32, Sendable {
        case directory = 1
        case read = 2
        case watch = 4
        case watchEvent = 15
        case error = 16
    }

    /// A message as it travels; transactions are not used.
    struct Message: Sendable, Equatable {
        /// `Kind`, or one that is not known here.
        var kind: UInt32
        /// What a reply has in common with its request.
        var request: UInt32
        var payload: [UInt8]
    }

    /// XENSTORE_PAYLOAD_MAX
    static let largestPayload = 4096
    static let headerBytes = 16
    /// xenstored answers from memory.
    private static let timeout: Milliseconds = 10_000
    /// Where it listens, newest place first.
    static let sockets = ["/run/xenstored/socket", "/var/run/xenstored/socket"]

    private let stream: Socket
    private var nextRequest: UInt32 = 1
    private var events = 0

    /// For `Poll`.
    var descriptor: Int32 { stream.descriptor }

    /// Uses an open connection.
    init(stream: Socket) { self.stream = stream }

    /// Connects to this host's xenstored.
    static func open() throws(PosixError) -> XenStoreConnection {
        var failure: PosixError?
        for path in sockets {
            do throws(PosixError) {
                return XenStoreConnection(stream: try Socket.connect(path: path, timeout: timeout))
            } catch {
                if failure == nil || !error.isNotFound { failure = error }
            }
        }
        throw failure ?? PosixError(errno: PosixError.invalid, operation: "find", detail: "xenstored's socket")
    }

    /// The value at a path; nil if there is none.
    func read(_ path: String) throws(PosixError) -> String? {
        guard let bytes = try ask(.read, path) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Why a domain of xend's ended: xend (since 3.1) writes that for the machine that the domain is an incarnation of;
    /// nil if it has not, or says what is not known here.
    func shutdownReason(xend domain: Int) throws(PosixError) -> XenDomain.Shutdown? {
        guard let machine = try read("/local/domain/\(domain)/vm"), machine.hasPrefix("/vm/"),
            let word = try read(machine + "/xend/last_shutdown_reason")
        else { return nil }
        return XenDomain.Shutdown(xend: word)
    }

    /// The names below a path; empty if the path is not there.
    func list(_ path: String) throws(PosixError) -> [String] {
        guard let bytes = try ask(.directory, path) else { return [] }
        var names: [String] = []
        for part in bytes.split(separator: 0) { names.append(String(decoding: part, as: UTF8.self)) }
        return names
    }

    /// Is told from now on when something below `path` changes; "@releaseDomain" when a domain ends.
    func watch(_ path: String) throws(PosixError) {
        // A watch fires once at once, which is how one knows that it is in force.
        _ = try exchange(.watch, Array(path.utf8) + [0] + Array("m".utf8) + [0])
    }

    /// Whether a watch has fired since the last call; reads what has arrived and waits for nothing.
    func takeEvents() throws(PosixError) -> Bool {
        while try stream.waitReadable(timeout: 0) {
            let message = try receive()
            if message.kind == Kind.watchEvent.rawValue { events += 1 }
        }
        defer { events = 0 }
        return events > 0
    }

    /// nil for ENOENT.
    private func ask(_ kind: Kind, _ path: String) throws(PosixError) -> [UInt8]? {
        let reply = try exchange(kind, Array(path.utf8) + [0])
        return reply
    }

    private func exchange(_ kind: Kind, _ payload: [UInt8]) throws(PosixError) -> [UInt8]? {
        guard payload.count <= Self.largestPayload else {
            throw PosixError(errno: PosixError.tooLarge, operation: "ask xenstore", detail: "")
        }
        let request = nextRequest
        nextRequest &+= 1
        let message = Message(kind: kind.rawValue, request: request, payload: payload)
        try stream.write(Self.encode(message), timeout: Self.timeout)
        while true {
            let reply = try receive()
            if reply.kind == Kind.watchEvent.rawValue {
                events += 1
                continue
            }
            guard reply.request == request else { continue }
            if reply.kind == Kind.error.rawValue {
                let text = String(decoding: reply.payload.prefix { byte in byte != 0 }, as: UTF8.self)
                if text == "ENOENT" { return nil }
                throw PosixError(errno: PosixError.protocolViolation, operation: "ask xenstore", detail: text)
            }
            return reply.payload
        }
    }

    private func receive() throws(PosixError) -> Message {
        let header = try readExactly(Self.headerBytes)
        let (kind, request, length) = (Self.word(header, 0), Self.word(header, 4), Self.word(header, 12))
        guard length <= Self.largestPayload else {
            throw PosixError(
                errno: PosixError.protocolViolation, operation: "read from xenstored", detail: "\(length) bytes")
        }
        return Message(kind: kind, request: request, payload: try readExactly(Int(length)))
    }

    private func readExactly(_ count: Int) throws(PosixError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let part = try stream.read(count - bytes.count, timeout: Self.timeout)
            guard !part.isEmpty else {
                throw PosixError(
                    errno: PosixError.protocolViolation, operation: "read from xenstored",
                    detail: "(it closed the connection)")
            }
            bytes += part
        }
        return bytes
    }

    /// The bytes of a message, in the machine's order (little endian on every Xen host that Mallee runs on).
    static func encode(_ message: Message) -> [UInt8] {
        var bytes: [UInt8] = []
        for word in [message.kind, message.request, 0, UInt32(message.payload.count)] {
            for shift in [UInt32(0), 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        return bytes + message.payload
    }

    private static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16 | UInt32(bytes[at + 3]) << 24
    }
}
