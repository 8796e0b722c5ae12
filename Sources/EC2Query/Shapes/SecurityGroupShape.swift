import CloudModel
import XML

/// Rules of a group that differ in nothing but their peer: EC2's IpPermission.
private struct PermissionShape {
    struct Key: Hashable {
        var ipProtocol: String
        var fromPort: Int
        var toPort: Int
    }
    var key: Key
    var rules: [SecurityGroupRule]

    /// In the order in which the first rule of each was added.
    static func grouped(_ rules: [SecurityGroupRule]) -> [PermissionShape] {
        var shapes: [PermissionShape] = []
        var positions: [Key: Int] = [:]
        for rule in rules {
            let key = Key(ipProtocol: rule.ipProtocol, fromPort: rule.fromPort, toPort: rule.toPort)
            if let position = positions[key] {
                shapes[position].rules.append(rule)
            } else {
                positions[key] = shapes.count
                shapes.append(PermissionShape(key: key, rules: [rule]))
            }
        }
        return shapes
    }
}

extension SecurityGroup {
    /// EC2's name of it across services.
    func arn(region: String) -> String { "arn:aws:ec2:\(region):\(accountID):security-group/\(id)" }
}

extension XMLWriter {
    /// The elements of a group.
    mutating func securityGroup(_ group: SecurityGroup, region: String) {
        element("ownerId", group.accountID)
        element("groupId", group.id.value)
        element("groupName", group.name)
        element("groupDescription", group.description)
        permissions("ipPermissions", group.rules.filter { !$0.isEgress })
        permissions("ipPermissionsEgress", group.rules.filter(\.isEgress))
        element("securityGroupArn", group.arn(region: region))
        element("vpcId", NetworkPart.vpc.id(of: group.accountID))
        tagSet(group.tags)
    }

    private mutating func permissions(_ name: String, _ rules: [SecurityGroupRule]) {
        list(name, PermissionShape.grouped(rules)) { writer, shape in
            writer.ports(shape.key.ipProtocol, shape.key.fromPort, shape.key.toPort)
            writer.peers(shape.rules)
        }
    }

    /// Protocol and ports; a rule for all protocols has no ports.
    private mutating func ports(_ ipProtocol: String, _ fromPort: Int, _ toPort: Int) {
        element("ipProtocol", ipProtocol)
        guard ipProtocol != "-1" else { return }
        element("fromPort", fromPort)
        element("toPort", toPort)
    }

    private mutating func peers(_ rules: [SecurityGroupRule]) {
        open("groups")
        for rule in rules {
            guard case .group(let id, let accountID, let name) = rule.peer else { continue }
            open("item")
            element("userId", accountID)
            element("groupId", id.value)
            element("groupName", name)
            if let description = rule.description { element("description", description) }
            close()
        }
        close()
        open("ipRanges")
        for rule in rules {
            guard case .cidr(let block) = rule.peer else { continue }
            open("item")
            element("cidrIp", block)
            if let description = rule.description { element("description", description) }
            close()
        }
        close()
        open("ipv6Ranges")
        for rule in rules {
            guard case .cidrV6(let block) = rule.peer else { continue }
            open("item")
            element("cidrIpv6", block)
            if let description = rule.description { element("description", description) }
            close()
        }
        close()
        element("prefixListIds")
    }

    /// The elements of one rule as DescribeSecurityGroupRules and the authorize actions have it.
    mutating func securityGroupRule(_ rule: SecurityGroupRule, groupID: String, accountID: String) {
        element("securityGroupRuleId", rule.id.value)
        element("groupId", groupID)
        element("groupOwnerId", accountID)
        ruleCore(rule)
        if case .group(let id, let owner, _) = rule.peer {
            open("referencedGroupInfo")
            element("groupId", id.value)
            element("userId", owner)
            close()
        }
        if let description = rule.description { element("description", description) }
        tagSet(rule.tags)
    }

    /// The elements of one rule as the revoke actions have it.
    mutating func revokedRule(_ rule: SecurityGroupRule, groupID: String) {
        element("securityGroupRuleId", rule.id.value)
        element("groupId", groupID)
        ruleCore(rule)
        if case .group(let id, _, _) = rule.peer { element("referencedGroupId", id.value) }
        if let description = rule.description { element("description", description) }
    }

    private mutating func ruleCore(_ rule: SecurityGroupRule) {
        element("isEgress", rule.isEgress)
        element("ipProtocol", rule.ipProtocol)
        element("fromPort", rule.fromPort)
        element("toPort", rule.toPort)
        switch rule.peer {
        case .cidr(let block): element("cidrIpv4", block)
        case .cidrV6(let block): element("cidrIpv6", block)
        case .group: break
        }
    }
}
