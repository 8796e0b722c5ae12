import Foundation
import Posix
import ServiceHost
import Testing

@testable import mallee

/// An empty host in a temporary directory, with the shipped configuration files if wanted.
struct EmptyHost {
    let layout: InstalledLayout

    init(shipped: Bool = true) throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-init-")
        // As `rpm --root` has it: the user of the services must reach what is below.
        try FileSystem.setPermissions(directory, 0o755)
        layout = InstalledLayout(root: directory)
        if shipped {
            try FileSystem.makeDirectory(layout.path("/etc/mallee"))
            for name in ["cloud", "walrus", "cluster", "node"] {
                try FileSystem.write(
                    layout.path("/etc/mallee/\(name).conf"), try EmptyHost.shipped(name), permissions: 0o640)
            }
        }
    }

    static func shipped(_ name: String) throws -> [UInt8] {
        let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try FileSystem.read(top.appendingPathComponent("rpmspec/conf/\(name).conf").path)
    }

    func remove() { try? FileSystem.removeTree(layout.root) }  // a temporary directory

    func read(_ path: String) throws -> String { try FileSystem.readText(layout.path(path)) }
    func mode(_ path: String) throws -> UInt32 { try FileSystem.status(layout.path(path)).permissions }

    /// Runs the setup; returns its differences and the lines that it said.
    func setUp(
        zone: String = "zone1", address: String = "10.1.1.1", publicAddress: String = "cloud.example.org",
        user: SystemUser? = nil, enrolment: String = "auto", walrus: String? = nil
    ) throws -> (differences: [String], lines: [String]) {
        var lines: [String] = []
        let setup = FrontEndSetup(
            layout: layout,
            answers: .init(
                zone: zone, address: address, publicAddress: publicAddress, addressBlock: "127.1.0.0/16",
                enrolment: enrolment, region: "us-east-1", walrusDirectory: walrus), user: user,
            hostName: "frontend.example.org",
            report: { lines.append($0.column + $1) })
        return (try setup.run(), lines)
    }

    /// Every file and its bytes.
    func snapshot() throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        func walk(_ directory: String) throws {
            for name in try FileSystem.list(directory) {
                let path = FileSystem.join(directory, name)
                let status = try FileSystem.status(path, followLinks: false)
                if status.isDirectory {
                    try walk(path)
                } else if status.isRegular {
                    found[path] = try FileSystem.read(path)
                }
            }
        }
        try walk(layout.root)
        return found
    }
}

@Suite struct SetupTests {
    @Test(arguments: [true, false])
    func `an empty host becomes a front end, with shipped files or without`(_ shipped: Bool) throws {
        let host = try EmptyHost(shipped: shipped)
        defer { host.remove() }
        #expect(try host.setUp().differences.isEmpty)
        for (role, name) in [
            ("cloud", "cloud:frontend.example.org"), ("walrus", "walrus:frontend.example.org"),
            ("cluster", "cluster:zone1"),
        ] {
            let identity = try ComponentIdentity.load(directory: host.layout.path("/var/lib/mallee/identity/\(role)"))
            #expect(identity.name.description == name)
        }
        let admin = try ComponentIdentity.load(directory: host.layout.path("/var/lib/mallee/admin"))
        #expect(admin.name.description == "client:admin")
        let secret = try host.read("/etc/mallee/enrolment.secret")
        #expect(secret.utf8.count == 65 && secret.dropLast().allSatisfy(\.isHexDigit))
        #expect(try host.read("/var/lib/mallee/cluster/enrolment.secret") == secret)
        let fingerprint = try host.read("/etc/mallee/authority.fingerprint")
        #expect(fingerprint.hasPrefix("sha256:") && fingerprint.utf8.count == 72)

        let cloud = try ConfigurationFile(path: host.layout.path("/etc/mallee/cloud.conf"))
        #expect(cloud.words("ZONES") == ["zone1=https://10.1.1.1:8774/services/ClusterController"])
        #expect(try cloud.required("WALRUS_URL") == "http://10.1.1.1:8780")
        #expect(try cloud.required("PUBLIC_ENDPOINT") == "cloud.example.org:8773")
        #expect(try cloud.required("STATE_DIR") == "/var/lib/mallee/cloud")
        let walrus = try ConfigurationFile(path: host.layout.path("/etc/mallee/walrus.conf"))
        #expect(try walrus.required("CLOUD_ENDPOINT") == "https://10.1.1.1:8778/services/CloudController")
        let cluster = try ConfigurationFile(path: host.layout.path("/etc/mallee/cluster.conf"))
        #expect(try cluster.required("ZONE") == "zone1")
        #expect(try cluster.required("LISTEN_ADDRESS") == "10.1.1.1")
        #expect(try cluster.required("ENROLMENT") == "auto")
        #expect(try cluster.required("CLOUD_CONTROL") == "https://10.1.1.1:8778/services/CloudController")
    }

    @Test func `secrets are closed to others, and what is public is open`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        _ = try host.setUp()
        #expect(try host.mode("/etc/mallee/enrolment.secret") == 0o400)
        #expect(try host.mode("/etc/mallee/authority.fingerprint") == 0o644)
        #expect(try host.mode("/etc/mallee/cloud.conf") == 0o640)
        for path in ["authority", "cloud", "cluster", "identity/cloud", "admin"] {
            #expect(try host.mode("/var/lib/mallee/\(path)") == 0o700, "\(path)")
        }
        for path in [
            "authority/ca.key", "identity/cloud/component.key", "cluster/enrolment.secret", "admin/component.key",
            "cloud/secrets.key",
        ] {
            #expect(try host.mode("/var/lib/mallee/\(path)") == 0o600, "\(path)")
        }
        // A directory that somebody opened is closed again.
        try FileSystem.setPermissions(host.layout.path("/var/lib/mallee/authority"), 0o755)
        _ = try host.setUp()
        #expect(try host.mode("/var/lib/mallee/authority") == 0o700)
    }

    @Test func `a second run changes nothing`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        _ = try host.setUp()
        let before = try host.snapshot()
        let (differences, lines) = try host.setUp()
        #expect(differences.isEmpty)
        #expect(lines.allSatisfy { $0.hasPrefix("present") }, "\(lines)")
        #expect(try host.snapshot() == before)
    }

    @Test func `a second run with other values tells which differ and leaves them`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        _ = try host.setUp()
        let before = try host.snapshot()
        let differences = try host.setUp(zone: "zone2", address: "10.2.2.2", enrolment: "approve").differences
        for text in [
            "ZONES", "WALRUS_URL", "CLOUD_ENDPOINT", "LISTEN_ADDRESS", "ENROLMENT to \"auto\"", "ZONE to \"zone1\"",
        ] {
            #expect(differences.contains { $0.contains(text) }, "\(text): \(differences)")
        }
        #expect(try host.snapshot() == before)
    }

    @Test func `what the administrator set is used and kept, comments too`() throws {
        let host = try EmptyHost(shipped: false)
        defer { host.remove() }
        let text = "# mine\nCC_PORT=\"9774\"\nZONE=\"\"\n#ENROLMENT=\"auto\"\nIDENTITY_DIR=\"/srv/identity\"\n# end"
        try FileSystem.makeDirectory(host.layout.path("/etc/mallee"))
        try FileSystem.write(host.layout.path("/etc/mallee/cluster.conf"), text: text, permissions: 0o600)
        #expect(try host.setUp(enrolment: "approve").differences.isEmpty)
        let after = try host.read("/etc/mallee/cluster.conf")
        #expect(
            after.hasPrefix(
                "# mine\nCC_PORT=\"9774\"\nZONE=\"zone1\"\nENROLMENT=\"approve\"\nIDENTITY_DIR=\"/srv/identity\"\n# end\n"
            ))
        #expect(try host.mode("/etc/mallee/cluster.conf") == 0o600)
        #expect(FileSystem.exists(host.layout.path("/srv/identity/component.crt")))
        #expect(try host.read("/etc/mallee/cloud.conf").contains("zone1=https://10.1.1.1:9774/"))
    }

    @Test(arguments: [
        "/etc/mallee/enrolment.secret", "/var/lib/mallee/cluster/enrolment.secret", "/etc/mallee/authority.fingerprint",
        "/var/lib/mallee/identity/cloud/component.crt", "/var/lib/mallee/identity/cluster/component.key",
        "/var/lib/mallee/authority/ca.crt", "/etc/mallee/cloud.conf",
    ])
    func `an interrupted run is finished by the next`(_ missing: String) throws {
        let host = try EmptyHost(shipped: false)
        defer { host.remove() }
        _ = try host.setUp()
        let before = try host.snapshot()
        // An authority's certificate is made before anything that depends on it.
        if missing.hasSuffix("ca.crt") {
            for path in ["/var/lib/mallee/identity", "/var/lib/mallee/admin", "/etc/mallee"] {
                try FileSystem.removeTree(host.layout.path(path))
            }
        }
        try FileSystem.remove(host.layout.path(missing))
        #expect(try host.setUp().differences.isEmpty)
        let after = try host.snapshot()
        #expect(after.keys == before.keys)
        #expect(
            after[host.layout.path("/var/lib/mallee/authority/ca.key")]
                == before[host.layout.path("/var/lib/mallee/authority/ca.key")])
        if missing.hasSuffix("enrolment.secret") { #expect(after == before) }
        _ = try ComponentIdentity.load(directory: host.layout.path("/var/lib/mallee/identity/cloud"))
        _ = try ComponentIdentity.load(directory: host.layout.path("/var/lib/mallee/identity/cluster"))
    }

    @Test func `an identity that cannot be read is not taken for half of one`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        _ = try host.setUp()
        let path = host.layout.path("/var/lib/mallee/identity/cloud/component.crt")
        try FileSystem.write(path, text: "no certificate\n")
        let error = #expect(throws: ServiceHostError.self) { try host.setUp() }
        #expect(error.map { "\($0)" }?.contains("component.crt") == true)
        #expect(try FileSystem.readText(path) == "no certificate\n")
        // What is there and is no file cannot be read by anybody, root included.
        try FileSystem.remove(path)
        try FileSystem.makeDirectory(path)
        #expect(throws: ServiceHostError.self) { try host.setUp() }
    }

    @Test func `Walrus' directory is the administrator's choice, once`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        #expect(try host.setUp(walrus: "/export/walrus").differences.isEmpty)
        #expect(try host.read("/etc/mallee/walrus.conf").contains("\nSTATE_DIR=\"/export/walrus\"\n"))
        #expect(try host.mode("/export/walrus") == 0o700)
        #expect(!FileSystem.exists(host.layout.path("/var/lib/mallee/walrus")))
        #expect(try host.setUp().differences.isEmpty)
        #expect(try host.setUp(walrus: "/srv/walrus").differences.contains { $0.contains("/export/walrus") })
        #expect(try host.read("/etc/mallee/walrus.conf").contains("\nSTATE_DIR=\"/export/walrus\"\n"))
    }

    @Test func `a new secret takes the place of both copies`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        #expect(throws: (any Error).self) { try EnrolmentSecret.rotate(layout: host.layout, user: nil) }
        _ = try host.setUp()
        let old = try host.read("/etc/mallee/enrolment.secret")
        try EnrolmentSecret.rotate(layout: host.layout, user: nil)
        let new = try host.read("/etc/mallee/enrolment.secret")
        #expect(new != old && new.utf8.count == 65)
        #expect(try host.read("/var/lib/mallee/cluster/enrolment.secret") == new)
        #expect(try host.mode("/etc/mallee/enrolment.secret") == 0o400)
        #expect(try host.mode("/var/lib/mallee/cluster/enrolment.secret") == 0o600)
        // Interrupted between the two, it can be repeated.
        try FileSystem.write(host.layout.path("/var/lib/mallee/cluster/enrolment.secret"), text: "other\n")
        try EnrolmentSecret.rotate(layout: host.layout, user: nil)
        #expect(try host.setUp().differences.isEmpty)
    }

    @Test func `two copies of the secret that differ stop the run`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        _ = try host.setUp()
        try FileSystem.write(host.layout.path("/var/lib/mallee/cluster/enrolment.secret"), text: "other\n")
        let error = #expect(throws: CommandFailure.self) { try host.setUp() }
        #expect(error?.description.contains("no node can enrol") == true)
    }

    @Test func `a fingerprint of another authority stops the run`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        _ = try host.setUp()
        try FileSystem.write(host.layout.path("/etc/mallee/authority.fingerprint"), text: "sha256:00\n")
        let error = #expect(throws: CommandFailure.self) { try host.setUp() }
        #expect(error?.description.contains("authority.fingerprint") == true)
    }

    @Test func `a lost authority is not replaced by a new one`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        _ = try host.setUp()
        try FileSystem.removeTree(host.layout.path("/var/lib/mallee"))
        let error = #expect(throws: CommandFailure.self) { try host.setUp() }
        #expect(error?.description.contains("Restore") == true)
        #expect(!FileSystem.exists(host.layout.path("/var/lib/mallee/authority/ca.crt")))
    }

    @Test func `an identity of another authority stops the run, with its cure`() throws {
        let host = try EmptyHost()
        defer { host.remove() }
        _ = try host.setUp()
        let other = try EmptyHost()
        defer { other.remove() }
        _ = try other.setUp()
        for name in ["component.key", "component.crt", "ca.crt"] {
            let path = "/var/lib/mallee/identity/walrus/\(name)"
            try FileSystem.write(
                host.layout.path(path), try FileSystem.read(other.layout.path(path)), permissions: 0o600)
        }
        let error = #expect(throws: CommandFailure.self) { try host.setUp() }
        #expect(error?.description.contains("another authority") == true)
        #expect(error?.description.contains("move") == true)
    }

    @Test func `runs at the same time do not disturb each other`() async throws {
        let host = try EmptyHost()
        defer { host.remove() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let differences = try host.setUp().differences
                    #expect(differences.isEmpty)
                }
            }
            try await group.waitForAll()
        }
        let secret = try host.read("/etc/mallee/enrolment.secret")
        #expect(try host.read("/var/lib/mallee/cluster/enrolment.secret") == secret)
        #expect(try host.snapshot().keys.filter { $0.hasSuffix(".tmp") }.isEmpty)
    }

    @Test(arguments: ["cloud", "walrus", "cluster", "node"])
    func `the shipped files are whole: every key is explained`(_ name: String) throws {
        let text = String(decoding: try EmptyHost.shipped(name), as: UTF8.self)
        let file = try ConfigurationFile(path: name, text: text)
        var seen: Set<String> = []
        var explained = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let bare = line.hasPrefix("#") ? line.dropFirst() : line
            if let equals = bare.firstIndex(of: "="), bare.first?.isUppercase == true,
                bare[..<equals].allSatisfy({ $0.isUppercase || $0.isNumber || $0 == "_" })
            {
                #expect(explained, "\(line) has no comment")
                #expect(seen.insert(String(bare[..<equals])).inserted, "\(line) is there twice")
            } else {
                explained = line.hasPrefix("# ")
            }
        }
        #expect(seen == ConfigurationKeys.of(name))
        #expect(file.unknown(besides: seen).isEmpty)
    }

    @Test func `a user is found in the host's own passwd file`() {
        let text = "root:x:0:0:root:/root:/bin/sh\nmallee:x:412:413::/var/lib/mallee:/sbin/nologin\nbad\n"
        #expect(SystemUser.parse("mallee", text) == SystemUser(name: "mallee", user: 412, group: 413))
        #expect(SystemUser.parse("nobody", text) == nil)
        #expect(SystemUser.parse("bad", text) == nil)
    }
}
