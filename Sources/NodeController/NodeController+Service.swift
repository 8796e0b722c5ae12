// The service that the cluster controller calls (node.wsdl).

public import Contracts
import Hypervisor
import Posix

extension NodeController: NodeContract.Service {
    /// Accepts an instance; see the contract.
    public func runInstance(
        _ request: NodeContract.RunInstanceRequest
    ) throws(ServiceFault) -> NodeContract.RunInstanceResponse {
        let spec = request.instance
        if let known = lock.withLock({ instances[spec.instanceId] }) { return try repeated(known) }
        try SpecValidation.check(
            spec, isReal: images != nil, usesUserNetwork: settings.usesUserNetwork && images != nil)
        let instance = Instance(
            spec: spec, correlation: request.correlationId ?? "", machine: InstanceMachine(acceptedAt: Clock.now))
        instance.lock.lock()
        let other: Instance?
        do throws(ServiceFault) {
            other = try lock.withLock { () throws(ServiceFault) in try admit(instance) }
        } catch {
            instance.lock.unlock()
            throw error
        }
        if let other {
            instance.lock.unlock()
            return try repeated(other)
        }
        do throws(RecordError) {
            try records.save(instance.record)
        } catch {
            lock.withLock {
                instances[spec.instanceId] = nil
                used = used - NodeResources(of: spec)
            }
            instance.lock.unlock()
            environment.log.error("not accepted: \(error)", context(instance))
            throw ServiceFault(
                code: error.isDiskFull ? .insufficientResources : .internal,
                message: "node \(settings.name) could not record the instance: \(error)"
                    + (error.isDiskFull ? "; free some space in its state directory" : ""),
                resource: error.isDiskFull ? "disk" : spec.instanceId)
        }
        let report = instance.report(nodeName: settings.name)
        instance.lock.unlock()
        environment.log.info(
            "accepted, \(spec.instanceType.name) of \(spec.image.artifactId)", context(instance))
        changed(instance.id)
        perform(.queue, on: instance)
        return NodeContract.RunInstanceResponse(instance: report)
    }

    /// Answers for an instance that was accepted before, or is being accepted now: its lock is held until that is
    /// durable or has failed.
    private func repeated(_ known: Instance) throws(ServiceFault) -> NodeContract.RunInstanceResponse {
        let report = known.lock.withLock { () -> Contract.InstanceReport? in
            let isThere = lock.withLock { instances[known.id] === known }
            return isThere ? known.report(nodeName: settings.name) : nil
        }
        guard let report else {
            throw ServiceFault(
                code: .unavailable, message: "instance \(known.id) could just not be accepted; try again",
                resource: known.id)
        }
        return NodeContract.RunInstanceResponse(instance: report)
    }

    /// With the node's lock held: takes the instance in, or returns the one that has its id.
    private func admit(_ instance: Instance) throws(ServiceFault) -> Instance? {
        if let other = instances[instance.id] { return other }
        guard !isClosing else {
            throw ServiceFault(code: .unavailable, message: "node \(settings.name) is being stopped; try another node")
        }
        guard nodeState != .faulty else {
            throw ServiceFault(
                code: .unavailable,
                message: "node \(settings.name) cannot run instances: \(nodeDetail ?? "its hypervisor does not work")")
        }
        let needed = NodeResources(of: instance.spec)
        if let shortage = (settings.capacity - used).shortage(for: needed, node: settings.name) { throw shortage }
        used = used + needed
        instances[instance.id] = instance
        return nil
    }

    /// Reports the named instances, or all.
    public func describeInstances(
        _ request: NodeContract.DescribeInstancesRequest
    ) throws(ServiceFault) -> NodeContract.DescribeInstancesResponse {
        if request.instanceId.isEmpty { return NodeContract.DescribeInstancesResponse(instance: reports()) }
        var found: [Contract.InstanceReport] = []
        for id in request.instanceId { if let report = report(id) { found.append(report) } }
        return NodeContract.DescribeInstancesResponse(instance: found)
    }

    /// Describes the node.
    public func describeResource(
        _ request: NodeContract.DescribeResourceRequest
    ) throws(ServiceFault) -> NodeContract.DescribeResourceResponse {
        NodeContract.DescribeResourceResponse(node: description())
    }

    /// Ends an instance; an ended one stays as it is.
    public func terminateInstance(
        _ request: NodeContract.TerminateInstanceRequest
    ) throws(ServiceFault) -> NodeContract.TerminateInstanceResponse {
        let instance = try find(request.instanceId)
        let before = instance.lock.withLock { instance.machine.state }
        let action = send(.terminate(force: request.force ?? false), to: instance)
        // The cluster controller asks until the instance is over.
        if action != .none {
            environment.log.info("terminate requested", requestContext(request.correlationId, instance))
        }
        let after = instance.lock.withLock { instance.machine.state }
        return NodeContract.TerminateInstanceResponse(
            change: Contract.InstanceStateChange(
                instanceId: instance.id, previousState: before, currentState: after))
    }

    /// Asks the guest to restart.
    public func rebootInstance(
        _ request: NodeContract.RebootInstanceRequest
    ) throws(ServiceFault) -> NodeContract.RebootInstanceResponse {
        let instance = try find(request.instanceId)
        let (phase, handle) = instance.lock.withLock { (instance.machine.phase, instance.handle) }
        guard phase == .running, let handle else {
            throw ServiceFault(
                code: .conflict,
                message: "instance \(instance.id) is \(phase.rawValue); only a running instance can be rebooted",
                resource: instance.id)
        }
        environment.log.info("reboot requested", requestContext(request.correlationId, instance))
        do throws(HypervisorError) {
            try hypervisor.reboot(handle, graceMilliseconds: settings.shutdownGrace)
        } catch {
            throw fault(error, instance)
        }
        return NodeContract.RebootInstanceResponse(instanceId: instance.id)
    }

    /// The latest console output.
    public func getConsoleOutput(
        _ request: NodeContract.GetConsoleOutputRequest
    ) throws(ServiceFault) -> NodeContract.GetConsoleOutputResponse {
        let instance = try find(request.instanceId)
        let (isOver, handle) = instance.lock.withLock { (instance.machine.phase == .terminated, instance.handle) }
        if isOver { return try lastConsole(instance) }
        guard let handle else {
            return NodeContract.GetConsoleOutputResponse(instanceId: instance.id, timestamp: Clock.now, output: [])
        }
        do throws(HypervisorError) {
            let output = try hypervisor.consoleOutput(handle, limit: NodeController.consoleLimit)
            return NodeContract.GetConsoleOutputResponse(
                instanceId: instance.id, timestamp: output.timestampMilliseconds, output: output.bytes)
        } catch {
            // It may just have been cleaned up.
            if error.code == .notFound { return try lastConsole(instance) }
            throw fault(error, instance)
        }
    }

    /// What an ended guest left.
    private func lastConsole(_ instance: Instance) throws(ServiceFault) -> NodeContract.GetConsoleOutputResponse {
        var output: [UInt8] = []
        var time = Clock.now
        if let directory = records.directory(of: instance.id) {
            let path = NodeController.consolePath(directory)
            do throws(PosixError) {
                if let status = try FileSystem.statusIfPresent(path) {
                    output = try FileSystem.read(path, limit: NodeController.consoleLimit * 2)
                    time = status.modified
                }
            } catch {
                throw ServiceFault(
                    code: .internal, message: "the kept console output cannot be read: \(error)", resource: instance.id)
            }
        }
        return NodeContract.GetConsoleOutputResponse(instanceId: instance.id, timestamp: time, output: output)
    }

    /// Takes the zone's network document.
    public func broadcastNetworkInfo(
        _ request: NodeContract.BroadcastNetworkInfoRequest
    ) throws(ServiceFault) -> NodeContract.BroadcastNetworkInfoResponse {
        guard request.network.mode == .user else {
            throw ServiceFault(
                code: .unsupported,
                message:
                    "node \(settings.name) serves the network mode USER only, not \(request.network.mode.rawValue)",
                resource: settings.name)
        }
        apply(request.network)
        return NodeContract.BroadcastNetworkInfoResponse(revision: networkRevision ?? 0)
    }

    // MARK: Parts

    /// The node as it is now.
    public func description() -> Contract.NodeDescription {
        let (state, detail, facts, free, count) = lock.withLock {
            (nodeState, nodeDetail, self.facts, settings.capacity - used, instances.count)
        }
        var architectures: [String] = []
        for architecture in facts?.guestArchitectures ?? [.x86_64] { architectures.append(architecture.rawValue) }
        var boots: [String] = []
        for boot in facts?.boots ?? [] { boots.append(boot.rawValue) }
        let total = settings.capacity
        return Contract.NodeDescription(
            nodeName: settings.name, endpoint: settings.endpoint, state: state, detail: detail,
            hypervisor: hypervisor.name,
            accelerator: facts.map { facts in
                facts.acceleratorReason.isEmpty
                    ? facts.accelerator : facts.accelerator + ": " + facts.acceleratorReason
            },
            architecture: architectures,
            resources: Contract.Resources(
                coresTotal: Int(total.cores), coresFree: Int(max(0, free.cores)), memoryMiBTotal: Int(total.memoryMiB),
                memoryMiBFree: Int(max(0, free.memoryMiB)), diskGiBTotal: Int(total.diskGiB),
                diskGiBFree: Int(max(0, free.diskGiB))),
            softwareVersion: settings.softwareVersion, startedAt: startedAt, instanceCount: count, boot: boots)
    }

    /// Revision of the network document in force.
    public var networkRevision: Int64? { lock.withLock { network?.revision } }

    /// Makes the network edge as a document says, unless a newer one is in force.
    public func apply(_ document: Contract.NetworkDocument) {
        let running = lock.withLock { () -> [Instance]? in
            if let current = network, current.revision >= document.revision { return nil }
            network = document
            return Array(instances.values)
        }
        guard let running else { return }
        environment.log.debug("network document \(document.revision) is in force", context())
        do throws(RecordError) {
            try records.save(document)
        } catch {
            // The cluster controller sends it again after a restart.
            environment.log.error("\(error)", context())
        }
        takeMetadataOptions(running)
        for instance in running where instance.lock.withLock({ instance.machine.phase == .running }) {
            environment.workers.submit { self.refreshForwards(instance) }
        }
    }

    /// Makes these instances' metadata as the document in force says; what it does not name stays as it is.
    func takeMetadataOptions(_ instances: [Instance]) {
        let changed = lock.withLock { network?.metadata ?? [] }
        if changed.isEmpty { return }
        var options: [String: Contract.MetadataOptions] = [:]
        for entry in changed { options[entry.instanceId] = entry.options }
        for instance in instances {
            if let next = options[instance.id] { instance.metadataOptions.take(next) }
        }
    }

    func find(_ id: String) throws(ServiceFault) -> Instance {
        guard let instance = lock.withLock({ instances[id] }) else {
            throw ServiceFault(
                code: .notFound, message: "node \(settings.name) has no instance \(id)", resource: id)
        }
        return instance
    }

    private func requestContext(_ correlation: String?, _ instance: Instance) -> NodeLog.Context {
        NodeLog.Context(node: settings.name, correlation: correlation, instance: instance.id)
    }

    private func fault(_ error: HypervisorError, _ instance: Instance) -> ServiceFault {
        let code: Contract.FaultCode
        switch error.code {
        case .notFound, .ended: code = .conflict
        case .timedOut, .unavailable: code = .unavailable
        case .unsupported: code = .unsupported
        case .insufficientResources: code = .insufficientResources
        default: code = .internal
        }
        return ServiceFault(code: code, message: error.message, resource: instance.id)
    }
}
