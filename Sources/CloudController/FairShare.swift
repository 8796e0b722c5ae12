public import CloudModel
import Foundation

/// Requests for which there is no room wait, and start in the order of their accounts' use in proportion to their
/// shares: who has used least of his share comes first, and of one account the oldest request.
///
/// Use is what the account's running instances weigh, over time, and counts for half after each half-life: the account
/// of a batch system's fair share. A weight of 1 is one core, or as much memory as usually goes with one, whichever is
/// more.
public struct FairShare: QueueDiscipline, Hashable {
    /// In how many seconds use counts for half as much; 1 or more.
    public var halfLife: Int64 = 7 * 86_400
    /// For accounts that are not named; more than 0.
    public var standardShare: Double = 1
    /// By account id; more than 0.
    public var shares: [String: Double] = [:]
    /// See `QueueDiscipline`.
    public var capacity: (total: Int, perAccount: Int) { (queueLength, queueLengthPerAccount) }
    /// Most requests that wait.
    public var queueLength = 1000
    /// Most requests of one account that wait.
    public var queueLengthPerAccount = 100
    /// See `QueueDiscipline`.
    public var longestWait: Int64 = 7 * 86_400
    /// See `QueueDiscipline`.
    public var mayOvertake = false
    /// The memory that goes with one core, in MiB; 1 or more.
    public var memoryMiBPerCore = 2048

    /// The defaults.
    public init() {}

    /// See `QueueDiscipline`.
    public func weight(of type: InstanceType) -> Double {
        max(Double(type.cores), Double(type.memoryMiB) / Double(memoryMiBPerCore))
    }

    /// See `QueueDiscipline`.
    public func share(of account: String) -> Double { shares[account] ?? standardShare }

    /// See `QueueDiscipline`.
    public func order(_ waiting: [WaitingRequest], usage: [String: Double]) -> [WaitingRequest] {
        func priority(_ request: WaitingRequest) -> Double {
            (usage[request.accountID] ?? 0) / share(of: request.accountID)
        }
        return waiting.map { (priority($0), $0) }.sorted { left, right in
            if left.0 != right.0 { return left.0 < right.0 }
            if left.1.since != right.1.since { return left.1.since < right.1.since }
            return left.1.reservationID < right.1.reservationID
        }.map(\.1)
    }

    /// Use after a time, in weighted core-seconds.
    ///
    /// - Parameters:
    ///   - usage: before.
    ///   - weight: what runs meanwhile.
    ///   - seconds: how long.
    static func decayed(_ usage: Double, weight: Double, seconds: Double, halfLife: Int64) -> Double {
        let rate = 0.693_147_180_559_945_3 / Double(max(1, halfLife))
        let factor = exp(-rate * max(0, seconds))
        // The integral of what accrues and decays at the same time.
        return usage * factor + weight * (1 - factor) / rate
    }
}

/// Waiting by fair share, as a policy.
public struct FairShareAllocation: AllocationPolicy {
    /// Its parameters.
    public var discipline: FairShare
    /// Makes the policy.
    public init(_ discipline: FairShare = FairShare()) { self.discipline = discipline }

    /// By fair share.
    public var queue: (any QueueDiscipline)? { discipline }

    /// The parameters in words.
    public var summary: AgreementSummary {
        var terms = [
            "Requests without room wait, \(discipline.queueLength) at most and \(discipline.queueLengthPerAccount) of one "
                + "account, for \(discipline.longestWait) seconds at most, and start by share.",
            "Use counts for half after \(discipline.halfLife) seconds. An account's share is "
                + "\(discipline.standardShare) unless another is named.",
        ]
        for (account, share) in discipline.shares.sorted(by: { $0.key < $1.key }) {
            terms.append("Account \(account) has a share of \(share).")
        }
        if discipline.mayOvertake { terms.append("Smaller requests may overtake.") }
        return AgreementSummary(policies: ["fairshare"], terms: terms)
    }
}
