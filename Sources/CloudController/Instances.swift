public import CloudModel
import Logging

// Describing, ending and rebooting instances, and their consoles.

/// What a describe call needs of the view, so that filtering happens outside of the actor.
private struct InstanceSnapshot: Sendable {
    var reservations: [ReservationRecord]
    /// Only these, if the request named ids.
    var ids: Set<InstanceID>?
}

extension CloudController {
    // MARK: Describing

    /// Reservations with the instances that match. EC2: DescribeInstances.
    public nonisolated func describeInstances(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<Reservation>
    {
        let (pagination, filters) = try Self.reading(request, scope: "DescribeInstances", as: caller)
        let snapshot = try await snapshot(request, "DescribeInstances", as: caller)
        if pagination.maxResults == nil, pagination.after == nil, filters.isEmpty, snapshot.ids == nil {
            return Page(
                items: snapshot.reservations.map {
                    Reservation(id: $0.id, accountID: $0.accountID, instances: $0.instances.map(\.value))
                })
        }
        let page = pagination.page(Self.matching(snapshot, filters), position: Self.position)
        var reservations: [Reservation] = []
        for entry in page.items {
            if reservations.last?.id == entry.reservation.id {
                reservations[reservations.count - 1].instances.append(entry.instance.value)
            } else {
                reservations.append(
                    Reservation(
                        id: entry.reservation.id, accountID: entry.reservation.accountID,
                        instances: [entry.instance.value]))
            }
        }
        return Page(items: reservations, nextToken: page.nextToken)
    }

    /// EC2: DescribeInstanceStatus; only running ones unless `includeAll`.
    public nonisolated func describeInstanceStatus(_ request: DescribeRequest, includeAll: Bool, as caller: Caller)
        async throws(CloudError) -> Page<Instance>
    {
        let (pagination, filters) = try Self.reading(
            request, scope: includeAll ? "DescribeInstanceStatus all" : "DescribeInstanceStatus", as: caller)
        let snapshot = try await snapshot(request, "DescribeInstanceStatus", as: caller)
        let entries = Self.matching(snapshot, filters).filter { includeAll || $0.instance.value.state == .running }
        let page = pagination.page(entries, position: Self.position)
        return Page(items: page.items.map(\.instance.value), nextToken: page.nextToken)
    }

    private nonisolated static func reading(_ request: DescribeRequest, scope: String, as caller: Caller)
        throws(CloudError) -> (Pagination, FilterMatcher<Instance>)
    {
        (
            try Pagination(request, identifiers: "instancesSet", scope: scope + " " + caller.accountID),
            try FilterMatcher(request.filters)
        )
    }

    private func snapshot(_ request: DescribeRequest, _ operation: String, as caller: Caller) throws(CloudError)
        -> InstanceSnapshot
    {
        try authorise(caller, operation)
        if caller.isAdministrator, request.ids == ["verbose"] {
            if request.dryRun { throw .dryRunSucceeded }
            return InstanceSnapshot(reservations: view.instances.allReservations())
        }
        guard !request.ids.isEmpty else {
            if request.dryRun { throw .dryRunSucceeded }
            return InstanceSnapshot(reservations: view.instances.reservations(of: caller.accountID))
        }
        let instances = try owned(request.ids, as: caller)
        if request.dryRun { throw .dryRunSucceeded }
        var reservations: [ReservationID: ReservationRecord] = [:]
        for stored in instances {
            let id = stored.value.reservationID
            if reservations[id] == nil { reservations[id] = view.instances.reservation(id) }
        }
        return InstanceSnapshot(
            reservations: reservations.values.sorted(by: ReservationRecord.isBefore),
            ids: Set(instances.map(\.value.id)))
    }

    private typealias Entry = (reservation: ReservationRecord, instance: Stored<Instance>)

    private nonisolated static func matching(_ snapshot: InstanceSnapshot, _ filters: FilterMatcher<Instance>)
        -> [Entry]
    {
        var entries: [Entry] = []
        for reservation in snapshot.reservations {
            for stored in reservation.instances {
                if let ids = snapshot.ids, !ids.contains(stored.value.id) { continue }
                if filters.matches(stored.value) { entries.append((reservation, stored)) }
            }
        }
        return entries
    }

    /// Sorts as describe calls do.
    private nonisolated static func position(_ entry: Entry) -> String {
        padded(entry.reservation.launchTime.milliseconds, 15) + "/" + entry.reservation.id.value + "/"
            + padded(Int64(entry.instance.value.launchIndex), 8)
    }

    private nonisolated static func padded(_ value: Int64, _ width: Int) -> String {
        let text = String(max(0, value))
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    /// The instances that `ids` name, each once; the caller's own, or anybody's for administrators.
    ///
    /// - Throws: `malformedID`, or `notFound` with all that are not there.
    func owned(_ ids: [String], as caller: Caller) throws(CloudError) -> [Stored<Instance>] {
        var found: [Stored<Instance>] = []
        var seen = Set<InstanceID>()
        var missing: [String] = []
        for text in ids {
            guard let id = InstanceID(text) else { throw .malformedID(.instance, text) }
            guard let stored = view.instances[id],
                caller.isAdministrator || stored.value.accountID == caller.accountID
            else {
                missing.append(text)
                continue
            }
            if seen.insert(id).inserted { found.append(stored) }
        }
        guard missing.isEmpty else { throw .notFound(.instance, missing) }
        return found
    }

    // MARK: Ending

    /// Records the intent to terminate. All ids must exist, or nothing is done; to end an instance again is no error.
    /// EC2: TerminateInstances.
    public func terminateInstances(ids: [String], dryRun: Bool, as caller: Caller) async throws(CloudError)
        -> [StateTransition]
    {
        try authorise(caller, "TerminateInstances")
        guard !ids.isEmpty else { throw .missingParameter("InstanceId") }
        guard ids.count <= 1000 else {
            throw .invalidValue(
                parameter: "InstanceId", value: "\(ids.count) ids",
                reason: "One request can terminate at most 1000 instances; use several.")
        }
        try Self.checkProtection(try owned(ids, as: caller))
        if dryRun { throw .dryRunSucceeded }
        let now = configuration.now()
        let transitions = try await mutate { (_) throws(CloudError) in
            var mutation = Mutation()
            var transitions: [StateTransition] = []
            let instances = try self.owned(ids, as: caller)
            try Self.checkProtection(instances)
            for stored in instances {
                let next = self.ending(stored.value, at: now)
                if next != stored.value { mutation.update(.instance(next), revision: stored.revision) }
                transitions.append(
                    StateTransition(id: next.id, previous: stored.value.state, current: next.state))
            }
            return (mutation, transitions)
        }
        for zone in Set(transitions.compactMap({ view.instances[$0.id]?.value.zone })) { wake(zone: zone) }
        logger.info(
            "instances to be terminated",
            metadata: [
                "request": "\(caller.requestID)", "instances": "\(transitions.map(\.id.value).joined(separator: ","))",
            ])
        return transitions
    }

    // MARK: Acting at once

    /// EC2: RebootInstances.
    public func rebootInstances(ids: [String], dryRun: Bool, as caller: Caller) async throws(CloudError) {
        try authorise(caller, "RebootInstances")
        guard !ids.isEmpty else { throw .missingParameter("InstanceId") }
        let instances = try owned(ids, as: caller).map(\.value)
        for instance in instances where instance.state != .running {
            throw .incorrectState(
                .instance, instance.id.value, state: instance.state.rawValue, operation: "RebootInstances")
        }
        for instance in instances {
            guard let task = view.bundledInstances[instance.id], let state = view.bundleTasks[task]?.value.state,
                state == .waitingForShutdown || state == .bundling
            else { continue }
            throw .inUse(.bundleTask, instance.id.value, by: task.value)
        }
        if dryRun { throw .dryRunSucceeded }
        for link in zones {
            let here = instances.filter { $0.zone == link.name }.map(\.id)
            if here.isEmpty { continue }
            let done: [InstanceID]
            do {
                done = try await link.reboot(here, correlation: caller.requestID)
            } catch {
                throw error.cloudError(component: "availability zone \(link.name)")
            }
            let missing = here.filter { !done.contains($0) }
            guard missing.isEmpty else {
                throw .unavailable(
                    component: "availability zone \(link.name)",
                    reason: "The node of \(missing.map(\.value).joined(separator: ", ")) did not take the request.")
            }
        }
    }

    /// EC2: GetConsoleOutput. An instance that has none yet, or none any more, has empty output.
    public func consoleOutput(id: String, dryRun: Bool, as caller: Caller) async throws(CloudError) -> ConsoleOutput {
        try authorise(caller, "GetConsoleOutput")
        guard let instance = try owned([id], as: caller).first?.value else { throw .notFound(.instance, [id]) }
        if dryRun { throw .dryRunSucceeded }
        let empty = ConsoleOutput(id: instance.id, timestamp: configuration.now(), output: [])
        guard instance.nodeName != nil else { return empty }
        guard let link = zones.first(where: { $0.name == instance.zone }) else {
            throw .unavailable(
                component: "availability zone \(instance.zone)", reason: "The zone is no longer part of the cloud.")
        }
        do {
            let console = try await link.console(instance.id, correlation: caller.requestID)
            return ConsoleOutput(id: instance.id, timestamp: console.timestamp, output: console.output)
        } catch {
            if case .fault(let fault) = error, fault.isNotFound { return empty }
            throw error.cloudError(component: "availability zone \(link.name)")
        }
    }
}
