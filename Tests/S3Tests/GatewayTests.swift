import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix
import ObjectStore
import S3Gateway
import Synchronization
import Testing

/// The gateway against a server of S3: our own, over real connections.
@Suite struct GatewayTests {
    static func bytes(_ count: Int, seed: UInt64 = 9) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    private static func source(_ bytes: [UInt8]) -> RemoteSource {
        { offset, count in ByteBuffer(bytes: bytes[Int(offset)..<min(Int(offset) + count, bytes.count)]) }
    }

    private static func with(
        secret: String = "secret-of-ALICE", owner: String = "this index", port: Int? = nil,
        _ body: @escaping @Sendable (Server, S3Gateway) async throws -> Void
    ) async throws {
        try await Server.with { server in
            let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
            do {
                let gateway = try S3Gateway(
                    .init(
                        endpoint: "http://127.0.0.1:\(port ?? server.port)", bucket: "contents-of-walrus",
                        prefix: "a b/",
                        accessKeyID: "ALICE", secret: secret, attempts: 2, partSize: 5 << 20,
                        // A busy machine is no store that is away.
                        idleTimeout: 300, patience: 600),
                    owner: owner, http: http)
                try await body(server, gateway)
                try await http.shutdown()
            } catch {
                try await http.shutdown()
                throw error
            }
        }
    }

    private static func read(_ gateway: S3Gateway, _ name: String, _ range: Range<Int64>) async throws -> [UInt8]? {
        guard let body = try await gateway.open(name, range: range) else { return nil }
        var bytes: [UInt8] = []
        while let buffer = try await body.next() { bytes += Array(buffer.readableBytesView) }
        return bytes
    }

    @Test(arguments: [0, 1, 70_000, 5 << 20, 12_000_001])
    func `contents go to the other store and come back, in one piece or in parts`(size: Int) async throws {
        try await Self.with { server, gateway in
            let bytes = Self.bytes(size)
            try await gateway.put("00000000000000ff", size: Int64(size), digests: nil, source: Self.source(bytes))
            #expect(try await Self.read(gateway, "00000000000000ff", 0..<Int64(size)) == bytes)
            if size > 100 {
                let range = Int64(size / 3)..<Int64(size / 2)
                #expect(try await Self.read(gateway, "00000000000000ff", range) == Array(bytes[size / 3..<size / 2]))
            }
            let listed = try await gateway.list(after: "")
            #expect(listed.map(\.name) == ["00000000000000ff"])
            #expect(listed[0].size == Int64(size))
            #expect(listed[0].modified > 1_600_000_000_000)
            #expect(try await gateway.list(after: "00000000000000ff").isEmpty)
            try await gateway.remove("00000000000000ff")
            try await gateway.remove("00000000000000ff")
            #expect(try await gateway.list(after: "").isEmpty)
            #expect(try await gateway.open("00000000000000ff", range: 0..<1) == nil)
        }
    }

    @Test func `a bucket belongs to one index`() async throws {
        try await Self.with { server, gateway in
            try await gateway.claim()
            let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
            let other = try S3Gateway(gateway.settings, owner: "another", http: http)
            await #expect(throws: ObjectStoreError.self) { try await other.claim() }
            await #expect(throws: ObjectStoreError.self) {
                try await other.put("0000000000000001", size: 1, digests: nil, source: Self.source([1]))
            }
            try await http.shutdown()
        }
    }

    @Test func `a refusal is told as it is, and not tried again`() async throws {
        try await Self.with(secret: "wrong") { _, gateway in
            do {
                try await gateway.claim()
                Issue.record("a wrong secret was accepted")
            } catch ObjectStoreError.failed(let text) {
                #expect(text.contains("SignatureDoesNotMatch"))
            }
        }
    }

    @Test func `a store that is away is unavailable, after a few attempts`() async throws {
        try await Self.with(port: 1) { _, gateway in
            do {
                try await gateway.put("0000000000000001", size: 1, digests: nil, source: Self.source([1]))
                Issue.record("nobody listens there")
            } catch ObjectStoreError.unavailable(let text) {
                #expect(text.contains("after 2 attempts"))
            }
        }
    }

    @Test func `a store that accepts and never answers is given up in the time that was set`() async throws {
        let silent = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(host: "127.0.0.1", port: 0).get()
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
        let gateway = try S3Gateway(
            .init(
                endpoint: "http://127.0.0.1:\(silent.localAddress?.port ?? 0)", bucket: "contents-of-walrus",
                accessKeyID: "ALICE", secret: "secret", attempts: 1000, idleTimeout: 1, patience: 1),
            owner: "this index", http: http)
        do {
            try await gateway.put("0000000000000001", size: 1, digests: nil, source: Self.source([1]))
            Issue.record("nobody answers there")
        } catch ObjectStoreError.unavailable(let text) {
            #expect(text.contains("after 1 attempt:"))
        }
        try await http.shutdown()
        try await silent.close()
    }

    @Test func `a source that breaks off leaves nothing`() async throws {
        try await Self.with { (_: Server, gateway: S3Gateway) async throws -> Void in
            let bytes = Self.bytes(12 << 20)
            let source: RemoteSource = { offset, count in
                if offset > 8 << 20 { throw ObjectStoreError.failed("broken") }
                return ByteBuffer(bytes: bytes[Int(offset)..<Int(offset) + count])
            }
            await #expect(throws: ObjectStoreError.self) {
                try await gateway.put("0000000000000001", size: Int64(bytes.count), digests: nil, source: source)
            }
            let left = try await gateway.list(after: "")
            #expect(left.isEmpty)
        }
    }

    @Test func `a whole Walrus over another store: the same answers, nothing of the contents here`() async throws {
        try await Server.with { behind in
            let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
            try await Server.with { front in
                let gateway = try S3Gateway(
                    .init(
                        endpoint: "http://127.0.0.1:\(behind.port)", bucket: "contents-of-walrus", accessKeyID: "BOB",
                        secret: "secret-of-BOB", partSize: 5 << 20), owner: front.store.storeID, http: http)
                front.store.attach(gateway)
                _ = try await front.send("PUT", "/bucket")
                let bytes = Self.bytes(6 << 20)
                #expect(try await front.send("PUT", "/bucket/old", bytes).status == 200)
                // Not for everybody.
                let move = Array("<Move><To>s3</To></Move>".utf8)
                #expect(try await front.send("PUT", "/?mallee-places", move).status == 403)
                #expect(try await front.send("GET", "/?mallee-places").status == 403)
                #expect(try await front.send("PUT", "/?mallee-places", move, as: "ROOT").status == 200)
                #expect(try await front.send("PUT", "/bucket/new", bytes).status == 200)
                let waiting = try await front.send("GET", "/?mallee-places", as: "ROOT")
                #expect(waiting.text.contains("<Contents>1</Contents>"))
                _ = try await front.store.moveContents(bucket: "bucket")
                #expect(try await gateway.list(after: "").count == 2)
                for key in ["old", "new"] {
                    #expect(try await front.send("GET", "/bucket/\(key)").body == bytes)
                    let range = try await front.send("GET", "/bucket/\(key)", headers: [("Range", "bytes=100-199")])
                    #expect(range.status == 206)
                    #expect(range.body == Array(bytes[100..<200]))
                }
                #expect(try await front.send("PUT", "/?mallee-places", Array("<Move/>".utf8), as: "ROOT").status == 400)
                let nowhere = Array("<Move><To>s3</To><Bucket>nowhere</Bucket></Move>".utf8)
                #expect(try await front.send("PUT", "/?mallee-places", nowhere, as: "ROOT").status == 404)
            }
            try await http.shutdown()
        }
    }
}
