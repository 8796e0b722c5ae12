import CloudModel
import QueryProtocol
import XML

enum ManagedPolicies {
    private static func write(
        _ policy: ManagedPolicy, _ detail: XMLWriter.PolicyDetail, _ call: IAMCall, _ answer: inout XMLWriter
    ) async throws(CloudError) {
        let entities = try await call.backend.entities(ofPolicy: policy.arn, as: call.caller)
        answer.open("Policy")
        answer.policy(policy, attachments: entities.attachments, boundaries: entities.boundaries, detail)
        answer.close()
    }

    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let policy = try await call.backend.createPolicy(
            name: call.required("PolicyName"), path: call.path, document: call.required("PolicyDocument"),
            description: call.text("Description"), tags: call.tags, as: call.caller)
        try await write(policy, .made, call, &answer)
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await write(try await own(call), .full, call, &answer)
    }

    private static func own(_ call: IAMCall) async throws(CloudError) -> ManagedPolicy {
        try await call.backend.policy(arn: call.required("PolicyArn"), as: call.caller)
    }

    static func list(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let prefix = call.text("PathPrefix") ?? "/"
        let scope = call.text("Scope") ?? "All"
        guard ["All", "AWS", "Local"].contains(scope) else {
            throw .invalidValue(
                parameter: "scope", value: Parameters.shortened(scope),
                reason:
                    "1 validation error detected: Value '\(Parameters.shortened(scope))' at 'scope' failed to satisfy "
                    + "constraint: Member must satisfy enum value set: [AWS, Local, All]")
        }
        let onlyAttached = try call.parameters.flag("OnlyAttached") ?? false
        var policies: [(policy: ManagedPolicy, entities: PolicyEntities)] = []
        for policy in try await call.backend.policies(as: call.caller) where policy.path.hasPrefix(prefix) {
            guard scope == "All" || (scope == "AWS") == (policy.accountID == "aws") else { continue }
            let entities = try await call.backend.entities(ofPolicy: policy.arn, as: call.caller)
            if onlyAttached, entities.attachments == 0 { continue }
            policies.append((policy, entities))
        }
        try call.page(policies, position: { $0.policy.arn }, &answer) { answer, page in
            answer.members("Policies", page) { writer, item in
                writer.policy(
                    item.policy, attachments: item.entities.attachments, boundaries: item.entities.boundaries,
                    .short)
            }
        }
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deletePolicy(arn: call.required("PolicyArn"), as: call.caller)
    }

    static func createVersion(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let (policy, version) = try await call.backend.createPolicyVersion(
            arn: call.required("PolicyArn"), document: call.required("PolicyDocument"),
            isDefault: call.parameters.flag("SetAsDefault") ?? false, as: call.caller)
        answer.open("PolicyVersion")
        // Beyond IAM, as in the list: it leaves the document to GetPolicyVersion.
        answer.version(version, isDefault: policy.defaultVersion == version.number)
        answer.close()
    }

    static func getVersion(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let policy = try await own(call)
        let wanted = try call.required("VersionId")
        guard let version = policy.versions.first(where: { $0.id == wanted }) else {
            throw .notFound(.policyVersion, [policy.arn, wanted])
        }
        answer.open("PolicyVersion")
        answer.version(version, isDefault: policy.defaultVersion == version.number)
        answer.close()
    }

    static func listVersions(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let policy = try await own(call)
        try call.page(policy.versions.reversed(), position: { $0.id }, &answer) { answer, page in
            answer.members("Versions", page) { writer, version in
                writer.version(version, isDefault: policy.defaultVersion == version.number)
            }
        }
    }

    static func deleteVersion(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deletePolicyVersion(
            arn: call.required("PolicyArn"), version: call.required("VersionId"), as: call.caller)
    }

    static func setDefault(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setDefaultPolicyVersion(
            arn: call.required("PolicyArn"), version: call.required("VersionId"), as: call.caller)
    }

    static func entities(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let found = try await call.backend.entities(ofPolicy: call.required("PolicyArn"), as: call.caller)
        let filter = call.text("EntityFilter")
        let prefix = call.text("PathPrefix") ?? "/"
        func wanted(_ kind: String) -> Bool { filter == nil || filter == kind }
        let groups = wanted("Group") ? found.groups.filter { $0.path.hasPrefix(prefix) } : []
        let users = wanted("User") ? found.users.filter { $0.path.hasPrefix(prefix) } : []
        let roles = wanted("Role") ? found.roles.filter { $0.path.hasPrefix(prefix) } : []
        let all = groups.map(\.id) + users.map(\.id) + roles.map(\.id)
        try call.page(all, position: { $0 }, &answer) { answer, page in
            let page = Set(page)
            answer.members("PolicyGroups", groups.filter { page.contains($0.id) }) { writer, group in
                writer.element("GroupName", group.name)
                writer.element("GroupId", group.id)
            }
            answer.members("PolicyUsers", users.filter { page.contains($0.id) }) { writer, user in
                writer.element("UserName", user.name)
                writer.element("UserId", user.id)
            }
            answer.members("PolicyRoles", roles.filter { page.contains($0.id) }) { writer, role in
                writer.element("RoleName", role.name)
                writer.element("RoleId", role.id)
            }
        }
    }
}

extension PolicyEntities {
    var attachments: Int { users.count + groups.count + roles.count }
}
