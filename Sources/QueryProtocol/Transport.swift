public import CloudModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// An HTTP request as the listener received it. Nothing of it has been decoded: signatures cover the raw form.
public struct QueryRequest: Sendable {
    /// Unique to it; the answer, the log and the audit name it. A UUID in lower case, the form of EC2's request ids.
    public var id: String
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
        id: String, method: String, path: String, query: String = "", headers: [(name: String, value: String)],
        body: [UInt8] = [], sourceAddress: String, isSecure: Bool = false
    ) {
        self.id = id
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.sourceAddress = sourceAddress
        self.isSecure = isSecure
    }
}

/// The answer to a `QueryRequest`.
public struct QueryResponse: Sendable {
    /// HTTP status.
    public var status: Int
    /// Headers, without those that the listener adds itself (Content-Length, Date, Connection).
    public var headers: [(name: String, value: String)]
    /// A document in UTF-8 (XML; JSON of the native interface), or nothing.
    public var body: [UInt8]

    /// Makes a response.
    public init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

extension QueryRequest {
    /// The first header of a name, given in lower case, whatever its case in the request.
    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name }?.value
    }
}

extension CloudModel.Timestamp {
    /// The time by the system's clock.
    public static func ofSystemClock() -> CloudModel.Timestamp {
        var time = timespec()
        // CLOCK_REALTIME cannot fail with a valid pointer.
        _ = clock_gettime(CLOCK_REALTIME, &time)
        return CloudModel.Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
