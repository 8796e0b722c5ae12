public import CloudModel

// What is known of a zone from its cluster controller, in memory only: after a restart the zone tells it again.

/// One zone as the watcher and the reconciler see it.
///
///     unheard ──answer──▶ available ──no answer──▶ silent ──answer──▶ available
struct ZoneState: Sendable {
    let name: String
    /// Whether the cluster controller answers.
    var isAvailable = false
    /// Why it is not available, for users.
    var message: String?
    /// The nodes that it knows.
    var nodes: [String: AvailabilityZone.Node] = [:]

    /// Of the last answer; nil before the first.
    var epoch: String?
    var revision: Int64 = 0
    /// Whether all nodes that the cluster remembers have reported, so that an instance that it does not know is not.
    var isSettled = false
    /// The instances that it knows.
    var known: Set<InstanceID> = []

    /// When (see `CloudController.sequence`) an instance was placed that the cluster has not reported yet.
    var placedAt: [InstanceID: Int64] = [:]
    /// Alive on a node though they are over, or were forgotten.
    var strays: Set<InstanceID> = []
    /// When the zone was last told to end an instance.
    var endAskedAt: [InstanceID: ContinuousClock.Instant] = [:]
    /// Placements that are to be tried again.
    var retries: [InstanceID: PlacementRetry] = [:]
    /// What the nodes' metadata have of instance profiles; see `InstanceCredentials.swift`.
    var credentials: [InstanceID: CredentialsDelivery] = [:]
    /// Revision of the network document that the zone has, in this epoch.
    var networkRevision: Int64?

    var status: ReconcilerStatus

    init(name: String) {
        self.name = name
        message = "The zone's cluster controller has not answered yet."
        status = ReconcilerStatus(zone: name)
    }
}

/// A placement that failed and may succeed later.
struct PlacementRetry: Sendable {
    var attempts: Int
    /// Not before this moment.
    var due: ContinuousClock.Instant
}

/// What a zone's reconciler did last, for administrators.
public struct ReconcilerStatus: Hashable, Sendable {
    /// The zone.
    public var zone: String
    /// How often it has run since the start.
    public var runs = 0
    /// When it last began.
    public var startedAt: Timestamp?
    /// How long that took, in milliseconds; nil while it works.
    public var milliseconds: Int64?
    /// How many instances it placed, and told to end, in that run.
    public var placed = 0
    /// See `placed`.
    public var ended = 0
    /// What went wrong in that run.
    public var problem: String?
    /// Instances that wait for a node.
    public var unplaced = 0
    /// Instances that are to end.
    public var ending = 0

    init(zone: String) { self.zone = zone }
}

extension CloudController {
    /// What the reconcilers did last, zone by zone.
    public func reconcilerStatus() -> [ReconcilerStatus] {
        zones.compactMap { link in
            var status = zoneStates[link.name]?.status
            status?.unplaced = view.instances.zones[link.name]?.unplaced.count ?? 0
            status?.ending = view.instances.zones[link.name]?.ending.count ?? 0
            return status
        }
    }

    /// Changes what is known of a zone.
    func withZone(_ name: String, _ change: (inout ZoneState) -> Void) {
        guard zoneStates[name] != nil else { return }
        change(&zoneStates[name, default: ZoneState(name: name)])
    }
}
