import AccessPolicy
public import CloudModel

// What policies say of requests that nobody makes ("Testing IAM policies with the IAM policy simulator").

extension CloudController {
    /// A policy with where it comes from.
    private struct Source {
        var policy: Policy
        var match: SimulatedDecision.Match
    }

    private static func read(_ document: String, _ kind: PolicyKind = .identity) throws(CloudError) -> Policy {
        do throws(PolicyError) {
            return try Policy(Array(document.utf8), kind: kind)
        } catch {
            throw .invalidValue(parameter: "PolicyInputList", value: "", reason: error.message)
        }
    }

    /// The policies of a user, group or role, with those of a user's groups, and its boundary.
    private func sources(of arn: String, account: String) throws(CloudError) -> (
        policies: [Source], boundary: Policy?, principal: PolicyPrincipal
    ) {
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[2] == "iam", parts[4] == account,
            let kind = parts[5].split(separator: "/").first, let name = parts[5].split(separator: "/").last,
            ["user", "group", "role"].contains(kind)
        else {
            throw .invalidValue(
                parameter: "PolicySourceArn", value: String(arn.prefix(128)),
                reason: "Invalid Entity Arn: \(arn.prefix(128)) does not clearly define entity type and name.")
        }
        var sources: [Source] = []
        func add(_ bearer: any PolicyBearer, _ kind: String) throws(CloudError) {
            for policy in bearer.inlinePolicies {
                sources.append(
                    Source(policy: try Self.read(policy.document), match: .init(policy: policy.name, kind: kind)))
            }
            for arn in bearer.attachedPolicies {
                guard let policy = view.identities.policy(arn: arn, of: account) else { continue }
                sources.append(
                    Source(
                        policy: try Self.read(policy.document),
                        match: .init(
                            policy: policy.name, kind: policy.accountID == "aws" ? "aws-managed" : "user-managed")))
            }
        }
        var boundary: String?
        let named = String(name)
        switch kind {
        case "user":
            let user = try identity(named, in: \.users, of: account)
            try add(user, "user")
            for id in user.groupIDs {
                if let group = view.identities.groups[id]?.value { try add(group, "group") }
            }
            boundary = user.boundary
        case "group": try add(try identity(named, in: \.groups, of: account), "group")
        default:
            let role = try identity(named, in: \.roles, of: account)
            try add(role, "role")
            boundary = role.boundary
        }
        var bound: Policy?
        if let boundary, let policy = view.identities.policy(arn: boundary, of: account) {
            bound = try Self.read(policy.document)
        }
        return (sources, bound, PolicyPrincipal(account: account, userARN: arn))
    }

    private func identity<Value: NamedIdentity>(
        _ name: String, in table: KeyPath<IdentityTables, NamedTable<Value>>, of account: String
    ) throws(CloudError) -> Value {
        try named(name, in: table, of: account, view).value
    }

    /// See `IdentityBackend`.
    public func simulate(_ simulation: PolicySimulation, as caller: Caller) async throws(CloudError)
        -> [SimulatedDecision]
    {
        var sources: [Source] = []
        var boundary: Policy?
        var principal = PolicyPrincipal(account: caller.accountID, userARN: simulation.caller ?? simulation.source)
        if let arn = simulation.source {
            let own = try self.sources(of: arn, account: caller.accountID)
            sources = own.policies
            boundary = own.boundary
            if simulation.caller == nil { principal = own.principal }
        }
        for (index, document) in simulation.policies.enumerated() {
            sources.append(
                Source(
                    policy: try Self.read(document),
                    match: .init(policy: "PolicyInputList.\(index + 1)", kind: "none")))
        }
        if let document = simulation.boundary { boundary = try Self.read(document) }
        var resourcePolicy: Policy?
        if let document = simulation.resourcePolicy { resourcePolicy = try Self.read(document, .resource) }
        let accountPolicies = try (view.accounts[caller.accountID]?.value.policies ?? []).map {
            (policy) throws(CloudError) in try Self.read(policy.document)
        }
        var keys: Set<String> = []
        for source in sources { keys.formUnion(source.policy.contextKeys.map { $0.lowercased() }) }
        // What follows from who would ask.
        var known: [String: [String]] = ["aws:principalaccount": [caller.accountID]]
        if let arn = principal.userARN {
            known["aws:principalarn"] = [arn]
            if arn.contains(":user/"), let name = arn.split(separator: "/").last {
                known["aws:username"] = [String(name)]
            }
        }
        let missing = keys.subtracting(simulation.context.keys).subtracting(known.keys).sorted()
        var decisions: [SimulatedDecision] = []
        for action in simulation.actions {
            for resource in simulation.resources {
                var context = simulation.context
                context.merge(known) { given, _ in given }
                let facts = context
                let request = PolicyRequest(principal: principal, action: action, resource: resource) { facts[$0] }
                let identity = IdentityPolicies(
                    granting: sources.map(\.policy), boundary: boundary, account: accountPolicies)
                var decision = identity.decide(request)
                var matches = sources.filter { $0.policy.decide(request) != .none }.map(\.match)
                if let resourcePolicy {
                    let said = resourcePolicy.decide(request)
                    if said != .none { matches.append(.init(policy: "ResourcePolicy", kind: "resource")) }
                    switch (decision, said) {
                    case (.deny, _), (_, .deny): decision = .deny
                    // In one account either is enough.
                    case (_, .allow): decision = .allow
                    default: break
                    }
                }
                let outcome: SimulatedDecision.Outcome =
                    switch decision {
                    case .allow: .allowed
                    case .deny: .explicitDeny
                    case .none, .allowAccount: .implicitDeny
                    }
                decisions.append(
                    SimulatedDecision(
                        action: action, resource: resource, outcome: outcome, matches: matches, missingKeys: missing,
                        isWithinBoundary: boundary.map { $0.decide(request) == .allow }))
            }
        }
        return decisions
    }

    /// See `IdentityBackend`.
    public func contextKeys(source: String?, policies: [String], as caller: Caller) async throws(CloudError)
        -> [String]
    {
        var keys: Set<String> = []
        if let source {
            for one in try sources(of: source, account: caller.accountID).policies {
                keys.formUnion(one.policy.contextKeys)
            }
        }
        for document in policies { keys.formUnion(try Self.read(document).contextKeys) }
        return keys.sorted()
    }
}
