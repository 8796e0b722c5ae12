import CloudModel
import QueryProtocol
import XML

/// The actions on placement groups.
enum PlacementGroups {
    /// CreatePlacementGroup.
    static func create(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        try parameters.refuse([
            UnofferedParameter("PartitionCount", "There is only the strategy 'cluster'; leave it out."),
            UnofferedParameter("SpreadLevel", "There is only the strategy 'cluster'; leave it out."),
            UnofferedParameter("LinkedGroupId", "There is only the strategy 'cluster'; leave it out."),
        ])
        let group = try await call.backend.createPlacementGroup(
            name: try parameters.required("GroupName"), strategy: parameters.text("Strategy"),
            tags: try parameters.tagSpecifications(for: "placement-group"), dryRun: try parameters.dryRun(),
            as: call.caller)
        answer.success()
        answer.open("placementGroup")
        answer.placementGroup(group, region: call.region)
        answer.close()
    }

    /// DescribePlacementGroups.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        var request = try call.parameters.describeRequest(ids: "GroupId", names: "GroupName")
        // The back end knows no region; it takes any.
        request.filters = request.filters.map { filter in
            guard filter.name == "group-arn" else { return filter }
            let prefix = "arn:aws:ec2:\(call.region):"
            return Filter(
                name: filter.name,
                values: filter.values.map {
                    $0.hasPrefix(prefix) ? "arn:aws:ec2:*:" + $0.dropFirst(prefix.count) : $0
                })
        }
        let groups = try await call.backend.describePlacementGroups(request, as: call.caller)
        answer.list("placementGroupSet", groups) { writer, group in writer.placementGroup(group, region: call.region) }
    }

    /// DeletePlacementGroup.
    static func delete(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deletePlacementGroup(
            name: try call.parameters.required("GroupName"), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
    }
}

extension XMLWriter {
    fileprivate mutating func placementGroup(_ group: PlacementGroup, region: String) {
        element("groupName", group.name)
        element("strategy", PlacementGroup.strategy)
        element("state", "available")
        element("groupId", group.id.value)
        element("groupArn", "arn:aws:ec2:\(region):\(group.accountID):placement-group/\(group.name)")
        tagSet(group.tags)
    }
}
