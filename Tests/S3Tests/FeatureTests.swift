import Crypto
import NIOCore
import ObjectStore
import Signatures
import Testing
import Walrus

@testable import S3

/// One success and one refusal of each family that has documents or headers of its own.
@Suite struct FeatureTests {
    @Test func `versions are listed, read, and removed one by one`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/vvv")
            let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            #expect(try await server.send("PUT", "/vvv?versioning", Array(on.utf8)).status == 200)
            #expect(try await server.send("GET", "/vvv?versioning").element("Status") == "Enabled")
            let first = try #require(try await server.send("PUT", "/vvv/k", [1])["x-amz-version-id"])
            let second = try #require(try await server.send("PUT", "/vvv/k", [2])["x-amz-version-id"])
            #expect(try await server.send("GET", "/vvv/k?versionId=\(first)").body == [1])
            let deleted = try await server.send("DELETE", "/vvv/k")
            #expect(deleted.status == 204 && deleted["x-amz-delete-marker"] == "true")
            let gone = try await server.send("GET", "/vvv/k")
            #expect(gone.refusal == "404 NoSuchKey" && gone["x-amz-delete-marker"] == "true")
            let list = try await server.send("GET", "/vvv?versions")
            #expect(list.elements("VersionId").count == 3 && list.text.contains("<DeleteMarker>"))
            let marker = try #require(deleted["x-amz-version-id"])
            #expect(try await server.send("GET", "/vvv/k?versionId=\(marker)").refusal == "405 MethodNotAllowed")
            #expect(try await server.send("DELETE", "/vvv/k?versionId=\(marker)").status == 204)
            #expect(try await server.send("GET", "/vvv/k")["x-amz-version-id"] == second)
            #expect(
                try await server.send("GET", "/vvv/k?versionId=\(String(repeating: "0", count: 32))").refusal
                    == "404 NoSuchVersion")
            let bad = "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>"
            #expect(
                try await server.send("PUT", "/vvv?versioning", Array(bad.utf8)).refusal
                    == "400 IllegalVersioningConfigurationException")
        }
    }

    @Test func `access control lists and policies open what they name and nothing else`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bbb")
            _ = try await server.send("PUT", "/bbb/open", [1], headers: [("x-amz-acl", "public-read")])
            _ = try await server.send("PUT", "/bbb/closed", [2])
            #expect(try await server.raw("GET", "/bbb/open").body == [1])
            #expect(try await server.raw("GET", "/bbb/closed").refusal == "403 AccessDenied")
            #expect(try await server.raw("GET", "/bbb/none").refusal == "403 AccessDenied")
            let grant = [("x-amz-grant-read", "id=account-BOB")]
            #expect(try await server.send("PUT", "/bbb/closed?acl", headers: grant).status == 200)
            #expect(try await server.send("GET", "/bbb/closed", as: "BOB").body == [2])
            #expect(try await server.send("PUT", "/bbb/closed", [3], as: "BOB").refusal == "403 AccessDenied")
            #expect(
                try await server.send("PUT", "/bbb/x", [1], headers: [("x-amz-acl", "nonsense")]).refusal
                    == "400 InvalidArgument")
            let policy = """
                {"Statement":[{"Effect":"Allow","Principal":{"AWS":"account-BOB"},"Action":["s3:PutObject","s3:ListBucket"],
                "Resource":["arn:aws:s3:::bbb","arn:aws:s3:::bbb/bobs/*"]},
                {"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bbb/open"}]}
                """
            #expect(try await server.send("PUT", "/bbb?policy", Array(policy.utf8)).status == 204)
            #expect(try await server.send("PUT", "/bbb/bobs/1", [3], as: "BOB").status == 200)
            #expect(try await server.send("PUT", "/bbb/other", [3], as: "BOB").refusal == "403 AccessDenied")
            #expect(try await server.send("GET", "/bbb?list-type=2", as: "BOB").status == 200)
            #expect(try await server.raw("GET", "/bbb/open").refusal == "403 AccessDenied")
            #expect(try await server.send("GET", "/bbb?policy").text == policy)
            #expect(
                try await server.send("PUT", "/bbb?policy", Array("{}".utf8)).refusal == "400 MalformedPolicy")
            #expect(try await server.send("DELETE", "/bbb?policy").status == 204)
            #expect(try await server.send("GET", "/bbb?policy").refusal == "404 NoSuchBucketPolicy")
            let block = """
                <PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
                <IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>
                """
            #expect(try await server.send("PUT", "/bbb?publicAccessBlock", Array(block.utf8)).status == 200)
            #expect(try await server.raw("GET", "/bbb/open").refusal == "403 AccessDenied")
            #expect(
                try await server.send("PUT", "/bbb?acl", headers: [("x-amz-acl", "public-read")]).refusal
                    == "403 AccessDenied")
        }
    }

    @Test func `encrypted objects lie encrypted and come back only with their key`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/eee")
            let plain = [UInt8](repeating: 0x41, count: 200_000)
            let stored = try await server.send(
                "PUT", "/eee/s3", plain, headers: [("x-amz-server-side-encryption", "AES256")])
            #expect(stored["x-amz-server-side-encryption"] == "AES256")
            #expect(try await server.send("GET", "/eee/s3").body == plain)
            let key = [UInt8](repeating: 7, count: 32)
            let prefix = "x-amz-server-side-encryption-customer-"
            func headers(_ key: [UInt8]) -> [(String, String)] {
                [
                    (prefix + "algorithm", "AES256"), (prefix + "key", Base64.encode(key)),
                    (prefix + "key-MD5", Base64.encode(Array(Insecure.MD5.hash(data: key)))),
                ]
            }
            #expect(try await server.send("PUT", "/eee/c", plain, headers: headers(key)).status == 200)
            #expect(try await server.send("GET", "/eee/c").refusal == "400 InvalidRequest")
            let other = [UInt8](repeating: 8, count: 32)
            #expect(try await server.send("GET", "/eee/c", headers: headers(other)).refusal == "400 InvalidArgument")
            let range = try await server.send("GET", "/eee/c", headers: headers(key) + [("Range", "bytes=65530-65550")])
            #expect(range.status == 206 && range.body == Array(plain[65_530...65_550]))
            #expect(try await server.send("GET", "/eee/s3", headers: headers(key)).refusal == "400 InvalidRequest")
        }
    }

    @Test func `a lock keeps a version until it ends or is lifted`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/lll", headers: [("x-amz-bucket-object-lock-enabled", "true")])
            let until = Timestamp.extended(Server.now() + 3600)
            let put = try await server.send(
                "PUT", "/lll/k", [1],
                headers: [
                    ("x-amz-object-lock-mode", "GOVERNANCE"), ("x-amz-object-lock-retain-until-date", until),
                ])
            let version = try #require(put["x-amz-version-id"])
            #expect(try await server.send("DELETE", "/lll/k?versionId=\(version)").refusal == "403 AccessDenied")
            #expect(try await server.send("GET", "/lll/k?retention").element("Mode") == "GOVERNANCE")
            let hold = Array("<LegalHold><Status>ON</Status></LegalHold>".utf8)
            #expect(try await server.send("PUT", "/lll/k?legal-hold", hold).status == 200)
            let bypass = [("x-amz-bypass-governance-retention", "true")]
            #expect(
                try await server.send("DELETE", "/lll/k?versionId=\(version)", headers: bypass).refusal
                    == "403 AccessDenied")
            let off = Array("<LegalHold><Status>OFF</Status></LegalHold>".utf8)
            #expect(try await server.send("PUT", "/lll/k?legal-hold", off).status == 200)
            #expect(try await server.send("DELETE", "/lll/k?versionId=\(version)", headers: bypass).status == 204)
            let suspend = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
            #expect(
                try await server.send("PUT", "/lll?versioning", Array(suspend.utf8)).refusal == "409 InvalidBucketState"
            )
            _ = try await server.send("PUT", "/plain")
            _ = try await server.send("PUT", "/plain/k", [1])
            #expect(try await server.send("PUT", "/plain/k?legal-hold", hold).refusal == "400 InvalidRequest")
        }
    }

    @Test func `documents come back as they were set, and are gone when removed`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/ddd")
            for (name, document, sample, missing) in [
                (
                    "cors",
                    "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*.a</AllowedOrigin></CORSRule></CORSConfiguration>",
                    "<AllowedOrigin>*.a</AllowedOrigin>", "404 NoSuchCORSConfiguration"
                ),
                (
                    "tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>",
                    "<Key>k</Key>", "404 NoSuchTagSet"
                ),
                (
                    "lifecycle",
                    "<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>p/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>",
                    "<Days>3</Days>", "404 NoSuchLifecycleConfiguration"
                ),
                (
                    "website",
                    "<WebsiteConfiguration><IndexDocument><Suffix>i.html</Suffix></IndexDocument></WebsiteConfiguration>",
                    "<Suffix>i.html</Suffix>", "404 NoSuchWebsiteConfiguration"
                ),
                (
                    "encryption",
                    "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
                    "AES256", "404 ServerSideEncryptionConfigurationNotFoundError"
                ),
                (
                    "ownershipControls",
                    "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
                    "BucketOwnerEnforced", "404 OwnershipControlsNotFoundError"
                ),
            ] {
                #expect(try await server.send("GET", "/ddd?" + name).refusal == missing)
                #expect(
                    try await server.send("PUT", "/ddd?" + name, Array("<Wrong/>".utf8)).refusal == "400 MalformedXML")
                #expect([200, 204].contains(try await server.send("PUT", "/ddd?" + name, Array(document.utf8)).status))
                #expect(try await server.send("GET", "/ddd?" + name).text.contains(sample), "\(name)")
                #expect(try await server.send("GET", "/ddd?" + name, as: "BOB").refusal == "403 AccessDenied")
                #expect(try await server.send("DELETE", "/ddd?" + name).status == 204)
                #expect(try await server.send("GET", "/ddd?" + name).refusal == missing)
            }
            let hook =
                "<NotificationConfiguration><TopicConfiguration><Topic>http://h/</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration></NotificationConfiguration>"
            #expect(try await server.send("PUT", "/ddd?notification", Array(hook.utf8)).status == 200)
            #expect(try await server.send("GET", "/ddd?notification").element("Topic") == "http://h/")
            let log =
                "<BucketLoggingStatus><LoggingEnabled><TargetBucket>ddd</TargetBucket><TargetPrefix>l/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>"
            #expect(try await server.send("PUT", "/ddd?logging", Array(log.utf8)).status == 200)
            #expect(try await server.send("GET", "/ddd?logging").element("TargetPrefix") == "l/")
            let nowhere = log.replacing("<TargetBucket>ddd<", with: "<TargetBucket>none<")
            #expect(
                try await server.send("PUT", "/ddd?logging", Array(nowhere.utf8)).refusal
                    == "400 InvalidTargetBucketForLogging")
        }
    }

    @Test func `lifecycle rules act when their time has come`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/ccc")
            let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            _ = try await server.send("PUT", "/ccc?versioning", Array(on.utf8))
            let rules = """
                <LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>t/</Prefix></Filter><Status>Enabled</Status>\
                <Expiration><Days>1</Days></Expiration>\
                <NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays></NoncurrentVersionExpiration>\
                <AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>\
                </Rule><Rule><ID>m</ID><Filter/><Status>Enabled</Status><Expiration>\
                <ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule></LifecycleConfiguration>
                """
            #expect(try await server.send("PUT", "/ccc?lifecycle", Array(rules.utf8)).status == 200)
            let put = try await server.send("PUT", "/ccc/t/1", [1])
            #expect(put["x-amz-expiration"]?.contains("rule-id=\"r\"") == true)
            _ = try await server.send("PUT", "/ccc/keep", [1])
            _ = try await server.send("POST", "/ccc/t/up?uploads")
            let worker = LifecycleWorker(Walrus(backend: server.store))
            let day: Int64 = 86_400_000
            let now = Server.now() * 1000
            #expect(try await worker.pass(now: now) == .init())
            let first = try await worker.pass(now: now + 2 * day)
            #expect(first.expired == 1 && first.aborted == 1 && first.removed == 0)
            #expect(try await worker.pass(now: now + 5 * day).removed == 2)
            #expect(try await worker.pass(now: now + 5 * day).removed == 0)
            #expect(try await server.send("GET", "/ccc?versions").elements("Key") == ["keep"])
        }
    }

    @Test func `a browser's form is taken as its policy says`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/fff")
            let until = Timestamp.extended(Server.now() + 3600)
            let policy = Base64.encode(
                Array(
                    """
                    {"expiration":"\(until)","conditions":[{"bucket":"fff"},["starts-with","$key","up/"],
                    {"acl":"private"},["content-length-range",1,10]]}
                    """.utf8))
            let signature = Base64.encode(
                Array(
                    HMAC<Insecure.SHA1>.authenticationCode(
                        for: Array(policy.utf8), using: SymmetricKey(data: Array("secret-of-ALICE".utf8)))))
            func form(_ key: String, _ file: String, signature: String) -> [UInt8] {
                let fields = [
                    ("key", key), ("AWSAccessKeyId", "ALICE"), ("acl", "private"), ("signature", signature),
                    ("policy", policy),
                ]
                let head = fields.map {
                    "--XX\r\nContent-Disposition: form-data; name=\"\($0.0)\"\r\n\r\n\($0.1)\r\n"
                }.joined()
                return Array(
                    (head
                        + "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n\(file)\r\n--XX--\r\n")
                        .utf8)
            }
            let type = [(name: "Content-Type", value: "multipart/form-data; boundary=XX")]
            let good = form("up/${filename}", "hello", signature: signature)
            #expect(try await server.raw("POST", "/fff", good, headers: type).status == 204)
            #expect(try await server.send("GET", "/fff/up/a.txt").text == "hello")
            for (key, file, signature, refusal) in [
                ("x", "hello", signature, "403 AccessDenied"), ("up/x", "hello", "AAAA", "403 SignatureDoesNotMatch"),
                ("up/x", "hello hello hello", signature, "400 EntityTooLarge"),
                ("up/x", "", signature, "400 EntityTooSmall"),
            ] {
                let reply = try await server.raw("POST", "/fff", form(key, file, signature: signature), headers: type)
                #expect(reply.refusal == refusal)
            }
            #expect(try await server.raw("POST", "/fff", [1]).refusal == "412 PreconditionFailed")
        }
    }

    @Test func `a website shows its index, its error page and its redirections`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/www", headers: [("x-amz-acl", "public-read")])
            let site = """
                <WebsiteConfiguration><IndexDocument><Suffix>i.html</Suffix></IndexDocument>\
                <ErrorDocument><Key>e.html</Key></ErrorDocument><RoutingRules><RoutingRule><Condition>\
                <KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith>\
                </Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>
                """
            #expect(try await server.send("PUT", "/www?website", Array(site.utf8)).status == 200)
            for (key, text) in [("i.html", "home"), ("sub/i.html", "sub"), ("e.html", "sorry")] {
                _ = try await server.send(
                    "PUT", "/www/" + key, Array(text.utf8), headers: [("x-amz-acl", "public-read")])
            }
            func get(_ path: String) async throws -> Reply {
                try await server.raw("GET", path, headers: [(name: "Host", value: "www.web.test")])
            }
            #expect(try await get("/").text == "home")
            #expect(try await get("/sub/").text == "sub")
            #expect(try await get("/sub")["location"] == "/sub/")
            let lost = try await get("/none")
            #expect(lost.status == 404 && lost.text == "sorry")
            let moved = try await get("/old/x?a=b%20c")
            #expect(moved.status == 301 && moved["location"] == "http://www.web.test/new/x?a=b%20c")
        }
    }

    @Test func `pages of other origins get what the rules allow`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/ooo")
            let rules =
                "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://*.a</AllowedOrigin><ExposeHeader>x-b</ExposeHeader></CORSRule></CORSConfiguration>"
            _ = try await server.send("PUT", "/ooo?cors", Array(rules.utf8))
            let asked = [
                (name: "Origin", value: "http://x.a"), (name: "Access-Control-Request-Method", value: "GET"),
            ]
            let reply = try await server.raw("OPTIONS", "/ooo/k", headers: asked)
            #expect(reply.status == 200 && reply["access-control-allow-origin"] == "http://x.a")
            #expect(
                try await server.raw("OPTIONS", "/ooo/k", headers: [asked[1], (name: "Origin", value: "http://b")])
                    .status
                    == 403)
            let header = (name: "Access-Control-Request-Headers", value: "x-c")
            let refused = try await server.raw("OPTIONS", "/ooo/k", headers: asked + [header])
            #expect(refused.status == 403 && refused["access-control-allow-origin"] == nil)
            #expect(
                try await server.raw("GET", "/ooo/k", headers: [asked[0]])["access-control-expose-headers"] == "x-b")
        }
    }
}
