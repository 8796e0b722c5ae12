// The S3 interface: HTTP requests to operations of Walrus and back.
//
// A request passes, in this order:
//   S3Request (method, path, query, headers; bucket and key from path or host)
//   S3Operation.parse      one closed enum, everything else is NotImplemented
//   authenticate           signature V2 or V4, look-up of the access key
//   dispatch               one file per family: Buckets, List, Put, Get, Copy, Delete, Multipart
//   S3Error                whatever was thrown, as S3's XML
//
// Here: the wire format. Not here: permissions, names and quotas (Walrus), bytes (ObjectStore), listeners and TLS
// (composition). It fails with `S3Error`, which is the answer itself.

internal import HTTPTypes
public import Hummingbird
internal import Logging
public import NIOCore
internal import ObjectStore
internal import Signatures
public import Walrus

/// Settings of the S3 interface.
public struct S3Configuration: Sendable {
    /// Path prefixes under which the service answers besides `/`, without a slash at the end.
    public var pathPrefixes: [String]
    /// Domains below which a bucket is a host name (`bucket.s3.example.org`), lower case, without port.
    public var baseDomains: [String]
    /// Domains below which a bucket's static website answers (`bucket.website.example.org`).
    public var websiteDomains: [String]
    /// How far a client's clock may be off, in seconds.
    public var allowedSkew: Int64
    /// Whether requests come over TLS, for policies that ask.
    public var isSecure = false
    /// Seconds since 1970.
    public var clock: @Sendable () -> Int64

    /// Makes settings.
    public init(
        pathPrefixes: [String] = ["/services/Walrus", "/services/objectstorage"], baseDomains: [String] = [],
        websiteDomains: [String] = [], allowedSkew: Int64 = 900, clock: (@Sendable () -> Int64)? = nil
    ) {
        self.pathPrefixes = pathPrefixes
        self.baseDomains = baseDomains
        self.websiteDomains = websiteDomains
        self.allowedSkew = allowedSkew
        self.clock = clock ?? { S3Clock.seconds() }
    }
}

/// Sends so many bytes of an open file, from an offset, as the next of a body whose length the head has told; returns when
/// the connection has taken them.
public typealias S3FileSender = @Sendable (_ descriptor: Int32, _ offset: Int64, _ count: Int) async throws -> Void

/// Answers S3 requests. It may be called on the connection's event loop: what takes longer than a small object's
/// bytes to hash leaves it. Give it to Hummingbird's `Application(responder:)`, or call `respond` for the paths that are
/// S3's. The listener must answer `Expect: 100-continue` itself.
public struct S3Responder<Context: RequestContext>: HTTPResponder {
    let walrus: Walrus
    let credentials: any S3CredentialSource
    let configuration: S3Configuration
    let accessLog: S3AccessLog?
    let events: (any S3EventSink)?
    let observer: (any S3ChangeObserver)?
    let metrics: S3Metrics
    let channel: @Sendable (Context) -> (any Channel)?
    let fileSender: @Sendable (Context) -> S3FileSender?

    /// Makes the interface of a Walrus.
    ///
    /// - Parameters:
    ///   - accessLog: takes the lines of buckets that log; nil for none.
    ///   - events: takes event notifications; nil for none.
    ///   - observer: is told of each change; nil for nobody.
    ///   - metrics: counts requests.
    ///   - channel: the connection of a request, so that a large object waits for its reader (see
    ///   `S3Call.drained`). Without it a slow reader of large objects costs memory.
    ///   - fileSender: sends bytes of files on the connection of a request past this process; nil where it cannot.
    public init(
        walrus: Walrus, credentials: any S3CredentialSource, configuration: S3Configuration = S3Configuration(),
        accessLog: S3AccessLog? = nil, events: (any S3EventSink)? = nil, observer: (any S3ChangeObserver)? = nil,
        metrics: S3Metrics = S3Metrics(),
        channel: @escaping @Sendable (Context) -> (any Channel)? = { _ in nil },
        fileSender: @escaping @Sendable (Context) -> S3FileSender? = { _ in nil }
    ) {
        self.walrus = walrus
        self.credentials = credentials
        self.configuration = configuration
        self.accessLog = accessLog
        self.events = events
        self.observer = observer
        self.metrics = metrics
        self.channel = channel
        self.fileSender = fileSender
    }

    /// Answers one request. It throws nothing that concerns S3: refusals are responses.
    public func respond(to request: Request, context: Context) async throws -> Response {
        try await respond(to: request, inner: nil, Self.makeRequestID(), context)
    }

    /// Carries out what another interface asks for, for a caller whom that interface has made sure of. Permissions,
    /// quotas, logs and events are those of a request over HTTP. Every refusal has S3's error document as its body.
    ///
    /// - Parameter requestID: the id that the other interface has given to the request.
    public func perform(_ inner: S3InnerRequest, requestID: String, context: Context) async throws -> Response {
        try await respond(to: inner.request, inner: inner, requestID, context)
    }

    private func respond(
        to request: Request, inner: S3InnerRequest?, _ requestID: String, _ context: Context
    ) async throws -> Response {
        let began = walrus.clock()
        metrics.begin()
        var name = "-"
        var code = ""
        var caller = WalrusCaller.anonymous
        var parsed: S3Request?
        var scheme: SignatureScheme?
        var batch: BatchDeletions?
        var response: Response
        do {
            let asked =
                try inner.map { S3Request($0, requestID: requestID) }
                ?? S3Request(request, requestID: requestID, configuration: configuration)
            parsed = asked
            if asked.isWebsite {
                name = "WebsiteGet"
                response = try await call(asked, principal: nil, .unsigned, request, context).website()
            } else {
                let operation = try S3Operation.parse(asked)
                name = operation.name
                // A browser's preflight carries no signature, and a form its own.
                let isSigned = operation != .preflight && inner == nil
                let (principal, payload) =
                    isSigned ? try await authenticate(asked, &scheme) : (inner?.principal, .unsigned)
                let call = call(asked, principal: principal, payload, request, context)
                (caller, batch) = (call.caller, call.batch)
                try await checkExpectedOwner(asked, caller)
                if operation.isQuick(asked, payload) {
                    response = try await call.dispatch(operation)
                } else {
                    response = try await withTaskExecutorPreference(globalConcurrentExecutor) {
                        try await call.dispatch(operation)
                    }
                }
            }
        } catch {
            var failure = S3Error(error)
            if let parsed { failure.name(parsed) }
            code = failure.code.rawValue
            if failure.status >= 500, failure.code != .notImplemented {
                context.logger.error(
                    "S3 request failed", metadata: ["requestID": "\(requestID)", "error": "\(failure.detail)"])
            }
            response = failure.response(
                resource: request.head.path ?? "/", requestID: requestID,
                isHead: request.method == .head && inner == nil)
        }
        response.headers[text: S3Header.requestID] = requestID
        response.headers[text: S3Header.id2] = requestID
        if request.method != .get, request.method != .head, let observer {
            await observer.observed(
                S3Change(
                    time: began, requestID: requestID, operation: name, bucket: parsed?.bucket, key: parsed?.key,
                    account: caller.principal?.accountID, user: caller.principal?.userARN,
                    address: channel(context)?.remoteAddress?.ipAddress ?? "", status: response.status.code,
                    error: code.isEmpty ? nil : code))
        }
        if let parsed {
            await CORSHeaders.add(parsed, caller, walrus, to: &response.headers)
            await log(
                parsed, caller, scheme, inner?.logName ?? Self.logName(name, parsed), code, response,
                batch: batch?.outcomes ?? [], began: began, request)
        }
        metrics.end(
            name, status: response.status.code, milliseconds: walrus.clock() - began,
            received: request.headers[.contentLength].flatMap { Int64($0) } ?? 0,
            sent: request.method == .head ? 0 : Int64(response.body.contentLength ?? 0))
        return response
    }

    private func call(
        _ parsed: S3Request, principal: WalrusPrincipal?, _ payload: VerifiedSignature.Payload, _ request: Request,
        _ context: Context
    ) -> S3Call {
        let channel = channel(context)
        let now = configuration.clock()
        let facts = S3Facts.of(
            parsed, principal: principal, source: channel?.remoteAddress?.ipAddress, isSecure: isSecure, now: now)
        return S3Call(
            request: parsed, caller: WalrusCaller(principal: principal, facts: facts), payload: payload,
            body: request.body, walrus: walrus, credentials: credentials, events: events,
            names: AccountNames(credentials), now: now, eventLoop: channel?.eventLoop,
            fileSender: parsed.isInner ? nil : fileSender(context))
    }

    /// Whether requests come over TLS.
    private var isSecure: Bool { configuration.isSecure }

    /// `x-amz-expected-bucket-owner`: the client wants no bucket but that account's.
    private func checkExpectedOwner(_ request: S3Request, _ caller: WalrusCaller) async throws {
        guard let bucket = request.bucket, let expected = request.header("x-amz-expected-bucket-owner") else { return }
        guard try await walrus.state(caller, bucket).record.owner == expected else { throw WalrusError.accessDenied }
    }

    private func log(
        _ parsed: S3Request, _ caller: WalrusCaller, _ scheme: SignatureScheme?, _ operation: String, _ code: String,
        _ response: Response, batch: [BatchDeletions.Outcome], began: Int64, _ request: Request
    ) async {
        // What concerns a bucket that is gone by now is logged nowhere.
        guard let accessLog, let bucket = parsed.bucket, let state = try? await walrus.state(caller, bucket),
            let logging = state.settings.logging
        else { return }
        let length =
            response.headers[.contentLength].flatMap { Int64($0) } ?? response.body.contentLength.map(Int64.init)
        let (signature, authentication) = Self.authentication(scheme)
        await accessLog.add(
            S3AccessLog.Entry(
                bucketOwner: state.record.owner, bucket: bucket, time: began / 1000,
                address: caller.facts("aws:sourceip")?.first ?? "", requester: caller.principal?.accountID ?? "",
                requestID: parsed.requestID, operation: operation, key: parsed.key ?? "",
                line: "\(parsed.method) \(request.head.path ?? "/") HTTP/1.1", status: response.status.code,
                error: code,
                bytesSent: parsed.method == "HEAD" ? nil : length,
                objectSize: Self.objectSize(parsed, response, length),
                milliseconds: walrus.clock() - began, referer: parsed.header("referer") ?? "",
                agent: parsed.header("user-agent") ?? "", version: parsed["versionId"] ?? "",
                region: walrus.region(of: state.record),
                signature: signature, authentication: authentication, host: parsed.authority,
                neededACL: caller.bucket.neededACL),
            batch: batch, to: logging)
    }

    /// How a request was signed, as access logs say it.
    private static func authentication(_ scheme: SignatureScheme?) -> (signature: String, authentication: String) {
        switch scheme {
        case .v4Header: ("SigV4", "AuthHeader")
        case .v4Presigned: ("SigV4", "QueryString")
        case .s3V2Header: ("SigV2", "AuthHeader")
        case .s3V2Presigned: ("SigV2", "QueryString")
        case .v1Query, .v2Query, nil: ("", "")
        }
    }

    /// The size of the object that was read or written, as far as the messages tell it.
    private static func objectSize(_ request: S3Request, _ response: Response, _ length: Int64?) -> Int64? {
        guard request.key != nil, response.status.kind == .successful else { return nil }
        switch request.method {
        case "PUT":
            return (request.header("x-amz-decoded-content-length") ?? request.header("content-length")).flatMap {
                Int64($0)
            }
        case "GET", "HEAD":
            guard let range = response.headers[.contentRange] else { return length }
            return range.split(separator: "/").last.flatMap { Int64($0) }
        default: return nil
        }
    }

    /// `REST.GET.OBJECT`
    private static func logName(_ operation: String, _ request: S3Request) -> String {
        let kind =
            switch operation {
            case "ListParts", "UploadPart", "UploadPartCopy": "PART"
            case "CreateMultipartUpload", "ListMultipartUploads": "UPLOADS"
            case "CompleteMultipartUpload", "AbortMultipartUpload": "UPLOAD"
            case "DeleteObjects": "MULTI_OBJECT_DELETE"
            case let name where name.hasPrefix("GetBucket") || name.hasPrefix("PutBucket"):
                String(name.dropFirst(9)).uppercased()
            default: request.key == nil ? "BUCKET" : "OBJECT"
            }
        return (operation == "WebsiteGet" ? "WEBSITE." : "REST.") + request.method + "." + kind
    }

    /// An id for a request: 16 digits and capital letters, as S3's.
    public static func makeRequestID() -> String {
        let text = String(UInt64.random(in: 0...UInt64.max), radix: 16, uppercase: true)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }

    /// - Parameter scheme: how the request says it is signed, also when that turns out to be wrong.
    private func authenticate(
        _ request: S3Request, _ scheme: inout SignatureScheme?
    ) async throws -> (principal: WalrusPrincipal?, payload: VerifiedSignature.Payload) {
        let signed = request.signed
        let claim: ParsedSignature
        do {
            claim = try Authentication.parse(signed, service: .s3)
        } catch SignatureError.missing {
            return (nil, .unsigned)
        }
        scheme = claim.scheme
        let credential = try await credentials.good(claim.accessKeyID, sessionToken: claim.sessionToken)
        let verified = try claim.verify(
            secret: credential.secret, now: configuration.clock(),
            policy: SignaturePolicy(allowedSkew: configuration.allowedSkew))
        return (credential.principal, verified.payload)
    }
}
