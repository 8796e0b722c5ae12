import ClusterController
import Contracts
import Foundation
import NodeController
import Posix
import TLS
import Testing
import XML

/// The enrolment listener answers anybody: whatever comes, it must answer, stay well, and let nobody in.
@Suite("Whoever reaches the enrolment port", .timeLimit(.minutes(10)))
struct HostileTests {
    private func envelope<Message: ContractMessage>(_ message: Message) -> [UInt8] {
        var writer = XMLWriter()
        writer.open("soap:Envelope", [(name: "xmlns:soap", value: "http://schemas.xmlsoap.org/soap/envelope/")])
        writer.open("soap:Body")
        message.write(to: &writer, as: Message.qualifiedName)
        writer.close()
        writer.close()
        return writer.bytes
    }

    @Test("mutated messages are answered with faults, and issue nothing")
    func mutations() async throws {
        try await withZone { zone in
            var random = SeededGenerator(seed: 7)
            let nonce = try await zone.service.beginEnrolment(.init(nodeName: "n")).serverNonce
            let good = try EnrolmentTests.call(zone, "n", nonce: nonce, key: ComponentKey.create())
            var wrong = good
            wrong.proof[0] ^= 1
            let seeds = [
                envelope(EnrolmentContract.BeginEnrolmentRequest(nodeName: "n")), envelope(wrong),
                Array("<Enrol xmlns='urn:mallee:contract:enrolment:1'/>".utf8), [],
            ]
            for round in 0..<3000 {
                var bytes = seeds[round % seeds.count]
                for _ in 0..<Int.random(in: 0...6, using: &random) {
                    let position = Int.random(in: 0...bytes.count, using: &random)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0 where position < bytes.count:
                        bytes[position] = UInt8.random(in: .min ... .max, using: &random)
                    case 1 where position < bytes.count: bytes.remove(at: position)
                    case 2: bytes.insert(UInt8.random(in: 32...126, using: &random), at: position)
                    default: bytes = Array(bytes.prefix(position)) + bytes.suffix(bytes.count / 2)
                    }
                }
                let reply = await EnrolmentContract.dispatch(body: bytes, soapAction: nil, service: zone.service)
                #expect(reply.status == 200 || reply.status == 500)
                #expect(reply.status == 500 || reply.operation == "BeginEnrolment", "only a nonce is for everybody")
            }
            #expect(try await zone.controller.describeNodes(.init()) == .init())
            // The nonce was not used up by all that.
            #expect(try await zone.service.enrol(good).outcome == .issued)
        }
    }

    @Test("every field of a request is under the proof")
    func everyFieldCounts() async throws {
        try await withZone { zone in
            let nonce = try await zone.service.beginEnrolment(.init(nodeName: "n")).serverNonce
            let good = try EnrolmentTests.call(zone, "n", nonce: nonce, key: ComponentKey.create())
            var changes: [EnrolmentContract.EnrolRequest] = []
            func change(_ edit: (inout EnrolmentContract.EnrolRequest) throws -> Void) rethrows {
                var request = good
                try edit(&request)
                changes.append(request)
            }
            change { $0.address = "127.0.0.1" }
            try change { $0.publicKey = try ComponentKey.publicKey(of: ComponentKey.create()) }
            change { $0.nodeNonce[31] ^= 0x80 }
            change { $0.proof[31] ^= 1 }
            change { $0.proof.removeLast() }
            change { $0.proof = [] }
            for request in changes {
                await EnrolmentTests.refuses(.secret) { _ = try await zone.service.enrol(request) }
            }
            #expect(try await zone.service.enrol(good).outcome == .issued)
        }
    }

    @Test("names, keys and addresses that cannot be are refused, also with the right secret")
    func badFields() async throws {
        try await withZone { zone in
            for name in ["", "a b", String(repeating: "n", count: 49), "n/../m", "n\u{0}", "ü", "n\n"] {
                await #expect(throws: ServiceFault.self) {
                    try await zone.service.beginEnrolment(.init(nodeName: name))
                }
            }
            func ask(address: String?, key: [UInt8]) async throws {
                let nonce = try await zone.service.beginEnrolment(.init(nodeName: "n")).serverNonce
                let nodeNonce = [UInt8](repeating: 1, count: 32)
                let proof = HMACSHA256.authenticate(
                    EnrolmentProof.request(
                        nodeName: "n", address: address, publicKey: key, serverNonce: nonce, nodeNonce: nodeNonce,
                        serverCertificateDigest: zone.serverDigest), key: EnrolmentZone.secret)
                _ = try await zone.service.enrol(
                    .init(
                        nodeName: "n", address: address, publicKey: key, serverNonce: nonce, nodeNonce: nodeNonce,
                        proof: proof))
            }
            let key = try ComponentKey.publicKey(of: ComponentKey.create())
            for bad in [[], [0x30], Array(key.dropLast()), Array(repeating: UInt8(0), count: key.count)] {
                await #expect(throws: ServiceFault.self) { try await ask(address: nil, key: bad) }
            }
            for bad in ["", "a b", "..", "http://x", String(repeating: "a", count: 300)] {
                await #expect(throws: ServiceFault.self) { try await ask(address: bad, key: key) }
            }
            for good in ["10.1.1.1", "fe80::1", "compute-0-0.local"] { try await ask(address: good, key: key) }
        }
    }

    @Test("secrets and fingerprints are read as they are handed out, and nothing else is taken for one")
    func files() throws {
        let digest = [UInt8](repeating: 0xAB, count: 32)
        #expect(AuthorityFingerprint.parse(" sha256:" + String(repeating: "ab", count: 32) + "\n") == digest)
        #expect(AuthorityFingerprint.parse("SHA256:" + String(repeating: "AB:", count: 31) + "AB") == digest)
        #expect(AuthorityFingerprint.parse(AuthorityFingerprint.text(digest)) == digest)
        for bad in ["", "sha256:", "sha1:00", "sha256:" + String(repeating: "ab", count: 31), "sha256:zz"] {
            #expect(AuthorityFingerprint.parse(bad) == nil)
        }
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...90, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            _ = AuthorityFingerprint.parse(String(decoding: bytes, as: UTF8.self))
            #expect(throws: TLSError.self) { try ComponentKey.publicKey(of: bytes) }
            #expect(throws: TLSError.self) { try ComponentKey.check(certificate: bytes, key: bytes, authority: bytes) }
        }
    }

    @Test("an identity that a crash left in the middle is gone on with, and another cloud's is given up")
    func identities() async throws {
        try await withZone { zone in
            let key = try ComponentKey.create()
            let files = NodeIdentityFiles(directory: zone.directory + "/i")
            #expect(try files.state() == .absent)
            try files.begin(key: key)
            #expect(try files.state() == .keyOnly(key))
            let issued = try await enrolled(zone.request("n", key: key))
            try FileSystem.write(files.certificate, issued.certificate)
            #expect(try files.state() == .keyOnly(key), "the authority is missing")
            try files.complete(certificate: issued.certificate, authority: issued.authority)
            let fingerprint = try zone.fingerprint()
            #expect(try files.state() == .complete(name: "node:n", authorityFingerprint: fingerprint))
            // Another key beside this certificate, as nobody should leave it.
            try FileSystem.write(files.key, ComponentKey.create(), permissions: 0o600)
            guard case .keyOnly = try files.state() else { throw TestFailure("a certificate of another key counts") }

            // Told to trust another authority, or called otherwise, the node enrols anew.
            try files.begin(key: key)
            try files.complete(certificate: issued.certificate, authority: issued.authority)
            var settings = try settings(zone, "n", secretFile: "/nonexistent")
            settings.directory = files.directory
            #expect(try Enroller(settings: settings, log: .quiet()).isEnrolled())
            settings.nodeName = "m"
            #expect(try !Enroller(settings: settings, log: .quiet()).isEnrolled())
            settings.nodeName = "n"
            settings.fingerprint = "sha256:" + String(repeating: "00", count: 32)
            #expect(try !Enroller(settings: settings, log: .quiet()).isEnrolled())
            settings.endpoint = nil
            #expect(try Enroller(settings: settings, log: .quiet()).isEnrolled(), "an identity made by hand")
        }
    }
}
