public import CloudModel

// Placement groups: a name under which instances are kept in one zone.

extension CloudController {
    /// Most placement groups of one account (EC2's quota).
    private static let placementGroupLimit = 500

    /// EC2: CreatePlacementGroup.
    public func createPlacementGroup(name: String, strategy: String?, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> PlacementGroup
    {
        try authorise(caller, "CreatePlacementGroup")
        guard name.utf8.count <= 255, !name.isEmpty, name.utf8.allSatisfy({ (32...126).contains($0) }) else {
            throw .invalidValue(
                parameter: "GroupName", value: String(name.prefix(64)),
                reason: "A placement group's name has 1 to 255 printable ASCII characters.")
        }
        switch strategy ?? PlacementGroup.strategy {
        case PlacementGroup.strategy: break
        case "spread", "partition":
            throw .unsupported(
                "The strategy '\(strategy ?? "")' would promise separate hosts, which this cloud cannot keep; use "
                    + "'\(PlacementGroup.strategy)', or launch into different availability zones.")
        case let other:
            throw .invalidValue(
                parameter: "Strategy", value: other,
                reason: "Value (\(other)) for parameter strategy is invalid. It can be cluster, spread or partition.")
        }
        try NamingRules.checkTags(tags)
        let group = PlacementGroup(
            id: .random(), accountID: caller.accountID, name: name, createdAt: configuration.now(), tags: tags)
        return try await mutate { (view) throws(CloudError) in
            guard view.placementGroup(named: name, of: caller.accountID) == nil else {
                throw .duplicate(.placementGroup, name)
            }
            let count = view.placementGroups.count(of: caller.accountID)
            guard count < Self.placementGroupLimit else {
                throw .limitExceeded(
                    .placementGroup, limit: Self.placementGroupLimit, inUse: count, requested: 1)
            }
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            mutation.create(.placementGroup(group))
            return (mutation, group)
        }
    }

    /// EC2: DescribePlacementGroups.
    public func describePlacementGroups(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> [PlacementGroup]
    {
        try authorise(caller, "DescribePlacementGroups")
        let filters = try FilterMatcher<PlacementGroup>(request.filters)
        let all = view.placementGroups.records(of: caller.accountID).map(\.value)
        var missing = request.names.filter { name in !all.contains { $0.name == name } }
        for text in request.ids {
            guard let id = PlacementGroupID(text) else { throw .malformedID(.placementGroup, text) }
            if !all.contains(where: { $0.id == id }) { missing.append(text) }
        }
        guard missing.isEmpty else { throw .notFound(.placementGroup, missing) }
        if request.dryRun { throw .dryRunSucceeded }
        let isNamed = !request.names.isEmpty || !request.ids.isEmpty
        return all.filter { group in
            (!isNamed || request.names.contains(group.name) || request.ids.contains(group.id.value))
                && filters.matches(group)
        }.sorted { $0.name < $1.name }
    }

    /// Refused while instances are in it. EC2: DeletePlacementGroup.
    public func deletePlacementGroup(name: String, dryRun: Bool, as caller: Caller) async throws(CloudError) {
        try authorise(caller, "DeletePlacementGroup")
        try await mutate { (view) throws(CloudError) in
            guard let stored = view.placementGroup(named: name, of: caller.accountID) else {
                throw .notFound(.placementGroup, [name])
            }
            let members = self.members(of: stored.value).count
            guard members == 0 else {
                throw .inUse(.placementGroup, name, by: "\(members) instance\(members == 1 ? "" : "s")")
            }
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            mutation.delete(.placementGroup(stored.value), revision: stored.revision)
            return (mutation, ())
        }
    }

    /// The instances in a group that are not over.
    func members(of group: PlacementGroup) -> [Instance] {
        view.instances.reservations(of: group.accountID).flatMap { reservation in
            reservation.instances.map(\.value).filter {
                $0.options?.placementGroup == group.name && $0.state != .terminated
            }
        }
    }
}
