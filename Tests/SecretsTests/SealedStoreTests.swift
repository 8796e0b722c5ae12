import Foundation
import Posix
import Store
import Synchronization
import Testing

@testable import Secrets

/// A store on disk with its key file.
private struct Place {
    let directory: String
    var storePath: String { directory + "/cloud.db" }
    var keyFile: SecretKeyFile { SecretKeyFile(path: directory + "/secrets.key") }

    init() throws { directory = try FileSystem.temporaryDirectory("/tmp/mallee-sealed-") }

    func remove() { try? FileSystem.removeTree(directory) }

    func open() async throws -> (SQLiteStore, SealedStore) {
        let store = try SQLiteStore(path: storePath)
        do {
            return (store, try await SealedStore.open(store, keyFile: keyFile, prefixes: ["/keys/"]))
        } catch {
            await store.close()
            throw error
        }
    }

    /// All bytes of the store's files.
    func bytes() throws -> [UInt8] {
        try FileSystem.list(directory).filter { $0.hasPrefix("cloud.db") }
            .flatMap { try FileSystem.read(directory + "/" + $0, limit: 1 << 26) }
    }

    func contains(_ text: String) throws -> Bool { Data(try bytes()).range(of: Data(text.utf8)) != nil }
}

/// Fails every commit after so many.
private final class FailingStore: Store {
    private let store: SQLiteStore
    private let left: Mutex<Int>

    init(_ store: SQLiteStore, commits: Int) {
        self.store = store
        left = Mutex(commits)
    }

    func get(_ key: String) async throws(StoreError) -> StoredValue? { try await store.get(key) }
    func range(prefix: String, after: String?, limit: Int?) async throws(StoreError) -> StoreRange {
        try await store.range(prefix: prefix, after: after, limit: limit)
    }
    func commit(_ transaction: StoreTransaction) async throws(StoreError) -> StoreCommit {
        guard
            left.withLock({
                $0 -= 1; return $0 >= 0
            })
        else { throw .unavailable("the disk is full") }
        return try await store.commit(transaction)
    }
    func watch(prefix: String, from revision: Int64) -> AsyncThrowingStream<[StoreEvent], any Error> {
        store.watch(prefix: prefix, from: revision)
    }
    var currentRevision: Int64 { get async throws(StoreError) { try await store.currentRevision } }
    func compact(before revision: Int64) async throws(StoreError) { try await store.compact(before: revision) }
    func purge() async throws(StoreError) {
        if left.withLock({ $0 < 0 }) { throw .unavailable("the disk is full") }
        try await store.purge()
    }
    func close() async { await store.close() }
}

private func put(_ key: String, _ value: String) -> StoreTransaction {
    StoreTransaction(operations: [.put(key, Array(value.utf8))])
}

private func puts(_ numbers: Range<Int>, _ value: String) -> StoreTransaction {
    StoreTransaction(operations: numbers.map { .put("/keys/\($0)", Array("\(value)\($0)".utf8)) })
}

private func text(_ value: StoredValue?) -> String? { value.map { String(decoding: $0.bytes, as: UTF8.self) } }

@Suite struct SealedStoreTests {
    @Test("Secrets are wrapped below, and read as they were above; the rest passes through")
    func wraps() async throws {
        let place = try Place()
        defer { place.remove() }
        let (below, store) = try await place.open()
        _ = try await store.commit(put("/keys/A", "top-secret-value"))
        _ = try await store.commit(put("/images/B", "an-open-value"))
        #expect(text(try await store.get("/keys/A")) == "top-secret-value")
        #expect(text(try await store.range(prefix: "/keys/").entries.first?.value) == "top-secret-value")
        #expect(SecretBox.keyID(of: try #require(try await below.get("/keys/A")).bytes) == store.keyID)
        #expect(text(try await below.get("/images/B")) == "an-open-value")
        var events: [StoreEvent] = []
        for try await part in store.watch(prefix: "/keys/", from: 1) {
            events += part
            break
        }
        guard case .put(let value) = try #require(events.first).change else {
            Issue.record("no put")
            return
        }
        #expect(text(value) == "top-secret-value")
        let refused = try await store.commit(
            StoreTransaction(conditions: [.keyAbsent("/keys/A")], operations: [.put("/keys/A", [1])]))
        guard case .conditionFailed(_, _, let current) = refused else {
            Issue.record("\(refused)")
            return
        }
        #expect(text(current) == "top-secret-value")
        await store.close()
        #expect(try !place.contains("top-secret-value"))
        #expect(try place.contains("an-open-value"))
    }

    @Test("A store of an older release is wrapped at its first opening, and nothing plain is left in its files")
    func migrates() async throws {
        let place = try Place()
        defer { place.remove() }
        let old = try SQLiteStore(path: place.storePath)
        _ = try await old.commit(puts(0..<350, "plain-secret-"))
        // Replaced and deleted values are in the history.
        _ = try await old.commit(put("/keys/0", "plain-secret-again"))
        _ = try await old.commit(StoreTransaction(operations: [.delete("/keys/1")]))
        await old.close()
        #expect(try place.contains("plain-secret"))
        let (_, store) = try await place.open()
        #expect(text(try await store.get("/keys/0")) == "plain-secret-again")
        #expect(text(try await store.get("/keys/349")) == "plain-secret-349")
        #expect(try !place.contains("plain-secret"), "while it is open")
        await store.close()
        #expect(try !place.contains("plain-secret"))
    }

    @Test("An interrupted wrapping of an old store goes on at the next start", arguments: [0, 1, 2, 3])
    func interruptedMigration(commits: Int) async throws {
        let place = try Place()
        defer { place.remove() }
        let old = try SQLiteStore(path: place.storePath)
        _ = try await old.commit(puts(0..<350, "plain-secret-"))
        await #expect(throws: SecretsError.self) {
            try await SealedStore.open(
                FailingStore(old, commits: commits), keyFile: place.keyFile, prefixes: ["/keys/"])
        }
        await old.close()
        let (_, store) = try await place.open()
        for number in 0..<350 { #expect(text(try await store.get("/keys/\(number)")) == "plain-secret-\(number)") }
        await store.close()
        #expect(try !place.contains("plain-secret"))
        #expect(try place.keyFile.read()?.count == 1)
    }

    @Test("A rotation wraps everything anew while the store is written to, and leaves one key")
    func rotates() async throws {
        let place = try Place()
        defer { place.remove() }
        let (below, store) = try await place.open()
        _ = try await store.commit(puts(0..<250, "secret-"))
        let before = store.keyID
        let rotation = try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 250..<400 {
                group.addTask { _ = try await store.commit(put("/keys/\(number % 300)", "secret-\(number)")) }
            }
            let rotation = try await store.rotate()
            try await group.waitForAll()
            return rotation
        }
        #expect(rotation.keyID == store.keyID)
        #expect(rotation.keyID != before)
        #expect(!rotation.isContinuation)
        #expect(rotation.rewrapped >= 150)
        #expect(try place.keyFile.read()?.map(\.id) == [store.keyID])
        for entry in try await below.range(prefix: "/keys/").entries {
            #expect(SecretBox.keyID(of: entry.value.bytes) == store.keyID)
        }
        await store.close()
        let (_, again) = try await place.open()
        #expect(text(try await again.get("/keys/120")) == "secret-120")
        #expect(text(try await again.get("/keys/299")) == "secret-299")
        await again.close()
    }

    @Test(
        "An interrupted rotation loses nothing; the next start or rotation ends it", arguments: [0, 1, 2, 3],
        [true, false])
    func interruptedRotation(commits: Int, byStart: Bool) async throws {
        let place = try Place()
        defer { place.remove() }
        let (below, first) = try await place.open()
        _ = try await first.commit(puts(0..<300, "secret-"))
        let failing = try await SealedStore.open(
            FailingStore(below, commits: commits), keyFile: place.keyFile, prefixes: ["/keys/"])
        if commits < 3 {
            await #expect(throws: SecretsError.self) { try await failing.rotate() }
            #expect(try place.keyFile.read()?.count == 2)
        } else {
            _ = try await failing.rotate()
        }
        if byStart {
            await below.close()
            let (_, store) = try await place.open()
            #expect(try place.keyFile.read()?.map(\.id) == [store.keyID])
            for number in 0..<300 { #expect(text(try await store.get("/keys/\(number)")) == "secret-\(number)") }
            await store.close()
        } else if commits < 3 {
            let store = try await SealedStore.open(below, keyFile: place.keyFile, prefixes: ["/keys/"])
            #expect(try place.keyFile.read()?.map(\.id) == [store.keyID])
            await below.close()
        } else {
            await below.close()
        }
    }

    @Test("A rotation after one that was interrupted in this process ends it, with the same key")
    func continuedRotation() async throws {
        let place = try Place()
        defer { place.remove() }
        let (_, store) = try await place.open()
        _ = try await store.commit(put("/keys/A", "secret"))
        // What a crash between the two writes of the file leaves.
        let next = SecretKey()
        try place.keyFile.write([next] + (try place.keyFile.read() ?? []))
        let rotation = try await store.rotate()
        #expect(rotation.isContinuation)
        #expect(rotation.keyID == next.id)
        #expect(rotation.rewrapped == 1)
        #expect(text(try await store.get("/keys/A")) == "secret")
        await store.close()
    }

    @Test("A missing key file is told with its cure, and none is made in its place")
    func missing() async throws {
        let place = try Place()
        defer { place.remove() }
        let (_, store) = try await place.open()
        _ = try await store.commit(put("/keys/A", "secret"))
        let id = store.keyID
        await store.close()
        try FileSystem.rename(place.keyFile.path, to: place.directory + "/elsewhere")
        let error = await #expect(throws: SecretsError.self) { _ = try await place.open() }
        #expect(error == .keyFileMissing(path: place.keyFile.path, needed: [id]))
        #expect(error?.description.contains("Restore the file from a backup") == true)
        #expect(!FileSystem.exists(place.keyFile.path))
        try FileSystem.rename(place.directory + "/elsewhere", to: place.keyFile.path)
        let (_, again) = try await place.open()
        #expect(text(try await again.get("/keys/A")) == "secret")
        await again.close()
    }

    @Test("Another cloud's key file is told")
    func wrong() async throws {
        let place = try Place()
        defer { place.remove() }
        let (_, store) = try await place.open()
        _ = try await store.commit(put("/keys/A", "secret"))
        let id = store.keyID
        await store.close()
        let other = SecretKey()
        try place.keyFile.write([other])
        let error = await #expect(throws: SecretsError.self) { _ = try await place.open() }
        #expect(error == .wrongKeys(path: place.keyFile.path, needed: [id], present: [other.id]))
    }

    @Test("A value that was moved to another key of the store is not opened")
    func moved() async throws {
        let place = try Place()
        defer { place.remove() }
        let (below, store) = try await place.open()
        _ = try await store.commit(put("/keys/A", "secret"))
        let bytes = try #require(try await below.get("/keys/A")).bytes
        _ = try await below.commit(StoreTransaction(operations: [.put("/keys/B", bytes)]))
        let error = await #expect(throws: StoreError.self) { try await store.get("/keys/B") }
        #expect(error?.description.contains("/keys/B") == true)
        await store.close()
    }
}
