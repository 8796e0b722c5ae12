import Contracts
import Logging
import Store

extension ClusterController {
    /// One round of looking after nodes and placements. Idempotent; tests call it by itself.
    func sweep() async {
        markSilentNodes()
        let time = now()
        for (id, placement) in placements {
            switch placement.phase {
            case .assigned:
                if isUnreachable(placement.node, at: time, since: placement.since) {
                    await place(
                        id,
                        anewBecause: ServiceFault(
                            code: .unavailable, message: "The node \(placement.node) does not answer."),
                        refusedBy: placement.node)
                } else {
                    dispatch(id)
                }
            case .terminating:
                if let report = reports[id], report.state != .terminated { dispatch(id) }
            case .acknowledged, .failed:
                break
            }
        }
        await forgetOldOnes(at: time)
    }

    private func isUnreachable(_ name: String, at time: Int64, since: Int64) -> Bool {
        guard let node = nodes[name] else { return time - since > configuration.replaceAfterMilliseconds }
        return node.description.state == .down
            && time - max(node.lastSeen, since) > configuration.replaceAfterMilliseconds
    }

    private func markSilentNodes() {
        let limit = Int64(max(configuration.heartbeatMilliseconds, nodes.count * 10)) * 3 + 1000
        for (name, node) in nodes where node.description.state != .down && node.description.state != .asleep {
            guard now() - node.lastSeen > limit else { continue }
            nodes[name]?.description.state = .down
            nodes[name]?.description.detail =
                "It has not reported for more than \(limit / 1000) s. Look at mallee-node on that host."
            changes.noteNode(name)
            wake()
            logger.error(
                "A node is silent. Its instances are left alone; look at mallee-node on that host.",
                metadata: ["node": "\(name)", "endpoint": "\(node.description.endpoint)"])
        }
    }

    /// Forgets instances whose end was reported long enough ago.
    private func forgetOldOnes(at time: Int64) async {
        let old = reports.values.filter {
            $0.state == .terminated && time - $0.stateChangedAt > configuration.keepTerminatedMilliseconds
        }.prefix(1000).map { $0.instanceId }
        guard !old.isEmpty else { return }
        let transaction = StoreTransaction(operations: old.map { .delete(Placement.prefix + $0) })
        do { _ = try await store.commit(transaction) } catch {
            logger.warning("Old placements could not be removed.", metadata: ["error": "\(error)"])
            return
        }
        for id in old {
            if let address = placements[id]?.address { releaseUnlessUsed(address, by: id) }
            placements[id] = nil
            reports[id] = nil
            changes.noteInstance(id)
        }
        wake()
    }

    /// An address may have been given to a newer instance since the old one ended.
    private func releaseUnlessUsed(_ address: UInt32, by id: String) {
        let text = AddressPool.text(address)
        let inUse = reports.values.contains {
            $0.instanceId != id && $0.state != .terminated && $0.spec.privateAddress == text
        }
        if !inUse { addressesInUse.remove(address) }
    }
}
