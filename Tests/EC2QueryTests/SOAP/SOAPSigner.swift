import Crypto
import CryptoExtras
import Foundation
import SwiftASN1
import X509
import XML

/// Signs SOAP messages as WSS4J does: Timestamp and Body, by reference to a token in the message.
struct SOAPSigner: Sendable {
    let key: _RSA.Signing.PrivateKey
    let certificate: [UInt8]

    /// One for all tests, since making a key takes a while.
    static let shared = Result { try SOAPSigner() }

    init() throws {
        key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let name = try DistinguishedName { CommonName("user") }
        let made = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: Date(timeIntervalSince1970: 1_700_000_000),
            notValidAfter: Date(timeIntervalSince1970: 1_900_000_000), issuer: name, subject: name,
            signatureAlgorithm: .sha256WithRSAEncryption, extensions: Certificate.Extensions(),
            issuerPrivateKey: Certificate.PrivateKey(key))
        var serializer = DER.Serializer()
        try serializer.serialize(made)
        certificate = serializer.serializedBytes
    }

    var fingerprint: [UInt8] { Array(SHA256.hash(data: certificate)) }

    private static let oasis = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
    private static let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"

    /// An envelope around the content of a body.
    ///
    /// - Parameter id: of the Timestamp, so that two messages are not the same.
    func message(
        _ content: String, id: String = "TS-1", created: String = "2026-11-21T04:00:00Z",
        expires: String = "2026-11-21T04:05:00Z"
    ) throws -> [UInt8] {
        let wsu = "xmlns:wsu=\"\(Self.oasis)wssecurity-utility-1.0.xsd\""
        let timestamp =
            "<wsu:Timestamp \(wsu) wsu:Id=\"\(id)\"><wsu:Created>\(created)</wsu:Created>"
            + "<wsu:Expires>\(expires)</wsu:Expires></wsu:Timestamp>"
        let soap = "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\""
        let body = "<soapenv:Body \(soap) \(wsu) wsu:Id=\"id-1\">\(content)</soapenv:Body>"
        let references = try [("#" + id, timestamp), ("#id-1", body)].map { uri, text in
            let bytes = XMLCanonicalForm.exclusive.bytes(of: try XMLElement.parse(text), within: [])
            return "<ds:Reference URI=\"\(uri)\"><ds:Transforms><ds:Transform Algorithm=\"\(Self.exclusive)\">"
                + "</ds:Transform></ds:Transforms><ds:DigestMethod "
                + "Algorithm=\"http://www.w3.org/2000/09/xmldsig#sha1\"></ds:DigestMethod><ds:DigestValue>"
                + Data(Insecure.SHA1.hash(data: bytes)).base64EncodedString() + "</ds:DigestValue></ds:Reference>"
        }
        // Written in canonical form already.
        let info =
            "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:CanonicalizationMethod "
            + "Algorithm=\"\(Self.exclusive)\"></ds:CanonicalizationMethod><ds:SignatureMethod "
            + "Algorithm=\"http://www.w3.org/2000/09/xmldsig#rsa-sha1\"></ds:SignatureMethod>"
            + references.joined() + "</ds:SignedInfo>"
        let signature = try key.signature(
            for: Insecure.SHA1.hash(data: Data(info.utf8)), padding: .insecurePKCS1v1_5)
        let text =
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
            + "<soapenv:Envelope \(soap)><soapenv:Header><wsse:Security soapenv:mustUnderstand=\"1\" "
            + "xmlns:wsse=\"\(Self.oasis)wssecurity-secext-1.0.xsd\"><wsse:BinarySecurityToken \(wsu) "
            + "EncodingType=\"\(Self.oasis)soap-message-security-1.0#Base64Binary\" "
            + "ValueType=\"\(Self.oasis)x509-token-profile-1.0#X509v3\" wsu:Id=\"CertId-1\">"
            + Data(certificate).base64EncodedString() + "</wsse:BinarySecurityToken>"
            + "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\(info)<ds:SignatureValue>"
            + signature.rawRepresentation.base64EncodedString() + "</ds:SignatureValue><ds:KeyInfo>"
            + "<wsse:SecurityTokenReference><wsse:Reference URI=\"#CertId-1\" "
            + "ValueType=\"\(Self.oasis)x509-token-profile-1.0#X509v3\"/></wsse:SecurityTokenReference></ds:KeyInfo>"
            + "</ds:Signature>\(timestamp)</wsse:Security></soapenv:Header>\(body)</soapenv:Envelope>"
        return Array(text.utf8)
    }
}
