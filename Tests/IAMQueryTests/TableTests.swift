import CloudModel
import Foundation
import GoldenFiles
import IAMQuery
import QueryProtocol
import Signatures
import Testing
import XML

/// `docs/iam-coverage.md` is made from the table: `MALLEE_WRITE_DOCS=1 swift test --filter TableTests` writes it, and
/// otherwise this fails when it is stale.
@Suite struct TableTests {
    @Test func `the document of the actions says what the table says`() throws {
        let text = Self.document()
        let found = try GoldenFile("../../docs/iam-coverage.md").content(ifNew: text)
        #expect(found == text, "docs/iam-coverage.md is stale; make iam-coverage")
    }

    static func document() -> String {
        func rows(_ actions: [IAMAction]) -> [String] {
            ["| action | permission | what it does, and what of AWS's it does not |", "|---|---|---|"]
                + actions.sorted { $0.name < $1.name }.map {
                    "| \($0.name) | \($0.permission ?? "everybody") | \($0.summary) |"
                }
        }
        let all = IAMAction.all
        let iam = all.filter { $0.service == .iam && !$0.isExtension }
        let sts = all.filter { $0.service == .sts }
        let lines =
            [
                "# Coverage of IAM and STS", "",
                "Made from the table of the interface by `make iam-coverage`; a test fails when it is stale.",
                "Administrators of the cloud act for another account with the original's parameter `DelegateAccount` (its",
                "name or id).", "",
                "## IAM (2010-05-08): \(iam.count) actions", "",
            ] + rows(iam) + ["", "## STS (2011-06-15): \(sts.count) actions", ""] + rows(sts)
            + ["", "## The original's account actions", ""] + rows(all.filter(\.isExtension))
            + [
                "", "## Known and not offered", "", "They are answered with the error `UnsupportedOperation`.", "",
                "| actions | because |", "|---|---|",
            ]
            + UnofferedAction.all.map { group in
                let service = group.service == .sts ? "STS: " : ""
                return "| \(service)\(group.names.joined(separator: ", ")) | \(group.reason) |"
            }
        return lines.joined(separator: "\n") + "\n"
    }

    @Test func `no action is in the tables twice`() {
        let names =
            IAMAction.all.map { $0.service.rawValue + ":" + $0.name }
            + UnofferedAction.all.flatMap { group in group.names.map { group.service.rawValue + ":" + $0 } }
        #expect(Set(names).count == names.count)
    }

    @Test func `what is known and not offered says why`() async throws {
        let cloud = try await TestIdentities()
        for group in UnofferedAction.all {
            for name in group.names {
                let answer = await cloud.send(name, service: group.service)
                #expect(answer.code == "UnsupportedOperation", "\(name): \(answer.text)")
            }
        }
        #expect(await cloud.send("MakeCoffee").code == "InvalidAction")
    }

    @Test func `a user without policies is refused every action but those for everybody`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada")
        for action in IAMAction.all where action.permission != nil {
            let answer = await cloud.send(action.name, as: ada, service: action.service)
            #expect(answer.code == "AccessDenied", "\(action.name): \(answer.text)")
        }
    }

    @Test func `the account itself gets an answer or a documented error from every action`() async throws {
        let cloud = try await TestIdentities()
        for action in IAMAction.all {
            let answer = await cloud.send(action.name, service: action.service)
            #expect(answer.status < 500, "\(action.name): \(answer.text)")
            #expect(answer.root?.localName == (answer.status == 200 ? action.name + "Response" : "ErrorResponse"))
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `random parameters to all actions give an answer or an error document`(seed: UInt64) async throws {
        let cloud = try await TestIdentities()
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let names = [
            "UserName", "GroupName", "RoleName", "PolicyName", "PolicyDocument", "PolicyArn", "Path", "PathPrefix",
            "Marker", "MaxItems", "AccessKeyId", "Status", "Tags.member.1.Key", "Tags.member.1.Value", "RoleArn",
            "RoleSessionName", "DurationSeconds", "AssumeRolePolicyDocument", "CertificateBody", "AccountName",
            "DelegateAccount", "VersionId", "NewUserName", "InstanceProfileName", "TagKeys.member.1", "SerialNumber",
            "TokenCode",
            "VirtualMFADeviceName", "AuthenticationCode1", "AuthenticationCode2", "MaxPasswordAge", "RequireSymbols",
            "ActionNames.member.1", "ResourceArns.member.1", "PolicyInputList.member.1", "PolicySourceArn",
            "Filter.member.1", "ContextEntries.member.1.ContextKeyName",
        ]
        let values = [
            "", "x", "admin", "-1", "99999999999999999999", "/", "//", "%F0%9F%8C%B3", "%00", "{", "[]",
            "%7B%22Statement%22%3A%5B%5D%7D", "arn:aws:iam::123456789012:policy/x", "arn:::::", "true", "v1", "Active",
            "-----BEGIN CERTIFICATE-----%0AAAAA%0A-----END CERTIFICATE-----",
            "arn:aws:iam::123456789012:mfa/x", "123456", "s3:GetObject", "arn:aws:iam::123456789012:user/x",
            "-----END CERTIFICATE----------BEGIN CERTIFICATE-----",
        ]
        let actions = IAMAction.all
        for _ in 0..<300 {
            let action = actions[random(actions.count)]
            var pieces = ["Action=" + action.name]
            for _ in 0..<random(8) { pieces.append(names[random(names.count)] + "=" + values[random(values.count)]) }
            let answer = await cloud.send(Array(pieces.joined(separator: "&").utf8), as: cloud.admin, action.service)
            #expect(answer.status < 500, "\(pieces): \(answer.text)")
            #expect(answer.root != nil)
        }
    }

    @Test func `the service is told by the version of the request`() {
        func service(_ query: String, _ body: String = "") -> IdentityService? {
            IdentityService.named(
                in: QueryRequest(
                    id: requestID, method: "POST", path: "/", query: query, headers: [], body: Array(body.utf8),
                    sourceAddress: ""))
        }
        #expect(service("", "Action=ListUsers&Version=2010-05-08") == .iam)
        #expect(service("Version=2011-06-15") == .sts)
        #expect(service("Version=2016-11-15", "Action=X") == nil)
        #expect(service("NotVersion=2010-05-08") == nil)
    }
}
