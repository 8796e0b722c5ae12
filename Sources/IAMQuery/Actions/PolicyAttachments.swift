import CloudModel
import QueryProtocol
import XML

/// Inline policies of users, groups and roles.
enum InlinePolicies {
    private static func put(_ holder: PolicyHolder, _ call: IAMCall) async throws(CloudError) {
        try await call.backend.putInlinePolicy(
            InlinePolicy(name: call.required("PolicyName"), document: call.required("PolicyDocument")), on: holder,
            as: call.caller)
    }

    private static func get(
        _ holder: PolicyHolder, _ element: String, _ name: String, _ call: IAMCall, _ answer: inout XMLWriter
    ) async throws(CloudError) {
        let wanted = try call.required("PolicyName")
        let policies = try await call.backend.inlinePolicies(of: holder, as: call.caller)
        guard let policy = policies.first(where: { $0.name == wanted }) else {
            throw .notFound(.inlinePolicy, [wanted])
        }
        answer.element(element, name)
        answer.element("PolicyName", policy.name)
        answer.element("PolicyDocument", DocumentEncoding.encode(policy.document))
    }

    private static func list(_ holder: PolicyHolder, _ call: IAMCall, _ answer: inout XMLWriter)
        async throws(CloudError)
    {
        let names = try await call.backend.inlinePolicies(of: holder, as: call.caller).map(\.name)
        try call.page(names, position: { $0 }, &answer) { answer, page in answer.members("PolicyNames", page) }
    }

    static func putUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await put(.user(call.required("UserName")), call)
    }

    static func getUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let name = try call.required("UserName")
        try await get(.user(name), "UserName", name, call, &answer)
    }

    static func listUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.user(call.required("UserName")), call, &answer)
    }

    static func deleteUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteInlinePolicy(
            call.required("PolicyName"), of: .user(call.required("UserName")), as: call.caller)
    }

    static func putGroup(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await put(.group(call.required("GroupName")), call)
    }

    static func getGroup(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let name = try call.required("GroupName")
        try await get(.group(name), "GroupName", name, call, &answer)
    }

    static func listGroup(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.group(call.required("GroupName")), call, &answer)
    }

    static func deleteGroup(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteInlinePolicy(
            call.required("PolicyName"), of: .group(call.required("GroupName")), as: call.caller)
    }

    static func putRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await put(.role(call.required("RoleName")), call)
    }

    static func getRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let name = try call.required("RoleName")
        try await get(.role(name), "RoleName", name, call, &answer)
    }

    static func listRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.role(call.required("RoleName")), call, &answer)
    }

    static func deleteRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteInlinePolicy(
            call.required("PolicyName"), of: .role(call.required("RoleName")), as: call.caller)
    }
}

/// Managed policies on users, groups and roles.
enum Attachments {
    private static func list(_ holder: PolicyHolder, _ call: IAMCall, _ answer: inout XMLWriter)
        async throws(CloudError)
    {
        let prefix = call.text("PathPrefix") ?? "/"
        let policies = try await call.backend.attachedPolicies(of: holder, as: call.caller).filter { policy in
            // arn:aws:iam::account:policy/path/name
            guard let path = policy.arn.split(separator: ":", maxSplits: 5).last else { return false }
            return path.dropFirst("policy".utf8.count).hasPrefix(prefix)
        }
        try call.page(policies, position: { $0.arn }, &answer) { answer, page in
            answer.members("AttachedPolicies", page) { writer, policy in
                writer.element("PolicyName", policy.name)
                writer.element("PolicyArn", policy.arn)
            }
        }
    }

    static func attachUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.attachPolicy(
            arn: call.required("PolicyArn"), to: .user(call.required("UserName")), as: call.caller)
    }

    static func detachUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.detachPolicy(
            arn: call.required("PolicyArn"), from: .user(call.required("UserName")), as: call.caller)
    }

    static func listUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.user(call.required("UserName")), call, &answer)
    }

    static func attachGroup(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.attachPolicy(
            arn: call.required("PolicyArn"), to: .group(call.required("GroupName")), as: call.caller)
    }

    static func detachGroup(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.detachPolicy(
            arn: call.required("PolicyArn"), from: .group(call.required("GroupName")), as: call.caller)
    }

    static func listGroup(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.group(call.required("GroupName")), call, &answer)
    }

    static func attachRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.attachPolicy(
            arn: call.required("PolicyArn"), to: .role(call.required("RoleName")), as: call.caller)
    }

    static func detachRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.detachPolicy(
            arn: call.required("PolicyArn"), from: .role(call.required("RoleName")), as: call.caller)
    }

    static func listRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.role(call.required("RoleName")), call, &answer)
    }
}

/// Permissions boundaries.
enum Boundaries {
    static func putUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setBoundary(
            call.required("PermissionsBoundary"), of: .user(call.required("UserName")), as: call.caller)
    }

    static func deleteUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setBoundary(nil, of: .user(call.required("UserName")), as: call.caller)
    }

    static func putRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setBoundary(
            call.required("PermissionsBoundary"), of: .role(call.required("RoleName")), as: call.caller)
    }

    static func deleteRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setBoundary(nil, of: .role(call.required("RoleName")), as: call.caller)
    }
}

/// Tags of users, roles, policies and instance profiles.
enum Tags {
    private static func list(_ identity: TaggedIdentity, _ call: IAMCall, _ answer: inout XMLWriter)
        async throws(CloudError)
    {
        let tags = try await call.backend.tags(of: identity, as: call.caller)
        try call.page(tags, position: { $0.key }, &answer) { answer, page in answer.tags(page) }
    }

    static func tagUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.tag(.user(call.required("UserName")), with: call.tags, as: call.caller)
    }

    static func untagUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.untag(
            .user(call.required("UserName")), keys: call.parameters.list("TagKeys.member"), as: call.caller)
    }

    static func listUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.user(call.required("UserName")), call, &answer)
    }

    static func tagRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.tag(.role(call.required("RoleName")), with: call.tags, as: call.caller)
    }

    static func untagRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.untag(
            .role(call.required("RoleName")), keys: call.parameters.list("TagKeys.member"), as: call.caller)
    }

    static func listRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.role(call.required("RoleName")), call, &answer)
    }

    static func tagPolicy(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.tag(.policy(call.required("PolicyArn")), with: call.tags, as: call.caller)
    }

    static func untagPolicy(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.untag(
            .policy(call.required("PolicyArn")), keys: call.parameters.list("TagKeys.member"), as: call.caller)
    }

    static func listPolicy(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.policy(call.required("PolicyArn")), call, &answer)
    }

    static func tagProfile(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.tag(
            .instanceProfile(call.required("InstanceProfileName")), with: call.tags, as: call.caller)
    }

    static func untagProfile(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.untag(
            .instanceProfile(call.required("InstanceProfileName")), keys: call.parameters.list("TagKeys.member"),
            as: call.caller)
    }

    static func listProfile(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await list(.instanceProfile(call.required("InstanceProfileName")), call, &answer)
    }
}
