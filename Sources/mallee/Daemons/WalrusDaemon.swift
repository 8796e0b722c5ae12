import AsyncHTTPClient
import Hummingbird
import Logging
import NIOHTTP1
import ObjectStore
import S3
import ServiceHost
import Walrus

/// Walrus behind its interface, with its background work, wired.
struct WalrusDaemon: Sendable {
    let backend: RunningStore
    let s3: S3Responder<ServiceRequestContext>

    /// The store and whatever works on it by itself.
    struct RunningStore: Sendable {
        fileprivate let files: FileBackend
        fileprivate let background: [Task<Void, Never>]

        /// Ends the background work and closes the store. The listeners must have stopped.
        func close() async throws {
            for task in background { task.cancel() }
            for task in background { await task.value }
            try await files.close()
        }
    }

    /// Opens the objects below `root` and begins the background work.
    static func open(root: String, region: String, credentials: any S3CredentialSource) async throws -> WalrusDaemon {
        let files = try await FileBackend.open(FileBackendConfiguration(root: root))
        let walrus = Walrus(backend: files, configuration: WalrusConfiguration(region: region))
        let accessLog = S3AccessLog(walrus)
        let webhooks = Webhooks()
        let background = [
            Task { await LifecycleWorker(walrus).run() }, Task { await accessLog.run() },
            Task { await webhooks.run() }, Task { await scrub(files) },
        ]
        return WalrusDaemon(
            backend: RunningStore(files: files, background: background),
            s3: S3Responder(
                walrus: walrus, credentials: credentials, accessLog: accessLog, events: webhooks,
                channel: { $0.channel }))
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
            } catch is CancellationError {
                return
            } catch {
                logger.error("The stored files could not be checked", metadata: ["error": "\(error)"])
            }
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
