import CloudModel
import JSON
import Testing

@testable import NativeAPI

/// The operations that need no node: each with a success and an error. Tests/EndToEnd/native_api.py has the others.
@Suite struct OperationTests {
    @Test func `key pairs`() async throws {
        let test = try await TestInterface.open()
        let made = try await test.call(
            "POST", "/key-pairs",
            body: .members(
                ("name", .string("a b/c")), ("type", .string("ed25519")), ("tags", .members(("k", .string("v"))))))
        #expect(made.status == 201)
        #expect(made.body["privateKey"]?.text?.contains("PRIVATE KEY") == true)
        #expect(made.headers["cache-control"] == "no-store")
        let again = try await test.call("POST", "/key-pairs", body: .members(("name", .string("a b/c"))))
        #expect(again.status == 409)
        #expect(again.code == "already-exists")
        let got = try await test.call("GET", "/key-pairs/a%20b%2Fc")
        #expect(got.body["tags"]?["k"]?.text == "v")
        #expect(got.body["privateKey"] == nil)
        let bad = try await test.call(
            "POST", "/key-pairs", body: .members(("name", .string("x")), ("publicKey", .string("no key"))))
        #expect(bad.status == 422)
        for number in 0..<6 {
            try await test.call(
                "POST", "/key-pairs", body: .members(("name", .string("k\(number)")), ("type", .string("ed25519"))))
        }
        let first = try await test.call("GET", "/key-pairs", query: "limit=5")
        let cursor = try #require(first.body["nextCursor"]?.text)
        let second = try await test.call("GET", "/key-pairs", query: "limit=5&cursor=\(cursor)")
        #expect(second.body["items"]?.elements?.count == 2)
        #expect(second.body["nextCursor"] == .null)
        #expect(try await test.call("GET", "/key-pairs", query: "cursor=00").code == "invalid-cursor")
        #expect(try await test.call("DELETE", "/key-pairs/a%20b%2Fc").status == 204)
        #expect(try await test.call("DELETE", "/key-pairs/a%20b%2Fc").status == 404)
        #expect(try await test.call("GET", "/key-pairs/none").status == 404)
    }

    @Test func `security groups`() async throws {
        let test = try await TestInterface.open()
        let made = try await test.call(
            "POST", "/security-groups", body: .members(("name", .string("web")), ("description", .string("Web"))))
        let id = try #require(made.body["id"]?.text)
        for (peer, direction) in [
            ("10.0.0.0/8", "ingress"), ("::/0", "ingress"), (id, "ingress"), ("1.0.0.0/8", "egress"),
        ] {
            let rule = try await test.call(
                "POST", "/security-groups/\(id)/rules",
                body: .members(
                    ("protocol", .string("tcp")), ("fromPort", .integer(80)), ("peer", .string(peer)),
                    ("direction", .string(direction))))
            #expect(rule.status == 201, "\(rule.body)")
            #expect(rule.body["peer"]?.text == peer)
            #expect(rule.body["toPort"]?.int64 == 80)
            let ruleID = rule.body["id"]?.text ?? ""
            #expect(try await test.call("DELETE", "/security-groups/\(id)/rules/\(ruleID)").status == 204)
            #expect(try await test.call("DELETE", "/security-groups/\(id)/rules/\(ruleID)").status == 404)
        }
        let bad = try await test.call(
            "POST", "/security-groups/\(id)/rules",
            body: .members(("protocol", .string("tcp")), ("fromPort", .integer(80)), ("peer", .string("1.2.3.4/99"))))
        #expect(bad.status == 422)
        #expect(try await test.call("GET", "/security-groups/\(id)").body["name"]?.text == "web")
        #expect(try await test.call("GET", "/security-groups").body["items"]?.elements?.count == 2)
        #expect(try await test.call("DELETE", "/security-groups/\(id)").status == 204)
        #expect(try await test.call("DELETE", "/security-groups/\(id)").status == 404)
        #expect(try await test.call("GET", "/security-groups/nonsense").status == 404)
    }

    @Test func `images, and instances without room`() async throws {
        let test = try await TestInterface.open()
        let made = try await test.call(
            "POST", "/images",
            body: .members(("location", .string("b/k")), ("name", .string("disk")), ("isPublic", .bool(true))))
        let id = try #require(made.body["id"]?.text)
        #expect(try await test.call("GET", "/images", query: "owner=self").body["items"]?.elements?.count == 1)
        #expect(try await test.call("GET", "/images/\(id)").body["location"]?.text == "b/k")
        let run = try await test.call("POST", "/instances", body: .members(("imageId", .string(id))))
        #expect(run.status == 503)
        #expect(run.code == "unavailable")
        let refusals = try await test.call("GET", "/refusals")
        #expect(refusals.body["items"]?.elements?.first?["code"]?.text == "unavailable")
        #expect(try await test.call("POST", "/instances", body: .members(("imageId", .string("ami-x")))).status == 404)
        let key = try await test.call(
            "POST", "/instances", body: .members(("imageId", .string(id))),
            headers: [(name: "idempotency-key", value: String(repeating: "k", count: 65))])
        #expect(key.code == "invalid-request")
        #expect(key.body["errors"]?.elements?.first?["pointer"]?.text == "header/Idempotency-Key")
        #expect(try await test.call("DELETE", "/images/\(id)").status == 204)
        #expect(try await test.call("GET", "/images/\(id)").status == 404)
        for path in ["", "/console"] {
            #expect(try await test.call("GET", "/instances/i-0123456789abcdef0\(path)").status == 404)
        }
        #expect(try await test.call("GET", "/instances/verbose").status == 404)
        #expect(try await test.call("DELETE", "/instances/i-0123456789abcdef0").status == 404)
        #expect(try await test.call("POST", "/instances/i-0123456789abcdef0/reboot").status == 404)
        #expect(
            try await test.call(
                "PUT", "/instances/i-0123456789abcdef0/lease",
                body: .members(("endsAt", .string("2030-01-01T00:00:00Z")))
            ).status == 404)
        #expect(try await test.call("GET", "/instances", query: "state=running&zone=a*").status == 200)
    }

    @Test func `the cloud, types, use and agreement`() async throws {
        let test = try await TestInterface.open()
        let status = try await test.call("GET", "/status")
        #expect(status.body["isAdministrator"] == .bool(true))
        #expect(try await test.call("GET", "/zones").status == 200)
        let types = try await test.call("GET", "/instance-types", query: "limit=100")
        #expect((types.body["items"]?.elements?.count ?? 0) > 3)
        let figures = JSONValue.members(("cores", .integer(2)), ("memoryMiB", .integer(64)), ("diskGiB", .integer(3)))
        #expect(try await test.call("PUT", "/instance-types/own.type", body: figures).body["cores"]?.int64 == 2)
        #expect(try await test.call("PUT", "/instance-types/%20", body: figures).status == 422)
        #expect(try await test.call("GET", "/usage").body["holdings"]?["use"]?["instances"]?.int64 == 0)
        #expect(try await test.call("GET", "/holdings", query: "account=123456789012").status == 200)
        #expect(try await test.call("GET", "/holdings", query: "account=1").status == 404)
        #expect(try await test.call("GET", "/holdings").status == 200)
        #expect(try await test.call("GET", "/agreement").body["policies"]?.elements?.first?.text == "unrestricted")
        #expect(try await test.call("GET", "/queue").status == 200)
        let user = try await test.user()
        for operation in Operation.all where operation.authorization == .administrator && operation.method == "GET" {
            let answer = try await test.call("GET", operation.path, as: user)
            #expect(answer.code == "not-allowed", "\(operation.id)")
        }
        #expect(try await test.call("PUT", "/instance-types/own.type", body: figures, as: user).status == 403)
        #expect(try await test.call("GET", "/usage", as: user).status == 200)
    }
}
