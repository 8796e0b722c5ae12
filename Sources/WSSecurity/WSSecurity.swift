// WSSecurity: SOAP 1.1 messages that are signed by X.509 certificates, as OASIS Web Services Security 1.0 has it.
//
// Here: reading of the Security header, verification of the XML signature and of the timestamp, and the memory of what
// was seen already. Not here: who a certificate belongs to (the caller looks its fingerprint up between the two steps),
// what is in the body, encryption.
//
//   bytes ──parse──▶ SignedMessage ──(caller looks the certificate up)──verify──▶ VerifiedMessage ──▶ ReplayCache
//
// Everything is refused that two readers could take for two things: an id that stands twice, a signature over a body
// that is not the envelope's, more than one signature or timestamp, transforms other than canonical forms. Every failure
// is a `WSSecurityError`, and no input can cost more than its limits allow.
//
// Sources: SOAP Message Security 1.0 and X.509 Certificate Token Profile 1.0 (OASIS, 2004), XML-Signature Syntax and
// Processing (W3C, 2002; algorithms of RFC 6931).

public import XML

/// Why a message is not accepted. The texts are for the sender.
public enum WSSecurityError: Error, Sendable, Equatable {
    /// It is no SOAP 1.1 envelope, or its XML cannot be read.
    case malformed(String)
    /// An envelope of another version of SOAP.
    case versionMismatch
    /// A header entry that must be understood and is not.
    case notUnderstood(String)
    /// It carries no signature.
    case unsigned(String)
    /// An algorithm or a way to name the certificate that is not taken.
    case unsupported(String)
    /// It could be read in two ways, as in a signature wrapping attack.
    case ambiguous(String)
    /// The signature does not fit what it should cover.
    case mismatch(String)
    /// The certificate cannot be read, or is not valid at this time.
    case certificate(String)
    /// The timestamp is missing or no time.
    case timestamp(String)
    /// Too old.
    case expired(String)
    /// From the future.
    case notYetValid(String)
    /// The same message was accepted before.
    case replayed
    /// More messages than can be remembered.
    case overloaded

    /// For people.
    public var message: String {
        switch self {
        case .malformed(let text), .notUnderstood(let text), .unsigned(let text), .unsupported(let text),
            .ambiguous(let text), .mismatch(let text), .certificate(let text), .timestamp(let text), .expired(let text),
            .notYetValid(let text):
            text
        case .versionMismatch:
            "The envelope is not one of SOAP 1.1, whose namespace is \(Names.envelope)."
        case .replayed: "The same message was received before; sign every request anew."
        case .overloaded:
            "More signed messages came in the last minutes than can be remembered; try again in a few minutes."
        }
    }
}

/// How strict the verification is.
public struct WSSecurityPolicy: Sendable {
    /// Size and depth of messages.
    public var limits: XMLLimits
    /// How far the sender's clock may be ahead of ours, in seconds.
    public var allowedSkew: Int64
    /// How long after its creation a message is good at most, in seconds, whatever it says itself.
    public var longestLife: Int64

    /// Makes a policy. Five minutes each way are what the original's toolkit had (Rampart's default time to live and
    /// clock skew).
    public init(
        limits: XMLLimits = XMLLimits(bytes: 1 << 20, depth: 50, elements: 20_000, namespaces: 32),
        allowedSkew: Int64 = 300,
        longestLife: Int64 = 600
    ) {
        self.limits = limits
        self.allowedSkew = allowedSkew
        self.longestLife = longestLife
    }
}

/// Namespaces and identifiers.
enum Names {
    static let envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    static let nextActor = "http://schemas.xmlsoap.org/soap/actor/next"
    private static let oasis = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
    static let security = oasis + "wssecurity-secext-1.0.xsd"
    static let utility = oasis + "wssecurity-utility-1.0.xsd"
    static let x509v3 = oasis + "x509-token-profile-1.0#X509v3"
    static let base64 = oasis + "soap-message-security-1.0#Base64Binary"
    static let thumbprint = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1"
    static let signature = "http://www.w3.org/2000/09/xmldsig#"
    static let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
    static let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
}
