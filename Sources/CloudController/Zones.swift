public import CloudModel

// Zones, regions and instance types, as users see them.

extension CloudController {
    /// EC2: DescribeAvailabilityZones. Slots and nodes are counted from what the zones last said.
    public func describeAvailabilityZones(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> [AvailabilityZone]
    {
        try authorise(caller, "DescribeAvailabilityZones")
        let filters = try FilterMatcher<AvailabilityZone>(request.filters)
        // The original's "verbose" asks for nodes, which administrators get anyway.
        let names = request.names.filter { $0 != "verbose" }
        let unknown = names.filter { name in !zones.contains { $0.name == name } }
        guard unknown.isEmpty else { throw .notFound(.availabilityZone, unknown) }
        let unknownIDs = request.ids.filter { id in
            !zones.contains { AvailabilityZone.zoneID(name: $0.name) == id }
        }
        guard unknownIDs.isEmpty else { throw .notFound(.availabilityZone, unknownIDs) }
        if request.dryRun { throw .dryRunSucceeded }
        return zones.filter { link in
            (names.isEmpty || names.contains(link.name))
                && (request.ids.isEmpty || request.ids.contains(AvailabilityZone.zoneID(name: link.name)))
        }
        .map { link in
            request.withDetails
                ? availabilityZone(link, forAdministrator: caller.isAdministrator)
                : plainZone(link, forAdministrator: caller.isAdministrator)
        }
        .filter(filters.matches)
    }

    /// All zones with their slots and nodes, for the administrator's tools.
    public func capacity() -> [AvailabilityZone] { zones.map { availabilityZone($0, forAdministrator: true) } }

    private func plainZone(_ link: ZoneLink, forAdministrator: Bool) -> AvailabilityZone {
        let state = zoneStates[link.name]
        let isAvailable = state?.isAvailable ?? false
        return AvailabilityZone(
            name: link.name, region: configuration.region, isAvailable: isAvailable,
            message: isAvailable ? nil : state?.message, endpoint: forAdministrator ? link.endpoint : "")
    }

    private func availabilityZone(_ link: ZoneLink, forAdministrator: Bool) -> AvailabilityZone {
        var zone = plainZone(link, forAdministrator: forAdministrator)
        let capacity = view.instances.capacities[link.name] ?? ZoneCapacity()
        let free = capacity.freeRoom()
        let total = capacity.totalRoom()
        zone.slots = sortedTypes().map { type in
            // Some node of either architecture: what fits is a matter of size here.
            let demand = InstanceDemand(amount: type.demand, architecture: [])
            return AvailabilityZone.Slots(
                type: type, free: zone.isAvailable ? free.slots(for: demand) : 0, maximum: total.slots(for: demand))
        }
        if forAdministrator, let nodes = zoneStates[link.name]?.nodes {
            zone.nodes = nodes.values.sorted { $0.name < $1.name }
        }
        return zone
    }

    /// EC2: DescribeRegions.
    public func describeRegions(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> [Region] {
        try authorise(caller, "DescribeRegions")
        let filters = try FilterMatcher<Region>(request.filters)
        let unknown = request.names.filter { $0 != configuration.region }
        guard unknown.isEmpty else { throw .notFound(.region, unknown) }
        if request.dryRun { throw .dryRunSucceeded }
        return [Region(name: configuration.region, endpoint: configuration.endpoint)].filter(filters.matches)
    }

    /// EC2: DescribeInstanceTypes. `names` are type names.
    public func describeInstanceTypes(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<InstanceType>
    {
        try authorise(caller, "DescribeInstanceTypes")
        let pagination = try Pagination(request, bounds: 5...100, scope: "DescribeInstanceTypes")
        let filters = try FilterMatcher<InstanceType>(request.filters)
        let unknown = request.names.filter { view.types[$0] == nil }
        guard unknown.isEmpty else { throw .notFound(.instanceType, unknown) }
        if request.dryRun { throw .dryRunSucceeded }
        let matching = sortedTypes().filter { type in
            (request.names.isEmpty || request.names.contains(type.name)) && filters.matches(type)
        }
        return pagination.page(matching, position: Self.position)
    }

    /// Sets or adds a type; administrators only. Instances keep the type as it was at their launch.
    /// Eucalyptus: ModifyInstanceTypeAttribute.
    public func modifyInstanceType(_ type: InstanceType, as caller: Caller) async throws(CloudError) -> InstanceType {
        try authorise(caller, "ModifyInstanceTypeAttribute")
        guard caller.isAdministrator else { throw .unauthorized(operation: "ModifyInstanceTypeAttribute") }
        try type.check()
        return try await mutate { view in
            var mutation = Mutation()
            if let stored = view.types[type.name] {
                if stored.value != type { mutation.update(.type(type), revision: stored.revision) }
            } else {
                mutation.create(.type(type))
            }
            return (mutation, type)
        }
    }

    /// From small to large.
    private func sortedTypes() -> [InstanceType] {
        view.types.values.map(\.value).sorted { Self.position($0) < Self.position($1) }
    }

    private static func position(_ type: InstanceType) -> String {
        func padded(_ value: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, 10 - text.utf8.count)) + text
        }
        return [padded(type.memoryMiB), padded(type.cores), padded(type.diskGiB), type.name].joined(separator: "/")
    }
}
