import CloudModel
import XML

// The structures of answers ("Data Types" of the API reference).
extension XMLWriter {
    /// `<member>` for each item.
    mutating func members<Item>(_ name: String, _ items: [Item], _ write: (inout XMLWriter, Item) -> Void) {
        open(name)
        for item in items {
            open("member")
            write(&self, item)
            close()
        }
        close()
    }

    /// `<member>` with a text for each.
    mutating func members(_ name: String, _ items: [String]) {
        open(name)
        for item in items { element("member", item) }
        close()
    }

    mutating func tags(_ tags: [Tag]) {
        members("Tags", tags) { writer, tag in
            writer.element("Key", tag.key)
            writer.element("Value", tag.value)
        }
    }

    private mutating func boundary(_ arn: String?) {
        guard let arn else { return }
        open("PermissionsBoundary")
        element("PermissionsBoundaryType", "PermissionsBoundaryPolicy")
        element("PermissionsBoundaryArn", arn)
        close()
    }

    /// - Parameter password: when the password was used last.
    mutating func user(_ user: User, full: Bool = true, password: CredentialUse? = nil) {
        element("Path", user.path)
        element("UserName", user.name)
        element("UserId", user.id)
        element("Arn", user.arn)
        element("CreateDate", user.createdAt.inSeconds)
        if let password { element("PasswordLastUsed", password.time.inSeconds) }
        guard full else { return }
        boundary(user.boundary)
        if !user.tags.isEmpty { tags(user.tags) }
    }

    mutating func group(_ group: UserGroup) {
        element("Path", group.path)
        element("GroupName", group.name)
        element("GroupId", group.id)
        element("Arn", group.arn)
        element("CreateDate", group.createdAt.inSeconds)
    }

    /// - Parameter use: of the role, with the region in which it was used.
    mutating func role(_ role: Role, full: Bool = true, use: (CredentialUse, region: String)? = nil) {
        element("Path", role.path)
        element("RoleName", role.name)
        element("RoleId", role.id)
        element("Arn", role.arn)
        element("CreateDate", role.createdAt.inSeconds)
        element("AssumeRolePolicyDocument", DocumentEncoding.encode(role.trustPolicy))
        if let description = role.description { element("Description", description) }
        element("MaxSessionDuration", role.maximumSession)
        guard full else { return }
        boundary(role.boundary)
        if !role.tags.isEmpty { tags(role.tags) }
        // Always there in AWS's answers, and empty for a role that was never used.
        open("RoleLastUsed")
        if let (use, region) = use {
            element("LastUsedDate", use.time.inSeconds)
            element("Region", region)
        }
        close()
    }

    mutating func profile(_ profile: InstanceProfile, _ role: Role?) {
        element("Path", profile.path)
        element("InstanceProfileName", profile.name)
        element("InstanceProfileId", profile.id)
        element("Arn", profile.arn)
        element("CreateDate", profile.createdAt.inSeconds)
        members("Roles", role.map { [$0] } ?? []) { $0.role($1, full: false) }
        tags(profile.tags)
    }

    /// How much of a policy an answer shows.
    enum PolicyDetail {
        /// In lists.
        case short
        /// After it was made: without the description.
        case made
        /// Everything; tags even if there are none.
        case full
    }

    mutating func policy(_ policy: ManagedPolicy, attachments: Int, boundaries: Int, _ detail: PolicyDetail) {
        element("PolicyName", policy.name)
        element("PolicyId", policy.id)
        element("Arn", policy.arn)
        element("Path", policy.path)
        element("DefaultVersionId", "v\(policy.defaultVersion)")
        element("AttachmentCount", attachments)
        element("PermissionsBoundaryUsageCount", boundaries)
        element("IsAttachable", true)
        if detail == .full, let description = policy.description { element("Description", description) }
        element("CreateDate", policy.createdAt.inSeconds)
        element("UpdateDate", policy.updatedAt.inSeconds)
        if detail == .full || detail == .made && !policy.tags.isEmpty { tags(policy.tags) }
    }

    mutating func version(_ version: ManagedPolicy.Version, isDefault: Bool) {
        element("Document", DocumentEncoding.encode(version.document))
        element("VersionId", version.id)
        element("IsDefaultVersion", isDefault)
        element("CreateDate", version.createdAt.inSeconds)
    }

    mutating func credentials(_ credentials: TemporaryCredentials) {
        open("Credentials")
        element("AccessKeyId", credentials.accessKeyID)
        element("SecretAccessKey", credentials.secret)
        element("SessionToken", credentials.sessionToken)
        element("Expiration", credentials.expiresAt.inSeconds)
        close()
    }
}
