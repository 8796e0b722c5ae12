import CloudModel
import JSON

/// Instances.
enum InstanceOperations {
    private static let tag = "Instances"

    static let all: [Operation] = [
        Operation(
            method: "GET", path: "/instances", id: "listInstances",
            summary: "The account's instances, in the order of their launch. Terminated ones are shown for an hour.",
            tag: tag,
            parameters: [
                Operation.Parameter(
                    name: "state", schema: .choice(InstanceState.allCases.map(\.rawValue)),
                    description: "Only those in this state."),
                Operation.Parameter(name: "type", schema: .text(1...100), description: "Only those of this type."),
                Operation.Parameter(name: "zone", schema: .text(1...100), description: "Only those in this zone."),
                .limit(), .cursor,
            ], success: .init(status: 200, schema: Shapes.page("Instance"), description: "A page."), handler: list),
        Operation(
            method: "POST", path: "/instances", id: "runInstances",
            summary: "Records the wish to run instances, and answers them as pending.", tag: tag,
            parameters: [
                Operation.Parameter(
                    name: "Idempotency-Key", place: .header, schema: .text(1...64),
                    description: "Printable ASCII without blanks. A repetition with the same key gets the same answer.")
            ], body: .named("RunInstances"),
            success: .init(
                status: 201,
                schema: .object([
                    .required("reservationId", .text(), "The request."),
                    .required("items", .array(.named("Instance")), "The instances."),
                ]), description: "The instances, pending."), errors: [404, 409], handler: run),
        Operation(
            method: "GET", path: "/instances/{id}", id: "getInstance", summary: "One instance.", tag: tag,
            success: .init(status: 200, schema: .named("Instance"), description: "The instance."), handler: get),
        Operation(
            method: "DELETE", path: "/instances/{id}", id: "terminateInstance",
            summary: "Terminates an instance; to end one again is no error.", tag: tag,
            success: .init(status: 202, schema: .named("Transition"), description: "It is being ended."),
            handler: terminate),
        Operation(
            method: "POST", path: "/instances/{id}/reboot", id: "rebootInstance", summary: "Reboots an instance.",
            tag: tag, success: .init(status: 204, schema: nil, description: "It is being rebooted."), errors: [409],
            handler: reboot),
        Operation(
            method: "GET", path: "/instances/{id}/console", id: "getConsole",
            summary: "The latest output of an instance's console.", tag: tag,
            success: .init(
                status: 200,
                schema: .object([
                    .required("id", .text(), "The instance."), .required("timestamp", .moment, "When it was read."),
                    .required("output", .string(.init(format: .byte)), "At most 64 KiB, in Base64."),
                ]), description: "The output."), handler: console),
        Operation(
            method: "PUT", path: "/instances/{id}/lease", id: "extendLease",
            summary: "Puts the end of an instance's lease off.", tag: tag,
            body: .object([.required("endsAt", .moment, "The new end, at most the lease's latest moment.")]),
            success: .init(status: 200, schema: .named("Instance"), description: "The instance."), handler: extend),
    ]

    private static func list(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let request = call.describe([
            ("state", "instance-state-name"), ("type", "instance-type"), ("zone", "availability-zone"),
        ])
        let page = try await call.backend.describeInstances(request, as: call.caller)
        return Shapes.page(Page(items: page.items.flatMap(\.instances), nextToken: page.nextToken)) {
            $0.json(for: call.caller)
        }
    }

    private static func run(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let count = call.integer("count") ?? call.integer("minimum") ?? 1
        let groups = call.texts("securityGroups")
        // An empty array is as none: the default group.
        var request = RunInstancesRequest(
            imageID: call.text("imageId") ?? "", minCount: call.integer("minimum") ?? count, maxCount: count,
            instanceType: call.text("type"), keyName: call.text("keyPair"),
            groupIDs: groups.filter { $0.hasPrefix("sg-") }, groupNames: groups.filter { !$0.hasPrefix("sg-") },
            zone: call.text("zone"), userData: call.text("userData").flatMap(Base64Text.decode),
            clientToken: call.parameter("Idempotency-Key"), instanceTags: call.tags)
        request.options.isProtectedFromTermination = call.flag("isProtected") ? true : nil
        request.options.placementGroup = call.text("placementGroup")
        let reservation = try await call.backend.runInstances(request, as: call.caller)
        return .members(
            ("reservationId", .string(reservation.id.value)),
            ("items", .array(reservation.instances.map { $0.json(for: call.caller) })))
    }

    private static func one(_ call: NativeCall) async throws(CloudError) -> Instance {
        let id = call.path("id")
        // What EC2's administrators may write instead of an id is none here.
        guard InstanceID(id) != nil else { throw .malformedID(.instance, id) }
        let page = try await call.backend.describeInstances(DescribeRequest(ids: [id]), as: call.caller)
        guard let instance = page.items.first?.instances.first else { throw .notFound(.instance, [id]) }
        return instance
    }

    private static func get(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        try await one(call).json(for: call.caller)
    }

    private static func terminate(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let id = call.path("id")
        let transitions = try await call.backend.terminateInstances(ids: [id], dryRun: false, as: call.caller)
        guard let transition = transitions.first else { throw .notFound(.instance, [id]) }
        return .members(
            ("id", .string(transition.id.value)), ("previousState", .string(transition.previous.rawValue)),
            ("state", .string(transition.current.rawValue)))
    }

    private static func reboot(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        try await call.backend.rebootInstances(ids: [call.path("id")], dryRun: false, as: call.caller)
        return nil
    }

    private static func console(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let console = try await call.backend.consoleOutput(id: call.path("id"), dryRun: false, as: call.caller)
        return .members(
            ("id", .string(console.id.value)), ("timestamp", .moment(console.timestamp)),
            ("output", .string(Base64Text.encode(console.output))))
    }

    private static func extend(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let instance = try await one(call)
        guard let moment = call.text("endsAt").flatMap({ Timestamp(iso8601: $0) }) else {
            throw .missingParameter("endsAt")
        }
        return try await call.backend.extendLease(
            of: instance.id.value, event: Lease.eventID(of: instance.id), to: moment, dryRun: false, as: call.caller
        ).json(for: call.caller)
    }
}
