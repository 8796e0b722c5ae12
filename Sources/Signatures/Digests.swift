// The hash functions of signatures, over byte arrays and strings.

internal import Crypto

/// SHA-256 of bytes as lower-case hexadecimal, the form of `x-amz-content-sha256`.
public func sha256Hexadecimal(_ bytes: [UInt8]) -> String { hexadecimal(SHA256.hash(data: bytes)) }

/// SHA-256 of the empty body.
public let emptyPayloadHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum Digests {
    static func sha256(_ text: String) -> String { sha256Hexadecimal(Array(text.utf8)) }

    static func hmacSHA256(_ text: String, key: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: key)))
    }

    static func hmacSHA1(_ text: String, key: [UInt8]) -> [UInt8] { hmacSHA1(Array(text.utf8), key: key) }

    static func hmacSHA1(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        Array(HMAC<Insecure.SHA1>.authenticationCode(for: bytes, using: SymmetricKey(data: key)))
    }
}
