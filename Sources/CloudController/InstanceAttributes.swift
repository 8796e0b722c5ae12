public import CloudModel
import Logging
import Store

// What an owner can change of an instance, and what he cannot.

extension CloudController {
    /// The instance with its user data, for its owner. EC2: DescribeInstanceAttribute.
    public func instanceWithUserData(id: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> (instance: Instance, userData: [UInt8]?)
    {
        try authorise(caller, "DescribeInstanceAttribute")
        guard let instance = try owned([id], as: caller).first?.value else { throw .notFound(.instance, [id]) }
        if dryRun { throw .dryRunSucceeded }
        do {
            return (instance, try await store.get(Key.userData(instance.id))?.bytes)
        } catch {
            throw Self.cloudError(error)
        }
    }

    /// EC2: ModifyInstanceAttribute and ResetInstanceAttribute. All changes are made, or none.
    public func modifyInstance(id: String, _ changes: [InstanceChange], dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try authorise(caller, "ModifyInstanceAttribute")
        let zone: String = try await mutate { (_) throws(CloudError) in
            guard let stored = try self.owned([id], as: caller).first else { throw .notFound(.instance, [id]) }
            var instance = stored.value
            guard instance.state != .terminated, instance.state != .shuttingDown else {
                throw .incorrectState(
                    .instance, instance.id.value, state: instance.state.rawValue,
                    operation: "ModifyInstanceAttribute")
            }
            for change in changes {
                // EC2's dry run does not ask for the state of what it names.
                if case .whileStopped = change, dryRun { throw .dryRunSucceeded }
                try self.apply(change, to: &instance, as: caller)
            }
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            if instance != stored.value { mutation.update(.instance(instance), revision: stored.revision) }
            return (mutation, instance.zone)
        }
        // Members of a group are part of what the zone's nodes have to know.
        wake(zone: zone)
    }

    private func apply(_ change: InstanceChange, to instance: inout Instance, as caller: Caller) throws(CloudError) {
        var options = instance.options ?? InstanceOptions()
        switch change {
        case .terminationProtection(let isOn): options.isProtectedFromTermination = isOn ? true : nil
        case .stopProtection(let isOn): options.isProtectedFromStop = isOn ? true : nil
        case .groups(let ids):
            guard !ids.isEmpty else { throw .missingParameter("GroupId") }
            var groups: [GroupMembership] = []
            for text in ids {
                let group = try ownGroup(GroupSelector(id: text), as: caller).value
                guard group.accountID == instance.accountID else { throw .notFound(.securityGroup, [text]) }
                if !groups.contains(where: { $0.id == group.id }) {
                    groups.append(GroupMembership(id: group.id, name: group.name))
                }
            }
            guard groups.count <= NamingRules.groupsPerInstance else {
                throw .limitExceeded(
                    .securityGroup, limit: NamingRules.groupsPerInstance, inUse: 0, requested: groups.count)
            }
            instance.groups = groups
        case .metadata(let requiresTokens, let isDisabled, let hopLimit):
            let known = options.metadata ?? MetadataOptions()
            var next = known
            next.requiresTokens = requiresTokens ?? known.requiresTokens
            next.isDisabled = isDisabled ?? known.isDisabled
            next.hopLimit = hopLimit ?? known.hopLimit
            // Changes are for the node as long as the instance lives, as it goes on with what the launch said.
            if next != known { next.isChanged = true }
            options.metadata = next == MetadataOptions() ? nil : next
        case .whileStopped(let attribute):
            throw .incorrectState(
                .instance, instance.id.value, state: instance.state.rawValue,
                operation: "to change '\(attribute)', which takes a stopped instance,")
        }
        instance.options = options.unlessEmpty
    }

    /// EC2: MonitorInstances and UnmonitorInstances.
    public func monitorInstances(ids: [String], enabled: Bool, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> [Instance]
    {
        try authorise(caller, enabled ? "MonitorInstances" : "UnmonitorInstances")
        try Self.check(count: ids.count)
        return try await mutate { (_) throws(CloudError) in
            var mutation = Mutation()
            var changed: [Instance] = []
            for stored in try self.owned(ids, as: caller) {
                var instance = stored.value
                guard instance.state != .terminated, instance.state != .shuttingDown else {
                    throw .incorrectState(
                        .instance, instance.id.value, state: instance.state.rawValue, operation: "MonitorInstances")
                }
                instance.isMonitored = enabled
                if instance != stored.value { mutation.update(.instance(instance), revision: stored.revision) }
                changed.append(instance)
            }
            if dryRun { throw .dryRunSucceeded }
            return (mutation, changed)
        }
    }

    /// Notes what a user says of the health of his instances in the log. EC2: ReportInstanceStatus.
    public func reportInstanceStatus(_ report: InstanceStatusReport, dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try authorise(caller, "ReportInstanceStatus")
        try Self.check(count: report.ids.count)
        let instances = try owned(report.ids, as: caller).map(\.value)
        if dryRun { throw .dryRunSucceeded }
        for instance in instances {
            logger.notice(
                "a user reports the status of an instance",
                metadata: [
                    "request": "\(caller.requestID)", "account": "\(caller.accountID)", "instance": "\(instance.id)",
                    "node": "\(instance.nodeName ?? "")", "status": report.isImpaired ? "impaired" : "ok",
                    "reasons": "\(report.reasons.joined(separator: " "))", "says": "\(report.description ?? "")",
                ])
        }
    }

    /// Refused for every instance, since their roots are on instance storage. EC2: StartInstances and StopInstances.
    public func stopOrStartInstances(ids: [String], start: Bool, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> [StateTransition]
    {
        let operation = start ? "started" : "stopped"
        try authorise(caller, start ? "StartInstances" : "StopInstances")
        try Self.check(count: ids.count)
        let instances = try owned(ids, as: caller).map(\.value)
        // EC2's dry run asks whether the caller may, not whether these instances can.
        if dryRun { throw .dryRunSucceeded }
        for instance in instances {
            if !start, instance.options?.isProtectedFromStop == true {
                throw .notPermitted(
                    "The instance '\(instance.id)' may not be stopped. Modify its 'disableApiStop' instance attribute "
                        + "and try again.")
            }
            throw .unsupported(
                "The instance '\(instance.id)' does not have an 'ebs' root device type and cannot be \(operation).")
        }
        throw .missingParameter("InstanceId")
    }

    static func check(count: Int) throws(CloudError) {
        guard count > 0 else { throw .missingParameter("InstanceId") }
        guard count <= 1000 else {
            throw .invalidValue(
                parameter: "InstanceId", value: "\(count) ids",
                reason: "One request can name at most 1000 instances; use several.")
        }
    }

    /// Refuses what the owner has protected.
    static func checkProtection(_ instances: [Stored<Instance>]) throws(CloudError) {
        for stored in instances where stored.value.options?.isProtectedFromTermination == true {
            // One that is over already needs no protection.
            guard stored.value.state != .terminated else { continue }
            throw .notPermitted(
                "The instance '\(stored.value.id)' may not be terminated. Modify its 'disableApiTermination' instance "
                    + "attribute and try again.")
        }
    }
}
