import CPosix

/// A connection of bytes in both directions: plain (`Socket`) or encrypted. One thread may read while another writes.
public protocol ByteStream: AnyObject, Sendable {
    /// Waits until there is something and reads at most the buffer's size; 0 at the end of the stream.
    func read(into buffer: UnsafeMutableRawBufferPointer, timeout: Milliseconds?) throws(PosixError) -> Int
    /// Writes all; the time limit counts for each part that the peer takes.
    func write(_ bytes: UnsafeRawBufferPointer, timeout: Milliseconds?) throws(PosixError)
    /// Ends the connection in both directions, which also ends a read that waits in another thread.
    func shutdown()
    /// The peer's "address:port"; empty for a Unix socket.
    var peerAddress: String { get }
    /// The common name of the peer's verified certificate, nil without TLS.
    var peerCommonName: String? { get }
    /// The descriptor to poll for readability.
    var descriptor: Int32 { get }
    /// Whether bytes can be read that poll does not know of.
    var hasBufferedInput: Bool { get }
}

extension ByteStream {
    /// Waits until there is something and reads at most `count` bytes; empty at the end of the stream.
    public func read(_ count: Int, timeout: Milliseconds? = nil) throws(PosixError) -> [UInt8] {
        var failure: PosixError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(PosixError) {
                filled = try self.read(into: UnsafeMutableRawBufferPointer(buffer), timeout: timeout)
            } catch {
                filled = 0
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Writes all bytes; the time limit counts for each part that the peer takes.
    public func write(_ bytes: [UInt8], timeout: Milliseconds? = nil) throws(PosixError) {
        try write(bytes[...], timeout: timeout)
    }

    /// Writes all bytes; the time limit counts for each part that the peer takes.
    public func write(_ bytes: ArraySlice<UInt8>, timeout: Milliseconds? = nil) throws(PosixError) {
        let failure: PosixError? = bytes.withUnsafeBytes { buffer in
            do throws(PosixError) {
                try self.write(buffer, timeout: timeout)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Waits until a read would return at once; false after the time limit.
    public func waitReadable(timeout: Milliseconds?) throws(PosixError) -> Bool {
        if hasBufferedInput { return true }
        return try Poll.wait([Poll.Item(descriptor, readable: true)], timeout: timeout)[0].isReadable
    }
}

/// A connected stream socket (TCP or Unix). Closed when the last reference goes, so that no thread can meet
/// a descriptor that was closed and given to something else meanwhile.
public final class Socket: ByteStream, @unchecked Sendable {
    // Immutable, hence safe to share; the kernel orders what threads do with it.
    /// The descriptor.
    public let descriptor: Int32
    /// The peer's "address:port"; empty for a Unix socket.
    public let peerAddress: String
    /// Always nil: no certificate here.
    public var peerCommonName: String? { nil }
    /// Always false: nothing is kept outside the kernel.
    public var hasBufferedInput: Bool { false }

    /// Takes over a connected descriptor.
    public init(descriptor: Int32, peerAddress: String = "") {
        self.descriptor = descriptor
        self.peerAddress = peerAddress
    }

    deinit { _ = cposix_close(descriptor) }

    /// Connects to a host name or a numeric address. The time limit covers all addresses of the name together,
    /// but not the look-up, which has the resolver's own.
    public static func connect(
        host: String, port: UInt16, timeout: Milliseconds? = 10_000
    ) throws(PosixError) -> Socket {
        let fd = try check(cposix_tcp_connect(host, port, shimTimeout(timeout)), "connect to", "\(host):\(port)")
        return Socket(descriptor: fd, peerAddress: "\(host):\(port)")
    }

    /// Connects to a Unix socket.
    public static func connect(path: String, timeout: Milliseconds? = 10_000) throws(PosixError) -> Socket {
        Socket(descriptor: try check(cposix_unix_connect(path, shimTimeout(timeout)), "connect to", path))
    }

    /// Two sockets that are each other's peer.
    public static func pair() throws(PosixError) -> (Socket, Socket) {
        var first: Int32 = -1
        var second: Int32 = -1
        try check(cposix_socketpair(&first, &second), "make a socket pair")
        return (Socket(descriptor: first), Socket(descriptor: second))
    }

    /// See `ByteStream`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, timeout: Milliseconds?) throws(PosixError) -> Int {
        Int(
            try check(
                cposix_receive(descriptor, buffer.baseAddress, buffer.count, shimTimeout(timeout)), "read from",
                peerName))
    }

    /// See `ByteStream`.
    public func write(_ bytes: UnsafeRawBufferPointer, timeout: Milliseconds?) throws(PosixError) {
        guard let base = bytes.baseAddress else { return }
        var done = 0
        while done < bytes.count {
            done += Int(
                try check(
                    cposix_send(descriptor, base + done, bytes.count - done, shimTimeout(timeout)), "write to",
                    peerName))
        }
    }

    /// See `ByteStream`.
    public func shutdown() {
        // ENOTCONN says that the peer was faster: then it is what was wanted.
        _ = cposix_shutdown(descriptor, 2)
    }

    /// Says "that was all" while still reading the peer's answer.
    public func shutdownWriting() { _ = cposix_shutdown(descriptor, 1) }  // as above

    /// The "address:port" of this end.
    public func localAddress() throws(PosixError) -> String {
        try text(capacity: 128, "ask for the local address") {
            Int64(cposix_peer_name(descriptor, true, $0, $1))
        }
    }

    private var peerName: String { peerAddress.isEmpty ? "socket" : peerAddress }
}

/// A socket that takes connections.
public final class Listener: @unchecked Sendable {
    // Immutable but for the kernel's state, hence safe to share.
    /// The descriptor.
    public let descriptor: Int32
    /// The TCP port, also when 0 was asked for; 0 for a Unix socket.
    public let port: UInt16
    /// "address:port" or the path; for messages.
    public let name: String
    private let path: String?
    // Closing must wake a waiting `accept`, which shutdown(2) does not do for every kind of socket. The reading end
    // becomes readable for good once `close` wrote to the other.
    private let closed: File
    private let closing: File

    private init(descriptor: Int32, port: UInt16, name: String, path: String?) throws(PosixError) {
        self.descriptor = descriptor
        self.port = port
        self.name = name
        self.path = path
        do throws(PosixError) {
            (closed, closing) = try File.pipe()
        } catch {
            _ = cposix_close(descriptor)
            throw error
        }
    }

    deinit { _ = cposix_close(descriptor) }

    /// Listens at a numeric address ("0.0.0.0" and "::" are all of them). Port 0 takes any free one.
    public static func tcp(address: String, port: UInt16, backlog: Int32 = 128) throws(PosixError) -> Listener {
        var actual: UInt16 = 0
        let fd = try check(cposix_tcp_listen(address, port, backlog, &actual), "listen at", "\(address):\(port)")
        return try Listener(descriptor: fd, port: actual, name: "\(address):\(actual)", path: nil)
    }

    /// Listens at a numeric IPv4 address of this host, for connections that arrive over one interface only: whoever
    /// connects is on that interface's link. Needs CAP_NET_RAW.
    public static func tcp(
        address: String, port: UInt16, device: String, backlog: Int32 = 16
    ) throws(PosixError) -> Listener {
        let fd = try check(
            cposix_tcp_listen_device(device, address, port, backlog), "listen at", "\(address):\(port) on \(device)")
        return try Listener(descriptor: fd, port: port, name: "\(address):\(port) on \(device)", path: nil)
    }

    /// Listens at a path. A socket that a dead process left there is replaced; one that still answers is an
    /// EADDRINUSE error.
    public static func unix(
        path: String, permissions: UInt32 = 0o600, backlog: Int32 = 128
    ) throws(PosixError) -> Listener {
        if let old = try FileSystem.statusIfPresent(path, followLinks: false), old.isSocket {
            let probe = cposix_unix_connect(path, 1000)
            if probe >= 0 {
                _ = cposix_close(probe)
                throw PosixError(errno: PosixError.addressInUse, operation: "listen at", detail: path)
            }
            if probe == -PosixError.connectionRefused { try FileSystem.remove(path, ifPresent: true) }
        }
        let fd = try check(cposix_unix_listen(path, permissions, backlog), "listen at", path)
        return try Listener(descriptor: fd, port: 0, name: path, path: path)
    }

    /// The next connection; nil after the time limit. EINVAL once `close` was called.
    public func accept(timeout: Milliseconds? = nil) throws(PosixError) -> Socket? {
        let deadline = Deadline(after: timeout)
        var peer = [CChar](repeating: 0, count: 128)
        while true {
            let ready = try Poll.wait(
                [Poll.Item(closed.descriptor, readable: true), Poll.Item(descriptor, readable: true)],
                timeout: deadline.remaining)
            if ready[0].isReadable {
                throw PosixError(errno: PosixError.invalid, operation: "accept at closed", detail: name)
            }
            let fd = peer.withUnsafeMutableBufferPointer { cposix_accept(descriptor, 0, $0.baseAddress, $0.count) }
            if fd == -PosixError.timedOut {
                // Another thread was faster, or the client has gone again.
                if deadline.isPast { return nil }
                continue
            }
            try check(fd, "accept at", name)
            return Socket(descriptor: fd, peerAddress: string(peer, peer.firstIndex(of: 0) ?? 0))
        }
    }

    /// Takes no more connections, ends a waiting `accept`, and removes the Unix socket's path.
    public func close() {
        do throws(PosixError) {
            try closing.write([0])
        } catch {}  // a pipe with room and an open reading end takes a byte
        _ = cposix_shutdown(descriptor, 2)
        if let path { _ = cposix_unlink(path) }  // gone already is as good
    }

    /// Whether a TCP port could be listened at now. Another process may be faster afterwards.
    public static func canBind(address: String, port: UInt16) -> Bool {
        let fd = cposix_tcp_listen(address, port, 1, nil)
        if fd < 0 { return false }
        _ = cposix_close(fd)
        return true
    }
}

/// Waiting for several descriptors at once.
public enum Poll {
    /// A descriptor and what to wait for.
    public struct Item: Sendable {
        /// The descriptor; negative ones are never ready.
        public let descriptor: Int32
        fileprivate var events: Int16
        fileprivate var ready: Int16 = 0

        /// What to wait for.
        public init(_ descriptor: Int32, readable: Bool = false, writable: Bool = false) {
            self.descriptor = descriptor
            events = (readable ? 1 : 0) | (writable ? 2 : 0)
        }

        /// Whether a read would not wait (bytes, end or error).
        public var isReadable: Bool { ready & 5 != 0 }
        /// Whether a write would not wait (room or error).
        public var isWritable: Bool { ready & 6 != 0 }
        /// Whether the other end is gone.
        public var isHangup: Bool { ready & 4 != 0 }
    }

    /// The items with what they are ready for; none is after the time limit.
    public static func wait(_ items: [Item], timeout: Milliseconds?) throws(PosixError) -> [Item] {
        var raw: [cposix_poll] = []
        for item in items { raw.append(cposix_poll(fd: item.descriptor, events: item.events, ready: 0)) }
        let result = raw.withUnsafeMutableBufferPointer {
            cposix_poll($0.baseAddress, Int32($0.count), shimTimeout(timeout))
        }
        try check(result, "wait for descriptors")
        var answered = items
        for index in answered.indices { answered[index].ready = raw[index].ready }
        return answered
    }
}
