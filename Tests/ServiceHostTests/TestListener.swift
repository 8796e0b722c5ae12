import AsyncHTTPClient
import Foundation
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import ServiceHost
import Synchronization
import Testing

typealias Callback = CallbackResponder<ServiceRequestContext>

/// Runs `body` against a listener on a port of its own, and stops it.
func withListener(
    _ responder: any HTTPResponder<ServiceRequestContext>, tls: TLSConfiguration? = nil, logger: Logger = .silent,
    _ body: (_ port: Int, _ service: HTTPService) async throws -> Void
) async throws {
    let service = HTTPService(.init(name: "test", tls: tls), responder: responder, logger: logger)
    let port = try await service.start()
    do {
        try await body(port, service)
    } catch {
        await service.stop()
        throw error
    }
    await service.stop()
}

/// A client with a configuration of its own, shut down afterwards.
func withClient<R>(
    _ configuration: HTTPClient.Configuration = .init(), _ body: (HTTPClient) async throws -> R
) async throws -> R {
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    do {
        let result = try await body(client)
        try await client.shutdown()
        return result
    } catch {
        try await client.shutdown()
        throw error
    }
}

extension HTTPClient {
    /// A GET and its whole answer.
    func get(_ url: String) async throws -> (status: UInt, body: String, type: String?) {
        let response = try await execute(HTTPClientRequest(url: url), timeout: .seconds(300))
        let body = try await response.body.collect(upTo: 1 << 20)
        return (response.status.code, String(buffer: body), response.headers.first(name: "content-type"))
    }
}

/// Speaks HTTP byte by byte, for what a proper client would never send.
struct RawConnection {
    var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var received = ""

    static func to(_ port: Int, _ body: (inout RawConnection) async throws -> Void) async throws {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        try await channel.executeThenClose { inbound, outbound in
            var connection = RawConnection(inbound: inbound.makeAsyncIterator(), outbound: outbound)
            try await body(&connection)
        }
    }

    private init(
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.inbound = inbound
        self.outbound = outbound
    }

    func send(_ text: String) async throws {
        try await outbound.write(ByteBuffer(string: text))
    }

    /// What has come when it contains `marker`, or when the server closed.
    mutating func receive(until marker: String) async throws -> String {
        while !received.contains(marker), let next = try await inbound.next() { received += String(buffer: next) }
        defer { received = "" }
        return received
    }

    /// What comes until the server closes.
    mutating func receiveAll() async throws -> String {
        while let next = try await inbound.next() { received += String(buffer: next) }
        defer { received = "" }
        return received
    }
}

/// A door that is opened once.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func open() { continuation.finish() }

    func wait() async {
        for await _ in stream {}
    }
}

/// Keeps log lines.
final class MemorySink: LogSink {
    private let state = Mutex<[String]>([])

    var lines: [String] { state.withLock { $0 } }

    func write(_ line: String) { state.withLock { $0.append(line) } }
}

extension Logger {
    static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

/// A directory of its own, removed afterwards.
func withTemporaryDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("mallee-host-\(UUID().uuidString)")
        .path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    // A directory that cannot be removed is the system's to clean; it must not hide the test's result.
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await body(directory)
}
