import Archive
import Foundation
import JSON
import Posix
import Roll
import Testing

@Suite(.serialized) struct VerifierTests {
    private let rpms = "demo/1.0/x86_64/RedHat/RPMS"

    // MARK: The disc

    @Test(arguments: [
        ("1288742400.000000\ndemo\nx86_64\n", "it has 3 lines, not the four", 4),
        ("1288742400\ndemo\nx86_64\n1\n", "is no time of the form", 1),
        ("1288742400.000000\nother\nx86_64\n1\n", "names the disc \"other\"", 2),
        ("1288742400.000000\ndemo\ni386\n1\n", "names the architecture \"i386\"", 3),
        ("1288742400.000000\ndemo\nx86_64\nzero\n", "is no disk number", 4),
        ("1288742400.000000\ndemo\nx86_64\n2\n", "the image is named as disk 1", 4),
        ("1288742400.000000\r\ndemo\r\nx86_64\r\n1\r\n", "line ends of DOS", 1),
    ])
    func aWrongDiscinfoIsFound(text: String, words: String, line: Int) throws {
        let (fixture, image) = try Fixture.shared()
        let damaged = try fixture.damage(image) { $0 == ".discinfo" ? Array(text.utf8) : $1 }
        expectError(verify(damaged), words, at: ".discinfo", line: line)
    }

    @Test func twoDisksOfOneNumberAreFound() throws {
        let (_, image) = try Fixture.shared()
        expectError(verify(image, image), "is disk 1 by its .discinfo, and so is \(image)", at: image)
    }

    @Test func aMissingDiscinfoIsFound() throws {
        let (fixture, image) = try Fixture.shared()
        expectError(
            verify(try fixture.damage(image) { $0 == ".discinfo" ? nil : $1 }), "Not Identified", at: ".discinfo")
    }

    @Test(
        arguments: [
            ("<roll name=\"demo\"", "<roll name=\"demo\"\n <x>", "is no XML", 2),
            ("version=\"1.0\"", "", "<info> has no attribute version", 4),
            ("version=\"1.0\"", "version=\"1-0\"", "contains '-'", 4),
            ("version=\"1.0\"", "version=\"2.0\"", "lies in demo/1.0/x86_64, and describes demo/2.0/x86_64", nil),
            ("os=\"linux\"", "os=\"sunos\"", "info@os is \"sunos\"", 4),
            ("arch=\"x86_64\"", "arch=\"ia64\"", "Rocks knows i386 and x86_64", 4),
            ("<roll ", "<!DOCTYPE roll []>\n<roll ", "DOCTYPE", 1),
        ] as [(String, String, String, Int?)])
    func aWrongDescriptionIsFound(old: String, new: String, words: String, line: Int?) throws {
        let (fixture, image) = try Fixture.shared()
        let damaged = try fixture.damage(image) { path, bytes in
            path.hasSuffix("roll-demo.xml") ? Array(Fixture.description.replacing(old, with: new).utf8) : bytes
        }
        expectError(verify(damaged), words, at: "roll-demo.xml", line: line)
    }

    @Test func aTruncatedImageIsFound() throws {
        let (fixture, image) = try Fixture.shared()
        try FileSystem.makeDirectory(fixture.path("cut"))
        let cut = fixture.path("cut/\(Fixture.imageName)")
        let bytes = try FileSystem.read(image)
        try FileSystem.write(cut, Array(bytes[..<(bytes.count - 10_000)]))
        expectError(verify(cut), "the image is cut off", at: cut)
        try FileSystem.write(cut, Array(bytes[..<40_000]))
        #expect(verify(cut).contains { $0.severity == .error })
        try FileSystem.write(cut, text: "no disc")
        expectError(verify(cut), "is no ISO 9660 image")
        expectError(verify("/nonexistent.iso"), "No such file")
    }

    @Test func aDiscWithoutARollIsFound() throws {
        let (fixture, image) = try Fixture.shared()
        expectError(
            verify(try fixture.damage(image) { $0.hasSuffix("roll-demo.xml") ? nil : $1 }),
            "there is no roll-<name>.xml")
    }

    // MARK: Packages

    @Test func aMissingPackageIsFound() throws {
        let (fixture, image) = try Fixture.shared()
        let findings = verify(try fixture.damage(image) { $0.contains("demo-base-") ? nil : $1 })
        expectError(findings, "the package demo-base is missing from the disc", at: "nodes/demo-server.xml", line: 5)
        expectError(
            findings, "needs demo-base, which no package on the disc provides", at: "demo-server-1.0-1.noarch.rpm")
        expectError(findings, "lists the package \(rpms)/demo-base-1.0-1.noarch.rpm, which is not on the disc")
    }

    @Test func aTruncatedPackageIsFound() throws {
        let (fixture, image) = try Fixture.shared()
        let path = "\(rpms)/demo-server-1.0-1.noarch.rpm"
        for remaining in [50, 200, 3000, 6000] {
            let damaged = try fixture.damage(image) { $0 == path ? Array($1.prefix(remaining)) : $1 }
            let findings = verify(damaged).filter { $0.path == path && $0.severity == .error }
            #expect(findings.contains { $0.message.contains("cut off") || $0.message.contains("is no RPM package") })
        }
        let cut = try fixture.damage(image) { $0 == path ? Array($1.dropLast()) : $1 }
        expectError(verify(cut), "is cut off: 1 of its", at: path)
        expectError(verify(cut), "has another checksum than the repository's metadata states", at: path)
    }

    @Test func aDamagedByteOfAPackageIsFound() throws {
        let (fixture, image) = try Fixture.shared()
        let path = "\(rpms)/demo-server-1.0-1.noarch.rpm"
        let payload = try fixture.damage(image) { name, bytes in
            guard name == path else { return bytes }
            var bytes = bytes
            bytes[bytes.count - 40] ^= 1
            return bytes
        }
        expectError(verify(payload), "its payload is damaged: the SHA-256 digest differs", at: path)
        let header = try fixture.damage(image) { name, bytes in
            guard name == path, let place = bytes.firstRange(of: Array("A package of the tests".utf8)) else {
                return bytes
            }
            var bytes = bytes
            bytes[place.lowerBound] = UInt8(ascii: "B")
            return bytes
        }
        expectError(verify(header), "its header is damaged", at: path)
    }

    @Test func aKickstartPackageThatRocksCannotUseIsFound() throws {
        for (tags, digest, payload, install, files, words) in [
            ("", 1, "w9.gzdio", "", "/export/profile", "is not relocatable"),
            ("Prefix: /export", 1, "w9.gzdio", "", "/export/profile", "prefix is /export, not /export/profile"),
            ("Prefix: /export/profile", 8, "w9.gzdio", "", "/export/profile", "needs rpmlib(FileDigests)"),
            ("Prefix: /export/profile", 1, "w7.xzdio", "", "/export/profile", "compressed by xz, not gzip"),
            (
                "Prefix: /export/profile", 1, "w9.gzdio",
                "mkdir -p %{buildroot}/export/profile/var/x", "/export/profile", "Rocks deletes var there"
            ),
            (
                "Prefix: /export/profile\nPrefix: /etc", 1, "w9.gzdio",
                "mkdir -p %{buildroot}/etc; touch %{buildroot}/etc/x", "/export/profile\n/etc/x",
                "outside of /export/profile"
            ),
            (
                "Prefix: /export/profile", 1, "w9.gzdio",
                "chmod 0600 %{buildroot}/export/profile/nodes/*", "/export/profile", "apache must read it"
            ),
        ] {
            let fixture = try Fixture()
            try fixture.buildPackages()
            try fixture.buildKickstart(tags: tags, digest: digest, payload: payload, install: install, files: files)
            expectError(
                verify(try fixture.builder.build()[0].path), words, at: "roll-demo-kickstart-1.0-1.noarch.rpm")
        }
    }

    @Test func aNodeFileWithADoctypeOnTheDiscIsFound() throws {
        let fixture = try Fixture()
        try fixture.write(
            "roll/nodes/demo-client.xml",
            Fixture.client.replacing("<kickstart ", with: "<!DOCTYPE kickstart SYSTEM \"x\">\n<kickstart "))
        try fixture.write("roll/graphs/default/demo.xml", Fixture.graph.replacing("</graph>", with: "<graph>"))
        let findings = verify(try fixture.make())
        expectError(
            findings, "a DOCTYPE or other declaration is not allowed",
            at: "roll-demo-kickstart-1.0-1.noarch.rpm:/export/profile/nodes/demo-client.xml", line: 2)
        #expect(findings.contains { $0.cure == "remove the DOCTYPE" })
        expectError(findings, "is no XML", at: "/export/profile/graphs/default/demo.xml", line: 7)
    }

    @Test func packagesForNewerRPMOrOtherPlacesAreFound() throws {
        let fixture = try Fixture()
        try fixture.build("demo-base", payload: "w19.zstdio")
        try fixture.build("demo-server", version: "1.0~rc1", tags: "Requires: (bash if zsh)")
        try fixture.buildKickstart()
        let image = try fixture.builder.build()[0].path
        let findings = verify(image)
        expectError(findings, "needs rpmlib(PayloadIsZstd)", at: "demo-base-1.0-1.noarch.rpm")
        expectError(findings, "compressed by zstd", at: "demo-base-1.0-1.noarch.rpm")
        expectError(findings, "needs rpmlib(RichDependencies)", at: "demo-server-1.0~rc1-1.noarch.rpm")
        expectError(findings, "needs rpmlib(TildeInVersions)", at: "demo-server-1.0~rc1-1.noarch.rpm")
    }

    @Test func theListOfTheSystemsPackagesDecidesAboutOthers() throws {
        let fixture = try Fixture()
        try fixture.write(
            "roll/nodes/demo-client.xml",
            Fixture.client.replacing("<package>demo-base", with: "<package>qemu-kmv</package>\n<package>demo-base"))
        let image = try fixture.make()
        #expect(
            verify(image).contains {
                $0.severity == .warning && $0.message.contains("the package qemu-kmv is not on the disc")
            })
        expectError(
            verify(image, systemPackages: ["qemu-kvm"]),
            "qemu-kmv is neither on the disc nor among those of the system",
            at: "nodes/demo-client.xml", line: 3)
        #expect(verify(image, systemPackages: ["qemu-kmv"]).isEmpty)
        #expect(
            verify(image, systemPackages: ["qemu-kmv", "demo-base"]).contains {
                $0.severity == .warning && $0.message.contains("the system has a package demo-base, too")
            })
    }

    // MARK: The repository

    @Test func aRepositoryThatDisagreesIsFound() throws {
        let (fixture, image) = try Fixture.shared()
        let metadata = try fixture.damage(image) { path, bytes in
            guard path.hasSuffix("-primary.xml.gz") else { return bytes }
            return bytes.dropLast() + [bytes[bytes.count - 1] ^ 1]
        }
        expectError(verify(metadata), "has another checksum than repomd.xml states", at: "-primary.xml.gz")
        let gone = try fixture.damage(image) { $0.hasSuffix("-other.xml.gz") ? nil : $1 }
        expectError(verify(gone), "which is not on the disc", at: "repodata/repomd.xml")
        let none = verify(try fixture.damage(image) { $0.hasPrefix("repodata/") ? nil : $1 })
        #expect(none.count == 1 && none[0].severity == .warning && none[0].message.contains("no dnf repository"))
    }

    @Test func findingsAreJSONToo() throws {
        let finding = Finding(.error, "a.xml", TextPosition(line: 2, column: 3), "it is wrong", cure: "make it right")
        #expect(finding.text == "a.xml:2:3: error: it is wrong. Make it right.")
        #expect(finding.json["severity"]?.text == "error" && finding.json["line"]?.int64 == 2)
    }
}
