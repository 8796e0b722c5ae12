import CloudModel
import QueryProtocol
import XML

enum AccessKeys {
    /// `Status` as IAM spells it.
    static func isActive(_ call: IAMCall) throws(CloudError) -> Bool {
        switch try call.required("Status") {
        case "Active": return true
        case "Inactive": return false
        case let other:
            throw .invalidValue(
                parameter: "status", value: Parameters.shortened(other),
                reason:
                    "1 validation error detected: Value '\(Parameters.shortened(other))' at 'status' failed to satisfy "
                    + "constraint: Member must satisfy enum value set: [Active, Inactive]")
        }
    }

    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let key = try await call.backend.createAccessKey(user: call.text("UserName"), as: call.caller)
        answer.open("AccessKey")
        answer.element("UserName", key.userName)
        answer.element("AccessKeyId", key.id)
        answer.element("Status", "Active")
        answer.element("SecretAccessKey", key.secret)
        answer.element("CreateDate", key.createdAt.inSeconds)
        answer.close()
    }

    static func list(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let (_, keys) = try await call.backend.accessKeys(user: call.text("UserName"), as: call.caller)
        try call.page(keys, position: { $0.id }, &answer) { answer, page in
            answer.members("AccessKeyMetadata", page) { writer, key in
                writer.element("UserName", key.userName)
                writer.element("AccessKeyId", key.id)
                writer.element("Status", key.isActive ? "Active" : "Inactive")
                writer.element("CreateDate", key.createdAt.inSeconds)
            }
        }
    }

    static func update(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.updateAccessKey(
            id: call.required("AccessKeyId"), user: call.text("UserName"), isActive: isActive(call), as: call.caller)
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteAccessKey(
            id: call.required("AccessKeyId"), user: call.text("UserName"), as: call.caller)
    }

    static func lastUsed(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let (user, use) = try await call.backend.accessKeyLastUsed(
            id: call.required("AccessKeyId"), as: call.caller)
        answer.element("UserName", user)
        answer.open("AccessKeyLastUsed")
        if let use { answer.element("LastUsedDate", use.time.inSeconds) }
        answer.element("ServiceName", use?.service ?? "N/A")
        answer.element("Region", use == nil ? "N/A" : call.region)
        answer.close()
    }
}

enum LoginProfiles {
    private static func write(_ user: String, _ profile: LoginProfile, _ answer: inout XMLWriter) {
        answer.open("LoginProfile")
        answer.element("UserName", user)
        answer.element("CreateDate", profile.createdAt.inSeconds)
        answer.element("PasswordResetRequired", profile.mustReset)
        answer.close()
    }

    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let user = try call.required("UserName")
        let profile = try await call.backend.createLoginProfile(
            user: user, password: call.required("Password"),
            mustReset: call.parameters.flag("PasswordResetRequired") ?? false, as: call.caller)
        write(user, profile, &answer)
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let (user, profile) = try await call.backend.loginProfile(user: call.text("UserName"), as: call.caller)
        write(user, profile, &answer)
    }

    static func update(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.updateLoginProfile(
            user: call.required("UserName"), password: call.text("Password"),
            mustReset: call.parameters.flag("PasswordResetRequired"), as: call.caller)
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteLoginProfile(user: call.required("UserName"), as: call.caller)
    }

    static func change(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.changePassword(
            from: call.required("OldPassword"), to: call.required("NewPassword"), as: call.caller)
    }
}

enum Certificates {
    static func write(_ certificate: SigningCertificate, _ answer: inout XMLWriter) {
        answer.element("UserName", certificate.userName)
        answer.element("CertificateId", certificate.id)
        answer.element("CertificateBody", certificate.pem)
        answer.element("Status", certificate.isActive ? "Active" : "Inactive")
        answer.element("UploadDate", certificate.createdAt.inSeconds)
        // Beyond IAM's own; its clients ignore what they do not know.
        answer.element("NotAfter", certificate.notAfter.inSeconds)
        if let revoked = certificate.revokedAt { answer.element("RevocationDate", revoked.inSeconds) }
    }

    static func upload(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let certificate = try await call.backend.uploadSigningCertificate(
            call.required("CertificateBody"), user: call.text("UserName"), as: call.caller)
        answer.open("Certificate")
        write(certificate, &answer)
        answer.close()
    }

    static func list(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let certificates = try await call.backend.signingCertificates(user: call.text("UserName"), as: call.caller)
        try call.page(certificates, position: { $0.id }, &answer) { answer, page in
            answer.members("Certificates", page) { write($1, &$0) }
        }
    }

    static func update(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.updateSigningCertificate(
            id: call.required("CertificateId"), user: call.text("UserName"), isActive: AccessKeys.isActive(call),
            as: call.caller)
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteSigningCertificate(
            id: call.required("CertificateId"), user: call.text("UserName"), as: call.caller)
    }
}
