public import CloudModel

// The network that each account has, and what an account may have at most.

extension CloudController {
    /// The default VPC of the caller's account, with what belongs to it.
    public func network(as caller: Caller) async throws(CloudError) -> AccountNetwork {
        try authorise(caller, "DescribeVpcs")
        return network(of: caller.accountID)
    }

    private func network(of account: String) -> AccountNetwork {
        let tags = view.networkTags[account]?.value.tags ?? [:]
        let subnets = zones.enumerated().map { index, link in
            let id = NetworkPart.subnet.id(of: account, zone: link.name)
            // Customary blocks of EC2's default subnets, if the zone's own is not known.
            let cidr = configuration.addressBlocks[link.name] ?? "172.31.\(index % 16 * 16).0/20"
            let instances = view.instances.zones[link.name]
            let used = (instances?.placed.count ?? 0) + (instances?.unplaced.count ?? 0)
            return Subnet(
                id: id, zone: link.name, cidr: cidr, availableAddresses: max(0, Self.hosts(in: cidr) - used),
                isAvailable: zoneStates[link.name]?.isAvailable ?? false, vpcID: NetworkPart.vpc.id(of: account),
                accountID: account, tags: tags[id] ?? [])
        }
        return AccountNetwork(accountID: account, subnets: subnets, tags: tags)
    }

    /// Addresses of a block that instances can have; EC2 keeps five for itself.
    private static func hosts(in cidr: String) -> Int {
        guard let length = cidr.split(separator: "/").last.flatMap({ Int($0) }), (0...32).contains(length) else {
            return 0
        }
        return max(0, (1 << (32 - length)) - 5)
    }

    /// The part of the caller's network that has this id.
    func networkPart(_ text: String, as caller: Caller) throws(CloudError) -> NetworkPart? {
        guard let part = NetworkPart.part(of: text) else { return nil }
        guard network(of: caller.accountID).parts.contains(where: { $0.id == text }) else {
            throw .notFound(part.resource, [text])
        }
        return part
    }

    /// What the account may have at most. EC2: DescribeAccountAttributes.
    public func limits(as caller: Caller) async throws(CloudError) -> AccountLimits {
        try authorise(caller, "DescribeAccountAttributes")
        return AccountLimits(
            instances: min(
                configuration.instancesPerAccount, configuration.policy.quota(of: caller.accountID).instances ?? .max),
            groupsPerInstance: NamingRules.groupsPerInstance,
            addresses: 0)
    }
}
