public import CloudModel

// The place where service level agreements come in. A site replaces the policy by its own `AllocationPolicy`, or
// without a line of Swift by a program (see `ExternalAllocation`).
//
//   RunInstances ──▶ advise (may wait) ──▶ restrict ──▶ room? ──▶ lease ──▶ recorded
//                       │ refused             │ refused    │ none: refused, or with a `queue` recorded as waiting
//                       ▼                     ▼            ▼
//                   the caller is told why; the administrator sees it in the list of refusals
//
//   every reviewInterval ──▶ review ──▶ instances that are to end

/// Decides which of the zones that have room may take the instances of a request, for how long, and who waits.
///
/// Every requirement but `restrict` has a default that limits nothing. The controller calls them in the order of the
/// picture above, once for each request; it is the controller that counts, records, queues and ends.
public protocol AllocationPolicy: Sendable {
    /// The offers that the request may use, perhaps with fewer slots. It is called for every RunInstances with the
    /// controller held, so it must not wait for anything.
    ///
    /// - Parameters:
    ///   - type: the type of the instances.
    ///   - use: counts what the caller's account holds; it costs a look at each of its instances.
    /// - Throws: why the request may not run at all.
    func restrict(
        _ offers: [ZoneAllocation.Offer], for request: RunInstancesRequest, of caller: Caller, type: InstanceType,
        use: () -> AllocationUse
    ) throws(CloudError) -> [ZoneAllocation.Offer]

    /// Until when instances that are launched now may run; nil for as long as their owner likes.
    func lease(for request: RunInstancesRequest, of caller: Caller, type: InstanceType, from now: Timestamp) -> Lease?

    /// Whether `advise` is to be asked at all.
    var needsAdvice: Bool { get }

    /// Asked before anything is decided; it may wait. The requests of one account are asked one after the other, so
    /// that each sees what the one before has got.
    ///
    /// - Throws: why the request may not run at all.
    func advise(_ question: AllocationQuestion) async throws(CloudError) -> AllocationAdvice

    /// How requests wait for which there is no room; nil to refuse them.
    var queue: (any QueueDiscipline)? { get }

    /// What an account may hold at most, as it is described; `restrict` is what keeps it.
    func quota(of account: String) -> AllocationQuota

    /// How often `review` is asked, in seconds; nil for never.
    var reviewInterval: Int64? { get }

    /// Which of the instances that are held shall end now, with the reason for their owners.
    func review(_ holdings: [AccountHoldings], at now: Timestamp) async -> [(id: InstanceID, reason: String)]

    /// What is agreed, for people.
    var summary: AgreementSummary { get }
}

extension AllocationPolicy {
    /// All of them.
    public func restrict(
        _ offers: [ZoneAllocation.Offer], for request: RunInstancesRequest, of caller: Caller, type: InstanceType,
        use: () -> AllocationUse
    ) throws(CloudError) -> [ZoneAllocation.Offer] { offers }
    /// No lease.
    public func lease(
        for request: RunInstancesRequest, of caller: Caller, type: InstanceType, from now: Timestamp
    ) -> Lease? { nil }
    /// No.
    public var needsAdvice: Bool { false }
    /// None.
    public func advise(_ question: AllocationQuestion) async throws(CloudError) -> AllocationAdvice {
        AllocationAdvice()
    }
    /// Requests are refused when there is no room.
    public var queue: (any QueueDiscipline)? { nil }
    /// No limit.
    public func quota(of account: String) -> AllocationQuota { AllocationQuota() }
    /// Never.
    public var reviewInterval: Int64? { nil }
    /// None.
    public func review(_ holdings: [AccountHoldings], at now: Timestamp) async -> [(id: InstanceID, reason: String)] {
        []
    }
    /// The name of the type.
    public var summary: AgreementSummary {
        AgreementSummary(policies: ["\(Self.self)"], terms: ["Decided by \(Self.self)."])
    }
}

/// What a policy is told of a request before it is decided.
public struct AllocationQuestion: Sendable {
    /// The request.
    public var request: RunInstancesRequest
    /// Who asks.
    public var caller: Caller
    /// The type of the instances.
    public var type: InstanceType
    /// What the account holds.
    public var use: AllocationUse
    /// Free slots for the type, by zone.
    public var offers: [ZoneAllocation.Offer]
    /// When.
    public var now: Timestamp
    /// Makes a question.
    public init(
        request: RunInstancesRequest, caller: Caller, type: InstanceType, use: AllocationUse,
        offers: [ZoneAllocation.Offer], now: Timestamp
    ) {
        self.request = request
        self.caller = caller
        self.type = type
        self.use = use
        self.offers = offers
        self.now = now
    }
}

/// What a policy says to a request that may run; nil is no limit.
public struct AllocationAdvice: Hashable, Sendable {
    /// Most instances that it may get.
    public var maximum: Int?
    /// The zones that it may use.
    public var zones: [String]?
    /// The lease that it gets, instead of the one that rules give.
    public var lease: Lease?
    /// Makes advice.
    public init(maximum: Int? = nil, zones: [String]? = nil, lease: Lease? = nil) {
        self.maximum = maximum
        self.zones = zones
        self.lease = lease
    }
}

/// How requests wait.
public protocol QueueDiscipline: Sendable {
    /// Most requests that wait together, and of one account.
    var capacity: (total: Int, perAccount: Int) { get }
    /// How long a request may wait, in seconds; then it is given up.
    var longestWait: Int64 { get }
    /// Whether a request may start while one that comes before it does not fit. It uses idle room, and large requests
    /// may then wait for ever.
    var mayOvertake: Bool { get }
    /// How much a running instance of this type counts for in the account of use.
    func weight(of type: InstanceType) -> Double
    /// In how many seconds use counts for half as much.
    var halfLife: Int64 { get }
    /// The account's share; larger ones come first.
    func share(of account: String) -> Double
    /// In the order in which they are to start.
    ///
    /// - Parameter usage: decayed use by account.
    func order(_ waiting: [WaitingRequest], usage: [String: Double]) -> [WaitingRequest]
}

/// Every account may use everything.
public struct UnrestrictedAllocation: AllocationPolicy {
    /// Makes the policy.
    public init() {}
    /// It is called "unrestricted".
    public var summary: AgreementSummary {
        AgreementSummary(policies: ["unrestricted"], terms: ["Every account may use everything that is free."])
    }
}

/// Several policies that all count.
public struct CombinedAllocation: AllocationPolicy {
    /// Asked in this order; of leases and queues the first counts.
    public var parts: [any AllocationPolicy]
    /// Makes the policy.
    public init(_ parts: [any AllocationPolicy]) { self.parts = parts }

    /// What all of them leave.
    public func restrict(
        _ offers: [ZoneAllocation.Offer], for request: RunInstancesRequest, of caller: Caller, type: InstanceType,
        use: () -> AllocationUse
    ) throws(CloudError) -> [ZoneAllocation.Offer] {
        var left = offers
        for part in parts { left = try part.restrict(left, for: request, of: caller, type: type, use: use) }
        return left
    }

    /// The first that there is.
    public func lease(
        for request: RunInstancesRequest, of caller: Caller, type: InstanceType, from now: Timestamp
    ) -> Lease? {
        for part in parts {
            if let lease = part.lease(for: request, of: caller, type: type, from: now) { return lease }
        }
        return nil
    }

    /// Whether any does.
    public var needsAdvice: Bool { parts.contains { $0.needsAdvice } }

    /// What all of them allow.
    public func advise(_ question: AllocationQuestion) async throws(CloudError) -> AllocationAdvice {
        var advice = AllocationAdvice()
        for part in parts where part.needsAdvice {
            let next = try await part.advise(question)
            if let maximum = next.maximum { advice.maximum = min(maximum, advice.maximum ?? maximum) }
            if let zones = next.zones { advice.zones = zones.filter { advice.zones?.contains($0) ?? true } }
            if advice.lease == nil { advice.lease = next.lease }
        }
        return advice
    }

    /// The first that there is.
    public var queue: (any QueueDiscipline)? { parts.lazy.compactMap { $0.queue }.first }

    /// The first limit of each resource.
    public func quota(of account: String) -> AllocationQuota {
        var quota = AllocationQuota()
        for part in parts {
            let next = part.quota(of: account)
            quota.instances = quota.instances ?? next.instances
            quota.cores = quota.cores ?? next.cores
            quota.memoryMiB = quota.memoryMiB ?? next.memoryMiB
        }
        return quota
    }

    /// The shortest.
    public var reviewInterval: Int64? { parts.compactMap { $0.reviewInterval }.min() }

    /// What any of them says.
    public func review(_ holdings: [AccountHoldings], at now: Timestamp) async -> [(id: InstanceID, reason: String)] {
        var endings: [(id: InstanceID, reason: String)] = []
        for part in parts where part.reviewInterval != nil { endings += await part.review(holdings, at: now) }
        return endings
    }

    /// Everything.
    public var summary: AgreementSummary {
        AgreementSummary(policies: parts.flatMap { $0.summary.policies }, terms: parts.flatMap { $0.summary.terms })
    }
}
