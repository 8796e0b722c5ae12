public import Contracts

/// Cores, memory and disk, as amounts.
public struct NodeResources: Sendable, Equatable {
    /// Virtual processors.
    public var cores: Int64
    /// Memory in MiB.
    public var memoryMiB: Int64
    /// Disk in GiB.
    public var diskGiB: Int64

    /// Amounts.
    public init(cores: Int64, memoryMiB: Int64, diskGiB: Int64) {
        self.cores = cores
        self.memoryMiB = memoryMiB
        self.diskGiB = diskGiB
    }

    /// Nothing.
    public static let none = NodeResources(cores: 0, memoryMiB: 0, diskGiB: 0)

    /// What an instance takes. A root disk takes the larger of its type's size and its image's; swap counts in whole GiB.
    public init(of spec: Contract.InstanceSpec) {
        let type = spec.instanceType
        let gibibyte: Int64 = 1 << 30
        let image = ((spec.image.virtualSizeBytes ?? 0) + gibibyte - 1) / gibibyte
        let swap = (Int64(type.swapMiB ?? 0) + 1023) / 1024
        self.init(
            cores: Int64(type.cores), memoryMiB: Int64(type.memoryMiB),
            diskGiB: max(Int64(type.diskGiB), image) + Int64(type.ephemeralGiB ?? 0) + swap)
    }

    /// The sum.
    public static func + (a: NodeResources, b: NodeResources) -> NodeResources {
        NodeResources(cores: a.cores + b.cores, memoryMiB: a.memoryMiB + b.memoryMiB, diskGiB: a.diskGiB + b.diskGiB)
    }

    /// The difference.
    public static func - (a: NodeResources, b: NodeResources) -> NodeResources {
        NodeResources(cores: a.cores - b.cores, memoryMiB: a.memoryMiB - b.memoryMiB, diskGiB: a.diskGiB - b.diskGiB)
    }

    /// The first resource of which `needed` is more than there is here, as the fault to answer with; nil if it fits.
    func shortage(for needed: NodeResources, node: String) -> ServiceFault? {
        let checks = [
            ("cores", "cores", needed.cores, cores), ("memory", "MiB of memory", needed.memoryMiB, memoryMiB),
            ("disk", "GiB of disk", needed.diskGiB, diskGiB),
        ]
        for (resource, unit, need, have) in checks where need > have {
            return ServiceFault(
                code: .insufficientResources,
                message: "node \(node) has \(max(0, have)) \(unit) free, the instance needs \(need); "
                    + "choose a smaller type or wait until instances end",
                resource: resource, needed: need, available: max(0, have))
        }
        return nil
    }
}
