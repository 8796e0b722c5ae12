// QueryProtocol: what the query services (EC2, IAM, STS) have in common.
//
// Here: the request and the answer as the listener has them, reading of parameters, authentication, and the form of a
// failure. Not here: what actions there are and what they mean, the codes of each service's errors, HTTP.
// It fails with `QueryFault` for what cannot be read and `AuthenticationFailure` for who cannot be believed; each
// interface turns the latter into the codes of its service.

/// How large a request may be.
public struct QueryLimits: Sendable {
    /// Largest body of a request in bytes.
    public var largestBody: Int
    /// Largest query string in bytes.
    public var largestQuery: Int
    /// Largest number of parameters of a request.
    public var mostParameters: Int

    /// Makes limits; the defaults suit production.
    public init(largestBody: Int = 1 << 20, largestQuery: Int = 128 << 10, mostParameters: Int = 20_000) {
        self.largestBody = largestBody
        self.largestQuery = largestQuery
        self.mostParameters = mostParameters
    }
}

/// A failure as it goes over the wire: a code of the service, its HTTP status and a text.
package struct QueryFault: Error, Sendable, Equatable {
    package let code: String
    package let status: Int
    package let message: String
    /// Not sent; for the log.
    package var detail: String?

    package init(_ code: String, status: Int = 400, _ message: String, detail: String? = nil) {
        self.code = code
        self.status = status
        self.message = message
        self.detail = detail
    }

    package static func malformedQuery(_ message: String) -> QueryFault {
        QueryFault("MalformedQueryString", message)
    }

    package static func method(_ method: String) -> QueryFault {
        QueryFault(
            "MethodNotAllowed", status: 405,
            "The method \(Parameters.shortened(method)) is not offered here; use POST, or GET for short requests.")
    }
}

extension QueryRequest {
    /// The parameters of query string and form.
    package func parameters(_ limits: QueryLimits) throws(QueryFault) -> Parameters {
        guard method == "GET" || method == "POST" else { throw .method(method) }
        guard query.utf8.count <= limits.largestQuery else {
            throw QueryFault(
                "RequestTooLong", status: 414,
                "The query string is longer than \(limits.largestQuery) bytes; send the parameters by POST.")
        }
        guard body.count <= limits.largestBody else {
            throw QueryFault(
                "RequestTooLong", status: 413,
                "The request's body is longer than the \(limits.largestBody) bytes that are read.")
        }
        // A body that the signature would not cover must not be read, so this is the rule of the verifier.
        if !body.isEmpty {
            guard method == "POST" else { throw .malformedQuery("A GET request has no body.") }
            let type = headers.first { $0.name.lowercased() == "content-type" }?.value.lowercased() ?? ""
            guard type.isEmpty || type.hasPrefix("application/x-www-form-urlencoded") else {
                throw .malformedQuery(
                    "Content-Type \(Parameters.shortened(type)) is not understood here; "
                        + "send application/x-www-form-urlencoded.")
            }
        }
        return try Parameters(query: query, form: body, mostParameters: limits.mostParameters)
    }
}
