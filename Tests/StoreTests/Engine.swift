import Foundation
import Store
import Testing

/// The engines that must pass the contract suite. A new engine is a new case.
enum Engine: String, CaseIterable, CustomTestStringConvertible {
    case sqliteFile = "SQLite in a file"
    case sqliteMemory = "SQLite in memory"

    var testDescription: String { rawValue }

    /// An empty store that keeps `history` revisions, closed after `body`.
    func withStore(history: Int = 50_000, _ body: (any Store) async throws -> Void) async throws {
        switch self {
        case .sqliteFile:
            try await withTemporaryDirectory { directory in
                let store = try SQLiteStore(path: directory + "/state/cloud.db", history: history)
                try await closing(store, body)
            }
        case .sqliteMemory:
            try await closing(SQLiteStore.inMemory(history: history), body)
        }
    }

    private func closing(_ store: any Store, _ body: (any Store) async throws -> Void) async throws {
        do {
            try await body(store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }
}

/// A directory of its own, removed afterwards.
func withTemporaryDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory
        .appendingPathComponent("mallee-store-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    // A directory that cannot be removed is the system's to clean; it must not hide the test's result.
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await body(directory)
}

extension Store {
    /// Commits operations without conditions and gives their revision.
    @discardableResult
    func apply(_ operations: StoreOperation...) async throws -> Int64 {
        try #require(try await commit(StoreTransaction(operations: operations)).revision)
    }

    /// The first `count` events of a watch, or fewer if it ends.
    func events(prefix: String, from revision: Int64, count: Int) async throws -> [StoreEvent] {
        var events: [StoreEvent] = []
        for try await batch in watch(prefix: prefix, from: revision) {
            events += batch
            if events.count >= count { break }
        }
        return events
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ value: StoredValue?) -> String? { value.map { String(decoding: $0.bytes, as: UTF8.self) } }

/// A reproducible source of random numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
