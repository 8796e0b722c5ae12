import Testing
import XML

@testable import WSSecurity

@Suite struct HostileTests {
    @Test(arguments: [
        "", "x", "<a/>", "<Envelope/>", "{}", "<?xml version=\"1.0\"?>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"/>",
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body/></e:Envelope>",
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Header/><e:Body/></e:Envelope>",
        "<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\"><e:Header/><e:Body/></e:Envelope>",
    ])
    func `what is no signed envelope is refused`(text: String) {
        #expect(throws: WSSecurityError.self) { try Recorded.check(text) }
    }

    @Test func `size, depth, numbers of elements and attributes are bounded`() throws {
        let policy = WSSecurityPolicy()
        let many = String(repeating: "<a>", count: 10_000)
        let wide = "<a>" + String(repeating: "<b/>", count: 60_000) + "</a>"
        let attributes = "<a " + (0..<1000).map { "a\($0)=\"\"" }.joined(separator: " ") + "/>"
        let instructions = "<a>" + String(repeating: "<?b?>", count: 60_000) + "</a>"
        let huge = "<a b=\"" + String(repeating: "x", count: 2 << 20) + "\"/>"
        let encodings = ["\u{FEFF}\u{FEFF}<a/>", "<?xml version=\"1.0\" encoding=\"EBCDIC\"?><a/>"]
        for text in [many, wide, attributes, instructions, huge] + encodings {
            #expect(throws: WSSecurityError.self) { try SignedMessage.parse(Array(text.utf8), policy: policy) }
        }
        let sixteen: [UInt8] = try Recorded.bytes("wss4j").flatMap { [0, $0] }
        #expect(throws: WSSecurityError.self) { try SignedMessage.parse(sixteen, policy: policy) }
    }

    // Ten seeds of a thousand. What is still accepted must say the same as before.
    @Test(arguments: Array(1...10) as [UInt64])
    func `ten thousand mutations of a signed message are refused or mean the same`(seed: UInt64) throws {
        let original = try Recorded.bytes("wss4j")
        let policy = WSSecurityPolicy()
        let body = try SignedMessage.parse(original, policy: policy).verify(now: Recorded.now, policy: policy).body
        let meaning = XMLCanonicalForm(.exclusive(inclusivePrefixes: [])).bytes(of: body, within: [])
        var generator = Generator(state: seed &* 0x9E37_79B9_7F4A_7C15)
        for _ in 0..<1000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &generator) { Self.mutate(&bytes, using: &generator) }
            do throws(WSSecurityError) {
                let verified = try SignedMessage.parse(bytes, policy: policy).verify(now: Recorded.now, policy: policy)
                #expect(XMLCanonicalForm.exclusive.bytes(of: verified.body, within: []) == meaning)
            } catch {
                #expect(!error.message.isEmpty && error.message.utf8.count < 1000)
            }
        }
    }

    private static let pieces = [
        "<a>", "</a>", "<!--", "-->", "<![CDATA[", "]]>", "&amp;", "&#0;", "&b;", "<!DOCTYPE a>", " Id=\"id-1\"",
        "wsu:Id=\"TS-1\"", "xmlns=\"\"", "soapenv:Body", "ds:Reference", "=", "\u{0}", "😀", "<?p?>", "#id-1", "#TS-1",
    ]

    private static func mutate(_ bytes: inout [UInt8], using generator: inout Generator) {
        guard !bytes.isEmpty else { return }
        let position = Int.random(in: 0..<bytes.count, using: &generator)
        let end = min(bytes.count, position + Int.random(in: 1...200, using: &generator))
        switch Int.random(in: 0..<7, using: &generator) {
        case 0: bytes[position] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2: bytes.removeSubrange(position..<end)
        case 3: bytes.insert(contentsOf: bytes[position..<end], at: Int.random(in: 0..<bytes.count, using: &generator))
        case 4:
            bytes.insert(
                contentsOf: Self.pieces[Int.random(in: 0..<pieces.count, using: &generator)].utf8, at: position)
        case 5: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
        default:
            let other = Int.random(in: 0..<bytes.count, using: &generator)
            bytes.swapAt(position, other)
        }
    }

    /// SplitMix64.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }
}

@Suite struct ReplayCacheTests {
    private static func message(_ number: Int, created: Int64 = 1000, until: Int64 = 1300) -> VerifiedMessage {
        VerifiedMessage(
            body: XMLElement(localName: "Body"),
            identity: (0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 4 * 8)) },
            created: created, goodUntil: until)
    }
    private static let one = [UInt8](repeating: 1, count: 32)
    private static let two = [UInt8](repeating: 2, count: 32)

    @Test func `a message is admitted once`() throws {
        let cache = ReplayCache(startedAt: 900)
        try cache.admit(Self.message(1), fingerprint: Self.one, now: 1000)
        try cache.admit(Self.message(2), fingerprint: Self.one, now: 1000)
        #expect(throws: WSSecurityError.replayed) {
            try cache.admit(Self.message(1), fingerprint: Self.one, now: 1299)
        }
    }

    @Test func `what was made before the start is refused, since it may have been seen`() {
        let cache = ReplayCache(startedAt: 1001)
        let error = #expect(throws: WSSecurityError.self) {
            try cache.admit(Self.message(1), fingerprint: Self.one, now: 1001)
        }
        guard case .expired? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `it is bounded, forgets nothing before its time, and nobody fills it alone`() throws {
        let cache = ReplayCache(startedAt: 900, capacity: 10)
        for number in 0..<5 { try cache.admit(Self.message(number), fingerprint: Self.one, now: 1000) }
        #expect(throws: WSSecurityError.overloaded) {
            try cache.admit(Self.message(5), fingerprint: Self.one, now: 1001)
        }
        for number in 5..<10 { try cache.admit(Self.message(number), fingerprint: Self.two, now: 1002) }
        #expect(throws: WSSecurityError.overloaded) {
            try cache.admit(Self.message(10), fingerprint: Self.two, now: 1003)
        }
        #expect(cache.count == 10)
        // They are over.
        try cache.admit(Self.message(11, created: 1290, until: 1600), fingerprint: Self.one, now: 1300)
        #expect(cache.count == 1)
    }
}
