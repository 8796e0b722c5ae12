import Archive
import Foundation
import Posix
import Roll
import Testing
import XML

/// Damaged bytes make errors, never a crash or an endless loop.
@Suite(.serialized) struct FuzzTests {
    /// A generator with a seed, so that a failure can be repeated (SplitMix64).
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }

    private func mutate(_ bytes: [UInt8], within range: Range<Int>, _ random: inout Seeded) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            let at = Int.random(in: range, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            default: bytes[at] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
            }
        }
        if Int.random(in: 0..<8, using: &random) == 0 {
            bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
        }
        return bytes
    }

    @Test func damagedPackages() throws {
        let (fixture, _) = try Fixture.shared()
        let good = try FileSystem.read(fixture.path("packages/noarch/demo-server-1.0-1.noarch.rpm"))
        var random = Seeded(state: 1)
        var readable = 0
        for _ in 0..<600 {
            let bytes = mutate(good, within: 0..<good.count, &random)
            guard let package = try? RPMPackage(FileRegion(bytes: bytes, name: "x.rpm")) else { continue }
            readable += 1
            // Lead and signature hold room that nothing speaks for; everything behind them is covered by digests.
            let start = Int(package.headerRange.lowerBound)
            if bytes[start...] != good[start...] { #expect(!package.defects().isEmpty) }
        }
        #expect(readable > 50)
    }

    @Test func damagedDiscs() throws {
        let (_, image) = try Fixture.shared()
        let good = try FileSystem.read(image)
        var random = Seeded(state: 2)
        for _ in 0..<150 {
            // The descriptors and directories are at the front.
            let bytes = mutate(good, within: 16 * 2048..<45 * 2048, &random)
            guard let disc = try? DiscImage(FileRegion(bytes: bytes, name: "x.iso")) else { continue }
            for entry in disc.entries where !entry.isDirectory {
                // A file may now lie elsewhere; it must not be read beyond the image.
                _ = try? disc.content(entry).readAll(limit: 1 << 20)
            }
            _ = try? RollDisc(disc, path: "x.iso")
        }
    }

    @Test func damagedDiscsAreVerifiedToTheEnd() throws {
        let (fixture, image) = try Fixture.shared()
        let good = try FileSystem.read(image)
        var random = Seeded(state: 3)
        try FileSystem.makeDirectory(fixture.path("fuzz"))
        let path = fixture.path("fuzz/\(Fixture.imageName)")
        for _ in 0..<25 {
            try FileSystem.write(path, mutate(good, within: 16 * 2048..<45 * 2048, &random))
            _ = verify(path)
        }
    }

    @Test func damagedXML() throws {
        var random = Seeded(state: 4)
        for text in [Fixture.server, Fixture.graph, Fixture.description] {
            let good = Array(text.utf8)
            for _ in 0..<400 {
                let bytes = mutate(good, within: 0..<good.count, &random)
                _ = try? MarkupElement.parse(bytes, dropsDeclarationLines: Bool.random(using: &random))
                _ = try? RollDescription.parse(bytes)
                let profile = RollProfile(
                    files: ["nodes/demo-server.xml": bytes, "graphs/default/demo.xml": bytes], origin: "")
                _ = try? HostProfile(profile, root: "server", attributes: ["demo": "1"], generation: .seven)
            }
        }
    }
}
