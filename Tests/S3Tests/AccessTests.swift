import Crypto
import Foundation
import Signatures
import Testing

@testable import S3
@testable import Walrus

@Suite struct AccessTests {
    @Test func `only the owner and administrators get in, and each refusal has its code`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/alices")
            _ = try await server.send("PUT", "/alices/k", [1])
            let now = Server.now()
            for (method, target) in [
                ("GET", "/alices"), ("HEAD", "/alices"), ("PUT", "/alices/k"), ("GET", "/alices/k"),
                ("HEAD", "/alices/k"),
                ("DELETE", "/alices/k"), ("DELETE", "/alices"), ("GET", "/alices?uploads"),
                ("POST", "/alices/k?uploads"),
                ("PUT", "/alices/k?uploadId=x&partNumber=1"), ("GET", "/alices/k?uploadId=x"),
                ("DELETE", "/alices/k?uploadId=x"), ("GET", "/alices?location"), ("GET", "/alices?list-type=2"),
            ] {
                let bob = try await server.send(method, target, as: "BOB")
                #expect(bob.status == 403, "\(method) \(target)")
                if method != "HEAD" { #expect(bob.element("Code") == "AccessDenied") }
                #expect(try await server.raw(method, target).status == 403, "\(method) \(target)")
            }
            #expect(try await server.send("GET", "/alices/k", as: "ROOT").body == [1])
            #expect(try await server.send("PUT", "/alices", as: "BOB").refusal == "409 BucketAlreadyExists")
            #expect(try await server.send("GET", "/", as: "BOB").elements("Name").isEmpty)
            #expect(try await server.send("GET", "/").elements("Name") == ["alices"])
            #expect(try await server.send("GET", "/", as: "EVE").refusal == "403 InvalidAccessKeyId")
            #expect(try await server.send("GET", "/", as: "BROKEN").refusal == "500 InternalError")
            #expect(try await server.send("GET", "/", secret: "wrong").refusal == "403 SignatureDoesNotMatch")
            #expect(try await server.send("GET", "/", at: now - 100_000).refusal == "403 RequestTimeTooSkewed")
            #expect(try await server.send("GET", "/", at: now + 100_000).refusal == "403 RequestTimeTooSkewed")
            #expect(
                try await server.raw("GET", "/", headers: [(name: "Authorization", value: "Basic eDp5")]).refusal
                    == "400 InvalidArgument")
        }
    }

    @Test func `presigned URLs work as signed, until they expire`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let signer = SigV4Signer(accessKeyID: "ALICE", secret: "secret-of-ALICE", region: "r", service: "s3")
            let now = Server.now()
            func url(_ method: String, _ age: Int64 = 0, query: String = "") -> String {
                "/services/Walrus/bucket/k?"
                    + signer.presignedQuery(
                        method: method, host: server.host, path: "/services/Walrus/bucket/k", query: query, expires: 60,
                        now: now - age)
            }
            #expect(try await server.raw("PUT", url("PUT"), Array("body".utf8)).status == 200)
            let get = try await server.raw("GET", url("GET", query: "response-content-type=text%2Fplain"))
            #expect(get.text == "body" && get["content-type"] == "text/plain")
            #expect(try await server.raw("GET", url("PUT")).refusal == "403 SignatureDoesNotMatch")
            let late = try await server.raw("GET", url("GET", 70))
            #expect(late.refusal == "403 AccessDenied" && late.element("Message") == "Request has expired")
            #expect(
                try await server.raw(
                    "PUT", url("PUT"), [1], headers: [(name: "x-amz-acl", value: "private")]
                ).refusal == "403 AccessDenied")
        }
    }

    @Test func `what is not there says so`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            _ = try await server.send("PUT", "/bucket/k", [1])
            for (method, target, headers) in [
                ("GET", "/bucket?replication", []), ("GET", "/bucket?inventory", []), ("GET", "/bucket?analytics", []),
                ("POST", "/bucket/k?restore", []), ("GET", "/bucket/k?torrent", []), ("POST", "/bucket/k?select", []),
                ("PUT", "/bucket/n", [("x-amz-server-side-encryption", "aws:kms")]),
                ("PUT", "/bucket/n", [("x-amz-storage-class", "GLACIER")]),
                ("PUT", "/bucket/n", [("x-amz-mfa", "1 2")]),
            ] as [(String, String, [(String, String)])] {
                let reply = try await server.send(method, target, headers: headers)
                #expect(reply.refusal == "501 NotImplemented", "\(method) \(target)")
            }
            #expect(try await server.send("PATCH", "/bucket/k").refusal == "405 MethodNotAllowed")
            #expect(try await server.send("POST", "/").refusal == "405 MethodNotAllowed")
            #expect(try await server.send("GET", "/bucket/n").refusal == "404 NoSuchKey")
            #expect(try await server.send("GET", "/bucket/k?versionId=null&unknown=1").body == [1])
        }
    }

    @Test func `a storage class is kept, shown, and not taken by copies; unknown ones are refused`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let name = "x-amz-storage-class"
            _ = try await server.send("PUT", "/bucket/k", [1], headers: [(name, "REDUCED_REDUNDANCY")])
            #expect(try await server.send("HEAD", "/bucket/k")[name] == "REDUCED_REDUNDANCY")
            #expect(
                try await server.send("GET", "/bucket").text.contains("<StorageClass>REDUCED_REDUNDANCY</StorageClass>")
            )
            _ = try await server.send("PUT", "/bucket/copy", headers: [("x-amz-copy-source", "/bucket/k")])
            #expect(try await server.send("HEAD", "/bucket/copy")[name] == nil)
            _ = try await server.send("PUT", "/bucket/k", [1], headers: [(name, "STANDARD")])
            #expect(try await server.send("HEAD", "/bucket/k")[name] == nil)
            let reply = try await server.send("PUT", "/bucket/k", [1], headers: [(name, "FAST")])
            #expect(reply.refusal == "400 InvalidStorageClass")
        }
    }

    @Test func `headers in an address that version 2 signs count, unsigned ones do not`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let expires = Server.now() + 60
            let text = "PUT\n\n\n\(expires)\nx-amz-meta-venue:123\n/bucket/k"
            let mac = Data(
                HMAC<Insecure.SHA1>.authenticationCode(
                    for: Data(text.utf8), using: .init(data: Data("secret-of-ALICE".utf8))))
            let signature = PercentEncoding.encode(mac.base64EncodedString())
            let address =
                "/bucket/k?AWSAccessKeyId=ALICE&Expires=\(expires)&Signature=\(signature)&x-amz-meta-venue=123"
            let host = [(name: "Host", value: server.host)]
            #expect(try await server.raw("PUT", address, [1], headers: host).status == 200)
            #expect(try await server.send("HEAD", "/bucket/k")["x-amz-meta-venue"] == "123")
            let added = try await server.raw("PUT", address + "&x-amz-acl=public-read", [1], headers: host)
            #expect(added.refusal == "403 SignatureDoesNotMatch")
        }
    }

    @Test func `errors are S3's XML`() async throws {
        try await Server.with { server in
            let reply = try await server.send("GET", "/nobucket/k?x=1")
            #expect(reply["content-type"] == "application/xml")
            let id = try #require(reply["x-amz-request-id"])
            #expect(
                reply.text == """
                    <?xml version="1.0" encoding="UTF-8"?>
                    <Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message>\
                    <BucketName>nobucket</BucketName><RequestId>\(id)</RequestId>\
                    <HostId>\(id)</HostId></Error>
                    """)
        }
    }

    @Test func `a full store refuses puts with a retryable error`() async throws {
        try await Server.with(reserve: .max / 2) { server in
            _ = try await server.send("PUT", "/bucket")
            let reply = try await server.send("PUT", "/bucket/k", [1])
            #expect(reply.refusal == "503 ServiceUnavailable")
            #expect(reply.element("Message")?.contains("Insufficient storage") == true)
        }
    }

    @Test func `bucket names and keys follow the rules`() async throws {
        for name in ["abc", "a.b-c.9", String(repeating: "x", count: 63), "1.2.3.256", "192.168.1"] {
            #expect(throws: Never.self) { try Names.checkBucket(name) }
        }
        for name in [
            "", "ab", "Abc", "a_b", "-abc", "abc-", ".abc", "abc.", "a..b", "a.-b", "a-.b", "192.168.1.1", "a b", "é12",
            "services",
            String(repeating: "x", count: 64), "a/b", "..", "...",
        ] {
            #expect(throws: WalrusError.self, "\(name)") { try Names.checkBucket(name) }
        }
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let long = String(repeating: "k", count: 1024)
            #expect(try await server.send("PUT", "/bucket/" + long, [1]).status == 200)
            #expect(try await server.send("PUT", "/bucket/\(long)k", [1]).refusal == "400 KeyTooLongError")
            #expect(try await server.send("PUT", "/bucket/a%00b", [1]).refusal == "400 InvalidArgument")
            #expect(try await server.send("PUT", "/bucket/%FF", [1]).refusal == "400 InvalidURI")
            #expect(try await server.send("PUT", "//k", [1]).refusal == "400 InvalidBucketName")
            #expect(try await server.send("PUT", "/Bucket_1").refusal == "400 InvalidBucketName")
        }
    }
}
