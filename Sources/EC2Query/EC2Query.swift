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
public import QueryProtocol
import XML

/// See `QueryRequest`.
public typealias EC2Request = QueryRequest
/// See `QueryResponse`.
public typealias EC2Response = QueryResponse

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
    ///
    /// It may be called on an event loop: what is more than little work is done on the global executor.
    public func respond(to request: EC2Request) async -> EC2Response {
        let start = configuration.now()
        var observation = EC2Observation(
            requestID: request.id, sourceAddress: request.sourceAddress, status: 200, milliseconds: 0,
            responseBytes: 0, isReading: true, resources: [])
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
        let parameters = try request.parameters(configuration.limits)
        guard let name = parameters.text("Action") else { throw .missingAction }
        observation.action = Parameters.shortened(name)
        let caller: Caller
        do throws(AuthenticationFailure) {
            caller = try await authenticator.caller(of: request, requestID: observation.requestID)
        } catch {
            throw EC2Fault(error)
        }
        observation.caller = caller
        guard let version = APIVersion(parameter: parameters.text("Version")) else {
            throw .unknownVersion(parameters.text("Version") ?? "")
        }
        return try await perform(
            name, parameters, version, caller, path: request.path, observation: &observation)
    }

    /// Runs one row of the table for a caller who is known: the way of all interfaces.
    func perform(
        _ name: String, _ parameters: Parameters, _ version: APIVersion, _ caller: Caller, path: String,
        observation: inout EC2Observation
    ) async throws(EC2Fault) -> [UInt8] {
        let requestID = observation.requestID
        observation.isReading = ["Describe", "Get", "Search", "List"].contains { name.hasPrefix($0) }
        // The audit names what the request and the answer speak of, however it ends.
        var said: [UInt8] = []
        defer { if !observation.isReading { observation.resources = Mentions.of(parameters, answer: said) } }
        if EmptyList.named(name) != nil || EC2Action.named(name) != nil {
            // Every action of every interface that does anything passes here, and nowhere else.
            do throws(CloudError) {
                try await backend.authorize(
                    caller, EC2Gate.check(name, parameters, caller, region: configuration.region))
            } catch {
                throw EC2Fault(error)
            }
        }
        if let list = EmptyList.named(name) {
            try list.check(parameters)
            return try answer(list, parameters, version, requestID)
        }
        guard let action = EC2Action.named(name) else {
            throw KnownActions.names.contains(name) ? .unofferedAction(name) : .unknownAction(name)
        }
        if action.authorization == .administrator, !caller.isAdministrator {
            throw EC2Fault(CloudError.unauthorized(operation: "\(name) is for administrators of the cloud only."))
        }
        let call = Call(
            parameters: parameters, caller: caller, backend: backend, version: version, region: configuration.region,
            isOriginalPath: Self.isOriginalPath(path))
        var writer = XMLWriter(reserving: 4096)
        writer.open(name + "Response", namespace: version.namespace)
        writer.element("requestId", requestID)
        do throws(CloudError) {
            if QuickActions.contain(name, parameters) {
                try await action.handler(call, &writer)
            } else {
                try await withTaskExecutorPreference(globalConcurrentExecutor) { () async throws(CloudError) in
                    try await action.handler(call, &writer)
                }
            }
        } catch {
            throw EC2Fault(error)
        }
        writer.close()
        said = writer.bytes
        return said
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
