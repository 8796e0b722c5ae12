import CloudModel
import Contracts
import Crypto
import Logging

// The network document of a zone: the rules of the security groups that have members there, and how guests reach their
// metadata where that was changed. Its revision is durable
// and grows with every change of the content, so that a cluster never takes an older one for newer.

extension CloudController {
    /// Hands the zone its document if it does not have it.
    func agreeOnNetwork(_ link: ZoneLink) async {
        // Twice at most: the second time with a revision beyond the one that the cluster turned out to have.
        for _ in 0..<2 {
            let content = networkContent(of: link.name)
            let metadata = metadataContent(of: link.name)
            do throws(CloudError) {
                let revision = try await revision(for: content, metadata, of: link.name)
                if zoneStates[link.name]?.networkRevision == revision { return }
                let document = Contract.NetworkDocument(
                    revision: revision, mode: configuration.networkMode, securityGroup: content, metadata: metadata)
                let answered: Int64
                do throws(ClusterFailure) {
                    answered = try await link.broadcast(document)
                } catch {
                    throw error.cloudError(component: "availability zone \(link.name)")
                }
                if answered <= revision {
                    withZone(link.name) { $0.networkRevision = revision }
                    return
                }
                // The cluster remembers a later life of this cloud (the store was restored from a backup).
                try await raise(beyond: answered, of: link.name)
            } catch {
                logger.warning(
                    "the network document could not be handed on; it will be tried again",
                    metadata: ["zone": "\(link.name)", "error": "\(error)"])
                return
            }
        }
    }

    /// Groups with members in the zone, by id.
    func networkContent(of zone: String) -> [Contract.SecurityGroupRules] {
        let members = view.instances.zones[zone]?.members ?? [:]
        return members.keys.sorted().compactMap { id in
            guard let group = view.groups[id]?.value else { return nil }
            return Contract.SecurityGroupRules(
                groupId: group.id.value, accountId: group.accountID, groupName: group.name,
                ingress: Self.ingress(of: group))
        }
    }

    /// How guests in the zone reach their metadata where that was changed after their launch, by id.
    func metadataContent(of zone: String) -> [Contract.InstanceMetadata] {
        let changed = view.instances.zones[zone]?.withChangedMetadata ?? []
        return changed.sorted().compactMap { id in
            guard let options = view.instances[id]?.value.options?.metadata else { return nil }
            return Contract.InstanceMetadata(instanceId: id.value, options: options.contract)
        }
    }

    /// One rule for each range of ports, with all its peers. IPv6 peers are left out: instances have IPv4 addresses.
    private static func ingress(of group: SecurityGroup) -> [Contract.PermissionRule] {
        var rules: [Contract.PermissionRule] = []
        for rule in group.rules where !rule.isEgress {
            if case .cidrV6 = rule.peer { continue }
            let index =
                rules.firstIndex {
                    $0.protocol == rule.ipProtocol && $0.fromPort == rule.fromPort && $0.toPort == rule.toPort
                } ?? rules.count
            if index == rules.count {
                rules.append(
                    Contract.PermissionRule(
                        protocol: rule.ipProtocol, fromPort: rule.fromPort, toPort: rule.toPort, cidr: [],
                        sourceGroupId: []))
            }
            switch rule.peer {
            case .cidr(let block): rules[index].cidr.append(block)
            case .group(let id, _, _): rules[index].sourceGroupId.append(id.value)
            case .cidrV6: break
            }
        }
        return rules
    }

    /// The revision that stands for `content`; a new one if the content is new.
    private func revision(
        for content: [Contract.SecurityGroupRules], _ metadata: [Contract.InstanceMetadata], of zone: String
    ) async throws(CloudError) -> Int64 {
        let digest = Self.digest(content, metadata, mode: configuration.networkMode)
        return try await mutate { view in
            var mutation = Mutation()
            guard let stored = view.networks[zone] else {
                mutation.create(.network(NetworkRecord(zone: zone, revision: 1, digest: digest)))
                return (mutation, 1)
            }
            guard stored.value.digest != digest else { return (mutation, stored.value.revision) }
            let next = NetworkRecord(zone: zone, revision: stored.value.revision + 1, digest: digest)
            mutation.update(.network(next), revision: stored.revision)
            return (mutation, next.revision)
        }
    }

    private func raise(beyond revision: Int64, of zone: String) async throws(CloudError) {
        try await mutate { view in
            var mutation = Mutation()
            if let stored = view.networks[zone], stored.value.revision <= revision {
                var next = stored.value
                next.revision = revision + 1
                mutation.update(.network(next), revision: stored.revision)
            }
            return (mutation, ())
        }
    }

    private static func digest(
        _ content: [Contract.SecurityGroupRules], _ metadata: [Contract.InstanceMetadata], mode: Contract.NetworkMode
    ) -> String {
        var lines = [mode.rawValue]
        for group in content {
            lines.append("group \(group.groupId) \(group.accountId) \(group.groupName)")
            for rule in group.ingress {
                lines.append(
                    "in \(rule.protocol) \(rule.fromPort) \(rule.toPort) \(rule.cidr.joined(separator: ",")) "
                        + rule.sourceGroupId.joined(separator: ","))
            }
        }
        for entry in metadata {
            lines.append(
                "metadata \(entry.instanceId) \(entry.options.tokensRequired) \(entry.options.disabled)")
        }
        return SHA256.hash(data: Array(lines.joined(separator: "\n").utf8)).hexadecimal
    }
}
