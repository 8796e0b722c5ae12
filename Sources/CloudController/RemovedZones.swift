import CloudModel
import Logging

// A zone that the configuration no longer names: nobody can be told to end its instances, so their records alone end.
// Should the zone come back with guests of theirs, its reports make them strays (ZoneWatcher), which are ended there.

extension CloudController {
    /// The record of an instance that its owner wants to end.
    func ending(_ instance: Instance, at now: Timestamp) -> Instance {
        let next = instance.terminating(at: now)
        return isRemoved(zone: instance.zone) ? next.terminated(at: now) : next
    }

    /// Ends what was still to be ended in a zone when it was taken out.
    func endInstancesOfRemovedZones() async throws(CloudError) {
        for (zone, index) in view.instances.zones where isRemoved(zone: zone) && !index.ending.isEmpty {
            let ids = Array(index.ending)
            let now = configuration.now()
            try await mutate { (view) throws(CloudError) in
                var mutation = Mutation()
                for id in ids {
                    guard let stored = view.instances[id], stored.value.state != .terminated else { continue }
                    mutation.update(.instance(stored.value.terminated(at: now)), revision: stored.revision)
                }
                return (mutation, ())
            }
            logger.warning(
                "instances of a zone that is not configured any more are taken as ended, whatever its nodes still run",
                metadata: ["zone": "\(zone)", "instances": "\(ids.count)"])
        }
    }

    private func isRemoved(zone: String) -> Bool { !zones.contains { $0.name == zone } }
}
