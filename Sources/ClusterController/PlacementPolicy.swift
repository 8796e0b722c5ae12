public import Contracts

/// A node as a placement policy sees it: what is free counts everything that was promised.
public struct PlacementCandidate: Sendable, Hashable {
    /// The node's name.
    public var name: String
    /// up or asleep; others are not offered.
    public var state: Contract.NodeState
    /// Free virtual CPUs.
    public var freeCores: Int
    /// Free memory in MiB.
    public var freeMemoryMiB: Int
    /// Free disk in GiB.
    public var freeDiskGiB: Int
    /// Instances on it.
    public var instanceCount: Int

    /// Makes a candidate.
    public init(
        name: String, state: Contract.NodeState, freeCores: Int, freeMemoryMiB: Int, freeDiskGiB: Int,
        instanceCount: Int
    ) {
        self.name = name
        self.state = state
        self.freeCores = freeCores
        self.freeMemoryMiB = freeMemoryMiB
        self.freeDiskGiB = freeDiskGiB
        self.instanceCount = instanceCount
    }

    /// Whether an instance of this type fits.
    public func fits(_ type: Contract.InstanceTypeSpec) -> Bool {
        freeCores >= type.cores && freeMemoryMiB >= type.memoryMiB && freeDiskGiB >= type.diskTotalGiB
    }
}

extension Contract.InstanceTypeSpec {
    /// Root, ephemeral and swap disk together, in GiB, swap rounded up.
    var diskTotalGiB: Int { diskGiB + (ephemeralGiB ?? 0) + ((swapMiB ?? 0) + 1023) / 1024 }
}

/// What a policy decided.
public enum PlacementDecision: Sendable, Hashable {
    /// This node.
    case node(String)
    /// None now, but this sleeping one was asked to wake.
    case waking(String)
    /// None.
    case none(reason: String)
}

/// Chooses the node of an instance. Candidates are ordered by name, are up or asleep, and can run the instance's
/// architecture; those that do not fit are among them, so that a policy can see the whole zone.
public protocol PlacementPolicy: Sendable {
    /// The name that the configuration gives it.
    var name: String { get }
    /// Chooses. May be called again for the same instance if the node could not take it after all.
    func choose(for instance: Contract.InstanceSpec, among candidates: [PlacementCandidate]) async -> PlacementDecision
}

/// Fills the first node that fits, in the order of names (the original's GREEDY).
public struct GreedyPlacement: PlacementPolicy {
    /// "GREEDY".
    public let name = "GREEDY"
    /// The policy has no state.
    public init() {}
    /// The first node that is up and fits.
    public func choose(for instance: Contract.InstanceSpec, among candidates: [PlacementCandidate]) async
        -> PlacementDecision
    {
        Self.firstFit(instance.instanceType, candidates).map { .node($0.name) } ?? .none(reason: "no node fits")
    }

    static func firstFit(_ type: Contract.InstanceTypeSpec, _ candidates: [PlacementCandidate]) -> PlacementCandidate? {
        candidates.first { $0.state == .up && $0.fits(type) }
    }
}

/// Goes round the nodes, continuing after the last one chosen (the original's ROUNDROBIN, its default).
public actor RoundRobinPlacement: PlacementPolicy {
    /// "ROUNDROBIN".
    public nonisolated let name = "ROUNDROBIN"
    private var last: String?
    /// Starts with the first node.
    public init() {}
    /// The next node after the last one chosen that is up and fits.
    public func choose(for instance: Contract.InstanceSpec, among candidates: [PlacementCandidate]) async
        -> PlacementDecision
    {
        let start = last.flatMap { name in candidates.firstIndex { $0.name > name } } ?? 0
        for offset in 0..<candidates.count {
            let candidate = candidates[(start + offset) % candidates.count]
            if candidate.state == .up && candidate.fits(instance.instanceType) {
                last = candidate.name
                return .node(candidate.name)
            }
        }
        return .none(reason: "no node fits")
    }
}

/// Wakes and puts to sleep nodes. How (wake-on-LAN, IPMI, a site's command) is the implementation's business.
public protocol NodePower: Sendable {
    /// Asks a sleeping node to wake; returns when it was asked, not when it is up.
    func wake(_ nodeName: String) async -> Bool
    /// Asks an idle node to sleep.
    func sleep(_ nodeName: String) async -> Bool
}

/// First fit over the nodes that are awake; if none fits, wakes a sleeping one (the original's POWERSAVE).
public struct PowerSavePlacement: PlacementPolicy {
    /// "POWERSAVE".
    public let name = "POWERSAVE"
    private let power: any NodePower
    /// Uses `power` to wake nodes.
    public init(power: any NodePower) { self.power = power }
    /// The first awake node that fits, or the waking of the first sleeping one that would.
    public func choose(for instance: Contract.InstanceSpec, among candidates: [PlacementCandidate]) async
        -> PlacementDecision
    {
        if let awake = GreedyPlacement.firstFit(instance.instanceType, candidates) { return .node(awake.name) }
        for sleeping in candidates where sleeping.state == .asleep && sleeping.fits(instance.instanceType) {
            if await power.wake(sleeping.name) { return .waking(sleeping.name) }
        }
        return .none(reason: "no node that is awake fits, and none could be woken")
    }
}
