public import Posix
public import TLS

/// The head of an answer.
public struct HTTPResponseHead: Sendable {
    /// The status code.
    public let status: Int
    /// The header fields.
    public let headers: HTTPHeaders

    /// The length of the body if the header tells it.
    public var contentLength: Int64? { headers["Content-Length"].flatMap { text in Int64(text) } }
}

/// An answer with its body.
public struct HTTPClientResponse: Sendable {
    /// The status code.
    public let status: Int
    /// The header fields.
    public let headers: HTTPHeaders
    /// The body, without any chunking.
    public let body: [UInt8]

    /// The body as text; bytes that are not UTF-8 are replaced.
    public var text: String { String(decoding: body, as: UTF8.self) }
}

/// Makes HTTP/1.1 calls, each in the calling thread. May be shared by threads; each call has a connection of its own.
/// Follows no redirects and knows no proxies.
public final class HTTPClient: @unchecked Sendable {
    /// Time limits and connections.
    public struct Options: Sendable {
        /// For https.
        public var tls: TLSContext?
        /// Whether an https server's certificate must name the URL's host. Without, any certificate of the CA is taken.
        public var verifyHost = true
        /// How the common name of an https server's certificate must begin, "cluster:"; nil takes any.
        public var serverNamePrefix: String?
        /// To get a connection, and once more for the TLS handshake.
        public var connectTime: Milliseconds = 10_000
        /// Without any byte moving, also while the server works on its answer.
        public var idleTime: Milliseconds = 60_000
        /// For a whole call; nil sets no limit, as for long downloads.
        public var totalTime: Milliseconds?
        /// Idle connections that are kept for the next call to the same server; 0 closes after each call.
        public var kept = 4
        /// How long a connection is kept.
        public var keptTime: Milliseconds = 20_000

        /// Defaults without TLS.
        public init() {}
    }

    private struct Kept {
        let origin: String
        let stream: any ByteStream
        let since: Milliseconds
    }

    private let options: Options
    // Guards `idle`.
    private let lock = Lock()
    private var idle: [Kept] = []

    /// A client without connections.
    public init(options: Options = Options()) { self.options = options }

    deinit { for kept in idle { kept.stream.shutdown() } }

    /// Closes the connections that are kept.
    public func close() {
        let all = lock.withLock {
            let all = idle
            idle = []
            return all
        }
        for kept in all { kept.stream.shutdown() }
    }

    /// One call with the answer's body in memory; more than `limit` bytes are an error.
    public func call(
        _ method: String, _ url: String, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [],
        limit: Int = 16 << 20
    ) throws(HTTPClientError) -> HTTPClientResponse {
        guard let parsed = HTTPURL(url) else {
            throw HTTPClientError(.badURL, url, "not a URL of the form http://host:port/path or https://…")
        }
        return try call(method, parsed, headers: headers, body: body, limit: limit)
    }

    /// One call with the answer's body in memory; more than `limit` bytes are an error.
    public func call(
        _ method: String, _ url: HTTPURL, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [],
        limit: Int = 16 << 20
    ) throws(HTTPClientError) -> HTTPClientResponse {
        var collected: [UInt8] = []
        let head = try stream(method, url, headers: headers, body: body, limit: Int64(limit)) { piece in
            collected += piece
        }
        return HTTPClientResponse(status: head.status, headers: head.headers, body: collected)
    }

    /// One call whose answer's body is handed on in pieces as they come (each is valid only during the closure).
    /// `onHead` sees status and headers before; either closure may throw to end the call.
    @discardableResult
    public func stream(
        _ method: String, _ url: HTTPURL, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [],
        limit: Int64 = .max,
        onHead: (HTTPResponseHead) throws(PosixError) -> Void = { _ throws(PosixError) in },
        onPiece: (UnsafeRawBufferPointer) throws(PosixError) -> Void
    ) throws(HTTPClientError) -> HTTPResponseHead {
        let deadline = Deadline(after: options.totalTime)
        let request = try encode(method, url, headers, body)
        // A kept connection may have been closed by the server in the very moment of its reuse. Only then, when not a
        // byte of an answer came and repeating does no harm (RFC 9110, 9.2.2), is the call made again.
        if let kept = takeKept(url.origin) {
            do throws(Failed) {
                return try exchange(kept, method, url, request, deadline, limit, onHead, onPiece)
            } catch {
                let repeatable = method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE"
                guard error.beforeAnswer, !error.error.isTimeout, repeatable else { throw error.error }
            }
        }
        let fresh = try connect(url, deadline)
        do throws(Failed) {
            return try exchange(fresh, method, url, request, deadline, limit, onHead, onPiece)
        } catch {
            throw error.error
        }
    }

    /// One call that sends a body of known length in pieces, over a connection of its own. A server that refuses before it
    /// has read all is heard as far as that is possible.
    ///
    /// - Parameters:
    ///   - length: bytes of the body.
    ///   - limit: bytes of the answer that are read at most.
    ///   - piece: the next bytes from an offset on; at least one. What it throws ends the call.
    public func upload(
        _ method: String, _ url: HTTPURL, headers: HTTPHeaders = HTTPHeaders(), length: Int64, limit: Int = 1 << 20,
        piece: (Int64) throws(PosixError) -> [UInt8]
    ) throws(HTTPClientError) -> HTTPClientResponse {
        let deadline = Deadline(after: options.totalTime)
        let request = try encode(method, url, headers, [], length: length)
        let stream = try connect(url, deadline)
        var collected: [UInt8] = []
        let head: HTTPResponseHead
        do throws(Failed) {
            head = try exchange(
                stream, method, url, request, deadline, Int64(limit), { _ throws(PosixError) in },
                { piece throws(PosixError) in collected += piece },
                sendRest: { (stream, timeout) throws(PosixError) in
                    var sent: Int64 = 0
                    while sent < length {
                        let bytes = try piece(sent)
                        guard !bytes.isEmpty, Int64(bytes.count) <= length - sent else {
                            throw PosixError(errno: PosixError.invalid, operation: "send a body that changed its size")
                        }
                        try send(bytes, over: stream, timeout: timeout)
                        sent += Int64(bytes.count)
                    }
                })
        } catch {
            throw error.error
        }
        return HTTPClientResponse(status: head.status, headers: head.headers, body: collected)
    }

    /// An error, and whether it came before the first byte of an answer.
    private struct Failed: Error {
        let error: HTTPClientError
        let beforeAnswer: Bool
    }

    private func encode(
        _ method: String, _ url: HTTPURL, _ headers: HTTPHeaders, _ body: [UInt8], length: Int64? = nil
    ) throws(HTTPClientError) -> [UInt8] {
        for byte in method.utf8 where !HTTPReader.isToken(byte) {
            throw HTTPClientError(.badURL, url.description, "not a method: \(method)")
        }
        for byte in url.target.utf8 where byte < 0x21 || byte > 0x7e {
            throw HTTPClientError(.badURL, url.description, "the path has a character that must be percent-encoded")
        }
        var fields = headers
        if fields["Host"] == nil { fields["Host"] = url.hostField }
        fields["Transfer-Encoding"] = nil
        let length = length ?? Int64(body.count)
        fields["Content-Length"] = length == 0 && method != "POST" && method != "PUT" ? nil : String(length)
        if options.kept == 0 { fields["Connection"] = "close" }
        var bytes = Array("\(method) \(url.target) HTTP/1.1\r\n".utf8)
        fields.write(to: &bytes)
        bytes += [0x0d, 0x0a]
        bytes += body
        return bytes
    }

    private func connect(_ url: HTTPURL, _ deadline: Deadline) throws(HTTPClientError) -> any ByteStream {
        let limit = min(options.connectTime, deadline.remaining ?? options.connectTime)
        let socket: Socket
        do throws(PosixError) {
            socket =
                url.scheme == .unix
                ? try Socket.connect(path: url.host, timeout: limit)
                : try Socket.connect(host: url.host, port: url.port, timeout: limit)
        } catch {
            throw HTTPClientError(.notConnected, url.description, error.description, cause: error)
        }
        guard url.scheme == .https else { return socket }
        guard let tls = options.tls else {
            throw HTTPClientError(.notConnected, url.description, "https needs a CA, and none is configured")
        }
        do throws(TLSError) {
            let stream = try tls.connect(
                socket, expectedName: options.verifyHost ? url.host : nil, timeout: limit)
            if let prefix = options.serverNamePrefix, stream.peerCommonName?.hasPrefix(prefix) != true {
                stream.shutdown()
                throw TLSError(
                    "the server's certificate is that of \(stream.peerCommonName ?? "nobody"), and one of \(prefix)… was "
                        + "expected; another component answers there, or the URL is wrong")
            }
            return stream
        } catch {
            let cause =
                error.isTimeout
                ? PosixError(errno: PosixError.timedOut, operation: "connect to", detail: url.hostField) : nil
            throw HTTPClientError(.notConnected, url.description, error.message, cause: cause)
        }
    }

    private func exchange(
        _ stream: any ByteStream, _ method: String, _ url: HTTPURL, _ request: [UInt8], _ deadline: Deadline,
        _ limit: Int64, _ onHead: (HTTPResponseHead) throws(PosixError) -> Void,
        _ onPiece: (UnsafeRawBufferPointer) throws(PosixError) -> Void,
        sendRest: (any ByteStream, Milliseconds?) throws(PosixError) -> Void = { (_, _) throws(PosixError) in }
    ) throws(Failed) -> HTTPResponseHead {
        let reader = HTTPReader(stream)
        reader.deadline = deadline
        reader.idleTime = options.idleTime
        var beforeAnswer = true
        var sendFailure: PosixError?
        do throws(PosixError) {
            try send(request, over: stream, timeout: min(options.idleTime, deadline.remaining ?? options.idleTime))
            try sendRest(stream, options.idleTime)
        } catch {
            // The server may have answered (413, say) before it had read all: look before giving up.
            sendFailure = error
        }
        var takerFailure: PosixError?
        do throws(HTTPReadFailure) {
            if let sendFailure, sendFailure.isTimeout { throw .stream(sendFailure) }
            var keep = false
            var head = HTTPResponseHead(status: 100, headers: HTTPHeaders())
            while head.status < 200 {
                (head, keep) = try Self.readHead(reader, first: &beforeAnswer)
            }
            do throws(PosixError) {
                try onHead(head)
            } catch {
                takerFailure = error
                throw HTTPReadFailure.closed(clean: true)
            }
            var framing = HTTPFraming.none
            if method != "HEAD", !HTTPResponse.hasNoBody(head.status) {
                framing = try HTTPReader.framing(head.headers, version11: true) ?? .untilClose
            }
            try reader.body(framing, limit: limit) { piece throws(HTTPReadFailure) in
                do throws(PosixError) {
                    try onPiece(piece)
                } catch {
                    takerFailure = error
                    throw HTTPReadFailure.closed(clean: true)
                }
            }
            // Bytes behind the answer belong to nothing: then the connection is not to be trusted further.
            if keep, framing != .untilClose, sendFailure == nil, !reader.hasBuffered {
                keepForLater(url.origin, stream)
            } else {
                stream.shutdown()
            }
            return head
        } catch {
            stream.shutdown()
            if let takerFailure {
                let refused = HTTPClientError(
                    .refusedByTaker, url.description, takerFailure.description, cause: takerFailure)
                throw Failed(error: refused, beforeAnswer: false)
            }
            throw Failed(error: Self.explain(error, sendFailure, url.description), beforeAnswer: beforeAnswer)
        }
    }

    private static func explain(_ failure: HTTPReadFailure, _ sending: PosixError?, _ url: String) -> HTTPClientError {
        if let sending { return HTTPClientError(.interrupted, url, sending.description, cause: sending) }
        return switch failure {
        case .refused(413, let text): HTTPClientError(.tooLarge, url, text)
        case .refused(_, let text): HTTPClientError(.badAnswer, url, "the server's answer is malformed: \(text)")
        case .stream(let error): HTTPClientError(.interrupted, url, error.description, cause: error)
        case .closed:
            HTTPClientError(.interrupted, url, "the server closed the connection before its answer was complete")
        }
    }

    /// Status line and header of an answer, and whether the connection may serve another call.
    private static func readHead(
        _ reader: HTTPReader, first: inout Bool
    ) throws(HTTPReadFailure) -> (HTTPResponseHead, keep: Bool) {
        guard try reader.waitForMessage() else { throw .closed(clean: true) }
        first = false
        var left = 256 << 10
        let line = try reader.line(&left)
        guard line.count >= 12, line.starts(with: Array("HTTP/1.".utf8)), line[7] == 0x30 || line[7] == 0x31,
            line[8] == 0x20, line.count == 12 || line[12] == 0x20
        else { throw .refused(status: 502, "no HTTP/1.1 status line") }
        var status = 0
        for digit in line[9..<12] {
            guard (0x30...0x39).contains(digit) else { throw .refused(status: 502, "the status is no number") }
            status = status * 10 + Int(digit - 0x30)
        }
        // 101 would hand the connection to another protocol, which nobody asked for.
        guard (100...599).contains(status), status != 101 else { throw .refused(status: 502, "status \(status)") }
        let headers = try reader.headers(&left, 200)
        let version11 = line[7] == 0x31
        let keep =
            version11
            ? !headers.contains("Connection", token: "close") : headers.contains("Connection", token: "keep-alive")
        return (HTTPResponseHead(status: status, headers: headers), keep)
    }

    private func takeKept(_ origin: String) -> (any ByteStream)? {
        while true {
            let found: Kept? = lock.withLock {
                guard let index = idle.lastIndex(where: { kept in kept.origin == origin }) else { return nil }
                return idle.remove(at: index)
            }
            guard let found else { return nil }
            // Readable without a request: the server has closed it, or talks out of turn.
            if Clock.monotonic - found.since < options.keptTime, !readable(found.stream) { return found.stream }
            found.stream.shutdown()
        }
    }

    private func readable(_ stream: any ByteStream) -> Bool {
        if stream.hasBufferedInput { return true }
        do throws(PosixError) {
            return try Poll.wait([Poll.Item(stream.descriptor, readable: true)], timeout: 0)[0].isReadable
        } catch {
            return true
        }
    }

    private func keepForLater(_ origin: String, _ stream: any ByteStream) {
        let dropped: Kept? = lock.withLock {
            if options.kept <= 0 { return Kept(origin: origin, stream: stream, since: 0) }
            idle.append(Kept(origin: origin, stream: stream, since: Clock.monotonic))
            return idle.count > options.kept ? idle.removeFirst() : nil
        }
        dropped?.stream.shutdown()
    }
}
