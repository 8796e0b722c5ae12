import CloudModel
import QueryProtocol

/// The codes that EC2 has for one kind of resource.
struct ResourceFaultCodes: Sendable {
    var notFound: String
    var malformed: String
    var duplicate = "InvalidParameterValue"
    var inUse = "DependencyViolation"
    var incorrectState = "IncorrectState"
    var limitExceeded = "ResourceLimitExceeded"
}

extension EC2Fault {
    /// The codes for a kind of resource.
    static func codes(_ kind: ResourceKind) -> ResourceFaultCodes {
        switch kind {
        case .instance:
            ResourceFaultCodes(
                notFound: "InvalidInstanceID.NotFound", malformed: "InvalidInstanceID.Malformed",
                incorrectState: "IncorrectInstanceState", limitExceeded: "InstanceLimitExceeded")
        case .image:
            ResourceFaultCodes(
                notFound: "InvalidAMIID.NotFound", malformed: "InvalidAMIID.Malformed",
                duplicate: "InvalidAMIName.Duplicate", incorrectState: "InvalidAMIID.Unavailable")
        case .reservation:
            ResourceFaultCodes(notFound: "InvalidReservationID.NotFound", malformed: "InvalidReservationID.Malformed")
        case .volume:
            ResourceFaultCodes(
                notFound: "InvalidVolume.NotFound", malformed: "InvalidVolumeID.Malformed",
                duplicate: "InvalidVolumeID.Duplicate", inUse: "VolumeInUse", limitExceeded: "VolumeLimitExceeded")
        case .snapshot:
            ResourceFaultCodes(
                notFound: "InvalidSnapshot.NotFound", malformed: "InvalidSnapshotID.Malformed",
                inUse: "InvalidSnapshot.InUse", limitExceeded: "SnapshotLimitExceeded")
        case .address:
            ResourceFaultCodes(
                notFound: "InvalidAllocationID.NotFound", malformed: "InvalidAddress.Malformed",
                inUse: "InvalidIPAddress.InUse", limitExceeded: "AddressLimitExceeded")
        case .keyPair:
            ResourceFaultCodes(
                notFound: "InvalidKeyPair.NotFound", malformed: "InvalidKeyPair.Format",
                duplicate: "InvalidKeyPair.Duplicate")
        case .securityGroup:
            ResourceFaultCodes(
                notFound: "InvalidGroup.NotFound", malformed: "InvalidGroupId.Malformed",
                duplicate: "InvalidGroup.Duplicate", inUse: "InvalidGroup.InUse", incorrectState: "CannotDelete",
                limitExceeded: "SecurityGroupLimitExceeded")
        case .permission:
            ResourceFaultCodes(
                notFound: "InvalidPermission.NotFound", malformed: "InvalidPermission.Malformed",
                duplicate: "InvalidPermission.Duplicate", limitExceeded: "RulesPerSecurityGroupLimitExceeded")
        case .securityGroupRule:
            ResourceFaultCodes(
                notFound: "InvalidSecurityGroupRuleId.NotFound", malformed: "InvalidSecurityGroupRuleId.Malformed",
                duplicate: "InvalidPermission.Duplicate", limitExceeded: "RulesPerSecurityGroupLimitExceeded")
        case .instanceType: ResourceFaultCodes(notFound: "InvalidInstanceType", malformed: "InvalidInstanceType")
        case .availabilityZone: ResourceFaultCodes(notFound: "InvalidZone.NotFound", malformed: "InvalidZone.NotFound")
        case .tag:
            ResourceFaultCodes(
                notFound: "InvalidID", malformed: "InvalidID", limitExceeded: "TagLimitExceeded")
        case .account, .user:
            ResourceFaultCodes(notFound: "InvalidUserID.Malformed", malformed: "InvalidUserID.Malformed")
        case .vpc: ResourceFaultCodes(notFound: "InvalidVpcID.NotFound", malformed: "InvalidVpcId.Malformed")
        case .subnet: ResourceFaultCodes(notFound: "InvalidSubnetID.NotFound", malformed: "InvalidSubnetId.Malformed")
        case .routeTable:
            ResourceFaultCodes(notFound: "InvalidRouteTableID.NotFound", malformed: "InvalidRouteTableId.Malformed")
        case .internetGateway:
            ResourceFaultCodes(
                notFound: "InvalidInternetGatewayID.NotFound", malformed: "InvalidInternetGatewayId.Malformed")
        case .networkACL:
            ResourceFaultCodes(notFound: "InvalidNetworkAclID.NotFound", malformed: "InvalidNetworkAclId.Malformed")
        case .dhcpOptions:
            ResourceFaultCodes(notFound: "InvalidDhcpOptionID.NotFound", malformed: "InvalidDhcpOptionsId.Malformed")
        case .networkInterface:
            ResourceFaultCodes(
                notFound: "InvalidNetworkInterfaceID.NotFound", malformed: "InvalidNetworkInterfaceId.Malformed")
        case .placementGroup:
            ResourceFaultCodes(
                notFound: "InvalidPlacementGroup.Unknown", malformed: "InvalidPlacementGroupId.Malformed",
                duplicate: "InvalidPlacementGroup.Duplicate", inUse: "InvalidPlacementGroup.InUse",
                limitExceeded: "PlacementGroupLimitExceeded")
        case .launchTemplate:
            ResourceFaultCodes(
                notFound: "InvalidLaunchTemplateId.NotFound", malformed: "InvalidLaunchTemplateId.Malformed")
        case .launchTemplateName:
            ResourceFaultCodes(
                notFound: "InvalidLaunchTemplateName.NotFoundException",
                malformed: "InvalidLaunchTemplateName.MalformedException",
                duplicate: "InvalidLaunchTemplateName.AlreadyExistsException")
        case .launchTemplateVersion:
            ResourceFaultCodes(
                notFound: "InvalidLaunchTemplateId.VersionNotFound", malformed: "InvalidLaunchTemplateId.Malformed",
                limitExceeded: "VersionLimitExceeded")
        case .bundleTask:
            ResourceFaultCodes(
                notFound: "InvalidBundleID.NotFound", malformed: "InvalidBundleID.Malformed",
                inUse: "BundlingInProgress")
        case .imageImport:
            ResourceFaultCodes(notFound: "InvalidConversionTaskId", malformed: "InvalidConversionTaskId.Malformed")
        case .profileAssociation:
            ResourceFaultCodes(notFound: "InvalidAssociationID.NotFound", malformed: "InvalidAssociationID.Malformed")
        case .node, .region, .userGroup, .role, .policy, .inlinePolicy, .policyVersion, .instanceProfile, .accessKey,
            .loginProfile, .signingCertificate, .accountAlias, .attachment, .mfaDevice, .passwordPolicy,
            .credentialReport:
            ResourceFaultCodes(notFound: "InvalidParameterValue", malformed: "InvalidParameterValue")
        }
    }

    /// Some parameters have codes of their own.
    static func invalidValueCode(_ parameter: String) -> String {
        switch parameter {
        case "UserData": "InvalidUserData.Malformed"
        // A template, or versions of all, have to be named.
        case "LaunchTemplate": "MissingParameter"
        case "LaunchPermission": "InvalidAMIAttributeItemValue"
        case "PublicKeyMaterial": "InvalidKey.Format"
        case "LaunchTemplateName": "InvalidLaunchTemplateName.MalformedException"
        case "Filter.group-id": "InvalidGroupId.Malformed"
        default: "InvalidParameterValue"
        }
    }

    /// What a resource is called in messages, as EC2 spells it there.
    static func noun(_ kind: ResourceKind) -> String {
        switch kind {
        case .instance, .image, .reservation, .volume, .snapshot, .address, .tag, .account, .user, .node, .region,
            .userGroup, .role, .policy:
            kind.rawValue
        case .inlinePolicy: "inline policy"
        case .policyVersion: "policy version"
        case .instanceProfile: "instance profile"
        case .accessKey: "access key"
        case .loginProfile: "login profile"
        case .signingCertificate: "signing certificate"
        case .accountAlias: "account alias"
        case .attachment: "attached policy"
        case .mfaDevice: "MFA device"
        case .passwordPolicy: "password policy"
        case .credentialReport: "credential report"
        case .vpc: "vpc"
        case .subnet: "subnet"
        case .routeTable: "routeTable"
        case .internetGateway: "internetGateway"
        case .networkACL: "networkAcl"
        case .dhcpOptions: "dhcpOption"
        case .networkInterface: "networkInterface"
        case .placementGroup: "placement group"
        case .launchTemplate, .launchTemplateName: "launch template"
        case .launchTemplateVersion: "launch template version"
        case .imageImport: "import task"
        case .profileAssociation: "association"
        case .bundleTask: "bundle task"
        case .keyPair: "key pair"
        case .securityGroup: "security group"
        case .permission: "permission"
        case .securityGroupRule: "security group rule"
        case .instanceType: "instance type"
        case .availabilityZone: "availability zone"
        }
    }

    static func notFoundMessage(_ kind: ResourceKind, _ ids: [String]) -> String {
        let shown = ids.prefix(20).map { Parameters.shortened($0) }.joined(separator: ", ")
        let list = ids.count > 20 ? shown + ", …" : shown
        switch kind {
        case .instance, .reservation, .volume, .snapshot, .vpc, .subnet, .routeTable, .internetGateway, .networkACL,
            .dhcpOptions, .networkInterface, .securityGroupRule, .imageImport, .bundleTask:
            return ids.count == 1
                ? "The \(noun(kind)) ID '\(list)' does not exist" : "The \(noun(kind)) IDs '\(list)' do not exist"
        case .image:
            return ids.count == 1 ? "The image id '[\(list)]' does not exist" : "The image ids '[\(list)]' do not exist"
        case .instanceType: return "The following supplied instance types do not exist: [\(list)]"
        case .availabilityZone: return "Invalid availability zone: [\(list)]"
        case .region: return "Invalid region names: [\(list)]"
        case .permission: return "The specified rule does not exist in this security group: \(list)"
        case .placementGroup: return "The placement group '\(list)' is unknown"
        case .launchTemplate: return "The specified launch template, with template ID \(list), does not exist."
        case .launchTemplateName:
            return ids.count == 1
                ? "The specified launch template, with template name \(list), does not exist."
                : "At least one of the launch templates specified in the request does not exist."
        case .launchTemplateVersion:
            // The version, and the template that was looked at.
            guard ids.count == 2 else {
                return "The launch template version \(list) is not found for the specified launch template."
            }
            return "Could not find the specified version \(ids[0]) for the launch template with ID \(ids[1])."
        case .profileAssociation: return "An invalid association-id of '\(list)' was given"
        case .account: return "Invalid user id: \"\(list)\""
        case .address, .tag, .user, .node, .keyPair, .securityGroup, .userGroup, .role, .policy, .inlinePolicy,
            .policyVersion, .instanceProfile, .accessKey, .loginProfile, .signingCertificate, .accountAlias,
            .attachment,
            .mfaDevice, .passwordPolicy, .credentialReport:
            return ids.count == 1
                ? "The \(noun(kind)) '\(list)' does not exist" : "The \(noun(kind))s '\(list)' do not exist"
        }
    }

    static func duplicateMessage(_ kind: ResourceKind, _ name: String) -> String {
        switch kind {
        case .launchTemplateName: "Launch template name already in use."
        // An administrator may have chosen the id, which is not a name.
        case .image where ImageID(name) == nil: "AMI name \(Parameters.shortened(name)) is already in use"
        case .keyPair: "The keypair '\(Parameters.shortened(name))' already exists"
        case .permission, .securityGroupRule: "the specified rule \"\(Parameters.shortened(name))\" already exists"
        default: "The \(noun(kind)) '\(Parameters.shortened(name))' already exists"
        }
    }

    /// Whether EC2 takes any identifier of this kind that has the right prefix for a well-formed one, so that it does not
    /// exist ("The image id '[ami-fake123]' does not exist", aws/aws-sdk issue 97).
    static func isToldByPrefixOnly(_ kind: ResourceKind) -> Bool {
        [.image, .securityGroup, .vpc, .subnet].contains(kind)
    }

    /// Whether an identifier begins as those of its kind do, and goes on.
    static func hasPrefix(_ kind: ResourceKind, _ id: String) -> Bool {
        guard let prefix = prefix(of: kind) else { return false }
        return id.lowercased().hasPrefix(prefix + "-") && id.utf8.count > prefix.utf8.count + 1
    }

    /// ` (expecting "i-...")`, as EC2 says it, for kinds whose identifiers have a prefix; what `id` lacks if it has that.
    static func expectedForm(_ kind: ResourceKind, of id: String) -> String {
        guard let prefix = prefix(of: kind) else { return "" }
        return id.lowercased().hasPrefix(prefix + "-")
            ? " (expecting \"\(prefix)-\" and 17 or 8 hexadecimal digits)" : " (expecting \"\(prefix)-...\")"
    }

    /// What identifiers of a kind begin with, without the dash; nil if they have no such form.
    private static func prefix(of kind: ResourceKind) -> String? {
        switch kind {
        case .instance: InstanceKind.prefix
        case .image: MachineImageKind.prefix
        case .reservation: ReservationKind.prefix
        case .securityGroup: SecurityGroupKind.prefix
        case .securityGroupRule: SecurityGroupRuleKind.prefix
        case .keyPair: KeyPairKind.prefix
        case .vpc, .subnet: kind.rawValue
        case .routeTable: "rtb"
        case .internetGateway: "igw"
        case .networkACL: "acl"
        case .dhcpOptions: "dopt"
        case .networkInterface: "eni"
        case .placementGroup: PlacementGroupKind.prefix
        case .launchTemplate: LaunchTemplateKind.prefix
        case .volume: "vol"
        case .imageImport: ImageImportKind.prefix
        case .profileAssociation: ProfileAssociationKind.prefix
        case .bundleTask: BundleTaskKind.prefix
        case .snapshot: "snap"
        case .address, .tag, .account, .user, .permission, .instanceType, .availabilityZone, .node, .region,
            .launchTemplateName, .launchTemplateVersion, .userGroup, .role, .policy, .inlinePolicy, .policyVersion,
            .instanceProfile, .accessKey, .loginProfile, .signingCertificate, .accountAlias, .attachment, .mfaDevice,
            .passwordPolicy, .credentialReport:
            nil
        }
    }
}
