import CloudModel
import QueryProtocol
import XML

/// STS.
enum Sessions {
    static func callerIdentity(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        answer.element("Arn", call.caller.arn)
        answer.element("UserId", call.caller.userID)
        answer.element("Account", call.caller.accountID)
    }

    static func sessionToken(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        answer.credentials(
            try await call.backend.sessionToken(
                seconds: call.parameters.integer("DurationSeconds"), mfa: mfa(call), as: call.caller))
    }

    /// The code with which the caller shows that he has his device.
    private static func mfa(_ call: IAMCall) throws(CloudError) -> MFACode? {
        switch (call.text("SerialNumber"), call.text("TokenCode")) {
        case (nil, nil): return nil
        case (let serial?, let code?): return MFACode(serialNumber: serial, code: code)
        default:
            throw .invalidCombination("SerialNumber and TokenCode must be given together.")
        }
    }

    private static func policyARNs(_ call: IAMCall) throws(CloudError) -> [String] {
        var arns: [String] = []
        for entry in call.parameters.structures("PolicyArns.member") { arns.append(try entry.required("arn")) }
        return arns
    }

    static func federationToken(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let session = try await call.backend.federationToken(
            name: call.required("Name"), policies: call.text("Policy").map { [$0] } ?? [],
            policyARNs: policyARNs(call), seconds: call.parameters.integer("DurationSeconds"), as: call.caller)
        answer.credentials(session)
        answer.open("FederatedUser")
        answer.element("FederatedUserId", session.principal.userID)
        answer.element("Arn", session.principal.arn)
        answer.close()
        answer.element("PackedPolicySize", (call.text("Policy") ?? "").utf8.count * 100 / 2048)
    }

    static func assumeRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let session = try await call.backend.assumeRole(
            AssumeRoleRequest(
                roleARN: call.required("RoleArn"), sessionName: call.required("RoleSessionName"),
                policy: call.text("Policy"), policyARNs: policyARNs(call),
                seconds: call.parameters.integer("DurationSeconds"), externalID: call.text("ExternalId"),
                mfa: mfa(call)),
            as: call.caller)
        answer.credentials(session)
        answer.open("AssumedRoleUser")
        answer.element("AssumedRoleId", session.principal.userID)
        answer.element("Arn", session.principal.arn)
        answer.close()
    }

    static func accessKeyInfo(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let id = try call.required("AccessKeyId")
        guard let account = try await call.backend.account(ofKey: id) else {
            throw .invalidValue(
                parameter: "AccessKeyId", value: Parameters.shortened(id),
                reason: "The access key \(Parameters.shortened(id)) is none of this cloud.")
        }
        answer.element("Account", account)
    }
}
