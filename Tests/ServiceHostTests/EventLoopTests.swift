import AsyncHTTPClient
import Foundation
import Hummingbird
import NIOCore
import ServiceHost
import Testing

@Suite("Work on the event loop", .timeLimit(.minutes(10)))
struct EventLoopTests {
    private static let place = Callback { _, context in
        let isThere = context.channel.eventLoop.inEventLoop
        return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: isThere ? "loop" : "elsewhere")))
    }

    @Test("Only responders that say so are called on the event loop, behind the dispatcher as well")
    func places() async throws {
        let dispatcher = PathDispatcher(
            routes: [.prefix("/quick", OnEventLoop(Self.place)), .prefix("/slow", Self.place)],
            fallback: OnEventLoop(Self.place))
        try await withListener(dispatcher) { port, _ in
            for (path, expected) in [("/quick/a", "loop"), ("/slow/a", "elsewhere"), ("/", "loop")] {
                let answer = try await HTTPClient.shared.execute(
                    HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)"), timeout: .seconds(300))
                #expect(try await String(buffer: answer.body.collect(upTo: 100)) == expected)
            }
        }
        try await withListener(Self.place) { port, _ in
            let answer = try await HTTPClient.shared.execute(
                HTTPClientRequest(url: "http://127.0.0.1:\(port)/"), timeout: .seconds(300))
            #expect(try await String(buffer: answer.body.collect(upTo: 100)) == "elsewhere")
        }
    }

    @Test("Stretches of files go out in their order between what is written, on one connection after the other")
    func files() async throws {
        let path = NSTemporaryDirectory() + "stretch-" + UUID().uuidString
        let bytes = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 8) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer {
            try? file.close()  // Nothing was written to it.
            try? FileManager.default.removeItem(atPath: path)  // A leftover in the temporary directory is harmless.
        }
        let descriptor = file.fileDescriptor
        let responder = OnEventLoop(
            Callback { _, context in
                let send = try #require(context.fileSender)
                return Response(
                    status: .ok,
                    body: ResponseBody(contentLength: 6 + (2 << 20) + 100) { writer in
                        try await writer.write(ByteBuffer(string: "<<<"))
                        try await send(descriptor, 1000, 2 << 20)
                        try await send(descriptor, 7, 100)
                        try await writer.write(ByteBuffer(string: ">>>"))
                        try await writer.finish(nil)
                    })
            })
        let expected = Array("<<<".utf8) + bytes[1000..<1000 + (2 << 20)] + bytes[7..<107] + Array(">>>".utf8)
        try await withListener(responder) { port, _ in
            for _ in 1...3 {
                let answer = try await HTTPClient.shared.execute(
                    HTTPClientRequest(url: "http://127.0.0.1:\(port)/"), timeout: .seconds(300))
                let found = try await answer.body.collect(upTo: 4 << 20)
                #expect(found.readableBytesView.elementsEqual(expected))
            }
        }
    }

    @Test("A reader who goes away ends a stretch with an error, and the file stays its owner's")
    func lostReader() async throws {
        let path = NSTemporaryDirectory() + "stretch-" + UUID().uuidString
        try Data(count: 64 << 20).write(to: URL(fileURLWithPath: path))
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer {
            try? file.close()  // Nothing was written to it.
            try? FileManager.default.removeItem(atPath: path)  // A leftover in the temporary directory is harmless.
        }
        let descriptor = file.fileDescriptor
        let failed = Gate()
        let responder = OnEventLoop(
            Callback { _, context in
                let send = try #require(context.fileSender)
                return Response(
                    status: .ok,
                    body: ResponseBody(contentLength: 64 << 20) { writer in
                        do {
                            try await send(descriptor, 0, 64 << 20)
                            try await writer.finish(nil)
                        } catch {
                            failed.open()
                            throw error
                        }
                    })
            })
        try await withListener(responder) { port, _ in
            try await RawConnection.to(port) { connection in
                try await connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                _ = try await connection.receive(until: "\r\n\r\n")
            }
            await failed.wait()
            #expect(try file.read(upToCount: 10)?.count == 10)
        }
    }
}
