import CloudModel
import QueryProtocol
import XML

/// What the account asks of its users' passwords.
enum PasswordPolicies {
    static func update(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        // What is left out goes back to its default ("This operation does not support partial updates").
        var policy = PasswordPolicy()
        policy.minimumLength = try parameters.integer("MinimumPasswordLength") ?? policy.minimumLength
        policy.requiresSymbols = try parameters.flag("RequireSymbols") ?? false
        policy.requiresNumbers = try parameters.flag("RequireNumbers") ?? false
        policy.requiresUppercase = try parameters.flag("RequireUppercaseCharacters") ?? false
        policy.requiresLowercase = try parameters.flag("RequireLowercaseCharacters") ?? false
        policy.allowsChange = try parameters.flag("AllowUsersToChangePassword") ?? false
        policy.maximumAge = try parameters.integer("MaxPasswordAge") ?? 0
        policy.reusePrevention = try parameters.integer("PasswordReusePrevention") ?? 0
        policy.isHardExpiry = try parameters.flag("HardExpiry") ?? false
        try await call.backend.setPasswordPolicy(policy, as: call.caller)
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let policy = try await call.backend.passwordPolicy(as: call.caller)
        answer.open("PasswordPolicy")
        answer.element("MinimumPasswordLength", policy.minimumLength)
        answer.element("RequireSymbols", policy.requiresSymbols)
        answer.element("RequireNumbers", policy.requiresNumbers)
        answer.element("RequireUppercaseCharacters", policy.requiresUppercase)
        answer.element("RequireLowercaseCharacters", policy.requiresLowercase)
        answer.element("AllowUsersToChangePassword", policy.allowsChange)
        answer.element("ExpirePasswords", policy.maximumAge > 0)
        answer.element("MaxPasswordAge", policy.maximumAge)
        if policy.reusePrevention > 0 { answer.element("PasswordReusePrevention", policy.reusePrevention) }
        answer.element("HardExpiry", policy.isHardExpiry)
        answer.close()
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setPasswordPolicy(nil, as: call.caller)
    }
}
