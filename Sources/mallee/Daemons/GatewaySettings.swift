import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOPosix
import ObjectStore
import S3Gateway

/// The S3 store behind Walrus, as a configuration file names it.
struct GatewaySettings: Sendable {
    let configuration: S3GatewayConfiguration
    /// Where the contents of new buckets go.
    let place: ContentPlace

    static let keys: Set<String> = [
        "WALRUS_BACKEND", "S3_ENDPOINT", "S3_BUCKET", "S3_PREFIX", "S3_REGION", "S3_CREDENTIALS",
    ]
    static let help = """
        Contents in an S3 store, such as Ceph RGW: S3_ENDPOINT ("http://rgw:7480"), S3_BUCKET, S3_PREFIX, S3_REGION \
        (us-east-1), S3_CREDENTIALS (a file with S3_ACCESS_KEY and S3_SECRET_KEY that only its owner may read), \
        WALRUS_BACKEND (files, or s3: where the contents of new buckets go; `mallee walrus migrate` moves the others).
        """

    /// Nil if the file names no such store.
    init?(_ file: ConfigurationFile) throws {
        let backend = file.string("WALRUS_BACKEND", default: ContentPlace.files.rawValue)
        guard let place = ContentPlace(rawValue: backend) else {
            throw CommandFailure("\(file.path): WALRUS_BACKEND is \"\(backend)\"; it must be files or s3.")
        }
        guard let endpoint = file.optional("S3_ENDPOINT") else {
            guard place == .files else {
                throw CommandFailure("\(file.path): WALRUS_BACKEND is s3, and S3_ENDPOINT does not say where that is.")
            }
            return nil
        }
        let secrets = try Self.secrets(try file.required("S3_CREDENTIALS"))
        configuration = S3GatewayConfiguration(
            endpoint: endpoint, bucket: try file.required("S3_BUCKET"), prefix: file.string("S3_PREFIX", default: ""),
            region: file.string("S3_REGION", default: "us-east-1"),
            accessKeyID: try secrets.required("S3_ACCESS_KEY"), secret: try secrets.required("S3_SECRET_KEY"))
        self.place = place
    }

    private static func secrets(_ path: String) throws -> ConfigurationFile {
        let attributes: [FileAttributeKey: Any]
        do {
            attributes = try FileManager.default.attributesOfItem(atPath: path)
        } catch {
            throw CommandFailure("S3_CREDENTIALS, \(path), cannot be read: \(error.localizedDescription)")
        }
        if let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue, mode & 0o077 != 0 {
            throw CommandFailure("Others than its owner may read S3_CREDENTIALS. Close it: chmod 600 \(path)")
        }
        return try ConfigurationFile(path: path)
    }

    /// Connects a store to its remote one.
    ///
    /// - Returns: the connections, to be closed after the store.
    func attach(to files: FileBackend) async throws -> HTTPClient {
        var settings = HTTPClient.Configuration()
        settings.timeout.connect = .seconds(3)
        // The gateway counts attempts itself; the client's own would make a refused connection last as long as one that
        // is never answered.
        settings.connectionPool.retryConnectionEstablishment = false
        settings.timeout.read = .seconds(configuration.idleTimeout)
        settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: settings)
        do {
            let gateway = try S3Gateway(configuration, owner: files.storeID, http: http)
            files.attach(gateway)
            do {
                try await gateway.claim()
            } catch ObjectStoreError.unavailable(let cause) {
                // What lies in files is served all the same.
                Logger(label: "walrus").warning(
                    "The S3 store behind Walrus does not answer; its contents are not available until it does",
                    metadata: ["cause": "\(cause)"])
            }
        } catch {
            try await http.shutdown()
            if case ObjectStoreError.failed(let cause) = error { throw CommandFailure(cause) }
            throw error
        }
        return http
    }
}
