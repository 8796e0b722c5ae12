// What fits where: pure arithmetic over the nodes of a zone.

/// An amount of what instances use.
public struct ResourceAmount: Hashable, Sendable {
    /// Virtual CPUs.
    public var cores: Int
    /// Memory in MiB.
    public var memoryMiB: Int
    /// Disk in GiB.
    public var diskGiB: Int
    /// Makes an amount.
    public init(cores: Int, memoryMiB: Int, diskGiB: Int) {
        self.cores = cores
        self.memoryMiB = memoryMiB
        self.diskGiB = diskGiB
    }
    /// Nothing.
    public static let zero = ResourceAmount(cores: 0, memoryMiB: 0, diskGiB: 0)
    /// Sum by resource.
    public static func + (left: Self, right: Self) -> Self {
        Self(
            cores: left.cores + right.cores, memoryMiB: left.memoryMiB + right.memoryMiB,
            diskGiB: left.diskGiB + right.diskGiB)
    }
    /// Difference by resource; may be negative.
    public static func - (left: Self, right: Self) -> Self {
        Self(
            cores: left.cores - right.cores, memoryMiB: left.memoryMiB - right.memoryMiB,
            diskGiB: left.diskGiB - right.diskGiB)
    }

    /// How many of `demand` fit into this amount; 0 when any resource is short.
    public func slots(for demand: ResourceAmount) -> Int {
        var slots = Int.max
        if demand.cores > 0 { slots = min(slots, cores / demand.cores) }
        if demand.memoryMiB > 0 { slots = min(slots, memoryMiB / demand.memoryMiB) }
        if demand.diskGiB > 0 { slots = min(slots, diskGiB / demand.diskGiB) }
        return slots == .max ? 0 : max(0, slots)
    }

    mutating func take(_ demand: ResourceAmount, times count: Int) {
        cores -= demand.cores * count
        memoryMiB -= demand.memoryMiB * count
        diskGiB -= demand.diskGiB * count
    }
}

/// Guest architectures, and what guests are started from, as a set: comparing them happens once per node and request.
public struct ArchitectureSet: OptionSet, Hashable, Sendable {
    /// One bit per architecture.
    public let rawValue: UInt8
    /// Makes a set from bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// 32-bit x86.
    public static let i386 = ArchitectureSet(rawValue: 1)
    /// 64-bit x86.
    public static let x86_64 = ArchitectureSet(rawValue: 2)
    /// Guests are started from a kernel outside of their disk.
    public static let fromKernel = ArchitectureSet(rawValue: 4)
    /// Guests are started by the boot loader on their disk.
    public static let fromDisk = ArchitectureSet(rawValue: 8)
    /// Reads EC2's names; names of other architectures count for nothing.
    public init(names: some Sequence<String>) {
        var set: ArchitectureSet = []
        for name in names {
            switch name {
            case "i386": set.insert(.i386)
            case "x86_64": set.insert(.x86_64)
            default: break
            }
        }
        self = set
    }
}

/// What one instance needs of a node.
public struct InstanceDemand: Hashable, Sendable {
    /// Resources.
    public var amount: ResourceAmount
    /// The architecture of its image, and what that is started from.
    public var architecture: ArchitectureSet
    /// Makes a demand.
    public init(amount: ResourceAmount, architecture: ArchitectureSet) {
        self.amount = amount
        self.architecture = architecture
    }
    /// The demand of an instance of `type` with an image of `architecture`, with or without a kernel of its own.
    public init(type: InstanceType, architecture: String, hasKernel: Bool) {
        self.init(
            amount: type.demand,
            architecture: ArchitectureSet(names: [architecture]).union(hasKernel ? .fromKernel : .fromDisk))
    }
}

extension InstanceType {
    /// What an instance of this type uses: its disks together, rounded up to whole GiB.
    public var demand: ResourceAmount {
        ResourceAmount(cores: cores, memoryMiB: memoryMiB, diskGiB: diskGiB + ephemeralGiB + (swapMiB + 1023) / 1024)
    }
}

/// The capacity of a zone: what its nodes report, what we know to be on them, and what was accepted but is on none yet.
///
/// A node's own figure and our knowledge lag behind each other in turn (a placement that the node has not counted yet,
/// an instance of which we have not heard), so a node's use is taken as the larger of the two. Instances without
/// a node are put into the free room in thought before anything is offered, so that what is accepted always fits.
public struct ZoneCapacity: Sendable {
    /// One node.
    public struct Node: Sendable {
        /// Its name.
        public var name: String
        /// Architectures that its guests may have, and what they may be started from.
        public var architectures: ArchitectureSet
        /// Whether it takes new instances (now, or after the cluster has woken it).
        public var acceptsInstances: Bool
        /// All that guests may use.
        public var total: ResourceAmount
        /// What the node last reported as free.
        public var reportedFree: ResourceAmount
        /// Makes a node.
        public init(
            name: String, architectures: ArchitectureSet, acceptsInstances: Bool, total: ResourceAmount,
            reportedFree: ResourceAmount
        ) {
            self.name = name
            self.architectures = architectures
            self.acceptsInstances = acceptsInstances
            self.total = total
            self.reportedFree = reportedFree
        }
    }

    private var nodes: [Node] = []
    private var indexByName: [String: Int] = [:]
    private var assigned: [String: ResourceAmount] = [:]
    private var unassigned: [InstanceDemand: Int] = [:]

    /// A zone without nodes.
    public init() {}

    /// Adds a node or replaces what was known of it.
    public mutating func setNode(_ node: Node) {
        if let index = indexByName[node.name] {
            nodes[index] = node
        } else {
            indexByName[node.name] = nodes.count
            nodes.append(node)
        }
    }

    /// Forgets a node; what is assigned to it stays known, in case that it comes back.
    public mutating func removeNode(_ name: String) {
        guard let index = indexByName.removeValue(forKey: name) else { return }
        nodes.remove(at: index)
        for later in index..<nodes.count { indexByName[nodes[later].name] = later }
    }

    /// Forgets all nodes but those named.
    public mutating func keepNodes(_ names: Set<String>) {
        nodes.removeAll { !names.contains($0.name) }
        indexByName = [:]
        for (index, node) in nodes.enumerated() { indexByName[node.name] = index }
    }

    /// An instance uses resources of a node, or of one that is still to be chosen (nil).
    public mutating func occupy(_ demand: InstanceDemand, node: String?) {
        if let node {
            assigned[node, default: .zero] = assigned[node, default: .zero] + demand.amount
        } else {
            unassigned[demand, default: 0] += 1
        }
    }

    /// Takes back what `occupy` noted.
    public mutating func release(_ demand: InstanceDemand, node: String?) {
        if let node {
            let left = assigned[node, default: .zero] - demand.amount
            assigned[node] = left == .zero ? nil : left
        } else {
            let left = unassigned[demand, default: 0] - 1
            unassigned[demand] = left > 0 ? left : nil
        }
    }

    /// Number of instances that are accepted and on no node yet.
    public var unassignedCount: Int { unassigned.values.reduce(0, +) }

    /// The room that is left, node by node.
    public struct FreeRoom: Sendable {
        var rooms: [(architectures: ArchitectureSet, free: ResourceAmount)]

        /// How many instances still fit.
        public func slots(for demand: InstanceDemand) -> Int {
            var slots = 0
            for room in rooms where room.architectures.contains(demand.architecture) {
                slots += room.free.slots(for: demand.amount)
            }
            return slots
        }

        /// The most that is free of each resource on any one node, and in all, for messages.
        public func summary(architecture: ArchitectureSet) -> (largest: ResourceAmount, sum: ResourceAmount) {
            var largest = ResourceAmount.zero
            var sum = ResourceAmount.zero
            for room in rooms where room.architectures.contains(architecture) {
                let free = ResourceAmount(
                    cores: max(0, room.free.cores), memoryMiB: max(0, room.free.memoryMiB),
                    diskGiB: max(0, room.free.diskGiB))
                largest.cores = max(largest.cores, free.cores)
                largest.memoryMiB = max(largest.memoryMiB, free.memoryMiB)
                largest.diskGiB = max(largest.diskGiB, free.diskGiB)
                sum = sum + free
            }
            return (largest, sum)
        }

        /// The resource of which the fewest instances can be had, counted node by node.
        public func scarcestResource(for demand: InstanceDemand) -> String {
            var cores = 0
            var memory = 0
            var disk = 0
            for room in rooms where room.architectures.contains(demand.architecture) {
                if demand.amount.cores > 0 { cores += max(0, room.free.cores / demand.amount.cores) }
                if demand.amount.memoryMiB > 0 { memory += max(0, room.free.memoryMiB / demand.amount.memoryMiB) }
                if demand.amount.diskGiB > 0 { disk += max(0, room.free.diskGiB / demand.amount.diskGiB) }
            }
            if rooms.allSatisfy({ !$0.architectures.contains(demand.architecture) }) { return "nodes" }
            if memory <= cores, memory <= disk { return "memory" }
            return cores <= disk ? "cores" : "disk"
        }

        mutating func fill(_ demand: InstanceDemand, count: Int) {
            var left = count
            for index in rooms.indices where left > 0 && rooms[index].architectures.contains(demand.architecture) {
                let taken = min(left, rooms[index].free.slots(for: demand.amount))
                rooms[index].free.take(demand.amount, times: taken)
                left -= taken
            }
        }
    }

    /// What is free now for new instances.
    public func freeRoom() -> FreeRoom {
        var rooms: [(architectures: ArchitectureSet, free: ResourceAmount)] = []
        rooms.reserveCapacity(nodes.count)
        for node in nodes where node.acceptsInstances {
            rooms.append((node.architectures, free(of: node)))
        }
        var room = FreeRoom(rooms: rooms)
        // Larger ones first: they are the ones that a small one could crowd out.
        let waiting = unassigned.sorted { left, right in
            (left.key.amount.memoryMiB, left.key.amount.cores, left.key.amount.diskGiB)
                > (right.key.amount.memoryMiB, right.key.amount.cores, right.key.amount.diskGiB)
        }
        for (demand, count) in waiting { room.fill(demand, count: count) }
        return room
    }

    /// What the zone could hold if it were empty.
    public func totalRoom() -> FreeRoom {
        FreeRoom(rooms: nodes.filter(\.acceptsInstances).map { ($0.architectures, $0.total) })
    }

    /// What is free on one node, before anything that has no node yet.
    public func free(ofNode name: String) -> ResourceAmount? {
        indexByName[name].map { free(of: nodes[$0]) }
    }

    private func free(of node: Node) -> ResourceAmount {
        let mine = assigned[node.name] ?? .zero
        return ResourceAmount(
            cores: min(node.reportedFree.cores, node.total.cores - mine.cores),
            memoryMiB: min(node.reportedFree.memoryMiB, node.total.memoryMiB - mine.memoryMiB),
            diskGiB: min(node.reportedFree.diskGiB, node.total.diskGiB - mine.diskGiB))
    }
}

/// How many instances of a request go to which zone.
public enum ZoneAllocation {
    /// A zone that could take instances.
    public struct Offer: Hashable, Sendable {
        /// The zone.
        public var zone: String
        /// How many of the instances wanted fit into it.
        public var slots: Int
        /// Makes an offer.
        public init(zone: String, slots: Int) {
            self.zone = zone
            self.slots = slots
        }
    }

    /// Divides a request over zones: all of it into the zone with the most room if it fits there, otherwise over as
    /// few zones as possible; at most `maximum`, and nil if not even `minimum` fit together. Zones with equal room are
    /// taken in the order offered.
    public static func divide(minimum: Int, maximum: Int, over offers: [Offer]) -> [(zone: String, count: Int)]? {
        let total = offers.reduce(0) { $0 + $1.slots }
        guard total >= minimum, minimum > 0 else { return nil }
        var left = min(maximum, total)
        var result: [(zone: String, count: Int)] = []
        let order = offers.enumerated().sorted {
            $0.element.slots != $1.element.slots ? $0.element.slots > $1.element.slots : $0.offset < $1.offset
        }
        for offer in order.map(\.element) where left > 0 && offer.slots > 0 {
            let count = min(left, offer.slots)
            result.append((offer.zone, count))
            left -= count
        }
        return result
    }
}
