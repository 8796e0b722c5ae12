import CloudModel
import QueryProtocol
import XML

/// A request that was read and authenticated, on its way to its handler.
struct Call: Sendable {
    let parameters: Parameters
    let caller: Caller
    let backend: any CloudBackend
    let version: APIVersion
    /// The cloud's region.
    let region: String
    /// Whether the client uses the original's path, so that the original's extensions are in place.
    let isOriginalPath: Bool

    /// Whether reservations have groups: clients of the original and of old versions expect it.
    var tellsGroupsOfReservations: Bool { isOriginalPath || version.tellsGroupsOfReservations }
}

/// One action of the API: a row of the table in which everything is looked up.
public struct EC2Action: Sendable {
    /// Who may use it. Which resources the caller may use it on is the back end's decision.
    public enum Authorization: String, Sendable {
        /// Every user of the cloud.
        case user
        /// Users of an account that administers the cloud.
        case administrator
    }

    /// Reads the parameters, asks the back end and writes the elements of the answer into the root element, which is
    /// open. What was written is dropped if it throws.
    typealias Handler = @Sendable (Call, inout XMLWriter) async throws(CloudError) -> Void

    /// The action's name.
    public let name: String
    /// The version of the API that brought it; clients that ask for an older one are served as well.
    public let since: String
    /// See `Authorization`.
    public let authorization: Authorization
    /// What it does here, and what of EC2's it does not do.
    public let summary: String
    let handler: Handler

    private init(
        _ name: String, since: String, for authorization: Authorization = .user, _ handler: @escaping Handler,
        _ summary: String
    ) {
        self.name = name
        self.since = since
        self.authorization = authorization
        self.handler = handler
        self.summary = summary
    }

    /// The action with this name, if it is offered.
    static func named(_ name: String) -> EC2Action? { byName[name] }

    private static let byName = Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// The names of EC2's actions that are known and not offered, in alphabetical order.
    public static var unoffered: [String] {
        KnownActions.names.subtracting(byName.keys).subtracting(EmptyList.all.map(\.action)).sorted()
    }

    /// All actions that are offered.
    public static let all: [EC2Action] = [
        // Instances
        EC2Action(
            "RunInstances", since: "2006-06-26", Instances.run,
            "Starts instances; durable when answered, idempotent by ClientToken; from a launch template, into a subnet or a "
                + "placement group, with an instance profile. No EBS devices, spot, chosen addresses."),
        EC2Action(
            "DescribeInstances", since: "2006-06-26", Instances.describe,
            "Lists instances by id, filter and page; terminated ones for an hour."),
        EC2Action(
            "DescribeInstanceStatus", since: "2011-11-01", Instances.describeStatus,
            "Lists states with the reachability of the guest's virtual machine."),
        EC2Action("TerminateInstances", since: "2006-06-26", Instances.terminate, "Ends instances, all or none."),
        EC2Action("RebootInstances", since: "2006-06-26", Instances.reboot, "Restarts the guests."),
        EC2Action(
            "GetConsoleOutput", since: "2006-06-26", Instances.consoleOutput,
            "The last 64 KiB of the serial console, always the latest."),
        EC2Action(
            "StopInstances", since: "2009-10-31", Instances.stop,
            "Refused for each instance: roots are on instance storage."),
        EC2Action(
            "StartInstances", since: "2009-10-31", Instances.start,
            "Refused for each instance: roots are on instance storage."),
        EC2Action(
            "DescribeInstanceAttribute", since: "2009-10-31", Instances.describeAttribute,
            "One attribute of an instance."),
        EC2Action(
            "ModifyInstanceAttribute", since: "2009-10-31", Instances.modifyAttribute,
            "Protection from termination and stop, and groups. What takes a stopped instance is refused."),
        EC2Action(
            "ResetInstanceAttribute", since: "2009-10-31", Instances.resetAttribute,
            "sourceDestCheck; kernel and ramdisk take a stopped instance."),
        EC2Action(
            "ModifyInstanceMetadataOptions", since: "2016-11-15", Instances.modifyMetadata,
            "Says whether the metadata service wants tokens, and whether it answers. The hop limit is kept and told, but there "
                + "are no hops to count. No IPv6, no tags."),
        EC2Action(
            "MonitorInstances", since: "2009-05-15", Instances.monitor, "Switches detailed monitoring on."),
        EC2Action(
            "UnmonitorInstances", since: "2009-05-15", Instances.unmonitor, "Switches detailed monitoring off."),
        EC2Action(
            "AssociateIamInstanceProfile", since: "2016-11-15", InstanceProfiles.associate,
            "Gives an instance that runs the temporary credentials of a role; takes iam:PassRole."),
        EC2Action(
            "DescribeIamInstanceProfileAssociations", since: "2016-11-15", InstanceProfiles.describe,
            "Lists which instances have which profiles, and whether their nodes have the credentials."),
        EC2Action(
            "ReplaceIamInstanceProfileAssociation", since: "2016-11-15", InstanceProfiles.replace,
            "Gives another one; takes iam:PassRole."),
        EC2Action(
            "DisassociateIamInstanceProfile", since: "2016-11-15", InstanceProfiles.disassociate,
            "Takes it away; what the instance has read already ends by itself."),
        EC2Action(
            "GetPasswordData", since: "2008-08-08", Instances.passwordData,
            "What a Windows guest has written to its console; empty for others."),
        EC2Action(
            "ModifyInstanceEventStartTime", since: "2016-11-15", Instances.modifyEventStartTime,
            "Puts off the end of an instance's lease, which DescribeInstanceStatus shows as its retirement."),
        EC2Action(
            "DescribeInstanceCreditSpecifications", since: "2016-11-15", Instances.creditSpecifications,
            "Empty: no type has CPU credits."),
        EC2Action(
            "ReportInstanceStatus", since: "2012-08-15", Instances.reportStatus,
            "Notes what the user says in the cloud's log, for the administrator."),
        EC2Action(
            "ConfirmProductInstance", since: "2007-03-01", Instances.confirmProduct,
            "Always no: instances have no product codes."),
        // Images
        EC2Action(
            "RegisterImage", since: "2006-06-26", Images.register,
            "Makes an image of an object in Walrus, or of a bundle's manifest. Extensions: ImageType, KernelArguments, ImageId, "
                + "LaunchPermission.1.Group."),
        EC2Action("DeregisterImage", since: "2006-06-26", Images.deregister, "Removes an image from the list."),
        EC2Action(
            "DescribeImages", since: "2006-06-26", Images.describe, "Lists machine images, kernels and ramdisks."),
        EC2Action(
            "DescribeImageAttribute", since: "2007-01-19", Images.describeAttribute, "One attribute of an own image."),
        EC2Action(
            "ModifyImageAttribute", since: "2007-01-19", Images.modifyAttribute,
            "Launch permissions of accounts and of all; the description. No product codes."),
        EC2Action(
            "ResetImageAttribute", since: "2007-01-19", Images.resetAttribute, "Takes all launch permissions away."),
        EC2Action(
            "CopyImage", since: "2013-02-01", Images.copy,
            "Another image of the same object, idempotent by ClientToken. Within the one region."),
        EC2Action(
            "EnableImageDeprecation", since: "2016-11-15", Images.deprecate,
            "Says from when on an image is out of date; others then find it by its id only."),
        EC2Action("DisableImageDeprecation", since: "2016-11-15", Images.undeprecate, "Takes that back."),
        EC2Action(
            "DisableImage", since: "2016-11-15", Images.disable,
            "Lets nobody launch an image, and makes it private. What runs, runs on."),
        EC2Action("EnableImage", since: "2016-11-15", Images.enable, "Lets its owner launch it again."),
        EC2Action(
            "EnableImageDeregistrationProtection", since: "2016-11-15", Images.protect,
            "Has DeregisterImage refused. No cooldown."),
        EC2Action(
            "DisableImageDeregistrationProtection", since: "2016-11-15", Images.unprotect, "Takes that back."),
        EC2Action(
            "ImportImage", since: "2014-10-01", ImageImports.start,
            "Makes an image of a disk in Walrus, raw or (extension) qcow2, idempotent by ClientToken. No other formats, "
                + "no snapshots."),
        EC2Action(
            "DescribeImportImageTasks", since: "2014-10-01", ImageImports.describe,
            "Lists imports; ended ones for a week."),
        EC2Action(
            "BundleInstance", since: "2008-08-08", Bundles.start,
            "Makes a bundle of the root disk (as qcow2) in the user's bucket, by his upload policy. The guest is shut down, and "
                + "started again as soon as its disk is copied. Any system, not Windows alone."),
        EC2Action(
            "DescribeBundleTasks", since: "2008-08-08", Bundles.describe,
            "Lists bundle tasks; ended ones for a week."),
        EC2Action(
            "CancelBundleTask", since: "2008-08-08", Bundles.cancel,
            "Cancels a task that is not over; it then fails with Client.Cancelled, and its parts are removed."),
        EC2Action(
            "CancelImportTask", since: "2014-10-01", ImageImports.cancel, "Cancels an import that is not over."),
        // Key pairs
        EC2Action(
            "CreateKeyPair", since: "2006-06-26", KeyPairs.create, "Makes an RSA or Ed25519 key pair, as PEM."),
        EC2Action("ImportKeyPair", since: "2010-08-31", KeyPairs.importKey, "Takes a public key."),
        EC2Action("DescribeKeyPairs", since: "2006-06-26", KeyPairs.describe, "Lists key pairs."),
        EC2Action("DeleteKeyPair", since: "2006-06-26", KeyPairs.delete, "Forgets a key pair, by name or id."),
        // Security groups
        EC2Action(
            "CreateSecurityGroup", since: "2006-06-26", SecurityGroups.create, "Makes a group, in the default VPC."),
        EC2Action("DescribeSecurityGroups", since: "2006-06-26", SecurityGroups.describe, "Lists groups with rules."),
        EC2Action(
            "DeleteSecurityGroup", since: "2006-06-26", SecurityGroups.delete,
            "Removes a group that no instance is in, by name or id."),
        EC2Action(
            "AuthorizeSecurityGroupIngress", since: "2006-06-26", SecurityGroups.authorizeIngress,
            "Opens ports to blocks and groups. No prefix lists."),
        EC2Action(
            "AuthorizeSecurityGroupEgress", since: "2011-07-15", SecurityGroups.authorizeEgress,
            "Allows traffic out of instances. No prefix lists."),
        EC2Action(
            "RevokeSecurityGroupIngress", since: "2006-06-26", SecurityGroups.revokeIngress,
            "Removes rules, by what they permit or by id."),
        EC2Action(
            "RevokeSecurityGroupEgress", since: "2011-07-15", SecurityGroups.revokeEgress,
            "Removes rules, by what they permit or by id."),
        EC2Action(
            "DescribeSecurityGroupRules", since: "2016-11-15", SecurityGroups.describeRules,
            "Lists rules by id, group and tag."),
        EC2Action(
            "ModifySecurityGroupRules", since: "2016-11-15", SecurityGroups.modifyRules,
            "Replaces rules, which keep their ids. No prefix lists."),
        EC2Action(
            "UpdateSecurityGroupRuleDescriptionsIngress", since: "2016-11-15", SecurityGroups.describeIngress,
            "Sets descriptions of rules, by what they permit or by id."),
        EC2Action(
            "UpdateSecurityGroupRuleDescriptionsEgress", since: "2016-11-15", SecurityGroups.describeEgress,
            "Sets descriptions of rules, by what they permit or by id."),
        EC2Action(
            "GetSecurityGroupsForVpc", since: "2016-11-15", SecurityGroups.listForVPC,
            "Lists the groups of the default VPC, with filters and pages."),
        // Placement groups and launch templates
        EC2Action(
            "CreatePlacementGroup", since: "2011-01-01", PlacementGroups.create,
            "Makes a group whose instances are kept in one zone (strategy cluster)."),
        EC2Action("DescribePlacementGroups", since: "2011-01-01", PlacementGroups.describe, "Lists them."),
        EC2Action(
            "DeletePlacementGroup", since: "2011-01-01", PlacementGroups.delete, "Removes one that has no instances."),
        EC2Action(
            "CreateLaunchTemplate", since: "2016-11-15", LaunchTemplates.create,
            "Keeps parameters of RunInstances, idempotent by ClientToken."),
        EC2Action(
            "CreateLaunchTemplateVersion", since: "2016-11-15", LaunchTemplates.createVersion,
            "Adds a version, perhaps on top of another, idempotent by ClientToken."),
        EC2Action(
            "DescribeLaunchTemplates", since: "2016-11-15", LaunchTemplates.describe, "Lists templates."),
        EC2Action(
            "DescribeLaunchTemplateVersions", since: "2016-11-15", LaunchTemplates.describeVersions,
            "Lists versions with what is in them. ResolveAlias changes nothing."),
        EC2Action(
            "ModifyLaunchTemplate", since: "2016-11-15", LaunchTemplates.modify,
            "Sets the default version, idempotent by ClientToken."),
        EC2Action("DeleteLaunchTemplate", since: "2016-11-15", LaunchTemplates.delete, "Removes a template."),
        EC2Action(
            "DeleteLaunchTemplateVersions", since: "2016-11-15", LaunchTemplates.deleteVersions,
            "Removes versions, except the default one."),
        // The account's network
        EC2Action(
            "DescribeVpcs", since: "2011-07-15", Networks.describeVPCs,
            "The account's default VPC: the zones' blocks."),
        EC2Action(
            "DescribeVpcAttribute", since: "2014-02-01", Networks.describeVPCAttribute, "Names and name servers."),
        EC2Action("DescribeSubnets", since: "2011-07-15", Networks.describeSubnets, "One for each zone."),
        EC2Action(
            "DescribeRouteTables", since: "2011-07-15", Networks.describeRouteTables, "The main table of the VPC."),
        EC2Action(
            "DescribeInternetGateways", since: "2011-07-15", Networks.describeInternetGateways,
            "The way out of the VPC."),
        EC2Action(
            "DescribeNetworkAcls", since: "2011-07-15", Networks.describeNetworkACLs,
            "The one that lets everything through."),
        EC2Action(
            "DescribeNetworkInterfaces", since: "2011-07-15", Networks.describeInterfaces,
            "The one interface of each instance."),
        EC2Action(
            "DescribeNetworkInterfaceAttribute", since: "2011-12-01", Networks.describeInterfaceAttribute,
            "One attribute of an instance's interface."),
        EC2Action(
            "DescribeDhcpOptions", since: "2011-07-15", Networks.describeDHCPOptions, "What guests are told."),
        EC2Action(
            "GetLaunchTemplateData", since: "2016-11-15", LaunchTemplates.fromInstance,
            "The parameters that would launch an instance like an existing one."),
        // Zones and types
        EC2Action(
            "DescribeAvailabilityZones", since: "2008-02-01", Zones.describe,
            "Lists zones. The original's ZoneName verbose adds free and total slots, and nodes for administrators."),
        EC2Action("DescribeRegions", since: "2008-12-01", Zones.describeRegions, "The cloud is one region."),
        EC2Action(
            "DescribeInstanceTypes", since: "2016-11-15", InstanceTypes.describe,
            "Lists types. On the original's path also in the original's form."),
        EC2Action(
            "DescribeInstanceTypeOfferings", since: "2016-11-15", InstanceTypes.describeOfferings,
            "Lists which types the region or its zones offer."),
        EC2Action(
            "ModifyInstanceTypeAttribute", since: "2013-10-15", for: .administrator, InstanceTypes.modify,
            "The original's extension: changes or adds a type. Extensions: EphemeralDisk, Swap."),
        // Tags and account
        EC2Action(
            "DescribeIdFormat", since: "2015-10-01", IDFormats.describe, "All identifiers are long ones (17 digits)."),
        EC2Action(
            "DescribeIdentityIdFormat", since: "2016-04-01", IDFormats.describeIdentity,
            "The same for every user and role."),
        EC2Action(
            "DescribeAggregateIdFormat", since: "2016-11-15", IDFormats.describeAggregate, "The same in the one region."
        ),
        EC2Action(
            "DescribePrincipalIdFormat", since: "2016-11-15", IDFormats.describePrincipals, "The same for the account."),
        EC2Action(
            "ModifyIdFormat", since: "2015-10-01", IDFormats.modify,
            "Long identifiers can be asked for; short ones are refused."),
        EC2Action(
            "ModifyIdentityIdFormat", since: "2016-04-01", IDFormats.modifyIdentity, "The same for a user or role."),
        EC2Action(
            "GetEbsEncryptionByDefault", since: "2016-11-15", AccountSettings.ebsEncryption,
            "Always no: nothing encrypts disks."),
        EC2Action(
            "GetSerialConsoleAccessStatus", since: "2016-11-15", AccountSettings.serialConsole,
            "Always no: consoles can be read, but not typed into."),
        EC2Action(
            "GetImageBlockPublicAccessState", since: "2016-11-15", AccountSettings.imageSharing,
            "Always unblocked: owners may make images public."),
        EC2Action(
            "GetSnapshotBlockPublicAccessState", since: "2016-11-15", AccountSettings.snapshotSharing,
            "Always unblocked."),
        EC2Action(
            "GetAllowedImagesSettings", since: "2016-11-15", AccountSettings.allowedImages,
            "Always disabled: every image that is visible may be launched."),
        EC2Action(
            "GetInstanceMetadataDefaults", since: "2016-11-15", AccountSettings.metadataDefaults,
            "The account has none of its own."),
        EC2Action("CreateTags", since: "2010-08-31", Tags.create, "Puts tags on resources."),
        EC2Action("DeleteTags", since: "2010-08-31", Tags.delete, "Takes tags off resources."),
        EC2Action("DescribeTags", since: "2010-08-31", Tags.describe, "Lists tags with their resources."),
        EC2Action(
            "DescribeAccountAttributes", since: "2012-12-01", AccountAttributes.describe,
            "The default VPC, and limits."),
    ]
}
