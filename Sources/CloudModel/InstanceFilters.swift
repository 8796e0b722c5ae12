// Filters of DescribeInstances and DescribeInstanceStatus (API reference, 2016-11-15).

extension Instance: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`. Names are those of DescribeInstances and of DescribeInstanceStatus.
    public static func filterAttribute(_ name: String) -> (@Sendable (Instance) -> [String])? {
        if let attribute = placementAttribute(name) { return attribute }
        if let attribute = launchAttribute(name) { return attribute }
        if let attribute = addressAttribute(name) { return attribute }
        if let attribute = statusAttribute(name) { return attribute }
        if let value = sameForAll[name] { return { _ in [value] } }
        guard attributesWithoutValues.contains(name) else { return nil }
        return { _ in [] }
    }

    private static func placementAttribute(_ name: String) -> (@Sendable (Instance) -> [String])? {
        switch name {
        case "instance-id": return { [$0.id.value] }
        case "instance-state-name": return { [$0.state.rawValue] }
        case "instance-state-code": return { [String($0.state.code)] }
        case "state-reason-code": return { $0.stateReason.map { [$0.code] } ?? [] }
        case "state-reason-message", "reason": return { $0.stateReason.map { [$0.message] } ?? [] }
        case "availability-zone", "network-interface.availability-zone": return { [$0.zone] }
        case "availability-zone-id": return { [AvailabilityZone.zoneID(name: $0.zone)] }
        case "owner-id", "network-interface.owner-id", "network-interface.attachment.instance-owner-id":
            return { [$0.accountID] }
        case "reservation-id": return { [$0.reservationID.value] }
        case "requester-id": return { [$0.accountID] }
        case "tenancy": return { _ in ["default"] }
        case "hypervisor": return { _ in ["xen"] }
        case "virtualization-type": return { [$0.virtualizationType] }
        case "root-device-type": return { _ in ["instance-store"] }
        case "root-device-name": return { [$0.rootDeviceName] }
        case "monitoring-state": return { [$0.isMonitored ? "enabled" : "disabled"] }
        case "ebs-optimized", "ena-support", "hibernation-options.configured",
            "enclave-options.enabled", "network-interface.requester-managed", "operator.managed":
            return { _ in ["false"] }
        case "source-dest-check": return { _ in ["true"] }
        case "platform-details": return { _ in ["Linux/UNIX"] }
        case "usage-operation": return { _ in ["RunInstances"] }
        default: return nil
        }
    }

    private static func launchAttribute(_ name: String) -> (@Sendable (Instance) -> [String])? {
        switch name {
        case "architecture": return { [$0.architecture] }
        case "image-id": return { [$0.imageID.value] }
        case "kernel-id": return { $0.kernelID.map { [$0.value] } ?? [] }
        case "ramdisk-id": return { $0.ramdiskID.map { [$0.value] } ?? [] }
        case "instance-type": return { [$0.type.name] }
        case "key-name": return { $0.keyName.map { [$0] } ?? [] }
        case "launch-index": return { [String($0.launchIndex)] }
        case "launch-time", "usage-operation-update-time", "network-interface.attachment.attach-time":
            return { [$0.launchTime.iso8601] }
        case "client-token": return { $0.clientToken.map { [$0] } ?? [] }
        case "iam-instance-profile.arn": return { $0.profile.map { [$0.profileARN] } ?? [] }
        case "iam-instance-profile.id": return { $0.profile.map { [$0.profileID] } ?? [] }
        case "iam-instance-profile.name":
            return { $0.profile?.profileARN.split(separator: "/").last.map { [String($0)] } ?? [] }
        case "placement-group-name": return { $0.options?.placementGroup.map { [$0] } ?? [] }
        case "vpc-id", "network-interface.vpc-id": return { [NetworkPart.vpc.id(of: $0.accountID)] }
        case "subnet-id", "network-interface.subnet-id":
            return { [NetworkPart.subnet.id(of: $0.accountID, zone: $0.zone)] }
        case "instance.group-id", "group-id", "network-interface.group-id": return { $0.groups.map(\.id.value) }
        case "instance.group-name", "group-name", "network-interface.group-name": return { $0.groups.map(\.name) }
        default: return nil
        }
    }

    private static func addressAttribute(_ name: String) -> (@Sendable (Instance) -> [String])? {
        switch name {
        case "private-ip-address", "network-interface.addresses.private-ip-address",
            "network-interface.private-ip-address":
            return { $0.privateAddress.map { [$0] } ?? [] }
        case "ip-address", "network-interface.addresses.association.public-ip",
            "network-interface.association.public-ip":
            return { $0.publicAddress.map { [$0] } ?? [] }
        // Names are the addresses themselves as long as the cloud serves no DNS.
        case "private-dns-name", "network-interface.private-dns-name", "network-interface.addresses.private-dns-name":
            return { $0.privateAddress.map { [$0] } ?? [] }
        case "dns-name", "network-interface.public-dns-name", "network-interface.association.public-dns-name",
            "network-interface.addresses.association.public-dns-name":
            return { $0.publicAddress.map { [$0] } ?? [] }
        case "network-interface.addresses.association.ip-owner-id", "network-interface.association.ip-owner-id":
            return { $0.publicAddress == nil ? [] : ["amazon"] }
        case "network-interface.mac-address": return { [$0.macAddress] }
        case "network-interface.addresses.primary": return { _ in ["true"] }
        case "network-interface.attachment.instance-id": return { [$0.id.value] }
        case "network-interface.attachment.device-index", "network-interface.attachment.network-card-index":
            return { _ in ["0"] }
        case "network-interface.attachment.status": return { _ in ["attached"] }
        case "network-interface.attachment.delete-on-termination": return { _ in ["true"] }
        case "network-interface.status": return { _ in ["in-use"] }
        case "network-interface.network-interface-id": return { [NetworkInterface.id(of: $0.id)] }
        case "network-interface.attachment.attachment-id":
            return { NetworkInterface(of: $0).map { [$0.attachmentID] } ?? [] }
        case "network-interface.source-dest-check": return { _ in ["true"] }
        default: return nil
        }
    }

    private static func statusAttribute(_ name: String) -> (@Sendable (Instance) -> [String])? {
        switch name {
        case "instance-status.status", "system-status.status":
            return { [$0.state == .running ? "ok" : "not-applicable"] }
        case "instance-status.reachability", "system-status.reachability":
            return { $0.state == .running ? ["passed"] : [] }
        case "metadata-options.http-tokens":
            return { [$0.options?.metadata?.requiresTokens == true ? "required" : "optional"] }
        case "metadata-options.http-endpoint":
            return { [$0.options?.metadata?.isDisabled == true ? "disabled" : "enabled"] }
        case "metadata-options.http-put-response-hop-limit":
            return { [String($0.options?.metadata?.hopLimit ?? 1)] }
        // The end of a lease is EC2's retirement.
        case "event.code": return { $0.options?.lease == nil ? [] : ["instance-retirement"] }
        case "event.description": return { $0.options?.lease == nil ? [] : [Lease.eventDescription] }
        case "event.instance-event-id": return { $0.options?.lease == nil ? [] : [Lease.eventID(of: $0.id)] }
        case "event.not-before": return { $0.options?.lease.map { [$0.endsAt.iso8601] } ?? [] }
        case "event.not-before-deadline": return { $0.options?.lease.map { [$0.latest.iso8601] } ?? [] }
        default: return nil
        }
    }

    /// Attributes that every instance of this cloud has with the same value.
    private static let sameForAll = [
        "metadata-options.state": "applied", "metadata-options.http-protocol-ipv4": "enabled",
        "metadata-options.http-protocol-ipv6": "disabled",
        "metadata-options.instance-metadata-tags": "disabled",
        "capacity-reservation-specification.capacity-reservation-preference": "none",
        "network-interface.operator.managed": "false",
    ]

    /// Filters that EC2 knows and whose attributes no instance of this cloud has.
    private static let attributesWithoutValues: Set<String> = [
        "affinity", "application-status.status", "attached-ebs-status.status", "block-device-mapping.attach-time",
        "block-device-mapping.delete-on-termination", "block-device-mapping.device-name",
        "block-device-mapping.status", "block-device-mapping.volume-id", "boot-mode", "capacity-reservation-id",
        "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
        "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn",
        "current-instance-boot-mode",
        "event.not-after", "host-id", "instance-lifecycle", "ipv6-address", "maintenance-options.auto-recovery",
        "network-interface.addresses.association.allocation-id",
        "network-interface.addresses.association.association-id",
        "network-interface.addresses.association.carrier-ip",
        "network-interface.addresses.association.customer-owned-ip",
        "network-interface.association.allocation-id",
        "network-interface.association.association-id", "network-interface.association.carrier-ip",
        "network-interface.association.customer-owned-ip",
        "network-interface.deny-all-igw-traffic",
        "network-interface.description", "network-interface.ipv4-prefixes.ipv4-prefix",
        "network-interface.ipv6-address", "network-interface.ipv6-addresses.ipv6-address",
        "network-interface.ipv6-addresses.is-primary-ipv6", "network-interface.ipv6-native",
        "network-interface.ipv6-prefixes.ipv6-prefix",
        "network-interface.operator.principal",
        "network-interface.outpost-arn", "network-interface.requester-id",
        "network-interface.tag-key", "network-interface.tag-value",
        "network-performance-options.bandwidth-weighting", "operator.principal", "outpost-arn",
        "placement-partition-number", "platform",
        "private-dns-name-options.enable-resource-name-dns-a-record",
        "private-dns-name-options.enable-resource-name-dns-aaaa-record", "private-dns-name-options.hostname-type",
        "product-code", "product-code.type", "spot-instance-request-id", "tpm-support",
    ]
}
