import CloudModel
import Crypto
import CryptoExtras
import Foundation
import SwiftASN1
import X509

// The cloud's authority for users' certificates. It is not the one of the components (ServiceHost's CloudAuthority): a
// user's certificate must never open a component's port.

/// The authority as it is kept: two keys, so that what decrypts bundles can sign nothing.
struct SigningAuthorityRecord: Sendable, Codable {
    /// The authority's own certificate, PEM.
    var certificate: String
    /// Its key, PEM (PKCS#1).
    var key: String
    /// The cloud's certificate, which bundle tools encrypt to, PEM.
    var cloudCertificate: String
    /// The key to it, PEM (PKCS#1).
    var cloudKey: String
    var createdAt: Timestamp
}

/// Makes and signs certificates. RSA with 2048 bits and SHA-256, which every tool of the original's time verifies.
struct SigningAuthority: Sendable {
    let record: SigningAuthorityRecord
    let certificate: Certificate
    private let key: Certificate.PrivateKey

    /// Users' tools sign for years without being looked at; see `longestDays`.
    static let defaultDays = 730
    /// What CreateSigningCertificate takes at most.
    static let longestDays = 3650
    private static let lifetime: TimeInterval = 20 * 365 * 86400
    /// Clocks of clients are wrong.
    private static let clockSkew: TimeInterval = 86400

    /// Reads what was kept.
    init(_ record: SigningAuthorityRecord) throws(CloudError) {
        self.record = record
        do {
            certificate = try Certificate(pemEncoded: record.certificate)
            key = .init(try _RSA.Signing.PrivateKey(pemRepresentation: record.key))
        } catch {
            throw .internalError(
                message:
                    "The cloud's authority for users' certificates cannot be read. Restore the store from a backup.",
                detail: "\(Key.signingAuthority): \(error)")
        }
    }

    /// A new authority. Takes about a second of a processor.
    static func make(now: Timestamp) async throws(CloudError) -> SigningAuthorityRecord {
        do {
            let moment = Date(timeIntervalSince1970: TimeInterval(now.milliseconds) / 1000)
            let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            // The number tells the authorities of two clouds apart.
            let number = String(UInt64.random(in: .min ... .max), radix: 16)
            let name = try DistinguishedName {
                OrganizationName("Mallee")
                CommonName("users' authority \(number)")
            }
            let issuer = Certificate.PrivateKey(key)
            let own = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: issuer.publicKey,
                notValidBefore: moment - clockSkew, notValidAfter: moment + lifetime, issuer: name, subject: name,
                signatureAlgorithm: .sha256WithRSAEncryption,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(keyIdentifier: identifier(of: issuer.publicKey))
                }, issuerPrivateKey: issuer)
            let cloudKey = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            let cloud = try issue(
                try DistinguishedName {
                    OrganizationName("Mallee")
                    CommonName("cloud \(number)")
                }, Certificate.PrivateKey(cloudKey).publicKey, by: own, issuer, from: moment - clockSkew,
                until: moment + lifetime)
            return SigningAuthorityRecord(
                certificate: try own.serializeAsPEM().pemString + "\n", key: key.pemRepresentation + "\n",
                cloudCertificate: try cloud.serializeAsPEM().pemString + "\n",
                cloudKey: cloudKey.pemRepresentation + "\n", createdAt: now)
        } catch {
            throw .internalError(
                message: "The cloud's authority for users' certificates could not be made.", detail: "\(error)")
        }
    }

    /// A key and a certificate for a user. The key exists in memory only.
    func issue(user: String, account: String, days: Int, now: Timestamp) async throws(CloudError) -> (
        certificate: String, der: [UInt8], key: String, notAfter: Timestamp
    ) {
        do {
            let moment = Date(timeIntervalSince1970: TimeInterval(now.milliseconds) / 1000)
            let userKey = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            let end = min(moment + TimeInterval(days) * 86400, certificate.notValidAfter)
            let issued = try Self.issue(
                try DistinguishedName {
                    OrganizationName("Mallee")
                    OrganizationalUnitName(account)
                    // X.520's limit.
                    CommonName(String(user.prefix(64)))
                }, Certificate.PrivateKey(userKey).publicKey, by: certificate, key, from: moment - Self.clockSkew,
                until: end)
            var serializer = DER.Serializer()
            try serializer.serialize(issued)
            return (
                try issued.serializeAsPEM().pemString + "\n", serializer.serializedBytes,
                userKey.pemRepresentation + "\n",
                Timestamp(milliseconds: Int64(issued.notValidAfter.timeIntervalSince1970) * 1000)
            )
        } catch {
            throw .internalError(message: "The certificate could not be made.", detail: "\(error)")
        }
    }

    /// Whether this authority issued it.
    func issued(_ other: Certificate) -> Bool {
        other.issuer == certificate.subject && certificate.publicKey.isValidSignature(other.signature, for: other)
    }

    /// The cloud's certificate and behind it the authority's: the first encrypts, both together verify users'.
    var chain: String { record.cloudCertificate + record.certificate }

    private static func issue(
        _ subject: DistinguishedName, _ publicKey: Certificate.PublicKey, by authority: Certificate,
        _ key: Certificate.PrivateKey, from: Date, until: Date
    ) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey, notValidBefore: from,
            notValidAfter: until, issuer: authority.subject, subject: subject,
            signatureAlgorithm: .sha256WithRSAEncryption,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: true, dataEncipherment: true))
                SubjectKeyIdentifier(keyIdentifier: identifier(of: publicKey))
                AuthorityKeyIdentifier(keyIdentifier: identifier(of: authority.publicKey))
            }, issuerPrivateKey: key)
    }

    /// RFC 5280, 4.2.1.2, method 1.
    private static func identifier(of key: Certificate.PublicKey) -> ArraySlice<UInt8> {
        ArraySlice(Insecure.SHA1.hash(data: key.subjectPublicKeyInfoBytes))
    }
}
