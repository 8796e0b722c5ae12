// Wires a node, or many simulated ones, from a configuration: everything that the process consists of is here.
//
//     new ──start──▶ serving ───────────────────stop──▶ stopped
//            │          ▲                                  ▲
//            │          │ has its identity                 │
//            └──▶ enrolling (no identity yet) ──stop───────┘
//
// A node that waits for its certificate is a running process, which the service manager need not wait for.

import BlockingHTTP
import Contracts
import Hypervisor
import NodeController
import Posix
import TLS

/// A running node controller process.
final class NodeProcess: @unchecked Sendable {
    /// Why the process cannot run; for the administrator.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let log: NodeLog
    private let configuration: NodeConfiguration
    private let workers: WorkerPool
    private let reporterWorkers: WorkerPool
    private let enroller: Enroller?
    // Guards what follows, which the enrolling thread sets up and another takes down.
    private let lock = Lock()
    private var isStopping = false
    private var enrolling: Thread?
    private var client: HTTPClient?
    private var clusterClient: HTTPClient?
    private var uploads: HTTPClient?
    private let endpoint = NodeEndpoint()
    private var server: HTTPServer?
    private var nodes: [NodeController] = []
    private var reporters: [Reporter] = []
    private var images: ImageCache?
    private var records: FileRecords?

    private var isSimulated: Bool { configuration.simulatedNodes > 0 || configuration.hypervisor == .simulated }

    init(configurationFile: String) throws(Failure) {
        var warnings: [String] = []
        var text = ""
        try NodeProcess.posix { () throws(PosixError) in
            text = try FileSystem.readText(configurationFile, limit: 1 << 20)
        }
        do throws(NodeConfiguration.Invalid) {
            configuration = try NodeConfiguration(text: text) { warnings.append($0) }
        } catch {
            throw Failure(description: "\(configurationFile): \(error)")
        }
        do throws(PosixError) {
            log = try NodeLog(path: configuration.logFile, level: configuration.logLevel)
        } catch {
            throw Failure(description: "\(error)")
        }
        for warning in warnings { log.warning("\(configurationFile): \(warning)") }
        workers = WorkerPool(name: "step", threads: 32, log: log)
        reporterWorkers = WorkerPool(name: "report", threads: configuration.simulatedNodes > 0 ? 8 : 2, log: log)
        var hostName = ""
        let configured = configuration
        try NodeProcess.posix { () throws(PosixError) in
            if configured.nodeName.isEmpty { hostName = try Host.name() }
        }
        enroller = Enroller.Settings(configuration, hostName: hostName).map { [log] in Enroller(settings: $0, log: log)
        }
    }

    /// Serves, or, without an identity, begins to enrol and serves when that is done.
    func start() throws(Failure) {
        guard let enroller else { return try serve() }
        var isEnrolled = false
        try NodeProcess.posix { () throws(PosixError) in isEnrolled = try enroller.isEnrolled() }
        if isEnrolled { return try serve() }
        guard configuration.enrolmentEndpoint != nil else {
            throw Failure(
                description:
                    "there is no identity in \(configuration.identityDirectory ?? "") (component.key, component.crt, "
                    + "ca.crt); set ENROLMENT_ENDPOINT, so that the node gets one by itself, or bring one from `mallee certificate`"
            )
        }
        log.info("this node has no identity yet; it enrols at \(configuration.enrolmentEndpoint ?? "")")
        try NodeProcess.posix { () throws(PosixError) in
            enrolling = try Thread.start(name: "enrol") { [self] in enrolAndServe(enroller) }
        }
    }

    private func enrolAndServe(_ enroller: Enroller) {
        guard enroller.run() else { return }
        do throws(Failure) {
            try serve()
        } catch {
            log.error("\(error)")
            Host.exit(1)
        }
    }

    /// A client for what the node calls; `server` is how the name in the server's certificate must begin.
    private func connect(
        server: String? = nil, idleTime: Milliseconds = 30_000
    ) throws(Failure) -> HTTPClient {
        var options = HTTPClient.Options()
        options.serverNamePrefix = server
        options.idleTime = idleTime
        options.kept = 8
        if let authority = configuration.tlsAuthority {
            do throws(TLSError) {
                options.tls = try TLSContext.client(
                    certificate: configuration.tlsCertificate, key: configuration.tlsKey, authority: authority,
                    ignoresTimes: configuration.usesIdentity)
            } catch {
                throw Failure(description: "\(tlsKeys): \(error)")
            }
        }
        return HTTPClient(options: options)
    }

    /// Whom to blame for certificates.
    private var tlsKeys: String {
        configuration.identityDirectory.map { "the identity in \($0)" } ?? "TLS_CERT, TLS_KEY or TLS_CA"
    }

    private func serve() throws(Failure) {
        // Whoever stops waits until this is through.
        lock.lock()
        defer { lock.unlock() }
        if isStopping { return }
        let client = try connect()
        self.client = client
        // Walrus answers when what may be a whole disk is durable.
        uploads = try connect(idleTime: 600_000)
        let url = try listen()
        if configuration.simulatedNodes > 0 {
            try startFleet(url)
        } else {
            try startNode(url)
        }
        if let cluster = configuration.clusterEndpoint {
            // Nodes have certificates of the same authority, and none of them may give orders to this one's reporter.
            let clusterClient = try connect(server: SOAPClusterLink.serverNamePrefix)
            self.clusterClient = clusterClient
            let link = SOAPClusterLink(client: clusterClient, endpoint: cluster)
            for (index, node) in nodes.enumerated() {
                let reporter = Reporter(node: node, link: link, workers: reporterWorkers, log: log)
                node.setListener(reporter)
                // A thousand nodes should not all register in the same instant.
                reporter.start(delay: Milliseconds(index) * 2)
                reporters.append(reporter)
            }
        } else {
            log.warning("CLUSTER_ENDPOINT is not set: the node registers nowhere")
        }
        if let ready = configuration.readyFile {
            try NodeProcess.posix { () throws(PosixError) in try FileSystem.write(ready, text: url + "\n") }
        }
        log.info("mallee-node \(MalleeRelease.version) answers at \(url)")
    }

    /// Ends everything but the guests, or these too.
    func stop(withGuests: Bool) {
        log.info(withGuests ? "stopping, with all guests" : "stopping, guests run on")
        lock.withLock { isStopping = true }
        enroller?.stop()
        enrolling?.join(timeout: 5_000)
        for reporter in reporters { reporter.stop() }
        server?.stop(grace: 5_000)
        if withGuests { for node in nodes { node.parkGuests() } }
        for node in nodes { node.stop() }
        images?.stop()
        reporterWorkers.stop(timeout: 2_000)
        workers.stop(timeout: 5_000)
        client?.close()
        clusterClient?.close()
        uploads?.close()
        records?.close()
        if let ready = configuration.readyFile {
            do throws(PosixError) {
                try FileSystem.remove(ready, ifPresent: true)
            } catch {
                log.warning("\(error)")
            }
        }
        log.info("stopped")
    }

    // MARK: Parts

    /// Opens the listener and begins to answer; returns the URL of the service.
    private func listen() throws(Failure) -> String {
        var options = HTTPServer.Options()
        options.limits.bodyBytes = 32 << 20
        options.onError = { [log] problem in log.debug("connection: \(problem)") }
        if let certificate = configuration.tlsCertificate, let key = configuration.tlsKey,
            let authority = configuration.tlsAuthority
        {
            do throws(TLSError) {
                options.tls = try TLSContext.server(
                    certificate: certificate, key: key, authority: authority,
                    ignoresTimes: configuration.usesIdentity)
            } catch {
                throw Failure(description: "\(tlsKeys): \(error)")
            }
        } else {
            log.warning("ALLOW_PLAIN_HTTP is set: whoever reaches the port can run and end instances")
        }
        do throws(PosixError) {
            let listener = try Listener.tcp(address: configuration.listenAddress, port: configuration.listenPort)
            let server = HTTPServer(listener: listener, handler: endpoint, options: options)
            try server.start()
            self.server = server
            let host = try advertisedHost()
            return "\(configuration.usesTLS ? "https" : "http")://\(host):\(listener.port)\(NodeEndpoint.path)"
        } catch {
            throw Failure(description: "\(error); LISTEN_ADDRESS and LISTEN_PORT say where to listen")
        }
    }

    private func advertisedHost() throws(PosixError) -> String {
        var host = configuration.advertisedAddress
        if host.isEmpty { host = configuration.listenAddress }
        if host == "0.0.0.0" || host == "::" { host = try Host.name() }
        return host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
    }

    private func nodeName() throws(Failure) -> String {
        if !configuration.nodeName.isEmpty { return configuration.nodeName }
        var name = ""
        try NodeProcess.posix { () throws(PosixError) in name = try Host.name() }
        return name
    }

    /// One node with this host's hypervisor.
    private func startNode(_ url: String) throws(Failure) {
        let environment = NodeEnvironment(workers: workers, log: log, uploads: uploads)
        let node: NodeController
        if isSimulated {
            var settings = NodeController.Settings(
                name: try nodeName(), endpoint: url, capacity: SimulatedFleet.capacity(configuration),
                softwareVersion: MalleeRelease.version)
            settings.region = configuration.region.isEmpty ? nil : configuration.region
            node = try simulatedNode(settings, environment)
        } else {
            node = try realNode(url, environment)
        }
        try begin(node)
        nodes = [node]
        endpoint.serve(node)
    }

    /// With STATE_DIR its records are in files, and its guests survive a restart.
    private func simulatedNode(
        _ settings: NodeController.Settings, _ environment: NodeEnvironment
    ) throws(Failure) -> NodeController {
        let clock = SimulatedClock(.automatic)
        if configuration.stateDirectory.isEmpty { return SimulatedFleet.node(settings, clock, environment) }
        do throws(RecordError) {
            let files = try FileRecords(directory: configuration.stateDirectory)
            records = files
            return SimulatedFleet.node(settings, clock, environment, records: files)
        } catch {
            throw Failure(description: "\(error)")
        }
    }

    private func realNode(_ url: String, _ environment: NodeEnvironment) throws(Failure) -> NodeController {
        let directory = configuration.stateDirectory
        do throws(RecordError) {
            records = try FileRecords(directory: directory)
        } catch {
            throw Failure(description: "\(error)")
        }
        let hypervisor = try driver(directory)
        guard let records, let client else { throw Failure(description: "the state directory is not open") }
        let facts = try hypervisorFacts(hypervisor)
        var capacity = NodeResources.none
        var relay = ""
        try NodeProcess.posix { () throws(PosixError) in
            let cacheBytes = try HostCapacity.cacheBytes(configuration, stateDirectory: directory)
            capacity = try HostCapacity.resources(
                configuration, stateDirectory: directory, cacheBytes: cacheBytes,
                guestMemoryMiB: facts?.guestMemoryMiB, processors: facts?.processors)
            images = try ImageCache(
                directory: FileSystem.join(directory, "cache"), limitBytes: cacheBytes, reserveBytes: 64 << 20,
                images: hypervisor.diskImages, downloader: ArtifactDownloader(client: client), log: log)
            relay = try FileSystem.readLink("/proc/self/exe")
        }
        var settings = NodeController.Settings(
            name: try nodeName(), endpoint: url, capacity: capacity, softwareVersion: MalleeRelease.version)
        settings.region = configuration.region.isEmpty ? nil : configuration.region
        settings.shutdownGrace = Milliseconds(configuration.shutdownGraceSeconds) * 1000
        settings.lowestBindablePort = HostCapacity.lowestBindablePort()
        settings.relayCommand = [relay, "relay"]
        if hypervisor is XenHypervisor {
            settings.usesUserNetwork = configuration.bridge == nil
            settings.bridge = configuration.bridge
        }
        return NodeController(
            settings: settings, hypervisor: hypervisor, records: records, images: images, environment: environment)
    }

    /// What runs guests on this host.
    private func driver(_ directory: String) throws(Failure) -> any Hypervisor {
        do throws(HypervisorError) {
            return try HostHypervisor.driver(configuration, stateDirectory: directory)
        } catch {
            throw Failure(description: error.message)
        }
    }

    /// Xen's memory and processors are not this system's. Whoever started this process tries again if Xen does not say what
    /// it has.
    private func hypervisorFacts(_ hypervisor: any Hypervisor) throws(Failure) -> HypervisorFacts? {
        guard hypervisor is XenHypervisor else { return nil }
        let deadline = Deadline(after: 30_000)
        while true {
            do throws(HypervisorError) {
                return try hypervisor.probe()
            } catch {
                log.error("the hypervisor does not answer: \(error.message)")
                if deadline.isPast { throw Failure(description: error.message) }
            }
            Thread.sleep(1_000)
        }
    }

    private func startFleet(_ url: String) throws(Failure) {
        nodes = SimulatedFleet.make(
            configuration, prefix: try nodeName(), url: url,
            environment: NodeEnvironment(workers: workers, log: log, uploads: uploads))
        for node in nodes { try begin(node) }
        endpoint.serve(nodes)
    }

    private func begin(_ node: NodeController) throws(Failure) {
        do throws(RecordError) {
            try node.start()
        } catch {
            throw Failure(description: "\(error)")
        }
    }

    private static func posix(_ body: () throws(PosixError) -> Void) throws(Failure) {
        do throws(PosixError) {
            try body()
        } catch {
            throw Failure(description: "\(error)")
        }
    }
}
