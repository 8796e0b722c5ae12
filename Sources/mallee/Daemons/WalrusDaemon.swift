import AsyncHTTPClient
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import ObjectStore
import S3
import S3SOAP
import ServiceHost
import Walrus

/// Walrus behind its interface, with its background work, wired.
struct WalrusDaemon: Sendable {
    let backend: RunningStore
    let s3: OnEventLoop<S3SOAPResponder<ServiceRequestContext>>
    private let walrus: Walrus
    private let metrics: S3Metrics

    /// The store and whatever works on it by itself.
    struct RunningStore: Sendable {
        fileprivate let files: FileBackend
        /// Connections to the S3 store behind this one.
        fileprivate let http: HTTPClient?
        fileprivate let background: [Task<Void, Never>]

        /// Ends the background work and closes the store. The listeners must have stopped.
        func close() async throws {
            for task in background { task.cancel() }
            for task in background { await task.value }
            try await files.close()
            try await http?.shutdown()
        }
    }

    /// Opens the objects below `root` and begins the background work.
    static func open(
        root: String, settings: WalrusSettings, credentials: any S3CredentialSource, audit: AuditLog?
    ) async throws -> WalrusDaemon {
        let quota: any WalrusQuota = try settings.quotaFile.map { try QuotaFile($0) } ?? UniformQuota()
        var store = FileBackendConfiguration(root: root, reserve: settings.reserve, durability: settings.durability)
        store.place = settings.gateway?.place ?? .files
        let files = try await FileBackend.open(store)
        announce(files.recovery)
        let http: HTTPClient?
        do {
            http = try await settings.gateway?.attach(to: files)
        } catch {
            try await files.close()
            throw error
        }
        let walrus = Walrus(
            backend: files,
            configuration: WalrusConfiguration(region: settings.region, lifecycleDay: settings.lifecycleDay),
            quota: quota)
        let metrics = S3Metrics()
        let accessLog = S3AccessLog(walrus)
        let webhooks = Webhooks()
        let background = [
            Task { await LifecycleWorker(walrus).run() }, Task { await accessLog.run() },
            Task { await webhooks.run() }, Task { await scrub(files) }, Task { await checkIndex(files) },
            Task { await walrus.moves.run(files) },
        ]
        let rest = S3Responder<ServiceRequestContext>(
            walrus: walrus, credentials: credentials,
            configuration: S3Configuration(baseDomains: settings.domains, websiteDomains: settings.websiteDomains),
            accessLog: accessLog, events: webhooks, observer: audit.map(AuditedChanges.init), metrics: metrics,
            channel: { $0.channel }, fileSender: { $0.fileSender })
        let clock: @Sendable () -> Int64 = { walrus.clock() / 1000 }
        return WalrusDaemon(
            backend: RunningStore(files: files, http: http, background: background),
            s3: OnEventLoop(
                S3SOAPResponder(
                    s3: rest, credentials: credentials, configuration: S3SOAPConfiguration(clock: clock),
                    startedAt: clock(),
                    isProtected: { context in
                        if isLoopback(context.remoteAddress) { return true }
                        return try await context.isSecure()
                    }, isSecure: { try await $0.isSecure() })),
            walrus: walrus, metrics: metrics)
    }

    /// Whether the other end is a process of this host.
    private static func isLoopback(_ address: SocketAddress?) -> Bool {
        guard let text = address?.ipAddress else { return false }
        return text.hasPrefix("127.") || text == "::1" || text.hasPrefix("::ffff:127.")
    }

    /// Says what opening the store has mended, and what it could not.
    private static func announce(_ report: RecoveryReport) {
        let logger = Logger(label: "walrus.store")
        if let cause = report.rebuilt {
            logger.warning(
                "The index \(cause); it was made anew from the journal",
                metadata: ["rows": "\(report.rows)", "damage": "\(report.damage.count)"])
        } else if report.replayed > 0 {
            logger.info("Changes were taken from the journal", metadata: ["groups": "\(report.replayed)"])
        }
        for damage in report.damage {
            logger.error("Something of the journal is lost", metadata: ["cause": "\(damage)"])
        }
        if report.orphans > 0 {
            logger.info("Files of unfinished writes were removed", metadata: ["files": "\(report.orphans)"])
        }
        if report.strays > 0 {
            logger.warning("Files without a record were kept", metadata: ["files": "\(report.strays)"])
        }
    }

    /// Reads the whole index once: a large one is not read when it is opened.
    private static func checkIndex(_ files: FileBackend) async {
        let logger = Logger(label: "walrus.store")
        do {
            if let problem = try await files.checkIndex() {
                logger.critical(
                    "The index is damaged; restart the service, which makes it anew from the journal",
                    metadata: ["cause": "\(problem)"])
            }
        } catch is CancellationError {
            return
        } catch {
            logger.error("The index could not be checked", metadata: ["error": "\(error)"])
        }
    }

    /// Where Prometheus finds the figures.
    func metricsRoute() -> PathDispatcher.Route {
        let (walrus, metrics, files) = (walrus, metrics, backend.files)
        return .exact("/metrics", MetricsResponder { await Self.figures(walrus, metrics, files) })
    }

    private static func figures(_ walrus: Walrus, _ metrics: S3Metrics, _ files: FileBackend) async -> String {
        var gauges: [S3Metrics.Gauge] = []
        let figures = files.figures
        func add(_ name: String, _ help: String, _ value: Double, kind: String = "gauge") {
            gauges.append(.init("mallee_walrus_" + name, help, kind: kind, [([], value)]))
        }
        add("commits_total", "Groups of writes that were synced together.", Double(figures.commits), kind: "counter")
        add("writes_total", "Writes of the index.", Double(figures.writes), kind: "counter")
        add("free_bytes", "Bytes that are free on the store's file system.", Double(figures.freeBytes))
        add("reserved_bytes", "Bytes of it that stay free.", Double(figures.reserve))
        add("snapshot_failed", "Whether the last snapshot of the index failed.", figures.snapshotFailure == nil ? 0 : 1)
        do {
            let buckets = try await walrus.allUsage()
            func each(_ name: String, _ help: String, _ value: (StorageUsage) -> Int64) {
                gauges.append(
                    .init(
                        "mallee_walrus_bucket_" + name, help,
                        buckets.map {
                            ([("bucket", $0.record.name), ("account", $0.record.owner)], Double(value($0.usage)))
                        }))
            }
            each("objects", "Objects and versions of a bucket.") { $0.objects }
            each("bytes", "Their bytes.") { $0.bytes }
            each("part_bytes", "Bytes of parts of uploads under way.") { $0.partBytes }
        } catch {
            Logger(label: "walrus.metrics").warning("Usage is not known", metadata: ["error": "\(error)"])
        }
        return metrics.text(gauges)
    }

    /// Once a day, reads everything that is stored and says what is damaged.
    private static func scrub(_ files: FileBackend) async {
        let logger = Logger(label: "walrus.scrubber")
        while !Task.isCancelled {
            // A store that was just opened has other work.
            do { try await Task.sleep(for: .seconds(86_400)) } catch { return }
            do {
                let outcome = try await files.scrub()
                logger.info(
                    "The stored files were checked",
                    metadata: ["files": "\(outcome.contents)", "damaged": "\(outcome.damaged.count)"])
                for problem in outcome.damaged.prefix(1000) {
                    logger.error(
                        "A stored file is damaged; restore it from a backup", metadata: ["cause": "\(problem)"])
                }
                if files.hasRemote { try await audit(files, logger) }
            } catch is CancellationError {
                return
            } catch {
                logger.error("The stored files could not be checked", metadata: ["error": "\(error)"])
            }
        }
    }

    private static func audit(_ files: FileBackend, _ logger: Logger) async throws {
        let audit = try await files.auditRemote()
        logger.info(
            "The S3 store behind Walrus was compared with the index",
            metadata: [
                "contents": "\(audit.contents)", "removed": "\(audit.removed)", "missing": "\(audit.missing.count)",
            ])
        for name in audit.missing.prefix(1000) {
            logger.error(
                "A content is missing in the S3 store; restore it from a backup", metadata: ["name": "\(name)"])
        }
    }

    /// The prefixes under which S3 answers on a listener that it shares.
    func sharedRoutes() -> [PathDispatcher.Route] {
        [.prefix("/services/Walrus", s3), .prefix("/services/objectstorage", s3)]
    }
}

/// Delivers event notifications by POST, one after the other, with three attempts each. What waits is bounded and does
/// not outlive the process: S3 too promises no more than to try.
final class Webhooks: S3EventSink {
    private struct Message: Sendable {
        var bytes: [UInt8]
        var url: String
    }

    private static let mostWaiting = 1000

    private let queue: AsyncStream<Message>
    private let entrance: AsyncStream<Message>.Continuation
    private let logger = Logger(label: "walrus.webhooks")

    init() {
        (queue, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.mostWaiting))
    }

    func deliver(_ message: [UInt8], to url: String) async {
        if case .dropped = entrance.yield(Message(bytes: message, url: url)) {
            logger.warning("A notification was dropped: too many are waiting", metadata: ["url": "\(url)"])
        }
    }

    /// Works until its task is cancelled.
    func run() async {
        for await message in queue {
            var failure = ""
            for attempt in 1...3 {
                do {
                    var request = HTTPClientRequest(url: message.url)
                    request.method = .POST
                    request.headers.add(name: "content-type", value: "application/json")
                    request.body = .bytes(message.bytes)
                    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
                    failure = (200..<300).contains(response.status.code) ? "" : "status \(response.status.code)"
                } catch {
                    failure = "\(error)"
                }
                if failure.isEmpty || Task.isCancelled { break }
                do { try await Task.sleep(for: .seconds(attempt)) } catch { break }
            }
            if !failure.isEmpty {
                logger.warning(
                    "A notification was not delivered", metadata: ["url": "\(message.url)", "cause": "\(failure)"])
            }
        }
    }
}
