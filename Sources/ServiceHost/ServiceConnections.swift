import AsyncHTTPClient
public import Contracts
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// The connections of one component to its peers: kept alive, with the component's certificate, shared by all
/// transports made from it. Shut it down before the process ends.
///
/// A certificate of the cloud's authority says who a server is, and every component has one. So a call names whom it is
/// for, and the connections to each expected peer are kept apart from those to others: else a component that has got
/// hold of another's address, or gives it as its own, would receive what is meant for that one.
public final class ServiceConnections: Sendable {
    private struct Member: Sendable {
        var client: HTTPClient
        var gate: PeerGate
    }

    private struct State {
        /// As many as there are peers, for as long as this object lives; those without connections are small.
        var members: [ExpectedPeer: Member] = [:]
        var isShutDown = false
    }

    private let configuration: HTTPClient.Configuration
    /// Whether there is TLS, and so anybody to recognize.
    private let isSecure: Bool
    private let check: PeerCheck?
    private let state = Mutex(State())

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
        self.configuration = configuration
        isSecure = identity != nil
        check = peerCheck
    }

    deinit {
        // After `shutdown` this does nothing. Before, somebody gave up early, such as a daemon whose configuration turned
        // out to be wrong: it must get to say so, and the client insists on being told.
        for member in state.withLock({ $0.members.values }) { member.client.shutdown { _ in } }
    }

    /// A transport for the generated client of one service.
    ///
    /// - Parameters:
    ///   - endpoint: URL of the service, `https://10.1.1.1:8774/services/ClusterController`.
    ///   - peer: whose certificate the server must have. Only components without an identity of their own, which know
    ///     plain HTTP only, talk to whoever is there.
    ///   - timeout: from sending to the end of the answer.
    public func transport(
        to endpoint: String, of peer: ExpectedPeer, timeout: Duration = .seconds(30)
    ) -> HTTPSOAPTransport {
        HTTPSOAPTransport(connections: self, endpoint: endpoint, peer: peer, timeout: timeout)
    }

    /// Closes the open connections whose server may no longer be talked to.
    public func recheckPeers() {
        for member in state.withLock({ Array($0.members.values) }) { member.gate.recheck() }
    }

    /// Waits for the calls under way and closes the connections.
    public func shutdown() async throws {
        let members = state.withLock { state in
            state.isShutDown = true
            return Array(state.members.values)
        }
        for member in members { try await member.client.shutdown() }
    }

    /// The client whose connections lead to this peer only; nil after the end.
    private func client(for peer: ExpectedPeer) -> HTTPClient? {
        state.withLock { state in
            if state.isShutDown { return nil }
            if let known = state.members[peer] { return known.client }
            let gate = PeerGate(expecting: peer, check)
            var configuration = configuration
            if isSecure {
                // Runs after the handshake and before the first request; its failure ends the connection.
                configuration.http1_1ConnectionDebugInitializer = { gate.admit($0) }
            }
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
            state.members[peer] = Member(client: client, gate: gate)
            return client
        }
    }

    /// Sends one envelope and gives the answer's: that of status 200, or of a SOAP fault (500).
    ///
    /// - Throws: `unavailable`, with a message that names the endpoint and the cause.
    func post(
        _ envelope: [UInt8], action: String, to endpoint: String, of peer: ExpectedPeer, timeout: Duration,
        maximumBytes: Int = 64 << 20
    ) async throws(ServiceFault) -> [UInt8] {
        if isSecure, !endpoint.lowercased().hasPrefix("https://") {
            throw Self.unavailable("\(endpoint) is not called: it is no https URL, so that nobody can say who answers.")
        }
        guard let client = client(for: peer) else {
            throw Self.unavailable("\(endpoint) is not called: this component is stopping.")
        }
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
    /// Whose certificate the server must have.
    public let peer: ExpectedPeer
    /// From sending to the end of the answer.
    public let timeout: Duration

    init(connections: ServiceConnections, endpoint: String, peer: ExpectedPeer, timeout: Duration) {
        self.connections = connections
        self.endpoint = endpoint
        self.peer = peer
        self.timeout = timeout
    }

    /// Posts an envelope and returns the envelope of the answer.
    public func call(soapAction: String, body: [UInt8]) async throws(ServiceFault) -> [UInt8] {
        try await connections.post(body, action: soapAction, to: endpoint, of: peer, timeout: timeout)
    }
}
