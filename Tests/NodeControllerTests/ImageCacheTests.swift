import BlockingHTTP
import Contracts
import Hypervisor
import Posix
import Testing

@testable import NodeController

struct ImageCacheTests {
    private final class Box {
        let directory: TemporaryDirectory
        let store: StubStore
        let log = NodeLog.quiet()

        init() throws {
            directory = try TemporaryDirectory()
            store = try StubStore()
        }

        deinit { store.stop() }

        func cache(
            limit: Int64 = 100 << 20, path: String? = nil, images: any DiskImages = SimulatedDiskImages(),
            attempts: Int = 4
        ) throws -> ImageCache {
            var options = HTTPClient.Options()
            options.idleTime = 10_000
            var patience = ArtifactDownloader.Patience()
            patience.firstPause = 10
            patience.attempts = attempts
            return try ImageCache(
                directory: path ?? directory.file("cache"), limitBytes: limit, reserveBytes: 0, images: images,
                downloader: ArtifactDownloader(client: HTTPClient(options: options), patience: patience), log: log)
        }
    }

    /// Asks for an artifact and waits for the outcome: nil is ready, else the reason's message.
    private func want(_ cache: ImageCache, _ artifact: Contract.Artifact, _ owner: String = "i-1") -> String? {
        let outcome = Shared<ImageCache.Outcome?>(nil)
        cache.want(artifact, for: owner, context: .none) { result in outcome.change { $0 = result } }
        Fixture.wait("an outcome") { outcome.current != nil }
        switch outcome.current {
        case .ready: return nil
        case .failed(let reason): return reason.message
        case .cancelled: return "cancelled"
        case nil: return "no outcome"
        }
    }

    @Test func `many concurrent wants of one image fetch it once`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(3_000_000)
        box.store.put("/a", bytes)
        box.store.state.change { $0.delay = 200 }
        let cache = try box.cache()
        let artifact = Fixture.artifact("ami-1", bytes, box.store.url("/a"), format: .raw)
        let ready = Shared(0)
        for number in 0..<10 {
            cache.want(artifact, for: Fixture.id(number), context: .none) { outcome in
                if case .ready = outcome { ready.change { $0 += 1 } }
            }
        }
        Fixture.wait("all ten") { ready.current == 10 }
        #expect(box.store.count == 1)
        #expect(try FileSystem.read(cache.path(artifact)) == bytes)
        #expect(try FileSystem.status(cache.path(artifact)).permissions == 0o400)
        #expect(want(cache, artifact, "i-11") == nil)
        #expect(box.store.count == 1)
    }

    @Test func `a broken transfer goes on where it ended`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(1_000_000)
        box.store.put("/a", bytes)
        box.store.state.change { $0.cuts = [300_000, 200_000] }
        let cache = try box.cache()
        #expect(want(cache, Fixture.artifact("aki-1", bytes, box.store.url("/a"))) == nil)
        #expect(box.store.state.current.ranges == ["Range: bytes=300000-", "Range: bytes=500000-"])
    }

    @Test func `what a stopped node had fetched is not fetched again`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(500_000)
        box.store.put("/a", bytes)
        let artifact = Fixture.artifact("aki-1", bytes, box.store.url("/a"))
        let part = box.directory.file("cache") + "/" + artifact.sha256 + ".part"
        try FileSystem.makeDirectory(box.directory.file("cache"))
        try FileSystem.write(part, Array(bytes.prefix(200_000)), permissions: 0o600)
        #expect(want(try box.cache(), artifact) == nil)
        #expect(box.store.state.current.ranges == ["Range: bytes=200000-"])
    }

    @Test func `a damaged part is noticed and fetched anew`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(500_000)
        box.store.put("/a", bytes)
        let artifact = Fixture.artifact("aki-1", bytes, box.store.url("/a"))
        try FileSystem.makeDirectory(box.directory.file("cache"))
        try FileSystem.write(
            box.directory.file("cache") + "/" + artifact.sha256 + ".part", Fixture.bytes(200_000, seed: 9),
            permissions: 0o600)
        #expect(want(try box.cache(), artifact) == nil)
    }

    @Test func `a wrong digest is fetched once more and then refused`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(1000)
        box.store.put("/a", bytes)
        let artifact = Fixture.artifact(
            "ami-1", bytes, box.store.url("/a"), format: .raw, sha256: String(repeating: "0", count: 64))
        let message = want(try box.cache(), artifact) ?? "ready"
        #expect(message.hasPrefix("Client.InvalidImage: ami-1 has not the digest"))
        #expect(box.store.count == 2)
        #expect(!FileSystem.exists(box.directory.file("cache") + "/" + artifact.sha256))
    }

    @Test func `what is missing is not tried again, what is busy is`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(1000)
        let cache = try box.cache()
        let missing = Fixture.artifact("aki-1", bytes, box.store.url("/none"))
        #expect(want(cache, missing)?.hasPrefix("Client.InvalidKernel: aki-1 is not in the object store") == true)
        #expect(box.store.count == 1)
        box.store.put("/a", bytes)
        box.store.state.change { $0.failures = [503, 500, 429] }
        #expect(want(cache, Fixture.artifact("aki-2", bytes, box.store.url("/a"))) == nil)
    }

    @Test func `a store that stays away ends in a message without the URL's secrets`() throws {
        let box = try Box()
        box.store.stop()
        let message = want(
            try box.cache(attempts: 2), Fixture.artifact("ami-1", [1], box.store.url("/a?X-Amz-Signature=secret")))
        #expect(message?.contains("could not be fetched") == true)
        #expect(message?.contains("secret") == false)
    }

    @Test func `more bytes than registered are refused`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(200_000)
        box.store.put("/a", bytes)
        var artifact = Fixture.artifact("ami-1", bytes, box.store.url("/a"))
        artifact.sizeBytes = 1000
        #expect(want(try box.cache(), artifact)?.contains("is larger than the 1000 bytes") == true)
    }

    @Test func `the least recently used image leaves, those in use stay, also after a restart`() throws {
        let box = try Box()
        var artifacts: [Contract.Artifact] = []
        for number in 0..<3 {
            let bytes = Fixture.bytes(400_000, seed: UInt64(number + 1))
            box.store.put("/\(number)", bytes)
            artifacts.append(Fixture.artifact("aki-\(number)", bytes, box.store.url("/\(number)")))
        }
        var cache = try box.cache(limit: 1_000_000)
        #expect(want(cache, artifacts[0], "i-1") == nil)
        #expect(want(cache, artifacts[1], "i-2") == nil)
        #expect(want(cache, artifacts[2], "i-3")?.contains("CACHE_SIZE") == true)
        cache.stop()
        cache = try box.cache(limit: 1_000_000)
        cache.hold(artifacts: [artifacts[0]], by: "i-1")
        #expect(want(cache, artifacts[2], "i-3") == nil)
        #expect(FileSystem.exists(cache.path(artifacts[0])))
        #expect(!FileSystem.exists(cache.path(artifacts[1])))
        #expect(try FileSystem.list(box.directory.file("cache")).count == 4)
    }

    @Test func `a file that was touched is verified again and replaced if it is damaged`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(100_000)
        box.store.put("/a", bytes)
        let artifact = Fixture.artifact("aki-1", bytes, box.store.url("/a"))
        let cache = try box.cache()
        #expect(want(cache, artifact) == nil)
        try FileSystem.touch(cache.path(artifact), at: 1_000_000)
        #expect(want(cache, artifact) == nil)
        #expect(box.store.count == 1)
        try FileSystem.remove(cache.path(artifact))
        try FileSystem.write(cache.path(artifact), Fixture.bytes(100_000, seed: 5))
        #expect(want(cache, artifact) == nil)
        #expect(box.store.count == 2)
        #expect(try FileSystem.read(cache.path(artifact)) == bytes)
    }

    @Test func `a wish that is abandoned stops the fetch, unless somebody else waits`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(200_000)
        box.store.put("/a", bytes)
        box.store.state.change { $0.delay = 300 }
        let cache = try box.cache()
        let artifact = Fixture.artifact("aki-1", bytes, box.store.url("/a"))
        let outcomes = Shared<[String]>([])
        for owner in ["i-1", "i-2"] {
            cache.want(artifact, for: owner, context: .none) { outcome in
                if case .ready = outcome { outcomes.change { $0.append(owner + " ready") } }
                if case .cancelled = outcome { outcomes.change { $0.append(owner + " cancelled") } }
            }
        }
        cache.abandon("i-1")
        #expect(outcomes.current == ["i-1 cancelled"])
        Fixture.wait("the other") { outcomes.current.count == 2 }
        #expect(outcomes.current.last == "i-2 ready")
    }

    @Test func `a wish that comes back after it was abandoned is fulfilled by the same fetch or the next`() throws {
        let box = try Box()
        let bytes = Fixture.bytes(400_000)
        box.store.put("/a", bytes)
        box.store.state.change { $0.delay = 20 }
        let cache = try box.cache()
        let artifact = Fixture.artifact("aki-1", bytes, box.store.url("/a"))
        let cancelled = Shared(0)
        for _ in 0..<20 {
            cache.want(artifact, for: "i-1", context: .none) { outcome in
                if case .cancelled = outcome { cancelled.change { $0 += 1 } }
            }
            Thread.sleep(3)
            cache.abandon("i-1")
        }
        #expect(want(cache, artifact) == nil)
        #expect(try FileSystem.read(cache.path(artifact)) == bytes)
        #expect(cancelled.current > 0)
    }

    @Test func `damage behind a sound header is found`() throws {
        guard FileSystem.findExecutable("qemu-img") != nil else { return }
        let box = try Box()
        let path = box.directory.file("a.qcow2")
        let raw = box.directory.file("a.raw")
        try FileSystem.write(raw, Fixture.bytes(1 << 20))
        let made = try Command.run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, path])
        try #require(made.isSuccess, "\(made.explanation)")
        var bytes = try FileSystem.read(path)
        // The first entry of the L1 table (its offset is at 40 in the header) points behind the end of the file.
        let table = bytes[40..<48].reduce(0) { $0 << 8 | Int($1) }
        bytes.replaceSubrange(table..<(table + 8), with: [0x80, 0, 0, 0x7F, 0xFF, 0xFF, 0, 0])
        box.store.put("/a", bytes)
        let artifact = Fixture.artifact("ami-1", bytes, box.store.url("/a"), format: .qcow2)
        #expect(want(try box.cache(images: QEMUImages()), artifact)?.hasPrefix("Client.InvalidImage: ami-1") == true)
    }

    @Test func `images that refer to other files are refused`() throws {
        guard FileSystem.findExecutable("qemu-img") != nil else { return }
        let box = try Box()
        let secret = box.directory.file("secret")
        let evil = box.directory.file("evil.qcow2")
        try FileSystem.write(secret, Fixture.bytes(1 << 20))
        let made = try Command.run(
            "qemu-img", ["create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", evil])
        try #require(made.isSuccess, "\(made.explanation)")
        let bytes = try FileSystem.read(evil)
        box.store.put("/evil", bytes)
        let cache = try box.cache(images: QEMUImages())
        let artifact = Fixture.artifact("ami-1", bytes, box.store.url("/evil"), format: .qcow2)
        #expect(want(cache, artifact)?.hasPrefix("Client.InvalidImage: ami-1") == true)
        let garbage = Fixture.bytes(5000)
        box.store.put("/garbage", garbage)
        #expect(
            want(cache, Fixture.artifact("ami-2", garbage, box.store.url("/garbage"), format: .qcow2))?
                .hasPrefix("Client.InvalidImage: ami-2") == true)
        #expect(!FileSystem.exists(cache.path(artifact)))
    }

    @Test func `a full disk is said to be full`() throws {
        let box = try Box()
        guard Host.user == 0 else { return }
        let small = box.directory.file("small")
        try FileSystem.makeDirectory(small)
        guard try Command.run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small]).isSuccess else { return }
        defer { _ = try? Command.run("umount", [small]) }  // nothing to be done if it fails
        let bytes = Fixture.bytes(3_000_000)
        box.store.put("/a", bytes)
        let cache = try box.cache(path: small)
        // Admission sees it before a byte is fetched.
        let artifact = Fixture.artifact("ami-1", bytes, box.store.url("/a"))
        #expect(want(cache, artifact)?.hasPrefix("Server.InsufficientInstanceCapacity: ami-1 needs 3000000") == true)
        #expect(box.store.count == 0)
        // Somebody else fills the disk meanwhile.
        let half = Fixture.bytes(700_000)
        box.store.put("/b", half)
        box.store.state.change { $0.delay = 500 }
        let outcome = Shared<String?>(nil)
        cache.want(Fixture.artifact("ami-2", half, box.store.url("/b")), for: "i-2", context: .none) { result in
            if case .failed(let reason) = result { outcome.change { $0 = reason.message } }
        }
        Fixture.wait("the request") { box.store.count == 1 }
        try FileSystem.write(FileSystem.join(small, "other"), Fixture.bytes(600_000))
        Fixture.wait("the failure") { outcome.current != nil }
        #expect(outcome.current?.contains("disk is full") == true)
    }
}
