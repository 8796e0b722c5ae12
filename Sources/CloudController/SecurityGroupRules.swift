public import CloudModel

// Changes of single rules, which keep their ids and tags.

extension CloudController {
    /// EC2: ModifySecurityGroupRules. All rules are replaced, or none.
    public func replaceRules(_ rules: [RuleReplacement], group text: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try authorise(caller, "ModifySecurityGroupRules")
        guard !rules.isEmpty else { throw .missingParameter("SecurityGroupRule") }
        try await changeRules(of: GroupSelector(id: text), dryRun: dryRun, as: caller) { (group) throws(CloudError) in
            var seen = Set<SecurityGroupRuleID>()
            for replacement in rules {
                let index = try Self.index(of: replacement.ruleID, in: group)
                let old = group.rules[index]
                guard seen.insert(old.id).inserted else {
                    throw .invalidValue(
                        parameter: "SecurityGroupRuleId", value: replacement.ruleID,
                        reason: "The rule '\(replacement.ruleID)' is named twice.")
                }
                let owner = group
                let new = try PermissionRules.rules(of: [replacement.permission], egress: old.isEgress) {
                    (peer) throws(CloudError) in try self.peer(peer, of: owner, as: caller)
                }
                guard new.count == 1, var rule = new.first else {
                    throw .invalidCombination("A security group rule has exactly one source or destination")
                }
                let other = group.rules.contains { $0.id != old.id && $0.permitsSame(as: rule) }
                if other { throw .duplicate(.permission, rule.permissionText) }
                rule.id = old.id
                rule.tags = old.tags
                group.rules[index] = rule
            }
        }
    }

    /// EC2: UpdateSecurityGroupRuleDescriptionsIngress and -Egress. Either by permission, with the descriptions in
    /// it, or by rule id.
    public func describeRules(
        _ permissions: [Permission], _ descriptions: [RuleDescription], egress: Bool, group selector: GroupSelector,
        dryRun: Bool, as caller: Caller
    ) async throws(CloudError) {
        try authorise(
            caller,
            egress ? "UpdateSecurityGroupRuleDescriptionsEgress" : "UpdateSecurityGroupRuleDescriptionsIngress")
        guard permissions.isEmpty || descriptions.isEmpty else {
            throw .invalidCombination("Give either IpPermissions or SecurityGroupRuleDescription, not both")
        }
        guard !permissions.isEmpty || !descriptions.isEmpty else {
            throw .missingParameter("IpPermissions or SecurityGroupRuleDescription")
        }
        try await changeRules(of: selector, dryRun: dryRun, as: caller) { (group) throws(CloudError) in
            for description in descriptions {
                guard let id = description.ruleID else { throw .missingParameter("SecurityGroupRuleId") }
                let index = try Self.index(of: id, in: group)
                guard group.rules[index].isEgress == egress else { throw .notFound(.securityGroupRule, [id]) }
                try PermissionRules.check(description: description.description)
                group.rules[index].description = description.description
            }
            if permissions.isEmpty { return }
            let owner = group
            let named = try PermissionRules.rules(of: permissions, egress: egress) { (peer) throws(CloudError) in
                try self.peer(peer, of: owner, as: caller)
            }
            for rule in named {
                guard let index = group.rules.firstIndex(where: { $0.permitsSame(as: rule) }) else {
                    throw .notFound(.permission, [rule.permissionText])
                }
                group.rules[index].description = rule.description
            }
        }
    }

    private static func index(of text: String, in group: SecurityGroup) throws(CloudError) -> Int {
        guard let id = SecurityGroupRuleID(text) else { throw .malformedID(.securityGroupRule, text) }
        guard let index = group.rules.firstIndex(where: { $0.id == id }) else {
            throw .notFound(.securityGroupRule, [text])
        }
        return index
    }

    private func changeRules(
        of selector: GroupSelector, dryRun: Bool, as caller: Caller,
        _ change: (inout SecurityGroup) throws(CloudError) -> Void
    ) async throws(CloudError) {
        let id: SecurityGroupID = try await mutate { (_) throws(CloudError) in
            let stored = try self.ownGroup(selector, as: caller)
            var group = stored.value
            try change(&group)
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            if group != stored.value { mutation.update(.group(group), revision: stored.revision) }
            return (mutation, group.id)
        }
        wakeZones(of: id)
    }
}
