/// Signs requests with Signature Version 4: for our own clients, for presigned image URLs, and for tests.
public struct SigV4Signer: Sendable {
    /// The access key id.
    public let accessKeyID: String
    private let secret: String
    private let region: String
    private let service: String

    /// Makes a signer.
    ///
    /// - Parameters:
    ///   - region: any text; our services accept every region.
    ///   - service: `s3`, `ec2`, … For `s3` the path is signed as it is sent, otherwise normalised and encoded again.
    public init(accessKeyID: String, secret: String, region: String, service: String) {
        self.accessKeyID = accessKeyID
        self.secret = secret
        self.region = region
        self.service = service
    }

    private func scope(_ date: String) -> String { date + "/" + region + "/" + service + "/aws4_request" }

    private func signature(
        _ request: SignedRequest, query: String, signedHeaders: [String], payload: String, now: Int64
    ) -> (text: String, key: [UInt8]) {
        let date = String(Timestamp.basic(now).prefix(8))
        var headers = ""
        for name in signedHeaders {
            let values = request.headers.filter { equalIgnoringCase($0.name, name) }.map { collapsed($0.value) }
            headers += name + ":" + values.joined(separator: ",") + "\n"
        }
        let path = SigV4.pathCandidates(request.path, service == "s3" ? .s3 : .query)[0]
        let canonical = [request.method, path, query, headers, signedHeaders.joined(separator: ";"), payload]
            .joined(separator: "\n")
        let key = SigV4.signingKey(secret: secret, date: date, region: region, service: service)
        let text = SigV4.stringToSign(time: now, scope: scope(date), canonicalRequest: canonical)
        return (hexadecimal(Digests.hmacSHA256(text, key: key)), key)
    }

    /// The headers to add to a request so that it is signed: `x-amz-date`, for S3 `x-amz-content-sha256`, and
    /// `Authorization`. All headers given (`host` among them) are covered.
    ///
    /// - Parameters:
    ///   - request: method, raw path and query, headers; `body` is hashed unless `payloadHash` is given.
    ///   - payloadHash: the hash in hexadecimal, or `UNSIGNED-PAYLOAD` and its kin.
    ///   - now: seconds since 1970.
    public func headers(
        for request: SignedRequest, payloadHash: String? = nil, now: Int64
    ) -> [(name: String, value: String)] {
        signed(request, payloadHash: payloadHash, now: now).headers
    }

    /// As `headers(for:payloadHash:now:)` for an aws-chunked body with signed chunks; also gives the chunks' signer.
    public func streamingHeaders(
        for request: SignedRequest, hasTrailer: Bool = false, now: Int64
    ) -> (headers: [(name: String, value: String)], chunks: ChunkSigner) {
        let hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + (hasTrailer ? "-TRAILER" : "")
        let result = signed(request, payloadHash: hash, now: now)
        let time = Timestamp.basic(now)
        let verifier = ChunkSignatureVerifier(
            key: result.key, timestamp: time, scope: scope(String(time.prefix(8))), seed: result.signature)
        return (result.headers, ChunkSigner(verifier))
    }

    private func signed(
        _ request: SignedRequest, payloadHash: String?, now: Int64
    ) -> (headers: [(name: String, value: String)], signature: String, key: [UInt8]) {
        let time = Timestamp.basic(now)
        let payload = payloadHash ?? sha256Hexadecimal(request.body)
        var request = request
        var added = [(name: "x-amz-date", value: time)]
        if service == "s3" { added.append((name: "x-amz-content-sha256", value: payload)) }
        request.headers += added
        let names = Set(request.headers.map { lowercasedASCII($0.name) })
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let query = QueryParameters(request.query.utf8, plusIsSpace: false).canonical
        let result = signature(request, query: query, signedHeaders: names, payload: payload, now: now)
        let authorization =
            "\(SigV4.algorithm) Credential=\(accessKeyID)/\(scope(String(time.prefix(8)))), "
            + "SignedHeaders=\(names.joined(separator: ";")), Signature=\(result.text)"
        added.append((name: "Authorization", value: authorization))
        return (added, result.text, result.key)
    }

    /// The query string of a presigned request (without question mark); only `host` is covered besides it.
    ///
    /// - Parameters:
    ///   - host: as the `Host` header will be, with port if it is not the default one.
    ///   - path: percent-encoded.
    ///   - query: raw query string of the request itself, may be empty.
    ///   - expires: life time in seconds, at most 604800.
    ///   - now: seconds since 1970.
    public func presignedQuery(
        method: String, host: String, path: String, query: String = "", expires: Int64, now: Int64
    ) -> String {
        let time = Timestamp.basic(now)
        let credential = accessKeyID + "/" + scope(String(time.prefix(8)))
        let own = [
            "X-Amz-Algorithm=" + SigV4.algorithm, "X-Amz-Credential=" + PercentEncoding.encode(credential),
            "X-Amz-Date=" + time, "X-Amz-Expires=" + String(expires), "X-Amz-SignedHeaders=host",
        ]
        let all = ((query.isEmpty ? [] : [query]) + own).joined(separator: "&")
        let canonical = QueryParameters(all.utf8, plusIsSpace: false).canonical
        let request = SignedRequest(method: method, path: path, query: all, headers: [(name: "host", value: host)])
        let payload = service == "s3" ? "UNSIGNED-PAYLOAD" : emptyPayloadHash
        let result = signature(request, query: canonical, signedHeaders: ["host"], payload: payload, now: now)
        return canonical + "&X-Amz-Signature=" + result.text
    }
}
