import Contracts
import XML

/// Which node an instance was given to: the only durable state of the cluster.
///
///     assigned ──▶ acknowledged ──▶ (terminated on the node) ──▶ forgotten
///        │  ▲            │                                          ▲
///        │  └ reassigned │ (the node never answered for it)         │
///        ▼               ▼                                          │
///      failed ───────────┴── terminating ──────────────────────────┘
struct Placement: Sendable {
    /// Where placements lie in the store.
    static let prefix = "/placements/"

    enum Phase: String, Sendable {
        /// Given to a node that has not acknowledged it.
        case assigned
        /// The node has it, or had it.
        case acknowledged
        /// To be ended; the node has not confirmed it.
        case terminating
        /// Will never run; `reason` says why.
        case failed
    }

    var spec: Contract.InstanceSpec
    var node: String
    var phase: Phase
    var reason: Contract.StateReason?
    /// When it was given to this node, or failed; milliseconds since 1970.
    var since: Int64
    /// Nodes that refused it, so that it does not go round in circles.
    var refusedBy: Set<String> = []

    init(spec: Contract.InstanceSpec, node: String, since: Int64) {
        self.spec = spec
        self.node = node
        phase = .assigned
        self.since = since
    }

    var key: String { Self.prefix + spec.instanceId }
    var address: UInt32? { spec.privateAddress.flatMap { AddressPool.parse($0) } }

    /// As it is kept in the store.
    var stored: [UInt8] {
        var writer = XMLWriter()
        writer.open(
            "placement",
            [
                (name: "version", value: "1"), (name: "node", value: node), (name: "phase", value: phase.rawValue),
                (name: "since", value: String(since)), (name: "code", value: reason?.code ?? ""),
                (name: "message", value: reason?.message ?? ""),
            ])
        spec.write(to: &writer, as: "instance")
        writer.close()
        return writer.bytes
    }

    /// A record of the store that does not say what it should.
    struct Damaged: Error, CustomStringConvertible { var description: String }

    /// Reads what `stored` wrote.
    init(stored bytes: [UInt8]) throws {
        let root = try XMLElement.parse(bytes)
        guard root.attribute("version") == "1", let node = root.attribute("node"),
            let phase = root.attribute("phase").flatMap(Phase.init),
            let since = root.attribute("since").flatMap(Int64.init),
            let instance = root.child("instance")
        else { throw Damaged(description: "a placement in the cluster's store is damaged, or of a later release") }
        spec = try Contract.InstanceSpec(xml: instance)
        self.node = node
        self.phase = phase
        self.since = since
        if let code = root.attribute("code"), !code.isEmpty {
            reason = Contract.StateReason(code: code, message: root.attribute("message") ?? "")
        }
    }

    /// What is said of the instance while its node has not reported it.
    func report(zone: String, generation: Int64, at now: Int64) -> Contract.InstanceReport {
        let state: Contract.InstanceState =
            switch phase {
            case .assigned, .acknowledged: .pending
            case .terminating: .shuttingDown
            case .failed: .terminated
            }
        return Contract.InstanceReport(
            instanceId: spec.instanceId, state: state,
            detail: phase == .acknowledged ? "its node has not reported yet" : "waiting for its node", reason: reason,
            nodeName: node, generation: generation, stateChangedAt: phase == .failed ? since : now, spec: spec)
    }
}
