internal import COpenSSL

/// A component's own key, and whether a certificate is its.
public enum ComponentKey {
    /// A new P-256 key in PEM (PKCS #8): a secret.
    public static func create() throws(TLSError) -> [UInt8] {
        var pem = [CChar](repeating: 0, count: 1024)
        var reason = [CChar](repeating: 0, count: 512)
        let count = pem.withUnsafeMutableBufferPointer { pem in
            reason.withUnsafeMutableBufferPointer {
                cssl_key_create(pem.baseAddress, pem.count, $0.baseAddress, $0.count)
            }
        }
        guard count > 0 else { throw TLSError(text(reason)) }
        var bytes: [UInt8] = []
        for character in pem.prefix(Int(count)) { bytes.append(UInt8(bitPattern: character)) }
        return bytes
    }

    /// The public part of a key in PEM, as DER of a SubjectPublicKeyInfo (RFC 5480).
    public static func publicKey(of pem: [UInt8]) throws(TLSError) -> [UInt8] {
        var key = [UInt8](repeating: 0, count: 2048)
        var reason = [CChar](repeating: 0, count: 512)
        let count = key.withUnsafeMutableBufferPointer { key in
            reason.withUnsafeMutableBufferPointer { reason in
                pem.withUnsafeBytes {
                    cssl_key_public(
                        $0.baseAddress, $0.count, key.baseAddress, key.count, reason.baseAddress, reason.count)
                }
            }
        }
        guard count > 0 else { throw TLSError(text(reason)) }
        return Array(key.prefix(Int(count)))
    }

    /// What a certificate (PEM) says, if it belongs to the key and was signed by the authority, whatever the time.
    ///
    /// - Returns: its common name, and the SHA-256 of the authority's certificate (DER).
    public static func check(
        certificate: [UInt8], key: [UInt8], authority: [UInt8]
    ) throws(TLSError) -> (name: String, authorityFingerprint: [UInt8]) {
        var name = [CChar](repeating: 0, count: 256)
        var fingerprint = [UInt8](repeating: 0, count: 32)
        var reason = [CChar](repeating: 0, count: 512)
        let isGood = name.withUnsafeMutableBufferPointer { name in
            fingerprint.withUnsafeMutableBufferPointer { fingerprint in
                reason.withUnsafeMutableBufferPointer { reason in
                    certificate.withUnsafeBytes { certificate in
                        key.withUnsafeBytes { key in
                            authority.withUnsafeBytes { authority in
                                cssl_certificate_check(
                                    certificate.baseAddress, certificate.count, key.baseAddress, key.count,
                                    authority.baseAddress, authority.count, name.baseAddress, name.count,
                                    fingerprint.baseAddress, reason.baseAddress, reason.count)
                            }
                        }
                    }
                }
            }
        }
        guard isGood else { throw TLSError(text(reason)) }
        return (text(name), fingerprint)
    }
}
