import BlockingHTTP
import NodeController
import Posix
import Testing

struct RelayTests {
    /// Runs a relay over a socket pair, as QEMU does; returns the guest's end and where the exit code will be.
    private func relay(_ path: String, patience: Milliseconds) throws -> (Socket, Shared<Int32?>) {
        let (guest, relayEnd) = try Socket.pair()
        let code = Shared<Int32?>(nil)
        try Thread.start(name: "relay") {
            let result = Relay.run(
                socket: path, input: relayEnd.descriptor, output: relayEnd.descriptor, patience: patience)
            relayEnd.shutdown()
            code.change { $0 = result }
        }
        return (guest, code)
    }

    private func readAll(_ socket: Socket) throws -> String {
        var all: [UInt8] = []
        while true {
            let bytes = try socket.read(65_536, timeout: 120_000)
            if bytes.isEmpty { return String(decoding: all, as: UTF8.self) }
            all += bytes
        }
    }

    @Test func `bytes go both ways until both ends are done`() throws {
        let directory = try TemporaryDirectory()
        let handler = HTTPClosureHandler { request in HTTPResponse(status: 200, body: request.body) }
        let server = HTTPServer(listener: try Listener.unix(path: directory.file("s")), handler: handler)
        try server.start()
        defer { server.stop(grace: 1000) }
        let (guest, code) = try relay(directory.file("s"), patience: 5_000)
        let body = String(repeating: "x", count: 300_000)
        try guest.write(
            Array(
                "PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                    .utf8))
        let answer = try readAll(guest)
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        #expect(answer.hasSuffix(body))
        Fixture.wait("the relay ends") { code.current == 0 }
    }

    @Test func `a guest waits while the node controller is away`() throws {
        let directory = try TemporaryDirectory()
        let (guest, _) = try relay(directory.file("s"), patience: 20_000)
        try guest.write(Array("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".utf8))
        Thread.sleep(100)
        let server = HTTPServer(
            listener: try Listener.unix(path: directory.file("s")),
            handler: HTTPClosureHandler { _ in HTTPResponse(status: 200, text: "late") })
        try server.start()
        defer { server.stop(grace: 1000) }
        #expect(try readAll(guest).hasSuffix("late"))
    }

    @Test func `after the patience the answer is 503`() throws {
        let (guest, code) = try relay("/tmp/there/is/no/such/socket", patience: 50)
        #expect(try readAll(guest).hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
        Fixture.wait("the relay ends") { code.current == 1 }
    }
}
