import CloudModel
import JSON

/// Who holds what, and the service level agreement.
enum AllocationOperations {
    private static let tag = "Allocation"

    private static let waiting = Schema.object([
        .required("reservationId", .text(), "The request."), .required("accountId", .text(), "Who asked."),
        .required("type", .text(), "Type of the instances."),
        .required("count", .count, "How many; they start together."),
        .required("zone", .nullable(.text()), "The zone that was asked for."),
        .required("since", .moment, "Since when it waits."),
    ])
    private static let refusal = Schema.object([
        .required("at", .moment, "When."), .required("accountId", .text(), "Who asked."),
        .required("userName", .text(), "The user."), .required("requestId", .text(), "The request's id."),
        .required("type", .nullable(.text()), "The type asked for."), .required("count", .count, "The least number."),
        .required("zone", .nullable(.text()), "The zone asked for."), .required("code", .text(), "The problem's code."),
        .required("reason", .text(), "Why."),
    ])

    private static func items(_ schema: Schema) -> Schema {
        .object([.required("items", .array(schema), "All of them.")])
    }

    static let all: [Operation] = [
        Operation(
            method: "GET", path: "/usage", id: "getUsage",
            summary: "What the caller's account holds, since when, and what it may hold.", tag: tag,
            success: .init(
                status: 200,
                schema: .object([
                    .required("holdings", .named("Holdings"), "What it holds."),
                    .required(
                        "limits",
                        .object([
                            .required("instances", .count, "Instances that are not terminated."),
                            .required("groupsPerInstance", .count, "Security groups of one instance."),
                        ]), "Limits of every account."),
                ]), description: "The account's use."), handler: usage),
        Operation(
            method: "GET", path: "/holdings", id: "listHoldings",
            summary: "What each account holds, and since when.", tag: tag, authorization: .administrator,
            parameters: [
                Operation.Parameter(name: "account", schema: .text(1...100), description: "Only this account's.")
            ],
            success: .init(status: 200, schema: items(.named("Holdings")), description: "The holdings."),
            errors: [404], handler: holdings),
        Operation(
            method: "GET", path: "/agreement", id: "getAgreement", summary: "The service level agreement that holds.",
            tag: tag, authorization: .administrator,
            success: .init(
                status: 200,
                schema: .object([
                    .required("policies", .array(.text()), "Names of its parts."),
                    .required("terms", .array(.text()), "For people."),
                ]), description: "The agreement."), handler: agreement),
        Operation(
            method: "GET", path: "/queue", id: "listQueue",
            summary: "The requests that wait for room, in the order in which they are to start; users see their own.",
            tag: tag, success: .init(status: 200, schema: items(waiting), description: "The queue."), handler: queue),
        Operation(
            method: "GET", path: "/refusals", id: "listRefusals",
            summary: "The latest requests for instances that were refused, newest first, since the cloud's start.",
            tag: tag, authorization: .administrator,
            success: .init(status: 200, schema: items(refusal), description: "The refusals."), handler: refusals),
    ]

    private static func items(_ values: [JSONValue]) -> JSONValue { .members(("items", .array(values))) }

    private static func usage(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let holdings = try await call.backend.holdings(of: nil, as: call.caller)
        let limits = try await call.backend.limits(as: call.caller)
        return .members(
            ("holdings", holdings.json),
            (
                "limits",
                .members(
                    ("instances", .number(limits.instances)), ("groupsPerInstance", .number(limits.groupsPerInstance)))
            ))
    }

    private static func holdings(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        if let account = call.parameter("account") {
            return items([try await call.backend.holdings(of: account, as: call.caller).json])
        }
        return items(try await call.backend.allHoldings(as: call.caller).map(\.json))
    }

    private static func agreement(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let agreement = try await call.backend.agreement(as: call.caller)
        return .members(("policies", .strings(agreement.policies)), ("terms", .strings(agreement.terms)))
    }

    private static func queue(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        items(
            try await call.backend.waitingRequests(as: call.caller).map { request in
                .members(
                    ("reservationId", .string(request.reservationID.value)), ("accountId", .string(request.accountID)),
                    ("type", .string(request.type.name)), ("count", .number(request.count)),
                    ("zone", .optional(request.zone)), ("since", .moment(request.since)))
            })
    }

    private static func refusals(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        items(
            try await call.backend.refusals(as: call.caller).map { refusal in
                let problem = Problem(refusal.error)
                return .members(
                    ("at", .moment(refusal.at)), ("accountId", .string(refusal.accountID)),
                    ("userName", .string(refusal.userName)), ("requestId", .string(refusal.requestID)),
                    ("type", .optional(refusal.type)), ("count", .number(refusal.count)),
                    ("zone", .optional(refusal.zone)), ("code", .string(problem.code)),
                    ("reason", .string(problem.detail)))
            })
    }
}
