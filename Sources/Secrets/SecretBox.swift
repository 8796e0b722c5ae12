import Crypto
import Foundation

/// A key that wraps secrets: 256 random bits.
public struct SecretKey: Sendable, Equatable, CustomStringConvertible {
    /// Names the key without giving it away: the first 16 hexadecimal digits of a SHA-256 over it.
    public let id: String
    let bytes: [UInt8]
    let symmetric: SymmetricKey

    /// A new key from the system's generator.
    public init() { self.init(checked: SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }) }

    /// A key that was kept; nil unless it has 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.init(checked: bytes)
    }

    private init(checked bytes: [UInt8]) {
        self.bytes = bytes
        symmetric = SymmetricKey(data: bytes)
        let digest = SHA256.hash(data: Array("mallee secret key\0".utf8) + bytes)
        id = digest.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Keys are equal if their bytes are.
    public static func == (left: SecretKey, right: SecretKey) -> Bool { left.bytes == right.bytes }

    /// The id, never the key.
    public var description: String { "key \(id)" }
}

/// Wraps values by AES-256-GCM.
///
///     "MSB1" | id of the key, 8 bytes | nonce, 12 | ciphertext | tag, 16
///
/// The header and the name of what is wrapped are authenticated with it, so that a value cannot be moved to another
/// name. Values that begin otherwise are not wrapped: a JSON document, above all.
public struct SecretBox: Sendable {
    /// Wraps what is sealed from now on.
    public let current: SecretKey
    private let keys: [String: SecretKey]

    private static let magic = Array("MSB1".utf8)
    private static let headerBytes = 12

    /// How much longer a value gets by wrapping.
    public static let overhead = headerBytes + 12 + 16

    /// A box that seals by `current` and opens what `current` or one of the older keys sealed.
    public init(current: SecretKey, older: [SecretKey] = []) {
        self.current = current
        keys = Dictionary((older + [current]).map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
    }

    /// The id of the key that wraps a value; nil for a plain one.
    public static func keyID(of value: [UInt8]) -> String? {
        guard value.count >= overhead, value.starts(with: magic) else { return nil }
        return value[4..<headerBytes].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Whether it has this key.
    public func has(keyID: String) -> Bool { keys[keyID] != nil }

    /// The box with another current key; what this one opens, that one opens.
    public func replacing(current next: SecretKey) -> SecretBox {
        SecretBox(current: next, older: Array(keys.values))
    }

    /// Wraps a value for this name.
    public func seal(_ value: [UInt8], name: String) throws(SecretsError) -> [UInt8] {
        let header = Self.magic + Self.raw(current.id)
        do {
            let sealed = try AES.GCM.seal(value, using: current.symmetric, authenticating: header + Array(name.utf8))
            // Always there with a nonce of 12 bytes.
            guard let combined = sealed.combined else { throw SecretsError.damaged(name) }
            return header + combined
        } catch {
            throw .damaged(name)
        }
    }

    /// What was wrapped for this name; plain values are given back as they are.
    ///
    /// - Throws: `damaged` if it was changed or moved, or wrapped by a key that this box has not.
    public func open(_ value: [UInt8], name: String) throws(SecretsError) -> [UInt8] {
        guard let id = Self.keyID(of: value) else { return value }
        guard let key = keys[id] else { throw .damaged(name) }
        do {
            let box = try AES.GCM.SealedBox(combined: value[Self.headerBytes...])
            return try Array(
                AES.GCM.open(
                    box, using: key.symmetric, authenticating: value[..<Self.headerBytes] + Array(name.utf8)))
        } catch {
            throw .damaged(name)
        }
    }

    private static func raw(_ id: String) -> [UInt8] {
        let digits = Array(id.utf8)
        return stride(from: 0, to: digits.count, by: 2).map { nibble(digits[$0]) << 4 | nibble(digits[$0 + 1]) }
    }

    private static func nibble(_ digit: UInt8) -> UInt8 { digit < 58 ? digit - 48 : digit - 87 }
}
