import Crypto
import Foundation
public import NIOSSL
import SwiftASN1
public import X509

/// Which component of the cloud somebody is: the common name of its certificate, `node:compute-0-0`.
public struct ComponentName: Sendable, Hashable, CustomStringConvertible {
    /// What it does.
    public enum Role: String, Sendable, CaseIterable {
        /// The cloud controller.
        case cloud
        /// Walrus.
        case walrus
        /// A storage controller.
        case storage
        /// A cluster controller; its name is the availability zone.
        case cluster
        /// A node controller; its name is the host.
        case node
        /// An administrator's tool.
        case client
    }

    /// Who makes the SOAP call that this task serves, by its verified certificate; nil outside of calls and on
    /// listeners without TLS.
    public static var caller: ComponentName? { ServiceCaller.current?.component }

    /// What it does.
    public let role: Role
    /// Which one: letters, digits, `.`, `-` and `_`.
    public let name: String

    /// Nil unless `name` has 1 to 48 of the characters allowed (X.520 limits the common name to 64).
    public init?(role: Role, name: String) {
        let allowed = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard (1...48).contains(name.utf8.count), name.utf8.allSatisfy(allowed) else { return nil }
        self.role = role
        self.name = name
    }

    /// From `role:name`.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let role = Role(rawValue: String(parts[0])) else { return nil }
        self.init(role: role, name: String(parts[1]))
    }

    /// From the certificate's common name, of which there must be exactly one. Says nothing about who signed it.
    public init?(_ certificate: Certificate) {
        let names = certificate.subject.flatMap { $0 }.filter { $0.type == .RDNAttributeType.commonName }
        guard names.count == 1, let text = names.first?.value.description else { return nil }
        self.init(text)
    }

    /// `role:name`.
    public var description: String { "\(role.rawValue):\(name)" }
}

/// Who makes a SOAP call, as far as the connection tells.
public struct ServiceCaller: Sendable, Hashable {
    /// That of the call that this task serves; nil outside of calls. Set by ``SOAPResponder``.
    @TaskLocal public static var current: ServiceCaller?

    /// By its verified certificate; nil without one.
    public var component: ComponentName?
    /// Serial number of that certificate: lower-case hexadecimal digits without leading zeros.
    public var serial: String?
    /// The only availability zone in which that certificate counts; nil if it counts in all.
    public var zone: String?
    /// The IP address that the connection comes from.
    public var address: String?

    /// A caller.
    public init(component: ComponentName?, serial: String?, zone: String? = nil, address: String?) {
        self.component = component
        self.serial = serial
        self.zone = zone
        self.address = address
    }
}

extension Certificate {
    /// The only availability zone in which a node's certificate counts (its organizational unit); nil if it counts in
    /// all, as those made by hand do. Several never count: their text is no zone's name.
    var zone: String? {
        let units = subject.flatMap { $0 }.filter { $0.type == .RDNAttributeType.organizationalUnitName }
        return units.isEmpty ? nil : units.map { $0.value.description }.joined(separator: " ")
    }
}

extension Certificate.SerialNumber {
    /// Lower-case hexadecimal digits without leading zeros.
    public var hexadecimal: String {
        let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined().drop { $0 == "0" }
        return digits.isEmpty ? "0" : String(digits)
    }
}

/// A component's key and certificate, and the authority it trusts: all that it needs to speak with its peers.
///
/// In its directory: `component.key` (0600), `component.crt` and `ca.crt`, PEM.
public struct ComponentIdentity: Sendable {
    /// Who it is.
    public let name: ComponentName
    /// Its certificate.
    public let certificate: Certificate
    /// The same in PEM.
    public let certificatePEM: String
    /// Its private key in PEM (PKCS #8): a secret.
    public let keyPEM: String
    /// The authority's certificate.
    public let authority: Certificate
    /// The same in PEM.
    public let authorityPEM: String

    /// Which clients a listener accepts.
    public enum Clients: Sendable {
        /// Only those with a certificate of the cloud's authority; others fail in the TLS handshake.
        case required
        /// Any; a certificate that is presented must be of the authority.
        case optional
        /// Any; certificates are not asked for.
        case anybody
    }

    /// Reads an identity; throws if it is not there or not whole.
    public static func load(directory: String) throws -> ComponentIdentity {
        guard let identity = try loadIfPresent(directory: directory) else {
            throw ServiceHostError.certificate(
                "There is no component identity in \(directory) (component.key, component.crt, ca.crt). "
                    + "Register the component with the cloud first.")
        }
        return identity
    }

    /// Writes the three files, the key first and all of them atomically.
    public func write(directory: String) throws {
        try PrivateFile.makeDirectory(directory)
        try PrivateFile.write(keyPEM, to: directory + "/component.key")
        try PrivateFile.write(certificatePEM, to: directory + "/component.crt", mode: 0o644)
        try PrivateFile.write(authorityPEM, to: directory + "/ca.crt", mode: 0o644)
    }

    /// SHA-256 of this component's certificate (DER): what a peer sees of it in TLS.
    public func certificateDigest() throws -> [UInt8] { try Self.digest(certificate) }

    /// SHA-256 of the authority's certificate (DER) as the configuration of nodes has it: "sha256:" and 64
    /// hexadecimal digits.
    public func authorityFingerprint() throws -> String { try Self.fingerprint(of: authority) }

    /// SHA-256 of an authority's certificate (DER) as the configuration of nodes has it.
    static func fingerprint(of authority: Certificate) throws -> String {
        "sha256:" + (try digest(authority)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func digest(_ certificate: Certificate) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return Array(SHA256.hash(data: serializer.serializedBytes))
    }

    /// TLS for a listener of this component.
    ///
    /// - Parameter presentsAuthority: also sends the authority's certificate, for those who know only its fingerprint.
    public func serverTLS(clients: Clients, presentsAuthority: Bool = false) throws -> TLSConfiguration {
        let chain = presentsAuthority ? [certificatePEM, authorityPEM] : [certificatePEM]
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try chain.map { pem in
                .certificate(try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem))
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(keyPEM.utf8), format: .pem)))
        tls.minimumTLSVersion = .tlsv12
        tls.trustRoots = try trustRoots()
        switch clients {
        case .required: tls.certificateVerification = .noHostnameVerification
        case .optional: tls.certificateVerification = .optionalVerification
        case .anybody: tls.certificateVerification = .none
        }
        return tls
    }

    /// TLS for a client that is this component. The server must be of the cloud's authority; its host name is not
    /// compared, because components are known by name and move between hosts and addresses.
    public func clientTLS() throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.certificateChain = [.certificate(try NIOSSLCertificate(bytes: Array(certificatePEM.utf8), format: .pem))]
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(keyPEM.utf8), format: .pem))
        tls.trustRoots = try trustRoots()
        tls.certificateVerification = .noHostnameVerification
        return tls
    }

    /// Reads an identity: nil if there is none, or only the half of one that an interrupted run has left.
    ///
    /// - Throws: if a file cannot be read, or is no key or certificate.
    public static func loadIfPresent(directory: String) throws -> ComponentIdentity? {
        guard let keyPEM = try PrivateFile.read(directory + "/component.key"),
            let certificatePEM = try PrivateFile.read(directory + "/component.crt"),
            let authorityPEM = try PrivateFile.read(directory + "/ca.crt")
        else { return nil }
        let certificate = try parse(certificatePEM, path: directory + "/component.crt")
        guard let name = ComponentName(certificate) else {
            throw ServiceHostError.certificate("The certificate \(directory)/component.crt names no component.")
        }
        let identity = ComponentIdentity(
            name: name, certificate: certificate, certificatePEM: certificatePEM, keyPEM: keyPEM,
            authority: try parse(authorityPEM, path: directory + "/ca.crt"), authorityPEM: authorityPEM)
        // A crash between writing the key and the certificate leaves two that do not belong together.
        let key = try? Certificate.PrivateKey(pemEncoded: keyPEM)
        return key?.publicKey == certificate.publicKey ? identity : nil
    }

    /// Whether the certificate names all of these hosts.
    func serves(_ hosts: [String]) -> Bool {
        guard let names = try? certificate.extensions.subjectAlternativeNames else { return hosts.isEmpty }
        return hosts.allSatisfy { host in names.contains(CloudAuthority.alternativeName(host)) }
    }

    static func parse(_ pem: String, path: String) throws -> Certificate {
        do {
            return try Certificate(pemEncoded: pem)
        } catch {
            throw ServiceHostError.certificate(
                "The certificate \(path) is damaged or not in PEM (\(error)). Restore it, or register again.")
        }
    }

    private func trustRoots() throws -> NIOSSLTrustRoots {
        .certificates([try NIOSSLCertificate(bytes: Array(authorityPEM.utf8), format: .pem)])
    }
}
