// The policy language of AWS ("IAM JSON policy elements reference"), as bucket policies and identity policies use it.
//
// Here: reading a document, and deciding on one request by it. Values only: who calls, what he asks for and the facts
// about the request come in as arguments. Not here: what follows when no statement says anything (the service's other
// rules), and which actions and condition keys a service has.
// It fails with `PolicyError`, which says what is wrong with the document.

internal import JSON

/// Why a document is no policy. The text is for whoever wrote it.
public struct PolicyError: Error, Sendable, Equatable {
    /// What is wrong.
    public var message: String

    init(_ message: String) { self.message = message }
}

/// What a policy says of a request.
public enum PolicyDecision: Sendable, Equatable {
    /// A statement allows it and none denies it.
    case allow
    /// A statement allows it to the caller's account, and none denies it: whether it is allowed to this user of the
    /// account is up to his own policies.
    case allowAccount
    /// A statement denies it, whatever else allows it.
    case deny
    /// Nothing is said.
    case none
}

/// Who asks.
public struct PolicyPrincipal: Sendable, Equatable {
    /// The account's id.
    public var account: String
    /// The ARN of the user or session; nil for the account itself.
    public var userARN: String?
    /// Other ARNs by which policies may name him: a session's role.
    public var otherARNs: [String] = []
    /// The id that stands for the account in access control lists.
    public var canonicalID: String
    /// The name of a service of the cloud that asks by itself, such as "ec2.amazonaws.com"; nil for everybody else.
    public var service: String?

    /// Makes a service.
    public init(service: String) {
        account = ""
        canonicalID = ""
        self.service = service
    }

    /// Makes a principal.
    public init(account: String, userARN: String? = nil, canonicalID: String? = nil) {
        self.account = account
        self.userARN = userARN
        self.canonicalID = canonicalID ?? account
    }
}

/// One question to a policy.
public struct PolicyRequest: Sendable {
    /// Who asks; nil for anybody.
    public var principal: PolicyPrincipal?
    /// `service:Action`.
    public var action: String
    /// The resource's ARN.
    public var resource: String
    /// The values of a condition key by its name in lower case; nil where the request has none.
    public var context: @Sendable (String) -> [String]?

    /// Makes a question.
    public init(
        principal: PolicyPrincipal?, action: String, resource: String,
        context: @escaping @Sendable (String) -> [String]? = { _ in nil }
    ) {
        self.principal = principal
        self.action = action
        self.resource = resource
        self.context = context
    }
}

/// What a policy is put on, which decides what its statements have to say.
public enum PolicyKind: Sendable {
    /// A resource: statements name whom they concern.
    case resource
    /// A user, group, role or session: statements name nobody. The original's effect `Limit` is known.
    case identity
    /// A role: who may take it on. Statements name whom, and no resource.
    case trust
}

/// A policy document.
public struct Policy: Sendable {
    /// Its statements, in order.
    public let statements: [PolicyStatement]

    /// Reads a document of at most 64 KiB.
    public init(_ bytes: [UInt8], kind: PolicyKind = .resource) throws(PolicyError) {
        guard bytes.count <= 64 << 10 else { throw PolicyError("The policy is larger than 64 KiB.") }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(bytes, maximumDepth: 16)
        } catch {
            throw PolicyError("Policies must be valid JSON: \(error)")
        }
        guard let members = value.objectMembers else {
            throw PolicyError("Policies must be valid JSON and the first byte must be '{'")
        }
        for member in members where !["Version", "Id", "Statement"].contains(member.name) {
            throw PolicyError("Unknown field \(member.name)")
        }
        if let version = value["Version"] {
            let known = kind == .identity ? Self.versions + [Self.originalVersion] : Self.versions
            guard let text = version.text, known.contains(text) else {
                throw PolicyError("The policy must contain a valid version string")
            }
        }
        guard let statement = value["Statement"] else { throw PolicyError("Missing required field Statement") }
        let items = statement.elements ?? [statement]
        guard !items.isEmpty else { throw PolicyError("Could not parse the policy: Statement is empty!") }
        var statements: [PolicyStatement] = []
        for item in items { statements.append(try PolicyStatement(item, kind)) }
        self.statements = statements
    }

    /// The versions of the policy language, and that of the original's documentation, which its tools wrote.
    static let versions = ["2012-10-17", "2008-10-17"]
    static let originalVersion = "2011-04-01"

    /// What the document says of a request: a denial outweighs everything.
    public func decide(_ request: PolicyRequest) -> PolicyDecision {
        var decision = PolicyDecision.none
        for statement in statements where statement.effect != .limit {
            let match = statement.match(request)
            if match == .none { continue }
            if statement.effect == .deny { return .deny }
            if match == .direct { decision = .allow } else if decision == .none { decision = .allowAccount }
        }
        return decision
    }

    /// The first quota of a `Limit` that the request does not keep: its condition key and values. A quota that the
    /// request does not touch is kept; other conditions say when the limit holds.
    public func exceededLimit(_ request: PolicyRequest) -> (key: String, values: [String])? {
        for statement in statements where statement.effect == .limit && statement.concernsAction(request) {
            let others = statement.conditions.filter { !$0.isQuota }
            guard others.allSatisfy({ $0.holds(request) }) else { continue }
            let broken = statement.conditions.first {
                $0.isQuota && request.context($0.key) != nil && !$0.holds(request)
            }
            if let broken { return (broken.key, broken.values) }
        }
        return nil
    }

    /// Until when it lets an instance run; see `IdentityPolicies`.
    func end(of request: PolicyRequest, launchedAt now: Int64) -> Int64? {
        statements.filter { statement in
            statement.effect != .deny && statement.concernsAction(request)
                && statement.conditions.allSatisfy { $0.isQuota || $0.holds(request) }
        }.flatMap(\.conditions).compactMap { $0.end(launchedAt: now) }.max()
    }

    /// Whether it allows something to anybody without a condition that names who or where.
    public var isPublic: Bool { statements.contains { $0.isPublic } }
}

/// Pattern matching with `*` (any characters) and `?` (one).
public enum PolicyPattern {
    /// A pattern in which what came from variables stands for itself.
    struct Text: Sendable {
        /// Bytes that no text in UTF-8 has.
        fileprivate static let any: UInt8 = 0xFF
        fileprivate static let one: UInt8 = 0xFE
        fileprivate var bytes: [UInt8] = []

        init(pattern: String) { append(pattern: Substring(pattern)) }

        mutating func append(pattern: Substring) {
            for byte in pattern.utf8 {
                switch byte {
                case UInt8(ascii: "*"): bytes.append(Self.any)
                case UInt8(ascii: "?"): bytes.append(Self.one)
                default: bytes.append(byte)
                }
            }
        }

        mutating func append(literal: String) { bytes += literal.utf8 }

        func matches(_ text: String) -> Bool { PolicyPattern.matches(Array(text.utf8), bytes) }

        /// Where there are no wildcards, as in comparisons for equality.
        var plain: String {
            let text = bytes.map { byte in
                switch byte {
                case Self.any: UInt8(ascii: "*")
                case Self.one: UInt8(ascii: "?")
                default: byte
                }
            }
            return String(decoding: text, as: UTF8.self)
        }
    }

    /// Whether the text matches, by bytes; the time is at most the product of the lengths.
    public static func matches(_ text: String, _ pattern: String, ignoringCase: Bool = false) -> Bool {
        let pattern = Text(pattern: ignoringCase ? pattern.lowercased() : pattern)
        return pattern.matches(ignoringCase ? text.lowercased() : text)
    }

    private static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
        var at = 0
        var position = 0
        var star: (pattern: Int, text: Int)?
        while at < text.count {
            if position < pattern.count, pattern[position] == Text.any {
                star = (position, at)
                position += 1
            } else if position < pattern.count, pattern[position] == Text.one || pattern[position] == text[at] {
                position += 1
                at += 1
            } else if let last = star {
                position = last.pattern + 1
                at = last.text + 1
                star = (last.pattern, at)
            } else {
                return false
            }
        }
        return pattern[position...].allSatisfy { $0 == Text.any }
    }
}
