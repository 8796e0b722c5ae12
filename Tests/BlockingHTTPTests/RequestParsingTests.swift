import BlockingHTTP
import Posix
import Testing

/// What a server answers to these bytes, and the requests its handler saw.
func answer(
    _ bytes: [UInt8], limits: HTTPLimits = HTTPLimits(), seed: UInt64 = 1
) -> (text: String, requests: [HTTPRequest]) {
    let seen = Shared<[HTTPRequest]>([])
    let stream = ScriptedStream(bytes, seed: seed)
    HTTPConnection.serve(
        stream,
        handler: HTTPClosureHandler { request in
            seen.update { $0.append(request) }
            return echo(request)
        }, limits: limits)
    return (stream.text, seen.get())
}

func answer(_ text: String, limits: HTTPLimits = HTTPLimits()) -> (text: String, requests: [HTTPRequest]) {
    answer(Array(text.utf8), limits: limits)
}

func status(_ text: String) -> Int? {
    text.hasPrefix("HTTP/1.1 ") ? Int(text.dropFirst(9).prefix(3)) : nil
}

@Suite struct RequestParsingTests {
    @Test func `a request is taken apart`() throws {
        let request = try #require(
            answer(
                "POST /a%20b?x=1&y=a+b%26&z HTTP/1.1\r\nhost: h\r\nX-A: \t one \r\nx-a: two\r\nContent-Length: 3\r\n\r\nabc"
            )
            .requests.first)
        #expect(request.method == "POST")
        #expect(request.target == "/a%20b?x=1&y=a+b%26&z")
        #expect(request.path == "/a%20b")
        #expect(request.query == "x=1&y=a+b%26&z")
        #expect(request.queryValue("y") == "a b&")
        #expect(request.queryValue("z") == "")
        #expect(request.queryValue("w") == nil)
        #expect(request.headers["HOST"] == "h")
        #expect(request.headers.values("x-A") == ["one", "two"])
        #expect(request.body == Array("abc".utf8))
        #expect(request.peerAddress == "192.0.2.1:1")
    }

    @Test func `chunks are joined, with extensions and trailers dropped`() throws {
        let (text, requests) = answer(
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\nHost: other\r\n\r\n"
        )
        #expect(status(text) == 200)
        #expect(requests[0].body == Array("abc0123456789".utf8))
        #expect(requests[0].headers["Host"] == "h")
    }

    @Test func `requests sent at once are answered in order, until one says close`() {
        let (text, requests) = answer(
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n"
        )
        #expect(requests.map(\.path) == ["/1", "/2"])
        #expect(text.hasSuffix("Connection: close\r\n\r\n"))
    }

    @Test func `HTTP 1.0 closes unless asked to keep`() {
        let (_, closed) = answer("GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")
        #expect(closed.count == 1)
        let (text, kept) = answer("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")
        #expect(kept.count == 2)
        #expect(text.split(separator: "\r\n").contains("Connection: keep-alive"))
    }

    @Test func `HEAD is answered without a body but with its length`() {
        let (text, _) = answer("HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        #expect(text.hasSuffix("\r\n\r\n"))
        #expect(text.split(separator: "\r\n").contains("Content-Length: 2"))
    }

    @Test func `the form for proxies has the same path`() {
        #expect(HTTPRequest(method: "GET", target: "http://h:1/a?b").path == "/a")
        #expect(HTTPRequest(method: "GET", target: "http://h?b").path == "/")
        #expect(HTTPRequest(method: "GET", target: "http://h").path == "/")
        #expect(HTTPRequest(method: "GET", target: "//a/b").path == "//a/b")
        #expect(HTTPRequest(method: "GET", target: "*").path == "*")
    }

    /// Each could be read in two ways, or by nobody.
    @Test(arguments: [
        ("GET / HTTP/1.1\nHost: h\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\u{0}b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\u{1}b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nnothing\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\na", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET / x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET /\r\nHost: h\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        ("GET / SIP/2.0\r\nHost: h\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n", 417),
    ])
    func `what is ambiguous or malformed is refused and the connection closed`(bytes: String, code: Int) {
        let (text, requests) = answer(bytes + "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(status(text) == code, "\(text)")
        #expect(requests.isEmpty)
        #expect(text.split(separator: "\r\n").contains("Connection: close"))
    }

    @Test func `limits of header, fields and body hold to the byte`() {
        var limits = HTTPLimits()
        limits.headerFields = 3
        limits.bodyBytes = 5
        let fields = "POST / HTTP/1.1\r\nHost: h\r\nA: 1\r\nContent-Length: 5\r\n"
        limits.headerBytes = fields.utf8.count + 2
        #expect(status(answer(fields + "\r\n12345", limits: limits).text) == 200)
        limits.headerBytes -= 1
        #expect(status(answer(fields + "\r\n12345", limits: limits).text) == 431)
        limits.headerBytes = 1000
        #expect(status(answer(fields + "B: 2\r\n\r\n12345", limits: limits).text) == 431)
        #expect(status(answer("GET /" + String(repeating: "a", count: 2000), limits: limits).text) == 414)
        #expect(status(answer("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n", limits: limits).text) == 413)
        let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        #expect(status(answer(chunked + "2\r\nde\r\n0\r\n\r\n", limits: limits).text) == 200)
        #expect(status(answer(chunked + "3\r\ndef\r\n0\r\n\r\n", limits: limits).text) == 413)
        let endless = chunked.replacing("\r\n3\r\nabc\r\n", with: "\r\n1;" + String(repeating: "x", count: 4000))
        #expect(status(answer(endless, limits: limits).text) == 431)
    }

    @Test func `a connection that ends within a request gets no answer and runs no handler`() {
        let whole = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
        for length in 0..<whole.utf8.count {
            let (text, requests) = answer(Array(whole.utf8.prefix(length)))
            #expect(text.isEmpty && requests.isEmpty, "\(length)")
        }
    }

    @Test func `a handler cannot break the framing of its answer`() {
        let stream = ScriptedStream("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        HTTPConnection.serve(
            stream,
            handler: HTTPClosureHandler { _ in
                HTTPResponse(
                    status: 200,
                    headers: HTTPHeaders([
                        ("Content-Length", "99"), ("Transfer-Encoding", "chunked"), ("X", "a\r\nSet-Cookie: b"),
                    ]), body: Array("hi".utf8))
            })
        let lines = stream.text.split(separator: "\r\n")
        #expect(lines.contains("Content-Length: 2"))
        #expect(lines.contains("X: a  Set-Cookie: b"))
        #expect(lines.count == 5)
    }

    @Test func `mutated requests never crash, and all that is accepted is well formed`() {
        let seeds = [
            "POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-Y: z\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\na\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        ].map { Array($0.utf8) }
        let morsels = ["\r\n", "\n", "\r", " ", ":", "0", "ffffffffffffffff", "Content-Length: 1\r\n", "\0", ";", "%"]
            .map {
                Array($0.utf8)
            }
        var random = SeededGenerator(seed: 2026)
        var limits = HTTPLimits()
        limits.bodyBytes = 1000
        for round in 0..<4000 {
            var bytes = seeds[Int.random(in: 0..<seeds.count, using: &random)]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(contentsOf: morsels[Int.random(in: 0..<morsels.count, using: &random)], at: at)
                default: bytes.removeSubrange(at..<min(bytes.count, at + 8))
                }
                if bytes.isEmpty { bytes = [0x0d] }
            }
            let (text, requests) = answer(bytes, limits: limits, seed: UInt64(round))
            for request in requests {
                #expect(!request.method.isEmpty && !request.target.isEmpty && request.body.count <= 1000)
                #expect(!request.target.utf8.contains { $0 < 0x21 || $0 > 0x7e })
                #expect(request.headers.values("Content-Length").count <= 1)
                #expect(
                    request.headers["Content-Length"] == nil || request.headers["Transfer-Encoding"] == nil)
            }
            #expect(text.isEmpty || text.hasPrefix("HTTP/1.1 "))
        }
    }
}
