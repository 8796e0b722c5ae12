// What is done for an instance: the steps that `InstanceMachine` asks for. Each ends by sending its event.

import Contracts
import Hypervisor
import Posix

extension NodeController {
    /// Sets about an action. Steps run on the workers, so this returns at once.
    func perform(_ action: InstanceMachine.Action, on instance: Instance) {
        let workers = environment.workers
        switch action {
        case .queue, .fetch, .build, .start:
            // The record says where to go on.
            if lock.withLock({ isClosing }) { return }
        default: break
        }
        switch action {
        case .none: break
        // `parkGuests` waits for these itself.
        case .powerOffForRestart: break
        case .queue: workers.submit { self.send(.begin, to: instance) }
        case .fetch: fetch(instance)
        case .build: workers.submit { self.build(instance) }
        case .start: workers.submit { self.startGuest(instance) }
        case .copyDisk: beginCopy(instance)
        case .cancelStep:
            instance.lock.withLock { instance.bundleIsCancelled = true }
            images?.abandon(instance.id)
        case .powerOff:
            workers.submit {
                self.powerOff(instance)
                self.send(.guestEnded(.userShutdown), to: instance)
            }
        case .cleanUp: workers.submit { self.cleanUp(instance) }
        case .adopt: workers.submit { self.refreshForwards(instance) }
        case .bury:
            let age = Clock.now - instance.lock.withLock { instance.machine.stateChangedAt }
            workers.submit(after: max(0, settings.tombstoneTime - age)) { self.send(.expire, to: instance) }
        case .forget: forget(instance)
        }
    }

    // MARK: Pending

    /// The artifacts of an instance; image first.
    func artifacts(of spec: Contract.InstanceSpec) -> [Contract.Artifact] {
        var all = [spec.image]
        if let kernel = spec.kernel { all.append(kernel) }
        if let ramdisk = spec.ramdisk { all.append(ramdisk) }
        return all
    }

    private func fetch(_ instance: Instance) {
        guard let images else {
            send(.fetched, to: instance)
            return
        }
        fetch(artifacts(of: instance.spec)[...], from: images, for: instance)
    }

    /// One artifact after the other; no thread waits meanwhile.
    private func fetch(_ wanted: ArraySlice<Contract.Artifact>, from images: ImageCache, for instance: Instance) {
        guard let artifact = wanted.first else {
            send(.fetched, to: instance)
            return
        }
        images.want(artifact, for: instance.id, context: context(instance)) { outcome in
            switch outcome {
            case .ready: self.fetch(wanted.dropFirst(), from: images, for: instance)
            case .failed(let reason): self.send(.stepFailed(reason), to: instance)
            case .cancelled: self.send(.stepFailed(.userShutdown), to: instance)
            }
        }
    }

    private func build(_ instance: Instance) {
        do throws(StepFailure) {
            try makeDisks(instance)
            send(.built, to: instance)
        } catch {
            send(.stepFailed(error.reason), to: instance)
        }
    }

    private func startGuest(_ instance: Instance) {
        let mayStart = lock.withLock {
            if isClosing { return false }
            starts.begin()
            return true
        }
        guard mayStart else { return }
        defer { starts.end() }
        // A terminate that came meanwhile spares the start.
        let phase = instance.lock.withLock { instance.machine.phase }
        guard phase.isStart else {
            send(.started, to: instance)
            return
        }
        do throws(StepFailure) {
            openMetadata(instance)
            logGaps(of: plannedForwards(instance.spec).plan, instance)
            let definition = try definition(of: instance)
            let handle = try launch(definition, instance)
            instance.lock.withLock {
                instance.handle = handle
                if case .user(let user) = definition.network { instance.wantedForwards = user.forwards }
            }
            instance.lock.withLock { instance.failedRestarts = 0 }
            noteForwards(instance, handle)
            send(.started, to: instance)
            // The network document may have changed while the guest was started.
            refreshForwards(instance)
        } catch {
            if phase != .starting, triesAgain(instance, error) { return }
            send(.stepFailed(error.reason), to: instance)
        }
    }

    /// Starts the guest, or takes over one that runs already: an earlier try may have been given up before it got there.
    private func launch(_ definition: GuestDefinition, _ instance: Instance) throws(StepFailure) -> GuestHandle {
        do throws(HypervisorError) {
            do throws(HypervisorError) {
                return try hypervisor.start(definition)
            } catch {
                guard error.code == .alreadyRunning, let running = try leftover(of: instance),
                    try hypervisor.status(running).state == .running
                else { throw error }
                return running
            }
        } catch {
            switch error.code {
            // It may be the host's trouble, not this guest's.
            case .timedOut, .unavailable, .notInstalled:
                if hypervisor.healthCheckPause != nil { environment.workers.submit { self.checkHealth() } }
            default: break
            }
            throw StepFailure(error)
        }
    }

    /// Whether a guest that did not start again from its own disks is given another try: what keeps it from starting may be
    /// over soon, such as a lock on its disk.
    private func triesAgain(_ instance: Instance, _ failure: StepFailure) -> Bool {
        let tries = instance.lock.withLock {
            instance.failedRestarts += 1
            return instance.failedRestarts
        }
        guard tries < NodeController.restartTries else {
            instance.lock.withLock { instance.failedRestarts = 0 }
            return false
        }
        environment.log.warning("not started again yet: \(failure.reason.message)", context(instance))
        environment.workers.submit(after: NodeController.restartPause) { self.startGuest(instance) }
        return true
    }

    /// A minute in all.
    private static let restartTries = 12
    private static let restartPause: Milliseconds = 5_000

    private func definition(of instance: Instance) throws(StepFailure) -> GuestDefinition {
        let spec = instance.spec
        guard let architecture = GuestArchitecture(rawValue: spec.architecture) else {
            throw StepFailure(.image, "the architecture \(spec.architecture) is not known; it must be i386 or x86_64")
        }
        let directory = records.directory(of: instance.id)
        var network = GuestNetwork.none
        if let bridge = settings.bridge {
            network = .bridge(bridge)
        } else if let address = userAddress(spec) {
            var command: [String] = []
            if let directory, !settings.relayCommand.isEmpty {
                command = settings.relayCommand + [MetadataServer.socketPath(directory)]
            }
            network = .user(
                UserNetwork(
                    hostAddress: address, forwards: plannedForwards(spec).forwards, metadataCommand: command))
        }
        return GuestDefinition(
            id: instance.id, name: instance.id, directory: self.directory(of: instance),
            cores: Int(spec.instanceType.cores), memoryMiB: Int(spec.instanceType.memoryMiB),
            architecture: architecture, disks: disks(of: instance), kernel: spec.kernel.map { path(of: $0) },
            ramdisk: spec.ramdisk.map { path(of: $0) },
            kernelArguments: spec.kernel == nil
                ? nil : spec.kernelArguments ?? NodeController.defaultKernelArguments,
            macAddress: spec.macAddress, network: network)
    }

    private func path(of artifact: Contract.Artifact) -> String {
        images?.path(artifact) ?? "/simulated/" + artifact.artifactId
    }

    /// The address of an instance in the USER mode, on this host's loopback; nil where there is no such network.
    private func userAddress(_ spec: Contract.InstanceSpec) -> String? {
        guard settings.usesUserNetwork, let address = spec.publicAddress ?? spec.privateAddress,
            let value = IPv4Block.address(address[...]), value >> 24 == 127
        else { return nil }
        return address
    }

    /// For a kernel that comes without arguments: the first disk as a whole is the root, the console is the one that
    /// GetConsoleOutput reads.
    static let defaultKernelArguments = "root=/dev/vda ro console=ttyS0"

    /// Opens the metadata service of a guest. A failure leaves the guest without metadata but running.
    func openMetadata(_ instance: Instance) {
        guard let directory = records.directory(of: instance.id), settings.usesUserNetwork,
            instance.lock.withLock({ instance.metadata == nil })
        else { return }
        takeMetadataOptions([instance])
        do throws(PosixError) {
            let server = try MetadataServer(
                path: MetadataServer.socketPath(directory),
                service: MetadataService(
                    instance.spec, region: settings.region, diskPrefix: hypervisor.diskPrefix,
                    credentials: instance.credentials,
                    options: instance.metadataOptions), log: environment.log, context: context(instance))
            instance.lock.withLock { instance.metadata = server }
        } catch {
            environment.log.error("no metadata for the guest: \(error)", context(instance))
        }
    }

    // MARK: Ending

    /// Asks the guest to shut down and waits for it. Errors leave it to the clean-up, which tries again harder.
    func powerOff(_ instance: Instance) {
        guard let handle = instance.lock.withLock({ instance.handle }) else { return }
        do throws(HypervisorError) {
            let end = try hypervisor.stop(handle, graceMilliseconds: settings.shutdownGrace)
            environment.log.info("the guest is off: \(end.message)", context(instance))
        } catch {
            environment.log.warning("the guest did not switch off: \(error.message)", context(instance))
        }
    }

    private func cleanUp(_ instance: Instance) {
        let (handle, metadata) = instance.lock.withLock {
            let server = instance.metadata
            instance.metadata = nil
            instance.forwards = []
            instance.bundleIsCancelled = true
            return (instance.handle, server)
        }
        metadata?.stop()
        do throws(HypervisorError) {
            // A start that nobody lived to record comes after the recorded one.
            let guest = try leftover(of: instance) ?? handle
            // One that was not taken over yet is not known to the driver, though it may run.
            if let handle = guest, try hypervisor.adopt(handle) != nil {
                _ = try hypervisor.stop(handle, graceMilliseconds: 0)
                keepConsole(instance, handle)
                try hypervisor.forget(handle)
            }
        } catch {
            // A guest without trace is as good as ended. Any other may still write to its disks: try again, since
            // ending an instance must not be given up.
            if error.code != .notFound {
                environment.log.error(
                    "the guest cannot be ended, trying again: \(error.message)", context(instance))
                environment.workers.submit(after: 5_000) { self.cleanUp(instance) }
                return
            }
        }
        images?.release(instance.id)
        do throws(PosixError) {
            try records.removeDisks(instance.id)
        } catch {
            environment.log.error("disks were left behind: \(error)", context(instance))
        }
        send(.cleanedUp, to: instance)
    }

    /// What a start that failed, or that this process did not live to record, may have left running.
    private func leftover(of instance: Instance) throws(HypervisorError) -> GuestHandle? {
        guard let directory = records.directory(of: instance.id),
            let handle = try hypervisor.find(id: instance.id, directory: directory),
            try hypervisor.adopt(handle) != nil
        else { return nil }
        return handle
    }

    /// Keeps the last console output for as long as the tombstone stands.
    private func keepConsole(_ instance: Instance, _ handle: GuestHandle) {
        guard let directory = records.directory(of: instance.id) else { return }
        do throws(HypervisorError) {
            let output = try hypervisor.consoleOutput(handle, limit: NodeController.consoleLimit)
            do throws(PosixError) {
                try FileSystem.write(
                    NodeController.consolePath(directory), output.bytes, permissions: 0o600)
            } catch {
                environment.log.warning("the console output is lost: \(error)", context(instance))
            }
        } catch {
            environment.log.debug("no console output: \(error.message)", context(instance))
        }
    }

    /// Bytes of console output that GetConsoleOutput answers at most.
    static let consoleLimit = 65_536

    static func consolePath(_ directory: String) -> String { FileSystem.join(directory, "console.last") }

    private func forget(_ instance: Instance) {
        do throws(RecordError) {
            try records.remove(instance.id)
        } catch {
            environment.log.error("\(error)", context(instance))
        }
        let listener = lock.withLock {
            instances[instance.id] = nil
            return self.listener
        }
        listener?.nodeForgot(instance.id)
    }

    // MARK: Network edge

    /// The forwards that an instance should have by the network document in force.
    func plannedForwards(_ spec: Contract.InstanceSpec) -> (forwards: [PortForward], plan: PortForwardPlan) {
        let groups = lock.withLock { network?.securityGroup ?? [] }
        var members: [String] = []
        for group in spec.group { members.append(group.groupId) }
        let plan = PortForwardPlan(groups: groups, members: members, lowestBindable: settings.lowestBindablePort)
        var forwards: [PortForward] = []
        forwards.reserveCapacity(plan.forwards.count)
        for forward in plan.forwards {
            forwards.append(
                PortForward(
                    transport: forward.protocol == "udp" ? .udp : .tcp, hostPort: Int(forward.hostPort),
                    guestPort: Int(forward.guestPort)))
        }
        return (forwards, plan)
    }

    /// Takes in which forwards are in force after a start, and logs those that failed.
    private func noteForwards(_ instance: Instance, _ handle: GuestHandle) {
        do throws(HypervisorError) {
            let status = try hypervisor.status(handle)
            instance.lock.withLock { instance.kind = status.machine }
            take(status.forwards, instance)
        } catch {
            environment.log.warning("the forwarded ports are not known: \(error.message)", context(instance))
        }
    }

    private func take(_ results: [PortForwardResult], _ instance: Instance) {
        var inForce: [PortForward] = []
        for result in results {
            guard let failure = result.failure else {
                inForce.append(result.forward)
                continue
            }
            environment.log.warning(
                "port \(result.forward.transport.rawValue)/\(result.forward.hostPort) is not forwarded: \(failure)",
                context(instance))
        }
        instance.lock.withLock { instance.forwards = inForce }
    }

    /// Makes the ports of a running guest be as the network document wants them. Runs on a worker; calls for one
    /// instance that overlap are one.
    func refreshForwards(_ instance: Instance) {
        guard userAddress(instance.spec) != nil else { return }
        let isMine = instance.lock.withLock {
            if instance.forwardsBusy {
                instance.forwardsStale = true
                return false
            }
            instance.forwardsBusy = true
            return true
        }
        guard isMine else { return }
        while true {
            applyForwards(instance)
            let isDone = instance.lock.withLock {
                if instance.forwardsStale {
                    instance.forwardsStale = false
                    return false
                }
                instance.forwardsBusy = false
                return true
            }
            if isDone { return }
        }
    }

    private func applyForwards(_ instance: Instance) {
        // Without a document nothing is known, so nothing is changed.
        guard lock.withLock({ network != nil }) else { return }
        let (wanted, plan) = plannedForwards(instance.spec)
        let state = instance.lock.withLock {
            (instance.machine.phase, instance.handle, instance.wantedForwards)
        }
        guard state.0 == .running, let handle = state.1, state.2 != wanted else { return }
        do throws(HypervisorError) {
            let results = try hypervisor.setForwards(handle, wanted)
            instance.lock.withLock { instance.wantedForwards = wanted }
            take(results, instance)
        } catch {
            // The next document, or the next start of this node, tries again.
            environment.log.error("the forwarded ports are as before: \(error.message)", context(instance))
            return
        }
        logGaps(of: plan, instance)
        send(.noted, to: instance)
    }

    /// Says what a plan could not do as the rules want it.
    private func logGaps(of plan: PortForwardPlan, _ instance: Instance) {
        if plan.leftOut > 0 {
            environment.log.warning(
                "the rules open \(plan.leftOut) ports more than are forwarded for one instance "
                    + "(\(PortForwardPlan.cap), lowest first); open fewer ports", context(instance))
        }
        if plan.moved > 0 {
            environment.log.warning(
                "\(plan.moved) ports under \(settings.lowestBindablePort) are forwarded from port+\(PortForwardPlan.offset), "
                    + "since this process may not bind them; run as root or lower net.ipv4.ip_unprivileged_port_start",
                context(instance))
        }
    }
}
