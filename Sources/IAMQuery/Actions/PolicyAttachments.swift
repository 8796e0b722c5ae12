import CloudModel
import QueryProtocol
import XML

/// What holds policies; users, groups and roles have the same actions, with their kind in the name.
enum HolderKind: String, Sendable {
    case user = "User"
    case group = "Group"
    case role = "Role"

    /// The parameter that names one.
    var parameter: String { rawValue + "Name" }

    /// The one that a request names.
    func named(in call: IAMCall) throws(CloudError) -> PolicyHolder {
        let name = try call.required(parameter)
        return switch self {
        case .user: .user(name)
        case .group: .group(name)
        case .role: .role(name)
        }
    }
}

/// Inline policies of users, groups and roles.
enum InlinePolicies {
    static func put(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, _) async throws(CloudError) in
            try await call.backend.putInlinePolicy(
                InlinePolicy(name: call.required("PolicyName"), document: call.required("PolicyDocument")),
                on: kind.named(in: call), as: call.caller)
        }
    }

    static func get(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, answer) async throws(CloudError) in
            let holder = try call.required(kind.parameter)
            let wanted = try call.required("PolicyName")
            let policies = try await call.backend.inlinePolicies(of: kind.named(in: call), as: call.caller)
            guard let policy = policies.first(where: { $0.name == wanted }) else {
                throw .notFound(.inlinePolicy, [wanted])
            }
            answer.element(kind.parameter, holder)
            answer.element("PolicyName", policy.name)
            answer.element("PolicyDocument", DocumentEncoding.encode(policy.document))
        }
    }

    static func list(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, answer) async throws(CloudError) in
            let names = try await call.backend.inlinePolicies(of: kind.named(in: call), as: call.caller).map(\.name)
            try call.page(names, position: { $0 }, &answer) { answer, page in answer.members("PolicyNames", page) }
        }
    }

    static func delete(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, _) async throws(CloudError) in
            try await call.backend.deleteInlinePolicy(
                call.required("PolicyName"), of: kind.named(in: call), as: call.caller)
        }
    }
}

/// Managed policies on users, groups and roles.
enum Attachments {
    static func attach(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, _) async throws(CloudError) in
            try await call.backend.attachPolicy(
                arn: call.required("PolicyArn"), to: kind.named(in: call), as: call.caller)
        }
    }

    static func detach(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, _) async throws(CloudError) in
            try await call.backend.detachPolicy(
                arn: call.required("PolicyArn"), from: kind.named(in: call), as: call.caller)
        }
    }

    static func list(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, answer) async throws(CloudError) in
            let prefix = call.text("PathPrefix") ?? "/"
            let attached = try await call.backend.attachedPolicies(of: kind.named(in: call), as: call.caller)
            let policies = attached.filter { policy in
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
    }
}

/// Permissions boundaries, of users and roles.
enum Boundaries {
    static func put(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, _) async throws(CloudError) in
            try await call.backend.setBoundary(
                call.required("PermissionsBoundary"), of: kind.named(in: call), as: call.caller)
        }
    }

    static func delete(_ kind: HolderKind) -> IAMAction.Handler {
        { (call, _) async throws(CloudError) in
            try await call.backend.setBoundary(nil, of: kind.named(in: call), as: call.caller)
        }
    }
}

/// Tags of users, roles, policies and instance profiles.
enum Tags {
    /// What has tags.
    enum Kind: Sendable {
        case user, role, policy, instanceProfile, mfaDevice

        func named(in call: IAMCall) throws(CloudError) -> TaggedIdentity {
            switch self {
            case .user: .user(try call.required("UserName"))
            case .role: .role(try call.required("RoleName"))
            case .policy: .policy(try call.required("PolicyArn"))
            case .instanceProfile: .instanceProfile(try call.required("InstanceProfileName"))
            case .mfaDevice: .mfaDevice(try call.required("SerialNumber"))
            }
        }
    }

    static func put(_ kind: Kind) -> IAMAction.Handler {
        { (call, _) async throws(CloudError) in
            try await call.backend.tag(kind.named(in: call), with: call.tags, as: call.caller)
        }
    }

    static func remove(_ kind: Kind) -> IAMAction.Handler {
        { (call, _) async throws(CloudError) in
            try await call.backend.untag(
                kind.named(in: call), keys: call.parameters.list("TagKeys.member"), as: call.caller)
        }
    }

    static func list(_ kind: Kind) -> IAMAction.Handler {
        { (call, answer) async throws(CloudError) in
            let tags = try await call.backend.tags(of: kind.named(in: call), as: call.caller)
            try call.page(tags, position: { $0.key }, &answer) { answer, page in answer.tags(page) }
        }
    }
}
