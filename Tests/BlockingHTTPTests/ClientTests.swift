import BlockingHTTP
import Posix
import Testing

/// A server that answers every connection's first request with these bytes and closes.
final class RawServer: @unchecked Sendable {
    let listener: Listener
    let requests = Shared<[String]>([])
    var url: String { "http://127.0.0.1:\(listener.port)/x" }

    init(_ answers: [[UInt8]]) throws {
        listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        try Thread.start(name: "raw") { [listener, requests] in
            for answer in answers {
                guard let socket = try? listener.accept(timeout: 120_000) else { return }
                let request = (try? socket.read(65536, timeout: 120_000)) ?? []
                requests.update { $0.append(String(decoding: request, as: UTF8.self)) }
                // A client that has seen enough may be gone.
                try? socket.write(answer, timeout: 120_000)
                socket.shutdown()
            }
        }
    }

    /// One call on a connection of its own: this server closes after each answer without having said so.
    func call(_ method: String, body: [UInt8] = [], limit: Int = 1000) throws -> HTTPClientResponse {
        var options = HTTPClient.Options()
        options.kept = 0
        return try HTTPClient(options: options).call(method, url, body: body, limit: limit)
    }

    convenience init(_ answers: String...) throws { try self.init(answers.map { Array($0.utf8) }) }
    deinit { listener.close() }
}

@Suite struct ClientTests {
    @Test func `bodies come by length, in chunks, and until the end`() throws {
        let server = try RawServer(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.0 404 Not Found\r\n\r\nhello", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
        let first = try server.call("GET")
        #expect(first.status == 200 && first.text == "hello" && first.headers["x"] == "y")
        let second = try server.call("POST", body: Array("in".utf8))
        #expect(second.status == 201 && second.text == "hello")
        let third = try server.call("GET")
        #expect(third.status == 404 && third.text == "hello")
        #expect(try server.call("GET").body.isEmpty)
        let sent = server.requests.get()[1]
        #expect(sent.split(separator: "\r\n").contains("Content-Length: 2") && sent.hasSuffix("\r\n\r\nin"))
    }

    @Test func `a body is sent in pieces, and a refusal before its end is heard`() throws {
        let server = try RawServer(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        let url = try #require(HTTPURL(server.url))
        let client = HTTPClient()
        let answer = try client.upload("PUT", url, length: 6) { (offset) throws(PosixError) in
            Array("abcdef".utf8)[Int(offset)..<min(Int(offset) + 4, 6)] + []
        }
        #expect(answer.status == 200 && answer.text == "ok")
        #expect(server.requests.get()[0].contains("Content-Length: 6\r\n"))
        // The server is gone after its answer; more is sent than a socket holds.
        let refused = try? client.upload("PUT", url, length: 64 << 20) { (_) throws(PosixError) in
            [UInt8](repeating: 0, count: 1 << 20)
        }
        // The reset may have overtaken the answer: then it is an error, which is as good.
        #expect(refused == nil || refused?.status == 403)
        #expect(throws: HTTPClientError.self, "a body that ends too early") {
            try client.upload("PUT", url, length: 5) { (_) throws(PosixError) in [] }
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n", "SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
    ])
    func `malformed answers are errors`(answer: String) throws {
        let server = try RawServer(answer)
        let error = #expect(throws: HTTPClientError.self) { try server.call("GET") }
        #expect(error?.kind == .badAnswer)
    }

    @Test(arguments: [
        "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ])
    func `answers that end early are errors`(answer: String) throws {
        let server = try RawServer(answer)
        let error = #expect(throws: HTTPClientError.self) { try server.call("GET") }
        #expect(error?.kind == .interrupted)
    }

    @Test func `an answer longer than allowed is an error before or while it comes`() throws {
        let server = try RawServer(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        for _ in 0..<2 {
            let error = #expect(throws: HTTPClientError.self) { try server.call("GET", limit: 4) }
            #expect(error?.kind == .tooLarge)
        }
        #expect(try server.call("GET", limit: 5).text == "hello")
    }

    @Test func `no server, no answer and a wrong URL are told apart, and signatures stay out of messages`() throws {
        var options = HTTPClient.Options()
        options.idleTime = 50
        let client = HTTPClient(options: options)
        let silent = try Listener.tcp(address: "127.0.0.1", port: 0)
        let slow = #expect(throws: HTTPClientError.self) {
            try client.call("GET", "http://127.0.0.1:\(silent.port)/a?Signature=secret")
        }
        #expect(slow?.kind == .interrupted && slow?.isTimeout == true)
        #expect(slow?.description.firstRange(of: "/a") != nil && slow?.description.firstRange(of: "secret") == nil)
        let port = silent.port
        silent.close()
        let none = #expect(throws: HTTPClientError.self) { try client.call("GET", "http://127.0.0.1:\(port)/") }
        #expect(none?.kind == .notConnected && none?.cause?.errno == PosixError.connectionRefused)
        let bad = #expect(throws: HTTPClientError.self) { try client.call("GET", "ftp://h/") }
        #expect(bad?.kind == .badURL)
        let injected = HTTPURL(unixSocket: "/x", target: "/a HTTP/1.1\r\nX: y")
        let target = #expect(throws: HTTPClientError.self) { try client.call("GET", injected) }
        #expect(target?.kind == .badURL)
        let noCA = #expect(throws: HTTPClientError.self) { try client.call("GET", "https://127.0.0.1:\(port)/") }
        #expect(noCA?.kind == .notConnected)
    }

    @Test func `a call has a total time limit, however slowly bytes drip`() throws {
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        try Thread.start(name: "drip") {
            guard let socket = try? listener.accept(timeout: 120_000) else { return }
            // Until the client hangs up.
            while (try? socket.write([0x48], timeout: 1000)) != nil { Thread.sleep(5) }
        }
        var options = HTTPClient.Options()
        options.totalTime = 100
        let error = #expect(throws: HTTPClientError.self) {
            try HTTPClient(options: options).call("GET", "http://127.0.0.1:\(listener.port)/")
        }
        #expect(error?.kind == .interrupted && error?.isTimeout == true)
    }

    @Test func `mutated answers never crash, hang or exceed the limit`() throws {
        let seeds = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a\r\nllo\r\n0\r\nA: b\r\n\r\n",
        ].map { Array($0.utf8) }
        var random = SeededGenerator(seed: 77)
        var answers: [[UInt8]] = []
        for _ in 0..<400 {
            var bytes = seeds[Int.random(in: 0..<2, using: &random)]
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                if Bool.random(using: &random) {
                    bytes[at] = UInt8.random(in: 0...255, using: &random)
                } else {
                    bytes.removeSubrange(at..<min(bytes.count, at + 3))
                }
            }
            answers.append(bytes)
        }
        let server = try RawServer(answers)
        var options = HTTPClient.Options()
        options.idleTime = 10_000
        options.kept = 0
        let client = HTTPClient(options: options)
        var accepted = 0
        for _ in answers {
            do throws(HTTPClientError) {
                let response = try client.call("GET", server.url, limit: 100)
                #expect(response.body.count <= 100 && (200...599).contains(response.status))
                accepted += 1
            } catch {
                #expect(!error.isTimeout && error.kind != .notConnected)
            }
        }
        // Many mutations hit what does not matter, many what does.
        #expect(accepted > 20 && accepted < 380)
    }

    @Test func `URLs are taken apart`() throws {
        let url = try #require(HTTPURL("HTTP://[::1]:8775/a/b?c=d#e"))
        #expect(url.host == "::1" && url.port == 8775 && url.target == "/a/b?c=d" && url.hostField == "[::1]:8775")
        #expect(HTTPURL("https://h")?.target == "/")
        #expect(HTTPURL("https://h?x")?.target == "/?x")
        #expect(HTTPURL("https://h")?.port == 443)
        #expect(HTTPURL("http://h:80/")?.hostField == "h")
        let unix = try #require(HTTPURL("http+unix://%2Frun%2Fx.sock/p"))
        #expect(unix.host == "/run/x.sock" && unix.target == "/p" && unix.scheme == .unix)
        #expect(unix.description == "http+unix://%2Frun%2Fx.sock/p")
        for bad in [
            "", "h", "http://", "http:///x", "http://u@h/", "http://h:0/", "http://h:65536/", "http://h:x/",
            "http://h:1:2/",
            "http://[::1/", "http://[h]/", "http://[::1]x/", "http://h/a b", "http://h/\u{e9}", "http+unix://run/x",
        ] { #expect(HTTPURL(bad) == nil, "\(bad)") }
    }
}
