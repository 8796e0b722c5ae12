/// All policies that speak of one identity, and how they go together ("Policy evaluation logic" in the IAM User Guide):
/// a denial anywhere outweighs everything; what is allowed has to be allowed by a policy of the identity, and by its
/// boundary and by its session's policies where it has such.
public struct IdentityPolicies: Sendable {
    /// Whether it is an account itself, which may do everything in it that nothing denies.
    public var isAccount: Bool
    /// Its own, those of its groups, and attached ones.
    public var granting: [Policy]
    /// The bound of what `granting` may allow; nil for none.
    public var boundary: Policy?
    /// A session's; nil for none.
    public var session: [Policy]?
    /// Those that the cloud's administrators have put on the account: denials and limits; they allow nothing.
    public var account: [Policy]

    /// Makes the collection.
    public init(
        isAccount: Bool = false, granting: [Policy] = [], boundary: Policy? = nil, session: [Policy]? = nil,
        account: [Policy] = []
    ) {
        self.isAccount = isAccount
        self.granting = granting
        self.boundary = boundary
        self.session = session
        self.account = account
    }

    private var all: [Policy] { account + granting + (boundary.map { [$0] } ?? []) + (session ?? []) }

    /// What they say of a request: `allow`, `deny`, or `none`.
    public func decide(_ request: PolicyRequest) -> PolicyDecision {
        if all.contains(where: { $0.decide(request) == .deny }) { return .deny }
        func allows(_ policies: [Policy]) -> Bool { policies.contains { $0.decide(request) == .allow } }
        guard isAccount || allows(granting) else { return .none }
        if let boundary, !allows([boundary]) { return .none }
        if let session, !allows(session) { return .none }
        return .allow
    }

    /// The first quota that the request would break: its condition key and values.
    public func exceededLimit(_ request: PolicyRequest) -> (key: String, values: [String])? {
        for policy in all {
            if let limit = policy.exceededLimit(request) { return limit }
        }
        return nil
    }

    /// Until when an instance may run that is launched now: seconds since 1970; nil without an end. Of an identity's ends
    /// the latest counts, since each permits; what administrators have put on the account limits that.
    public func end(of request: PolicyRequest, launchedAt now: Int64) -> Int64? {
        func latest(_ policies: [Policy]) -> Int64? {
            policies.compactMap { $0.end(of: request, launchedAt: now) }.max()
        }
        return [latest(granting), latest(session ?? []), latest(account)].compactMap { $0 }.min()
    }

    /// Whether any of them sets a quota.
    public var hasLimits: Bool { all.contains { $0.statements.contains { $0.effect == .limit } } }

    /// Whether there are no policies to ask, so that an account may do everything.
    public var isUnbounded: Bool { isAccount && account.isEmpty && session == nil && boundary == nil }
}

/// The documents behind `IdentityPolicies`, as they go from one component to another.
public struct IdentityDocuments: Sendable, Equatable {
    /// See `IdentityPolicies`.
    public var isAccount = false
    /// See `IdentityPolicies`.
    public var granting: [String] = []
    /// See `IdentityPolicies`.
    public var boundary: String?
    /// See `IdentityPolicies`.
    public var session: [String]?
    /// See `IdentityPolicies`.
    public var account: [String] = []
    /// No policies.
    public init() {}

    /// Reads them.
    public func policies() throws(PolicyError) -> IdentityPolicies {
        func read(_ texts: [String]) throws(PolicyError) -> [Policy] {
            var policies: [Policy] = []
            for text in texts { policies.append(try Policy(Array(text.utf8), kind: .identity)) }
            return policies
        }
        var result = IdentityPolicies(isAccount: isAccount)
        result.granting = try read(granting)
        if let boundary { result.boundary = try read([boundary]).first }
        if let session { result.session = try read(session) }
        result.account = try read(account)
        return result
    }
}
