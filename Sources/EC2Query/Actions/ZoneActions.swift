import CloudModel
import QueryProtocol
import XML

/// The actions on zones and regions.
enum Zones {
    /// DescribeAvailabilityZones. `AllAvailabilityZones` changes nothing: there are no zones to opt in to.
    ///
    /// The original's clients ask for capacity by the zone name `verbose`: each zone is then followed by lines that
    /// are dressed up as zones, as `ec2-describe-availability-zones verbose` prints them.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        var request = try call.parameters.describeRequest(ids: "ZoneId", names: "ZoneName")
        let verbose = request.names.contains("verbose")
        request.names.removeAll { $0 == "verbose" }
        request.withDetails = verbose
        let zones = try await call.backend.describeAvailabilityZones(request, as: call.caller)
        answer.open("availabilityZoneInfo")
        for zone in zones {
            answer.open("item")
            answer.zone(zone)
            answer.close()
            if verbose {
                answer.line("|- vm types", "free / max   cpu   ram  disk", of: zone)
                for slots in zone.slots { answer.line("|- " + slots.type.name, row(slots), of: zone) }
                for node in zone.nodes { answer.line("|- " + node.name, row(node), of: zone) }
            }
        }
        answer.close()
    }

    /// DescribeRegions. `AllRegions` changes nothing: there are none to opt in to.
    static func describeRegions(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let regions = try await call.backend.describeRegions(
            try call.parameters.describeRequest(names: "RegionName"), as: call.caller)
        answer.list("regionInfo", regions) { writer, region in
            writer.element("regionName", region.name)
            writer.element("regionEndpoint", region.endpoint)
            writer.element("optInStatus", "opt-in-not-required")
        }
    }

    /// `0004 / 0008   1    128    10`, columns as in the original.
    static func row(_ slots: AvailabilityZone.Slots) -> String {
        padded(slots.free, 4, "0") + " / " + padded(slots.maximum, 4, "0") + "  " + padded(slots.type.cores, 2) + "   "
            + padded(slots.type.memoryMiB, 4) + "  " + padded(slots.type.diskGiB, 4)
    }

    /// `up qemu  2 instances  6/8 cpu  1024/4096 ram  10/40 disk @ 2026-11-21T03:28:00.000Z`.
    static func row(_ node: AvailabilityZone.Node) -> String {
        let seen = node.lastSeen.map { " @ " + $0.iso8601 } ?? ""
        return "\(node.state) \(node.hypervisor)  \(node.instanceCount) instances  "
            + "\(node.freeCores)/\(node.totalCores) cpu  \(node.freeMemoryMiB)/\(node.totalMemoryMiB) ram  "
            + "\(node.freeDiskGiB)/\(node.totalDiskGiB) disk\(seen)"
    }

    private static func padded(_ number: Int, _ width: Int, _ fill: String = " ") -> String {
        let digits = String(number)
        return String(repeating: fill, count: max(0, width - digits.utf8.count)) + digits
    }
}

extension XMLWriter {
    fileprivate mutating func zone(_ zone: AvailabilityZone) {
        element("zoneName", zone.name)
        element("zoneState", zone.isAvailable ? "available" : "unavailable")
        element("regionName", zone.region)
        open("messageSet")
        if let message = zone.message {
            open("item")
            element("message", message)
            close()
        }
        close()
        element("zoneId", AvailabilityZone.zoneID(name: zone.name))
        element("groupName", zone.region)
        element("networkBorderGroup", zone.region)
        element("zoneType", "availability-zone")
        element("optInStatus", "opt-in-not-required")
    }

    /// A line of the verbose listing.
    fileprivate mutating func line(_ name: String, _ text: String, of zone: AvailabilityZone) {
        open("item")
        element("zoneName", name)
        element("zoneState", text)
        element("regionName", zone.region)
        element("messageSet")
        close()
    }
}
