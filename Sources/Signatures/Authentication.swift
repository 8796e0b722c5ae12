// The two steps of checking a request:
//
//   request ──parse──> ParsedSignature ──(caller looks up the secret)──verify──> VerifiedSignature
//
// so that the look-up, which may wait for a store or another host, stays out of this module.

/// Entry point: finds and reads the signature of a request.
public enum Authentication {
    /// Finds out how a request is signed and reads the claim, without judging it.
    ///
    /// - Throws: `SignatureError.missing` if nothing is signed, or what is wrong with the form.
    public static func parse(
        _ request: SignedRequest, service: SignatureService
    ) throws(SignatureError) -> ParsedSignature {
        // An empty header says nothing.
        let authorization = request.header("authorization").flatMap { $0.isEmpty ? nil : $0 }
        let query = QueryParameters(request.query.utf8, plusIsSpace: true)
        let presignedV4 = query["X-Amz-Algorithm"] != nil
        if let authorization {
            if presignedV4 || query["Signature"] != nil { throw .ambiguous }
            if authorization.hasPrefix("AWS4-") {
                return ParsedSignature(
                    .v4(try SigV4.parseHeader(authorization, request, service)), request, query, service)
            }
            if service == .s3, authorization.hasPrefix("AWS ") {
                return ParsedSignature(.s3V2(try S3SigV2.parseHeader(authorization, request)), request, query, service)
            }
            throw .unsupported("Unsupported authorization type; use AWS4-HMAC-SHA256.")
        }
        if presignedV4 {
            return ParsedSignature(.v4(try SigV4.parseQuery(query, request, service)), request, query, service)
        }
        switch service {
        case .s3:
            if query["AWSAccessKeyId"] != nil || query["Signature"] != nil {
                return ParsedSignature(.s3V2(try S3SigV2.parseQuery(query, request)), request, query, service)
            }
        case .query:
            if let claim = try SigV2.parse(request) { return ParsedSignature(.v2(claim), request, query, service) }
        }
        throw .missing
    }

    /// Whether a request carries any authentication; S3 treats one without as anonymous.
    public static func isSigned(_ request: SignedRequest, service: SignatureService) -> Bool {
        do throws(SignatureError) {
            _ = try parse(request, service: service)
            return true
        } catch {
            return error != .missing
        }
    }
}

/// A signature as claimed by a request, read but not yet checked.
public struct ParsedSignature: Sendable {
    enum Claim: Sendable {
        case v2(SigV2.Claim)
        case v4(SigV4.Claim)
        case s3V2(S3SigV2.Claim)
    }

    let claim: Claim
    let request: SignedRequest
    /// The query, taken apart once.
    let query: QueryParameters
    let service: SignatureService

    init(_ claim: Claim, _ request: SignedRequest, _ query: QueryParameters, _ service: SignatureService) {
        self.claim = claim
        self.request = request
        self.query = query
        self.service = service
    }

    /// The access key id that the request names.
    public var accessKeyID: String {
        switch claim {
        case .v2(let claim): claim.accessKeyID
        case .v4(let claim): claim.accessKeyID
        case .s3V2(let claim): claim.accessKeyID
        }
    }

    /// The kind of signature.
    public var scheme: SignatureScheme {
        switch claim {
        case .v2(let claim): claim.isVersion1 ? .v1Query : .v2Query
        case .v4(let claim): claim.presigned == nil ? .v4Header : .v4Presigned
        case .s3V2(let claim): claim.isPresigned ? .s3V2Presigned : .s3V2Header
        }
    }

    /// Region and service of the V4 credential scope; any are accepted.
    public var scope: (region: String, service: String)? {
        guard case .v4(let claim) = claim else { return nil }
        return (claim.region, claim.service)
    }

    /// The token of temporary credentials, if the request brings one.
    public var sessionToken: String? {
        if let header = request.header("x-amz-security-token") { return header }
        for name in ["X-Amz-Security-Token", "x-amz-security-token"] where query[name] != nil {
            // A plus that the client has not encoded is one.
            return QueryParameters(request.query.utf8, plusIsSpace: false)[name]
        }
        guard case .v2(let claim) = claim else { return nil }
        return claim.parameters["SecurityToken"]
    }

    /// Checks the time limits, then the signature.
    ///
    /// - Parameters:
    ///   - secret: the secret key that belongs to `accessKeyID`.
    ///   - now: seconds since 1970.
    /// - Returns: what is still to be checked while the body arrives.
    public func verify(
        secret: String, now: Int64, policy: SignaturePolicy = SignaturePolicy()
    ) throws(SignatureError) -> VerifiedSignature {
        switch claim {
        case .v2(let claim):
            try claim.verify(request, secret: secret, now: now, policy: policy)
            return VerifiedSignature(payload: .checked)
        case .s3V2(let claim):
            try claim.verify(request, query, secret: secret, now: now, policy: policy)
            return VerifiedSignature(payload: .unsigned)
        case .v4(let claim):
            return try claim.verify(request, service: service, secret: secret, now: now, policy: policy)
        }
    }
}

/// The outcome of a successful check.
public struct VerifiedSignature: Sendable {
    /// What the signature says about the body.
    public enum Payload: Sendable {
        /// The body is covered and has been checked with the signature (query services).
        case checked
        /// The signature does not cover the body.
        case unsigned
        /// The body's SHA-256 has to be this (lower-case hexadecimal); the receiver checks it.
        case sha256(String)
        /// aws-chunked body, each chunk signed; `hasTrailer` says that a signed trailer follows.
        case signedChunks(ChunkSignatureVerifier, hasTrailer: Bool)
        /// aws-chunked body without chunk signatures, with a trailer that carries a checksum.
        case unsignedChunksWithTrailer
    }

    /// See `Payload`.
    public var payload: Payload
}
