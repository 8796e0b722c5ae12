internal import WSSecurity
internal import XML

/// A refusal as SOAP says it.
struct S3SOAPFault: Error, Sendable {
    /// Without prefix, such as `Client.NoSuchBucket`.
    let code: String
    let message: String
    /// Elements of the detail.
    var fields: [(name: String, value: String)] = []
    /// For the log only.
    var logged: String?

    init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }

    static func invalid(_ text: String) -> S3SOAPFault {
        S3SOAPFault("Client.InvalidSOAPRequest", "The SOAP request body is invalid. " + text)
    }

    static func internalError(_ detail: String) -> S3SOAPFault {
        var fault = S3SOAPFault("Server.InternalError", "We encountered an internal error. Please try again.")
        fault.logged = detail
        return fault
    }

    static func tooLarge(_ configuration: S3SOAPConfiguration) -> S3SOAPFault {
        S3SOAPFault(
            "Client.InlineDataTooLarge",
            "Inline data exceeds the maximum allowed size of \(configuration.largestData) bytes. Send it by REST.")
    }

    static func unknownOperation(_ name: String) -> S3SOAPFault {
        if name == "PutObject" {
            return S3SOAPFault(
                "Client.NotImplemented",
                "Attachments are not implemented. Send the object inline (PutObjectInline), or by REST.")
        }
        return S3SOAPFault("Client.InvalidSOAPRequest", "There is no operation \(shortened(name)).")
    }

    /// S3's codes for what is wrong with a signature by certificate.
    init(_ error: WSSecurityError) {
        switch error {
        case .versionMismatch: self.init("VersionMismatch", error.message)
        case .notUnderstood: self.init("MustUnderstand", error.message)
        case .malformed: self.init("Client.InvalidSOAPRequest", error.message)
        case .unsigned: self.init("Client.MissingSecurityHeader", error.message)
        case .mismatch: self.init("Client.SignatureDoesNotMatch", error.message)
        case .expired, .notYetValid: self.init("Client.RequestTimeTooSkewed", error.message)
        case .unsupported, .ambiguous, .certificate, .timestamp, .replayed:
            self.init("Client.InvalidSecurity", error.message)
        case .overloaded: self.init("Server.ServiceUnavailable", error.message)
        }
    }

    /// What REST says in its error document.
    init(_ error: XMLElement, status: Int) {
        let code = error.child("Code")?.text ?? "InternalError"
        self.init((status >= 500 ? "Server." : "Client.") + code, error.child("Message")?.text ?? "")
        for child in error.children where !["Code", "Message", "HostId", "RequestId"].contains(child.localName) {
            fields.append((child.localName, child.text))
        }
    }

    /// As much of a sender's text as fits into a message.
    static func shortened(_ text: String) -> String { text.utf8.count <= 100 ? text : String(text.prefix(80)) + "…" }

    func envelope(requestID: String) -> [UInt8] {
        var writer = XMLWriter(reserving: 512)
        writer.open("soapenv:Envelope", [("xmlns:soapenv", Envelope.namespace)])
        writer.open("soapenv:Body")
        writer.open("soapenv:Fault")
        writer.element("faultcode", "soapenv:" + code)
        writer.element("faultstring", message)
        writer.open("detail")
        for field in fields { writer.element(field.name, field.value) }
        writer.element("RequestId", requestID)
        for _ in 0..<4 { writer.close() }
        return writer.bytes
    }
}
