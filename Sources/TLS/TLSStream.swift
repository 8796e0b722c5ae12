internal import COpenSSL
public import Posix

/// An encrypted connection.
public final class TLSStream: ByteStream, @unchecked Sendable {
    // OpenSSL's connection is not for two threads at once: `lock` is held for each call into it, never while waiting.
    private let stream: OpaquePointer
    private let socket: Socket
    private let lock = Lock()
    private var commonName: String?

    init(_ stream: OpaquePointer, _ socket: Socket) {
        self.stream = stream
        self.socket = socket
    }

    deinit {
        cssl_stream_free(stream)
    }

    /// See `ByteStream`.
    public var peerAddress: String { socket.peerAddress }
    /// See `ByteStream`.
    public var descriptor: Int32 { socket.descriptor }
    /// See `ByteStream`.
    public var peerCommonName: String? { commonName }
    /// See `ByteStream`.
    public var hasBufferedInput: Bool { lock.withLock { cssl_pending(stream) != 0 } }
    /// SHA-256 of the peer's own verified certificate (DER); nil without one.
    public var peerCertificateDigest: [UInt8]? {
        var digest = [UInt8](repeating: 0, count: 32)
        let found = digest.withUnsafeMutableBufferPointer { cssl_peer_digest(stream, $0.baseAddress) }
        return found ? digest : nil
    }
    /// The protocol agreed on: "TLSv1.3".
    public var version: String { String(cString: cssl_version(stream)) }

    func handshake(_ deadline: Deadline) throws(TLSError) {
        let peer = peerAddress.isEmpty ? "the peer" : peerAddress
        while true {
            let result = cssl_handshake(stream)
            if result == 0 { break }
            if result <= -3 { throw TLSError("no TLS connection with \(peer): \(reason)") }
            do throws(PosixError) {
                try wait(Int64(result), deadline, "complete the TLS handshake with")
            } catch {
                throw TLSError(
                    error.isTimeout
                        ? "no TLS connection with \(peer): no answer in time"
                        : "no TLS connection: \(error.description)",
                    isTimeout: error.isTimeout)
            }
        }
        var name = [CChar](repeating: 0, count: 256)
        let length = name.withUnsafeMutableBufferPointer { cssl_peer_name(stream, $0.baseAddress, $0.count) }
        if length >= 0 { commonName = text(name) }
    }

    /// See `ByteStream`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, timeout: Milliseconds?) throws(PosixError) -> Int {
        guard buffer.count > 0 else { return 0 }
        let deadline = Deadline(after: timeout)
        while true {
            let result = lock.withLock { cssl_read(stream, buffer.baseAddress, buffer.count) }
            if result >= 0 { return Int(result) }
            try wait(result, deadline, "read from")
        }
    }

    /// See `ByteStream`.
    public func write(_ bytes: UnsafeRawBufferPointer, timeout: Milliseconds?) throws(PosixError) {
        guard let base = bytes.baseAddress else { return }
        var done = 0
        while done < bytes.count {
            let deadline = Deadline(after: timeout)
            while true {
                let result = lock.withLock { cssl_write(stream, base + done, bytes.count - done) }
                if result > 0 {
                    done += Int(result)
                    break
                }
                try wait(result, deadline, "write to")
            }
        }
    }

    /// See `ByteStream`.
    public func shutdown() {
        lock.withLock { cssl_close_notify(stream) }
        socket.shutdown()
    }

    private var reason: String { lock.withLock { String(cString: cssl_stream_error(stream)) } }

    /// Waits for what OpenSSL wants, or turns its failure into an error.
    private func wait(_ result: Int64, _ deadline: Deadline, _ operation: String) throws(PosixError) {
        let peer = peerAddress.isEmpty ? "the peer" : peerAddress
        switch Int32(result) {
        case -1, -2:
            let ready = try Poll.wait(
                [Poll.Item(descriptor, readable: result == -1, writable: result == -2)], timeout: deadline.remaining)
            if !ready[0].isReadable, !ready[0].isWritable {
                throw PosixError(errno: PosixError.timedOut, operation: operation, detail: peer)
            }
        case -4:
            throw PosixError(
                errno: PosixError.connectionReset, operation: operation, detail: "\(peer) (\(reason))")
        default:
            throw PosixError(
                errno: PosixError.protocolViolation, operation: operation, detail: "\(peer) (TLS: \(reason))")
        }
    }
}
