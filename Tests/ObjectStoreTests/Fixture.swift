import Foundation
import NIOCore
import Synchronization

@testable import ObjectStore

/// A store in a directory of its own, removed afterwards.
struct Fixture: Sendable {
    let root: String
    let store: FileBackend
    /// The remote store that is attached.
    var remote = MemoryContents()

    @discardableResult
    static func with<T>(
        inlineLimit: Int = 100, reserve: Int64 = 0, place: ContentPlace = .files, _ body: (Fixture) async throws -> T
    ) async throws -> T {
        let root = NSTemporaryDirectory() + "objects-" + UUID().uuidString
        // A leftover in the temporary directory is harmless.
        defer { try? FileManager.default.removeItem(atPath: root) }
        var configuration = FileBackendConfiguration(root: root, inlineLimit: inlineLimit, reserve: reserve)
        configuration.place = place
        let store = try await FileBackend.open(configuration)
        let fixture = Fixture(root: root, store: store)
        store.attach(fixture.remote)
        try await store.createBucket(BucketRecord(name: "bucket", owner: "me", region: "", created: 1))
        let result = try await body(fixture)
        try await store.close()
        return result
    }

    /// Content files on the disk; not the empty ones that a store keeps for the next contents.
    func files() throws -> [String] {
        let spare = Set(store.directory.spare.withLock { $0.map { store.directory.path($0) } })
        return try FileManager.default.subpathsOfDirectory(atPath: root + "/data")
            .filter { $0.utf8.count == 19 && !spare.contains(root + "/data/" + $0) }
    }

    @discardableResult
    func put(_ key: String, _ bytes: [UInt8], condition: PutCondition = .none) async throws -> ObjectRecord {
        try await store.put(
            bucket: "bucket", key: key, options: PutOptions(expectedSize: Int64(bytes.count), condition: condition),
            body: Chunks(bytes))
    }

    func get(_ key: String) async throws -> [UInt8] { try await Self.read(store.open(bucket: "bucket", key: key)) }

    static func read(_ content: any ObjectContent) async throws -> [UInt8] {
        defer { content.close() }
        var bytes: [UInt8] = []
        for try await buffer in ContentStream(content) { bytes += Array(buffer.readableBytesView) }
        return bytes
    }
}

/// Bytes as a body, in pieces of odd sizes.
struct Chunks: AsyncSequence, Sendable {
    let bytes: [UInt8]
    let failAfter: Int?

    init(_ bytes: [UInt8], failAfter: Int? = nil) {
        self.bytes = bytes
        self.failAfter = failAfter
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        let chunks: Chunks
        var offset = 0

        mutating func next() async throws -> ByteBuffer? {
            if let limit = chunks.failAfter, offset >= limit { throw BrokenBody() }
            guard offset < chunks.bytes.count else { return nil }
            let end = Swift.min(offset + 65_521, chunks.bytes.count)
            defer { offset = end }
            return ByteBuffer(bytes: chunks.bytes[offset..<end])
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(chunks: self) }
}

/// What a body throws when its client is gone.
struct BrokenBody: Error, Equatable {}

struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
