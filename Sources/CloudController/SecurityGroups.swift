public import CloudModel
import Logging

// Security groups and their rules. What they mean for traffic is the nodes' business, see `NetworkDocument`.

extension CloudController {
    /// EC2: CreateSecurityGroup.
    public func createSecurityGroup(name: String, description: String, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> SecurityGroup
    {
        try authorise(caller, "CreateSecurityGroup")
        try NamingRules.checkGroupName(name)
        try NamingRules.checkGroupDescription(description)
        try NamingRules.checkTags(tags)
        let group = SecurityGroup(
            id: .random(), accountID: caller.accountID, name: name, description: description,
            rules: [PermissionRules.allowAllEgress()], tags: tags)
        return try await mutate { (view) throws(CloudError) in
            guard view.group(named: name, of: caller.accountID) == nil else {
                throw .duplicate(.securityGroup, name)
            }
            let count = view.groups.count(of: caller.accountID)
            guard count < NamingRules.groupLimit else {
                throw .limitExceeded(.securityGroup, limit: NamingRules.groupLimit, inUse: count, requested: 1)
            }
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            mutation.create(.group(group))
            return (mutation, group)
        }
    }

    /// EC2: DescribeSecurityGroups.
    public nonisolated func describeSecurityGroups(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<SecurityGroup>
    {
        let pagination = try Pagination(request, scope: "DescribeSecurityGroups " + caller.accountID)
        let filters = try FilterMatcher<SecurityGroup>(request.filters)
        let groups = try await ownGroups(request, as: caller)
        if request.dryRun { throw .dryRunSucceeded }
        let matching = groups.filter(filters.matches).sorted {
            ($0.accountID, $0.name, $0.id) < ($1.accountID, $1.name, $1.id)
        }
        return pagination.page(matching, position: { $0.accountID + "/" + $0.name })
    }

    private func ownGroups(_ request: DescribeRequest, as caller: Caller) throws(CloudError) -> [SecurityGroup] {
        try authorise(caller, "DescribeSecurityGroups")
        if request.ids.isEmpty, request.names.isEmpty {
            return view.groups.records(of: caller.accountID).map(\.value)
        }
        if caller.isAdministrator, request.ids + request.names == ["verbose"] {
            return view.groups.byID.values.map(\.value)
        }
        var found: [SecurityGroupID: SecurityGroup] = [:]
        var missing: [String] = []
        for text in request.ids {
            guard let id = SecurityGroupID(text) else { throw .malformedID(.securityGroup, text) }
            if let group = view.groups[id]?.value, caller.isAdministrator || group.accountID == caller.accountID {
                found[id] = group
            } else {
                missing.append(text)
            }
        }
        for name in request.names {
            if let group = view.group(named: name, of: caller.accountID)?.value {
                found[group.id] = group
            } else {
                missing.append(name)
            }
        }
        guard missing.isEmpty else { throw .notFound(.securityGroup, missing) }
        return Array(found.values)
    }

    /// The group that a request names, of the caller's own or, by id, of anybody's for administrators.
    func ownGroup(_ selector: GroupSelector, as caller: Caller) throws(CloudError) -> Stored<SecurityGroup> {
        if let text = selector.id {
            guard let id = SecurityGroupID(text) else { throw .malformedID(.securityGroup, text) }
            guard let group = view.groups[id], caller.isAdministrator || group.value.accountID == caller.accountID
            else {
                throw .notFound(.securityGroup, [text])
            }
            if let name = selector.name, name != group.value.name {
                throw .invalidCombination("GroupId and GroupName name different groups")
            }
            return group
        }
        guard let name = selector.name else { throw .missingParameter("GroupId or GroupName") }
        guard let group = view.group(named: name, of: caller.accountID) else {
            throw .notFound(.securityGroup, [name])
        }
        return group
    }

    /// EC2: DeleteSecurityGroup. Refused while instances are members.
    public func deleteSecurityGroup(_ selector: GroupSelector, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> SecurityGroup
    {
        try authorise(caller, "DeleteSecurityGroup")
        return try await mutate { (view) throws(CloudError) in
            let stored = try self.ownGroup(selector, as: caller)
            let group = stored.value
            guard group.name != "default" else {
                throw .incorrectState(
                    .securityGroup, group.id.value, state: "the account's default group",
                    operation: "DeleteSecurityGroup")
            }
            let members = (view.instances.memberCounts[group.id] ?? 0) + (self.launches.groups[group.id] ?? 0)
            guard members == 0 else {
                throw .inUse(
                    .securityGroup, group.id.value, by: "\(members) instance\(members == 1 ? "" : "s")")
            }
            if let other = view.groups.byID.values.first(where: { $0.value.id != group.id && $0.value.names(group.id) })
            {
                // Another account's group is not named to this one.
                let isOwn = other.value.accountID == caller.accountID
                throw .inUse(
                    .securityGroup, group.id.value,
                    by: isOwn ? "a rule of \(other.value.id.value)" : "a rule of another account's group")
            }
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            mutation.delete(.group(group), revision: stored.revision)
            return (mutation, group)
        }
    }

    /// Adds rules; all or nothing. EC2: AuthorizeSecurityGroupIngress and -Egress.
    public func authorize(
        _ permissions: [Permission], egress: Bool, group selector: GroupSelector, tags: [Tag], dryRun: Bool,
        as caller: Caller
    ) async throws(CloudError) -> [SecurityGroupRule] {
        try authorise(caller, egress ? "AuthorizeSecurityGroupEgress" : "AuthorizeSecurityGroupIngress")
        try NamingRules.checkTags(tags)
        let added: (SecurityGroupID, [SecurityGroupRule]) = try await mutate { (_) throws(CloudError) in
            let stored = try self.ownGroup(selector, as: caller)
            let rules = try PermissionRules.rules(of: permissions, egress: egress, tags: tags) {
                (peer) throws(CloudError) in try self.peer(peer, of: stored.value, as: caller)
            }
            for rule in rules where stored.value.rules.contains(where: { $0.permitsSame(as: rule) }) {
                throw .duplicate(.permission, rule.permissionText)
            }
            let present = stored.value.rules.count { $0.isEgress == egress }
            guard present + rules.count <= PermissionRules.limitPerDirection else {
                throw .limitExceeded(
                    .securityGroupRule, limit: PermissionRules.limitPerDirection, inUse: present,
                    requested: rules.count)
            }
            if dryRun { throw .dryRunSucceeded }
            var group = stored.value
            group.rules += rules
            var mutation = Mutation()
            mutation.update(.group(group), revision: stored.revision)
            return (mutation, (group.id, rules))
        }
        wakeZones(of: added.0)
        return added.1
    }

    /// Removes rules, by permission or by rule id. EC2: RevokeSecurityGroupIngress and -Egress.
    public func revoke(
        _ permissions: [Permission], ruleIDs: [String], egress: Bool, group selector: GroupSelector, dryRun: Bool,
        as caller: Caller
    ) async throws(CloudError) -> [SecurityGroupRule] {
        try authorise(caller, egress ? "RevokeSecurityGroupEgress" : "RevokeSecurityGroupIngress")
        guard permissions.isEmpty || ruleIDs.isEmpty else {
            throw .invalidCombination("Permissions and rule ids cannot be used together in one request")
        }
        guard !permissions.isEmpty || !ruleIDs.isEmpty else {
            throw .missingParameter("IpPermissions or SecurityGroupRuleId")
        }
        let removed: (SecurityGroupID, [SecurityGroupRule]) = try await mutate { (_) throws(CloudError) in
            let stored = try self.ownGroup(selector, as: caller)
            var group = stored.value
            var rules: [SecurityGroupRule] = []
            var missing: [String] = []
            for text in ruleIDs {
                guard let id = SecurityGroupRuleID(text) else { throw .malformedID(.securityGroupRule, text) }
                guard let index = group.rules.firstIndex(where: { $0.id == id && $0.isEgress == egress }) else {
                    missing.append(text)
                    continue
                }
                rules.append(group.rules.remove(at: index))
            }
            guard missing.isEmpty else { throw .notFound(.securityGroupRule, missing) }
            if !permissions.isEmpty {
                let named = try PermissionRules.rules(of: permissions, egress: egress) {
                    (peer) throws(CloudError) in try self.peer(peer, of: stored.value, as: caller)
                }
                for rule in named {
                    guard let index = group.rules.firstIndex(where: { $0.permitsSame(as: rule) }) else {
                        missing.append(rule.permissionText)
                        continue
                    }
                    rules.append(group.rules.remove(at: index))
                }
                guard missing.isEmpty else { throw .notFound(.permission, missing) }
            }
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            mutation.update(.group(group), revision: stored.revision)
            return (mutation, (group.id, rules))
        }
        wakeZones(of: removed.0)
        return removed.1
    }

    /// The group that a permission names as its peer.
    func peer(_ peer: Permission.GroupPeer, of group: SecurityGroup, as caller: Caller) throws(CloudError)
        -> SecurityGroupRule.Peer
    {
        let account = peer.accountID ?? group.accountID
        let found: SecurityGroup?
        if let text = peer.group.id {
            guard let id = SecurityGroupID(text) else { throw .malformedID(.securityGroup, text) }
            found = view.groups[id]?.value
            // A wrong owner is answered as if there were no such group, so that ids cannot be probed.
            if let owner = peer.accountID, let found, found.accountID != owner {
                throw .notFound(.securityGroup, [text])
            }
            if peer.accountID == nil, let found, found.accountID != group.accountID, !caller.isAdministrator {
                throw .notFound(.securityGroup, [text])
            }
        } else if let name = peer.group.name {
            found = view.group(named: name, of: account)?.value
        } else {
            throw .missingParameter("GroupId or GroupName of the peer")
        }
        guard let found else {
            throw .notFound(.securityGroup, [peer.group.id ?? peer.group.name ?? ""])
        }
        return .group(id: found.id, accountID: found.accountID, name: found.name)
    }

    func wakeZones(of group: SecurityGroupID) {
        for (zone, instances) in view.instances.zones where instances.members[group] != nil { wake(zone: zone) }
    }
}

extension SecurityGroup {
    /// Whether a rule has that group as its peer.
    func names(_ other: SecurityGroupID) -> Bool {
        rules.contains { rule in
            if case .group(let id, _, _) = rule.peer { id == other } else { false }
        }
    }
}
