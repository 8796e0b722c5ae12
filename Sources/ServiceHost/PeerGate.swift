import NIOCore
import NIOSSL
import SwiftASN1
import Synchronization
import X509

/// Keeps a component from talking to servers whose certificate is of the cloud, but does not count any more.
final class PeerGate: Sendable {
    /// Why a connection was given up.
    struct Refused: Error { var reason: String }

    private struct Open: Sendable {
        var channel: any Channel
        var component: ComponentName?
        var serial: String
        var zone: String?
    }

    private let check: ServiceConnections.PeerCheck
    private let open = Mutex<[ObjectIdentifier: Open]>([:])

    init(_ check: @escaping ServiceConnections.PeerCheck) { self.check = check }

    /// Fails, and closes the channel, if the server at its other end may not be talked to.
    func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.nioSSL_peerCertificate().flatMapThrowing { certificate in
            guard let certificate else { throw Refused(reason: "it presented no certificate") }
            let parsed = try Certificate(derEncoded: certificate.toDERBytes())
            let known = Open(
                channel: channel, component: ComponentName(parsed), serial: parsed.serialNumber.hexadecimal,
                zone: parsed.zone)
            if let reason = self.check(known.component, known.serial, known.zone) { throw Refused(reason: reason) }
            let key = ObjectIdentifier(channel)
            self.open.withLock { $0[key] = known }
            channel.closeFuture.whenComplete { _ in self.open.withLock { _ = $0.removeValue(forKey: key) } }
        }.flatMapErrorThrowing { error in
            if error is ChannelPipelineError { return }  // plain HTTP: there is nobody to check
            channel.close(promise: nil)
            throw error
        }
    }

    /// Closes what is open and no longer admitted.
    func recheck() {
        let dead = open.withLock { open in open.values.filter { check($0.component, $0.serial, $0.zone) != nil } }
        for connection in dead { connection.channel.close(promise: nil) }
    }
}
