public import CloudModel
import Foundation

/// A service level agreement as the administrator writes it, in JSON:
///
///     {
///       "quota": {"instances": 10, "cores": 20, "memoryMiB": 40960},
///       "accounts": {"123456789012": {"instances": 100}},
///       "leases": [{"tag": "production"}, {"seconds": 86400, "longest": 604800}]
///     }
///
/// Everything is optional; `{}` is no limit at all. An account that is named has only the limits that are named for
/// it. Of the leases the first that matches counts (see `LeaseRule`).
public struct ServiceLevelAgreement: Sendable, Codable {
    /// For accounts that are not named.
    public var quota: AllocationQuota?
    /// By account id.
    public var accounts: [String: AllocationQuota]?
    /// In the order in which they are tried.
    public var leases: [LeaseRule]?

    /// Reads the JSON.
    ///
    /// - Throws: `invalidValue` with the place, for what is no agreement.
    public init(json: [UInt8]) throws(CloudError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(json))
        } catch {
            throw .invalidValue(
                parameter: "SLA", value: "", reason: "The service level agreement is not valid: \(error)")
        }
        let quotas = [quota].compactMap { $0 } + Array((accounts ?? [:]).values)
        let numbers: [Int64?] =
            quotas.flatMap { [$0.instances, $0.cores, $0.memoryMiB].map { $0.map(Int64.init) } }
            + (leases ?? []).flatMap { [$0.seconds, $0.longest] }
        guard numbers.allSatisfy({ $0 ?? 0 >= 0 && $0 ?? 0 <= Int64(Int32.max) }) else {
            throw .invalidValue(
                parameter: "SLA", value: "",
                reason: "Numbers of a service level agreement are from 0 to \(Int32.max).")
        }
    }

    /// The policy that keeps it.
    public var policy: any AllocationPolicy {
        var policy: any AllocationPolicy = UnrestrictedAllocation()
        if quota != nil || accounts?.isEmpty == false {
            policy = QuotaAllocation(standard: quota ?? AllocationQuota(), accounts: accounts ?? [:])
        }
        if let leases, !leases.isEmpty { policy = LeaseAllocation(rules: leases, base: policy) }
        return policy
    }
}
