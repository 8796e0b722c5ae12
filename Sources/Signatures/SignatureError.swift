/// Why a request's signature is not accepted. The texts are for the caller; none of them holds a secret.
public enum SignatureError: Error, Sendable, Equatable {
    /// The request carries no authentication at all.
    case missing
    /// A part of the authentication is absent (its parameter or header name).
    case missingParameter(String)
    /// The authentication is there but cannot be read; the text says where.
    case malformed(String)
    /// The date of a signed request is no date.
    case invalidDate
    /// A signature version, method or algorithm that this service does not take.
    case unsupported(String)
    /// More than one kind of authentication in one request.
    case ambiguous
    /// A header that has to be covered by the signature is not.
    case unsignedHeader(String)
    /// The request's time differs too much from ours (seconds since 1970, and the allowed difference).
    case skewed(requestTime: Int64, now: Int64, allowed: Int64)
    /// The request's own expiry has passed (seconds since 1970).
    case expired(at: Int64, now: Int64)
    /// `X-Amz-Expires` is not a number from 1 to the allowed maximum of seconds.
    case expiresOutOfRange(maximum: Int64)
    /// The signature is well-formed and wrong. The string that the service signed helps to find the cause.
    case mismatch(stringToSign: String, canonicalRequest: String)

    /// The code of EC2 and the other query services.
    public var ec2Code: String {
        switch self {
        case .missing: "MissingAuthenticationToken"
        case .missingParameter: "MissingParameter"
        case .malformed, .invalidDate, .unsignedHeader: "IncompleteSignature"
        case .unsupported, .ambiguous, .expiresOutOfRange: "InvalidParameterValue"
        case .skewed, .expired: "RequestExpired"
        case .mismatch: "SignatureDoesNotMatch"
        }
    }

    /// The code of S3.
    public var s3Code: String {
        switch self {
        case .missing, .missingParameter, .invalidDate, .unsignedHeader, .expired: "AccessDenied"
        case .malformed: "AuthorizationHeaderMalformed"
        case .unsupported, .ambiguous: "InvalidArgument"
        case .expiresOutOfRange: "AuthorizationQueryParametersError"
        case .skewed: "RequestTimeTooSkewed"
        case .mismatch: "SignatureDoesNotMatch"
        }
    }

    /// What went wrong and what to do about it.
    public var message: String {
        switch self {
        case .missing: "The request must contain a valid access key ID and signature."
        case .missingParameter(let name): "The request must contain the parameter \(name)."
        case .malformed(let what): what
        case .invalidDate:
            "AWS authentication requires a valid Date or x-amz-date header; X-Amz-Date has the form 20130524T000000Z."
        case .unsupported(let what): what
        case .ambiguous:
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                + "parameter or the Authorization header should be specified."
        case .unsignedHeader(let name): "There were headers present in the request which were not signed: \(name)"
        case .skewed(let time, let now, let allowed):
            "The difference between the request time (\(Timestamp.basic(time))) and the current time "
                + "(\(Timestamp.basic(now))) is larger than \(allowed) seconds. Set the client's clock."
        case .expired(let at, _): "Request has expired at \(Timestamp.basic(at)). Sign it again."
        case .expiresOutOfRange(let maximum): "X-Amz-Expires must be a number from 1 to \(maximum) seconds."
        case .mismatch:
            "The request signature we calculated does not match the signature you provided. Check your secret access "
                + "key and signing method."
        }
    }
}
