import CloudController
import CloudModel
import JSON
import Testing

@testable import NativeAPI

/// What users may do is up to their policies here as well.
@Suite struct GateTests {
    private func user(_ test: TestInterface, policy: String?) async throws -> AccessKey {
        let admin = Caller(
            accountID: test.key.accountID, userName: "admin", isAdministrator: true, accessKeyID: test.key.id,
            requestID: "r", sourceAddress: "127.0.0.1")
        _ = try await test.controller.createUser(name: "alice", path: "/", boundary: nil, tags: [], as: admin)
        if let policy {
            try await test.controller.putInlinePolicy(
                InlinePolicy(name: "p", document: policy), on: .user("alice"), as: admin)
        }
        return try await test.controller.createAccessKey(user: "alice", as: admin)
    }

    @Test func `every operation asks the gate, and a user without policies may do nothing`() async throws {
        let test = try await TestInterface.open()
        let key = try await user(test, policy: nil)
        for operation in Operation.all where operation.authorization != .anyone {
            #expect(NativeGate.actions[operation.id] != nil, "\(operation.id)")
            let path = operation.path.split(separator: "/").map { $0.hasPrefix("{") ? "x" : String($0) }
            let body: JSONValue? =
                switch operation.id {
                case "runInstances": .members(("imageId", .string("ami-1")))
                case "registerImage": .members(("location", .string("b/k")))
                case "makeKeyPair": .members(("name", .string("k")))
                case "makeSecurityGroup": .members(("name", .string("g")), ("description", .string("d")))
                case "addRule": .members(("protocol", .string("tcp")), ("peer", .string("0.0.0.0/0")))
                case "extendLease": .members(("endsAt", .string("2030-01-01T00:00:00Z")))
                case "setInstanceType":
                    .members(("cores", .integer(1)), ("memoryMiB", .integer(64)), ("diskGiB", .integer(1)))
                default: nil
                }
            let answer = try await test.call(
                operation.method, "/" + path.joined(separator: "/"), body: body, as: key)
            #expect(answer.code == "not-allowed", "\(operation.id): \(answer.body)")
        }
        #expect(NativeGate.actions.count == Operation.all.filter { $0.authorization != .anyone }.count)
    }

    @Test func `a policy allows what it says, and a denial of one resource holds`() async throws {
        let test = try await TestInterface.open()
        let key = try await user(
            test,
            policy: """
                {"Version": "2012-10-17", "Statement": [
                  {"Effect": "Allow", "Action": ["ec2:Describe*", "ec2:*KeyPair"], "Resource": "*"},
                  {"Effect": "Deny", "Action": "ec2:DeleteKeyPair", "Resource": "arn:aws:ec2:*:*:key-pair/precious"}]}
                """)
        #expect(try await test.call("GET", "/instances", as: key).status == 200)
        for name in ["precious", "other"] {
            let made = try await test.call(
                "POST", "/key-pairs", body: .members(("name", .string(name)), ("type", .string("ed25519"))), as: key)
            #expect(made.status == 201)
        }
        #expect(try await test.call("DELETE", "/key-pairs/precious", as: key).status == 403)
        #expect(try await test.call("DELETE", "/key-pairs/other", as: key).status == 204)
        let group = try await test.call(
            "POST", "/security-groups", body: .members(("name", .string("g")), ("description", .string("d"))), as: key)
        #expect(group.status == 403)
    }
}
