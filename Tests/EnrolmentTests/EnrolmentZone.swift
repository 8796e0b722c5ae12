import BlockingHTTP
import ClusterController
import Contracts
import Foundation
import Logging
import NodeController
import Posix
import ServiceHost
import Store
import Synchronization
import TLS
import Testing

/// Log lines of the front end.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let said = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
            lines.lines.withLock { $0.append("\(event.level) \(event.message) \(said)") }
        }
    }
}

/// Milliseconds that only the test moves.
final class TestClock: Sendable {
    private let value = Mutex<Int64>(1_000_000)
    var now: Int64 { value.withLock { $0 } }
    func advance(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
}

/// Signs as the cloud controller does.
struct SigningCloud: CloudContract.AsyncService {
    let authority: CloudAuthority

    func describeAccessKey(_ request: CloudContract.DescribeAccessKeyRequest) async throws(ServiceFault)
        -> CloudContract.DescribeAccessKeyResponse
    { throw ServiceFault(code: .unsupported, message: "not in this test") }

    func signNode(_ request: CloudContract.SignNodeRequest) async throws(ServiceFault)
        -> CloudContract.SignNodeResponse
    {
        do {
            guard let name = ComponentName(role: .node, name: request.nodeName) else { throw TestFailure("bad name") }
            let (certificate, serial) = try authority.sign(name, publicKey: request.publicKey, hosts: request.host)
            return .init(certificate: certificate, authority: authority.certificatePEM, serialNumber: serial)
        } catch {
            throw ServiceFault(code: .invalidRequest, message: "\(error)")
        }
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// One life of a zone's front end: enrolment and cluster service on ports of their own, over TLS.
final class EnrolmentZone: Sendable {
    let directory: String
    let authority: CloudAuthority
    let controller: ClusterController
    let service: EnrolmentService
    let enrolmentURL: String
    let clusterURL: String
    /// SHA-256 of the certificate that the enrolment listener shows.
    let serverDigest: [UInt8]
    private let listeners: [HTTPService]

    static let secret = [UInt8](repeating: 0x5A, count: 32)

    /// - Parameters:
    ///   - directory: holds the authority and the store; a second life may be opened on it.
    ///   - role: of the certificate that the enrolment listener shows.
    static func open(
        _ directory: String, policy: EnrolmentPolicy = .auto, store: any Store, clock: TestClock? = nil,
        issuedAt: Date = Date(), role: ComponentName.Role = .cluster
    ) async throws -> EnrolmentZone {
        let lines = Lines()
        let authority = try CloudAuthority.open(directory: directory + "/ca", now: issuedAt)
        let name = try #require(ComponentName(role: role, name: "zone-a"))
        let identity = try authority.issue(name, hosts: ["127.0.0.1"], now: issuedAt)
        let addresses = try #require(AddressPool(cidr: "127.9.0.0/24"))
        let controller = try await ClusterController.open(
            store: store, configuration: ClusterConfiguration(zone: "zone-a", addresses: addresses),
            policy: GreedyPlacement(), connect: { _ in NodeContract.AsyncClient(transport: NoTransport()) },
            logger: lines.logger, now: { Clock.now })
        let service = EnrolmentService(
            controller: controller,
            settings: EnrolmentSettings(
                policy: policy, secret: { () throws(ServiceFault) in secret },
                serverCertificateDigest: try identity.certificateDigest(), cloud: SigningCloud(authority: authority),
                peerAddress: { ServiceCaller.current?.address }, retrySeconds: 1),
            logger: lines.logger, monotonic: { clock?.now ?? Clock.monotonic })
        let enrolment = HTTPService(
            .init(name: "enrolment", tls: try identity.serverTLS(clients: .anybody, presentsAuthority: true)),
            responder: SOAPResponder.enrolment(service), logger: lines.logger)
        let cluster = HTTPService(
            .init(name: "cluster", tls: try identity.serverTLS(clients: .required)),
            responder: SOAPResponder.cluster(
                ClusterAuthorization(
                    service: controller, zone: "zone-a",
                    admission: { controller.admission.fault(for: $0, serial: $1) })),
            logger: lines.logger)
        let ports = (try await enrolment.start(), try await cluster.start())
        return EnrolmentZone(
            directory: directory, authority: authority, controller: controller, service: service,
            enrolmentURL: "https://127.0.0.1:\(ports.0)/services/Enrolment",
            clusterURL: "https://127.0.0.1:\(ports.1)/services/ClusterController",
            serverDigest: try identity.certificateDigest(), listeners: [enrolment, cluster], lines: lines)
    }

    private init(
        directory: String, authority: CloudAuthority, controller: ClusterController, service: EnrolmentService,
        enrolmentURL: String, clusterURL: String, serverDigest: [UInt8], listeners: [HTTPService], lines: Lines
    ) {
        self.directory = directory
        self.authority = authority
        self.controller = controller
        self.service = service
        self.enrolmentURL = enrolmentURL
        self.clusterURL = clusterURL
        self.serverDigest = serverDigest
        self.listeners = listeners
        collected = lines
    }

    private let collected: Lines
    /// What the front end logged.
    var log: [String] { collected.all }

    func close() async { for listener in listeners { await listener.stop() } }

    /// SHA-256 of the authority's certificate.
    func fingerprint() throws -> [UInt8] {
        let text = try authority.issue(
            #require(ComponentName(role: .client, name: "x")), hosts: []
        ).authorityFingerprint()
        return try #require(AuthorityFingerprint.parse(text))
    }

    func request(_ name: String, key: [UInt8]? = nil, secret: [UInt8] = secret) throws -> EnrolmentRequest {
        EnrolmentRequest(
            endpoint: enrolmentURL, nodeName: name, address: nil, key: try key ?? ComponentKey.create(),
            secret: secret, authorityFingerprint: try fingerprint())
    }

    /// The record that the administrator sees; nil if the node is in no list.
    func listed(_ name: String) async throws -> ClusterContract.NodeEnrolment? {
        try await controller.describeNodes(.init()).enrolment.first { $0.nodeName == name }
    }
}

/// A node that nobody can reach.
struct NoTransport: AsyncSOAPTransport {
    func call(soapAction: String, body: [UInt8]) async throws(ServiceFault) -> [UInt8] {
        throw ServiceFault(code: .unavailable, message: "nobody there")
    }
}

/// Runs what blocks on a thread of its own.
func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        do {
            try Posix.Thread.start(name: "test") { continuation.resume(with: Result { try body() }) }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}

func attempt(_ request: EnrolmentRequest) async throws -> EnrolmentOutcome {
    try await blocking { try EnrolmentClient.attempt(request) }
}

/// The certificate of an attempt that must succeed.
func enrolled(_ request: EnrolmentRequest) async throws -> (certificate: [UInt8], authority: [UInt8]) {
    guard case .issued(let certificate, let authority, _) = try await attempt(request) else {
        throw TestFailure("not issued")
    }
    return (certificate, authority)
}

/// Why an attempt fails, which it must.
func refused(_ request: EnrolmentRequest) async throws -> EnrolmentFailure {
    do {
        let outcome = try await attempt(request)
        throw TestFailure("expected a failure, got \(outcome)")
    } catch let failure as EnrolmentFailure {
        return failure
    }
}

/// A directory of its own, removed afterwards.
func withDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = try FileSystem.temporaryDirectory("/tmp/mallee-enrolment-")
    do {
        try await body(directory)
    } catch {
        try FileSystem.removeTree(directory)
        throw error
    }
    try FileSystem.removeTree(directory)
}

/// A zone in a directory of its own, closed afterwards.
func withZone(
    policy: EnrolmentPolicy = .auto, clock: TestClock? = nil, issuedAt: Date = Date(),
    role: ComponentName.Role = .cluster, _ body: (EnrolmentZone) async throws -> Void
) async throws {
    try await withDirectory { directory in
        let zone = try await EnrolmentZone.open(
            directory, policy: policy, store: SQLiteStore.inMemory(), clock: clock, issuedAt: issuedAt, role: role)
        do {
            try await body(zone)
        } catch {
            await zone.close()
            throw error
        }
        await zone.close()
    }
}

/// A node that has its identity in files, and calls the cluster controller with it.
struct EnrolledNode: Sendable {
    let name: String
    let files: NodeIdentityFiles
    let zone: EnrolmentZone

    static func enrol(_ name: String, in zone: EnrolmentZone, directory: String) async throws -> EnrolledNode {
        let key = try ComponentKey.create()
        let files = NodeIdentityFiles(directory: zone.directory + "/" + directory)
        try files.begin(key: key)
        let issued = try await enrolled(zone.request(name, key: key))
        try files.complete(certificate: issued.certificate, authority: issued.authority)
        return EnrolledNode(name: name, files: files, zone: zone)
    }

    var description: Contract.NodeDescription {
        Contract.NodeDescription(
            nodeName: name, endpoint: "https://127.0.0.1:1/services/NodeController", state: .up,
            hypervisor: "simulated", architecture: ["x86_64"],
            resources: .init(
                coresTotal: 4, coresFree: 4, memoryMiBTotal: 1024, memoryMiBFree: 1024, diskGiBTotal: 10,
                diskGiBFree: 10), softwareVersion: "test", startedAt: 0)
    }

    private func link() throws -> (SOAPClusterLink, HTTPClient) {
        var options = HTTPClient.Options()
        options.tls = try TLSContext.client(
            certificate: files.certificate, key: files.key, authority: files.authority, ignoresTimes: true)
        let http = HTTPClient(options: options)
        return (SOAPClusterLink(client: http, endpoint: zone.clusterURL), http)
    }

    func register() async throws {
        try await blocking {
            let (link, http) = try link()
            defer { http.close() }
            _ = try link.register(.init(node: description))
        }
    }

    /// Whether the cluster controller knows it.
    func report() async throws -> Bool {
        try await blocking {
            let (link, http) = try link()
            defer { http.close() }
            return try link.report(.init(node: description, complete: true)).known
        }
    }

    /// Why the cluster controller refuses a report, which it must.
    func refusedReport() async throws -> NodeRefusal? {
        do {
            _ = try await report()
        } catch let error as ClusterLinkError {
            return error.refusal
        }
        throw TestFailure("the report was taken")
    }
}
