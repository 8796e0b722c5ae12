import CloudModel
import QueryProtocol
import XML

extension SecurityGroups {
    /// DescribeSecurityGroupRules: the rules of the groups that the caller may see, in the order of their ids.
    static func describeRules(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let request = try call.parameters.describeRequest(ids: "SecurityGroupRuleId")
        var wanted = Set<String>()
        for id in request.ids {
            guard let parsed = SecurityGroupRuleID(id) else { throw .malformedID(.securityGroupRule, id) }
            wanted.insert(parsed.value)
        }
        // The one filter whose values EC2 checks. A pattern is no identifier.
        for filter in request.filters where filter.name == "group-id" {
            for value in filter.values
            where !value.hasPrefix(SecurityGroupKind.prefix + "-") && !value.contains(where: { $0 == "*" || $0 == "?" })
            {
                throw .invalidValue(
                    parameter: "Filter.group-id", value: Parameters.shortened(value),
                    reason: "The security group ID '\(Parameters.shortened(value))' is malformed")
            }
        }
        let matcher = try FilterMatcher<DescribedRule>(request.filters)
        let pagination = try Pagination(request, scope: "DescribeSecurityGroupRules")
        let groups = try await call.backend.describeSecurityGroups(
            DescribeRequest(dryRun: request.dryRun), as: call.caller)
        let all = groups.items.flatMap { group in group.rules.map { DescribedRule(group: group, rule: $0) } }
        if !wanted.isEmpty {
            let missing = wanted.subtracting(all.map(\.rule.id.value))
            guard missing.isEmpty else { throw .notFound(.securityGroupRule, missing.sorted()) }
        }
        let matching = all.filter { (wanted.isEmpty || wanted.contains($0.rule.id.value)) && matcher.matches($0) }
        // Pages need an order that outlives changes; a whole list comes in the order in which rules were made.
        let isPaged = request.maxResults != nil || request.nextToken != nil
        let page =
            isPaged
            ? pagination.page(matching.sorted { $0.rule.id < $1.rule.id }) { $0.rule.id.value }
            : Page(items: matching)
        answer.list("securityGroupRuleSet", page.items) { writer, described in
            writer.securityGroupRule(
                described.rule, groupID: described.group.id.value, accountID: described.group.accountID)
        }
        answer.nextToken(page.nextToken)
    }
}

/// A rule with the group that it is in, for the filters of DescribeSecurityGroupRules.
private struct DescribedRule: FilterableResource {
    var group: SecurityGroup
    var rule: SecurityGroupRule

    var filterableTags: [Tag] { rule.tags }

    static func filterAttribute(_ name: String) -> (@Sendable (DescribedRule) -> [String])? {
        switch name {
        case "group-id": { [$0.group.id.value] }
        case "security-group-rule-id": { [$0.rule.id.value] }
        default: nil
        }
    }
}
