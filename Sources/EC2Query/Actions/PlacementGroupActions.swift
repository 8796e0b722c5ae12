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
        answer.placementGroup(group)
        answer.close()
    }

    /// DescribePlacementGroups.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let groups = try await call.backend.describePlacementGroups(
            try call.parameters.describeRequest(ids: "GroupId", names: "GroupName"), as: call.caller)
        answer.list("placementGroupSet", groups) { writer, group in writer.placementGroup(group) }
    }

    /// DeletePlacementGroup.
    static func delete(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deletePlacementGroup(
            name: try call.parameters.required("GroupName"), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
    }
}

extension XMLWriter {
    fileprivate mutating func placementGroup(_ group: PlacementGroup) {
        element("groupName", group.name)
        element("strategy", PlacementGroup.strategy)
        element("state", "available")
        element("groupId", group.id.value)
        tagSet(group.tags)
    }
}
