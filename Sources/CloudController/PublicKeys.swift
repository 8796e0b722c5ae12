import CloudModel
import Crypto
import CryptoExtras
import Foundation

// SSH keys: making them, reading what users import, and fingerprints as EC2 computes them.
// Sources: RFC 4253 section 6.6 and RFC 8709 (public key blobs), RFC 4716 (SSH2 files), OpenSSH PROTOCOL.key
// (private keys), RFC 8017 A.1.1 and RFC 8410 (DER).

/// A public key that EC2 takes.
enum PublicKey: Equatable {
    /// Big-endian numbers without leading zeroes.
    case rsa(modulus: [UInt8], exponent: [UInt8])
    /// 32 bytes.
    case ed25519([UInt8])

    /// EC2's name.
    var type: String {
        switch self {
        case .rsa: "rsa"
        case .ed25519: "ed25519"
        }
    }

    /// The blob that ssh exchanges.
    var blob: [UInt8] {
        switch self {
        case .rsa(let modulus, let exponent):
            SSHBytes.string("ssh-rsa") + SSHBytes.number(exponent) + SSHBytes.number(modulus)
        case .ed25519(let key): SSHBytes.string("ssh-ed25519") + SSHBytes.string(key)
        }
    }

    /// The line of an authorized_keys file.
    func line(comment: String) -> String {
        let name =
            switch self {
            case .rsa: "ssh-rsa"
            case .ed25519: "ssh-ed25519"
            }
        // The comment ends the line, and must not begin another one.
        let safe = comment.filter { !$0.isNewline }
        return "\(name) \(Data(blob).base64EncodedString()) \(safe)"
    }

    /// SubjectPublicKeyInfo.
    var der: [UInt8] {
        switch self {
        case .rsa(let modulus, let exponent):
            DER.sequence(
                DER.sequence(DER.object(DER.rsaEncryption) + DER.null)
                    + DER.bits(DER.sequence(DER.number(modulus) + DER.number(exponent))))
        case .ed25519(let key): DER.sequence(DER.sequence(DER.object(DER.ed25519)) + DER.bits(key))
        }
    }

    /// As EC2 shows it for an imported key: MD5 of the DER for rsa, SHA-256 of the blob in base64 for ed25519.
    var importFingerprint: String {
        switch self {
        case .rsa: Self.colons(Insecure.MD5.hash(data: der))
        case .ed25519: Data(SHA256.hash(data: blob)).base64EncodedString()
        }
    }

    static func colons(_ digest: some Sequence<UInt8>) -> String {
        digest.map { [$0].hexadecimal }.joined(separator: ":")
    }

    // MARK: Reading

    /// Reads an OpenSSH line, an SSH2 file, PEM or DER.
    ///
    /// - Throws: `invalidValue` of PublicKeyMaterial, which says what is taken.
    static func read(_ material: [UInt8]) throws(CloudError) -> PublicKey {
        guard !material.isEmpty else { throw .missingParameter("PublicKeyMaterial") }
        guard material.count <= 16_384 else { throw refusal("It is longer than any public key.") }
        if material.first == 0x30 { return try fromDER(material) }
        guard String(validating: material, as: UTF8.self) != nil else { throw refusal("It is not text.") }
        let lines = Self.lines(of: material).filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard let first = lines.first else { throw refusal("It is empty.") }
        if first.contains("PRIVATE KEY") {
            throw refusal("It is a private key. Keep it secret and import the public half (the .pub file).")
        }
        if first.hasPrefix("-----BEGIN ") || first.hasPrefix("---- BEGIN ") { return try fromArmour(lines) }
        let words = first.split(separator: " ", omittingEmptySubsequences: true)
        if words.count >= 2, let name = words.first,
            name.hasPrefix("ssh-") || name.hasPrefix("ecdsa-") || name.hasPrefix("sk-")
        {
            guard name == "ssh-rsa" || name == "ssh-ed25519" else {
                throw refusal("Keys of the kind \(name.prefix(40)) are not supported; use rsa or ed25519.")
            }
            guard let blob = decode(String(words[1])) else { throw refusal("Its base64 is damaged.") }
            let key = try fromBlob([UInt8](blob))
            guard name == "ssh-" + key.type else { throw refusal("It is not of the kind that it says.") }
            return key
        }
        // EC2's own tools also send the DER in base64 without any armour.
        if let bytes = Data(base64Encoded: lines.joined()), bytes.first == 0x30 { return try fromDER([UInt8](bytes)) }
        throw refusal("It is neither an OpenSSH line nor PEM nor DER.")
    }

    /// Lines without the spaces and tabs around them.
    private static func lines(of text: [UInt8]) -> [String] {
        text.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }.map { line in
            func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
            let end = line.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? line.startIndex
            return String(decoding: line[..<end].drop(while: isBlank), as: UTF8.self)
        }
    }

    /// The text of imported material as it can be shown again; nil for DER, and for what no XML may hold.
    static func shown(_ material: [UInt8]) -> String? {
        guard material.allSatisfy({ $0 >= 32 || $0 == 9 || $0 == 10 || $0 == 13 }) else { return nil }
        return String(validating: material, as: UTF8.self)
    }

    /// Decoders of MIME's Base64 skip what is not of its alphabet (RFC 2045, section 6.8), and tools rely on it; whether
    /// something is missing, the key's own structure tells.
    private static func decode(_ text: String) -> Data? {
        Data(base64Encoded: text, options: .ignoreUnknownCharacters)
    }

    private static func fromArmour(_ lines: [String]) throws(CloudError) -> PublicKey {
        guard let first = lines.first, let last = lines.last, lines.count >= 3, last.contains("END ") else {
            throw refusal("Its end line is missing.")
        }
        var body = lines.dropFirst().dropLast()
        if first.hasPrefix("---- BEGIN SSH2 PUBLIC KEY") {
            // Headers may be continued with a backslash (RFC 4716, section 3.3).
            var isHeader = false
            body =
                body.filter { line in
                    let wasContinued = isHeader
                    if wasContinued || line.contains(":") {
                        isHeader = line.hasSuffix("\\")
                        return false
                    }
                    return true
                }[...]
            guard let blob = decode(body.joined()) else { throw refusal("Its base64 is damaged.") }
            return try fromBlob([UInt8](blob))
        }
        guard let bytes = decode(body.joined()) else { throw refusal("Its base64 is damaged.") }
        if first.contains("RSA PUBLIC KEY") {
            var reader = DERReader([UInt8](bytes))
            return try rsa(&reader)
        }
        guard first.contains("BEGIN PUBLIC KEY") else {
            throw refusal("Its header line (\(first.prefix(40))) is not that of a public key.")
        }
        return try fromDER([UInt8](bytes))
    }

    private static func fromBlob(_ blob: [UInt8]) throws(CloudError) -> PublicKey {
        var reader = SSHReader(blob)
        guard let name = reader.string() else { throw refusal("It is cut off.") }
        switch String(decoding: name, as: UTF8.self) {
        case "ssh-rsa":
            guard let exponent = reader.number(), let modulus = reader.number(), reader.isAtEnd else {
                throw refusal("It is damaged.")
            }
            return try checked(modulus: modulus, exponent: exponent)
        case "ssh-ed25519":
            guard let key = reader.string(), key.count == 32, reader.isAtEnd else { throw refusal("It is damaged.") }
            return .ed25519(key)
        default: throw refusal("Only rsa and ed25519 keys are supported.")
        }
    }

    private static func fromDER(_ bytes: [UInt8]) throws(CloudError) -> PublicKey {
        var outer = DERReader(bytes)
        guard var fields = outer.sequence(), outer.isAtEnd else { throw refusal("Its DER is damaged.") }
        guard var algorithm = fields.sequence() else {
            // PKCS#1: the numbers without the wrapping.
            var plain = DERReader(bytes)
            return try rsa(&plain)
        }
        guard let object = algorithm.object(), let key = fields.bits(), fields.isAtEnd else {
            throw refusal("Its DER is damaged.")
        }
        switch object {
        case DER.rsaEncryption:
            var numbers = DERReader(key)
            return try rsa(&numbers)
        case DER.ed25519:
            guard key.count == 32 else { throw refusal("Its DER is damaged.") }
            return .ed25519(key)
        default: throw refusal("Only rsa and ed25519 keys are supported.")
        }
    }

    private static func rsa(_ reader: inout DERReader) throws(CloudError) -> PublicKey {
        guard var numbers = reader.sequence(), reader.isAtEnd, let modulus = numbers.number(),
            let exponent = numbers.number(), numbers.isAtEnd
        else { throw refusal("Its DER is damaged.") }
        return try checked(modulus: modulus, exponent: exponent)
    }

    private static func checked(modulus: [UInt8], exponent: [UInt8]) throws(CloudError) -> PublicKey {
        guard let top = modulus.first, let low = modulus.last, low & 1 == 1, let last = exponent.last, last & 1 == 1,
            exponent.count <= 8, exponent != [1]
        else { throw refusal("Its numbers are not those of an rsa key.") }
        let bits = modulus.count * 8 - top.leadingZeroBitCount
        guard (1024...8192).contains(bits) else {
            throw refusal("It has \(bits) bits; rsa keys of 1024 to 8192 bits are supported.")
        }
        return .rsa(modulus: modulus, exponent: exponent)
    }

    private static func refusal(_ reason: String) -> CloudError {
        .invalidValue(
            parameter: "PublicKeyMaterial", value: "(not shown)",
            reason: "Key is not in valid OpenSSH public key format. \(reason)")
    }
}

/// A new key with its private half.
struct GeneratedKey: Sendable {
    var type: String
    var publicKey: String
    var privateKey: String
    var fingerprint: String

    /// Makes an RSA key of 2048 bits, with the private half as EC2 hands it out (PKCS#1).
    static func rsa(comment: String) throws(CloudError) -> GeneratedKey {
        do {
            let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            let numbers = try key.publicKey.getKeyPrimitives()
            let publicKey = PublicKey.rsa(
                modulus: trimmed(numbers.modulus), exponent: trimmed(numbers.publicExponent))
            return GeneratedKey(
                type: "rsa", publicKey: publicKey.line(comment: comment), privateKey: key.pemRepresentation,
                fingerprint: PublicKey.colons(Insecure.SHA1.hash(data: key.pkcs8DERRepresentation)))
        } catch {
            throw .internalError(message: "The key could not be made.", detail: "rsa: \(error)")
        }
    }

    /// Makes an ed25519 key, with the private half in OpenSSH's form.
    static func ed25519(comment: String) -> GeneratedKey {
        let key = Curve25519.Signing.PrivateKey()
        let publicBytes = [UInt8](key.publicKey.rawRepresentation)
        let publicKey = PublicKey.ed25519(publicBytes)
        let check = withUnsafeBytes(of: UInt32.random(in: 0...UInt32.max)) { Array($0) }
        var secret = check + check
        secret += SSHBytes.string("ssh-ed25519") + SSHBytes.string(publicBytes)
        secret += SSHBytes.string([UInt8](key.rawRepresentation) + publicBytes) + SSHBytes.string(comment)
        var padding: UInt8 = 1
        while secret.count % 8 != 0 {
            secret.append(padding)
            padding += 1
        }
        var file = Array("openssh-key-v1\0".utf8)
        file += SSHBytes.string("none") + SSHBytes.string("none") + SSHBytes.string("") + SSHBytes.count(1)
        file += SSHBytes.string(publicKey.blob) + SSHBytes.string(secret)
        let text = Array(Data(file).base64EncodedString().utf8)
        var pem = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
        for start in stride(from: 0, to: text.count, by: 70) {
            pem += String(decoding: text[start..<min(start + 70, text.count)], as: UTF8.self) + "\n"
        }
        pem += "-----END OPENSSH PRIVATE KEY-----"
        return GeneratedKey(
            type: "ed25519", publicKey: publicKey.line(comment: comment), privateKey: pem,
            fingerprint: publicKey.importFingerprint)
    }

    private static func trimmed(_ number: Data) -> [UInt8] { Array(number.drop { $0 == 0 }) }
}

/// The encoding of RFC 4251, section 5.
private enum SSHBytes {
    static func count(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(value).bigEndian) { Array($0) } }
    static func string(_ bytes: [UInt8]) -> [UInt8] { count(bytes.count) + bytes }
    static func string(_ text: String) -> [UInt8] { string(Array(text.utf8)) }
    /// A positive number: a leading zero keeps the sign.
    static func number(_ bytes: [UInt8]) -> [UInt8] { string((bytes.first ?? 0) & 0x80 != 0 ? [0] + bytes : bytes) }
}

private struct SSHReader {
    private var rest: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { rest = bytes[...] }
    var isAtEnd: Bool { rest.isEmpty }

    mutating func string() -> [UInt8]? {
        guard rest.count >= 4 else { return nil }
        let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(4)
        guard length <= rest.count else { return nil }
        defer { rest = rest.dropFirst(length) }
        return Array(rest.prefix(length))
    }

    mutating func number() -> [UInt8]? {
        guard let bytes = string(), let first = bytes.first, first & 0x80 == 0 else { return nil }
        let trimmed = Array(bytes.drop { $0 == 0 })
        return trimmed.isEmpty ? nil : trimmed
    }
}

private enum DER {
    static let rsaEncryption: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
    static let ed25519: [UInt8] = [0x2B, 0x65, 0x70]
    static let null: [UInt8] = [0x05, 0x00]

    static func sequence(_ content: [UInt8]) -> [UInt8] { element(0x30, content) }
    static func object(_ content: [UInt8]) -> [UInt8] { element(0x06, content) }
    static func bits(_ content: [UInt8]) -> [UInt8] { element(0x03, [0] + content) }
    static func number(_ bytes: [UInt8]) -> [UInt8] {
        element(0x02, (bytes.first ?? 0) & 0x80 != 0 ? [0] + bytes : bytes)
    }
    private static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        if content.count < 0x80 { return [tag, UInt8(content.count)] + content }
        var length: [UInt8] = []
        var left = content.count
        while left > 0 {
            length.insert(UInt8(left & 0xFF), at: 0)
            left >>= 8
        }
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }
}

private struct DERReader {
    private var rest: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { rest = bytes[...] }
    var isAtEnd: Bool { rest.isEmpty }

    mutating func sequence() -> DERReader? { content(0x30).map { DERReader(Array($0)) } }
    mutating func object() -> [UInt8]? { content(0x06).map(Array.init) }
    mutating func bits() -> [UInt8]? {
        guard let bytes = content(0x03), bytes.first == 0 else { return nil }
        return Array(bytes.dropFirst())
    }
    mutating func number() -> [UInt8]? {
        guard let bytes = content(0x02), let first = bytes.first, first & 0x80 == 0 else { return nil }
        let trimmed = Array(bytes.drop { $0 == 0 })
        return trimmed.isEmpty ? nil : trimmed
    }

    /// The content of the next element if it has this tag; otherwise nothing is read.
    private mutating func content(_ tag: UInt8) -> ArraySlice<UInt8>? {
        guard rest.count >= 2, rest.first == tag else { return nil }
        var body = rest.dropFirst()
        guard let short = body.popFirst() else { return nil }
        var length = Int(short)
        if short & 0x80 != 0 {
            let bytes = Int(short & 0x7F)
            guard (1...3).contains(bytes), body.count >= bytes else { return nil }
            length = body.prefix(bytes).reduce(0) { $0 << 8 | Int($1) }
            body = body.dropFirst(bytes)
        }
        guard length <= body.count else { return nil }
        rest = body.dropFirst(length)
        return body.prefix(length)
    }
}
