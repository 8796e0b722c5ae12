import AsyncHTTPClient
import Foundation
import Hummingbird
import NIOCore
import NIOSSL
import ServiceHost
import Testing
import X509

@Suite("The cloud's authority and mutual TLS", .timeLimit(.minutes(10)))
struct CloudAuthorityTests {
    private let node: ComponentName
    private let cloud: ComponentName

    init() throws {
        node = try #require(ComponentName(role: .node, name: "compute-0-0"))
        cloud = try #require(ComponentName("cloud:frontend"))
    }

    @Test("It is made at the first start, private, and loaded afterwards")
    func openTwice() async throws {
        try await withTemporaryDirectory { directory in
            let first = try CloudAuthority.open(directory: directory + "/authority")
            let second = try CloudAuthority.open(directory: directory + "/authority")
            #expect(first.certificate == second.certificate)
            func mode(_ name: String) throws -> Int? {
                let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/authority" + name)
                return (attributes[.posixPermissions] as? NSNumber)?.intValue
            }
            #expect(try mode("") == 0o700)
            #expect(try mode("/ca.key") == 0o600)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: directory + "/authority").sorted() == [
                    "ca.crt", "ca.key",
                ])
            // What one issues the other verifies.
            #expect(try second.verify(first.issue(node, hosts: ["10.1.255.254"]).certificatePEM) == node)
        }
    }

    @Test("An interrupted first start is finished; a lost or foreign key is refused with the cure")
    func damaged() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try CloudAuthority.open(directory: directory + "/a")
            try FileManager.default.removeItem(atPath: directory + "/a/ca.crt")
            let finished = try CloudAuthority.open(directory: directory + "/a")
            #expect(finished.certificate.publicKey == authority.certificate.publicKey)

            _ = try CloudAuthority.open(directory: directory + "/b")
            try FileManager.default.removeItem(atPath: directory + "/b/ca.key")
            var error = #expect(throws: ServiceHostError.self) { try CloudAuthority.open(directory: directory + "/b") }
            #expect(error?.description.contains("Restore the key from a backup") == true)

            try FileManager.default.copyItem(atPath: directory + "/a/ca.key", toPath: directory + "/b/ca.key")
            error = #expect(throws: ServiceHostError.self) { try CloudAuthority.open(directory: directory + "/b") }
            #expect(error?.description.contains("do not belong together") == true)

            try Data("nonsense".utf8).write(to: URL(fileURLWithPath: directory + "/b/ca.key"))
            error = #expect(throws: ServiceHostError.self) { try CloudAuthority.open(directory: directory + "/b") }
            #expect(error?.description.contains("damaged") == true)
        }
    }

    @Test("Only its own certificates, in their time, are accepted")
    func verify() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try CloudAuthority.open(directory: directory + "/a")
            let other = try CloudAuthority.open(directory: directory + "/b")
            let issued = try authority.issue(node, hosts: ["compute-0-0.local", "10.1.255.254", "fe80::1"])
            #expect(try authority.verify(issued.certificatePEM) == node)
            #expect(throws: ServiceHostError.self) { try other.verify(issued.certificatePEM) }
            #expect(throws: ServiceHostError.self) { try authority.verify(other.issue(node, hosts: []).certificatePEM) }
            #expect(throws: ServiceHostError.self) { try authority.verify(authority.certificatePEM) }
            #expect(throws: ServiceHostError.self) { try authority.verify("no certificate") }
            let later = Date().addingTimeInterval(11 * 365 * 86400)
            #expect(throws: ServiceHostError.self) { try authority.verify(issued.certificatePEM, now: later) }
        }
    }

    @Test("An identity is kept while it fits, and issued anew when name, hosts, authority or time ask for it")
    func keptIdentity() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try CloudAuthority.open(directory: directory + "/a")
            let place = directory + "/node"
            func identity(_ hosts: [String], _ authority: CloudAuthority, now: Date = Date()) throws -> String {
                try authority.identity(for: node, hosts: hosts, directory: place, now: now).certificatePEM
            }
            let first = try identity(["127.0.0.1", "host.local"], authority)
            #expect(try identity(["127.0.0.1"], authority) == first)
            #expect(try ComponentIdentity.load(directory: place).certificatePEM == first)
            let second = try identity(["127.0.0.1", "192.0.2.1"], authority)
            #expect(second != first)
            let third = try identity(
                ["127.0.0.1"], authority, now: Date().addingTimeInterval(10 * 365 * 86400 - 30 * 86400))
            #expect(third != second)
            let other = try CloudAuthority.open(directory: directory + "/b")
            #expect(try other.verify(identity(["127.0.0.1"], other)) == node)

            #expect(throws: ServiceHostError.self) { try ComponentIdentity.load(directory: directory + "/nobody") }
        }
    }

    @Test("Component names are strict")
    func names() {
        #expect(ComponentName("node:compute-0-0")?.description == "node:compute-0-0")
        for wrong in [
            "node", "node:", "other:x", "node:a b", "node:a:b", "node:ü", "node:" + .init(repeating: "n", count: 49),
        ] {
            #expect(ComponentName(wrong) == nil, "\(wrong)")
        }
    }

    @Test("Mutual TLS: the peer is known by name; without certificate or with a foreign one the handshake fails")
    func mutualTLS() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try CloudAuthority.open(directory: directory + "/a")
            let other = try CloudAuthority.open(directory: directory + "/b")
            let whoami = Callback { _, context in
                let peer = try await context.peer()
                return Response(
                    status: .ok, body: .init(byteBuffer: ByteBuffer(string: peer?.description ?? "nobody")))
            }
            func ask(_ port: Int, _ tls: TLSConfiguration) async throws -> String {
                var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
                configuration.connectionPool.retryConnectionEstablishment = false
                return try await withClient(configuration) {
                    try await $0.get("https://localhost:\(port)/").body
                }
            }
            let mine = try authority.issue(node, hosts: []).clientTLS()
            let foreign = try other.issue(node, hosts: []).clientTLS()
            var foreignButTrusting = foreign
            foreignButTrusting.trustRoots = mine.trustRoots
            var nobody = mine
            nobody.certificateChain = []
            nobody.privateKey = nil

            let server = try authority.issue(cloud, hosts: ["127.0.0.1"])
            try await withListener(whoami, tls: server.serverTLS(clients: .required)) { port, _ in
                let answer1 = try await ask(port, mine)
                #expect(answer1 == "node:compute-0-0")
                await #expect(throws: (any Error).self) { try await ask(port, nobody) }
                await #expect(throws: (any Error).self) { try await ask(port, foreign) }
                await #expect(throws: (any Error).self) { try await ask(port, foreignButTrusting) }
                // Refusals leave the listener as it was.
                let answer2 = try await ask(port, mine)
                #expect(answer2 == "node:compute-0-0")
            }
            try await withListener(whoami, tls: server.serverTLS(clients: .optional)) { port, _ in
                let answer3 = try await ask(port, mine)
                #expect(answer3 == "node:compute-0-0")
                let answer4 = try await ask(port, nobody)
                #expect(answer4 == "nobody")
                await #expect(throws: (any Error).self) { try await ask(port, foreignButTrusting) }
            }
            try await withListener(whoami) { port, _ in
                let plain = try await withClient { try await $0.get("http://127.0.0.1:\(port)/").body }
                #expect(plain == "nobody")
            }
        }
    }
}
