import Foundation
import NIOCore
import Testing

@testable import ObjectStore

/// What holds of a back end wherever it keeps its contents.
@Suite struct PlaceContractTests {
    static func bytes(_ count: Int, seed: UInt64 = 3) -> [UInt8] {
        var random = Random(state: seed)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    @Test(arguments: ContentPlace.allCases, [0, 1, 101, 262_145, 3_000_000])
    func `what was put is got, whole and in any range`(place: ContentPlace, size: Int) async throws {
        try await Fixture.with(place: place) { fixture in
            let bytes = Self.bytes(size)
            let record = try await fixture.put("key", bytes)
            #expect(record.size == Int64(size))
            #expect(try await fixture.get("key") == bytes)
            #expect(try fixture.files().isEmpty == (place == .s3 || size <= 100))
            #expect(fixture.remote.names.isEmpty == (place == .files || size == 0))
            let content = try await fixture.store.open(bucket: "bucket", key: "key")
            defer { content.close() }
            var random = Random(state: 5)
            for _ in 0..<20 where size > 0 {
                let start = Int.random(in: 0..<size, using: &random)
                let count = Int.random(in: 1...min(size, 700_000), using: &random)
                let read = try await content.read(at: Int64(start), count: count)
                #expect(Array(read.readableBytesView) == Array(bytes[start..<min(start + count, size)]))
            }
        }
    }

    @Test(arguments: ContentPlace.allCases)
    func `a reader keeps what it opened through overwrites and deletions`(place: ContentPlace) async throws {
        try await Fixture.with(place: place) { fixture in
            let first = Self.bytes(900_000)
            try await fixture.put("key", first)
            let opened = try await fixture.store.open(bucket: "bucket", key: "key")
            try await fixture.put("key", Self.bytes(10, seed: 4))
            try await fixture.store.delete(bucket: "bucket", keys: ["key"])
            #expect(try await Fixture.read(opened) == first)
            while !fixture.remote.names.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    @Test(arguments: ContentPlace.allCases)
    func `refused and broken bodies leave the former object and nothing else`(place: ContentPlace) async throws {
        try await Fixture.with(place: place) { fixture in
            let former = Self.bytes(5000)
            try await fixture.put("key", former)
            let contents = fixture.remote.names.count + (try fixture.files().count)
            await #expect(throws: ObjectStoreError.preconditionFailed) {
                try await fixture.put("key", Self.bytes(7000), condition: .absent)
            }
            await #expect(throws: BrokenBody.self) {
                try await fixture.store.put(
                    bucket: "bucket", key: "key", options: PutOptions(),
                    body: Chunks(Self.bytes(300_000), failAfter: 100_000))
            }
            await #expect(throws: ObjectStoreError.self) {
                try await fixture.store.put(
                    bucket: "bucket", key: "key", options: PutOptions(expectedSize: 4), body: Chunks(Self.bytes(3000)))
            }
            #expect(try await fixture.get("key") == former)
            while fixture.remote.names.count + (try fixture.files().count) != contents {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    @Test(arguments: ContentPlace.allCases)
    func `parts make an object, in order and encrypted or not`(place: ContentPlace) async throws {
        try await Fixture.with(place: place) { fixture in
            let store = fixture.store
            for isEncrypted in [false, true] {
                let (key, wrapped) = ContentKey.random()
                var attributes = ObjectAttributes()
                if isEncrypted {
                    attributes.encryption = ObjectEncryption(
                        kind: .store, material: Data(try store.storeKey.wrap(wrapped)).base64EncodedString())
                }
                let upload = try await store.createUpload(
                    bucket: "bucket", key: "big", owner: "me", attributes: attributes)
                let pieces = [Self.bytes(200_000, seed: 1), Self.bytes(70_000, seed: 2), Self.bytes(99, seed: 3)]
                var parts: [CompletedPart] = []
                for (index, piece) in pieces.enumerated() {
                    let part = try await store.putPart(
                        bucket: "bucket", key: "big", upload: upload.id, number: index + 1,
                        options: PutOptions(key: isEncrypted ? key : nil), body: Chunks(piece))
                    parts.append(CompletedPart(number: index + 1, etag: part.etag))
                }
                _ = try await store.completeUpload(
                    bucket: "bucket", key: "big", upload: upload.id, parts: parts,
                    options: CompletionOptions(minimumPartSize: 1))
                let content = try await store.open(bucket: "bucket", key: "big")
                if isEncrypted { content.unlock(key) }
                #expect(try await Fixture.read(content) == pieces.flatMap { $0 })
                let middle = try await store.open(bucket: "bucket", key: "big")
                if isEncrypted { middle.unlock(key) }
                let read = try await middle.read(at: 199_990, count: 70_200)
                #expect(Array(read.readableBytesView) == Array(pieces.flatMap { $0 }[199_990...]))
                middle.close()
            }
        }
    }

    @Test(arguments: ContentPlace.allCases)
    func `versions are kept, and deleted one by one`(place: ContentPlace) async throws {
        try await Fixture.with(place: place) { fixture in
            let store = fixture.store
            try await store.changeBucket("bucket", versioning: .enabled, settings: [:], check: { _ in })
            let one = try await fixture.put("key", Self.bytes(2000, seed: 1))
            let two = try await fixture.put("key", Self.bytes(3000, seed: 2))
            try await store.delete(bucket: "bucket", keys: ["key"])
            let old = try await store.open(bucket: "bucket", key: "key", version: one.versionID)
            #expect(try await Fixture.read(old) == Self.bytes(2000, seed: 1))
            _ = try await store.delete(
                bucket: "bucket", [Deletion(key: "key", version: one.versionID)], permit: { _ in })
            let rest = try await store.open(bucket: "bucket", key: "key", version: two.versionID)
            #expect(try await Fixture.read(rest) == Self.bytes(3000, seed: 2))
        }
    }

    @Test func `while the remote store is away puts and gets say so, and nothing is lost or left`() async throws {
        try await Fixture.with(place: .s3) { fixture in
            try await fixture.put("there", Self.bytes(5000))
            fixture.remote.isAway = true
            await #expect(throws: ObjectStoreError.unavailable("the remote store is away")) {
                try await fixture.put("new", Self.bytes(5000))
            }
            await #expect(throws: ObjectStoreError.unavailable("the remote store is away")) {
                try await fixture.get("there")
            }
            #expect(try fixture.files().isEmpty)
            #expect(try await fixture.store.head(bucket: "bucket", key: "there").size == 5000)
            await #expect(throws: ObjectStoreError.noSuchKey("new")) {
                try await fixture.store.head(bucket: "bucket", key: "new")
            }
            fixture.remote.isAway = false
            #expect(try await fixture.get("there") == Self.bytes(5000))
        }
    }
}
