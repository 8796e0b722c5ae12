import Testing

@testable import AccessPolicy

/// The evaluation of identity policies, case by case, after the examples of the IAM User Guide ("Example IAM
/// identity-based policies", "Policy evaluation logic") in words and names of our own.
@Suite struct IdentityPolicyTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        /// Policies of the identity.
        var own: [String]
        var action: String
        var resource: String = "*"
        var facts: [String: [String]] = [:]
        var boundary: String?
        var session: [String]?
        var account: [String] = []
        var isAccount = false
        var outcome: PolicyDecision
        var testDescription: String { what }
    }

    private static func statement(
        _ effect: String, _ actions: String, on resources: String = "*", if condition: String? = nil
    ) -> String {
        func list(_ text: String) -> String {
            "[" + text.split(separator: " ").map { "\"\($0)\"" }.joined(separator: ",") + "]"
        }
        return #"{"Effect":"\#(effect)","Action":\#(list(actions)),"Resource":\#(list(resources))"#
            + (condition.map { #","Condition":\#($0)"# } ?? "") + "}"
    }

    private static func policy(_ statements: String...) -> String {
        #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#
    }

    private static let everything = policy(statement("Allow", "*"))
    private static let office = #"{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}}"#
    private static let season =
        #"{"DateGreaterThan":{"aws:CurrentTime":"2026-04-01T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2026-07-01T00:00:00Z"}}"#
    private static let home = policy(
        statement(
            "Allow", "s3:ListBucket", on: "arn:aws:s3:::homes",
            if: #"{"StringLike":{"s3:prefix":["","home/${aws:username}/*"]}}"#),
        statement("Allow", "s3:*", on: "arn:aws:s3:::homes/home/${aws:username}/*"))
    private static let instance = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0"

    static let cases: [Case] = [
        Case(what: "nobody who is not told may", own: [], action: "ec2:RunInstances", outcome: .none),
        Case(
            what: "the account itself may without being told", own: [], action: "ec2:RunInstances", isAccount: true,
            outcome: .allow),
        Case(what: "what is allowed is allowed", own: [everything], action: "iam:DeleteUser", outcome: .allow),
        Case(
            what: "a wildcard in the middle of an action", own: [policy(statement("Allow", "ec2:*Snapshot*"))],
            action: "ec2:CreateSnapshot", outcome: .allow),
        Case(
            what: "an action of another service is not meant", own: [policy(statement("Allow", "ec2:*"))],
            action: "s3:GetObject", outcome: .none),
        Case(
            what: "actions match in any case", own: [policy(statement("Allow", "EC2:describeinstances"))],
            action: "ec2:DescribeInstances", outcome: .allow),
        Case(
            what: "resources match in their case only",
            own: [policy(statement("Allow", "s3:GetObject", on: "arn:aws:s3:::Data/*"))], action: "s3:GetObject",
            resource: "arn:aws:s3:::data/x", outcome: .none),
        Case(
            what: "a denial outweighs an allowance of another policy",
            own: [everything, policy(statement("Deny", "ec2:TerminateInstances"))], action: "ec2:TerminateInstances",
            outcome: .deny),
        Case(
            what: "a question mark is one character",
            own: [policy(statement("Allow", "s3:GetObject", on: "arn:aws:s3:::log-?/*"))], action: "s3:GetObject",
            resource: "arn:aws:s3:::log-10/x", outcome: .none),
        Case(
            what: "all but one service by NotAction",
            own: [#"{"Statement":{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}}"#], action: "ec2:StopInstances",
            outcome: .allow),
        Case(
            what: "the service that NotAction leaves out",
            own: [#"{"Statement":{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}}"#], action: "iam:CreateUser",
            outcome: .none),
        Case(
            what: "all but two buckets denied by NotResource",
            own: [
                everything,
                #"{"Statement":{"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::team","arn:aws:s3:::team/*"]}}"#,
            ], action: "s3:GetObject", resource: "arn:aws:s3:::other/x", outcome: .deny),
        Case(
            what: "outside of the office denied", own: [everything, policy(statement("Deny", "*", if: office))],
            action: "ec2:RunInstances", facts: ["aws:sourceip": ["198.51.100.7"]], outcome: .deny),
        Case(
            what: "inside of the office allowed", own: [everything, policy(statement("Deny", "*", if: office))],
            action: "ec2:RunInstances", facts: ["aws:sourceip": ["203.0.113.9"]], outcome: .allow),
        Case(
            what: "within dates", own: [policy(statement("Allow", "ec2:*", if: season))], action: "ec2:RunInstances",
            facts: ["aws:currenttime": ["2026-05-15T12:00:00.000Z"]], outcome: .allow),
        Case(
            what: "after the dates", own: [policy(statement("Allow", "ec2:*", if: season))], action: "ec2:RunInstances",
            facts: ["aws:currenttime": ["2026-08-01T00:00:00.000Z"]], outcome: .none),
        Case(
            what: "without TLS denied",
            own: [everything, policy(statement("Deny", "s3:*", if: #"{"Bool":{"aws:SecureTransport":"false"}}"#))],
            action: "s3:GetObject", facts: ["aws:securetransport": ["false"]], outcome: .deny),
        Case(
            what: "one's own folder by the user's name", own: [home], action: "s3:PutObject",
            resource: "arn:aws:s3:::homes/home/ada/notes", facts: ["aws:username": ["ada"]], outcome: .allow),
        Case(
            what: "another's folder", own: [home], action: "s3:PutObject",
            resource: "arn:aws:s3:::homes/home/bob/notes", facts: ["aws:username": ["ada"]], outcome: .none),
        Case(
            what: "listing within one's own folder", own: [home], action: "s3:ListBucket",
            resource: "arn:aws:s3:::homes", facts: ["aws:username": ["ada"], "s3:prefix": ["home/ada/2026"]],
            outcome: .allow),
        Case(
            what: "listing another's folder", own: [home], action: "s3:ListBucket", resource: "arn:aws:s3:::homes",
            facts: ["aws:username": ["ada"], "s3:prefix": ["home/bob/"]], outcome: .none),
        Case(
            what: "small instances only",
            own: [
                policy(
                    statement(
                        "Allow", "ec2:RunInstances",
                        if: #"{"StringEquals":{"ec2:InstanceType":["m1.small","t1.micro"]}}"#))
            ], action: "ec2:RunInstances", facts: ["ec2:instancetype": ["m1.xlarge"]], outcome: .none),
        Case(
            what: "instances with one's own tag",
            own: [
                policy(
                    statement(
                        "Allow", "ec2:TerminateInstances",
                        if: #"{"StringEquals":{"ec2:ResourceTag/Owner":"${aws:username}"}}"#))
            ], action: "ec2:TerminateInstances", resource: instance,
            facts: ["aws:username": ["ada"], "ec2:resourcetag/owner": ["ada"]], outcome: .allow),
        Case(
            what: "instances without the tag",
            own: [
                policy(
                    statement(
                        "Allow", "ec2:TerminateInstances", if: #"{"StringEquals":{"ec2:ResourceTag/Owner":"ada"}}"#))
            ], action: "ec2:TerminateInstances", resource: instance, outcome: .none),
        Case(
            what: "a missing key passes IfExists",
            own: [
                policy(statement("Allow", "ec2:*", if: #"{"StringEqualsIfExists":{"ec2:InstanceType":"m1.small"}}"#))
            ], action: "ec2:DescribeInstances", outcome: .allow),
        Case(
            what: "a missing key fails a plain comparison",
            own: [policy(statement("Allow", "ec2:*", if: #"{"StringEquals":{"ec2:InstanceType":"m1.small"}}"#))],
            action: "ec2:DescribeInstances", outcome: .none),
        Case(
            what: "Null true holds where the key is missing",
            own: [
                everything,
                policy(statement("Deny", "ec2:RunInstances", if: #"{"Null":{"aws:RequestTag/CostCentre":"true"}}"#)),
            ], action: "ec2:RunInstances", outcome: .deny),
        Case(
            what: "all tag keys among those allowed",
            own: [
                policy(
                    statement(
                        "Allow", "ec2:CreateTags",
                        if: #"{"ForAllValues:StringEquals":{"aws:TagKeys":["Owner","Stage"]}}"#))
            ], action: "ec2:CreateTags", facts: ["aws:tagkeys": ["Owner", "Secret"]], outcome: .none),
        Case(
            what: "two operators have both to hold",
            own: [
                policy(
                    statement(
                        "Allow", "ec2:*",
                        if: #"{"StringEquals":{"ec2:Region":"us-east-1"},"Bool":{"aws:SecureTransport":"true"}}"#))
            ], action: "ec2:RunInstances", facts: ["ec2:region": ["us-east-1"], "aws:securetransport": ["false"]],
            outcome: .none),
        Case(
            what: "numbers compare as numbers",
            own: [policy(statement("Allow", "s3:ListBucket", if: #"{"NumericLessThanEquals":{"s3:max-keys":"10"}}"#))],
            action: "s3:ListBucket", facts: ["s3:max-keys": ["9"]], outcome: .allow),
        Case(
            what: "a boundary takes away", own: [everything], action: "iam:CreateUser",
            boundary: policy(statement("Allow", "ec2:* s3:*")), outcome: .none),
        Case(
            what: "a boundary gives nothing", own: [], action: "ec2:RunInstances", boundary: everything, outcome: .none),
        Case(
            what: "what both boundary and policy allow", own: [policy(statement("Allow", "ec2:*"))],
            action: "ec2:RunInstances", boundary: policy(statement("Allow", "ec2:Run*")), outcome: .allow),
        Case(
            what: "a session's policy takes away", own: [everything], action: "s3:PutObject",
            resource: "arn:aws:s3:::b/x", session: [policy(statement("Allow", "s3:GetObject"))], outcome: .none),
        Case(
            what: "a session without any policy allowed nothing", own: [everything], action: "s3:PutObject",
            resource: "arn:aws:s3:::b/x", session: [], outcome: .none),
        Case(
            what: "an account's policy denies its owner as well", own: [], action: "ec2:RunInstances",
            account: [policy(statement("Deny", "ec2:RunInstances"))], isAccount: true, outcome: .deny),
        Case(
            what: "an account's policy allows nobody anything", own: [], action: "ec2:RunInstances",
            account: [everything], outcome: .none),
        Case(
            what: "a limit allows nothing",
            own: [
                policy(
                    statement(
                        "Limit", "ec2:RunInstances",
                        if: #"{"NumericLessThanEquals":{"ec2:quota-vminstancenumber":"4"}}"#))
            ], action: "ec2:RunInstances", outcome: .none),
    ]

    private static func read(_ texts: [String]) throws -> [Policy] {
        try texts.map { try Policy(Array($0.utf8), kind: .identity) }
    }

    @Test(arguments: cases) func `each documented case comes out as documented`(example: Case) throws {
        let policies = IdentityPolicies(
            isAccount: example.isAccount, granting: try Self.read(example.own),
            boundary: try example.boundary.map { try Policy(Array($0.utf8), kind: .identity) },
            session: try example.session.map { try Self.read($0) }, account: try Self.read(example.account))
        let facts = example.facts
        let request = PolicyRequest(
            principal: PolicyPrincipal(account: "111122223333", userARN: "arn:aws:iam::111122223333:user/ada"),
            action: example.action, resource: example.resource, context: { facts[$0] })
        #expect(policies.decide(request) == example.outcome)
    }

    @Test(arguments: [("4", nil), ("5", "ec2:quota-vminstancenumber"), (nil, nil)] as [(String?, String?)])
    func `a limit is exceeded only where the request touches it`(amount: String?, key: String?) throws {
        let limit = Self.policy(
            Self.statement(
                "Limit", "ec2:*", if: #"{"NumericLessThanEquals":{"ec2:quota-vminstancenumber":"4"}}"#))
        let policies = IdentityPolicies(isAccount: true, account: try Self.read([limit]))
        let request = PolicyRequest(
            principal: nil, action: "ec2:RunInstances", resource: "*",
            context: { $0 == "ec2:quota-vminstancenumber" ? amount.map { [$0] } : nil })
        #expect(policies.exceededLimit(request)?.key == key)
        #expect(policies.hasLimits)
    }

    @Test func `a role trusts the services that it names, and nobody for their sake`() throws {
        func decision(_ principal: String, _ caller: PolicyPrincipal) throws -> PolicyDecision {
            let text = #"{"Statement":{"Effect":"Allow","Principal":\#(principal),"Action":"sts:AssumeRole"}}"#
            return try Policy(Array(text.utf8), kind: .trust).decide(
                PolicyRequest(principal: caller, action: "sts:AssumeRole", resource: "arn:aws:iam::1:role/r"))
        }
        let ec2 = PolicyPrincipal(service: "ec2.amazonaws.com")
        let named = #"{"Service":["lambda.amazonaws.com","ec2.amazonaws.com"]}"#
        #expect(try decision(named, ec2) == .allow)
        #expect(try decision(#"{"Service":"lambda.amazonaws.com"}"#, ec2) == .none)
        #expect(try decision(#"{"AWS":"ec2.amazonaws.com"}"#, ec2) == .none)
        #expect(try decision(named, PolicyPrincipal(account: "111122223333")) == .none)
    }

    @Test func `quotas are read as the original's documentation writes them, and nothing else is of its version`()
        throws
    {
        let limit =
            #"{"Version":"2011-04-01","Statement":[{"Sid":"4","Effect":"Limit","Action":"ec2:RunInstances","Resource":"*","Condition":{"NumericLessThanEquals":{"ec2:quota-vminstancenumber":"16"}}}]}"#
        let policies = IdentityPolicies(isAccount: true, account: try Self.read([limit]))
        let request = PolicyRequest(
            principal: nil, action: "ec2:RunInstances", resource: "*", context: { _ in ["17"] })
        #expect(policies.exceededLimit(request)?.values == ["16"])
        let trust =
            #"{"Version":"2011-04-01","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#
        #expect(throws: PolicyError.self) { try Policy(Array(trust.utf8), kind: .trust) }
    }

    @Test func `a resource's policy tells the account from its user`() throws {
        func decision(_ principal: String, _ caller: PolicyPrincipal) throws -> PolicyDecision {
            let text =
                #"{"Statement":{"Effect":"Allow","Principal":\#(principal),"Action":"s3:*","Resource":"*"}}"#
            return try Policy(Array(text.utf8)).decide(
                PolicyRequest(principal: caller, action: "s3:GetObject", resource: "arn:aws:s3:::b/x"))
        }
        let root = PolicyPrincipal(account: "111122223333")
        let user = PolicyPrincipal(account: "111122223333", userARN: "arn:aws:iam::111122223333:user/ada")
        var session = PolicyPrincipal(
            account: "111122223333", userARN: "arn:aws:sts::111122223333:assumed-role/reader/one")
        session.otherARNs = ["arn:aws:iam::111122223333:role/reader"]
        let account = #"{"AWS":"arn:aws:iam::111122223333:root"}"#
        #expect(try decision(account, root) == .allow)
        #expect(try decision(account, user) == .allowAccount)
        #expect(try decision(#"{"AWS":"111122223333"}"#, user) == .allowAccount)
        #expect(try decision(#"{"AWS":"arn:aws:iam::111122223333:user/ada"}"#, user) == .allow)
        #expect(try decision(#"{"AWS":"arn:aws:iam::111122223333:user/bob"}"#, user) == .none)
        #expect(try decision(#"{"AWS":"arn:aws:iam::111122223333:role/reader"}"#, session) == .allow)
        #expect(try decision(#""*""#, user) == .allow)
    }

    @Test(arguments: [
        (#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#, PolicyKind.identity),
        (#"{"Statement":{"Effect":"Allow","Action":"s3:*"}}"#, .identity),
        (#"{"Statement":{"Effect":"Limit","Principal":"*","Action":"s3:*","Resource":"*"}}"#, .resource),
        (#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}"#, .trust),
        (#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}"#, .trust),
    ])
    func `each kind of policy has its own form`(text: String, kind: PolicyKind) {
        #expect(throws: PolicyError.self) { try Policy(Array(text.utf8), kind: kind) }
    }

    @Test func `what a variable brings is no wildcard, and what none brings matches nothing`() throws {
        func allows(_ resource: String, _ asked: String, _ tag: String?, _ element: String = "Resource") throws -> Bool
        {
            let text = #"{"Statement":{"Effect":"Allow","Action":"s3:*","\#(element)":"\#(resource)"}}"#
            let request = PolicyRequest(
                principal: nil, action: "s3:GetObject", resource: asked,
                context: { $0 == "aws:principaltag/team" ? tag.map { [$0] } : nil })
            return try Policy(Array(text.utf8), kind: .identity).decide(request) == .allow
        }
        let pattern = "arn:aws:s3:::b/${aws:PrincipalTag/team}*"
        #expect(try allows(pattern, "arn:aws:s3:::b/red/x", "red"))
        #expect(try !allows(pattern, "arn:aws:s3:::b/blue/x", "red"))
        #expect(try !allows(pattern, "arn:aws:s3:::b/blue/x", "*"))
        #expect(try allows(pattern, "arn:aws:s3:::b/*/x", "*"))
        #expect(try !allows(pattern, "arn:aws:s3:::b/blue/x", nil))
        #expect(try !allows(pattern, "arn:aws:s3:::b/blue/x", nil, "NotResource"))
        let fallback = "arn:aws:s3:::b/${aws:PrincipalTag/team, 'all'}/*"
        #expect(try allows(fallback, "arn:aws:s3:::b/all/x", nil))
        #expect(try !allows(fallback, "arn:aws:s3:::b/red/x", nil))
        #expect(try allows("arn:aws:s3:::b/${*}/*", "arn:aws:s3:::b/*/x", nil))
        #expect(try !allows("arn:aws:s3:::b/${*}/*", "arn:aws:s3:::b/red/x", nil))
    }
}
