import CloudModel
import QueryProtocol
import XML

/// Certificates by the cloud's authority, and what administrators of the cloud do besides accounts. Extensions: AWS has
/// none of them; CreateSigningCertificate and UpdateAccount are the original's.
enum CloudAdministration {
    static func createCertificate(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let made = try await call.backend.createSigningCertificate(
            user: call.text("UserName"), days: call.parameters.integer("Days"), as: call.caller)
        answer.open("Certificate")
        Certificates.write(made.certificate, &answer)
        answer.element("PrivateKey", made.privateKeyPEM)
        answer.close()
    }

    static func revokeCertificate(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.revokeSigningCertificate(
            id: call.required("CertificateId"), user: call.text("UserName"), as: call.caller)
    }

    static func cloudCertificate(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        answer.element("CertificateBody", try await call.backend.cloudCertificate())
    }

    static func updateAccount(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.updateAccount(
            call.required("AccountName"), newName: call.text("NewAccountName"),
            isEnabled: call.parameters.flag("Enabled"), as: call.caller)
    }

    static func rotateKey(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let rotation = try await call.backend.rotateSecretsKey(as: call.caller)
        answer.element("KeyId", rotation.keyID)
        answer.element("Rewrapped", rotation.rewrapped)
        answer.element("Continued", rotation.isContinuation)
    }
}
