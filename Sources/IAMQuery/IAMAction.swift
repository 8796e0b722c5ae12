import CloudModel
import QueryProtocol
import XML

/// One action of IAM or STS: a row of the table in which everything is looked up.
public struct IAMAction: Sendable {
    /// Writes the elements of the answer into the result element, which is open.
    typealias Handler = @Sendable (IAMCall, inout XMLWriter) async throws(CloudError) -> Void

    /// What an action concerns, for the gate: how its ARN follows from the parameters.
    enum Target: Sendable {
        /// Nothing in particular.
        case none
        /// The user that `UserName` names, or the caller.
        case user
        /// By `UserName`, which does not exist yet.
        case newUser
        case group
        case newGroup
        case role
        case newRole
        /// By `PolicyArn`.
        case policy
        case newPolicy
        case profile
        case newProfile
        /// By `RoleArn`.
        case roleARN
        /// By `SerialNumber`.
        case mfaDevice
        case newMFADevice
        /// By `PolicySourceArn`.
        case policySource
        /// The account that `AccountName` names.
        case account
    }

    /// The action's name.
    public let name: String
    /// Which service has it.
    public let service: IdentityService
    /// What policies call it; nil if everybody may.
    public let permission: String?
    /// What it does here, and what of IAM's it does not do.
    public let summary: String
    /// Whether it is an action of the original that AWS does not have.
    public let isExtension: Bool
    let target: Target
    /// Whether the answer has a result element.
    let hasResult: Bool
    let handler: Handler

    private init(
        _ name: String, _ target: Target = .none, result: Bool = true, service: IdentityService = .iam,
        isExtension: Bool = false, isFree: Bool = false, _ handler: @escaping Handler, _ summary: String
    ) {
        self.name = name
        self.service = service
        permission = isFree ? nil : service.rawValue + ":" + name
        self.target = target
        hasResult = result
        self.isExtension = isExtension
        self.handler = handler
        self.summary = summary
    }

    /// Whether it changes nothing.
    public var isReading: Bool {
        switch service {
        case .iam: ["Get", "List", "Simulate", "Generate"].contains { name.hasPrefix($0) }
        // The others hand out credentials.
        case .sts: ["GetCallerIdentity", "GetAccessKeyInfo"].contains(name)
        }
    }

    /// The action with this name, if it is offered.
    static func named(_ name: String, _ service: IdentityService) -> IAMAction? {
        byName[service.rawValue + name]
    }

    private static let byName = Dictionary(
        all.map { ($0.service.rawValue + $0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// What it adds to quotas.
    var additions: [String: Int64] {
        switch target {
        case .newUser: ["iam:quota-usernumber": 1]
        case .newGroup: ["iam:quota-groupnumber": 1]
        case .newRole: ["iam:quota-rolenumber": 1]
        case .newProfile: ["iam:quota-instanceprofilenumber": 1]
        default: [:]
        }
    }

    /// The ARNs of what a request concerns.
    func resources(_ parameters: Parameters, _ caller: Caller, _ backend: any IdentityBackend)
        async throws(CloudError) -> [String]
    {
        let account = caller.accountID
        let path = parameters.text("Path") ?? "/"
        func arn(_ kind: String, _ parameter: String) -> String {
            "arn:aws:iam::\(account):\(kind)\(path)\(parameters.text(parameter) ?? "")"
        }
        // What is not there is found out by the handler; the gate comes first and takes the plain name.
        switch target {
        case .none: return ["*"]
        case .newUser: return [arn("user", "UserName")]
        case .newGroup: return [arn("group", "GroupName")]
        case .newRole: return [arn("role", "RoleName")]
        case .newPolicy: return [arn("policy", "PolicyName")]
        case .newProfile: return [arn("instance-profile", "InstanceProfileName")]
        case .policy: return [parameters.text("PolicyArn") ?? "*"]
        case .roleARN: return [parameters.text("RoleArn") ?? "*"]
        case .mfaDevice: return [parameters.text("SerialNumber") ?? "*"]
        case .newMFADevice: return [arn("mfa", "VirtualMFADeviceName")]
        case .policySource: return [parameters.text("PolicySourceArn") ?? "*"]
        case .account:
            let name = parameters.text("AccountName") ?? ""
            return [
                await known { () async throws(CloudError) in
                    "arn:aws:iam::\(try await backend.findAccount(name, as: caller).id):root"
                } ?? "arn:aws:iam:::account/\(name)"
            ]
        case .user:
            guard let name = parameters.text("UserName") else {
                if case .account = caller.identity { return ["arn:aws:iam::\(account):user/\(caller.userName)"] }
                return [caller.arn]
            }
            // The account itself, however it is written.
            if name.lowercased() == Account.rootUserName {
                return ["arn:aws:iam::\(account):user/\(Account.rootUserName)"]
            }
            return [
                await known { () async throws(CloudError) in try await backend.user(name, as: caller).arn }
                    ?? arn("user", "UserName")
            ]
        case .group:
            let name = parameters.text("GroupName") ?? ""
            return [
                await known { () async throws(CloudError) in try await backend.group(name, as: caller).group.arn }
                    ?? arn("group", "GroupName")
            ]
        case .role:
            let name = parameters.text("RoleName") ?? ""
            return [
                await known { () async throws(CloudError) in try await backend.role(name, as: caller).arn }
                    ?? arn("role", "RoleName")
            ]
        case .profile:
            let name = parameters.text("InstanceProfileName") ?? ""
            return [
                await known { () async throws(CloudError) in
                    try await backend.instanceProfile(name, as: caller).0.arn
                } ?? arn("instance-profile", "InstanceProfileName")
            ]
        }
    }

    private func known(_ arn: () async throws(CloudError) -> String) async -> String? {
        do throws(CloudError) { return try await arn() } catch { return nil }
    }

    /// All actions that are offered.
    public static let all: [IAMAction] = [
        // Users
        IAMAction("CreateUser", .newUser, Users.create, "Makes a user, with tags and a permissions boundary."),
        IAMAction("GetUser", .user, Users.get, "One user, or the caller."),
        IAMAction("ListUsers", .none, Users.list, "Lists users below a path."),
        IAMAction("UpdateUser", .user, result: false, Users.update, "Renames or moves; keys and groups stay."),
        IAMAction("DeleteUser", .user, result: false, Users.delete, "Removes a user who has nothing left."),
        IAMAction("TagUser", .user, result: false, Tags.put(.user), "Puts tags on a user."),
        IAMAction("UntagUser", .user, result: false, Tags.remove(.user), "Takes tags off."),
        IAMAction("ListUserTags", .user, Tags.list(.user), "Lists them."),
        IAMAction(
            "PutUserPermissionsBoundary", .user, result: false, Boundaries.put(.user), "Bounds what a user may do."),
        IAMAction(
            "DeleteUserPermissionsBoundary", .user, result: false, Boundaries.delete(.user), "Takes the bound away."),
        // Groups
        IAMAction("CreateGroup", .newGroup, Groups.create, "Makes a group."),
        IAMAction("GetGroup", .group, Groups.get, "A group with its members."),
        IAMAction("ListGroups", .none, Groups.list, "Lists groups below a path."),
        IAMAction("ListGroupsForUser", .user, Groups.ofUser, "Lists the groups that a user is in."),
        IAMAction("UpdateGroup", .group, result: false, Groups.update, "Renames or moves."),
        IAMAction("DeleteGroup", .group, result: false, Groups.delete, "Removes a group without members and policies."),
        IAMAction("AddUserToGroup", .group, result: false, Groups.add, "Makes a user a member."),
        IAMAction("RemoveUserFromGroup", .group, result: false, Groups.remove, "Ends a membership."),
        // Roles
        IAMAction("CreateRole", .newRole, Roles.create, "Makes a role with its trust policy."),
        IAMAction("GetRole", .role, Roles.get, "One role."),
        IAMAction("ListRoles", .none, Roles.list, "Lists roles below a path."),
        IAMAction("UpdateRole", .role, Roles.update, "Changes description and longest session."),
        IAMAction("UpdateRoleDescription", .role, Roles.updateDescription, "Changes the description."),
        IAMAction(
            "UpdateAssumeRolePolicy", .role, result: false, Roles.updateTrust, "Changes who may take the role on."),
        IAMAction("DeleteRole", .role, result: false, Roles.delete, "Removes a role without policies."),
        IAMAction("TagRole", .role, result: false, Tags.put(.role), "Puts tags on a role."),
        IAMAction("UntagRole", .role, result: false, Tags.remove(.role), "Takes tags off."),
        IAMAction("ListRoleTags", .role, Tags.list(.role), "Lists them."),
        IAMAction(
            "PutRolePermissionsBoundary", .role, result: false, Boundaries.put(.role), "Bounds what a role may do."),
        IAMAction(
            "DeleteRolePermissionsBoundary", .role, result: false, Boundaries.delete(.role), "Takes the bound away."),
        // Instance profiles
        IAMAction("CreateInstanceProfile", .newProfile, Profiles.create, "Makes an instance profile."),
        IAMAction("GetInstanceProfile", .profile, Profiles.get, "One profile with its role."),
        IAMAction("ListInstanceProfiles", .none, Profiles.list, "Lists profiles below a path."),
        IAMAction("ListInstanceProfilesForRole", .role, Profiles.ofRole, "Lists the profiles that hold a role."),
        IAMAction("DeleteInstanceProfile", .profile, result: false, Profiles.delete, "Removes an empty profile."),
        IAMAction("AddRoleToInstanceProfile", .profile, result: false, Profiles.add, "Puts the one role in."),
        IAMAction("RemoveRoleFromInstanceProfile", .profile, result: false, Profiles.remove, "Takes it out."),
        IAMAction("TagInstanceProfile", .profile, result: false, Tags.put(.instanceProfile), "Puts tags on a profile."),
        IAMAction("UntagInstanceProfile", .profile, result: false, Tags.remove(.instanceProfile), "Takes tags off."),
        IAMAction("ListInstanceProfileTags", .profile, Tags.list(.instanceProfile), "Lists them."),
        // Inline policies
        IAMAction(
            "PutUserPolicy", .user, result: false, InlinePolicies.put(.user), "Adds or replaces an inline policy."),
        IAMAction("GetUserPolicy", .user, InlinePolicies.get(.user), "One inline policy."),
        IAMAction("ListUserPolicies", .user, InlinePolicies.list(.user), "Lists inline policies' names."),
        IAMAction("DeleteUserPolicy", .user, result: false, InlinePolicies.delete(.user), "Removes one."),
        IAMAction(
            "PutGroupPolicy", .group, result: false, InlinePolicies.put(.group), "Adds or replaces one of a group."),
        IAMAction("GetGroupPolicy", .group, InlinePolicies.get(.group), "One inline policy."),
        IAMAction("ListGroupPolicies", .group, InlinePolicies.list(.group), "Lists their names."),
        IAMAction("DeleteGroupPolicy", .group, result: false, InlinePolicies.delete(.group), "Removes one."),
        IAMAction("PutRolePolicy", .role, result: false, InlinePolicies.put(.role), "Adds or replaces one of a role."),
        IAMAction("GetRolePolicy", .role, InlinePolicies.get(.role), "One inline policy."),
        IAMAction("ListRolePolicies", .role, InlinePolicies.list(.role), "Lists their names."),
        IAMAction("DeleteRolePolicy", .role, result: false, InlinePolicies.delete(.role), "Removes one."),
        // Managed policies
        IAMAction("CreatePolicy", .newPolicy, ManagedPolicies.create, "Makes a policy to attach."),
        IAMAction("GetPolicy", .policy, ManagedPolicies.get, "One policy, the cloud's own among them."),
        IAMAction("ListPolicies", .none, ManagedPolicies.list, "Lists policies by scope, path and use."),
        IAMAction("DeletePolicy", .policy, result: false, ManagedPolicies.delete, "Removes one that nobody has."),
        IAMAction("CreatePolicyVersion", .policy, ManagedPolicies.createVersion, "Adds a version, up to five."),
        IAMAction("GetPolicyVersion", .policy, ManagedPolicies.getVersion, "One version with its document."),
        IAMAction("ListPolicyVersions", .policy, ManagedPolicies.listVersions, "Lists versions, newest first."),
        IAMAction(
            "DeletePolicyVersion", .policy, result: false, ManagedPolicies.deleteVersion,
            "Removes one that is not the default."),
        IAMAction(
            "SetDefaultPolicyVersion", .policy, result: false, ManagedPolicies.setDefault, "Puts a version in force."),
        IAMAction("ListEntitiesForPolicy", .policy, ManagedPolicies.entities, "Lists who has a policy."),
        IAMAction("TagPolicy", .policy, result: false, Tags.put(.policy), "Puts tags on a policy."),
        IAMAction("UntagPolicy", .policy, result: false, Tags.remove(.policy), "Takes tags off."),
        IAMAction("ListPolicyTags", .policy, Tags.list(.policy), "Lists them."),
        IAMAction("AttachUserPolicy", .user, result: false, Attachments.attach(.user), "Attaches a policy to a user."),
        IAMAction("DetachUserPolicy", .user, result: false, Attachments.detach(.user), "Detaches it."),
        IAMAction("ListAttachedUserPolicies", .user, Attachments.list(.user), "Lists what is attached."),
        IAMAction("AttachGroupPolicy", .group, result: false, Attachments.attach(.group), "Attaches one to a group."),
        IAMAction("DetachGroupPolicy", .group, result: false, Attachments.detach(.group), "Detaches it."),
        IAMAction("ListAttachedGroupPolicies", .group, Attachments.list(.group), "Lists what is attached."),
        IAMAction("AttachRolePolicy", .role, result: false, Attachments.attach(.role), "Attaches one to a role."),
        IAMAction("DetachRolePolicy", .role, result: false, Attachments.detach(.role), "Detaches it."),
        IAMAction("ListAttachedRolePolicies", .role, Attachments.list(.role), "Lists what is attached."),
        // Access keys, passwords and certificates
        IAMAction("CreateAccessKey", .user, AccessKeys.create, "Makes an access key, of two at most."),
        IAMAction("ListAccessKeys", .user, AccessKeys.list, "Lists a user's keys without secrets."),
        IAMAction("UpdateAccessKey", .user, result: false, AccessKeys.update, "Enables or disables a key."),
        IAMAction("DeleteAccessKey", .user, result: false, AccessKeys.delete, "Removes a key."),
        IAMAction(
            "GetAccessKeyLastUsed", .none, AccessKeys.lastUsed, "The last use; kept every few minutes."),
        IAMAction("CreateLoginProfile", .user, LoginProfiles.create, "Gives a user a password."),
        IAMAction("GetLoginProfile", .user, LoginProfiles.get, "Whether a user has a password."),
        IAMAction("UpdateLoginProfile", .user, result: false, LoginProfiles.update, "Changes it."),
        IAMAction("DeleteLoginProfile", .user, result: false, LoginProfiles.delete, "Takes it away."),
        IAMAction("ChangePassword", .user, result: false, LoginProfiles.change, "Changes the caller's own password."),
        IAMAction(
            "UploadSigningCertificate", .user, Certificates.upload, "Takes a user's X.509 certificate, of two at most."),
        IAMAction("ListSigningCertificates", .user, Certificates.list, "Lists a user's certificates."),
        IAMAction("UpdateSigningCertificate", .user, result: false, Certificates.update, "Enables or disables one."),
        IAMAction("DeleteSigningCertificate", .user, result: false, Certificates.delete, "Removes one."),
        IAMAction(
            "CreateSigningCertificate", .user, isExtension: true, CloudAdministration.createCertificate,
            "Makes a key and a certificate by the cloud's authority; the key is in the answer only."),
        IAMAction(
            "RevokeSigningCertificate", .user, result: false, isExtension: true, CloudAdministration.revokeCertificate,
            "Disables one for good."),
        IAMAction(
            "GetCloudCertificate", .none, isExtension: true, CloudAdministration.cloudCertificate,
            "The cloud's certificate and that of its authority for users."),
        // The account
        IAMAction("GetAccountSummary", .none, Accounts.summary, "What the account has, and its quotas."),
        IAMAction("CreateAccountAlias", result: false, Accounts.createAlias, "Chooses a name for sign-in."),
        IAMAction("ListAccountAliases", .none, Accounts.listAliases, "Lists it."),
        IAMAction("DeleteAccountAlias", result: false, Accounts.deleteAlias, "Takes it back."),
        IAMAction(
            "UpdateAccountPasswordPolicy", result: false, PasswordPolicies.update,
            "What the account asks of its users' passwords; holds for those that are chosen from then on."),
        IAMAction("GetAccountPasswordPolicy", .none, PasswordPolicies.get, "That policy."),
        IAMAction("DeleteAccountPasswordPolicy", result: false, PasswordPolicies.delete, "Takes it away."),
        IAMAction(
            "GenerateCredentialReport", .none, Reports.generate,
            "Makes the table of all users' credentials, good for 4 hours."
        ),
        IAMAction("GetCredentialReport", .none, Reports.get, "The table, as CSV."),
        IAMAction(
            "GetAccountAuthorizationDetails", .none, AuthorizationDetails.get,
            "Users, groups, roles and policies with what belongs to them."),
        IAMAction(
            "SimulatePrincipalPolicy", .policySource, Simulations.principal,
            "What an identity's policies say of requests. No positions in documents."),
        IAMAction("SimulateCustomPolicy", .none, Simulations.custom, "The same of policies in the request."),
        IAMAction(
            "GetContextKeysForPrincipalPolicy", .policySource, Simulations.principalKeys,
            "The condition keys in an identity's policies."),
        IAMAction("GetContextKeysForCustomPolicy", .none, Simulations.customKeys, "Those in policies of the request."),
        // MFA devices
        IAMAction(
            "CreateVirtualMFADevice", .newMFADevice, MFADevices.create,
            "Makes a device; seed and QR code are in the answer only."),
        IAMAction(
            "DeleteVirtualMFADevice", .mfaDevice, result: false, MFADevices.delete, "Removes one that nobody has."),
        IAMAction("ListVirtualMFADevices", .none, MFADevices.listAll, "Lists them, assigned or not."),
        IAMAction(
            "EnableMFADevice", .user, result: false, MFADevices.enable,
            "Gives one to a user, who shows two codes. Sessions with its codes have aws:MultiFactorAuthPresent."),
        IAMAction("ResyncMFADevice", .user, result: false, MFADevices.resynchronise, "Learns its clock anew."),
        IAMAction("DeactivateMFADevice", .user, result: false, MFADevices.deactivate, "Takes it from its user."),
        IAMAction("ListMFADevices", .user, MFADevices.listOfUser, "Lists a user's."),
        IAMAction("GetMFADevice", .mfaDevice, MFADevices.get, "Whose it is, and since when."),
        IAMAction("TagMFADevice", .mfaDevice, result: false, Tags.put(.mfaDevice), "Puts tags on a device."),
        IAMAction("UntagMFADevice", .mfaDevice, result: false, Tags.remove(.mfaDevice), "Takes tags off."),
        IAMAction("ListMFADeviceTags", .mfaDevice, Tags.list(.mfaDevice), "Lists them."),
        IAMAction("ListServerCertificates", .none, Accounts.listServerCertificates, "Empty: there are none."),
        IAMAction("ListSAMLProviders", .none, Accounts.listSAMLProviders, "Empty: there are none."),
        IAMAction("ListOpenIDConnectProviders", .none, Accounts.listOpenIDProviders, "Empty: there are none."),
        // The original's actions for administrators of the cloud
        IAMAction(
            "CreateAccount", .account, isExtension: true, Accounts.create,
            "Makes an account; for administrators of the cloud, as the other account actions."),
        IAMAction("ListAccounts", isExtension: true, Accounts.list, "Lists accounts."),
        IAMAction(
            "DeleteAccount", .account, result: false, isExtension: true, Accounts.delete,
            "Removes an account without instances and images; with Recursive also its identities."),
        IAMAction(
            "PutAccountPolicy", .account, result: false, isExtension: true, Accounts.putPolicy,
            "Puts quotas and denials on all users of an account."),
        IAMAction("GetAccountPolicy", .account, isExtension: true, Accounts.getPolicy, "One of them."),
        IAMAction("ListAccountPolicies", .account, isExtension: true, Accounts.listPolicies, "Lists their names."),
        IAMAction(
            "DeleteAccountPolicy", .account, result: false, isExtension: true, Accounts.deletePolicy, "Removes one."),
        IAMAction(
            "UpdateAccount", .account, result: false, isExtension: true, CloudAdministration.updateAccount,
            "Renames an account; disables or enables all of its credentials."),
        IAMAction(
            "RotateSecretsKey", isExtension: true, CloudAdministration.rotateKey,
            "Replaces the key that wraps the secrets in the cloud's store."),
        // STS
        IAMAction(
            "GetCallerIdentity", service: .sts, isFree: true, Sessions.callerIdentity, "Who asks; everybody may."),
        IAMAction(
            "GetSessionToken", service: .sts, isFree: true, Sessions.sessionToken,
            "Temporary credentials of the caller himself, with the code of an MFA device if he likes."),
        IAMAction(
            "GetFederationToken", service: .sts, Sessions.federationToken,
            "Temporary credentials under a name, within policies of the request."),
        IAMAction(
            "AssumeRole", service: .sts, isFree: true, Sessions.assumeRole,
            "Takes a role on; its trust policy and the caller's policies decide. No session tags."),
        IAMAction("GetAccessKeyInfo", service: .sts, Sessions.accessKeyInfo, "The account of an access key."),
    ]
}
