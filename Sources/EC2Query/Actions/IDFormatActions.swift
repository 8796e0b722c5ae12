import CloudModel
import QueryProtocol
import XML

/// The actions on the length of identifiers: all that this cloud makes have 17 digits, and nobody can choose.
enum IDFormats {
    /// Kinds of resources that exist here and that EC2 names in these answers.
    private static let resources = [
        "dhcp-options", "image", "instance", "internet-gateway", "network-acl", "network-interface", "reservation",
        "route-table", "security-group", "snapshot", "subnet", "volume", "vpc",
    ]

    /// DescribeIdFormat.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try statuses(call, &answer)
    }

    /// DescribeIdentityIdFormat.
    static func describeIdentity(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let principal = try call.parameters.required("PrincipalArn")
        guard principal == "all" || principal.hasPrefix("arn:aws:iam::") else {
            throw .invalidValue(
                parameter: "PrincipalArn", value: Parameters.shortened(principal),
                reason:
                    "Value (\(Parameters.shortened(principal))) for parameter principalArn is invalid. It is the ARN "
                    + "of a user or role, or all.")
        }
        try statuses(call, &answer)
    }

    /// DescribeAggregateIdFormat.
    static func describeAggregate(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        if try call.parameters.dryRun() { throw .dryRunSucceeded }
        answer.element("useLongIdsAggregated", true)
        try statuses(call, &answer)
    }

    private static func statuses(_ call: Call, _ answer: inout XMLWriter) throws(CloudError) {
        let wanted = call.parameters.text("Resource")
        if let wanted, !resources.contains(wanted) {
            throw .invalidValue(
                parameter: "Resource", value: Parameters.shortened(wanted),
                reason: "Value (\(Parameters.shortened(wanted))) for parameter resource is invalid. It can be "
                    + resources.joined(separator: ", ") + ".")
        }
        answer.list("statusSet", resources.filter { wanted == nil || $0 == wanted }) { writer, resource in
            writer.element("resource", resource)
            writer.element("useLongIds", true)
        }
    }
}
