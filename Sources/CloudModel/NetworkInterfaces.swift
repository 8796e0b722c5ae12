// The network interface of an instance as EC2's clients of today see it.
//
// Each instance has one, from its launch to its end. It is not a resource that somebody makes: it follows from the
// instance, as its identifier does.

/// The one network interface of an instance.
public struct NetworkInterface: Hashable, Sendable {
    /// The instance that has it.
    public var instance: Instance

    /// Makes the interface of an instance; nil if the instance is over, and the interface with it.
    public init?(of instance: Instance) {
        if instance.state == .terminated { return nil }
        self.instance = instance
    }

    /// What identifiers begin with, without the dash.
    public static let prefix = "eni"

    /// Its identifier: the instance's with another prefix.
    public var id: String { Self.id(of: instance.id) }
    /// Identifier of its attachment to the instance.
    public var attachmentID: String { "eni-attach-" + Self.digits(of: instance.id) }

    /// Identifier of the interface of an instance.
    public static func id(of instance: InstanceID) -> String { prefix + "-" + digits(of: instance) }

    private static func digits(of instance: InstanceID) -> Substring {
        instance.value.dropFirst(InstanceKind.prefix.utf8.count + 1)
    }

    /// Whether an identifier has the form of an interface's.
    public static func isID(_ text: String) -> Bool {
        guard text.hasPrefix(prefix + "-") else { return false }
        let digits = text.utf8.dropFirst(prefix.utf8.count + 1)
        return (digits.count == 8 || digits.count == 17)
            && digits.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}

extension NetworkInterface: FilterableResource {
    /// See `FilterableResource`. Interfaces have no tags of their own.
    public var filterableTags: [Tag] { [] }

    /// See `FilterableResource`. Names are those of DescribeNetworkInterfaces (API reference, 2016-11-15).
    public static func filterAttribute(_ name: String) -> (@Sendable (NetworkInterface) -> [String])? {
        switch name {
        case "network-interface-id": return { [$0.id] }
        case "attachment.attachment-id": return { [$0.attachmentID] }
        case "availability-zone": return { [$0.instance.zone] }
        case "availability-zone-id": return { [AvailabilityZone.zoneID(name: $0.instance.zone)] }
        case "source-dest-check": return { _ in ["true"] }
        case "interface-type": return { _ in ["interface"] }
        case "description": return { _ in [""] }
        case "addresses.association.owner-id": return filterAttribute("association.ip-owner-id")
        case "private-dns-name", "private-ip-address", "mac-address", "owner-id", "subnet-id", "vpc-id", "group-id",
            "group-name", "status", "requester-managed", "addresses.primary", "addresses.private-ip-address",
            "addresses.private-dns-name", "addresses.association.public-ip", "association.public-ip",
            "addresses.association.ip-owner-id", "association.ip-owner-id", "addresses.association.public-dns-name",
            "association.public-dns-name", "attachment.instance-id", "attachment.instance-owner-id",
            "attachment.device-index", "attachment.status", "attachment.attach-time",
            "attachment.delete-on-termination", "attachment.network-card-index", "operator.managed":
            // DescribeInstances has the same attributes below a prefix.
            let own = name == "operator.managed" ? name : "network-interface." + name
            guard let attribute = Instance.filterAttribute(own) else { return nil }
            return { attribute($0.instance) }
        case "addresses.association.allocation-id", "addresses.association.association-id",
            "addresses.association.carrier-ip", "addresses.association.customer-owned-ip",
            "association.allocation-id", "association.association-id",
            "association.carrier-ip", "association.customer-owned-ip", "ipv6-addresses.ipv6-address",
            "ipv6-addresses.is-primary-ipv6", "requester-id", "operator.principal", "outpost-arn",
            "ipv4-prefixes.ipv4-prefix", "ipv6-prefixes.ipv6-prefix", "ipv6-address", "ipv6-native",
            "deny-all-igw-traffic", "attachment.nat-gateway-id":
            return { _ in [] }
        default: return nil
        }
    }
}
