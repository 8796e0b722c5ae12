import AsyncHTTPClient
import CloudClient
import CloudController
import CloudModel
import ClusterController
import Contracts
import Foundation
import Hummingbird
import Hypervisor
import ImageImport
import Logging
import NIOPosix
import ObjectStore
import Posix
import ServiceHost
import Store

/// Every service of a cloud in this process, and its nodes beside it: what `mallee up` starts.
///
/// The services are the same objects, wired by the same daemons' files, as when each runs by itself; only the
/// connection from the cloud controller to the cluster controllers is a direct call.
struct OneMachineCloud: Sendable {
    let directory: StateDirectory
    let options: UpCommand
    let credentials: Credentials
    let cloud: CloudDaemon
    let walrus: WalrusDaemon
    let clusters: [ClusterDaemon]
    let listeners: [HTTPService]
    let nodes: [NodeProcess]
    let http: HTTPClient
    let logger: Logger
    let background: [Task<Void, Never>]
    let lock: FileLock

    /// Zone names are the region and a letter.
    static func zones(_ options: UpCommand) -> [String] {
        "abcdef".prefix(options.clusters).map { options.region + String($0) }
    }

    static func start(_ options: UpCommand, directory: StateDirectory) async throws -> OneMachineCloud {
        // What cannot work leaves no state directory behind. In one that is there, the lock is asked first: a cloud that
        // runs on it has the ports.
        let isNew = !FileSystem.exists(directory.root.path)
        if isNew {
            _ = try checkHypervisor(options)
            try checkPorts(options)
        }
        try directory.create()
        let lock = try takeLock(directory)
        if !isNew { try checkPorts(options) }
        LoggingSystem.bootstrap(try logHandler(directory))
        let logger = Logger(label: "mallee")
        let nodeBinary = try checkHypervisor(options)
        // What the options say wrongly is found before anything is open that would have to be closed.
        guard let firstZone = zones(options).first, ComponentName(role: .cluster, name: firstZone) != nil else {
            throw CommandFailure("\(options.region) cannot be a region's name.")
        }
        _ = try ClusterDaemon.policy(options.placement, program: options.placementProgram, logger: logger)
        let walrusFile = try options.walrusConfig.map { try ConfigurationFile(path: $0) }
        let gateway = try walrusFile.flatMap(GatewaySettings.init)
        let host = "127.0.0.1"
        let ec2URL = "http://\(host):\(options.portBase)/"
        let s3URL = "http://\(host):\(options.portBase + 7)"
        let authority = try CloudAuthority.open(directory: directory.authority.path)
        let audit = try AuditLog(path: directory.logs.appendingPathComponent("audit.log").path, logger: logger)
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
        var agreement: (any AllocationPolicy)?
        if let sla = options.sla {
            do {
                agreement = try AgreementFile.policy(sla, http: http)
            } catch {
                try await http.shutdown()
                throw error
            }
        }

        var clusters: [ClusterDaemon] = []
        var background: [Task<Void, Never>] = []
        for (index, zone) in zones(options).enumerated() {
            guard let name = ComponentName(role: .cluster, name: zone),
                let addresses = AddressPool(cidr: "127.\(index + 1).0.0/16")
            else { throw CommandFailure("\(options.region) cannot be a region's name.") }
            let place = directory.cluster(zone)
            let identity = try authority.identity(
                for: name, hosts: [host, "localhost"], directory: place.appendingPathComponent("identity").path)
            clusters.append(
                try await ClusterDaemon.open(
                    storePath: place.appendingPathComponent("cluster.db").path,
                    configuration: ClusterConfiguration(zone: zone, addresses: addresses),
                    policy: try ClusterDaemon.policy(
                        options.placement, program: options.placementProgram, logger: Logger(label: "cluster \(zone)")),
                    identity: identity, host: host, port: options.portBase + 1 + index, audit: audit,
                    logger: Logger(label: "cluster \(zone)")))
        }

        var settings = CloudConfiguration()
        settings.region = options.region
        settings.endpoint = "\(host):\(options.portBase)"
        settings.accountID = options.accountId
        if let agreement { settings.policy = agreement }
        settings.addressBlocks = Dictionary(
            zones(options).enumerated().map { ($0.element, "127.\($0.offset + 1).0.0/16") },
            uniquingKeysWith: { first, _ in first })
        let cloud = try await CloudDaemon.open(
            storePath: directory.cloud.appendingPathComponent("cloud.db").path,
            secretsPath: directory.cloud.appendingPathComponent(CloudDaemon.secretsFile).path, configuration: settings,
            zones: zip(zones(options), clusters).enumerated().map { index, zone in
                ZoneConnection(
                    name: zone.0, endpoint: "https://\(host):\(options.portBase + 1 + index)\(ClusterDaemon.path)",
                    service: zone.1.controller)
            }, walrusURL: s3URL, http: http, audit: audit, logger: Logger(label: "cloud"))
        var walrusSettings = WalrusSettings(region: options.region)
        walrusSettings.domains = try WalrusSettings.domains(options.s3Domain)
        walrusSettings.websiteDomains = try WalrusSettings.domains(options.websiteDomain)
        walrusSettings.quotaFile = options.quotaFile
        walrusSettings.gateway = gateway
        if let walrusFile { walrusSettings.lifecycleDay = try WalrusSettings.lifecycleDay(walrusFile) }
        let walrus = try await WalrusDaemon.open(
            root: directory.walrus.path, settings: walrusSettings,
            credentials: LocalCredentials(controller: cloud.controller), audit: audit)

        let listeners =
            [
                HTTPService(
                    .init(name: "walrus", host: host, port: options.portBase + 7), responder: walrus.s3,
                    logger: Logger(label: "walrus")),
                HTTPService(
                    .init(name: "cloud", host: host, port: options.portBase),
                    responder: PathDispatcher(
                        routes: cloud.routes() + walrus.sharedRoutes() + [walrus.metricsRoute()]),
                    logger: Logger(label: "cloud")),
            ] + clusters.map { $0.listener }
        for listener in listeners { try await listener.start() }
        for cluster in clusters { background.append(Task { await cluster.controller.run() }) }
        background.append(Task { await cloud.controller.run() })

        let nodes = try await startNodes(
            options, directory, authority: authority, binary: nodeBinary, logger: logger, background: &background)
        let credentials = Credentials(
            ec2URL: ec2URL, s3URL: s3URL, accessKeyID: cloud.key.id, secretKey: cloud.key.secret,
            region: options.region, accountID: cloud.account.id)
        try credentials.write(to: directory.eucarc)
        let identity = try ProcessIdentity.of(Host.processID)
        try JSONEncoder().encode(
            RunningCloud(process: identity?.description ?? "", ec2URL: ec2URL, s3URL: s3URL, zones: zones(options))
        ).write(to: directory.processFile, options: .atomic)
        return OneMachineCloud(
            directory: directory, options: options, credentials: credentials, cloud: cloud, walrus: walrus,
            clusters: clusters, listeners: listeners, nodes: nodes, http: http, logger: logger,
            background: background, lock: lock)
    }

    private static func takeLock(_ directory: StateDirectory) throws -> FileLock {
        let path = directory.run.appendingPathComponent("up.lock").path
        guard let lock = try FileLock.acquire(path) else {
            throw CommandFailure(
                "A cloud runs on \(directory.root.path) already. Stop it with `mallee down`, or name another --state-dir."
            )
        }
        return lock
    }

    /// Whether every port can be listened at; their listeners are opened later.
    private static func checkPorts(_ options: UpCommand) throws {
        let ports = [options.portBase, options.portBase + 7] + (0..<options.clusters).map { options.portBase + 1 + $0 }
        for port in ports {
            do throws(PosixError) {
                try Listener.tcp(address: "127.0.0.1", port: UInt16(clamping: port)).close()
            } catch {
                throw CommandFailure(
                    "Port \(port) of 127.0.0.1 cannot be used: \(error.reason). Stop what listens there, or choose other "
                        + "ports with --port-base.")
            }
        }
    }

    private static func logHandler(_ directory: StateDirectory) throws -> @Sendable (String) -> any LogHandler {
        let sink = try RotatingFileSink(path: directory.logs.appendingPathComponent("mallee.log").path)
        let level = Logger.Level(rawValue: ProcessInfo.processInfo.environment["MALLEE_LOG_LEVEL"] ?? "") ?? .info
        return { LineLogHandler(label: $0, level: level, sink: sink) }
    }

    /// The node's program; says what is missing for real guests before anything is started.
    private static func checkHypervisor(_ options: UpCommand) throws -> String {
        let own = try FileSystem.readLink("/proc/self/exe")
        let beside = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("mallee-node").path
        guard FileManager.default.isExecutableFile(atPath: beside) else {
            throw CommandFailure("\(beside) is missing; `make build` makes it beside mallee.")
        }
        if options.hypervisor == .qemu {
            do throws(HypervisorError) {
                try QEMUPrograms().check()
            } catch {
                throw CommandFailure(
                    "\(error.message). Or run a cloud without real guests: mallee up --hypervisor simulated")
            }
        }
        return beside
    }

    private static func startNodes(
        _ options: UpCommand, _ directory: StateDirectory, authority: CloudAuthority, binary: String, logger: Logger,
        background: inout [Task<Void, Never>]
    ) async throws -> [NodeProcess] {
        var nodes: [NodeProcess] = []
        for (index, zone) in zones(options).enumerated() {
            // Simulated nodes share one process; real ones have one each, as on hosts of their own.
            let names =
                options.hypervisor == .simulated
                ? ["\(zone)-sim"].prefix(options.nodes) : (0..<options.nodes).map { "\(zone)-node\($0 + 1)" }[...]
            for name in names {
                let place = directory.node(name)
                let identityPlace = place.appendingPathComponent("identity").path
                guard let component = ComponentName(role: .node, name: name) else {
                    throw CommandFailure("\(options.region) cannot be a region's name.")
                }
                _ = try authority.identity(for: component, hosts: ["127.0.0.1"], directory: identityPlace)
                let file = place.appendingPathComponent("node.conf")
                let log = directory.logs.appendingPathComponent("\(name).log").path
                try configuration(
                    options, name: name, place: place.path, identity: identityPlace, log: log,
                    cluster: options.portBase + 1 + index
                ).write(to: file, atomically: true, encoding: .utf8)
                let node = NodeProcess(
                    name: name, executable: binary, configuration: file.path, directory: place.path, log: log,
                    logger: logger)
                try await node.start()
                nodes.append(node)
                background.append(Task { await node.keepRunning() })
            }
        }
        return nodes
    }

    /// A node's share of this machine: its memory less a quarter for everything else, cores given away four times,
    /// since guests of a trial cloud mostly wait.
    private static func configuration(
        _ options: UpCommand, name: String, place: String, identity: String, log: String, cluster: Int
    ) throws -> String {
        let share = options.nodes * options.clusters
        let memory = Int(try Host.memory().total >> 20) * 3 / 4 / share
        var lines = [
            ("NODE_NAME", name), ("STATE_DIR", place + "/state"), ("LISTEN_ADDRESS", "127.0.0.1"),
            ("ADVERTISED_ADDRESS", "127.0.0.1"), ("LISTEN_PORT", "0"),
            ("CLUSTER_ENDPOINT", "https://127.0.0.1:\(cluster)\(ClusterDaemon.path)"),
            ("HYPERVISOR", options.hypervisor.rawValue), ("TLS_CERT", identity + "/component.crt"),
            ("TLS_KEY", identity + "/component.key"), ("TLS_CA", identity + "/ca.crt"), ("REGION", options.region),
            ("READY_FILE", place + "/ready"),
        ]
        if options.hypervisor == .simulated {
            lines += [("SIMULATED_NODES", String(options.nodes))]
        } else {
            lines += [("MAX_MEM", String(memory)), ("CORES_OVERCOMMIT", "4")]
        }
        return lines.map { "\($0.0)=\"\($0.1)\"\n" }.joined()
    }

    // MARK: Running

    /// Imports the demo image the first time and prints what a user needs to begin.
    func announce() async {
        print("Mallee \(MalleeRelease.version): \(Self.zones(options).joined(separator: ", ")) of \(options.region)")
        print("  EC2          \(credentials.ec2URL)")
        print("  S3           \(credentials.s3URL)")
        print("  credentials  \(directory.eucarc.path)")
        print("  logs         \(directory.logs.path)")
        if options.demo {
            do {
                let image = try await importImage()
                print(
                    """
                    Try, in another terminal:
                      . \(directory.eucarc.path)
                      aws ec2 run-instances --image-id \(image) --instance-type m1.small
                      aws ec2 describe-instances --query 'Reservations[].Instances[].[InstanceId,State.Name,PublicIpAddress]'
                    """)
            } catch {
                print(
                    "The demo image could not be made: \(error)\nTry again with `mallee image demo`, or import one of your own."
                )
            }
        }
        await waitForNodes()
        print("Ctrl-C stops the cloud.")
        fflush(nil)
        // Whoever waits for the cloud finds our pid here.
        try? "\(Host.processID)\n".write(
            to: directory.run.appendingPathComponent("ready"), atomically: true, encoding: .utf8)
    }

    /// Waits until the nodes can be used: after a restart they look for their guests before they register.
    private func waitForNodes() async {
        let deadline = ContinuousClock.now + .seconds(60)
        while await !hasAllNodes() {
            guard ContinuousClock.now < deadline else {
                print("Not all nodes are there yet; `mallee status` says more, and so do their logs.")
                return
            }
            do {
                try await Task.sleep(for: .milliseconds(50))
            } catch {
                return
            }
        }
    }

    /// Whether every node has found out what it can do, and the cloud controller has heard of it.
    private func hasAllNodes() async -> Bool {
        for cluster in clusters {
            do {
                let found = try await cluster.controller.describeNodes(.init()).node
                // One that is faulty is there as well, and says why.
                let usable = found.count { $0.state == .faulty || ($0.state != .down && $0.accelerator != nil) }
                guard usable >= options.nodes else { return false }
            } catch {
                return false
            }
        }
        let administrator = Caller(
            accountID: cloud.account.id, userName: Account.rootUserName, isAdministrator: true,
            accessKeyID: cloud.key.id, requestID: "up", sourceAddress: "")
        do {
            let zones = try await cloud.controller.describeAvailabilityZones(DescribeRequest(), as: administrator)
            return zones.allSatisfy { zone in
                zone.isAvailable && zone.nodes.count { $0.state != "down" } >= options.nodes
            }
        } catch {
            return false
        }
    }

    private func importImage() async throws -> String {
        let demo = directory.demo
        let simulated = options.hypervisor == .simulated
        return try await ImageImporter.with(
            credentials, bucket: "images", scratch: directory.run, bar: ProgressBar()
        ) { importer in
            if simulated { return try await importer.importBlank() }
            return try await importer.importDemo { try DemoImage.build(in: demo, progress: $0) }
        }
    }

    /// Waits for Ctrl-C or SIGTERM, then stops everything in order.
    func runUntilSignalled() async {
        await withCheckedContinuation { continuation in
            Foundation.Thread.detachNewThread {
                // Any failure of the wait itself ends the cloud too: it could not be stopped otherwise.
                _ = try? Signals.wait()
                continuation.resume()
            }
        }
        print("\nStopping: guests are shut down; they come back with the next start.")
        fflush(nil)
        await stop()
    }

    func stop() async {
        try? FileManager.default.removeItem(at: directory.run.appendingPathComponent("ready"))  // may not be there yet
        await withTaskGroup(of: Void.self) { group in
            for node in nodes { group.addTask { await node.stop() } }
        }
        for task in background { task.cancel() }
        for listener in listeners { await listener.stop() }
        for task in background { await task.value }
        await cloud.store.close()
        for cluster in clusters {
            await cluster.store.close()
            await shutdown("connections to nodes") { try await cluster.connections.shutdown() }
            await shutdown("connections to the cloud controller") { try await cluster.controlConnections.shutdown() }
        }
        await shutdown("object index") { try await walrus.backend.close() }
        await shutdown("connections to Walrus") { try await http.shutdown() }
        try? FileManager.default.removeItem(at: directory.processFile)  // a dead process's file is recognised anyway
    }

    private func shutdown(_ what: String, _ body: () async throws -> Void) async {
        do { try await body() } catch {
            logger.warning("Something did not close cleanly.", metadata: ["what": "\(what)", "error": "\(error)"])
        }
    }
}
