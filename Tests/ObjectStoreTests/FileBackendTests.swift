import Crypto
import Foundation
import NIOCore
import Signatures
import Testing

@testable import ObjectStore

@Suite struct FileBackendTests {
    @Test(arguments: [0, 1, 100, 101, 262_144, 262_145, 1_500_000])
    func `an object comes back as it was put, with its digests`(size: Int) async throws {
        try await Fixture.with { fixture in
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let record = try await fixture.put("key", bytes)
            #expect(record.size == Int64(size))
            #expect(record.etag == hexadecimal(Insecure.MD5.hash(data: bytes)))
            #expect(record.sha256 == hexadecimal(SHA256.hash(data: bytes)))
            #expect(try await fixture.get("key") == bytes)
            #expect(try await fixture.store.head(bucket: "bucket", key: "key") == record)
            #expect(try fixture.files().count == (size > 100 ? 1 : 0))
            try await fixture.store.delete(bucket: "bucket", keys: ["key", "never there"])
            #expect(try fixture.files().isEmpty)
            await #expect(throws: ObjectStoreError.noSuchKey("key")) { try await fixture.get("key") }
        }
    }

    @Test func `a reader keeps the object it opened, whatever happens to the key`() async throws {
        try await Fixture.with { fixture in
            let first = [UInt8](repeating: 1, count: 600_000)
            try await fixture.put("key", first)
            let opened = try await fixture.store.open(bucket: "bucket", key: "key")
            try await fixture.put("key", [UInt8](repeating: 2, count: 600_000))
            #expect(try fixture.files().count == 1)
            try await fixture.store.delete(bucket: "bucket", keys: ["key"])
            #expect(try await Fixture.read(opened) == first)
            #expect(try fixture.files().isEmpty)
        }
    }

    @Test func `concurrent overwrites and reads never show a torn object`() async throws {
        try await Fixture.with { fixture in
            try await fixture.put("key", [UInt8](repeating: 0, count: 1000))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 1...4 {
                    group.addTask {
                        for round in 0..<15 {
                            // Small ones lie in the index, large ones in files.
                            let size = round % 3 == 0 ? 50 : 300_000
                            try await fixture.put("key", [UInt8](repeating: UInt8(writer * 20 + round), count: size))
                        }
                    }
                }
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<40 {
                            let opened = try await fixture.store.open(bucket: "bucket", key: "key")
                            let bytes = try await Fixture.read(opened)
                            #expect(hexadecimal(Insecure.MD5.hash(data: bytes)) == opened.record.etag)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try fixture.files().count <= 1)
        }
    }

    @Test func `many concurrent puts are all there afterwards, also after reopening`() async throws {
        let root = NSTemporaryDirectory() + "objects-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: root) }  // As in Fixture.
        var store = try await FileBackend.open(.init(root: root, inlineLimit: 100, reserve: 0))
        try await store.createBucket(BucketRecord(name: "bucket", owner: "me", region: "", created: 1))
        let first = Fixture(root: root, store: store)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask { try await first.put("k\(number)", Array(repeating: UInt8(number), count: number)) }
            }
            try await group.waitForAll()
        }
        try await store.close()
        store = try await FileBackend.open(.init(root: root, inlineLimit: 100, reserve: 0))
        #expect(store.orphansCollected == 0)
        let second = Fixture(root: root, store: store)
        for number in 0..<200 {
            #expect(try await second.get("k\(number)") == Array(repeating: UInt8(number), count: number))
        }
        let usage = try await store.usage(bucket: "bucket")
        #expect(usage.objects == 200 && usage.bytes == 19_900)
        try await store.close()
    }

    @Test func `what a crash leaves behind opens with every acknowledged object and without orphans`() async throws {
        try await Fixture.with { fixture in
            let bytes = [UInt8](repeating: 7, count: 5000)
            try await fixture.put("small", [1, 2, 3])
            try await fixture.put("large", bytes)
            let upload = try await fixture.store.createUpload(
                bucket: "bucket", key: "parts", owner: "me", attributes: ObjectAttributes())
            _ = try await fixture.store.putPart(
                bucket: "bucket", key: "parts", upload: upload.id, number: 1, options: PutOptions(), body: Chunks(bytes)
            )
            // The state of the disk at this moment, while the store is open: what kill -9 would leave.
            let copy = fixture.root + "-crashed"
            defer { try? FileManager.default.removeItem(atPath: copy) }  // As in Fixture.
            try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
            // A put that was cut off after its file was written and before its row.
            try Data(bytes).write(to: URL(fileURLWithPath: copy + "/data/7f/7f00000000000001"))
            try Data().write(to: URL(fileURLWithPath: copy + "/data/00/README"))

            let store = try await FileBackend.open(.init(root: copy, inlineLimit: 100, reserve: 0))
            let reopened = Fixture(root: copy, store: store)
            #expect(store.orphansCollected == 1)
            #expect(try await reopened.get("small") == [1, 2, 3])
            #expect(try await reopened.get("large") == bytes)
            let record = try await store.completeUpload(
                bucket: "bucket", key: "parts", upload: upload.id,
                parts: [.init(number: 1, etag: hexadecimal(Insecure.MD5.hash(data: bytes)))],
                options: .init(minimumPartSize: 0))
            #expect(record.etag.hasSuffix("-1"))
            #expect(try await reopened.get("parts") == bytes)
            #expect(try reopened.files().count == 2)
            #expect(FileManager.default.fileExists(atPath: copy + "/data/00/README"))
            try await store.close()
        }
    }

    @Test func `a body that fails, is too short, too long or refused leaves the former object and no file`()
        async throws
    {
        try await Fixture.with { fixture in
            let former = [UInt8](repeating: 1, count: 1000)
            try await fixture.put("key", former)
            let bytes = [UInt8](repeating: 2, count: 700_000)
            let store = fixture.store
            await #expect(throws: BrokenBody()) {
                try await store.put(
                    bucket: "bucket", key: "key", options: PutOptions(), body: Chunks(bytes, failAfter: 600_000))
            }
            for wrong in [Int64(699_999), 700_001] {
                await #expect(throws: ObjectStoreError.self) {
                    try await store.put(
                        bucket: "bucket", key: "key", options: PutOptions(expectedSize: wrong), body: Chunks(bytes))
                }
            }
            await #expect(throws: BrokenBody()) {
                try await store.put(
                    bucket: "bucket", key: "key", options: PutOptions(validate: { _ in throw BrokenBody() }),
                    body: Chunks(bytes))
            }
            await #expect(throws: ObjectStoreError.preconditionFailed) {
                try await fixture.put("key", bytes, condition: .absent)
            }
            await #expect(throws: ObjectStoreError.preconditionFailed) {
                try await fixture.put("key", bytes, condition: .etag("0"))
            }
            await #expect(throws: ObjectStoreError.noSuchBucket("none")) {
                try await store.put(bucket: "none", key: "key", options: PutOptions(), body: Chunks(bytes))
            }
            #expect(try await fixture.get("key") == former)
            #expect(try fixture.files().count == 1)
            try await fixture.put("key", bytes, condition: .etag(hexadecimal(Insecure.MD5.hash(data: former))))
            #expect(try await fixture.get("key") == bytes)
        }
    }

    @Test func `below the reserve puts are refused, and reading and deleting go on`() async throws {
        try await Fixture.with { fixture in
            try await fixture.put("key", [1])
            try await fixture.store.close()
            let full = try await FileBackend.open(.init(root: fixture.root + "", reserve: .max / 2))
            let reopened = Fixture(root: fixture.root, store: full)
            await #expect {
                try await reopened.put("other", [2])
            } throws: { error in
                if case ObjectStoreError.insufficientStorage = error { true } else { false }
            }
            #expect(try await reopened.get("key") == [1])
            try await full.delete(bucket: "bucket", keys: ["key"])
            try await full.close()
        }
    }

    @Test func `a second process cannot open the same store`() async throws {
        try await Fixture.with { fixture in
            await #expect(throws: ObjectStoreError.self) {
                try await FileBackend.open(.init(root: fixture.root))
            }
        }
    }

    @Test func `a missing content file is an error, not an empty object`() async throws {
        try await Fixture.with { fixture in
            try await fixture.put("key", [UInt8](repeating: 1, count: 1000))
            for file in try fixture.files() {
                try FileManager.default.removeItem(atPath: fixture.root + "/data/" + file)
            }
            await #expect {
                try await fixture.get("key")
            } throws: { error in
                if case ObjectStoreError.failed = error { true } else { false }
            }
        }
    }

    @Test func `buckets are created once, listed by owner, and deleted only when empty`() async throws {
        try await Fixture.with { fixture in
            let store = fixture.store
            await #expect(throws: ObjectStoreError.bucketExists(owner: "me")) {
                try await store.createBucket(BucketRecord(name: "bucket", owner: "you", region: "", created: 2))
            }
            try await store.createBucket(BucketRecord(name: "another", owner: "you", region: "r", created: 2))
            #expect(try await store.buckets(owner: nil).map(\.name) == ["another", "bucket"])
            #expect(try await store.buckets(owner: "me").map(\.name) == ["bucket"])
            try await fixture.put("key", [1])
            await #expect(throws: ObjectStoreError.bucketNotEmpty("bucket")) { try await store.deleteBucket("bucket") }
            try await store.delete(bucket: "bucket", keys: ["key"])
            let upload = try await store.createUpload(
                bucket: "bucket", key: "k", owner: "me", attributes: ObjectAttributes())
            _ = try await store.putPart(
                bucket: "bucket", key: "k", upload: upload.id, number: 1, options: PutOptions(), body: Chunks([1]))
            try await store.deleteBucket("bucket")
            #expect(try fixture.files().isEmpty)
            await #expect(throws: ObjectStoreError.noSuchBucket("bucket")) { try await store.bucket("bucket") }
        }
    }

    @Test func `checksums have the check values of their definitions`() {
        let bytes = Array("123456789".utf8)
        #expect(hexadecimal(ChecksumAlgorithm.crc32.checksum(of: bytes)) == "cbf43926")
        #expect(hexadecimal(ChecksumAlgorithm.crc32c.checksum(of: bytes)) == "e3069283")
        #expect(hexadecimal(ChecksumAlgorithm.crc64nvme.checksum(of: bytes)) == "ae8b14860a799888")
        #expect(hexadecimal(ChecksumAlgorithm.sha1.checksum(of: bytes)) == "f7c3bc1d808e04732adf679965ccc34ca7ae3441")
        for algorithm in ChecksumAlgorithm.allCases {
            #expect(algorithm.checksum(of: bytes).count == algorithm.length)
        }
    }

    @Test func `a checksum in pieces of any size is that of the whole`() {
        var random = Random(state: 3)
        let bytes = (0..<1000).map { _ in UInt8.random(in: 0...255, using: &random) }
        for algorithm in ChecksumAlgorithm.allCases where algorithm != .sha256 {
            var running = RunningChecksum(algorithm)
            var offset = 0
            while offset < bytes.count {
                let end = min(offset + Int.random(in: 0...37, using: &random), bytes.count)
                bytes[offset..<end].withUnsafeBytes { running.update($0) }
                offset = end
            }
            #expect(running.finalize(sha256: []) == algorithm.checksum(of: bytes))
        }
    }
}
