// The long way of an artifact into the cache: room, fetch, digest, inspection, publication.

import Contracts
import Hypervisor
import Posix
import TLS

/// Why a fetch ended without the artifact.
enum FetchFailure: Error {
    /// Nobody wants it any more.
    case cancelled
    /// For good, with the reason for those who wait.
    case failed(StepFailure)
}

/// What is known of a verified artifact, as its facts file says it.
struct ArtifactFacts: Sendable, Equatable {
    var sizeBytes: Int64
    var modified: Milliseconds
    /// Formats that the file was inspected as and is sound in.
    var formats: [String] = []

    func isInspected(_ format: Contract.ImageFormat) -> Bool {
        format == .plain || formats.contains(format.rawValue)
    }

    /// `size=… modified=… formats=raw,qcow2`, in one line.
    var text: String {
        var list = ""
        for format in formats { list += (list.isEmpty ? "" : ",") + format }
        return "size=\(sizeBytes) modified=\(modified) formats=\(list)\n"
    }

    init(sizeBytes: Int64, modified: Milliseconds) {
        self.sizeBytes = sizeBytes
        self.modified = modified
    }

    init?(text: String) {
        var size: Int64?
        var time: Int64?
        for field in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            let value = String(parts[1])
            switch String(parts[0]) {
            case "size": size = Int64(value)
            case "modified": time = Int64(value)
            case "formats":
                for format in value.split(separator: ",") { formats.append(String(format)) }
            default: break
            }
        }
        guard let size, let time, size >= 0 else { return nil }
        sizeBytes = size
        modified = time
    }
}

extension ImageCache {
    /// Makes an artifact be in the cache, whole, verified and inspected.
    func makeReady(_ artifact: Contract.Artifact, _ context: NodeLog.Context) throws(FetchFailure) {
        let digest = artifact.sha256
        let started = Clock.monotonic
        let file = path(digest)
        if var known = lock.withLock({ facts[digest] }), isUntouched(digest, known) {
            try inspect(artifact, file, &known)
            try publish(artifact, known, from: nil)
            return
        }
        let isThere = try operation(artifact) { () throws(PosixError) in
            guard FileSystem.exists(file) else { return false }
            return try digestOf(file) == digest
        }
        if isThere {
            var known = try factsOf(artifact, file)
            try inspect(artifact, file, &known)
            try publish(artifact, known, from: nil)
            log.info("verified \(artifact.artifactId) in the cache", context)
            return
        }
        let part = partPath(digest)
        try admit(artifact, context)
        log.info(
            "fetching \(artifact.artifactId), \(artifact.sizeBytes) bytes, from \(NodeLog.redacted(artifact.url))",
            context)
        try downloader.fetch(artifact, to: part, log: log, context: context) {
            self.lock.withLock { self.waiters[digest]?.isEmpty ?? true }
        }
        do throws(FetchFailure) {
            var known = try factsOf(artifact, part)
            try inspect(artifact, part, &known)
            try publish(artifact, known, from: part)
        } catch {
            // The bytes are as they should be, so fetching them again would not help; keeping them neither.
            try operation(artifact) { () throws(PosixError) in try FileSystem.remove(part, ifPresent: true) }
            throw error
        }
        log.info("fetched \(artifact.artifactId) in \(Clock.monotonic - started) ms", context)
    }

    /// Makes room, by evicting what nobody uses.
    private func admit(_ artifact: Contract.Artifact, _ context: NodeLog.Context) throws(FetchFailure) {
        let part = partPath(artifact.sha256)
        let (free, begun) = try operation(artifact) { () throws(PosixError) in
            (try FileSystem.space(directory).available, try FileSystem.statusIfPresent(part)?.allocated ?? 0)
        }
        let result: Result<[String], ImageCacheIndex.Shortage> = lock.withLock {
            do throws(ImageCacheIndex.Shortage) {
                // What an earlier attempt brought takes no further room.
                let leaving = try index.admit(artifact.sha256, sizeBytes: artifact.sizeBytes, freeBytes: free + begun)
                for digest in leaving { setAside(digest) }
                return .success(leaving)
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let leaving):
            for digest in leaving {
                log.info("evicted \(digest) from the image cache", context)
                try operation(artifact) { () throws(PosixError) in
                    try FileSystem.remove(evictedPath(digest), ifPresent: true)
                }
            }
        case .failure(let shortage):
            let what: String
            switch shortage.kind {
            case .limit:
                what =
                    "the node's image cache has room for \(shortage.available) bytes of its \(index.limitBytes) besides "
                    + "the images in use; the administrator can raise CACHE_SIZE"
            case .space:
                what = "the node's disk has room for \(shortage.available) bytes; free some space there"
            }
            throw .failed(
                StepFailure(.capacity, "\(artifact.artifactId) needs \(shortage.needed) bytes, but \(what)"))
        }
    }

    /// Takes the name from an evicted artifact, with the lock held, so that nobody finds it any more while its blocks are
    /// freed, which takes a while.
    private func setAside(_ digest: String) {
        facts[digest] = nil
        do throws(PosixError) {
            try FileSystem.remove(factsPath(digest), ifPresent: true)
            try FileSystem.rename(path(digest), to: evictedPath(digest))
        } catch {
            log.warning("evicting from the image cache: \(error)")
        }
    }

    /// Looks into a disk image, whose content somebody gave us: it must be what it is said to be and refer to no file.
    private func inspect(
        _ artifact: Contract.Artifact, _ file: String, _ known: inout ArtifactFacts
    ) throws(FetchFailure) {
        guard !known.isInspected(artifact.format) else { return }
        let format: DiskFormat = artifact.format == .qcow2 ? .qcow2 : .raw
        do throws(HypervisorError) {
            _ = try images.inspect(path: file, format: format)
            // Damage in the tables would show only in the guest, as I/O errors. This is done once for each image.
            try images.check(path: file, format: format)
            known.formats.append(artifact.format.rawValue)
        } catch {
            throw .failed(
                StepFailure(
                    error.code == .invalidImage ? .image : .internal, "\(artifact.artifactId): \(error.message)"))
        }
    }

    /// Gives a verified file its name in the cache, and remembers the facts.
    private func publish(
        _ artifact: Contract.Artifact, _ known: ArtifactFacts, from part: String?
    ) throws(FetchFailure) {
        let digest = artifact.sha256
        try operation(artifact) { () throws(PosixError) in
            try FileSystem.write(factsPath(digest), text: known.text, permissions: 0o600)
            if let part {
                try FileSystem.rename(part, to: path(digest))
                try FileSystem.synchronizeDirectory(directory)
            }
        }
        lock.withLock {
            facts[digest] = known
            index.insert(digest, sizeBytes: known.sizeBytes, lastUsed: Clock.now)
            for owner in holds[digest] ?? [] { index.use(digest, by: owner, now: Clock.now) }
        }
    }

    private func factsOf(_ artifact: Contract.Artifact, _ file: String) throws(FetchFailure) -> ArtifactFacts {
        let status = try operation(artifact) { () throws(PosixError) in
            try FileSystem.setPermissions(file, 0o400)
            return try FileSystem.status(file)
        }
        return ArtifactFacts(sizeBytes: status.size, modified: status.modified)
    }

    private func digestOf(_ file: String) throws(PosixError) -> String {
        let hash = SHA256()
        let source = try File(file, .read)
        while true {
            let bytes = try source.read(1 << 20)
            if bytes.isEmpty { return Hex.encode(hash.digestSoFar()) }
            hash.update(bytes)
        }
    }

    private func operation<R>(_ artifact: Contract.Artifact, _ body: () throws(PosixError) -> R) throws(FetchFailure)
        -> R
    {
        do throws(PosixError) {
            return try body()
        } catch {
            throw .failed(StepFailure(error, doing: "bringing \(artifact.artifactId) into the image cache"))
        }
    }
}
