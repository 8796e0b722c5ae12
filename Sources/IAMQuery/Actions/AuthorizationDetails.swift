import CloudModel
import QueryProtocol
import XML

/// All identities of the account with their policies (GetAccountAuthorizationDetails).
enum AuthorizationDetails {
    private enum Item {
        case user(User, groups: [String])
        case group(UserGroup)
        case role(Role, profiles: [InstanceProfile])
        case policy(ManagedPolicy, PolicyEntities)

        var position: String {
            switch self {
            case .user(let user, _): user.id
            case .group(let group): group.id
            case .role(let role, _): role.id
            case .policy(let policy, _): policy.arn
            }
        }
    }

    private static let kinds = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"]

    private static func items(_ call: IAMCall) async throws(CloudError) -> [Item] {
        let filter = call.parameters.list("Filter.member")
        if let unknown = filter.first(where: { !kinds.contains($0) }) {
            throw .invalidValue(
                parameter: "filter", value: Parameters.shortened(unknown),
                reason: "1 validation error detected: Value '[\(Parameters.shortened(unknown))]' at 'filter' failed to "
                    + "satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: "
                    + "[\(kinds.joined(separator: ", "))]]")
        }
        func wanted(_ kind: String) -> Bool { filter.isEmpty || filter.contains(kind) }
        var items: [Item] = []
        if wanted("User") {
            for user in try await call.backend.users(as: call.caller) {
                let groups = try await call.backend.groups(ofUser: user.name, as: call.caller)
                items.append(.user(user, groups: groups.map(\.name)))
            }
        }
        if wanted("Group") { items += try await call.backend.groups(as: call.caller).map { .group($0) } }
        if wanted("Role") {
            let profiles = try await call.backend.instanceProfiles(as: call.caller).map(\.0)
            for role in try await call.backend.roles(as: call.caller) {
                items.append(.role(role, profiles: profiles.filter { $0.roleID == role.id }))
            }
        }
        for policy in try await call.backend.policies(as: call.caller)
        where wanted(policy.accountID == "aws" ? "AWSManagedPolicy" : "LocalManagedPolicy") {
            items.append(.policy(policy, try await call.backend.entities(ofPolicy: policy.arn, as: call.caller)))
        }
        return items
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let items = try await items(call)
        let uses = try await call.backend.credentialUses(as: call.caller)
        try call.page(items, position: { $0.position }, &answer) { answer, page in
            answer.open("UserDetailList")
            for case .user(let user, let groups) in page {
                answer.open("member")
                answer.user(user)
                answer.inline("UserPolicyList", user.inlinePolicies)
                answer.members("GroupList", groups)
                answer.attached(user.attachedPolicies)
                answer.close()
            }
            answer.close()
            answer.open("GroupDetailList")
            for case .group(let group) in page {
                answer.open("member")
                answer.group(group)
                answer.inline("GroupPolicyList", group.inlinePolicies)
                answer.attached(group.attachedPolicies)
                answer.close()
            }
            answer.close()
            answer.open("RoleDetailList")
            for case .role(let role, let profiles) in page {
                answer.open("member")
                answer.role(role, use: uses.roles[role.id].map { ($0, region: call.region) })
                answer.inline("RolePolicyList", role.inlinePolicies)
                answer.attached(role.attachedPolicies)
                answer.members("InstanceProfileList", profiles) { $0.profile($1, role) }
                answer.close()
            }
            answer.close()
            answer.open("Policies")
            for case .policy(let policy, let entities) in page {
                answer.open("member")
                answer.policy(policy, attachments: entities.attachments, boundaries: entities.boundaries, .short)
                answer.members("PolicyVersionList", policy.versions.reversed()) { writer, version in
                    writer.version(version, isDefault: policy.defaultVersion == version.number)
                }
                answer.close()
            }
            answer.close()
        }
    }
}

extension XMLWriter {
    fileprivate mutating func inline(_ name: String, _ policies: [InlinePolicy]) {
        members(name, policies) { writer, policy in
            writer.element("PolicyName", policy.name)
            writer.element("PolicyDocument", DocumentEncoding.encode(policy.document))
        }
    }

    fileprivate mutating func attached(_ arns: [String]) {
        members("AttachedManagedPolicies", arns) { writer, arn in
            writer.element("PolicyName", arn.split(separator: "/").last.map(String.init) ?? arn)
            writer.element("PolicyArn", arn)
        }
    }
}
