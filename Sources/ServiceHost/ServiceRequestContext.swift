public import Hummingbird
public import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// What a responder knows about a request besides the request itself.
///
/// `logger` carries the request id (metadata `hb.request.id`, printed as `request`), also as the task's current logger.
public struct ServiceRequestContext: RequestContext {
    /// Hummingbird's part.
    public var coreContext: CoreRequestContextStorage
    /// The connection.
    public let channel: any Channel
    /// Set by the listener for connections that can.
    var sendsFiles = false

    /// Made by the listener for each request.
    public init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// Unique to the request: a UUID in lower case, which is also EC2's form of a request id.
    public var requestID: String { id }

    /// Sends bytes of an open file as the next of a body whose length the head has told, and returns when the socket has
    /// taken them; nil where they have to pass through this process.
    public var fileSender: (@Sendable (_ descriptor: Int32, _ offset: Int64, _ count: Int) async throws -> Void)? {
        guard sendsFiles else { return nil }
        return { [channel] descriptor, offset, count in
            try await channel.triggerUserOutboundEvent(
                FileSendHandler.Stretch(descriptor: descriptor, offset: offset, count: count)
            ).get()
        }
    }

    /// Where the connection comes from, "192.0.2.7:40312"; nil on a socket that has no such address.
    public var remoteAddress: SocketAddress? { channel.remoteAddress }

    /// The component at the other end, by its TLS client certificate, which the listener has verified against the
    /// cloud's authority; nil without TLS, without a certificate, or if it names no component.
    public func peer() async throws -> ComponentName? { try await caller().component }

    /// Who calls and from where, as far as the connection tells.
    func caller() async throws -> ServiceCaller {
        let address = remoteAddress?.ipAddress
        guard let certificate = try await Self.certificate(of: channel) else {
            return ServiceCaller(component: nil, serial: nil, address: address)
        }
        return ServiceCaller(
            component: ComponentName(certificate), serial: certificate.serialNumber.hexadecimal,
            zone: certificate.zone, address: address)
    }

    /// The certificate that the other end of a channel presented; nil if there is none.
    static func certificate(of channel: any Channel) async throws -> Certificate? {
        do {
            return try await channel.nioSSL_peerCertificate().get()
                .map { try Certificate(derEncoded: $0.toDERBytes()) }
        } catch is ChannelPipelineError {
            // There is no TLS handler: a plain listener.
            return nil
        }
    }

    /// Whether the connection is encrypted.
    public func isSecure() async throws -> Bool {
        do {
            try await channel.pipeline.containsHandler(type: NIOSSLHandler.self).get()
            return true
        } catch is ChannelPipelineError {
            return false
        }
    }
}
