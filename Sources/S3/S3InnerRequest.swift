// Requests that another interface makes out of its own messages, such as S3's SOAP: they take the same way as those
// over HTTP, but for the signature, which that interface has checked.

public import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Signatures
public import Walrus

/// An operation of S3, put as the request that REST would have for it.
public struct S3InnerRequest: Sendable {
    /// The name in the bucket's access log, such as `SOAP.PUTOBJECTINLINE`.
    public var logName: String
    /// The method.
    public var method: HTTPRequest.Method
    /// The bucket; nil for the service.
    public var bucket: String?
    /// The key; nil for the bucket.
    public var key: String?
    /// Query parameters, decoded.
    public var query: [(name: String, value: String)]
    /// Headers.
    public var headers: HTTPFields
    /// The body.
    public var body: [UInt8]
    /// Who has signed; nil for nobody.
    public var principal: WalrusPrincipal?

    /// Makes a request.
    public init(
        logName: String, method: HTTPRequest.Method, bucket: String?, key: String? = nil,
        query: [(name: String, value: String)] = [], headers: HTTPFields = HTTPFields(), body: [UInt8] = [],
        principal: WalrusPrincipal?
    ) {
        self.logName = logName
        self.method = method
        self.bucket = bucket
        self.key = key
        self.query = query
        self.headers = headers
        self.body = body
        self.principal = principal
    }

    /// The path, as logs show it.
    private var path: String {
        "/"
            + [bucket, key].compactMap { $0.map { PercentEncoding.encode($0, keepingSlash: true) } }.joined(
                separator: "/")
    }

    /// As a request over HTTP, with the query for logs only.
    var request: Request {
        var fields = headers
        if !body.isEmpty || method == .put || method == .post { fields[.contentLength] = String(body.count) }
        let text = query.map { PercentEncoding.encode($0.name) + "=" + PercentEncoding.encode($0.value) }
        return Request(
            head: HTTPRequest(
                method: method, scheme: nil, authority: nil,
                path: path + (text.isEmpty ? "" : "?" + text.joined(separator: "&")), headerFields: fields),
            body: RequestBody(buffer: ByteBuffer(bytes: body)))
    }
}
