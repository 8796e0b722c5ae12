public import CloudModel

// Tags on everything that has an identifier.

extension CloudController {
    /// EC2: CreateTags. All resources get them, or none.
    public func createTags(resourceIDs: [String], tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try authorise(caller, "CreateTags")
        guard !tags.isEmpty else { throw .missingParameter("Tag") }
        try NamingRules.checkTags(tags)
        try await changeTags(of: resourceIDs, dryRun: dryRun, as: caller) { (existing) throws(CloudError) in
            try NamingRules.merge(tags, into: existing)
        }
    }

    /// A nil value deletes the key whatever its value; an empty list of tags deletes all. EC2: DeleteTags.
    public func deleteTags(
        resourceIDs: [String], tags: [(key: String, value: String?)], dryRun: Bool, as caller: Caller
    ) async throws(CloudError) {
        try authorise(caller, "DeleteTags")
        try await changeTags(of: resourceIDs, dryRun: dryRun, as: caller) { (existing) throws(CloudError) in
            NamingRules.remove(tags, from: existing)
        }
    }

    private func changeTags(
        of resourceIDs: [String], dryRun: Bool, as caller: Caller,
        _ change: ([Tag]) throws(CloudError) -> [Tag]
    ) async throws(CloudError) {
        guard !resourceIDs.isEmpty else { throw .missingParameter("ResourceId") }
        guard resourceIDs.count <= 1000 else {
            throw .invalidValue(
                parameter: "ResourceId", value: "\(resourceIDs.count) ids",
                reason: "One request can tag at most 1000 resources; use several.")
        }
        try await mutate { (_) throws(CloudError) in
            var mutation = Mutation()
            var groups: [SecurityGroupID: (SecurityGroup, Int64)] = [:]
            let known = self.view.networkTags[caller.accountID]
            var network = known?.value.tags ?? [:]
            var seen = Set<String>()
            for id in resourceIDs where seen.insert(id.lowercased()).inserted {
                switch try self.taggable(id, as: caller) {
                case .instance(let stored):
                    var value = stored.value
                    value.tags = try change(value.tags)
                    try self.followLeaseTag(&value, before: stored.value.tags)
                    if value != stored.value { mutation.update(.instance(value), revision: stored.revision) }
                case .image(let stored):
                    var value = stored.value
                    value.tags = try change(value.tags)
                    if value != stored.value { mutation.update(.image(value), revision: stored.revision) }
                case .keyPair(let stored):
                    var value = stored.value
                    value.tags = try change(value.tags)
                    if value != stored.value { mutation.update(.keyPair(value), revision: stored.revision) }
                case .group(let stored):
                    // A group and rules of it may both be named: they are one record.
                    var (value, revision) = groups[stored.value.id] ?? (stored.value, stored.revision)
                    value.tags = try change(value.tags)
                    revision = stored.revision
                    groups[stored.value.id] = (value, revision)
                case .rule(let ruleID, let stored):
                    var (value, _) = groups[stored.value.id] ?? (stored.value, stored.revision)
                    if let index = value.rules.firstIndex(where: { $0.id == ruleID }) {
                        value.rules[index].tags = try change(value.rules[index].tags)
                    }
                    groups[stored.value.id] = (value, stored.revision)
                case .placementGroup(let stored):
                    var value = stored.value
                    value.tags = try change(value.tags)
                    if value != stored.value { mutation.update(.placementGroup(value), revision: stored.revision) }
                case .launchTemplate(let stored):
                    var value = stored.value
                    value.tags = try change(value.tags)
                    if value != stored.value { mutation.update(.launchTemplate(value), revision: stored.revision) }
                case .imageImport(let stored):
                    var value = stored.value
                    value.tags = try change(value.tags)
                    if value != stored.value { mutation.update(.imageImport(value), revision: stored.revision) }
                case .networkPart: network[id] = try change(network[id] ?? [])
                }
            }
            if network != known?.value.tags ?? [:] {
                let record = NetworkTagsRecord(accountID: caller.accountID, tags: network.filter { !$0.value.isEmpty })
                if let known {
                    mutation.update(.networkTags(record), revision: known.revision)
                } else {
                    mutation.create(.networkTags(record))
                }
            }
            for (id, (value, revision)) in groups where self.view.groups[id]?.value != value {
                mutation.update(.group(value), revision: revision)
            }
            if dryRun { throw .dryRunSucceeded }
            return (mutation, ())
        }
    }

    private enum Taggable {
        case instance(Stored<Instance>)
        case image(Stored<Image>)
        case keyPair(Stored<KeyPair>)
        case group(Stored<SecurityGroup>)
        case rule(SecurityGroupRuleID, of: Stored<SecurityGroup>)
        case placementGroup(Stored<PlacementGroup>)
        case launchTemplate(Stored<LaunchTemplate>)
        case imageImport(Stored<ImageImport>)
        case networkPart
    }

    /// The caller's resource with this id.
    private func taggable(_ text: String, as caller: Caller) throws(CloudError) -> Taggable {
        func mine(_ account: String) -> Bool { caller.isAdministrator || account == caller.accountID }
        if let id = InstanceID(text) {
            guard let stored = view.instances[id], mine(stored.value.accountID) else {
                throw .notFound(.instance, [text])
            }
            return .instance(stored)
        }
        if let id = ImageID(text) {
            guard let stored = view.images[id], stored.value.state != .deregistered, mine(stored.value.accountID)
            else { throw .notFound(.image, [text]) }
            return .image(stored)
        }
        if KeyPairID(text) != nil {
            guard let stored = try keyPair(id: text, as: caller) else { throw .notFound(.keyPair, [text]) }
            return .keyPair(stored)
        }
        if let id = SecurityGroupID(text) {
            guard let stored = view.groups[id], mine(stored.value.accountID) else {
                throw .notFound(.securityGroup, [text])
            }
            return .group(stored)
        }
        if let id = SecurityGroupRuleID(text) {
            guard let owner = view.ruleOwners[id], let stored = view.groups[owner], mine(stored.value.accountID)
            else { throw .notFound(.securityGroupRule, [text]) }
            return .rule(id, of: stored)
        }
        if let id = PlacementGroupID(text) {
            guard let stored = view.placementGroups[id], mine(stored.value.accountID) else {
                throw .notFound(.placementGroup, [text])
            }
            return .placementGroup(stored)
        }
        if let id = LaunchTemplateID(text) {
            guard let stored = view.launchTemplates[id], mine(stored.value.accountID) else {
                throw .notFound(.launchTemplate, [text])
            }
            return .launchTemplate(stored)
        }
        if let id = ImageImportID(text) {
            guard let stored = view.imageImports[id], mine(stored.value.accountID) else {
                throw .notFound(.imageImport, [text])
            }
            return .imageImport(stored)
        }
        if try networkPart(text, as: caller) != nil { return .networkPart }
        // Of these there are none yet.
        let absent: [(prefix: String, kind: ResourceKind)] = [
            ("vol-", .volume), ("snap-", .snapshot), ("eipalloc-", .address),
        ]
        for (prefix, kind) in absent where text.hasPrefix(prefix) { throw .notFound(kind, [text]) }
        if NetworkInterface.isID(text) {
            throw .unsupported("Network interfaces have no tags of their own; tag their instances.")
        }
        throw .malformedID(.tag, text)
    }

    /// EC2: DescribeTags.
    public nonisolated func describeTags(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<TagDescription>
    {
        let pagination = try Pagination(request, scope: "DescribeTags " + caller.accountID)
        let filters = try FilterMatcher<TagDescription>(request.filters)
        let tagged = try await taggedResources(as: caller)
        if request.dryRun { throw .dryRunSucceeded }
        let matching = tagged.filter(filters.matches).map { (position: $0.resourceID + "/" + $0.tag.key, tag: $0) }
            .sorted { $0.position < $1.position }
        let page = pagination.page(matching, position: { $0.position })
        return Page(items: page.items.map(\.tag), nextToken: page.nextToken)
    }

    private func taggedResources(as caller: Caller) throws(CloudError) -> [TagDescription] {
        try authorise(caller, "DescribeTags")
        let account = caller.accountID
        var tags: [TagDescription] = []
        func add(_ id: String, _ resource: ResourceKind, _ these: [Tag]) {
            for tag in these { tags.append(TagDescription(resourceID: id, resource: resource, tag: tag)) }
        }
        for reservation in view.instances.reservations(of: account) {
            for stored in reservation.instances where !stored.value.tags.isEmpty {
                add(stored.value.id.value, .instance, stored.value.tags)
            }
        }
        for stored in view.images.records(of: account) where stored.value.state != .deregistered {
            add(stored.value.id.value, .image, stored.value.tags)
        }
        for stored in view.keyPairs.records(of: account) { add(stored.value.id.value, .keyPair, stored.value.tags) }
        for stored in view.groups.records(of: account) {
            add(stored.value.id.value, .securityGroup, stored.value.tags)
            for rule in stored.value.rules { add(rule.id.value, .securityGroupRule, rule.tags) }
        }
        for stored in view.placementGroups.records(of: account) {
            add(stored.value.id.value, .placementGroup, stored.value.tags)
        }
        for stored in view.launchTemplates.records(of: account) {
            add(stored.value.id.value, .launchTemplate, stored.value.tags)
        }
        for stored in view.imageImports.records(of: account) {
            add(stored.value.id.value, .imageImport, stored.value.tags)
        }
        for (id, these) in view.networkTags[account]?.value.tags ?? [:] {
            if let part = NetworkPart.part(of: id) { add(id, part.resource, these) }
        }
        return tags
    }
}
