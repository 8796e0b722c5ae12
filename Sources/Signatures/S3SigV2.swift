// S3's own version 2 ("Signing and authenticating REST requests" of the S3 Developer Guide).

enum S3SigV2 {
    struct Claim: Sendable {
        var accessKeyID: String
        var signature: String
        /// Seconds since 1970, for a presigned request; nil for the header form.
        var expires: Int64?
        /// The text of `Expires` as sent, which is what is signed.
        var expiresText: String

        var isPresigned: Bool { expires != nil }
    }

    static func parseHeader(_ value: String, _ request: SignedRequest) throws(SignatureError) -> Claim {
        let credential = trimmed(value.dropFirst(4))
        guard let colon = credential.lastIndex(of: ":"), colon != credential.startIndex else {
            throw .unsupported("AWS authorization header is invalid. Expected AwsAccessKeyId:signature")
        }
        return Claim(
            accessKeyID: String(credential[..<colon]), signature: String(credential[credential.index(after: colon)...]),
            expires: nil, expiresText: "")
    }

    static func parseQuery(_ query: QueryParameters, _ request: SignedRequest) throws(SignatureError) -> Claim {
        guard let accessKeyID = query["AWSAccessKeyId"] else { throw .missingParameter("AWSAccessKeyId") }
        guard let signature = query["Signature"] else { throw .missingParameter("Signature") }
        guard let text = query["Expires"] else { throw .missingParameter("Expires") }
        guard let expires = Int64(text) else { throw .malformed("Expires is not a number of seconds since 1970.") }
        // A client that does not encode the plus of Base64 leaves a blank here.
        let signatureText = String(decoding: signature.utf8.map { $0 == 0x20 ? 0x2B : $0 }, as: UTF8.self)
        return Claim(accessKeyID: accessKeyID, signature: signatureText, expires: expires, expiresText: text)
    }

    /// Query parameters that belong to the canonicalised resource.
    static let subresources: Set<String> = [
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "encryption", "inventory",
        "legal-hold", "lifecycle", "location", "logging", "metrics", "notification", "object-lock",
        "ownershipControls", "partNumber", "policy", "policyStatus", "publicAccessBlock", "replication",
        "requestPayment", "response-cache-control", "response-content-disposition", "response-content-encoding",
        "response-content-language", "response-content-type", "response-expires", "restore", "retention", "select",
        "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
        "versions", "website",
    ]

    /// `?acl&uploadId=…`, sorted by name, values decoded; empty if there are none.
    static func canonicalSubresources(_ rawQuery: String) -> String {
        var parts: [(name: String, text: String)] = []
        for piece in rawQuery.utf8.split(separator: 0x26) {
            let equals = piece.firstIndex(of: 0x3D)
            let name = String(decoding: piece[..<(equals ?? piece.endIndex)], as: UTF8.self)
            guard subresources.contains(name) else { continue }
            if let equals {
                let value = PercentEncoding.decode(piece[piece.index(after: equals)...])
                parts.append((name, name + "=" + String(decoding: value, as: UTF8.self)))
            } else {
                parts.append((name, name))
            }
        }
        guard !parts.isEmpty else { return "" }
        parts.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        return "?" + parts.map(\.text).joined(separator: "&")
    }

    /// `x-amz-…:values\n`, sorted, repeated headers joined.
    static func canonicalAmzHeaders(_ headers: [(name: String, value: String)]) -> String {
        var values: [String: String] = [:]
        for header in headers {
            let name = lowercasedASCII(header.name)
            guard name.hasPrefix("x-amz-") else { continue }
            let value = trimmed(header.value)
            values[name] = values[name].map { $0 + "," + value } ?? value
        }
        return values.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            .map { $0 + ":" + (values[$0] ?? "") + "\n" }.joined()
    }
}

extension S3SigV2.Claim {
    /// The headers that a presigned request has in its query.
    private static func headers(in query: QueryParameters) -> [(name: String, value: String)] {
        let prefix = "x-amz-".utf8
        return query.parameters.filter { parameter in
            parameter.name.count >= prefix.count && zip(parameter.name, prefix).allSatisfy { $0 | 0x20 == $1 | 0x20 }
        }.map { (name: String(decoding: $0.name, as: UTF8.self), value: String(decoding: $0.value, as: UTF8.self)) }
    }

    func verify(
        _ request: SignedRequest, _ query: QueryParameters, secret: String, now: Int64, policy: SignaturePolicy
    ) throws(SignatureError) {
        let date: String
        if let expires {
            guard now <= expires else { throw .expired(at: expires, now: now) }
            date = expiresText
        } else {
            let amzDate = request.header("x-amz-date")
            guard let text = amzDate ?? request.header("date") else { throw .missingParameter("Date") }
            guard let time = Timestamp.parseHTTP(text), time >= 0 else { throw .missingParameter("Date") }
            guard abs(time.distance(to: now)) <= policy.allowedSkew else {
                throw .skewed(requestTime: time, now: now, allowed: policy.allowedSkew)
            }
            date = amzDate == nil ? text : ""
        }
        let head = [
            request.method, request.header("content-md5") ?? "", request.header("content-type") ?? "", date,
        ].joined(separator: "\n")
        let tail = S3SigV2.canonicalSubresources(request.query)
        let key = Array(secret.utf8)
        // boto 2 and boto3 move headers of a presigned request into its query, where they stay signed. What stands there
        // counts as a header, so it must be signed; but a token may be there without.
        var amzHeaders = [S3SigV2.canonicalAmzHeaders(request.headers)]
        let moved = isPresigned ? Self.headers(in: query) : []
        if !moved.isEmpty {
            let all = S3SigV2.canonicalAmzHeaders(request.headers + moved)
            let isOnlyToken = moved.allSatisfy { equalIgnoringCase($0.name, "x-amz-security-token") }
            if !isOnlyToken { amzHeaders = [all] } else if all != amzHeaders[0] { amzHeaders.append(all) }
        }
        var first: String?
        for resource in request.resources.isEmpty ? [request.path] : request.resources {
            for headers in amzHeaders {
                let text = head + "\n" + headers + resource + tail
                if first == nil { first = text }
                if equalInConstantTime(Base64.encode(Digests.hmacSHA1(text, key: key)), signature) { return }
            }
        }
        throw .mismatch(stringToSign: first ?? "", canonicalRequest: "")
    }
}
