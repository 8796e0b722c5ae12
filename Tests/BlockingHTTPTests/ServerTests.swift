import BlockingHTTP
import Posix
import TLS
import Testing

@Suite struct ServerTests {
    @Test func `a client's calls share one connection`() throws {
        let peers = Shared<Set<String>>([])
        let server = try TestServer { request in
            peers.update { $0.insert(request.peerAddress) }
            return echo(request)
        }
        let client = HTTPClient()
        for number in 0..<5 {
            let response = try client.call("POST", server.url + "/p?\(number)", body: Array("b\(number)".utf8))
            #expect(response.text == "b\(number)")
            #expect(response.headers["X-Request"] == "POST /p \(number)")
        }
        #expect(peers.get().count == 1)
        client.close()
        _ = try client.call("GET", server.url)
        #expect(peers.get().count == 2)
    }

    @Test func `a kept connection that the server has closed is not used again`() throws {
        var options = HTTPServer.Options()
        options.limits.idleTime = 20
        let server = try TestServer(options, echo)
        let client = HTTPClient()
        for _ in 0..<3 {
            // POST must not be repeated, so this fails unless the closing is noticed before.
            #expect(try client.call("POST", server.url, body: [1]).status == 200)
            Thread.sleep(60)
        }
    }

    @Test func `many concurrent clients get their own answers from few threads`() throws {
        var options = HTTPServer.Options()
        options.threads = 4
        let server = try TestServer(options, echo)
        let url = server.url
        let wrong = Shared(0)
        let right = Shared(0)
        let threads = try (0..<16).map { number in
            try Thread.start(name: "client") {
                let client = HTTPClient()
                for call in 0..<25 {
                    let body = Array("\(number)/\(call)".utf8)
                    // PUT, which may be repeated: an idle connection can be closed in favour of another client.
                    let response = try? client.call("PUT", url, body: body)
                    if response?.body == body { right.update { $0 += 1 } } else { wrong.update { $0 += 1 } }
                }
            }
        }
        for thread in threads { #expect(thread.join(timeout: 120_000)) }
        #expect(right.get() == 400)
        #expect(wrong.get() == 0)
    }

    @Test func `idle connections give way to waiting ones`() throws {
        var options = HTTPServer.Options()
        options.threads = 1
        let server = try TestServer(options, echo)
        let first = HTTPClient()
        #expect(try first.call("GET", server.url).status == 200)
        // The only thread still holds the first client's connection.
        #expect(try HTTPClient().call("GET", server.url).status == 200)
    }

    @Test func `more connections than may wait are answered 503`() throws {
        var options = HTTPServer.Options()
        options.threads = 1
        options.queue = 1
        let gate = Shared(false)
        let entered = Shared(false)
        let server = try TestServer(options) { request in
            entered.update { $0 = true }
            _ = gate.wait { $0 }
            return echo(request)
        }
        let url = server.url
        let done = Shared<[Int]>([])
        func begin() throws -> Thread {
            try Thread.start(name: "client") {
                let status = (try? HTTPClient().call("GET", url))?.status ?? 0
                done.update { $0.append(status) }
            }
        }
        let busy = try begin()
        #expect(entered.wait { $0 })
        let others = try (0..<4).map { _ in try begin() }
        #expect(done.wait { $0.count == 3 })
        #expect(done.get() == [503, 503, 503])
        gate.update { $0 = true }
        for thread in others + [busy] { #expect(thread.join(timeout: 120_000)) }
        #expect(done.get().filter { $0 == 200 }.count == 2)
    }

    @Test func `a request that does not come in time is answered 408 and a silent connection closed`() throws {
        var options = HTTPServer.Options()
        options.limits.headerTime = 50
        options.limits.bodyTime = 50
        let server = try TestServer(options, echo)
        for part in ["GET / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"] {
            let socket = try Socket.connect(host: "127.0.0.1", port: server.server.port)
            try socket.write(Array(part.utf8))
            #expect(status(try readAll(socket)) == 408)
        }
        let silent = try Socket.connect(host: "127.0.0.1", port: server.server.port)
        #expect(try readAll(silent).isEmpty)
    }

    @Test func `100 Continue comes before the body, and 413 instead of it`() throws {
        var options = HTTPServer.Options()
        options.limits.bodyBytes = 10
        let server = try TestServer(options, echo)
        let socket = try Socket.connect(host: "127.0.0.1", port: server.server.port)
        let head = "PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: "
        try socket.write(Array((head + "2\r\n\r\n").utf8))
        #expect(try socket.read(1000, timeout: 120_000) == Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        try socket.write(Array("hi".utf8))
        #expect(status(try readAll(socket)) == 200)
        let refused = try Socket.connect(host: "127.0.0.1", port: server.server.port)
        try refused.write(Array((head + "11\r\n\r\n").utf8))
        #expect(status(try readAll(refused)) == 413)
    }

    @Test func `stopping lets the running request finish and refuses new ones`() throws {
        let gate = Shared(false)
        let entered = Shared(false)
        let server = try TestServer { request in
            entered.update { $0 = true }
            _ = gate.wait { $0 }
            return echo(request)
        }
        let url = server.url
        let result = Shared<Int?>(nil)
        let thread = try Thread.start(name: "client") {
            let status = (try? HTTPClient().call("GET", url))?.status
            result.update { $0 = status }
        }
        #expect(entered.wait { $0 })
        let opener = try Thread.start(name: "opener") {
            while Listener.canBind(address: "127.0.0.1", port: 0), (try? Socket.connect(path: "/none")) == nil {
                // Once the listener is closed the stop is under way, so the request may finish.
                if (try? Socket.connect(host: "127.0.0.1", port: server.server.port, timeout: 1000)) == nil { break }
                Thread.sleep(2)
            }
            gate.update { $0 = true }
        }
        #expect(server.server.stop(grace: 20_000))
        #expect(thread.join(timeout: 120_000))
        #expect(opener.join(timeout: 120_000))
        #expect(result.get() == 200)
        #expect(throws: HTTPClientError.self) { try HTTPClient().call("GET", url) }
    }

    @Test func `stopping cuts off what does not finish in its grace`() throws {
        let gate = Shared(false)
        let entered = Shared(false)
        let server = try TestServer { request in
            entered.update { $0 = true }
            _ = gate.wait { $0 }
            return echo(request)
        }
        let socket = try Socket.connect(host: "127.0.0.1", port: server.server.port)
        try socket.write(Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
        #expect(entered.wait { $0 })
        #expect(!server.server.stop(grace: 20))
        #expect(try readAll(socket).isEmpty)
        gate.update { $0 = true }
    }

    @Test func `Unix sockets and socket pairs serve as well`() throws {
        let scratch = try ScratchDirectory()
        let server = try TestServer(listener: try Listener.unix(path: scratch("s")), echo)
        let url = HTTPURL(unixSocket: scratch("s"), target: "/u")
        #expect(try HTTPClient().call("GET", url).headers["X-Request"] == "GET /u -")
        #expect(server.server.stop())
        let (a, b) = try Socket.pair()
        let thread = try Thread.start(name: "pair") { HTTPConnection.serve(b, handler: HTTPClosureHandler(echo)) }
        try a.write(Array("GET /pair HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".utf8))
        #expect(status(try readAll(a)) == 200)
        #expect(thread.join(timeout: 120_000))
    }

    @Test func `downloads stream to a file, resume where they ended, and restart when the version changed`() throws {
        let scratch = try ScratchDirectory()
        var content = [UInt8](repeating: 0, count: 3 << 20)
        for index in content.indices { content[index] = UInt8(truncatingIfNeeded: index &* 31 >> 3) }
        let original = content
        let tag = Shared("\"v1\"")
        let ranges = Shared<[String]>([])
        let server = try TestServer { request in
            let range = request.headers["Range"] ?? ""
            ranges.update { $0.append(range) }
            var response = HTTPResponse(status: 200, headers: HTTPHeaders([("ETag", tag.get())]), body: original)
            if request.path == "/none" { return HTTPResponse(status: 404, text: "no") }
            if request.headers["If-Range"] == tag.get(), let from = Int(range.dropFirst(6).dropLast()) {
                response.status = 206
                response.body = Array(original[from...])
                response.headers["Content-Range"] = "bytes \(from)-\(original.count - 1)/\(original.count)"
            }
            return response
        }
        let client = HTTPClient()
        let path = scratch("image")
        struct Stop: Error {}
        func interrupted() {
            let error = #expect(throws: HTTPClientError.self) {
                try client.download(server.url + "/image", to: path) { done, total throws(PosixError) in
                    #expect(total == Int64(original.count))
                    if done > 1 << 20 { throw PosixError(errno: 125, operation: "go on") }
                }
            }
            #expect(error?.kind == .refusedByTaker)
        }
        interrupted()
        let part = try FileSystem.status(path).size
        #expect(part > 1 << 20 && part < original.count)
        #expect(try client.download(server.url + "/image", to: path) == Int64(original.count))
        #expect(try FileSystem.read(path) == original)
        #expect(ranges.get() == ["", "bytes=\(part)-"])
        #expect(try FileSystem.list(scratch.path) == ["image"])
        try FileSystem.remove(path)
        interrupted()
        tag.update { $0 = "\"v2\"" }
        #expect(try client.download(server.url + "/image", to: path) == Int64(original.count))
        #expect(try FileSystem.read(path) == original)
        let missing = #expect(throws: HTTPClientError.self) {
            try client.download(server.url + "/none", to: scratch("none"))
        }
        #expect(missing?.kind == .status(404))
        let large = #expect(throws: HTTPClientError.self) {
            try client.download(server.url + "/image", to: scratch("large"), limit: 1000)
        }
        #expect(large?.cause?.errno == PosixError.tooLarge)
    }

    private func readAll(_ socket: Socket) throws -> String {
        var bytes: [UInt8] = []
        while true {
            let more = try socket.read(65536, timeout: 120_000)
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }
}
