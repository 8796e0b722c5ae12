public import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// A responder that may be called on the connection's event loop, since what it does there is quick; for what is not it
/// leaves the loop by itself (`withTaskExecutorPreference(globalConcurrentExecutor)`). All others are called elsewhere.
///
/// A small request is then answered by one thread, without waking another on its way in or out.
public protocol EventLoopResponder: HTTPResponder {}

/// Says of a responder that it may be called on the event loop.
public struct OnEventLoop<Base: HTTPResponder<ServiceRequestContext>>: EventLoopResponder {
    private let base: Base

    /// Wraps a responder that does as ``EventLoopResponder`` says.
    public init(_ base: Base) { self.base = base }

    /// Passes the request on.
    public func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        try await base.respond(to: request, context: context)
    }
}

/// A responder with the place where it is to be called.
struct PlacedResponder: Sendable {
    private let responder: any HTTPResponder<ServiceRequestContext>
    private let isOnLoop: Bool

    init(_ responder: any HTTPResponder<ServiceRequestContext>) {
        self.responder = responder
        isOnLoop = responder is any EventLoopResponder
    }

    func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        if isOnLoop { return try await responder.respond(to: request, context: context) }
        return try await withTaskExecutorPreference(globalConcurrentExecutor) {
            try await responder.respond(to: request, context: context)
        }
    }
}

/// Runs the task of a connection on the connection's event loop.
struct EventLoopChannel<Base: ServerChildChannel>: ServerChildChannel {
    let base: Base

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
        base.setup(channel: channel, logger: logger)
    }

    func handle(value: Base.Value, logger: Logger) async {
        await withTaskExecutorPreference(EventLoopTaskExecutor(value.channel.eventLoop)) {
            await base.handle(value: value, logger: logger)
        }
    }
}

/// Runs jobs of tasks on an event loop.
private final class EventLoopTaskExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
