import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Posix
import ServiceHost
import Testing

@testable import mallee

extension DoctorReport {
    fileprivate func worst(_ check: String, _ words: String = "") -> Level? {
        let found = findings.filter { $0.check == check && (words.isEmpty || ($0.message + $0.cure).contains(words)) }
            .map(\.level)
        return found.contains(.fail) ? .fail : found.contains(.warn) ? .warn : found.first
    }
}

/// Answers /healthz with a status.
private struct Answers: HTTPResponder {
    let status: HTTPResponse.Status

    init(_ status: HTTPResponse.Status) { self.status = status }

    func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        #expect(request.uri.path == "/healthz")
        return Response(status: status, body: .init(byteBuffer: .init(string: "\n")))
    }
}

@Suite struct FrontEndDoctorTests {
    /// A host that is set up, at ports where nobody listens.
    private func host(publicAddress: String = "127.0.0.1") throws -> EmptyHost {
        let host = try EmptyHost()
        for (file, keys) in [
            ("cloud", ["CLOUD_PORT", "CONTROL_PORT"]), ("walrus", ["WALRUS_PORT"]),
            ("cluster", ["CC_PORT", "ENROLMENT_PORT"]),
        ] {
            let path = host.layout.path("/etc/mallee/\(file).conf")
            var text = try FileSystem.readText(path)
            for key in keys { text += "\(key)=\"\(try freePort())\"\n" }
            try FileSystem.write(path, text: text, permissions: 0o640)
        }
        _ = try host.setUp(address: "127.0.0.1", publicAddress: publicAddress)
        return host
    }

    /// Below the ports that the kernel gives out, so that nobody gets it meanwhile.
    private func freePort() throws -> UInt16 {
        while true {
            let port = UInt16.random(in: 10_000...30_000)
            if Listener.canBind(address: "127.0.0.1", port: port) { return port }
        }
    }

    private func examine(_ host: EmptyHost) async throws -> DoctorReport {
        var doctor = FrontEndDoctor(layout: host.layout)
        // Whoever answers does so at once, but for a machine that is busy with other tests.
        doctor.patience = .seconds(120)
        try await doctor.run()
        return doctor.report
    }

    @Test func `a front end that is set up and not started lacks its services only`() async throws {
        let host = try host()
        defer { host.remove() }
        let report = try await examine(host)
        #expect(report.worst("configuration") == .ok, "\(report.findings)")
        #expect(report.worst("certificates") == .ok, "\(report.findings)")
        #expect(report.worst("enrolment") == .ok, "\(report.findings)")
        #expect(report.findings.filter { $0.check == "ports" }.count == 5)
        #expect(report.worst("ports", "nothing listens") == .fail)
        #expect(report.worst("walrus") == .fail && report.worst("cloud") == .fail && report.worst("cluster") == .fail)
        #expect(report.status == 2)
        for finding in report.findings {
            #expect(finding.level == .ok || !finding.cure.isEmpty, "\(finding)")
            #expect(!finding.line.contains("\n"), "\(finding)")
        }
    }

    @Test func `a host without configuration is told how to get one`() async throws {
        let host = try EmptyHost(shipped: false)
        defer { host.remove() }
        let report = try await examine(host)
        #expect(report.worst("configuration", "mallee init") == .fail)
        #expect(report.findings.count == 1)
    }

    @Test func `shipped files before the first run of init lack what init fills`() async throws {
        let host = try EmptyHost()
        defer { host.remove() }
        let report = try await examine(host)
        #expect(report.worst("configuration", "WALRUS_URL") == .fail)
        #expect(report.worst("certificates", "authority") == .fail)
    }

    @Test func `spelling mistakes, open keys, wrong secrets and foreign ports are told`() async throws {
        let host = try host()
        defer { host.remove() }
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        let file = host.layout.path("/etc/mallee/walrus.conf")
        let text = try FileSystem.readText(file).replacing(
            #/(?m)^WALRUS_PORT=.*$/#, with: "WALRUS_PORT=\(listener.port)")
        try FileSystem.write(file, text: text + "WALRUS_PROT=1\n")
        try FileSystem.setPermissions(host.layout.path("/var/lib/mallee/identity/cloud/component.key"), 0o644)
        try FileSystem.setPermissions(host.layout.path("/var/lib/mallee/cloud"), 0o755)
        try FileSystem.write(
            host.layout.path("/var/lib/mallee/cluster/enrolment.secret"), text: "0\n", permissions: 0o600)
        try FileSystem.write(host.layout.path("/etc/mallee/authority.fingerprint"), text: "sha256:0\n")
        let report = try await examine(host)
        #expect(report.worst("configuration", "WALRUS_PROT") == .warn)
        #expect(report.worst("ports", "pid \(Host.processID)") == .fail)
        #expect(report.worst("certificates", "component.key can be read") == .fail)
        #expect(report.worst("disk", "open to every user") == .fail)
        #expect(report.worst("enrolment", "differ") == .fail)
        #expect(report.worst("enrolment", "another authority") == .fail)
    }

    /// What the doctor says of Walrus when this answers in its place.
    private func walrus(_ responder: Answers?) async throws -> DoctorReport {
        let host = try host()
        defer { host.remove() }
        let service = HTTPService(
            .init(name: "walrus"), responder: responder ?? Answers(.ok),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var url = "http://127.0.0.1:\(try freePort())"
        if responder != nil { url = "http://127.0.0.1:\(try await service.start())" }
        let file = host.layout.path("/etc/mallee/cloud.conf")
        let text = try FileSystem.readText(file).replacing(#/(?m)^WALRUS_URL=.*$/#, with: "WALRUS_URL=\"\(url)\"")
        try FileSystem.write(file, text: text)
        let report = try await examine(host)
        if responder != nil { await service.stop() }
        #expect(report.findings.contains { $0.check == "walrus" && $0.message.contains(url) }, "\(report.findings)")
        return report
    }

    @Test func `Walrus is asked how it is, and a silent, failing or foreign one is told with the cure`() async throws {
        let healthy = try await walrus(Answers(.ok))
        #expect(healthy.worst("walrus") == .ok, "\(healthy.findings)")
        let failing = try await walrus(Answers(.serviceUnavailable))
        #expect(failing.worst("walrus", "answers with status 503") == .warn, "\(failing.findings)")
        #expect(failing.worst("walrus", "Look into the log of mallee-walrus") == .warn)
        // Something else has the port.
        let foreign = try await walrus(Answers(.notFound))
        #expect(foreign.worst("walrus", "if this is no walrus, correct the URL") == .warn, "\(foreign.findings)")
        let silent = try await walrus(nil)
        #expect(silent.worst("walrus", "Start mallee-walrus") == .fail, "\(silent.findings)")
    }

    @Test func `a clock that goes with Walrus' is not mentioned, and one that does not is`() {
        let now = Date(timeIntervalSince1970: 1_000_000)
        func lines(_ ahead: TimeInterval) -> [String] {
            var doctor = FrontEndDoctor(layout: InstalledLayout(root: "/nowhere"))
            doctor.compareClock("http://w", now + ahead, sent: now, received: now + 0.1)
            return doctor.report.findings.map(\.line)
        }
        #expect(lines(0).isEmpty && lines(1).isEmpty && lines(-1).isEmpty)
        #expect(lines(60).first?.contains("it is 59 s behind http://w") == true, "\(lines(60))")
        #expect(lines(-60).first?.contains("it is 59 s ahead of http://w") == true, "\(lines(-60))")
    }

    @Test(arguments: [
        ("cloud", "CLOUD_PORT"), ("cloud", "CONTROL_PORT"), ("walrus", "WALRUS_PORT"), ("cluster", "CC_PORT"),
        ("cluster", "ENROLMENT_PORT"),
    ]) func `a port that another program has is told with its number, key and holder`(_ file: String, _ key: String)
        async throws
    {
        let host = try host()
        defer { host.remove() }
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        let path = host.layout.path("/etc/mallee/\(file).conf")
        let lines = try FileSystem.readText(path).split(separator: "\n").map {
            $0.hasPrefix(key + "=") ? "\(key)=\(listener.port)" : String($0)
        }
        try FileSystem.write(path, text: lines.joined(separator: "\n") + "\n", permissions: 0o640)
        let report = try await examine(host)
        let told = report.findings.filter { $0.check == "ports" && $0.message.contains("is taken") }
        #expect(told.count == 1, "\(report.findings)")
        let finding = try #require(told.first)
        #expect(finding.level == .fail)
        #expect(finding.message.hasPrefix("\(listener.port) (\(key) of mallee-\(file)) is taken by "))
        #expect(finding.message.contains("pid \(Host.processID)"), "\(finding.message)")
        #expect(finding.cure.contains("Stop that program, or set another \(key) in "))
        listener.close()
    }

    @Test func `addresses that are not this host's are told`() async throws {
        let host = try host(publicAddress: "no-such-host.invalid")
        defer { host.remove() }
        let file = host.layout.path("/etc/mallee/cluster.conf")
        let text = try FileSystem.readText(file).replacing(
            "LISTEN_ADDRESS=\"127.0.0.1\"", with: "LISTEN_ADDRESS=\"192.0.2.1\"")
        try FileSystem.write(file, text: text)
        let report = try await examine(host)
        #expect(report.worst("names", "192.0.2.1") == .fail)
        #expect(report.worst("names", "PUBLIC_ENDPOINT is no-such-host.invalid") == .fail)
    }

    @Test func `nodes are counted, and those that are lost are named`() {
        var doctor = FrontEndDoctor(layout: InstalledLayout(root: "/nowhere"))
        doctor.checkNodes([], zone: "z")
        #expect(doctor.report.findings.last?.level == .warn)
        doctor.checkNodes([("a", "up"), ("b", "draining")], zone: "z")
        #expect(doctor.report.findings.last?.level == .ok)
        doctor.checkNodes([("a", "up"), ("b", "down")], zone: "z")
        #expect(doctor.report.findings.last?.message == "1 of 2 in zone z cannot be reached: b.")
        #expect(doctor.report.status == 1)
    }

    @Test func `what the node's doctor says is shown, and a node that says nothing is a failure`() throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-doctor-")
        defer { try? FileSystem.removeTree(directory) }  // a temporary directory
        let program = directory + "/mallee-node"
        let script = """
            #!/bin/sh
            echo '{"status":1,"findings":[{"level":"warn","check":"clock","message":"m.","cure":"c."}]}'
            exit 1
            """
        try FileSystem.write(program, text: script, permissions: 0o755)
        var doctor = FrontEndDoctor(layout: InstalledLayout())
        try doctor.checkNode(program: program, configuration: "/none")
        #expect(doctor.report.findings.map(\.line) == ["warn  node clock: m. c."])
        try FileSystem.write(program, text: "#!/bin/sh\necho old\n", permissions: 0o755)
        try doctor.checkNode(program: program, configuration: "/none")
        #expect(doctor.report.findings.last?.level == .fail)
    }

    @Test func `dates of HTTP are read`() {
        #expect(FrontEndDoctor.httpDate("Sun, 06 Nov 1994 08:49:37 GMT") == Date(timeIntervalSince1970: 784_111_777))
        #expect(FrontEndDoctor.httpDate("yesterday") == nil)
    }

    @Test func `the report survives JSON`() throws {
        var report = DoctorReport()
        report.ok("a", "b")
        report.fail("c", "d", cure: "e")
        #expect(try JSONDecoder().decode(DoctorReport.self, from: JSONEncoder().encode(report)) == report)
        #expect(report.status == 2)
    }
}
