import Archive
import Foundation
import Posix
import Roll
import Testing

@Suite(.serialized) struct BuilderTests {
    @Test func theDiscHasTheLayoutThatRocksNeeds() throws {
        let (_, image) = try Fixture.shared()
        let disc = try RollDisc(path: image)
        let paths = disc.image.entries.map(\.path)
        for path in [
            ".discinfo", "demo/1.0/x86_64/roll-demo.xml", "demo/1.0/x86_64/SRPMS",
            "demo/1.0/x86_64/RedHat/RPMS/demo-base-1.0-1.noarch.rpm",
            "demo/1.0/x86_64/RedHat/RPMS/roll-demo-kickstart-1.0-1.noarch.rpm", "repodata/repomd.xml",
        ] { #expect(paths.contains(path), "\(path) in \(paths)") }
        #expect(disc.image.volume == "demo disk1")
        #expect(disc.image.hasRockRidge && disc.image.entries.allSatisfy { $0.owner == 0 })
        #expect(image.hasSuffix("/demo-1.0-1.x86_64.disk1.iso"))
        let part = try #require(disc.parts.first)
        for file in part.packages { #expect(try file.entry.modified == file.package.get().buildTime) }
    }

    @Test func theDiscIsAllRight() throws {
        let findings = verify(try Fixture.shared().image)
        #expect(findings.isEmpty, "\(findings.map(\.text).joined(separator: "\n"))")
    }

    @Test func equalInputsMakeEqualBytesWheneverAndWherever() throws {
        let (fixture, image) = try Fixture.shared()
        // Copied elsewhere, so with other times of modification.
        let copy = fixture.path("copies/a")
        try FileSystem.makeDirectory(copy)
        for name in try FileSystem.list(fixture.path("packages/noarch")) {
            try FileSystem.write("\(copy)/\(name)", try FileSystem.read("\(fixture.path("packages/noarch"))/\(name)"))
            try FileSystem.touch("\(copy)/\(name)", at: 1_000_000_000_000)
        }
        var builder = fixture.builder
        builder.packageDirectories = [fixture.path("copies")]
        builder.output = fixture.path("again")
        let again = try builder.build()[0].path
        #expect(try Data(contentsOf: URL(fileURLWithPath: image)) == Data(contentsOf: URL(fileURLWithPath: again)))
    }

    @Test func theTimeOfTheEnvironmentIsOnTheDisc() throws {
        let (fixture, _) = try Fixture.shared()
        var builder = fixture.builder
        builder.output = fixture.path("dated")
        builder.sourceDate = 1_288_742_400
        let disc = try DiscImage(FileRegion(path: try builder.build()[0].path))
        let information = try #require(disc.entry(".discinfo"))
        #expect(information.modified == 1_288_742_400)
        #expect(
            try disc.content(information).readAll(limit: 100) == Array("1288742400.000000\ndemo\nx86_64\n1\n".utf8))
        #expect(try #require(disc.entry("demo")).modified == 1_288_742_400)
    }

    @Test func theFileModifiedLastWinsAndForeignArchitecturesStayOut() throws {
        let fixture = try Fixture()
        try fixture.buildKickstart()
        try fixture.build("demo-base", version: "1.0", into: "packages/old")
        try fixture.build("demo-base", version: "2.0", into: "packages/new")
        try fixture.build("demo-server", arch: "ppc64", into: "packages")
        // Rocks goes by time, not by version.
        try FileSystem.touch(fixture.path("packages/new/noarch/demo-base-2.0-1.noarch.rpm"), at: 1_000_000_000_000)
        var skipped: [String] = []
        let disks = try fixture.builder.build {
            if case .skipped(let path, let reason) = $0 { skipped.append("\(path): \(reason)") }
        }
        #expect(disks[0].packages == ["demo-base-1.0-1.noarch.rpm", "roll-demo-kickstart-1.0-1.noarch.rpm"])
        #expect(skipped.contains { $0.contains("demo-base-2.0") && $0.contains("newer") })
        #expect(skipped.contains { $0.contains("ppc64 does not belong into a roll for x86_64") })
    }

    @Test func disksAreSplitBySizeAndEachHasTheDescription() throws {
        let (fixture, _) = try Fixture.shared()
        var builder = fixture.builder
        builder.output = fixture.path("split")
        builder.maximumSize = 9000
        let disks = try builder.build()
        #expect(disks.count > 1)
        #expect(disks[0].packages.contains { $0.hasPrefix("roll-demo-kickstart") })
        for (number, disk) in disks.enumerated() {
            #expect(disk.path.hasSuffix("disk\(number + 1).iso"))
            let disc = try DiscImage(FileRegion(path: disk.path))
            #expect(disc.entry("demo/1.0/x86_64/roll-demo.xml") != nil)
        }
        var verifier = RollVerifier()
        let findings = verifier.verify(disks.map(\.path))
        #expect(findings.isEmpty, "\(findings.map(\.text).joined(separator: "\n"))")
        // One disk of several lacks what is on the others.
        expectError(verify(disks[0].path), "is missing from the disc")
    }

    @Test func anotherArchitectureIsWrittenIntoTheDescription() throws {
        let (fixture, _) = try Fixture.shared()
        var builder = fixture.builder
        builder.output = fixture.path("i386")
        builder.arch = "i386"
        let image = try builder.build()[0].path
        #expect(image.hasSuffix("demo-1.0-1.i386.disk1.iso"))
        #expect(try RollDisc(path: image).parts.first?.description?.arch == "i386")
        builder.arch = "sparc"
        #expect(throws: RollError.self) { try builder.build() }
    }

    @Test func whatCannotBecomeARollIsRefusedWithTheReason() throws {
        let fixture = try Fixture()
        #expect(throws: RollError.self) { try fixture.builder.build() }
        try fixture.buildPackages()
        let missing = #expect(throws: RollError.self) { try fixture.builder.build() }
        #expect(missing?.description.contains("roll-demo-kickstart-<version>-<release>.noarch.rpm") == true)
        try fixture.buildKickstart()
        try FileSystem.rename(
            fixture.path("packages/noarch/demo-base-1.0-1.noarch.rpm"), to: fixture.path("packages/noarch/base.rpm"))
        #expect(throws: RollError.self) { try fixture.builder.build() }
        try FileSystem.rename(
            fixture.path("packages/noarch/base.rpm"), to: fixture.path("packages/noarch/other-1.0-1.noarch.rpm"))
        let named = #expect(throws: RollError.self) { try fixture.builder.build() }
        #expect(named?.description.contains("contains demo-base-1.0-1.noarch") == true)
        try fixture.write("roll/roll-demo.xml", Fixture.description.replacing("\"1.0\"", with: "\"1.0-rc1\""))
        let dashed = #expect(throws: RollError.self) { try fixture.builder.build() }
        #expect(dashed?.description.contains("roll-demo.xml:4:2: the version \"1.0-rc1\" contains '-'") == true)
        #expect(try FileSystem.list(fixture.path("out")).isEmpty)
    }
}
