import ClusterController
import Contracts
import Foundation
import Logging
import Posix
import ServiceHost

/// Where nodes enrol: a listener beside the cluster controller's own, for those who have no certificate yet.
struct EnrolmentDaemon: Sendable {
    /// Where the service is.
    static let path = "/services/Enrolment"

    let listener: HTTPService

    /// Reads the enrolment's part of a cluster controller's configuration: nil if it sets no ENROLMENT_SECRET_FILE.
    static func open(
        _ file: ConfigurationFile, cluster: ClusterDaemon, identity: ComponentIdentity?, host: String, logger: Logger
    ) throws -> EnrolmentDaemon? {
        guard let secretFile = file.optional("ENROLMENT_SECRET_FILE") else { return nil }
        guard let identity else {
            throw CommandFailure("\(file.path): enrolment needs TLS; set IDENTITY_DIR instead of ALLOW_PLAIN_HTTP.")
        }
        guard let policy = EnrolmentPolicy(rawValue: file.string("ENROLMENT", default: "auto")) else {
            throw CommandFailure(
                "\(file.path): ENROLMENT is \"\(file.string("ENROLMENT", default: ""))\"; it must be auto or approve.")
        }
        // Now rather than with the first node: a file that cannot be read is the administrator's to put right.
        _ = try secret(secretFile)
        let cloud = CloudContract.AsyncClient(
            transport: cluster.controlConnections.transport(
                to: try file.required("CLOUD_CONTROL"), of: .role(.cloud)))
        let service = EnrolmentService(
            controller: cluster.controller,
            settings: EnrolmentSettings(
                policy: policy,
                secret: { () throws(ServiceFault) in
                    do { return try secret(secretFile) } catch {
                        logger.error("The enrolment secret cannot be read.", metadata: ["cause": "\(error)"])
                        throw ServiceFault(
                            code: .unavailable, message: "The cluster controller cannot read its enrolment secret.")
                    }
                },
                serverCertificateDigest: try identity.certificateDigest(), cloud: cloud,
                peerAddress: { ServiceCaller.current?.address }),
            logger: logger, monotonic: { Posix.Clock.monotonic })
        let soap = SOAPResponder.enrolment(service)
        return EnrolmentDaemon(
            listener: HTTPService(
                .init(
                    name: "enrolment \(cluster.zone)", host: host,
                    port: try file.integer("ENROLMENT_PORT", default: 8777, in: 1...65_535),
                    tls: try identity.serverTLS(clients: .anybody, presentsAuthority: true),
                    idleTimeout: .seconds(15)),
                responder: PathDispatcher(routes: [
                    .prefix(path, soap), .exact("/services/types.xsd", soap), .exact("/healthz", HealthResponder()),
                ]), logger: logger))
    }

    /// The 32 bytes of a secret's file, which has them as 64 hexadecimal digits.
    private static func secret(_ path: String) throws -> [UInt8] {
        let text = try FileSystem.readText(path, limit: 4096).trimmingCharacters(in: .whitespacesAndNewlines)
        guard let bytes = Hex.decode(text), bytes.count == EnrolmentProof.byteCount else {
            throw CommandFailure(
                "\(path) does not hold an enrolment secret (64 hexadecimal digits); run `mallee init`.")
        }
        return bytes
    }
}
