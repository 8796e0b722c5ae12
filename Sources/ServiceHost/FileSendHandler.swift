import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Sends stretches of files as parts of a body, by sendfile(2), without their bytes passing through this process.
///
/// A body that was begun with a known length is nothing but its bytes, so they go to the socket past the encoder. Only on
/// connections without TLS.
final class FileSendHandler: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Sent down the pipeline after the head of the response. The promise is kept when the socket has taken the bytes.
    struct Stretch: Sendable {
        /// Stays open, and its owner's.
        var descriptor: Int32
        var offset: Int64
        var count: Int
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let stretch = event as? Stretch else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: stretch.descriptor)
        let sent = promise ?? context.eventLoop.makePromise()
        sent.futureResult.assumeIsolated().whenComplete { _ in
            // It fails only for a handle that somebody has closed or is using, and nobody else has this one.
            _ = try? handle.takeDescriptorOwnership()
        }
        do {
            let encoder = try context.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
            let region = FileRegion(
                fileHandle: handle, readerIndex: Int(stretch.offset), endIndex: Int(stretch.offset) + stretch.count)
            encoder.writeAndFlush(NIOAny(IOData.fileRegion(region)), promise: sent)
        } catch {
            sent.fail(error)
        }
    }
}
