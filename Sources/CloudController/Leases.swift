public import CloudModel
import Logging

// Leases: instances that may run only for so long.
//
//   launched ──▶ leased ──(owner puts it off, up to the latest moment)──▶ leased ──(the end)──▶ shutting-down
//
// The lease is part of the instance's record from its launch on, so that a change of the policy concerns later
// launches, and a restart forgets nothing.

/// For which instances a lease is meant, and how long it is. What is nil matches everything.
public struct LeaseRule: Hashable, Sendable, Codable {
    /// Account id.
    public var account: String?
    /// Name of the instance type.
    public var type: String?
    /// Key of a tag that the instance is launched with.
    public var tag: String?
    /// Length in seconds; nil for no lease.
    public var seconds: Int64?
    /// The longest time since the launch to which the owner can put the end off, in seconds; nil for `seconds`.
    public var longest: Int64?
    /// Makes a rule.
    public init(
        account: String? = nil, type: String? = nil, tag: String? = nil, seconds: Int64?, longest: Int64? = nil
    ) {
        self.account = account
        self.type = type
        self.tag = tag
        self.seconds = seconds
        self.longest = longest
    }
}

/// Instances run only for so long; which of them fit at all is up to another policy.
public struct LeaseAllocation: AllocationPolicy {
    /// The first that matches counts; an instance that none matches has no lease.
    public var rules: [LeaseRule]
    /// Decides about the slots.
    public var base: any AllocationPolicy
    /// Makes the policy.
    public init(rules: [LeaseRule], base: any AllocationPolicy = UnrestrictedAllocation()) {
        self.rules = rules
        self.base = base
    }

    /// As the other policy decides.
    public func restrict(
        _ offers: [ZoneAllocation.Offer], for request: RunInstancesRequest, of caller: Caller, type: InstanceType,
        use: () -> AllocationUse
    ) throws(CloudError) -> [ZoneAllocation.Offer] {
        try base.restrict(offers, for: request, of: caller, type: type, use: use)
    }

    /// By the first rule that matches.
    public func lease(
        for request: RunInstancesRequest, of caller: Caller, type: InstanceType, from now: Timestamp
    ) -> Lease? {
        let rule = rules.first { rule in
            (rule.account == nil || rule.account == caller.accountID) && (rule.type == nil || rule.type == type.name)
                && (rule.tag == nil || request.instanceTags.contains { $0.key == rule.tag })
        }
        guard let rule, let seconds = rule.seconds else { return nil }
        return Lease(
            endsAt: now.adding(seconds: seconds), latest: now.adding(seconds: max(seconds, rule.longest ?? seconds)))
    }
}

extension CloudController {
    /// What an account holds, with what is about to be recorded.
    func use(of account: String) -> AllocationUse {
        var use = AllocationUse()
        for reservation in view.instances.reservations(of: account) {
            for stored in reservation.instances where stored.value.state.holdsResources { use.add(stored.value.type) }
        }
        for launch in launches.types.values where launch.account == account {
            for _ in 0..<launch.count { use.add(launch.type) }
        }
        return use
    }

    /// Puts the end of an instance's lease off. EC2: ModifyInstanceEventStartTime.
    public func extendLease(of id: String, event: String, to moment: Timestamp, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> Instance
    {
        try authorise(caller, "ModifyInstanceEventStartTime")
        let now = configuration.now()
        return try await mutate { (_) throws(CloudError) in
            guard let stored = try self.owned([id], as: caller).first else { throw .notFound(.instance, [id]) }
            var instance = stored.value
            guard var lease = instance.options?.lease, event == Lease.eventID(of: instance.id),
                instance.intent == .run
            else {
                throw .invalidValue(
                    parameter: "InstanceEventId", value: String(event.prefix(64)),
                    reason: "The instance '\(instance.id)' has no scheduled event '\(event.prefix(64))'.")
            }
            guard moment > now, moment <= lease.latest else {
                throw .invalidValue(
                    parameter: "NotBefore", value: moment.iso8601,
                    reason: "The event can be put off to \(lease.latest.iso8601) at most, and not into the past.")
            }
            if dryRun { throw .dryRunSucceeded }
            lease.endsAt = moment
            instance.options?.lease = lease
            var mutation = Mutation()
            if instance != stored.value { mutation.update(.instance(instance), revision: stored.revision) }
            return (mutation, instance)
        }
    }

    /// Terminates instances whose lease is over. Protection does not help: it guards against the owner's own mistakes.
    func endLeases(at now: Timestamp) async throws(CloudError) {
        let over = view.instances.byID.values.filter { stored in
            guard stored.value.intent == .run, let lease = stored.value.options?.lease else { return false }
            return lease.endsAt <= now
        }.map(\.value.id)
        if over.isEmpty { return }
        let ended: [Instance] = try await mutate { view in
            var mutation = Mutation()
            var ended: [Instance] = []
            for id in over {
                guard let stored = view.instances[id], stored.value.intent == .run,
                    let lease = stored.value.options?.lease, lease.endsAt <= now
                else { continue }
                var next = stored.value.terminating(at: now)
                next.stateReason = StateReason(
                    code: "Server.ScheduledStop",
                    message: "Server.ScheduledStop: The lease of the instance ended at \(lease.endsAt.iso8601)")
                mutation.update(.instance(next), revision: stored.revision)
                ended.append(next)
                if mutation.steps > 2000 { break }
            }
            return (mutation, ended)
        }
        for zone in Set(ended.map(\.zone)) { wake(zone: zone) }
        logger.info("leases ended", metadata: ["instances": "\(ended.map(\.id.value).joined(separator: ","))"])
    }
}
