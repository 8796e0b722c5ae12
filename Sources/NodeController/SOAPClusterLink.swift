// The cluster controller over SOAP and HTTP.

public import BlockingHTTP
public import Contracts

/// Carries SOAP messages by HTTP POST.
public final class HTTPSOAPTransport: SOAPTransport, Sendable {
    private let client: HTTPClient
    private let endpoint: String

    /// A transport to a service's URL.
    public init(client: HTTPClient, endpoint: String) {
        self.client = client
        self.endpoint = endpoint
    }

    /// See `SOAPTransport`.
    public func call(soapAction: String, body: [UInt8]) throws(ServiceFault) -> [UInt8] {
        let headers = HTTPHeaders([
            ("Content-Type", SOAPReply.contentType), ("SOAPAction", "\"" + soapAction + "\""),
        ])
        let answer: HTTPClientResponse
        do throws(HTTPClientError) {
            answer = try client.call("POST", endpoint, headers: headers, body: body)
        } catch {
            throw ServiceFault(code: .unavailable, message: "\(error)")
        }
        guard answer.status == 200 || answer.status == 500 else {
            throw ServiceFault(
                code: .unavailable,
                message: "\(NodeLog.redacted(endpoint)) answered HTTP status \(answer.status); check the URL")
        }
        return answer.body
    }
}

/// The cluster controller of a zone, for the reporters of all nodes of a process.
public final class SOAPClusterLink: ClusterLink, @unchecked Sendable {
    /// How the name in a cluster controller's certificate begins; its zone follows.
    public static let serverNamePrefix = "cluster:"

    // Immutable; the client is made for use by several threads.
    private let client: ClusterContract.Client<HTTPSOAPTransport>

    /// A link to a service's URL.
    public init(client: HTTPClient, endpoint: String) {
        self.client = ClusterContract.Client(transport: HTTPSOAPTransport(client: client, endpoint: endpoint))
    }

    /// See `ClusterLink`.
    public func register(
        _ request: ClusterContract.RegisterNodeRequest
    ) throws(ClusterLinkError) -> ClusterContract.RegisterNodeResponse {
        do throws(ServiceFault) {
            return try client.registerNode(request)
        } catch {
            throw ClusterLinkError(error.message, refusal: NodeRefusal(error))
        }
    }

    /// See `ClusterLink`.
    public func report(
        _ request: ClusterContract.ReportNodeRequest
    ) throws(ClusterLinkError) -> ClusterContract.ReportNodeResponse {
        do throws(ServiceFault) {
            return try client.reportNode(request)
        } catch {
            throw ClusterLinkError(error.message, refusal: NodeRefusal(error))
        }
    }
}
