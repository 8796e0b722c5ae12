import Testing

@testable import S3

@Suite struct DocumentFuzzTests {
    private static let documents = [
        (
            "acl",
            "<AccessControlPolicy><Owner><ID>account-ALICE</ID></Owner><AccessControlList><Grant><Grantee><ID>x</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
        ),
        (
            "cors",
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>"
        ),
        (
            "lifecycle",
            "<LifecycleConfiguration><Rule><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>"
        ),
        (
            "object-lock",
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
        ),
        (
            "website",
            "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Redirect><HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>"
        ),
        (
            "notification",
            "<NotificationConfiguration><TopicConfiguration><Topic>http://h/</Topic><Event>s3:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule></S3Key></Filter></TopicConfiguration></NotificationConfiguration>"
        ),
        ("tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"),
        (
            "policy",
            "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::fuzz/*\",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"::1/128\"}}}]}"
        ),
    ]

    @Test func `changed documents are set or refused, and what was set can be read and used`() async throws {
        try await Server.with { server in
            var random = FuzzTests.Generator(state: 71)
            _ = try await server.send("PUT", "/fuzz", headers: [("x-amz-bucket-object-lock-enabled", "true")])
            _ = try await server.send("PUT", "/fuzz/k", [1])
            var refused = 0
            for (name, text) in Self.documents {
                #expect([200, 204].contains(try await server.send("PUT", "/fuzz?" + name, Array(text.utf8)).status))
                for _ in 0..<15 {
                    var body = Array(text.utf8)
                    for _ in 0..<Int.random(in: 1...3, using: &random) {
                        let at = Int.random(in: 0..<body.count, using: &random)
                        switch Int.random(in: 0..<3, using: &random) {
                        case 0: body[at] = UInt8.random(in: 0...255, using: &random)
                        case 1: body.remove(at: at)
                        default: body.insert(UInt8.random(in: 32...126, using: &random), at: at)
                        }
                    }
                    let reply = try await server.send("PUT", "/fuzz?" + name, body)
                    #expect(
                        reply.status < 500 || reply.status == 501, "\(name): \(String(decoding: body, as: UTF8.self))")
                    if reply.status >= 400 { refused += 1 }
                }
                #expect(try await server.send("GET", "/fuzz?" + name).status == 200)
                #expect(try await server.send("GET", "/fuzz/k").status == 200)
            }
            #expect(refused > 20)
        }
    }
}
