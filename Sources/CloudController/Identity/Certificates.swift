public import CloudModel
import Crypto
import Foundation
import Store
import SwiftASN1
import X509

// Users' signing certificates.

extension CloudController {
    /// See `AuthenticationBackend`.
    public func signingCertificate(fingerprint: [UInt8])
        async throws(CloudError) -> (SigningCertificate, Principal)?
    {
        guard let certificate = view.identities.certificates[fingerprint]?.value, certificate.isActive,
            certificate.revokedAt == nil, let account = view.accounts[certificate.accountID]?.value,
            account.isDisabled != true
        else { return nil }
        if certificate.userName == Account.rootUserName { return (certificate, Principal(account)) }
        guard let user = view.identities.users.named(certificate.userName, of: account.id)?.value else { return nil }
        return (certificate, Principal(user, of: account))
    }

    /// See `IdentityBackend`.
    public func uploadSigningCertificate(_ pem: String, user: String?, as caller: Caller)
        async throws(CloudError) -> SigningCertificate
    {
        guard pem.utf8.count <= 16_384 else {
            throw .invalidValue(
                parameter: "CertificateBody", value: "", reason: "The certificate is larger than 16384 bytes.")
        }
        let (text, der, notAfter) = try read(pem)
        return try await addSigningCertificate(
            pem: text, fingerprint: Array(SHA256.hash(data: der)), notAfter: notAfter, user: user, as: caller)
    }

    /// Records a certificate whose form was checked.
    func addSigningCertificate(
        pem: String, fingerprint: [UInt8], notAfter: Timestamp, user: String?, as caller: Caller
    ) async throws(CloudError) -> SigningCertificate {
        let now = configuration.now()
        let id = Credentials.certificateID()
        return try await mutate { (view) throws(CloudError) in
            let owner = try self.owner(user, caller, view)
            let certificate = SigningCertificate(
                id: id, accountID: caller.accountID, userName: owner.name, pem: pem, isActive: true, createdAt: now,
                notAfter: notAfter, fingerprint: fingerprint)
            guard view.identities.certificates[fingerprint] == nil else {
                throw .duplicate(.signingCertificate, owner.name)
            }
            let count = Self.certificates(of: owner.name, account: caller.accountID, view).count {
                $0.value.revokedAt == nil
            }
            let most = IdentityRules.certificatesPerUser
            guard count < most else {
                throw .limitExceeded(.signingCertificate, limit: most, inUse: count, requested: 1)
            }
            var mutation = Mutation()
            mutation.conditions.append(.exists(owner.user?.record.key ?? Key.account(caller.accountID)))
            mutation.create(.certificate(certificate))
            return (mutation, certificate)
        }
    }

    private func read(_ text: String) throws(CloudError) -> (pem: String, der: [UInt8], notAfter: Timestamp) {
        let malformed = CloudError.invalidValue(
            parameter: "CertificateBody", value: "",
            reason: "The certificate cannot be read; send one X.509 certificate in PEM.")
        let begin = "-----BEGIN CERTIFICATE-----"
        let end = "-----END CERTIFICATE-----"
        guard let first = text.range(of: begin), let last = text.range(of: end),
            first.upperBound <= last.lowerBound
        else { throw malformed }
        let body = String(text[first.upperBound..<last.lowerBound].filter { !$0.isWhitespace })
        guard let der = Data(base64Encoded: body), let certificate = try? Certificate(derEncoded: Array(der)) else {
            // What is wrong with it in detail helps nobody who has the file.
            throw malformed
        }
        try checkForeign(certificate)
        let notAfter = Timestamp(milliseconds: Int64(certificate.notValidAfter.timeIntervalSince1970 * 1000))
        var lines = [begin]
        var rest = Substring(body)
        while !rest.isEmpty {
            lines.append(String(rest.prefix(64)))
            rest = rest.dropFirst(64)
        }
        return ((lines + [end]).joined(separator: "\n") + "\n", Array(der), notAfter)
    }

    private static func certificates(of name: String, account: String, _ view: CloudView)
        -> [Stored<SigningCertificate>]
    {
        view.identities.certificates.records(of: account).filter { $0.value.userName == name }
            .sorted { ($0.value.createdAt, $0.value.id) < ($1.value.createdAt, $1.value.id) }
    }

    /// See `IdentityBackend`.
    public func signingCertificates(user: String?, as caller: Caller) async throws(CloudError) -> [SigningCertificate] {
        let owner = try owner(user, caller, view)
        return Self.certificates(of: owner.name, account: caller.accountID, view).map(\.value)
    }

    func certificate(_ id: String, user: String?, _ caller: Caller, _ view: CloudView)
        throws(CloudError) -> Stored<SigningCertificate>
    {
        let owner = try owner(user, caller, view)
        let own = Self.certificates(of: owner.name, account: caller.accountID, view)
        guard let found = own.first(where: { $0.value.id == id }) else { throw .notFound(.signingCertificate, [id]) }
        return found
    }

    /// See `IdentityBackend`.
    public func updateSigningCertificate(id: String, user: String?, isActive: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.certificate(id, user: user, caller, view)
            guard stored.value.revokedAt == nil || !isActive else {
                throw .incorrectState(.signingCertificate, id, state: "revoked", operation: "UpdateSigningCertificate")
            }
            var certificate = stored.value
            certificate.isActive = isActive
            var mutation = Mutation()
            if certificate != stored.value { mutation.update(.certificate(certificate), revision: stored.revision) }
            return (mutation, ())
        }
    }

    /// See `IdentityBackend`.
    public func deleteSigningCertificate(id: String, user: String?, as caller: Caller) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.certificate(id, user: user, caller, view)
            var mutation = Mutation()
            mutation.delete(.certificate(stored.value), revision: stored.revision)
            return (mutation, ())
        }
    }
}
