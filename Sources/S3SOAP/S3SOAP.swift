// S3SOAP: S3 by SOAP 1.1, as AWS had it and the original at its Walrus port, with its WSDL.
//
// Here: the table of operations, the WSDL and the reading and writing of messages that follow from it, who has signed,
// faults. Not here: what operations mean and who may do them. Each becomes the request that REST has for it and goes the
// way of that (`S3Responder.perform`), so that both interfaces behave alike; verification of X.509 signatures
// (WSSecurity); HTTP. Whatever fails becomes a fault with S3's code.
//
//   envelope ─▶ Sender: X.509 signature │ access key in the body │ nobody ─▶ S3InnerRequest ─▶ S3 ─▶ envelope
//
// Bytes are inline, in Base64, and bounded; larger objects go by REST, as all bundle tools do it.

internal import HTTPTypes
public import Hummingbird
internal import Logging
internal import NIOCore
public import S3
internal import Signatures
internal import WSSecurity
public import Walrus
internal import XML

/// Settings of the SOAP interface.
public struct S3SOAPConfiguration: Sendable {
    /// Path prefixes under which S3 answers besides `/`, as in `S3Configuration`.
    public var pathPrefixes: [String]
    /// The most bytes of an object in one message.
    public var largestData: Int
    /// How far a client's clock may be off, in seconds, where an access key signs.
    public var allowedSkew: Int64
    /// Seconds since 1970.
    public var clock: @Sendable () -> Int64

    /// Makes settings; the bounds are AWS's.
    public init(
        pathPrefixes: [String] = ["/services/Walrus", "/services/objectstorage"], largestData: Int = 1 << 20,
        allowedSkew: Int64 = 900, clock: @escaping @Sendable () -> Int64
    ) {
        self.pathPrefixes = pathPrefixes
        self.largestData = largestData
        self.allowedSkew = allowedSkew
        self.clock = clock
    }

    /// The most bytes of a message: the data in Base64 and 256 KiB for the rest.
    var largestMessage: Int { largestData / 3 * 4 + (256 << 10) }
}

/// Answers SOAP messages and questions for the WSDL, and leaves everything else to REST.
public struct S3SOAPResponder<Context: RequestContext>: HTTPResponder {
    private let s3: S3Responder<Context>
    private let configuration: S3SOAPConfiguration
    private let sender: Sender
    private let isProtected: @Sendable (Context) async throws -> Bool
    private let isSecure: @Sendable (Context) async throws -> Bool

    /// Makes the interface.
    ///
    /// - Parameters:
    ///   - s3: carries the operations out.
    ///   - credentials: knows access keys and certificates.
    ///   - startedAt: seconds since 1970 when this process began to accept messages: older ones could be copies.
    ///   - isProtected: whether nobody on the way can read or change a message: TLS, or the same host. Only there do
    ///     signatures by access key count, since they cover neither object nor bytes.
    ///   - isSecure: whether the connection is TLS.
    public init(
        s3: S3Responder<Context>, credentials: any S3CredentialSource, configuration: S3SOAPConfiguration,
        startedAt: Int64, isProtected: @escaping @Sendable (Context) async throws -> Bool,
        isSecure: @escaping @Sendable (Context) async throws -> Bool
    ) {
        self.s3 = s3
        self.configuration = configuration
        self.isProtected = isProtected
        self.isSecure = isSecure
        var policy = WSSecurityPolicy()
        policy.limits.bytes = configuration.largestMessage
        sender = Sender(
            credentials: credentials, policy: policy, allowedSkew: configuration.allowedSkew,
            replays: ReplayCache(startedAt: startedAt))
    }

    private enum Meaning {
        case message
        case wsdl
        case other
    }

    /// What a request is. SOAP has the service's own address, and `soap` below it as AWS had; what is posted there is no
    /// request of REST.
    private func meaning(of request: Request) -> Meaning {
        let target = request.head.path ?? "/"
        let question = target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        let query = target[question...].dropFirst()
        guard isEndpoint(target[..<question]) else { return .other }
        switch request.method {
        case .get, .head: return ["wsdl", "wsdl="].contains(query.lowercased()) ? .wsdl : .other
        case .post where query.isEmpty:
            let type = request.headers[.contentType]?.lowercased() ?? ""
            let isSOAP =
                HTTPField.Name("SOAPAction").map { request.headers[$0] != nil } ?? false
                || type.hasPrefix("text/xml") || type.hasPrefix("application/soap+xml")
            return isSOAP ? .message : .other
        default: return .other
        }
    }

    private func isEndpoint(_ path: Substring) -> Bool {
        if Self.isEnding(path) { return true }
        return configuration.pathPrefixes.contains { path.hasPrefix($0) && Self.isEnding(path.dropFirst($0.count)) }
    }

    private static func isEnding(_ path: Substring) -> Bool {
        // Longer ones are keys, and most are.
        path.utf8.count <= 6 && ["", "/", "/soap", "/soap/"].contains(path)
    }

    /// Answers one request.
    public func respond(to request: Request, context: Context) async throws -> Response {
        switch meaning(of: request) {
        case .other: return try await s3.respond(to: request, context: context)
        case .wsdl:
            let scheme = try await isSecure(context) ? "https" : "http"
            guard let host = Self.host(request) else { return Self.xml(.badRequest, Array("<error/>".utf8)) }
            let path = (request.head.path ?? "/").prefix { $0 != "?" }
            return Self.xml(.ok, WSDL(location: "\(scheme)://\(host)\(path)").document())
        case .message:
            let requestID = S3Responder<Context>.makeRequestID()
            var response: Response
            do {
                // Parsing and signatures are not for the event loop.
                let bytes = try await withTaskExecutorPreference(globalConcurrentExecutor) {
                    try await answer(request, requestID, context)
                }
                response = Self.xml(.ok, bytes)
            } catch {
                let fault = error as? S3SOAPFault ?? .internalError("\(error)")
                if let detail = fault.logged {
                    context.logger.error(
                        "S3 SOAP request failed", metadata: ["requestID": "\(requestID)", "error": "\(detail)"])
                } else {
                    context.logger.debug(
                        "S3 SOAP request refused", metadata: ["requestID": "\(requestID)", "code": "\(fault.code)"])
                }
                // SOAP 1.1, 6.2: a fault goes with status 500, whoever is to blame.
                response = Self.xml(.internalServerError, fault.envelope(requestID: requestID))
            }
            if let name = HTTPField.Name("x-amz-request-id") { response.headers[name] = requestID }
            return response
        }
    }

    private func answer(_ request: Request, _ requestID: String, _ context: Context) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await part in request.body {
            bytes += Array(part.readableBytesView)
            guard bytes.count <= configuration.largestMessage else { throw S3SOAPFault.tooLarge(configuration) }
        }
        let envelope = try Envelope(bytes, limits: sender.policy.limits)
        guard let operation = Schema.operations[envelope.call.localName] else {
            throw S3SOAPFault.unknownOperation(envelope.call.localName)
        }
        let principal = try await sender.principal(
            of: envelope, operation, now: configuration.clock(), isProtected: try await isProtected(context))
        let agent = request.headers[.userAgent]
        let call = Call(
            operation: operation, arguments: try Arguments(envelope.call, operation), principal: principal,
            largestData: configuration.largestData,
            perform: { inner in
                var inner = inner
                inner.headers[.userAgent] = agent
                return try await Outcome(
                    s3.perform(inner, requestID: requestID, context: context), largest: configuration.largestMessage)
            })
        return AnswerWriter.envelope(operation, try await call.result())
    }

    private static func xml(_ status: HTTPResponse.Status, _ bytes: [UInt8]) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "text/xml;charset=UTF-8"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    /// The name by which the client reached the service, if it can stand in a URL.
    private static func host(_ request: Request) -> String? {
        guard let host = request.head.authority, !host.isEmpty, host.utf8.count < 256,
            host.utf8.allSatisfy({ byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || ".-:[]_".utf8.contains(byte)
            })
        else { return nil }
        return host
    }
}
