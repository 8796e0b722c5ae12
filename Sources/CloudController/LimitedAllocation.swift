public import CloudModel

// Policies of the service level agreement beside `UnrestrictedAllocation`.

/// What an account may hold at the same time; nil is no limit.
public struct AllocationQuota: Hashable, Sendable, Codable {
    /// Instances that are not terminated.
    public var instances: Int?
    /// Virtual CPUs of them.
    public var cores: Int?
    /// Memory of them in MiB.
    public var memoryMiB: Int?
    /// Makes a quota.
    public init(instances: Int? = nil, cores: Int? = nil, memoryMiB: Int? = nil) {
        self.instances = instances
        self.cores = cores
        self.memoryMiB = memoryMiB
    }
}

/// What an account holds now, with what is about to be launched for it.
public struct AllocationUse: Hashable, Sendable {
    /// See `AllocationQuota`.
    public var instances = 0
    /// See `AllocationQuota`.
    public var cores = 0
    /// See `AllocationQuota`.
    public var memoryMiB = 0
    /// Nothing.
    public init() {}

    /// One more instance.
    public mutating func add(_ type: InstanceType) {
        instances += 1
        cores += type.cores
        memoryMiB += type.memoryMiB
    }
}

/// Each account may hold so much at the same time, whatever else is free.
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

    /// As many slots as the quota leaves, in the order of the offers.
    public func restrict(
        _ offers: [ZoneAllocation.Offer], for request: RunInstancesRequest, of caller: Caller,
        type: InstanceType, use: () -> AllocationUse
    ) throws(CloudError) -> [ZoneAllocation.Offer] {
        let quota = accounts[caller.accountID] ?? standard
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
}
