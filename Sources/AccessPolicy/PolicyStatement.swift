internal import JSON

/// One statement of a policy.
public struct PolicyStatement: Sendable {
    /// What it does where it applies.
    public enum Effect: String, Sendable {
        /// Permits.
        case allow = "Allow"
        /// Forbids.
        case deny = "Deny"
        /// The original's quotas: permits nothing, and forbids what would break one of its conditions.
        case limit = "Limit"
    }

    /// Whom it concerns.
    public enum Principals: Sendable, Equatable {
        /// Identity policies name nobody.
        case unnamed
        /// These; `*` is everybody. The kind is AWS, CanonicalUser, Service or Federated.
        case only([Named])
        /// All but these.
        case allExcept([Named])

        /// A name of its kind.
        public struct Named: Sendable, Equatable {
            /// AWS, CanonicalUser, Service, Federated.
            public var kind: String
            /// ARN, account id, canonical id or `*`.
            public var name: String
        }
    }

    /// What it does.
    public let effect: Effect
    /// Whom it concerns.
    public let principals: Principals
    /// Patterns of actions, and whether all others are meant.
    public let actions: (patterns: [String], isInverted: Bool)
    /// Patterns of ARNs, and whether all others are meant.
    public let resources: (patterns: [String], isInverted: Bool)
    let conditions: [PolicyCondition]

    init(_ value: JSONValue, _ kind: PolicyKind) throws(PolicyError) {
        guard let members = value.objectMembers else { throw PolicyError("A Statement is not an object.") }
        let known: Set<String> = [
            "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
        ]
        for member in members where !known.contains(member.name) { throw PolicyError("Unknown field \(member.name)") }
        guard let text = value["Effect"]?.text, let effect = Effect(rawValue: text),
            effect != .limit || kind == .identity
        else {
            throw PolicyError("Invalid effect: \(value["Effect"]?.text ?? "none")")
        }
        self.effect = effect
        switch (value["Principal"], value["NotPrincipal"]) {
        case (nil, nil): principals = .unnamed
        case (let given?, nil): principals = .only(try Self.principals(given))
        case (nil, let given?): principals = .allExcept(try Self.principals(given))
        default: throw PolicyError("Statement has both Principal and NotPrincipal")
        }
        if kind == .identity, principals != .unnamed {
            throw PolicyError("Policy document should not specify a principal.")
        }
        actions = try Self.patterns(value, "Action")
        if kind == .trust {
            guard principals != .unnamed else { throw PolicyError("Missing required field Principal") }
            guard value["Resource"] == nil, value["NotResource"] == nil else {
                throw PolicyError("Has prohibited field Resource")
            }
            resources = (["*"], false)
        } else {
            resources = try Self.patterns(value, "Resource")
        }
        var conditions: [PolicyCondition] = []
        if let given = value["Condition"] {
            guard let operators = given.objectMembers else { throw PolicyError("Condition is not an object.") }
            for entry in operators {
                guard let keys = entry.value.objectMembers else {
                    throw PolicyError("The condition \(entry.name) is not an object.")
                }
                for key in keys {
                    conditions.append(
                        try PolicyCondition(
                            entry.name, key: key.name,
                            values: try Self.strings(key.value, "Condition", mayBeEmpty: kind != .resource)))
                }
            }
        }
        self.conditions = conditions
    }

    private static func patterns(
        _ value: JSONValue, _ name: String
    ) throws(PolicyError) -> (patterns: [String], isInverted: Bool) {
        switch (value[name], value["Not" + name]) {
        case (let given?, nil): return (try strings(given, name), false)
        case (nil, let given?): return (try strings(given, name), true)
        case (nil, nil): throw PolicyError("Missing required field \(name)")
        default: throw PolicyError("Statement has both \(name) and Not\(name)")
        }
    }

    private static func strings(_ value: JSONValue, _ name: String, mayBeEmpty: Bool = false)
        throws(PolicyError) -> [String]
    {
        var result: [String] = []
        for item in value.elements ?? [value] {
            // In lists IAM takes null for nothing.
            if item == .null, value.elements != nil { continue }
            if let text = item.text {
                result.append(text)
            } else if let boolean = item.boolean {
                result.append(boolean ? "true" : "false")
            } else if let number = item.int64 {
                result.append(String(number))
            } else {
                throw PolicyError("\(name) is not a string or a list of strings.")
            }
        }
        guard mayBeEmpty || !result.isEmpty else { throw PolicyError("\(name) is empty.") }
        return result
    }

    private static func principals(_ value: JSONValue) throws(PolicyError) -> [Principals.Named] {
        if let text = value.text {
            guard text == "*" else { throw PolicyError("Invalid principal in policy") }
            return [Principals.Named(kind: "AWS", name: "*")]
        }
        guard let kinds = value.objectMembers else { throw PolicyError("Invalid principal in policy") }
        var result: [Principals.Named] = []
        for kind in kinds {
            guard ["AWS", "CanonicalUser", "Service", "Federated"].contains(kind.name) else {
                throw PolicyError("Invalid principal in policy")
            }
            for name in try strings(kind.value, "Principal") {
                result.append(Principals.Named(kind: kind.name, name: name))
            }
        }
        return result
    }

    // MARK: Deciding

    /// How a statement concerns a caller.
    enum Match: Int, Comparable {
        case none
        /// Through his account.
        case account
        /// Himself, or everybody.
        case direct

        static func < (left: Match, right: Match) -> Bool { left.rawValue < right.rawValue }
    }

    func match(_ request: PolicyRequest) -> Match {
        let match = concerns(request.principal)
        guard match != .none, concernsAction(request), conditions.allSatisfy({ $0.holds(request) }) else {
            return .none
        }
        return match
    }

    /// Whether action and resource are among those meant.
    func concernsAction(_ request: PolicyRequest) -> Bool {
        actions.patterns.contains { PolicyPattern.matches(request.action, $0, ignoringCase: true) }
            != actions.isInverted
            && resources.patterns.contains {
                PolicyCondition.substituted($0, request)?.matches(request.resource)
                    ?? (resources.isInverted && effect == .allow)
            } != resources.isInverted
    }

    private func concerns(_ principal: PolicyPrincipal?) -> Match {
        switch principals {
        case .unnamed: .direct
        case .only(let named): named.map { Self.names($0, principal) }.max() ?? .none
        case .allExcept(let named): named.contains { Self.names($0, principal) != .none } ? .none : .direct
        }
    }

    private static func names(_ named: Principals.Named, _ principal: PolicyPrincipal?) -> Match {
        if named.kind == "AWS", named.name == "*" { return .direct }
        guard let principal else { return .none }
        if let service = principal.service {
            return named.kind == "Service" && named.name == service ? .direct : .none
        }
        // What names the account names its owner himself.
        let account = principal.userARN == nil ? Match.direct : .account
        switch named.kind {
        case "CanonicalUser": return named.name == principal.canonicalID ? account : .none
        case "AWS":
            if named.name == principal.account { return account }
            if named.name == principal.userARN || principal.otherARNs.contains(named.name) { return .direct }
            // arn:partition:iam::account:root
            let parts = named.name.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
            guard parts.count == 6, parts[0] == "arn", parts[2] == "iam" else { return .none }
            if parts[4] == principal.account, parts[5] == "root" { return account }
            // Accounts without users of their own are named as a user of that id.
            let isNamed =
                principal.userARN == nil && parts[5] == "user/" + principal.account
                && (parts[4].isEmpty || parts[4] == principal.account)
            return isNamed ? .direct : .none
        default: return .none
        }
    }

    /// Condition keys that bind a statement to somebody or somewhere ("The meaning of public" of the S3 User Guide).
    private static let binding: Set<String> = [
        "aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceaccount", "aws:sourceowner",
        "aws:userid", "aws:principalorgid", "aws:principalarn", "aws:principalaccount", "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ]

    var isPublic: Bool {
        guard effect == .allow else { return false }
        let everybody =
            switch principals {
            case .unnamed: false
            case .only(let named): named.contains { $0.name == "*" }
            case .allExcept: true
            }
        return everybody && !conditions.contains { $0.isBinding(Self.binding) }
    }
}
