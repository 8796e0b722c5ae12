// The node controller: the instances of one host.
//
// What lives here: what happens to an instance (`InstanceMachine` decides, `InstanceSteps` does it), its durable
// record (`InstanceRecords`), the image cache, guests' metadata, the ports of the network edge, the service that the
// cluster controller calls (`NodeController+Service`) and the reporter that tells it of changes. What does not:
// running a guest (Hypervisor), HTTP (BlockingHTTP), the messages themselves (Contracts), placement (the cluster's).
//
// One `NodeController` is one node. An ordinary process has one; a process of simulated nodes has thousands, which
// share worker threads, log and connections (`NodeEnvironment`), and differ only in driver and records.
//
// How it fails: a call answers a `ServiceFault`; what goes wrong later ends in the instance's state, `terminated`
// with a reason that names cause and cure. A restart never touches a running guest.
//
// Locks: an instance's lock may be held when the node's is taken, never the other way round; neither is held while a
// driver is called.

public import BlockingHTTP
public import Contracts
public import Hypervisor
public import Posix

/// What the nodes of a process share.
public struct NodeEnvironment: Sendable {
    /// Runs the steps of instances.
    public var workers: WorkerPool
    /// Everything that happens.
    public var log: NodeLog
    /// Sends copies of disks; without it instances cannot be bundled here.
    public var uploads: HTTPClient?

    /// Puts the parts together.
    public init(workers: WorkerPool, log: NodeLog, uploads: HTTPClient? = nil) {
        self.workers = workers
        self.log = log
        self.uploads = uploads
    }
}

/// Who wants to know of changes of a node's instances. Calls come from any thread and must return quickly.
public protocol NodeChangeListener: AnyObject, Sendable {
    /// An instance has a newer generation, or the node's own description changed (no id).
    func nodeChanged(_ instanceId: String?)
    /// An instance is forgotten.
    func nodeForgot(_ instanceId: String)
}

/// One node.
public final class NodeController: @unchecked Sendable {
    /// What is fixed for the life of the process.
    public struct Settings: Sendable {
        /// Unique in the cluster.
        public var name: String
        /// URL of the node's own service.
        public var endpoint: String
        /// The region in metadata; nil derives it from the zone.
        public var region: String?
        /// What instances may use together.
        public var capacity: NodeResources
        /// How long a guest has to shut down.
        public var shutdownGrace: Milliseconds = 10_000
        /// How long a hypervisor that does not answer is waited for at the start.
        public var hypervisorPatience: Milliseconds = 30_000
        /// After what time, in milliseconds, a guest is asked for again of which the hypervisor did not say whether it runs.
        public var adoptionPause: Milliseconds = 15_000
        /// How long a terminated instance is still reported.
        public var tombstoneTime: Milliseconds = 600_000
        /// Whether guests are attached in the USER mode, with an address on this host's loopback.
        public var usesUserNetwork = true
        /// The bridge of the host that guests are attached to instead.
        public var bridge: String?
        /// First port that this process may bind.
        public var lowestBindablePort = 0
        /// Program and arguments before the socket's path of a guest's metadata relay; none if empty.
        public var relayCommand: [String] = []
        /// Version of this software.
        public var softwareVersion: String

        /// The settings of a node.
        public init(name: String, endpoint: String, capacity: NodeResources, softwareVersion: String) {
            self.name = name
            self.endpoint = endpoint
            self.capacity = capacity
            self.softwareVersion = softwareVersion
        }
    }

    let settings: Settings
    let environment: NodeEnvironment
    let hypervisor: any Hypervisor
    let records: any InstanceRecords
    /// Nil for simulated nodes, which need no files.
    let images: ImageCache?
    let startedAt: Milliseconds

    /// Guards everything below.
    let lock = Lock()
    var instances: [String: Instance] = [:]
    /// What instances use or were promised.
    var used = NodeResources.none
    var network: Contract.NetworkDocument?
    /// Takes no instances until the hypervisor has been looked at.
    var nodeState = Contract.NodeState.draining
    var nodeDetail: String? = "finding out what the hypervisor can do"
    var facts: HypervisorFacts?
    var listener: (any NodeChangeListener)?
    /// No step begins any more; what is under way may end.
    var isClosing = false
    /// Nothing happens to an instance any more.
    var isStopped = false
    /// Starts of guests under way.
    let starts = Countdown()

    /// A node that is not yet at work; `start` follows.
    public init(
        settings: Settings, hypervisor: any Hypervisor, records: any InstanceRecords, images: ImageCache?,
        environment: NodeEnvironment
    ) {
        self.settings = settings
        self.hypervisor = hypervisor
        self.records = records
        self.images = images
        self.environment = environment
        startedAt = Clock.now
    }

    /// The name in the cluster.
    public var name: String { settings.name }

    /// Sets who is told of changes.
    public func setListener(_ listener: any NodeChangeListener) { lock.withLock { self.listener = listener } }

    // MARK: Start and stop

    /// Reads the records, takes over guests that run, and goes on with what was under way.
    ///
    /// - Throws: if the records cannot be read or the hypervisor cannot be asked for its guests: then nothing was touched.
    public func start() throws(RecordError) {
        try waitForHypervisor()
        let loaded = try records.load()
        for problem in loaded.problems { environment.log.error(problem, context()) }
        lock.withLock { network = loaded.network }
        // Keeps this object alive until `stop`.
        hypervisor.setEventHandler { event in self.handle(event) }
        var resumed: [(instance: Instance, alive: Bool?, generation: Int64)] = []
        for record in loaded.records {
            let instance = Instance(
                spec: record.spec, correlation: record.correlation ?? "",
                machine: InstanceMachine(
                    phase: record.phase, generation: record.generation, stateChangedAt: record.stateChangedAt,
                    reason: record.reason),
                handle: record.handle.flatMap { GuestHandle(text: $0) },
                credentials: loaded.credentials[record.spec.instanceId])
            resumed.append((instance, adopt(instance), record.generation))
            removeCopy(instance)
            if instance.machine.holdsResources { images?.hold(artifacts: artifacts(of: record.spec), by: instance.id) }
        }
        let adopted = resumed.compactMap { $0.alive ?? true ? $0.instance.id : nil }
        records.removeOrphans(keeping: loaded.records, adopted: adopted) { message in
            environment.log.warning(message, context())
        }
        lock.withLock {
            for (instance, _, _) in resumed {
                instances[instance.id] = instance
                if instance.machine.holdsResources { used = used + NodeResources(of: instance.spec) }
            }
        }
        for (instance, alive, generation) in resumed {
            if instance.machine.phase != .terminated { openMetadata(instance) }
            guard let alive else {
                resumeLater(instance, generation: generation)
                continue
            }
            // An end that was told before the instance was known would be lost.
            let end = alive ? end(of: instance) : nil
            guard instance.lock.withLock({ instance.machine.generation == generation }) else { continue }
            send(.resume(guestAlive: alive), to: instance)
            if let end { send(.guestEnded(StepFailure.reason(of: end)), to: instance) }
        }
        environment.workers.submit { self.probe() }
    }

    /// A host that does not answer must not look like one on which no guest runs. After the limit, whoever started this
    /// process tries again.
    private func waitForHypervisor() throws(RecordError) {
        let deadline = Deadline(after: settings.hypervisorPatience)
        while true {
            do throws(HypervisorError) {
                return try hypervisor.checkHealth()
            } catch {
                environment.log.error("the hypervisor does not answer: \(error.message)", context())
                guard !deadline.isPast else {
                    throw RecordError(
                        "guests may run, but the hypervisor cannot be asked, so nothing is done: \(error.message)")
                }
            }
            Thread.sleep(1_000)
        }
    }

    /// Lets go of the guests, which run on. Steps under way end before, within limits; the rest of them is done after the
    /// next start. The object is of no use afterwards.
    public func stop() {
        lock.withLock { isClosing = true }
        // A guest that is just being started should get into its record.
        if !starts.wait(timeout: 15_000) {
            environment.log.warning("a start did not end in time; it is repeated at the next start", context())
        }
        let all = lock.withLock {
            isStopped = true
            return Array(instances.values)
        }
        for instance in all {
            let server = instance.lock.withLock {
                let server = instance.metadata
                instance.metadata = nil
                return server
            }
            server?.stop()
        }
        hypervisor.setEventHandler { _ in }
        hypervisor.detach()
    }

    /// Switches all guests off, marked so that they are started again with the node. Returns when they are off; call
    /// `stop` next. What is not yet started is so after the next start.
    public func parkGuests() {
        lock.withLock { isClosing = true }
        if !starts.wait(timeout: 60_000) {
            environment.log.warning("a start did not end in time; its guest runs on", context())
        }
        let all = lock.withLock { Array(instances.values) }
        let pending = Countdown()
        for instance in all {
            guard send(.park, to: instance) == .powerOffForRestart else { continue }
            pending.begin()
            environment.workers.submit {
                self.powerOff(instance)
                pending.end()
            }
        }
        // Each guest has the grace time; the driver kills it then. The pool may need several rounds.
        if !pending.wait(timeout: settings.shutdownGrace * 4 + 30_000) {
            environment.log.error("not all guests were off in time; they are adopted at the next start", context())
        }
    }

    /// An instance stays as it was recorded until the hypervisor says whether its guest runs: one that only seems to be
    /// gone would lose its disks, or be started twice.
    ///
    /// - Parameter generation: the machine's; if it has moved on, somebody ended the instance meanwhile.
    private func resumeLater(_ instance: Instance, generation: Int64) {
        environment.workers.submit(after: settings.adoptionPause) {
            if self.lock.withLock({ self.isStopped }) { return }
            guard instance.lock.withLock({ instance.machine.generation == generation }) else { return }
            guard let alive = self.adopt(instance) else {
                return self.resumeLater(instance, generation: generation)
            }
            // A request that came in this moment is done by the clean-up, which looks for the guest as well.
            guard instance.lock.withLock({ instance.machine.generation == generation }) else { return }
            self.send(.resume(guestAlive: alive), to: instance)
        }
    }

    /// Why the guest of an instance that was taken over has ended; nil if it runs.
    private func end(of instance: Instance) -> GuestEnd? {
        guard let handle = instance.lock.withLock({ instance.handle }) else { return nil }
        do throws(HypervisorError) {
            if case .ended(let end) = try hypervisor.status(handle).state { return end }
        } catch {}  // It was taken over a moment ago; somebody has ended the instance since.
        return nil
    }

    /// Whether the guest runs; nil if the hypervisor does not say.
    private func adopt(_ instance: Instance) -> Bool? {
        do throws(HypervisorError) {
            let phase = instance.machine.phase
            if phase.isStart || phase == .copying || phase == .parked,
                let directory = records.directory(of: instance.id),
                let found = try hypervisor.find(id: instance.id, directory: directory)
            {
                // The process may have been killed between the start and the record of it, which then has an earlier start.
                instance.handle = found
            }
            guard let handle = instance.handle, let status = try hypervisor.adopt(handle) else { return false }
            instance.forwards = status.forwards.compactMap { $0.failure == nil ? $0.forward : nil }
            instance.wantedForwards = status.forwards.map { $0.forward }
            instance.kind = status.machine
            return status.state == .running
        } catch {
            environment.log.error("the guest could not be taken over: \(error.message)", context(instance))
            return error.code == .notFound || error.code == .ended ? false : nil
        }
    }

    /// Finds out what the host can do; a node that cannot run guests says so and tries again.
    private func probe() {
        if lock.withLock({ isStopped }) { return }
        do throws(HypervisorError) {
            let found = try hypervisor.probe()
            lock.withLock {
                facts = found
                nodeState = .up
                nodeDetail = nil
            }
            environment.log.info(
                "runs guests with \(found.hypervisor) \(found.version), accelerator \(found.accelerator): "
                    + found.acceleratorReason, context())
            if let pause = hypervisor.healthCheckPause { watchHealth(every: pause) }
        } catch {
            lock.withLock {
                nodeState = .faulty
                nodeDetail = error.message
            }
            environment.log.error("cannot run guests: \(error.message)", context())
            environment.workers.submit(after: 30_000) { self.probe() }
        }
        changed(nil)
    }

    /// In a thread of its own: while the tools hang, starts that wait for them may take all workers.
    private func watchHealth(every pause: Milliseconds) {
        do throws(PosixError) {
            _ = try Thread.start(name: "health") {
                while true {
                    Thread.sleep(pause)
                    if self.lock.withLock({ self.isStopped }) { return }
                    self.checkHealth()
                }
            }
        } catch {
            environment.log.error("the hypervisor is not watched: \(error)", context())
        }
    }

    /// Looks whether the hypervisor's tools answer. A node whose host is in trouble says so, and takes no instances until
    /// that is over; its guests may well run on.
    func checkHealth() {
        if lock.withLock({ isStopped }) { return }
        var trouble: String?
        do throws(HypervisorError) {
            try hypervisor.checkHealth()
        } catch {
            trouble = error.message
        }
        let isNews = lock.withLock { () -> Bool in
            // A probe that has not succeeded yet knows better.
            guard facts != nil else { return false }
            let before = nodeState
            nodeState = trouble == nil ? .up : .faulty
            nodeDetail = trouble
            return nodeState != before
        }
        guard isNews else { return }
        if let trouble {
            environment.log.error("takes no instances until this is mended: \(trouble)", context())
        } else {
            environment.log.info("the hypervisor answers again, the node takes instances", context())
        }
        changed(nil)
    }

    // MARK: Events

    /// From the driver: handed over at once, since the driver must not wait.
    private func handle(_ event: GuestEvent) {
        guard let instance = lock.withLock({ isStopped ? nil : instances[event.handle.id] }) else { return }
        switch event.kind {
        case .ended(let end):
            environment.workers.submit { self.send(.guestEnded(StepFailure.reason(of: end)), to: instance) }
        case .reset:
            environment.log.info("the guest was reset", context(instance))
        case .panicked:
            environment.log.warning("the guest's kernel panicked", context(instance))
        }
    }

    /// Lets an event happen to an instance: records the change, tells the listener, and sets about what follows.
    @discardableResult
    func send(_ event: InstanceMachine.Event, to instance: Instance) -> InstanceMachine.Action {
        // What comes too late is found out again at the next start.
        if lock.withLock({ isStopped }) { return .none }
        instance.lock.lock()
        let before = instance.machine
        let action = instance.machine.handle(event, now: Clock.now)
        let after = instance.machine
        let isChanged = after.generation != before.generation
        if isChanged, action != .forget { save(instance) }
        if before.holdsResources, !after.holdsResources {
            // Before the state can be seen: who reads that an instance is over may count on its room.
            lock.withLock { used = used - NodeResources(of: instance.spec) }
        }
        instance.lock.unlock()
        if isChanged {
            if before.phase != after.phase {
                let why = after.reason.map { ": \($0.message)" } ?? ""
                environment.log.info("\(before.phase.rawValue) -> \(after.phase.rawValue)\(why)", context(instance))
            }
            changed(instance.id)
        }
        perform(action, on: instance)
        return action
    }

    /// Writes the record, with the instance's lock held. A failure does not stop the instance: the next change tries
    /// again, and a restart goes on from the older record.
    func save(_ instance: Instance) {
        do throws(RecordError) {
            try records.save(instance.record)
        } catch {
            environment.log.error("\(error); free some space in the state directory", context(instance))
        }
    }

    /// Tells the listener.
    func changed(_ instanceId: String?) {
        lock.withLock { listener }?.nodeChanged(instanceId)
    }

    /// For log lines.
    func context(_ instance: Instance? = nil) -> NodeLog.Context {
        NodeLog.Context(node: settings.name, correlation: instance?.correlation, instance: instance?.id)
    }

    /// Everything that the node knows of its instances.
    public func reports() -> [Contract.InstanceReport] {
        let (all, machine) = lock.withLock { (Array(instances.values), self.machine) }
        var result: [Contract.InstanceReport] = []
        result.reserveCapacity(all.count)
        for instance in all {
            result.append(instance.lock.withLock { instance.report(nodeName: settings.name, machine: machine) })
        }
        return result
    }

    /// What the node knows of one instance; nil if it does not know it.
    public func report(_ instanceId: String) -> Contract.InstanceReport? {
        let (instance, machine) = lock.withLock { (instances[instanceId], self.machine) }
        guard let instance else { return nil }
        return instance.lock.withLock { instance.report(nodeName: settings.name, machine: machine) }
    }

    /// What guests run on here, where all run on the same; with the lock held. Nil until that is known.
    private var machine: String? {
        switch facts?.accelerator {
        case "kvm": "kvm"
        case "tcg": "qemu"
        // Xen says it of each guest.
        case "xen", nil: nil
        default: hypervisor.name
        }
    }
}

/// Waits until work that was begun has ended.
final class Countdown: @unchecked Sendable {
    // Guards `open`.
    private let lock = Lock()
    private let change = Condition()
    private var open = 0

    func begin() { lock.withLock { open += 1 } }

    func end() {
        lock.withLock {
            open -= 1
            change.broadcast()
        }
    }

    /// False after the time limit.
    func wait(timeout: Milliseconds) -> Bool {
        let deadline = Deadline(after: timeout)
        lock.lock()
        defer { lock.unlock() }
        while open > 0 {
            if !change.wait(lock, timeout: deadline.remaining), deadline.isPast { return open == 0 }
        }
        return true
    }
}
