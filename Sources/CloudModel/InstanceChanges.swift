// What can be changed of an instance, and of an image, after it was made.

/// What an owner has set of an instance beyond its launch. Old records have none.
public struct InstanceOptions: Hashable, Sendable, Codable {
    /// TerminateInstances is refused (EC2: disableApiTermination).
    public var isProtectedFromTermination: Bool?
    /// StopInstances is refused (EC2: disableApiStop).
    public var isProtectedFromStop: Bool?
    /// Name of the placement group that it was launched into.
    public var placementGroup: String?
    /// The instance profile that it has; nil for none.
    public var profile: ProfileAssociation?
    /// Until when it may run; nil for as long as its owner likes.
    public var lease: Lease?
    /// That its launch had, or has, to wait for room; nil if there was room at once.
    public var wait: LaunchWait?
    /// How its guest reaches its metadata; nil for what is usual.
    public var metadata: MetadataOptions?
    /// Makes options.
    public init(
        isProtectedFromTermination: Bool? = nil, isProtectedFromStop: Bool? = nil, placementGroup: String? = nil
    ) {
        self.isProtectedFromTermination = isProtectedFromTermination
        self.isProtectedFromStop = isProtectedFromStop
        self.placementGroup = placementGroup
    }
    /// Itself, or nil if it says nothing, which is how it is stored.
    public var unlessEmpty: InstanceOptions? { self == InstanceOptions() ? nil : self }
}

/// How a guest reaches its metadata service (EC2: InstanceMetadataOptions).
public struct MetadataOptions: Hashable, Sendable, Codable {
    /// Whether a request without the token of a session is refused (EC2: httpTokens is "required").
    public var requiresTokens: Bool
    /// Whether every request is refused (EC2: httpEndpoint is "disabled").
    public var isDisabled: Bool
    /// How far an answer with a token may travel, 1 to 64. It is kept and told, but between a guest and its node there is
    /// nothing that would count.
    public var hopLimit: Int
    /// Whether it was changed after the launch, so that the instance's node has to be told.
    public var isChanged: Bool?
    /// Makes options; without arguments what is usual.
    public init(requiresTokens: Bool = false, isDisabled: Bool = false, hopLimit: Int = 1) {
        self.requiresTokens = requiresTokens
        self.isDisabled = isDisabled
        self.hopLimit = hopLimit
    }
}

/// Until when an instance may run by the service level agreement. Users see it as EC2's scheduled event
/// "instance-retirement" and put it off with ModifyInstanceEventStartTime.
public struct Lease: Hashable, Sendable, Codable {
    /// When the instance is terminated.
    public var endsAt: Timestamp
    /// The latest moment to which the owner can put it off.
    public var latest: Timestamp
    /// How many seconds before the end the owner is warned, from the earliest warning to the last; nil for never.
    public var warnings: [Int64]?
    /// The last of `warnings` that was given for the present end.
    public var warned: Int64?
    /// Makes a lease.
    public init(endsAt: Timestamp, latest: Timestamp, warnings: [Int64]? = nil) {
        self.endsAt = endsAt
        self.latest = latest
        self.warnings = warnings
    }
    /// The tag by which every client sees when an instance's lease ends.
    public static let endTag = "aws:mallee:lease-until"
    /// The tag that an instance gets when its lease is about to end.
    public static let warningTag = "aws:mallee:lease-warning"
    /// The tag by which an owner puts the end off, with any client: its value is a date and time in ISO 8601.
    public static let requestTag = "mallee:lease-until"
    /// What the scheduled event says.
    public static let eventDescription = "The lease of the instance ends; ModifyInstanceEventStartTime puts it off."
    /// Identifier of the scheduled event of an instance.
    public static func eventID(of instance: InstanceID) -> String {
        "instance-event-" + instance.value.dropFirst(2)
    }
}

/// That a launch waits, or has waited, for room.
public struct LaunchWait: Hashable, Sendable, Codable {
    /// Since when.
    public var since: Timestamp
    /// The zone that was asked for; nil for any.
    public var zone: String?
    /// When there was room; nil while it waits.
    public var startedAt: Timestamp?
    /// Makes it.
    public init(since: Timestamp, zone: String?) {
        self.since = since
        self.zone = zone
    }
}

extension Instance {
    /// Whether it is wanted, and waits for room by the service level agreement: it is on no node and uses nothing.
    public var isWaiting: Bool {
        guard let wait = options?.wait else { return false }
        return wait.startedAt == nil && intent == .run && state == .pending
    }
    /// Since when it is held: the start of one that had to wait, the launch of any other.
    public var heldSince: Timestamp { options?.wait?.startedAt ?? launchTime }
}

/// One change of ModifyInstanceAttribute.
public enum InstanceChange: Hashable, Sendable {
    /// Whether TerminateInstances is refused.
    case terminationProtection(Bool)
    /// Whether StopInstances is refused.
    case stopProtection(Bool)
    /// The groups that it is to be a member of, by id.
    case groups([String])
    /// How its guest reaches its metadata; nil for what stays as it is.
    case metadata(requiresTokens: Bool?, isDisabled: Bool?, hopLimit: Int?)
    /// Something that can only be changed while the instance is stopped: type, kernel, ramdisk, user data. Names EC2's
    /// attribute.
    case whileStopped(String)
}

/// A change of an image's attributes.
public enum ImageChange: Hashable, Sendable {
    /// Free text.
    case description(String)
    /// Who may launch it besides the owner. "all" is everybody.
    case launchPermissions(add: Set<String>, remove: Set<String>)
    /// Only the owner may launch it.
    case resetLaunchPermissions
    /// When it is to be out of date; nil to take that back.
    case deprecation(Timestamp?)
    /// Whether nobody may launch it; one that is disabled is its owner's alone.
    case disabled(Bool)
    /// Whether DeregisterImage is refused.
    case deregistrationProtection(Bool)
}

/// CopyImage, in the cloud's own terms: another image of the same bytes.
public struct CopyImageRequest: Hashable, Sendable {
    /// The image to copy, as the user wrote it.
    public var sourceID: String
    /// The region that it is in; a cloud has one.
    public var sourceRegion: String
    /// Name of the copy.
    public var name: String
    /// Free text; nil for none.
    public var description: String?
    /// Whether the copy gets the user's tags of the source.
    public var copiesTags: Bool
    /// Makes the request idempotent.
    public var clientToken: String?
    /// Tags.
    public var tags: [Tag]
    /// Only check.
    public var dryRun: Bool
    /// Makes a request.
    public init(
        sourceID: String, sourceRegion: String, name: String, description: String? = nil, copiesTags: Bool = false,
        clientToken: String? = nil, tags: [Tag] = [], dryRun: Bool = false
    ) {
        self.sourceID = sourceID
        self.sourceRegion = sourceRegion
        self.name = name
        self.description = description
        self.copiesTags = copiesTags
        self.clientToken = clientToken
        self.tags = tags
        self.dryRun = dryRun
    }
}

/// A new description of a rule, which is named by its id or by what it permits.
public struct RuleDescription: Hashable, Sendable {
    /// The rule; nil if it is named by its permission.
    public var ruleID: String?
    /// Nil takes the description away.
    public var description: String?
    /// Makes it.
    public init(ruleID: String?, description: String?) {
        self.ruleID = ruleID
        self.description = description
    }
}

/// What a rule is to be replaced with; it keeps its id and its tags.
public struct RuleReplacement: Hashable, Sendable {
    /// The rule.
    public var ruleID: String
    /// What it permits from then on: one peer.
    public var permission: Permission
    /// Makes it.
    public init(ruleID: String, permission: Permission) {
        self.ruleID = ruleID
        self.permission = permission
    }
}
