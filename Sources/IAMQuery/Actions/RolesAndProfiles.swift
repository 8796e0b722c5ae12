import CloudModel
import QueryProtocol
import XML

enum Roles {
    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let role = try await call.backend.createRole(
            name: call.required("RoleName"), path: call.path, trustPolicy: call.required("AssumeRolePolicyDocument"),
            description: call.text("Description"), maximumSession: call.parameters.integer("MaxSessionDuration"),
            boundary: call.text("PermissionsBoundary"), tags: call.tags, as: call.caller)
        write(role, &answer)
    }

    private static func write(_ role: Role, _ answer: inout XMLWriter) {
        answer.open("Role")
        answer.role(role)
        answer.close()
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let role = try await call.backend.role(call.required("RoleName"), as: call.caller)
        let use = try await call.backend.credentialUses(as: call.caller).roles[role.id]
        answer.open("Role")
        answer.role(role, use: use.map { ($0, region: call.region) })
        answer.close()
    }

    static func list(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let prefix = call.text("PathPrefix") ?? "/"
        let roles = try await call.backend.roles(as: call.caller).filter { $0.path.hasPrefix(prefix) }
        try call.page(roles, position: { $0.id }, &answer) { answer, page in
            answer.members("Roles", page) { $0.role($1, full: false) }
        }
    }

    static func update(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        _ = try await call.backend.updateRole(
            call.required("RoleName"), description: call.text("Description"),
            maximumSession: call.parameters.integer("MaxSessionDuration"), trustPolicy: nil, as: call.caller)
    }

    static func updateDescription(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let role = try await call.backend.updateRole(
            call.required("RoleName"), description: call.parameters.raw("Description") ?? "", maximumSession: nil,
            trustPolicy: nil, as: call.caller)
        write(role, &answer)
    }

    static func updateTrust(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        _ = try await call.backend.updateRole(
            call.required("RoleName"), description: nil, maximumSession: nil,
            trustPolicy: call.required("PolicyDocument"), as: call.caller)
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteRole(call.required("RoleName"), as: call.caller)
    }
}

enum Profiles {
    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let profile = try await call.backend.createInstanceProfile(
            name: call.required("InstanceProfileName"), path: call.path, tags: call.tags, as: call.caller)
        answer.open("InstanceProfile")
        answer.profile(profile, nil)
        answer.close()
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let (profile, role) = try await call.backend.instanceProfile(
            call.required("InstanceProfileName"), as: call.caller)
        answer.open("InstanceProfile")
        answer.profile(profile, role)
        answer.close()
    }

    static func list(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let prefix = call.text("PathPrefix") ?? "/"
        try write(
            try await call.backend.instanceProfiles(as: call.caller).filter { $0.0.path.hasPrefix(prefix) }, call,
            &answer)
    }

    static func ofRole(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let role = try await call.backend.role(call.required("RoleName"), as: call.caller)
        try write(
            try await call.backend.instanceProfiles(as: call.caller).filter { $0.0.roleID == role.id }, call, &answer)
    }

    private static func write(
        _ profiles: [(InstanceProfile, Role?)], _ call: IAMCall, _ answer: inout XMLWriter
    ) throws(CloudError) {
        try call.page(profiles, position: { $0.0.id }, &answer) { answer, page in
            answer.members("InstanceProfiles", page) { $0.profile($1.0, $1.1) }
        }
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteInstanceProfile(call.required("InstanceProfileName"), as: call.caller)
    }

    static func add(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setRole(
            call.required("RoleName"), ofProfile: call.required("InstanceProfileName"), isMember: true,
            as: call.caller)
    }

    static func remove(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setRole(
            call.required("RoleName"), ofProfile: call.required("InstanceProfileName"), isMember: false,
            as: call.caller)
    }
}
