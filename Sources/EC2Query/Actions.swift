import CloudModel
import XML

/// A request that was read and authenticated, on its way to its handler.
struct Call: Sendable {
    let parameters: Parameters
    let caller: Caller
    let backend: any CloudBackend
    let version: APIVersion
    /// Whether the client uses the original's path, so that the original's extensions are in place.
    let isOriginalPath: Bool
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
    public static var unoffered: [String] { KnownActions.names.subtracting(byName.keys).sorted() }

    /// All actions that are offered.
    public static let all: [EC2Action] = [
        // Instances
        EC2Action(
            "RunInstances", since: "2006-06-26", Instances.run,
            "Starts instances; durable when answered, idempotent by ClientToken. No EBS devices, spot, templates, VPC."),
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
        // Images
        EC2Action(
            "RegisterImage", since: "2006-06-26", Images.register,
            "Makes an image of an object in Walrus. Extensions: ImageType, KernelArguments, ImageId, "
                + "LaunchPermission.1.Group."),
        EC2Action("DeregisterImage", since: "2006-06-26", Images.deregister, "Removes an image from the list."),
        EC2Action(
            "DescribeImages", since: "2006-06-26", Images.describe, "Lists machine images, kernels and ramdisks."),
        // Key pairs
        EC2Action(
            "CreateKeyPair", since: "2006-06-26", KeyPairs.create, "Makes an RSA or Ed25519 key pair, as PEM."),
        EC2Action("ImportKeyPair", since: "2010-08-31", KeyPairs.importKey, "Takes a public key."),
        EC2Action("DescribeKeyPairs", since: "2006-06-26", KeyPairs.describe, "Lists key pairs."),
        EC2Action("DeleteKeyPair", since: "2006-06-26", KeyPairs.delete, "Forgets a key pair, by name or id."),
        // Security groups
        EC2Action("CreateSecurityGroup", since: "2006-06-26", SecurityGroups.create, "Makes a group; no VPC."),
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
        EC2Action("CreateTags", since: "2010-08-31", Tags.create, "Puts tags on resources."),
        EC2Action("DeleteTags", since: "2010-08-31", Tags.delete, "Takes tags off resources."),
        EC2Action("DescribeTags", since: "2010-08-31", Tags.describe, "Lists tags with their resources."),
        EC2Action(
            "DescribeAccountAttributes", since: "2012-12-01", AccountAttributes.describe,
            "Says that there is no default VPC."),
    ]
}
