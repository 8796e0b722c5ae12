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
}
