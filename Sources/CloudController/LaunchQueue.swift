import CloudModel
import Logging
import Store

// Requests that wait for room, where the agreement has a queue. They are instances as any other, pending, in the store:
// a restart forgets none.
//
//   RunInstances ──(no room, or others wait)──▶ waiting ──(room, and its turn)──▶ unplaced ──▶ (see Reconciler)
//                                                  │ TerminateInstances, or waited too long
//                                                  └──▶ terminated

extension CloudController {
    /// Starts waiting requests whenever it is woken, until the task is cancelled.
    func serveQueue(_ wakes: AsyncStream<Void>) async {
        for await _ in wakes where !view.instances.waiting.isEmpty {
            do {
                try await startWaiting()
            } catch {
                logger.warning("waiting requests could not be started", metadata: ["error": "\(error)"])
            }
        }
    }

    /// What waits, in the order in which it is to start.
    func queued() -> [WaitingRequest] {
        var requests: [WaitingRequest] = []
        for (id, instances) in view.instances.waiting {
            guard let one = instances.first.flatMap({ view.instances[$0]?.value }), let wait = one.options?.wait else {
                continue
            }
            requests.append(
                WaitingRequest(
                    reservationID: id, accountID: one.accountID, type: one.type, architecture: one.architecture,
                    hasKernel: one.kernelID != nil, count: instances.count, zone: wait.zone, since: wait.since))
        }
        guard let queue = configuration.policy.queue else {
            return requests.sorted { ($0.since, $0.reservationID) < ($1.since, $1.reservationID) }
        }
        return queue.order(requests, usage: usages(queue, at: configuration.now()))
    }

    /// Starts what fits, in order, until nothing more does.
    func startWaiting() async throws(CloudError) {
        let now = configuration.now()
        // Each round starts one request, or learns of a change; the limit only guards against a fault.
        for _ in 0..<100_000 {
            guard let start = nextStart() else { return }
            let instances = (view.instances.waiting[start.request.reservationID] ?? []).compactMap {
                view.instances[$0]
            }
            .sorted { $0.value.launchIndex < $1.value.launchIndex }
            var mutation = Mutation()
            var zones = start.shares.flatMap { Array(repeating: $0.zone, count: $0.count) }[...]
            var started: [Instance] = []
            for stored in instances {
                guard let zone = zones.popFirst() else { break }
                let next = Self.started(stored.value, in: zone, at: now)
                mutation.update(.instance(next), revision: stored.revision)
                started.append(next)
            }
            guard !mutation.isEmpty else { return }
            for instance in started {
                view.instances.capacities[instance.zone, default: ZoneCapacity()].occupy(instance.demand, node: nil)
            }
            defer {
                for instance in started {
                    view.instances.capacities[instance.zone]?.release(instance.demand, node: nil)
                }
            }
            if try await write(mutation) {
                for zone in Set(started.map(\.zone)) { wake(zone: zone) }
                logger.info(
                    "a waiting request starts",
                    metadata: [
                        "reservation": "\(start.request.reservationID)", "account": "\(start.request.accountID)",
                        "instances": "\(started.count)", "type": "\(start.request.type.name)",
                        "zones": "\(start.shares.map(\.zone).joined(separator: ","))",
                        "waited": "\((now.milliseconds - start.request.since.milliseconds) / 1000) s",
                    ])
            }
        }
    }

    /// The record of an instance whose turn it is. Its lease begins now.
    private static func started(_ instance: Instance, in zone: String, at now: Timestamp) -> Instance {
        var next = instance
        next.zone = zone
        next.stateReason = StateReason(code: "pending", message: "pending")
        let waited = now.milliseconds - (instance.options?.wait?.since ?? now).milliseconds
        next.options?.wait?.startedAt = now
        if var lease = next.options?.lease {
            lease.endsAt.milliseconds += waited
            lease.latest.milliseconds += waited
            next.setLease(lease)
        }
        return next
    }

    /// The first request that may start and fits.
    private func nextStart() -> (request: WaitingRequest, shares: [(zone: String, count: Int)])? {
        var blocked = Set<String>()
        let mayOvertake = configuration.policy.queue?.mayOvertake ?? true
        for request in queued() {
            let zones = zones.map(\.name).filter { request.zone == nil || request.zone == $0 }
            let open = zones.filter { !blocked.contains($0) && zoneStates[$0]?.isAvailable == true }
            let demand = InstanceDemand(
                type: request.type, architecture: request.architecture, hasKernel: request.hasKernel)
            let offers = open.map { zone in
                ZoneAllocation.Offer(
                    zone: zone,
                    slots: (view.instances.capacities[zone] ?? ZoneCapacity()).freeRoom().slots(for: demand))
            }
            if let shares = ZoneAllocation.divide(minimum: request.count, maximum: request.count, over: offers) {
                return (request, shares)
            }
            // Room that becomes free in these zones is this request's before it is that of those behind it.
            if !mayOvertake { blocked.formUnion(zones) }
        }
        return nil
    }

    /// Whether a new request has to wait because others do, for the same zones.
    func mustWait(_ zone: String?) -> Bool {
        guard let queue = configuration.policy.queue, !queue.mayOvertake else { return false }
        return queued().contains { $0.zone == nil || zone == nil || $0.zone == zone }
    }

    /// Why a request cannot wait; nil if it can.
    func refusesToQueue(_ count: Int, demand: InstanceDemand, zone: String?, of account: String) -> String? {
        guard let queue = configuration.policy.queue else { return "The cloud has no queue." }
        let most = zones.filter { zone == nil || $0.name == zone }.reduce(0) {
            $0 + (view.instances.capacities[$1.name] ?? ZoneCapacity()).totalRoom().slots(for: demand)
        }
        guard count <= most else {
            return "Waiting would not help: if nothing else ran, there would be room for \(most)."
        }
        let waiting = queued()
        let mine = waiting.filter { $0.accountID == account }.count + (launches.waiting[account] ?? 0)
        let all = waiting.count + launches.waiting.values.reduce(0, +)
        guard all < queue.capacity.total else {
            return
                "The queue is full: \(all) requests wait, which is the most that the agreement allows. Try again later."
        }
        guard mine < queue.capacity.perAccount else {
            return "\(mine) requests of this account wait, which is the most that the agreement allows. Terminate one "
                + "that waits, or try again later."
        }
        return nil
    }

    /// Ends requests that have waited too long.
    func giveUpWaiting(at now: Timestamp) async throws(CloudError) {
        let limit = configuration.policy.queue?.longestWait ?? 0
        let over = queued().filter { $0.since.adding(seconds: limit) <= now }.map(\.reservationID)
        if over.isEmpty { return }
        // Without a queue in the agreement, what still waits from an earlier one ends: nothing would start it.
        let cause =
            configuration.policy.queue == nil
            ? "the service level agreement has no queue any more"
            : "there was no room for the request within \(limit) seconds"
        try await mutate { view in
            var mutation = Mutation()
            for reservation in over {
                for id in view.instances.waiting[reservation] ?? [] {
                    guard let stored = view.instances[id] else { continue }
                    mutation.update(
                        .instance(
                            stored.value.terminated(
                                at: now,
                                because: StateReason(
                                    code: "Server.InsufficientInstanceCapacity",
                                    message: "Server.InsufficientInstanceCapacity: \(cause). Launch it again, with a "
                                        + "smaller type or fewer instances."))),
                        revision: stored.revision)
                }
                if mutation.steps > 2000 { break }
            }
            return (mutation, ())
        }
        logger.info(
            "requests have waited too long", metadata: ["reservations": "\(over.map(\.value).joined(separator: ","))"])
    }

    // MARK: Use

    /// Decayed use by account, now.
    func usages(_ queue: any QueueDiscipline, at now: Timestamp) -> [String: Double] {
        let weights = runningWeights(queue)
        var usages: [String: Double] = [:]
        for (account, stored) in view.usages {
            let seconds = Double(now.milliseconds - stored.value.asOf.milliseconds) / 1000
            usages[account] = FairShare.decayed(
                stored.value.usage, weight: weights[account] ?? 0, seconds: seconds, halfLife: queue.halfLife)
        }
        return usages
    }

    private func runningWeights(_ queue: any QueueDiscipline) -> [String: Double] {
        var weights: [String: Double] = [:]
        for stored in view.instances.byID.values where stored.value.occupiesRoom {
            weights[stored.value.accountID, default: 0] += queue.weight(of: stored.value.type)
        }
        return weights
    }

    /// Records what the accounts have used since the last time. While the cloud controller was down, what runs is
    /// taken to have run.
    func accountForUse(at now: Timestamp) async throws(CloudError) {
        guard let queue = configuration.policy.queue else { return }
        try await mutate { view in
            let usages = self.usages(queue, at: now)
            var mutation = Mutation()
            for account in Set(usages.keys).union(self.runningWeights(queue).keys) {
                let record = UsageRecord(accountID: account, usage: usages[account] ?? 0, asOf: now)
                guard let stored = view.usages[account] else {
                    mutation.create(.usage(record))
                    continue
                }
                // What has decayed to nothing needs no record.
                if record.usage < 0.5, stored.value.usage >= record.usage, stored.value.asOf < now {
                    mutation.delete(.usage(record), revision: stored.revision)
                } else if stored.value.asOf < now {
                    mutation.update(.usage(record), revision: stored.revision)
                }
            }
            return (mutation, ())
        }
    }
}
