public import CloudModel
import Crypto
import Foundation
import Logging
import X509

// Certificates that the cloud's own authority makes for users, and their revocation. Uploaded ones are in
// Certificates.swift.

extension CloudController {
    /// The authority; made when it is first needed.
    func signingAuthority() async throws(CloudError) -> SigningAuthority {
        if let record = view.signingAuthority { return try SigningAuthority(record) }
        let made = try await SigningAuthority.make(now: configuration.now())
        let record = try await mutate { view in
            // Another request was quicker.
            if let known = view.signingAuthority { return (Mutation(), known) }
            var mutation = Mutation()
            mutation.create(.signingAuthority(made))
            return (mutation, made)
        }
        return try SigningAuthority(record)
    }

    /// See `CredentialAdministration`.
    public func cloudCertificate() async throws(CloudError) -> String { try await signingAuthority().chain }

    /// See `CredentialAdministration`.
    public func createSigningCertificate(user: String?, days: Int?, as caller: Caller)
        async throws(CloudError) -> IssuedCertificate
    {
        let days = days ?? SigningAuthority.defaultDays
        guard (1...SigningAuthority.longestDays).contains(days) else {
            throw .invalidValue(
                parameter: "Days", value: String(days),
                reason: "A certificate is good for 1 to \(SigningAuthority.longestDays) days.")
        }
        let authority = try await signingAuthority()
        let owner = try owner(user, caller, view).name
        let made = try await authority.issue(
            user: owner, account: caller.accountID, days: days, now: configuration.now())
        let certificate = try await addSigningCertificate(
            pem: made.certificate, fingerprint: Array(SHA256.hash(data: made.der)), notAfter: made.notAfter, user: user,
            as: caller)
        return IssuedCertificate(certificate: certificate, privateKeyPEM: made.key)
    }

    /// The cloud's private RSA key in PEM, to whose certificate users encrypt what they bundle. It is a secret.
    public func bundleKey() async throws(CloudError) -> String { try await signingAuthority().record.cloudKey }

    /// The certificate of `bundleKey`, in PEM.
    public func bundleCertificate() async throws(CloudError) -> String {
        try await signingAuthority().record.cloudCertificate
    }

    /// What the cloud signs the bundles with that it makes of instances: the key that decrypts bundles signs nothing.
    public func bundleSigner() async throws(CloudError) -> (certificate: String, key: String) {
        let record = try await signingAuthority().record
        return (record.certificate, record.key)
    }

    /// See `CredentialAdministration`.
    public func revokeSigningCertificate(id: String, user: String?, as caller: Caller) async throws(CloudError) {
        let now = configuration.now()
        try await mutate { (view) throws(CloudError) in
            let stored = try self.certificate(id, user: user, caller, view)
            var mutation = Mutation()
            if stored.value.revokedAt == nil {
                var certificate = stored.value
                certificate.isActive = false
                certificate.revokedAt = now
                mutation.update(.certificate(certificate), revision: stored.revision)
            }
            return (mutation, ())
        }
    }

    /// One of this cloud's own comes only from `createSigningCertificate`: were it to come back by an upload after it
    /// was revoked and deleted, revoking would mean nothing.
    func checkForeign(_ certificate: Certificate) throws(CloudError) {
        guard let record = view.signingAuthority, try SigningAuthority(record).issued(certificate) else { return }
        throw .invalidValue(
            parameter: "CertificateBody", value: "",
            reason: "This certificate was made by this cloud and was deleted; make a new one with "
                + "CreateSigningCertificate.")
    }

    // MARK: Administration

    /// See `CredentialAdministration`.
    public func updateAccount(_ name: String, newName: String?, isEnabled: Bool?, as caller: Caller)
        async throws(CloudError)
    {
        try requireAdministrator(caller, "UpdateAccount")
        let id = try await findAccount(name, as: caller).id
        if let newName, newName.isEmpty || newName.utf8.count > 255 {
            throw .invalidValue(
                parameter: "NewAccountName", value: newName, reason: "An account's name has 1 to 255 bytes.")
        }
        try await mutate { (view) throws(CloudError) in
            guard let stored = view.accounts[id] else { throw .notFound(.account, [name]) }
            var account = stored.value
            if let newName {
                let isTaken = view.accounts.values.contains {
                    $0.value.id != id && ($0.value.name == newName || $0.value.alias == newName)
                }
                guard !isTaken else { throw .duplicate(.account, newName) }
                account.name = newName
            }
            if let isEnabled {
                guard isEnabled || !account.isAdministrator else {
                    throw .notPermitted(
                        "The account \(account.name) administers the cloud; disabled, nobody could enable it again.")
                }
                account.isDisabled = isEnabled ? nil : true
            }
            var mutation = Mutation()
            if account != stored.value { mutation.update(.account(account), revision: stored.revision) }
            return (mutation, ())
        }
    }

    /// See `CredentialAdministration`.
    public func rotateSecretsKey(as caller: Caller) async throws(CloudError) -> SecretsRotation {
        try requireAdministrator(caller, "RotateSecretsKey")
        guard let rotate = configuration.rotateSecrets else {
            throw .unsupported("The secrets in this cloud's store are not wrapped by a key.")
        }
        let rotation = try await rotate()
        logger.notice(
            "The key of the secrets in the store was rotated",
            metadata: ["id": "\(rotation.keyID)", "rewrapped": "\(rotation.rewrapped)"])
        return rotation
    }
}
