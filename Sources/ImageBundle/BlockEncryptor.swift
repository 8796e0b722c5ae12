internal import Crypto
internal import CryptoExtras

/// AES-128-CBC of bytes that come in pieces of any length (NIST SP 800-38A, padding of PKCS #7).
struct BlockEncryptor {
    private static let block = 16

    private let key: SymmetricKey
    /// The ciphertext's last block.
    private var chain: [UInt8]
    /// What does not make a block yet.
    private var rest: [UInt8] = []

    init(_ cipher: BundleCipher) {
        key = SymmetricKey(data: cipher.key)
        chain = cipher.iv
    }

    mutating func append(_ bytes: [UInt8]) throws(BundleError) -> [UInt8] {
        rest += bytes
        let count = rest.count / Self.block * Self.block
        guard count > 0 else { return [] }
        let encrypted = try encrypt(Array(rest[..<count]), isLast: false)
        rest.removeFirst(count)
        chain = Array(encrypted.suffix(Self.block))
        return encrypted
    }

    /// The last, padded block.
    func finish() throws(BundleError) -> [UInt8] { try encrypt(rest, isLast: true) }

    private func encrypt(_ bytes: [UInt8], isLast: Bool) throws(BundleError) -> [UInt8] {
        do {
            return [UInt8](
                try AES._CBC.encrypt(bytes, using: key, iv: AES._CBC.IV(ivBytes: chain), noPadding: !isLast))
        } catch {
            throw .damaged("The bundle could not be encrypted: \(error)")
        }
    }
}
