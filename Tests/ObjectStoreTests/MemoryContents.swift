import Crypto
import NIOCore
import Synchronization

@testable import ObjectStore

/// A remote store in memory, which can be made to fail.
final class MemoryContents: RemoteContents {
    private struct State {
        var contents: [String: [UInt8]] = [:]
        var isAway = false
        /// Flips a bit of what is stored.
        var spoils = false
        var modified: Int64 = 0
    }

    private let state = Mutex(State())

    var names: [String] { state.withLock { $0.contents.keys.sorted() } }
    var isAway: Bool {
        get { state.withLock { $0.isAway } }
        set { state.withLock { $0.isAway = newValue } }
    }
    var spoils: Bool {
        get { state.withLock { $0.spoils } }
        set { state.withLock { $0.spoils = newValue } }
    }

    func lose(_ name: String) { state.withLock { $0.contents[name] = nil } }

    func plant(_ name: String, _ bytes: [UInt8]) { state.withLock { $0.contents[name] = bytes } }

    private func check() throws {
        if isAway { throw ObjectStoreError.unavailable("the remote store is away") }
    }

    func put(_ name: String, size: Int64, digests: RemoteDigests?, source: @escaping RemoteSource) async throws {
        try check()
        var bytes: [UInt8] = []
        while Int64(bytes.count) < size {
            bytes += Array(
                try await source(Int64(bytes.count), min(Int(size) - bytes.count, 100_000)).readableBytesView)
        }
        if let digests, Array(SHA256.hash(data: bytes)) != digests.sha256 {
            throw ObjectStoreError.failed("the digests are not those of the bytes")
        }
        try check()
        if spoils, !bytes.isEmpty { bytes[bytes.count / 2] ^= 1 }
        let stored = bytes
        state.withLock { $0.contents[name] = stored }
    }

    func open(_ name: String, range: Range<Int64>) async throws -> (any RemoteBody)? {
        try check()
        guard let bytes = state.withLock({ $0.contents[name] }) else { return nil }
        let upper = min(Int(range.upperBound), bytes.count)
        return Body(self, Array(bytes[min(Int(range.lowerBound), upper)..<upper]))
    }

    func remove(_ name: String) async throws {
        try check()
        lose(name)
    }

    func list(after: String) async throws -> [RemoteEntry] {
        try check()
        return state.withLock { state in
            state.contents.filter { $0.key > after }.sorted { $0.key < $1.key }.prefix(7).map {
                RemoteEntry(name: $0.key, size: Int64($0.value.count), modified: state.modified)
            }
        }
    }

    private final class Body: RemoteBody {
        private let store: MemoryContents
        private let rest: Mutex<[UInt8]>

        init(_ store: MemoryContents, _ bytes: [UInt8]) {
            self.store = store
            rest = Mutex(bytes)
        }

        func next() async throws -> ByteBuffer? {
            try store.check()
            return rest.withLock { rest in
                guard !rest.isEmpty else { return nil }
                let count = min(rest.count, 9973)
                defer { rest.removeFirst(count) }
                return ByteBuffer(bytes: rest[..<count])
            }
        }
    }
}
