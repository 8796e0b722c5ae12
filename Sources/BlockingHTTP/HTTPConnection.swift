public import Posix

/// What answers requests. Called by many threads at once.
public protocol HTTPHandler: AnyObject, Sendable {
    /// The answer; it may take its time, which only this connection waits for.
    func handle(_ request: HTTPRequest) -> HTTPResponse
}

/// A handler made of a closure.
public final class HTTPClosureHandler: HTTPHandler {
    private let body: @Sendable (HTTPRequest) -> HTTPResponse

    /// Answers with what the closure returns.
    public init(_ body: @escaping @Sendable (HTTPRequest) -> HTTPResponse) { self.body = body }
    /// See `HTTPHandler`.
    public func handle(_ request: HTTPRequest) -> HTTPResponse { body(request) }
}

// The server's side of one connection.
//
//     idle ──first byte──► reading ──complete──► handling ──answer written──► idle (keep-alive)
//       │                     │ refused                          │
//       └─closed, idle limit  └──► error answer ──► closed ◄─────┘ "Connection: close", stop

/// The server's side of one connection.
public final class HTTPConnection {
    private let stream: any ByteStream
    private let handler: any HTTPHandler
    private let limits: HTTPLimits
    private let reader: HTTPReader
    private var requests = 0
    private var inRequest = false
    /// Whether the server stops: then no further request follows.
    var isStopping: () -> Bool = { false }
    /// Told how many requests went before while it waits for one, nil when that has come.
    var setIdle: (Int?) -> Void = { _ in }

    init(_ stream: any ByteStream, _ handler: any HTTPHandler, _ limits: HTTPLimits) {
        self.stream = stream
        self.handler = handler
        self.limits = limits
        reader = HTTPReader(stream)
    }

    /// Answers the requests of a connected stream (such as one end of a socket pair) until the peer closes it, an
    /// error, or the idle limit. Returns then, with the stream shut down.
    public static func serve(
        _ stream: any ByteStream, handler: any HTTPHandler, limits: HTTPLimits = HTTPLimits()
    ) {
        HTTPConnection(stream, handler, limits).run()
    }

    func run() {
        defer { stream.shutdown() }
        while true {
            do throws(HTTPReadFailure) {
                inRequest = false
                if !reader.hasBuffered {
                    setIdle(requests)
                    reader.deadline = Deadline(after: requests == 0 ? limits.headerTime : limits.idleTime)
                    let more = try reader.waitForMessage()
                    setIdle(nil)
                    if !more { return }
                }
                inRequest = true
                requests += 1
                let head = try readHead()
                let request = try readBody(head)
                let response = handler.handle(request)
                let keep = head.keepAlive && !isStopping()
                try send(response, to: head, keep: keep)
                if !keep {
                    linger()
                    return
                }
            } catch {
                refuse(error)
                return
            }
        }
    }

    private struct Head {
        var method = ""
        var target = ""
        var version11 = true
        var headers = HTTPHeaders()
        var framing = HTTPFraming.none
        var keepAlive = true
    }

    private func readHead() throws(HTTPReadFailure) -> Head {
        reader.deadline = Deadline(after: limits.headerTime)
        var left = limits.headerBytes
        var line = try reader.line(&left, first: true)
        // One empty line before a request is tolerated, as RFC 9112, 2.2 asks for.
        if line.isEmpty { line = try reader.line(&left, first: true) }
        var head = Head()
        let words = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, !words[1].isEmpty else {
            throw .refused(status: 400, "the first line is no request")
        }
        for byte in words[0] where !HTTPReader.isToken(byte) {
            throw .refused(status: 400, "the method has a character that it must not have")
        }
        for byte in words[1] where byte < 0x21 || byte > 0x7e {
            throw .refused(status: 400, "the request target has a character that must be percent-encoded")
        }
        switch String(decoding: words[2], as: UTF8.self) {
        case "HTTP/1.1": head.version11 = true
        case "HTTP/1.0": head.version11 = false
        default:
            let known = words[2].starts(with: Array("HTTP/".utf8))
            throw .refused(status: known ? 505 : 400, "the protocol is not HTTP/1.1")
        }
        head.method = String(decoding: words[0], as: UTF8.self)
        head.target = String(decoding: words[1], as: UTF8.self)
        head.headers = try reader.headers(&left, limits.headerFields)
        let hosts = head.headers.values("Host").count
        if hosts > 1 || head.version11 && hosts == 0 { throw .refused(status: 400, "there must be one Host field") }
        head.framing = try HTTPReader.framing(head.headers, version11: head.version11) ?? .none
        head.keepAlive =
            head.version11
            ? !head.headers.contains("Connection", token: "close")
            : head.headers.contains("Connection", token: "keep-alive")
        return head
    }

    private func readBody(_ head: Head) throws(HTTPReadFailure) -> HTTPRequest {
        reader.deadline = Deadline(after: limits.bodyTime)
        if let expectation = head.headers["Expect"] {
            guard HTTPHeaders.sameName(expectation, "100-continue") else {
                throw .refused(status: 417, "the only expectation understood is 100-continue")
            }
            if case .length(let length) = head.framing, length > Int64(limits.bodyBytes) {
                throw .refused(status: 413, "the body is longer than \(limits.bodyBytes) bytes")
            }
            if head.version11, head.framing != .none, !reader.hasBuffered {
                try write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
            }
        }
        var body: [UInt8] = []
        try reader.body(head.framing, limit: Int64(limits.bodyBytes)) { piece throws(HTTPReadFailure) in body += piece }
        return HTTPRequest(
            method: head.method, target: head.target, headers: head.headers, body: body,
            peerAddress: stream.peerAddress, peerCommonName: stream.peerCommonName)
    }

    private func send(_ response: HTTPResponse, to head: Head, keep: Bool) throws(HTTPReadFailure) {
        let status = (200...599).contains(response.status) ? response.status : 500
        var headers = response.headers
        // The framing is the server's alone: two opinions on it would be a way to smuggle.
        headers["Content-Length"] = HTTPResponse.hasNoBody(status) ? nil : String(response.body.count)
        headers["Transfer-Encoding"] = nil
        headers["Connection"] = keep ? (head.version11 ? nil : "keep-alive") : "close"
        var bytes = Array("HTTP/1.1 \(status) \(HTTPResponse.reason(status))\r\n".utf8)
        headers.write(to: &bytes)
        bytes += [0x0d, 0x0a]
        if !HTTPResponse.hasNoBody(status), head.method != "HEAD" { bytes += response.body }
        try write(bytes)
    }

    private func write(_ bytes: [UInt8]) throws(HTTPReadFailure) {
        do throws(PosixError) {
            try BlockingHTTP.send(bytes, over: stream, timeout: limits.writeTime)
        } catch {
            throw .stream(error)
        }
    }

    private func refuse(_ failure: HTTPReadFailure) {
        let status: Int
        let message: String
        switch failure {
        case .refused(let code, let text):
            status = code
            message = text
        case .stream(let error) where error.isTimeout && inRequest:
            status = 408
            message = "the request was not complete in time"
        case .stream, .closed: return
        }
        let response = HTTPResponse(status: status, text: message + "\n")
        do throws(HTTPReadFailure) {
            try send(response, to: Head(), keep: false)
            linger()
        } catch {}  // the peer is gone: nobody to tell
    }

    private func linger() {
        guard let socket = stream as? Socket else { return }
        BlockingHTTP.linger(socket, timeout: min(1000, limits.headerTime))
    }
}
