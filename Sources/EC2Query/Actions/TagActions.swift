import CloudModel
import QueryProtocol
import XML

/// The actions on tags.
enum Tags {
    /// CreateTags.
    static func create(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let ids = try resourceIDs(call)
        let tags = try call.parameters.tags()
        guard !tags.isEmpty else { throw .missingParameter("Tag") }
        try await call.backend.createTags(
            resourceIDs: ids, tags: tags, dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
    }

    /// DeleteTags. A tag without value goes whatever its value is; an empty value is a value.
    static func delete(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let ids = try resourceIDs(call)
        var tags: [(key: String, value: String?)] = []
        for entry in call.parameters.structures("Tag") {
            tags.append((key: try entry.required("Key"), value: entry.raw("Value")))
        }
        try await call.backend.deleteTags(
            resourceIDs: ids, tags: tags, dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
    }

    /// The resources that a request names; EC2 calls the missing parameter by its name inside.
    private static func resourceIDs(_ call: Call) throws(CloudError) -> [String] {
        let ids = call.parameters.list("ResourceId")
        guard !ids.isEmpty else { throw .missingParameter("resourceIdSet") }
        return ids
    }

    /// DescribeTags.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let page = try await call.backend.describeTags(try call.parameters.describeRequest(), as: call.caller)
        answer.list("tagSet", page.items) { writer, described in
            writer.element("resourceId", described.resourceID)
            writer.element("resourceType", described.resource.rawValue)
            writer.element("key", described.tag.key)
            writer.element("value", described.tag.value)
        }
        answer.nextToken(page.nextToken)
    }
}

/// What tools ask about an account before they do anything else.
enum AccountAttributes {
    /// DescribeAccountAttributes.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let limits = try await call.backend.limits(as: call.caller)
        let network = try await call.backend.network(as: call.caller)
        let known = [
            ("supported-platforms", "VPC"), ("default-vpc", network.vpcID), ("max-instances", String(limits.instances)),
            ("vpc-max-security-groups-per-interface", String(limits.groupsPerInstance)),
            ("max-elastic-ips", String(limits.addresses)), ("vpc-max-elastic-ips", String(limits.addresses)),
        ]
        let asked = call.parameters.list("AttributeName")
        for name in asked where !known.contains(where: { $0.0 == name }) {
            throw .invalidValue(
                parameter: "AttributeName", value: Parameters.shortened(name),
                reason: "The account attribute '\(Parameters.shortened(name))' is not known here; "
                    + "there are " + known.map(\.0).joined(separator: ", ") + ".")
        }
        if try call.parameters.dryRun() { throw .dryRunSucceeded }
        answer.list("accountAttributeSet", known.filter { asked.isEmpty || asked.contains($0.0) }) {
            writer, attribute in
            writer.element("attributeName", attribute.0)
            writer.open("attributeValueSet")
            writer.open("item")
            writer.element("attributeValue", attribute.1)
            writer.close()
            writer.close()
        }
    }
}
