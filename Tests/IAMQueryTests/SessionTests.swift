import CloudModel
import IAMQuery
import Signatures
import Testing

@Suite struct SessionTests {
    private static let reading = IdentityTests.reading

    private func client(_ answer: Answer) -> TestIdentities.Client {
        TestIdentities.Client(
            key: answer["AccessKeyId"] ?? "", secret: answer["SecretAccessKey"] ?? "", token: answer["SessionToken"])
    }

    @Test func `a session of a user may what he may, until it ends`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada", policy: Self.reading)
        let made = await cloud.send("GetSessionToken", [("DurationSeconds", "900")], as: ada, service: .sts)
        let session = client(made)
        #expect(session.key.hasPrefix("ASIA"))
        let identity = await cloud.send("GetCallerIdentity", as: session, service: .sts)
        #expect(identity["Arn"] == "arn:aws:iam::123456789012:user/ada")
        #expect(await cloud.send("ListUsers", as: session).code == nil)
        #expect(await cloud.send("CreateUser", [("UserName", "x")], as: session).code == "AccessDenied")
        #expect(await cloud.send("GetSessionToken", as: session, service: .sts).code == "AccessDenied")
        var other = session
        other.token = nil
        #expect(await cloud.send("ListUsers", as: other).code == "InvalidClientTokenId")
        other.token = (session.token ?? "").replacing("A", with: "B")
        #expect(await cloud.send("ListUsers", as: other).code == "InvalidClientTokenId")
        cloud.clock.advance(901)
        #expect(await cloud.send("ListUsers", as: session).code == "ExpiredToken")
        #expect(
            await cloud.send("GetSessionToken", [("DurationSeconds", "1")], as: ada, service: .sts).code
                == "ValidationError")
    }

    @Test func `a token is good for its own key only, and dies with its user`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada", policy: Self.reading)
        let one = client(await cloud.send("GetSessionToken", as: ada, service: .sts))
        let two = client(await cloud.send("GetSessionToken", as: ada, service: .sts))
        var mixed = one
        mixed.token = two.token
        #expect(await cloud.send("ListUsers", as: mixed).code == "InvalidClientTokenId")
        _ = await cloud.send("DeleteUserPolicy", [("UserName", "ada"), ("PolicyName", "own")])
        _ = await cloud.send("DeleteAccessKey", [("UserName", "ada"), ("AccessKeyId", ada.key)])
        _ = await cloud.send("DeleteUser", [("UserName", "ada")])
        _ = await cloud.send("CreateUser", [("UserName", "ada")])
        #expect(await cloud.send("GetCallerIdentity", as: one, service: .sts).code == "InvalidClientTokenId")
    }

    @Test func `a role is taken on by whom it trusts`() async throws {
        let cloud = try await TestIdentities()
        let (otherID, other) = try await cloud.account("other")
        let ada = try await cloud.user("ada")
        _ = await cloud.send("CreateUser", [("UserName", "bob")], as: other)
        let trust =
            #"{"Statement":{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:user/ada","\#(otherID)"]},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x1"}}}}"#
        let role = await cloud.send("CreateRole", [("RoleName", "reader"), ("AssumeRolePolicyDocument", trust)])
        _ = await cloud.send(
            "PutRolePolicy", [("RoleName", "reader"), ("PolicyName", "p"), ("PolicyDocument", Self.reading)])
        let ask = [("RoleArn", role["Arn"] ?? ""), ("RoleSessionName", "one"), ("ExternalId", "x1")]
        // Named himself he needs no policy of his own; the other account's owner is trusted through his account.
        for client in [ada, other] {
            let session = self.client(await cloud.send("AssumeRole", ask, as: client, service: .sts))
            let identity = await cloud.send("GetCallerIdentity", as: session, service: .sts)
            #expect(identity["Arn"] == "arn:aws:sts::123456789012:assumed-role/reader/one")
            #expect(await cloud.send("ListUsers", as: session).all("UserName") == ["ada"])
            #expect(await cloud.send("CreateUser", [("UserName", "x")], as: session).code == "AccessDenied")
        }
        // A user of the trusted account needs its permission as well.
        let bob = await cloud.send("CreateAccessKey", [("UserName", "bob")], as: other)
        let refused = await cloud.send("AssumeRole", ask, as: client(bob), service: .sts)
        #expect(refused.code == "AccessDenied")
        #expect(await cloud.send("AssumeRole", Array(ask.dropLast()), as: ada, service: .sts).code == "AccessDenied")
        let missing = [("RoleArn", "arn:aws:iam::123456789012:role/none"), ("RoleSessionName", "one")]
        #expect(await cloud.send("AssumeRole", missing, as: ada, service: .sts).code == "AccessDenied")
        let within = ask + [("Policy", #"{"Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}}"#)]
        let narrow = client(await cloud.send("AssumeRole", within, as: ada, service: .sts))
        #expect(await cloud.send("ListUsers", as: narrow).code == "AccessDenied")
        #expect(await cloud.send("GetUser", [("UserName", "ada")], as: narrow).code == nil)
    }

    @Test func `a federated session may what both its maker and its policy allow`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada", policy: IdentityTests.everything)
        let made = await cloud.send(
            "GetFederationToken", [("Name", "guest"), ("Policy", Self.reading)], as: ada, service: .sts)
        #expect(made["Arn"] == "arn:aws:sts::123456789012:federated-user/guest")
        let session = client(made)
        #expect(await cloud.send("ListUsers", as: session).code == nil)
        #expect(await cloud.send("CreateUser", [("UserName", "x")], as: session).code == "AccessDenied")
        let bare = client(await cloud.send("GetFederationToken", [("Name", "guest")], as: ada, service: .sts))
        #expect(await cloud.send("ListUsers", as: bare).code == "AccessDenied")
    }

    @Test func `the account of a key is told`() async throws {
        let cloud = try await TestIdentities()
        let (id, other) = try await cloud.account("other")
        let answer = await cloud.send("GetAccessKeyInfo", [("AccessKeyId", other.key)], service: .sts)
        #expect(answer["Account"] == id)
        #expect(
            await cloud.send("GetAccessKeyInfo", [("AccessKeyId", "AKIANONE")], service: .sts).code
                == "ValidationError")
    }
}
