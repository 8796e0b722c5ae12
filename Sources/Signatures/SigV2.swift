// Signature Version 2 of query services ("Signature Version 2 signing process" of the AWS General Reference), and the
// reading of the parameters that versions 1 and 2 have in common. What version 1 signs is in `SigV1.swift`.

enum SigV2 {
    struct Claim: Sendable {
        var accessKeyID: String
        var signature: String
        var usesSHA1: Bool
        /// Version 1 rather than 2.
        var isVersion1 = false
        var limit: Limit
        /// Query and form together, `+` read as space.
        var parameters: QueryParameters
    }

    enum Limit: Sendable {
        case timestamp(Int64)
        case expires(Int64)
    }

    /// Reads the parameters; nil if the request has none of them.
    static func parse(_ request: SignedRequest) throws(SignatureError) -> Claim? {
        let parameters = allParameters(request, plusIsSpace: true)
        guard parameters["AWSAccessKeyId"] != nil || parameters["Signature"] != nil else { return nil }
        guard let accessKeyID = parameters["AWSAccessKeyId"] else { throw .missingParameter("AWSAccessKeyId") }
        guard let signature = parameters["Signature"] else { throw .missingParameter("Signature") }
        guard let version = parameters["SignatureVersion"] else { throw .missingParameter("SignatureVersion") }
        guard version == "2" || version == "1" else {
            throw .unsupported("SignatureVersion \(version) is not supported; use 2, or Signature Version 4.")
        }
        // Version 1 knows HmacSHA1 only; its tools do not name it.
        let method = version == "1" ? "HmacSHA1" : parameters["SignatureMethod"] ?? "HmacSHA1"
        guard method == "HmacSHA256" || method == "HmacSHA1" else {
            throw .unsupported("SignatureMethod \(method) is not supported; use HmacSHA256 or HmacSHA1.")
        }
        let limit: Limit
        switch (parameters["Timestamp"], parameters["Expires"]) {
        case (nil, nil): throw .missingParameter("Timestamp or Expires")
        case (_?, _?): throw .malformed("Timestamp and Expires must not be given together.")
        case (let text?, nil):
            guard let time = Timestamp.parseISO8601(text) else { throw .malformed("Timestamp is not ISO 8601.") }
            limit = .timestamp(time)
        case (nil, let text?):
            guard let time = Timestamp.parseISO8601(text) ?? Int64(text) else {
                throw .malformed("Expires is neither ISO 8601 nor seconds since 1970.")
            }
            limit = .expires(time)
        }
        return Claim(
            accessKeyID: accessKeyID, signature: signature, usesSHA1: method == "HmacSHA1",
            isVersion1: version == "1", limit: limit, parameters: parameters)
    }

    static func allParameters(_ request: SignedRequest, plusIsSpace: Bool) -> QueryParameters {
        var all = QueryParameters(request.query.utf8, plusIsSpace: plusIsSpace)
        if request.method == "POST", isForm(request) {
            all.parameters += QueryParameters(request.body, plusIsSpace: plusIsSpace).parameters
        }
        return all
    }

    /// Some old clients send no content type with their form.
    private static func isForm(_ request: SignedRequest) -> Bool {
        guard let type = request.header("content-type"), !type.isEmpty else { return true }
        return lowercasedASCII(type).hasPrefix("application/x-www-form-urlencoded")
    }

    /// The string to sign; `parameters` without `Signature`.
    static func stringToSign(method: String, host: String, path: String, parameters: QueryParameters) -> String {
        method + "\n" + lowercasedASCII(host) + "\n" + (path.isEmpty ? "/" : path) + "\n" + parameters.canonical
    }
}

extension SigV2.Claim {
    func verify(
        _ request: SignedRequest, secret: String, now: Int64, policy: SignaturePolicy
    ) throws(SignatureError) {
        switch limit {
        case .timestamp(let time):
            guard abs(time.distance(to: now)) <= policy.allowedSkew else {
                throw .skewed(requestTime: time, now: now, allowed: policy.allowedSkew)
            }
        case .expires(let time):
            guard now <= time else { throw .expired(at: time, now: now) }
        }
        if isVersion1 { return try verifyVersion1(request, secret: secret, policy: policy) }
        let hosts = request.hostCandidates
        guard !hosts.isEmpty else { throw .missingParameter("Host") }
        let key = Array(secret.utf8)
        // A plus that stands for itself is not correct in a form, but some clients sign it so.
        let readings = [parameters, SigV2.allParameters(request, plusIsSpace: false)].map { $0.without("Signature") }
        var paths = [request.path]
        let decoded = String(decoding: PercentEncoding.decode(Array(request.path.utf8)), as: UTF8.self)
        if decoded != request.path { paths.append(decoded) }
        var first: String?
        for reading in readings {
            for path in paths {
                for host in hosts {
                    let text = SigV2.stringToSign(method: request.method, host: host, path: path, parameters: reading)
                    if first == nil { first = text }
                    let code = usesSHA1 ? Digests.hmacSHA1(text, key: key) : Digests.hmacSHA256(text, key: key)
                    if equalInConstantTime(Base64.encode(code), signature) { return }
                }
            }
        }
        throw .mismatch(stringToSign: first ?? "", canonicalRequest: "")
    }
}
