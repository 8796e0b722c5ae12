import Testing

@testable import Signatures

@Suite struct SignerTests {
    static let signer = SigV4Signer(accessKeyID: "AK/ID", secret: "secret", region: "anywhere", service: "s3")
    static let host = (name: "host", value: "walrus.example:8773")
    static let now: Int64 = 1_790_000_000

    @Test func `what is signed here verifies here, for S3 and for query services`() throws {
        for (name, service) in [("s3", SignatureService.s3), ("ec2", .query)] {
            let signer = SigV4Signer(accessKeyID: "AK/ID", secret: "secret", region: "US", service: name)
            var request = SignedRequest(
                method: "POST", path: "/b/x%20y/../z", query: "b=2&a=1&a=0&empty", headers: [Self.host],
                body: Array("payload".utf8))
            request.headers += signer.headers(for: request, now: Self.now)
            let parsed = try Authentication.parse(request, service: service)
            #expect(parsed.accessKeyID == "AK/ID")
            #expect(parsed.scope?.region == "US")
            _ = try parsed.verify(secret: "secret", now: Self.now - 900)
            #expect(throws: SignatureError.self) { try parsed.verify(secret: "secret", now: Self.now + 901) }
            #expect(throws: SignatureError.self) { try parsed.verify(secret: "Secret", now: Self.now) }
        }
    }

    @Test func `a presigned URL verifies in its life time, not before, not after, and not for another method`() throws {
        let query = Self.signer.presignedQuery(
            method: "GET", host: Self.host.value, path: "/images/a%20b", query: "response-content-type=text%2Fplain",
            expires: 60, now: Self.now)
        var request = SignedRequest(method: "GET", path: "/images/a%20b", query: query, headers: [Self.host])
        let parsed = try Authentication.parse(request, service: .s3)
        #expect(parsed.scheme == .v4Presigned)
        _ = try parsed.verify(secret: "secret", now: Self.now + 60)
        #expect(throws: SignatureError.self) { try parsed.verify(secret: "secret", now: Self.now + 61) }
        #expect(throws: SignatureError.self) { try parsed.verify(secret: "secret", now: Self.now - 901) }
        request.method = "DELETE"
        let other = try Authentication.parse(request, service: .s3)
        #expect(throws: SignatureError.self) { try other.verify(secret: "secret", now: Self.now) }
    }

    @Test func `a presigned URL of more than seven days is refused`() throws {
        let query = Self.signer.presignedQuery(
            method: "GET", host: Self.host.value, path: "/b/k", expires: 604_801, now: Self.now)
        let request = SignedRequest(method: "GET", path: "/b/k", query: query, headers: [Self.host])
        let parsed = try Authentication.parse(request, service: .s3)
        #expect(throws: SignatureError.expiresOutOfRange(maximum: 604_800)) {
            try parsed.verify(secret: "secret", now: Self.now)
        }
    }

    @Test func `header and query authentication together are refused`() throws {
        let query = Self.signer.presignedQuery(
            method: "GET", host: Self.host.value, path: "/b/k", expires: 60, now: Self.now)
        var request = SignedRequest(method: "GET", path: "/b/k", query: query, headers: [Self.host])
        request.headers += Self.signer.headers(for: request, now: Self.now)
        #expect(throws: SignatureError.ambiguous) { try Authentication.parse(request, service: .s3) }
    }

    @Test func `without authentication the error says so`() {
        let request = SignedRequest(method: "GET", path: "/", headers: [Self.host])
        for service in [SignatureService.s3, .query] {
            #expect(throws: SignatureError.missing) { try Authentication.parse(request, service: service) }
            #expect(!Authentication.isSigned(request, service: service))
        }
    }

    @Test func `times are read in every notation and printed back`() {
        let instant: Int64 = 784_111_777
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
            "19941106T084937Z", "1994-11-06T08:49:37", "1994-11-06T08:49:37.123Z", "1994-11-06T09:49:37+01:00",
            "Sun, 06 Nov 1994 09:49:37 +0100",
        ] {
            #expect(Timestamp.parseHTTP(text) == instant, "\(text)")
        }
        #expect(Timestamp.http(instant) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(Timestamp.http(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(Timestamp.http(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        #expect(Timestamp.http(-1) == "Wed, 31 Dec 1969 23:59:59 GMT")
        for seconds in stride(from: Int64(-3_000_000_000), to: 9_000_000_000, by: 86_399_977) {
            #expect(Timestamp.parseISO8601(Timestamp.basic(seconds)) == seconds)
            #expect(Timestamp.parseHTTP(Timestamp.http(seconds)) == seconds)
        }
        for text in ["", "19941306T084937Z", "1994-11-06", "Sun, 06 Foo 1994 08:49:37 GMT", "yesterday"] {
            #expect(Timestamp.parseHTTP(text) == nil, "\(text)")
        }
    }

    @Test func `Base64 round-trips and refuses what is not Base64`() {
        for length in 0..<70 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        for text in ["a", "ab=c", "====", "ab c", "YQ=", "Y===", "YQ\n="] {
            #expect(Base64.decode(text) == nil, "\(text)")
        }
    }
}

/// Random and mutated requests: the parsers answer or throw, and nothing forged verifies.
@Suite struct SignatureFuzzTests {
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

    static func mutate(_ text: String, _ random: inout Generator) -> String {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0 where place < bytes.count: bytes.remove(at: place)
            case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 2 where place < bytes.count:
                bytes[place] = Array("%=&+;,:/ \0é".utf8).randomElement(using: &random) ?? 0
            default: bytes.insert(contentsOf: bytes.prefix(Int.random(in: 0...20, using: &random)), at: place)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `mutated requests never crash and never verify with a wrong secret`() throws {
        var random = Generator(state: 20_260_301)
        let now: Int64 = 1_790_000_000
        let host = (name: "host", value: "h:1")
        let signer = SigV4Signer(accessKeyID: "AK", secret: "s", region: "r", service: "s3")
        let plain = SignedRequest(method: "GET", path: "/b/k", query: "acl", headers: [host])
        let headers = signer.headers(for: plain, now: now)
        let presigned = signer.presignedQuery(method: "GET", host: "h:1", path: "/b/k", expires: 60, now: now)
        let seeds: [(query: String, authorization: String?)] = [
            ("acl", headers.last?.value), (presigned, nil), ("acl", "AWS AK:c2lnbmF0dXJl"),
            ("AWSAccessKeyId=AK&Expires=1790000100&Signature=abc", nil),
            ("AWSAccessKeyId=AK&Timestamp=2026-09-21T00:00:00Z&SignatureVersion=2&Signature=a", nil),
        ]
        var parsedCount = 0
        for round in 0..<6_000 {
            let seed = seeds[round % seeds.count]
            var request = plain
            request.query = Self.mutate(seed.query, &random)
            request.path = round % 3 == 0 ? Self.mutate("/b/k%20x", &random) : "/b/k"
            request.headers.append((name: "x-amz-date", value: headers[0].value))
            request.headers.append((name: "x-amz-content-sha256", value: emptyPayloadHash))
            if let authorization = seed.authorization {
                request.headers.append((name: "Authorization", value: Self.mutate(authorization, &random)))
            }
            for service in [SignatureService.s3, .query] {
                do throws(SignatureError) {
                    let parsed = try Authentication.parse(request, service: service)
                    parsedCount += 1
                    _ = parsed.sessionToken
                    _ = try parsed.verify(secret: "another", now: now)
                    Issue.record("a forged request verified: \(request.query)")
                } catch {
                    #expect(!error.s3Code.isEmpty && !error.ec2Code.isEmpty)
                }
            }
        }
        #expect(parsedCount > 500)
    }

    @Test func `percent-encoding round-trips every byte string`() {
        var random = Generator(state: 7)
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(PercentEncoding.decode(Array(PercentEncoding.encode(bytes).utf8)) == bytes)
            #expect(PercentEncoding.decode(Array(PercentEncoding.encode(bytes, keepingSlash: true).utf8)) == bytes)
        }
    }
}
