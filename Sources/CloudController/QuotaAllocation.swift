public import CloudModel

/// Each account may hold so much at the same time, whatever else is free. What waits counts as well.
public struct QuotaAllocation: AllocationPolicy {
    /// For accounts that have none of their own.
    public var standard: AllocationQuota
    /// By account id.
    public var accounts: [String: AllocationQuota]
    /// Makes the policy.
    public init(standard: AllocationQuota, accounts: [String: AllocationQuota] = [:]) {
        self.standard = standard
        self.accounts = accounts
    }

    /// The account's own, or the standard one.
    public func quota(of account: String) -> AllocationQuota { accounts[account] ?? standard }

    /// As many slots as the quota leaves, in the order of the offers.
    public func restrict(
        _ offers: [ZoneAllocation.Offer], for request: RunInstancesRequest, of caller: Caller,
        type: InstanceType, use: () -> AllocationUse
    ) throws(CloudError) -> [ZoneAllocation.Offer] {
        let quota = quota(of: caller.accountID)
        let held = use()
        var left = Int.max
        if let limit = quota.instances { left = min(left, limit - held.instances) }
        if let limit = quota.cores { left = min(left, (limit - held.cores) / max(1, type.cores)) }
        if let limit = quota.memoryMiB { left = min(left, (limit - held.memoryMiB) / max(1, type.memoryMiB)) }
        left = max(0, left)
        guard left >= request.minCount else {
            throw .limitExceeded(
                .instance, limit: held.instances + left, inUse: held.instances, requested: request.minCount)
        }
        var allowed: [ZoneAllocation.Offer] = []
        // From the largest, as the division does, so that what is cut off is what would be taken last.
        for offer in offers.sorted(by: { $0.slots > $1.slots }) {
            let slots = min(offer.slots, left)
            allowed.append(ZoneAllocation.Offer(zone: offer.zone, slots: slots))
            left -= slots
        }
        return allowed
    }

    /// The limits in words.
    public var summary: AgreementSummary {
        var terms = ["Each account holds at most \(Self.text(standard))."]
        for (account, quota) in accounts.sorted(by: { $0.key < $1.key }) {
            terms.append("Account \(account) holds at most \(Self.text(quota)).")
        }
        return AgreementSummary(policies: ["quota"], terms: terms)
    }

    private static func text(_ quota: AllocationQuota) -> String {
        let parts = [
            quota.instances.map { "\($0) instances" }, quota.cores.map { "\($0) cores" },
            quota.memoryMiB.map { "\($0) MiB of memory" },
        ].compactMap { $0 }
        return parts.isEmpty ? "what is free" : parts.joined(separator: ", ")
    }
}
