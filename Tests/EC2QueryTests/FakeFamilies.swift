import CloudModel
import QueryProtocol

/// The families of the back end beside the oldest ones.
extension FakeCloud {
    static let template = LaunchTemplate(
        id: id("lt-0123456789abcdef0"), accountID: accountID, name: "web", createdBy: "arn:aws:iam::123456789012:root",
        first: LaunchTemplate.Version(
            number: 1, description: "first", createdAt: time,
            data: [
                "ImageId": "ami-0123456789abcdef0", "InstanceType": "m1.small", "UserData": "YQ==",
                "SecurityGroupId.1": "sg-0123456789abcdef0", "Placement.AvailabilityZone": "us-east-1a",
                "TagSpecification.1.ResourceType": "instance",
                "TagSpecification.1.Tag.1.Key": "k", "TagSpecification.1.Tag.1.Value": "<v>",
                "RamDiskId": "ari-0123456789abcdef0", "DisableApiTermination": "true",
            ]), tags: [Tag(key: "k", value: "v")])

    static let version = LaunchTemplate.Version(
        number: 2, description: nil, createdAt: time,
        data: ["NetworkInterface.1.SecurityGroupId.1": "sg-1", "NetworkInterface.1.Ipv6Addresses.1.Ipv6Address": "::1"])

    static let placementGroup = PlacementGroup(
        id: id("pg-0123456789abcdef0"), accountID: accountID, name: "near", createdAt: time)

    static let network = AccountNetwork(
        accountID: accountID,
        subnets: [
            Subnet(
                id: NetworkPart.subnet.id(of: accountID, zone: "us-east-1a"), zone: "us-east-1a", cidr: "127.1.0.0/16",
                availableAddresses: 65_530, isAvailable: true, vpcID: NetworkPart.vpc.id(of: accountID),
                accountID: accountID)
        ], tags: [NetworkPart.vpc.id(of: accountID): [Tag(key: "Name", value: "home")]])

    func network(as caller: Caller) async throws(CloudError) -> AccountNetwork {
        try ask("network", caller)
        return Self.network
    }

    func limits(as caller: Caller) async throws(CloudError) -> AccountLimits {
        try ask("limits", caller)
        return AccountLimits(instances: 20, groupsPerInstance: 5, addresses: 0)
    }

    func instanceWithUserData(id: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> (instance: Instance, userData: [UInt8]?)
    {
        try ask("attributes of " + id, caller)
        return (Self.instance, Array("#!".utf8))
    }

    func modifyInstance(id: String, _ changes: [InstanceChange], dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try ask("modify \(id) \(changes)", caller)
        try check(dryRun)
    }

    func monitorInstances(ids: [String], enabled: Bool, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> [Instance]
    {
        try ask("monitor \(ids) \(enabled)", caller)
        var instance = Self.instance
        instance.isMonitored = enabled
        return [instance]
    }

    func extendLease(of id: String, event: String, to moment: Timestamp, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> Instance
    {
        try ask("extend \(id) \(event) \(moment.milliseconds)", caller)
        var instance = Self.instance
        instance.options = InstanceOptions()
        instance.options?.lease = Lease(endsAt: moment, latest: moment)
        return instance
    }

    func reportInstanceStatus(_ report: InstanceStatusReport, dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try ask("status of \(report.ids) \(report.isImpaired) \(report.reasons)", caller)
        try check(dryRun)
    }

    func stopOrStartInstances(ids: [String], start: Bool, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> [StateTransition]
    {
        try ask((start ? "start " : "stop ") + ids.joined(separator: " "), caller)
        return [StateTransition(id: Self.instance.id, previous: .running, current: .stopping)]
    }

    func ownImage(id: String, operation: String, dryRun: Bool, as caller: Caller) async throws(CloudError) -> Image {
        try ask("own image " + id, caller)
        var image = Self.image
        image.launchAccounts = ["210987654321"]
        return image
    }

    func modifyImage(id: String, _ change: ImageChange, dryRun: Bool, as caller: Caller) async throws(CloudError) {
        switch change {
        case .launchPermissions(let added, let removed):
            try ask("permit \(id) +\(added.sorted()) -\(removed.sorted())", caller)
        default: try ask("change \(id) \(change)", caller)
        }
    }

    func copyImage(_ request: CopyImageRequest, as caller: Caller) async throws(CloudError) -> Image {
        try ask("copy \(request.sourceID) \(request.name)", caller)
        return Self.image
    }

    static let imageImport = ImageImport(
        id: id("import-ami-0123456789abcdef0"),
        of: Caller(
            accountID: accountID, userName: "u", isAdministrator: false, accessKeyID: "k", requestID: "r",
            sourceAddress: ""),
        description: "mine", architecture: "x86_64", location: "b/dir/disk", format: "RAW", createdAt: time,
        tags: [Tag(key: "k", value: "v")])

    static let bundleTask: BundleTask = {
        var task = BundleTask(
            id: id("bun-0123456789abcdef0"), instanceID: id("i-0123456789abcdef0"),
            of: Caller(
                accountID: "123456789012", userName: "root", isAdministrator: false, accessKeyID: "AK", requestID: "",
                sourceAddress: ""),
            BundleInstanceRequest(
                instanceID: "i-0123456789abcdef0", bucket: "b", prefix: "p", accessKeyID: "AK", uploadPolicy: "",
                uploadPolicySignature: ""), at: Timestamp(milliseconds: 0))
        task.move(to: .failed, at: Timestamp(milliseconds: 1000), failure: .init(code: "Client.X", message: "why"))
        return task
    }()

    func bundleInstance(_ request: BundleInstanceRequest, as caller: Caller) async throws(CloudError) -> BundleTask {
        try ask(
            "bundle \(request.instanceID) \(request.bucket) \(request.prefix) \(request.accessKeyID) "
                + "\(request.uploadPolicy) \(request.uploadPolicySignature)", caller)
        try check(request.dryRun)
        return Self.bundleTask
    }

    func describeBundleTasks(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> [BundleTask] {
        try ask("bundles", request, caller)
        return [Self.bundleTask]
    }

    func cancelBundleTask(id: String, dryRun: Bool, as caller: Caller) async throws(CloudError) -> BundleTask {
        try ask("cancel " + id, caller)
        try check(dryRun)
        return Self.bundleTask
    }

    func importImage(_ request: ImportImageRequest, as caller: Caller) async throws(CloudError) -> ImageImport {
        try ask("import \(request.location) \(request.format)", caller)
        try check(request.dryRun)
        return Self.imageImport
    }

    func describeImageImports(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<ImageImport>
    {
        try ask("imports", request, caller)
        return Page(items: [Self.imageImport])
    }

    func cancelImageImport(id: String, reason: String?, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> (previous: ImageImport, current: ImageImport)
    {
        try ask("cancel " + id, caller)
        try check(dryRun)
        var current = Self.imageImport
        current.state = .cancelled
        return (Self.imageImport, current)
    }

    func replaceRules(_ rules: [RuleReplacement], group: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        permissionsAsked(rules.map(\.permission))
        try ask("replace \(rules.map(\.ruleID)) of \(group)", caller)
    }

    func describeRules(
        _ permissions: [Permission], _ descriptions: [RuleDescription], egress: Bool, group: GroupSelector,
        dryRun: Bool, as caller: Caller
    ) async throws(CloudError) {
        permissionsAsked(permissions)
        try ask("describe rules \(egress ? "egress" : "ingress") \(descriptions.compactMap(\.ruleID))", caller)
    }

    func createPlacementGroup(name: String, strategy: String?, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> PlacementGroup
    {
        try ask("create placement group \(name) \(strategy ?? "-")", caller)
        return Self.placementGroup
    }

    func describePlacementGroups(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> [PlacementGroup]
    {
        try ask("placement groups", request, caller)
        return [Self.placementGroup]
    }

    func deletePlacementGroup(name: String, dryRun: Bool, as caller: Caller) async throws(CloudError) {
        try ask("delete placement group " + name, caller)
    }

    static let association = DescribedProfileAssociation(
        instanceID: instance.id,
        association: {
            var association = ProfileAssociation(
                of: InstanceProfile(
                    id: "AIPA1", accountID: accountID, name: "front", path: "/web/", createdAt: time), since: time)
            association.id = id("iip-assoc-0123456789abcdef0")
            return association
        }())

    private func named(_ profile: ProfileSelector) -> String { "\(profile.arn ?? "-") \(profile.name ?? "-")" }

    func associateProfile(_ profile: ProfileSelector, with instance: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> DescribedProfileAssociation
    {
        try ask("associate \(named(profile)) with \(instance)", caller)
        try check(dryRun)
        return Self.association
    }

    func describeProfileAssociations(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<DescribedProfileAssociation>
    {
        try ask("associations", request, caller)
        return Page(items: [Self.association], nextToken: "more")
    }

    func replaceProfileAssociation(
        _ association: String, with profile: ProfileSelector, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> DescribedProfileAssociation {
        try ask("replace \(association) by \(named(profile))", caller)
        try check(dryRun)
        return Self.association
    }

    func disassociateProfile(_ association: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> DescribedProfileAssociation
    {
        try ask("disassociate " + association, caller)
        try check(dryRun)
        return Self.association
    }

    func createLaunchTemplate(_ request: CreateLaunchTemplateRequest, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    {
        try ask(
            "create template \(request.name) \(request.data.sorted { $0.key < $1.key }.map { "\($0)=\($1)" })", caller)
        return Self.template
    }

    func createLaunchTemplateVersion(_ request: CreateTemplateVersionRequest, as caller: Caller)
        async throws(CloudError) -> DescribedTemplateVersion
    {
        try ask("create version of \(request.template.name ?? "-") from \(request.source ?? "-")", caller)
        return DescribedTemplateVersion(template: Self.template, version: Self.version)
    }

    func describeLaunchTemplates(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<LaunchTemplate>
    {
        try ask("templates", request, caller)
        return Page(items: [Self.template])
    }

    func launchTemplate(_ selector: LaunchTemplateSelector, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    {
        try ask("template \(selector.id ?? "-") \(selector.name ?? "-")", caller)
        return Self.template
    }

    func setDefaultVersion(
        _ version: String, of selector: LaunchTemplateSelector, clientToken: String?, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> LaunchTemplate {
        try ask("default \(version)", caller)
        return Self.template
    }

    func deleteLaunchTemplate(_ selector: LaunchTemplateSelector, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    {
        try ask("delete template \(selector.id ?? "-")", caller)
        return Self.template
    }

    func deleteLaunchTemplateVersions(
        _ versions: [Int], of selector: LaunchTemplateSelector, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> DeletedTemplateVersions {
        try ask("delete versions \(versions)", caller)
        return DeletedTemplateVersions(template: Self.template, deleted: [3], missing: [2], kept: [1])
    }
}

/// No action of EC2 asks for these.
extension FakeCloud {
    func holdings(of account: String?, as caller: Caller) async throws(CloudError) -> AccountHoldings {
        throw .unsupported("holdings")
    }
    func allHoldings(as caller: Caller) async throws(CloudError) -> [AccountHoldings] { throw .unsupported("holdings") }
    func waitingRequests(as caller: Caller) async throws(CloudError) -> [WaitingRequest] { throw .unsupported("queue") }
    func refusals(as caller: Caller) async throws(CloudError) -> [AllocationRefusal] { throw .unsupported("refusals") }
    func agreement(as caller: Caller) async throws(CloudError) -> AgreementSummary { throw .unsupported("agreement") }
}
