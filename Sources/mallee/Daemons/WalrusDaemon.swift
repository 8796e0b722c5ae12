import Hummingbird
import Logging
import ObjectStore
import S3
import ServiceHost
import Walrus

/// Walrus behind its interface, wired.
struct WalrusDaemon: Sendable {
    let backend: FileBackend
    let s3: S3Responder<ServiceRequestContext>

    /// Opens the objects below `root`.
    static func open(root: String, region: String, credentials: any S3CredentialSource) async throws -> WalrusDaemon {
        let backend = try await FileBackend.open(FileBackendConfiguration(root: root))
        let walrus = Walrus(backend: backend, configuration: WalrusConfiguration(region: region))
        return WalrusDaemon(
            backend: backend, s3: S3Responder(walrus: walrus, credentials: credentials, channel: { $0.channel }))
    }

    /// The prefixes under which S3 answers on a listener that it shares.
    func sharedRoutes() -> [PathDispatcher.Route] {
        [.prefix("/services/Walrus", s3), .prefix("/services/objectstorage", s3)]
    }
}
