import Archive
import Posix
import Roll
import Testing

@Suite struct PackageTests {
    @Test func aPackageSaysWhatRPMBuildPutIn() throws {
        let (fixture, _) = try Fixture.shared()
        let package = try RPMPackage(
            FileRegion(path: fixture.path("packages/noarch/demo-server-1.0-1.noarch.rpm")))
        #expect(package.identity == "demo-server-1.0-1.noarch" && package.epoch == nil)
        #expect(package.files.map(\.path) == ["/etc/demo", "/etc/demo/demo.conf", "/usr/bin/demo"])
        #expect(package.files[0].isDirectory && package.files[1].size == 3 && package.files[2].linkTarget == "true")
        #expect(
            package.requires.contains { $0.name == "demo-base" && $0.version == "1.0" && $0.flags & 8 != 0 })
        #expect(package.defects().isEmpty)
        #expect(
            try package.payloadFiles(limit: 100) { $0.hasSuffix(".conf") } == [
                "/etc/demo/demo.conf": Array("hi\n".utf8)
            ])
    }

    @Test(arguments: [
        ("demo-base-1.0-1.noarch.rpm", "demo-base", "1.0", "1", "noarch"),
        ("a-b-c-2.3_4-5.el7.x86_64.rpm", "a-b-c", "2.3_4", "5.el7", "x86_64"),
    ])
    func fileNamesAreTakenApartFromTheRight(
        file: String, name: String, version: String, release: String, arch: String
    ) throws {
        let parts = try #require(RPMFileName(file))
        #expect((parts.name, parts.version, parts.release, parts.arch) == (name, version, release, arch))
    }

    @Test func whatIsNoPackagesNameIsRefused() {
        for name in ["x.rpm", "a-1.noarch.rpm", "a-1-1.rpm", "a-1-1.noarch", "-1-1.noarch.rpm"] {
            #expect(RPMFileName(name) == nil, "\(name)")
        }
        #expect(RPMFileName("roll-demo-kickstart-1.0-1.noarch.rpm")?.kickstartRoll == "demo")
        #expect(RPMFileName("roll-my-own-kickstart-1.0-1.noarch.rpm")?.kickstartRoll == "my-own")
        #expect(RPMFileName("roll-demo-usersguide-1.0-1.noarch.rpm")?.kickstartRoll == nil)
    }

    @Test(arguments: [
        ("1.0", "1.0", 0), ("1.0", "1.1", -1), ("1.10", "1.9", 1), ("1.0", "1.0.1", -1), ("1.0~rc1", "1.0", -1),
        ("1.0^git1", "1.0", 1), ("1.0^git1", "1.0.1", -1), ("a", "1", -1), ("1.05", "1.5", 0), ("2.0a", "2.0b", -1),
        ("5.el6", "5.el7", -1), ("1_0", "1.0", 0),
    ])
    func versionsHaveRPMsOrder(one: String, other: String, order: Int) {
        #expect(RPMVersion.compare(one, other).signum() == order)
        #expect(RPMVersion.compare(other, one).signum() == -order)
    }

    @Test func whatIsNoPackageIsRefused() throws {
        for text in ["", "no package", String(repeating: "x", count: 5000)] {
            #expect(throws: ArchiveError.self) { try RPMPackage(FileRegion(bytes: Array(text.utf8), name: "x.rpm")) }
        }
    }
}
