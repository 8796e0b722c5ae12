import Testing

@testable import Signatures

/// The signature was made with boto 2.49 (`QuerySignatureV1AuthHandler`).
@Suite struct SigV1Tests {
    static let form =
        "Action=RunInstances&Version=2008-12-01&ImageId=emi-12345678&MinCount=1&MaxCount=1&"
        + "UserData=a+b%2Bc%2Fd%3D%C3%A9~%2A&SecurityGroup.1=default&addressingType=public&AWSAccessKeyId=AKIDBOTO&"
        + "SignatureVersion=1&Timestamp=2026-03-01T12%3A30%3A45&Signature="
    static let signature = "hIFAN2M4otiPk%2FYhHybYwD5Bdd4%3D"

    static func post(_ body: String) -> SignedRequest {
        SignedRequest(
            method: "POST", path: "/services/Eucalyptus",
            headers: [(name: "Content-Type", value: "application/x-www-form-urlencoded")], body: Array(body.utf8))
    }

    static func verify(
        _ request: SignedRequest, now: Int64 = BotocoreVectorTests.now, policy: SignaturePolicy = SignaturePolicy()
    ) throws {
        let parsed = try Authentication.parse(request, service: .query)
        #expect(parsed.scheme == .v1Query)
        _ = try parsed.verify(secret: BotocoreVectorTests.secret, now: now, policy: policy)
    }

    @Test func `a form of boto 2 verifies, by GET as well, in any order, with and without padding`() throws {
        let whole = Self.form + Self.signature
        try Self.verify(Self.post(whole))
        try Self.verify(SignedRequest(method: "GET", path: "/", query: whole, headers: []))
        try Self.verify(Self.post(whole.split(separator: "&").reversed().joined(separator: "&")))
        try Self.verify(Self.post(Self.form + String(Self.signature.dropLast(3))))
        try Self.verify(Self.post(whole.split(separator: "a+b").joined(separator: "a%20b")))
    }

    @Test func `names are sorted without regard to case`() {
        let parameters = QueryParameters("b=1&A=2&a.1=3&C=4".utf8, plusIsSpace: true)
        #expect(SigV1.stringToSign(parameters) == Array("A2a.13b1C4".utf8))
    }

    @Test func `a changed value, another secret and a late request are refused`() throws {
        let changed = Self.form.split(separator: "emi-12345678").joined(separator: "emi-12345679") + Self.signature
        #expect(throws: SignatureError.mismatch(stringToSign: "", canonicalRequest: "")) {
            try Self.verify(Self.post(changed))
        }
        let parsed = try Authentication.parse(Self.post(Self.form + Self.signature), service: .query)
        #expect(throws: SignatureError.self) { try parsed.verify(secret: "other", now: BotocoreVectorTests.now) }
        #expect(throws: SignatureError.self) {
            try Self.verify(Self.post(Self.form + Self.signature), now: BotocoreVectorTests.now + 901)
        }
        try Self.verify(Self.post(Self.form + Self.signature), now: BotocoreVectorTests.now + 900)
        try Self.verify(
            Self.post(Self.form + Self.signature), now: BotocoreVectorTests.now + 3600,
            policy: SignaturePolicy(allowedSkew: 3600))
    }

    @Test func `it can be switched off`() throws {
        #expect {
            try Self.verify(Self.post(Self.form + Self.signature), policy: SignaturePolicy(acceptsVersion1: false))
        } throws: { error in
            if case SignatureError.unsupported = error { true } else { false }
        }
    }
}
