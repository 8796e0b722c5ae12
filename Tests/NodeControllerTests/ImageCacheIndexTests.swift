import Testing

@testable import NodeController

struct ImageCacheIndexTests {
    private func index(limit: Int64 = 100, _ entries: [(String, Int64, Int64)]) -> ImageCacheIndex {
        var index = ImageCacheIndex(limitBytes: limit, reserveBytes: 10)
        for (digest, size, used) in entries { index.insert(digest, sizeBytes: size, lastUsed: used) }
        return index
    }

    @Test func `what fits evicts nothing`() throws {
        var index = index([("a", 40, 1)])
        #expect(try index.admit("b", sizeBytes: 60, freeBytes: 1000).isEmpty)
        #expect(index.usedBytes == 100)
    }

    @Test func `the least recently used goes first, and only as many as needed`() throws {
        var index = index([("a", 40, 3), ("b", 30, 1), ("c", 30, 2)])
        #expect(try index.admit("d", sizeBytes: 50, freeBytes: 1000) == ["b", "c"])
        #expect(index.entry("b") == nil)
        #expect(index.entry("a") != nil)
    }

    @Test func `what is in use never goes`() {
        var index = index([("a", 60, 1), ("b", 40, 2)])
        index.use("a", by: "i-1", now: 1)
        #expect(throws: ImageCacheIndex.Shortage(kind: .limit, needed: 50, available: 40)) {
            try index.admit("c", sizeBytes: 50, freeBytes: 1000)
        }
        #expect(index.entry("b") != nil)
        index.release("i-1")
        #expect(throws: Never.self) { try index.admit("c", sizeBytes: 50, freeBytes: 1000) }
    }

    @Test func `free space counts, less the reserve and what was promised`() throws {
        var index = index(limit: 1000, [("a", 50, 1)])
        #expect(throws: ImageCacheIndex.Shortage(kind: .space, needed: 150, available: 140)) {
            try index.admit("b", sizeBytes: 150, freeBytes: 100)
        }
        #expect(try index.admit("b", sizeBytes: 80, freeBytes: 100).isEmpty)
        #expect(throws: ImageCacheIndex.Shortage(kind: .space, needed: 80, available: 60)) {
            try index.admit("c", sizeBytes: 80, freeBytes: 100)
        }
        index.withdraw("b")
        #expect(try index.admit("c", sizeBytes: 80, freeBytes: 100).isEmpty)
    }

    @Test func `the cache never exceeds its limit and never evicts what is used`() {
        var generator = SeededGenerator(seed: 11)
        var index = index([])
        var used: [String: Set<String>] = [:]
        for round in 0..<3_000 {
            let digest = "d\(Int.random(in: 0..<12, using: &generator))"
            let owner = "i\(Int.random(in: 0..<4, using: &generator))"
            switch Int.random(in: 0..<4, using: &generator) {
            case 0 where index.entry(digest) == nil:
                let size = Int64.random(in: 1...60, using: &generator)
                if let leaving = try? index.admit(digest, sizeBytes: size, freeBytes: 1000) {  // a shortage is fine
                    for gone in leaving { #expect(used[gone, default: []].isEmpty) }
                    index.insert(digest, sizeBytes: size, lastUsed: Int64(round))
                }
            case 1 where index.entry(digest) != nil:
                index.use(digest, by: owner, now: Int64(round))
                used[digest, default: []].insert(owner)
            case 2:
                index.release(owner)
                for key in used.keys { used[key]?.remove(owner) }
            default: break
            }
            #expect(index.usedBytes <= 100)
            for (digest, owners) in used where !owners.isEmpty { #expect(index.entry(digest) != nil) }
        }
    }
}
