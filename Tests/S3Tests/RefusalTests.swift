import Testing

@testable import S3

/// Refusals whose code and order public suites look at.
@Suite struct RefusalTests {
    @Test(
        arguments: [
            ("PUT", "?object-lock", "", "400 MissingRequestBodyError"),
            ("PUT", "?publicAccessBlock", "<PublicAccessBlockConfiguration/>", "400 InvalidRequest"),
            (
                "PUT", "?acl",
                "<AccessControlPolicy><AccessControlList></AccessControlList></AccessControlPolicy>",
                "400 MalformedACLError"
            ),
            (
                "PUT", "?lifecycle",
                rule("<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"),
                "501 NotImplemented"
            ),
            (
                "PUT", "?lifecycle",
                rule(
                    "<Transition><Date>2022-09-27T01:00:00Z</Date><StorageClass>GLACIER</StorageClass></Transition>"),
                "400 InvalidArgument"
            ),
            (
                "PUT", "?lifecycle",
                rule(
                    """
                    <Expiration><Days>1</Days><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration>
                    """), "400 MalformedXML"
            ),
            (
                "PUT", "/k?tagging", "<Tagging><TagSet><Tag><Key>aws:x</Key><Value/></Tag></TagSet></Tagging>",
                "400 InvalidTag"
            ),
            ("GET", "/k?versionId=nonsense", "", "400 InvalidArgument"),
            ("GET", "/k?versionId=0123456789abcdef0123456789abcdef", "", "404 NoSuchVersion"),
        ] as [(String, String, String, String)])
    func `a request and why it fails`(method: String, target: String, body: String, refusal: String) async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            _ = try await server.send("PUT", "/bucket/k", [1])
            let reply = try await server.send(method, "/bucket" + target, Array(body.utf8))
            #expect(reply.refusal == refusal)
        }
    }

    private static func rule(_ action: String) -> String {
        """
        <LifecycleConfiguration><Rule><ID>a</ID><Prefix>p</Prefix><Status>Enabled</Status>\(action)</Rule>\
        </LifecycleConfiguration>
        """
    }

    @Test func `an expiration that spares delete markers is shown as it was set`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let spares = Self.rule(
                "<Expiration><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration>")
            #expect(try await server.send("PUT", "/bucket?lifecycle", Array(spares.utf8)).status == 200)
            #expect(
                try await server.send("GET", "/bucket?lifecycle").element("ExpiredObjectDeleteMarker") == "false")
        }
    }

    @Test func `an empty set of tags is none`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let one = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
            #expect(try await server.send("PUT", "/bucket?tagging", Array(one.utf8)).status == 204)
            let none = "<Tagging><TagSet></TagSet></Tagging>"
            #expect(try await server.send("PUT", "/bucket?tagging", Array(none.utf8)).status == 204)
            #expect(try await server.send("GET", "/bucket?tagging").refusal == "404 NoSuchTagSet")
        }
    }

    @Test func `an administrator keeps to the policy of a bucket of his own, and can change it`() async throws {
        try await Server.with { server in
            let policy = """
                {"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::NAME/*"}}
                """
            for (owner, name) in [("ROOT", "roots"), ("ALICE", "alices")] {
                _ = try await server.send("PUT", "/" + name, as: owner)
                _ = try await server.send("PUT", "/\(name)/k", [1], as: owner)
                let document = Array(policy.replacing("NAME", with: name).utf8)
                #expect(try await server.send("PUT", "/\(name)?policy", document, as: owner).status == 204)
            }
            #expect(try await server.send("DELETE", "/roots/k", as: "ROOT").refusal == "403 AccessDenied")
            #expect(try await server.send("DELETE", "/alices/k", as: "ROOT").status == 204)
            #expect(try await server.send("DELETE", "/roots?policy", as: "ROOT").status == 204)
            #expect(try await server.send("DELETE", "/roots/k", as: "ROOT").status == 204)
        }
    }

    @Test func `a copy onto itself encrypts where new objects are`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            _ = try await server.send("PUT", "/bucket/k", [1])
            let source = [("x-amz-copy-source", "/bucket/k")]
            #expect(try await server.send("PUT", "/bucket/k", headers: source).refusal == "400 InvalidRequest")
            let encryption = """
                <ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
                </SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>
                """
            #expect(try await server.send("PUT", "/bucket?encryption", Array(encryption.utf8)).status == 200)
            let copied = try await server.send("PUT", "/bucket/k", headers: source)
            #expect(copied.status == 200 && copied["x-amz-server-side-encryption"] == "AES256")
        }
    }

    @Test func `buckets are listed by region`() async throws {
        try await Server.with { server in
            let there = """
                <CreateBucketConfiguration><LocationConstraint>eu-mallee-1</LocationConstraint></CreateBucketConfiguration>
                """
            _ = try await server.send("PUT", "/there", Array(there.utf8))
            _ = try await server.send("PUT", "/here")
            #expect(try await server.send("GET", "/").element("BucketRegion") == nil)
            let all = try await server.send("GET", "/?max-buckets=5")
            #expect(all.elements("BucketRegion") == ["us-east-1", "eu-mallee-1"])
            #expect(try await server.send("GET", "/?bucket-region=eu-mallee-1").elements("Name") == ["there"])
        }
    }

    @Test(
        arguments: [
            ("PUT", "/k", [("x-amz-sdk-checksum-algorithm", "CRC32")], "400 InvalidRequest"),
            ("PUT", "/k", [("x-amz-sdk-checksum-algorithm", "CRC5")], "400 InvalidRequest"),
            (
                "PUT", "/k", [("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "VbwvtA==")],
                "400 InvalidRequest"
            ),
            ("PUT", "/k", [("x-amz-sdk-checksum-algorithm", "crc32"), ("x-amz-checksum-crc32", "pQXfGw==")], "200 "),
            ("GET", "/k?partNumber=1", [("Range", "bytes=0-0")], "400 InvalidRequest"),
            ("GET", "/k?session=1&metrics", [], "200 "), ("GET", "/k?torrent", [], "501 NotImplemented"),
            ("PUT", "/k?encryption", [], "501 NotImplemented"),
            ("PUT", "?metadataConfiguration", [], "501 NotImplemented"),
            ("DELETE", "?metadataConfiguration", [], "501 NotImplemented"),
            ("GET", "?abac", [], "501 NotImplemented"), ("GET", "?session", [], "501 NotImplemented"),
            (
                "PUT", "/copy", [("x-amz-copy-source", "bucket/k"), ("x-amz-checksum-algorithm", "CRC5")],
                "400 InvalidRequest"
            ),
            (
                "PUT", "/copy",
                [("x-amz-copy-source", "bucket/k"), ("x-amz-source-expected-bucket-owner", "account-BOB")],
                "403 AccessDenied"
            ),
            (
                "PUT", "/copy",
                [("x-amz-copy-source", "bucket/k"), ("x-amz-source-expected-bucket-owner", "account-ALICE")], "200 "
            ),
        ] as [(String, String, [(String, String)], String)])
    func `headers and parameters and their refusals`(
        method: String, target: String, headers: [(String, String)], refusal: String
    ) async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            _ = try await server.send("PUT", "/bucket/k", [1])
            let body: [UInt8] = method == "PUT" && target.hasPrefix("/k") ? [1] : []
            let reply = try await server.send(method, "/bucket" + target, body, headers: headers)
            #expect(reply.refusal == refusal)
        }
    }

    @Test(
        arguments: [
            ([], "411 MissingContentLength"), ([("Authorization", "")], "403 AccessDenied"),
            ([("Authorization", "AWS nothing")], "400 InvalidArgument"),
            ([("Authorization", "AWS ALICE:x")], "403 AccessDenied"),
            (
                [
                    ("x-amz-date", "yesterday"),
                    (
                        "Authorization",
                        "AWS4-HMAC-SHA256 Credential=ALICE/20130524/r/s3/aws4_request, SignedHeaders=host, Signature=0"
                    ),
                ], "403 AccessDenied"
            ),
        ] as [([(String, String)], String)])
    func `a put without its length, or without a signature that can be read`(
        headers: [(String, String)], refusal: String
    ) async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let sent = headers.map { (name: $0.0, value: $0.1) }
            if sent.isEmpty {
                _ = try await server.send("PUT", "/bucket?acl", headers: [("x-amz-acl", "public-read-write")])
            }
            #expect(try await server.raw("PUT", "/bucket/k", headers: sent, hasLength: false).refusal == refusal)
        }
    }

    @Test func `a filter of several conditions is shown as an And of them`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let rule = """
                <LifecycleConfiguration><Rule><Filter><Prefix>p</Prefix><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan>\
                </Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>
                """
            #expect(try await server.send("PUT", "/bucket?lifecycle", Array(rule.utf8)).status == 200)
            #expect(
                try await server.send("GET", "/bucket?lifecycle").text.contains(
                    "<And><Prefix>p</Prefix><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And>"))
            let both = rule.replacing("<Prefix>p</Prefix>", with: "<And><Prefix>p</Prefix></And>")
            #expect(
                try await server.send("PUT", "/bucket?lifecycle", Array(both.utf8)).refusal == "400 MalformedXML")
        }
    }

    @Test(
        arguments: [
            ([], "400 BadRequest"), ([("Origin", "https://a.org")], "400 BadRequest"),
            ([("Origin", "https://a.org"), ("Access-Control-Request-Method", "PATCH")], "400 BadRequest"),
            ([("Origin", "https://a.org"), ("Access-Control-Request-Method", "PUT")], "403 AccessForbidden"),
        ] as [([(String, String)], String)])
    func `a preflight that does not say what it asks for`(
        headers: [(String, String)], refusal: String
    ) async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let sent = headers.map { (name: $0.0, value: $0.1) }
            #expect(try await server.raw("OPTIONS", "/bucket/k", headers: sent).refusal == refusal)
        }
    }
}
