// What a report about an instance does to the cloud's record of it: a pure state machine, see `InstanceState` for the
// diagram. The record holds intent and the last fact; a report only ever changes the fact.

/// What a node says about one of its instances.
public struct InstanceObservation: Hashable, Sendable {
    /// State on the node.
    public var state: InstanceState
    /// Why, if the node knows.
    public var reason: StateReason?
    /// The node.
    public var nodeName: String
    /// Grows with every change of the instance on that node.
    public var generation: Int64
    /// When the state changed.
    public var stateChangedAt: Timestamp
    /// Private IPv4 address, when assigned.
    public var privateAddress: String?
    /// Public IPv4 address, when assigned.
    public var publicAddress: String?
    /// What it runs on, once it does; see `Instance.machine`.
    public var machine: String?
    /// Makes an observation.
    public init(
        state: InstanceState, reason: StateReason? = nil, nodeName: String, generation: Int64,
        stateChangedAt: Timestamp, privateAddress: String? = nil, publicAddress: String? = nil,
        machine: String? = nil
    ) {
        self.state = state
        self.reason = reason
        self.nodeName = nodeName
        self.generation = generation
        self.stateChangedAt = stateChangedAt
        self.privateAddress = privateAddress
        self.publicAddress = publicAddress
        self.machine = machine
    }
}

/// What became of a report.
public enum ObservationOutcome: Hashable, Sendable {
    /// Older than what is known, or about an instance that is over: nothing to do.
    case ignored
    /// Only its generation is new: to be remembered, but not worth a write.
    case unchanged(Instance)
    /// The record is now this.
    case changed(Instance)
    /// The instance is over for the cloud and yet alive on the node: the node must end it.
    case mustEnd
}

extension Instance {
    /// The record after `observation`.
    public func applying(_ observation: InstanceObservation) -> ObservationOutcome {
        if state == .terminated {
            return observation.state == .terminated ? .ignored : .mustEnd
        }
        // Generations count on one node; one that is not on a node yet has none to compare with.
        let sameNode = nodeName == nil || nodeName == observation.nodeName
        if nodeName == observation.nodeName, observation.generation <= reportGeneration { return .ignored }
        // A node that no longer has the instance does not speak for the one that has it now.
        if !sameNode, !observation.state.holdsResources { return .ignored }
        var next = self
        next.nodeName = observation.nodeName
        next.reportGeneration = observation.generation
        if let address = observation.privateAddress { next.privateAddress = address }
        if let address = observation.publicAddress { next.publicAddress = address }
        if let machine = observation.machine { next.machine = machine }
        if observation.state != state, state.canBecome(observation.state) {
            next.state = observation.state
            next.stateChangedAt = observation.stateChangedAt
            next.stateReason = reason(for: observation)
        }
        var comparable = next
        comparable.reportGeneration = reportGeneration
        return comparable == self ? .unchanged(next) : .changed(next)
    }

    private func reason(for observation: InstanceObservation) -> StateReason? {
        switch observation.state {
        case .running, .pending:
            return nil
        case .shuttingDown, .terminated, .stopping, .stopped:
            // What the owner asked for explains the end better than what the node saw of it.
            if intent == .terminate { return stateReason }
            return observation.reason
                ?? StateReason(
                    code: "Client.InstanceInitiatedShutdown",
                    message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown")
        }
    }

    /// The record of an instance whose owner asks for its end; itself if that is already so.
    public func terminating(at now: Timestamp) -> Instance {
        var next = self
        next.intent = .terminate
        if state != .terminated, state != .shuttingDown {
            next.state = .shuttingDown
            next.stateChangedAt = now
            next.stateReason = StateReason(
                code: "Client.UserInitiatedShutdown", message: "Client.UserInitiatedShutdown: User initiated shutdown")
        }
        return next
    }

    /// The record of an instance that is over.
    ///
    /// - Parameter reason: why; nil keeps the one it has.
    public func terminated(at now: Timestamp, because reason: StateReason? = nil) -> Instance {
        var next = self
        next.intent = .terminate
        if state != .terminated {
            next.state = .terminated
            next.stateChangedAt = now
            if let reason { next.stateReason = reason }
        }
        return next
    }
}
