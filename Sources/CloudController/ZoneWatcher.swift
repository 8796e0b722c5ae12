import CloudModel
import Logging
import Store

// Following a zone: one long poll at a time, whose answers are taken in at once.
//
// An answer names what has changed, or (complete) all there is. An instance that a settled cluster does not know does
// not exist, so one that we believe placed there has ended; until the cluster is settled, absence means nothing.

extension CloudController {
    /// Follows one zone until the task is cancelled.
    func watch(_ link: ZoneLink) async {
        var delay = configuration.retryDelay.lowerBound
        while !Task.isCancelled {
            sequence += 1
            let asked = sequence
            let began = ContinuousClock.now
            do throws(ClusterFailure) {
                let state = zoneStates[link.name]
                let changes = try await link.changes(
                    epoch: state?.epoch, since: state?.revision ?? 0,
                    // The first answer is wanted at once: until then the zone takes no instances.
                    waitMilliseconds: state?.isAvailable == true ? configuration.pollWait : 0)
                delay = configuration.retryDelay.lowerBound
                await take(changes, of: link, asked: asked)
                // A zone that answers at once that there is nothing new must not be asked in a tight loop.
                if changes.isEmpty, ContinuousClock.now - began < .milliseconds(configuration.pollWait / 2),
                    await !pause(milliseconds: delay)
                {
                    return
                }
            } catch {
                if Task.isCancelled { return }
                lose(link, error)
                guard await pause(milliseconds: delay) else { return }
                delay = min(delay * 2, configuration.retryDelay.upperBound)
            }
        }
    }

    private func lose(_ link: ZoneLink, _ failure: ClusterFailure) {
        if zoneStates[link.name]?.isAvailable == true {
            logger.warning("zone lost", metadata: ["zone": "\(link.name)", "reason": "\(failure)"])
        }
        withZone(link.name) { state in
            state.isAvailable = false
            state.message = "The zone's cluster controller does not answer: \(failure.reason)"
        }
    }

    /// Takes in what a zone says.
    func take(_ changes: ZoneChanges, of link: ZoneLink, asked: Int64) async {
        // Instances before nodes: what a node counts as used is then already known to be on it, and is not counted as
        // waiting for a node as well.
        let stored = await takeReports(changes.reports, of: link)
        noteBundles(changes.reports)
        await takeRemovals(changes.removed, of: link)
        takeNodes(changes, of: link)
        var wasSettled = false
        withZone(link.name) { state in
            wasSettled = state.isSettled && state.epoch == changes.epoch
            if changes.isComplete { state.known = [] }
            state.known.formUnion(changes.reports.map(\.id))
            state.known.subtract(changes.removed)
            for report in changes.reports { state.placedAt[report.id] = nil }
            if state.epoch != changes.epoch { state.networkRevision = nil }
            state.isSettled = changes.isSettled
            // Without this the same answer comes again, in case that the store could not take a report.
            if stored {
                state.epoch = changes.epoch
                state.revision = changes.revision
            }
        }
        if changes.isSettled, changes.isComplete || !wasSettled { await endMissing(in: link, asked: asked) }
        if !stored { _ = await pause(milliseconds: configuration.retryDelay.lowerBound) }
        let state = zoneStates[link.name]
        if state?.strays.isEmpty == false || state?.networkRevision == nil { wake(zone: link.name) }
    }

    private func takeNodes(_ changes: ZoneChanges, of link: ZoneLink) {
        if changes.isComplete {
            let names = Set(changes.nodes.map(\.description.name))
            view.instances.capacities[link.name, default: ZoneCapacity()].keepNodes(names)
        }
        for node in changes.nodes {
            view.instances.capacities[link.name, default: ZoneCapacity()].setNode(node.capacity)
        }
        for name in changes.removedNodes { view.instances.capacities[link.name]?.removeNode(name) }
        let isNew = zoneStates[link.name]?.isAvailable == false
        withZone(link.name) { state in
            if changes.isComplete { state.nodes = [:] }
            for node in changes.nodes { state.nodes[node.description.name] = node.description }
            for name in changes.removedNodes { state.nodes[name] = nil }
            state.isAvailable = true
            state.message = nil
        }
        if isNew {
            logger.info(
                "zone available", metadata: ["zone": "\(link.name)", "nodes": "\(changes.nodes.count)"])
            wake(zone: link.name)
        }
    }

    // MARK: Reports

    /// Applies reports, some hundreds in one commit.
    ///
    /// - Returns: false if the store did not take all of them.
    private func takeReports(_ reports: [InstanceReport], of link: ZoneLink) async -> Bool {
        for start in stride(from: 0, to: reports.count, by: 400) {
            let batch = Array(reports[start..<min(start + 400, reports.count)])
            do {
                let unrecorded = try await mutate { (_) throws(CloudError) in self.plan(batch, of: link) }
                // What changes nothing that is worth a write is remembered without one.
                for instance in unrecorded {
                    if let stored = view.instances[instance.id], stored.value.state == instance.state,
                        stored.value.reportGeneration < instance.reportGeneration
                    {
                        var next = stored.value
                        next.reportGeneration = instance.reportGeneration
                        view.instances.set(next, revision: stored.revision)
                    }
                }
            } catch {
                logger.error(
                    "reports could not be recorded; they will be asked for again",
                    metadata: ["zone": "\(link.name)", "error": "\(error)"])
                return false
            }
        }
        return true
    }

    private func plan(_ reports: [InstanceReport], of link: ZoneLink) -> (Mutation, [Instance]) {
        var mutation = Mutation()
        var unrecorded: [Instance] = []
        var seen = Set<InstanceID>()
        // The last one of several about an instance is the newest.
        for report in reports.reversed() where seen.insert(report.id).inserted {
            guard let stored = view.instances[report.id] else {
                planUnknown(report, of: link, &mutation)
                continue
            }
            guard stored.value.zone == link.name else {
                if report.observation.state.holdsResources {
                    logger.error(
                        "an instance is reported by a zone that is not its own",
                        metadata: ["instance": "\(report.id)", "zone": "\(link.name)"])
                }
                continue
            }
            switch stored.value.applying(report.observation) {
            case .ignored:
                // The report of an end that the cloud already knows takes a stray off the list.
                if !report.observation.state.holdsResources { withZone(link.name) { $0.strays.remove(report.id) } }
            case .unchanged(let next): unrecorded.append(next)
            case .changed(let next): mutation.update(.instance(next), revision: stored.revision)
            case .mustEnd: withZone(link.name) { $0.strays.insert(report.id) }
            }
        }
        return (mutation, unrecorded)
    }

    /// An instance of which there is no record: the record was lost and is rebuilt from the node's, unless the
    /// instance was forgotten on purpose.
    private func planUnknown(_ report: InstanceReport, of link: ZoneLink, _ mutation: inout Mutation) {
        guard report.observation.state.holdsResources else {
            withZone(link.name) { $0.strays.remove(report.id) }
            return
        }
        if view.tombstones[report.id] != nil {
            withZone(link.name) { $0.strays.insert(report.id) }
            return
        }
        guard var instance = report.rebuilt, instance.zone == link.name else {
            logger.error(
                "an unknown instance is reported, and its description cannot be read",
                metadata: [
                    "instance": "\(report.id)", "zone": "\(link.name)", "node": "\(report.observation.nodeName)",
                ])
            return
        }
        if case .changed(let next) = instance.applying(report.observation) { instance = next }
        if let userData = instance.userData, !userData.isEmpty {
            mutation.puts.append(.userData(instance.id, userData))
        }
        instance.userData = nil
        mutation.create(.instance(instance))
        logger.warning(
            "the lost record of an instance is rebuilt from its node's",
            metadata: ["instance": "\(report.id)", "zone": "\(link.name)", "account": "\(instance.accountID)"])
    }

    // MARK: Absence

    /// Instances that nodes no longer remember.
    private func takeRemovals(_ ids: [InstanceID], of link: ZoneLink) async {
        withZone(link.name) { $0.strays.subtract(ids) }
        let gone = ids.filter { id in
            guard let instance = view.instances[id]?.value else { return false }
            return instance.state != .terminated && instance.zone == link.name && instance.nodeName != nil
        }
        await end(
            gone, in: link,
            because: StateReason(
                code: "Server.InternalError", message: "Server.InternalError: the instance's node no longer has it"))
    }

    /// Ends what we believe to be on a node of a settled zone that does not know it.
    ///
    /// - Parameter asked: when the answer was asked for: what was placed since then may be missing from it.
    private func endMissing(in link: ZoneLink, asked: Int64) async {
        guard let state = zoneStates[link.name] else { return }
        let missing = (view.instances.zones[link.name]?.placed ?? []).filter { id in
            !state.known.contains(id) && (state.placedAt[id] ?? 0) < asked
        }
        await end(
            Array(missing), in: link,
            because: StateReason(
                code: "Server.InternalError",
                message: "Server.InternalError: no node of zone \(link.name) has the instance any more"))
    }

    /// Records that instances are over.
    ///
    /// - Parameter reason: why, for those whose owner did not ask for it.
    func end(_ ids: [InstanceID], in link: ZoneLink, because reason: StateReason) async {
        for start in stride(from: 0, to: ids.count, by: 400) {
            let batch = ids[start..<min(start + 400, ids.count)]
            let now = configuration.now()
            do {
                let ended = try await mutate { (view) throws(CloudError) in
                    var mutation = Mutation()
                    for id in batch {
                        guard let stored = view.instances[id], stored.value.state != .terminated else { continue }
                        let asked = stored.value.intent == .terminate
                        mutation.update(
                            .instance(stored.value.terminated(at: now, because: asked ? nil : reason)),
                            revision: stored.revision)
                    }
                    return (mutation, mutation.puts.count)
                }
                if ended > 0 {
                    logger.info(
                        "instances are over",
                        metadata: ["zone": "\(link.name)", "instances": "\(ended)", "reason": "\(reason.message)"])
                }
            } catch {
                logger.error(
                    "the end of instances could not be recorded; it will be tried again",
                    metadata: ["zone": "\(link.name)", "error": "\(error)"])
                return
            }
        }
    }
}
