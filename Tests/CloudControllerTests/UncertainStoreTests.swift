import CloudModel
import Store
import Synchronization
import Testing

@testable import CloudController

/// A store whose answers get lost: it takes a commit, or not, and says that it is unavailable.
private final class UncertainStore: Store {
    enum Mood { case good, takesSilently, refuses }
    private let store: any Store
    private let mood = Mutex(Mood.good)

    init(_ store: any Store) { self.store = store }
    func set(_ value: Mood) { mood.withLock { $0 = value } }

    func commit(_ transaction: StoreTransaction) async throws(StoreError) -> StoreCommit {
        switch mood.withLock({ $0 }) {
        case .good: return try await store.commit(transaction)
        case .takesSilently:
            _ = try await store.commit(transaction)
            throw .unavailable("the connection was lost")
        case .refuses: throw .unavailable("no connection")
        }
    }
    func get(_ key: String) async throws(StoreError) -> StoredValue? { try await store.get(key) }
    func range(prefix: String, after: String?, limit: Int?) async throws(StoreError) -> StoreRange {
        try await store.range(prefix: prefix, after: after, limit: limit)
    }
    func watch(prefix: String, from revision: Int64) -> AsyncThrowingStream<[StoreEvent], any Error> {
        store.watch(prefix: prefix, from: revision)
    }
    var currentRevision: Int64 { get async throws(StoreError) { try await store.currentRevision } }
    func compact(before revision: Int64) async throws(StoreError) { try await store.compact(before: revision) }
    func close() async { await store.close() }
}

@Suite struct UncertainStoreTests {
    @Test func aRepeatedRequestFindsWhatTheStoreTookWithoutSayingSo() async throws {
        let store = UncertainStore(try SQLiteStore.inMemory())
        let cloud = try await TestCloud.open(store: store)
        let image = try await cloud.image()
        let request = RunInstancesRequest(imageID: image.id.value, clientToken: "t")
        store.set(.takesSilently)
        let lost = await #expect(throws: CloudError.self) {
            try await cloud.controller.runInstances(request, as: cloud.admin)
        }
        #expect(lost?.isRetryable == true)
        store.set(.good)
        let again = try await cloud.controller.runInstances(request, as: cloud.admin)
        #expect(again.instances.count == 1)
        try await cloud.eventually("it runs") { try await cloud.states() == [.running: 1] }
        #expect(await cloud.zone.timesStarted == [1])
    }

    @Test func whatTheStoreRefusedLeavesNothingBehind() async throws {
        let store = UncertainStore(try SQLiteStore.inMemory())
        let cloud = try await TestCloud.open(zones: [FakeZone(name: "us-east-1a", cores: 3)], store: store)
        let image = try await cloud.image()
        let key = try await cloud.controller.createKeyPair(
            name: "k", type: "ed25519", tags: [], dryRun: false, as: cloud.admin)
        store.set(.refuses)
        for _ in 0..<5 { await #expect(throws: CloudError.self) { try await cloud.run(image) } }
        await #expect(throws: CloudError.self) {
            try await cloud.controller.deleteKeyPair(name: "k", id: nil, dryRun: false, as: cloud.admin)
        }
        store.set(.good)
        #expect(try await cloud.run(image, 3).instances.count == 3)
        let pairs = try await cloud.controller.describeKeyPairs(DescribeRequest(), as: cloud.admin)
        #expect(pairs.items == [key.keyPair])
        // A deletion that was taken in silence.
        store.set(.takesSilently)
        await #expect(throws: CloudError.self) {
            try await cloud.controller.deleteKeyPair(name: "k", id: nil, dryRun: false, as: cloud.admin)
        }
        store.set(.good)
        #expect(try await cloud.controller.deleteKeyPair(name: "k", id: nil, dryRun: false, as: cloud.admin) == nil)
    }
}
