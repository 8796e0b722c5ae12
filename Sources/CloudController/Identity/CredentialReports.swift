public import CloudModel

// The credential report ("Get credential reports for your AWS account" in the IAM User Guide).

extension CloudController {
    /// How long a report is good, in seconds.
    private static let reportLife: Int64 = 4 * 3600

    /// See `IdentityBackend`.
    public func generateCredentialReport(as caller: Caller) async throws(CloudError) -> CredentialReportState {
        let now = configuration.now()
        if let report = credentialReports[caller.accountID],
            report.generatedAt.adding(seconds: Self.reportLife) > now
        {
            return .complete
        }
        credentialReports = credentialReports.filter {
            $0.value.generatedAt.adding(seconds: Self.reportLife) > now
        }
        credentialReports[caller.accountID] = CredentialReport(
            content: credentialTable(of: caller.accountID), generatedAt: now)
        return .started
    }

    /// See `IdentityBackend`.
    public func credentialReport(as caller: Caller) async throws(CloudError) -> CredentialReport {
        guard let report = credentialReports[caller.accountID] else {
            throw .notFound(.credentialReport, [caller.accountID])
        }
        guard report.generatedAt.adding(seconds: Self.reportLife) > configuration.now() else {
            throw .incorrectState(
                .credentialReport, caller.accountID, state: "expired", operation: "GetCredentialReport")
        }
        return report
    }

    private static let columns = [
        "user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
        "password_next_rotation", "mfa_active", "access_key_1_active", "access_key_1_last_rotated",
        "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
        "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
        "access_key_2_last_used_region", "access_key_2_last_used_service", "cert_1_active", "cert_1_last_rotated",
        "cert_2_active", "cert_2_last_rotated",
    ]

    private func credentialTable(of account: String) -> String {
        var root = rootUser(of: account)
        root.loginProfile = view.accounts[account]?.value.loginProfile
        let rows = [row(root, isRoot: true)] + view.identities.users.sorted(of: account).map { row($0, isRoot: false) }
        // Of all values only names may have commas, and none has a quotation mark.
        return ([Self.columns] + rows).map { $0.map(Self.quoted).joined(separator: ",") }.joined(separator: "\n")
    }

    private static func quoted(_ value: String) -> String {
        value.utf8.contains(UInt8(ascii: ",")) ? "\"\(value)\"" : value
    }

    private func row(_ user: User, isRoot: Bool) -> [String] {
        let account = user.accountID
        let uses = uses(of: account)
        func time(_ time: Timestamp) -> String { String(time.iso8601.prefix(19)) + "+00:00" }
        func flag(_ value: Bool) -> String { value ? "true" : "false" }
        var row = [
            isRoot ? "<root_account>" : user.name, isRoot ? "arn:aws:iam::\(account):root" : user.arn,
            time(user.createdAt), isRoot ? "not_supported" : flag(user.loginProfile != nil),
        ]
        if let profile = user.loginProfile {
            row.append(uses.passwords[user.id].map { time($0.time) } ?? "no_information")
            row.append(isRoot ? "not_supported" : time(profile.passwordSince))
            let end = ownPasswordPolicy(of: account)?.end(ofPasswordFrom: profile.passwordSince)
            row.append(isRoot ? "not_supported" : end.map(time) ?? "N/A")
        } else {
            row += isRoot ? ["no_information", "not_supported", "not_supported"] : ["N/A", "N/A", "N/A"]
        }
        row.append(flag(view.identities.mfaDevices.records(of: account).contains { $0.value.ownerID == user.id }))
        let owner = (name: user.name, user: isRoot ? nil : user)
        let keys = Self.keys(of: owner, account: account, view).map(\.value)
        for index in 0..<IdentityRules.keysPerUser {
            guard index < keys.count else {
                row += ["false", "N/A", "N/A", "N/A", "N/A"]
                continue
            }
            let use = uses.keys[keys[index].id]
            row += [
                flag(keys[index].isActive), time(keys[index].createdAt), use.map { time($0.time) } ?? "N/A",
                use == nil ? "N/A" : configuration.region, use?.service ?? "N/A",
            ]
        }
        let certificates = view.identities.certificates.records(of: account).map(\.value)
            .filter { $0.userName == user.name }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
        for index in 0..<IdentityRules.certificatesPerUser {
            guard index < certificates.count else {
                row += ["false", "N/A"]
                continue
            }
            row += [flag(certificates[index].isActive), time(certificates[index].createdAt)]
        }
        return row
    }
}
