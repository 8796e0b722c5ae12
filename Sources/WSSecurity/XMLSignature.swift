import Crypto
import CryptoExtras
import XML

/// A `ds:Signature` as it was read.
struct XMLSignature: Sendable {
    enum Digest: Sendable {
        case sha1
        case sha256

        init?(algorithm: String) {
            switch algorithm {
            case "http://www.w3.org/2000/09/xmldsig#sha1": self = .sha1
            case "http://www.w3.org/2001/04/xmlenc#sha256": self = .sha256
            default: return nil
            }
        }

        func hash(_ bytes: [UInt8]) -> [UInt8] {
            switch self {
            case .sha1: Array(Insecure.SHA1.hash(data: bytes))
            case .sha256: Array(SHA256.hash(data: bytes))
            }
        }
    }

    struct Reference: Sendable {
        let uri: String
        let form: XMLCanonicalForm
        let digest: Digest
        let value: [UInt8]
    }

    let element: XMLElement
    let signedInfo: XMLElement
    /// The form of `SignedInfo` that is signed.
    let form: XMLCanonicalForm
    /// The digest that RSA signs (PKCS#1 v1.5).
    let digest: Digest
    let references: [Reference]
    let value: [UInt8]

    /// Body, Timestamp, the token, and a few headers; more would only cost work.
    private static let mostReferences = 8

    init(_ element: XMLElement) throws(WSSecurityError) {
        let namespace = Names.signature
        self.element = element
        let infos = element.children("SignedInfo", namespace: namespace)
        let values = element.children("SignatureValue", namespace: namespace)
        guard infos.count == 1, values.count == 1, let info = infos.first, let encoded = values.first else {
            throw .malformed("A Signature has one SignedInfo and one SignatureValue.")
        }
        signedInfo = info
        let canonicalization = try Self.only("CanonicalizationMethod", of: info)
        guard let form = try Self.form(canonicalization) else {
            throw .unsupported(
                "The canonicalization \(Self.algorithm(canonicalization)) is not taken; use \(Names.exclusive).")
        }
        self.form = form
        let method = Self.algorithm(try Self.only("SignatureMethod", of: info))
        switch method {
        case "http://www.w3.org/2000/09/xmldsig#rsa-sha1": digest = .sha1
        case "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": digest = .sha256
        default:
            throw .unsupported(
                "The signature algorithm \(SignedMessage.shortened(method)) is not taken; use rsa-sha256 or rsa-sha1.")
        }
        let references = info.children("Reference", namespace: namespace)
        guard !references.isEmpty, references.count <= Self.mostReferences else {
            throw .malformed("A SignedInfo has 1 to \(Self.mostReferences) references.")
        }
        self.references = try references.map { reference throws(WSSecurityError) in try Self.reference(reference) }
        value = try Self.base64(encoded, "SignatureValue")
    }

    private static func reference(_ element: XMLElement) throws(WSSecurityError) -> Reference {
        let uri = element.attribute("URI") ?? ""
        let method = algorithm(try only("DigestMethod", of: element))
        guard let digest = Digest(algorithm: method) else {
            throw .unsupported(
                "The digest algorithm \(SignedMessage.shortened(method)) is not taken; use sha256 or sha1.")
        }
        let value = try base64(try only("DigestValue", of: element), "DigestValue")
        // Without transforms an element becomes bytes by the inclusive form (XML Signature, 4.3.3.2).
        var form = XMLCanonicalForm(.inclusive)
        let lists = element.children("Transforms", namespace: Names.signature)
        guard lists.count <= 1 else { throw .malformed("A Reference has one list of transforms.") }
        if let list = lists.first {
            let transforms = list.children
            guard transforms.count == 1, transforms[0].isNamed("Transform", namespace: Names.signature),
                let given = try Self.form(transforms[0])
            else {
                let named = transforms.map { SignedMessage.shortened(algorithm($0)) }.prefix(3).joined(separator: ", ")
                throw .unsupported(
                    "The transforms \(named) are not taken; use one, \(Names.exclusive).")
            }
            form = given
        }
        // A reference `#id` selects no comments, whatever the form would do with them (XML Signature, 4.3.3.3).
        form.keepsComments = false
        return Reference(uri: uri, form: form, digest: digest, value: value)
    }

    /// The one child of a name.
    private static func only(_ name: String, of element: XMLElement) throws(WSSecurityError) -> XMLElement {
        let found = element.children(name, namespace: Names.signature)
        guard found.count == 1 else { throw .malformed("\(element.localName) has one \(name).") }
        return found[0]
    }

    private static func algorithm(_ element: XMLElement) -> String { element.attribute("Algorithm") ?? "" }

    /// The canonical form that an element names; nil if it is none.
    private static func form(_ element: XMLElement) throws(WSSecurityError) -> XMLCanonicalForm? {
        switch algorithm(element) {
        case Names.inclusive: XMLCanonicalForm(.inclusive)
        case Names.inclusive + "#WithComments": XMLCanonicalForm(.inclusive, keepsComments: true)
        case Names.exclusive: XMLCanonicalForm(.exclusive(inclusivePrefixes: try prefixes(element)))
        case Names.exclusive + "WithComments":
            XMLCanonicalForm(.exclusive(inclusivePrefixes: try prefixes(element)), keepsComments: true)
        default: nil
        }
    }

    /// `InclusiveNamespaces PrefixList`.
    private static func prefixes(_ element: XMLElement) throws(WSSecurityError) -> [String] {
        let lists = element.children("InclusiveNamespaces", namespace: Names.exclusive)
        guard let list = lists.first else { return [] }
        let names = (list.attribute("PrefixList") ?? "").split(separator: " ")
        guard lists.count == 1, names.count <= 16 else { throw .malformed("The list of inclusive namespaces is odd.") }
        return names.map { $0 == "#default" ? "" : String($0) }
    }

    /// Base64 in the text of an element; white space between is XML's custom.
    static func base64(_ element: XMLElement, _ name: String) throws(WSSecurityError) -> [UInt8] {
        let text = element.text.utf8.filter { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }
        guard element.children.isEmpty, let bytes = Base64Text.decode(text), !bytes.isEmpty else {
            throw .malformed("\(name) is not Base64.")
        }
        return bytes
    }
}

/// Base64 of RFC 4648 with padding, strictly: one text for one sequence of bytes.
enum Base64Text {
    static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.count / 4 * 3)
        var padding = 0
        var pending: UInt32 = 0
        for (index, byte) in text.enumerated() {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): digit = 62
            case UInt8(ascii: "/"): digit = 63
            case UInt8(ascii: "=") where index >= text.count - 2:
                padding += 1
                digit = 0
            default: return nil
            }
            if padding > 0, byte != UInt8(ascii: "=") { return nil }
            pending = pending << 6 | UInt32(digit)
            guard index % 4 == 3 else { continue }
            let group = [UInt8(pending >> 16 & 255), UInt8(pending >> 8 & 255), UInt8(pending & 255)]
            // Bits that no byte has must be 0.
            for unused in group.suffix(padding) where unused != 0 { return nil }
            result.append(contentsOf: group.prefix(3 - padding))
            pending = 0
        }
        return result
    }
}
