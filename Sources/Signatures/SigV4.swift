// Signature Version 4 ("Signature Version 4 signing process" of the AWS General Reference; "Authenticating Requests"
// of the S3 API Reference).

enum SigV4 {
    static let algorithm = "AWS4-HMAC-SHA256"

    struct Claim: Sendable {
        var accessKeyID: String
        /// `20130524`.
        var date: String
        var region: String
        var service: String
        /// Lower case, in the order given.
        var signedHeaders: [String]
        var signature: String
        /// Seconds since 1970.
        var time: Int64
        /// Seconds that a presigned request lives; nil for the header form.
        var presigned: Int64?

        var scope: String { date + "/" + region + "/" + service + "/aws4_request" }
    }

    static func parseHeader(
        _ value: String, _ request: SignedRequest, _ service: SignatureService
    ) throws(SignatureError) -> Claim {
        let space = value.firstIndex(of: " ") ?? value.endIndex
        guard value[..<space] == algorithm else {
            throw .unsupported("The algorithm \(value[..<space]) is not supported; use \(algorithm).")
        }
        var fields: [String: String] = [:]
        for field in value[space...].split(separator: ",") {
            let field = trimmed(field)
            guard let equals = field.firstIndex(of: "=") else { continue }
            fields[String(field[..<equals])] = String(field[field.index(after: equals)...])
        }
        guard let credential = fields["Credential"] else { throw .malformed(missingField("Credential")) }
        guard let signedHeaders = fields["SignedHeaders"] else { throw .malformed(missingField("SignedHeaders")) }
        guard let signature = fields["Signature"] else { throw .malformed(missingField("Signature")) }
        let time: Int64
        if let text = request.header("x-amz-date") {
            guard let parsed = Timestamp.parseISO8601(text) ?? Timestamp.parseHTTP(text) else {
                throw .invalidDate
            }
            time = parsed
        } else if let text = request.header("date") {
            guard let parsed = Timestamp.parseHTTP(text) else { throw .invalidDate }
            time = parsed
        } else {
            throw .missingParameter("X-Amz-Date")
        }
        return try claim(credential, signedHeaders, signature, time, nil)
    }

    static func parseQuery(
        _ query: QueryParameters, _ request: SignedRequest, _ service: SignatureService
    ) throws(SignatureError) -> Claim {
        guard query["X-Amz-Algorithm"] == algorithm else {
            throw .unsupported("X-Amz-Algorithm only supports \(algorithm).")
        }
        guard let credential = query["X-Amz-Credential"] else { throw .missingParameter("X-Amz-Credential") }
        guard let signedHeaders = query["X-Amz-SignedHeaders"] else { throw .missingParameter("X-Amz-SignedHeaders") }
        guard let signature = query["X-Amz-Signature"] else { throw .missingParameter("X-Amz-Signature") }
        guard let dateText = query["X-Amz-Date"] else { throw .missingParameter("X-Amz-Date") }
        guard let time = Timestamp.parseISO8601(dateText) else {
            throw .malformed("X-Amz-Date must be in the form 20130524T000000Z.")
        }
        let expiresText = query["X-Amz-Expires"]
        // Query services allow presigned requests without a life time of their own; then the clock window holds.
        guard let expiresText else {
            guard service == .query else { throw .missingParameter("X-Amz-Expires") }
            return try claim(credential, signedHeaders, signature, time, 900)
        }
        guard let expires = Int64(expiresText), expires > 0 else { throw .expiresOutOfRange(maximum: 604_800) }
        return try claim(credential, signedHeaders, signature, time, expires)
    }

    private static func missingField(_ name: String) -> String {
        "The authorization header is malformed; the authorization component \"\(name)\" is missing."
    }

    private static func claim(
        _ credential: String, _ signedHeaders: String, _ signature: String, _ time: Int64, _ presigned: Int64?
    ) throws(SignatureError) -> Claim {
        // An access key id may hold slashes; the scope has exactly four parts.
        let parts = credential.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 5, parts[parts.count - 1] == "aws4_request" else {
            throw .malformed(
                "The Credential is malformed; expecting \"<access key id>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
        }
        let date = parts[parts.count - 4]
        guard Timestamp.basic(time).hasPrefix(date), date.utf8.count == 8 else {
            throw .malformed("The date of the Credential's scope is not the date of the request.")
        }
        let headers = signedHeaders.split(separator: ";").map { lowercasedASCII(String($0)) }
        guard headers.contains("host") else { throw .unsignedHeader("host") }
        return Claim(
            accessKeyID: parts[..<(parts.count - 4)].joined(separator: "/"), date: date,
            region: parts[parts.count - 3], service: parts[parts.count - 2], signedHeaders: headers,
            signature: lowercasedASCII(signature), time: time, presigned: presigned)
    }

    /// The key of one day, region and service.
    static func signingKey(secret: String, date: String, region: String, service: String) -> [UInt8] {
        let dateKey = Digests.hmacSHA256(date, key: Array("AWS4".utf8) + Array(secret.utf8))
        let regionKey = Digests.hmacSHA256(region, key: dateKey)
        let serviceKey = Digests.hmacSHA256(service, key: regionKey)
        return Digests.hmacSHA256("aws4_request", key: serviceKey)
    }

    static func stringToSign(time: Int64, scope: String, canonicalRequest: String) -> String {
        algorithm + "\n" + Timestamp.basic(time) + "\n" + scope + "\n" + Digests.sha256(canonicalRequest)
    }

    /// The block of canonical headers, each line ended; nil names what is signed but absent.
    static func canonicalHeaders(
        _ names: [String], _ headers: [(name: String, value: String)], host: String
    ) throws(SignatureError) -> String {
        var block = ""
        for name in names {
            if name == "host" {
                block += "host:" + host + "\n"
                continue
            }
            let values = headers.filter { equalIgnoringCase($0.name, name) }.map { collapsed($0.value) }
            // HTTP/1.1 proxies and servers may take `Expect` and `Content-Length` away; the value is then empty.
            block += name + ":" + values.joined(separator: ",") + "\n"
        }
        return block
    }

    /// RFC 3986 section 5.2.4 and empty segments removed, as query services normalise a path.
    static func normalised(_ path: String) -> String {
        var out: [Substring] = []
        for segment in path.split(separator: "/") {
            if segment == "." { continue }
            if segment == ".." {
                _ = out.popLast()
                continue
            }
            out.append(segment)
        }
        let joined = "/" + out.joined(separator: "/")
        return path.hasSuffix("/") && joined != "/" ? joined + "/" : joined
    }

    /// The canonical paths that a client may have signed, the usual one first. All of them name the same resource.
    static func pathCandidates(_ raw: String, _ service: SignatureService) -> [String] {
        let raw = raw.isEmpty ? "/" : raw
        var candidates: [String]
        switch service {
        case .s3:
            candidates = [raw, PercentEncoding.encode(PercentEncoding.decode(Array(raw.utf8)), keepingSlash: true)]
        case .query:
            candidates = [
                PercentEncoding.encode(normalised(raw), keepingSlash: true),
                PercentEncoding.encode(raw, keepingSlash: true), raw,
            ]
        }
        var seen = Set<String>()
        candidates.removeAll { !seen.insert($0).inserted }
        return candidates
    }
}

extension SigV4.Claim {
    func verify(
        _ request: SignedRequest, service: SignatureService, secret: String, now: Int64, policy: SignaturePolicy
    ) throws(SignatureError) -> VerifiedSignature {
        try checkTime(now: now, policy: policy)
        if service == .s3 { try checkAllAmzHeadersSigned(request) }
        let payloadText = try payloadText(request, service)
        let hosts = request.hostCandidates
        guard !hosts.isEmpty else { throw .missingParameter("Host") }
        let key = SigV4.signingKey(secret: secret, date: date, region: region, service: self.service)

        var queries = [QueryParameters(request.query.utf8, plusIsSpace: false)]
        if request.query.utf8.contains(0x2B) {
            queries.insert(QueryParameters(request.query.utf8, plusIsSpace: true), at: 0)
        }
        var first: (String, String)?
        for path in SigV4.pathCandidates(request.path, service) {
            for query in queries {
                let canonicalQuery = (presigned == nil ? query : query.without("X-Amz-Signature")).canonical
                for host in hosts {
                    let headers = try SigV4.canonicalHeaders(signedHeaders, request.headers, host: host)
                    let canonical = [
                        request.method, path, canonicalQuery, headers, signedHeaders.joined(separator: ";"),
                        payloadText,
                    ].joined(separator: "\n")
                    let text = SigV4.stringToSign(time: time, scope: scope, canonicalRequest: canonical)
                    if first == nil { first = (text, canonical) }
                    if equalInConstantTime(hexadecimal(Digests.hmacSHA256(text, key: key)), signature) {
                        return VerifiedSignature(payload: try payload(payloadText, service, key))
                    }
                }
            }
        }
        throw .mismatch(stringToSign: first?.0 ?? "", canonicalRequest: first?.1 ?? "")
    }

    private func checkTime(now: Int64, policy: SignaturePolicy) throws(SignatureError) {
        guard let presigned else {
            guard abs(time.distance(to: now)) <= policy.allowedSkew else {
                throw .skewed(requestTime: time, now: now, allowed: policy.allowedSkew)
            }
            return
        }
        guard presigned <= policy.longestPresigned else { throw .expiresOutOfRange(maximum: policy.longestPresigned) }
        guard time <= now + policy.allowedSkew else {
            throw .skewed(requestTime: time, now: now, allowed: policy.allowedSkew)
        }
        guard now <= time + presigned else { throw .expired(at: time + presigned, now: now) }
    }

    /// S3 wants each `x-amz-` header signed, so that nobody on the way can add one.
    private func checkAllAmzHeadersSigned(_ request: SignedRequest) throws(SignatureError) {
        for header in request.headers {
            let name = lowercasedASCII(header.name)
            guard name.hasPrefix("x-amz-"), name != "x-amz-content-sha256" else { continue }
            if !signedHeaders.contains(name) { throw .unsignedHeader(name) }
        }
    }

    /// The last line of the canonical request.
    private func payloadText(_ request: SignedRequest, _ service: SignatureService) throws(SignatureError) -> String {
        let header = request.header("x-amz-content-sha256")
        switch service {
        case .query:
            if header == "UNSIGNED-PAYLOAD" { return "UNSIGNED-PAYLOAD" }
            return sha256Hexadecimal(request.body)
        case .s3:
            if presigned != nil {
                if let header { return header }
                return QueryParameters(request.query.utf8, plusIsSpace: true)["X-Amz-Content-Sha256"]
                    ?? "UNSIGNED-PAYLOAD"
            }
            guard let header else { throw .missingParameter("x-amz-content-sha256") }
            return header
        }
    }

    private func payload(
        _ text: String, _ service: SignatureService, _ key: [UInt8]
    ) throws(SignatureError) -> VerifiedSignature.Payload {
        if service == .query { return text == "UNSIGNED-PAYLOAD" ? .unsigned : .checked }
        switch text {
        case "UNSIGNED-PAYLOAD": return .unsigned
        case "STREAMING-UNSIGNED-PAYLOAD-TRAILER": return .unsignedChunksWithTrailer
        case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
            let verifier = ChunkSignatureVerifier(
                key: key, timestamp: Timestamp.basic(time), scope: scope, seed: signature)
            return .signedChunks(verifier, hasTrailer: text.hasSuffix("-TRAILER"))
        default:
            let bytes = Array(text.utf8)
            guard bytes.count == 64, bytes.allSatisfy({ hexValue($0) != nil }) else {
                throw .unsupported(
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                        + "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
                        + "sha256 value.")
            }
            return .sha256(lowercasedASCII(text))
        }
    }
}
