import AccessPolicy
public import CloudModel
import Store

// Roles and instance profiles.

extension CloudController {
    // MARK: Roles

    /// See `IdentityBackend`.
    public func createRole(
        name: String, path: String, trustPolicy: String, description: String?, maximumSession: Int?,
        boundary: String?, tags: [Tag], as caller: Caller
    ) async throws(CloudError) -> Role {
        try IdentityRules.checkName(name, "roleName", most: 64)
        try IdentityRules.checkPath(path)
        try IdentityRules.checkTags(tags)
        try Self.checkMaximumSession(maximumSession)
        try Self.checkDescription(description)
        try IdentityRules.checkPolicy(
            trustPolicy, parameter: "AssumeRolePolicyDocument", most: IdentityRules.trustPolicySize, .trust)
        if let boundary { _ = try await policy(arn: boundary, as: caller) }
        var role = Role(
            id: Credentials.uniqueID("AROA"), accountID: caller.accountID, name: name, path: path,
            createdAt: configuration.now(), trustPolicy: trustPolicy, description: description,
            maximumSession: maximumSession ?? 3600)
        role.boundary = boundary
        role.tags = tags
        return try await create(role, in: \.roles, most: IdentityRules.rolesPerAccount)
    }

    private static func checkMaximumSession(_ seconds: Int?) throws(CloudError) {
        guard let seconds, !(3600...43_200).contains(seconds) else { return }
        throw .invalidValue(
            parameter: "maxSessionDuration", value: String(seconds),
            reason: "1 validation error detected: Value '\(seconds)' at 'maxSessionDuration' failed to satisfy "
                + "constraint: Member must have value between 3600 and 43200")
    }

    private static func checkDescription(_ text: String?) throws(CloudError) {
        guard let text, text.unicodeScalars.count > 1000 else { return }
        throw .invalidValue(
            parameter: "description", value: "",
            reason: "1 validation error detected: Value at 'description' failed to "
                + "satisfy constraint: Member must have length less than or equal to 1000")
    }

    /// See `IdentityBackend`.
    public func role(_ name: String, as caller: Caller) async throws(CloudError) -> Role {
        try named(name, in: \.roles, of: caller.accountID, view).value
    }

    /// See `IdentityBackend`.
    public func roles(as caller: Caller) async throws(CloudError) -> [Role] {
        view.identities.roles.sorted(of: caller.accountID)
    }

    /// See `IdentityBackend`.
    public func updateRole(
        _ name: String, description: String?, maximumSession: Int?, trustPolicy: String?, as caller: Caller
    ) async throws(CloudError) -> Role {
        try Self.checkMaximumSession(maximumSession)
        try Self.checkDescription(description)
        if let trustPolicy {
            try IdentityRules.checkPolicy(trustPolicy, most: IdentityRules.trustPolicySize, .trust)
        }
        return try await change(name, in: \.roles, of: caller.accountID) { role, _ in
            role.description = description ?? role.description
            role.maximumSession = maximumSession ?? role.maximumSession
            role.trustPolicy = trustPolicy ?? role.trustPolicy
        }
    }

    /// See `IdentityBackend`.
    public func deleteRole(_ name: String, as caller: Caller) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.named(name, in: \.roles, of: caller.accountID, view)
            let role = stored.value
            let isInProfile = view.identities.profiles.records(of: role.accountID).contains {
                $0.value.roleID == role.id
            }
            let obstacles: [(Bool, String)] = [
                (isInProfile, "remove roles from instance profile"),
                (!role.attachedPolicies.isEmpty, "detach all policies"),
                (!role.inlinePolicies.isEmpty, "delete policies"),
            ]
            if let obstacle = obstacles.first(where: \.0) { throw .inUse(.role, role.name, by: obstacle.1) }
            var mutation = Mutation()
            mutation.delete(.role(role), revision: stored.revision)
            return (mutation, ())
        }
    }

    // MARK: Instance profiles

    /// See `IdentityBackend`.
    public func createInstanceProfile(name: String, path: String, tags: [Tag], as caller: Caller)
        async throws(CloudError) -> InstanceProfile
    {
        try IdentityRules.checkName(name, "instanceProfileName", most: 128)
        try IdentityRules.checkPath(path)
        try IdentityRules.checkTags(tags)
        var profile = InstanceProfile(
            id: Credentials.uniqueID("AIPA"), accountID: caller.accountID, name: name, path: path,
            createdAt: configuration.now())
        profile.tags = tags
        return try await create(profile, in: \.profiles, most: IdentityRules.profilesPerAccount)
    }

    /// See `IdentityBackend`.
    public func instanceProfile(_ name: String, as caller: Caller) async throws(CloudError) -> (InstanceProfile, Role?)
    {
        let profile = try named(name, in: \.profiles, of: caller.accountID, view).value
        return (profile, role(of: profile))
    }

    private func role(of profile: InstanceProfile) -> Role? {
        profile.roleID.flatMap { view.identities.roles[$0]?.value }
    }

    /// See `IdentityBackend`.
    public func instanceProfiles(as caller: Caller) async throws(CloudError) -> [(InstanceProfile, Role?)] {
        view.identities.profiles.sorted(of: caller.accountID).map { ($0, role(of: $0)) }
    }

    /// See `IdentityBackend`.
    public func deleteInstanceProfile(_ name: String, as caller: Caller) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.named(name, in: \.profiles, of: caller.accountID, view)
            guard stored.value.roleID == nil else {
                throw .inUse(.instanceProfile, stored.value.name, by: "remove roles from instance profile")
            }
            var mutation = Mutation()
            mutation.delete(.instanceProfile(stored.value), revision: stored.revision)
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public func setRole(_ roleName: String, ofProfile name: String, isMember: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.named(name, in: \.profiles, of: caller.accountID, view)
            let role = try self.named(roleName, in: \.roles, of: caller.accountID, view).value
            var profile = stored.value
            if isMember {
                guard profile.roleID == nil else {
                    throw .limitExceeded(.instanceProfile, limit: 1, inUse: 1, requested: 1)
                }
                profile.roleID = role.id
            } else {
                guard profile.roleID == role.id else { throw .notFound(.role, [roleName]) }
                profile.roleID = nil
            }
            var mutation = Mutation()
            mutation.conditions.append(.exists(role.record.key))
            mutation.update(.instanceProfile(profile), revision: stored.revision)
            return (mutation, ())
        }
    }
}
