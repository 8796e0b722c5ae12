public import Contracts
import HTTPTypes
public import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// A call of a contract that was answered.
public struct SOAPObservation: Sendable {
    /// Nil if there is none of its name.
    public var operation: String?
    /// Who called.
    public var caller: ServiceCaller
    /// The request's id.
    public var requestID: String
    /// HTTP status.
    public var status: Int
    /// The envelope that was sent; it may hold secrets.
    public var request: [UInt8]
}

/// Serves one contract over HTTP: SOAP 1.1 calls by POST, its WSDL and the shared schema by GET.
///
///     POST <path>                       the operation in the body's element
///     GET  <path>?wsdl                  the WSDL, with the address at which it was asked for
///     GET  <path>?xsd=types.xsd, <path>/types.xsd, <sibling>/types.xsd      the schema that it imports
///
/// Who may call is the listener's business: components listen with ``ComponentIdentity/Clients/required``. When TLS is
/// on without it, calls without a component's certificate get a 403; the WSDL is for everybody.
public struct SOAPResponder: HTTPResponder {
    /// The dispatcher of a contract, bound to a service: answers one envelope.
    public typealias Dispatch = @Sendable (_ envelope: [UInt8], _ soapAction: String?) async -> SOAPReply

    /// SOAP 1.1, section 6.1.1.
    private static var soapAction: HTTPField.Name? { HTTPField.Name("SOAPAction") }

    private let description: @Sendable (_ query: String, _ location: String) -> String?
    private let dispatch: Dispatch
    private let maximumRequestBytes: Int
    private let admitsAnybody: Bool
    private let observer: (@Sendable (SOAPObservation) -> Void)?

    /// Serves any contract; for those of this cloud see ``cloud(_:)``, ``cluster(_:)`` and ``node(_:)``.
    ///
    /// - Parameters:
    ///   - description: the contract's documents, as the generated `description(query:location:)` gives them.
    ///   - maximumRequestBytes: larger requests get a 413; the largest is a node's report of its instances.
    ///   - admitsAnybody: whether calls over TLS need no certificate.
    ///   - observer: told of every call that was answered.
    ///   - dispatch: the contract's dispatcher. While it runs, ``ServiceCaller/current`` says who calls.
    public init(
        description: @escaping @Sendable (_ query: String, _ location: String) -> String?,
        maximumRequestBytes: Int = 16 << 20, admitsAnybody: Bool = false,
        observer: (@Sendable (SOAPObservation) -> Void)? = nil, dispatch: @escaping Dispatch
    ) {
        self.description = description
        self.maximumRequestBytes = maximumRequestBytes
        self.admitsAnybody = admitsAnybody
        self.observer = observer
        self.dispatch = dispatch
    }

    /// Serves the node controller's contract (of simulated nodes; the real one has its own server).
    public static func node(_ service: some NodeContract.AsyncService) -> SOAPResponder {
        SOAPResponder(description: { NodeContract.description(query: $0, location: $1) }) { envelope, action in
            await NodeContract.dispatch(body: envelope, soapAction: action, service: service)
        }
    }

    /// Serves the cluster controller's contract.
    public static func cluster(
        _ service: some ClusterContract.AsyncService, observer: (@Sendable (SOAPObservation) -> Void)? = nil
    ) -> SOAPResponder {
        SOAPResponder(
            description: { ClusterContract.description(query: $0, location: $1) }, observer: observer
        ) { envelope, action in
            await ClusterContract.dispatch(body: envelope, soapAction: action, service: service)
        }
    }

    /// Serves the cloud controller's contract for the other components.
    public static func cloud(
        _ service: some CloudContract.AsyncService, observer: (@Sendable (SOAPObservation) -> Void)? = nil
    ) -> SOAPResponder {
        SOAPResponder(
            description: { CloudContract.description(query: $0, location: $1) }, observer: observer
        ) { envelope, action in
            await CloudContract.dispatch(body: envelope, soapAction: action, service: service)
        }
    }

    /// Serves the enrolment contract, whose callers have no certificate yet.
    public static func enrolment(_ service: some EnrolmentContract.AsyncService) -> SOAPResponder {
        SOAPResponder(
            description: { EnrolmentContract.description(query: $0, location: $1) }, maximumRequestBytes: 64 << 10,
            admitsAnybody: true
        ) { envelope, action in
            await EnrolmentContract.dispatch(body: envelope, soapAction: action, service: service)
        }
    }

    /// Answers a call, or a question for the contract.
    public func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        switch request.method {
        case .post: return try await call(request, context)
        case .get, .head: return try await contract(request, context)
        default:
            var response = Response(
                plainText: "Use POST for calls, GET ?wsdl for the contract.\n", status: .methodNotAllowed)
            response.headers[.allow] = "GET, HEAD, POST"
            return response
        }
    }

    private func call(_ request: Request, _ context: ServiceRequestContext) async throws -> Response {
        let caller = try await context.caller()
        if !admitsAnybody, caller.component == nil, try await context.isSecure() {
            return Response(
                plainText: "Calls need a TLS client certificate of the cloud's authority that names a component.\n",
                status: .forbidden)
        }
        // SOAP 1.1 says text/xml (section 6); some toolkits say application/xml.
        let type = request.headers[.contentType]?.lowercased() ?? ""
        guard type.hasPrefix("text/xml") || type.hasPrefix("application/xml") else {
            return Response(
                plainText: "A SOAP 1.1 call has the Content-Type text/xml.\n", status: .unsupportedMediaType)
        }
        let body: ByteBuffer
        do {
            body = try await request.body.collect(upTo: maximumRequestBytes)
        } catch is NIOTooManyBytesError {
            return Response(
                plainText: "The call is larger than \(maximumRequestBytes) bytes.\n", status: .contentTooLarge)
        }
        let action = Self.soapAction.flatMap { request.headers[$0] }
        let reply = await ServiceCaller.$current.withValue(caller) {
            await dispatch(Array(body.readableBytesView), action)
        }
        observer?(
            SOAPObservation(
                operation: reply.operation, caller: caller, requestID: context.requestID, status: reply.status,
                request: Array(body.readableBytesView)))
        if let fault = reply.fault {
            context.logger.info(
                "A call failed",
                metadata: [
                    "operation": "\(reply.operation ?? "unknown")",
                    "caller": "\(caller.component?.description ?? "unknown")",
                    "address": "\(caller.address ?? "unknown")",
                    "fault": "\(fault.message)",
                ])
        }
        return Self.xml(ByteBuffer(bytes: reply.body), status: .init(code: reply.status))
    }

    private func contract(_ request: Request, _ context: ServiceRequestContext) async throws -> Response {
        let path = PathDispatcher.path(of: request)
        let query = PathDispatcher.query(of: request).lowercased()
        if path.hasSuffix("/" + Contract.schemaFile) {
            return Self.xml(ByteBuffer(string: Contract.schemaText), status: .ok)
        }
        let scheme = try await context.isSecure() ? "https" : "http"
        let location = "\(scheme)://\(authority(request, context))\(path)"
        guard let document = description(query, location) else {
            return Response(plainText: "This is a SOAP service; its contract is at \(path)?wsdl.\n", status: .notFound)
        }
        return Self.xml(ByteBuffer(string: document), status: .ok)
    }

    /// What the client calls this host, or the connection's own address if the header could not be put into a URL.
    private func authority(_ request: Request, _ context: ServiceRequestContext) -> String {
        if let asked = request.head.authority, !asked.isEmpty, asked.utf8.allSatisfy(Self.isHostByte) { return asked }
        let local = context.channel.localAddress
        let address = local?.ipAddress ?? "localhost"
        return (address.contains(":") ? "[\(address)]" : address) + (local?.port.map { ":\($0)" } ?? "")
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
            UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }

    private static func xml(_ body: ByteBuffer, status: HTTPResponse.Status) -> Response {
        Response(
            status: status, headers: [.contentType: "text/xml; charset=utf-8"], body: ResponseBody(byteBuffer: body))
    }
}
