import CloudModel
import XML

// The elements of an instance type, in EC2's form and in the original's.
extension XMLWriter {
    /// EC2's form. What a private cloud has no notion of is left out.
    mutating func instanceType(_ type: InstanceType) {
        element("instanceType", type.name)
        element("currentGeneration", type.isCurrentGeneration)
        element("freeTierEligible", false)
        items("supportedUsageClasses", ["on-demand"])
        items("supportedRootDeviceTypes", ["instance-store"])
        items("supportedVirtualizationTypes", ["hvm"])
        element("bareMetal", false)
        element("hypervisor", "xen")
        open("processorInfo")
        items("supportedArchitectures", ["i386", "x86_64"])
        close()
        open("vCpuInfo")
        element("defaultVCpus", type.cores)
        element("defaultCores", type.cores)
        element("defaultThreadsPerCore", 1)
        items("validCores", [String(type.cores)])
        items("validThreadsPerCore", ["1"])
        close()
        open("memoryInfo")
        element("sizeInMiB", type.memoryMiB)
        close()
        element("instanceStorageSupported", true)
        storage(type)
        open("ebsInfo")
        element("ebsOptimizedSupport", "unsupported")
        element("encryptionSupport", "unsupported")
        element("nvmeSupport", "unsupported")
        close()
        network()
        open("placementGroupInfo")
        items("supportedStrategies", [PlacementGroup.strategy])
        close()
        element("hibernationSupported", false)
        element("burstablePerformanceSupported", false)
        element("dedicatedHostsSupported", false)
        element("autoRecoverySupported", false)
        items("supportedBootModes", ["legacy-bios"])
        element("nitroEnclavesSupport", "unsupported")
        element("nitroTpmSupport", "unsupported")
        element("phcSupport", "unsupported")
    }

    private mutating func storage(_ type: InstanceType) {
        open("instanceStorageInfo")
        element("totalSizeInGB", type.diskGiB + type.ephemeralGiB)
        open("disks")
        for size in [type.diskGiB, type.ephemeralGiB] where size > 0 {
            open("item")
            element("sizeInGB", size)
            element("count", 1)
            element("type", "hdd")
            close()
        }
        close()
        element("nvmeSupport", "unsupported")
        element("encryptionSupport", "unsupported")
        close()
    }

    private mutating func network() {
        open("networkInfo")
        element("maximumNetworkInterfaces", 1)
        element("maximumNetworkCards", 1)
        element("defaultNetworkCardIndex", 0)
        open("networkCards")
        open("item")
        element("networkCardIndex", 0)
        element("maximumNetworkInterfaces", 1)
        close()
        close()
        element("ipv4AddressesPerInterface", 1)
        element("ipv6AddressesPerInterface", 0)
        element("ipv6Supported", false)
        element("enaSupport", "unsupported")
        element("efaSupported", false)
        element("encryptionInTransitSupported", false)
        close()
    }

    private mutating func items(_ name: String, _ values: [String]) {
        open(name)
        for value in values { element("item", value) }
        close()
    }

    /// The original's form (VmTypeDetails of its API), with slots per zone if `zones` are given.
    mutating func originalType(_ type: InstanceType, zones: [AvailabilityZone]) {
        element("name", type.name)
        element("cpu", type.cores)
        element("disk", type.diskGiB)
        element("memory", type.memoryMiB)
        open("availability")
        for zone in zones {
            for slots in zone.slots where slots.type.name == type.name {
                open("item")
                element("name", type.name)
                element("zoneName", zone.name)
                element("max", slots.maximum)
                element("available", slots.free)
                close()
            }
        }
        close()
        open("ephemeralDisk")
        if type.ephemeralGiB > 0 {
            open("item")
            element("virtualDeviceName", "ephemeral0")
            element("size", type.ephemeralGiB)
            close()
        }
        close()
    }
}
