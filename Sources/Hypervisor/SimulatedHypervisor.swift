import Posix

/// Guests that only exist as records, for tests and for trying a large cloud on one machine. No process, no file, no
/// thread of its own; time is `SimulatedClock`'s.
public final class SimulatedHypervisor: Hypervisor, @unchecked Sendable {
    static let driverName = "simulated"

    /// "simulated"
    public var name: String { Self.driverName }
    /// "vd"
    public var diskPrefix: String { "vd" }
    /// Images of any path are there and sound, and making one makes no file.
    public let diskImages: any DiskImages
    /// The machine that it works on.
    public let host: SimulatedHost

    // `lock` guards `isDetached`.
    private let lock = Lock()
    private var isDetached = false
    private static let stopTimeout: Milliseconds = 10_000

    /// A driver of this host. A later driver of the same host finds the same guests.
    public init(host: SimulatedHost) {
        self.host = host
        diskImages = SimulatedDiskImages()
    }

    /// See `Hypervisor.probe`.
    public func probe() throws(HypervisorError) -> HypervisorFacts {
        HypervisorFacts(
            hypervisor: name, version: "1", accelerator: "none", acceleratorReason: "guests are simulated",
            guestArchitectures: [.x86_64, .i386])
    }

    /// See `Hypervisor.healthCheckPause`.
    public var healthCheckPause: Int64? { host.lock.withLock { host.behaviour.healthCheckMilliseconds } }

    /// See `Hypervisor.checkHealth`.
    public func checkHealth() throws(HypervisorError) {
        if let trouble = host.lock.withLock({ host.behaviour.trouble }) { throw trouble }
    }

    /// See `Hypervisor.start`.
    public func start(_ definition: GuestDefinition) throws(HypervisorError) -> GuestHandle {
        try requireAttached()
        try definition.check(filesExist: false)
        try host.start(definition)
        return host.lock.withLock { host.handleHoldingLock(definition.id) }
    }

    /// See `Hypervisor.find`.
    public func find(id: String, directory: String) throws(HypervisorError) -> GuestHandle? {
        try requireAttached()
        return host.lock.withLock { host.guests[id]?.state == .running ? host.handleHoldingLock(id) : nil }
    }

    /// See `Hypervisor.adopt`.
    public func adopt(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus? {
        try requireAttached()
        let words = handle.detail.split(separator: " ")
        guard handle.driver == Self.driverName, words.count == 3, words[0] == "boot" else {
            throw HypervisorError(.invalidDefinition, "\(handle.text) is no handle of the simulated driver")
        }
        if let trouble = host.lock.withLock({ host.behaviour.adoptionTrouble }) { throw trouble }
        host.lock.lock()
        let isOfThisBoot = host.boot == words[1]
        let isKnown = host.guests[handle.id] != nil
        let survives = host.behaviour.survivesRestart
        host.lock.unlock()
        guard isOfThisBoot, isKnown || survives else { return nil }
        if !isKnown { host.restore(handle.id, hasUserNetwork: words[2] == "user") }
        return try status(handle)
    }

    /// See `Hypervisor.status`.
    public func status(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus {
        let guest = try guest(handle)
        return GuestStatus(state: guest.state, forwards: guest.forwards)
    }

    /// See `Hypervisor.reboot`.
    public func reboot(_ handle: GuestHandle, graceMilliseconds: Int64) throws(HypervisorError) {
        let guest = try requireRunning(handle)
        host.askToShutDown(handle.id) { host in host.startAfresh(handle.id) }
        // Does nothing if the guest has begun another life by then.
        host.schedule(handle.id, guest.life, max(0, graceMilliseconds)) { host in host.startAfresh(handle.id) }
    }

    /// See `Hypervisor.stop`. In time that is moved by hand nobody could wait for the grace time, so the guest ends at
    /// once.
    public func stop(_ handle: GuestHandle, graceMilliseconds: Int64) throws(HypervisorError) -> GuestEnd {
        let guest = try guest(handle)
        if case .ended(let end) = guest.state { return end }
        host.lock.withLock { host.guests[handle.id]?.isSilent = true }
        let obeys = host.lock.withLock { host.behaviour.guestsObey }
        let stopped = GuestEnd(cause: .stopped, message: "the simulated guest shut down when asked to")
        let killed = GuestEnd(cause: .killed, message: "its power was taken away")
        guard graceMilliseconds > 0, host.clock.isAutomatic else {
            host.end(handle.id, graceMilliseconds > 0 && obeys ? stopped : killed)
            return try ended(handle)
        }
        host.askToShutDown(handle.id) { host in host.end(handle.id, stopped) }
        let deadline = Deadline(after: graceMilliseconds)
        host.lock.lock()
        while host.guests[handle.id]?.state == .running {
            if !host.change.wait(host.lock, timeout: deadline.remaining), deadline.isPast { break }
        }
        host.lock.unlock()
        host.end(handle.id, killed)
        return try ended(handle)
    }

    private func ended(_ handle: GuestHandle) throws(HypervisorError) -> GuestEnd {
        guard case .ended(let end) = try guest(handle).state else {
            throw HypervisorError(.timedOut, "\(handle.id) did not end")
        }
        return end
    }

    /// See `Hypervisor.consoleOutput`.
    public func consoleOutput(_ handle: GuestHandle, limit: Int) throws(HypervisorError) -> ConsoleOutput {
        let guest = try guest(handle)
        return ConsoleOutput(
            bytes: GuestConsole.join(head: guest.console, tail: [], mayHaveGap: false, limit: limit),
            timestampMilliseconds: Clock.now)
    }

    /// See `Hypervisor.setForwards`.
    public func setForwards(
        _ handle: GuestHandle, _ forwards: [PortForward]
    ) throws(HypervisorError) -> [PortForwardResult] {
        _ = try requireRunning(handle)
        return try host.setForwards(handle.id, forwards)
    }

    /// See `Hypervisor.forget`.
    public func forget(_ handle: GuestHandle) throws(HypervisorError) {
        try requireAttached()
        host.lock.lock()
        defer { host.lock.unlock() }
        guard host.guests[handle.id]?.state != .running else {
            throw HypervisorError(.alreadyRunning, "\(handle.id) runs; stop it before forgetting it")
        }
        host.guests[handle.id] = nil
    }

    /// See `Hypervisor.setEventHandler`.
    public func setEventHandler(_ handler: @escaping @Sendable (GuestEvent) -> Void) {
        host.lock.withLock { host.handler = handler }
    }

    /// See `Hypervisor.detach`.
    public func detach() {
        lock.withLock { isDetached = true }
        host.lock.withLock { host.handler = { _ in } }
    }

    private func requireAttached() throws(HypervisorError) {
        guard !lock.withLock({ isDetached }) else {
            throw HypervisorError(
                .unavailable, "the simulated driver is detached; the node controller is shutting down")
        }
    }

    private func guest(_ handle: GuestHandle) throws(HypervisorError) -> SimulatedHost.Guest {
        try requireAttached()
        guard let guest = host.lock.withLock({ host.guests[handle.id] }) else {
            throw HypervisorError(.notFound, "the simulated driver has no guest \(handle.id); adopt it first")
        }
        return guest
    }

    private func requireRunning(_ handle: GuestHandle) throws(HypervisorError) -> SimulatedHost.Guest {
        let guest = try guest(handle)
        guard guest.state == .running else { throw HypervisorError(.ended, "\(handle.id) has ended") }
        return guest
    }
}

/// Disk images that are all there and sound, and are never made.
public final class SimulatedDiskImages: DiskImages {
    /// What every image is said to be.
    private static let facts = DiskImageFacts(format: .raw, virtualSizeBytes: 1 << 30, actualSizeBytes: 1 << 20)

    /// Creates the tools.
    public init() {}

    /// Any image is a disk of 1 GiB, of the format that it is said to have.
    public func inspect(path: String, format: DiskFormat?) throws(HypervisorError) -> DiskImageFacts {
        var facts = Self.facts
        facts.format = format ?? .raw
        return facts
    }

    /// Makes nothing.
    public func createOverlay(
        base: String, baseFormat: DiskFormat, path: String, sizeBytes: Int64?
    ) throws(HypervisorError) {}

    /// Makes nothing.
    public func createEmpty(path: String, format: DiskFormat, sizeBytes: Int64) throws(HypervisorError) {}

    /// A raw disk of 1 MiB without anything on it but the mark of a boot sector: what little a simulated guest has.
    public func flatten(
        path: String, format: DiskFormat, to target: String, isCancelled: () -> Bool
    ) throws(HypervisorError) {
        if isCancelled() { throw HypervisorError(.unavailable, "the copy of \(path) was cancelled") }
        do throws(PosixError) {
            let file = try File(target, [.write, .create, .exclusive], permissions: 0o600)
            try file.truncate(to: 1 << 20)
            try file.write([0x55, 0xaa], at: 510)
            try file.close()
        } catch {
            throw HypervisorError(error, "copying a simulated disk")
        }
    }

    /// Finds nothing wrong.
    public func check(path: String, format: DiskFormat) throws(HypervisorError) {}
}
