// CloudClient: a small signed client of our own public interfaces, for the command line and for the cloud controller's
// look at Walrus. Users have better ones (aws, boto3); this one needs nothing installed.
//
// Here: credentials and the eucarc file, S3 calls that images need, EC2 Query calls. Not here: what they are used for.
// Failing: `CloudClientError` with the server's code and text, or what kept the request from being answered.
import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// A request that was refused or not answered.
public struct CloudClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// HTTP status; 0 when there was no answer.
    public let status: Int
    /// The service's error code, such as "NoSuchKey"; empty when there was no answer.
    public let code: String
    /// The service's text, or the cause.
    public let message: String

    /// Makes an error.
    public init(status: Int, code: String, message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    /// Code and text.
    public var description: String { code.isEmpty ? message : "\(code): \(message)" }
}

/// Host and path of a service, out of its URL.
struct ServiceAddress: Sendable {
    /// Scheme, host and port, without a slash at the end.
    let origin: String
    /// As it stands in the Host header.
    let host: String
    /// Path without a slash at the end; may be empty.
    let path: String

    init(_ url: String) throws(CloudClientError) {
        guard let schemeEnd = url.firstRange(of: "://") else {
            throw CloudClientError(
                status: 0, code: "", message: "\(url) is no URL; it must begin with http:// or https://.")
        }
        let rest = url[schemeEnd.upperBound...]
        let hostEnd = rest.firstIndex(of: "/") ?? rest.endIndex
        guard hostEnd > rest.startIndex else {
            throw CloudClientError(status: 0, code: "", message: "\(url) names no host.")
        }
        host = String(rest[..<hostEnd])
        origin = String(url[..<schemeEnd.upperBound]) + host
        var path = String(rest[hostEnd...])
        while path.hasSuffix("/") { path.removeLast() }
        self.path = path
    }
}
