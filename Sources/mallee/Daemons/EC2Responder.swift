import EC2Query
import EC2SOAP
import HTTPTypes
import Hummingbird
import HummingbirdCore
import IAMQuery
import Logging
import NIOCore
import QueryProtocol
import ServiceHost

/// Puts the EC2 interfaces behind a listener: raw request in, bytes out.
struct EC2Responder: EventLoopResponder {
    typealias Context = ServiceRequestContext
    let interface: EC2Interface
    /// Answers what is for IAM or STS by its version, since tools know one address for all.
    let identity: IAMInterface
    /// Takes SOAP messages and questions for the WSDL.
    let soap: EC2SOAPInterface
    /// Bodies are read up to one byte more, so that the interface can say that they are too large.
    let largestBody: Int

    /// A body up to here is read and checked in no time, in bytes.
    private static let smallBody = 16 << 10

    func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        let query = try await QueryExchange.request(request, context, largestBody: largestBody)
        let isSOAP = EC2SOAPInterface.isMeant(by: query)
        let service = isSOAP ? nil : IdentityService.named(in: query)
        if !isSOAP, service == nil, query.body.count <= Self.smallBody {
            return QueryExchange.response(await interface.respond(to: query))
        }
        // Envelopes, passwords and large documents are no work for an event loop.
        return QueryExchange.response(
            await withTaskExecutorPreference(globalConcurrentExecutor) {
                if isSOAP { return await soap.respond(to: query) }
                if let service { return await identity.respond(to: query, service: service) }
                return await interface.respond(to: query)
            })
    }
}

/// Puts IAM or STS behind a path of its own.
struct IdentityResponder: HTTPResponder {
    typealias Context = ServiceRequestContext
    let interface: IAMInterface
    let service: IdentityService

    func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        let query = try await QueryExchange.request(request, context, largestBody: interface.largestBody)
        // The original answered both at either.
        return QueryExchange.response(
            await interface.respond(to: query, service: IdentityService.named(in: query) ?? service))
    }
}

/// Between the listener's requests and those of the query services.
enum QueryExchange {
    /// The request with its body, of which at most one byte more than allowed is read.
    static func request(_ request: Request, _ context: ServiceRequestContext, largestBody: Int)
        async throws -> QueryRequest
    {
        var headers = request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
        // HTTP/1.1's Host header arrives as the authority.
        if let authority = request.head.authority, !headers.contains(where: { $0.name == "host" }) {
            headers.append((name: "host", value: authority))
        }
        var body: [UInt8] = []
        for try await part in request.body {
            body.append(contentsOf: part.readableBytesView)
            if body.count > largestBody { break }
        }
        return QueryRequest(
            id: context.requestID, method: request.method.rawValue, path: String(PathDispatcher.path(of: request)),
            query: String(PathDispatcher.query(of: request)), headers: headers, body: body,
            sourceAddress: context.remoteAddress?.ipAddress ?? "", isSecure: try await context.isSecure())
    }

    /// The answer as the listener sends it.
    static func response(_ answer: QueryResponse) -> Response {
        var fields = HTTPFields()
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        return Response(
            status: .init(code: answer.status), headers: fields,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
    }
}
