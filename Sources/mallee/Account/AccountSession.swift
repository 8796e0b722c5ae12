import ArgumentParser
import AsyncHTTPClient
import CloudClient
import Foundation
import NIOPosix
import XML

/// Which account a command is about, and with whose key it asks.
struct AccountOptions: ParsableArguments {
    @OptionGroup var cloud: CloudOptions

    @Argument(help: "The account: its name, alias or 12-digit id.")
    var account: String

    /// Runs a command's calls, for that account.
    func run(_ body: (AccountSession) async throws -> Void) async throws {
        try await AccountSession.with(cloud) { session in
            var session = session
            session.account = account
            try await body(session)
        }
    }
}

/// IAM with an administrator's key, on behalf of an account.
struct AccountSession: Sendable {
    let http: HTTPClient
    let credentials: Credentials
    let iam: QueryClient
    /// Name, alias or id; nil for the administrator's own.
    var account: String?

    static func with(_ cloud: CloudOptions, _ body: (AccountSession) async throws -> Void) async throws {
        let credentials = try cloud.load()
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
        do {
            try await body(
                AccountSession(
                    http: http, credentials: credentials, iam: try QueryClient.iam(http: http, credentials)))
            try await http.shutdown()
        } catch {
            try await http.shutdown()
            throw error
        }
    }

    private func delegated(_ parameters: [(name: String, value: String)]) -> [(name: String, value: String)] {
        parameters + (account.map { [(name: "DelegateAccount", value: $0)] } ?? [])
    }

    /// Calls an action for the account; gives the result element.
    @discardableResult
    func call(_ action: String, _ parameters: [(name: String, value: String)] = []) async throws -> XMLElement? {
        try await iam.call(action, delegated(parameters)).child(action + "Result")
    }

    /// A whole list of the account.
    func list(_ action: String, _ list: String, _ parameters: [(name: String, value: String)] = []) async throws
        -> [XMLElement]
    {
        try await iam.list(action, list, delegated(parameters))
    }

    /// The same for a user; the account's own without one.
    static func user(_ name: String?) -> [(name: String, value: String)] {
        name.map { [(name: "UserName", value: $0)] } ?? []
    }

    /// The account's record.
    func find() async throws -> AccountRow {
        let all = try await AccountRow.all(iam)
        guard let account, let found = all.first(where: { [$0.id, $0.name, $0.alias].contains(account) }) else {
            throw CommandFailure(
                "There is no account \(account ?? ""). `mallee account list` shows those that are there.")
        }
        return found
    }
}

/// One account in the list.
struct AccountRow: Encodable, Sendable {
    var id: String
    var name: String
    var alias: String?
    var isEnabled: Bool
    var isAdministrator: Bool
    var created: String

    static func all(_ iam: QueryClient) async throws -> [AccountRow] {
        try await iam.list("ListAccounts", "Accounts").map { element in
            AccountRow(
                id: element.value("AccountId"), name: element.value("AccountName"),
                alias: element.child("AccountAlias")?.text, isEnabled: element.child("Enabled")?.text != "false",
                isAdministrator: element.child("IsAdministrator")?.text == "true",
                created: element.value("CreateDate"))
        }
    }

}

extension XMLElement {
    /// The text of a child; empty if there is none.
    func value(_ name: String) -> String { child(name)?.text ?? "" }
}
