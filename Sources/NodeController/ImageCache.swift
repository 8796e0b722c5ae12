// The images, kernels and ramdisks of a node, each under its SHA-256, fetched once however many want it.
//
//   DIRECTORY/<sha256>          the artifact, read-only; disks are backed by it
//   DIRECTORY/<sha256>.facts    size, modification time and what an inspection found; its own time is the last use
//   DIRECTORY/<sha256>.part     a fetch under way, or broken off: the next attempt goes on from its end
//
// The facts are written before the part gets its final name, so an artifact without facts was never verified.
// At each launch size and time are compared with the facts; a difference means that somebody touched the file,
// and it is verified again as a whole.

public import Contracts
public import Hypervisor
public import Posix

/// The cache. Its methods return at once; fetches run on threads of their own.
public final class ImageCache: @unchecked Sendable {
    /// What came of a wish.
    public enum Outcome: Sendable {
        /// The artifact is in the cache, and stays until the owner releases it.
        case ready
        /// It cannot be had.
        case failed(Contract.StateReason)
        /// The owner abandoned the wish.
        case cancelled
    }

    /// Takes the outcome; called once, on any thread.
    public typealias Completion = @Sendable (Outcome) -> Void

    struct Waiter {
        let owner: String
        let artifact: Contract.Artifact
        let context: NodeLog.Context
        let completion: Completion
    }

    let directory: String
    let images: any DiskImages
    let downloader: ArtifactDownloader
    private let workers: WorkerPool
    let log: NodeLog

    // Guards everything below.
    let lock = Lock()
    var index: ImageCacheIndex
    var facts: [String: ArtifactFacts] = [:]
    var waiters: [String: [Waiter]] = [:]
    /// Digests that a worker is at, also when all its waiters have gone meanwhile.
    private var underWay: Set<String> = []
    /// Owners of artifacts that are not (or no longer) in the index: a held one may have to be fetched again.
    var holds: [String: Set<String>] = [:]

    /// Opens the cache of a directory, which is made if it is not there.
    ///
    /// - Parameters:
    ///   - limitBytes: most bytes of the cache.
    ///   - reserveBytes: free bytes that it leaves on its file system.
    public init(
        directory: String, limitBytes: Int64, reserveBytes: Int64, images: any DiskImages,
        downloader: ArtifactDownloader, log: NodeLog
    ) throws(PosixError) {
        self.directory = directory
        self.images = images
        self.downloader = downloader
        self.log = log
        // Several images at a time, so that a slow one does not keep others waiting.
        workers = WorkerPool(name: "fetch", threads: 4, log: log)
        index = ImageCacheIndex(limitBytes: limitBytes, reserveBytes: reserveBytes)
        try FileSystem.makeDirectory(directory, permissions: 0o700)
        try readDirectory()
    }

    /// Stops fetches; what has come so far is kept for the next attempt.
    public func stop() {
        let all = lock.withLock {
            let all = waiters
            waiters = [:]
            return all
        }
        for list in all.values { for waiter in list { waiter.completion(.cancelled) } }
        workers.stop(timeout: 10_000)
    }

    /// Where an artifact is, or will be.
    public func path(_ artifact: Contract.Artifact) -> String { path(artifact.sha256) }

    /// Brings an artifact into the cache for an owner.
    func want(
        _ artifact: Contract.Artifact, for owner: String, context: NodeLog.Context, completion: @escaping Completion
    ) {
        if isReady(artifact, for: owner) {
            completion(.ready)
            return
        }
        let waiter = Waiter(owner: owner, artifact: artifact, context: context, completion: completion)
        let isFirst = lock.withLock {
            holds[artifact.sha256, default: []].insert(owner)
            waiters[artifact.sha256, default: []].append(waiter)
            return underWay.insert(artifact.sha256).inserted
        }
        if isFirst { workers.submit { self.provide(artifact.sha256) } }
    }

    /// Takes back an owner's wishes; a fetch that nobody else waits for stops.
    func abandon(_ owner: String) {
        var dropped: [Waiter] = []
        lock.withLock {
            for (digest, list) in waiters {
                dropped += list.filter { $0.owner == owner }
                let rest = list.filter { $0.owner != owner }
                // An empty list tells the fetch to stop; the fetch removes it.
                waiters[digest] = rest
            }
        }
        for waiter in dropped { waiter.completion(.cancelled) }
    }

    /// An owner is gone.
    func release(_ owner: String) {
        lock.withLock {
            index.release(owner)
            for digest in holds.keys {
                holds[digest]?.remove(owner)
                if holds[digest]?.isEmpty ?? false { holds[digest] = nil }
            }
        }
    }

    /// An owner that was recorded earlier still needs these artifacts.
    func hold(artifacts: [Contract.Artifact], by owner: String) {
        lock.withLock {
            for artifact in artifacts {
                holds[artifact.sha256, default: []].insert(owner)
                index.use(artifact.sha256, by: owner, now: Clock.now)
            }
        }
    }

    // MARK: Looking

    func path(_ digest: String) -> String { FileSystem.join(directory, digest) }
    func factsPath(_ digest: String) -> String { path(digest) + ".facts" }
    func evictedPath(_ digest: String) -> String { path(digest) + ".evicted" }
    func partPath(_ digest: String) -> String { path(digest) + ".part" }

    /// Whether the artifact is there, verified, untouched and fit for its format; then the owner has it.
    private func isReady(_ artifact: Contract.Artifact, for owner: String) -> Bool {
        let digest = artifact.sha256
        guard let known = lock.withLock({ facts[digest] }), known.isInspected(artifact.format),
            isUntouched(digest, known)
        else { return false }
        let now = Clock.now
        let isThere = lock.withLock {
            // It may have been evicted since the look.
            guard index.entry(digest) != nil else { return false }
            index.use(digest, by: owner, now: now)
            return true
        }
        if isThere {
            do throws(PosixError) {
                try FileSystem.touch(factsPath(digest), at: now)
            } catch {
                // Only the order of eviction after a restart is at stake.
                log.debug("\(error)")
            }
        }
        return isThere
    }

    func isUntouched(_ digest: String, _ known: ArtifactFacts) -> Bool {
        do throws(PosixError) {
            guard let status = try FileSystem.statusIfPresent(path(digest), followLinks: false) else { return false }
            return status.isRegular && status.size == known.sizeBytes && status.modified == known.modified
        } catch {
            log.warning("\(error)")
            return false
        }
    }

    private func readDirectory() throws(PosixError) {
        for name in try FileSystem.list(directory) {
            // An eviction that was interrupted.
            if name.hasSuffix(".evicted") { try FileSystem.remove(FileSystem.join(directory, name)) }
            guard ImageCache.isDigest(name) else { continue }
            do throws(PosixError) {
                let text = try FileSystem.readText(factsPath(name), limit: 4096)
                let used = try FileSystem.status(factsPath(name)).modified
                guard let known = ArtifactFacts(text: text) else { continue }
                facts[name] = known
                index.insert(name, sizeBytes: known.sizeBytes, lastUsed: used)
            } catch {
                // Without facts it was never verified; it is verified if it is wanted, and counts as nothing till then.
                log.warning("the cached artifact \(name) is not verified: \(error)")
            }
        }
    }

    /// Whether a text is a lower-case SHA-256, and so safe as a file's name.
    static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    // MARK: Providing

    /// On a worker: does what is missing for the waiters of a digest, and tells them.
    private func provide(_ digest: String) {
        while true {
            guard let waiter = lock.withLock({ next(digest) }) else { return }
            let outcome: Outcome
            do throws(FetchFailure) {
                try makeReady(waiter.artifact, waiter.context)
                outcome = .ready
            } catch {
                switch error {
                case .cancelled:
                    // Somebody else may have come meanwhile.
                    lock.withLock { index.withdraw(digest) }
                    continue
                case .failed(let failure):
                    outcome = .failed(failure.reason)
                    lock.withLock { index.withdraw(digest) }
                }
            }
            // All who want the same format get the same answer; others go round once more.
            let answered = lock.withLock {
                let list = waiters[digest] ?? []
                let answered = list.filter { $0.artifact.format == waiter.artifact.format }
                waiters[digest] = list.filter { $0.artifact.format != waiter.artifact.format }
                if case .ready = outcome {
                    for other in answered { index.use(digest, by: other.owner, now: Clock.now) }
                } else {
                    for other in answered { holds[digest]?.remove(other.owner) }
                }
                return answered
            }
            for other in answered { other.completion(outcome) }
        }
    }

    /// With the lock held: the first waiter, or nil if there is none; then the digest is nobody's business any more.
    private func next(_ digest: String) -> Waiter? {
        guard let first = waiters[digest]?.first else {
            waiters[digest] = nil
            underWay.remove(digest)
            return nil
        }
        return first
    }
}
