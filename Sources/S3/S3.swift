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
internal import Signatures
public import Walrus

/// Settings of the S3 interface.
public struct S3Configuration: Sendable {
    /// Path prefixes under which the service answers besides `/`, without a slash at the end.
    public var pathPrefixes: [String]
    /// Domains below which a bucket is a host name (`bucket.s3.example.org`), lower case, without port.
    public var baseDomains: [String]
    /// How far a client's clock may be off, in seconds.
    public var allowedSkew: Int64
    /// Seconds since 1970.
    public var clock: @Sendable () -> Int64

    /// Makes settings.
    public init(
        pathPrefixes: [String] = ["/services/Walrus", "/services/objectstorage"], baseDomains: [String] = [],
        allowedSkew: Int64 = 900, clock: (@Sendable () -> Int64)? = nil
    ) {
        self.pathPrefixes = pathPrefixes
        self.baseDomains = baseDomains
        self.allowedSkew = allowedSkew
        self.clock = clock ?? { S3Clock.seconds() }
    }
}

/// Answers S3 requests. Give it to Hummingbird's `Application(responder:)`, or call `respond` for the paths that are
/// S3's. The listener must answer `Expect: 100-continue` itself.
public struct S3Responder<Context: RequestContext>: HTTPResponder {
    let walrus: Walrus
    let credentials: any S3CredentialSource
    let configuration: S3Configuration
    let channel: @Sendable (Context) -> (any Channel)?

    /// Makes the interface of a Walrus.
    ///
    /// - Parameter channel: the connection of a request, so that a large object waits for its reader (see
    ///   `S3Call.drained`). Without it a slow reader of large objects costs memory.
    public init(
        walrus: Walrus, credentials: any S3CredentialSource, configuration: S3Configuration = S3Configuration(),
        channel: @escaping @Sendable (Context) -> (any Channel)? = { _ in nil }
    ) {
        self.walrus = walrus
        self.credentials = credentials
        self.configuration = configuration
        self.channel = channel
    }

    /// Answers one request. It throws nothing that concerns S3: refusals are responses.
    public func respond(to request: Request, context: Context) async throws -> Response {
        let requestID = Self.makeRequestID()
        var name = "-"
        var caller = WalrusCaller.anonymous
        var response: Response
        do {
            let parsed = try S3Request(request, requestID: requestID, configuration: configuration)
            let operation = try S3Operation.parse(parsed)
            name = operation.name
            let authentication = try await authenticate(parsed)
            caller = authentication.caller
            let call = S3Call(
                request: parsed, caller: caller, payload: authentication.payload, body: request.body, walrus: walrus,
                now: configuration.clock(), eventLoop: channel(context)?.eventLoop)
            response = try await call.dispatch(operation)
        } catch {
            let failure = S3Error(error)
            if failure.status >= 500, failure.code != .notImplemented {
                context.logger.error(
                    "S3 request failed", metadata: ["requestID": "\(requestID)", "error": "\(failure.detail)"])
            }
            response = failure.response(
                resource: request.head.path ?? "/", requestID: requestID, isHead: request.method == .head)
        }
        response.headers[text: S3Header.requestID] = requestID
        response.headers[text: S3Header.id2] = requestID
        if request.method != .get, request.method != .head {
            context.logger.info(
                "S3 change",
                metadata: [
                    "operation": "\(name)", "path": "\(request.uri.path)", "status": "\(response.status.code)",
                    "account": "\(caller.principal?.accountID ?? "anonymous")", "requestID": "\(requestID)",
                ])
        }
        return response
    }

    /// 16 digits and capital letters, as S3's.
    private static func makeRequestID() -> String {
        let text = String(UInt64.random(in: 0...UInt64.max), radix: 16, uppercase: true)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }

    private func authenticate(
        _ request: S3Request
    ) async throws -> (caller: WalrusCaller, payload: VerifiedSignature.Payload) {
        let signed = request.signed
        let claim: ParsedSignature
        do {
            claim = try Authentication.parse(signed, service: .s3)
        } catch SignatureError.missing {
            return (.anonymous, .unsigned)
        }
        guard let credential = try await credentials.credential(forAccessKey: claim.accessKeyID) else {
            throw S3Error(
                .invalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.",
                fields: [("AWSAccessKeyId", claim.accessKeyID)])
        }
        let verified = try claim.verify(
            secret: credential.secret, now: configuration.clock(),
            policy: SignaturePolicy(allowedSkew: configuration.allowedSkew))
        return (.principal(credential.principal), verified.payload)
    }
}
