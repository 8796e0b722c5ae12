public import Contracts
import Logging
import Store

// What users want of instances that exist: describe, terminate, reboot, console.
extension ClusterController: ClusterContract.AsyncService {
    /// Last reports.
    public func describeInstances(_ request: ClusterContract.DescribeInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeInstancesResponse
    {
        let found =
            request.instanceId.isEmpty
            ? reports.values.sorted { $0.instanceId < $1.instanceId } : request.instanceId.compactMap { reports[$0] }
        return ClusterContract.DescribeInstancesResponse(instance: found)
    }

    /// Ends instances. The order is durable before the answer, and repeated until the node has obeyed.
    public func terminateInstances(_ request: ClusterContract.TerminateInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.TerminateInstancesResponse
    {
        var answers: [Contract.InstanceStateChange] = []
        var transaction = StoreTransaction()
        var unknown: String?
        for id in request.instanceId {
            guard let report = reports[id], var placement = placements[id] else {
                unknown = unknown ?? id
                continue
            }
            if report.state == .terminated {
                answers.append(.init(instanceId: id, previousState: .terminated, currentState: .terminated))
                continue
            }
            placement.phase = .terminating
            placements[id] = placement
            transaction.operations.append(.put(placement.key, placement.stored))
            answers.append(.init(instanceId: id, previousState: report.state, currentState: .shuttingDown))
        }
        if !transaction.operations.isEmpty {
            do { _ = try await store.commit(transaction) } catch { throw fault(error) }
        }
        for answer in answers where answer.currentState == .shuttingDown { dispatch(answer.instanceId) }
        // Before every node has reported, "unknown" may mean "not yet known". The others do not wait for it.
        if let unknown, !silent.isEmpty { throw unsettled(unknown) }
        return ClusterContract.TerminateInstancesResponse(change: answers)
    }

    /// Reboots instances.
    public func rebootInstances(_ request: ClusterContract.RebootInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RebootInstancesResponse
    {
        var done: [String] = []
        for id in request.instanceId {
            let client = try client(of: id)
            _ = try await client.rebootInstance(
                NodeContract.RebootInstanceRequest(correlationId: request.correlationId, instanceId: id))
            done.append(id)
        }
        return ClusterContract.RebootInstancesResponse(instanceId: done)
    }

    /// Console output of one instance.
    public func getConsoleOutput(_ request: ClusterContract.GetConsoleOutputRequest) async throws(ServiceFault)
        -> ClusterContract.GetConsoleOutputResponse
    {
        let client = try client(of: request.instanceId)
        let answer = try await client.getConsoleOutput(
            NodeContract.GetConsoleOutputRequest(
                correlationId: request.correlationId, instanceId: request.instanceId))
        return ClusterContract.GetConsoleOutputResponse(
            instanceId: answer.instanceId, timestamp: answer.timestamp, output: answer.output)
    }

    /// Hands credentials on, to all nodes at the same time, and keeps none.
    public func setInstanceCredentials(_ request: ClusterContract.SetInstanceCredentialsRequest)
        async throws(ServiceFault) -> ClusterContract.SetInstanceCredentialsResponse
    {
        var deliveries: [(Contract.InstanceCredentials, any NodeContract.AsyncService)] = []
        for credentials in request.credentials {
            do throws(ServiceFault) {
                deliveries.append((credentials, try client(of: credentials.instanceId)))
            } catch {
                undelivered(credentials.instanceId, error)
            }
        }
        var taken: [String] = []
        await withTaskGroup(of: (id: String, fault: ServiceFault?)?.self) { group in
            for (credentials, client) in deliveries {
                group.addTask {
                    do throws(ServiceFault) {
                        _ = try await client.setInstanceCredentials(
                            NodeContract.SetInstanceCredentialsRequest(
                                correlationId: request.correlationId, credentials: credentials))
                        return (credentials.instanceId, nil)
                    } catch {
                        return (credentials.instanceId, error)
                    }
                }
            }
            // One node that hangs must not keep the others' answers from the cloud controller, which waits 30 s.
            group.addTask {
                try? await Task.sleep(for: .seconds(10))  // cancelled: all have answered
                return nil
            }
            var open = deliveries.count
            while open > 0, let answer = await group.next() {
                guard let answer else {
                    group.cancelAll()
                    continue
                }
                open -= 1
                if let fault = answer.fault { undelivered(answer.id, fault) } else { taken.append(answer.id) }
            }
            group.cancelAll()
        }
        return ClusterContract.SetInstanceCredentialsResponse(instanceId: taken)
    }

    /// The cloud controller repeats what it was not told of. An instance that was just placed may not be on its node yet.
    private func undelivered(_ id: String, _ fault: ServiceFault) {
        logger.debug(
            "An instance's credentials were not delivered.", metadata: ["instance": "\(id)", "fault": "\(fault)"])
    }

    /// Hands the order to the instance's node.
    public func bundleInstance(_ request: ClusterContract.BundleInstanceRequest) async throws(ServiceFault)
        -> ClusterContract.BundleInstanceResponse
    {
        let answer = try await client(of: request.instanceId).bundleInstance(
            NodeContract.BundleInstanceRequest(
                correlationId: request.correlationId, instanceId: request.instanceId, bundleId: request.bundleId,
                uploadUrl: request.uploadUrl))
        return ClusterContract.BundleInstanceResponse(instance: answer.instance)
    }

    /// Hands the order to the instance's node.
    public func cancelBundleTask(_ request: ClusterContract.CancelBundleTaskRequest) async throws(ServiceFault)
        -> ClusterContract.CancelBundleTaskResponse
    {
        let answer = try await client(of: request.instanceId).cancelBundleTask(
            NodeContract.CancelBundleTaskRequest(
                correlationId: request.correlationId, instanceId: request.instanceId, bundleId: request.bundleId))
        return ClusterContract.CancelBundleTaskResponse(instance: answer.instance)
    }

    private func client(of id: String) throws(ServiceFault) -> any NodeContract.AsyncService {
        guard let report = reports[id] else {
            if !silent.isEmpty { throw unsettled(id) }
            throw ServiceFault(
                code: .notFound, message: "No node of the zone \(configuration.zone) has the instance \(id).",
                resource: id)
        }
        guard let node = nodes[report.nodeName], node.description.state != .down else {
            throw ServiceFault(
                code: .unavailable,
                message: "The node \(report.nodeName), where \(id) runs, does not answer; see `mallee status`.",
                resource: id)
        }
        return node.client
    }

    private func unsettled(_ id: String) -> ServiceFault {
        ServiceFault(
            code: .unavailable,
            message: "Not every node of the zone \(configuration.zone) has reported since its controller started ("
                + silent.sorted().prefix(5).joined(separator: ", ")
                + "); \(id) may be on one of them. Try again shortly.",
            resource: id)
    }

    /// Slots by type.
    public func describeResources(_ request: ClusterContract.DescribeResourcesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeResourcesResponse
    {
        let usable = nodes.values.filter { $0.description.state == .up || $0.description.state == .asleep }
        return ClusterContract.DescribeResourcesResponse(
            zone: configuration.zone,
            availability: request.instanceType.map { type in
                ClusterContract.TypeAvailability(
                    name: type.name, maxInstances: usable.reduce(0) { $0 + $1.capacity(for: type, empty: true) },
                    availableInstances: usable.reduce(0) { $0 + $1.capacity(for: type, empty: false) })
            })
    }

    /// Every node, ordered by name.
    public func describeNodes(_ request: ClusterContract.DescribeNodesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeNodesResponse
    {
        ClusterContract.DescribeNodesResponse(
            node: nodes.keys.sorted().compactMap { describe($0) },
            enrolment: records.values.filter { $0.phase != .removed }.sorted { $0.name < $1.name }.map(\.described))
    }

    /// The node's own description, with what is promised taken off what is free.
    private func describe(_ name: String) -> Contract.NodeDescription? {
        guard let node = nodes[name] else { return nil }
        let free = node.candidate
        var description = node.description
        description.lastSeen = node.lastSeen
        description.instanceCount = free.instanceCount
        description.resources.coresFree = max(0, free.freeCores)
        description.resources.memoryMiBFree = max(0, free.freeMemoryMiB)
        description.resources.diskGiBFree = max(0, free.freeDiskGiB)
        return description
    }

    /// The long poll; see the contract.
    public func describeChanges(_ request: ClusterContract.DescribeChangesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeChangesResponse
    {
        let complete = request.epoch != changes.epoch || request.sinceRevision == nil
        let since = request.sinceRevision ?? 0
        let wait = min(max(request.waitMilliseconds ?? 0, 0), 60_000)
        if !complete && since >= changes.revision && wait > 0 && !isStopping {
            await waitForChange(milliseconds: wait)
        }
        var answer = ClusterContract.DescribeChangesResponse(
            epoch: changes.epoch, revision: changes.revision, complete: complete, settled: silent.isEmpty)
        if complete {
            answer.instance = Array(reports.values)
            answer.node = nodes.keys.compactMap { describe($0) }
            return answer
        }
        for subject in changes.subjects(since: since) {
            switch subject {
            case .instance(let id):
                if let report = reports[id] {
                    answer.instance.append(report)
                } else {
                    answer.removedInstanceId.append(id)
                }
            case .node(let name):
                if let node = describe(name) { answer.node.append(node) } else { answer.removedNodeName.append(name) }
            }
        }
        return answer
    }

    private func waitForChange(milliseconds: Int) async {
        let ticket = nextWaiter
        nextWaiter += 1
        let timer = Task {
            try? await Task.sleep(for: .milliseconds(milliseconds))  // cancelled: the change came first
            endWait(ticket)
        }
        await withCheckedContinuation { waiters[ticket] = $0 }
        timer.cancel()
    }

    private func endWait(_ ticket: Int) { waiters.removeValue(forKey: ticket)?.resume() }

    /// Answers the long polls that wait.
    func wake() {
        let waiting = waiters
        waiters = [:]
        for continuation in waiting.values { continuation.resume() }
    }
}
