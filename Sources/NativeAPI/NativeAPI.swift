// NativeAPI: a JSON interface of the cloud, described by an OpenAPI document, on top of `CloudBackend`.
//
// Here: the table of operations, from which both the routes and the document follow; forms of requests and answers, and
// the check of what requests bring against them; the mapping of the cloud's errors to problems (RFC 9457). Not here:
// HTTP (the listener hands over `QueryRequest` and sends `QueryResponse`), what operations mean (the back end decides).
// Every request gets an answer: what fails becomes a problem document, which never shows internal detail.
//
//   QueryRequest ─▶ route ─▶ authentication ─▶ parameters and body checked ─▶ handler ─▶ CloudBackend
//                                                                               └──▶ JSON ─▶ QueryResponse

public import CloudModel
import JSON
public import QueryProtocol

/// The native interface of one cloud.
public struct NativeInterface: Sendable {
    /// Below which path everything is.
    public static let basePath = "/api/v1"

    private let backend: any CloudBackend
    private let configuration: NativeConfiguration
    private let authenticator: NativeAuthenticator
    private let operations: [Operation]
    private let document: [UInt8]

    /// Makes the interface of the cloud behind `backend`.
    public init(backend: any CloudBackend, configuration: NativeConfiguration = NativeConfiguration()) {
        self.backend = backend
        self.configuration = configuration
        authenticator = NativeAuthenticator(backend: backend, configuration: configuration)
        operations = Operation.all
        document = Self.openAPIDocument
    }

    /// The document that describes this interface.
    public static var openAPIDocument: [UInt8] {
        Array(APIDocument.make(Operation.all, components: Shapes.components).indented.utf8) + [UInt8(ascii: "\n")]
    }

    /// Answers a request. It always answers; errors are problem documents.
    public func respond(to request: QueryRequest) async -> QueryResponse {
        let start = configuration.now()
        var observation = NativeObservation(
            requestID: request.id, sourceAddress: request.sourceAddress, status: 200, milliseconds: 0)
        var headers = [
            (name: "Cache-Control", value: "no-store"), (name: "X-Request-Id", value: observation.requestID),
            (name: "X-Content-Type-Options", value: "nosniff"),
        ]
        var body: [UInt8] = []
        do throws(Problem) {
            let answer = try await answer(request, &observation)
            observation.status = answer.status
            body = answer.body
            if !body.isEmpty { headers.append((name: "Content-Type", value: "application/json")) }
        } catch {
            observation.status = error.status
            observation.problem = error.code
            observation.message = error.detail
            observation.internalDetail = error.internalDetail
            headers.append((name: "Content-Type", value: "application/problem+json"))
            if error.status == 401 { headers.append((name: "WWW-Authenticate", value: "AWS4-HMAC-SHA256, Bearer")) }
            if let allowed = error.allowed { headers.append((name: "Allow", value: allowed)) }
            body = error.document(requestID: observation.requestID).serializedBytes
        }
        observation.milliseconds = max(0, configuration.now().milliseconds - start.milliseconds)
        configuration.observer(observation)
        return QueryResponse(status: observation.status, headers: headers, body: body)
    }

    private func answer(_ request: QueryRequest, _ observation: inout NativeObservation) async throws(Problem)
        -> (status: Int, body: [UInt8])
    {
        guard request.path.utf8.count + request.query.utf8.count <= configuration.largestTarget else {
            throw Problem(414, "uri-too-long", "URI too long", "The path and query are too long.", cure: nil)
        }
        let (operation, path) = try Router.route(request.method, request.path, operations)
        observation.operation = operation.id
        observation.isReading = operation.method == "GET"
        guard operation.authorization != .anyone else { return (200, document) }
        let caller = try await authenticator.caller(of: request, requestID: observation.requestID)
        observation.caller = caller
        if operation.authorization == .administrator, !caller.isAdministrator {
            throw Problem(.unauthorized(operation: "\(operation.id) is for administrators of the cloud only."))
        }
        let call = try NativeCall(
            operation: operation, path: path, request: request, caller: caller, backend: backend,
            largestBody: configuration.largestBody)
        do throws(CloudError) {
            // Every operation passes here, and nowhere else.
            let checks = NativeGate.checks(operation, call, region: configuration.region)
            observation.resources = checks.first?.resources.map(\.arn).filter { $0 != "*" } ?? []
            for check in checks { try await backend.authorize(caller, check) }
            guard let value = try await operation.handler(call) else { return (operation.success.status, []) }
            return (operation.success.status, value.serializedBytes)
        } catch {
            throw Problem(error)
        }
    }
}
