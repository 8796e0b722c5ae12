public import Contracts
import Logging

// The zone's network document and what each node gets of it: the rules of the groups that its instances are in.
extension ClusterController {
    /// Takes the zone's document and hands each node what changed for it.
    public func broadcastNetworkInfo(_ request: ClusterContract.BroadcastNetworkInfoRequest) async throws(ServiceFault)
        -> ClusterContract.BroadcastNetworkInfoResponse
    {
        if request.network.revision > network.revision {
            network = request.network
            for name in nodes.keys { pushNetwork(to: name) }
        }
        return ClusterContract.BroadcastNetworkInfoResponse(revision: network.revision)
    }

    private func needs(of name: String) -> NodeNetwork {
        guard let node = nodes[name] else { return NodeNetwork() }
        var wanted: Set<String> = []
        for id in node.instances { for group in reports[id]?.spec.group ?? [] { wanted.insert(group.groupId) } }
        for id in node.promised.keys { for group in placements[id]?.spec.group ?? [] { wanted.insert(group.groupId) } }
        return NodeNetwork(
            rules: network.securityGroup.filter { wanted.contains($0.groupId) },
            metadata: network.metadata.filter {
                node.instances.contains($0.instanceId) || node.promised[$0.instanceId] != nil
            })
    }

    /// The document for a node, if it needs one newer than `revision`; notes that it has it.
    func documentToSend(_ name: String, has revision: Int64?) -> Contract.NetworkDocument? {
        guard network.revision > 0 else { return nil }
        let needed = needs(of: name)
        if revision != nil, nodes[name]?.sentNetwork == needed, let revision, revision >= nodes[name]?.sentRevision ?? 0
        {
            return nil
        }
        nodes[name]?.sentNetwork = needed
        nodes[name]?.sentRevision = network.revision
        return Contract.NetworkDocument(
            revision: network.revision, mode: configuration.networkMode, securityGroup: needed.rules,
            metadata: needed.metadata)
    }

    /// Sends the node its rules if they changed. A failure is repeated with the node's next report, which names the
    /// revision that it really has.
    private func pushNetwork(to name: String) {
        guard let node = nodes[name], node.description.state != .down else { return }
        let needed = needs(of: name)
        guard needed != node.sentNetwork else { return }
        guard let document = documentToSend(name, has: nil) else { return }
        Task {
            do {
                _ = try await node.client.broadcastNetworkInfo(
                    NodeContract.BroadcastNetworkInfoRequest(network: document))
            } catch {
                nodes[name]?.sentRevision = -1
                nodes[name]?.sentNetwork = NodeNetwork()
                logger.warning(
                    "A node did not take the network document; it gets it with its next report.",
                    metadata: ["node": "\(name)", "error": "\(error)"])
            }
        }
    }

    /// Makes sure, before an instance is handed over, that the node has the rules of its groups.
    func prepareNetwork(of id: String, on name: String) async throws(ServiceFault) {
        guard let node = nodes[name], needs(of: name) != node.sentNetwork else { return }
        guard let document = documentToSend(name, has: nil) else { return }
        do throws(ServiceFault) {
            _ = try await node.client.broadcastNetworkInfo(NodeContract.BroadcastNetworkInfoRequest(network: document))
        } catch {
            nodes[name]?.sentNetwork = NodeNetwork()
            throw error
        }
    }
}
