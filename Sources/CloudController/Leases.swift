public import CloudModel
import Logging

// Leases: instances that may run only for so long.
//
//   launched ──▶ leased ──(warnings)──▶ leased ──(the end)──▶ shutting-down
//                  ▲                      │
//                  └── owner puts it off, ┘
//                      up to the latest moment
//
// The lease is part of the instance's record from its launch on, so that a change of the policy concerns later
// launches, and a restart forgets nothing. The owner sees its end in a tag of the cloud's and as a scheduled event, and
// is warned by a second tag; he puts it off by a tag of his own, by ModifyInstanceEventStartTime, or by the native
// interface.

/// For which instances a lease is meant, and how long it is. What is nil matches everything.
public struct LeaseRule: Hashable, Sendable {
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
    /// How many seconds before the end the owner is warned.
    public var warnings: [Int64]
    /// A day and an hour before.
    public static let usualWarnings: [Int64] = [86_400, 3600]
    /// Makes a rule.
    public init(
        account: String? = nil, type: String? = nil, tag: String? = nil, seconds: Int64?, longest: Int64? = nil,
        warnings: [Int64] = LeaseRule.usualWarnings
    ) {
        self.account = account
        self.type = type
        self.tag = tag
        self.seconds = seconds
        self.longest = longest
        self.warnings = warnings
    }

    /// The lease that begins now; nil for none.
    func lease(from now: Timestamp) -> Lease? {
        guard let seconds else { return nil }
        // A warning as early as the launch would say nothing.
        let warnings = warnings.filter { $0 < seconds }.sorted(by: >)
        return Lease(
            endsAt: now.adding(seconds: seconds), latest: now.adding(seconds: max(seconds, longest ?? seconds)),
            warnings: warnings.isEmpty ? nil : warnings)
    }
}

/// Instances run only for so long.
public struct LeaseAllocation: AllocationPolicy {
    /// The first that matches counts; an instance that none matches has no lease.
    public var rules: [LeaseRule]
    /// Makes the policy.
    public init(rules: [LeaseRule]) { self.rules = rules }

    /// By the first rule that matches.
    public func lease(
        for request: RunInstancesRequest, of caller: Caller, type: InstanceType, from now: Timestamp
    ) -> Lease? {
        rules.first { rule in
            (rule.account == nil || rule.account == caller.accountID) && (rule.type == nil || rule.type == type.name)
                && (rule.tag == nil || request.instanceTags.contains { $0.key == rule.tag })
        }?.lease(from: now)
    }

    /// The rules in words.
    public var summary: AgreementSummary {
        let terms = rules.map { rule in
            let which = [
                rule.account.map { "of account \($0)" }, rule.type.map { "of type \($0)" },
                rule.tag.map { "with the tag \($0)" },
            ].compactMap { $0 }
            let who = which.isEmpty ? "Instances" : "Instances " + which.joined(separator: " and ")
            guard let seconds = rule.seconds else { return "\(who) run as long as their owner likes." }
            return
                "\(who) run for \(seconds) seconds, which can be put off to \(max(seconds, rule.longest ?? seconds)) "
                + "seconds after the launch."
        }
        return AgreementSummary(policies: ["lease"], terms: terms)
    }
}

extension CloudController {
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
            instance.setLease(lease)
            var mutation = Mutation()
            if instance != stored.value { mutation.update(.instance(instance), revision: stored.revision) }
            return (mutation, instance)
        }
    }

    /// Follows a change of the tag by which an owner puts the end of a lease off.
    ///
    /// - Throws: `invalidValue` if the tag asks for what cannot be; without a lease it is a tag as any other.
    func followLeaseTag(_ instance: inout Instance, before: [Tag]) throws(CloudError) {
        guard let wish = instance.tags.first(where: { $0.key == Lease.requestTag }), !before.contains(wish),
            let lease = instance.options?.lease, instance.intent == .run
        else { return }
        instance.setLease(try Self.lease(lease, endingAt: wish.value, now: configuration.now()))
    }

    /// A lease with another end, as a tag names it.
    static func lease(_ lease: Lease, endingAt text: String, now: Timestamp) throws(CloudError) -> Lease {
        guard let moment = Timestamp(iso8601: text), moment > now, moment <= lease.latest else {
            throw .invalidValue(
                parameter: "Tag.Value", value: String(text.prefix(64)),
                reason:
                    "The tag \(Lease.requestTag) puts off the end of the instance's lease: its value must be a date "
                    + "and time in ISO 8601, not in the past and at most \(lease.latest.iso8601).")
        }
        var lease = lease
        lease.endsAt = moment
        return lease
    }

    /// Warns owners of instances whose lease is about to end: by a tag that every client shows, and in the log.
    func warnOfLeases(at now: Timestamp) async throws(CloudError) {
        let due = view.instances.byID.values.filter { $0.value.dueWarning(at: now) != nil }.map(\.value.id)
        if due.isEmpty { return }
        let warned: [Instance] = try await mutate { view in
            var mutation = Mutation()
            var warned: [Instance] = []
            for id in due {
                guard let stored = view.instances[id], let warning = stored.value.dueWarning(at: now),
                    let lease = stored.value.options?.lease
                else { continue }
                var next = stored.value
                next.options?.lease?.warned = warning
                next.setTag(
                    Lease.warningTag,
                    "The instance is terminated at \(lease.endsAt.iso8601). Its owner can put that off to "
                        + "\(lease.latest.iso8601) by setting the tag \(Lease.requestTag) to a later time.")
                mutation.update(.instance(next), revision: stored.revision)
                warned.append(next)
                if mutation.steps > 2000 { break }
            }
            return (mutation, warned)
        }
        for instance in warned {
            logger.notice(
                "a lease is about to end",
                metadata: [
                    "instance": "\(instance.id)", "account": "\(instance.accountID)",
                    "ends": "\(instance.options?.lease?.endsAt.iso8601 ?? "-")",
                ])
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

extension Instance {
    /// The warning that is to be given now: how many seconds before the end it belongs.
    func dueWarning(at now: Timestamp) -> Int64? {
        guard intent == .run, !isWaiting, let lease = options?.lease, let warnings = lease.warnings else { return nil }
        let left = (lease.endsAt.milliseconds - now.milliseconds) / 1000
        guard left > 0, let last = warnings.filter({ $0 >= left }).min() else { return nil }
        if let warned = lease.warned, warned <= last { return nil }
        return last
    }

    /// Sets the lease, with the tag that tells of its end; warnings of another end are over.
    mutating func setLease(_ lease: Lease?) {
        var lease = lease
        if lease?.endsAt != options?.lease?.endsAt {
            lease?.warned = nil
            tags.removeAll { $0.key == Lease.warningTag }
        }
        if lease != nil || options != nil {
            var options = options ?? InstanceOptions()
            options.lease = lease
            self.options = options.unlessEmpty
        }
        if let lease {
            setTag(Lease.endTag, lease.endsAt.iso8601)
        } else {
            tags.removeAll { $0.key == Lease.endTag }
        }
    }

    fileprivate mutating func setTag(_ key: String, _ value: String) {
        if let index = tags.firstIndex(where: { $0.key == key }) {
            tags[index].value = value
        } else {
            tags.append(Tag(key: key, value: value))
        }
    }
}
