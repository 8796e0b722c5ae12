// A machine that does not exist, with guests that do not exist. It outlives the driver object that works on it, as a real
// host outlives its node controller, so that adoption can be tried.
//
//     start ─▶ booting ──bootMilliseconds──▶ up ──stop, reboot: shutdownMilliseconds──▶ ended, booting again
//                                             └──powerOff, die──▶ ended
public import Posix

/// How a simulated host behaves, and how to make it fail.
public struct SimulatedBehaviour: Sendable {
    /// How long a guest takes until its console shows a login prompt.
    public var bootMilliseconds: Milliseconds = 1_000
    /// How long a guest takes to shut down when asked to.
    public var shutdownMilliseconds: Milliseconds = 500
    /// Whether guests follow a request to shut down.
    public var guestsObey = true
    /// How many guests fit; nil for any number.
    public var capacity: Int?
    /// Ports that cannot be forwarded.
    public var refusedPorts: Set<Int> = []
    /// Whether a guest that this object does not know, started by an earlier process, is taken to run on, as a real one
    /// would. Handles from before `SimulatedHost.restart` are not.
    public var survivesRestart = true
    /// What is wrong with the services that the hypervisor depends on; nil if nothing is.
    public var trouble: HypervisorError?
    /// Why the hypervisor does not say whether a guest runs that is to be adopted; nil if it does.
    public var adoptionTrouble: HypervisorError?
    /// `Hypervisor.healthCheckPause`.
    public var healthCheckMilliseconds: Milliseconds?

    /// A host that works.
    public init() {}
}

/// See the top of the file.
public final class SimulatedHost: @unchecked Sendable {
    struct Guest {
        var id: String
        var state: GuestState
        var hasUserNetwork: Bool
        var forwards: [PortForwardResult] = []
        var console: [UInt8] = []
        var isUp = false
        var isSilent = false
        /// Grows with every start and reset, so that actions scheduled for an earlier life find that they are too late.
        var life: Int64 = 0
    }

    // `lock` guards all that changes. Events are told while it is not held.
    let lock = Lock()
    let change = Condition()
    let clock: SimulatedClock
    var behaviour: SimulatedBehaviour
    var guests: [String: Guest] = [:]
    var boot: String
    private var nextStartError: HypervisorError?
    private var lastLife: Int64 = 0
    var handler: @Sendable (GuestEvent) -> Void = { _ in }

    /// A host without guests.
    public init(clock: SimulatedClock, behaviour: SimulatedBehaviour = SimulatedBehaviour()) {
        self.clock = clock
        self.behaviour = behaviour
        boot = "1"
    }

    // MARK: Making things happen

    /// Changes how it behaves from now on.
    public func change(_ body: (inout SimulatedBehaviour) -> Void) {
        lock.lock()
        defer { lock.unlock() }
        body(&behaviour)
    }

    /// The next start fails with this error.
    public func failNextStart(_ error: HypervisorError) {
        lock.withLock { nextStartError = error }
    }

    /// The guest powers itself off after so long.
    public func powerOff(_ id: String, after delay: Milliseconds = 0) throws(HypervisorError) {
        try later(id, delay) { host in
            host.end(id, GuestEnd(cause: .guestPowerOff, message: "the simulated guest powered itself off"))
        }
    }

    /// The guest's process dies after so long.
    public func die(_ id: String, after delay: Milliseconds = 0) throws(HypervisorError) {
        try later(id, delay) { host in
            host.end(id, GuestEnd(cause: .hypervisorDied, message: "the simulated guest died, as it was told to"))
        }
    }

    /// The guest's kernel panics after so long; it goes on running, as a panicked machine does.
    public func panic(_ id: String, after delay: Milliseconds = 0) throws(HypervisorError) {
        try later(id, delay) { host in
            host.write(id, "Kernel panic - not syncing: simulated\r\n")
            host.tell(id, .panicked)
        }
    }

    /// The guest resets itself after so long.
    public func reset(_ id: String, after delay: Milliseconds = 0) throws(HypervisorError) {
        try later(id, delay) { host in host.startAfresh(id) }
    }

    /// The host loses its power: all guests are gone, and handles to them lead nowhere.
    public func restart() {
        lock.lock()
        guests = [:]
        boot = String((Int64(boot) ?? 0) + 1)
        change.broadcast()
        lock.unlock()
    }

    // MARK: What the driver does

    func start(_ definition: GuestDefinition) throws(HypervisorError) {
        lock.lock()
        if let error = nextStartError {
            nextStartError = nil
            lock.unlock()
            throw error
        }
        if let old = guests[definition.id], old.state == .running {
            lock.unlock()
            throw HypervisorError(.alreadyRunning, "\(definition.id) runs already")
        }
        var running = 0
        for (_, guest) in guests where guest.state == .running { running += 1 }
        if let capacity = behaviour.capacity, running >= capacity {
            lock.unlock()
            throw HypervisorError(
                .insufficientResources, "the simulated host takes \(capacity) guests and has \(running); stop one")
        }
        var isUser = false
        if case .user = definition.network { isUser = true }
        guests[definition.id] = Guest(id: definition.id, state: .running, hasUserNetwork: isUser)
        lock.unlock()
        if case .user(let user) = definition.network {
            _ = try setForwards(definition.id, user.forwards)
        }
        boot(definition.id, "simulated guest \(definition.id) (\(definition.cores) cores, \(definition.memoryMiB) MiB)")
    }

    /// Puts a guest of an earlier process back; it is up.
    func restore(_ id: String, hasUserNetwork: Bool) {
        lock.lock()
        var guest = Guest(id: id, state: .running, hasUserNetwork: hasUserNetwork)
        guest.isUp = true
        guests[id] = guest
        lock.unlock()
        write(id, "simulated guest \(id): not a real machine; its earlier console is lost\r\n")
    }

    private func boot(_ id: String, _ greeting: String) {
        lock.lock()
        lastLife += 1
        let life = lastLife
        guests[id]?.life = life
        guests[id]?.isUp = false
        let delay = behaviour.bootMilliseconds
        lock.unlock()
        write(id, "\(greeting)\r\nThis is not a real machine: nothing runs in it.\r\n")
        schedule(id, life, delay) { host in
            host.lock.withLock { host.guests[id]?.isUp = true }
            host.write(id, "\r\n\(id) login: ")
        }
    }

    func startAfresh(_ id: String) {
        guard lock.withLock({ guests[id]?.state }) == .running else { return }
        boot(id, "\r\nsimulated guest \(id): reset")
        tell(id, .reset)
    }

    /// Asks a guest to shut down; `then` happens once it has.
    func askToShutDown(_ id: String, then: @escaping @Sendable (SimulatedHost) -> Void) {
        lock.lock()
        let guest = guests[id]
        // A guest that boots follows once it is up.
        let delay = behaviour.shutdownMilliseconds + (guest?.isUp == true ? 0 : behaviour.bootMilliseconds)
        let obeys = behaviour.guestsObey
        lock.unlock()
        guard let guest, obeys else { return }
        schedule(id, guest.life, delay, then)
    }

    func end(_ id: String, _ end: GuestEnd) {
        lock.lock()
        guard guests[id]?.state == .running else {
            lock.unlock()
            return
        }
        guests[id]?.state = .ended(end)
        guests[id]?.forwards = []
        let silent = guests[id]?.isSilent == true
        change.broadcast()
        lock.unlock()
        if !silent { tell(id, .ended(end)) }
    }

    func setForwards(_ id: String, _ forwards: [PortForward]) throws(HypervisorError) -> [PortForwardResult] {
        lock.lock()
        defer { lock.unlock() }
        guard guests[id]?.hasUserNetwork == true else {
            throw HypervisorError(.unsupported, "\(id) has no user-mode network, so no ports are forwarded")
        }
        var results: [PortForwardResult] = []
        for forward in forwards {
            var failure: String?
            if !(1...65_535).contains(forward.hostPort) || !(1...65_535).contains(forward.guestPort) {
                failure = "a port is a number from 1 to 65535"
            } else if behaviour.refusedPorts.contains(forward.hostPort) {
                failure = "the simulated host refuses port \(forward.hostPort)"
            }
            results.append(PortForwardResult(forward: forward, failure: failure))
        }
        guests[id]?.forwards = results
        return results
    }

    func write(_ id: String, _ text: String) {
        lock.lock()
        defer { lock.unlock() }
        guests[id]?.console.append(contentsOf: text.utf8)
    }

    func tell(_ id: String, _ kind: GuestEvent.Kind) {
        lock.lock()
        let handler = self.handler
        let handle = handleHoldingLock(id)
        lock.unlock()
        handler(GuestEvent(handle: handle, kind: kind))
    }

    func handleHoldingLock(_ id: String) -> GuestHandle {
        let network = guests[id]?.hasUserNetwork == true ? "user" : "none"
        return GuestHandle(driver: SimulatedHypervisor.driverName, id: id, detail: "boot \(boot) \(network)")
    }

    private func later(
        _ id: String, _ delay: Milliseconds, _ action: @escaping @Sendable (SimulatedHost) -> Void
    ) throws(HypervisorError) {
        guard let guest = lock.withLock({ guests[id] }), guest.state == .running else {
            throw HypervisorError(.notFound, "no simulated guest \(id) runs")
        }
        schedule(id, guest.life, delay, action)
    }

    /// Runs an action in so long, if the guest still lives that life.
    func schedule(
        _ id: String, _ life: Int64, _ delay: Milliseconds, _ action: @escaping @Sendable (SimulatedHost) -> Void
    ) {
        do throws(PosixError) {
            try clock.schedule(after: delay) {
                self.lock.lock()
                let guest = self.guests[id]
                self.lock.unlock()
                guard let guest, guest.life == life, guest.state == .running else { return }
                action(self)
            }
        } catch {
            end(id, GuestEnd(cause: .hypervisorDied, message: "simulated time stopped: \(error.description)"))
        }
    }
}
