// SOAP 1.1 envelopes (W3C note of 8 May 2000), document/literal: one element in the body, or a fault.
import XML

/// The HTTP answer of a SOAP service.
public struct SOAPReply: Sendable, Equatable {
    /// 200 for a response, 500 for a fault (SOAP 1.1 section 6.2).
    public let status: Int
    /// The envelope.
    public let body: [UInt8]
    /// The operation that the request asked for, for logs and metrics; nil if there is none of its name.
    public let operation: String?
    /// The fault in the envelope, for logs and metrics.
    public let fault: SOAPFault?

    /// Value of the HTTP header Content-Type.
    public static var contentType: String { "text/xml; charset=utf-8" }
}

/// A SOAP 1.1 fault.
public struct SOAPFault: Error, Sendable, Equatable {
    /// The fault codes of SOAP 1.1 section 4.4.1.
    public enum Code: String, Sendable {
        /// The envelope is not one of SOAP 1.1.
        case versionMismatch = "VersionMismatch"
        /// A header entry that must be understood is not.
        case mustUnderstand = "MustUnderstand"
        /// The message is at fault; repeating it is useless.
        case client = "Client"
        /// The service is at fault; the same message may succeed later.
        case server = "Server"
    }

    /// Whose fault it is.
    public let code: Code
    /// What went wrong, for people.
    public let message: String
    /// What the service says about it; nil where the message did not get as far.
    public let detail: ServiceFault?

    /// Makes a fault without detail.
    init(code: Code, message: String) {
        self.code = code
        self.message = message
        detail = nil
    }

    /// A fault as a service threw it.
    init(_ fault: ServiceFault) {
        switch fault.code {
        case .notFound, .invalidRequest, .conflict, .unsupported: code = .client
        case .insufficientResources, .unavailable, .internal: code = .server
        }
        message = fault.message
        detail = fault
    }

    /// The fault for a message that cannot be understood.
    static func invalid(_ message: String) -> SOAPFault {
        SOAPFault(ServiceFault(code: .invalidRequest, message: message))
    }
}

/// Reads and writes envelopes; the generated dispatchers and clients are made of these.
enum SOAP {
    static var envelopeNamespace: String { "http://schemas.xmlsoap.org/soap/envelope/" }
    private static var nextActor: String { "http://schemas.xmlsoap.org/soap/actor/next" }

    // MARK: Envelopes

    /// An envelope around a message.
    static func envelope<Message: ContractMessage>(_ message: Message) -> [UInt8] {
        var writer = openEnvelope()
        message.write(to: &writer, as: Message.qualifiedName)
        writer.close()
        writer.close()
        return writer.bytes
    }

    private static func openEnvelope() -> XMLWriter {
        var writer = XMLWriter()
        writer.open("soap:Envelope", [(name: "xmlns:soap", value: envelopeNamespace)])
        writer.open("soap:Body")
        return writer
    }

    /// The element in the body of an envelope.
    static func content(of envelope: [UInt8]) throws(SOAPFault) -> XMLElement {
        let root: XMLElement
        do throws(XMLError) { root = try XMLElement.parse(envelope) } catch {
            throw .invalid("the message is not well-formed XML: \(error.description)")
        }
        guard root.localName == "Envelope" else {
            throw .invalid("the message is not a SOAP envelope but the element \(root.localName)")
        }
        guard root.namespace == envelopeNamespace else {
            throw SOAPFault(
                code: .versionMismatch,
                message: "the envelope is not one of SOAP 1.1, whose namespace is "
                    + envelopeNamespace)
        }
        if let header = root.child("Header", namespace: envelopeNamespace) { try check(header) }
        guard let body = root.child("Body", namespace: envelopeNamespace) else {
            throw .invalid("the SOAP envelope has no body")
        }
        let children = body.children
        guard let first = children.first else { throw .invalid("the SOAP body is empty") }
        guard children.count == 1 else { throw .invalid("the SOAP body has \(children.count) elements, not one") }
        return first
    }

    /// No header entry is understood here, so one that is meant for this service and must be is refused.
    private static func check(_ header: XMLElement) throws(SOAPFault) {
        for entry in header.children {
            switch entry.attribute("mustUnderstand", namespace: envelopeNamespace)?.trimmingXMLWhitespace() {
            case "1", "true": break
            default: continue
            }
            let actor = entry.attribute("actor", namespace: envelopeNamespace) ?? ""
            if actor.isEmpty || actor == nextActor {
                throw SOAPFault(
                    code: .mustUnderstand,
                    message: "the header entry \(entry.localName) in namespace \(entry.namespace ?? "(none)") is not "
                        + "understood")
            }
        }
    }

    // MARK: Service side

    /// The message as the type that its operation takes.
    static func decoded<Request: ContractMessage>(
        _ call: XMLElement, as type: Request.Type
    ) throws(SOAPFault) -> Request {
        do throws(ContractError) { return try Request(xml: call) } catch {
            throw .invalid("the request does not follow the schema: \(error.within(call.localName).description)")
        }
    }

    /// The fault for an element that is no operation's.
    static func unknown(_ call: XMLElement, soapAction: String?, operations: String) -> SOAPFault {
        var message = "there is no operation \(call.localName) in namespace \(call.namespace ?? "(none)")"
        // Quoted, as the header has it, or not.
        let action = (soapAction ?? "").filter { $0 != "\"" }
        if !action.isEmpty { message += " (SOAPAction \(action))" }
        return SOAPFault(ServiceFault(code: .unsupported, message: message + "; there are \(operations)"))
    }

    /// The answer with a response.
    static func reply<Response: ContractMessage>(_ response: Response, to operation: String) -> SOAPReply {
        SOAPReply(status: 200, body: envelope(response), operation: operation, fault: nil)
    }

    /// The answer with a fault.
    static func reply(_ fault: SOAPFault, to operation: String?) -> SOAPReply {
        var writer = openEnvelope()
        writer.open("soap:Fault")
        writer.element("faultcode", "soap:" + fault.code.rawValue)
        writer.element("faultstring", fault.message)
        if let detail = fault.detail {
            writer.open("detail")
            detail.write(to: &writer, as: "serviceFault")
            writer.close()
        }
        writer.close()
        writer.close()
        writer.close()
        return SOAPReply(status: 500, body: writer.bytes, operation: operation, fault: fault)
    }

    // MARK: Client side

    /// The response in an envelope, or the fault.
    static func response<Response: ContractMessage>(
        _ envelope: [UInt8], as type: Response.Type
    ) throws(ServiceFault) -> Response {
        let element: XMLElement
        do throws(SOAPFault) { element = try content(of: envelope) } catch {
            throw unreadable(error.message)
        }
        if element.isNamed("Fault", namespace: envelopeNamespace) { throw serviceFault(element) }
        guard element.isNamed(Response.element, namespace: Response.namespace) else {
            throw unreadable("the element \(element.localName) came instead of \(Response.element)")
        }
        do throws(ContractError) { return try Response(xml: element) } catch {
            throw unreadable(error.within(element.localName).description)
        }
    }

    private static func unreadable(_ cause: String) -> ServiceFault {
        ServiceFault(code: .unavailable, message: "the answer of the service cannot be understood: \(cause)")
    }

    private static func serviceFault(_ fault: XMLElement) -> ServiceFault {
        if let detail = fault.child("detail")?.child("serviceFault", namespace: Contract.namespace) {
            do throws(ContractError) { return try ServiceFault(xml: detail) } catch {
                return unreadable("its fault: \(error.description)")
            }
        }
        // A service made with another toolkit may send a fault of its own.
        let code = fault.child("faultcode")?.trimmedText ?? ""
        let name = code.split(separator: ":").last.map { String($0) } ?? code
        let text = fault.child("faultstring")?.trimmedText ?? ""
        return ServiceFault(
            code: name.hasPrefix("Client") || name == "MustUnderstand" || name == "VersionMismatch"
                ? .invalidRequest : .internal,
            message: text.isEmpty ? "the service answered the fault \(code) without a reason" : text)
    }
}
