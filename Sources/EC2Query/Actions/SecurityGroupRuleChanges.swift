import CloudModel
import QueryProtocol
import XML

extension SecurityGroups {
    /// ModifySecurityGroupRules.
    static func modifyRules(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let group = try parameters.required("GroupId")
        var rules: [RuleReplacement] = []
        for entry in parameters.structures("SecurityGroupRule") {
            let id = try entry.required("SecurityGroupRuleId")
            guard let node = entry.node(at: "SecurityGroupRule") else {
                throw .missingParameter(entry.name("SecurityGroupRule"))
            }
            let rule = Parameters(path: entry.name("SecurityGroupRule"), node: node)
            rules.append(RuleReplacement(ruleID: id, permission: try single(rule)))
        }
        guard !rules.isEmpty else { throw .missingParameter("SecurityGroupRule") }
        try await call.backend.replaceRules(
            rules, group: group, dryRun: try parameters.dryRun(), as: call.caller)
        answer.success()
    }

    /// A rule in the form of SecurityGroupRuleRequest.
    private static func single(_ rule: Parameters) throws(CloudError) -> Permission {
        try rule.refuse([
            UnofferedParameter("PrefixListId", "There are no prefix lists; give the block in CidrIpv4.")
        ])
        guard let ipProtocol = rule.text("IpProtocol") else {
            throw .invalidValue(
                parameter: rule.name("IpProtocol"), value: "",
                reason: "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly."
            )
        }
        var permission = Permission(
            ipProtocol: ipProtocol, fromPort: try rule.integer("FromPort"),
            toPort: try rule.integer("ToPort"))
        let description = rule.text("Description")
        if let block = rule.text("CidrIpv4") {
            permission.blocks.append(Permission.BlockPeer(cidr: block, description: description))
        }
        if let block = rule.text("CidrIpv6") {
            permission.blocksV6.append(Permission.BlockPeer(cidr: block, description: description))
        }
        if let group = rule.text("ReferencedGroupId") {
            permission.groups.append(
                Permission.GroupPeer(group: GroupSelector(id: group), description: description))
        }
        let peers = "cidrIp, cidrIpv6, prefixListId, or referencedGroupId"
        switch permission.blocks.count + permission.blocksV6.count + permission.groups.count {
        case 0: throw .missingParameter("exactly one of: " + peers)
        case 1: return permission
        default: throw .invalidCombination("Only one of \(peers) can be specified")
        }
    }

    /// UpdateSecurityGroupRuleDescriptionsIngress.
    static func describeIngress(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await updateDescriptions(call, egress: false, &answer)
    }

    /// UpdateSecurityGroupRuleDescriptionsEgress.
    static func describeEgress(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await updateDescriptions(call, egress: true, &answer)
    }

    private static func updateDescriptions(_ call: Call, egress: Bool, _ answer: inout XMLWriter)
        async throws(CloudError)
    {
        let group = try selector(call.parameters)
        let permissions = try permissions(call.parameters)
        let descriptions = call.parameters.structures("SecurityGroupRuleDescription").map {
            RuleDescription(ruleID: $0.text("SecurityGroupRuleId"), description: $0.text("Description"))
        }
        guard !permissions.isEmpty || !descriptions.isEmpty else { throw .missingParameter("IpPermissions") }
        try await call.backend.describeRules(
            permissions, descriptions, egress: egress, group: group, dryRun: try call.parameters.dryRun(),
            as: call.caller)
        answer.success()
    }
}
