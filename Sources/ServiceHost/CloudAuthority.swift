import Crypto
public import Foundation
import SwiftASN1
public import X509

/// The cloud's own certificate authority, which says who is a component of this cloud.
///
/// Two files in a directory of its own: `ca.key` (0600) and `ca.crt`. Whoever has the key can become any component:
/// it lives on the cloud controller's host only. Keys are P-256, signatures ECDSA with SHA-256.
public struct CloudAuthority: Sendable {
    /// The authority's certificate: what peers trust.
    public let certificate: Certificate
    /// The same in PEM.
    public let certificatePEM: String
    private let key: P256.Signing.PrivateKey

    /// Far enough not to end a cluster's life; renewing a component does not need a new authority.
    private static let lifetime: TimeInterval = 20 * 365 * 86400
    /// Components: their hosts are often not updated for years, and every start renews what is about to end.
    private static let componentLifetime: TimeInterval = 10 * 365 * 86400
    private static let renewal: TimeInterval = 60 * 86400
    /// Hosts of a cluster that boots have clocks that are wrong by hours.
    private static let clockSkew: TimeInterval = 86400

    /// Loads the authority from `directory`, or makes it the first time.
    public static func open(directory: String, now: Date = Date()) throws -> CloudAuthority {
        let keyPath = directory + "/ca.key"
        let certificatePath = directory + "/ca.crt"
        try PrivateFile.makeDirectory(directory)
        let keyPEM = try PrivateFile.read(keyPath)
        let certificatePEM = try PrivateFile.read(certificatePath)
        switch (keyPEM, certificatePEM) {
        case (let keyPEM?, let certificatePEM?):
            return try CloudAuthority(keyPEM: keyPEM, certificatePEM: certificatePEM, directory: directory)
        case (nil, .some):
            throw ServiceHostError.certificate(
                "The key of the cloud's authority, \(keyPath), is missing, but its certificate is there. "
                    + "Restore the key from a backup. Without it new components cannot join.")
        case (let keyPEM, nil):
            // The key is written first: a key alone is a first start that was interrupted.
            let key: P256.Signing.PrivateKey
            if let keyPEM {
                key = try parseKey(keyPEM, path: keyPath)
            } else {
                key = P256.Signing.PrivateKey()
                try PrivateFile.write(key.pemRepresentation + "\n", to: keyPath)
            }
            let certificate = try selfSigned(key, now: now)
            let pem = try certificate.serializeAsPEM().pemString + "\n"
            try PrivateFile.write(pem, to: certificatePath, mode: 0o644)
            return CloudAuthority(certificate: certificate, certificatePEM: pem, key: key)
        }
    }

    /// Loads an authority that must be there already.
    public static func load(directory: String) throws -> CloudAuthority {
        guard let keyPEM = try PrivateFile.read(directory + "/ca.key"),
            let certificatePEM = try PrivateFile.read(directory + "/ca.crt")
        else {
            throw ServiceHostError.certificate(
                "The cloud's authority is not in \(directory) (ca.key, ca.crt). Run `mallee init`, or say where it is.")
        }
        return try CloudAuthority(keyPEM: keyPEM, certificatePEM: certificatePEM, directory: directory)
    }

    /// How nodes know this authority: see `ComponentIdentity.fingerprint(of:)`.
    public func fingerprint() throws -> String { try ComponentIdentity.fingerprint(of: certificate) }

    /// A new identity for a component: fresh key, certificate signed by this authority.
    ///
    /// - Parameter hosts: host names and IP addresses at which it will be reached (subject alternative names).
    public func issue(_ name: ComponentName, hosts: [String], now: Date = Date()) throws -> ComponentIdentity {
        let componentKey = P256.Signing.PrivateKey()
        let issued = try certify(
            name, .init(componentKey.publicKey), hosts: hosts, from: now - Self.clockSkew, now: now)
        return ComponentIdentity(
            name: name, certificate: issued, certificatePEM: try issued.serializeAsPEM().pemString + "\n",
            keyPEM: componentKey.pemRepresentation + "\n", authority: certificate, authorityPEM: certificatePEM)
    }

    /// A certificate for a key that the component keeps to itself.
    ///
    /// It is valid since the authority is: whatever the component's own clock says in its first hour, and whichever of
    /// the front end's hosts is behind, only the cluster controller decides whether it counts.
    ///
    /// - Parameters:
    ///   - publicKey: P-256, as DER of a SubjectPublicKeyInfo.
    ///   - zone: the only availability zone in which the certificate counts; nil for any.
    /// - Returns: the certificate in PEM and its serial number in hexadecimal.
    public func sign(
        _ name: ComponentName, publicKey: [UInt8], hosts: [String], zone: String? = nil, now: Date = Date()
    ) throws -> (certificate: String, serial: String) {
        let key: P256.Signing.PublicKey
        do {
            key = try P256.Signing.PublicKey(derRepresentation: publicKey)
        } catch {
            throw ServiceHostError.certificate("The public key is not P-256 as DER of a SubjectPublicKeyInfo.")
        }
        let issued = try certify(
            name, .init(key), hosts: hosts, zone: zone, from: min(certificate.notValidBefore, now - Self.clockSkew),
            now: now)
        return (try issued.serializeAsPEM().pemString + "\n", issued.serialNumber.hexadecimal)
    }

    private func certify(
        _ name: ComponentName, _ key: Certificate.PublicKey, hosts: [String], zone: String? = nil, from: Date, now: Date
    ) throws -> Certificate {
        let extensions = try Certificate.Extensions {
            Critical(BasicConstraints.notCertificateAuthority)
            Critical(KeyUsage(digitalSignature: true))
            try ExtendedKeyUsage([.serverAuth, .clientAuth])
            if !hosts.isEmpty { SubjectAlternativeNames(hosts.map(Self.alternativeName)) }
            AuthorityKeyIdentifier(keyIdentifier: try certificate.extensions.subjectKeyIdentifier?.keyIdentifier)
        }
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key, notValidBefore: from,
            notValidAfter: min(now + Self.componentLifetime, certificate.notValidAfter),
            issuer: certificate.subject,
            subject: try DistinguishedName {
                OrganizationName("Mallee")
                if let zone { OrganizationalUnitName(zone) }
                CommonName(name.description)
            },
            signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions, issuerPrivateKey: .init(self.key))
    }

    /// The identity that is kept in `directory`; a new one is issued and written there if there is none, or if it is
    /// of another cloud, of another name, lacks one of the hosts, or ends soon.
    public func identity(
        for name: ComponentName, hosts: [String], directory: String, now: Date = Date()
    ) throws -> ComponentIdentity {
        if let kept = try ComponentIdentity.loadIfPresent(directory: directory),
            kept.name == name, kept.authority == certificate, kept.certificate.notValidAfter > now + Self.renewal,
            kept.serves(hosts)
        {
            return kept
        }
        let identity = try issue(name, hosts: hosts, now: now)
        try identity.write(directory: directory)
        return identity
    }

    /// The component that a certificate (PEM) names, if this authority issued it and it is valid now.
    public func verify(_ pem: String, now: Date = Date()) throws -> ComponentName {
        let presented = try ComponentIdentity.parse(pem, path: "presented")
        guard presented.issuer == certificate.subject,
            certificate.publicKey.isValidSignature(presented.signature, for: presented)
        else { throw ServiceHostError.certificate("The certificate was not issued by this cloud's authority.") }
        guard (presented.notValidBefore...presented.notValidAfter).contains(now) else {
            throw ServiceHostError.certificate(
                "The certificate is valid from \(presented.notValidBefore) to \(presented.notValidAfter) only. "
                    + "Check the clock, or register the component again.")
        }
        guard let name = ComponentName(presented) else {
            throw ServiceHostError.certificate("The certificate names no component of the cloud.")
        }
        return name
    }

    private init(certificate: Certificate, certificatePEM: String, key: P256.Signing.PrivateKey) {
        self.certificate = certificate
        self.certificatePEM = certificatePEM
        self.key = key
    }

    private init(keyPEM: String, certificatePEM: String, directory: String) throws {
        key = try Self.parseKey(keyPEM, path: directory + "/ca.key")
        certificate = try ComponentIdentity.parse(certificatePEM, path: directory + "/ca.crt")
        self.certificatePEM = certificatePEM
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw ServiceHostError.certificate(
                "The key and the certificate of the cloud's authority in \(directory) do not belong together. "
                    + "Restore both from the same backup.")
        }
    }

    private static func parseKey(_ pem: String, path: String) throws -> P256.Signing.PrivateKey {
        do {
            return try P256.Signing.PrivateKey(pemRepresentation: pem)
        } catch {
            throw ServiceHostError.certificate(
                "The key \(path) is damaged or not a P-256 key in PEM. Restore it from a backup.")
        }
    }

    private static func selfSigned(_ key: P256.Signing.PrivateKey, now: Date) throws -> Certificate {
        // The number tells the authorities of two clouds apart, whose certificates otherwise look alike.
        let number = String(UInt64.random(in: .min ... .max), radix: 16)
        let name = try DistinguishedName {
            OrganizationName("Mallee")
            CommonName("authority:\(number)")
        }
        let identifier = ArraySlice(Insecure.SHA1.hash(data: key.publicKey.derRepresentation))
        let extensions = try Certificate.Extensions {
            Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
            Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            SubjectKeyIdentifier(keyIdentifier: identifier)
        }
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: now - clockSkew, notValidAfter: now + lifetime, issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions, issuerPrivateKey: .init(key))
    }

    /// An address in numbers is an IP address, anything else a host name.
    static func alternativeName(_ host: String) -> GeneralName {
        var v4 = in_addr()
        if inet_pton(AF_INET, host, &v4) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: withUnsafeBytes(of: v4) { ArraySlice($0) }))
        }
        var v6 = in6_addr()
        if inet_pton(AF_INET6, host, &v6) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: withUnsafeBytes(of: v6) { ArraySlice($0) }))
        }
        return .dnsName(host)
    }
}
