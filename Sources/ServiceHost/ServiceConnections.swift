import AsyncHTTPClient
public import Contracts
import NIOCore
import NIOHTTP1
import NIOPosix

/// The connections of one component to its peers: kept alive, with the component's certificate, shared by all
/// transports made from it. Shut it down before the process ends.
public final class ServiceConnections: Sendable {
    private let client: HTTPClient
    private let gate: PeerGate?

    /// Whether a server may be talked to, by the name, the serial number (see
    /// ``X509/Certificate/SerialNumber/hexadecimal``) and the zone (see ``ServiceCaller/zone``) of its verified
    /// certificate: nil, or why not.
    public typealias PeerCheck = @Sendable (_ component: ComponentName?, _ serial: String, _ zone: String?) -> String?

    /// - Parameters:
    ///   - identity: whose certificate is presented and whose authority servers must be of; nil for plain HTTP only.
    ///   - connectTimeout: how long a host may take to accept a connection.
    ///   - peerCheck: asked for each new TLS connection, and for those that are open by ``recheckPeers()``.
    public init(
        identity: ComponentIdentity?, connectTimeout: Duration = .seconds(5), peerCheck: PeerCheck? = nil
    ) throws {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try identity?.clientTLS(),
            redirectConfiguration: .disallow,
            timeout: .init(connect: TimeAmount(connectTimeout)))
        // Shorter than any server's idle time, so that a call is not sent into a connection that is being closed.
        configuration.connectionPool.idleTimeout = .seconds(10)
        // One of many nodes must not make calls to another wait.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
        configuration.httpVersion = .http1Only
        // A host that refuses is known at once; whether and when to try again is the caller's decision.
        configuration.connectionPool.retryConnectionEstablishment = false
        let gate = peerCheck.map { PeerGate($0) }
        self.gate = gate
        if let gate, identity != nil {
            // Runs after the handshake and before the first request; its failure ends the connection.
            configuration.http1_1ConnectionDebugInitializer = { gate.admit($0) }
        }
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    deinit {
        // After `shutdown` this does nothing. Before, somebody gave up early, such as a daemon whose configuration turned
        // out to be wrong: it must get to say so, and the client insists on being told.
        client.shutdown { _ in }
    }

    /// A transport for the generated client of one service.
    ///
    /// - Parameters:
    ///   - endpoint: URL of the service, `https://10.1.1.1:8774/services/ClusterController`.
    ///   - timeout: from sending to the end of the answer.
    public func transport(to endpoint: String, timeout: Duration = .seconds(30)) -> HTTPSOAPTransport {
        HTTPSOAPTransport(connections: self, endpoint: endpoint, timeout: timeout)
    }

    /// Closes the open connections whose server may no longer be talked to.
    public func recheckPeers() { gate?.recheck() }

    /// Waits for the calls under way and closes the connections.
    public func shutdown() async throws {
        try await client.shutdown()
    }

    /// Sends one envelope and gives the answer's: that of status 200, or of a SOAP fault (500).
    ///
    /// - Throws: `unavailable`, with a message that names the endpoint and the cause.
    func post(
        _ envelope: [UInt8], action: String, to endpoint: String, timeout: Duration, maximumBytes: Int = 64 << 20
    ) async throws(ServiceFault) -> [UInt8] {
        var request = HTTPClientRequest(url: endpoint)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "text/xml; charset=utf-8")
        request.headers.add(name: "SOAPAction", value: "\"\(action)\"")
        request.body = .bytes(ByteBuffer(bytes: envelope))
        do {
            let response = try await client.execute(request, timeout: TimeAmount(timeout))
            let type = response.headers.first(name: "content-type")?.lowercased() ?? ""
            let body = try await response.body.collect(upTo: maximumBytes)
            guard response.status == .ok || response.status == .internalServerError, type.contains("xml") else {
                let detail = String(buffer: body).prefix(300).filter { !$0.isNewline }
                throw Self.unavailable("\(endpoint) answered HTTP \(response.status.code): \(detail)")
            }
            return Array(body.readableBytesView)
        } catch let fault as ServiceFault {
            throw fault
        } catch {
            throw Self.unavailable("\(endpoint) cannot be reached: \(Self.cause(error, timeout: timeout))")
        }
    }

    private static func unavailable(_ message: String) -> ServiceFault {
        ServiceFault(code: .unavailable, message: message)
    }

    private static func cause(_ error: any Error, timeout: Duration) -> String {
        switch error {
        case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout:
            "no answer within \(timeout)"
        case let error as HTTPClientError where error == .connectTimeout:
            "the host did not accept a connection in time"
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            "the connection was closed before the answer"
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { "\($0.error)" } ?? error.dnsAError.map { "\($0)" } ?? "\(error)"
        case let error as PeerGate.Refused: error.reason
        case is CancellationError:
            "the call was cancelled"
        case is NIOTooManyBytesError:
            "the answer is too large"
        default: "\(error)"
        }
    }
}

/// Calls one service over HTTP; made by ``ServiceConnections/transport(to:timeout:)``.
public struct HTTPSOAPTransport: AsyncSOAPTransport {
    private let connections: ServiceConnections
    /// URL of the service.
    public let endpoint: String
    /// From sending to the end of the answer.
    public let timeout: Duration

    init(connections: ServiceConnections, endpoint: String, timeout: Duration) {
        self.connections = connections
        self.endpoint = endpoint
        self.timeout = timeout
    }

    /// Posts an envelope and returns the envelope of the answer.
    public func call(soapAction: String, body: [UInt8]) async throws(ServiceFault) -> [UInt8] {
        try await connections.post(body, action: soapAction, to: endpoint, timeout: timeout)
    }
}
