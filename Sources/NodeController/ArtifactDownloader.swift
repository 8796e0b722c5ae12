// Fetches one artifact by HTTP GET into a file and verifies its digest on the way.
//
// A broken transfer goes on where it ended (Range), after a growing pause; an attempt that brought something starts
// the count anew. What the server refuses for good (404, 403) is not tried again. A digest that does not fit is tried
// once more from the beginning, since the bytes may have been damaged on the way.

public import BlockingHTTP
import Contracts
public import Posix
import TLS

/// The client side of artifacts.
public final class ArtifactDownloader: Sendable {
    /// How hard to try.
    public struct Patience: Sendable {
        /// Attempts in a row that bring nothing.
        public var attempts = 7
        /// Pause after the first of them, doubled after each further one.
        public var firstPause: Milliseconds = 250
        /// Longest pause.
        public var lastPause: Milliseconds = 15_000

        /// The defaults: about half a minute without a byte.
        public init() {}
    }

    private let client: HTTPClient
    private let patience: Patience

    /// A downloader over a client, whose time limits apply to each attempt.
    public init(client: HTTPClient, patience: Patience = Patience()) {
        self.client = client
        self.patience = patience
    }

    /// One transfer: the file, what it holds, and its digest so far.
    private final class Transfer {
        let file: File
        var hash = SHA256()
        var done: Int64 = 0

        /// Opens the file; what it holds already counts, up to the artifact's size.
        init(path: String, sizeBytes: Int64) throws(PosixError) {
            file = try File(path, [.read, .write, .create], permissions: 0o600)
            if try file.status().size > sizeBytes { try restart() }
            while true {
                let bytes = try file.read(1 << 20)
                if bytes.isEmpty { break }
                hash.update(bytes)
                done += Int64(bytes.count)
            }
        }

        func restart() throws(PosixError) {
            try file.truncate(to: 0)
            try file.seek(0)
            hash = SHA256()
            done = 0
        }

        func add(_ piece: UnsafeRawBufferPointer) throws(PosixError) {
            try file.write(piece)
            hash.update(piece)
            done += Int64(piece.count)
        }
    }

    /// Marks an end that this side wanted; not an error code of the kernel's own.
    private enum Stop { case none, cancelled, tooLong, disk(PosixError) }

    /// What an attempt led to.
    private enum Attempt {
        case complete
        case again(String)
        case final(StepFailure)
    }

    func fetch(
        _ artifact: Contract.Artifact, to path: String, log: NodeLog, context: NodeLog.Context,
        isCancelled: () -> Bool
    ) throws(FetchFailure) {
        let transfer: Transfer
        do throws(PosixError) {
            transfer = try Transfer(path: path, sizeBytes: artifact.sizeBytes)
        } catch {
            throw .failed(StepFailure(error, doing: "writing \(artifact.artifactId) to the image cache"))
        }
        guard let url = HTTPURL(artifact.url) else {
            throw .failed(StepFailure(.image, "\(artifact.artifactId) has a URL that is not understood"))
        }
        var failures = 0
        var hasStartedOver = false
        while true {
            if isCancelled() { throw .cancelled }
            let before = transfer.done
            let attempt =
                try transfer.done < artifact.sizeBytes || artifact.sizeBytes == 0
                ? run(artifact, url, transfer, isCancelled) : .complete
            switch attempt {
            case .complete:
                if try isVerified(artifact, transfer) { return }
                guard !hasStartedOver else {
                    throw .failed(
                        StepFailure(
                            .image,
                            "\(artifact.artifactId) has not the digest that it was registered with (expected "
                                + "\(artifact.sha256), got \(Hex.encode(transfer.hash.digestSoFar()))); "
                                + "upload and register the image again"))
                }
                hasStartedOver = true
                log.warning("\(artifact.artifactId) came with a wrong digest, fetching it once more", context)
                try file(artifact) { () throws(PosixError) in try transfer.restart() }
            case .final(let failure): throw .failed(failure)
            case .again(let why):
                failures = transfer.done > before ? 1 : failures + 1
                guard failures < patience.attempts else {
                    throw .failed(
                        StepFailure(
                            .internal,
                            "\(artifact.artifactId) could not be fetched (\(patience.attempts) attempts), last: \(why); "
                                + "check that the object store runs and this node can reach it"))
                }
                log.warning("\(artifact.artifactId) broke off at byte \(transfer.done), trying again: \(why)", context)
                rest(failures, isCancelled)
            }
        }
    }

    /// Sleeps the pause after so many failures, in short pieces that notice a cancellation.
    private func rest(_ failures: Int, _ isCancelled: () -> Bool) {
        var pause = patience.firstPause
        for _ in 1..<max(2, failures) where failures > 1 && pause < patience.lastPause { pause *= 2 }
        let deadline = Deadline(after: min(pause, patience.lastPause))
        while !deadline.isPast, !isCancelled() { Thread.sleep(min(100, deadline.remaining ?? 100)) }
    }

    private func run(
        _ artifact: Contract.Artifact, _ url: HTTPURL, _ transfer: Transfer, _ isCancelled: () -> Bool
    ) throws(FetchFailure) -> Attempt {
        var headers = HTTPHeaders()
        let offset = transfer.done
        if offset > 0 { headers["Range"] = "bytes=\(offset)-" }
        var stop = Stop.none
        var status = 0
        do throws(HTTPClientError) {
            try client.stream(
                "GET", url, headers: headers,
                onHead: { head throws(PosixError) in
                    status = head.status
                    let continues = head.status == 206 && Self.begins(head.headers["Content-Range"], at: offset)
                    if head.status == 200 || (head.status == 206 && !continues), transfer.done > 0 {
                        try transfer.restart()
                    }
                    // A server that answers another range than asked for: start over without one.
                    if head.status == 206, !continues { status = 416 }
                },
                onPiece: { piece throws(PosixError) in
                    guard status == 200 || status == 206 else { return }
                    if isCancelled() {
                        stop = .cancelled
                        throw Self.ended
                    }
                    if transfer.done + Int64(piece.count) > artifact.sizeBytes {
                        stop = .tooLong
                        throw Self.ended
                    }
                    do throws(PosixError) {
                        try transfer.add(piece)
                    } catch {
                        stop = .disk(error)
                        throw error
                    }
                })
        } catch {
            switch stop {
            case .cancelled: throw .cancelled
            case .tooLong:
                return .final(
                    StepFailure(
                        .image,
                        "\(artifact.artifactId) is larger than the \(artifact.sizeBytes) bytes that it was registered with; "
                            + "register the image again"))
            case .disk(let problem):
                return .final(StepFailure(problem, doing: "writing \(artifact.artifactId) to the image cache"))
            case .none: break
            }
            if error.kind == .badURL {
                return .final(StepFailure(.image, "\(artifact.artifactId) has a URL that is not understood"))
            }
            return .again(error.description)
        }
        switch status {
        case 200, 206:
            if transfer.done == artifact.sizeBytes { return .complete }
            return .again("only \(transfer.done) of \(artifact.sizeBytes) bytes came")
        case 416:
            try file(artifact) { () throws(PosixError) in try transfer.restart() }
            return .again("the server does not have the range asked for")
        case 404, 410:
            return .final(
                StepFailure(
                    artifact.format == .plain ? .kernel : .image,
                    "\(artifact.artifactId) is not in the object store any more (\(status)); upload it again"))
        case 400, 401, 403:
            return .final(
                StepFailure(
                    .internal,
                    "the object store refused \(artifact.artifactId) to the node (\(status)); its link may have expired "
                        + "or the clocks differ: start the instance again"))
        default: return .again("the server answered \(status)")
        }
    }

    private static let ended = PosixError(errno: PosixError.tooLarge, operation: "go on")

    private static func begins(_ range: String?, at offset: Int64) -> Bool {
        guard let range else { return false }
        return range.hasPrefix("bytes \(offset)-")
    }

    private func isVerified(_ artifact: Contract.Artifact, _ transfer: Transfer) throws(FetchFailure) -> Bool {
        guard Hex.encode(transfer.hash.digestSoFar()) == artifact.sha256 else { return false }
        try file(artifact) { () throws(PosixError) in
            try transfer.file.synchronize()
            try transfer.file.close()
        }
        return true
    }

    private func file(_ artifact: Contract.Artifact, _ body: () throws(PosixError) -> Void) throws(FetchFailure) {
        do throws(PosixError) {
            try body()
        } catch {
            throw .failed(StepFailure(error, doing: "writing \(artifact.artifactId) to the image cache"))
        }
    }
}
