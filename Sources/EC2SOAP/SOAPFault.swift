import EC2Query
import WSSecurity
import XML

/// A failure as it goes over the wire.
struct SOAPFault: Error, Sendable, Equatable {
    /// The name without prefix, such as `Client.InvalidAMIID.NotFound`.
    let code: String
    let message: String
    /// Not sent.
    var detail: String?

    init(_ code: String, _ message: String, detail: String? = nil) {
        self.code = code
        self.message = message
        self.detail = detail
    }

    /// What the Query interface would say, with the side that has to act before it.
    init(_ failure: EC2Failure) {
        self.init(
            (failure.status >= 500 ? "Server." : "Client.") + failure.code, failure.message, detail: failure.detail)
    }

    /// Which signatures are wrong is said plainly, whose certificates are known is not: an unknown, an inactive and a
    /// revoked one get the same answer.
    init(_ error: WSSecurityError) {
        let code =
            switch error {
            case .versionMismatch: "VersionMismatch"
            case .notUnderstood: "MustUnderstand"
            case .malformed: "Client.MalformedSOAPMessage"
            case .unsigned, .mismatch, .certificate: "Client.AuthFailure"
            case .unsupported, .ambiguous, .timestamp, .expired, .notYetValid, .replayed: "Client.InvalidSecurity"
            case .overloaded: "Server.Unavailable"
            }
        self.init(code, error.message)
    }

    static let unknownCertificate = SOAPFault(
        "Client.AuthFailure", "AWS was not able to validate the provided access credentials")

    /// The envelope. The prefix is that of EC2's own, which some clients compare as text.
    func envelope(requestID: String) -> [UInt8] {
        var writer = XMLWriter(reserving: 512)
        writer.open("soapenv:Envelope", [("xmlns:soapenv", EC2SOAPInterface.envelopeNamespace)])
        writer.open("soapenv:Body")
        writer.open("soapenv:Fault")
        writer.element("faultcode", "soapenv:" + code)
        writer.element("faultstring", message)
        writer.open("detail")
        writer.element("RequestID", requestID)
        writer.close()
        writer.close()
        writer.close()
        writer.close()
        return writer.bytes
    }
}
