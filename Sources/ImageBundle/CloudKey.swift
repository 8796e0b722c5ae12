internal import Crypto
internal import CryptoExtras
internal import Foundation
internal import SwiftASN1
internal import X509

/// The cloud's own RSA key, for which users encrypt their bundles: they get its certificate, cloud-cert.pem, with
/// their credentials.
public struct CloudKey: Sendable {
    private let pem: String

    /// - Parameter pem: the private key in PEM (PKCS #1 or #8): a secret.
    public init(pem: String) { self.pem = pem }

    /// Opens the key and the initialisation vector of a bundle.
    public func unwrap(_ manifest: BundleManifest) throws(BundleError) -> BundleCipher {
        let key: _RSA.Encryption.PrivateKey
        do {
            key = try _RSA.Encryption.PrivateKey(pemRepresentation: pem)
        } catch {
            throw .foreign("The cloud's own key cannot be read; restore it from a backup.")
        }
        return BundleCipher(
            key: try Self.open(manifest.encryptedKey, key), iv: try Self.open(manifest.encryptedIV, key))
    }

    /// 16 bytes as 32 hexadecimal digits, encrypted.
    private static func open(_ wrapped: [UInt8], _ key: _RSA.Encryption.PrivateKey) throws(BundleError) -> [UInt8] {
        // Whatever is wrong, the answer is the same and tells nothing of the padding.
        guard let text = try? key.decrypt(wrapped, padding: ._WEAK_AND_INSECURE_PKCS_V1_5),
            let opened = bytes(
                hexadecimal: String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)),
            opened.count == 16
        else {
            throw .foreign(
                "The bundle was not made for this cloud: its key does not open with the cloud's. Bundle the image anew "
                    + "with --ec2cert and the cloud-cert.pem of your credentials.")
        }
        return opened
    }
}

/// AES-128-CBC with a bundle's key.
public struct BundleCipher: Sendable {
    /// 16 bytes: a secret.
    let key: [UInt8]
    /// 16 bytes.
    let iv: [UInt8]
}

extension BundleManifest {
    /// Checks the signature.
    ///
    /// - Parameter certificates: the certificates, in PEM, of the user who registers the bundle.
    public func verifySignature(certificates: [String]) throws(BundleError) {
        guard let signature else {
            throw .badSignature(
                "The manifest is not signed. Bundle the image anew with --privatekey and --cert of your credentials.")
        }
        guard !certificates.isEmpty else {
            throw .badSignature(
                "You have no active signing certificate in this cloud, so the manifest's signature cannot be checked. "
                    + "Download your credentials, or upload your certificate (UploadSigningCertificate).")
        }
        for pem in certificates {
            guard let certificate = try? Certificate(pemEncoded: pem),  // one that cannot be read verifies nothing
                let key = _RSA.Signing.PublicKey(certificate.publicKey)
            else { continue }
            for text in signed
            where key.isValidSignature(
                .init(rawRepresentation: signature), for: Insecure.SHA1.hash(data: text), padding: .insecurePKCS1v1_5)
            {
                return
            }
        }
        throw .badSignature(
            "The manifest is not signed by any of your active certificates, or was changed afterwards. Bundle the image "
                + "anew with --privatekey and --cert of your present credentials.")
    }
}
