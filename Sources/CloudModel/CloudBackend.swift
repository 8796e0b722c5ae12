/// One filter of a describe call: the resource passes if the attribute matches any of the values. `*` and `?` are
/// wildcards, `\` escapes them (EC2 User Guide, "Filtering").
public struct Filter: Hashable, Sendable {
    /// EC2's name of the attribute, such as "instance-state-name" or "tag:Owner".
    public var name: String
    /// Patterns.
    public var values: [String]
    /// Makes a filter.
    public init(name: String, values: [String]) {
        self.name = name
        self.values = values
    }
}

/// A page of a describe call.
public struct Page<Element: Sendable>: Sendable {
    /// The resources, in the documented order.
    public var items: [Element]
    /// To be sent with the next call; nil at the end.
    public var nextToken: String?
    /// Makes a page.
    public init(items: [Element], nextToken: String? = nil) {
        self.items = items
        self.nextToken = nextToken
    }
}

/// What most describe calls take.
public struct DescribeRequest: Hashable, Sendable {
    /// Identifiers as the user wrote them; empty for all.
    public var ids: [String]
    /// Names (key pairs, groups, zones), where the action takes them; empty for all.
    public var names: [String]
    /// All must pass.
    public var filters: [Filter]
    /// Largest number of results per page; nil for all.
    public var maxResults: Int?
    /// From the previous page.
    public var nextToken: String?
    /// Only check whether it is allowed.
    public var dryRun: Bool
    /// Whether the parts of the answer that take counting are wanted: slots and nodes of zones.
    public var withDetails = true
    /// What else is wanted of that which is usually left out.
    public var including: Set<Inclusion> = []
    /// What a listing leaves out if nobody asks for it.
    public enum Inclusion: String, Hashable, Sendable {
        /// Other accounts' images whose time is over.
        case deprecatedImages
        /// Own images that nobody may launch.
        case disabledImages
    }
    /// Makes a request.
    public init(
        ids: [String] = [], names: [String] = [], filters: [Filter] = [], maxResults: Int? = nil,
        nextToken: String? = nil, dryRun: Bool = false
    ) {
        self.ids = ids
        self.names = names
        self.filters = filters
        self.maxResults = maxResults
        self.nextToken = nextToken
        self.dryRun = dryRun
    }
}

/// RunInstances, in the cloud's own terms.
public struct RunInstancesRequest: Hashable, Sendable {
    /// Image id as the user wrote it.
    public var imageID: String
    /// Least number that must be launched; 1 or more.
    public var minCount: Int
    /// Number wanted.
    public var maxCount: Int
    /// Type name; nil for the default.
    public var instanceType: String?
    /// Key pair's name.
    public var keyName: String?
    /// Group ids.
    public var groupIDs: [String]
    /// Group names.
    public var groupNames: [String]
    /// Zone name; nil for the cloud's choice.
    public var zone: String?
    /// Raw bytes, already decoded.
    public var userData: [UInt8]?
    /// Kernel and ramdisk instead of the image's own.
    public var kernelID: String?
    /// See `kernelID`.
    public var ramdiskID: String?
    /// Up to 64 characters; makes the request idempotent.
    public var clientToken: String?
    /// Detailed monitoring.
    public var monitoring: Bool
    /// Tags for the instances.
    public var instanceTags: [Tag]
    /// Tags in the name space "aws:", which only the cloud itself can give: such as the launch template's.
    public var systemTags: [Tag] = []
    /// Protection, and name of the placement group.
    public var options = InstanceOptions()
    /// The instance profile; nil for none.
    public var profile: ProfileSelector?
    /// Only check.
    public var dryRun: Bool
    /// Makes a request for one instance.
    public init(
        imageID: String, minCount: Int = 1, maxCount: Int = 1, instanceType: String? = nil, keyName: String? = nil,
        groupIDs: [String] = [], groupNames: [String] = [], zone: String? = nil, userData: [UInt8]? = nil,
        kernelID: String? = nil, ramdiskID: String? = nil, clientToken: String? = nil, monitoring: Bool = false,
        instanceTags: [Tag] = [], dryRun: Bool = false
    ) {
        self.imageID = imageID
        self.minCount = minCount
        self.maxCount = maxCount
        self.instanceType = instanceType
        self.keyName = keyName
        self.groupIDs = groupIDs
        self.groupNames = groupNames
        self.zone = zone
        self.userData = userData
        self.kernelID = kernelID
        self.ramdiskID = ramdiskID
        self.clientToken = clientToken
        self.monitoring = monitoring
        self.instanceTags = instanceTags
        self.dryRun = dryRun
    }
}

/// An instance's state before and after a call.
public struct StateTransition: Hashable, Sendable {
    /// The instance.
    public var id: InstanceID
    /// Before.
    public var previous: InstanceState
    /// After.
    public var current: InstanceState
    /// Makes a transition.
    public init(id: InstanceID, previous: InstanceState, current: InstanceState) {
        self.id = id
        self.previous = previous
        self.current = current
    }
}

/// Console output of an instance.
public struct ConsoleOutput: Hashable, Sendable {
    /// The instance.
    public var id: InstanceID
    /// When it was read.
    public var timestamp: Timestamp
    /// The latest bytes, at most 64 KiB.
    public var output: [UInt8]
    /// Makes it.
    public init(id: InstanceID, timestamp: Timestamp, output: [UInt8]) {
        self.id = id
        self.timestamp = timestamp
        self.output = output
    }
}

/// RegisterImage, in the cloud's own terms.
public struct RegisterImageRequest: Hashable, Sendable {
    /// "bucket/key" of the object in Walrus.
    public var location: String
    /// Name, unique among the owner's images; nil takes the location.
    public var name: String?
    /// Free text.
    public var description: String?
    /// i386 or x86_64; nil for x86_64.
    public var architecture: String?
    /// What it is; nil for a machine image.
    public var kind: Image.Kind?
    /// Default kernel.
    public var kernelID: String?
    /// Default ramdisk.
    public var ramdiskID: String?
    /// Kernel command line.
    public var kernelArguments: String?
    /// Root device name.
    public var rootDeviceName: String?
    /// An id to keep, which only an administrator may give (public suites name literal ids).
    public var requestedID: String?
    /// Launchable by every account.
    public var isPublic: Bool
    /// Tags.
    public var tags: [Tag]
    /// Only check.
    public var dryRun: Bool
    /// Makes a request.
    public init(
        location: String, name: String? = nil, description: String? = nil, architecture: String? = nil,
        kind: Image.Kind? = nil, kernelID: String? = nil, ramdiskID: String? = nil, kernelArguments: String? = nil,
        rootDeviceName: String? = nil, requestedID: String? = nil, isPublic: Bool = false, tags: [Tag] = [],
        dryRun: Bool = false
    ) {
        self.location = location
        self.name = name
        self.description = description
        self.architecture = architecture
        self.kind = kind
        self.kernelID = kernelID
        self.ramdiskID = ramdiskID
        self.kernelArguments = kernelArguments
        self.rootDeviceName = rootDeviceName
        self.requestedID = requestedID
        self.isPublic = isPublic
        self.tags = tags
        self.dryRun = dryRun
    }
}

/// A created key pair with its private half, which is handed out once and not kept.
public struct CreatedKeyPair: Hashable, Sendable {
    /// The record.
    public var keyPair: KeyPair
    /// PEM text.
    public var privateKey: String
    /// Makes it.
    public init(keyPair: KeyPair, privateKey: String) {
        self.keyPair = keyPair
        self.privateKey = privateKey
    }
}

/// A group named by id or by name.
public struct GroupSelector: Hashable, Sendable {
    /// Group id, if given.
    public var id: String?
    /// Group name, if given.
    public var name: String?
    /// Makes a selector.
    public init(id: String? = nil, name: String? = nil) {
        self.id = id
        self.name = name
    }
}

/// One permission as requests carry it: a port range and any number of peers.
public struct Permission: Hashable, Sendable {
    /// A group as a peer.
    public struct GroupPeer: Hashable, Sendable {
        /// The group.
        public var group: GroupSelector
        /// Its owner; nil for the caller.
        public var accountID: String?
        /// Free text.
        public var description: String?
        /// Makes a peer.
        public init(group: GroupSelector, accountID: String? = nil, description: String? = nil) {
            self.group = group
            self.accountID = accountID
            self.description = description
        }
    }
    /// A CIDR block as a peer.
    public struct BlockPeer: Hashable, Sendable {
        /// IPv4 or IPv6 block.
        public var cidr: String
        /// Free text.
        public var description: String?
        /// Makes a peer.
        public init(cidr: String, description: String? = nil) {
            self.cidr = cidr
            self.description = description
        }
    }
    /// tcp, udp, icmp, a number, or "-1".
    public var ipProtocol: String
    /// First port or ICMP type.
    public var fromPort: Int?
    /// Last port or ICMP code.
    public var toPort: Int?
    /// IPv4 blocks.
    public var blocks: [BlockPeer]
    /// IPv6 blocks.
    public var blocksV6: [BlockPeer]
    /// Groups.
    public var groups: [GroupPeer]
    /// Makes a permission.
    public init(
        ipProtocol: String, fromPort: Int? = nil, toPort: Int? = nil, blocks: [BlockPeer] = [],
        blocksV6: [BlockPeer] = [], groups: [GroupPeer] = []
    ) {
        self.ipProtocol = ipProtocol
        self.fromPort = fromPort
        self.toPort = toPort
        self.blocks = blocks
        self.blocksV6 = blocksV6
        self.groups = groups
    }
}

/// An availability zone: a cluster.
public struct AvailabilityZone: Hashable, Sendable {
    /// Slots of one type.
    public struct Slots: Hashable, Sendable {
        /// The type.
        public var type: InstanceType
        /// Instances that can still be started.
        public var free: Int
        /// Instances that the empty zone could hold.
        public var maximum: Int
        /// Makes it.
        public init(type: InstanceType, free: Int, maximum: Int) {
            self.type = type
            self.free = free
            self.maximum = maximum
        }
    }
    /// A node, as the administrator's verbose listing shows it.
    public struct Node: Hashable, Sendable {
        /// Its name.
        public var name: String
        /// up, draining, asleep, down, faulty.
        public var state: String
        /// What it runs guests with, for people.
        public var hypervisor: String
        /// When it was last heard of.
        public var lastSeen: Timestamp?
        /// Number of instances on it.
        public var instanceCount: Int
        /// Free and total cores, MiB of memory and GiB of disk.
        public var freeCores: Int
        /// See `freeCores`.
        public var totalCores: Int
        /// See `freeCores`.
        public var freeMemoryMiB: Int
        /// See `freeCores`.
        public var totalMemoryMiB: Int
        /// See `freeCores`.
        public var freeDiskGiB: Int
        /// See `freeCores`.
        public var totalDiskGiB: Int
        /// Makes it.
        public init(
            name: String, state: String, hypervisor: String, lastSeen: Timestamp?, instanceCount: Int, freeCores: Int,
            totalCores: Int, freeMemoryMiB: Int, totalMemoryMiB: Int, freeDiskGiB: Int, totalDiskGiB: Int
        ) {
            self.name = name
            self.state = state
            self.hypervisor = hypervisor
            self.lastSeen = lastSeen
            self.instanceCount = instanceCount
            self.freeCores = freeCores
            self.totalCores = totalCores
            self.freeMemoryMiB = freeMemoryMiB
            self.totalMemoryMiB = totalMemoryMiB
            self.freeDiskGiB = freeDiskGiB
            self.totalDiskGiB = totalDiskGiB
        }
    }
    /// Region and letter, such as "us-east-1a".
    public var name: String
    /// The region.
    public var region: String
    /// Whether its cluster controller answers.
    public var isAvailable: Bool
    /// Why not, for users.
    public var message: String?
    /// Where its cluster controller answers, for administrators.
    public var endpoint: String
    /// Slots by type.
    public var slots: [Slots]
    /// Nodes; only administrators get them.
    public var nodes: [Node]
    /// Makes it.
    public init(
        name: String, region: String, isAvailable: Bool, message: String? = nil, endpoint: String, slots: [Slots] = [],
        nodes: [Node] = []
    ) {
        self.name = name
        self.region = region
        self.isAvailable = isAvailable
        self.message = message
        self.endpoint = endpoint
        self.slots = slots
        self.nodes = nodes
    }
}

/// A region, of which a cloud has one.
public struct Region: Hashable, Sendable {
    /// Such as "us-east-1".
    public var name: String
    /// Host and port of its EC2 endpoint.
    public var endpoint: String
    /// Makes it.
    public init(name: String, endpoint: String) {
        self.name = name
        self.endpoint = endpoint
    }
}

/// A tag with the resource that it is on.
public struct TagDescription: Hashable, Sendable {
    /// Id of the resource.
    public var resourceID: String
    /// Kind of the resource.
    public var resource: ResourceKind
    /// The tag.
    public var tag: Tag
    /// Makes it.
    public init(resourceID: String, resource: ResourceKind, tag: Tag) {
        self.resourceID = resourceID
        self.resource = resource
        self.tag = tag
    }
}

/// The cloud, as interfaces see it. The implementation is `CloudController`; interfaces know only this.
///
/// Every call authorises the caller, throws `CloudError`, and returns when what it acknowledges is durable. Describe
/// calls show a caller his own resources and the public ones; an administrator's too, unless he names ids. Identifiers
/// in requests are as the user wrote them.
public protocol CloudBackend: AccountBackend, AllocationBackend, AuthenticationBackend, BundleBackend,
    ImageAttributeBackend, ImageImportBackend, InstanceAttributeBackend, LaunchTemplateBackend, PlacementGroupBackend,
    ProfileAssociationBackend, SecurityGroupRuleBackend, Sendable
{
    // MARK: Instances
    /// Records the intent to run instances and answers them as pending. EC2: RunInstances.
    func runInstances(_ request: RunInstancesRequest, as caller: Caller) async throws(CloudError) -> Reservation
    /// Reservations with the instances that match. Terminated instances are shown for an hour. EC2: DescribeInstances.
    func describeInstances(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> Page<Reservation>
    /// EC2: DescribeInstanceStatus; only running ones unless `includeAll`.
    func describeInstanceStatus(_ request: DescribeRequest, includeAll: Bool, as caller: Caller)
        async throws(CloudError) -> Page<Instance>
    /// Records the intent to terminate. All ids must exist, or nothing is done. EC2: TerminateInstances.
    func terminateInstances(ids: [String], dryRun: Bool, as caller: Caller) async throws(CloudError)
        -> [StateTransition]
    /// EC2: RebootInstances.
    func rebootInstances(ids: [String], dryRun: Bool, as caller: Caller) async throws(CloudError)
    /// EC2: GetConsoleOutput.
    func consoleOutput(id: String, dryRun: Bool, as caller: Caller) async throws(CloudError) -> ConsoleOutput

    // MARK: Images
    /// Registers an object of Walrus as an image. EC2: RegisterImage.
    func registerImage(_ request: RegisterImageRequest, as caller: Caller) async throws(CloudError) -> Image
    /// EC2: DeregisterImage.
    func deregisterImage(id: String, dryRun: Bool, as caller: Caller) async throws(CloudError)
    /// EC2: DescribeImages. `owners`: account ids, "self", "amazon", "aws-marketplace"; `executableBy`: account ids,
    /// "self", "all".
    func describeImages(_ request: DescribeRequest, owners: [String], executableBy: [String], as caller: Caller)
        async throws(CloudError) -> Page<Image>

    // MARK: Key pairs
    /// Makes a key pair; `type` is rsa or ed25519, nil for rsa. EC2: CreateKeyPair.
    func createKeyPair(name: String, type: String?, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> CreatedKeyPair
    /// `material`: OpenSSH line, PEM or DER of a public key. EC2: ImportKeyPair.
    func importKeyPair(name: String, material: [UInt8], tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> KeyPair
    /// EC2: DescribeKeyPairs.
    func describeKeyPairs(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> Page<KeyPair>
    /// By name or id; nil if there was none, which is no error. EC2: DeleteKeyPair.
    func deleteKeyPair(name: String?, id: String?, dryRun: Bool, as caller: Caller) async throws(CloudError) -> KeyPair?

    // MARK: Security groups
    /// EC2: CreateSecurityGroup.
    func createSecurityGroup(name: String, description: String, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> SecurityGroup
    /// EC2: DescribeSecurityGroups.
    func describeSecurityGroups(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<SecurityGroup>
    /// EC2: DeleteSecurityGroup. Refused while instances are members.
    func deleteSecurityGroup(_ group: GroupSelector, dryRun: Bool, as caller: Caller) async throws(CloudError)
        -> SecurityGroup
    /// Adds rules; all or nothing. EC2: AuthorizeSecurityGroupIngress and -Egress.
    func authorize(
        _ permissions: [Permission], egress: Bool, group: GroupSelector, tags: [Tag], dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> [SecurityGroupRule]
    /// Removes rules, by permission or by rule id. EC2: RevokeSecurityGroupIngress and -Egress.
    func revoke(
        _ permissions: [Permission], ruleIDs: [String], egress: Bool, group: GroupSelector, dryRun: Bool,
        as caller: Caller
    ) async throws(CloudError) -> [SecurityGroupRule]

    // MARK: Zones and types
    /// EC2: DescribeAvailabilityZones.
    func describeAvailabilityZones(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> [AvailabilityZone]
    /// EC2: DescribeRegions.
    func describeRegions(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> [Region]
    /// EC2: DescribeInstanceTypes. `names` are type names.
    func describeInstanceTypes(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<InstanceType>
    /// Sets or adds a type; administrators only. Eucalyptus: ModifyInstanceTypeAttribute.
    func modifyInstanceType(_ type: InstanceType, as caller: Caller) async throws(CloudError) -> InstanceType

    // MARK: Tags
    /// EC2: CreateTags.
    func createTags(resourceIDs: [String], tags: [Tag], dryRun: Bool, as caller: Caller) async throws(CloudError)
    /// A nil value deletes the key whatever its value; an empty list of tags deletes all. EC2: DeleteTags.
    func deleteTags(resourceIDs: [String], tags: [(key: String, value: String?)], dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    /// EC2: DescribeTags.
    func describeTags(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> Page<TagDescription>
}
