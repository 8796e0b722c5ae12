import CloudModel
import QueryProtocol
import XML

/// The actions on instance types.
enum InstanceTypes {
    /// The namespace in which clients of the original look for its extensions.
    private static let originalNamespace = "http://msgs.eucalyptus.com/3.3.0"

    /// DescribeInstanceTypes.
    ///
    /// EC2 took over the name of the original's extension with another answer. Clients of the original use its path,
    /// so they get their form in its own namespace besides EC2's.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let page = try await call.backend.describeInstanceTypes(
            try call.parameters.describeRequest(names: "InstanceType"), as: call.caller)
        answer.list("instanceTypeSet", page.items) { writer, type in writer.instanceType(type) }
        answer.nextToken(page.nextToken)
        guard call.isOriginalPath else { return }
        var zones: [AvailabilityZone] = []
        if try call.parameters.flag("Availability") ?? false {
            zones = try await call.backend.describeAvailabilityZones(DescribeRequest(), as: call.caller)
        }
        answer.open("instanceTypeDetails", namespace: originalNamespace)
        for type in page.items {
            answer.open("item")
            answer.originalType(type, zones: zones)
            answer.close()
        }
        answer.close()
    }

    /// DescribeInstanceTypeOfferings.
    static func describeOfferings(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let request = try call.parameters.describeRequest()
        let locationType = call.parameters.text("LocationType") ?? "region"
        var locations: [String]
        switch locationType {
        case "region":
            locations = try await call.backend.describeRegions(DescribeRequest(), as: call.caller).map(\.name)
        case "availability-zone":
            locations = try await zones(call).map(\.name)
        case "availability-zone-id":
            locations = try await zones(call).map { AvailabilityZone.zoneID(name: $0.name) }
        case "outpost": locations = []
        default:
            throw .invalidValue(
                parameter: "LocationType", value: Parameters.shortened(locationType),
                reason: "LocationType must be region, availability-zone, availability-zone-id or outpost.")
        }
        let matcher = try FilterMatcher<Offering>(request.filters)
        let pagination = try Pagination(request, scope: "DescribeInstanceTypeOfferings " + locationType)
        let types = try await call.backend.describeInstanceTypes(
            DescribeRequest(dryRun: request.dryRun), as: call.caller)
        locations.sort()
        let offerings = locations.flatMap { place in types.items.map { Offering(type: $0.name, location: place) } }
        let matching = offerings.filter(matcher.matches).sorted { $0.position < $1.position }
        let page = pagination.page(matching, position: \.position)
        answer.list("instanceTypeOfferingSet", page.items) { writer, offering in
            writer.element("instanceType", offering.type)
            writer.element("locationType", locationType)
            writer.element("location", offering.location)
        }
        answer.nextToken(page.nextToken)
    }

    /// ModifyInstanceTypeAttribute, the original's: what is not given keeps its value. A type that does not exist is
    /// added, if all of its sizes are given.
    static func modify(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        try parameters.refuse([
            UnofferedParameter("Reset", accepting: ["false"], "Give the values that the type should have."),
            UnofferedParameter("NetworkInterfaces", accepting: ["1"], "Instances have one network interface."),
        ])
        let name = try parameters.required("Name")
        let previous = try await existingType(name, call)
        let type = InstanceType(
            name: name, cores: try size("Cpu", parameters, previous?.cores),
            memoryMiB: try size("Memory", parameters, previous?.memoryMiB),
            diskGiB: try size("Disk", parameters, previous?.diskGiB),
            ephemeralGiB: try parameters.integer("EphemeralDisk") ?? previous?.ephemeralGiB ?? 0,
            swapMiB: try parameters.integer("Swap") ?? previous?.swapMiB ?? 0)
        if try parameters.dryRun() {
            try type.check()
            throw .dryRunSucceeded
        }
        let modified = try await call.backend.modifyInstanceType(type, as: call.caller)
        answer.open("instanceType")
        answer.originalType(modified, zones: [])
        answer.close()
        guard let previous else { return }
        answer.open("previousInstanceType")
        answer.originalType(previous, zones: [])
        answer.close()
    }

    private static func zones(_ call: Call) async throws(CloudError) -> [AvailabilityZone] {
        var request = DescribeRequest()
        request.withDetails = false
        return try await call.backend.describeAvailabilityZones(request, as: call.caller)
    }

    private static func existingType(_ name: String, _ call: Call) async throws(CloudError) -> InstanceType? {
        do throws(CloudError) {
            return try await call.backend.describeInstanceTypes(DescribeRequest(names: [name]), as: call.caller)
                .items.first
        } catch .notFound(.instanceType, _) {
            return nil
        }
    }

    private static func size(_ name: String, _ parameters: Parameters, _ previous: Int?) throws(CloudError) -> Int {
        guard let size = try parameters.integer(name) ?? previous else { throw .missingParameter(name) }
        return size
    }
}

/// A type at a place, for the filters of DescribeInstanceTypeOfferings.
private struct Offering: FilterableResource {
    var type: String
    var location: String

    var position: String { location + "/" + type }
    var filterableTags: [Tag] { [] }

    static func filterAttribute(_ name: String) -> (@Sendable (Offering) -> [String])? {
        switch name {
        case "instance-type": { [$0.type] }
        case "location": { [$0.location] }
        default: nil
        }
    }
}
