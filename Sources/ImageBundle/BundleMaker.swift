internal import Crypto
internal import CryptoExtras
internal import Foundation
internal import Signatures
internal import SwiftASN1
internal import X509
internal import XML

/// Makes a bundle of an image that comes as a stream. It holds one part at most, whatever the image's size.
///
///     image ──tar──┬─gzip──AES──┬─▶ parts of 10 MiB
///                  └─SHA-1      └─SHA-1 of each
///
/// Append all bytes, then `finish`; after each of these, upload what `parts` has and take it away.
public struct BundleMaker: Sendable {
    /// A part that is ready.
    public struct Part: Sendable {
        /// `NAME.part.NUMBER`.
        public var name: String
        /// Its content.
        public var bytes: [UInt8]
    }

    /// What the manifest says of the machine.
    public struct Machine: Sendable {
        /// i386 or x86_64.
        public var architecture: String
        /// The kernel that the image wants, if any.
        public var kernelID: String?
        /// The ramdisk that it wants, if any.
        public var ramdiskID: String?
        /// Makes a description.
        public init(architecture: String, kernelID: String? = nil, ramdiskID: String? = nil) {
            self.architecture = architecture
            self.kernelID = kernelID
            self.ramdiskID = ramdiskID
        }
    }

    /// Whom the bundle is for.
    public struct Recipients: Sendable {
        /// The certificate, in PEM, of the cloud that is to open it.
        public var cloud: String
        /// A certificate of the user, in PEM, so that he can open it as well; without one only the cloud can.
        public var user: String?
        /// His account's number.
        public var account: String
        /// Makes a list.
        public init(cloud: String, user: String?, account: String) {
            self.cloud = cloud
            self.user = user
            self.account = account
        }
    }

    /// Bytes of a part, as the AMI tools cut them.
    public static let partSize = 10 << 20

    /// What is ready and not yet taken.
    public private(set) var parts: [Part] = []

    private let name: String
    private let size: Int64
    private let cipher: BundleCipher
    private var encryptor: BlockEncryptor
    private let deflater = Deflater()
    private var archiveDigest = Insecure.SHA1()
    private var pending: [UInt8] = []
    private var received: Int64 = 0
    private var bundled: Int64 = 0
    private var digests: [(name: String, digest: String)] = []
    private let partBytes: Int

    /// - Parameters:
    ///   - name: what the image is called: the last component of the parts' names.
    ///   - size: bytes of the image.
    public init(name: String, size: Int64, partSize: Int = BundleMaker.partSize) throws(BundleError) {
        self.name = name
        self.size = size
        partBytes = partSize
        cipher = BundleCipher(key: Self.random(), iv: Self.random())
        encryptor = BlockEncryptor(cipher)
        try take(Self.header(name: name, size: size))
    }

    private static func random() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    /// More bytes of the image.
    public mutating func append(_ bytes: [UInt8]) throws(BundleError) {
        received += Int64(bytes.count)
        guard received <= size else {
            throw .damaged("The image has more than the \(size) bytes that were announced.")
        }
        try take(bytes)
    }

    /// The end of the image: the last parts are ready afterwards.
    public mutating func finish() throws(BundleError) {
        guard received == size else {
            throw .damaged("Only \(received) of the image's \(size) bytes came.")
        }
        // A tar archive ends with two empty blocks (GNU tar manual, "Basic Tar Format").
        try take([UInt8](repeating: 0, count: Int((512 - size % 512) % 512) + 1024))
        try cut(try encryptor.append(try deflater.pack([], isLast: true)))
        try cut(try encryptor.finish())
        if !pending.isEmpty { close(pending[...]) }
        pending = []
    }

    /// The parts that are ready; they are the caller's from now on.
    public mutating func takeParts() -> [Part] {
        defer { parts = [] }
        return parts
    }

    private mutating func take(_ bytes: [UInt8]) throws(BundleError) {
        archiveDigest.update(data: bytes)
        try cut(try encryptor.append(try deflater.pack(bytes)))
    }

    private mutating func cut(_ encrypted: [UInt8]) throws(BundleError) {
        pending += encrypted
        while pending.count >= partBytes {
            close(pending[..<partBytes])
            pending.removeFirst(partBytes)
        }
    }

    private mutating func close(_ bytes: ArraySlice<UInt8>) {
        let part = Part(name: "\(name).part.\(digests.count)", bytes: Array(bytes))
        bundled += Int64(bytes.count)
        digests.append((part.name, hexadecimal(Insecure.SHA1.hash(data: part.bytes))))
        parts.append(part)
    }

    /// A POSIX header (ustar); sizes from 8 GiB on as GNU tar writes them.
    private static func header(name: String, size: Int64) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ bytes: [UInt8], at place: Int) { header.replaceSubrange(place..<place + bytes.count, with: bytes) }
        func octal(_ value: Int64, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(0, digits - text.utf8.count)) + text).utf8)
        }
        put(Array(name.utf8.prefix(100)), at: 0)
        put(octal(0o600, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        if size < 1 << 33 {
            put(octal(size, 11), at: 124)
        } else {
            put([0x80, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: size >> (56 - 8 * Int64($0))) }, at: 124)
        }
        put(octal(0, 11), at: 136)
        put(Array("        ".utf8), at: 148)
        header[156] = UInt8(ascii: "0")
        put(Array("ustar\u{0}00".utf8), at: 257)
        let sum = header.reduce(Int64(0)) { $0 + Int64($1) }
        put(octal(sum, 6) + [0, 32], at: 148)
        return header
    }

    // MARK: The manifest

    /// The manifest, in the form of version 2007-10-10.
    ///
    /// - Parameter sign: the signature, RSA with SHA-1, of what it is given.
    public func manifest(
        machine: Machine, recipients: Recipients, software: String, sign: ([UInt8]) throws(BundleError) -> [UInt8]
    ) throws(BundleError) -> [UInt8] {
        var configuration = XMLWriter(declaration: false)
        configuration.open("machine_configuration")
        configuration.element("architecture", machine.architecture)
        if let kernel = machine.kernelID { configuration.element("kernel_id", kernel) }
        if let ramdisk = machine.ramdiskID { configuration.element("ramdisk_id", ramdisk) }
        configuration.close()
        let key = Array(hexadecimal(cipher.key).utf8)
        let iv = Array(hexadecimal(cipher.iv).utf8)
        var image = XMLWriter(declaration: false)
        image.open("image")
        image.element("name", name)
        image.element("user", recipients.account)
        image.element("type", "machine")
        Self.digest(hexadecimal(archiveDigest.finalize()), &image)
        image.element("size", size)
        image.element("bundled_size", bundled)
        image.element(
            "ec2_encrypted_key", try Self.wrap(key, recipients.cloud), [(name: "algorithm", value: "AES-128-CBC")])
        if let user = recipients.user {
            image.element("user_encrypted_key", try Self.wrap(key, user), [(name: "algorithm", value: "AES-128-CBC")])
        }
        image.element("ec2_encrypted_iv", try Self.wrap(iv, recipients.cloud))
        if let user = recipients.user { image.element("user_encrypted_iv", try Self.wrap(iv, user)) }
        image.open("parts", [(name: "count", value: String(digests.count))])
        for (index, part) in digests.enumerated() {
            image.open("part", [(name: "index", value: String(index))])
            image.element("filename", part.name)
            Self.digest(part.digest, &image)
            image.close()
        }
        image.close()
        image.close()
        let signed = configuration.bytes + image.bytes
        let signature = try sign(signed)
        return Array(
            ("<?xml version=\"1.0\"?><manifest><version>2007-10-10</version><bundler><name>mallee</name><version>"
                + software + "</version><release>1</release></bundler>").utf8) + signed
            + Array("<signature>\(hexadecimal(signature))</signature></manifest>".utf8)
    }

    /// Signs what a manifest says: RSA (PKCS #1 v1.5) with SHA-1, as the form demands.
    ///
    /// - Parameter key: a private key in PEM.
    public static func sign(_ text: [UInt8], key: String) throws(BundleError) -> [UInt8] {
        do {
            return [UInt8](
                try _RSA.Signing.PrivateKey(pemRepresentation: key)
                    .signature(for: Insecure.SHA1.hash(data: text), padding: .insecurePKCS1v1_5).rawRepresentation)
        } catch {
            throw .foreign("The key that signs the cloud's bundles cannot be used: \(error)")
        }
    }

    private static func digest(_ text: String, _ writer: inout XMLWriter) {
        writer.element("digest", text, [(name: "algorithm", value: "SHA1")])
    }

    private static func wrap(_ text: [UInt8], _ certificate: String) throws(BundleError) -> String {
        do {
            guard let key = _RSA.Signing.PublicKey(try Certificate(pemEncoded: certificate).publicKey) else {
                throw BundleError.foreign("A certificate that a bundle is to be encrypted for is not of an RSA key.")
            }
            return hexadecimal(
                try _RSA.Encryption.PublicKey(derRepresentation: key.derRepresentation)
                    .encrypt(text, padding: ._WEAK_AND_INSECURE_PKCS_V1_5))
        } catch let error as BundleError {
            throw error
        } catch {
            throw .foreign("A certificate that a bundle is to be encrypted for cannot be used: \(error)")
        }
    }
}
