import Crypto
import Foundation
import NIOCore
import Signatures
import Testing

@testable import ObjectStore

@Suite struct MultipartTests {
    static func part(_ fixture: Fixture, _ upload: String, _ number: Int, _ bytes: [UInt8]) async throws
        -> CompletedPart
    {
        let part = try await fixture.store.putPart(
            bucket: "bucket", key: "key", upload: upload, number: number,
            options: PutOptions(expectedSize: Int64(bytes.count)), body: Chunks(bytes))
        return CompletedPart(number: number, etag: part.etag)
    }

    static func begin(_ fixture: Fixture, _ key: String = "key") async throws -> String {
        try await fixture.store.createUpload(
            bucket: "bucket", key: key, owner: "me", attributes: ObjectAttributes(metadata: ["a": "b"])
        ).id
    }

    @Test func `parts become one object that reads across them and survives reopening`() async throws {
        try await Fixture.with { fixture in
            let upload = try await Self.begin(fixture)
            let data = (1...5).map { [UInt8](repeating: UInt8($0), count: $0 == 5 ? 0 : 70_000 + $0) }
            var parts: [CompletedPart] = []
            for (position, bytes) in data.enumerated() {
                parts.append(try await Self.part(fixture, upload, position * 3 + 1, bytes))
            }
            _ = try await Self.part(fixture, upload, 99, [9, 9])
            _ = try await Self.part(fixture, upload, 1, [8])
            parts[0] = try await Self.part(fixture, upload, 1, data[0])
            try await fixture.put("key", [UInt8](repeating: 0, count: 1000))
            let former = try await fixture.store.open(bucket: "bucket", key: "key")
            let record = try await fixture.store.completeUpload(
                bucket: "bucket", key: "key", upload: upload, parts: parts, options: .init(minimumPartSize: 0))
            let digests = data.flatMap { Array(Insecure.MD5.hash(data: $0)) }
            #expect(record.etag == hexadecimal(Insecure.MD5.hash(data: digests)) + "-5")
            #expect(record.attributes.metadata == ["a": "b"])
            #expect(try await fixture.get("key") == data.flatMap { $0 })
            #expect(try await Fixture.read(former).count == 1000)
            // The part that was not named and the replaced object are gone.
            let now = try fixture.files()
            #expect(now.count == 5, "\(now)")
            let opened = try await fixture.store.open(bucket: "bucket", key: "key")
            let across = try await opened.read(at: 70_000, count: 3)
            #expect(Array(across.readableBytesView) == [1, 2, 2])
            // Deleted under a reader: the pieces stay until it is done.
            try await fixture.store.delete(bucket: "bucket", keys: ["key"])
            #expect(try fixture.files().count == 5)
            #expect(try await Fixture.read(opened) == data.flatMap { $0 })
            // Its files go once nobody reads them, a moment later.
            while try !fixture.files().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    @Test func `completion checks order, presence, tags and sizes, and a refusal changes nothing`() async throws {
        try await Fixture.with { fixture in
            let upload = try await Self.begin(fixture)
            let one = try await Self.part(fixture, upload, 1, [1, 2])
            let two = try await Self.part(fixture, upload, 2, [3])
            func complete(_ parts: [CompletedPart], minimum: Int64 = 0) async throws {
                _ = try await fixture.store.completeUpload(
                    bucket: "bucket", key: "key", upload: upload, parts: parts, options: .init(minimumPartSize: minimum)
                )
            }
            await #expect(throws: ObjectStoreError.invalidPartOrder) { try await complete([two, one]) }
            await #expect(throws: ObjectStoreError.invalidPartOrder) { try await complete([one, one]) }
            await #expect(throws: ObjectStoreError.invalidPart(number: 3)) {
                try await complete([one, CompletedPart(number: 3, etag: two.etag)])
            }
            await #expect(throws: ObjectStoreError.invalidPart(number: 2)) {
                try await complete([one, CompletedPart(number: 2, etag: one.etag)])
            }
            await #expect(throws: ObjectStoreError.partTooSmall(number: 1, size: 2, minimum: 3)) {
                try await complete([one, two], minimum: 3)
            }
            #expect(
                try await fixture.store.parts(bucket: "bucket", key: "key", upload: upload, after: 1, limit: 10)
                    .map(\.number) == [2])
            await #expect(throws: ObjectStoreError.noSuchUpload(upload)) {
                try await fixture.store.abortUpload(bucket: "bucket", key: "other", upload: upload)
            }
            try await fixture.store.abortUpload(bucket: "bucket", key: "key", upload: upload)
            #expect(try fixture.files().isEmpty)
            await #expect(throws: ObjectStoreError.noSuchUpload(upload)) { try await complete([one]) }
            await #expect(throws: ObjectStoreError.noSuchUpload(upload)) {
                try await Self.part(fixture, upload, 1, [UInt8](repeating: 1, count: 5000))
            }
            #expect(try fixture.files().isEmpty)
        }
    }

    @Test func `uploads list by key and id, page by page, with delimiters`() async throws {
        try await Fixture.with { fixture in
            var expected: [String] = []
            for key in ["a", "a", "a", "b/1", "b/2", "c"] {
                expected.append(key + " " + (try await Self.begin(fixture, key)))
            }
            expected.sort()
            var found: [String] = []
            var query = ListQuery(limit: 2)
            var after = ""
            while true {
                let page = try await fixture.store.uploads(bucket: "bucket", query, afterUpload: after)
                found += page.items.map { $0.key + " " + $0.id }
                guard let next = page.next else { break }
                query.after = next
                after = page.items.last?.id ?? ""
            }
            #expect(found == expected)
            let rolled = try await fixture.store.uploads(
                bucket: "bucket", ListQuery(delimiter: "/", after: "a"), afterUpload: "")
            #expect(rolled.commonPrefixes == ["b/"])
            #expect(rolled.items.map(\.key) == ["c"])
        }
    }
}
