// A request taken apart: bucket and key from path or host, query as list, headers. Nothing is judged yet.

internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Signatures

struct S3Request: Sendable {
    let method: String
    let requestID: String
    /// As sent, without the query.
    let rawPath: String
    let rawQuery: String
    /// Decoded.
    let bucket: String?
    let key: String?
    let query: [(name: String, value: String)]
    var headers: HTTPFields
    let authority: String
    /// The path below the service prefix, still encoded.
    private let innerPath: String
    /// The headers as they came, which is what a signature covers.
    private let sentHeaders: HTTPFields
    /// The host name is that of a website.
    let isWebsite: Bool
    /// Another interface made it.
    let isInner: Bool
    /// The bucket came from the host name.
    private let isVirtualHost: Bool

    init(_ request: Request, requestID: String, configuration: S3Configuration) throws {
        self.requestID = requestID
        isInner = false
        method = request.method.rawValue
        var headers = request.headers
        authority = request.head.authority ?? ""
        var target = request.head.path ?? "/"
        // A proxy's absolute form.
        for scheme in ["http://", "https://"] where target.hasPrefix(scheme) {
            let rest = target.dropFirst(scheme.count)
            target = rest.firstIndex(of: "/").map { String(rest[$0...]) } ?? "/"
        }
        let question = target.utf8.firstIndex(of: 0x3F)
        rawPath = String(target[..<(question ?? target.endIndex)])
        rawQuery = question.map { String(target[target.index(after: $0)...]) } ?? ""
        query = Self.parameters(rawQuery)
        sentHeaders = headers
        // Who presigns an address puts headers of the request into it: the signature covers them there.
        if query.contains(where: { $0.name.lowercased() == "x-amz-signature" || $0.name == "AWSAccessKeyId" }) {
            for (name, value) in query {
                let name = name.lowercased()
                guard name.hasPrefix("x-amz-"), !Self.isLeftInQuery(name), let field = HTTPField.Name(name),
                    headers[field] == nil, HTTPField.isValidValue(value)
                else { continue }
                headers[field] = value
            }
        }
        self.headers = headers

        var inner = rawPath
        for prefix in configuration.pathPrefixes {
            if inner == prefix {
                inner = "/"
                break
            }
            if inner.hasPrefix(prefix + "/") {
                inner = String(inner.dropFirst(prefix.count))
                break
            }
        }
        innerPath = inner
        var path = inner.utf8.dropFirst(inner.utf8.first == 0x2F ? 1 : 0)
        let website = Self.hostBucket(authority, configuration.websiteDomains)
        isWebsite = website != nil
        if let name = website ?? Self.hostBucket(authority, configuration.baseDomains) {
            bucket = name
            isVirtualHost = true
        } else {
            isVirtualHost = false
            let end = path.firstIndex(of: 0x2F) ?? path.endIndex
            let name = try Self.decode(path[..<end])
            bucket = name.isEmpty ? nil : name
            path = end == path.endIndex ? path[end...] : path[path.index(after: end)...]
        }
        let decoded = try Self.decode(path)
        key = decoded.isEmpty ? nil : decoded
        if bucket == nil, key != nil { throw S3Error(.invalidBucketName, "The specified bucket is not valid.") }
    }

    /// What another interface made; nothing of it was ever encoded.
    init(_ inner: S3InnerRequest, requestID: String) {
        let request = inner.request
        self.requestID = requestID
        isInner = true
        method = inner.method.rawValue
        rawPath = request.uri.path
        rawQuery = ""
        bucket = inner.bucket
        key = inner.key
        query = inner.query
        headers = request.headers
        authority = ""
        innerPath = rawPath
        sentHeaders = request.headers
        isWebsite = false
        isVirtualHost = false
    }

    private static let signatureParameters: Set<String> = [
        "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature",
        "x-amz-security-token", "x-amz-content-sha256",
    ]

    /// Whether a parameter of a presigned address is no header of the request. S3 takes no announced checksum from
    /// there: who presigns has no body yet, and some clients (Amazon's for JavaScript) put the empty body's in.
    private static func isLeftInQuery(_ name: String) -> Bool {
        signatureParameters.contains(name) || name == "x-amz-sdk-checksum-algorithm"
            || ChecksumAlgorithm.allCases.contains { $0.headerName == name }
    }

    private static func decode(_ bytes: some Collection<UInt8>) throws -> String {
        guard let text = String(validating: PercentEncoding.decode(bytes), as: UTF8.self) else {
            throw S3Error(.invalidURI, "Couldn't parse the specified URI.")
        }
        return text
    }

    private static func parameters(_ raw: String) -> [(name: String, value: String)] {
        raw.utf8.split(separator: 0x26).map { piece in
            let equals = piece.firstIndex(of: 0x3D)
            let name = PercentEncoding.decode(piece[..<(equals ?? piece.endIndex)], plusIsSpace: true)
            let value = equals.map {
                PercentEncoding.decode(piece[piece.index(after: $0)...], plusIsSpace: true)
            }
            return (String(decoding: name, as: UTF8.self), String(decoding: value ?? [], as: UTF8.self))
        }
    }

    private static func hostBucket(_ authority: String, _ domains: [String]) -> String? {
        var host = authority.lowercased()
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") { host = String(host[..<colon]) }
        for domain in domains where host.hasSuffix("." + domain) {
            return String(host.dropLast(domain.count + 1))
        }
        return nil
    }

    /// The value of a query parameter; empty if it has none, nil if it is not there.
    subscript(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// The value of a header; repeated ones joined.
    func header(_ name: String) -> String? { headers[text: name] }

    /// What a signature covers.
    var signed: SignedRequest {
        var all = sentHeaders.map { (name: $0.name.rawName, value: $0.value) }
        if !all.contains(where: { $0.name.lowercased() == "host" }) { all.append((name: "host", value: authority)) }
        var resources = [rawPath]
        if innerPath != rawPath { resources.append(innerPath) }
        if isVirtualHost, let bucket { resources.insert("/" + bucket + innerPath, at: 0) }
        // Version 2 writes a bucket as "/bucket/", whether or not the path ends so.
        if key == nil, bucket != nil { resources += resources.filter { !$0.hasSuffix("/") }.map { $0 + "/" } }
        return SignedRequest(method: method, path: rawPath, query: rawQuery, headers: all, resources: resources)
    }
}
