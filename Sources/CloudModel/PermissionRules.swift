/// Turns the permissions of a request into rules in normal form: one peer and one port range each, protocols by the
/// names EC2 answers, blocks with their host bits cleared. Pure; groups are resolved by the caller.
public enum PermissionRules {
    /// Most rules of one direction in a group.
    public static let limitPerDirection = 120

    /// The rule that every new group has for what leaves its members (EC2: groups of a VPC).
    public static func allowAllEgress() -> SecurityGroupRule {
        SecurityGroupRule(
            id: .random(), isEgress: true, ipProtocol: "-1", fromPort: -1, toPort: -1, peer: .cidr("0.0.0.0/0"))
    }

    /// The rules that `permissions` stand for, each with a new id.
    ///
    /// - Parameter resolve: finds the group that a peer names, as `.group`.
    /// - Throws: `missingParameter`, `invalidValue` with EC2's wording, and what `resolve` throws; also if the request
    ///   names the same rule twice.
    public static func rules(
        of permissions: [Permission], egress: Bool, tags: [Tag] = [],
        resolve: (Permission.GroupPeer) throws(CloudError) -> SecurityGroupRule.Peer
    ) throws(CloudError) -> [SecurityGroupRule] {
        guard !permissions.isEmpty else { throw .missingParameter("ipPermissions") }
        var rules: [SecurityGroupRule] = []
        for permission in permissions {
            let ipProtocol = try normalProtocol(permission.ipProtocol)
            let (from, to) = try ports(permission, ipProtocol: ipProtocol)
            var peers: [(SecurityGroupRule.Peer, String?)] = []
            for block in permission.blocks {
                guard let normal = IPv4Block(block.cidr) else { throw malformedBlock(block.cidr) }
                peers.append((.cidr(normal.description), block.description))
            }
            for block in permission.blocksV6 {
                guard let normal = IPv6Block(block.cidr) else { throw malformedBlock(block.cidr) }
                peers.append((.cidrV6(normal.description), block.description))
            }
            for group in permission.groups { peers.append((try resolve(group), group.description)) }
            guard !peers.isEmpty else {
                throw .missingParameter("cidrIp, cidrIpv6 or a source security group")
            }
            for (peer, description) in peers {
                try check(description: description)
                let rule = SecurityGroupRule(
                    id: .random(), isEgress: egress, ipProtocol: ipProtocol, fromPort: from, toPort: to, peer: peer,
                    description: description, tags: tags)
                guard !rules.contains(where: { $0.permitsSame(as: rule) }) else {
                    throw .invalidValue(
                        parameter: "ipPermissions", value: rule.permissionText,
                        reason: "The same permission must not appear multiple times")
                }
                rules.append(rule)
            }
        }
        return rules
    }

    /// EC2's name of a protocol: tcp, udp, icmp, icmpv6, "-1", or the number as it is.
    public static func normalProtocol(_ text: String) throws(CloudError) -> String {
        switch text.lowercased() {
        case "tcp", "6": return "tcp"
        case "udp", "17": return "udp"
        case "icmp", "1": return "icmp"
        case "icmpv6", "58": return "icmpv6"
        case "-1", "all": return "-1"
        case "": throw .missingParameter("ipProtocol")
        default:
            guard let number = UInt8(text) else {
                throw .invalidValue(
                    parameter: "ipProtocol", value: text,
                    reason: "Invalid value '\(text)' for IP protocol. Unknown protocol.")
            }
            return String(number)
        }
    }

    private static func ports(_ permission: Permission, ipProtocol: String) throws(CloudError) -> (Int, Int) {
        switch ipProtocol {
        case "tcp", "udp":
            guard let from = permission.fromPort, let to = permission.toPort else {
                throw .invalidValue(
                    parameter: "portRange", value: "",
                    reason: "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
            }
            guard (0...65_535).contains(from), (0...65_535).contains(to) else {
                throw .invalidValue(
                    parameter: "portRange", value: "\(from)-\(to)",
                    reason: "Invalid value '\((0...65_535).contains(from) ? to : from)' for portRange. "
                        + "Must be from 0 to 65535.")
            }
            guard from <= to else {
                throw .invalidValue(
                    parameter: "portRange", value: "\(from)-\(to)",
                    reason: "Invalid value for portRange: the first port (\(from)) is greater than the last (\(to)).")
            }
            return (from, to)
        case "icmp", "icmpv6":
            let type = permission.fromPort ?? -1
            let code = permission.toPort ?? -1
            guard (-1...255).contains(type), (-1...255).contains(code) else {
                throw .invalidValue(
                    parameter: "icmpTypeCode", value: "\(type)/\(code)",
                    reason: "ICMP type (\(type)) and code (\(code)) must be from 0 to 255, or -1 for all.")
            }
            guard type != -1 || code == -1 else {
                throw .invalidValue(
                    parameter: "icmpTypeCode", value: "\(type)/\(code)",
                    reason: "ICMP code (\(code)) must be -1 when the ICMP type is -1.")
            }
            return (type, code)
        default:
            // Other protocols have no ports: EC2 ignores what is given.
            return (-1, -1)
        }
    }

    private static func malformedBlock(_ text: String) -> CloudError {
        .invalidValue(parameter: "cidrIp", value: text, reason: "CIDR block \(text) is malformed")
    }

    private static let descriptionCharacters = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789. _-:/()#,@[]+=&;{}!$*".utf8)

    /// Refuses descriptions that EC2 refuses.
    public static func check(description: String?) throws(CloudError) {
        guard let description else { return }
        guard description.utf8.count <= 255, description.utf8.allSatisfy(descriptionCharacters.contains) else {
            throw .invalidValue(
                parameter: "description", value: String(description.prefix(64)),
                reason: "Invalid rule description. Valid descriptions are strings less than 256 characters from the "
                    + "following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
        }
    }
}

extension SecurityGroupRule {
    /// The rule for people, as EC2's messages write it.
    public var permissionText: String {
        let from =
            switch peer {
            case .cidr(let block), .cidrV6(let block): block
            case .group(let id, _, _): id.value
            }
        return "peer: \(from), \(ipProtocol == "-1" ? "ALL" : ipProtocol.uppercased()), from port: \(fromPort), "
            + "to port: \(toPort), \(isEgress ? "EGRESS" : "ALLOW")"
    }
}
