import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTPTypes

/// Answers `Expect: 100-continue` (RFC 9110, 10.1.1): 100 when the responder begins to read the body. If the response
/// comes without that, the connection is closed after it, because whether the body follows cannot be known.
///
///               head with Expect                 body wanted: write 100
///      idle ─────────────────────▶ expecting ────────────────────────────▶ idle
///                                   │      │ body arrives unasked
///                     response head │      └─────────────────────────────▶ idle
///                                   ▼ (+ Connection: close)
///                                refusing ──── response end ──▶ connection closed
final class ContinueHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Sent down the pipeline when somebody wants the body.
    struct BodyWanted: Sendable {}

    private enum State { case idle, expecting, refusing }

    private var state = State.idle

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            state = Self.isExpected(head.headerFields) ? .expecting : .idle
        case .body, .end:
            if state == .expecting { state = .idle }
        }
        context.fireChannelRead(data)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is BodyWanted else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        guard state == .expecting else {
            promise?.succeed()
            return
        }
        state = .idle
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: promise)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch (unwrapOutboundIn(data), state) {
        case (.head(var head), .expecting) where head.status.kind != .informational:
            state = .refusing
            head.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case (.end, .refusing):
            state = .idle
            context.writeAndFlush(data, promise: promise)
            context.close(promise: nil)
        default:
            context.write(data, promise: promise)
        }
    }

    static func isExpected(_ fields: HTTPFields) -> Bool {
        fields[.expect]?.lowercased() == "100-continue"
    }
}

/// A request's body that asks the client to send it when it is read for the first time.
struct BodyOnDemand: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let body: RequestBody
    let channel: any Channel

    struct AsyncIterator: AsyncIteratorProtocol {
        var iterator: RequestBody.AsyncIterator
        var channel: (any Channel)?

        mutating func next() async throws -> ByteBuffer? {
            if let channel {
                self.channel = nil
                try await channel.triggerUserOutboundEvent(ContinueHandler.BodyWanted()).get()
            }
            return try await iterator.next()
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(iterator: body.makeAsyncIterator(), channel: channel)
    }
}
