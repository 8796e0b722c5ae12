/// A question about policies (SimulateCustomPolicy and SimulatePrincipalPolicy in IAM's API reference).
public struct PolicySimulation: Hashable, Sendable {
    /// ARN of the user, group or role whose policies are meant; nil for those given alone.
    public var source: String?
    /// Further policies, as JSON.
    public var policies: [String] = []
    /// Instead of the source's own permissions boundary, as JSON.
    public var boundary: String?
    /// The policy of the resource, as JSON; nil for none.
    public var resourcePolicy: String?
    /// ARN of the user who would ask; nil for the source.
    public var caller: String?
    /// `service:Action`, each.
    public var actions: [String]
    /// ARNs; `["*"]` for no resource in particular.
    public var resources: [String]
    /// Values of condition keys, by their names in lower case.
    public var context: [String: [String]] = [:]
    /// Makes a question.
    public init(actions: [String], resources: [String] = ["*"]) {
        self.actions = actions
        self.resources = resources
    }
}

/// The answer about one action on one resource.
public struct SimulatedDecision: Hashable, Sendable {
    /// What policies say.
    public enum Outcome: String, Sendable {
        /// Permitted.
        case allowed
        /// A statement forbids it.
        case explicitDeny
        /// Nothing permits it.
        case implicitDeny
    }
    /// A policy with a statement that speaks of the request.
    public struct Match: Hashable, Sendable {
        /// Its name; `PolicyInputList.1` and so on for those of the question.
        public var policy: String
        /// As IAM names the kinds: user, group, role, aws-managed, user-managed, resource, none.
        public var kind: String
        /// Makes it.
        public init(policy: String, kind: String) {
            self.policy = policy
            self.kind = kind
        }
    }
    /// Action.
    public var action: String
    /// ARN, or "*".
    public var resource: String
    /// The outcome.
    public var outcome: Outcome
    /// Which policies made it so.
    public var matches: [Match]
    /// Condition keys that the policies ask for and the question has no value of, sorted.
    public var missingKeys: [String]
    /// Whether the permissions boundary allows it; nil without one.
    public var isWithinBoundary: Bool?
    /// Makes an answer.
    public init(
        action: String, resource: String, outcome: Outcome, matches: [Match], missingKeys: [String],
        isWithinBoundary: Bool?
    ) {
        self.action = action
        self.resource = resource
        self.outcome = outcome
        self.matches = matches
        self.missingKeys = missingKeys
        self.isWithinBoundary = isWithinBoundary
    }
}
