import Testing

@testable import AccessPolicy

@Suite struct AccessPolicyTests {
    private func policy(_ text: String) throws -> Policy { try Policy(Array(text.utf8)) }

    private func request(
        _ action: String, _ resource: String, account: String? = nil, _ context: [String: [String]] = [:]
    ) -> PolicyRequest {
        PolicyRequest(
            principal: account.map { PolicyPrincipal(account: $0) }, action: action, resource: resource,
            context: { context[$0] })
    }

    @Test func `a denial outweighs an allowance, and silence is neither`() throws {
        let policy = try policy(
            """
            {"Version":"2012-10-17","Statement":[
              {"Effect":"Allow","Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"},
              {"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"s3:*",
               "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/secret/*"]}]}
            """)
        #expect(policy.decide(request("s3:GetObject", "arn:aws:s3:::b/x")) == .allow)
        #expect(policy.decide(request("s3:getobject", "arn:aws:s3:::b/secret/x")) == .allow)
        #expect(policy.decide(request("s3:GetObject", "arn:aws:s3:::b/secret/x", account: "111111111111")) == .deny)
        #expect(policy.decide(request("s3:PutObject", "arn:aws:s3:::b/x")) == .none)
        #expect(policy.decide(request("s3:GetObject", "arn:aws:s3:::c/x")) == .none)
        #expect(policy.isPublic)
    }

    @Test(
        arguments: [
            ("StringEquals", "k", "\"a\"", ["a"], true), ("StringEquals", "k", "\"a\"", ["b"], false),
            ("StringNotEquals", "k", "\"a\"", [], true), ("StringEquals", "k", "\"a\"", [], false),
            ("StringEqualsIfExists", "k", "\"a\"", [], true), ("StringLike", "k", "[\"x\",\"a*c\"]", ["abc"], true),
            ("Null", "k", "\"true\"", [], true), ("Null", "k", "true", ["a"], false),
            ("Bool", "k", "false", ["False"], true), ("NumericLessThan", "k", "10", ["9"], true),
            ("NumericLessThan", "k", "10", ["x"], false), ("IpAddress", "k", "\"10.1.0.0/16\"", ["10.1.2.3"], true),
            ("IpAddress", "k", "\"10.1.0.0/16\"", ["10.2.2.3"], false),
            ("NotIpAddress", "k", "\"2001:db8::/32\"", ["2001:db8::1"], false),
            ("IpAddress", "k", "\"::/0\"", ["::1"], true),
            ("DateLessThan", "k", "\"2020-01-01T00:00:00Z\"", ["1577836799"], true),
            ("DateGreaterThan", "k", "\"2020-01-01\"", ["2019-12-31T23:59:59Z"], false),
            ("ForAnyValue:StringEquals", "k", "[\"a\",\"b\"]", ["x", "b"], true),
            ("ForAllValues:StringEquals", "k", "[\"a\",\"b\"]", ["x", "b"], false),
            ("ForAllValues:StringEquals", "k", "[\"a\",\"b\"]", [], true),
        ] as [(String, String, String, [String], Bool)])
    func `conditions`(name: String, key: String, values: String, actual: [String], holds: Bool) throws {
        let policy = try policy(
            """
            {"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*",
             "Condition":{"\(name)":{"K":\(values)}}}}
            """)
        let decision = policy.decide(request("s3:GetObject", "x", [key: actual]))
        #expect(decision == (holds ? .allow : .none))
    }

    @Test func `variables and inverted elements`() throws {
        let policy = try policy(
            """
            {"Statement":[{"Effect":"Allow","NotPrincipal":{"AWS":"111111111111"},"NotAction":"s3:Delete*",
             "Resource":"arn:aws:s3:::b/${aws:username}/${*}"}]}
            """)
        let context = ["aws:username": ["bob"]]
        #expect(policy.decide(request("s3:GetObject", "arn:aws:s3:::b/bob/*", account: "2", context)) == .allow)
        #expect(policy.decide(request("s3:GetObject", "arn:aws:s3:::b/eve/*", account: "2", context)) == .none)
        #expect(policy.decide(request("s3:DeleteObject", "arn:aws:s3:::b/bob/*", account: "2", context)) == .none)
        #expect(
            policy.decide(request("s3:GetObject", "arn:aws:s3:::b/bob/*", account: "111111111111", context)) == .none)
    }

    @Test(
        arguments: [
            "", "[]", "{}", "{\"Statement\":[]}", "{\"Statement\":[{\"Effect\":\"Maybe\"}]}",
            "{\"Version\":\"1\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"a\",\"Resource\":\"b\"}}",
            "{\"Statement\":{\"Effect\":\"Allow\",\"Resource\":\"b\"}}",
            "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"a\",\"Resource\":\"b\",\"Principal\":\"bob\"}}",
            "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"a\",\"Resource\":\"b\",\"Condition\":{\"X\":{\"a\":\"b\"}}}}",
        ])
    func `what is no policy is refused`(text: String) {
        #expect(throws: PolicyError.self) { try policy(text) }
    }

    @Test func `patterns take time in proportion, and any bytes leave the parser whole`() {
        let stars = String(repeating: "a*", count: 200) + "b"
        #expect(!PolicyPattern.matches(String(repeating: "a", count: 2000), stars))
        #expect(PolicyPattern.matches("", "**") && !PolicyPattern.matches("", "?"))
        var generator = SystemRandomNumberGenerator()
        let sample = Array(
            "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"*\"]},\"Action\":\"*\",\"Resource\":\"*\"}]}"
                .utf8)
        var refused = 0
        for _ in 0..<2000 {
            var bytes = sample
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            do throws(PolicyError) {
                _ = try Policy(bytes).decide(request("a:b", "c"))
            } catch {
                refused += 1
            }
        }
        #expect(refused > 0)
    }
}
