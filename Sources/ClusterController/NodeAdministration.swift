public import Contracts
import Logging
import Store

// What the administrator, or the site's own database, wants of nodes. Each order is durable before its answer.
extension ClusterController {
    /// Lets in a node that waits, or was denied.
    public func approveNode(_ request: ClusterContract.ApproveNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ApproveNodeResponse
    {
        let name = request.nodeName
        await acquire(name)
        defer { release(name) }
        guard var record = records[name], record.phase != .removed else { throw unknownNode(name) }
        guard var candidate = record.candidate else {
            if record.phase == .denied {
                record.enter(.announced, at: now())
                try await keep(record)
                return .init(enrolment: record.described)
            }
            throw ServiceFault(
                code: .conflict,
                message: record.phase == .enrolled
                    ? "The node \(name) is enrolled already."
                    : "The node \(name) has not asked to be let in; start mallee-node on it and look at its log.",
                resource: name)
        }
        if let wanted = request.keyFingerprint, wanted.lowercased() != candidate.keyFingerprint {
            throw ServiceFault(
                code: .conflict,
                message: "The key that waits under the name \(name) is \(candidate.keyFingerprint), not \(wanted).",
                resource: name)
        }
        candidate.isApproved = true
        record.candidate = candidate
        if record.phase == .denied { record.enter(.pending, at: now()) }
        try await keep(record)
        logger.info(
            "A node was approved; it is enrolled when it next asks.",
            metadata: ["node": "\(name)", "key": "\(candidate.keyFingerprint)"])
        return .init(enrolment: record.described)
    }

    /// Keeps a name out.
    public func denyNode(_ request: ClusterContract.DenyNodeRequest) async throws(ServiceFault)
        -> ClusterContract.DenyNodeResponse
    {
        let name = request.nodeName
        await acquire(name)
        defer { release(name) }
        guard var record = records[name], record.phase != .removed else { throw unknownNode(name) }
        if record.serial != nil || nodes[name] != nil {
            guard record.candidate != nil, record.serial != nil else {
                throw ServiceFault(
                    code: .conflict, message: "The node \(name) is in the zone; use `mallee node remove \(name)`.",
                    resource: name)
            }
            // The certificate in force stays; only the newcomer is sent away.
            record.candidate = nil
        } else {
            record.candidate?.isApproved = false
            record.enter(.denied, at: now())
        }
        try await keep(record)
        logger.info("A node was denied.", metadata: ["node": "\(name)"])
        return .init(enrolment: record.described)
    }

    /// Stops or resumes giving instances to a node.
    public func drainNode(_ request: ClusterContract.DrainNodeRequest) async throws(ServiceFault)
        -> ClusterContract.DrainNodeResponse
    {
        let name = request.nodeName
        await acquire(name)
        defer { release(name) }
        return .init(enrolment: try await drain(name, undo: request.undo ?? false))
    }

    /// With the name acquired.
    private func drain(_ name: String, undo: Bool) async throws(ServiceFault) -> ClusterContract.NodeEnrolment {
        var record = try existing(name)
        record.isDraining = !undo
        try await keep(record)
        if let state = nodes[name]?.description.state {
            if undo && state == .draining {
                nodes[name]?.description.state = .up
                nodes[name]?.description.detail = nil
            } else if let description = nodes[name]?.description {
                nodes[name]?.description = effective(description)
            }
            changes.noteNode(name)
            wake()
        }
        logger.info(
            undo ? "A node takes instances again." : "A node takes no new instances.", metadata: ["node": "\(name)"])
        return record.described
    }

    /// Takes a node out of the zone.
    public func removeNode(_ request: ClusterContract.RemoveNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RemoveNodeResponse
    {
        let name = request.nodeName
        await acquire(name)
        defer { release(name) }
        if let record = records[name], record.phase == .removed { return .init(enrolment: record.described) }
        let living = instances(on: name)
        guard living.isEmpty || request.force ?? false else {
            throw ServiceFault(
                code: .conflict,
                message:
                    "The node \(name) has \(living.count) instances (\(living.prefix(3).joined(separator: ", "))). "
                    + "Drain it and terminate them, or remove it with --force, which ends them.",
                resource: name)
        }
        return .init(enrolment: try await remove(name, ending: living))
    }

    /// With the name acquired.
    private func remove(_ name: String, ending living: [String]) async throws(ServiceFault)
        -> ClusterContract.NodeEnrolment
    {
        var record = try existing(name)
        record.enter(.removed, at: now())
        record.candidate = nil
        record.serial = nil
        record.keyFingerprint = nil
        record.expectedAddress = nil
        record.isAnnounced = false
        record.isDraining = false
        record.trustsHandmade = false
        let node = nodes[name]
        if let client = node?.client {
            for id in living { await endBeforeRemoval(id, on: name, client) }
        }
        try await keep(record, also: [.delete(Self.nodePrefix + name)])
        for id in living {
            if let placement = placements[id], placement.phase == .assigned, placement.node == name {
                let cause = ServiceFault(code: .unavailable, message: "The node \(name) was removed.")
                Task { await place(id, anewBecause: cause, refusedBy: name) }
            } else {
                forget(id, from: name, because: "The node \(name) was removed from the zone.")
            }
        }
        nodes[name] = nil
        silent.remove(name)
        changes.noteNode(name)
        wake()
        logger.info("A node was removed.", metadata: ["node": "\(name)", "instances": "\(living.count)"])
        return record.described
    }

    private func endBeforeRemoval(_ id: String, on name: String, _ client: any NodeContract.AsyncService) async {
        do throws(ServiceFault) {
            _ = try await client.terminateInstance(NodeContract.TerminateInstanceRequest(instanceId: id, force: true))
        } catch {
            logger.warning(
                "An instance could not be ended before its node was removed; end it on the host.",
                metadata: ["instance": "\(id)", "node": "\(name)", "fault": "\(error.message)"])
        }
    }

    /// Expects a node.
    public func announceNode(_ request: ClusterContract.AnnounceNodeRequest) async throws(ServiceFault)
        -> ClusterContract.AnnounceNodeResponse
    {
        let name = request.nodeName
        try checkEnrolmentName(name)
        if let address = request.address, IPAddressText.canonical(address) == nil {
            throw ServiceFault(
                code: .invalidRequest, message: "\(address) is no IP address; announce \(name) with its address.",
                resource: name)
        }
        await acquire(name)
        defer { release(name) }
        let record = try await announce(name, address: request.address.flatMap { IPAddressText.canonical($0) })
        return .init(enrolment: record.described)
    }

    /// With the name acquired.
    private func announce(_ name: String, address: String?) async throws(ServiceFault) -> NodeRecord {
        var record = records[name] ?? NodeRecord(name, nodes[name] == nil ? .announced : .certified, since: now())
        let before = records[name]
        if record.phase == .removed {
            record.enter(.announced, at: now())
            // Who was never enrolled can come back only with the certificate that it has.
            if record.generation == 0 { record.trustsHandmade = true }
        }
        record.isAnnounced = true
        if let address { record.expectedAddress = address }
        guard record != before else { return record }
        try await keep(record)
        logger.info("A node was announced.", metadata: ["node": "\(name)", "address": "\(address ?? "any")"])
        return record
    }

    /// Makes the announced nodes those of the list.
    public func reconcileNodes(_ request: ClusterContract.ReconcileNodesRequest) async throws(ServiceFault)
        -> ClusterContract.ReconcileNodesResponse
    {
        let wanted = Set(request.nodeName)
        // A database that could not be asked must not empty the zone.
        guard !wanted.isEmpty else {
            throw ServiceFault(
                code: .invalidRequest,
                message: "The list of nodes is empty; nothing was changed. Remove nodes one by one.")
        }
        for name in wanted { try checkEnrolmentName(name) }
        var answer = ClusterContract.ReconcileNodesResponse()
        for name in wanted.sorted() {
            await acquire(name)
            defer { release(name) }
            let isNew = records[name].map { $0.phase == .removed } ?? (nodes[name] == nil)
            _ = try await announce(name, address: nil)
            if isNew { answer.announcedNodeName.append(name) }
        }
        let known = Set(nodes.keys).union(silent).union(records.values.filter { $0.phase != .removed }.map(\.name))
        for name in known.subtracting(wanted).sorted() {
            await acquire(name)
            defer { release(name) }
            guard let record = records[name], record.isAnnounced, record.phase != .removed else {
                if records[name]?.phase != .removed { answer.unknownNodeName.append(name) }
                continue
            }
            if instances(on: name).isEmpty {
                _ = try await remove(name, ending: [])
                answer.removedNodeName.append(name)
            } else {
                if !record.isDraining { _ = try await drain(name, undo: false) }
                answer.drainingNodeName.append(name)
            }
        }
        return answer
    }

    // MARK: Parts

    /// Ids of the instances that the node has, or was given.
    private func instances(on name: String) -> [String] {
        reports.values.filter { $0.nodeName == name && $0.state != .terminated }.map(\.instanceId).sorted()
    }

    /// The record of a node that is in some list; made now if it only registered.
    private func existing(_ name: String) throws(ServiceFault) -> NodeRecord {
        if let record = records[name], record.phase != .removed { return record }
        guard nodes[name] != nil || silent.contains(name) else { throw unknownNode(name) }
        return NodeRecord(name, .certified, since: now())
    }

    private func unknownNode(_ name: String) -> ServiceFault {
        ServiceFault(
            code: .notFound,
            message:
                "The zone \(configuration.zone) knows no node \(name); `mallee node list` shows those that it knows.",
            resource: name)
    }

    /// Fails for what cannot be the common name of a certificate.
    func checkEnrolmentName(_ name: String) throws(ServiceFault) {
        guard (1...48).contains(name.utf8.count), isPlain(name) else {
            throw ServiceFault(
                code: .invalidRequest,
                message: "A node's name has 1 to 48 letters, digits, dots, dashes and underscores; set NODE_NAME.",
                resource: "node-name")
        }
    }

    /// Records of a name change one at a time, also over the awaits in between.
    func acquire(_ name: String) async {
        while !busyNames.insert(name).inserted {
            await withCheckedContinuation { waitingForName[name, default: []].append($0) }
        }
    }

    func release(_ name: String) {
        busyNames.remove(name)
        for waiter in waitingForName.removeValue(forKey: name) ?? [] { waiter.resume() }
    }

    /// Writes a record, then believes it.
    func keep(_ record: NodeRecord, also operations: [StoreOperation] = []) async throws(ServiceFault) {
        do {
            _ = try await store.commit(StoreTransaction(operations: [.put(record.key, record.stored)] + operations))
        } catch {
            throw fault(error)
        }
        records[record.name] = record
        admission.set(record)
        changes.noteNode(record.name)
        wake()
    }

    /// What a node says of itself, under the administrator's orders.
    func effective(_ description: Contract.NodeDescription) -> Contract.NodeDescription {
        guard records[description.nodeName]?.isDraining == true,
            description.state == .up || description.state == .asleep
        else { return description }
        var description = description
        description.state = .draining
        description.detail = "It takes no new instances until `mallee node drain --undo \(description.nodeName)`."
        return description
    }
}
