// What the cloud makes for users' credentials by itself, and what its administrators do with accounts besides making
// them. As in `IdentityBackend`, interfaces pass the gate before.

/// A user's new certificate. The key is nowhere else.
public struct IssuedCertificate: Sendable {
    /// The record that the cloud keeps.
    public var certificate: SigningCertificate
    /// RSA, 2048 bits, PEM (PKCS#1). Handed out once.
    public var privateKeyPEM: String
    /// Makes it.
    public init(certificate: SigningCertificate, privateKeyPEM: String) {
        self.certificate = certificate
        self.privateKeyPEM = privateKeyPEM
    }
}

/// What a rotation of the key of the store's secrets did.
public struct SecretsRotation: Sendable, Equatable {
    /// The id of the key that wraps everything now.
    public var keyID: String
    /// How many values were wrapped anew.
    public var rewrapped: Int
    /// It went on with one that was interrupted, and made no key of its own.
    public var isContinuation: Bool
    /// Makes it.
    public init(keyID: String, rewrapped: Int, isContinuation: Bool) {
        self.keyID = keyID
        self.rewrapped = rewrapped
        self.isContinuation = isContinuation
    }
}

/// Certificates by the cloud's authority for users, and the cloud's own secrets.
public protocol CredentialAdministration: Sendable {
    /// The certificate that bundle tools encrypt to, and behind it that of the authority for users' certificates, in
    /// PEM: the original's cloud-cert.pem.
    func cloudCertificate() async throws(CloudError) -> String
    /// Makes a key and a certificate for a user (nil: the caller's own), good for so many days (1 to 3650; nil: two
    /// years). The key is in the answer only.
    ///
    /// - Throws: `limitExceeded` beyond two of a user.
    func createSigningCertificate(user: String?, days: Int?, as caller: Caller) async throws(CloudError)
        -> IssuedCertificate
    /// Disables a certificate for good. It stays in the list until it is deleted.
    ///
    /// - Throws: `notFound`. One that is revoked already is fine.
    func revokeSigningCertificate(id: String, user: String?, as caller: Caller) async throws(CloudError)
    /// Changes an account: its name, or whether its credentials are good at all. For administrators of the cloud.
    ///
    /// - Throws: `duplicate` if the name is taken, `notPermitted` for disabling the account that administers the cloud.
    func updateAccount(_ name: String, newName: String?, isEnabled: Bool?, as caller: Caller) async throws(CloudError)
    /// Makes a new key for the secrets in the store and wraps them by it. For administrators of the cloud.
    ///
    /// - Throws: `unsupported` if the store is not wrapped, `unavailable` with cause and cure if the key file cannot be
    ///   used.
    func rotateSecretsKey(as caller: Caller) async throws(CloudError) -> SecretsRotation
}
