import Foundation
public import Hummingbird
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
public import NIOSSL
public import ServiceLifecycle
import Synchronization

/// One HTTP/1.1 listener, plain or TLS.
///
/// Either `run()` it in a `ServiceGroup`, or `start()` and `stop()` it. Stopping is graceful: it listens no more,
/// requests in flight are answered, idle connections are closed.
///
/// Limits: 80 KiB of header fields (400 beyond), bodies as the responder decides. `Expect: 100-continue` is answered
/// when the responder begins to read the body. TCP_NODELAY is on.
public final class HTTPService: Service {
    /// Where and how to listen.
    public struct Configuration: Sendable {
        /// Name in logs and errors, "cloud".
        public var name: String
        /// Address or host name to bind.
        public var host: String
        /// Port; 0 lets the system choose, see ``HTTPService/port``.
        public var port: Int
        /// Nil for plain HTTP; see ``ComponentIdentity/serverTLS(clients:)``.
        public var tls: TLSConfiguration?
        /// A connection without a request for so long is closed.
        public var idleTimeout: Duration
        /// With `start`: requests in flight longer than this after `stop` are cut off.
        public var gracePeriod: Duration

        /// A listener of this name; 127.0.0.1 and a free port unless told otherwise.
        public init(
            name: String, host: String = "127.0.0.1", port: Int = 0, tls: TLSConfiguration? = nil,
            idleTimeout: Duration = .seconds(120), gracePeriod: Duration = .seconds(30)
        ) {
            self.name = name
            self.host = host
            self.port = port
            self.tls = tls
            self.idleTimeout = idleTimeout
            self.gracePeriod = gracePeriod
        }
    }

    private enum State {
        case waiting([CheckedContinuation<Result<Int, ServiceHostError>, Never>])
        case listening(Int)
        case failed(ServiceHostError)
    }

    private struct Running {
        var group: ServiceGroup
        var task: Task<Void, any Error>
    }

    /// As given.
    public let configuration: Configuration
    private let responder: any HTTPResponder<ServiceRequestContext>
    private let logger: Logger
    private let state = Mutex(State.waiting([]))
    private let running = Mutex<Running?>(nil)

    /// A listener that is not yet listening.
    public init(
        _ configuration: Configuration, responder: any HTTPResponder<ServiceRequestContext>, logger: Logger
    ) {
        self.configuration = configuration
        self.responder = responder
        self.logger = logger
    }

    /// Listens and serves until graceful shutdown or cancellation. Once per instance.
    public func run() async throws {
        do {
            try await application().run()
        } catch {
            throw resolve(with: failure(error))
        }
        // A listener that was shut down before it listened must not leave anybody waiting for its port.
        _ = resolve(with: .cannotListen(address: address, cause: "it was shut down"))
    }

    /// The port it listens on; waits until it does, throws if it cannot.
    public var port: Int {
        get async throws(ServiceHostError) {
            let result = await withCheckedContinuation { continuation in
                let known: Result<Int, ServiceHostError>? = state.withLock { state in
                    switch state {
                    case .waiting(let others):
                        state = .waiting(others + [continuation])
                        return nil
                    case .listening(let port): return .success(port)
                    case .failed(let error): return .failure(error)
                    }
                }
                if let known { continuation.resume(returning: known) }
            }
            return try result.get()
        }
    }

    /// Runs in a task of its own and returns the port when it listens.
    @discardableResult
    public func start() async throws(ServiceHostError) -> Int {
        var settings = ServiceGroupConfiguration(services: [self], logger: logger)
        settings.maximumGracefulShutdownDuration = configuration.gracePeriod
        let group = ServiceGroup(configuration: settings)
        let task = Task { try await group.run() }
        running.withLock { $0 = Running(group: group, task: task) }
        return try await port
    }

    /// Ends what `start` began; returns when the last request in flight was answered, or cut off after the grace period.
    public func stop() async {
        let current = running.withLock { running in
            defer { running = nil }
            return running
        }
        guard let current else { return }
        await current.group.triggerGracefulShutdown()
        switch await current.task.result {
        case .success: break
        case .failure(let error):
            logger.warning(
                "A listener did not stop cleanly", metadata: ["listener": "\(configuration.name)", "cause": "\(error)"])
        }
    }

    private var address: String { "\(configuration.host):\(configuration.port) (\(configuration.name))" }

    private func application() throws -> Application<ListenerResponder> {
        let isPlain = configuration.tls == nil
        let settings = HTTP1Channel.Configuration(
            additionalChannelHandlers: isPlain ? [ContinueHandler(), FileSendHandler()] : [ContinueHandler()],
            idleTimeout: TimeAmount(configuration.idleTimeout))
        let http = HTTPServerBuilder {
            EventLoopChannel(base: HTTP1Channel(responder: $0, configuration: settings))
        }
        let server = try configuration.tls.map { try HTTPServerBuilder.tls(http, tlsConfiguration: $0) } ?? http
        // Hummingbird announces each listener and ServiceGroup each step; the daemon says what matters.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .notice)
        return Application(
            responder: ListenerResponder(next: PlacedResponder(responder), sendsFiles: isPlain, logger: logger),
            server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), serverName: "Mallee", backlog: 1024),
            onServerRunning: { [weak self] channel in
                self?.listening(on: channel.localAddress?.port)
            },
            logger: quiet)
    }

    private func listening(on port: Int?) {
        let port = port ?? configuration.port
        let waiting = state.withLock { state in
            guard case .waiting(let waiting) = state else {
                return [CheckedContinuation<Result<Int, ServiceHostError>, Never>]()
            }
            state = .listening(port)
            return waiting
        }
        logger.info(
            "Listening",
            metadata: [
                "listener": "\(configuration.name)", "address": "\(configuration.host):\(port)",
                "tls": "\(configuration.tls != nil)",
            ])
        for continuation in waiting { continuation.resume(returning: .success(port)) }
    }

    /// Tells those who wait for the port that there will be none.
    private func resolve(with error: ServiceHostError) -> ServiceHostError {
        let waiting = state.withLock { state in
            guard case .waiting(let waiting) = state else {
                return [CheckedContinuation<Result<Int, ServiceHostError>, Never>]()
            }
            state = .failed(error)
            return waiting
        }
        for continuation in waiting { continuation.resume(returning: .failure(error)) }
        return error
    }

    private func failure(_ error: any Error) -> ServiceHostError {
        if let error = error as? ServiceHostError { return error }
        if let error = error as? IOError {
            return .cannotListen(address: address, cause: String(cString: strerror(error.errnoCode)))
        }
        return .cannotListen(address: address, cause: "\(error)")
    }
}

/// The outermost responder: gives the request its id, its logger and its body on demand, and turns what nobody
/// caught into a 500 without details.
private struct ListenerResponder: HTTPResponder {
    typealias Context = ServiceRequestContext

    let next: PlacedResponder
    /// Whether connections have the handler for that.
    let sendsFiles: Bool
    let logger: Logger

    func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        var context = context
        var request = request
        context.sendsFiles = sendsFiles
        let requestID = Self.makeRequestID()
        var logger = self.logger
        logger[metadataKey: "hb.request.id"] = .string(requestID)
        context.coreContext = CoreRequestContextStorage(
            source: ApplicationRequestContextSource(channel: context.channel, logger: logger))
        if ContinueHandler.isExpected(request.headers) {
            request.body = RequestBody(asyncSequence: BodyOnDemand(body: request.body, channel: context.channel))
        }
        let (asked, known) = (request, context)
        return try await withLogger(logger) { logger in
            do {
                return try await next.respond(to: asked, context: known)
            } catch let error as any HTTPResponseError {
                return try error.response(from: asked, context: known)
            } catch  where !(error is CancellationError) {
                logger.error(
                    "A request failed unexpectedly",
                    metadata: [
                        "method": "\(asked.method)", "path": "\(PathDispatcher.path(of: asked))", "error": "\(error)",
                    ])
                return Response(
                    status: .internalServerError, headers: [.contentType: "text/plain; charset=utf-8"],
                    body: ResponseBody(
                        byteBuffer: ByteBuffer(
                            string: "An internal error occurred. The request id for the log is \(requestID).\n")))
            }
        }
    }

    /// A random UUID (RFC 9562, version 4). Foundation's reads /dev/urandom for each, which costs more than all the rest
    /// of a small request's log context.
    private static func makeRequestID() -> String {
        let high = UInt64.random(in: 0...UInt64.max) & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        let low = UInt64.random(in: 0...UInt64.max) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        let digits = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: 36) { text in
            var position = 0
            for nibble in 0..<32 {
                if [8, 12, 16, 20].contains(nibble) {
                    text[position] = UInt8(ascii: "-")
                    position += 1
                }
                let word = nibble < 16 ? high : low
                text[position] = digits[Int(word >> UInt64(60 - 4 * (nibble % 16)) & 15)]
                position += 1
            }
            return position
        }
    }
}
