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
}
