import CloudController
import CloudModel
import IAMQuery
import Testing

@Suite struct PasswordPolicyTests {
    private static let strict = [
        ("MinimumPasswordLength", "10"), ("RequireSymbols", "true"), ("RequireNumbers", "true"),
        ("RequireUppercaseCharacters", "true"), ("RequireLowercaseCharacters", "true"),
    ]

    @Test func `the policy of an account is what was asked for, and defaults for the rest`() async throws {
        let cloud = try await TestIdentities()
        #expect(await cloud.send("GetAccountPasswordPolicy").code == "NoSuchEntity")
        #expect(await cloud.send("DeleteAccountPasswordPolicy").code == "NoSuchEntity")
        #expect(
            await cloud.send("UpdateAccountPasswordPolicy", [("MaxPasswordAge", "90"), ("RequireNumbers", "true")])
                .code == nil)
        let first = await cloud.send("GetAccountPasswordPolicy")
        #expect(first["MaxPasswordAge"] == "90" && first["ExpirePasswords"] == "true")
        #expect(first["MinimumPasswordLength"] == "6" && first["RequireNumbers"] == "true")
        #expect(await cloud.send("UpdateAccountPasswordPolicy").code == nil)
        let second = await cloud.send("GetAccountPasswordPolicy")
        #expect(second["ExpirePasswords"] == "false" && second["RequireNumbers"] == "false")
        let wrong = await cloud.send(
            "UpdateAccountPasswordPolicy", [("MinimumPasswordLength", "129"), ("MaxPasswordAge", "1096")])
        #expect(wrong.code == "ValidationError" && wrong["Message"]?.hasPrefix("2 validation errors") == true)
        #expect(await cloud.send("DeleteAccountPasswordPolicy").code == nil)
        #expect(await cloud.send("GetAccountPasswordPolicy").code == "NoSuchEntity")
    }

    @Test(arguments: [
        ("short1A!", false), ("alllowercase1!", false), ("ALLUPPERCASE1!", false), ("NoNumbersHere!", false),
        ("NoSymbolsHere1", false), ("AllInOrder1!", true),
    ])
    func `a password has to be as the policy wants it`(password: String, isGood: Bool) async throws {
        let cloud = try await TestIdentities()
        _ = try await cloud.user("ada")
        _ = await cloud.send("UpdateAccountPasswordPolicy", Self.strict)
        let made = await cloud.send("CreateLoginProfile", [("UserName", "ada"), ("Password", password)])
        #expect(made.code == (isGood ? nil : "PasswordPolicyViolation"), "\(made.text)")
    }

    @Test func `an account may let its users change their passwords, but for those who are denied it`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada")
        let bob = try await cloud.user(
            "bob", policy: #"{"Statement":{"Effect":"Deny","Action":"iam:ChangePassword","Resource":"*"}}"#)
        for name in ["ada", "bob"] {
            _ = await cloud.send("CreateLoginProfile", [("UserName", name), ("Password", "correct horse")])
        }
        let change = [("OldPassword", "correct horse"), ("NewPassword", "battery staple")]
        #expect(await cloud.send("ChangePassword", change, as: ada).code == "AccessDenied")
        _ = await cloud.send("UpdateAccountPasswordPolicy", [("AllowUsersToChangePassword", "true")])
        #expect(await cloud.send("ChangePassword", change, as: ada).code == nil)
        #expect(await cloud.send("ChangePassword", change, as: bob).code == "AccessDenied")
    }

    @Test func `earlier passwords are not taken again, as many as the policy says`() async throws {
        let cloud = try await TestIdentities()
        _ = try await cloud.user("ada")
        _ = await cloud.send("UpdateAccountPasswordPolicy", [("PasswordReusePrevention", "2")])
        _ = await cloud.send("CreateLoginProfile", [("UserName", "ada"), ("Password", "password one")])
        func take(_ password: String) async -> String? {
            await cloud.send("UpdateLoginProfile", [("UserName", "ada"), ("Password", password)]).code
        }
        #expect(await take("password one") == "PasswordPolicyViolation")
        #expect(await take("password two") == nil)
        #expect(await take("password one") == "PasswordPolicyViolation")
        #expect(await take("password three") == nil)
        #expect(await take("password one") == nil)
    }

    @Test func `a password that is too old has to be changed, or lets nobody in`() async throws {
        let cloud = try await TestIdentities()
        _ = try await cloud.user("ada")
        _ = await cloud.send("CreateLoginProfile", [("UserName", "ada"), ("Password", "correct horse")])
        func signIn() async throws -> SignIn {
            try await cloud.controller.signIn(
                account: "123456789012", user: "ada", password: "correct horse", code: nil)
        }
        _ = await cloud.send("UpdateAccountPasswordPolicy", [("MaxPasswordAge", "30")])
        guard case .done = try await signIn() else { throw TestIdentities.Failure(what: "refused too early") }
        cloud.clock.advance(31 * 86_400)
        guard case .mustChangePassword(let principal) = try await signIn() else {
            throw TestIdentities.Failure(what: "an old password is as good as a new one")
        }
        #expect(principal.userName == "ada")
        _ = await cloud.send("UpdateAccountPasswordPolicy", [("MaxPasswordAge", "30"), ("HardExpiry", "true")])
        #expect(try await signIn() == .refused)
        _ = await cloud.send("UpdateLoginProfile", [("UserName", "ada"), ("Password", "battery staple")])
        let again = try await cloud.controller.signIn(
            account: "123456789012", user: "ada", password: "battery staple", code: nil)
        guard case .done = again else { throw TestIdentities.Failure(what: "\(again)") }
        #expect(await cloud.send("GetUser", [("UserName", "ada")])["PasswordLastUsed"] != nil)
    }
}
