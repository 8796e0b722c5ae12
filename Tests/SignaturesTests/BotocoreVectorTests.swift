import Testing

@testable import Signatures

/// Literals made once with botocore 1.43 and the clock stopped at 2026-03-01T12:30:45Z.
@Suite struct BotocoreVectorTests {
    static let secret = "s3cr3t/KEY+example"
    static let now: Int64 = 1_772_368_245
    static let host = (name: "Host", value: "cloud.example:8773")
    static let s3Host = (name: "Host", value: "s3.example:8773")
    static let date = (name: "X-Amz-Date", value: "20260301T123045Z")

    static func authorization(_ service: String, _ headers: String, _ signature: String) -> (
        name: String, value: String
    ) {
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260301/eu-mallee-1/\(service)/aws4_request, "
                + "SignedHeaders=\(headers), Signature=\(signature)"
        )
    }

    static func verify(_ request: SignedRequest, _ service: SignatureService) throws -> VerifiedSignature {
        let parsed = try Authentication.parse(request, service: service)
        #expect(parsed.accessKeyID == "AKIDBOTO")
        return try parsed.verify(secret: secret, now: now)
    }

    static let form =
        "Action=RunInstances&Version=2012-12-01&ImageId=emi-12345678&UserData=a+b%2Bc%2Fd%3D%C3%A9%7E%2A&KeyName=my+key&"
        + "AWSAccessKeyId=AKIDBOTO&SignatureVersion=2&SignatureMethod=HmacSHA256&Timestamp=2026-03-01T12%3A30%3A45Z&"
        + "Signature=mrp4ly%2FHYczpQ7%2BPt9E%2BP5SH6k9jeZmyC25OChNlcQs%3D"

    static func v2(_ body: String, host: String = "cloud.example:8773") -> SignedRequest {
        SignedRequest(
            method: "POST", path: "/services/Eucalyptus/",
            headers: [
                (name: "Host", value: host),
                (name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8"),
            ], body: Array(body.utf8))
    }

    @Test func `a V2 form verifies with plus or percent-encoded blanks and in any order of parameters`() throws {
        _ = try Self.verify(Self.v2(Self.form), .query)
        _ = try Self.verify(Self.v2(Self.form.split(separator: "+").joined(separator: "%20")), .query)
        _ = try Self.verify(Self.v2(Self.form.split(separator: "&").reversed().joined(separator: "&")), .query)
        _ = try Self.verify(Self.v2(Self.form, host: "CLOUD.example:8773"), .query)
    }

    @Test func `a V2 form fails with another value, host or an unknown signature version`() throws {
        let changed = Self.form.split(separator: "emi-12345678").joined(separator: "emi-12345679")
        #expect(throws: SignatureError.self) { try Self.verify(Self.v2(changed), .query) }
        #expect(throws: SignatureError.self) { try Self.verify(Self.v2(Self.form, host: "evil.example:8773"), .query) }
        let version0 = Self.form.split(separator: "SignatureVersion=2").joined(separator: "SignatureVersion=0")
        #expect {
            try Self.verify(Self.v2(version0), .query)
        } throws: { error in
            if case SignatureError.unsupported = error { true } else { false }
        }
    }

    @Test func `V2 with HmacSHA1, Expires, and a host signed without its port`() throws {
        let base =
            "AWSAccessKeyId=AKIDBOTO&Action=DescribeInstances&Expires=2026-03-01T12%3A31%3A00Z&SignatureVersion=2"
        let text = "GET\ncloud.example\n/\n" + QueryParameters(base.utf8, plusIsSpace: false).canonical
        let signature = Base64.encode(Digests.hmacSHA1(text, key: Array(Self.secret.utf8)))
        let request = SignedRequest(
            method: "GET", path: "/", query: base + "&Signature=" + PercentEncoding.encode(signature),
            headers: [Self.host])
        _ = try Self.verify(request, .query)
        let parsed = try Authentication.parse(request, service: .query)
        #expect(throws: SignatureError.expired(at: 1_772_368_260, now: 1_772_368_261)) {
            try parsed.verify(secret: Self.secret, now: 1_772_368_261)
        }
    }

    @Test func `EC2 V4 headers and presigned query verify`() throws {
        let type = (name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8")
        var post = SignedRequest(
            method: "POST", path: "/",
            headers: [
                Self.host, type, Self.date,
                Self.authorization(
                    "ec2", "content-type;host;x-amz-date",
                    "ccb5cb0cf8e33aef64fd1d2c65013de97a90a49987887bd7b318703b3bb2cc47"),
            ], body: Array("Action=DescribeInstances&Version=2016-11-15".utf8))
        _ = try Self.verify(post, .query)
        post.body[0] = 0x62
        #expect(throws: SignatureError.self) { try Self.verify(post, .query) }

        let get = SignedRequest(
            method: "GET", path: "/services/compute//a%20b/",
            headers: [
                Self.host, Self.date,
                Self.authorization(
                    "ec2", "host;x-amz-date", "6f754dcd75541c8070501b8fc86a7ec1a319e7d23bd6a09219a3096ad4378e12"),
            ])
        _ = try Self.verify(get, .query)

        let presigned = SignedRequest(
            method: "GET", path: "/",
            query: "Action=DescribeRegions&Version=2016-11-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&"
                + "X-Amz-Credential=AKIDBOTO%2F20260301%2Feu-mallee-1%2Fec2%2Faws4_request&X-Amz-Date=20260301T123045Z&"
                + "X-Amz-Expires=3600&X-Amz-SignedHeaders=host&"
                + "X-Amz-Signature=91985fc22a7008557a05a87dbb81387f393c4fb3b7a1ae8f07b3caf42b2d9fbe",
            headers: [Self.host])
        _ = try Self.verify(presigned, .query)
    }

    @Test func `S3 V4 headers and presigned query verify over the path as sent`() throws {
        let put = SignedRequest(
            method: "PUT", path: "/bucket/a//b%20c/%C3%A9%2Bx", query: "uploads&prefix=a%2Fb%20c",
            headers: [
                Self.s3Host, Self.date, (name: "x-amz-meta-name", value: "  two   words "),
                (name: "Content-Type", value: "text/plain"),
                (
                    name: "X-Amz-Content-SHA256",
                    value: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
                ),
                Self.authorization(
                    "s3", "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-name",
                    "c06892fd2240f6d55a788b9aa7c7d76c1e4d01bc7e06af17ad2bf51406807075"),
            ])
        guard case .sha256(let hash) = try Self.verify(put, .s3).payload else {
            Issue.record("the payload hash is not asked for")
            return
        }
        #expect(hash == sha256Hexadecimal(Array("hello".utf8)))
        var unsigned = put
        unsigned.headers.append((name: "x-amz-acl", value: "public-read"))
        #expect(throws: SignatureError.unsignedHeader("x-amz-acl")) { try Self.verify(unsigned, .s3) }

        let get = SignedRequest(
            method: "GET", path: "/bucket/dir/k%20%26%2B%C3%BC.txt",
            query:
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260301%2Feu-mallee-1%2Fs3%2Faws4_request"
                + "&X-Amz-Date=20260301T123045Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&"
                + "X-Amz-Signature=d93a5140a20e15d04a6d54edfb778d9fcdf7c4a8aa608e30eae5293367bfe388",
            headers: [Self.s3Host])
        _ = try Self.verify(get, .s3)
        var lower = get
        lower.path = "/bucket/dir/k%20%26%2b%c3%bc.txt"
        _ = try Self.verify(lower, .s3)
    }

    @Test func `S3 V2 header and query verify`() throws {
        let put = SignedRequest(
            method: "PUT", path: "/bucket/a%20b", query: "partNumber=2&uploadId=x%2Fy&other=1",
            headers: [
                Self.s3Host, (name: "x-amz-meta-b", value: "2"), (name: "x-amz-acl", value: "private"),
                (name: "Content-Type", value: "text/plain"), (name: "Content-MD5", value: "SfaKXISt+yEx1pMv2RHSAg=="),
                (name: "Date", value: "Sun, 01 Mar 2026 12:30:45 GMT"),
                (name: "Authorization", value: "AWS AKIDBOTO:WnlZeRHOFeE1ctGR4aqphRI6/8s="),
            ])
        _ = try Self.verify(put, .s3)
        let get = SignedRequest(
            method: "GET", path: "/bucket/a%20b",
            query:
                "versionId=abc&AWSAccessKeyId=AKIDBOTO&Signature=jKdejDD4I3Wx1r4skfeFq%2BYLph4%3D&Expires=1772371845",
            headers: [Self.s3Host])
        _ = try Self.verify(get, .s3)
    }

    @Test func `S3 V2 presigned by boto 2.49, which signs headers that it moves into the query`() throws {
        let path = "/services/Walrus/boto2/plain"
        var request = SignedRequest(
            method: "GET", path: path,
            query: "Signature=aTvkeKQoy03VDhf%2Bm1xWVBaSKN0%3D&Expires=1795234580&AWSAccessKeyId=AKUSER&x-amz-meta-x=y",
            headers: [Self.s3Host], resources: [path, "/boto2/plain"])
        _ = try Authentication.parse(request, service: .s3).verify(secret: "usersecret", now: 1_795_234_580)
        request.query = String(request.query.dropLast()) + "z"
        let changed = try Authentication.parse(request, service: .s3)
        #expect(throws: SignatureError.self) { try changed.verify(secret: "usersecret", now: 1_795_234_580) }
    }
}
