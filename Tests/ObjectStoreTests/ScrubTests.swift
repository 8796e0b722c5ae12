import Foundation
import Testing

@testable import ObjectStore

@Suite struct ScrubTests {
    @Test func `the scrubber finds changed, shortened and missing files, and nothing where all is well`() async throws {
        try await Fixture.with { fixture in
            for name in ["a", "b", "c", "d"] { try await fixture.put(name, [UInt8](repeating: 7, count: 5000)) }
            try await fixture.put("small", [1])
            var options = PutOptions(expectedSize: 70_000, key: ContentKey.random().key)
            options.attributes.encryption = ObjectEncryption(kind: .store, material: "")
            _ = try await fixture.store.put(
                bucket: "bucket", key: "sealed", options: options, body: Chunks([UInt8](repeating: 1, count: 70_000)))
            let sound = try await fixture.store.scrub(pause: .zero)
            #expect(sound.contents == 6 && sound.bytes == 20_001 && sound.damaged.isEmpty)

            let files = try fixture.files().map { fixture.root + "/data/" + $0 }
                .filter { try FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int == 5000 }
            #expect(files.count == 4)
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: files[0])))
            bytes[2000] ^= 1
            try Data(bytes).write(to: URL(fileURLWithPath: files[0]))
            try Data(bytes[..<100]).write(to: URL(fileURLWithPath: files[1]))
            try FileManager.default.removeItem(atPath: files[2])
            let damaged = try await fixture.store.scrub(pause: .zero).damaged
            #expect(damaged.count == 3)
            for file in files[..<3] { #expect(damaged.contains { $0.hasPrefix(file) }) }
        }
    }

    @Test func `the scrubber reads parts, and what was put together of them`() async throws {
        try await Fixture.with { fixture in
            let done = try await MultipartTests.begin(fixture)
            var parts: [CompletedPart] = []
            for number in 1...2 {
                parts.append(
                    try await MultipartTests.part(fixture, done, number, [UInt8](repeating: UInt8(number), count: 3000))
                )
            }
            _ = try await fixture.store.completeUpload(
                bucket: "bucket", key: "key", upload: done, parts: parts, options: .init(minimumPartSize: 0))
            let under = try await MultipartTests.begin(fixture)
            _ = try await MultipartTests.part(fixture, under, 7, [UInt8](repeating: 7, count: 3000))
            // Of an encrypted part the bytes on the disk are others than those of its entity tag.
            var sealed = PutOptions(expectedSize: 3000, key: ContentKey.random().key)
            sealed.attributes.encryption = ObjectEncryption(kind: .store, material: "")
            _ = try await fixture.store.putPart(
                bucket: "bucket", key: "key", upload: under, number: 8, options: sealed,
                body: Chunks([UInt8](repeating: 8, count: 3000)))
            let sound = try await fixture.store.scrub(pause: .zero)
            #expect(sound.contents == 4 && sound.bytes == 9000 && sound.damaged.isEmpty)

            for file in try fixture.files().map({ fixture.root + "/data/" + $0 }) {
                var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
                guard bytes.count == 3000, bytes[0] != 1 else { continue }
                bytes[2000] ^= 1
                try Data(bytes).write(to: URL(fileURLWithPath: file))
            }
            let damaged = try await fixture.store.scrub(pause: .zero).damaged
            #expect(damaged.count == 2 && damaged.allSatisfy { $0.contains("MD5") })
        }
    }
}
