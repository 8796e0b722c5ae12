// Filters of images, key pairs, groups, zones, regions, types and tags (API reference, 2016-11-15).

extension Image: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (Image) -> [String])? {
        switch name {
        case "architecture": return { [$0.architecture] }
        case "creation-date": return { [$0.createdAt.iso8601] }
        case "description": return { $0.description.map { [$0] } ?? [] }
        case "image-id": return { [$0.id.value] }
        case "image-type": return { [$0.kind.rawValue] }
        case "is-public": return { [$0.isPublic ? "true" : "false"] }
        case "kernel-id": return { $0.kernelID.map { [$0.value] } ?? [] }
        case "ramdisk-id": return { $0.ramdiskID.map { [$0.value] } ?? [] }
        case "manifest-location": return { [$0.location] }
        case "name": return { [$0.name] }
        case "owner-id": return { [$0.accountID] }
        case "root-device-name": return { [$0.rootDeviceName] }
        case "root-device-type": return { _ in ["instance-store"] }
        case "state": return { [$0.state.rawValue] }
        case "virtualization-type": return { _ in ["hvm"] }
        case "hypervisor": return { _ in ["xen"] }
        case "ena-support", "free-tier-eligible": return { _ in ["false"] }
        case "image-allowed": return { _ in ["true"] }
        case "block-device-mapping.delete-on-termination", "block-device-mapping.device-name",
            "block-device-mapping.snapshot-id", "block-device-mapping.volume-size",
            "block-device-mapping.volume-type", "block-device-mapping.encrypted", "owner-alias", "platform",
            "product-code", "product-code.type", "source-image-id", "source-image-region", "source-instance-id",
            "sriov-net-support", "image-watermark.source-image-creation-time", "image-watermark.source-image-id",
            "image-watermark.source-image-region", "image-watermark.watermark-creation-time",
            "image-watermark.watermark-key", "public-ssm-parameter-name":
            return { _ in [] }
        // Nothing looks for weaknesses in images.
        case let name where name.hasPrefix("scan-result."): return { _ in [] }
        case "state-reason-code": return { $0.failure == nil ? [] : [Image.failureCode] }
        case "state-reason-message": return { $0.failure.map { [$0] } ?? [] }
        default: return nil
        }
    }
}

extension KeyPair: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (KeyPair) -> [String])? {
        switch name {
        case "key-pair-id": return { [$0.id.value] }
        case "fingerprint": return { [$0.fingerprint] }
        case "key-name": return { [$0.name] }
        case "key-type": return { [$0.type] }
        default: return nil
        }
    }
}

extension SecurityGroup: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (SecurityGroup) -> [String])? {
        switch name {
        case "description": return { [$0.description] }
        case "group-id": return { [$0.id.value] }
        case "group-name": return { [$0.name] }
        case "owner-id": return { [$0.accountID] }
        case "vpc-id": return { [NetworkPart.vpc.id(of: $0.accountID)] }
        default: break
        }
        let egress = name.hasPrefix("egress.ip-permission.")
        guard egress || name.hasPrefix("ip-permission."), let last = name.split(separator: ".").last,
            let value = ruleAttribute(String(last))
        else { return nil }
        return { group in group.rules.filter { $0.isEgress == egress }.compactMap(value) }
    }

    private static func ruleAttribute(_ name: String) -> (@Sendable (SecurityGroupRule) -> String?)? {
        switch name {
        case "protocol": return { $0.ipProtocol }
        case "from-port": return { String($0.fromPort) }
        case "to-port": return { String($0.toPort) }
        case "cidr": return { if case .cidr(let block) = $0.peer { block } else { nil } }
        case "ipv6-cidr": return { if case .cidrV6(let block) = $0.peer { block } else { nil } }
        case "group-id": return { if case .group(let id, _, _) = $0.peer { id.value } else { nil } }
        case "user-id": return { if case .group(_, let account, _) = $0.peer { account } else { nil } }
        case "group-name": return { if case .group(_, _, let name) = $0.peer { name } else { nil } }
        case "prefix-list-id": return { _ in nil }
        default: return nil
        }
    }
}

extension AvailabilityZone: FilterableResource {
    /// None.
    public var filterableTags: [Tag] { [] }

    /// EC2's zone id of a zone: the region's initials, its number and the letter's, such as "use1-az1".
    public static func zoneID(name: String) -> String {
        let parts = name.split(separator: "-")
        guard parts.count >= 3, let last = parts.last, let letter = last.unicodeScalars.last,
            letter.value >= 97, letter.value <= 122
        else { return name }
        var initials = String(parts[0])
        // "us-east-1a" is use1-az1, "ap-southeast-2b" is apse2-az2.
        for part in parts.dropFirst().dropLast() {
            switch part {
            case "northeast": initials += "ne"
            case "northwest": initials += "nw"
            case "southeast": initials += "se"
            case "southwest": initials += "sw"
            default: initials += String(part.prefix(1))
            }
        }
        return initials + last.dropLast() + "-az" + String(letter.value - 96)
    }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (AvailabilityZone) -> [String])? {
        switch name {
        case "zone-name": return { [$0.name] }
        case "zone-id": return { [zoneID(name: $0.name)] }
        case "region-name", "group-name": return { [$0.region] }
        case "state": return { [$0.isAvailable ? "available" : "unavailable"] }
        case "message": return { $0.message.map { [$0] } ?? [] }
        case "opt-in-status": return { _ in ["opt-in-not-required"] }
        case "zone-type": return { _ in ["availability-zone"] }
        case "group-long-name", "parent-zone-id", "parent-zone-name": return { _ in [] }
        default: return nil
        }
    }
}

extension Region: FilterableResource {
    /// None.
    public var filterableTags: [Tag] { [] }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (Region) -> [String])? {
        switch name {
        case "region-name": return { [$0.name] }
        case "endpoint": return { [$0.endpoint] }
        case "opt-in-status": return { _ in ["opt-in-not-required"] }
        default: return nil
        }
    }
}

extension InstanceType: FilterableResource {
    /// None.
    public var filterableTags: [Tag] { [] }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (InstanceType) -> [String])? {
        switch name {
        case "instance-type": return { [$0.name] }
        case "memory-info.size-in-mib": return { [String($0.memoryMiB)] }
        case "vcpu-info.default-vcpus", "vcpu-info.default-cores", "vcpu-info.valid-cores":
            return { [String($0.cores)] }
        case "vcpu-info.default-threads-per-core", "vcpu-info.valid-threads-per-core": return { _ in ["1"] }
        case "instance-storage-supported": return { _ in ["true"] }
        case "instance-storage-info.total-size-in-gb", "instance-storage-info.disk.size-in-gb":
            return { [String($0.diskGiB + $0.ephemeralGiB)] }
        case "current-generation": return { [$0.isCurrentGeneration ? "true" : "false"] }
        case "supported-root-device-type": return { _ in ["instance-store"] }
        case "supported-usage-class": return { _ in ["on-demand"] }
        case "supported-virtualization-type": return { _ in ["hvm"] }
        case "supported-boot-mode": return { _ in ["legacy-bios"] }
        case "processor-info.supported-architecture": return { _ in ["i386", "x86_64"] }
        case "hypervisor": return { _ in ["xen"] }
        case "auto-recovery-supported", "bare-metal", "burstable-performance-supported",
            "dedicated-hosts-supported", "free-tier-eligible", "hibernation-supported",
            "network-info.efa-supported", "network-info.encryption-in-transit-supported",
            "network-info.flexible-ena-queues-support", "network-info.ipv6-supported":
            return { _ in ["false"] }
        case "ebs-info.ebs-optimized-support", "ebs-info.encryption-support", "ebs-info.nvme-support",
            "instance-storage-info.encryption-support", "instance-storage-info.nvme-support",
            "network-info.ena-support", "nitro-enclaves-support", "nitro-tpm-support", "reboot-migration-support":
            return { _ in ["unsupported"] }
        case "instance-storage-info.disk.count": return { [$0.ephemeralGiB > 0 ? "2" : "1"] }
        case "instance-storage-info.disk.type": return { _ in ["hdd"] }
        case "network-info.ipv4-addresses-per-interface", "network-info.maximum-network-cards",
            "network-info.maximum-network-interfaces":
            return { _ in ["1"] }
        case "ebs-info.attachment-limit-type", "ebs-info.maximum-ebs-attachments",
            "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps",
            "ebs-info.ebs-optimized-info.baseline-iops",
            "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps",
            "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", "ebs-info.ebs-optimized-info.maximum-iops",
            "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps", "network-info.bandwidth-weightings",
            "network-info.efa-info.maximum-efa-interfaces", "network-info.ipv6-addresses-per-interface",
            "network-info.network-performance", "nitro-tpm-info.supported-versions",
            "processor-info.sustained-clock-speed-in-ghz", "processor-info.supported-features":
            return { _ in [] }
        default: return nil
        }
    }
}

extension TagDescription: FilterableResource {
    /// The tag itself.
    public var filterableTags: [Tag] { [tag] }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (TagDescription) -> [String])? {
        switch name {
        case "key", "tag-key": return { [$0.tag.key] }
        case "value", "tag-value": return { [$0.tag.value] }
        case "resource-id": return { [$0.resourceID] }
        case "resource-type": return { [$0.resource.rawValue] }
        default: return nil
        }
    }
}
