internal import Crypto
internal import CryptoExtras
internal import Foundation

/// AES-128-CBC of bytes that arrive in pieces of any length (NIST SP 800-38A, padding of PKCS #7).
struct BlockDecryptor {
    private static let block = 16

    private let key: SymmetricKey
    /// The ciphertext's last block that was decrypted.
    private var chain: [UInt8]
    /// The last block, which may be the padded one, and what does not make a block.
    private var rest: [UInt8] = []

    init(_ cipher: BundleCipher) {
        key = SymmetricKey(data: cipher.key)
        chain = cipher.iv
    }

    /// The plain bytes that are certain to be no padding.
    mutating func append(_ bytes: [UInt8]) throws(BundleError) -> [UInt8] {
        rest += bytes
        guard rest.count > Self.block else { return [] }
        let count = (rest.count - 1) / Self.block * Self.block
        let ready = Array(rest[..<count])
        rest.removeFirst(count)
        let plain = try decrypt(ready, isLast: false)
        chain = Array(ready.suffix(Self.block))
        return plain
    }

    /// The last bytes.
    func finish() throws(BundleError) -> [UInt8] {
        guard rest.count == Self.block else {
            throw .damaged("The parts are no whole number of blocks of 16 bytes: the bundle is cut off.")
        }
        return try decrypt(rest, isLast: true)
    }

    private func decrypt(_ bytes: [UInt8], isLast: Bool) throws(BundleError) -> [UInt8] {
        do {
            let iv = try AES._CBC.IV(ivBytes: chain)
            return [UInt8](try AES._CBC.decrypt(bytes, using: key, iv: iv, noPadding: !isLast))
        } catch {
            throw .damaged("The bundle does not decrypt: its last block has no padding. Parts or key are wrong.")
        }
    }
}
