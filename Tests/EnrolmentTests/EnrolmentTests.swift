import BlockingHTTP
import ClusterController
import Contracts
import Foundation
import NodeController
import Posix
import ServiceHost
import Store
import TLS
import Testing

@Suite("A node enrols", .timeLimit(.minutes(10)))
struct EnrolmentTests {
    @Test("with the right secret it gets a certificate, registers and is listed")
    func rightSecret() async throws {
        try await withZone { zone in
            let node = try await EnrolledNode.enrol("compute-0-0", in: zone, directory: "a")
            try await node.register()
            #expect(try await node.report())
            let record = try #require(try await zone.listed("compute-0-0"))
            #expect(record.state == .enrolled && record.generation == 1 && record.address == "127.0.0.1")
            #expect(try await zone.controller.describeNodes(.init()).node.map(\.nodeName) == ["compute-0-0"])
            #expect(zone.log.contains { $0.contains("has enrolled") && $0.contains("node=compute-0-0") })
            #expect(try FileSystem.status(node.files.key).permissions == 0o600)
            // With its certificate it speaks for itself only.
            let other = EnrolledNode(name: "compute-0-1", files: node.files, zone: zone)
            await #expect(throws: ClusterLinkError.self) { try await other.register() }
        }
    }

    @Test("with a wrong secret it stays out, and both sides say so in one line")
    func wrongSecret() async throws {
        try await withZone { zone in
            let wrong = [UInt8](repeating: 1, count: 32)
            let failure = try await refused(zone.request("compute-0-0", secret: wrong))
            #expect(failure.refusal == .secret && failure.description.contains("411get"))
            _ = try await refused(zone.request("compute-0-0", secret: wrong))
            let lines = zone.log.filter { $0.contains("does not know this zone's enrolment secret") }
            #expect(lines.count == 1, "repetitions do not fill the log")
            #expect(lines.first?.contains("node=compute-0-0") == true)
            #expect(lines.first?.contains("address=127.0.0.1") == true)
            #expect(try await zone.listed("compute-0-0") == nil)

            // The node's own line, and the daemon's patience.
            let secretFile = zone.directory + "/secret"
            let log = zone.directory + "/node.log"
            try FileSystem.write(secretFile, text: Hex.encode(wrong) + "\n", permissions: 0o600)
            let enroller = Enroller(
                settings: try settings(zone, "compute-0-0", secretFile: secretFile), log: try NodeLog(path: log))
            async let done = blocking { enroller.run() }
            try await until("the node complains") { try FileSystem.readText(log).contains("cannot enrol") }
            let line = try FileSystem.readText(log)
            #expect(line.contains("compare \(secretFile) with the frontend's /etc/mallee/enrolment.secret"))
            #expect(!line.contains(Hex.encode(wrong)))
            // The right one comes by 411 meanwhile.
            try FileSystem.write(secretFile, text: Hex.encode(EnrolmentZone.secret) + "\n", permissions: 0o600)
            #expect(try await done)
            #expect(try enroller.isEnrolled())
        }
    }

    @Test("a nonce is good once, for one name, and for two minutes")
    func nonces() async throws {
        let clock = TestClock()
        try await withZone(clock: clock) { zone in
            let service = zone.service
            func ask(_ name: String, nonce: [UInt8], key: [UInt8]) async throws {
                _ = try await service.enrol(try Self.call(zone, name, nonce: nonce, key: key))
            }
            let key = try ComponentKey.create()
            let nonce = try await service.beginEnrolment(.init(nodeName: "n")).serverNonce
            #expect(nonce.count == 32)
            await Self.refuses(.nonce) { try await ask("m", nonce: nonce, key: key) }
            try await ask("n", nonce: nonce, key: key)
            await Self.refuses(.nonce) { try await ask("n", nonce: nonce, key: key) }

            let old = try await service.beginEnrolment(.init(nodeName: "n")).serverNonce
            clock.advance(119_000)
            try await ask("n", nonce: old, key: key)
            let older = try await service.beginEnrolment(.init(nodeName: "n")).serverNonce
            clock.advance(120_000)
            await Self.refuses(.nonce) { try await ask("n", nonce: older, key: key) }
            await Self.refuses(.nonce) { try await ask("n", nonce: [UInt8](repeating: 0, count: 32), key: key) }
            await Self.refuses(.nonce) { try await ask("n", nonce: [], key: key) }
        }
    }

    @Test("a replayed request is refused, whoever sends it")
    func replay() async throws {
        try await withZone { zone in
            let nonce = try await zone.service.beginEnrolment(.init(nodeName: "n")).serverNonce
            let call = try Self.call(zone, "n", nonce: nonce, key: ComponentKey.create())
            _ = try await zone.service.enrol(call)
            await Self.refuses(.nonce) { _ = try await zone.service.enrol(call) }
            #expect(try await zone.listed("n")?.generation == 1)
        }
    }

    @Test("reinstalled under its name it replaces itself, and the older certificate is dead on both ends")
    func supersede() async throws {
        try await withZone { zone in
            let old = try await EnrolledNode.enrol("compute-0-0", in: zone, directory: "old")
            try await old.register()
            // The older identity as a server, and a front end that talks to it.
            var options = HTTPServer.Options()
            options.tls = try TLSContext.server(
                certificate: old.files.certificate, key: old.files.key, authority: old.files.authority,
                ignoresTimes: true)
            let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
            let server = HTTPServer(
                listener: listener, handler: HTTPClosureHandler { _ in HTTPResponse(status: 500, text: "no SOAP") },
                options: options)
            try server.start()
            defer { server.stop(grace: 0) }
            let identity = try zone.authority.issue(
                #require(ComponentName(role: .cluster, name: "zone-a")), hosts: ["127.0.0.1"])
            let admission = zone.controller.admission
            let connections = try ServiceConnections(
                identity: identity,
                peerCheck: { component, serial, _ in
                    guard let component else { return "nobody" }
                    return admission.fault(for: component.name, serial: serial)?.message
                })
            admission.onChange { connections.recheckPeers() }
            let called = try #require(ComponentName("node:compute-0-0"))
            let node = NodeContract.AsyncClient(
                transport: connections.transport(
                    to: "https://127.0.0.1:\(listener.port)/services/NodeController",
                    of: .component(called)))
            func answer() async -> String {
                do throws(ServiceFault) {
                    _ = try await node.describeResource(.init())
                    return "answered"
                } catch {
                    return error.message
                }
            }
            #expect(await answer().contains("HTTP 500"), "the certificate in force is talked to")

            let new = try await EnrolledNode.enrol("compute-0-0", in: zone, directory: "new")
            try await new.register()
            #expect(try await new.report())
            #expect(try await old.refusedReport() == .superseded)
            await #expect(throws: ClusterLinkError.self) { try await old.register() }
            #expect(await answer().contains("superseded"))
            #expect(try await zone.listed("compute-0-0")?.generation == 2)
            try await connections.shutdown()
        }
    }

    @Test("a certificate that was signed for another zone counts for nothing, also under a name that never enrolled")
    func otherZone() async throws {
        try await withZone { zone in
            func register(_ directory: String, zone signed: String?) async throws {
                let files = NodeIdentityFiles(directory: zone.directory + "/" + directory)
                let key = try ComponentKey.create()
                try files.begin(key: key)
                let certificate = try zone.authority.sign(
                    #require(ComponentName(role: .node, name: "n")), publicKey: ComponentKey.publicKey(of: key),
                    hosts: ["127.0.0.1"], zone: signed
                ).certificate
                try files.complete(
                    certificate: Array(certificate.utf8), authority: Array(zone.authority.certificatePEM.utf8))
                try await EnrolledNode(name: "n", files: files, zone: zone).register()
            }
            do {
                try await register("other", zone: "zone-b")
                Issue.record("a node of another zone registered")
            } catch {
                #expect("\(error)".contains("zone-b"))
            }
            try await register("own", zone: "zone-a")
            try await register("handmade", zone: nil)
        }
    }

    @Test("who did not get the answer asks again with the same key")
    func lostAnswer() async throws {
        try await withZone(policy: .approve) { zone in
            let request = try zone.request("n")
            guard case .pendingApproval(let time) = try await attempt(request) else { throw TestFailure("not pending") }
            #expect(time == 1000)
            _ = try await zone.controller.approveNode(.init(nodeName: "n"))
            let first = try await enrolled(request)
            let second = try await enrolled(request)
            #expect(first.certificate != second.certificate)
            #expect(try await zone.listed("n")?.generation == 2)
        }
    }

    @Test("a name that was announced for another address is refused")
    func announcedElsewhere() async throws {
        try await withZone { zone in
            _ = try await zone.controller.announceNode(.init(nodeName: "n", address: "10.1.255.254"))
            #expect(try await zone.listed("n")?.state == .announced)
            let failure = try await refused(zone.request("n"))
            #expect(failure.refusal == .address && failure.description.contains("10.1.255.254"))
            _ = try await zone.controller.announceNode(.init(nodeName: "n", address: "127.0.0.1"))
            _ = try await enrolled(zone.request("n"))
            #expect(try await zone.listed("n")?.state == .enrolled)
        }
    }

    @Test(
        "certificates whose times have passed or are to come are no obstacle for the node",
        arguments: [10.0, -10.0, -25.0])
    func wrongClock(years: Double) async throws {
        try await withZone(issuedAt: Date() + years * 365 * 86400) { zone in
            let issued = try await enrolled(zone.request("n"))
            #expect(!issued.certificate.isEmpty)
        }
    }

    @Test("both ends of a node's own TLS take certificates whatever its clock says, and none of another authority")
    func wrongClockAfterwards() async throws {
        try await withDirectory { directory in
            func files(_ authority: String, _ name: String, years: Double) throws -> NodeIdentityFiles {
                let date = Date() + years * 365 * 86400
                let made = try CloudAuthority.open(directory: directory + "/" + authority, now: date).issue(
                    #require(ComponentName(role: .node, name: name)), hosts: ["127.0.0.1"], now: date)
                try made.write(directory: directory + "/" + name)
                return NodeIdentityFiles(directory: directory + "/" + name)
            }
            let node = try files("ca", "n", years: -25)
            let peer = try files("ca", "m", years: -25)
            let stranger = try files("other", "s", years: 0)
            var options = HTTPServer.Options()
            options.tls = try TLSContext.server(
                certificate: node.certificate, key: node.key, authority: node.authority, ignoresTimes: true)
            let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
            let server = HTTPServer(
                listener: listener, handler: HTTPClosureHandler { _ in HTTPResponse(status: 200, text: "ok") },
                options: options)
            try server.start()
            defer { server.stop(grace: 0) }
            let url = "https://127.0.0.1:\(listener.port)/"
            func get(_ own: NodeIdentityFiles, authority: String, ignoresTimes: Bool) throws -> Int {
                var options = HTTPClient.Options()
                options.kept = 0
                options.tls = try TLSContext.client(
                    certificate: own.certificate, key: own.key, authority: authority, ignoresTimes: ignoresTimes)
                return try HTTPClient(options: options).call("GET", url).status
            }
            #expect(try get(peer, authority: peer.authority, ignoresTimes: true) == 200)
            #expect(throws: HTTPClientError.self) { try get(peer, authority: peer.authority, ignoresTimes: false) }
            #expect(throws: HTTPClientError.self) {
                try get(stranger, authority: stranger.authority, ignoresTimes: true)
            }
            #expect(throws: HTTPClientError.self) { try get(stranger, authority: node.authority, ignoresTimes: true) }
        }
    }

    @Test("a server of another authority, or with another fingerprint, is not spoken to")
    func otherAuthority() async throws {
        try await withZone { zone in
            try await withZone { other in
                // Told to trust the one, it reaches the other.
                var request = try zone.request("n")
                request.endpoint = other.enrolmentURL
                let failure = try await refused(request)
                #expect(failure.description.contains("AUTHORITY_FINGERPRINT"), "\(failure)")
                #expect(
                    failure.description.contains(AuthorityFingerprint.text(try other.fingerprint())), "\(failure)")
                #expect(try await other.listed("n") == nil)
            }
            var request = try zone.request("n")
            request.authorityFingerprint[31] ^= 1
            #expect(try await refused(request).description.contains("told to trust"))
            // Its own certificate's fingerprint is no authority's.
            request.endpoint = "http" + request.endpoint.dropFirst(5)
            _ = try await refused(request)
        }
    }

    @Test("a component of the cloud that is no cluster controller cannot stand in for one")
    func otherRole() async throws {
        try await withZone(role: .node) { zone in
            let failure = try await refused(zone.request("n"))
            #expect(failure.description.contains("node:zone-a and no cluster controller"), "\(failure)")
        }
    }

    // MARK: Parts

    /// A request with a right proof, as the node makes it.
    static func call(
        _ zone: EnrolmentZone, _ name: String, nonce: [UInt8], key: [UInt8]
    ) throws -> EnrolmentContract.EnrolRequest {
        let publicKey = try ComponentKey.publicKey(of: key)
        let nodeNonce = try Random.bytes(32)
        let proof = HMACSHA256.authenticate(
            EnrolmentProof.request(
                nodeName: name, address: nil, publicKey: publicKey, serverNonce: nonce, nodeNonce: nodeNonce,
                serverCertificateDigest: zone.serverDigest), key: EnrolmentZone.secret)
        return .init(nodeName: name, publicKey: publicKey, serverNonce: nonce, nodeNonce: nodeNonce, proof: proof)
    }

    static func refuses(
        _ refusal: NodeRefusal, _ location: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
    ) async {
        do {
            try await body()
            Issue.record("it was not refused", sourceLocation: location)
        } catch let fault as ServiceFault {
            #expect(NodeRefusal(fault) == refusal, sourceLocation: location)
        } catch {
            Issue.record("\(error)", sourceLocation: location)
        }
    }
}

func settings(_ zone: EnrolmentZone, _ name: String, secretFile: String) throws -> Enroller.Settings {
    var configuration = NodeConfiguration()
    configuration.nodeName = name
    configuration.enrolmentEndpoint = zone.enrolmentURL
    configuration.enrolmentSecretFile = secretFile
    configuration.authorityFingerprint = AuthorityFingerprint.text(try zone.fingerprint())
    configuration.identityDirectory = zone.directory + "/identity-" + name
    var settings = try #require(Enroller.Settings(configuration, hostName: name))
    settings.firstRetry = 20
    settings.lastRetry = 200
    return settings
}

func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    for _ in 0..<12_000 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    throw TestFailure("never: \(what)")
}
