public import CloudModel

// What an account asks of its users' passwords.

extension CloudController {
    /// See `IdentityBackend`.
    public func passwordPolicy(as caller: Caller) async throws(CloudError) -> PasswordPolicy {
        guard let policy = view.accounts[caller.accountID]?.value.passwordPolicy else {
            throw .notFound(.passwordPolicy, [caller.accountID])
        }
        return policy
    }

    /// See `IdentityBackend`.
    public func setPasswordPolicy(_ policy: PasswordPolicy?, as caller: Caller) async throws(CloudError) {
        if let policy { try Self.check(policy) }
        try await changeAccount(caller.accountID) { (account) throws(CloudError) in
            guard policy != nil || account.passwordPolicy != nil else {
                throw .notFound(.passwordPolicy, [])
            }
            account.passwordPolicy = policy
        }
    }

    private static func check(_ policy: PasswordPolicy) throws(CloudError) {
        var faults: [String] = []
        func check(_ value: Int, _ name: String, _ range: ClosedRange<Int>) {
            guard !range.contains(value) else { return }
            let bound =
                value > range.upperBound
                ? "less than or equal to \(range.upperBound)" : "greater than or equal to \(range.lowerBound)"
            faults.append(
                "Value \"\(value)\" at \"\(name)\" failed to satisfy constraint: Member must have value \(bound)")
        }
        check(policy.minimumLength, "minimumPasswordLength", 6...128)
        check(policy.reusePrevention, "passwordReusePrevention", 0...24)
        check(policy.maximumAge, "maxPasswordAge", 0...1095)
        guard faults.isEmpty else {
            throw .invalidValue(
                parameter: "PasswordPolicy", value: "",
                reason: "\(faults.count) validation error\(faults.count == 1 ? "" : "s") detected: "
                    + faults.joined(separator: "; "))
        }
    }

    /// What holds for the passwords of an account's users.
    func ownPasswordPolicy(of account: String) -> PasswordPolicy? { view.accounts[account]?.value.passwordPolicy }
}

extension IdentityRules {
    /// Checks a new password's characters.
    static func checkPassword(_ password: String, _ policy: PasswordPolicy?) throws(CloudError) {
        func refusal(_ reason: String) -> CloudError {
            .invalidValue(parameter: "Password", value: "(not shown)", reason: reason)
        }
        // IAM's least without a policy of the account is 8.
        let least = policy?.minimumLength ?? 8
        guard (least...128).contains(password.unicodeScalars.count) else {
            throw refusal("Password should have a minimum length of \(least) and a maximum length of 128")
        }
        guard let policy else { return }
        func has(_ test: (UInt8) -> Bool) -> Bool { password.utf8.contains(where: test) }
        let kinds: [(isRequired: Bool, isThere: Bool, text: String)] = [
            (
                policy.requiresUppercase, has { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) },
                "uppercase letter"
            ),
            (
                policy.requiresLowercase, has { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) },
                "lowercase letter"
            ),
            (policy.requiresNumbers, has { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }, "number"),
            (policy.requiresSymbols, has { PasswordPolicy.symbols.utf8.contains($0) }, "symbol"),
        ]
        if let missing = kinds.first(where: { $0.isRequired && !$0.isThere }) {
            throw refusal("Password should have at least one \(missing.text)")
        }
    }
}
