public import CloudModel
import Logging

// Who holds what since when.

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

    private func holdings(_ account: Account, _ usages: [String: Double]) -> AccountHoldings {
        var items: [AccountHoldings.Item] = []
        for reservation in view.instances.reservations(of: account.id) {
            for stored in reservation.instances where stored.value.state.holdsResources {
                let instance = stored.value
                items.append(
                    AccountHoldings.Item(
                        id: instance.id, type: instance.type, state: instance.state, zone: instance.zone,
                        since: instance.heldSince, lease: instance.options?.lease, isWaiting: instance.isWaiting))
            }
        }
        items.sort { ($0.since, $0.id) < ($1.since, $1.id) }
        let queue = configuration.policy.queue
        return AccountHoldings(
            accountID: account.id, accountName: account.name, use: use(of: account.id),
            quota: configuration.policy.quota(of: account.id), usage: queue == nil ? nil : usages[account.id] ?? 0,
            share: queue?.share(of: account.id), items: items)
    }

    private func currentUsages() -> [String: Double] {
        configuration.policy.queue.map { usages($0, at: configuration.now()) } ?? [:]
    }

    private func everyHoldings() -> [AccountHoldings] {
        let usages = currentUsages()
        return listAccounts().map { holdings($0, usages) }.filter { !$0.items.isEmpty || ($0.usage ?? 0) > 0 }
    }

    /// What an account holds: the caller's own, or for administrators any.
    public func holdings(of account: String?, as caller: Caller) async throws(CloudError) -> AccountHoldings {
        let id = account ?? caller.accountID
        if id != caller.accountID {
            try requireAdministrator(caller, "DescribeHoldings")
        } else {
            try authorise(caller, "DescribeHoldings")
        }
        guard let found = view.accounts[id]?.value else { throw .notFound(.account, [id]) }
        return holdings(found, currentUsages())
    }

    /// What each account holds that holds anything; administrators only.
    public func allHoldings(as caller: Caller) async throws(CloudError) -> [AccountHoldings] {
        try requireAdministrator(caller, "DescribeHoldings")
        return everyHoldings()
    }

    /// The requests that wait, in the order in which they are to start; users see their own only.
    public func waitingRequests(as caller: Caller) async throws(CloudError) -> [WaitingRequest] {
        try authorise(caller, "DescribeQueue")
        return queued().filter { caller.isAdministrator || $0.accountID == caller.accountID }
    }

    /// The agreement that holds; administrators only.
    public func agreement(as caller: Caller) async throws(CloudError) -> AgreementSummary {
        try requireAdministrator(caller, "DescribeAgreement")
        return configuration.policy.summary
    }

    // MARK: Reviews

    /// Asks the policy which instances are to end.
    func reviewHoldings(at now: Timestamp) async throws(CloudError) {
        guard let interval = configuration.policy.reviewInterval, reviewedAt.adding(seconds: interval) <= now else {
            return
        }
        reviewedAt = now
        let endings = Dictionary(
            await configuration.policy.review(everyHoldings(), at: now), uniquingKeysWith: { first, _ in first })
        if endings.isEmpty { return }
        let ended: [Instance] = try await mutate { view in
            var mutation = Mutation()
            var ended: [Instance] = []
            for (id, reason) in endings {
                guard let stored = view.instances[id], stored.value.intent == .run else { continue }
                var next = stored.value.terminating(at: now)
                next.stateReason = StateReason(
                    code: "Server.ScheduledStop", message: "Server.ScheduledStop: \(reason)")
                mutation.update(.instance(next), revision: stored.revision)
                ended.append(next)
                if mutation.steps > 2000 { break }
            }
            return (mutation, ended)
        }
        for zone in Set(ended.map(\.zone)) { wake(zone: zone) }
        for instance in ended {
            logger.notice(
                "the policy ends an instance",
                metadata: [
                    "instance": "\(instance.id)", "account": "\(instance.accountID)",
                    "reason": "\(instance.stateReason?.message ?? "")",
                ])
        }
    }
}
