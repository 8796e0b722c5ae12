import CloudModel
import IAMQuery
import Signatures
import Testing

/// The credential report, last uses, and everything at once.
@Suite struct ReportTests {
    @Test func `the credential report has the account and its users, and is good for four hours`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada", policy: IdentityTests.reading)
        _ = await cloud.send("ListUsers", as: ada)
        let missing = await cloud.send("GetCredentialReport")
        #expect(missing.code == "ReportNotPresent" && missing.status == 410)
        #expect(await cloud.send("GenerateCredentialReport")["State"] == "STARTED")
        #expect(await cloud.send("GenerateCredentialReport")["State"] == "COMPLETE")
        let report = await cloud.send("GetCredentialReport")
        #expect(report["ReportFormat"] == "text/csv")
        let content = String(decoding: Base64.decode(report["Content"] ?? "") ?? [], as: UTF8.self)
        let lines = content.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        #expect(lines.count == 3 && lines.allSatisfy { $0.count == 22 })
        let rows = lines.dropFirst().map { Dictionary(zip(lines[0], $0), uniquingKeysWith: { first, _ in first }) }
        #expect(rows[0]["user"] == "<root_account>" && rows[0]["password_enabled"] == "not_supported")
        #expect(rows[1]["user"] == "ada" && rows[1]["arn"] == "arn:aws:iam::123456789012:user/ada")
        #expect(rows[1]["password_enabled"] == "false" && rows[1]["password_last_used"] == "N/A")
        #expect(rows[1]["access_key_1_active"] == "true" && rows[1]["access_key_1_last_used_service"] == "iam")
        #expect(rows[1]["access_key_2_active"] == "false" && rows[1]["mfa_active"] == "false")
        cloud.clock.advance(4 * 3600 + 1)
        let old = await cloud.send("GetCredentialReport")
        #expect(old.code == "ReportExpired" && old.status == 410)
        #expect(await cloud.send("GenerateCredentialReport")["State"] == "STARTED")
    }

    @Test func `roles and keys know when they were used`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada", policy: IdentityTests.reading)
        let unused = await cloud.send("GetAccessKeyLastUsed", [("AccessKeyId", ada.key)])
        #expect(unused["ServiceName"] == "N/A" && unused["LastUsedDate"] == nil)
        _ = await cloud.send("CreateUser", [("UserName", "refused")], as: ada)
        #expect(await cloud.send("GetAccessKeyLastUsed", [("AccessKeyId", ada.key)])["ServiceName"] == "iam")
        cloud.clock.advance(5)
        _ = await cloud.send("GetCallerIdentity", as: ada, service: .sts)
        #expect(await cloud.send("GetAccessKeyLastUsed", [("AccessKeyId", ada.key)])["ServiceName"] == "sts")
        let trust =
            #"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}}"#
        let role = await cloud.send("CreateRole", [("RoleName", "worker"), ("AssumeRolePolicyDocument", trust)])
        #expect(await cloud.send("GetRole", [("RoleName", "worker")])["LastUsedDate"] == nil)
        let session = await cloud.send(
            "AssumeRole", [("RoleArn", role["Arn"] ?? ""), ("RoleSessionName", "s")], service: .sts)
        let worker = TestIdentities.Client(
            key: session["AccessKeyId"] ?? "", secret: session["SecretAccessKey"] ?? "",
            token: session["SessionToken"])
        _ = await cloud.send("ListUsers", as: worker)
        #expect(await cloud.send("GetRole", [("RoleName", "worker")])["LastUsedDate"] != nil)
    }

    @Test func `authorization details have every kind, or those asked for`() async throws {
        let cloud = try await TestIdentities()
        _ = try await cloud.user("ada", policy: IdentityTests.reading)
        _ = await cloud.send("CreateGroup", [("GroupName", "crew")])
        _ = await cloud.send("AddUserToGroup", [("GroupName", "crew"), ("UserName", "ada")])
        _ = await cloud.send("CreatePolicy", [("PolicyName", "own"), ("PolicyDocument", IdentityTests.reading)])
        let all = await cloud.send("GetAccountAuthorizationDetails", [("MaxItems", "1000")])
        #expect(all.all("UserName") == ["ada"] && all.all("GroupName") == ["crew"])
        #expect(all.all("PolicyName").contains("AdministratorAccess"))
        let local = await cloud.send(
            "GetAccountAuthorizationDetails", [("Filter.member.1", "LocalManagedPolicy")])
        #expect(local.all("UserName") == [] && local.all("PolicyName") == ["own"] && local.all("VersionId") == ["v1"])
        #expect(
            await cloud.send("GetAccountAuthorizationDetails", [("Filter.member.1", "Cat")]).code == "ValidationError")
        let first = await cloud.send("GetAccountAuthorizationDetails", [("MaxItems", "1")])
        #expect(first["IsTruncated"] == "true")
        let second = await cloud.send(
            "GetAccountAuthorizationDetails", [("MaxItems", "1"), ("Marker", first["Marker"] ?? "")])
        #expect(second.all("GroupName") == ["crew"])
    }
}
