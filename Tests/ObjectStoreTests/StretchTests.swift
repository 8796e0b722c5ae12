import Foundation
import Glibc
import Testing

@testable import ObjectStore

@Suite struct StretchTests {
    private static func bytes(_ content: any ObjectContent, from start: Int64, limit: Int) async throws -> [UInt8] {
        var found: [UInt8] = []
        while start + Int64(found.count) < content.record.size {
            let stretch = try #require(try await content.stretch(at: start + Int64(found.count), limit: limit))
            #expect((1...limit).contains(stretch.count))
            var piece = [UInt8](repeating: 0, count: stretch.count)
            #expect(pread(stretch.descriptor, &piece, piece.count, off_t(stretch.offset)) == piece.count)
            found += piece
        }
        return found
    }

    @Test func `objects in files are stretches of them, also beyond what was warmed, and those of parts`() async throws
    {
        try await Fixture.with { fixture in
            let large = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 5) }
            try await fixture.put("large", large)
            // The second time out of memory.
            for _ in 1...2 {
                let content = try await fixture.store.open(bucket: "bucket", key: "large")
                #expect(try await Self.bytes(content, from: 0, limit: 1_000_000) == large)
                #expect(try await Self.bytes(content, from: 2_000_001, limit: 4 << 20) == Array(large[2_000_001...]))
                #expect(try await content.stretch(at: 3 << 20, limit: 10) == nil)
                content.close()
                await #expect(throws: ObjectStoreError.self) { _ = try await content.stretch(at: 0, limit: 10) }
            }
            let upload = try await MultipartTests.begin(fixture)
            var parts: [CompletedPart] = []
            for number in 1...3 {
                parts.append(
                    try await MultipartTests.part(
                        fixture, upload, number, [UInt8](repeating: UInt8(number), count: number == 2 ? 0 : 3000)))
            }
            _ = try await fixture.store.completeUpload(
                bucket: "bucket", key: "key", upload: upload, parts: parts, options: .init(minimumPartSize: 0))
            let content = try await fixture.store.open(bucket: "bucket", key: "key")
            let expected = [UInt8](repeating: 1, count: 3000) + [UInt8](repeating: 3, count: 3000)
            #expect(try await Self.bytes(content, from: 0, limit: 1 << 20) == expected)
            content.close()
        }
    }

    @Test func `small and encrypted objects are none`() async throws {
        try await Fixture.with { fixture in
            try await fixture.put("small", [1])
            var options = PutOptions(expectedSize: 70_000, key: ContentKey.random().key)
            options.attributes.encryption = ObjectEncryption(kind: .store, material: "")
            _ = try await fixture.store.put(
                bucket: "bucket", key: "sealed", options: options, body: Chunks([UInt8](repeating: 1, count: 70_000)))
            for key in ["small", "sealed"] {
                let content = try await fixture.store.open(bucket: "bucket", key: key)
                #expect(try await content.stretch(at: 0, limit: 10) == nil)
                content.close()
            }
        }
    }

    @Test func `what was read before is never given out in place of what was written since`() async throws {
        try await Fixture.with { fixture in
            for round in 0..<20 {
                let bytes = [UInt8](repeating: UInt8(round), count: round % 3 == 0 ? 50 : 5000 + round)
                try await fixture.put("key", bytes)
                for _ in 1...2 {
                    #expect(try await fixture.get("key") == bytes)
                    #expect(try await fixture.store.head(bucket: "bucket", key: "key").size == Int64(bytes.count))
                }
            }
            try await fixture.store.delete(bucket: "bucket", keys: ["key"])
            await #expect(throws: ObjectStoreError.noSuchKey("key")) { _ = try await fixture.get("key") }
            await #expect(throws: ObjectStoreError.noSuchKey("key")) {
                _ = try await fixture.store.head(bucket: "bucket", key: "key")
            }
        }
    }

    @Test func `a file that is gone is said, however often it was read`() async throws {
        try await Fixture.with { fixture in
            try await fixture.put("key", [UInt8](repeating: 1, count: 5000))
            #expect(try await fixture.get("key").count == 5000)
            for file in try fixture.files() {
                try FileManager.default.removeItem(atPath: fixture.root + "/data/" + file)
            }
            for _ in 1...2 {
                await #expect(throws: ObjectStoreError.self) { _ = try await fixture.get("key") }
            }
        }
    }

    @Test func `a larger object has a SHA-256 where it is wanted, and its MD5 finds damage where not`() async throws {
        try await Fixture.with { fixture in
            let bytes = [UInt8](repeating: 7, count: 600_000)
            for isWanted in [true, false] {
                var options = PutOptions(expectedSize: Int64(bytes.count))
                options.hasSHA256 = isWanted
                let record = try await fixture.store.put(
                    bucket: "bucket", key: "\(isWanted)", options: options, body: Chunks(bytes))
                #expect((record.sha256 != nil) == isWanted)
                #expect(try await fixture.store.head(bucket: "bucket", key: "\(isWanted)").sha256 == record.sha256)
                options.expectedSize = 3
                let small = try await fixture.store.put(
                    bucket: "bucket", key: "small", options: options, body: Chunks([1, 2, 3]))
                #expect(small.sha256 == "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81")
            }
            #expect(try await fixture.store.scrub(pause: .zero).damaged.isEmpty)
            for file in try fixture.files() {
                let handle = try FileHandle(forUpdating: URL(fileURLWithPath: fixture.root + "/data/" + file))
                try handle.seek(toOffset: 300_000)
                try handle.write(contentsOf: [8])
                try handle.close()
            }
            let damaged = try await fixture.store.scrub(pause: .zero).damaged
            #expect(damaged.count == 2)
            #expect(damaged.contains { $0.hasSuffix("MD5 of its record") })
        }
    }

    @Test func `empty files for the next contents are gone after the end, and after a crash`() async throws {
        let root = NSTemporaryDirectory() + "spare-" + UUID().uuidString
        let copy = root + "-crashed"
        defer {
            // Leftovers in the temporary directory are harmless.
            try? FileManager.default.removeItem(atPath: root)
            try? FileManager.default.removeItem(atPath: copy)
        }
        func files(_ root: String) throws -> Int {
            try FileManager.default.subpathsOfDirectory(atPath: root + "/data").count { $0.utf8.count == 19 }
        }
        let store = try await FileBackend.open(.init(root: root, inlineLimit: 100, reserve: 0))
        try await store.createBucket(BucketRecord(name: "bucket", owner: "me", region: "", created: 1))
        _ = try await store.put(
            bucket: "bucket", key: "key", options: PutOptions(), body: Chunks([UInt8](repeating: 1, count: 500)))
        #expect(try files(root) > 1)
        try FileManager.default.copyItem(atPath: root, toPath: copy)
        try await store.close()
        #expect(try files(root) == 1)
        let reopened = try await FileBackend.open(.init(root: copy, inlineLimit: 100, reserve: 0))
        #expect(try files(copy) == 1 && reopened.orphansCollected == 0)
        try await reopened.close()
    }
}
