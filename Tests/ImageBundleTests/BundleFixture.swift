import Crypto
import CryptoExtras
import Foundation
import ImageBundle
import NIOCore
import SwiftASN1
import Testing
import X509

/// A bundle made the way the tools make one, with keys of its own. Compression is stored gzip, so that a test can
/// change any byte of the archive.
struct BundleFixture {
    static let cloud = makeKey()
    static let user = makeKey()

    var image: [UInt8]
    var name = "disk.img"
    var type = "machine"
    var kernelID: String?
    var partSize = 1000
    /// What is left out or changed.
    var manifestSize: Int64?
    var trailingParts: [[UInt8]] = []
    /// The archive, if it is not to be the ordinary one.
    var archive: [UInt8]?

    init(image: [UInt8]) { self.image = image }

    static func makeKey() -> _RSA.Signing.PrivateKey {
        do {
            return try _RSA.Signing.PrivateKey(keySize: .bits2048)
        } catch {
            preconditionFailure("no key: \(error)")
        }
    }

    static func certificate(of key: _RSA.Signing.PrivateKey) throws -> String {
        let name = try DistinguishedName { CommonName("user") }
        let own = Certificate.PrivateKey(key)
        return try Certificate(
            version: .v3, serialNumber: .init(), publicKey: own.publicKey, notValidBefore: Date() - 60,
            notValidAfter: Date() + 3600, issuer: name, subject: name, signatureAlgorithm: .sha256WithRSAEncryption,
            extensions: Certificate.Extensions {}, issuerPrivateKey: own
        ).serializeAsPEM().pemString
    }

    struct Made {
        var manifest: [UInt8]
        var parts: [String: [UInt8]]

        func stream(_ cloud: CloudKey) throws -> BundleImage<ByteSequence> {
            let parsed = try BundleManifest(manifest)
            let parts = parts
            return BundleImage(manifest: parsed, cipher: try cloud.unwrap(parsed)) { part in
                ByteSequence(parts[part.name] ?? [])
            }
        }

        func image(_ cloud: CloudKey = BundleFixture.cloudKey) async throws -> [UInt8] {
            var bytes: [UInt8] = []
            for try await buffer in try stream(cloud) { bytes += buffer.readableBytesView }
            return bytes
        }
    }

    static var cloudKey: CloudKey { CloudKey(pem: cloud.pemRepresentation) }

    func make(readable: Bool = false) throws -> Made {
        let tar = archive ?? Tar.file(name: name, image)
        let key = (0..<16).map { _ in UInt8.random(in: 0...255) }
        let iv = (0..<16).map { _ in UInt8.random(in: 0...255) }
        let encrypted = [UInt8](
            try AES._CBC.encrypt(Gzip.stored(tar), using: SymmetricKey(data: key), iv: AES._CBC.IV(ivBytes: iv)))
        var parts: [(name: String, bytes: [UInt8])] = stride(from: 0, to: encrypted.count, by: partSize).enumerated()
            .map {
                (
                    "\(name).part.\($0.offset)",
                    Array(encrypted[$0.element..<min($0.element + partSize, encrypted.count)])
                )
            }
        for bytes in trailingParts { parts.append(("\(name).part.\(parts.count)", bytes)) }
        let total = parts.reduce(0) { $0 + $1.bytes.count }
        let machine =
            "<machine_configuration><architecture>x86_64</architecture>"
            + (kernelID.map { "<kernel_id>\($0)</kernel_id>" } ?? "") + "</machine_configuration>"
        let list = parts.enumerated().map {
            "<part index=\"\($0.offset)\"><filename>\($0.element.name)</filename><digest algorithm=\"SHA1\">"
                + hex(Insecure.SHA1.hash(data: $0.element.bytes)) + "</digest></part>"
        }.joined()
        let image =
            "<image><name>\(name)</name><user>123456789012</user><type>\(type)</type><digest algorithm=\"SHA1\">"
            + hex(Insecure.SHA1.hash(data: tar)) + "</digest><size>\(manifestSize ?? Int64(self.image.count))</size>"
            + "<bundled_size>\(total)</bundled_size><ec2_encrypted_key algorithm=\"AES-128-CBC\">"
            + (try wrap(key, Self.cloud)) + "</ec2_encrypted_key><user_encrypted_key algorithm=\"AES-128-CBC\">"
            + (try wrap(key, Self.user)) + "</user_encrypted_key><ec2_encrypted_iv>" + (try wrap(iv, Self.cloud))
            + "</ec2_encrypted_iv><user_encrypted_iv>" + (try wrap(iv, Self.user))
            + "</user_encrypted_iv><parts count=\"\(parts.count)\">\(list)</parts></image>"
        let signature = try Self.user.signature(
            for: Insecure.SHA1.hash(data: Array((machine + image).utf8)), padding: .insecurePKCS1v1_5)
        var text =
            "<?xml version=\"1.0\"?><manifest><version>2007-10-10</version><bundler><name>test</name></bundler>"
            + machine
            + image + "<signature>\(hex(signature.rawRepresentation))</signature></manifest>"
        if readable { text = text.replacingOccurrences(of: "><", with: ">\n  <") }
        return Made(
            manifest: Array(text.utf8),
            parts: Dictionary(parts.map { ($0.name, $0.bytes) }, uniquingKeysWith: { first, _ in first }))
    }

    private func wrap(_ bytes: [UInt8], _ key: _RSA.Signing.PrivateKey) throws -> String {
        let pem = key.publicKey.pemRepresentation
        return hex(
            try _RSA.Encryption.PublicKey(pemRepresentation: pem).encrypt(
                Array(hex(bytes).utf8), padding: ._WEAK_AND_INSECURE_PKCS_V1_5))
    }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// gzip without compression (RFC 1951, 3.2.4; RFC 1952).
enum Gzip {
    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3]
        var start = 0
        repeat {
            let end = min(start + 65_535, bytes.count)
            let count = UInt16(end - start)
            result += [end == bytes.count ? 1 : 0, UInt8(count & 255), UInt8(count >> 8)]
            result += [UInt8(~count & 255), UInt8(~count >> 8)] + bytes[start..<end]
            start = end
        } while start < bytes.count
        for word in [crc(bytes), UInt32(truncatingIfNeeded: bytes.count)] {
            result += (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) }
        }
        return result
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }
}

/// Archives of one file.
enum Tar {
    static func file(name: String, _ bytes: [UInt8]) -> [UInt8] {
        var archive = header(name: name, size: bytes.count, type: UInt8(ascii: "0")) + bytes
        archive += [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512 + 1024)
        return archive
    }

    /// A sparse file in GNU's own format: stretches of it, in order.
    static func sparse(name: String, size: Int, _ stretches: [(offset: Int, bytes: [UInt8])]) -> [UInt8] {
        let data = stretches.flatMap(\.bytes)
        var head = header(name: name, size: data.count, type: UInt8(ascii: "S"))
        func entry(_ index: Int) -> [UInt8] {
            index < stretches.count
                ? octal(stretches[index].offset) + octal(stretches[index].bytes.count)
                : [UInt8](repeating: 0, count: 24)
        }
        head.replaceSubrange(386..<482, with: (0..<4).flatMap(entry))
        head[482] = stretches.count > 4 ? 1 : 0
        head.replaceSubrange(483..<495, with: octal(size))
        sum(&head)
        var archive = head
        var next = 4
        while next < stretches.count {
            archive += (next..<next + 21).flatMap(entry) + [next + 21 < stretches.count ? 1 : 0]
            archive += [UInt8](repeating: 0, count: 7)
            next += 21
        }
        archive += data
        return archive + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512 + 1024)
    }

    private static func octal(_ number: Int) -> [UInt8] {
        let digits = String(number, radix: 8)
        return Array((String(repeating: "0", count: 11 - digits.count) + digits).utf8) + [0]
    }

    private static func header(name: String, size: Int, type: UInt8) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        block.replaceSubrange(0..<name.utf8.count, with: name.utf8)
        block.replaceSubrange(124..<136, with: octal(size))
        block[156] = type
        block.replaceSubrange(257..<265, with: Array("ustar  \0".utf8))
        sum(&block)
        return block
    }

    private static func sum(_ block: inout [UInt8]) {
        block.replaceSubrange(148..<156, with: Array("        ".utf8))
        let digits = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        block.replaceSubrange(
            148..<156, with: Array((String(repeating: "0", count: 6 - digits.count) + digits).utf8) + [0, 32])
    }
}

/// Bytes in buffers of odd lengths.
struct ByteSequence: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    struct AsyncIterator: AsyncIteratorProtocol {
        let bytes: [UInt8]
        var position = 0

        mutating func next() async throws -> ByteBuffer? {
            guard position < bytes.count else { return nil }
            let end = Swift.min(position + 37, bytes.count)
            defer { position = end }
            return ByteBuffer(bytes: bytes[position..<end])
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(bytes: bytes) }
}
