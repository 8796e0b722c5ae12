import CloudModel
import Contracts
import Logging

// Carrying out bundle tasks. Each is moved from state to state by what its node reports and what is done here; every
// state is durable before the next begins, so that a crash costs the work of one state at most.
//
//   pending               the node is given the order, and a URL to which it sends the copy of the disk
//   waiting-for-shutdown  )  the node works, and reports; if it reports without the task, it has lost it
//   bundling              )
//   storing               the bundle is made of the copy and uploaded by the user's policy, from its beginning if need be
//   cancelling            node and uploads are stopped, and what there is of the bundle is removed

/// What a node says of the copy of a disk.
struct NodeBundle: Sendable {
    var generation: Int64
    var bundle: Contract.BundleReport?
}

extension CloudController {
    /// Nobody waits longer for a zone, and for all of the work.
    private static let acceptanceTime: Int64 = 900
    private static let wholeTime: Int64 = 12 * 3600

    /// There is something to be done for bundles.
    func wakeBundles() { bundleWork?.yield() }

    /// Takes in what nodes say of instances that are being bundled.
    func noteBundles(_ reports: [InstanceReport]) {
        var isNews = false
        for report in reports {
            guard let task = view.bundledInstances[report.id] else { continue }
            note(report, of: task)
            isNews = true
        }
        if isNews { wakeBundles() }
    }

    private func note(_ report: InstanceReport, of task: BundleTaskID) {
        if let known = nodeBundles[report.id], known.generation > report.observation.generation { return }
        nodeBundles[report.id] = NodeBundle(generation: report.observation.generation, bundle: report.bundle)
        bundleNews.insert(task)
    }

    /// Works on all tasks, side by side, until it is cancelled.
    func serveBundles(_ wakes: AsyncStream<Void>) async {
        await withDiscardingTaskGroup { group in
            for await _ in wakes {
                for id in view.bundledInstances.values where bundlesInHand.insert(id).inserted {
                    group.addTask { await self.work(on: id) }
                }
            }
        }
    }

    private func work(on id: BundleTaskID) async {
        defer { bundlesInHand.remove(id) }
        do {
            repeat {
                bundleNews.remove(id)
                while let task = view.bundleTasks[id]?.value, task.state.isActive, !Task.isCancelled,
                    try await advance(task)
                {}
            } while bundleNews.contains(id) && !Task.isCancelled
        } catch {
            // Tried again with the next round.
            logger.warning("a bundle cannot go on yet", metadata: ["bundle": "\(id)", "error": "\(error)"])
        }
        if let task = view.bundleTasks[id]?.value, !task.state.isActive { nodeBundles[task.instanceID] = nil }
    }

    /// - Returns: whether it has changed; otherwise there is something to wait for.
    /// - Throws: what may be otherwise later.
    private func advance(_ task: BundleTask) async throws(CloudError) -> Bool {
        let age = (configuration.now().milliseconds - task.startTime.milliseconds) / 1000
        if task.state != .cancelling, age > Self.wholeTime {
            return try await fail(task, "Server.InternalError", "It took longer than \(Self.wholeTime / 3600) hours.")
        }
        switch task.state {
        case .pending: return try await order(task, age: age)
        case .waitingForShutdown, .bundling: return try await follow(task)
        case .storing: return try await store(task)
        case .cancelling: return try await cancel(task)
        case .complete, .failed: return false
        }
    }

    // MARK: The node's part

    private func order(_ task: BundleTask, age: Int64) async throws(CloudError) -> Bool {
        guard let instance = view.instances[task.instanceID]?.value, instance.state == .running else {
            return try await failForInstance(task)
        }
        guard let link = zones.first(where: { $0.name == instance.zone }) else {
            return try await fail(task, "Server.Unavailable", "The instance's zone is no longer part of the cloud.")
        }
        let report: InstanceReport?
        do throws(ClusterFailure) {
            let url = try await staging(task)
            report = try await link.bundle(task.instanceID, task: task.id, to: url)
        } catch {
            guard error.isRetryable || error.isNotFound, age < Self.acceptanceTime else {
                return try await fail(
                    task, "Server.InternalError", "The instance's node did not do it: \(error.reason)")
            }
            throw error.cloudError(component: "availability zone \(link.name)")
        }
        guard let report else {
            throw .internalError(message: "A node's answer cannot be read.", detail: "to the order of \(task.id)")
        }
        note(report, of: task.id)
        let generation = report.observation.generation
        return try await change(task, from: [.pending]) { task in
            task.move(to: .waitingForShutdown, at: self.configuration.now())
            task.acceptedGeneration = generation
        }
    }

    /// - Throws: as if the zone had said so, since the order cannot be given.
    private func staging(_ task: BundleTask) async throws(ClusterFailure) -> String {
        do throws(CloudError) {
            return try await images.stagingURL(task.id.value, validFor: Int(Self.wholeTime))
        } catch {
            throw .fault(
                ServiceFault(code: error.isRetryable ? .unavailable : .unsupported, message: "\(error)"))
        }
    }

    private func follow(_ task: BundleTask) async throws(CloudError) -> Bool {
        let seen = nodeBundles[task.instanceID]
        if let seen, let bundle = seen.bundle, bundle.bundleId == task.id.value {
            switch bundle.state {
            case .sent:
                return try await change(task, from: [.waitingForShutdown, .bundling]) { task in
                    task.move(to: .storing, at: self.configuration.now())
                    task.progress = 50
                }
            case .failed:
                let reason = bundle.reason
                return try await fail(
                    task, reason?.code ?? "Server.InternalError",
                    reason?.message ?? "The instance's node could not copy its disk.")
            case .cancelled: return try await failForInstance(task)
            case .copying, .sending:
                // Half of the work is the node's.
                let progress = max(task.progress, (bundle.progress ?? 0) / 2)
                if task.state == .waitingForShutdown || progress != task.progress {
                    return try await change(task, from: [.waitingForShutdown, .bundling]) { task in
                        task.move(to: .bundling, at: self.configuration.now())
                        task.progress = progress
                    }
                }
            case .shutdown: break
            }
        } else if let seen, let accepted = task.acceptedGeneration, seen.generation > accepted {
            return try await fail(
                task, "Server.InternalError",
                "The instance's node controller was started again meanwhile. The instance runs; bundle it again.")
        }
        if view.instances[task.instanceID]?.value.state.holdsResources != true {
            return try await failForInstance(task)
        }
        return false
    }

    private func failForInstance(_ task: BundleTask) async throws(CloudError) -> Bool {
        let state = view.instances[task.instanceID]?.value.state.rawValue ?? "terminated"
        return try await fail(
            task, "Client.InstanceTerminated",
            "The instance \(task.instanceID) was \(state) before its disk was copied.")
    }

    // MARK: The cloud's part

    private func store(_ task: BundleTask) async throws(CloudError) -> Bool {
        let instance = view.instances[task.instanceID]?.value
        let machine = BundledImage(
            name: task.prefix, architecture: instance?.architecture ?? "x86_64", kind: .machine,
            kernelID: instance?.kernelID?.value, ramdiskID: instance?.ramdiskID?.value, sizeBytes: 0)
        var owner = Caller(
            accountID: task.accountID, userName: task.userName, isAdministrator: false, accessKeyID: task.accessKeyID,
            requestID: task.id.value, sourceAddress: "")
        if !Self.isReserved(task.userName) {
            let user = view.identities.users.named(task.userName, of: task.accountID)?.value
            owner.identity = .user(name: task.userName, path: user?.path ?? "/")
            owner.userID = user?.id ?? ""
        }
        do throws(BundlingFailure) {
            try await images.storeBundle(task, machine: machine, as: owner) { parts, percent in
                await self.uploaded(task.id, parts: parts, percent: percent)
            }
        } catch {
            switch error {
            case .later(let error): throw error
            case .unwanted: return true
            case .refused(let failure): return try await fail(task, failure.code, failure.message)
            }
        }
        let isDone = try await change(task, from: [.storing]) { $0.move(to: .complete, at: self.configuration.now()) }
        if isDone {
            logger.info("bundle complete", metadata: ["bundle": "\(task.id)", "instance": "\(task.instanceID)"])
        }
        try await images.discardStaged(task.id.value)
        return isDone
    }

    /// Records a part; false if the task is not wanted any more.
    private func uploaded(_ id: BundleTaskID, parts: Int, percent: Int) async -> Bool {
        guard let task = view.bundleTasks[id]?.value, task.state == .storing, !Task.isCancelled else { return false }
        do throws(CloudError) {
            return try await change(task, from: [.storing]) { task in
                task.parts = parts
                task.progress = 50 + percent / 2
                task.updateTime = self.configuration.now()
            }
        } catch {
            // The work goes on; only what is shown is older.
            return error.isRetryable
        }
    }

    private func cancel(_ task: BundleTask) async throws(CloudError) -> Bool {
        let waited = (configuration.now().milliseconds - task.updateTime.milliseconds) / 1000
        if let instance = view.instances[task.instanceID]?.value, instance.state.holdsResources,
            let link = zones.first(where: { $0.name == instance.zone })
        {
            do throws(ClusterFailure) {
                if let report = try await link.cancelBundle(task.instanceID, task: task.id) {
                    // The node ends what it is about, and reports it.
                    if let bundle = report.bundle, bundle.bundleId == task.id.value,
                        [.shutdown, .copying, .sending].contains(bundle.state), waited < Self.acceptanceTime
                    {
                        return false
                    }
                }
            } catch {
                guard !error.isRetryable || waited >= Self.acceptanceTime else {
                    throw error.cloudError(component: "availability zone \(link.name)")
                }
            }
        }
        return try await fail(task, "Client.Cancelled", "The task was cancelled by its owner.")
    }

    /// Removes what there is of the bundle, and then says why there is none.
    private func fail(_ task: BundleTask, _ code: String, _ message: String) async throws(CloudError) -> Bool {
        let current = view.bundleTasks[task.id]?.value ?? task
        try await images.discardStaged(task.id.value)
        if current.parts > 0 { try await images.discardParts(of: current) }
        let isDone = try await change(task, from: [task.state]) { task in
            task.move(
                to: .failed, at: self.configuration.now(), failure: BundleTask.Failure(code: code, message: message))
        }
        logger.info(
            "bundle failed",
            metadata: ["bundle": "\(task.id)", "instance": "\(task.instanceID)", "reason": "\(code): \(message)"])
        return isDone
    }

    // MARK: Records

    /// Changes a task that is in one of these states.
    ///
    /// - Returns: whether it was.
    private func change(
        _ task: BundleTask, from states: Set<BundleTask.State>, _ body: (inout BundleTask) -> Void
    ) async throws(CloudError) -> Bool {
        try await mutate { view in
            guard let stored = view.bundleTasks[task.id], states.contains(stored.value.state) else {
                return (Mutation(), false)
            }
            var next = stored.value
            body(&next)
            var mutation = Mutation()
            mutation.update(.bundleTask(next), revision: stored.revision)
            return (mutation, true)
        }
    }

    /// Ended tasks go after a while, and with them what a node may have sent too late.
    func forgetBundles(before limit: Timestamp) async throws(CloudError) {
        let ended = view.bundleTasks.byID.values.filter { !$0.value.state.isActive && $0.value.updateTime <= limit }
        for stored in ended { try await images.discardStaged(stored.value.id.value) }
        if ended.isEmpty { return }
        try await mutate { view in
            var mutation = Mutation()
            for candidate in ended.prefix(500) {
                guard let stored = view.bundleTasks[candidate.value.id], !stored.value.state.isActive else { continue }
                mutation.delete(.bundleTask(stored.value), revision: stored.revision)
            }
            return (mutation, ())
        }
    }
}
