internal import COpenSSL

/// SHA-256 (FIPS 180-4) of bytes that arrive in parts.
public final class SHA256 {
    private let digest: OpaquePointer

    /// Of nothing yet.
    public init() {
        // NULL comes only when a few hundred bytes cannot be had.
        guard let digest = cssl_sha256_create() else { preconditionFailure("out of memory") }
        self.digest = digest
    }

    deinit { cssl_sha256_free(digest) }

    /// Adds bytes.
    public func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }
    /// Adds bytes.
    public func update(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { update($0) } }
    /// Adds bytes.
    public func update(_ bytes: UnsafeRawBufferPointer) {
        let done = cssl_sha256_update(digest, bytes.baseAddress, bytes.count)
        precondition(done, "SHA-256 failed")
    }

    /// The 32 bytes of all that was added so far; more may follow.
    public func digestSoFar() -> [UInt8] {
        guard let copy = cssl_sha256_copy(digest) else { preconditionFailure("out of memory") }
        defer { cssl_sha256_free(copy) }
        var result = [UInt8](repeating: 0, count: 32)
        let done = result.withUnsafeMutableBufferPointer { cssl_sha256_final(copy, $0.baseAddress) }
        precondition(done, "SHA-256 failed")
        return result
    }

    /// The 32 bytes of these bytes.
    public static func digest(_ bytes: [UInt8]) -> [UInt8] {
        let hash = SHA256()
        hash.update(bytes)
        return hash.digestSoFar()
    }
}

/// HMAC with SHA-256 (RFC 2104).
public enum HMACSHA256 {
    /// The 32 bytes that authenticate `bytes` to who knows `key`.
    public static func authenticate(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: 32)
        let done = result.withUnsafeMutableBufferPointer { result in
            key.withUnsafeBytes { key in
                bytes.withUnsafeBytes { bytes in
                    cssl_hmac_sha256(key.baseAddress, key.count, bytes.baseAddress, bytes.count, result.baseAddress)
                }
            }
        }
        precondition(done, "HMAC failed")
        return result
    }
}

/// Whether two secrets are equal, found in a time that does not tell where they differ.
public func constantTimeEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    return a.withUnsafeBytes { a in b.withUnsafeBytes { b in cssl_equal(a.baseAddress, b.baseAddress, a.count) } }
}
