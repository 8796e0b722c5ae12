// The HTTP face of the nodes of a process.
//
//   POST /services/NodeController          SOAP (node.wsdl); with TLS from cluster controllers and administrators only
//   GET  /services/NodeController?wsdl     the contract
//   GET  /services/types.xsd               the schema that it imports
//   GET  /healthz                          200 as long as the process serves
//
// A process of simulated nodes has /services/NodeController/<node-name> for each.

public import BlockingHTTP
import Contracts
import Posix

/// Routes requests to nodes.
public final class NodeEndpoint: HTTPHandler, @unchecked Sendable {
    /// Where a node's service is.
    public static let path = "/services/NodeController"

    // Guards `nodes` and `only`, which change only before the listener is announced.
    private let lock = Lock()
    private var nodes: [String: NodeController] = [:]
    private var only: NodeController?

    /// Serves nobody yet: 503.
    public init() {}

    /// Serves one node at `path`.
    public func serve(_ node: NodeController) { lock.withLock { only = node } }

    /// Serves further nodes, each below `path` under its name.
    public func serve(_ all: [NodeController]) {
        lock.withLock { for node in all { nodes[node.name] = node } }
    }

    /// See `HTTPHandler`.
    public func handle(_ request: HTTPRequest) -> HTTPResponse {
        switch request.path {
        case "/healthz": return HTTPResponse(status: 200, text: "ok\n")
        case "/services/types.xsd":
            return HTTPResponse(status: 200, contentType: SOAPReply.contentType, text: Contract.schemaText)
        default: break
        }
        guard request.path.hasPrefix(NodeEndpoint.path) else {
            return HTTPResponse(status: 404, text: "there is nothing here; the service is \(NodeEndpoint.path)\n")
        }
        let rest = request.path.dropFirst(NodeEndpoint.path.count)
        let node = lock.withLock { () -> NodeController? in
            if rest.isEmpty || rest == "/" { return only }
            guard rest.utf8.first == UInt8(ascii: "/") else { return nil }
            return nodes[String(rest.dropFirst())]
        }
        if request.method == "GET" || request.method == "HEAD" {
            let host = request.headers["Host"] ?? "localhost"
            let location = node?.settings.endpoint ?? "http://\(host)\(request.path)"
            guard let text = NodeContract.description(query: request.query ?? "", location: location) else {
                return HTTPResponse(status: 404, text: "ask for \(NodeEndpoint.path)?wsdl, or POST a SOAP message\n")
            }
            return HTTPResponse(status: 200, contentType: SOAPReply.contentType, text: text)
        }
        guard request.method == "POST" else {
            return HTTPResponse(status: 405, headers: HTTPHeaders([("Allow", "GET, HEAD, POST")]))
        }
        guard let node else {
            return HTTPResponse(status: 404, text: "there is no such node here\n")
        }
        // With TLS a caller has a name; another node's key must not end instances here.
        if let caller = request.peerCommonName, !caller.hasPrefix("cluster:"), !caller.hasPrefix("client:") {
            return HTTPResponse(
                status: 403, text: "calls are for the cluster controller; this certificate is of \(caller)\n")
        }
        let reply = NodeContract.dispatch(
            body: request.body, soapAction: request.headers["SOAPAction"], service: node)
        return HTTPResponse(
            status: reply.status, headers: HTTPHeaders([("Content-Type", SOAPReply.contentType)]), body: reply.body)
    }
}
