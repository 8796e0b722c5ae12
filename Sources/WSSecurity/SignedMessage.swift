import Crypto
public import XML

/// An envelope with a signature that was read but not yet checked.
public struct SignedMessage: Sendable {
    /// The envelope's body: the very element that the signature must cover.
    public let body: XMLElement
    /// The certificate with which the message says it is signed, in DER.
    public let certificate: [UInt8]

    let index: ElementIndex
    let security: XMLElement
    let timestamp: XMLElement
    let signature: XMLSignature

    /// SHA-256 of the certificate, by which its owner is found.
    public var fingerprint: [UInt8] { Array(SHA256.hash(data: certificate)) }

    /// Reads a message and everything that its signature says, without judging it.
    public static func parse(_ bytes: [UInt8], policy: WSSecurityPolicy) throws(WSSecurityError) -> SignedMessage {
        let document: XMLDocument
        do throws(XMLError) {
            document = try XMLDocument.parse(bytes, limits: policy.limits)
        } catch {
            throw .malformed("The message cannot be read: \(error.description)")
        }
        return try SignedMessage(envelope: document.root)
    }

    /// The same of a document that was parsed already, within the limits of a policy.
    public static func read(_ document: XMLDocument) throws(WSSecurityError) -> SignedMessage {
        try SignedMessage(envelope: document.root)
    }

    private init(envelope: XMLElement) throws(WSSecurityError) {
        let (header, body) = try Self.parts(of: envelope)
        let security = try Self.security(in: header)
        let index = try ElementIndex(envelope)
        let timestamps = security.children("Timestamp", namespace: Names.utility)
        let signatures = security.children("Signature", namespace: Names.signature)
        guard let signature = signatures.first else {
            throw .unsigned("The Security header has no Signature; sign Body and Timestamp.")
        }
        guard let timestamp = timestamps.first else {
            throw .timestamp("The Security header has no Timestamp; add one and sign it.")
        }
        guard signatures.count == 1, timestamps.count == 1 else {
            throw .ambiguous("The Security header has more than one Signature or Timestamp.")
        }
        let parsed = try XMLSignature(signature)
        self.body = body
        self.index = index
        self.security = security
        self.timestamp = timestamp
        self.signature = parsed
        certificate = try CertificateReference.certificate(of: signature, security: security, index: index)
    }

    /// Header and body, which must be where SOAP has them, so that nobody can put another body elsewhere.
    private static func parts(of envelope: XMLElement) throws(WSSecurityError) -> (header: XMLElement, body: XMLElement)
    {
        guard envelope.localName == "Envelope" else {
            throw .malformed("The message is no SOAP envelope but the element \(shortened(envelope.localName)).")
        }
        guard envelope.namespace == Names.envelope else {
            throw .versionMismatch
        }
        let children = envelope.children
        guard let body = children.last, body.isNamed("Body", namespace: Names.envelope) else {
            throw .malformed("The envelope's last element must be its Body.")
        }
        guard children.count == 2, children[0].isNamed("Header", namespace: Names.envelope) else {
            if children.count == 1 {
                throw .unsigned("The message has no Header with a Security entry; sign it by an X.509 certificate.")
            }
            throw .malformed("An envelope has one Header and one Body.")
        }
        return (children[0], body)
    }

    /// The one Security entry for us.
    private static func security(in header: XMLElement) throws(WSSecurityError) -> XMLElement {
        var found: XMLElement?
        for entry in header.children {
            let actor = entry.attribute("actor", namespace: Names.envelope) ?? ""
            let isForUs = actor.isEmpty || actor == Names.nextActor
            if entry.isNamed("Security", namespace: Names.security), isForUs {
                guard found == nil else { throw .ambiguous("The message has more than one Security header.") }
                found = entry
                continue
            }
            let must = entry.attribute("mustUnderstand", namespace: Names.envelope)?.trimmingXMLWhitespace()
            if isForUs, must == "1" || must == "true" {
                throw .notUnderstood(
                    "The header entry \(shortened(entry.localName)) in namespace "
                        + "\(shortened(entry.namespace ?? "(none)")) is not understood.")
            }
        }
        guard let found else {
            throw .unsigned("The message has no Security header; sign it by an X.509 certificate.")
        }
        return found
    }

    /// As much of a sender's text as fits into a message.
    static func shortened(_ text: String) -> String {
        text.utf8.count <= 100 ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(80))) + "…"
    }
}

/// Finds elements of a document by their ids, with the elements that they stand in.
struct ElementIndex: Sendable {
    struct Place: Sendable {
        let element: XMLElement
        /// From the root down to the element's parent.
        let ancestors: [XMLElement]
    }

    let root: XMLElement
    private var places: [String: Place] = [:]

    /// Whoever calls an element by an id means one: an id that stands twice, in any of the spellings that libraries look
    /// for, is refused before anything is looked up.
    init(_ root: XMLElement) throws(WSSecurityError) {
        self.root = root
        var stack: [(element: XMLElement, next: Int)] = []
        var path: [XMLElement] = []
        try add(root, path)
        stack.append((root, 0))
        while let (element, next) = stack.last {
            guard next < element.content.count else {
                stack.removeLast()
                if !path.isEmpty { path.removeLast() }
                continue
            }
            stack[stack.count - 1].next += 1
            guard case .element(let child) = element.content[next] else { continue }
            path.append(element)
            try add(child, path)
            stack.append((child, 0))
        }
    }

    private mutating func add(_ element: XMLElement, _ ancestors: [XMLElement]) throws(WSSecurityError) {
        var own: String?
        for attribute in element.attributes where Self.isID(attribute) {
            if own == attribute.value { continue }
            guard places[attribute.value] == nil, !attribute.value.isEmpty else {
                throw .ambiguous("The id \(SignedMessage.shortened(attribute.value)) stands twice, or is empty.")
            }
            places[attribute.value] = Place(element: element, ancestors: ancestors)
            own = attribute.value
        }
    }

    /// `wsu:Id` anywhere, `Id` as XML Signature has it, and `xml:id`.
    private static func isID(_ attribute: XMLAttribute) -> Bool {
        switch (attribute.namespace, attribute.localName) {
        case (Names.utility, "Id"), (nil, "Id"), (nil, "ID"), ("http://www.w3.org/XML/1998/namespace", "id"): true
        default: false
        }
    }

    /// The element that a reference `#id` means.
    func place(_ uri: String) throws(WSSecurityError) -> Place {
        guard uri.utf8.first == UInt8(ascii: "#"), uri.utf8.count > 1 else {
            throw .unsupported(
                "The reference \(SignedMessage.shortened(uri)) is not one to an element of the message (#id).")
        }
        guard let place = places[String(uri.dropFirst())] else {
            throw .mismatch("The reference \(SignedMessage.shortened(uri)) has no element.")
        }
        return place
    }

}
