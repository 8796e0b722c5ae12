import Contracts
import Testing

@Suite("What an enrolment's proofs are made over")
struct ProofTests {
    private struct Fields: Hashable {
        var name: String
        var address: String?
        var key: [UInt8]
        var server: [UInt8]
        var node: [UInt8]
        var digest = [UInt8](repeating: 7, count: 32)

        var bytes: [UInt8] {
            EnrolmentProof.request(
                nodeName: name, address: address, publicKey: key, serverNonce: server, nodeNonce: node,
                serverCertificateDigest: digest)
        }
    }

    @Test("the bytes are those that the contract describes")
    func layout() {
        let bytes = Fields(name: "ab", address: nil, key: [1], server: [2, 3], node: []).bytes
        #expect(
            bytes == Array("mallee-enrolment-1".utf8) + [0, 0, 0, 2] + Array("ab".utf8) + [0, 0, 0, 0]
                + [0, 0, 0, 1, 1] + [0, 0, 0, 2, 2, 3] + [0, 0, 0, 0] + [UInt8](repeating: 7, count: 32))
    }

    @Test("different fields never give the same bytes, wherever they are cut")
    func injective() {
        var random = SeededGenerator(seed: 1)
        var seen: [[UInt8]: Fields] = [:]
        for _ in 0..<5000 {
            func some() -> [UInt8] {
                (0..<Int.random(in: 0...3, using: &random)).map { _ in UInt8.random(in: 97...98, using: &random) }
            }
            let address = some()
            let fields = Fields(
                name: String(decoding: some(), as: UTF8.self), address: String(decoding: address, as: UTF8.self),
                key: some(), server: some(), node: some())
            if let other = seen[fields.bytes] { #expect(other == fields) }
            seen[fields.bytes] = fields
        }
        #expect(seen.count > 1000)
    }

    @Test("an answer's proof is none for a request")
    func directions() {
        let request = Fields(name: "n", address: "", key: [1], server: [2], node: [3]).bytes
        let answer = EnrolmentProof.answer(
            nodeName: "n", publicKey: [1], serverNonce: [2], nodeNonce: [3], outcome: .issued, certificate: nil,
            authority: nil, serverCertificateDigest: [UInt8](repeating: 7, count: 32))
        #expect(request != answer && !answer.starts(with: request.prefix(19)))
    }
}

/// Random numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
