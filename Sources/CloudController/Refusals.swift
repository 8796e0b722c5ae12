public import CloudModel
import Logging

// Why requests for instances were refused, for the administrator. What was noted since the last round of housekeeping
// is only in memory: a refusal is no reason to wait for the disk.

/// The latest refusals, as the store keeps them.
struct RefusalsRecord: Sendable, Codable, Equatable {
    /// Oldest first.
    var items: [Item]

    /// One of them.
    struct Item: Sendable, Codable, Equatable {
        var at: Timestamp
        var accountID: String
        var userName: String
        var requestID: String
        var type: String?
        var count: Int
        var zone: String?
        var reason: Reason
    }

    /// The errors that are refusals. Apart from `CloudError`, so that its form can change and old records be read.
    enum Reason: Sendable, Codable, Equatable {
        case capacity(zone: String?, type: String, requested: Int, available: Int, detail: String)
        case limit(limit: Int, inUse: Int, requested: Int)
        case notPermitted(text: String)
        case unavailable(component: String, reason: String)

        /// Nil for errors that are the caller's own.
        init?(_ error: CloudError) {
            switch error {
            case .insufficientCapacity(let zone, let type, let requested, let available, let detail):
                self = .capacity(
                    zone: zone, type: type, requested: requested, available: available, detail: detail)
            case .limitExceeded(.instance, let limit, let inUse, let requested):
                self = .limit(limit: limit, inUse: inUse, requested: requested)
            case .notPermitted(let text): self = .notPermitted(text: text)
            case .unavailable(let component, let reason): self = .unavailable(component: component, reason: reason)
            default: return nil
            }
        }

        var error: CloudError {
            switch self {
            case .capacity(let zone, let type, let requested, let available, let detail):
                .insufficientCapacity(
                    zone: zone, type: type, requested: requested, available: available, detail: detail)
            case .limit(let limit, let inUse, let requested):
                .limitExceeded(.instance, limit: limit, inUse: inUse, requested: requested)
            case .notPermitted(let text): .notPermitted(text)
            case .unavailable(let component, let reason): .unavailable(component: component, reason: reason)
            }
        }
    }
}

extension CloudController {
    /// How many refusals are remembered; the log has them all.
    private static let refusalsKept = 500

    /// The latest requests that were refused, newest first; administrators only.
    public func refusals(as caller: Caller) async throws(CloudError) -> [AllocationRefusal] {
        try requireAdministrator(caller, "DescribeRefusals")
        return refused.items.reversed().map { item in
            AllocationRefusal(
                at: item.at, accountID: item.accountID, userName: item.userName, requestID: item.requestID,
                type: item.type, count: item.count, zone: item.zone, error: item.reason.error)
        }
    }

    /// Notes that a request was refused for want of room or by the agreement; other errors are the caller's own.
    func note(_ error: CloudError, of request: RunInstancesRequest, as caller: Caller) {
        guard let reason = RefusalsRecord.Reason(error) else { return }
        if refused.items.count >= Self.refusalsKept {
            refused.items.removeFirst(refused.items.count - Self.refusalsKept + 1)
        }
        refused.items.append(
            RefusalsRecord.Item(
                at: configuration.now(), accountID: caller.accountID, userName: caller.userName,
                requestID: caller.requestID, type: request.instanceType, count: request.minCount, zone: request.zone,
                reason: reason))
        logger.info(
            "instances refused",
            metadata: [
                "request": "\(caller.requestID)", "account": "\(caller.accountID)", "count": "\(request.minCount)",
                "type": "\(request.instanceType ?? "-")", "zone": "\(request.zone ?? "-")", "reason": "\(error)",
            ])
    }

    /// Stores what was noted since the last time, so that it is still known after a restart.
    func keepRefusals() async throws(CloudError) {
        let noted = refused
        guard noted != view.refusals?.value ?? RefusalsRecord(items: []) else { return }
        try await mutate { view in
            var mutation = Mutation()
            if let stored = view.refusals {
                mutation.update(.refusals(noted), revision: stored.revision)
            } else {
                mutation.create(.refusals(noted))
            }
            return (mutation, ())
        }
    }
}
