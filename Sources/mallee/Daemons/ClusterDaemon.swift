import ClusterController
import Contracts
import Foundation
import Hummingbird
import Logging
import ServiceHost
import Store
import Synchronization

/// A cluster controller behind its listener, wired.
struct ClusterDaemon: Sendable {
    /// Where the service is, below every listener of a cluster controller.
    static let path = "/services/ClusterController"

    let controller: ClusterController
    let store: any Store
    /// To the nodes.
    let connections: ServiceConnections
    /// To the cloud controller.
    let controlConnections: ServiceConnections
    let zone: String
    let listener: HTTPService

    /// Opens the zone's store and prepares its listener; nothing runs yet.
    static func open(
        storePath: String, configuration: ClusterConfiguration, policy: any PlacementPolicy,
        identity: ComponentIdentity?, host: String, port: Int, audit: AuditLog?, logger: Logger
    ) async throws -> ClusterDaemon {
        let store = try SQLiteStore(path: storePath)
        let admission = AdmissionBox()
        let connections = try ServiceConnections(
            identity: identity,
            peerCheck: { component, serial, zone in
                guard let component, component.role == .node else { return "its certificate is not a node's" }
                guard zone == nil || zone == configuration.zone else {
                    return "its certificate is that of a node of another zone"
                }
                return admission.fault(for: component.name, serial: serial)?.message
            })
        let controller = try await ClusterController.open(
            store: store, configuration: configuration, policy: policy,
            connect: { endpoint in
                NodeContract.AsyncClient(transport: connections.transport(to: endpoint, of: caller()))
            },
            logger: logger, now: { Int64(Date().timeIntervalSince1970 * 1000) })
        admission.attach(controller.admission)
        controller.admission.onChange { connections.recheckPeers() }
        // Without TLS, which is for trials on loopback, nobody can say who calls.
        let soap =
            identity == nil
            ? SOAPResponder.cluster(controller)
            : .cluster(
                ClusterAuthorization(
                    service: controller, zone: configuration.zone,
                    admission: { controller.admission.fault(for: $0, serial: $1) }),
                observer: { audit?.record($0) })
        let listener = HTTPService(
            .init(
                name: "cluster \(configuration.zone)", host: host, port: port,
                tls: try identity?.serverTLS(clients: .required)),
            responder: PathDispatcher(routes: [
                .prefix(path, soap), .exact("/services/types.xsd", soap), .exact("/healthz", HealthResponder()),
            ]), logger: logger)
        return ClusterDaemon(
            controller: controller, store: store, connections: connections,
            controlConnections: try ServiceConnections(identity: identity), zone: configuration.zone,
            listener: listener)
    }

    /// Whose certificate an endpoint must have: that with which it was registered, which is asked for while the node
    /// registers. (`NODE_NAME` is not always the name in it: a process of simulated nodes has one certificate.)
    private static func caller() -> ExpectedPeer { ComponentName.caller.map { .component($0) } ?? .role(.node) }

    /// Closes what `open` opened; the listener must have stopped.
    func close() async throws {
        await store.close()
        try await connections.shutdown()
        try await controlConnections.shutdown()
    }

    /// Says whose certificates count before the controller is open: nobody's is refused then, and nobody is called.
    private final class AdmissionBox: Sendable {
        private let admission = Mutex<NodeAdmission?>(nil)

        func attach(_ admission: NodeAdmission) { self.admission.withLock { $0 = admission } }

        func fault(for name: String, serial: String) -> ServiceFault? {
            admission.withLock { $0 }?.fault(for: name, serial: serial)
        }
    }

    /// The policy that a configuration names.
    ///
    /// - Parameter program: for USER, the absolute path of the site's program.
    static func policy(_ name: String, program: String?, logger: Logger) throws -> any PlacementPolicy {
        switch name.uppercased() {
        case "GREEDY": return GreedyPlacement()
        case "ROUNDROBIN": return RoundRobinPlacement()
        case "USER":
            guard let program, program.hasPrefix("/") else {
                throw CommandFailure("The placement policy USER needs SCHEDPATH, the absolute path of a program.")
            }
            return ExternalPlacement(program: program, logger: logger)
        case "POWERSAVE":
            throw CommandFailure(
                "The placement policy POWERSAVE has no way to wake nodes yet; choose GREEDY, ROUNDROBIN or USER.")
        default:
            throw CommandFailure("There is no placement policy \(name); choose GREEDY, ROUNDROBIN or USER.")
        }
    }
}
