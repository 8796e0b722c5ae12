import EC2Query
import IAMQuery
import JSON

// What is asked. Values that begin with `$` are what the account has; see `MatrixWorld`.

extension MatrixRow {
    static let all: [MatrixRow] =
        [
            described, listed, instanceRows, imageRows, keyAndGroupRows, otherRows, empty, userRows, roleRows,
        ].flatMap { $0 }
        + [
            policyRows(.init("User", user)), policyRows(.init("Group", crew)), policyRows(.init("Role", role)),
            managedRows, credentialRows, accountRows, mfaRows, reportRows, accounts, sts, native,
        ].flatMap { $0 }

    private static let instance = [("InstanceId", "$instance")]
    private static let instances = [("InstanceId.1", "$instance")]
    private static let image = [("ImageId", "$image")]
    private static let group = [("GroupId", "$group")]
    private static let template = [("LaunchTemplateId", "$template")]

    /// Lists, and the same by id.
    private static let described: [MatrixRow] = [
        ("DescribeInstances", "InstanceId.1", "$instance"), ("DescribeInstanceStatus", "InstanceId.1", "$instance"),
        ("DescribeImages", "ImageId.1", "$image"), ("DescribeKeyPairs", "KeyPairId.1", "$pair"),
        ("DescribeSecurityGroups", "GroupId.1", "$group"),
        ("DescribeSecurityGroupRules", "SecurityGroupRuleId.1", "$rule.ingress"),
        ("DescribePlacementGroups", "GroupName.1", "private-near"),
        ("DescribeLaunchTemplates", "LaunchTemplateId.1", "$template"), ("DescribeVpcs", "VpcId.1", "$vpc"),
        ("DescribeSubnets", "SubnetId.1", "$subnet"),
        ("DescribeIamInstanceProfileAssociations", "AssociationId.1", "$association"),
        ("DescribeImportImageTasks", "ImportTaskId.1", "import-ami-0123456789abcdef0"),
    ].flatMap { action, parameter, value in
        [MatrixRow(.ec2, action), MatrixRow(.ec2, action, [(parameter, value)], note: "by id")]
    }

    /// Lists by what else can be asked for: the original's "verbose", and filters.
    private static let listed: [MatrixRow] = [
        MatrixRow(.ec2, "DescribeInstances", [("InstanceId.1", "verbose")], note: "verbose"),
        MatrixRow(.ec2, "DescribeImages", [("ImageId.1", "verbose")], note: "verbose"),
        MatrixRow(.ec2, "DescribeKeyPairs", [("KeyName.1", "verbose")], note: "verbose"),
        MatrixRow(.ec2, "DescribeSecurityGroups", [("GroupName.1", "verbose")], note: "verbose"),
        MatrixRow(.ec2, "DescribeInstances", filter("owner-id", "$account.lab"), note: "by filter"),
        MatrixRow(.ec2, "DescribeTags", filter("resource-id", "$group"), note: "by filter"),
        MatrixRow(.ec2, "DescribeKeyPairs", filter("key-name", "private-*"), note: "by filter"),
    ]

    private static func filter(_ name: String, _ value: String) -> [(String, String)] {
        [("Filter.1.Name", name), ("Filter.1.Value.1", value)]
    }

    private static let instanceRows: [MatrixRow] = [
        MatrixRow(.ec2, "RunInstances", [("ImageId", "$image"), ("MinCount", "1"), ("MaxCount", "1")]),
        MatrixRow(.ec2, "TerminateInstances", instances), MatrixRow(.ec2, "RebootInstances", instances),
        MatrixRow(.ec2, "StopInstances", instances), MatrixRow(.ec2, "StartInstances", instances),
        MatrixRow(.ec2, "GetConsoleOutput", instance), MatrixRow(.ec2, "GetPasswordData", instance),
        MatrixRow(.ec2, "DescribeInstanceAttribute", instance, [("Attribute", "userData")]),
        MatrixRow(.ec2, "ModifyInstanceAttribute", instance, [("DisableApiTermination.Value", "true")]),
        MatrixRow(.ec2, "ModifyInstanceMetadataOptions", instance, [("HttpTokens", "required")]),
        MatrixRow(.ec2, "ResetInstanceAttribute", instance, [("Attribute", "sourceDestCheck")]),
        MatrixRow(.ec2, "MonitorInstances", instances), MatrixRow(.ec2, "UnmonitorInstances", instances),
        MatrixRow(
            .ec2, "ModifyInstanceEventStartTime",
            instance, [("InstanceEventId", "instance-event-1"), ("NotBefore", "2026-11-21T04:00:00Z")]),
        MatrixRow(.ec2, "DescribeInstanceCreditSpecifications"),
        MatrixRow(
            .ec2, "ReportInstanceStatus",
            instances, [("Status", "impaired"), ("ReasonCode.1", "unresponsive")]),
        MatrixRow(.ec2, "ConfirmProductInstance", instance, [("ProductCode", "p")]),
    ]

    private static let imageRows: [MatrixRow] = [
        MatrixRow(.ec2, "RegisterImage", [("ImageLocation", "lab/disk.img"), ("Name", "more")]),
        MatrixRow(.ec2, "DeregisterImage", image),
        MatrixRow(.ec2, "DescribeImageAttribute", image, [("Attribute", "launchPermission")]),
        MatrixRow(.ec2, "ModifyImageAttribute", image, [("LaunchPermission.Add.1.Group", "all")]),
        MatrixRow(.ec2, "ResetImageAttribute", image, [("Attribute", "launchPermission")]),
        MatrixRow(.ec2, "EnableImageDeprecation", image, [("DeprecateAt", "2030-01-01T00:00:00Z")]),
        MatrixRow(.ec2, "DisableImageDeprecation", image), MatrixRow(.ec2, "DisableImage", image),
        MatrixRow(.ec2, "EnableImage", image), MatrixRow(.ec2, "EnableImageDeregistrationProtection", image),
        MatrixRow(.ec2, "DisableImageDeregistrationProtection", image),
        MatrixRow(
            .ec2, "CopyImage",
            [("SourceImageId", "$image"), ("SourceRegion", "us-east-1"), ("Name", "copy")]),
        MatrixRow(
            .ec2, "ImportImage",
            [
                ("DiskContainer.1.Format", "RAW"), ("DiskContainer.1.UserBucket.S3Bucket", "lab"),
                ("DiskContainer.1.UserBucket.S3Key", "disk"),
            ]),
        MatrixRow(
            .ec2, "BundleInstance", instance,
            [
                ("Storage.S3.Bucket", "lab"), ("Storage.S3.Prefix", "disk"), ("Storage.S3.AWSAccessKeyId", "AK"),
                ("Storage.S3.UploadPolicy", "e30="),
                ("Storage.S3.UploadPolicySignature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ]),
        MatrixRow(.ec2, "DescribeBundleTasks"),
        MatrixRow(.ec2, "CancelBundleTask", [("BundleId", "bun-0123456789abcdef0")]),
        MatrixRow(.ec2, "CancelImportTask", [("ImportTaskId", "import-ami-0123456789abcdef0")]),
    ]

    private static let keyAndGroupRows: [MatrixRow] = [
        MatrixRow(.ec2, "CreateKeyPair", [("KeyName", "more"), ("KeyType", "ed25519")]),
        MatrixRow(
            .ec2, "ImportKeyPair", [("KeyName", "more"), ("PublicKeyMaterial", MatrixWorld.publicKey)]),
        MatrixRow(.ec2, "DeleteKeyPair", [("KeyPairId", "$pair")]),
        MatrixRow(.ec2, "CreateSecurityGroup", [("GroupName", "more"), ("GroupDescription", "d")]),
        MatrixRow(.ec2, "DeleteSecurityGroup", group),
        MatrixRow(.ec2, "AuthorizeSecurityGroupIngress", group, more),
        MatrixRow(.ec2, "AuthorizeSecurityGroupEgress", group, more),
        MatrixRow(.ec2, "RevokeSecurityGroupIngress", group, MatrixWorld.rule),
        MatrixRow(.ec2, "RevokeSecurityGroupEgress", group, MatrixWorld.rule),
        MatrixRow(
            .ec2, "ModifySecurityGroupRules",
            group,
            [
                ("SecurityGroupRule.1.SecurityGroupRuleId", "$rule.ingress"),
                ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "tcp"),
                ("SecurityGroupRule.1.SecurityGroupRule.FromPort", "80"),
                ("SecurityGroupRule.1.SecurityGroupRule.ToPort", "80"),
                ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "10.0.0.0/8"),
            ]),
        MatrixRow(
            .ec2, "UpdateSecurityGroupRuleDescriptionsIngress",
            group,
            [
                ("SecurityGroupRuleDescription.1.SecurityGroupRuleId", "$rule.ingress"),
                ("SecurityGroupRuleDescription.1.Description", "new"),
            ]),
        MatrixRow(
            .ec2, "UpdateSecurityGroupRuleDescriptionsEgress",
            group,
            [
                ("SecurityGroupRuleDescription.1.SecurityGroupRuleId", "$rule.egress"),
                ("SecurityGroupRuleDescription.1.Description", "new"),
            ]),
        MatrixRow(.ec2, "GetSecurityGroupsForVpc", [("VpcId", "$vpc")]),
    ]

    private static let otherRows: [MatrixRow] = [
        MatrixRow(.ec2, "AssociateIamInstanceProfile", instance, [("IamInstanceProfile.Name", "private-front")]),
        MatrixRow(
            .ec2, "ReplaceIamInstanceProfileAssociation",
            [("AssociationId", "$association"), ("IamInstanceProfile.Name", "private-front")]),
        MatrixRow(.ec2, "DisassociateIamInstanceProfile", [("AssociationId", "$association")]),
        MatrixRow(.ec2, "CreatePlacementGroup", [("GroupName", "more"), ("Strategy", "cluster")]),
        MatrixRow(.ec2, "DeletePlacementGroup", [("GroupName", "private-near")]),
        MatrixRow(
            .ec2, "CreateLaunchTemplate",
            [("LaunchTemplateName", "more"), ("LaunchTemplateData.InstanceType", "m1.small")]),
        MatrixRow(
            .ec2, "CreateLaunchTemplateVersion", template, [("LaunchTemplateData.InstanceType", "m1.large")]),
        MatrixRow(.ec2, "DescribeLaunchTemplateVersions", template),
        MatrixRow(.ec2, "ModifyLaunchTemplate", template, [("SetDefaultVersion", "1")]),
        MatrixRow(.ec2, "DeleteLaunchTemplate", template),
        MatrixRow(.ec2, "DeleteLaunchTemplateVersions", template, [("LaunchTemplateVersion.1", "9")]),
        MatrixRow(.ec2, "GetLaunchTemplateData", instance),
        MatrixRow(.ec2, "DescribeVpcAttribute", [("VpcId", "$vpc"), ("Attribute", "enableDnsSupport")]),
        MatrixRow(.ec2, "DescribeNetworkInterfaces"),
        MatrixRow(
            .ec2, "DescribeNetworkInterfaceAttribute",
            [("NetworkInterfaceId", "$interface"), ("Attribute", "groupSet")]),
        MatrixRow(.ec2, "DescribeRouteTables"),
        MatrixRow(.ec2, "DescribeInternetGateways"),
        MatrixRow(.ec2, "DescribeNetworkAcls"), MatrixRow(.ec2, "DescribeDhcpOptions"),
        MatrixRow(.ec2, "DescribeAvailabilityZones"), MatrixRow(.ec2, "DescribeRegions"),
        MatrixRow(.ec2, "DescribeInstanceTypes"), MatrixRow(.ec2, "DescribeInstanceTypeOfferings"),
        MatrixRow(.ec2, "ModifyInstanceTypeAttribute", [("Name", "m1.small"), ("Cpu", "2")]),
        MatrixRow(.ec2, "DescribeIdFormat"),
        MatrixRow(.ec2, "DescribeIdentityIdFormat", [("PrincipalArn", "all")]),
        MatrixRow(.ec2, "DescribeAggregateIdFormat"), MatrixRow(.ec2, "DescribePrincipalIdFormat"),
        MatrixRow(.ec2, "ModifyIdFormat", [("Resource", "instance"), ("UseLongIds", "true")]),
        MatrixRow(
            .ec2, "ModifyIdentityIdFormat",
            [("PrincipalArn", "all"), ("Resource", "instance"), ("UseLongIds", "true")]),
        MatrixRow(.ec2, "GetEbsEncryptionByDefault"), MatrixRow(.ec2, "GetSerialConsoleAccessStatus"),
        MatrixRow(.ec2, "GetImageBlockPublicAccessState"), MatrixRow(.ec2, "GetSnapshotBlockPublicAccessState"),
        MatrixRow(.ec2, "GetAllowedImagesSettings"), MatrixRow(.ec2, "GetInstanceMetadataDefaults"),
        MatrixRow(
            .ec2, "CreateTags", [("ResourceId.1", "$group"), ("Tag.1.Key", "a"), ("Tag.1.Value", "b")]),
        MatrixRow(.ec2, "DeleteTags", [("ResourceId.1", "$group"), ("Tag.1.Key", "k")]),
        MatrixRow(.ec2, "DescribeTags"), MatrixRow(.ec2, "DescribeAccountAttributes"),
    ]

    private static let more = [
        ("IpPermissions.1.IpProtocol", "tcp"), ("IpPermissions.1.FromPort", "443"), ("IpPermissions.1.ToPort", "443"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
    ]

    private static let empty: [MatrixRow] = EmptyList.all.map { MatrixRow(.ec2, $0.action) }

    // MARK: IAM

    private static let user = [("UserName", "target")]
    private static let crew = [("GroupName", "crew")]
    private static let role = [("RoleName", "idle")]
    private static let policy = [("PolicyArn", "$policy.arn")]
    private static let profile = [("InstanceProfileName", "front")]
    private static let document = [("PolicyName", "own"), ("PolicyDocument", "$document")]
    private static let tag = [("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")]
    private static let untag = [("TagKeys.member.1", "k")]
    private static let password = [("UserName", "target"), ("Password", "correct horse 1")]
    private static let certificate = ("CertificateId", "AAAAAAAAAAAAAAAAAAAAAAAA")

    private static let userRows: [MatrixRow] = [
        MatrixRow(.iam, "CreateUser", [("UserName", "more")]), MatrixRow(.iam, "GetUser", user),
        MatrixRow(.iam, "GetUser", note: "himself"), MatrixRow(.iam, "ListUsers"),
        MatrixRow(.iam, "UpdateUser", user, [("NewUserName", "renamed")]),
        MatrixRow(
            .iam, "DeleteUser", user,
            before: [.init("DeleteAccessKey", user, [("AccessKeyId", "$key.id")])]),
        MatrixRow(.iam, "TagUser", user, tag), MatrixRow(.iam, "UntagUser", user, untag),
        MatrixRow(.iam, "ListUserTags", user),
        MatrixRow(.iam, "PutUserPermissionsBoundary", user, [("PermissionsBoundary", "$policy.arn")]),
        MatrixRow(
            .iam, "DeleteUserPermissionsBoundary", user,
            before: [.init("PutUserPermissionsBoundary", user, [("PermissionsBoundary", "$policy.arn")])]),
        MatrixRow(.iam, "CreateGroup", [("GroupName", "more")]), MatrixRow(.iam, "GetGroup", crew),
        MatrixRow(.iam, "ListGroups"), MatrixRow(.iam, "ListGroupsForUser", user),
        MatrixRow(.iam, "UpdateGroup", crew, [("NewGroupName", "renamed")]),
        MatrixRow(.iam, "DeleteGroup", crew), MatrixRow(.iam, "AddUserToGroup", crew, user),
        MatrixRow(.iam, "RemoveUserFromGroup", crew, user, before: [.init("AddUserToGroup", crew, user)]),
    ]

    private static let roleRows: [MatrixRow] = [
        MatrixRow(.iam, "CreateRole", [("RoleName", "more"), ("AssumeRolePolicyDocument", "$trust")]),
        MatrixRow(.iam, "GetRole", role), MatrixRow(.iam, "ListRoles"),
        MatrixRow(.iam, "UpdateRole", role, [("Description", "d")]),
        MatrixRow(.iam, "UpdateRoleDescription", role, [("Description", "d")]),
        MatrixRow(.iam, "UpdateAssumeRolePolicy", role, [("PolicyDocument", "$trust")]),
        MatrixRow(.iam, "DeleteRole", role), MatrixRow(.iam, "TagRole", role, tag),
        MatrixRow(.iam, "UntagRole", role, untag), MatrixRow(.iam, "ListRoleTags", role),
        MatrixRow(.iam, "PutRolePermissionsBoundary", role, [("PermissionsBoundary", "$policy.arn")]),
        MatrixRow(
            .iam, "DeleteRolePermissionsBoundary", role,
            before: [.init("PutRolePermissionsBoundary", role, [("PermissionsBoundary", "$policy.arn")])]),
        MatrixRow(.iam, "CreateInstanceProfile", [("InstanceProfileName", "more")]),
        MatrixRow(.iam, "GetInstanceProfile", profile), MatrixRow(.iam, "ListInstanceProfiles"),
        MatrixRow(.iam, "ListInstanceProfilesForRole", role), MatrixRow(.iam, "DeleteInstanceProfile", profile),
        MatrixRow(.iam, "AddRoleToInstanceProfile", profile, role),
        MatrixRow(
            .iam, "RemoveRoleFromInstanceProfile", profile, role,
            before: [.init("AddRoleToInstanceProfile", profile, role)]),
        MatrixRow(.iam, "TagInstanceProfile", profile, tag),
        MatrixRow(.iam, "UntagInstanceProfile", profile, untag),
        MatrixRow(.iam, "ListInstanceProfileTags", profile),
    ]

    /// What holds policies, in each kind's actions.
    private struct Holder {
        var kind: String
        var named: [(String, String)]
        init(_ kind: String, _ named: [(String, String)]) {
            self.kind = kind
            self.named = named
        }
    }

    private static func policyRows(_ one: Holder) -> [MatrixRow] {
        let kind = one.kind
        let holder = one.named
        return [
            MatrixRow(.iam, "Put\(kind)Policy", holder, document),
            MatrixRow(
                .iam, "Get\(kind)Policy", holder, [("PolicyName", "own")],
                before: [.init("Put\(kind)Policy", holder, document)]),
            MatrixRow(.iam, "List\(kind)Policies", holder),
            MatrixRow(
                .iam, "Delete\(kind)Policy", holder, [("PolicyName", "own")],
                before: [.init("Put\(kind)Policy", holder, document)]),
            MatrixRow(.iam, "Attach\(kind)Policy", holder, policy),
            MatrixRow(
                .iam, "Detach\(kind)Policy", holder, policy, before: [.init("Attach\(kind)Policy", holder, policy)]),
            MatrixRow(.iam, "ListAttached\(kind)Policies", holder),
        ]
    }

    private static let managedRows: [MatrixRow] = [
        MatrixRow(.iam, "CreatePolicy", [("PolicyName", "more"), ("PolicyDocument", "$document")]),
        MatrixRow(.iam, "GetPolicy", policy), MatrixRow(.iam, "ListPolicies"),
        MatrixRow(.iam, "DeletePolicy", policy),
        MatrixRow(.iam, "CreatePolicyVersion", policy, [("PolicyDocument", "$document")]),
        MatrixRow(.iam, "GetPolicyVersion", policy, [("VersionId", "v1")]),
        MatrixRow(.iam, "ListPolicyVersions", policy),
        MatrixRow(
            .iam, "DeletePolicyVersion", policy, [("VersionId", "v2")],
            before: [.init("CreatePolicyVersion", policy, [("PolicyDocument", "$document")])]),
        MatrixRow(.iam, "SetDefaultPolicyVersion", policy, [("VersionId", "v1")]),
        MatrixRow(.iam, "ListEntitiesForPolicy", policy), MatrixRow(.iam, "TagPolicy", policy, tag),
        MatrixRow(.iam, "UntagPolicy", policy, untag), MatrixRow(.iam, "ListPolicyTags", policy),
    ]

    private static let credentialRows: [MatrixRow] = [
        MatrixRow(.iam, "CreateAccessKey", user), MatrixRow(.iam, "ListAccessKeys", user),
        MatrixRow(
            .iam, "UpdateAccessKey", user, [("AccessKeyId", "$key.id"), ("Status", "Inactive")]),
        MatrixRow(.iam, "DeleteAccessKey", user, [("AccessKeyId", "$key.id")]),
        MatrixRow(.iam, "GetAccessKeyLastUsed", [("AccessKeyId", "$key.id")]),
        MatrixRow(.iam, "CreateLoginProfile", password), MatrixRow(.iam, "GetLoginProfile", user),
        MatrixRow(.iam, "UpdateLoginProfile", password), MatrixRow(.iam, "DeleteLoginProfile", user),
        MatrixRow(.iam, "ChangePassword", [("OldPassword", "a"), ("NewPassword", "correct horse 2")]),
        MatrixRow(.iam, "UploadSigningCertificate", user, [("CertificateBody", "none")]),
        MatrixRow(.iam, "ListSigningCertificates", user),
        MatrixRow(.iam, "UpdateSigningCertificate", user, [certificate, ("Status", "Inactive")]),
        MatrixRow(.iam, "DeleteSigningCertificate", user, [certificate]),
        MatrixRow(.iam, "CreateSigningCertificate", user),
        MatrixRow(.iam, "RevokeSigningCertificate", user, [certificate]),
    ]

    private static let accountRows: [MatrixRow] = [
        MatrixRow(.iam, "GetCloudCertificate"), MatrixRow(.iam, "GetAccountSummary"),
        MatrixRow(.iam, "CreateAccountAlias", [("AccountAlias", "the-lab")]),
        MatrixRow(.iam, "ListAccountAliases"),
        MatrixRow(.iam, "DeleteAccountAlias", [("AccountAlias", "the-lab")]),
        MatrixRow(.iam, "ListServerCertificates"), MatrixRow(.iam, "ListSAMLProviders"),
        MatrixRow(.iam, "ListOpenIDConnectProviders"),
    ]

    private static let device = [("SerialNumber", "$mfa")]
    private static let codes = [("AuthenticationCode1", "000000"), ("AuthenticationCode2", "000001")]

    private static let mfaRows: [MatrixRow] = [
        MatrixRow(.iam, "CreateVirtualMFADevice", [("VirtualMFADeviceName", "more")]),
        MatrixRow(.iam, "DeleteVirtualMFADevice", device), MatrixRow(.iam, "ListVirtualMFADevices"),
        MatrixRow(.iam, "EnableMFADevice", user, device, codes),
        MatrixRow(.iam, "ResyncMFADevice", user, device, codes),
        MatrixRow(.iam, "DeactivateMFADevice", user, device), MatrixRow(.iam, "ListMFADevices", user),
        MatrixRow(.iam, "GetMFADevice", device), MatrixRow(.iam, "TagMFADevice", device, tag),
        MatrixRow(.iam, "UntagMFADevice", device, untag), MatrixRow(.iam, "ListMFADeviceTags", device),
    ]

    private static let question = [("ActionNames.member.1", "ec2:RunInstances")]
    private static let source = [("PolicySourceArn", "$target.arn")]
    private static let given = [("PolicyInputList.member.1", "$document")]

    private static let reportRows: [MatrixRow] = [
        MatrixRow(.iam, "UpdateAccountPasswordPolicy", [("MinimumPasswordLength", "10")]),
        MatrixRow(
            .iam, "GetAccountPasswordPolicy", before: [.init("UpdateAccountPasswordPolicy", [])]),
        MatrixRow(
            .iam, "DeleteAccountPasswordPolicy", before: [.init("UpdateAccountPasswordPolicy", [])]),
        MatrixRow(.iam, "GenerateCredentialReport"),
        MatrixRow(.iam, "GetCredentialReport", before: [.init("GenerateCredentialReport", [])]),
        MatrixRow(.iam, "GetAccountAuthorizationDetails"),
        MatrixRow(.iam, "SimulatePrincipalPolicy", source, question),
        MatrixRow(.iam, "SimulateCustomPolicy", given, question),
        MatrixRow(.iam, "GetContextKeysForPrincipalPolicy", source),
        MatrixRow(.iam, "GetContextKeysForCustomPolicy", given),
    ]

    private static let lab = [("AccountName", "lab")]
    private static let delegated = [("DelegateAccount", "lab")]

    private static let accounts: [MatrixRow] = [
        MatrixRow(.iam, "CreateAccount", [("AccountName", "more")]), MatrixRow(.iam, "ListAccounts"),
        MatrixRow(.iam, "DeleteAccount", [("AccountName", "shop")]),
        MatrixRow(.iam, "PutAccountPolicy", lab, document),
        MatrixRow(
            .iam, "GetAccountPolicy", lab, [("PolicyName", "own")]), MatrixRow(.iam, "ListAccountPolicies", lab),
        MatrixRow(.iam, "DeleteAccountPolicy", lab, [("PolicyName", "own")]),
        MatrixRow(.iam, "UpdateAccount", lab, [("Enabled", "false")]), MatrixRow(.iam, "RotateSecretsKey"),
        // On behalf of another account, which is for administrators.
        MatrixRow(.iam, "ListUsers", delegated, note: "for the account"),
        MatrixRow(.iam, "CreateAccessKey", delegated, note: "for the account"),
        MatrixRow(.iam, "CreateUser", delegated, [("UserName", "more")], note: "for the account"),
    ]

    private static let sts: [MatrixRow] = [
        MatrixRow(.sts, "GetCallerIdentity"), MatrixRow(.sts, "GetSessionToken"),
        MatrixRow(.sts, "GetFederationToken", [("Name", "fed")]),
        MatrixRow(.sts, "AssumeRole", [("RoleArn", "$role.arn"), ("RoleSessionName", "again")]),
        MatrixRow(.sts, "GetAccessKeyInfo", [("AccessKeyId", "$key.id")]),
    ]

    // MARK: The native interface

    private static let native: [MatrixRow] = [
        MatrixRow("getStatus", "GET", "status"), MatrixRow("listZones", "GET", "zones"),
        MatrixRow("listInstanceTypes", "GET", "instance-types"),
        MatrixRow(
            "setInstanceType", "PUT", "instance-types/m1.small",
            .members(("cores", .integer(2)), ("memoryMiB", .integer(512)), ("diskGiB", .integer(10)))),
        MatrixRow("listInstances", "GET", "instances"), MatrixRow("getInstance", "GET", "instances/$instance"),
        MatrixRow("runInstances", "POST", "instances", .members(("imageId", .string("$image")))),
        MatrixRow("terminateInstance", "DELETE", "instances/$instance"),
        MatrixRow("rebootInstance", "POST", "instances/$instance/reboot"),
        MatrixRow("getConsole", "GET", "instances/$instance/console"),
        MatrixRow(
            "extendLease", "PUT", "instances/$instance/lease", .members(("endsAt", .string("2026-12-01T00:00:00Z")))),
        MatrixRow("listImages", "GET", "images"), MatrixRow("getImage", "GET", "images/$image"),
        MatrixRow(
            "registerImage", "POST", "images",
            .members(("location", .string("lab/disk.img")), ("name", .string("more")))),
        MatrixRow("deregisterImage", "DELETE", "images/$image"), MatrixRow("listKeyPairs", "GET", "key-pairs"),
        MatrixRow("getKeyPair", "GET", "key-pairs/private-pair"),
        MatrixRow(
            "makeKeyPair", "POST", "key-pairs", .members(("name", .string("more")), ("type", .string("ed25519")))),
        MatrixRow("deleteKeyPair", "DELETE", "key-pairs/private-pair"),
        MatrixRow("listSecurityGroups", "GET", "security-groups"),
        MatrixRow("getSecurityGroup", "GET", "security-groups/$group"),
        MatrixRow(
            "makeSecurityGroup", "POST", "security-groups",
            .members(("name", .string("more")), ("description", .string("d")))),
        MatrixRow("deleteSecurityGroup", "DELETE", "security-groups/$group"),
        MatrixRow(
            "addRule", "POST", "security-groups/$group/rules",
            .members(
                ("direction", .string("ingress")), ("protocol", .string("tcp")), ("fromPort", .integer(443)),
                ("toPort", .integer(443)), ("peer", .string("10.0.0.0/8")))),
        MatrixRow("removeRule", "DELETE", "security-groups/$group/rules/$rule.ingress"),
        MatrixRow("getUsage", "GET", "usage"), MatrixRow("listHoldings", "GET", "holdings"),
        MatrixRow("getAgreement", "GET", "agreement"), MatrixRow("listQueue", "GET", "queue"),
        MatrixRow("listRefusals", "GET", "refusals"),
    ]
}
