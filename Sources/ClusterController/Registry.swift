public import Contracts
import Logging
import Store

/// What one node needs of the zone's network document.
struct NodeNetwork: Sendable, Equatable {
    /// Rules of the groups that instances on the node, or promised to it, are members of.
    var rules: [Contract.SecurityGroupRules] = []
    /// Of the same instances.
    var metadata: [Contract.InstanceMetadata] = []
}

/// A node as the cluster knows it in this life.
struct Node: Sendable {
    var description: Contract.NodeDescription
    var client: any NodeContract.AsyncService
    var lastSeen: Int64
    /// Given to the node and not yet in a report of it.
    var promised: [String: Contract.InstanceTypeSpec] = [:]
    /// Instances in its last reports that are not terminated.
    var instances: Set<String> = []
    /// What it was last given of the zone's network document, and its revision.
    var sentNetwork = NodeNetwork()
    var sentRevision: Int64 = -1

    /// As a policy sees it.
    var candidate: PlacementCandidate {
        let free = description.resources
        var cores = free.coresFree
        var memory = free.memoryMiBFree
        var disk = free.diskGiBFree
        for type in promised.values {
            cores -= type.cores
            memory -= type.memoryMiB
            disk -= type.diskTotalGiB
        }
        return PlacementCandidate(
            name: description.nodeName, state: description.state, freeCores: cores, freeMemoryMiB: memory,
            freeDiskGiB: disk, instanceCount: instances.union(promised.keys).count)
    }

    /// How many instances of the type fit into what is free, or, with `empty`, into the whole node.
    func capacity(for type: Contract.InstanceTypeSpec, empty: Bool) -> Int {
        let free = candidate
        let total = description.resources
        func slots(_ have: Int, _ need: Int) -> Int { need <= 0 ? Int.max : max(0, have) / need }
        let slotCount = min(
            slots(empty ? total.coresTotal : free.freeCores, type.cores),
            slots(empty ? total.memoryMiBTotal : free.freeMemoryMiB, type.memoryMiB),
            slots(empty ? total.diskGiBTotal : free.freeDiskGiB, type.diskTotalGiB))
        return slotCount == Int.max ? 0 : slotCount
    }
}

extension ClusterController {
    /// A node makes itself known: everything that it has replaces what was known of it.
    public func registerNode(_ request: ClusterContract.RegisterNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RegisterNodeResponse
    {
        let name = request.node.nodeName
        guard isPlain(name), request.node.endpoint.hasPrefix("http") else {
            throw ServiceFault(
                code: .invalidRequest,
                message:
                    "A node needs a name of 1 to 253 letters, digits, dots, dashes and underscores, and an http(s) endpoint.",
                resource: name)
        }
        if let refusal = refusal(ofNode: name) { throw refusal }
        if nodes[name] == nil && !silent.contains(name) {
            do {
                _ = try await store.commit(
                    StoreTransaction(operations: [.put(Self.nodePrefix + name, Array(request.node.endpoint.utf8))]))
            } catch {
                throw fault(error)
            }
            logger.info(
                "A new node has joined.", metadata: ["node": "\(name)", "endpoint": "\(request.node.endpoint)"])
        }
        // While the store wrote, the administrator may have taken the node out.
        if let refusal = refusal(ofNode: name) { throw refusal }
        var node = Node(description: effective(request.node), client: connect(request.node.endpoint), lastSeen: now())
        node.promised = promises(to: name)
        // What it had before: a host that was installed anew has lost it. What was delivered in these seconds may be
        // missing here only because the node wrote this list before; its next complete report tells.
        let had = (nodes[name]?.instances ?? []).union(unreported.removeValue(forKey: name) ?? [])
        let recent = had.filter { now() - (placements[$0]?.since ?? 0) < Self.settlingMilliseconds }
        node.instances = had.subtracting(recent)
        nodes[name] = node
        silent.remove(name)
        take(request.instance, from: name, complete: true)
        nodes[name]?.instances.formUnion(recent)
        noteNode(name, as: effective(request.node))
        return ClusterContract.RegisterNodeResponse(
            zone: configuration.zone, heartbeatMilliseconds: heartbeat, network: documentToSend(name, has: nil))
    }

    /// A node pushes what has changed.
    public func reportNode(_ request: ClusterContract.ReportNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ReportNodeResponse
    {
        let name = request.node.nodeName
        if let refusal = refusal(ofNode: name) { throw refusal }
        guard let known = nodes[name], known.description.endpoint == request.node.endpoint else {
            return ClusterContract.ReportNodeResponse(known: false)
        }
        take(request.instance, from: name, complete: request.complete)
        for id in request.removedInstanceId { forget(id, from: name) }
        noteNode(name, as: effective(request.node))
        return ClusterContract.ReportNodeResponse(
            known: true, network: documentToSend(name, has: request.networkRevision))
    }

    /// How often nodes shall report: more nodes, longer pauses, so that heartbeats cost the same for any number.
    private var heartbeat: Int { max(configuration.heartbeatMilliseconds, nodes.count * 10) }

    /// Whoever calls, and whatever its certificate: a name that was taken out is not in the zone.
    private func refusal(ofNode name: String) -> ServiceFault? {
        switch records[name]?.phase {
        case .removed: NodeAdmission.fault(.removed, name)
        case .denied: NodeAdmission.fault(.denied, name)
        case nil, .announced, .pending, .enrolled, .certified: nil
        }
    }

    func isPlain(_ name: String) -> Bool {
        (1...253).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 46
                    || $0 == 95
            }
    }

    /// Types of the instances that were given to the node and that it has not reported.
    private func promises(to name: String) -> [String: Contract.InstanceTypeSpec] {
        var result: [String: Contract.InstanceTypeSpec] = [:]
        // The phase first: it is compared faster than names, and a thousand nodes may register at the same time.
        for (id, placement) in placements where placement.phase == .assigned && placement.node == name {
            result[id] = placement.spec.instanceType
        }
        return result
    }

    private func noteNode(_ name: String, as description: Contract.NodeDescription) {
        guard var node = nodes[name] else { return }
        let before = node.description
        node.description = description
        node.lastSeen = now()
        nodes[name] = node
        if before.state != description.state {
            logger.info(
                "A node has changed its state.",
                metadata: [
                    "node": "\(name)", "from": "\(before.state.rawValue)", "to": "\(description.state.rawValue)",
                    "detail": "\(description.detail ?? "")",
                ])
        }
        // A heartbeat that says nothing new wakes nobody.
        if before != description || node.lastSeen - (before.lastSeen ?? 0) > 60_000 { changes.noteNode(name) }
        wake()
    }

    /// Applies reports of a node. With `complete`, what the node does not name it does not have.
    private func take(_ instances: [Contract.InstanceReport], from name: String, complete: Bool) {
        var stray: [String] = []
        for report in instances {
            let id = report.instanceId
            nodes[name]?.promised[id] = nil
            if let placement = placements[id], placement.node != name || placement.phase == .failed {
                // It was given to another node, or up, while this one was away: it must not run here.
                if report.state != .terminated { stray.append(id) }
                continue
            }
            if report.state == .terminated {
                nodes[name]?.instances.remove(id)
            } else {
                nodes[name]?.instances.insert(id)
            }
            if let known = reports[id], known.nodeName == name, known.generation >= report.generation { continue }
            reports[id] = report
            changes.noteInstance(id)
            if let address = AddressPool.parse(report.spec.privateAddress ?? "") {
                if report.state == .terminated {
                    addressesInUse.remove(address)
                } else {
                    addressesInUse.insert(address)
                }
            }
            acknowledge(id, report: report)
        }
        if complete {
            let named = Set(instances.map { $0.instanceId })
            for id in nodes[name]?.instances ?? [] where !named.contains(id) { forget(id, from: name) }
        }
        for id in stray { endStray(id, on: name) }
        if !instances.isEmpty { wake() }
    }

    /// The node has the instance: what was a promise is a fact now.
    private func acknowledge(_ id: String, report: Contract.InstanceReport) {
        guard var placement = placements[id] else {
            // Of an earlier store of this cluster: it is remembered from now on.
            let placement = Placement(spec: report.spec, node: report.nodeName, since: now())
            placements[id] = placement
            settle(id, to: .acknowledged)
            return
        }
        if placement.phase == .terminating && report.state != .terminated && report.state != .shuttingDown {
            dispatch(id)
        } else if placement.phase == .assigned {
            placement.phase = .acknowledged
            placements[id] = placement
            settle(id, to: .acknowledged)
        }
    }

    /// Writes a phase behind the answer: losing it in a crash costs one repeated call, which nodes answer alike.
    private func settle(_ id: String, to phase: Placement.Phase) {
        guard var placement = placements[id] else { return }
        placement.phase = phase
        placements[id] = placement
        let transaction = StoreTransaction(operations: [.put(placement.key, placement.stored)])
        Task {
            do { _ = try await store.commit(transaction) } catch {
                logger.warning(
                    "A placement could not be updated.", metadata: ["instance": "\(id)", "error": "\(error)"])
            }
        }
    }

    /// A node has forgotten an instance, or never had it.
    func forget(_ id: String, from name: String, because reason: String? = nil) {
        nodes[name]?.instances.remove(id)
        nodes[name]?.promised[id] = nil
        guard let report = reports[id], report.nodeName == name else { return }
        if report.state == .terminated { return }  // kept for its time, so that nobody misses how it ended
        var gone = report
        gone.state = .terminated
        gone.detail = nil
        gone.reason = Contract.StateReason(
            code: "Server.InternalError",
            message: "Server.InternalError: "
                + (reason ?? "The node \(name) no longer knows the instance; its disks are lost."))
        gone.generation += 1
        gone.stateChangedAt = now()
        reports[id] = gone
        if let address = AddressPool.parse(gone.spec.privateAddress ?? "") { addressesInUse.remove(address) }
        changes.noteInstance(id)
        logger.error("A node has lost an instance.", metadata: ["instance": "\(id)", "node": "\(name)"])
    }

    private func endStray(_ id: String, on name: String) {
        guard let client = nodes[name]?.client else { return }
        logger.warning(
            "An instance that was given to another node meanwhile is ended here.",
            metadata: ["instance": "\(id)", "node": "\(name)", "placed": "\(placements[id]?.node ?? "")"])
        Task {
            do {
                _ = try await client.terminateInstance(
                    NodeContract.TerminateInstanceRequest(instanceId: id, force: true))
            } catch {
                logger.warning(
                    "A stray instance could not be ended; it is tried again when the node next reports it.",
                    metadata: ["instance": "\(id)", "node": "\(name)", "error": "\(error)"])
            }
        }
    }
}
