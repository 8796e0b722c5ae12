import CloudModel
import Logging

// Ending what has had its time: leases, waiting, what the policy ends; forgetting what is over: terminated instances,
// client tokens, tombstones, deregistered images.

extension CloudController {
    /// How often it is looked whether something is over, in milliseconds.
    private static let interval: Int64 = 10_000

    /// Cleans up now and then, until the task is cancelled.
    func keepHouse() async {
        repeat {
            do {
                try await cleanUp()
            } catch {
                logger.warning("cleaning up failed; it will be tried again", metadata: ["error": "\(error)"])
            }
        } while await pause(milliseconds: Self.interval)
    }

    /// Forgets everything whose time has come.
    func cleanUp() async throws(CloudError) {
        try await settleUncertainty()
        try await endInstancesOfRemovedZones()
        let now = configuration.now()
        try await warnOfLeases(at: now)
        try await endLeases(at: now)
        try await accountForUse(at: now)
        try await giveUpWaiting(at: now)
        try await reviewHoldings(at: now)
        try await keepRefusals()
        try await keepUses(at: now)
        try await forgetInstances(before: now.adding(seconds: -configuration.terminatedRetention))
        try await forgetTokens(before: now.adding(seconds: -configuration.tokenRetention))
        try await forgetTombstones(before: now.adding(seconds: -configuration.tombstoneRetention))
        try await forgetImports(before: now.adding(seconds: -configuration.importRetention))
        try await forgetBundles(before: now.adding(seconds: -configuration.importRetention))
        try await forgetImages()
        imageURLs = imageURLs.filter { $0.value.until > now }
    }

    private func forgetInstances(before limit: Timestamp) async throws(CloudError) {
        while true {
            let count = try await mutate { view in
                var mutation = Mutation()
                for id in view.instances.terminated {
                    guard let stored = view.instances[id], stored.value.stateChangedAt <= limit else { continue }
                    mutation.delete(.instance(stored.value), revision: stored.revision)
                    mutation.deletes.append(.userData(id, []))
                    mutation.create(.tombstone(TombstoneRecord(id: id, forgottenAt: configuration.now())))
                    if mutation.steps > 2000 { break }
                }
                return (mutation, mutation.puts.count)
            }
            if count == 0 { return }
        }
    }

    private func forgetTokens(before limit: Timestamp) async throws(CloudError) {
        while true {
            let count = try await mutate { view in
                var mutation = Mutation()
                for stored in view.tokens.values where stored.value.createdAt <= limit {
                    // A token is remembered at least as long as its instances are.
                    if let id = stored.value.reservationID, view.instances.reservation(id) != nil { continue }
                    mutation.delete(.token(stored.value), revision: stored.revision)
                    if mutation.steps > 2000 { break }
                }
                return (mutation, mutation.deletes.count)
            }
            if count == 0 { return }
        }
    }

    private func forgetTombstones(before limit: Timestamp) async throws(CloudError) {
        while true {
            let count = try await mutate { view in
                var mutation = Mutation()
                for stored in view.tombstones.values where stored.value.forgottenAt <= limit {
                    mutation.delete(.tombstone(stored.value), revision: stored.revision)
                    if mutation.steps > 2000 { break }
                }
                return (mutation, mutation.deletes.count)
            }
            if count == 0 { return }
        }
    }

    /// Deregistered images go when no instance needs them any more.
    private func forgetImages() async throws(CloudError) {
        let candidates = view.images.byID.values.filter { $0.value.state == .deregistered }
        if candidates.isEmpty { return }
        var used = Set<ImageID>()
        for stored in view.instances.byID.values where stored.value.state != .terminated {
            used.insert(stored.value.imageID)
            if let kernel = stored.value.kernelID { used.insert(kernel) }
            if let ramdisk = stored.value.ramdiskID { used.insert(ramdisk) }
        }
        // What bundles held goes before the record that knows of it; a copy of the image may still need it.
        for candidate in candidates where !used.contains(candidate.value.id) {
            guard let object = candidate.value.object else { continue }
            let isShared = view.images.byID.values.contains {
                $0.value.object == object && $0.value.id != candidate.value.id
            }
            if !isShared { try await images.discard(location: object) }
        }
        try await mutate { view in
            var mutation = Mutation()
            for candidate in candidates where !used.contains(candidate.value.id) {
                guard let stored = view.images[candidate.value.id], stored.value.state == .deregistered else {
                    continue
                }
                mutation.delete(.image(stored.value), revision: stored.revision)
            }
            return (mutation, ())
        }
    }
}
