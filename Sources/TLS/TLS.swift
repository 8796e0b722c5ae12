// TLS: encrypted and mutually verified connections, and the digests that go with them, over OpenSSL 3 (`COpenSSL`).
//
// Lives here: contexts (certificate, key, CA from PEM files; or a CA known by its fingerprint), the handshake, the
// encrypted `ByteStream`, SHA-256, HMAC, a component's own key. Does not: making certificates, HTTP.
// Fails with `TLSError` for contexts and handshakes, which says what to put right; with `PosixError` for reading and
// writing afterwards, as any `ByteStream`.
internal import COpenSSL
public import Posix

/// Why an encrypted connection could not be had, in words for the administrator.
public struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
    /// "certificate signed by unknown CA …"
    public let message: String
    /// Whether the time limit passed before the handshake was complete.
    public let isTimeout: Bool

    /// With a message.
    public init(_ message: String, isTimeout: Bool = false) {
        self.message = message
        self.isTimeout = isTimeout
    }

    /// The message.
    public var description: String { message }
}

/// What one side of TLS connections shows and demands. TLS 1.2 is the lowest version. May be shared by threads.
public final class TLSContext: @unchecked Sendable {
    // OpenSSL counts references to it and locks it where that is needed; it is not changed after `init`.
    private let context: OpaquePointer
    private let isServer: Bool
    // Guards `latest`.
    private let lock = Lock()
    private var latest: (digest: [UInt8], name: String?)?

    private init(_ context: OpaquePointer, isServer: Bool) {
        self.context = context
        self.isServer = isServer
    }

    /// SHA-256 of the certificate (DER) that the peer showed in the latest handshake that succeeded; nil before.
    public var latestPeerDigest: [UInt8]? { lock.withLock { latest?.digest } }

    /// The common name of that certificate.
    public var latestPeerName: String? { lock.withLock { latest?.name } }

    deinit { cssl_context_free(context) }

    /// For the accepting side: its certificate (with intermediate ones, if any) and key, and the CA that must have
    /// signed the peers' certificates. `verifyPeer: false` also takes peers without a certificate. `ignoresTimes` is
    /// for hosts whose clock may be wrong: a certificate is then good whenever.
    public static func server(
        certificate: String, key: String, authority: String, verifyPeer: Bool = true, ignoresTimes: Bool = false
    ) throws(TLSError) -> TLSContext {
        let context = try create(true, certificate, key, authority, verifyPeer)
        if ignoresTimes { cssl_context_ignore_times(context.context) }
        return context
    }

    /// For the connecting side that knows no more of the CA than the SHA-256 of its certificate (DER, 32 bytes): the
    /// server must present that certificate in its chain, and it alone is trusted. Times are not checked, and the
    /// server need not be called what the URL says.
    public static func client(authorityFingerprint: [UInt8]) throws(TLSError) -> TLSContext {
        guard authorityFingerprint.count == 32 else { throw TLSError("a fingerprint is a SHA-256: 32 bytes") }
        var reason = [CChar](repeating: 0, count: 512)
        let context = reason.withUnsafeMutableBufferPointer { reason in
            authorityFingerprint.withUnsafeBufferPointer {
                cssl_context_create_pinned($0.baseAddress, reason.baseAddress, reason.count)
            }
        }
        guard let context else { throw TLSError(text(reason)) }
        return TLSContext(context, isServer: false)
    }

    /// For the connecting side: its certificate and key (nil where the server asks for none), and the CA that must
    /// have signed the server's. A server is never trusted without.
    public static func client(
        certificate: String?, key: String?, authority: String, ignoresTimes: Bool = false
    ) throws(TLSError) -> TLSContext {
        let context = try create(false, certificate, key, authority, true)
        if ignoresTimes { cssl_context_ignore_times(context.context) }
        return context
    }

    private static func create(
        _ server: Bool, _ certificate: String?, _ key: String?, _ authority: String, _ verify: Bool
    ) throws(TLSError) -> TLSContext {
        var reason = [CChar](repeating: 0, count: 512)
        let context = reason.withUnsafeMutableBufferPointer {
            cssl_context_create(server, certificate, key, authority, verify, $0.baseAddress, $0.count)
        }
        guard let context else { throw TLSError(text(reason)) }
        return TLSContext(context, isServer: server)
    }

    /// Encrypts a connected socket, on the accepting or connecting side as the context is for. A client's
    /// `expectedName` must be a host name or an address of the server's certificate; nil takes any that the CA signed
    /// (its common name is then the caller's to check).
    public func connect(
        _ socket: Socket, expectedName: String? = nil, timeout: Milliseconds? = 10_000
    ) throws(TLSError) -> TLSStream {
        guard let stream = cssl_stream_create(context, socket.descriptor, isServer ? nil : expectedName) else {
            throw TLSError("cannot set up TLS for this connection (out of memory, or no valid name)")
        }
        let result = TLSStream(stream, socket)
        try result.handshake(Deadline(after: timeout))
        if let digest = result.peerCertificateDigest { lock.withLock { latest = (digest, result.peerCommonName) } }
        return result
    }
}

/// C text up to its NUL.
func text(_ buffer: [CChar]) -> String {
    var bytes: [UInt8] = []
    for character in buffer {
        if character == 0 { break }
        bytes.append(UInt8(bitPattern: character))
    }
    return String(decoding: bytes, as: UTF8.self)
}
