import ClusterController
import Contracts
import Foundation
import Hummingbird
import Logging
import ServiceHost
import Store

/// A cluster controller behind its listener, wired.
struct ClusterDaemon: Sendable {
    /// Where the service is, below every listener of a cluster controller.
    static let path = "/services/ClusterController"

    let controller: ClusterController
    let store: any Store
    let connections: ServiceConnections
    let listener: HTTPService

    /// Opens the zone's store and prepares its listener; nothing runs yet.
    static func open(
        storePath: String, configuration: ClusterConfiguration, policy: any PlacementPolicy,
        identity: ComponentIdentity?, host: String, port: Int, logger: Logger
    ) async throws -> ClusterDaemon {
        let store = try SQLiteStore(path: storePath)
        let connections = try ServiceConnections(identity: identity)
        let controller = try await ClusterController.open(
            store: store, configuration: configuration, policy: policy,
            connect: { endpoint in
                NodeContract.AsyncClient(transport: connections.transport(to: endpoint))
            },
            logger: logger, now: { Int64(Date().timeIntervalSince1970 * 1000) })
        // Without TLS, which is for trials on loopback, nobody can say who calls.
        let soap =
            identity == nil
            ? SOAPResponder.cluster(controller) : .cluster(ClusterAuthorization(service: controller))
        let listener = HTTPService(
            .init(
                name: "cluster \(configuration.zone)", host: host, port: port,
                tls: try identity?.serverTLS(clients: .required)),
            responder: PathDispatcher(routes: [
                .prefix(path, soap), .exact("/services/types.xsd", soap), .exact("/healthz", HealthResponder()),
            ]), logger: logger)
        return ClusterDaemon(controller: controller, store: store, connections: connections, listener: listener)
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
