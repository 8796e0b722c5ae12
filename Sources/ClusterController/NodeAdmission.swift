public import Contracts
import Synchronization

/// Whose certificates count. Asked with every call of a node and with every connection to one, from any thread, so it
/// is no part of the actor; the actor tells it of each change.
public final class NodeAdmission: Sendable {
    private struct State {
        var records: [String: NodeRecord] = [:]
        var listeners: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    init(_ records: [String: NodeRecord]) { state.withLock { $0.records = records } }

    /// Calls back after each change, so that connections of dead certificates can be closed.
    public func onChange(_ listener: @escaping @Sendable () -> Void) {
        state.withLock { $0.listeners.append(listener) }
    }

    func set(_ record: NodeRecord) {
        let listeners = state.withLock { state in
            state.records[record.name] = record
            return state.listeners
        }
        for listener in listeners { listener() }
    }

    /// Why a certificate does not count: nil if it does, also for names that never enrolled.
    ///
    /// - Parameters:
    ///   - name: of the certificate, without "node:".
    ///   - serial: of the certificate, in lower-case hexadecimal without leading zeros.
    public func refusal(of name: String, serial: String?) -> NodeRefusal? {
        state.withLock { $0.records[name] }?.refusal(serial: serial)
    }

    /// The same as a fault that tells the node what to do.
    public func fault(for name: String, serial: String?) -> ServiceFault? {
        refusal(of: name, serial: serial).map { Self.fault($0, name) }
    }

    static func fault(_ refusal: NodeRefusal, _ name: String) -> ServiceFault {
        let message =
            switch refusal {
            case .superseded:
                "The certificate of node \(name) was superseded: a host enrolled under this name later. If this host is "
                    + "the right one, remove its identity directory and start mallee-node again; otherwise give one of "
                    + "the two another NODE_NAME."
            case .removed:
                "The node \(name) was removed from the zone and its certificate is dead. To take it back, remove its "
                    + "identity directory and start mallee-node again."
            case .denied:
                "The administrator keeps the node \(name) out; `mallee node approve \(name)` on the frontend lets it in."
            case .secret, .nonce, .address: "The node \(name) is refused: \(refusal.rawValue)."
            }
        return ServiceFault(code: .conflict, message: message, resource: refusal.rawValue)
    }
}
