import NIOCore
import NIOSSL
import SwiftASN1
import Synchronization
import X509

/// Whom a call is for.
public enum ExpectedPeer: Sendable, Hashable {
    /// This one and no other, at whatever address it is.
    case component(ComponentName)
    /// Any component that does this.
    case role(ComponentName.Role)

    /// Why a server with this name is not it; nil if it is.
    func refusal(of found: ComponentName?) -> String? {
        let wanted: String
        switch self {
        case .component(let component):
            if found == component { return nil }
            wanted = component.description
        case .role(let role):
            if found?.role == role { return nil }
            wanted = "a \(role.rawValue) controller"
        }
        return
            "its certificate is that of \(found?.description ?? "no component"), and \(wanted) was expected; another "
            + "component answers there, or the URL is wrong"
    }
}

/// Keeps a component from talking to servers whose certificate is of the cloud, but of another component than is meant,
/// or does not count any more.
final class PeerGate: Sendable {
    /// Why a connection was given up.
    struct Refused: Error { var reason: String }

    private struct Open: Sendable {
        var channel: any Channel
        var component: ComponentName?
        var serial: String
        var zone: String?
    }

    private let expected: ExpectedPeer
    private let furtherCheck: ServiceConnections.PeerCheck?
    private let open = Mutex<[ObjectIdentifier: Open]>([:])

    init(expecting expected: ExpectedPeer, _ check: ServiceConnections.PeerCheck?) {
        self.expected = expected
        furtherCheck = check
    }

    /// Why a server may not be talked to.
    private func refusal(_ component: ComponentName?, _ serial: String, _ zone: String?) -> String? {
        expected.refusal(of: component) ?? furtherCheck?(component, serial, zone)
    }

    /// Fails, and closes the channel, if the server at its other end may not be talked to.
    func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.nioSSL_peerCertificate().flatMapThrowing { certificate in
            guard let certificate else { throw Refused(reason: "it presented no certificate") }
            let parsed = try Certificate(derEncoded: certificate.toDERBytes())
            let known = Open(
                channel: channel, component: ComponentName(parsed), serial: parsed.serialNumber.hexadecimal,
                zone: parsed.zone)
            if let reason = self.refusal(known.component, known.serial, known.zone) { throw Refused(reason: reason) }
            let key = ObjectIdentifier(channel)
            self.open.withLock { $0[key] = known }
            channel.closeFuture.whenComplete { _ in self.open.withLock { _ = $0.removeValue(forKey: key) } }
        }.flatMapErrorThrowing { error in
            channel.close(promise: nil)
            throw error
        }
    }

    /// Closes what is open and no longer admitted.
    func recheck() {
        let dead = open.withLock { open in open.values.filter { refusal($0.component, $0.serial, $0.zone) != nil } }
        for connection in dead { connection.channel.close(promise: nil) }
    }
}
