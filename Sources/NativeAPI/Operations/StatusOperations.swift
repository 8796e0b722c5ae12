import CloudModel
import JSON

/// The cloud as a whole: status, zones, types.
enum StatusOperations {
    private static let tag = "Cloud"

    static let all: [Operation] = [
        Operation(
            method: "GET", path: "/status", id: "getStatus", summary: "Who the caller is, and how the cloud is.",
            tag: tag, success: .init(status: 200, schema: .named("Status"), description: "The status."),
            handler: status),
        Operation(
            method: "GET", path: "/zones", id: "listZones", summary: "The availability zones with their free slots.",
            tag: tag, success: .init(status: 200, schema: Shapes.page("Zone"), description: "All zones."),
            handler: zones),
        Operation(
            method: "GET", path: "/instance-types", id: "listInstanceTypes",
            summary: "The instance types, from small to large.", tag: tag, parameters: [.limit(5...100), .cursor],
            success: .init(status: 200, schema: Shapes.page("InstanceType"), description: "A page."), handler: types),
        Operation(
            method: "PUT", path: "/instance-types/{name}", id: "setInstanceType",
            summary: "Sets or adds a type. Instances keep the type as it was at their launch.", tag: tag,
            authorization: .administrator, body: .named("TypeFigures"),
            success: .init(status: 200, schema: .named("InstanceType"), description: "The type."), handler: setType),
    ]

    private static func status(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let caller = call.caller
        let regions = try await call.backend.describeRegions(DescribeRequest(), as: caller)
        let zones = try await call.backend.describeAvailabilityZones(DescribeRequest(), as: caller)
        let instances = try await call.backend.describeInstances(DescribeRequest(), as: caller)
        var states: [String: Int] = [:]
        for instance in instances.items.flatMap(\.instances) { states[instance.state.rawValue, default: 0] += 1 }
        return .members(
            ("region", .string(regions.first?.name ?? "")), ("endpoint", .string(regions.first?.endpoint ?? "")),
            ("accountId", .string(caller.accountID)), ("userName", .string(caller.userName)),
            ("isAdministrator", .bool(caller.isAdministrator)),
            ("availableZones", .number(zones.filter(\.isAvailable).count)), ("zones", .number(zones.count)),
            (
                "instances",
                .object(states.sorted { $0.key < $1.key }.map { JSONMember($0.key, .number($0.value)) })
            ))
    }

    private static func zones(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let zones = try await call.backend.describeAvailabilityZones(DescribeRequest(), as: call.caller)
        return Shapes.page(Page(items: zones)) { $0.json }
    }

    private static func types(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        Shapes.page(try await call.backend.describeInstanceTypes(call.describe(), as: call.caller)) { $0.json }
    }

    private static func setType(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let type = InstanceType(
            name: call.path("name"), cores: call.integer("cores") ?? 0, memoryMiB: call.integer("memoryMiB") ?? 0,
            diskGiB: call.integer("diskGiB") ?? 0, ephemeralGiB: call.integer("ephemeralGiB") ?? 0,
            swapMiB: call.integer("swapMiB") ?? 0)
        return try await call.backend.modifyInstanceType(type, as: call.caller).json
    }
}
