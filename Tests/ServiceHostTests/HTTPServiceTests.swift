import AsyncHTTPClient
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceHost
import Synchronization
import Testing

@Suite("The HTTP listener", .timeLimit(.minutes(10)))
struct HTTPServiceTests {
    @Test("Port 0 gives a free port, the raw target arrives untouched, and TCP_NODELAY is on")
    func serves() async throws {
        let responder = Callback { request, context in
            let noDelay = try await context.channel.getOption(.tcpOption(.tcp_nodelay)).get()
            return Response(
                status: .ok, body: .init(byteBuffer: ByteBuffer(string: "\(request.head.path ?? "") \(noDelay)")))
        }
        try await withListener(responder) { port, _ in
            #expect(port > 0)
            try await RawConnection.to(port) { connection in
                try await connection.send("GET /a//b%2Fc+d%20e/../x?acl&id=a%2Fb HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try await connection.receive(until: " 1")
                #expect(answer.hasPrefix("HTTP/1.1 200"))
                #expect(answer.hasSuffix("/a//b%2Fc+d%20e/../x?acl&id=a%2Fb 1"))
            }
        }
    }

    @Test("A port in use is an error that names the address and the cause")
    func portInUse() async throws {
        try await withListener(NotFoundResponder()) { port, _ in
            let second = HTTPService(
                .init(name: "second", port: port), responder: NotFoundResponder(), logger: .silent)
            let error = await #expect(throws: ServiceHostError.self) { try await second.start() }
            #expect(
                error == .cannotListen(address: "127.0.0.1:\(port) (second)", cause: "Address already in use"))
            await second.stop()
        }
    }

    @Test("Header fields beyond 80 KiB are refused and the connection is closed; 60 KiB are fine")
    func oversizedHeader() async throws {
        try await withListener(HealthResponder()) { port, _ in
            try await RawConnection.to(port) { connection in
                let large = String(repeating: "a", count: 60 << 10)
                try await connection.send("GET / HTTP/1.1\r\nHost: h\r\nX-Large: \(large)\r\n\r\n")
                #expect(try await connection.receive(until: "ok\n").hasPrefix("HTTP/1.1 200"))
            }
            try await RawConnection.to(port) { connection in
                let large = String(repeating: "a", count: 90 << 10)
                try await connection.send("GET / HTTP/1.1\r\nHost: h\r\nX-Large: \(large)\r\n\r\n")
                let answer = try await connection.receive(until: "\r\n\r\n")
                #expect(answer.hasPrefix("HTTP/1.1 400"))
                #expect(answer.lowercased().contains("connection: close"))
            }
        }
    }

    @Test("100 is answered when the body is read, not before")
    func continueWhenRead() async throws {
        let asked = Gate()
        let mayRead = Gate()
        let responder = Callback { request, _ in
            asked.open()
            await mayRead.wait()
            let body = try await request.body.collect(upTo: 100)
            return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "got \(String(buffer: body))")))
        }
        try await withListener(responder) { port, _ in
            try await RawConnection.to(port) { connection in
                try await connection.send(
                    "PUT /o HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n")
                await asked.wait()
                mayRead.open()
                let go = try await connection.receive(until: "\r\n\r\n")
                #expect(go.hasPrefix("HTTP/1.1 100 Continue\r\n"))
                #expect(!go.contains("200"))
                try await connection.send("hello")
                #expect(try await connection.receive(until: "got hello").hasPrefix("HTTP/1.1 200"))
                // The connection goes on.
                try await connection.send("PUT /o HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
                #expect(try await connection.receive(until: "got abc").hasPrefix("HTTP/1.1 200"))
            }
        }
    }

    @Test("A request refused without reading its body gets no 100, and the connection is closed")
    func refusedWithoutContinue() async throws {
        let responder = Callback { _, _ in Response(status: .forbidden) }
        try await withListener(responder) { port, _ in
            try await RawConnection.to(port) { connection in
                try await connection.send(
                    "PUT /o HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
                let answer = try await connection.receiveAll()
                #expect(answer.hasPrefix("HTTP/1.1 403"))
                #expect(answer.lowercased().contains("connection: close"))
            }
        }
    }

    @Test("A client that does not wait for the 100 is served as well")
    func impatientClient() async throws {
        let responder = Callback { request, _ in
            let body = try await request.body.collect(upTo: 100)
            return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "got \(String(buffer: body))")))
        }
        try await withListener(responder) { port, _ in
            try await RawConnection.to(port) { connection in
                try await connection.send(
                    "PUT /o HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
                #expect(try await connection.receive(until: "got hello").contains("HTTP/1.1 200"))
            }
        }
    }

    @Test("Stopping answers the request in flight, and listens no more")
    func gracefulStop() async throws {
        let entered = Gate()
        let mayAnswer = Gate()
        let responder = Callback { _, _ in
            entered.open()
            await mayAnswer.wait()
            return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "finished")))
        }
        let service = HTTPService(.init(name: "test"), responder: responder, logger: .silent)
        let port = try await service.start()
        try await RawConnection.to(port) { connection in
            try await connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await entered.wait()
            let stopped = Mutex(false)
            async let stopping: Void = {
                await service.stop()
                stopped.withLock { $0 = true }
            }()
            while await accepts(port) {}
            #expect(!stopped.withLock { $0 })
            mayAnswer.open()
            #expect(try await connection.receiveAll().hasSuffix("finished"))
            await stopping
        }
    }

    @Test("Stopping does not wait for connections that are idle")
    func stopsWithIdleConnections() async throws {
        let service = HTTPService(.init(name: "test"), responder: HealthResponder(), logger: .silent)
        let port = try await service.start()
        try await RawConnection.to(port) { connection in
            try await connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await connection.receive(until: "ok\n").hasPrefix("HTTP/1.1 200"))
            await service.stop()
            #expect(try await connection.receiveAll().isEmpty)
        }
    }

    @Test("An error that nobody caught is a 500 with the request id and without its details")
    func unexpectedError() async throws {
        struct Secret: Error { var detail = "password=hunter2" }
        let sink = MemorySink()
        let logger = Logger(label: "cloud") { LineLogHandler(label: $0, sink: sink) }
        try await withListener(Callback { _, _ in throw Secret() }, logger: logger) { port, _ in
            let answer = try await withClient { try await $0.get("http://127.0.0.1:\(port)/x?Signature=abc") }
            #expect(answer.status == 500)
            #expect(!answer.body.contains("hunter2"))
            let line = try #require(sink.lines.first { $0.contains("failed unexpectedly") })
            let request = try #require(line.split(separator: "request=").last?.prefix(36))
            #expect(answer.body.contains(request))
            #expect(!line.contains("abc"))
        }
    }

    @Test("Each request has an id of its own, which the task's logger carries")
    func requestIDs() async throws {
        let sink = MemorySink()
        let logger = Logger(label: "cloud") { LineLogHandler(label: $0, sink: sink) }
        let responder = Callback { _, context in
            Logger.current.info("deep inside")
            return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: context.requestID)))
        }
        try await withListener(responder, logger: logger) { port, _ in
            let answers = try await withClient { client in
                [try await client.get("http://127.0.0.1:\(port)/"), try await client.get("http://127.0.0.1:\(port)/")]
            }
            #expect(answers[0].body != answers[1].body)
            let lines = sink.lines.filter { $0.contains("deep inside") }
            #expect(lines.count == 2)
            for (line, answer) in zip(lines, answers) { #expect(line.hasSuffix(" request=\(answer.body)\n")) }
        }
    }

    private func accepts(_ port: Int) async -> Bool {
        do {
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(host: "127.0.0.1", port: port).get()
            try await channel.close()
            return true
        } catch {
            return false
        }
    }
}
