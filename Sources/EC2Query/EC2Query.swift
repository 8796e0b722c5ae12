// EC2Query: the EC2 Query protocol (form parameters in, XML out) on top of `CloudBackend`.
//
// Here: reading of parameters, authentication of requests, the table of actions, the mapping of the cloud's errors to
// EC2's codes, and the XML of the answers. Not here: HTTP (the listener hands over `EC2Request` and sends
// `EC2Response`), what actions mean (the back end decides), storage.
// Every request gets an answer: what fails becomes EC2's error document, and never shows internal detail.
//
//   EC2Request ─▶ parameters ─▶ authentication ─▶ table of actions ─▶ handler ─▶ CloudBackend
//                                                                       └──▶ XML ─▶ EC2Response

public import CloudModel
import XML

/// The EC2 Query interface of one cloud.
public struct EC2Interface: Sendable {
    private let backend: any CloudBackend
    private let configuration: EC2Configuration
    private let authenticator: Authenticator

    /// Makes the interface of the cloud behind `backend`.
    public init(backend: any CloudBackend, configuration: EC2Configuration = EC2Configuration()) {
        self.backend = backend
        self.configuration = configuration
        authenticator = Authenticator(backend: backend, policy: configuration.signatures, now: configuration.now)
    }

    /// Answers a request. It always answers; errors are EC2's error documents.
    public func respond(to request: EC2Request) async -> EC2Response {
        let start = configuration.now()
        var observation = EC2Observation(
            requestID: configuration.requestID(), sourceAddress: request.sourceAddress, status: 200, milliseconds: 0,
            responseBytes: 0)
        var headers = [
            (name: "Content-Type", value: "text/xml;charset=UTF-8"),
            (name: "Cache-Control", value: "no-cache, no-store"),
            (name: "x-amzn-requestid", value: observation.requestID),
        ]
        let body: [UInt8]
        do throws(EC2Fault) {
            body = try await answer(request, &observation)
        } catch {
            observation.status = error.status
            observation.errorCode = error.code
            observation.errorMessage = error.message
            observation.internalDetail = error.detail
            if error.status == 405 { headers.append((name: "Allow", value: "GET, POST")) }
            body = Self.document(of: error, requestID: observation.requestID)
        }
        observation.milliseconds = max(0, configuration.now().milliseconds - start.milliseconds)
        observation.responseBytes = body.count
        configuration.observer(observation)
        return EC2Response(status: observation.status, headers: headers, body: body)
    }

    private func answer(_ request: EC2Request, _ observation: inout EC2Observation) async throws(EC2Fault) -> [UInt8] {
        let parameters = try readParameters(request)
        guard let name = parameters.text("Action") else { throw .missingAction }
        observation.action = Parameters.shortened(name)
        let caller = try await authenticator.caller(of: request, requestID: observation.requestID)
        observation.caller = caller
        guard let version = APIVersion(parameter: parameters.text("Version")) else {
            throw .unknownVersion(parameters.text("Version") ?? "")
        }
        if let list = EmptyList.named(name) {
            try list.check(parameters)
            return try answer(list, parameters, version, observation.requestID)
        }
        guard let action = EC2Action.named(name) else {
            throw KnownActions.names.contains(name) ? .unofferedAction(name) : .unknownAction(name)
        }
        if action.authorization == .administrator, !caller.isAdministrator {
            throw EC2Fault(CloudError.unauthorized(operation: "\(name) is for administrators of the cloud only."))
        }
        let call = Call(
            parameters: parameters, caller: caller, backend: backend, version: version, region: configuration.region,
            isOriginalPath: Self.isOriginalPath(request.path))
        var writer = XMLWriter(reserving: 4096)
        writer.open(name + "Response", namespace: version.namespace)
        writer.element("requestId", observation.requestID)
        do throws(CloudError) {
            try await action.handler(call, &writer)
        } catch {
            throw EC2Fault(error)
        }
        writer.close()
        return writer.bytes
    }

    private func answer(_ list: EmptyList, _ parameters: Parameters, _ version: APIVersion, _ requestID: String)
        throws(EC2Fault) -> [UInt8]
    {
        do throws(CloudError) {
            let request = try parameters.describeRequest()
            // No page was ever followed by another.
            if let token = request.nextToken { throw .invalidNextToken(token) }
            if request.dryRun { throw .dryRunSucceeded }
        } catch {
            throw EC2Fault(error)
        }
        var writer = XMLWriter(reserving: 512)
        writer.open(list.action + "Response", namespace: version.namespace)
        writer.element("requestId", requestID)
        writer.element(list.element)
        writer.close()
        return writer.bytes
    }

    private func readParameters(_ request: EC2Request) throws(EC2Fault) -> Parameters {
        guard request.method == "GET" || request.method == "POST" else { throw .method(request.method) }
        guard request.query.utf8.count <= configuration.largestQuery else {
            throw EC2Fault(
                "RequestTooLong", status: 414,
                "The query string is longer than \(configuration.largestQuery) bytes; send the parameters by POST.")
        }
        guard request.body.count <= configuration.largestBody else {
            throw EC2Fault(
                "RequestTooLong", status: 413,
                "The request's body is longer than the \(configuration.largestBody) bytes that are read.")
        }
        // A body that the signature would not cover must not be read, so this is the rule of the verifier.
        if !request.body.isEmpty {
            guard request.method == "POST" else { throw .malformedQuery("A GET request has no body.") }
            let type = request.headers.first { $0.name.lowercased() == "content-type" }?.value.lowercased() ?? ""
            guard type.isEmpty || type.hasPrefix("application/x-www-form-urlencoded") else {
                throw .malformedQuery(
                    "Content-Type \(Parameters.shortened(type)) is not understood here; "
                        + "send application/x-www-form-urlencoded.")
            }
        }
        return try Parameters(
            query: request.query, form: request.body, mostParameters: configuration.mostParameters)
    }

    /// Whether a client uses the original's paths: it may then expect the original's extensions in answers.
    private static func isOriginalPath(_ path: String) -> Bool { path.hasPrefix("/services/") }

    /// EC2's error document ("Error response example" in the API reference); it is in no namespace.
    static func document(of fault: EC2Fault, requestID: String) -> [UInt8] {
        var writer = XMLWriter(reserving: 512)
        writer.open("Response")
        writer.open("Errors")
        writer.open("Error")
        writer.element("Code", fault.code)
        writer.element("Message", fault.message)
        writer.close()
        writer.close()
        writer.element("RequestID", requestID)
        writer.close()
        return writer.bytes
    }
}
