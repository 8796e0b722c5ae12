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
        try checkPrincipal(call)
        try statuses(call, &answer)
    }

    /// DescribeAggregateIdFormat.
    static func describeAggregate(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        if try call.parameters.dryRun() { throw .dryRunSucceeded }
        answer.element("useLongIdsAggregated", true)
        try statuses(call, &answer)
    }

    /// DescribePrincipalIdFormat: the account itself, as nobody has chosen anything.
    static func describePrincipals(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let request = try call.parameters.describeRequest()
        let wanted = call.parameters.list("Resource")
        for resource in wanted { try check(resource) }
        _ = try Pagination(request, bounds: 1...1000, scope: "DescribePrincipalIdFormat")
        if request.dryRun { throw .dryRunSucceeded }
        answer.open("principalSet")
        answer.open("item")
        answer.element("arn", "arn:aws:iam::\(call.caller.accountID):root")
        list(wanted.isEmpty ? resources : wanted, &answer)
        answer.close()
        answer.close()
    }

    /// ModifyIdFormat: long identifiers can be asked for, as there are no others.
    static func modify(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try modify(call)
        answer.success()
    }

    /// ModifyIdentityIdFormat.
    static func modifyIdentity(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try checkPrincipal(call)
        try modify(call)
        answer.success()
    }

    private static func modify(_ call: Call) throws(CloudError) {
        let resource = try call.parameters.required("Resource")
        // EC2 has words for all, and for all that are not settled yet.
        if resource != "all", resource != "all-current" { try check(resource) }
        guard let long = try call.parameters.flag("UseLongIds") else { throw .missingParameter("UseLongIds") }
        guard long else { throw .notPermitted("All identifiers are long ones here; there is no way back.") }
    }

    private static func checkPrincipal(_ call: Call) throws(CloudError) {
        let principal = try call.parameters.required("PrincipalArn")
        guard principal == "all" || principal.hasPrefix("arn:aws:iam::") else {
            throw .invalidValue(
                parameter: "PrincipalArn", value: Parameters.shortened(principal),
                reason:
                    "Value (\(Parameters.shortened(principal))) for parameter principalArn is invalid. It is the ARN "
                    + "of a user or role, or all.")
        }
    }

    private static func check(_ resource: String) throws(CloudError) {
        guard !resources.contains(resource) else { return }
        throw .invalidValue(
            parameter: "Resource", value: Parameters.shortened(resource),
            reason: "Value (\(Parameters.shortened(resource))) for parameter resource is invalid. It can be "
                + resources.joined(separator: ", ") + ".")
    }

    private static func statuses(_ call: Call, _ answer: inout XMLWriter) throws(CloudError) {
        let wanted = call.parameters.text("Resource")
        if let wanted { try check(wanted) }
        list(resources.filter { wanted == nil || $0 == wanted }, &answer)
    }

    private static func list(_ resources: [String], _ answer: inout XMLWriter) {
        answer.list("statusSet", resources) { writer, resource in
            writer.element("resource", resource)
            writer.element("useLongIds", true)
        }
    }
}
