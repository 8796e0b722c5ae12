import Archive
import Foundation
import Posix
import Roll
import Testing

/// A small roll: sources, packages by rpmbuild (Debian package rpm), and its disc. Removed with its last reference.
final class Fixture {
    let directory: String

    static let description = """
        <roll name="demo" interface="4.0">
        	<timestamp time="12:00:00" date="November 02 2010" tz="UTC"/>
        	<color edge="green" node="green"/>
        	<info version="1.0" release="1" arch="x86_64" os="linux"/>
        	<iso maxsize="0" bootable="0" mkisofs=""/>
        	<rpm rolls="0" bin="1" src="0"/>
        	<author name="root" host="builder.example.org"/>
        </roll>

        """

    static let server = """
        <?xml version="1.0" standalone="no"?>
        <kickstart roll="demo">
        <description>The frontend's part.</description>
        <package os="linux">demo-server</package>
        <package>demo-base</package>
        <post>
        <file name="/etc/demo/secret" owner="root:root" perms="0400">
        <eval>echo secret</eval>
        </file>
        [ -d /etc/demo ] &amp;&amp; echo &Kickstart_PrivateAddress; 2&gt;&amp;1
        rocks set attr demo true
        </post>
        </kickstart>

        """

    static let client = """
        <?xml version="1.0" standalone="no"?>
        <kickstart roll="demo">
        <package>demo-base</package>
        <post cond="demo and os=='linux'">
        mkdir -p /opt/demo
        <file name="/opt/demo/host">&hostname;</file>
        </post>
        <post cond="not demo">
        echo never
        </post>
        </kickstart>

        """

    static let graph = """
        <?xml version="1.0" standalone="no"?>
        <graph roll="demo">
        <edge from="server" cond="demo != 0"><to>demo-server</to></edge>
        <edge from="client" cond="demo"><to>demo-client</to></edge>
        <order head="database-data"><tail>demo-server</tail></order>
        </graph>

        """

    init() throws {
        directory = try FileSystem.temporaryDirectory("/tmp/roll-test-")
        for name in ["roll/nodes", "roll/graphs/default", "packages", "out"] {
            try FileSystem.makeDirectory("\(directory)/\(name)")
        }
        try write("roll/roll-demo.xml", Self.description)
        try write("roll/nodes/demo-server.xml", Self.server)
        try write("roll/nodes/demo-client.xml", Self.client)
        try write("roll/graphs/default/demo.xml", Self.graph)
    }

    deinit {
        // Best effort: it lies in the directory for temporary files.
        try? FileSystem.removeTree(directory)
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    func write(_ name: String, _ text: String) throws { try FileSystem.write(path(name), text: text) }

    /// Builds a package into `packages`.
    func build(
        _ name: String, version: String = "1.0", release: String = "1", arch: String = "noarch", tags: String = "",
        install: String = "", files: String = "", digest: Int = 8, payload: String = "w9.gzdio",
        into directory: String = "packages"
    ) throws {
        let spec = """
            Name: \(name)
            Version: \(version)
            Release: \(release)
            Summary: Test <package> & more
            License: BSD-2-Clause
            \(arch == "noarch" ? "BuildArch: noarch" : "")
            \(tags)
            %description
            A package of the tests.
            %install
            mkdir -p %{buildroot}
            \(install)
            %files
            \(files)
            %changelog
            * Mon Nov 01 2010 A Person <person@example.org> - 1.0-1
            - first
            """
        try write("\(name).spec", spec)
        let result = try Posix.Command.run(
            "/usr/bin/rpmbuild",
            [
                "-bb", "--quiet", "--target", arch, "--define", "_topdir \(path("top"))", "--define",
                "_rpmdir \(path(directory))", "--define", "_binary_payload \(payload)", "--define",
                "_binary_filedigest_algorithm \(digest)", "--define", "_build_id_links none", path("\(name).spec"),
            ])
        guard result.isSuccess else {
            throw RollError("rpmbuild of \(name): \(result.explanation) (the Debian package rpm is needed)")
        }
    }

    /// Builds the kickstart package from the sources in `roll`.
    func buildKickstart(
        tags: String = "Prefix: /export/profile", digest: Int = 1, payload: String = "w9.gzdio", install: String = "",
        files: String = "/export/profile"
    ) throws {
        try build(
            "roll-demo-kickstart", tags: tags,
            install: """
                mkdir -p %{buildroot}/export/profile/nodes %{buildroot}/export/profile/graphs/default
                cp \(path("roll"))/roll-demo.xml %{buildroot}/export/profile/
                cp \(path("roll"))/nodes/*.xml %{buildroot}/export/profile/nodes/
                cp \(path("roll"))/graphs/default/*.xml %{buildroot}/export/profile/graphs/default/
                \(install)
                """, files: files, digest: digest, payload: payload)
    }

    /// Builds the roll's other packages.
    func buildPackages() throws {
        try build(
            "demo-base",
            install:
                "mkdir -p %{buildroot}/usr/share/demo; head -c 200000 /dev/zero | tr '\\0' x > %{buildroot}/usr/share/demo/blob",
            files: "/usr/share/demo")
        try build(
            "demo-server", tags: "Requires: demo-base = %{version}\nRequires: bash >= 4",
            install: """
                mkdir -p %{buildroot}/etc/demo %{buildroot}/usr/bin
                echo hi > %{buildroot}/etc/demo/demo.conf
                ln -s true %{buildroot}/usr/bin/demo
                """, files: "%dir /etc/demo\n%config(noreplace) /etc/demo/demo.conf\n/usr/bin/demo")
    }

    var builder: RollBuilder {
        RollBuilder(rollFile: path("roll/roll-demo.xml"), packageDirectories: [path("packages")], output: path("out"))
    }

    static let imageName = "demo-1.0-1.x86_64.disk1.iso"

    /// Packages and disc; returns the image's path.
    @discardableResult
    func make() throws -> String {
        try buildPackages()
        try buildKickstart()
        return try builder.build()[0].path
    }

    /// Writes a disc like another one with some files changed; a file that becomes nil is left out.
    func damage(
        _ image: String, as name: String = Fixture.imageName,
        _ change: (String, [UInt8]) throws -> [UInt8]?
    ) throws -> String {
        let disc = try DiscImage(FileRegion(path: image))
        try FileSystem.makeDirectory(path("damaged"))
        let result = path("damaged/\(name)")
        let writer = try DiscWriter(
            path: result, volume: "demo disk1", time: 1_288_742_400,
            directories: disc.entries.filter(\.isDirectory).map(\.path))
        for entry in disc.entries where !entry.isDirectory {
            let bytes = try disc.content(entry).readAll(limit: 1 << 28)
            guard let changed = try change(entry.path, bytes) else { continue }
            try writer.add(entry.path, bytes: changed, modified: entry.modified)
        }
        try writer.close()
        return result
    }

    /// A roll whose packages and disc exist once for all tests that only read it.
    static func shared() throws -> (fixture: Fixture, image: String) {
        lock.lock()
        defer { lock.unlock() }
        if let made { return made }
        let fixture = try Fixture()
        let result = (fixture, try fixture.make())
        made = result
        return result
    }

    private static let lock = NSLock()
    // Guarded by the lock.
    nonisolated(unsafe) private static var made: (fixture: Fixture, image: String)?
}

/// Findings of a verification.
func verify(_ paths: String..., systemPackages: Set<String>? = nil) -> [Finding] {
    var verifier = RollVerifier()
    verifier.systemPackages = systemPackages
    return verifier.verify(paths)
}

/// Expects an error with these words, at a path with this end.
func expectError(
    _ findings: [Finding], _ words: String, at path: String = "", line: Int? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let found = findings.contains { finding in
        finding.severity == .error && finding.message.contains(words)
            && (path.isEmpty || finding.path.hasSuffix(path)) && (line == nil || finding.position?.line == line)
    }
    #expect(
        found, "no error \"\(words)\" at \(path) in:\n\(findings.map(\.text).joined(separator: "\n"))",
        sourceLocation: sourceLocation)
}
