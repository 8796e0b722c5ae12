import ArgumentParser
import Contracts
import Foundation
import Hummingbird
import Logging
import ObjectStore
import S3
import ServiceHost
import Walrus

/// Walrus by itself, and what is done with its store while it does not run.
struct WalrusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "walrus", abstract: "Run Walrus, the object store; check or mend its store.",
        subcommands: [
            WalrusServeCommand.self, WalrusCheckCommand.self, WalrusRebuildCommand.self, WalrusMigrateCommand.self,
            WalrusPlacesCommand.self,
        ],
        defaultSubcommand: WalrusServeCommand.self)
}

/// Serves.
struct WalrusServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run Walrus, the object store.",
        discussion: """
            Keys: STATE_DIR, LISTEN_ADDRESS, WALRUS_PORT (8780), CLOUD_ENDPOINT \
            ("https://host:8778/services/CloudController"), REGION, IDENTITY_DIR, READY_FILE, LOG_FILE, LOGLEVEL, \
            \(WalrusSettings.help).
            """)

    @OptionGroup var options: DaemonOptions

    func run() async throws {
        let daemon = try Daemon(
            options, label: "walrus", keys: WalrusSettings.keys.union(["WALRUS_PORT", "CLOUD_ENDPOINT"]))
        let file = daemon.file
        let connections = try ServiceConnections(identity: daemon.identity())
        let cloud = CloudContract.AsyncClient(
            transport: connections.transport(to: try file.required("CLOUD_ENDPOINT"), of: .role(.cloud)))
        let audit = try daemon.audit()
        let walrus = try await WalrusDaemon.open(
            root: daemon.stateDirectory().path, settings: try WalrusSettings(file),
            credentials: RemoteCredentials(cloud: cloud), audit: audit)
        var listeners = [
            HTTPService(
                .init(
                    name: "walrus", host: daemon.host,
                    port: try file.integer("WALRUS_PORT", default: 8780, in: 1...65_535)),
                responder: PathDispatcher(
                    routes: walrus.sharedRoutes() + [.exact("/healthz", HealthResponder())], fallback: walrus.s3),
                logger: daemon.logger)
        ]
        if file.optional("METRICS_PORT") != nil {
            listeners.append(
                HTTPService(
                    .init(
                        name: "walrus metrics", host: file.string("METRICS_ADDRESS", default: "127.0.0.1"),
                        port: try file.integer("METRICS_PORT", default: 8781, in: 1...65_535)),
                    responder: PathDispatcher(routes: [walrus.metricsRoute()]), logger: daemon.logger))
        }
        try await daemon.run(listeners, audit: audit)
        try await walrus.backend.close()
        try await connections.shutdown()
    }
}

/// Where a store lies.
struct WalrusStoreOptions: ParsableArguments {
    @Option(help: "Walrus' configuration file, whose STATE_DIR is the store.", completion: .file())
    var config: String?

    @Option(help: "The store's directory.", completion: .directory)
    var directory: String?

    func root() throws -> String {
        if let directory { return directory }
        guard let config else { throw ValidationError("Name the store: --config FILE or --directory DIRECTORY.") }
        return try ConfigurationFile(path: config).required("STATE_DIR")
    }
}

/// Reads index and journal.
struct WalrusCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Read a store that is not in use, and say what is damaged.",
        discussion: "Changes nothing. Ends with status 1 if anything is damaged.")

    @OptionGroup var store: WalrusStoreOptions
    @Flag(help: "Read all contents as well.") var contents = false

    func run() async throws {
        let root = try store.root()
        var problems = try StoreMaintenance.check(root: root)
        if contents, problems.isEmpty {
            let files = try await FileBackend.open(FileBackendConfiguration(root: root))
            let outcome = try await files.scrub(pause: .zero)
            try await files.close()
            print("\(outcome.contents) contents, \(outcome.bytes) bytes read.")
            problems += outcome.damaged
        }
        for problem in problems { print(problem) }
        guard problems.isEmpty else {
            throw CommandFailure(
                "\(problems.count) problem(s). A damaged index is made anew at the next start, or by "
                    + "`mallee walrus rebuild`; contents come back from a backup only.")
        }
        print("The store is whole.")
    }
}

/// Makes the index anew.
struct WalrusRebuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild", abstract: "Make the index of a store that is not in use anew from its journal.",
        discussion: "The former index stays beside it, as index.damaged-TIME.")

    @OptionGroup var store: WalrusStoreOptions

    func run() async throws {
        let report = try await StoreMaintenance.rebuild(root: try store.root())
        print("The index was made anew: \(report.rows) rows.")
        for problem in report.damage { print(problem) }
        if report.strays > 0 {
            print("\(report.strays) files under data/ have no record; they were kept.")
        }
        guard report.damage.isEmpty else { throw CommandFailure("Something of the journal could not be read.") }
    }
}
