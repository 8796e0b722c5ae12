import CloudModel
import QueryProtocol
import XML

/// The actions on security groups.
enum SecurityGroups {
    /// CreateSecurityGroup.
    static func create(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        if let vpc = parameters.text("VpcId") { try await Networks.check(vpc: vpc, call) }
        let group = try await call.backend.createSecurityGroup(
            name: try parameters.required("GroupName"), description: try parameters.required("GroupDescription"),
            tags: try parameters.tagSpecifications(for: "security-group"), dryRun: try parameters.dryRun(),
            as: call.caller)
        answer.success()
        answer.element("groupId", group.id.value)
        answer.element("securityGroupArn", group.arn(region: call.region))
        answer.tagSet(group.tags)
    }

    /// DescribeSecurityGroups.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let page = try await call.backend.describeSecurityGroups(
            try call.parameters.describeRequest(ids: "GroupId", names: "GroupName"), as: call.caller)
        answer.list("securityGroupInfo", page.items) { writer, group in
            writer.securityGroup(group, region: call.region)
        }
        answer.nextToken(page.nextToken)
    }

    /// DeleteSecurityGroup.
    static func delete(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let group = try await call.backend.deleteSecurityGroup(
            try selector(call.parameters), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
        answer.element("groupId", group.id.value)
    }

    /// AuthorizeSecurityGroupIngress.
    static func authorizeIngress(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await authorize(call, egress: false, &answer)
    }

    /// AuthorizeSecurityGroupEgress.
    static func authorizeEgress(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await authorize(call, egress: true, &answer)
    }

    /// RevokeSecurityGroupIngress.
    static func revokeIngress(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await revoke(call, egress: false, &answer)
    }

    /// RevokeSecurityGroupEgress.
    static func revokeEgress(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await revoke(call, egress: true, &answer)
    }

    private static func authorize(_ call: Call, egress: Bool, _ answer: inout XMLWriter) async throws(CloudError) {
        let group = try selector(call.parameters)
        let permissions: [Permission]
        do throws(CloudError) {
            permissions = try self.permissions(call.parameters)
            guard !permissions.isEmpty else { throw .missingParameter("IpPermissions") }
        } catch {
            // That there is no such group is the first thing that EC2 says.
            let request = DescribeRequest(ids: group.id.map { [$0] } ?? [], names: group.name.map { [$0] } ?? [])
            _ = try await call.backend.describeSecurityGroups(request, as: call.caller)
            throw error
        }
        let rules = try await call.backend.authorize(
            permissions, egress: egress, group: group,
            tags: try call.parameters.tagSpecifications(for: "security-group-rule"),
            dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
        let (id, owner) = await identity(of: group, call)
        answer.list("securityGroupRuleSet", rules) { writer, rule in
            writer.securityGroupRule(rule, groupID: id, accountID: owner)
        }
    }

    private static func revoke(_ call: Call, egress: Bool, _ answer: inout XMLWriter) async throws(CloudError) {
        let ruleIDs = call.parameters.list("SecurityGroupRuleId")
        let permissions = try permissions(call.parameters)
        guard !permissions.isEmpty || !ruleIDs.isEmpty else { throw .missingParameter("IpPermissions") }
        guard permissions.isEmpty || ruleIDs.isEmpty else {
            throw .invalidCombination("Give either SecurityGroupRuleId or the permissions to revoke, not both")
        }
        let group = try selector(call.parameters)
        let rules = try await call.backend.revoke(
            permissions, ruleIDs: ruleIDs, egress: egress, group: group, dryRun: try call.parameters.dryRun(),
            as: call.caller)
        answer.success()
        let (id, _) = await identity(of: group, call)
        answer.list("revokedSecurityGroupRuleSet", rules) { writer, rule in writer.revokedRule(rule, groupID: id) }
    }

    /// The group that a request is about.
    static func selector(_ parameters: Parameters) throws(CloudError) -> GroupSelector {
        let selector = GroupSelector(id: parameters.text("GroupId"), name: parameters.text("GroupName"))
        guard selector.id != nil || selector.name != nil else { throw .missingParameter("GroupId or GroupName") }
        return selector
    }

    /// Id and owner of a group, for the answer to a change of its rules.
    private static func identity(of group: GroupSelector, _ call: Call) async -> (id: String, owner: String) {
        do throws(CloudError) {
            let request = DescribeRequest(
                ids: group.id.map { [$0] } ?? [], names: group.id == nil ? group.name.map { [$0] } ?? [] : [])
            if let found = try await call.backend.describeSecurityGroups(request, as: call.caller).items.first {
                return (found.id.value, found.accountID)
            }
        } catch {
            // The change is made and has to be acknowledged, even if the group was deleted just now.
        }
        return (group.id ?? "", call.caller.accountID)
    }
}

extension SecurityGroups {
    /// GetSecurityGroupsForVpc.
    static func listForVPC(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let vpc = try call.parameters.required("VpcId")
        var request = try call.parameters.describeRequest()
        for filter in request.filters
        where !["group-id", "group-name", "description", "owner-id", "primary-vpc-id"].contains(filter.name) {
            throw .invalidValue(
                parameter: "Filter", value: Parameters.shortened(filter.name),
                reason: "The filter '\(Parameters.shortened(filter.name))' is invalid")
        }
        try await Networks.check(vpc: vpc, call)
        request.filters = request.filters.map {
            Filter(name: $0.name == "primary-vpc-id" ? "vpc-id" : $0.name, values: $0.values)
        }
        let page = try await call.backend.describeSecurityGroups(request, as: call.caller)
        answer.list("securityGroupForVpcSet", page.items) { writer, group in
            writer.element("description", group.description)
            writer.element("groupName", group.name)
            writer.element("ownerId", group.accountID)
            writer.element("groupId", group.id.value)
            writer.tagSet(group.tags)
            writer.element("primaryVpcId", vpc)
        }
        answer.nextToken(page.nextToken)
    }
}
