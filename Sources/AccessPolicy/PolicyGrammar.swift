internal import JSON

// What IAM takes as a policy, and what it says of others: in its order, and in its words, since tools show and compare
// them ("Grammar of the IAM JSON policy language" in the IAM User Guide; the texts are those of CreatePolicy).

/// What a document has to keep beside the grammar.
public enum PolicyRules: Sendable {
    /// A managed policy: of the language's version 2012-10-17.
    case managed
    /// A policy of one identity or account; may leave the version out, as the original's do.
    case inline
    /// Who may take a role on.
    case trust
}

/// The check of a document before it is kept.
public enum PolicyGrammar {
    private static let syntax = PolicyError("Syntax errors in policy.")
    private static let legacy = PolicyError("The policy failed legacy parsing")

    /// Throws what IAM would answer to a document that it does not take.
    public static func check(_ bytes: [UInt8], _ rules: PolicyRules) throws(PolicyError) {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue.parse(bytes, maximumDepth: 16)
        } catch {
            throw syntax
        }
        let statements = try readStatements(document, rules)
        if rules == .managed, document["Version"]?.text != "2012-10-17" {
            throw PolicyError("Policy document must be version 2012-10-17 or greater.")
        }
        for statement in statements { try checkExactly(statement, rules) }
        let problem = try resourceProblem(statements)
        let names = statements.compactMap { $0["Sid"]?.text }.filter { !$0.isEmpty }
        guard Set(names).count == names.count else {
            throw PolicyError("Statement IDs (SID) in a single policy must be unique.")
        }
        for statement in statements {
            guard let actions = strings(statement["Action"] ?? statement["NotAction"]), !actions.isEmpty else {
                throw PolicyError("Policy statement must contain actions.")
            }
        }
        if let problem { throw problem }
        for statement in statements {
            for action in strings(statement["Action"] ?? statement["NotAction"]) ?? [] {
                try checkPrefix(of: action)
                if rules == .trust, !trustActions.contains(action) {
                    throw PolicyError(
                        "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and "
                            + "sts:AssumeRoleWithWebIdentity")
                }
            }
            let resources = strings(statement["Resource"] ?? statement["NotResource"])
            if rules == .trust {
                guard resources == nil else { throw PolicyError("Has prohibited field Resource.") }
            } else {
                guard let resources, !resources.isEmpty else {
                    throw PolicyError("Policy statement must contain resources.")
                }
            }
        }
    }

    // MARK: Form

    private static let elements: Set<String> = [
        "Sid", "Action", "NotAction", "Resource", "NotResource", "Effect", "Principal", "NotPrincipal", "Condition",
    ]

    private static func readStatements(_ document: JSONValue, _ rules: PolicyRules) throws(PolicyError) -> [JSONValue] {
        guard let members = document.objectMembers, let given = document["Statement"],
            members.allSatisfy({ ["Version", "Id", "Statement"].contains($0.name) }),
            document["Version"].map({ version in
                Policy.versions.contains { $0 == version.text }
                    || (version.text == Policy.originalVersion && rules != .trust)
            }) ?? true,
            document["Id"].map({ $0.text != nil }) ?? true
        else { throw syntax }
        let statements = given.elements ?? [given]
        guard !statements.isEmpty else { throw syntax }
        for statement in statements {
            guard let members = statement.objectMembers, members.allSatisfy({ elements.contains($0.name) }),
                statement["Action"] == nil || statement["NotAction"] == nil,
                statement["Resource"] == nil || statement["NotResource"] == nil,
                let effect = statement["Effect"]?.text?.lowercased(),
                ["allow", "deny"].contains(effect) || (effect == "limit" && rules != .trust),
                statement["Sid"].map({ $0.text != nil }) ?? true
            else { throw syntax }
            for name in ["Action", "NotAction", "Resource", "NotResource"] {
                if let value = statement[name], strings(value) == nil { throw syntax }
            }
            if let condition = statement["Condition"] { try checkForm(of: condition) }
        }
        return statements
    }

    private static func checkForm(of condition: JSONValue) throws(PolicyError) {
        guard let operators = condition.objectMembers else { throw syntax }
        for entry in operators {
            guard let keys = entry.value.objectMembers, keys.isEmpty || PolicyCondition.isOperator(entry.name) else {
                throw syntax
            }
            for key in keys where key.value.objectMembers != nil || key.value == .null { throw syntax }
        }
    }

    /// A string or a list of strings; null in a list counts for nothing.
    private static func strings(_ value: JSONValue?) -> [String]? {
        guard let value else { return nil }
        if let text = value.text { return [text] }
        guard let elements = value.elements else { return nil }
        var texts: [String] = []
        for element in elements where element != .null {
            guard let text = element.text else { return nil }
            texts.append(text)
        }
        return texts
    }

    // MARK: What is exact

    private static func checkExactly(_ statement: JSONValue, _ rules: PolicyRules) throws(PolicyError) {
        guard let effect = statement["Effect"]?.text, PolicyStatement.Effect(rawValue: effect) != nil else {
            throw legacy
        }
        for entry in statement["Condition"]?.objectMembers ?? [] where PolicyCondition.isAboutTime(entry.name) {
            for key in entry.value.objectMembers ?? [] {
                for value in key.value.elements ?? [key.value] {
                    let isGood = value.text.map(PolicyMoment.isOne) ?? value.int64.map { $0 >= 0 } ?? false
                    guard isGood else { throw legacy }
                }
            }
        }
    }

    private static let trustActions: Set<String> = [
        "sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "sts:DecodeAuthorizationMessage",
        "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetFederationToken", "sts:GetServiceBearerToken",
        "sts:GetSessionToken", "sts:SetSourceIdentity", "sts:TagSession",
    ]

    private static func checkPrefix(of action: String) throws(PolicyError) {
        if action == "*" { return }
        let parts = action.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count > 1 else {
            throw PolicyError("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
        }
        guard parts.count == 2 else { throw PolicyError("Actions/Condition can contain only one colon.") }
        let isVendor = parts[0].utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isVendor || parts[0] == "*" else { throw PolicyError("Vendor \(parts[0]) is not valid") }
    }

    // MARK: Resources

    /// What is wrong with a resource, which is said only after what is wrong with actions; of several the first by name.
    private static func resourceProblem(_ statements: [JSONValue]) throws(PolicyError) -> PolicyError? {
        var problem: PolicyError?
        for statement in statements {
            let resources = strings(statement["Resource"] ?? statement["NotResource"]) ?? []
            for resource in resources.sorted(by: >) {
                if let found = self.problem(of: resource) { problem = PolicyError(found) }
            }
            guard problem == nil else { continue }
            for resource in resources where resource != "*" {
                let parts = resource.split(separator: ":", omittingEmptySubsequences: false)
                let isShort = parts.count < 6 && zip(parts, parts.dropFirst()).contains { _, next in next.isEmpty }
                guard !isShort, parts.count > 2, !parts[2].isEmpty else { throw legacy }
            }
        }
        return problem
    }

    private static let partitions: Set<Substring> = [
        "aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc", "*",
    ]
    private static let iamPaths = [
        "user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
        "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
    ]

    private static func problem(of resource: String) -> String? {
        if resource == "*" { return nil }
        // arn:partition:service:region:account:resource
        let parts = resource.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        func part(_ index: Int) -> Substring { index < parts.count ? parts[index] : "" }
        guard parts.count > 1 else { return "Resource \(resource) must be in ARN format or \"*\"." }
        guard partitions.contains(part(1)) else {
            let rest = (2...5).map { $0 < parts.count ? parts[$0] : "*" }.joined(separator: ":")
            return "Partition \"\(part(1))\" is not valid for resource \"arn:\(part(1)):\(rest)\"."
        }
        guard parts.count > 2 else { return "Resource vendor must be fully qualified and cannot contain regexes." }
        switch part(2) {
        case "s3" where !part(3).isEmpty && !part(5).hasPrefix("accesspoint/"):
            return "Resource \(resource) can not contain region information."
        case "iam" where !part(3).isEmpty:
            return "IAM resource \(resource) cannot contain region information."
        case "iam" where parts.count == 6:
            // The account as a whole, for what the original's administrators do with accounts.
            let isKnown = part(5).hasPrefix("*") || part(5) == "root" || iamPaths.contains { part(5).hasPrefix($0) }
            if !isKnown {
                return "IAM resource path must either be \"*\" or start with \(iamPaths.joined(separator: ", "))."
            }
            return nil
        default: return nil
        }
    }
}

/// Moments in conditions as IAM takes them: seconds since 1970, or an ISO 8601 date with or without a time.
enum PolicyMoment {
    static func isOne(_ text: String) -> Bool {
        let text = text.lowercased()
        guard text.contains("t") || text.contains("-") else { return Int64(text).map { $0 >= 0 } ?? false }
        let halves = text.split(separator: "t", maxSplits: 1, omittingEmptySubsequences: false)
        return isDate(halves[0]) && (halves.count == 1 || isTime(halves[1]))
    }

    private static func number(_ text: Substring, _ range: ClosedRange<Int>) -> Bool {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text) else {
            return false
        }
        return range.contains(value)
    }

    private static func isDate(_ text: Substring) -> Bool {
        let isNegative = text.hasPrefix("-")
        let parts = text.dropFirst(isNegative ? 1 : 0).split(separator: "-", omittingEmptySubsequences: false)
        guard (1...3).contains(parts.count), number(parts[0], 0...(isNegative ? 292_275_054 : 292_278_993)) else {
            return false
        }
        return (parts.count < 2 || number(parts[1], 1...12)) && (parts.count < 3 || number(parts[2], 1...31))
    }

    /// hh[:mm[:ss[.fraction]]], then Z, an offset, or nothing.
    private static func isTime(_ text: Substring) -> Bool {
        var time = text
        if time.hasSuffix("z") {
            time = time.dropLast()
        } else if let sign = time.firstIndex(where: { $0 == "+" || $0 == "-" }) {
            let offset = time[time.index(after: sign)...].split(separator: ":", omittingEmptySubsequences: false)
            let isOffset =
                offset.count <= 2 && offset[0].count == 2 && number(offset[0], 0...23)
                && (offset.count < 2 || (offset[1].count == 2 && number(offset[1], 0...59)))
            guard isOffset else { return false }
            time = time[..<sign]
        }
        if time.isEmpty { return true }
        let parts = time.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 3, number(parts[0], 0...23), parts.count < 2 || number(parts[1], 0...59) else {
            return false
        }
        guard parts.count == 3 else { return true }
        let seconds = parts[2].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        return number(seconds[0], 0...59) && (seconds.count < 2 || number(seconds[1], 0...999_999_999))
    }
}
