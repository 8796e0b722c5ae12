import CloudModel
import Contracts
import Logging
import Store

// Making a zone agree with what is recorded. A run takes no input: it looks at the view, does what is missing, and can
// be repeated or broken off at any point. It is woken by changes and now and then; a zone has one run at a time.
//
//     unplaced ──RunInstances──▶ placed ──(reports, see ZoneWatcher)──▶ running … terminated
//         │ refused for good, or no room for too long      ▲
//         └────────────────▶ terminated ◀──TerminateInstances── ending

extension CloudController {
    /// Runs whenever it is woken, until the task is cancelled.
    func reconcile(_ link: ZoneLink, wakes: AsyncStream<Void>) async {
        for await _ in wakes {
            guard zoneStates[link.name]?.isAvailable == true else { continue }
            let clock = ContinuousClock()
            let start = clock.now
            withZone(link.name) { state in
                state.status.runs += 1
                state.status.startedAt = configuration.now()
                state.status.milliseconds = nil
                state.status.placed = 0
                state.status.ended = 0
                state.status.problem = nil
            }
            // Rules before guests, so that the ports are right from the first packet on.
            await agreeOnNetwork(link)
            await endInstances(in: link)
            await placeInstances(in: link)
            // Now and then, too, since credentials end.
            credentialSignals[link.name]?.yield()
            let taken = (clock.now - start).components
            withZone(link.name) {
                $0.status.milliseconds = taken.seconds * 1000 + taken.attoseconds / 1_000_000_000_000_000
            }
        }
    }

    private func note(_ problem: String, in link: ZoneLink) {
        withZone(link.name) { $0.status.problem = problem }
        logger.warning("reconciliation", metadata: ["zone": "\(link.name)", "problem": "\(problem)"])
    }

    // MARK: Ending

    /// How long a zone has to end an instance before it is told again.
    private static let endRepeat = Duration.seconds(10)

    private func endInstances(in link: ZoneLink) async {
        let now = ContinuousClock.now
        guard let state = zoneStates[link.name] else { return }
        let wanted = (view.instances.zones[link.name]?.ending ?? []).union(state.strays)
        let due = wanted.filter { id in state.endAskedAt[id].map { now - $0 >= Self.endRepeat } ?? true }.sorted()
        withZone(link.name) { state in
            state.endAskedAt = state.endAskedAt.filter { wanted.contains($0.key) }
        }
        for start in stride(from: 0, to: due.count, by: 200) {
            let batch = Array(due[start..<min(start + 200, due.count)])
            guard await end(batch, in: link, at: now) else { return }
        }
    }

    /// Tells the zone to end instances.
    ///
    /// - Returns: false if the zone does not answer.
    private func end(_ ids: [InstanceID], in link: ZoneLink, at now: ContinuousClock.Instant) async -> Bool {
        var batch = ids
        var states: [InstanceID: InstanceState] = [:]
        while !batch.isEmpty {
            do {
                states = try await link.terminate(batch)
                break
            } catch {
                note("instances could not be ended: \(error)", in: link)
                // If one instance is what the zone cannot tell about yet, the others need not wait for it.
                guard let resource = error.resource, let one = batch.firstIndex(where: { $0.value == resource }) else {
                    return false
                }
                let id = batch.remove(at: one)
                withZone(link.name) { $0.endAskedAt[id] = now }
            }
        }
        var over: [InstanceID] = []
        for id in batch {
            withZone(link.name) { $0.endAskedAt[id] = now }
            if let reached = states[id] {
                if reached == .terminated {
                    over.append(id)
                    withZone(link.name) { $0.strays.remove(id) }
                }
                continue
            }
            withZone(link.name) { $0.strays.remove(id) }
            guard let instance = view.instances[id]?.value else { continue }
            // No node knows it. That is final if none can have been given it, or all have spoken.
            if instance.nodeName == nil || zoneStates[link.name]?.isSettled == true { over.append(id) }
        }
        withZone(link.name) { $0.status.ended += batch.count }
        await end(
            over, in: link,
            because: StateReason(
                code: "Server.InternalError", message: "Server.InternalError: the instance was ended by the cloud"))
        return true
    }

    // MARK: Placing

    /// Instances of one call to the zone: small enough that a node's slowness delays few.
    private static let placementBatch = 50
    /// Calls at the same time.
    private static let placementCalls = 4

    private func placeInstances(in link: ZoneLink) async {
        let now = ContinuousClock.now
        let unplaced = view.instances.zones[link.name]?.unplaced ?? []
        withZone(link.name) { state in state.retries = state.retries.filter { unplaced.contains($0.key) } }
        let retries = zoneStates[link.name]?.retries ?? [:]
        var due = unplaced.filter { (retries[$0]?.due ?? now) <= now }.compactMap { view.instances[$0]?.value }
        due.sort {
            ($0.launchTime, $0.reservationID, $0.launchIndex) < ($1.launchTime, $1.reservationID, $1.launchIndex)
        }
        let batches = stride(from: 0, to: due.count, by: Self.placementBatch).map { start in
            due[start..<min(start + Self.placementBatch, due.count)].map(\.id)
        }
        await withDiscardingTaskGroup { group in
            // Each worker takes every n-th batch.
            for worker in 0..<min(Self.placementCalls, batches.count) {
                group.addTask {
                    for index in stride(from: worker, to: batches.count, by: Self.placementCalls) {
                        guard !Task.isCancelled, await self.isAvailable(link) else { return }
                        await self.place(batches[index], in: link)
                    }
                }
            }
        }
    }

    private func isAvailable(_ link: ZoneLink) -> Bool { zoneStates[link.name]?.isAvailable == true }

    /// Places instances and records what became of them.
    private func place(_ ids: [InstanceID], in link: ZoneLink) async {
        var specs: [Contract.InstanceSpec] = []
        var wanted: [InstanceID] = []
        var results: [InstanceID: PlacementResult] = [:]
        for id in ids {
            guard let instance = view.instances[id]?.value, instance.intent == .run, instance.nodeName == nil else {
                continue
            }
            do throws(CloudError) {
                let material = try await material(for: instance)
                specs.append(instance.spec(material))
                wanted.append(id)
            } catch {
                results[id] = .refused(Self.fault(error))
            }
        }
        if !specs.isEmpty {
            let reservations = Set(specs.map(\.reservationId))
            do {
                let answer = try await link.run(specs, correlation: reservations.count == 1 ? reservations.first : nil)
                for id in wanted {
                    results[id] =
                        answer[id]
                        ?? .refused(
                            ServiceFault(code: .unavailable, message: "The cluster controller did not answer for it."))
                }
            } catch {
                note("instances could not be placed: \(error)", in: link)
                if !error.isRetryable, wanted.count > 1 {
                    // One of them spoils the call: each by itself tells which.
                    for id in wanted { await place([id], in: link) }
                } else if case .fault(let fault) = error {
                    for id in wanted { results[id] = .refused(fault) }
                }
            }
        }
        await record(results, in: link)
    }

    private func record(_ results: [InstanceID: PlacementResult], in link: ZoneLink) async {
        guard !results.isEmpty else { return }
        let now = configuration.now()
        sequence += 1
        let moment = sequence
        do {
            try await mutate { (_) throws(CloudError) in
                var mutation = Mutation()
                for (id, result) in results {
                    guard let stored = view.instances[id] else { continue }
                    let next = outcome(of: result, for: stored.value, in: link, at: now, moment: moment)
                    if let next, next != stored.value { mutation.update(.instance(next), revision: stored.revision) }
                }
                return (mutation, ())
            }
            credentialSignals[link.name]?.yield()
        } catch {
            // The zone has placed them; asked again it answers the same.
            note("placements could not be recorded: \(error)", in: link)
        }
    }

    /// The record after a placement was tried; nil if it is to be tried again.
    private func outcome(
        of result: PlacementResult, for instance: Instance, in link: ZoneLink, at now: Timestamp, moment: Int64
    ) -> Instance? {
        switch result {
        case .placed(let node, let privateAddress, let publicAddress):
            guard instance.state != .terminated else {
                withZone(link.name) { $0.strays.insert(instance.id) }
                return nil
            }
            withZone(link.name) { state in
                if state.placedAt.updateValue(moment, forKey: instance.id) == nil { state.status.placed += 1 }
                if state.known.contains(instance.id) { state.placedAt[instance.id] = nil }
                state.retries[instance.id] = nil
            }
            guard instance.nodeName == nil else { return nil }
            var next = instance
            next.nodeName = node
            if let privateAddress { next.privateAddress = privateAddress }
            if let publicAddress { next.publicAddress = publicAddress }
            return next
        case .refused(let fault):
            guard instance.state == .pending, instance.nodeName == nil, instance.intent == .run else { return nil }
            let isTooLate = now >= instance.heldSince.adding(seconds: configuration.placementTimeout)
            switch fault.code {
            case .unavailable,
                .insufficientResources where !isTooLate:
                withZone(link.name) { state in
                    let attempts = (state.retries[instance.id]?.attempts ?? 0) + 1
                    // Doubling from the shortest to the longest wait.
                    let wait = min(
                        configuration.retryDelay.lowerBound << Int64(min(attempts - 1, 16)),
                        configuration.retryDelay.upperBound)
                    state.retries[instance.id] = PlacementRetry(
                        attempts: attempts, due: .now + .milliseconds(wait))
                }
                return nil
            case .insufficientResources:
                logger.warning(
                    "no room for an accepted instance",
                    metadata: ["zone": "\(link.name)", "instance": "\(instance.id)", "reason": "\(fault.message)"])
                return instance.terminated(
                    at: now,
                    because: StateReason(
                        code: "Server.InsufficientInstanceCapacity",
                        message:
                            "Server.InsufficientInstanceCapacity: zone \(link.name) had no room for \(instance.type.name) "
                            + "within \(configuration.placementTimeout) seconds. \(Self.needs(fault))Try a smaller type, "
                            + "another zone, or later."))
            case .notFound, .invalidRequest, .conflict, .unsupported, .internal:
                logger.error(
                    "an instance cannot be placed",
                    metadata: [
                        "zone": "\(link.name)", "instance": "\(instance.id)", "fault": "\(fault.code.rawValue)",
                        "reason": "\(fault.message)",
                    ])
                let code = fault.code == .internal ? "Server.InternalError" : "Client.InvalidParameterValue"
                return instance.terminated(
                    at: now, because: StateReason(code: code, message: "\(code): \(fault.message)"))
            }
        }
    }

    private static func needs(_ fault: ServiceFault) -> String {
        var text = fault.message.hasSuffix(".") ? fault.message + " " : fault.message + ". "
        if let resource = fault.resource, let needed = fault.needed, let available = fault.available {
            text += "Of \(resource), \(needed) were needed and \(available) free. "
        }
        return text
    }

    // MARK: What nodes need

    private func material(for instance: Instance) async throws(CloudError) -> LaunchMaterial {
        let image = try await artifact(instance.imageID)
        var material = LaunchMaterial(image: image)
        if let kernel = instance.kernelID {
            material.kernel = try await artifact(kernel)
            material.kernelArguments = view.images[instance.imageID]?.value.kernelArguments
        }
        if let ramdisk = instance.ramdiskID { material.ramdisk = try await artifact(ramdisk) }
        do {
            material.userData = try await store.get(Key.userData(instance.id))?.bytes
        } catch {
            throw Self.cloudError(error)
        }
        return material
    }

    private func artifact(_ id: ImageID) async throws(CloudError) -> Contract.Artifact {
        guard let image = view.images[id]?.value else { throw .notFound(.image, [id.value]) }
        let now = configuration.now()
        if let known = imageURLs[id], known.until > now { return image.artifact(url: known.url) }
        let url = try await images.temporaryURL(
            location: image.object ?? image.location, validFor: configuration.imageURLValidity)
        // Half of the time is the node's, which may have to wait for its turn.
        imageURLs[id] = ImageURL(url: url, until: now.adding(seconds: Int64(configuration.imageURLValidity / 2)))
        return image.artifact(url: url)
    }

    /// What stands in the way of a placement before the zone is asked, as if the zone had said it.
    private static func fault(_ error: CloudError) -> ServiceFault {
        switch error {
        case .unavailable(let component, let reason):
            ServiceFault(code: .unavailable, message: "\(component): \(reason)")
        case .notFound(let kind, let ids):
            ServiceFault(
                code: .notFound,
                message: "The \(kind.rawValue) \(ids.joined(separator: ", ")) is no longer there.")
        default: ServiceFault(code: .internal, message: "The instance's image could not be handed out.")
        }
    }
}
