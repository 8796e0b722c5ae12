import CloudModel
import Foundation
import IAMQuery
import Signatures
import Testing

@testable import CloudController

@Suite struct MFATests {
    /// The 20 bytes of RFC 6238, appendix B, whose codes of eight digits end in these.
    @Test(
        arguments: [
            (59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"),
            (2_000_000_000, "279037"), (20_000_000_000, "353130"),
        ] as [(Int64, String)])
    func `codes are those of RFC 6238`(time: Int64, code: String) {
        #expect(OneTimeCode.code(Array("12345678901234567890".utf8), step: time / 30) == code)
    }

    /// A device as its user has it: the seed, and a clock.
    private struct Device {
        var serial: String
        var secret: [UInt8]

        /// Reads the answer of CreateVirtualMFADevice.
        init(_ answer: Answer) throws {
            serial = try #require(answer["SerialNumber"])
            let text = try #require(answer["Base32StringSeed"])
            let seed = try #require(Base64.decode(text))
            let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
            var bits: [Bool] = []
            for letter in seed {
                let position = letters.firstIndex(of: letter)
                let value = try #require(position)
                for bit in [4, 3, 2, 1, 0] { bits.append(value >> bit & 1 == 1) }
            }
            secret = stride(from: 0, to: bits.count / 8 * 8, by: 8).map { start in
                bits[start..<start + 8].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
            }
        }

        func code(at time: Int64) -> String { OneTimeCode.code(secret, step: time / 30) }

        func codes(at time: Int64) -> [(String, String)] {
            [
                ("SerialNumber", serial), ("AuthenticationCode1", code(at: time - 30)),
                ("AuthenticationCode2", code(at: time)),
            ]
        }
    }

    private func device(_ cloud: TestIdentities, _ name: String = "fob") async throws -> Device {
        try Device(await cloud.send("CreateVirtualMFADevice", [("VirtualMFADeviceName", name)]))
    }

    @Test func `a device is made, given, listed, taken and deleted`() async throws {
        let cloud = try await TestIdentities()
        _ = try await cloud.user("ada")
        let fob = try await device(cloud)
        #expect(fob.serial == "arn:aws:iam::123456789012:mfa/fob" && fob.secret.count == 40)
        let again = await cloud.send("CreateVirtualMFADevice", [("VirtualMFADeviceName", "FOB")])
        #expect(again.code == "EntityAlreadyExists")
        for path in ["lab", "/lab//x/", "/" + String(repeating: "b", count: 512) + "/"] {
            let answer = await cloud.send("CreateVirtualMFADevice", [("VirtualMFADeviceName", "x"), ("Path", path)])
            #expect(answer.code == "ValidationError", "\(path)")
        }
        let elsewhere = await cloud.send(
            "CreateVirtualMFADevice", [("VirtualMFADeviceName", "fob"), ("Path", "/lab/")])
        #expect(elsewhere["SerialNumber"] == "arn:aws:iam::123456789012:mfa/lab/fob")
        let ada = [("UserName", "ada")]
        let now = cloud.clock.now
        let wrong = await cloud.send("EnableMFADevice", ada + fob.codes(at: now - 3600))
        #expect(wrong.code == "InvalidAuthenticationCode" && wrong.status == 403)
        #expect(await cloud.send("EnableMFADevice", ada + fob.codes(at: now)).code == nil)
        #expect(await cloud.send("EnableMFADevice", ada + fob.codes(at: now + 60)).code == "EntityAlreadyExists")
        #expect(await cloud.send("ListMFADevices", ada).all("SerialNumber") == [fob.serial])
        let assigned = await cloud.send("ListVirtualMFADevices", [("AssignmentStatus", "Assigned")])
        #expect(assigned.all("SerialNumber") == [fob.serial] && assigned["UserName"] == "ada")
        #expect(!assigned.text.contains("Base32StringSeed"))
        #expect(await cloud.send("ListVirtualMFADevices").all("SerialNumber").count == 2)
        #expect(await cloud.send("GetAccountSummary").text.contains("MFADevicesInUse"))
        let serial = [("SerialNumber", fob.serial)]
        #expect(await cloud.send("DeleteVirtualMFADevice", serial).code == "DeleteConflict")
        _ = await cloud.send("DeleteAccessKey", ada + [("AccessKeyId", await key(cloud))])
        #expect(await cloud.send("DeleteUser", ada).code == "DeleteConflict")
        #expect(await cloud.send("ResyncMFADevice", ada + fob.codes(at: now + 120)).code == nil)
        #expect(await cloud.send("DeactivateMFADevice", ada + serial).code == nil)
        #expect(await cloud.send("DeactivateMFADevice", ada + serial).code == "NoSuchEntity")
        #expect(await cloud.send("DeleteUser", ada).code == nil)
        #expect(await cloud.send("DeleteVirtualMFADevice", serial).code == nil)
        #expect(await cloud.send("GetMFADevice", serial).code == "NoSuchEntity")
    }

    private func key(_ cloud: TestIdentities) async -> String {
        await cloud.send("ListAccessKeys", [("UserName", "ada")])["AccessKeyId"] ?? ""
    }

    @Test func `a policy that wants MFA lets in a session with a code, and a code is good once`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user(
            "ada",
            policy:
                #"{"Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"600"}}}}"#
        )
        let fob = try await device(cloud)
        _ = await cloud.send("EnableMFADevice", [("UserName", "ada")] + fob.codes(at: cloud.clock.now))
        func session(_ code: String?) async -> Answer {
            let mfa = code.map { [("SerialNumber", fob.serial), ("TokenCode", $0)] } ?? []
            return await cloud.send("GetSessionToken", mfa, as: ada, service: .sts)
        }
        func client(_ answer: Answer) -> TestIdentities.Client {
            TestIdentities.Client(
                key: answer["AccessKeyId"] ?? "", secret: answer["SecretAccessKey"] ?? "",
                token: answer["SessionToken"])
        }
        #expect(await cloud.send("ListUsers", as: ada).code == "AccessDenied")
        #expect(await cloud.send("ListUsers", as: client(await session(nil))).code == "AccessDenied")
        #expect(await session("000000").code == "AccessDenied")
        cloud.clock.advance(60)
        let code = fob.code(at: cloud.clock.now)
        let proved = client(await session(code))
        #expect(await cloud.send("ListUsers", as: proved).code == nil)
        #expect(await session(code).code == "AccessDenied")
        cloud.clock.advance(601)
        #expect(await cloud.send("ListUsers", as: proved).code == "AccessDenied")
        let half = await cloud.send("GetSessionToken", [("TokenCode", "123456")], as: ada, service: .sts)
        #expect(half.code == "ValidationError")
    }

    @Test func `a role may ask for MFA of those whom it trusts`() async throws {
        let cloud = try await TestIdentities()
        let ada = try await cloud.user("ada")
        let trust =
            #"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ada"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}"#
        let role = await cloud.send("CreateRole", [("RoleName", "guard"), ("AssumeRolePolicyDocument", trust)])
        let wanted = [("RoleArn", role["Arn"] ?? ""), ("RoleSessionName", "s")]
        let fob = try await device(cloud)
        _ = await cloud.send("EnableMFADevice", [("UserName", "ada")] + fob.codes(at: cloud.clock.now))
        #expect(await cloud.send("AssumeRole", wanted, as: ada, service: .sts).code == "AccessDenied")
        cloud.clock.advance(60)
        let mfa = [("SerialNumber", fob.serial), ("TokenCode", fob.code(at: cloud.clock.now))]
        #expect(await cloud.send("AssumeRole", wanted + mfa, as: ada, service: .sts).code == nil)
    }

    @Test func `whoever has a device signs in with its code`() async throws {
        let cloud = try await TestIdentities()
        _ = try await cloud.user("ada")
        _ = await cloud.send("CreateLoginProfile", [("UserName", "ada"), ("Password", "correct horse")])
        let fob = try await device(cloud)
        _ = await cloud.send("EnableMFADevice", [("UserName", "ada")] + fob.codes(at: cloud.clock.now))
        cloud.clock.advance(60)
        func signIn(_ password: String, _ code: String?) async throws -> SignIn {
            try await cloud.controller.signIn(account: "123456789012", user: "ada", password: password, code: code)
        }
        #expect(try await signIn("correct horse", nil) == .needsCode)
        #expect(try await signIn("wrong horse", nil) == .refused)
        #expect(try await signIn("correct horse", "000000") == .refused)
        let code = fob.code(at: cloud.clock.now)
        guard case .done(let principal) = try await signIn("correct horse", code) else {
            throw TestIdentities.Failure(what: "a good code is refused")
        }
        #expect(principal.mfaAt != nil)
        #expect(try await signIn("correct horse", code) == .refused)
    }

    @Test func `another account's devices do not exist`() async throws {
        let cloud = try await TestIdentities()
        let (_, other) = try await cloud.account("other")
        let fob = try await device(cloud)
        #expect(await cloud.send("ListVirtualMFADevices", as: other).all("SerialNumber") == [])
        #expect(
            await cloud.send("DeleteVirtualMFADevice", [("SerialNumber", fob.serial)], as: other).code == "NoSuchEntity"
        )
        #expect(await cloud.send("GetMFADevice", [("SerialNumber", fob.serial)], as: other).code == "NoSuchEntity")
    }
}
