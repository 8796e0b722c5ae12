import CloudModel
import QueryProtocol
import XML

/// The account as a whole, and the original's account actions.
enum Accounts {
    static func summary(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let summary = try await call.backend.identitySummary(as: call.caller)
        answer.open("SummaryMap")
        for (key, value) in summary.values.sorted(by: { $0.key < $1.key }) {
            answer.open("entry")
            answer.element("key", key)
            answer.element("value", value)
            answer.close()
        }
        answer.close()
    }

    static func createAlias(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setAlias(call.required("AccountAlias"), as: call.caller)
    }

    static func deleteAlias(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteAlias(call.required("AccountAlias"), as: call.caller)
    }

    static func listAliases(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let account = try await call.backend.account(id: call.caller.accountID)
        let aliases = account?.alias.map { [$0] } ?? []
        try call.page(aliases, position: { $0 }, &answer) { answer, page in answer.members("AccountAliases", page) }
    }

    // MARK: What no account has here

    private static func empty(_ name: String, paged: Bool, _ answer: inout XMLWriter) {
        answer.members(name, [])
        if paged { answer.element("IsTruncated", false) }
    }

    static func listServerCertificates(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        empty("ServerCertificateMetadataList", paged: true, &answer)
    }

    static func listSAMLProviders(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        empty("SAMLProviderList", paged: false, &answer)
    }

    static func listOpenIDProviders(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        empty("OpenIDConnectProviderList", paged: false, &answer)
    }

    // MARK: The original's

    private static func write(_ account: Account, _ answer: inout XMLWriter) {
        answer.element("AccountName", account.name)
        answer.element("AccountId", account.id)
        answer.element("CanonicalId", account.id)
        answer.element("CreateDate", account.createdAt.inSeconds)
        if let alias = account.alias { answer.element("AccountAlias", alias) }
        answer.element("Enabled", account.isDisabled != true)
        answer.element("IsAdministrator", account.isAdministrator)
    }

    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let account = try await call.backend.addAccount(name: call.required("AccountName"), as: call.caller)
        answer.open("Account")
        write(account, &answer)
        answer.close()
    }

    static func list(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let accounts = try await call.backend.accounts(as: call.caller)
        try call.page(accounts, position: { $0.id }, &answer) { answer, page in
            answer.members("Accounts", page) { write($1, &$0) }
        }
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteAccount(
            call.required("AccountName"), recursive: call.parameters.flag("Recursive") ?? false, as: call.caller)
    }

    static func putPolicy(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setAccountPolicy(
            call.required("PolicyName"), document: call.required("PolicyDocument"),
            of: call.required("AccountName"), as: call.caller)
    }

    static func deletePolicy(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setAccountPolicy(
            call.required("PolicyName"), document: nil, of: call.required("AccountName"), as: call.caller)
    }

    static func getPolicy(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let account = try await call.backend.findAccount(call.required("AccountName"), as: call.caller)
        let name = try call.required("PolicyName")
        guard let policy = account.policies?.first(where: { $0.name == name }) else {
            throw .notFound(.inlinePolicy, [name])
        }
        answer.element("AccountName", account.name)
        answer.element("PolicyName", policy.name)
        answer.element("PolicyDocument", DocumentEncoding.encode(policy.document))
    }

    static func listPolicies(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let account = try await call.backend.findAccount(call.required("AccountName"), as: call.caller)
        try call.page((account.policies ?? []).map(\.name), position: { $0 }, &answer) { answer, page in
            answer.members("PolicyNames", page)
        }
    }
}
