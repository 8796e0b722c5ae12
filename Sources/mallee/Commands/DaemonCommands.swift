import ArgumentParser
import AsyncHTTPClient
import CloudClient
import CloudController
import CloudModel
import ClusterController
import Contracts
import Foundation
import Hummingbird
import Logging
import NIOPosix
import ObjectStore
import Posix
import ServiceHost
import Store

/// What every daemon that runs by itself needs.
struct DaemonOptions: ParsableArguments {
    @Option(help: "Configuration file with KEY=\"value\" lines.", completion: .file())
    var config: String
}

/// A daemon's life: logs, tells the service manager, runs until SIGTERM or SIGINT, closes.
struct Daemon {
    let file: ConfigurationFile
    let logger: Logger
    /// Nil if the log goes to standard error.
    private let sink: RotatingFileSink?
    private let manager = ServiceNotification()

    /// Reads the configuration and starts the log.
    init(_ options: DaemonOptions, label: String, keys: Set<String>) throws {
        file = try ConfigurationFile(path: options.config)
        let level = Logger.Level(rawValue: file.string("LOGLEVEL", default: "info").lowercased()) ?? .info
        if let path = file.optional("LOG_FILE") {
            let sink = try RotatingFileSink(path: path)
            self.sink = sink
            LoggingSystem.bootstrap { LineLogHandler(label: $0, level: level, sink: sink) }
        } else {
            sink = nil
            LoggingSystem.bootstrap { LineLogHandler(label: $0, level: level, sink: StandardErrorSink()) }
        }
        logger = Logger(label: label)
        let common: Set<String> = [
            "LOG_FILE", "LOGLEVEL", "STATE_DIR", "LISTEN_ADDRESS", "IDENTITY_DIR", "READY_FILE", "REGION",
            "AUDIT_LOG", "AUDIT_LOG_SIZE", "AUDIT_LOG_KEEP",
        ]
        for key in file.unknown(besides: keys.union(common)) {
            logger.warning("The configuration sets a key that has no effect.", metadata: ["key": "\(key)"])
        }
    }

    func identity() throws -> ComponentIdentity {
        try ComponentIdentity.load(directory: file.required("IDENTITY_DIR"))
    }

    func stateDirectory() throws -> URL {
        let directory = URL(fileURLWithPath: try file.required("STATE_DIR"))
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return directory
    }

    var host: String { file.string("LISTEN_ADDRESS", default: "127.0.0.1") }

    /// Opens the audit log: AUDIT_LOG, or beside LOG_FILE, or in STATE_DIR; nil for AUDIT_LOG="none".
    func audit() throws -> AuditLog? {
        let path: String
        if let configured = file.optional("AUDIT_LOG") {
            if configured == "none" { return nil }
            path = configured
        } else if let log = file.optional("LOG_FILE") {
            path = (log.hasSuffix(".log") ? String(log.dropLast(4)) : log) + "-audit.log"
        } else {
            path = try stateDirectory().appendingPathComponent("audit.log").path
        }
        return try AuditLog(
            path: path,
            maximumBytes: try file.integer("AUDIT_LOG_SIZE", default: AuditLog.defaultBytes >> 20, in: 1...1 << 20)
                << 20,
            keep: try file.integer("AUDIT_LOG_KEEP", default: AuditLog.defaultKeep, in: 1...1000), logger: logger)
    }

    /// Listens, runs the background work, waits for SIGTERM or SIGINT, and stops. SIGHUP opens the log files anew.
    func run(
        _ listeners: [HTTPService], audit: AuditLog?, background: [@Sendable () async -> Void] = []
    ) async throws {
        for listener in listeners { try await listener.start() }
        let tasks = background.map { work in Task { await work() } }
        if let ready = file.optional("READY_FILE") {
            try "\(Host.processID)\n".write(toFile: ready, atomically: true, encoding: .utf8)
        }
        notify { () throws(PosixError) in try manager.ready("Serving.") }
        await withCheckedContinuation { continuation in
            Foundation.Thread.detachNewThread { [sink] in
                // Any failure of the wait itself ends the daemon too: it could not be stopped otherwise.
                while let number = try? Signals.wait(), number == Signals.hangup {
                    sink?.reopen()
                    audit?.reopen()
                }
                continuation.resume()
            }
        }
        logger.info("Stopping.")
        notify { () throws(PosixError) in try manager.stopping() }
        for task in tasks { task.cancel() }
        for listener in listeners { await listener.stop() }
        for task in tasks { await task.value }
    }
}

extension Daemon {
    /// A service manager that cannot be told is no reason to stop serving, but it will end a start that seems to hang.
    private func notify(_ body: () throws(PosixError) -> Bool) {
        do throws(PosixError) {
            _ = try body()
        } catch {
            logger.warning(
                "The service manager cannot be told of the service's state.", metadata: ["error": "\(error)"])
        }
    }
}

/// The cloud controller by itself, and the key of its secrets.
struct CloudCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cloud", abstract: "Run the cloud controller (--config), or rotate its key (key).",
        subcommands: [CloudRunCommand.self, CloudKeyCommand.self], defaultSubcommand: CloudRunCommand.self)
}

/// The cloud controller by itself.
struct CloudRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the cloud controller.",
        discussion: """
            Keys: STATE_DIR, LISTEN_ADDRESS, CLOUD_PORT (8773), CONTROL_PORT (8778, for components), REGION, ACCOUNT_ID, \
            ZONES ("us-east-1a=https://host:8774/services/ClusterController …"), WALRUS_URL, PUBLIC_WALRUS_URL (for \
            credentials, default WALRUS_URL), PUBLIC_ENDPOINT, IDENTITY_DIR, AUTHORITY_DIR \
            (/var/lib/mallee/authority; signs the keys of nodes that enrol), EUCARC (written with the administrator's \
            credentials), SECRETS_KEY_FILE (the key that wraps the secrets in the store, made by the first start; default \
            secrets.key in STATE_DIR), SUBNETS (the zones' blocks, as users see them: "us-east-1a=10.1.0.0/16 …"), SLA \
            (a file in JSON with quotas, leases, fair share or a program of the site's, such as \
            {"quota": {"instances": 10}, "leases": [{"seconds": 86400}]}; docs/service-level-agreements.md), \
            READY_FILE, LOG_FILE, LOGLEVEL, AUDIT_LOG (one line in JSON for each change; default NAME-audit.log beside \
            LOG_FILE, or audit.log in STATE_DIR; "none" for none), AUDIT_LOG_SIZE (MiB, 64), AUDIT_LOG_KEEP (old files, \
            10); walrus and cluster have the last three too.
            """)

    @OptionGroup var options: DaemonOptions

    func run() async throws {
        let daemon = try Daemon(
            options, label: "cloud",
            keys: [
                "CLOUD_PORT", "CONTROL_PORT", "ACCOUNT_ID", "ZONES", "WALRUS_URL", "PUBLIC_WALRUS_URL",
                "PUBLIC_ENDPOINT", "EUCARC", "AUTHORITY_DIR", "SECRETS_KEY_FILE", "SLA",
                "SUBNETS",
            ])
        let file = daemon.file
        let state = try daemon.stateDirectory()
        let identity = try daemon.identity()
        let port = try file.integer("CLOUD_PORT", default: 8773, in: 1...65_535)
        let connections = try ServiceConnections(identity: identity)
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
        var zones: [ZoneConnection] = []
        for word in file.words("ZONES") {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw CommandFailure("\(file.path): ZONES must hold NAME=URL pairs, and \"\(word)\" is none.")
            }
            zones.append(
                ZoneConnection(
                    name: parts[0], endpoint: parts[1],
                    service: ClusterContract.AsyncClient(
                        transport: connections.transport(to: parts[1], of: try .zone(parts[0], in: file.path)))))
        }
        var settings = CloudConfiguration()
        settings.region = file.string("REGION", default: "us-east-1")
        settings.endpoint = file.string("PUBLIC_ENDPOINT", default: "\(daemon.host):\(port)")
        settings.accountID = file.optional("ACCOUNT_ID")
        if let agreement = file.optional("SLA") {
            do {
                settings.policy = try AgreementFile.policy(agreement, http: http)
            } catch {
                // A client that is not shut down would end the process before it says why.
                try await http.shutdown()
                throw error
            }
        }
        for entry in file.string("SUBNETS", default: "").split(separator: " ") {
            let parts = entry.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else {
                throw CommandFailure("\(file.path): SUBNETS takes ZONE=BLOCK, such as us-east-1a=10.1.0.0/16.")
            }
            settings.addressBlocks[String(parts[0])] = String(parts[1])
        }
        // Shorter than the time limit of a call, so that a quiet zone is not taken for a dead one.
        settings.pollWait = 20_000
        let walrusURL = try file.required("WALRUS_URL")
        let audit = try daemon.audit()
        let cloud = try await CloudDaemon.open(
            storePath: state.appendingPathComponent("cloud.db").path,
            secretsPath: file.optional("SECRETS_KEY_FILE")
                ?? state.appendingPathComponent(CloudDaemon.secretsFile).path, configuration: settings, zones: zones,
            walrusURL: walrusURL, http: http, audit: audit, logger: daemon.logger)
        if let eucarc = file.optional("EUCARC") {
            try Credentials(
                ec2URL: "http://\(settings.endpoint)/", s3URL: file.optional("PUBLIC_WALRUS_URL") ?? walrusURL,
                accessKeyID: cloud.key.id, secretKey: cloud.key.secret, region: settings.region,
                accountID: cloud.account.id
            ).write(to: URL(fileURLWithPath: eucarc))
        }
        let contract = SOAPResponder.cloud(
            CloudContractService(
                controller: cloud.controller, authority: try Self.authority(file, of: identity, logger: daemon.logger),
                logger: daemon.logger), observer: { audit?.record($0) })
        try await daemon.run(
            [
                HTTPService(
                    .init(name: "cloud", host: daemon.host, port: port),
                    responder: PathDispatcher(routes: cloud.routes()), logger: daemon.logger),
                HTTPService(
                    .init(
                        name: "cloud control", host: daemon.host,
                        port: try file.integer("CONTROL_PORT", default: 8778, in: 1...65_535),
                        tls: try identity.serverTLS(clients: .required)),
                    responder: PathDispatcher(routes: [
                        .prefix("/services/CloudController", contract), .exact("/services/types.xsd", contract),
                    ]), logger: daemon.logger),
            ], audit: audit, background: [{ await cloud.controller.run() }])
        await cloud.store.close()
        try await connections.shutdown()
        try await http.shutdown()
    }
}

extension CloudRunCommand {
    /// The cloud's authority, if its key is on this host and can be read; without it nodes cannot enrol.
    private static func authority(
        _ file: ConfigurationFile, of identity: ComponentIdentity, logger: Logger
    ) throws -> CloudAuthority? {
        let directory = file.string("AUTHORITY_DIR", default: "/var/lib/mallee/authority")
        if file.optional("AUTHORITY_DIR") == nil, !FileManager.default.isReadableFile(atPath: directory + "/ca.key") {
            logger.info("Nodes cannot enrol: there is no authority here.", metadata: ["directory": "\(directory)"])
            return nil
        }
        let authority = try CloudAuthority.load(directory: directory)
        guard authority.certificate == identity.authority else {
            throw CommandFailure(
                "The authority in \(directory) is not the one that issued this component's certificate; set AUTHORITY_DIR "
                    + "to the right one, or issue the identity again.")
        }
        return authority
    }
}

/// A cluster controller by itself.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Run the cluster controller of one availability zone.",
        discussion: """
            Keys: STATE_DIR, LISTEN_ADDRESS, CC_PORT (8774), ZONE, ADDRESSES ("127.1.0.0/16"), SCHEDPOLICY \
            (ROUNDROBIN), SCHEDPATH, HEARTBEAT (ms, 5000), IDENTITY_DIR, ALLOW_PLAIN_HTTP (Y: no TLS, for trials on \
            loopback only), READY_FILE, LOG_FILE, LOGLEVEL. Nodes enrol by themselves with: ENROLMENT_SECRET_FILE, \
            ENROLMENT (auto, or approve: `mallee node approve`), ENROLMENT_PORT (8777), CLOUD_CONTROL \
            ("https://host:8778/services/CloudController").
            """)

    @OptionGroup var options: DaemonOptions

    func run() async throws {
        let daemon = try Daemon(
            options, label: "cluster",
            keys: [
                "CC_PORT", "ZONE", "ADDRESSES", "SCHEDPOLICY", "SCHEDPATH", "HEARTBEAT", "ALLOW_PLAIN_HTTP",
                "ENROLMENT", "ENROLMENT_PORT", "ENROLMENT_SECRET_FILE", "CLOUD_CONTROL",
            ])
        let file = daemon.file
        let block = file.string("ADDRESSES", default: "127.1.0.0/16")
        guard let addresses = AddressPool(cidr: block) else {
            throw CommandFailure("\(file.path): ADDRESSES is \"\(block)\"; it must be an IPv4 block from /8 to /29.")
        }
        let isPlain = file.string("ALLOW_PLAIN_HTTP", default: "N").uppercased() == "Y"
        if isPlain && !daemon.host.hasPrefix("127.") {
            throw CommandFailure(
                "\(file.path): ALLOW_PLAIN_HTTP is for loopback addresses only; set IDENTITY_DIR instead.")
        }
        let identity = isPlain ? nil : try daemon.identity()
        let zone = try file.required("ZONE")
        // The cloud controller would refuse to talk to it.
        if let name = identity?.name, .component(name) != (try ExpectedPeer.zone(zone, in: file.path)) {
            throw CommandFailure(
                "\(file.path): ZONE is \(zone), but IDENTITY_DIR has the certificate of \(name). Make one for this zone: "
                    + "mallee certificate --role cluster --name \(zone).")
        }
        let audit = try daemon.audit()
        let cluster = try await ClusterDaemon.open(
            storePath: daemon.stateDirectory().appendingPathComponent("cluster.db").path,
            configuration: ClusterConfiguration(
                zone: zone, addresses: addresses,
                heartbeatMilliseconds: try file.integer("HEARTBEAT", default: 5000, in: 100...60_000)),
            policy: try ClusterDaemon.policy(
                file.string("SCHEDPOLICY", default: "ROUNDROBIN"), program: file.optional("SCHEDPATH"),
                logger: daemon.logger),
            identity: identity, host: daemon.host,
            port: try file.integer("CC_PORT", default: 8774, in: 1...65_535), audit: audit, logger: daemon.logger)
        do {
            let enrolment = try EnrolmentDaemon.open(
                file, cluster: cluster, identity: identity, host: daemon.host, logger: daemon.logger)
            try await daemon.run(
                [cluster.listener] + (enrolment.map { [$0.listener] } ?? []), audit: audit,
                background: [{ await cluster.controller.run() }])
        } catch {
            // Connections that are not closed would end the process before it says why.
            try await cluster.close()
            throw error
        }
        try await cluster.close()
    }
}
