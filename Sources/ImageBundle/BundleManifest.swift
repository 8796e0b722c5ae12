internal import XML

/// What a bundle's manifest says. Everything is read from the very bytes that the signature covers.
public struct BundleManifest: Sendable, Equatable {
    /// What the image is to be used as.
    public enum Kind: String, Sendable { case machine, kernel, ramdisk }

    /// How bytes are digested.
    public enum DigestAlgorithm: String, Sendable { case sha1 = "SHA1", sha256 = "SHA256" }

    /// A digest of the whole or of a part.
    public struct Digest: Sendable, Equatable {
        /// How.
        public var algorithm: DigestAlgorithm
        /// 20 or 32 bytes.
        public var bytes: [UInt8]
    }

    /// A piece of the encrypted file.
    public struct Part: Sendable, Equatable {
        /// The name of its object, which lies beside the manifest. It holds no slash.
        public var name: String
        /// Of the bytes as they lie there.
        public var digest: Digest
    }

    /// What it is.
    public var kind: Kind
    /// i386 or x86_64.
    public var architecture: String
    /// The kernel that the image wants, if it names one.
    public var kernelID: String?
    /// The ramdisk that it wants, if it names one.
    public var ramdiskID: String?
    /// Devices by virtual name ("root", "ami", "ephemeral0", "swap").
    public var blockDevices: [String: String]
    /// The image's name.
    public var name: String
    /// The account of the user who made it, as he said.
    public var user: String
    /// Bytes of the image.
    public var size: Int64
    /// Bytes of all parts together.
    public var bundledSize: Int64
    /// Digest of the tar archive that holds the image.
    public var digest: Digest
    /// The AES key, encrypted for the cloud.
    public var encryptedKey: [UInt8]
    /// The initialisation vector, encrypted for the cloud.
    public var encryptedIV: [UInt8]
    /// In order.
    public var parts: [Part]
    /// The signature; nil if the bundle was made without a user's key.
    public var signature: [UInt8]?
    /// What may have been signed: the elements as they stand, and without the space between tags that a tool put in
    /// afterwards to make it readable.
    var signed: [[UInt8]]

    /// Bytes that a manifest may have: enough for 10,000 parts.
    public static let largest = 4 << 20
    /// Bytes that an image may have: 10 TiB.
    static let largestImage: Int64 = 10 << 40
    private static let mostParts = 10_000

    /// Whether an object's name is that of a manifest, as the tools name them.
    public static func isManifest(location: String) -> Bool { location.hasSuffix(".manifest.xml") }

    /// Reads a manifest. It comes from a user: nothing in it is believed before it was checked.
    public init(_ document: [UInt8]) throws(BundleError) {
        guard document.count <= Self.largest else {
            throw .malformed("The manifest has \(document.count) bytes; at most \(Self.largest) are read.")
        }
        let root = try Self.parse(document, "manifest")
        guard root.localName == "manifest" else {
            throw .malformed("The object is no manifest of an image bundle: its root is <\(root.localName)>.")
        }
        if let version = root.child("version")?.trimmedText, version != "2007-10-10", version != "3" {
            throw .malformed("The manifest has version \(version.prefix(32)); 2007-10-10 is understood.")
        }
        let machineBytes = try Self.element("machine_configuration", in: document)
        let imageBytes = try Self.element("image", in: document)
        signed = [machineBytes + imageBytes]
        let compact = Self.compact(machineBytes) + Self.compact(imageBytes)
        if compact != signed[0] { signed.append(compact) }
        let machine = try Self.parse(machineBytes, "machine_configuration")
        let image = try Self.parse(imageBytes, "image")

        architecture = try Self.text(machine, "architecture")
        let kernel = Self.optional(machine, "kernel_id")
        let ramdisk = Self.optional(machine, "ramdisk_id")
        // The original's sign for "this is a kernel" is the kernel id "true".
        switch (Self.optional(image, "type") ?? "machine", kernel, ramdisk) {
        case ("kernel", _, _), (_, "true", _): kind = .kernel
        case ("ramdisk", _, _), (_, _, "true"): kind = .ramdisk
        case ("machine", _, _): kind = .machine
        case (let other, _, _):
            throw .malformed("The manifest's type is \(other.prefix(32)); machine, kernel or ramdisk.")
        }
        kernelID = kind == .machine ? kernel : nil
        ramdiskID = kind == .machine ? ramdisk : nil
        blockDevices = [:]
        for mapping in machine.child("block_device_mapping")?.children("mapping") ?? [] {
            guard let virtual = Self.optional(mapping, "virtual"), let device = Self.optional(mapping, "device") else {
                throw .malformed("A block device mapping of the manifest lacks its virtual name or its device.")
            }
            blockDevices[virtual] = device
        }
        name = try Self.text(image, "name")
        user = Self.optional(image, "user") ?? ""
        size = try Self.number(image, "size", in: 0...Self.largestImage)
        bundledSize = try Self.number(image, "bundled_size", in: 1...Self.largestImage * 2)
        digest = try Self.digest(image, of: "the image")
        encryptedKey = try Self.encrypted(image, "ec2_encrypted_key")
        encryptedIV = try Self.encrypted(image, "ec2_encrypted_iv")
        parts = try Self.parts(image)
        let signatureText = Self.optional(root, "signature") ?? "UNSIGNED"
        if signatureText == "UNSIGNED" {
            signature = nil
        } else if let bytes = bytes(hexadecimal: signatureText), (64...1024).contains(bytes.count) {
            signature = bytes
        } else {
            throw .malformed("The manifest's signature is no hexadecimal text of a signature's length.")
        }
    }

    private static func parse(_ bytes: [UInt8], _ what: String) throws(BundleError) -> XMLElement {
        do throws(XMLError) {
            return try XMLElement.parse(bytes, limits: XMLLimits(bytes: largest, depth: 10, elements: 60_000))
        } catch {
            throw .malformed("The manifest's <\(what)> cannot be read: \(error)")
        }
    }

    /// An element's bytes as they stand, from its first tag to its last end.
    private static func element(_ name: String, in document: [UInt8]) throws(BundleError) -> [UInt8] {
        let opening = Array("<\(name)>".utf8)
        let closing = Array("</\(name)>".utf8)
        guard let start = position(of: opening, in: document, from: 0),
            let end = position(of: closing, in: document, from: start + opening.count)
        else { throw .malformed("The manifest has no <\(name)>.") }
        return Array(document[start..<end + closing.count])
    }

    private static func position(of text: [UInt8], in document: [UInt8], from start: Int) -> Int? {
        guard document.count >= text.count, start <= document.count - text.count else { return nil }
        return (start...document.count - text.count).first { place in
            document[place] == text[0] && document[place..<place + text.count].elementsEqual(text)
        }
    }

    /// Without the white space that stands alone between two tags.
    private static func compact(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            result.append(bytes[index])
            index += 1
            guard result.last == UInt8(ascii: ">") else { continue }
            var next = index
            while next < bytes.count, [9, 10, 13, 32].contains(bytes[next]) { next += 1 }
            if next < bytes.count, bytes[next] == UInt8(ascii: "<") { index = next }
        }
        return result
    }

    // MARK: Fields

    private static func optional(_ parent: XMLElement, _ name: String) -> String? {
        guard let text = parent.child(name)?.trimmedText, !text.isEmpty else { return nil }
        return text
    }

    private static func text(
        _ parent: XMLElement, _ name: String, most: Int = 1024
    ) throws(BundleError) -> String {
        guard let text = optional(parent, name), text.utf8.count <= most else {
            throw .malformed("The manifest lacks <\(parent.localName)><\(name)>, or it is too long.")
        }
        return text
    }

    private static func number(
        _ parent: XMLElement, _ name: String, in range: ClosedRange<Int64>
    ) throws(BundleError) -> Int64 {
        let text = try text(parent, name)
        guard let number = Int64(text), range.contains(number) else {
            throw .malformed(
                "The manifest's \(name) is \(text.prefix(32)); a whole number from \(range.lowerBound) to "
                    + "\(range.upperBound) is expected.")
        }
        return number
    }

    private static func digest(_ parent: XMLElement, of what: String) throws(BundleError) -> Digest {
        guard let element = parent.child("digest") else { throw .malformed("The manifest has no digest of \(what).") }
        let name = (element.attribute("algorithm") ?? "SHA1").uppercased()
        guard let algorithm = DigestAlgorithm(rawValue: name) else {
            throw .malformed("The digest of \(what) is by \(name.prefix(32)); SHA1 and SHA256 are understood.")
        }
        guard let bytes = bytes(hexadecimal: element.trimmedText), bytes.count == (algorithm == .sha1 ? 20 : 32) else {
            throw .malformed("The digest of \(what) is no \(algorithm.rawValue) in hexadecimal.")
        }
        return Digest(algorithm: algorithm, bytes: bytes)
    }

    private static func encrypted(_ image: XMLElement, _ name: String) throws(BundleError) -> [UInt8] {
        if let algorithm = image.child(name)?.attribute("algorithm"), algorithm.uppercased() != "AES-128-CBC" {
            throw .malformed("The image is encrypted by \(algorithm.prefix(32)); AES-128-CBC is understood.")
        }
        guard let bytes = bytes(hexadecimal: try text(image, name, most: 4096)), (64...1024).contains(bytes.count)
        else { throw .malformed("The manifest's \(name) is no hexadecimal text of an RSA block's length.") }
        return bytes
    }

    private static func parts(_ image: XMLElement) throws(BundleError) -> [Part] {
        guard let list = image.child("parts") else { throw .malformed("The manifest has no <parts>.") }
        let elements = list.children("part")
        guard let count = list.attribute("count").flatMap({ Int($0) }), count == elements.count else {
            throw .malformed(
                "The manifest names \(elements.count) parts, and says that there are "
                    + "\((list.attribute("count") ?? "an unknown number").prefix(32)).")
        }
        guard (1...mostParts).contains(count) else {
            throw .malformed("The manifest has \(count) parts; 1 to \(mostParts) are possible.")
        }
        var parts = [Part?](repeating: nil, count: count)
        var names = Set<String>()
        for element in elements {
            guard let index = element.attribute("index").flatMap({ Int($0) }), parts.indices.contains(index),
                parts[index] == nil
            else { throw .malformed("The parts of the manifest are not numbered from 0 to \(count - 1).") }
            let name = try text(element, "filename")
            guard isPlain(name), names.insert(name).inserted else {
                throw .malformed("The name of part \(index) is no plain file name, or another part has it.")
            }
            parts[index] = Part(name: name, digest: try digest(element, of: "part \(index)"))
        }
        return parts.compactMap { $0 }
    }

    /// Parts lie beside the manifest and nowhere else.
    private static func isPlain(_ name: String) -> Bool {
        name != "." && name != ".." && !name.unicodeScalars.contains { $0 == "/" || $0.value < 32 || $0.value == 127 }
    }
}
