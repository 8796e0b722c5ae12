import CloudController
import CloudModel
import Foundation
import IAMQuery
import Signatures
import Testing

@Suite struct IdentityTests {
    static let everything = #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#
    static let reading =
        #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}}"#
    static let trust =
        #"{"Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}"#

    @Test func `a user comes, is renamed, and goes when nothing is left of him`() async throws {
        let cloud = try await TestIdentities()
        let made = await cloud.send("CreateUser", [("UserName", "ada"), ("Path", "/crew/")])
        #expect(made["Arn"] == "arn:aws:iam::123456789012:user/crew/ada")
        #expect(made["UserId"]?.hasPrefix("AIDA") == true)
        #expect(await cloud.send("CreateUser", [("UserName", "ADA")]).code == "EntityAlreadyExists")
        #expect(await cloud.send("CreateUser", [("UserName", "a b")]).code == "ValidationError")
        #expect(await cloud.send("CreateUser", [("UserName", "admin")]).code == "EntityAlreadyExists")
        let key = await cloud.send("CreateAccessKey", [("UserName", "ada")])
        #expect(await cloud.send("DeleteUser", [("UserName", "ada")]).code == "DeleteConflict")
        #expect(await cloud.send("UpdateUser", [("UserName", "ada"), ("NewUserName", "eve")]).code == nil)
        #expect(await cloud.send("GetUser", [("UserName", "ada")]).code == "NoSuchEntity")
        let client = TestIdentities.Client(
            key: key["AccessKeyId"] ?? "", secret: key["SecretAccessKey"] ?? "")
        let identity = await cloud.send("GetCallerIdentity", as: client, service: .sts)
        #expect(identity["Arn"] == "arn:aws:iam::123456789012:user/crew/eve")
        let delete = [("UserName", "eve"), ("AccessKeyId", client.key)]
        #expect(await cloud.send("DeleteAccessKey", delete).code == nil)
        #expect(await cloud.send("GetCallerIdentity", as: client, service: .sts).code == "InvalidClientTokenId")
        #expect(await cloud.send("DeleteUser", [("UserName", "eve")]).code == nil)
    }

    @Test func `a user may what his groups' and his own policies allow, and no more`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada")
        let refused = await cloud.send("ListUsers", as: ada)
        #expect(refused.code == "AccessDenied")
        #expect(refused.status == 403)
        #expect(refused["Message"]?.contains("iam:ListUsers") == true)
        _ = await cloud.send("CreateGroup", [("GroupName", "readers")])
        _ = await cloud.send(
            "PutGroupPolicy", [("GroupName", "readers"), ("PolicyName", "p"), ("PolicyDocument", Self.reading)])
        _ = await cloud.send("AddUserToGroup", [("GroupName", "readers"), ("UserName", "ada")])
        #expect(await cloud.send("ListUsers", as: ada).all("UserName") == ["ada"])
        #expect(await cloud.send("CreateUser", [("UserName", "bob")], as: ada).code == "AccessDenied")
        _ = await cloud.send(
            "AttachUserPolicy",
            [("UserName", "ada"), ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess")])
        #expect(await cloud.send("CreateUser", [("UserName", "bob")], as: ada).code == nil)
        _ = await cloud.send(
            "PutUserPermissionsBoundary",
            [("UserName", "ada"), ("PermissionsBoundary", "arn:aws:iam::aws:policy/IAMReadOnlyAccess")])
        #expect(await cloud.send("CreateUser", [("UserName", "eve")], as: ada).code == "AccessDenied")
        #expect(await cloud.send("ListUsers", as: ada).code == nil)
    }

    @Test func `one account neither sees nor touches another's identities`() async throws {
        let cloud = try await TestIdentities()
        let (_, mine) = try await cloud.account("mine")
        let (_, other) = try await cloud.account("other")
        _ = await cloud.send("CreateUser", [("UserName", "ada")], as: mine)
        _ = await cloud.send("CreateGroup", [("GroupName", "g")], as: mine)
        _ = await cloud.send("CreateRole", [("RoleName", "r"), ("AssumeRolePolicyDocument", Self.trust)], as: mine)
        let policy =
            await cloud.send(
                "CreatePolicy", [("PolicyName", "p"), ("PolicyDocument", Self.everything)], as: mine)["Arn"] ?? ""
        let key = await cloud.send("CreateAccessKey", [("UserName", "ada")], as: mine)["AccessKeyId"] ?? ""
        let attempts: [(String, [(String, String)])] = [
            ("GetUser", [("UserName", "ada")]), ("DeleteUser", [("UserName", "ada")]),
            ("GetGroup", [("GroupName", "g")]), ("DeleteGroup", [("GroupName", "g")]),
            ("GetRole", [("RoleName", "r")]), ("DeleteRole", [("RoleName", "r")]),
            ("GetPolicy", [("PolicyArn", policy)]), ("DeletePolicy", [("PolicyArn", policy)]),
            ("GetPolicyVersion", [("PolicyArn", policy), ("VersionId", "v1")]),
            ("UpdateAccessKey", [("AccessKeyId", key), ("Status", "Inactive")]),
            ("DeleteAccessKey", [("AccessKeyId", key)]), ("ListAccessKeys", [("UserName", "ada")]),
            ("CreateLoginProfile", [("UserName", "ada"), ("Password", "correct horse")]),
        ]
        for (action, parameters) in attempts {
            let answer = await cloud.send(action, parameters, as: other)
            #expect(answer.code == "NoSuchEntity", "\(action): \(answer.text)")
        }
        for action in ["ListUsers", "ListGroups", "ListRoles", "ListInstanceProfiles"] {
            #expect(await cloud.send(action, as: other).all("member").isEmpty, "\(action)")
        }
        #expect(await cloud.send("ListPolicies", [("Scope", "Local")], as: other).all("Arn").isEmpty)
        let uses = await cloud.send("GetAccessKeyLastUsed", [("AccessKeyId", key)], as: other)
        #expect(uses.code == "AccessDenied")
        // Not even by the account that an administrator of the cloud may name.
        let delegated = await cloud.send("ListUsers", [("DelegateAccount", "mine")], as: other)
        #expect(delegated.code == "AccessDenied")
        #expect(await cloud.send("ListUsers", [("DelegateAccount", "mine")]).all("UserName") == ["ada"])
    }

    @Test func `every refusal to create twice, find nothing and delete too early has its code`() async throws {
        let cloud = try await TestIdentities()
        for (action, parameters) in [
            ("CreateGroup", [("GroupName", "x")]),
            ("CreateRole", [("RoleName", "x"), ("AssumeRolePolicyDocument", Self.trust)]),
            ("CreatePolicy", [("PolicyName", "x"), ("PolicyDocument", Self.everything)]),
            ("CreateInstanceProfile", [("InstanceProfileName", "x")]),
        ] {
            #expect(await cloud.send(action, parameters).code == nil, "\(action)")
            let again = await cloud.send(action, parameters)
            #expect(again.code == "EntityAlreadyExists" && again.status == 409, "\(action)")
        }
        for (action, parameters) in [
            ("GetGroup", [("GroupName", "y")]), ("GetRole", [("RoleName", "y")]),
            ("GetPolicy", [("PolicyArn", "arn:aws:iam::123456789012:policy/y")]),
            ("GetInstanceProfile", [("InstanceProfileName", "y")]),
            ("GetRolePolicy", [("RoleName", "x"), ("PolicyName", "y")]), ("GetLoginProfile", [("UserName", "y")]),
            ("DeleteAccountAlias", [("AccountAlias", "none")]),
        ] {
            let answer = await cloud.send(action, parameters)
            #expect(answer.code == "NoSuchEntity" && answer.status == 404, "\(action)")
        }
        _ = await cloud.send("AddRoleToInstanceProfile", [("RoleName", "x"), ("InstanceProfileName", "x")])
        #expect(await cloud.send("DeleteRole", [("RoleName", "x")]).code == "DeleteConflict")
        #expect(await cloud.send("DeleteInstanceProfile", [("InstanceProfileName", "x")]).code == "DeleteConflict")
        let broken = [("RoleName", "x"), ("PolicyName", "p"), ("PolicyDocument", "{")]
        #expect(await cloud.send("PutRolePolicy", broken).code == "MalformedPolicyDocument")
        let named = await cloud.send(
            "PutRolePolicy", [("RoleName", "x"), ("PolicyName", "p"), ("PolicyDocument", Self.trust)])
        #expect(named.code == "MalformedPolicyDocument")
        #expect(await cloud.send("NoSuchAction").code == "InvalidAction")
        #expect(await cloud.send("GetGroup").code == "ValidationError")
    }

    @Test func `policies have up to five versions, of which one is in force`() async throws {
        let cloud = try await TestIdentities()
        let arn =
            await cloud.send("CreatePolicy", [("PolicyName", "p"), ("PolicyDocument", Self.everything)])["Arn"] ?? ""
        for number in 2...5 {
            let answer = await cloud.send(
                "CreatePolicyVersion", [("PolicyArn", arn), ("PolicyDocument", Self.reading)])
            #expect(answer["VersionId"] == "v\(number)")
            #expect(answer["IsDefaultVersion"] == "false")
        }
        let sixth = await cloud.send("CreatePolicyVersion", [("PolicyArn", arn), ("PolicyDocument", Self.reading)])
        #expect(sixth.code == "LimitExceeded")
        #expect(await cloud.send("DeletePolicy", [("PolicyArn", arn)]).code == "DeleteConflict")
        let first = [("PolicyArn", arn), ("VersionId", "v1")]
        #expect(await cloud.send("DeletePolicyVersion", first).code == "DeleteConflict")
        #expect(
            await cloud.send("SetDefaultPolicyVersion", [("PolicyArn", arn), ("VersionId", "v3")]).code == nil)
        #expect(await cloud.send("DeletePolicyVersion", first).code == nil)
        #expect(await cloud.send("GetPolicyVersion", first).code == "NoSuchEntity")
        #expect(
            await cloud.send("ListPolicyVersions", [("PolicyArn", arn)]).all("VersionId") == ["v5", "v4", "v3", "v2"])
    }

    @Test func `lists come in pages`() async throws {
        let cloud = try await TestIdentities()
        for name in ["c", "a", "b"] { _ = await cloud.send("CreateUser", [("UserName", name)]) }
        let first = await cloud.send("ListUsers", [("MaxItems", "2")])
        #expect(first.all("UserName") == ["a", "b"])
        #expect(first["IsTruncated"] == "true")
        let second = await cloud.send("ListUsers", [("MaxItems", "2"), ("Marker", first["Marker"] ?? "")])
        #expect(second.all("UserName") == ["c"])
        #expect(second["IsTruncated"] == "false")
        #expect(await cloud.send("ListUsers", [("MaxItems", "0")]).code == "ValidationError")
        #expect(await cloud.send("ListUsers", [("Marker", "nonsense")]).code == "ValidationError")
    }

    @Test func `passwords are kept as hashes, and only the right one opens`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada", policy: Self.everything)
        let short = await cloud.send("CreateLoginProfile", [("UserName", "ada"), ("Password", "short")])
        #expect(short.code == "PasswordPolicyViolation")
        let password = [("UserName", "ada"), ("Password", "correct horse")]
        #expect(await cloud.send("CreateLoginProfile", password).code == nil)
        #expect(await cloud.send("CreateLoginProfile", password).code == "EntityAlreadyExists")
        func signIn(_ password: String, _ user: String = "ada") async throws -> String? {
            let outcome = try await cloud.controller.signIn(
                account: "123456789012", user: user, password: password, code: nil)
            guard case .done(let principal) = outcome else { return nil }
            return principal.arn
        }
        #expect(try await signIn("correct horse") == "arn:aws:iam::123456789012:user/ada")
        #expect(try await signIn("wrong horse") == nil)
        #expect(try await signIn("x", "nobody") == nil)
        let change = [("OldPassword", "wrong horse"), ("NewPassword", "battery staple")]
        #expect(await cloud.send("ChangePassword", change, as: ada).code == "AccessDenied")
        let good = [("OldPassword", "correct horse"), ("NewPassword", "battery staple")]
        #expect(await cloud.send("ChangePassword", good, as: ada).code == nil)
        #expect(try await signIn("battery staple") != nil)
    }

    @Test func `the original's account actions are for the cloud's administrators`() async throws {
        let cloud = try await TestIdentities()
        let (_, other) = try await cloud.account("other")
        #expect(await cloud.send("CreateAccount", [("AccountName", "new")], as: other).code == "AccessDenied")
        #expect(await cloud.send("ListAccounts", as: other).code == "AccessDenied")
        #expect(await cloud.send("CreateAccount", [("AccountName", "new")])["AccountName"] == "new")
        #expect(await cloud.send("CreateAccount", [("AccountName", "new")]).code == "EntityAlreadyExists")
        #expect(await cloud.send("ListAccounts").all("AccountName").sorted() == ["admin", "new", "other"])
        _ = await cloud.send("CreateUser", [("UserName", "ada"), ("DelegateAccount", "new")])
        #expect(await cloud.send("DeleteAccount", [("AccountName", "new")]).code == "DeleteConflict")
        let recursive = [("AccountName", "new"), ("Recursive", "true")]
        #expect(await cloud.send("DeleteAccount", recursive).code == nil)
        #expect(await cloud.send("DeleteAccount", [("AccountName", "admin")]).code == "UnmodifiableEntity")
    }

    @Test func `an account's quota holds for its owner and its users`() async throws {
        let cloud = try await TestIdentities()
        let (_, other) = try await cloud.account("other")
        let limit =
            #"{"Statement":{"Effect":"Limit","Action":"iam:CreateUser","Resource":"*","Condition":{"NumericLessThanEquals":{"iam:quota-usernumber":"1"}}}}"#
        let put = [("AccountName", "other"), ("PolicyName", "q"), ("PolicyDocument", limit)]
        #expect(await cloud.send("PutAccountPolicy", put).code == nil)
        #expect(await cloud.send("CreateUser", [("UserName", "one")], as: other).code == nil)
        #expect(await cloud.send("CreateUser", [("UserName", "two")], as: other).code == "LimitExceeded")
        let named = [("AccountName", "other"), ("PolicyName", "q")]
        #expect(await cloud.send("GetAccountPolicy", named).code == nil)
        #expect(await cloud.send("DeleteAccountPolicy", named).code == nil)
        #expect(await cloud.send("CreateUser", [("UserName", "two")], as: other).code == nil)
    }

    @Test func `an account's alias is unique in the cloud`() async throws {
        let cloud = try await TestIdentities()
        let (_, other) = try await cloud.account("other")
        #expect(await cloud.send("CreateAccountAlias", [("AccountAlias", "house")]).code == nil)
        #expect(await cloud.send("ListAccountAliases").all("member") == ["house"])
        #expect(
            await cloud.send("CreateAccountAlias", [("AccountAlias", "house")], as: other).code
                == "EntityAlreadyExists")
        #expect(await cloud.send("CreateAccountAlias", [("AccountAlias", "UPPER")]).code == "ValidationError")
        #expect(await cloud.send("DeleteAccountAlias", [("AccountAlias", "house")]).code == nil)
    }

    @Test func `records of identities survive a restart's encoding`() throws {
        var user = User(id: "AIDA1", accountID: "1", name: "ada", path: "/", createdAt: Timestamp(milliseconds: 1))
        user.inlinePolicies = [InlinePolicy(name: "p", document: Self.everything)]
        user.loginProfile = LoginProfile(
            password: PasswordHash(salt: [1], digest: [2], cost: 2), mustReset: true,
            createdAt: Timestamp(milliseconds: 2))
        let bytes = try JSONEncoder().encode(user)
        #expect(try JSONDecoder().decode(User.self, from: bytes) == user)
        // What a release without identities wrote.
        let old = Data(#"{"id":"123456789012","name":"admin","isAdministrator":true,"createdAt":1}"#.utf8)
        let stamp = try JSONEncoder().encode(Timestamp(milliseconds: 1))
        let text = String(decoding: old, as: UTF8.self).replacingOccurrences(
            of: "\"createdAt\":1", with: "\"createdAt\":" + String(decoding: stamp, as: UTF8.self))
        #expect(try JSONDecoder().decode(Account.self, from: Data(text.utf8)).alias == nil)
    }

    @Test func `who may manage his own keys comes by no other account's, and not by the owner's`() async throws {
        let cloud = try await TestIdentities()
        let lab = try await cloud.account("lab")
        let own =
            #"{"Statement":{"Effect":"Allow","Action":["iam:*AccessKey*"],"Resource":"arn:aws:iam::*:user/${aws:username}"}}"#
        let ada = try await cloud.user("ada", policy: own)
        #expect(await cloud.send("ListAccessKeys", as: ada).code == nil)
        for account in ["lab", lab.id, "123456789012"] {
            for user in [nil, "ada", "admin", "Admin"] {
                let parameters = [("DelegateAccount", account)] + (user.map { [("UserName", $0)] } ?? [])
                let answer = await cloud.send("CreateAccessKey", parameters, as: ada)
                #expect(answer.code == "AccessDenied", "\(account) \(user ?? "")")
            }
            // STS knows nobody but the caller.
            let session = await cloud.send("GetSessionToken", [("DelegateAccount", account)], as: ada, service: .sts)
            let temporary = TestIdentities.Client(
                key: session["AccessKeyId"] ?? "", secret: session["SecretAccessKey"] ?? "",
                token: session["SessionToken"])
            let who = await cloud.send("GetCallerIdentity", as: temporary, service: .sts)
            #expect(who["Arn"] == "arn:aws:iam::123456789012:user/ada")
        }
        // Whoever administers the cloud may, and for nobody else there is such a thing.
        let helper = try await cloud.user("helper", policy: Self.everything)
        #expect(await cloud.send("ListUsers", [("DelegateAccount", "lab")], as: helper).code == nil)
        #expect(await cloud.send("ListUsers", [("DelegateAccount", "lab")], as: lab.client).code == "AccessDenied")
    }
}
