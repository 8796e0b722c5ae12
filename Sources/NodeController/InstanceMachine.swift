// The life of one instance on its node, as a pure state machine: no I/O, no clock of its own.
//
//                  begin          fetched         built          started
//   (accepted) ──▶ accepted ──▶ fetching ──▶ building ──▶ starting ──▶ running
//                     │            │            │          │              │
//                     │ terminate, or the step failed      │              │ terminate, or the guest ended
//                     ▼            ▼            ▼          ▼              ▼
//                 shutting-down ◀─────────────────────────────────────────┘
//                     │ cleaned up: guest gone, disks removed
//                     ▼
//                 terminated ── expire: the tombstone's time is over ──▶ forgotten
//
//      running ──bundle──▶ copying ──copied──▶ restarting ──started──▶ running
//                           (the guest is off)      └─ cannot be started: parked
//
//      running ──park──▶ parked ──resume: node starts again──▶ waking ──started──▶ running
//                           ◀── cannot be started ───────────────┘
//
// accepted to starting are EC2's "pending". Every one of these has a step in flight (or waiting for a
// worker); a terminate marks the instance and cancels the step, and the clean-up begins when the step has
// come back, so that a step never builds what the clean-up has just removed. "parked" is a guest that was
// switched off together with its node and is started again from its disks.
//
// An event that makes no sense in a phase changes nothing: every step may be repeated, and late events of
// a driver are normal.

public import Contracts

/// Where an instance is in its life on this node, and what is to be done next.
public struct InstanceMachine: Sendable {
    /// A step of the life; see the diagram at the top of this file.
    public enum Phase: String, Sendable, CaseIterable {
        /// Recorded durably, waiting for a worker.
        case accepted
        /// Image, kernel and ramdisk are being brought into the cache.
        case fetching
        /// The instance's disks are being made.
        case building
        /// The hypervisor is being asked to start the guest.
        case starting
        /// The guest runs.
        case running
        /// The guest is shut down, and its root disk copied for a bundle.
        case copying
        /// The guest is being started again from its own disks after that.
        case restarting
        /// The guest was switched off with its node, to be started again with it.
        case parked
        /// The guest is being started again from its own disks, since the node has.
        case waking
        /// The guest is being ended and its disks removed.
        case shuttingDown = "shutting-down"
        /// Nothing is left but the record.
        case terminated

        /// Whether the hypervisor is being asked to start the guest.
        var isStart: Bool { self == .starting || self == .restarting || self == .waking }
    }

    /// What happened.
    public enum Event: Sendable {
        /// A worker took the instance up.
        case begin
        /// All artifacts are in the cache.
        case fetched
        /// The disks are there.
        case built
        /// The hypervisor runs the guest.
        case started
        /// The step in flight failed for good.
        case stepFailed(Contract.StateReason)
        /// The guest ended by itself, or as asked; the reason counts only if nobody had asked.
        case guestEnded(Contract.StateReason)
        /// Somebody wants the instance to end; `force` does not wait for the guest.
        case terminate(force: Bool)
        /// The guest is gone and its disks are removed.
        case cleanedUp
        /// Somebody wants a copy of the root disk, for which the guest has to be off.
        case bundle
        /// The guest is off, and its disk no longer needed; whether there is a copy does not matter here.
        case copied
        /// The node is being switched off together with its guests.
        case park
        /// The node controller has started again and looked for the guest.
        case resume(guestAlive: Bool)
        /// Something else that is reported has changed, such as the forwarded ports.
        case noted
        /// A terminated instance has been reported for long enough.
        case expire
    }

    /// What the owner of the machine has to do now.
    public enum Action: Sendable, Equatable {
        /// Nothing.
        case none
        /// Send `begin` as soon as a worker is free.
        case queue
        /// Bring the artifacts into the cache, then send `fetched` or `stepFailed`.
        case fetch
        /// Make the disks, then send `built` or `stepFailed`.
        case build
        /// Start the guest, then send `started` or `stepFailed`.
        case start
        /// Shut the guest down, copy its root disk if that is still wanted, then send `copied`.
        case copyDisk
        /// Let the step in flight end early; its event must still be sent.
        case cancelStep
        /// Ask the guest to shut down, take its power away after the grace time, then send `guestEnded`.
        case powerOff
        /// Ask the guest to shut down and wait for it; no event is needed.
        case powerOffForRestart
        /// End the guest if it still runs, remove disks and network edge, then send `cleanedUp`.
        case cleanUp
        /// Watch the guest that was found running.
        case adopt
        /// Remember the instance for the tombstone's time, then send `expire`.
        case bury
        /// Remove the record.
        case forget
    }

    /// The step of the life.
    public private(set) var phase: Phase
    /// Grows with every change, also over restarts of the node controller.
    public private(set) var generation: Int64
    /// When EC2's state last changed, in milliseconds since 1970.
    public private(set) var stateChangedAt: Int64
    /// Why the instance is in its state, where there is something to say.
    public private(set) var reason: Contract.StateReason?
    /// Whether a step or clean-up has been asked for and not yet come back; not so from a record until `resume`.
    public private(set) var isBusy: Bool

    /// A newly accepted instance.
    public init(acceptedAt now: Int64) {
        phase = .accepted
        generation = 1
        stateChangedAt = now
        reason = nil
        isBusy = true
    }

    /// An instance as it was recorded. The next event must be `resume`.
    public init(phase: Phase, generation: Int64, stateChangedAt: Int64, reason: Contract.StateReason?) {
        self.phase = phase
        self.generation = generation
        self.stateChangedAt = stateChangedAt
        self.reason = reason
        isBusy = false
    }

    /// The state that the outside sees.
    public var state: Contract.InstanceState {
        switch phase {
        case .accepted, .fetching, .building, .starting, .waking: .pending
        case .running, .copying, .restarting: .running
        case .parked: .stopped
        case .shuttingDown: .shuttingDown
        case .terminated: .terminated
        }
    }

    /// The step within the state, for people; nil where the state says it all.
    public var detail: String? {
        switch phase {
        case .accepted: "accepted"
        case .fetching: "fetching image"
        case .building: "building disks"
        case .starting: "starting the guest"
        case .running, .terminated: nil
        case .copying: "switched off while its disk is copied"
        case .restarting, .waking: "being started again"
        case .parked: "switched off with its node"
        case .shuttingDown: isBusy ? "cleaning up" : "waiting for the guest to shut down"
        }
    }

    /// Whether the instance uses cores, memory and disk of the node.
    public var holdsResources: Bool { phase != .terminated }

    /// Takes in an event at a time in milliseconds since 1970. The machine has changed if its generation has.
    public mutating func handle(_ event: Event, now: Int64) -> Action {
        switch event {
        case .begin:
            guard phase == .accepted else { return afterLateStep(now) }
            return step(to: .fetching, .fetch, now)
        case .fetched:
            guard phase == .fetching else { return afterLateStep(now) }
            return step(to: .building, .build, now)
        case .built:
            guard phase == .building else { return afterLateStep(now) }
            return step(to: .starting, .start, now)
        case .started:
            guard phase.isStart else { return afterLateStep(now) }
            isBusy = false
            return move(to: .running, .none, now)
        case .stepFailed(let why) where phase == .restarting || phase == .waking:
            // Its disks hold what its owner wants to keep: the next start of the node tries again.
            reason = why
            isBusy = false
            return move(to: .parked, .none, now)
        case .stepFailed(let why):
            guard isPending else { return afterLateStep(now) }
            reason = why
            return step(to: .shuttingDown, .cleanUp, now)
        case .guestEnded(let why):
            return guestEnded(why, now)
        case .terminate(let force):
            return terminate(force: force, now)
        case .cleanedUp:
            guard phase == .shuttingDown else { return .none }
            isBusy = false
            return move(to: .terminated, .bury, now)
        case .bundle:
            guard phase == .running else { return .none }
            return step(to: .copying, .copyDisk, now)
        case .copied:
            guard phase == .copying else { return afterLateStep(now) }
            return step(to: .restarting, .start, now)
        case .park:
            guard phase == .running else { return .none }
            return move(to: .parked, .powerOffForRestart, now)
        case .resume(let guestAlive):
            return resume(guestAlive: guestAlive, now)
        case .noted:
            return move(to: phase, .none, now)
        case .expire:
            return phase == .terminated ? .forget : .none
        }
    }

    // MARK: Events with more than one line

    private var isPending: Bool { state == .pending }

    /// A step came back that nobody waits for any more: after a terminate its leavings are cleaned up.
    private mutating func afterLateStep(_ now: Int64) -> Action {
        guard phase == .shuttingDown, isBusy else { return .none }
        return step(to: .shuttingDown, .cleanUp, now)
    }

    private mutating func guestEnded(_ why: Contract.StateReason, _ now: Int64) -> Action {
        switch phase {
        case .running:
            reason = why
            return step(to: .shuttingDown, .cleanUp, now)
        case .shuttingDown where !isBusy:
            return step(to: .shuttingDown, .cleanUp, now)
        case .starting, .restarting, .waking:
            reason = why
            // The start itself may still be in flight: it will notice, or the clean-up follows its end.
            return isBusy
                ? move(to: .shuttingDown, .cancelStep, now) : step(to: .shuttingDown, .cleanUp, now)
        default:
            return .none
        }
    }

    private mutating func terminate(force: Bool, _ now: Int64) -> Action {
        switch phase {
        case .accepted, .fetching, .building, .starting, .copying, .restarting, .waking:
            reason = .userShutdown
            // Nothing is under way before `resume`.
            return isBusy
                ? move(to: .shuttingDown, .cancelStep, now) : step(to: .shuttingDown, .cleanUp, now)
        case .running:
            reason = .userShutdown
            if force { return step(to: .shuttingDown, .cleanUp, now) }
            return move(to: .shuttingDown, .powerOff, now)
        case .parked:
            reason = .userShutdown
            return step(to: .shuttingDown, .cleanUp, now)
        case .shuttingDown:
            guard force, !isBusy else { return .none }
            return step(to: .shuttingDown, .cleanUp, now)
        case .terminated:
            return .none
        }
    }

    private mutating func resume(guestAlive: Bool, _ now: Int64) -> Action {
        // A record that could not be written (full disk) may have left an older number than was reported.
        generation += 16
        switch phase {
        case .accepted, .fetching, .building:
            // A guest cannot run yet; staging is repeated from its beginning.
            return step(to: .accepted, .queue, now)
        case .starting:
            if guestAlive { return move(to: .running, .adopt, now) }
            return step(to: .accepted, .queue, now)
        case .running:
            if guestAlive { return move(to: .running, .adopt, now) }
            reason = .endedUnseen
            return step(to: .shuttingDown, .cleanUp, now)
        case .copying:
            // It may have been asked to shut down, so it has to be off before it is started.
            return step(to: .copying, .copyDisk, now)
        case .restarting:
            if guestAlive { return move(to: .running, .adopt, now) }
            return step(to: .restarting, .start, now)
        case .parked, .waking:
            if guestAlive { return move(to: .running, .adopt, now) }
            // Not `starting`, from which a failure or another restart would make its disks anew.
            return step(to: .waking, .start, now)
        case .shuttingDown:
            return step(to: .shuttingDown, .cleanUp, now)
        case .terminated:
            isBusy = false
            return .bury
        }
    }

    // MARK: Changes

    private mutating func step(to phase: Phase, _ action: Action, _ now: Int64) -> Action {
        isBusy = true
        return move(to: phase, action, now)
    }

    private mutating func move(to next: Phase, _ action: Action, _ now: Int64) -> Action {
        let before = state
        phase = next
        generation += 1
        if state != before { stateChangedAt = now }
        return action
    }
}

extension Contract.StateReason {
    /// EC2's reason of an instance that was terminated through the interface.
    public static var userShutdown: Contract.StateReason {
        Contract.StateReason(
            code: "Client.UserInitiatedShutdown", message: "Client.UserInitiatedShutdown: User initiated shutdown")
    }

    /// EC2's reason of an instance that switched itself off.
    public static var instanceShutdown: Contract.StateReason {
        Contract.StateReason(
            code: "Client.InstanceInitiatedShutdown",
            message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown")
    }

    /// The guest was gone when the node controller came back.
    static var endedUnseen: Contract.StateReason {
        Contract.StateReason(
            code: "Server.InternalError",
            message: "Server.InternalError: the guest ended while its node controller was not running, "
                + "for instance because the host was restarted; start a new instance")
    }
}
