import Posix
import Testing

@Suite struct SocketTests {
    @Test func `TCP connects, carries bytes both ways and tells addresses`() throws {
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        #expect(listener.port != 0)
        let client = try Socket.connect(host: "localhost", port: listener.port, timeout: 120_000)
        let server = try #require(try listener.accept(timeout: 120_000))
        #expect(try server.peerAddress == client.localAddress())
        #expect(try client.localAddress().hasPrefix("127.0.0.1:"))
        try client.write(Array("ping".utf8), timeout: 120_000)
        #expect(try server.read(100, timeout: 120_000) == Array("ping".utf8))
        client.shutdownWriting()
        #expect(try server.read(100, timeout: 120_000).isEmpty)
        try server.write(Array("pong".utf8), timeout: 120_000)
        #expect(try client.read(100, timeout: 120_000) == Array("pong".utf8))
    }

    @Test func `reads, writes and accepts give up after their time limit`() throws {
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        #expect(try listener.accept(timeout: 20) == nil)
        let (a, b) = try Socket.pair()
        #expect(try b.waitReadable(timeout: 0) == false)
        let reading = #expect(throws: PosixError.self) { try a.read(1, timeout: 20) }
        #expect(reading?.isTimeout == true)
        let writing = #expect(throws: PosixError.self) {
            try a.write([UInt8](repeating: 0, count: 64 << 20), timeout: 20)
        }
        #expect(writing?.isTimeout == true)
        #expect(try b.waitReadable(timeout: 0))
    }

    @Test func `writing to a peer that is gone is an error, not the end of the process`() throws {
        let (a, b) = try Socket.pair()
        b.shutdown()
        let error = #expect(throws: PosixError.self) { try a.write([1], timeout: 1000) }
        #expect(error?.errno == PosixError.brokenPipe)
    }

    @Test func `shutdown ends a read in another thread`() throws {
        let (a, b) = try Socket.pair()
        let count = Shared<Int?>(nil)
        let thread = try Thread.start(name: "reader") {
            if let bytes = try? a.read(1) { count.update { $0 = bytes.count } }
        }
        a.shutdown()
        #expect(thread.join(timeout: 120_000))
        #expect(count.get() == 0)
        _ = b
    }

    @Test func `a port in use cannot be bound and says so`() throws {
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        #expect(!Listener.canBind(address: "127.0.0.1", port: listener.port))
        let error = #expect(throws: PosixError.self) { try Listener.tcp(address: "127.0.0.1", port: listener.port) }
        #expect(error?.isBusy == true)
        #expect(Listener.canBind(address: "127.0.0.1", port: 0))
    }

    @Test func `refused connections and unknown names are told apart`() throws {
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        let port = listener.port
        listener.close()
        let refused = #expect(throws: PosixError.self) { try Socket.connect(host: "127.0.0.1", port: port) }
        #expect(refused?.errno == PosixError.connectionRefused)
        let unknown = #expect(throws: PosixError.self) { try Socket.connect(host: "no such host", port: 1) }
        #expect((unknown?.errno ?? 0) > 10_000)
        #expect(unknown?.reason.isEmpty == false)
        #expect(throws: PosixError.self) { try Listener.tcp(address: "not-an-address", port: 0) }
    }

    @Test func `closing a listener ends its accept`() throws {
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        let failed = Shared(false)
        let thread = try Thread.start(name: "accept") {
            do { _ = try listener.accept() } catch { failed.update { $0 = true } }
        }
        listener.close()
        #expect(thread.join(timeout: 120_000))
        #expect(failed.get())
    }

    @Test func `Unix sockets replace a dead one, refuse a live one and keep their rights`() throws {
        let scratch = try ScratchDirectory()
        let path = scratch("s")
        do {
            // Left behind, as by a process that was killed.
            _ = try Listener.unix(path: path)
        }
        #expect(FileSystem.exists(path))
        let listener = try Listener.unix(path: path, permissions: 0o660)
        #expect(try FileSystem.status(path).permissions == 0o660)
        let error = #expect(throws: PosixError.self) { try Listener.unix(path: path) }
        #expect(error?.isBusy == true)
        _ = try listener.accept(timeout: 120_000)  // the probe of the refused one
        let client = try Socket.connect(path: path)
        let server = try #require(try listener.accept(timeout: 120_000))
        #expect(server.peerAddress.isEmpty)
        try client.write([1, 2, 3])
        #expect(try server.read(3, timeout: 120_000) == [1, 2, 3])
        listener.close()
        #expect(!FileSystem.exists(path))
        try FileSystem.write(path, text: "not a socket")
        #expect(throws: PosixError.self) { try Listener.unix(path: path) }
        #expect(try FileSystem.readText(path) == "not a socket")
        #expect(throws: PosixError.self) {
            try Listener.unix(path: scratch(String(repeating: "x", count: 120)))
        }
    }
}
