// The door to the cloud by families of actions; `CloudBackend` is all of them. What holds for all of its calls holds
// here.

/// Attributes of instances after their launch.
public protocol InstanceAttributeBackend: Sendable {
    /// The instance with its user data, for its owner. EC2: DescribeInstanceAttribute.
    func instanceWithUserData(id: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> (instance: Instance, userData: [UInt8]?)
    /// EC2: ModifyInstanceAttribute and ResetInstanceAttribute. All changes are made, or none.
    func modifyInstance(id: String, _ changes: [InstanceChange], dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    /// EC2: MonitorInstances and UnmonitorInstances.
    func monitorInstances(ids: [String], enabled: Bool, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> [Instance]
    /// Puts the end of an instance's lease off. EC2: ModifyInstanceEventStartTime.
    func extendLease(of id: String, event: String, to moment: Timestamp, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> Instance
    /// Notes what a user says of the health of his instances, for the administrator. EC2: ReportInstanceStatus.
    func reportInstanceStatus(_ report: InstanceStatusReport, dryRun: Bool, as caller: Caller) async throws(CloudError)
    /// Refused for every instance, since their roots are on instance storage. EC2: StartInstances and StopInstances.
    func stopOrStartInstances(ids: [String], start: Bool, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> [StateTransition]
}

/// What a user says of the health of his instances.
public struct InstanceStatusReport: Hashable, Sendable {
    /// Identifiers as the user wrote them.
    public var ids: [String]
    /// Whether something is wrong with them.
    public var isImpaired: Bool
    /// EC2's codes of what is wrong, such as "unresponsive".
    public var reasons: [String]
    /// The user's own words.
    public var description: String?
    /// Makes a report.
    public init(ids: [String], isImpaired: Bool, reasons: [String], description: String? = nil) {
        self.ids = ids
        self.isImpaired = isImpaired
        self.reasons = reasons
        self.description = description
    }
}

/// Attributes and copies of images.
public protocol ImageAttributeBackend: Sendable {
    /// The image, for its owner only. EC2: DescribeImageAttribute.
    func ownImage(id: String, operation: String, dryRun: Bool, as caller: Caller) async throws(CloudError) -> Image
    /// EC2: ModifyImageAttribute and ResetImageAttribute.
    func modifyImage(id: String, _ change: ImageChange, dryRun: Bool, as caller: Caller) async throws(CloudError)
    /// EC2: CopyImage.
    func copyImage(_ request: CopyImageRequest, as caller: Caller) async throws(CloudError) -> Image
}

/// Changes of single rules of security groups.
public protocol SecurityGroupRuleBackend: Sendable {
    /// EC2: ModifySecurityGroupRules. All rules are replaced, or none.
    func replaceRules(_ rules: [RuleReplacement], group: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    /// EC2: UpdateSecurityGroupRuleDescriptionsIngress and -Egress. Either by permission, with the descriptions in
    /// it, or by rule id.
    func describeRules(
        _ permissions: [Permission], _ descriptions: [RuleDescription], egress: Bool, group: GroupSelector,
        dryRun: Bool, as caller: Caller
    ) async throws(CloudError)
}

/// Placement groups.
public protocol PlacementGroupBackend: Sendable {
    /// EC2: CreatePlacementGroup.
    func createPlacementGroup(name: String, strategy: String?, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> PlacementGroup
    /// EC2: DescribePlacementGroups.
    func describePlacementGroups(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> [PlacementGroup]
    /// Refused while instances are in it. EC2: DeletePlacementGroup.
    func deletePlacementGroup(name: String, dryRun: Bool, as caller: Caller) async throws(CloudError)
}

/// Launch templates.
public protocol LaunchTemplateBackend: Sendable {
    /// EC2: CreateLaunchTemplate.
    func createLaunchTemplate(_ request: CreateLaunchTemplateRequest, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    /// The template and the number of the new version. EC2: CreateLaunchTemplateVersion.
    func createLaunchTemplateVersion(_ request: CreateTemplateVersionRequest, as caller: Caller)
        async throws(CloudError) -> DescribedTemplateVersion
    /// EC2: DescribeLaunchTemplates.
    func describeLaunchTemplates(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<LaunchTemplate>
    /// One template with its versions.
    func launchTemplate(_ selector: LaunchTemplateSelector, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    /// EC2: ModifyLaunchTemplate.
    func setDefaultVersion(
        _ version: String, of selector: LaunchTemplateSelector, clientToken: String?, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> LaunchTemplate
    /// EC2: DeleteLaunchTemplate.
    func deleteLaunchTemplate(_ selector: LaunchTemplateSelector, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    /// EC2: DeleteLaunchTemplateVersions.
    func deleteLaunchTemplateVersions(
        _ versions: [Int], of selector: LaunchTemplateSelector, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> DeletedTemplateVersions
}

/// The account's network and limits.
public protocol AccountBackend: Sendable {
    /// The default VPC of the caller's account, with what belongs to it.
    func network(as caller: Caller) async throws(CloudError) -> AccountNetwork
    /// What the account may have at most. EC2: DescribeAccountAttributes.
    func limits(as caller: Caller) async throws(CloudError) -> AccountLimits
}

/// What an account may have at most.
public struct AccountLimits: Hashable, Sendable {
    /// Instances that are not terminated.
    public var instances: Int
    /// Groups of one instance.
    public var groupsPerInstance: Int
    /// Elastic addresses.
    public var addresses: Int
    /// Makes limits.
    public init(instances: Int, groupsPerInstance: Int, addresses: Int) {
        self.instances = instances
        self.groupsPerInstance = groupsPerInstance
        self.addresses = addresses
    }
}
