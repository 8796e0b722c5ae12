import CloudModel
import IAMQuery
import Testing

/// SimulatePrincipalPolicy and what is like it.
@Suite struct SimulationTests {
    private static let reader =
        #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lab/${aws:username}/*"},{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::lab/*/secret","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#

    @Test func `a user's policies are asked without making a request`() async throws {
        let cloud = try await TestIdentities()
        _ = try await cloud.user("ada", policy: Self.reader)
        func ask(_ resource: String, _ more: [(String, String)] = []) async -> Answer {
            await cloud.send(
                "SimulatePrincipalPolicy",
                [
                    ("PolicySourceArn", "arn:aws:iam::123456789012:user/ada"),
                    ("ActionNames.member.1", "s3:GetObject"), ("ResourceArns.member.1", resource),
                ] + more)
        }
        let own = await ask("arn:aws:s3:::lab/ada/x")
        #expect(own["EvalDecision"] == "allowed" && own["SourcePolicyId"] == "own")
        #expect(own["SourcePolicyType"] == "user" && own.all("member").contains("aws:securetransport"))
        #expect(await ask("arn:aws:s3:::lab/bob/x")["EvalDecision"] == "implicitDeny")
        let open = [
            ("ContextEntries.member.1.ContextKeyName", "aws:SecureTransport"),
            ("ContextEntries.member.1.ContextKeyType", "boolean"),
            ("ContextEntries.member.1.ContextKeyValues.member.1", "false"),
        ]
        #expect(await ask("arn:aws:s3:::lab/ada/secret", open)["EvalDecision"] == "explicitDeny")
        let bound =
            #"{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}"#
        let bounded = await ask(
            "arn:aws:s3:::lab/ada/x", [("PermissionsBoundaryPolicyInputList.member.1", bound)])
        #expect(bounded["EvalDecision"] == "implicitDeny" && bounded["AllowedByPermissionsBoundary"] == "false")
        let resource =
            #"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}}"#
        #expect(await ask("arn:aws:s3:::lab/bob/x", [("ResourcePolicy", resource)])["EvalDecision"] == "allowed")
    }

    @Test func `policies of the request are asked, and groups and roles have theirs`() async throws {
        let cloud = try await TestIdentities()
        let question = [("ActionNames.member.1", "ec2:RunInstances"), ("ActionNames.member.2", "s3:PutObject")]
        let custom = await cloud.send(
            "SimulateCustomPolicy", question + [("PolicyInputList.member.1", IdentityTests.reading)])
        #expect(custom.all("EvalDecision") == ["implicitDeny", "implicitDeny"])
        _ = await cloud.send("CreateGroup", [("GroupName", "crew")])
        _ = await cloud.send(
            "AttachGroupPolicy",
            [("GroupName", "crew"), ("PolicyArn", "arn:aws:iam::aws:policy/AmazonEC2FullAccess")])
        let group = [("PolicySourceArn", "arn:aws:iam::123456789012:group/crew")]
        let answer = await cloud.send("SimulatePrincipalPolicy", question + group)
        #expect(answer.all("EvalDecision") == ["allowed", "implicitDeny"])
        #expect(answer["SourcePolicyType"] == "aws-managed")
        let keys = await cloud.send("GetContextKeysForCustomPolicy", [("PolicyInputList.member.1", Self.reader)])
        #expect(keys.all("member") == ["aws:SecureTransport", "aws:username"])
        #expect(await cloud.send("GetContextKeysForPrincipalPolicy", group).all("member") == [])
    }

    @Test func `what cannot be asked is refused`() async throws {
        let cloud = try await TestIdentities()
        let question = [("ActionNames.member.1", "ec2:RunInstances")]
        func code(_ action: String, _ parameters: [(String, String)]) async -> String? {
            await cloud.send(action, parameters).code
        }
        #expect(await code("SimulateCustomPolicy", question) == "ValidationError")
        #expect(await code("SimulateCustomPolicy", question + [("PolicyInputList.member.1", "{")]) == "InvalidInput")
        #expect(await code("SimulatePrincipalPolicy", question + [("PolicySourceArn", "arn:x")]) == "InvalidInput")
        let nobody = [("PolicySourceArn", "arn:aws:iam::123456789012:user/nobody")]
        #expect(await code("SimulatePrincipalPolicy", question + nobody) == "NoSuchEntity")
        #expect(await code("SimulatePrincipalPolicy", nobody) == "ValidationError")
        let foreign = [("PolicySourceArn", "arn:aws:iam::210987654321:user/ada")]
        #expect(await code("SimulatePrincipalPolicy", question + foreign) == "InvalidInput")
    }
}
