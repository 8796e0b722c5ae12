public import Contracts
import Logging
import Store

// Placing instances and handing them to their nodes.
extension ClusterController {
    /// Places instances; see the contract. The hand-over to the nodes goes on after the answer.
    public func runInstances(_ request: ClusterContract.RunInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RunInstancesResponse
    {
        var answers: [ClusterContract.Placement] = []
        var transaction = StoreTransaction()
        var placed: [String] = []
        for spec in request.instance {
            let id = spec.instanceId
            if placements[id] == nil {
                do throws(ServiceFault) {
                    let placement = try await choose(for: spec, excluding: [])
                    // While the policy thought, the same instance may have come a second time.
                    if placements[id] == nil {
                        promise(placement)
                        transaction.operations.append(.put(placement.key, placement.stored))
                        placed.append(id)
                    }
                } catch {
                    answers.append(ClusterContract.Placement(instanceId: id, fault: error))
                    continue
                }
            }
            if let placement = placements[id] {
                answers.append(
                    ClusterContract.Placement(
                        instanceId: id, nodeName: placement.node, privateAddress: placement.spec.privateAddress,
                        publicAddress: placement.spec.publicAddress))
            }
        }
        if !transaction.operations.isEmpty {
            do { _ = try await store.commit(transaction) } catch {
                for id in placed { withdraw(id) }
                throw fault(error)
            }
        }
        for answer in answers where answer.nodeName != nil && placements[answer.instanceId]?.phase == .assigned {
            dispatch(answer.instanceId)
        }
        return ClusterContract.RunInstancesResponse(placement: answers)
    }

    /// A node and an address for the instance.
    ///
    /// - Throws: `insufficientResources` that names the scarcest resource, what is needed and what the best node has.
    func choose(for spec: Contract.InstanceSpec, excluding refused: Set<String>) async throws(ServiceFault) -> Placement
    {
        // A policy may take its time, so what it chose is checked again; a few rounds settle any race.
        for _ in 0..<8 {
            let candidates = nodes.candidates(
                architecture: spec.architecture, boot: spec.kernel == nil ? "disk" : "kernel", excluding: refused)
            guard candidates.contains(where: { $0.fits(spec.instanceType) }) else {
                throw shortage(for: spec, candidates: candidates)
            }
            switch await policy.choose(for: spec, among: candidates) {
            case .node(let name):
                guard let node = nodes[name], node.candidate.fits(spec.instanceType) else { continue }
                var spec = spec
                try assignAddress(to: &spec)
                return Placement(spec: spec, node: name, since: now())
            case .waking(let name):
                throw ServiceFault(
                    code: .unavailable,
                    message: "The node \(name) is being woken for it; it is placed when the node is up.",
                    resource: name)
            case .none(let reason):
                throw ServiceFault(
                    code: .unavailable, message: "The placement policy \(policy.name) places it nowhere: \(reason).",
                    resource: spec.instanceId)
            }
        }
        throw ServiceFault(
            code: .unavailable, message: "Other requests took every node that was chosen for it; try again.",
            resource: spec.instanceId)
    }

    private func assignAddress(to spec: inout Contract.InstanceSpec) throws(ServiceFault) {
        guard spec.privateAddress == nil else { return }
        guard let address = configuration.addresses.free(from: addressCursor, used: addressesInUse) else {
            throw ServiceFault(
                code: .insufficientResources,
                message: "The zone \(configuration.zone) has no free private address; give it a larger block.",
                resource: "address", needed: 1, available: 0)
        }
        addressCursor = address + 1
        // Taken at once, since other requests run while the store writes.
        addressesInUse.insert(address)
        spec.privateAddress = AddressPool.text(address)
        if configuration.networkMode == .user { spec.publicAddress = spec.privateAddress }
        if spec.hostName == nil {
            spec.hostName = "ip-" + AddressPool.text(address).split(separator: ".").joined(separator: "-")
        }
    }

    private func shortage(for spec: Contract.InstanceSpec, candidates: [PlacementCandidate]) -> ServiceFault {
        let type = spec.instanceType
        if candidates.isEmpty {
            // Waiting helps if such a node is down or has not come back yet; if none is of the kind, nothing does.
            let kinds = Set(nodes.values.map { Self.kind($0.description) })
            if !nodes.isEmpty, silent.isEmpty, !nodes.values.contains(where: { Self.canRun(spec, $0.description) }) {
                let image =
                    spec.kernel == nil
                    ? "an image that boots from its own disk" : "an image with a kernel of its own (paravirtual)"
                return ServiceFault(
                    code: .unsupported,
                    message:
                        "No host of the zone \(configuration.zone) can run \(image) for \(spec.architecture); its hosts "
                        + "are: \(kinds.sorted().joined(separator: "; ")). Use another image, or another zone.",
                    resource: spec.image.artifactId)
            }
            let states = nodes.values.map { "\($0.description.nodeName) is \($0.description.state.rawValue)" }.sorted()
            return ServiceFault(
                code: .insufficientResources,
                message: nodes.isEmpty
                    ? "No node has registered with the zone \(configuration.zone)."
                    : "No node of the zone \(configuration.zone) can take \(spec.architecture) instances now: "
                        + states.prefix(5).joined(separator: ", ") + ".",
                resource: "nodes", needed: 1, available: 0)
        }
        let needs = [
            ("cores", type.cores, candidates.map { $0.freeCores }.max() ?? 0),
            ("memory in MiB", type.memoryMiB, candidates.map { $0.freeMemoryMiB }.max() ?? 0),
            ("disk in GiB", type.diskTotalGiB, candidates.map { $0.freeDiskGiB }.max() ?? 0),
        ]
        let scarce = needs.first { $0.1 > $0.2 }
        guard let (resource, needed, available) = scarce else {
            return ServiceFault(
                code: .insufficientResources,
                message:
                    "No single node of the zone \(configuration.zone) has enough cores, memory and disk together for \(type.name).",
                resource: "nodes", needed: 1, available: 0)
        }
        return ServiceFault(
            code: .insufficientResources,
            message: "\(type.name) needs \(needed) \(resource) on one node; the most that a node of the zone "
                + "\(configuration.zone) has free is \(max(0, available)).",
            resource: resource, needed: Int64(needed), available: Int64(max(0, available)))
    }

    /// Whether a node of this kind runs such instances at all.
    private static func canRun(_ spec: Contract.InstanceSpec, _ node: Contract.NodeDescription) -> Bool {
        node.architecture.contains(spec.architecture)
            && (node.boot.isEmpty || node.boot.contains(spec.kernel == nil ? "disk" : "kernel"))
    }

    /// What kind of host a node is, for people.
    private static func kind(_ node: Contract.NodeDescription) -> String {
        let boots = node.boot.isEmpty ? "" : ", starts guests from " + node.boot.joined(separator: " or ")
        return "\(node.hypervisor) for \(node.architecture.joined(separator: ", "))\(boots)"
    }

    private func promise(_ placement: Placement) {
        let id = placement.spec.instanceId
        placements[id] = placement
        if let address = placement.address { addressesInUse.insert(address) }
        nodes[placement.node]?.promised[id] = placement.spec.instanceType
        // Nodes count from 1: whatever the node says replaces this.
        reports[id] = placement.report(zone: configuration.zone, generation: 0, at: now())
        changes.noteInstance(id)
        wake()
    }

    private func withdraw(_ id: String) {
        guard let placement = placements.removeValue(forKey: id) else { return }
        if let address = placement.address { addressesInUse.remove(address) }
        nodes[placement.node]?.promised[id] = nil
        reports[id] = nil
        changes.noteInstance(id)
    }

    /// Delivers to the node what the placement of an instance asks for; at most one delivery per instance at a time.
    func dispatch(_ id: String) {
        guard !dispatching.contains(id), let placement = placements[id] else { return }
        guard placement.phase == .assigned || placement.phase == .terminating else { return }
        guard let node = nodes[placement.node], node.description.state != .down else { return }
        dispatching.insert(id)
        Task {
            await deliver(placement, to: node.client)
            dispatching.remove(id)
            // What was asked meanwhile could not be delivered beside this.
            if let current = placements[id], current.node != placement.node || current.phase != placement.phase {
                dispatch(id)
            }
        }
    }

    private func deliver(_ placement: Placement, to client: any NodeContract.AsyncService) async {
        let id = placement.spec.instanceId
        do throws(ServiceFault) {
            if placement.phase == .terminating {
                _ = try await client.terminateInstance(NodeContract.TerminateInstanceRequest(instanceId: id))
            } else {
                try await prepareNetwork(of: id, on: placement.node)
                _ = try await client.runInstance(NodeContract.RunInstanceRequest(instance: placement.spec))
            }
        } catch {
            await undelivered(placement, error)
        }
        // The acceptance itself is noted when the node reports the instance.
    }

    private func undelivered(_ placement: Placement, _ fault: ServiceFault) async {
        let id = placement.spec.instanceId
        logger.warning(
            "A node did not take an instance.",
            metadata: ["instance": "\(id)", "node": "\(placement.node)", "fault": "\(fault)"])
        switch fault.code {
        case .unavailable, .internal:
            return  // the sweep tries again, and after a time another node
        case .notFound where placement.phase == .terminating:
            end(id, because: "Client.UserInitiatedShutdown", "Ended before it was started.")
        case .insufficientResources:
            await place(id, anewBecause: fault, refusedBy: placement.node)
        case .notFound, .invalidRequest, .conflict, .unsupported:
            end(id, because: "Server.InternalError", fault.message)
        }
    }

    /// Gives an instance that its node did not take to another node, or ends it if there is none.
    func place(_ id: String, anewBecause cause: ServiceFault, refusedBy node: String) async {
        guard let old = placements[id], old.phase == .assigned, old.node == node else { return }
        var refused = old.refusedBy
        refused.insert(node)
        do throws(ServiceFault) {
            var placement = try await choose(for: old.spec, excluding: refused)
            guard placements[id]?.phase == .assigned, placements[id]?.node == node else { return }
            placement.refusedBy = refused
            do {
                _ = try await store.commit(StoreTransaction(operations: [.put(placement.key, placement.stored)]))
            } catch {
                throw fault(error)
            }
            nodes[node]?.promised[id] = nil
            promise(placement)
            dispatch(id)
        } catch {
            if error.code == .insufficientResources {
                end(
                    id, because: "Server.InsufficientInstanceCapacity",
                    "\(cause.message). No other node of the zone \(configuration.zone) has room for it.")
            }
        }
    }

    /// The instance will never run, or never again: says so, and remembers it durably.
    ///
    /// - Parameter code: EC2's, which the message repeats.
    func end(_ id: String, because code: String, _ message: String) {
        guard var placement = placements[id] else { return }
        let reason = Contract.StateReason(code: code, message: "\(code): \(message)")
        placement.phase = .failed
        placement.reason = reason
        placement.since = now()
        placements[id] = placement
        nodes[placement.node]?.promised[id] = nil
        if let address = placement.address { addressesInUse.remove(address) }
        let generation = (reports[id]?.generation ?? 0) + 1
        reports[id] = placement.report(zone: configuration.zone, generation: generation, at: now())
        changes.noteInstance(id)
        wake()
        let transaction = StoreTransaction(operations: [.put(placement.key, placement.stored)])
        Task {
            do { _ = try await store.commit(transaction) } catch {
                logger.warning(
                    "A placement could not be updated.", metadata: ["instance": "\(id)", "error": "\(error)"])
            }
        }
    }
}
