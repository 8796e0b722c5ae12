public import AsyncHTTPClient
public import XML

/// EC2 Query calls.
public struct EC2Client: Sendable {
    private let query: QueryClient

    /// A client of the service at `url`.
    public init(http: HTTPClient, url: String, accessKeyID: String, secret: String, region: String)
        throws(CloudClientError)
    {
        query = try QueryClient(
            http: http, url: url, service: "ec2", version: "2016-11-15", accessKeyID: accessKeyID, secret: secret,
            region: region)
    }

    /// Calls an action and gives the root element of its answer.
    @discardableResult
    public func call(_ action: String, _ parameters: [(name: String, value: String)] = []) async throws -> XMLElement {
        try await query.call(action, parameters)
    }
}
