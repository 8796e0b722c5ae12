import Testing

@testable import Signatures

/// Values from Amazon's documentation: S3 API Reference ("Examples: Signature Calculations"), S3 Developer Guide
/// ("Signing and authenticating REST requests"), General Reference (Signature Version 2 and 4, the V4 test suite).
@Suite struct PublishedVectorTests {
    static let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    static let id = "AKIAIOSFODNN7EXAMPLE"
    static let s3Host = "examplebucket.s3.amazonaws.com"

    static func v4(_ headers: String, _ signature: String) -> String {
        "AWS4-HMAC-SHA256 Credential=\(id)/20130524/us-east-1/s3/aws4_request,SignedHeaders=\(headers),"
            + "Signature=\(signature)"
    }

    static func check(
        _ request: SignedRequest, _ service: SignatureService, secret: String = secret, at: String
    ) throws -> VerifiedSignature {
        let now = try #require(Timestamp.parseISO8601(at))
        return try Authentication.parse(request, service: service).verify(secret: secret, now: now)
    }

    @Test(
        arguments: [
            (
                "GET", "/test.txt", "",
                [
                    ("range", "bytes=0-9"),
                    ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                ], "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            (
                "PUT", "/test%24file.text", "",
                [
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ], "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
            ),
            (
                "GET", "/", "lifecycle",
                [("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")],
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
            ),
            (
                "GET", "/", "max-keys=2&prefix=J",
                [("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")],
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
            ),
        ] as [(String, String, String, [(String, String)], String)])
    func `S3 V4 header examples verify, and fail with one bit changed`(
        method: String, path: String, query: String, extra: [(String, String)], signature: String
    ) throws {
        var headers = extra.map { (name: $0.0, value: $0.1) }
        headers.append((name: "Host", value: Self.s3Host))
        headers.append((name: "x-amz-date", value: "20130524T000000Z"))
        let names = headers.map { lowercasedASCII($0.name) }.sorted().joined(separator: ";")
        var request = SignedRequest(method: method, path: path, query: query, headers: headers)
        request.headers.append((name: "Authorization", value: Self.v4(names, signature)))
        _ = try Self.check(request, .s3, at: "20130524T000000Z")
        request.path += "x"
        #expect(throws: SignatureError.self) { try Self.check(request, .s3, at: "20130524T000000Z") }
    }

    @Test func `S3 V4 presigned example verifies until it expires`() throws {
        let request = SignedRequest(
            method: "GET", path: "/test.txt",
            query: "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3"
                + "%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&"
                + "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
            headers: [(name: "host", value: Self.s3Host)])
        _ = try Self.check(request, .s3, at: "20130524T235959Z")
        #expect(throws: SignatureError.expired(at: 1_369_440_000, now: 1_369_440_001)) {
            try Self.check(request, .s3, at: "20130525T000001Z")
        }
    }

    @Test func `S3 V4 chunked upload example verifies chunk by chunk`() throws {
        let headers: [(name: String, value: String)] = [
            ("Host", "s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", "66560"),
            ("Content-Length", "66824"), ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            (
                "Authorization",
                Self.v4(
                    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
                        + "x-amz-storage-class", "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
            ),
        ]
        let request = SignedRequest(method: "PUT", path: "/examplebucket/chunkObject.txt", headers: headers)
        guard
            case .signedChunks(var verifier, let hasTrailer) = try Self.check(request, .s3, at: "20130524T000000Z")
                .payload
        else {
            Issue.record("not taken as signed chunks")
            return
        }
        #expect(!hasTrailer)
        let data = [UInt8](repeating: 0x61, count: 66_560)
        data[..<65_536].withUnsafeBytes { verifier.update($0) }
        var wrong = verifier
        let check1 = !wrong.finish(signature: "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497")
        #expect(check1)
        let check2 = verifier.finish(signature: "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")
        #expect(check2)
        data[65_536...].withUnsafeBytes { verifier.update($0) }
        let check3 = verifier.finish(signature: "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497")
        #expect(check3)
        let check4 = verifier.finish(signature: "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
        #expect(check4)
    }

    @Test(
        arguments: [
            ("GET", "/", "", [], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "GET", "/", "Param2=value2&Param1=value1", [], "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
            ),
            (
                "POST", "/", "", [("Content-Type", "application/x-www-form-urlencoded")], "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
            ),
            ("GET", "//", "", [], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("GET", "/example/../", "", [], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ] as [(String, String, String, [(String, String)], String, String)])
    func `the V4 test suite's classic cases verify`(
        method: String, path: String, query: String, extra: [(String, String)], body: String, signature: String
    ) throws {
        var headers = extra.map { (name: $0.0, value: $0.1) }
        headers.append((name: "Host", value: "example.amazonaws.com"))
        headers.append((name: "X-Amz-Date", value: "20150830T123600Z"))
        let names = headers.map { lowercasedASCII($0.name) }.sorted().joined(separator: ";")
        headers.append(
            (
                name: "Authorization",
                value: "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                    + "SignedHeaders=\(names), Signature=\(signature)"
            ))
        let request = SignedRequest(
            method: method, path: path, query: query, headers: headers, body: Array(body.utf8))
        _ = try Self.check(
            request, .query, secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", at: "20150830T123600Z")
    }

    @Test func `the V2 example of the General Reference verifies`() throws {
        let request = SignedRequest(
            method: "GET", path: "/",
            query: "Action=DescribeJobFlows&Version=2009-03-31&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&SignatureVersion=2&"
                + "SignatureMethod=HmacSHA256&Timestamp=2011-10-03T15%3A19%3A30&"
                + "Signature=i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf%2FMj6vPxyYIs%3D",
            headers: [(name: "Host", value: "elasticmapreduce.amazonaws.com")])
        _ = try Self.check(request, .query, at: "2011-10-03T15:30:00Z")
        #expect(throws: SignatureError.self) { try Self.check(request, .query, at: "2011-10-03T15:40:00Z") }
    }

    @Test(
        arguments: [
            (
                "GET", "/photos/puppy.jpg", "", [("Date", "Tue, 27 Mar 2007 19:36:42 +0000")],
                "/johnsmith/photos/puppy.jpg",
                "bWq2s1WEIj+Ydj0vQ697zp+IXMU="
            ),
            (
                "PUT", "/photos/puppy.jpg", "",
                [
                    ("Content-Type", "image/jpeg"), ("Content-Length", "94328"),
                    ("Date", "Tue, 27 Mar 2007 21:15:45 +0000"),
                ], "/johnsmith/photos/puppy.jpg", "MyyxeRY7whkBe+bq8fHCL/2kKUg="
            ),
            (
                "GET", "/", "prefix=photos&max-keys=50&marker=puppy", [("Date", "Tue, 27 Mar 2007 19:42:41 +0000")],
                "/johnsmith/", "htDYFYduRNen8P9ZfE/s9SuKy0U="
            ),
            (
                "GET", "/", "acl", [("Date", "Tue, 27 Mar 2007 19:44:46 +0000")], "/johnsmith/",
                "c2WLPFtWHVgbEmeEG93a4cG37dM="
            ),
            (
                "PUT", "/db-backup.dat.gz", "",
                [
                    ("Date", "Tue, 27 Mar 2007 21:06:08 +0000"), ("x-amz-acl", "public-read"),
                    ("content-type", "application/x-download"), ("Content-MD5", "4gJE4saaMU4BqNR0kLY+lw=="),
                    ("X-Amz-Meta-ReviewedBy", "joe@johnsmith.net"), ("X-Amz-Meta-ReviewedBy", "jane@johnsmith.net"),
                    ("X-Amz-Meta-FileChecksum", "0x02661779"), ("X-Amz-Meta-ChecksumAlgorithm", "crc32"),
                ], "/static.johnsmith.net/db-backup.dat.gz", "ilyl83RwaSoYIEdixDQcA4OnAnc="
            ),
            ("GET", "/", "", [("Date", "Wed, 28 Mar 2007 01:29:59 +0000")], "/", "qGdzdERIC03wnaRNKh6OqZehG9s="),
            (
                "GET", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", "", [("Date", "Wed, 28 Mar 2007 01:49:49 +0000")],
                "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", "DNEZGsoieTZ92F3bUfSPQcbGmlM="
            ),
        ] as [(String, String, String, [(String, String)], String, String)])
    func `S3 V2 header examples verify`(
        method: String, path: String, query: String, headers: [(String, String)], resource: String, signature: String
    ) throws {
        let all =
            headers.map { (name: $0.0, value: $0.1) } + [(name: "Authorization", value: "AWS \(Self.id):\(signature)")]
        let request = SignedRequest(
            method: method, path: path, query: query, headers: all, resources: ["/wrong/first", resource])
        let date = try #require(headers.first { $0.0 == "Date" }?.1)
        let now = try #require(Timestamp.parseHTTP(date))
        let parsed = try Authentication.parse(request, service: .s3)
        #expect(parsed.accessKeyID == Self.id)
        _ = try parsed.verify(secret: Self.secret, now: now + 60)
        #expect(throws: SignatureError.self) { try parsed.verify(secret: Self.secret + "x", now: now) }
        #expect(throws: SignatureError.self) { try parsed.verify(secret: Self.secret, now: now + 901) }
    }

    @Test func `the S3 V2 query example verifies until it expires`() throws {
        let request = SignedRequest(
            method: "GET", path: "/photos/puppy.jpg",
            query: "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620",
            headers: [(name: "Host", value: "johnsmith.s3.amazonaws.com")], resources: ["/johnsmith/photos/puppy.jpg"])
        let parsed = try Authentication.parse(request, service: .s3)
        #expect(parsed.scheme == .s3V2Presigned)
        _ = try parsed.verify(secret: Self.secret, now: 1_175_139_620)
        #expect(throws: SignatureError.expired(at: 1_175_139_620, now: 1_175_139_621)) {
            try parsed.verify(secret: Self.secret, now: 1_175_139_621)
        }
    }
}
