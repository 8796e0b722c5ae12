import ArgumentParser
import CloudClient
import Foundation
import XML

/// Quotas of an account: one policy of its, in the original's form.
struct AccountQuotaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quota", abstract: "How much an account may hold.", subcommands: [Set.self, Show.self])

    /// The policy's name.
    static let policyName = "mallee-quotas"

    /// A quota: its option, what it limits, and when it is asked.
    struct Kind: Sendable {
        var key: String
        var action: String
        var title: String
    }

    /// Conditions of the original that are enforced.
    static let kinds: [Kind] = [
        Kind(key: "ec2:quota-vminstancenumber", action: "ec2:RunInstances", title: "instances"),
        Kind(key: "ec2:quota-cputotalsize", action: "ec2:RunInstances", title: "cores"),
        Kind(key: "ec2:quota-memorytotalsize", action: "ec2:RunInstances", title: "memory in MiB"),
        Kind(key: "ec2:quota-disktotalsize", action: "ec2:RunInstances", title: "disk in GiB"),
        Kind(key: "ec2:quota-imagenumber", action: "ec2:*Image", title: "images"),
        Kind(key: "ec2:quota-securitygroupnumber", action: "ec2:CreateSecurityGroup", title: "security groups"),
        Kind(key: "s3:quota-bucketnumber", action: "s3:CreateBucket", title: "buckets"),
        Kind(key: "s3:quota-buckettotalsize", action: "s3:PutObject", title: "MiB in buckets"),
        Kind(key: "s3:quota-bucketsize", action: "s3:PutObject", title: "MiB in one bucket"),
        Kind(key: "s3:quota-bucketobjectnumber", action: "s3:PutObject", title: "objects in one bucket"),
        Kind(key: "iam:quota-usernumber", action: "iam:CreateUser", title: "users"),
        Kind(key: "iam:quota-groupnumber", action: "iam:CreateGroup", title: "groups"),
        Kind(key: "iam:quota-rolenumber", action: "iam:CreateRole", title: "roles"),
    ]

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set quotas; those that are not named stay.",
            discussion: "NUMBER is 0 or more; \"none\" takes a quota away.")
        @OptionGroup var options: AccountOptions
        @Argument(
            help: "KEY=NUMBER, such as instances=10 or ec2:quota-cputotalsize=40; `quota show` lists the keys.")
        var quotas: [String]

        func run() async throws {
            try await options.run { session in
                let account = try await session.find()
                var values = try await AccountQuotaCommand.values(of: account, session)
                for quota in quotas {
                    let parts = quota.split(separator: "=", maxSplits: 1).map(String.init)
                    guard parts.count == 2,
                        let kind = kinds.first(where: {
                            $0.key == parts[0] || $0.title == parts[0] || $0.key.hasSuffix("quota-" + parts[0])
                        }), parts[1] == "none" || Int(parts[1]).map({ $0 >= 0 }) == true
                    else {
                        throw CommandFailure(
                            "\"\(quota)\" is no quota. Say KEY=NUMBER or KEY=none; the keys are "
                                + kinds.map(\.key).joined(separator: ", ") + ".")
                    }
                    values[kind.key] = parts[1] == "none" ? nil : parts[1]
                }
                try await AccountQuotaCommand.put(values, on: account, session)
                AccountQuotaCommand.show(values)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the quotas that `quota set` has set, and which other policies there are.")
        @OptionGroup var options: AccountOptions
        func run() async throws {
            try await options.run { session in
                let account = try await session.find()
                AccountQuotaCommand.show(try await AccountQuotaCommand.values(of: account, session))
                let others = try await AccountQuotaCommand.policies(of: account, session).filter { $0 != policyName }
                if !others.isEmpty {
                    print(
                        "Other policies on the account, which may limit it further: \(others.joined(separator: ", "))")
                }
            }
        }
    }

    private static func show(_ values: [String: String]) {
        var table = TextTable("KEY", "QUOTA", "OF")
        for kind in kinds { table.add(kind.key, values[kind.key] ?? "none", kind.title) }
        print(table.text, terminator: "")
    }

    /// Names of the policies on an account.
    private static func policies(of account: AccountRow, _ session: AccountSession) async throws -> [String] {
        try await session.iam.list("ListAccountPolicies", "PolicyNames", [("AccountName", account.id)]).map(\.text)
    }

    /// What the policy sets now, by key.
    private static func values(of account: AccountRow, _ session: AccountSession) async throws -> [String: String] {
        guard try await policies(of: account, session).contains(policyName) else { return [:] }
        let answer = try await session.iam.call(
            "GetAccountPolicy", [("AccountName", account.id), ("PolicyName", policyName)])
        let text = answer.child("GetAccountPolicyResult")?.value("PolicyDocument") ?? ""
        let document = try JSONDecoder().decode(
            QuotaPolicy.self, from: Data((text.removingPercentEncoding ?? text).utf8))
        var values: [String: String] = [:]
        for statement in document.Statement {
            values.merge(statement.Condition.NumericLessThanEquals) { _, new in new }
        }
        return values
    }

    private static func put(_ values: [String: String], on account: AccountRow, _ session: AccountSession)
        async throws
    {
        let place: [(name: String, value: String)] = [("AccountName", account.id), ("PolicyName", policyName)]
        let statements = kinds.compactMap { kind in
            values[kind.key].map {
                QuotaPolicy.Rule(
                    Effect: "Limit", Action: kind.action, Resource: "*",
                    Condition: .init(NumericLessThanEquals: [kind.key: $0]))
            }
        }
        guard !statements.isEmpty else {
            do {
                try await session.iam.call("DeleteAccountPolicy", place)
            } catch let error as CloudClientError where error.code == "NoSuchEntity" {
                // There was none.
            }
            return
        }
        let document = try JSONEncoder().encode(QuotaPolicy(Version: "2012-10-17", Statement: statements))
        try await session.iam.call(
            "PutAccountPolicy", place + [("PolicyDocument", String(decoding: document, as: UTF8.self))])
    }
}

/// The form of the policy that holds the quotas.
private struct QuotaPolicy: Codable {
    struct Rule: Codable {
        var Effect: String
        var Action: String
        var Resource: String
        var Condition: Limits
    }
    struct Limits: Codable {
        var NumericLessThanEquals: [String: String]
    }
    var Version: String
    var Statement: [Rule]
}
