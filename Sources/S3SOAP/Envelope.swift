internal import WSSecurity
internal import XML

/// A SOAP 1.1 envelope with the one call in its body.
struct Envelope {
    static let namespace = "http://schemas.xmlsoap.org/soap/envelope/"
    private static let security =
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"

    let document: XMLDocument
    let call: XMLElement
    /// Whether there is a Security header, so that the signature is one by certificate.
    let isSecured: Bool

    init(_ bytes: [UInt8], limits: XMLLimits) throws(S3SOAPFault) {
        do throws(XMLError) {
            document = try XMLDocument.parse(bytes, limits: limits)
        } catch {
            throw .invalid("The message cannot be read: \(error.description)")
        }
        let root = document.root
        guard root.localName == "Envelope" else { throw .invalid("The message is no SOAP envelope.") }
        guard root.namespace == Self.namespace else {
            throw S3SOAPFault("VersionMismatch", "The envelope is not one of SOAP 1.1.")
        }
        let parts = root.children
        guard let body = parts.last, body.isNamed("Body", namespace: Self.namespace), parts.count <= 2,
            parts.count == 1 || parts[0].isNamed("Header", namespace: Self.namespace)
        else { throw .invalid("An envelope has at most one Header, and then one Body.") }
        let entries = parts.count == 2 ? parts[0].children : []
        isSecured = entries.contains { $0.isNamed("Security", namespace: Self.security) }
        if !isSecured {
            // Where there is a signature, its verification looks at the other headers.
            for entry in entries {
                let must = entry.attribute("mustUnderstand", namespace: Self.namespace)
                guard must != "1", must != "true" else {
                    throw S3SOAPFault("MustUnderstand", "A header entry that must be understood is not.")
                }
            }
        }
        let calls = body.children
        guard calls.count == 1, calls[0].namespace == Schema.namespace || calls[0].namespace == Schema.bareNamespace
        else { throw .invalid("The Body must have one element, in the namespace \(Schema.namespace).") }
        call = calls[0]
    }
}

/// The arguments of a call by name, in the operation's own terms.
struct Arguments {
    private var values: [String: [XMLElement]] = [:]

    /// Refuses what the operation does not know, so that nothing is silently left out, and what stands too often.
    init(_ call: XMLElement, _ operation: Schema.Operation) throws(S3SOAPFault) {
        for child in call.children {
            guard let part = operation.request.first(where: { $0.name == child.localName }) else {
                throw .invalid("\(operation.name) has no element \(S3SOAPFault.shortened(child.localName)).")
            }
            if part.isSimple, !child.children.isEmpty { throw .invalid("\(part.name) holds text only.") }
            values[part.name, default: []].append(child)
            if let most = part.most, values[part.name, default: []].count > most {
                throw .invalid("There are more than \(most) of \(part.name).")
            }
        }
    }

    subscript(_ name: String) -> XMLElement? { values[name]?.first }

    func all(_ name: String) -> [XMLElement] { values[name] ?? [] }

    /// The text; nil if it is not there.
    func text(_ name: String) -> String? { values[name]?.first?.text }

    /// Text that must be there and not be empty: without its key, a request about an object would be one about the
    /// bucket.
    func required(_ name: String) throws(S3SOAPFault) -> String {
        guard let text = text(name), !text.isEmpty else {
            throw name.hasSuffix("Bucket")
                ? S3SOAPFault("Client.InvalidBucketName", "The specified bucket is not valid.")
                : .invalid("\(name) is missing or empty.")
        }
        return text
    }

    func flag(_ name: String) throws(S3SOAPFault) -> Bool {
        switch self[name]?.trimmedText {
        case "true", "1": true
        case "false", "0", nil: false
        default: throw .invalid("\(name) is neither true nor false.")
        }
    }

    func number(_ name: String) throws(S3SOAPFault) -> Int64? {
        guard let text = self[name]?.trimmedText else { return nil }
        guard let number = Int64(text), number >= 0 else { throw .invalid("\(name) is no number.") }
        return number
    }
}
