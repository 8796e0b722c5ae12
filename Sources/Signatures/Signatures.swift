// Request signatures of the EC2 and S3 interfaces: canonical forms, verification and signing.
//
// Here: Signature Versions 1 and 2 for query services, Signature Version 4 (header, presigned, streamed chunks) for any
// service, and S3's own version 2. Pure values: the clock, the secret and the body come in as arguments, and nothing
// here does I/O. Not here: who owns an access key (the caller looks it up between `Authentication.parse` and
// `ParsedSignature.verify`), WS-Security, and permissions.
// It fails with `SignatureError`, which knows the EC2 and the S3 code of each case.

/// The family of canonical rules that a front end follows.
public enum SignatureService: Sendable, Equatable {
    /// EC2, IAM, STS and other query services: Signature Version 2 parameters, and V4 with the path encoded twice.
    case query
    /// S3: its own version 2, and V4 over the path as it was sent, with the payload hash named in a header.
    case s3
}

/// What a signature covers, taken from a request before anything of it has been decoded.
public struct SignedRequest: Sendable {
    /// The method, upper case.
    public var method: String
    /// The path exactly as it was sent, still percent-encoded, without the query.
    public var path: String
    /// The query string exactly as it was sent, without the question mark; empty if there was none.
    public var query: String
    /// All headers in the order of arrival. `host` must be among them (for HTTP/2 put the authority there).
    public var headers: [(name: String, value: String)]
    /// The body, where it was read before the check (query services). S3 leaves it empty and checks while streaming.
    public var body: [UInt8]
    /// S3 version 2 only: the resources that the client may have signed, best first. They differ from `path` for
    /// virtual-host style (`/bucket/key`) and below a service prefix. Empty means: the path.
    public var resources: [String]

    /// Makes a request value; see the properties.
    public init(
        method: String, path: String, query: String = "", headers: [(name: String, value: String)],
        body: [UInt8] = [], resources: [String] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.resources = resources
    }

    /// The first header of that name, without regard to case, trimmed.
    func header(_ name: String) -> String? {
        for header in headers where equalIgnoringCase(header.name, name) { return trimmed(header.value) }
        return nil
    }

    /// The values that `Host` may have had when the client signed: as sent, without its port (several EC2 tools
    /// leave it out), and with the default ports.
    var hostCandidates: [String] {
        guard let sent = header("host") else { return [] }
        var candidates = [sent]
        if let colon = sent.lastIndex(of: ":"), !sent.hasSuffix("]") {
            candidates.append(String(sent[..<colon]))
        } else {
            candidates.append(sent + ":80")
            candidates.append(sent + ":443")
        }
        return candidates
    }
}

/// Which kind of signature a request carries.
public enum SignatureScheme: Sendable, Equatable {
    /// Query services, Signature Version 1, in parameters.
    case v1Query
    /// Query services, Signature Version 2, in parameters.
    case v2Query
    /// Signature Version 4 in the `Authorization` header.
    case v4Header
    /// Signature Version 4 in the query string (presigned).
    case v4Presigned
    /// S3 version 2 in the `Authorization` header (`AWS id:signature`).
    case s3V2Header
    /// S3 version 2 in the query string (`AWSAccessKeyId`, `Expires`, `Signature`).
    case s3V2Presigned
}

/// How far clocks may differ and how long a presigned request may live.
public struct SignaturePolicy: Sendable {
    /// Allowed difference between the request's time and ours, in seconds, either way.
    public var allowedSkew: Int64
    /// The longest `X-Amz-Expires`, in seconds.
    public var longestPresigned: Int64

    /// Whether Signature Version 1 is taken; `SigV1.swift` says what it is worth.
    public var acceptsVersion1: Bool

    /// Makes a policy. Defaults are AWS's: 15 minutes, 7 days; version 1 is taken, as the original does.
    public init(allowedSkew: Int64 = 900, longestPresigned: Int64 = 604_800, acceptsVersion1: Bool = true) {
        self.acceptsVersion1 = acceptsVersion1
        self.allowedSkew = allowedSkew
        self.longestPresigned = longestPresigned
    }
}
