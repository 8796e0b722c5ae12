import CloudModel
import QueryProtocol

extension SecurityGroups {
    /// The permissions of a request, in today's nested form or in the flat one of old clients.
    static func permissions(_ parameters: Parameters) throws(CloudError) -> [Permission] {
        var permissions: [Permission] = []
        for entry in parameters.structures("IpPermissions") { permissions.append(try nested(entry)) }
        let flat = try flat(parameters)
        guard permissions.isEmpty || flat.isEmpty else {
            throw .invalidCombination("Give the permissions either as IpPermissions or by single parameters, not both")
        }
        return permissions + flat
    }

    private static func nested(_ entry: Parameters) throws(CloudError) -> Permission {
        try entry.refuse([
            UnofferedParameter("PrefixListIds", "There are no prefix lists; give the blocks in IpRanges.")
        ])
        var permission = Permission(
            ipProtocol: try entry.required("IpProtocol"), fromPort: try entry.integer("FromPort"),
            toPort: try entry.integer("ToPort"))
        for range in entry.structures("IpRanges") {
            permission.blocks.append(
                Permission.BlockPeer(cidr: try range.required("CidrIp"), description: range.text("Description")))
        }
        for range in entry.structures("Ipv6Ranges") {
            permission.blocksV6.append(
                Permission.BlockPeer(cidr: try range.required("CidrIpv6"), description: range.text("Description")))
        }
        for group in entry.structures("Groups") {
            try group.refuse([
                UnofferedParameter("VpcPeeringConnectionId", "There are no VPCs here yet; leave it out.")
            ])
            let selector = GroupSelector(id: group.text("GroupId"), name: group.text("GroupName"))
            guard selector.id != nil || selector.name != nil else { throw .missingParameter(group.name("GroupId")) }
            permission.groups.append(
                Permission.GroupPeer(
                    group: selector, accountID: group.text("UserId"), description: group.text("Description")))
        }
        return permission
    }

    /// `IpProtocol`, `FromPort`, `ToPort` and `CidrIp`, or `SourceSecurityGroupName` with its owner, which without
    /// protocol means all of TCP, UDP and ICMP (API reference, AuthorizeSecurityGroupIngress).
    private static func flat(_ parameters: Parameters) throws(CloudError) -> [Permission] {
        let cidr = parameters.text("CidrIp")
        let source = parameters.text("SourceSecurityGroupName")
        let ipProtocol = parameters.text("IpProtocol")
        let fromPort = try parameters.integer("FromPort")
        let toPort = try parameters.integer("ToPort")
        guard cidr != nil || source != nil else {
            if ipProtocol != nil { throw .missingParameter("CidrIp or SourceSecurityGroupName") }
            return []
        }
        let blocks = cidr.map { [Permission.BlockPeer(cidr: $0)] } ?? []
        let owner = parameters.text("SourceSecurityGroupOwnerId")
        let groups = source.map { [Permission.GroupPeer(group: GroupSelector(name: $0), accountID: owner)] } ?? []
        if let ipProtocol {
            return [
                Permission(ipProtocol: ipProtocol, fromPort: fromPort, toPort: toPort, blocks: blocks, groups: groups)
            ]
        }
        guard blocks.isEmpty else { throw .missingParameter("IpProtocol") }
        return [
            Permission(ipProtocol: "tcp", fromPort: 0, toPort: 65_535, groups: groups),
            Permission(ipProtocol: "udp", fromPort: 0, toPort: 65_535, groups: groups),
            Permission(ipProtocol: "icmp", fromPort: -1, toPort: -1, groups: groups),
        ]
    }
}
