// The network of an account as EC2's clients of today see it: a default VPC with one subnet in each zone.
//
// It is not a resource that somebody makes: each account has it from the start, its parts are named after the account
// and the zone, and their blocks are those from which the zones give addresses. What VPCs offer beyond that (own
// blocks, routes, gateways) does not exist.

/// A zone as a part of an account's network.
public struct Subnet: Hashable, Sendable {
    /// Its identifier.
    public var id: String
    /// The zone that it is.
    public var zone: String
    /// The block from which instances get their addresses.
    public var cidr: String
    /// Addresses that are free.
    public var availableAddresses: Int
    /// Whether the zone's cluster controller answers.
    public var isAvailable: Bool
    /// The network that it is part of.
    public var vpcID: String
    /// Owner's account.
    public var accountID: String
    /// Tags.
    public var tags: [Tag]
    /// Makes a subnet.
    public init(
        id: String, zone: String, cidr: String, availableAddresses: Int, isAvailable: Bool, vpcID: String,
        accountID: String, tags: [Tag] = []
    ) {
        self.id = id
        self.zone = zone
        self.cidr = cidr
        self.availableAddresses = availableAddresses
        self.isAvailable = isAvailable
        self.vpcID = vpcID
        self.accountID = accountID
        self.tags = tags
    }
}

/// The default VPC of an account with everything that belongs to it.
public struct AccountNetwork: Hashable, Sendable {
    /// Owner's account.
    public var accountID: String
    /// One per zone, in the order of the zones.
    public var subnets: [Subnet]
    /// Tags of its parts, by identifier.
    public var tags: [String: [Tag]]
    /// Makes the network of `accountID`.
    public init(accountID: String, subnets: [Subnet], tags: [String: [Tag]] = [:]) {
        self.accountID = accountID
        self.subnets = subnets
        self.tags = tags
    }

    /// Identifier of the VPC.
    public var vpcID: String { NetworkPart.vpc.id(of: accountID) }
    /// Blocks of the zones, each once; the first is the one that EC2 calls the VPC's block.
    public var cidrs: [String] {
        var blocks: [String] = []
        for subnet in subnets where !blocks.contains(subnet.cidr) { blocks.append(subnet.cidr) }
        return blocks.isEmpty ? [Self.customaryBlock] : blocks
    }
    /// The block of EC2's default VPCs, where the zones' own are not known.
    public static let customaryBlock = "172.31.0.0/16"
}

/// The parts of an account's network that have identifiers. An identifier follows from the account (and the zone), so
/// that it needs no record.
public enum NetworkPart: String, Sendable, CaseIterable {
    case vpc
    case subnet
    case routeTable = "rtb"
    case internetGateway = "igw"
    case networkACL = "acl"
    case dhcpOptions = "dopt"

    /// What tags and errors call it.
    public var resource: ResourceKind {
        switch self {
        case .vpc: .vpc
        case .subnet: .subnet
        case .routeTable: .routeTable
        case .internetGateway: .internetGateway
        case .networkACL: .networkACL
        case .dhcpOptions: .dhcpOptions
        }
    }

    /// The part's identifier: prefix and 17 hexadecimal digits, as all of EC2's.
    ///
    /// - Parameter zone: for subnets.
    public func id(of account: String, zone: String = "") -> String {
        Self.id(prefix: rawValue, account, zone)
    }

    /// An identifier that follows from what it names, such as of the association of a subnet with its route table.
    public static func id(prefix: String, _ parts: String...) -> String {
        var hash = FNV1a()
        hash.add(prefix)
        for part in parts { hash.add(part) }
        let first = hash.text
        hash.add("more digits")
        let digits = String(repeating: "0", count: max(0, 16 - first.utf8.count)) + first + hash.text
        return prefix + "-" + digits.prefix(17)
    }

    /// Which part an identifier is of, by its form; nil if it is none.
    public static func part(of id: String) -> NetworkPart? {
        guard let dash = id.firstIndex(of: "-"), let part = NetworkPart(rawValue: String(id[..<dash])) else {
            return nil
        }
        let digits = id[id.index(after: dash)...].utf8
        guard digits.count == 8 || digits.count == 17,
            digits.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        return part
    }
}

extension AccountNetwork {
    /// The identifiers of all parts, with what they are.
    public var parts: [(id: String, part: NetworkPart)] {
        var parts: [(String, NetworkPart)] = []
        for part in NetworkPart.allCases where part != .subnet { parts.append((part.id(of: accountID), part)) }
        return parts + subnets.map { ($0.id, .subnet) }
    }
}

/// A part of a network beside subnets, for the filters of the describe calls.
public struct NetworkElement: Hashable, Sendable {
    /// What it is.
    public var part: NetworkPart
    /// The network that it is part of.
    public var network: AccountNetwork
    /// Makes it.
    public init(_ part: NetworkPart, of network: AccountNetwork) {
        self.part = part
        self.network = network
    }
    /// Its identifier.
    public var id: String { part.id(of: network.accountID) }
    /// Its tags.
    public var tags: [Tag] { network.tags[id] ?? [] }
}

extension Subnet: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (Subnet) -> [String])? {
        switch name {
        case "availability-zone", "availabilityZone": return { [$0.zone] }
        case "availability-zone-id", "availabilityZoneId": return { [AvailabilityZone.zoneID(name: $0.zone)] }
        case "available-ip-address-count": return { [String($0.availableAddresses)] }
        case "cidr-block", "cidr", "cidrBlock": return { [$0.cidr] }
        case "default-for-az", "defaultForAz": return { _ in ["true"] }
        case "map-public-ip-on-launch": return { _ in ["true"] }
        case "owner-id": return { [$0.accountID] }
        case "state": return { [$0.isAvailable ? "available" : "unavailable"] }
        case "subnet-id": return { [$0.id] }
        case "subnet-arn": return { ["arn:aws:ec2:\($0.zone.dropLast()):\($0.accountID):subnet/\($0.id)"] }
        case "vpc-id": return { [$0.vpcID] }
        case "enable-dns64", "ipv6-native", "map-customer-owned-ip-on-launch",
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record":
            return { _ in ["false"] }
        case "private-dns-name-options-on-launch.hostname-type": return { _ in ["ip-name"] }
        case "customer-owned-ipv4-pool", "enable-lni-at-device-index", "ipv6-cidr-block-association.ipv6-cidr-block",
            "ipv6-cidr-block-association.association-id", "ipv6-cidr-block-association.state", "outpost-arn":
            return { _ in [] }
        default: return nil
        }
    }
}

extension NetworkElement: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`. The parts share one list of names: each has the attributes that EC2 knows of it, and
    /// no values for those of the others.
    public static func filterAttribute(_ name: String) -> (@Sendable (NetworkElement) -> [String])? {
        switch name {
        case "vpc-id": return { $0.part == .dhcpOptions ? [] : [$0.network.vpcID] }
        case "owner-id": return { [$0.network.accountID] }
        case "cidr", "cidr-block", "cidrBlock": return { Array($0.network.cidrs.prefix(1)) }
        case "cidr-block-association.cidr-block": return { $0.network.cidrs }
        case "cidr-block-association.association-id":
            return { element in
                element.network.cidrs.map { NetworkPart.id(prefix: "vpc-cidr-assoc", element.network.accountID, $0) }
            }
        case "cidr-block-association.state": return { _ in ["associated"] }
        case "dhcp-options-id": return { [NetworkPart.dhcpOptions.id(of: $0.network.accountID)] }
        case "is-default", "isDefault", "default": return { _ in ["true"] }
        case "state": return { _ in ["available"] }
        case "internet-gateway-id", "route-table-id", "network-acl-id": return { [$0.id] }
        case "attachment.state": return { _ in ["available"] }
        case "attachment.vpc-id": return { [$0.network.vpcID] }
        case "association.main": return { _ in ["true"] }
        case "association.route-table-id", "association.network-acl-id": return { [$0.id] }
        case "association.subnet-id":
            return { $0.part == .networkACL ? $0.network.subnets.map(\.id) : [] }
        case "association.association-id", "association.route-table-association-id":
            return { element in
                element.part == .routeTable
                    ? [NetworkPart.id(prefix: "rtbassoc", element.network.accountID)]
                    : element.network.subnets.map { NetworkPart.id(prefix: "aclassoc", $0.id) }
            }
        case "route.destination-cidr-block": return { $0.network.cidrs + ["0.0.0.0/0"] }
        case "route.gateway-id": return { ["local", NetworkPart.internetGateway.id(of: $0.network.accountID)] }
        case "route.state": return { _ in ["active"] }
        case "route.origin": return { _ in ["CreateRouteTable", "CreateRoute"] }
        case "entry.cidr": return { _ in ["0.0.0.0/0"] }
        case "entry.egress": return { _ in ["true", "false"] }
        case "entry.protocol": return { _ in ["-1"] }
        case "entry.rule-action": return { _ in ["allow", "deny"] }
        case "entry.rule-number": return { _ in ["100", "32767"] }
        case "key": return { _ in ["domain-name-servers"] }
        case "value": return { _ in ["AmazonProvidedDNS"] }
        case "ipv6-cidr-block-association.ipv6-cidr-block", "ipv6-cidr-block-association.ipv6-pool",
            "ipv6-cidr-block-association.association-id", "ipv6-cidr-block-association.state",
            "entry.icmp.code", "entry.icmp.type", "entry.ipv6-cidr", "entry.port-range.from", "entry.port-range.to",
            "association.gateway-id", "route.destination-ipv6-cidr-block", "route.destination-prefix-list-id",
            "route.egress-only-internet-gateway-id", "route.instance-id", "route.nat-gateway-id",
            "route.transit-gateway-id", "route.vpc-peering-connection-id":
            return { _ in [] }
        default: return nil
        }
    }
}
