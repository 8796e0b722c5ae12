import Foundation
import GRDB
import NIOCore
import Testing

@testable import ObjectStore

/// What must come back, whatever becomes of the index.
private struct Everything: Equatable {
    var buckets: [BucketRecord] = []
    var objects: [ObjectRecord] = []
    var versions: [ObjectRecord] = []
    var bytes: [String: [UInt8]] = [:]
    var uploads: [UploadRecord] = []
    var parts: [PartRecord] = []
    var usage: [StorageUsage] = []
    var owner = StorageUsage()

    static func of(_ store: FileBackend) async throws -> Everything {
        var all = Everything()
        all.buckets = try await store.buckets(owner: nil).map { bucket in
            // Counts changes since the store was opened.
            var bucket = bucket
            bucket.revision = 0
            return bucket
        }
        all.owner = try await store.usage(owner: "me")
        for bucket in all.buckets.map(\.name) {
            let versions = try await store.versions(bucket: bucket, ListQuery(), afterVersion: "").items
            all.versions += versions
            all.usage.append(try await store.usage(bucket: bucket))
            for item in versions where !item.isDeleteMarker {
                let content = try await store.open(bucket: bucket, key: item.key, version: item.versionID)
                all.objects.append(content.record)
                all.bytes[bucket + "/" + item.key + "/" + item.versionID] = try await Fixture.read(content)
            }
            for upload in try await store.uploads(bucket: bucket, ListQuery(), afterUpload: "").items {
                all.uploads.append(upload)
                all.parts += try await store.parts(
                    bucket: bucket, key: upload.key, upload: upload.id, after: 0, limit: 100)
            }
        }
        return all
    }
}

@Suite struct JournalTests {
    /// Something of everything, with overwrites and deletions among it.
    private static func fill(_ store: FileBackend) async throws {
        let large = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        func put(_ bucket: String, _ key: String, _ bytes: [UInt8]) async throws {
            var options = PutOptions(expectedSize: Int64(bytes.count))
            options.attributes.metadata = ["colour": "blue"]
            options.attributes.acl = "READ *"
            _ = try await store.put(bucket: bucket, key: key, options: options, body: Chunks(bytes))
        }
        for name in ["plain", "kept", "gone"] {
            try await store.createBucket(
                BucketRecord(name: name, owner: "me", region: "", created: 1, settings: ["a": "1", "b": "2"]))
        }
        try await store.changeBucket("kept", versioning: .enabled, settings: ["a": nil, "c": "3"], check: { _ in })
        for key in ["", "Ω/ä", "a/b", "a"] { try await put("plain", "k" + key, Array(key.utf8)) }
        try await put("plain", "ka", large)
        try await put("plain", "dropped", [1])
        try await store.delete(bucket: "plain", keys: ["dropped"])
        try await put("kept", "x", [1])
        try await put("kept", "x", large)
        try await store.delete(bucket: "kept", keys: ["x"])
        try await put("kept", "y", [2])
        let first = try await store.head(bucket: "kept", key: "y")
        try await put("kept", "y", [3])
        _ = try await store.delete(bucket: "kept", [Deletion(key: "y", version: first.versionID)], permit: { _ in })
        try await store.change(bucket: "kept", key: "y", version: nil) { $0.tags = [ObjectTag(key: "t", value: "v")] }
        let done = try await store.createUpload(
            bucket: "plain", key: "joined", owner: "me", attributes: ObjectAttributes())
        var completed: [CompletedPart] = []
        for number in 1...3 {
            let part = try await store.putPart(
                bucket: "plain", key: "joined", upload: done.id, number: number, options: PutOptions(),
                body: Chunks(large))
            if number < 3 { completed.append(CompletedPart(number: number, etag: part.etag)) }
        }
        _ = try await store.completeUpload(
            bucket: "plain", key: "joined", upload: done.id, parts: completed, options: .init(minimumPartSize: 0))
        let open = try await store.createUpload(
            bucket: "kept", key: "open", owner: "me", attributes: ObjectAttributes())
        for _ in 0..<2 {
            _ = try await store.putPart(
                bucket: "kept", key: "open", upload: open.id, number: 4, options: PutOptions(), body: Chunks(large))
        }
        let given = try await store.createUpload(
            bucket: "gone", key: "given up", owner: "me", attributes: ObjectAttributes())
        _ = try await store.putPart(
            bucket: "gone", key: "given up", upload: given.id, number: 1, options: PutOptions(), body: Chunks(large))
        try await store.deleteBucket("gone")
    }

    private static func with(_ body: (String) async throws -> Void) async throws {
        let root = NSTemporaryDirectory() + "journal-" + UUID().uuidString
        // A leftover in the temporary directory is harmless.
        defer { try? FileManager.default.removeItem(atPath: root) }
        try await body(root)
    }

    private static func open(_ root: String, snapshotAfter: Int64 = 256 << 20) async throws -> FileBackend {
        try await FileBackend.open(.init(root: root, inlineLimit: 100, reserve: 0, snapshotAfter: snapshotAfter))
    }

    enum Harm: CaseIterable {
        case nothing, removed, emptied, overwritten, pageOverwritten, text, onlyTheLog, older
    }

    private static func harm(_ harm: Harm, _ root: String, older: String) throws {
        let path = root + "/index.sqlite"
        let files = FileManager.default
        switch harm {
        case .nothing: break
        case .removed: try files.removeItem(atPath: path)
        case .emptied: try Data().write(to: URL(fileURLWithPath: path))
        case .overwritten: try Data(repeating: 0x5A, count: 200_000).write(to: URL(fileURLWithPath: path))
        case .text: try Data("no database".utf8).write(to: URL(fileURLWithPath: path))
        case .pageOverwritten:
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            try #require(bytes.count > 5 * 4096)
            bytes.replaceSubrange(4096..<3 * 4096, with: Data(repeating: 0xFF, count: 2 * 4096))
            try bytes.write(to: URL(fileURLWithPath: path))
        case .onlyTheLog:
            try files.removeItem(atPath: path)
            try Data(repeating: 1, count: 9000).write(to: URL(fileURLWithPath: path + "-wal"))
        case .older:
            for suffix in ["", "-wal", "-shm"] where files.fileExists(atPath: path + suffix) {
                try files.removeItem(atPath: path + suffix)
            }
            try files.copyItem(atPath: older, toPath: path)
        }
    }

    @Test(arguments: Harm.allCases, [true, false])
    func `everything comes back after harm to the index`(harm: Harm, hasSnapshot: Bool) async throws {
        try await Self.with { root in
            var store = try await Self.open(root, snapshotAfter: hasSnapshot ? 500 : 256 << 20)
            try await store.createBucket(BucketRecord(name: "early", owner: "me", region: "", created: 1))
            try await store.close()
            let older = root + "/older"
            try FileManager.default.copyItem(atPath: root + "/index.sqlite", toPath: older)
            store = try await Self.open(root, snapshotAfter: hasSnapshot ? 500 : 256 << 20)
            try await Self.fill(store)
            let before = try await Everything.of(store)
            try await store.close()
            #expect(before.objects.count == 8 && before.parts.count == 1 && before.owner.partBytes == 5000)
            #expect(try JournalDirectory(root: root).snapshots().isEmpty != hasSnapshot)

            try Self.harm(harm, root, older: older)
            store = try await Self.open(root)
            // An older index is carried on from the journal, or made anew if that begins later.
            if harm != .older { #expect((store.recovery.rebuilt == nil) == (harm == .nothing)) }
            #expect(store.recovery.damage.isEmpty && store.orphansCollected == 0)
            #expect(try await Everything.of(store) == before)
            _ = try await store.put(
                bucket: "plain", key: "afterwards", options: PutOptions(expectedSize: 1), body: Chunks([1]))
            try await store.close()
            #expect(try StoreMaintenance.check(root: root).isEmpty)
            store = try await Self.open(root)
            #expect(store.recovery.rebuilt == nil)
            #expect(try await Fixture.read(store.open(bucket: "plain", key: "afterwards")) == [1])
            try await store.close()
        }
    }

    @Test func `a rebuilt index is the same, and its predecessor is kept`() async throws {
        try await Self.with { root in
            let store = try await Self.open(root)
            try await Self.fill(store)
            let before = try await Everything.of(store)
            try await store.close()
            let report = try await StoreMaintenance.rebuild(root: root)
            #expect(report.rebuilt != nil && report.rows > 10 && report.damage.isEmpty)
            let kept = try FileManager.default.contentsOfDirectory(atPath: root)
                .filter { $0.hasPrefix("index.damaged-") }
            #expect(!kept.isEmpty)
            let again = try await Self.open(root)
            #expect(try await Everything.of(again) == before && again.recovery == RecoveryReport())
            try await again.close()
        }
    }

    @Test func `a damaged journal is told, costs nothing that the index has, and is made whole again`() async throws {
        try await Self.with { root in
            var store = try await Self.open(root)
            try await Self.fill(store)
            let before = try await Everything.of(store)
            try await store.close()
            let segment = try #require(try JournalDirectory(root: root).segments().first)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: segment.path))
            bytes[bytes.count / 2] ^= 0xFF
            try bytes.write(to: URL(fileURLWithPath: segment.path))
            #expect(!(try StoreMaintenance.check(root: root)).isEmpty)

            // Index and journal are both damaged: what is left of the journal is what there is, and no file is dropped.
            let copy = root + "-both"
            defer { try? FileManager.default.removeItem(atPath: copy) }  // as in `with`
            try FileManager.default.copyItem(atPath: root, toPath: copy)
            try FileManager.default.removeItem(atPath: copy + "/index.sqlite")
            let both = try await Self.open(copy)
            #expect(!both.recovery.damage.isEmpty && both.orphansCollected == 0)
            #expect(!(try await both.buckets(owner: nil)).isEmpty)
            try await both.close()

            store = try await Self.open(root)
            #expect(try await Everything.of(store) == before)
            try await store.close()
        }
    }

    @Test func `what a crash cut off at the end of the journal does not matter`() async throws {
        try await Self.with { root in
            var store = try await Self.open(root)
            try await Self.fill(store)
            let before = try await Everything.of(store)
            try await store.close()
            let segment = try #require(try JournalDirectory(root: root).segments().last)
            let file = try #require(FileHandle(forWritingAtPath: segment.path))
            try file.seekToEnd()
            try file.write(contentsOf: Data("MJG1".utf8) + Data(repeating: 3, count: 50))
            try file.close()
            try FileManager.default.removeItem(atPath: root + "/index.sqlite")
            store = try await Self.open(root)
            #expect(store.recovery.damage.isEmpty)
            #expect(try await Everything.of(store) == before)
            try await store.close()
        }
    }

    @Test func `without index and journal a store that holds files is not opened as an empty one`() async throws {
        try await Self.with { root in
            let store = try await Self.open(root)
            try await Self.fill(store)
            try await store.close()
            for name in ["index.sqlite", "journal"] { try FileManager.default.removeItem(atPath: root + "/" + name) }
            await #expect {
                try await Self.open(root)
            } throws: { error in
                if case ObjectStoreError.failed(let text) = error { text.contains("backup") } else { false }
            }
            let files = try FileManager.default.subpathsOfDirectory(atPath: root + "/data")
            #expect(files.contains { $0.utf8.count == 19 })
        }
    }

    @Test func `snapshots keep the journal small while the store is written to`() async throws {
        try await Self.with { root in
            var store = try await Self.open(root, snapshotAfter: 10_000)
            try await store.createBucket(BucketRecord(name: "bucket", owner: "me", region: "", created: 1))
            for round in 0..<300 {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 90)
                _ = try await store.put(
                    bucket: "bucket", key: "k\(round % 5)", options: PutOptions(expectedSize: 90), body: Chunks(bytes))
            }
            try await store.close()
            #expect(try JournalDirectory(root: root).snapshots().count == 1)
            try FileManager.default.removeItem(atPath: root + "/index.sqlite")
            store = try await Self.open(root)
            for key in 0..<5 {
                let bytes = try await Fixture.read(store.open(bucket: "bucket", key: "k\(key)"))
                #expect(bytes == [UInt8](repeating: UInt8(truncatingIfNeeded: 295 + key), count: 90))
            }
            #expect(try await store.usage(bucket: "bucket").bytes == 450)
            try await store.close()
        }
    }

    @Test func `bytes that the index holds wrongly are not given out`() async throws {
        try await Self.with { root in
            var store = try await Self.open(root)
            try await store.createBucket(BucketRecord(name: "bucket", owner: "me", region: "", created: 1))
            _ = try await store.put(
                bucket: "bucket", key: "k", options: PutOptions(expectedSize: 60),
                body: Chunks([UInt8](repeating: 0xAB, count: 60)))
            try await store.close()
            let url = URL(fileURLWithPath: root + "/index.sqlite")
            var bytes = try Data(contentsOf: url)
            let place = try #require(bytes.range(of: Data(repeating: 0xAB, count: 60)))
            bytes[place.lowerBound + 30] = 0
            try bytes.write(to: url)
            store = try await Self.open(root)
            await #expect(throws: ObjectStoreError.self) { try await store.open(bucket: "bucket", key: "k") }
            #expect(try await store.scrub(pause: .zero).damaged.count == 1)
            try await store.close()
            _ = try await StoreMaintenance.rebuild(root: root)
            store = try await Self.open(root)
            let back = try await Fixture.read(store.open(bucket: "bucket", key: "k"))
            #expect(back == [UInt8](repeating: 0xAB, count: 60))
            try await store.close()
        }
    }

    @Test func `entries and frames are read back, and no damage makes the reader fail`() throws {
        var random = Random(state: 7)
        var entries = ByteBuffer()
        JournalEntry.encode(
            .putSetting, [(-3).databaseValue, "Ω\"".databaseValue, Data([0, 255]).databaseValue], into: &entries)
        JournalEntry.encode(.deleteSetting, [.null, 2.5.databaseValue], into: &entries)
        var copy = entries
        let first = try #require(try JournalEntry.decode(&copy))
        #expect(first.statement == .putSetting && first.values[1] == "Ω\"".databaseValue)
        #expect(try JournalEntry.decode(&copy)?.values == [.null, 2.5.databaseValue])
        #expect(try JournalEntry.decode(&copy) == nil)

        let path = NSTemporaryDirectory() + "frames-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }  // as in `with`
        var file = Data(JournalFormat.header)
        for sequence in 1...20 {
            file += Data(JournalFormat.frame(sequence: UInt64(sequence), payload: entries).readableBytesView)
        }
        for round in 0..<300 {
            var damaged = file
            for _ in 0..<(round % 4) {
                let place = Int.random(in: 0..<damaged.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: damaged[place] = UInt8.random(in: 0...255, using: &random)
                case 1: damaged.removeSubrange(place..<min(place + 30, damaged.count))
                default: damaged.insert(contentsOf: Data("MJG1".utf8), at: place)
                }
            }
            try damaged.write(to: URL(fileURLWithPath: path))
            let reader = try JournalReader(path: path)
            var last: UInt64 = 0
            var count = 0
            while let frame = try reader.next() {
                #expect(frame.sequence > last && frame.payload == entries)
                last = frame.sequence
                count += 1
            }
            // Each of the harms reaches two frames at most.
            #expect(count >= 20 - 2 * (round % 4) && count <= 20)
            if round % 4 == 0 { #expect(count == 20 && reader.damage.isEmpty) }
        }
        for _ in 0..<2000 {
            var noise = ByteBuffer(
                bytes: (0..<Int.random(in: 0...60, using: &random)).map { _ in
                    UInt8.random(in: 0...30, using: &random)
                })
            // It reads or it refuses; it never traps.
            do throws(ObjectStoreError) { while try JournalEntry.decode(&noise) != nil {} } catch { continue }
        }
    }
}
