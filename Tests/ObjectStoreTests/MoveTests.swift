import Foundation
import NIOCore
import Testing

@testable import ObjectStore

@Suite struct MoveTests {
    private static func bytes(_ count: Int, _ seed: Int) -> [UInt8] {
        PlaceContractTests.bytes(count, seed: UInt64(seed + 1))
    }

    private static func set(_ place: ContentPlace, _ fixture: Fixture) async throws {
        try await fixture.store.changeBucket(
            "bucket", versioning: nil, settings: [ContentPlace.setting: place.rawValue], check: { _ in })
    }

    /// Objects of all layouts, versions, a delete marker, and an upload under way.
    private static func fill(_ fixture: Fixture) async throws -> (part: CompletedPart, upload: String) {
        let store = fixture.store
        for (index, size) in [0, 50, 5000, 300_000].enumerated() {
            try await fixture.put("k\(index)", bytes(size, index))
        }
        let upload = try await store.createUpload(bucket: "bucket", key: "big", owner: "me", attributes: .init())
        var parts: [CompletedPart] = []
        for number in 1...3 {
            let part = try await store.putPart(
                bucket: "bucket", key: "big", upload: upload.id, number: number, options: PutOptions(),
                body: Chunks(bytes(40_000, number + 10)))
            parts.append(CompletedPart(number: number, etag: part.etag))
        }
        _ = try await store.completeUpload(
            bucket: "bucket", key: "big", upload: upload.id, parts: parts, options: .init(minimumPartSize: 1))
        try await store.changeBucket("bucket", versioning: .enabled, settings: [:], check: { _ in })
        try await fixture.put("k2", bytes(6000, 20))
        try await store.delete(bucket: "bucket", keys: ["k3"])
        let open = try await store.createUpload(bucket: "bucket", key: "open", owner: "me", attributes: .init())
        let part = try await store.putPart(
            bucket: "bucket", key: "open", upload: open.id, number: 1, options: PutOptions(),
            body: Chunks(bytes(30_000, 30)))
        return (CompletedPart(number: 1, etag: part.etag), open.id)
    }

    private static func check(_ fixture: Fixture) async throws {
        let store = fixture.store
        #expect(try await fixture.get("k0") == [])
        #expect(try await fixture.get("k1") == bytes(50, 1))
        #expect(try await fixture.get("k2") == bytes(6000, 20))
        #expect(try await fixture.get("big") == (11...13).flatMap { bytes(40_000, $0) })
        for (key, size, seed) in [("k2", 5000, 2), ("k3", 300_000, 3)] {
            let content = try await store.open(bucket: "bucket", key: key, version: "null")
            #expect(try await Fixture.read(content) == bytes(size, seed))
        }
    }

    @Test func `everything of a bucket moves to the remote store and back`() async throws {
        try await Fixture.with { fixture in
            let (part, upload) = try await Self.fill(fixture)
            let usage = try await fixture.store.usage(bucket: "bucket")
            try await Self.set(.s3, fixture)
            let before = try await fixture.store.moveState(bucket: "bucket")
            // k1, k2 twice, k3, three pieces, one part.
            #expect(before.contents == 8)
            let outcome = try await fixture.store.moveContents(bucket: "bucket")
            #expect(outcome.moved == 8)
            #expect(outcome.bytes == before.bytes)
            #expect(outcome.damaged.isEmpty)
            #expect(try await fixture.store.moveState(bucket: "bucket").contents == 0)
            #expect(try fixture.files().isEmpty)
            #expect(fixture.remote.names.count == 8)
            #expect(try await fixture.store.usage(bucket: "bucket") == usage)
            try await Self.check(fixture)
            try await Self.set(.files, fixture)
            #expect(try await fixture.store.moveContents(bucket: "bucket").moved == 8)
            #expect(try fixture.files().count == 8)
            while !fixture.remote.names.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            try await Self.check(fixture)
            _ = try await fixture.store.completeUpload(
                bucket: "bucket", key: "open", upload: upload, parts: [part], options: .init(minimumPartSize: 1))
            #expect(try await fixture.get("open") == Self.bytes(30_000, 30))
        }
    }

    @Test func `readers, writers and deleters do not notice a move`() async throws {
        try await Fixture.with { fixture in
            for index in 0..<40 { try await fixture.put("k\(index)", Self.bytes(20_000, index)) }
            let opened = try await fixture.store.open(bucket: "bucket", key: "k39")
            let place = ContentPlace.self
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for round in 0..<6 {
                        try await Self.set(round.isMultiple(of: 2) ? place.s3 : place.files, fixture)
                        _ = try await fixture.store.moveContents(bucket: "bucket")
                    }
                }
                for worker in 0..<4 {
                    group.addTask {
                        var random = Random(state: UInt64(worker))
                        for turn in 0..<150 {
                            let index = Int.random(in: 0..<30, using: &random)
                            // Keys of a worker's own are written; all are read.
                            if index % 4 == worker, turn.isMultiple(of: 3) {
                                try await fixture.put("k\(index)", Self.bytes(20_000, index))
                            } else if index % 4 == worker, turn.isMultiple(of: 10) {
                                try await fixture.store.delete(bucket: "bucket", keys: ["k\(index)"])
                                try await fixture.put("k\(index)", Self.bytes(20_000, index))
                            } else {
                                do {
                                    #expect(try await fixture.get("k\(index)") == Self.bytes(20_000, index))
                                } catch ObjectStoreError.noSuchKey {}
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await Fixture.read(opened) == Self.bytes(20_000, 39))
            for index in 0..<40 { #expect(try await fixture.get("k\(index)") == Self.bytes(20_000, index)) }
        }
    }

    @Test func `a move that was cut off goes on where it was, and nothing is lost`() async throws {
        try await Fixture.with { fixture in
            _ = try await Self.fill(fixture)
            try await Self.set(.s3, fixture)
            fixture.remote.isAway = true
            await #expect(throws: ObjectStoreError.self) { try await fixture.store.moveContents(bucket: "bucket") }
            fixture.remote.isAway = false
            let remote = fixture.remote
            // The death of the process after some contents: what is on the disk then is opened by another.
            let copy = fixture.root + "-copy"
            defer { try? FileManager.default.removeItem(atPath: copy) }  // As in Fixture.
            struct Cut: Error {}
            let moving = Task {
                try await fixture.store.moveContents(bucket: "bucket") { outcome in
                    guard outcome.moved == 3 else { return }
                    do {
                        try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
                    } catch {
                        Issue.record(error)
                    }
                    remote.isAway = true
                }
            }
            await #expect(throws: ObjectStoreError.self) { try await moving.value }
            remote.isAway = false
            let store = try await FileBackend.open(.init(root: copy, inlineLimit: 100, reserve: 0))
            store.attach(remote)
            let reopened = Fixture(root: copy, store: store, remote: remote)
            try await Self.check(reopened)
            #expect(try await store.moveContents(bucket: "bucket").moved == 5)
            try await Self.check(reopened)
            #expect(try reopened.files().isEmpty)
            try await store.close()
        }
    }

    @Test func `a copy that differs is no copy, and a damaged content stays where it is`() async throws {
        try await Fixture.with { fixture in
            try await fixture.put("good", Self.bytes(9000, 1))
            try await Self.set(.s3, fixture)
            fixture.remote.spoils = true
            await #expect(throws: ObjectStoreError.self) { try await fixture.store.moveContents(bucket: "bucket") }
            #expect(try await fixture.get("good") == Self.bytes(9000, 1))
            #expect(try fixture.files().count == 1)
            fixture.remote.spoils = false
            let path = fixture.root + "/data/" + (try fixture.files()[0])
            var wrong = Self.bytes(9000, 1)
            wrong[17] ^= 1
            try Data(wrong).write(to: URL(fileURLWithPath: path))
            try await Self.set(.files, fixture)
            try await fixture.put("other", Self.bytes(8000, 2))
            try await Self.set(.s3, fixture)
            let outcome = try await fixture.store.moveContents(bucket: "bucket")
            #expect(outcome.moved == 1)
            #expect(outcome.damaged.count == 1)
            #expect(try fixture.files().count == 1)
        }
    }

    @Test func `an audit removes what nothing names, and says what is missing`() async throws {
        try await Fixture.with(place: .s3) { fixture in
            for index in 0..<20 { try await fixture.put("k\(index)", Self.bytes(500, index)) }
            let lost = fixture.remote.names[7]
            fixture.remote.lose(lost)
            fixture.remote.plant("0000000000000abc", [1])
            fixture.remote.plant("7fffffffffffffff", [1])
            fixture.remote.plant("not ours", [1])
            let audit = try await fixture.store.auditRemote()
            #expect(audit.removed == 2)
            #expect(audit.missing == [lost])
            #expect(audit.contents == 22)
            #expect(fixture.remote.names.count == 20)
        }
    }
}
