import ArgumentParser
import CloudClient
import Foundation
import XML

/// Accounts of the cloud and what belongs to them.
struct AccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account", abstract: "Administer accounts, users, keys, certificates, policies and quotas.",
        discussion: """
            With the administrator's credentials. A secret is shown once, when it is made, and goes into the file of \
            `mallee account credentials`; no command can show it again.
            """,
        subcommands: [
            AccountCreateCommand.self, AccountListCommand.self, AccountShowCommand.self, AccountEnableCommand.self,
            AccountDisableCommand.self, AccountDeleteCommand.self, AccountCredentialsCommand.self,
            AccountKeyCommand.self, AccountCertificateCommand.self, AccountUserCommand.self,
            AccountPolicyCommand.self, AccountQuotaCommand.self,
        ])
}

struct AccountCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an account; prints its id. `mallee account credentials` is next.")

    @OptionGroup var cloud: CloudOptions
    @Argument(help: "Its name, unique in the cloud.") var name: String

    func run() async throws {
        try await AccountSession.with(cloud) { session in
            let answer = try await session.call("CreateAccount", [("AccountName", name)])
            print(answer?.child("Account")?.value("AccountId") ?? "")
        }
    }
}

struct AccountListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show the accounts.")

    @OptionGroup var cloud: CloudOptions
    @Flag(help: "For programs: a JSON array.") var json = false

    func run() async throws {
        try await AccountSession.with(cloud) { session in
            let rows = try await AccountRow.all(session.iam)
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(rows), as: UTF8.self))
                return
            }
            var table = TextTable("ID", "NAME", "ALIAS", "STATE", "CREATED")
            for row in rows {
                let state = (row.isEnabled ? "enabled" : "disabled") + (row.isAdministrator ? ", administrator" : "")
                table.add(row.id, row.name, row.alias ?? "", state, row.created)
            }
            print(table.text, terminator: "")
        }
    }
}

struct AccountShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show an account with its users, keys, certificates and policies; no secrets.")

    @OptionGroup var options: AccountOptions

    func run() async throws {
        try await options.run { session in
            let account = try await session.find()
            print("account      \(account.name) (\(account.id))\(account.alias.map { ", alias \($0)" } ?? "")")
            print(
                "state        \(account.isEnabled ? "enabled" : "disabled")"
                    + (account.isAdministrator ? ", administers the cloud" : ""))
            print("created      \(account.created)")
            let holdings = try await AccountHoldings.of(account, session, withBuckets: false)
            print("instances    \(holdings.instances.count)")
            print("images       \(holdings.images.count)")
            for name in try await session.iam.list(
                "ListAccountPolicies", "PolicyNames", [("AccountName", account.id)])
            { print("policy       \(name.text)") }
            let users = try await session.list("ListUsers", "Users").map { $0.value("UserName") }
            for user in [nil] + users.map(Optional.some) {
                let title = user.map { "user         \($0)" } ?? "account's own"
                print(title)
                for key in try await session.list("ListAccessKeys", "AccessKeyMetadata", AccountSession.user(user)) {
                    print(
                        "  key          \(key.value("AccessKeyId"))  \(key.value("Status"))  \(key.value("CreateDate"))"
                    )
                }
                for certificate in try await session.list(
                    "ListSigningCertificates", "Certificates", AccountSession.user(user))
                { print("  certificate  \(CertificateRow(certificate).line)") }
            }
        }
    }
}

struct AccountEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Let the keys, passwords and certificates of an account work again.")
    @OptionGroup var options: AccountOptions
    func run() async throws { try await AccountDisableCommand.set(options, true) }
}

struct AccountDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "Refuse all keys, passwords and certificates of an account.",
        discussion: "What it has stays and runs on; `mallee account enable` undoes it.")
    @OptionGroup var options: AccountOptions
    func run() async throws { try await Self.set(options, false) }

    static func set(_ options: AccountOptions, _ isEnabled: Bool) async throws {
        try await options.run { session in
            try await session.iam.call(
                "UpdateAccount", [("AccountName", options.account), ("Enabled", isEnabled ? "true" : "false")])
            print("\(options.account): \(isEnabled ? "enabled" : "disabled")")
        }
    }
}
