/// An HTTP request as the listener received it. Nothing of it has been decoded: signatures cover the raw form.
public struct QueryRequest: Sendable {
    /// Upper-case method.
    public var method: String
    /// Path as it was sent, percent-encoded, without the query.
    public var path: String
    /// Query string as it was sent, without the question mark; empty if there was none.
    public var query: String
    /// All headers in the order of arrival, `Host` among them (for HTTP/2 put the authority there).
    public var headers: [(name: String, value: String)]
    /// The whole body. The listener stops reading one byte beyond `QueryLimits.largestBody`.
    public var body: [UInt8]
    /// Address of the peer, for the audit.
    public var sourceAddress: String
    /// Whether it came over TLS.
    public var isSecure: Bool

    /// Makes a request.
    public init(
        method: String, path: String, query: String = "", headers: [(name: String, value: String)],
        body: [UInt8] = [], sourceAddress: String, isSecure: Bool = false
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.sourceAddress = sourceAddress
        self.isSecure = isSecure
    }
}

/// The answer to an `QueryRequest`.
public struct QueryResponse: Sendable {
    /// HTTP status.
    public var status: Int
    /// Headers, without those that the listener adds itself (Content-Length, Date, Connection).
    public var headers: [(name: String, value: String)]
    /// An XML document in UTF-8.
    public var body: [UInt8]

    /// Makes a response.
    public init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
