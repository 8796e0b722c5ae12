import Testing
import XML

@testable import WSSecurity

@Suite struct VerificationTests {
    @Test(arguments: [
        "wss4j", "sha256", "inclusive", "notransform", "prefixes", "comments", "keyid", "thumb", "x509data",
    ])
    func `messages that xmlsec signed are good`(name: String) throws {
        let verified = try Recorded.check(try Recorded.text(name))
        #expect(verified.body.children.first?.localName == "RunInstances")
        #expect(verified.created == 1_795_233_600)
        #expect(verified.goodUntil == 1_795_233_900)
    }

    @Test func `a message says which certificate it is signed with`() throws {
        let message = try SignedMessage.parse(try Recorded.bytes("wss4j"), policy: WSSecurityPolicy())
        #expect(message.fingerprint.count == 32)
        #expect(message.certificate.first == 0x30)
        #expect(message.body.namespace == "http://schemas.xmlsoap.org/soap/envelope/")
    }

    @Test(arguments: [("expiredcert", "expired"), ("futurecert", "not valid yet")])
    func `a certificate counts in its time only`(name: String, word: String) throws {
        let error = #expect(throws: WSSecurityError.self) { try Recorded.check(try Recorded.text(name)) }
        guard case .certificate(let text)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text.contains(word))
    }

    @Test(arguments: [("nobody", "Body"), ("nots", "Timestamp"), ("otherkey", "another key")])
    func `what is not signed, or by another key, is refused`(name: String, word: String) throws {
        let error = #expect(throws: WSSecurityError.self) { try Recorded.check(try Recorded.text(name)) }
        guard case .mismatch(let text)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text.contains(word))
    }

    @Test func `a message is good for its time and no longer than the policy`() throws {
        let message = try Recorded.text("wss4j")
        #expect(throws: Never.self) { try Recorded.check(message, now: 1_795_233_899) }
        for (now, isExpired) in [(1_795_233_900, true), (1_795_233_299, false)] as [(Int64, Bool)] {
            let error = #expect(throws: WSSecurityError.self) { try Recorded.check(message, now: now) }
            switch error {
            case .expired?: #expect(isExpired)
            case .notYetValid?: #expect(!isExpired)
            default: Issue.record("\(String(describing: error))")
            }
        }
        let endless = try Recorded.text("noexpires")
        #expect(throws: Never.self) { try Recorded.check(endless, now: 1_795_234_199) }
        #expect(throws: WSSecurityError.self) { try Recorded.check(endless, now: 1_795_234_200) }
    }

    @Test(arguments: [
        (">ami-12345678<", ">ami-12345679<"), ("<minCount>1<", "<minCount>2<"), ("<groupSet/>", ""),
        ("04:05:00", "05:05:00"), ("<?pi x?>", "<?pi y?>"), ("xml:space=\"preserve\"", ""),
        ("<minCount>1</minCount>", "<minCount>1</minCount> "), ("xmlns:x=\"urn:x\"", "xmlns:x=\"urn:y\""),
    ])
    func `any change of what is signed is found`(old: String, new: String) throws {
        let changed = try Recorded.text("wss4j").replacing(first: old, by: new)
        let error = #expect(throws: WSSecurityError.self) { try Recorded.check(changed) }
        guard case .mismatch? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a comment changes neither the signature nor what is read`() throws {
        let changed = try Recorded.text("wss4j").replacing(first: "ami-12345678", by: "ami-1<!-- x -->2345678")
        let verified = try Recorded.check(changed)
        #expect(verified.body.children.first?.child("imageId")?.text == "ami-12345678")
    }
}

/// Signature wrapping: the signed elements are all there and unchanged, but what is obeyed would be something else.
@Suite struct WrappingTests {
    private static func body(_ message: String) throws -> String {
        try message.piece(from: "<soapenv:Body", to: "</soapenv:Body>")
    }

    private static func evil(id: String) -> String {
        "<soapenv:Body xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\""
            + " wsu:Id=\"\(id)\"><TerminateInstances/></soapenv:Body>"
    }

    @Test(arguments: ["id-1", "id-2"]) func `the signed body moved into the header`(id: String) throws {
        let message = try Recorded.text("wss4j")
        let body = try Self.body(message)
        let moved = try message.replacing(first: body, by: Self.evil(id: id))
            .replacing(first: "</soapenv:Header>", by: "<wrapper>\(body)</wrapper></soapenv:Header>")
        #expect(throws: WSSecurityError.self) { try Recorded.check(moved) }
    }

    @Test(arguments: ["id-1", "id-2"]) func `the signed body inside another`(id: String) throws {
        let message = try Recorded.text("wss4j")
        let body = try Self.body(message)
        let wrapped = try message.replacing(
            first: body, by: Self.evil(id: id).replacing(first: "<TerminateInstances/>", by: "<x>\(body)</x>"))
        #expect(throws: WSSecurityError.self) { try Recorded.check(wrapped) }
    }

    @Test(arguments: [true, false]) func `two bodies`(evilFirst: Bool) throws {
        let message = try Recorded.text("wss4j")
        let body = try Self.body(message)
        let evil = Self.evil(id: "id-2")
        let both = try message.replacing(first: body, by: evilFirst ? evil + body : body + evil)
        #expect(throws: WSSecurityError.self) { try Recorded.check(both) }
    }

    @Test func `a second timestamp, signature or Security header`() throws {
        let message = try Recorded.text("wss4j")
        let timestamp = try message.piece(from: "<wsu:Timestamp", to: "</wsu:Timestamp>")
        let signature = try message.piece(from: "<ds:Signature ", to: "</ds:Signature>")
        let security = try message.piece(from: "<wsse:Security ", to: "</wsse:Security>")
        let fresh = try timestamp.replacing(first: "TS-1", by: "TS-2")
        for (old, new) in [
            (timestamp, fresh + timestamp), (signature, signature + signature), (security, security + security),
        ] {
            let doubled = try message.replacing(first: old, by: new)
            #expect(throws: WSSecurityError.self) { try Recorded.check(doubled) }
        }
        // The signed timestamp put aside, and an unsigned one in its place.
        let aside = try message.replacing(first: timestamp, by: fresh)
            .replacing(first: "</soapenv:Header>", by: "<aside>\(timestamp)</aside></soapenv:Header>")
        #expect(throws: WSSecurityError.self) { try Recorded.check(aside) }
    }

    @Test func `an id that stands twice, in any spelling`() throws {
        let message = try Recorded.text("wss4j")
        for spelling in ["Id", "ID", "xml:id", "wsu:Id"] {
            let doubled = try message.replacing(
                first: "</soapenv:Header>",
                by: "<other xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/"
                    + "oasis-200401-wss-wssecurity-utility-1.0.xsd\" \(spelling)=\"id-1\"/></soapenv:Header>")
            let error = #expect(throws: WSSecurityError.self) { try Recorded.check(doubled) }
            guard case .ambiguous? = error else {
                Issue.record("\(spelling): \(String(describing: error))")
                return
            }
        }
    }

    @Test func `a certificate outside of the Security header`() throws {
        let message = try Recorded.text("wss4j")
        let token = try message.piece(from: "<wsse:BinarySecurityToken", to: "</wsse:BinarySecurityToken>")
        let moved = try message.replacing(first: token, by: "").replacing(
            first: "<soapenv:Header>",
            by: "<soapenv:Header><h xmlns:wsse=\"http://docs.oasis-open.org/wss/2004/01/"
                + "oasis-200401-wss-wssecurity-secext-1.0.xsd\">\(token)</h>")
        #expect(throws: WSSecurityError.self) { try Recorded.check(moved) }
    }

    @Test(arguments: [
        ("#rsa-sha1", "#hmac-sha1"), ("xmldsig#sha1", "xmldsig-more#md5"), ("2001/10/xml-exc-c14n#", "1999/xslt"),
        ("URI=\"#id-1\"", "URI=\"\""), ("URI=\"#id-1\"", "URI=\"http://example.org/\""),
        ("URI=\"#id-1\"", "URI=\"#xpointer(/)\""), ("#X509v3\" wsu", "#PKCS7\" wsu"),
        ("<ds:KeyInfo>", "<ds:KeyInfo><x/>"),
        ("soapenv:mustUnderstand=\"1\"", "soapenv:mustUnderstand=\"1\" soapenv:actor=\"urn:else\""),
    ])
    func `algorithms, references and tokens that are not taken`(old: String, new: String) throws {
        let changed = try Recorded.text("wss4j").replacing(first: old, by: new)
        #expect(throws: WSSecurityError.self) { try Recorded.check(changed) }
    }

    @Test func `a header that must be understood and is not`() throws {
        let message = try Recorded.text("wss4j").replacing(
            first: "<soapenv:Header>",
            by: "<soapenv:Header><a:To xmlns:a=\"urn:a\" soapenv:mustUnderstand=\"1\">x</a:To>")
        let error = #expect(throws: WSSecurityError.self) { try Recorded.check(message) }
        guard case .notUnderstood? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        let optional = try message.replacing(first: "<a:To xmlns:a=\"urn:a\" soapenv:mustUnderstand=\"1\">", by: "<To>")
            .replacing(first: "</a:To>", by: "</To>")
        #expect(throws: Never.self) { try Recorded.check(optional) }
    }
}
