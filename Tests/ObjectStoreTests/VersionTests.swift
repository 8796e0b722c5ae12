import Foundation
import NIOCore
import Testing

@testable import ObjectStore

@Suite struct VersionTests {
    private static func versioning(_ fixture: Fixture, _ state: VersioningState) async throws {
        try await fixture.store.changeBucket("bucket", versioning: state, settings: [:], check: { _ in })
    }

    private static func list(_ fixture: Fixture) async throws -> [String] {
        try await fixture.store.versions(bucket: "bucket", ListQuery(), afterVersion: "").items.map {
            $0.key + ($0.isDeleteMarker ? "-" : "+") + String($0.size) + ($0.isLatest ? "!" : "")
                + ($0.version.isEmpty ? "null" : "")
        }
    }

    @Test func `versions stack up, delete markers hide them, and removing one brings the one before back`() async throws
    {
        try await Fixture.with { fixture in
            let store = fixture.store
            try await fixture.put("a", [1])
            try await Self.versioning(fixture, .enabled)
            let second = try await fixture.put("a", [1, 2])
            let third = try await fixture.put("a", [UInt8](repeating: 3, count: 300))
            #expect(try await Self.list(fixture) == ["a+300!", "a+2", "a+1null"])
            let marker = try #require(
                try await store.delete(bucket: "bucket", [Deletion(key: "a")], permit: { _ in }).first
            ).get()
            #expect(marker.isMarker && marker.version != nil && marker.removed == nil)
            #expect(try await Self.list(fixture) == ["a-0!", "a+300", "a+2", "a+1null"])
            #expect(try await store.list(bucket: "bucket", ListQuery()).items.isEmpty)
            await #expect(throws: ObjectStoreError.self) { try await store.head(bucket: "bucket", key: "a") }
            #expect(
                try await Fixture.read(store.open(bucket: "bucket", key: "a", version: second.version)) == [1, 2])
            #expect(try await Fixture.read(store.open(bucket: "bucket", key: "a", version: "null")) == [1])
            await #expect(throws: ObjectStoreError.bucketNotEmpty("bucket")) {
                try await store.deleteBucket("bucket")
            }
            func remove(_ version: String?) async throws {
                _ = try await store.delete(
                    bucket: "bucket", [Deletion(key: "a", version: version)], permit: { _ in })[0].get()
            }
            try await remove(marker.version)
            #expect(try await Self.list(fixture) == ["a+300!", "a+2", "a+1null"])
            #expect(try await fixture.get("a").count == 300)
            try await remove(third.version)
            #expect(try await fixture.get("a") == [1, 2])
            #expect(try fixture.files().isEmpty)
            try await remove("null")
            try await remove(second.version)
            #expect(try await Self.list(fixture).isEmpty)
            try await store.deleteBucket("bucket")
            try await store.createBucket(BucketRecord(name: "bucket", owner: "me", region: "", created: 1))
        }
    }

    @Test func `a suspended bucket has one null version and keeps the others`() async throws {
        try await Fixture.with { fixture in
            try await Self.versioning(fixture, .enabled)
            try await fixture.put("a", [1])
            try await Self.versioning(fixture, .suspended)
            try await fixture.put("a", [1, 2])
            try await fixture.put("a", [1, 2, 3])
            #expect(try await Self.list(fixture) == ["a+3!null", "a+1"])
            try await fixture.store.delete(bucket: "bucket", keys: ["a"])
            #expect(try await Self.list(fixture) == ["a-0!null", "a+1"])
            try await fixture.put("a", [])
            #expect(try await Self.list(fixture) == ["a+0!null", "a+1"])
            try await Self.versioning(fixture, .enabled)
            try await fixture.put("a", [7])
            #expect(try await Self.list(fixture) == ["a+1!", "a+0null", "a+1"])
        }
    }

    @Test func `pages of any size give every version once, in order`() async throws {
        try await Fixture.with { fixture in
            try await Self.versioning(fixture, .enabled)
            for key in ["a", "a/b", "a0", "b", "é"] {
                for count in 0..<3 { try await fixture.put(key, [UInt8](repeating: 0, count: count)) }
            }
            try await fixture.store.delete(bucket: "bucket", keys: ["a", "b"])
            let whole = try await Self.list(fixture)
            #expect(whole.count == 17)
            for limit in 1...6 {
                var found: [String] = []
                var query = ListQuery(limit: limit)
                var version = ""
                while true {
                    let page = try await fixture.store.versions(bucket: "bucket", query, afterVersion: version)
                    found += page.items.map {
                        $0.key + ($0.isDeleteMarker ? "-" : "+") + String($0.size) + ($0.isLatest ? "!" : "")
                    }
                    guard let next = page.next, let last = page.items.last else { break }
                    query.after = next
                    version = last.versionID
                }
                #expect(found == whole, "\(limit)")
            }
        }
    }

    @Test func `a refused deletion keeps its version and not the others`() async throws {
        try await Fixture.with { fixture in
            try await fixture.put("a", [1])
            try await fixture.put("b", [1])
            let results = try await fixture.store.delete(
                bucket: "bucket",
                [
                    Deletion(key: "a"), Deletion(key: "b"), Deletion(key: "c", etag: "x"),
                    Deletion(key: "b", size: 5),
                ]
            ) { record in
                if record.key == "a" { throw BrokenBody() }
            }
            #expect(results.count == 4)
            #expect(throws: BrokenBody.self) { try results[0].get() }
            #expect(try results[1].get().removed?.key == "b")
            #expect(try results[2].get() == Deleted(key: "c", isMarker: false))
            #expect(try await fixture.get("a") == [1])
        }
    }

    @Test func `a store written before there were versions opens and goes on`() async throws {
        let root = NSTemporaryDirectory() + "objects-" + UUID().uuidString
        // A leftover in the temporary directory is harmless.
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        try FormerIndex.write(root + "/index.sqlite")
        let store = try await FileBackend.open(.init(root: root, reserve: 0))
        #expect(try await Fixture.read(store.open(bucket: "old", key: "k")) == Array("hi".utf8))
        let record = try await store.head(bucket: "old", key: "k")
        #expect(record.attributes.headers == ["content-type": "text/plain"] && record.versionID == "null")
        try await store.changeBucket("old", versioning: .enabled, settings: ["x": "y"], check: { _ in })
        _ = try await store.put(
            bucket: "old", key: "k", options: PutOptions(expectedSize: 1), body: Chunks([9]))
        #expect(try await store.versions(bucket: "old", ListQuery(), afterVersion: "").items.count == 2)
        #expect(try await Fixture.read(store.open(bucket: "old", key: "k", version: "null")) == Array("hi".utf8))
        try await store.close()
        let again = try await FileBackend.open(.init(root: root, reserve: 0))
        let bucket = try await again.bucket("old")
        #expect(bucket.versioning == .enabled && bucket.settings == ["x": "y"])
        try await again.close()
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 300_000])
    func `encrypted objects come back whole and in ranges, and only with their key`(size: Int) async throws {
        try await Fixture.with { fixture in
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 131 &+ $0 >> 9) }
            let key = ContentKey.random().key
            var options = PutOptions(expectedSize: Int64(size), key: key)
            options.attributes.encryption = ObjectEncryption(kind: .store, material: "")
            _ = try await fixture.store.put(bucket: "bucket", key: "k", options: options, body: Chunks(bytes))
            let content = try await fixture.store.open(bucket: "bucket", key: "k")
            defer { content.close() }
            if size > 0 {
                await #expect(throws: ObjectStoreError.self) { try await content.read(at: 0, count: 1) }
                content.unlock(ContentKey.random().key)
                await #expect(throws: ObjectStoreError.self) { try await content.read(at: 0, count: 1) }
            }
            content.unlock(key)
            var random = Random(state: 5)
            for _ in 0..<20 where size > 0 {
                let start = Int.random(in: 0..<size, using: &random)
                let end = Int.random(in: start...size, using: &random)
                var got: [UInt8] = []
                for try await buffer in ContentStream(content, range: Int64(start)..<Int64(end)) {
                    got += Array(buffer.readableBytesView)
                }
                #expect(got == Array(bytes[start..<end]))
            }
        }
    }

    @Test(arguments: [ChecksumAlgorithm.crc32, .crc32c, .crc64nvme])
    func `checksums of stretches combine to that of the whole`(algorithm: ChecksumAlgorithm) {
        var random = Random(state: 3)
        for _ in 0..<20 {
            var whole: [UInt8] = []
            var parts: [(bytes: [UInt8], size: Int64)] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let part = (0..<Int.random(in: 0...5000, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                whole += part
                parts.append((algorithm.checksum(of: part), Int64(part.count)))
            }
            #expect(algorithm.combined(parts) == algorithm.checksum(of: whole))
        }
    }
}
