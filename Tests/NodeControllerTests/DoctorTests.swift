import BlockingHTTP
import JSON
import Posix
import TLS
import Testing

@testable import NodeController

/// A node's host with a configuration, its own authority and, if wanted, a cluster controller that answers.
private final class DoctorHost {
    let directory: String
    private var server: HTTPServer?

    init() throws {
        directory = try FileSystem.temporaryDirectory("/tmp/mallee-doctor-test-")
        try FileSystem.makeDirectory(directory + "/state", permissions: 0o700)
    }

    deinit {
        server?.stop(grace: 0)
        try? FileSystem.removeTree(directory)  // a temporary directory
    }

    func path(_ name: String) -> String { directory + "/" + name }

    /// Runs the doctor with these lines.
    func examine(_ lines: [String]) throws -> DoctorReport {
        let file = path("node.conf")
        try FileSystem.write(file, text: lines.map { $0 + "\n" }.joined())
        return NodeDoctor(configurationFile: file).run()
    }

    /// Lines that are right for every test.
    var base: [String] {
        [
            "STATE_DIR=\(path("state"))", "LISTEN_ADDRESS=127.0.0.1", "LISTEN_PORT=0", "HYPERVISOR=simulated",
            "NODE_NAME=n1",
        ]
    }

    func openssl(_ arguments: String...) throws {
        let result = try Command.run("openssl", arguments)
        try #require(result.isSuccess, "\(result.explanation)")
    }

    /// Makes an authority and certificates `cluster:z` and `node:NAME`, valid for so many days.
    func certify(_ name: String, days: Int = 100) throws -> [String] {
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path("ca.key"),
            "-out", path("ca.crt"), "-days", "200", "-subj", "/CN=authority")
        try FileSystem.write(path("ext"), text: "subjectAltName=IP:127.0.0.1\n")
        for (file, subject) in [("cluster", "cluster:z"), ("node", name)] {
            try openssl(
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path(file + ".key"),
                "-out", path("csr"), "-subj", "/CN=\(subject)")
            try openssl(
                "x509", "-req", "-in", path("csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"), "-CAcreateserial",
                "-out", path(file + ".crt"), "-days", "\(days)", "-extfile", path("ext"))
            try FileSystem.setPermissions(path(file + ".key"), 0o600)
        }
        return ["TLS_CERT=\(path("node.crt"))", "TLS_KEY=\(path("node.key"))", "TLS_CA=\(path("ca.crt"))"]
    }

    /// Answers as a cluster controller whose clock is ahead by so much, or with another certificate; returns its URL.
    func cluster(ahead: Milliseconds = 0, as identity: String = "cluster") throws -> String {
        var options = HTTPServer.Options()
        options.tls = try TLSContext.server(
            certificate: path(identity + ".crt"), key: path(identity + ".key"), authority: path("ca.crt"))
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        let server = HTTPServer(listener: listener, handler: HealthyCluster(ahead: ahead), options: options)
        try server.start()
        self.server = server
        return "https://127.0.0.1:\(listener.port)/services/ClusterController"
    }
}

private final class HealthyCluster: HTTPHandler, Sendable {
    let ahead: Milliseconds
    init(ahead: Milliseconds) { self.ahead = ahead }

    func handle(_ request: HTTPRequest) -> HTTPResponse {
        var response = HTTPResponse(status: request.target == "/healthz" ? 200 : 404)
        let text = Timestamp.format(Clock.now + ahead)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = text.prefix(10).split(separator: "-")
        response.headers["Date"] =
            "Sat, \(parts[2]) \(months[(Int(parts[1]) ?? 1) - 1]) \(parts[0]) \(text.dropFirst(11).prefix(8)) GMT"
        return response
    }
}

extension DoctorReport {
    fileprivate func level(_ check: String, _ words: String = "") -> DoctorFinding.Level? {
        let found = findings.filter { $0.check == check && ($0.message + $0.cure).contains(words) }
        return found.map(\.level).max { a, b in rank(a) < rank(b) }
    }

    private func rank(_ level: DoctorFinding.Level) -> Int { level == .ok ? 0 : level == .warn ? 1 : 2 }
}

@Suite struct DoctorTests {
    @Test func `a healthy node with a cluster that answers has no failure`() throws {
        let host = try DoctorHost()
        let files = try host.certify("node:n1")
        let report = try host.examine(host.base + files + ["CLUSTER_ENDPOINT=\(try host.cluster())"])
        #expect(report.level("configuration") == .ok)
        #expect(report.level("names") == .ok)
        #expect(report.level("certificates") == .ok, "\(report.text)")
        #expect(report.level("cluster") == .ok, "\(report.text)")
        #expect(report.level("clock", "agrees") == .ok, "\(report.text)")
        #expect(report.level("network") == .ok)
        #expect(report.findings.allSatisfy { $0.level != .fail }, "\(report.text)")
        #expect(report.status < 2)
        for finding in report.findings where finding.level != .ok { #expect(!finding.cure.isEmpty) }
    }

    @Test(arguments: [(3_600_000, "behind"), (-3_600_000, "ahead of")] as [(Int64, String)])
    func `a clock that is an hour wrong is a failure that says by how much`(_ ahead: Int64, _ word: String) throws {
        let host = try DoctorHost()
        let files = try host.certify("node:n1")
        let report = try host.examine(host.base + files + ["CLUSTER_ENDPOINT=\(try host.cluster(ahead: ahead))"])
        #expect(report.level("clock", word) == .fail, "\(report.text)")
        #expect(report.text.contains("s \(word) 127.0.0.1"))
        #expect(report.status == 2)
    }

    @Test func `a node that answers in the cluster controller's place is told`() throws {
        let host = try DoctorHost()
        let files = try host.certify("node:n1")
        let report = try host.examine(host.base + files + ["CLUSTER_ENDPOINT=\(try host.cluster(as: "node"))"])
        #expect(report.level("cluster", "that of node:n1") == .fail, "\(report.text)")
    }

    @Test func `a missing or wrong configuration is told with the line`() throws {
        let host = try DoctorHost()
        #expect(NodeDoctor(configurationFile: host.path("none")).run().level("configuration") == .fail)
        let broken = try host.examine(["STATE_DIR=\(host.path("state"))", "this is no line"])
        #expect(broken.level("configuration", "line 2") == .fail)
        #expect(broken.findings.count == 1)
        let unknown = try host.examine(host.base + ["ALLOW_PLAIN_HTTP=Y", "MAX_COERS=3"])
        #expect(unknown.level("configuration", "MAX_COERS") == .warn)
        #expect(unknown.level("certificates", "whoever") == .warn)
    }

    @Test func `keys that others can read, and certificates that do not fit, are failures`() throws {
        let host = try DoctorHost()
        var files = try host.certify("node:other")
        #expect(try host.examine(host.base + files).level("certificates", "node:other") == .fail)
        try FileSystem.setPermissions(host.path("node.key"), 0o644)
        #expect(try host.examine(host.base + files).level("certificates", "chmod 600") == .fail)
        files[1] = "TLS_KEY=\(host.path("cluster.key"))"
        #expect(try host.examine(host.base + files).level("certificates", "Restore") == .fail)
        try FileSystem.write(host.path("node.crt"), text: "garbage")
        #expect(try host.examine(host.base + files).level("certificates") == .fail)
        try FileSystem.remove(host.path("node.crt"))
        #expect(try host.examine(host.base + files).level("certificates", "node.crt") == .fail)
    }

    @Test func `certificates that end soon are a warning`() throws {
        let host = try DoctorHost()
        let files = try host.certify("node:n1", days: 10)
        #expect(try host.examine(host.base + files).level("certificates", "they end on") == .warn)
    }

    @Test func `an enrolment without secret or fingerprint is told, and a secret is never shown`() throws {
        let host = try DoctorHost()
        let secret = String(repeating: "5e", count: 32)
        var lines =
            host.base + [
                "ENROLMENT_ENDPOINT=https://127.0.0.1:1/services/Enrolment",
                "ENROLMENT_SECRET_FILE=\(host.path("secret"))",
                "AUTHORITY_FINGERPRINT_FILE=\(host.path("fingerprint"))",
            ]
        let nothing = try host.examine(lines)
        #expect(nothing.level("enrolment", "secret") == .fail)
        #expect(nothing.level("enrolment", "fingerprint") == .fail)
        #expect(nothing.level("certificates", "not enrolled") == .warn)
        #expect(nothing.level("enrolment", "connect") == .fail)
        try FileSystem.write(host.path("secret"), text: secret + "\n", permissions: 0o644)
        try FileSystem.write(host.path("fingerprint"), text: "sha256:" + secret + "\n")
        let open = try host.examine(lines)
        #expect(open.level("enrolment", "other users") == .fail)
        #expect(!open.text.contains(secret) && !open.json.contains(secret))
        try FileSystem.setPermissions(host.path("secret"), 0o400)
        let good = try host.examine(lines)
        #expect(good.level("enrolment", "holds a secret") == .ok)
        #expect(good.level("enrolment", "names the cloud's authority") == .ok)
        try FileSystem.write(host.path("secret"), text: "short\n", permissions: 0o400)
        lines[lines.count - 1] = "AUTHORITY_FINGERPRINT=sha256:" + secret
        #expect(try host.examine(lines).level("enrolment", "64 hexadecimal") == .fail)
    }

    @Test func `a port that somebody else has is named with its owner`() throws {
        let host = try DoctorHost()
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        var lines = host.base + ["ALLOW_PLAIN_HTTP=Y"]
        lines[2] = "LISTEN_PORT=\(listener.port)"
        let taken = try host.examine(lines)
        #expect(taken.level("port", "pid \(Host.processID)") == .fail, "\(taken.text)")
        listener.close()
    }

    @Test func `names and clusters that do not exist are told`() throws {
        let host = try DoctorHost()
        let plain = host.base + ["ALLOW_PLAIN_HTTP=Y"]
        #expect(try host.examine(plain + ["ADVERTISED_ADDRESS=no-such-host.invalid"]).level("names") == .fail)
        #expect(try host.examine(plain + ["ADVERTISED_ADDRESS=192.0.2.1"]).level("names", "no interface") == .fail)
        #expect(try host.examine(plain).level("cluster", "CLUSTER_ENDPOINT is not set") == .fail)
        let unknown = try host.examine(plain + ["CLUSTER_ENDPOINT=http://no-such-host.invalid:8774/"])
        #expect(unknown.level("cluster", "no-such-host.invalid") == .fail)
        #expect(try host.examine(plain + ["CLUSTER_ENDPOINT=nonsense"]).level("cluster", "no URL") == .fail)
        let refused = try host.examine(plain + ["CLUSTER_ENDPOINT=http://127.0.0.1:1/"])
        #expect(refused.level("cluster", "Start mallee-cluster") == .fail)
    }

    @Test func `the driver that is spoken of is the one that is chosen`() throws {
        // Nothing of Xen runs where tests do.
        let host = try DoctorHost()
        var lines =
            host.base.filter { line in !line.hasPrefix("HYPERVISOR") } + ["ALLOW_PLAIN_HTTP=Y", "HYPERVISOR=xen"]
        let xen = try host.examine(lines)
        #expect(xen.level("hypervisor", "guests would run in Xen, since HYPERVISOR is xen") == .fail, "\(xen.text)")
        #expect(xen.level("hypervisor", "QEMU") == nil, "\(xen.text)")
        let missing = try host.examine(lines + ["VNET_BRIDGE=mallee-none"])
        #expect(missing.level("network", "VNET_BRIDGE is mallee-none") == .fail, "\(missing.text)")
        #expect(try host.examine(lines + ["VNET_BRIDGE=lo"]).level("network", "lo, to which") == .warn)
        lines = host.base + ["ALLOW_PLAIN_HTTP=Y", "VNET_BRIDGE=lo"]
        #expect(try host.examine(lines).level("network", "only guests in Xen") == .warn)
    }

    @Test func `the report is JSON as well`() throws {
        let host = try DoctorHost()
        let report = try host.examine(host.base + ["ALLOW_PLAIN_HTTP=Y"])
        let json = try JSONValue.parse(report.json)
        #expect(json["status"]?.int64 == Int64(report.status))
        #expect(json["findings"]?.elements?.count == report.findings.count)
        #expect(json["findings"]?.elements?.first?["check"]?.text == "configuration")
    }
}

@Suite struct DoctorParserTests {
    @Test func `dates of HTTP are read`() {
        #expect(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777_000)
        #expect(HTTPDate.parse("Thu, 01 Jan 1970 00:00:00 GMT") == 0)
        for bad in [
            "", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        ] {
            #expect(HTTPDate.parse(bad) == nil, "\(bad)")
        }
    }

    @Test func `times and names of a certificate are read, and no damage makes the reader trap`() throws {
        let host = try DoctorHost()
        _ = try host.certify("node:n1")
        let pem = try FileSystem.read(host.path("node.crt"))
        let facts = try #require(CertificateFacts.parse(pem: pem))
        let authority = try #require(CertificateFacts.parse(pem: try FileSystem.read(host.path("ca.crt"))))
        #expect(facts.issuer == authority.subject && facts.subject != facts.issuer)
        #expect(facts.notBefore <= Clock.now && facts.notAfter - facts.notBefore == 100 * 86_400_000)
        #expect(
            CertificateFacts.parse(pem: Array("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".utf8))
                == nil)

        try host.openssl("x509", "-in", host.path("node.crt"), "-outform", "DER", "-out", host.path("der"))
        let der = try FileSystem.read(host.path("der"))
        #expect(CertificateFacts.parse(der: der) == facts)
        var random = Seeded()
        for length in 0..<der.count { _ = CertificateFacts.parse(der: Array(der[..<length])) }
        for _ in 0..<5000 {
            var damaged = der
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: 0..<min(200, der.count), using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            _ = CertificateFacts.parse(der: damaged)
            _ = HTTPDate.parse(String(decoding: damaged.prefix(29), as: UTF8.self))
        }
    }
}

/// The same numbers in every run (splitmix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64 = 20_261_121

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
