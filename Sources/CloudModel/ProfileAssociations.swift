/// That an instance has an instance profile, whose role's credentials it finds in its metadata.
///
///     associating ──the node has the credentials──▶ associated
///          │                                            │ DisassociateIamInstanceProfile
///          └──────────────▶ disassociating ◀────────────┘
///                               └──the node has forgotten them──▶ (none)
///
/// The profile may be gone meanwhile; the association then gives nothing.
public struct ProfileAssociation: Hashable, Sendable, Codable {
    /// How far the instance's node is.
    public enum State: String, Sendable, Codable { case associating, associated, disassociating }
    /// Its identifier.
    public var id: ProfileAssociationID
    /// Unique id of the profile.
    public var profileID: String
    /// The profile's ARN.
    public var profileARN: String
    /// See `State`.
    public var state: State
    /// When it was asked for.
    public var since: Timestamp
    /// Makes an association that no node knows yet.
    public init(of profile: InstanceProfile, since: Timestamp) {
        id = .random()
        profileID = profile.id
        profileARN = profile.arn
        state = .associating
        self.since = since
    }
}

/// Associations of instance profiles: `iip-assoc-`.
public enum ProfileAssociationKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "iip-assoc"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.profileAssociation
}
/// The identifier of an association.
public typealias ProfileAssociationID = Identifier<ProfileAssociationKind>

/// An instance profile as requests name it: by one of the two.
public struct ProfileSelector: Hashable, Sendable {
    /// ARN, if given.
    public var arn: String?
    /// Name, if given.
    public var name: String?
    /// Makes a selector.
    public init(arn: String? = nil, name: String? = nil) {
        self.arn = arn
        self.name = name
    }
}

extension Instance {
    /// The instance profile that it has, and is to go on having.
    public var profile: ProfileAssociation? {
        guard let profile = options?.profile, profile.state != .disassociating else { return nil }
        return profile
    }
}

/// An association with its instance.
public struct DescribedProfileAssociation: Hashable, Sendable {
    /// The instance.
    public var instanceID: InstanceID
    /// What it has.
    public var association: ProfileAssociation
    /// Makes it.
    public init(instanceID: InstanceID, association: ProfileAssociation) {
        self.instanceID = instanceID
        self.association = association
    }
}

extension DescribedProfileAssociation: FilterableResource {
    /// None.
    public var filterableTags: [Tag] { [] }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (DescribedProfileAssociation) -> [String])? {
        switch name {
        case "instance-id": return { [$0.instanceID.value] }
        case "state": return { [$0.association.state.rawValue] }
        default: return nil
        }
    }
}

/// Instance profiles of instances.
public protocol ProfileAssociationBackend: Sendable {
    /// EC2: AssociateIamInstanceProfile. Takes the permission iam:PassRole on the profile's role besides its own.
    func associateProfile(_ profile: ProfileSelector, with instance: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> DescribedProfileAssociation
    /// EC2: DescribeIamInstanceProfileAssociations.
    func describeProfileAssociations(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<DescribedProfileAssociation>
    /// EC2: ReplaceIamInstanceProfileAssociation.
    func replaceProfileAssociation(
        _ association: String, with profile: ProfileSelector, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> DescribedProfileAssociation
    /// The association as it is on its way out. EC2: DisassociateIamInstanceProfile.
    func disassociateProfile(_ association: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> DescribedProfileAssociation
}
