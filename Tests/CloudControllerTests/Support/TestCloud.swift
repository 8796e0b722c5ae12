import CloudModel
import Contracts
import Store
import Synchronization
import Testing

@testable import CloudController

/// A cloud controller over a store in memory and fake zones, with a clock that the test moves.
final class TestCloud: Sendable {
    let store: any Store
    let zones: [FakeZone]
    let images: FakeImages
    let clock: TestClock
    let controller: CloudController
    let admin: Caller
    private let running: Mutex<Task<Void, Never>?>

    static func open(
        zones: [FakeZone] = [FakeZone(name: "us-east-1a")], store: (any Store)? = nil, clock: TestClock = TestClock(),
        images: FakeImages = FakeImages(), runs: Bool = true,
        configure: (inout CloudConfiguration) -> Void = { _ in }
    ) async throws -> TestCloud {
        let store = try store ?? SQLiteStore.inMemory()
        var configuration = CloudConfiguration()
        configuration.accountID = "123456789012"
        configuration.retryDelay = 5...50
        configuration.reconcileInterval = 50
        configuration.now = { clock.now }
        configure(&configuration)
        let connections = zones.map { ZoneConnection(name: $0.name, endpoint: "https://cluster/", service: $0) }
        let controller = try await CloudController.open(
            store: store, configuration: configuration, zones: connections, images: images)
        let account = try await controller.administratorAccount()
        let cloud = TestCloud(
            store: store, zones: zones, images: images, clock: clock, controller: controller,
            admin: Caller(
                accountID: account.id, userName: "admin", isAdministrator: true, accessKeyID: "AKIATEST",
                requestID: "req", sourceAddress: "127.0.0.1"))
        if runs {
            cloud.start()
            try await cloud.eventually("the zones answer") {
                await controller.capacity().allSatisfy(\.isAvailable)
            }
        }
        return cloud
    }

    private init(
        store: any Store, zones: [FakeZone], images: FakeImages, clock: TestClock, controller: CloudController,
        admin: Caller
    ) {
        self.store = store
        self.zones = zones
        self.images = images
        self.clock = clock
        self.controller = controller
        self.admin = admin
        running = Mutex(nil)
    }

    deinit { running.withLock { $0?.cancel() } }

    var zone: FakeZone { zones[0] }

    func start() {
        let controller = controller
        running.withLock { $0 = Task { await controller.run() } }
    }

    /// Ends the background work, as the end of the process does.
    func stop() async {
        let task = running.withLock { running in
            defer { running = nil }
            return running
        }
        task?.cancel()
        await task?.value
    }

    /// Another life of the controller on the same store.
    func reopened(runs: Bool = true, configure: (inout CloudConfiguration) -> Void = { _ in }) async throws
        -> TestCloud
    {
        await stop()
        return try await TestCloud.open(
            zones: zones, store: store, clock: clock, images: images, runs: runs, configure: configure)
    }

    /// An account besides the administrator's.
    func user(_ name: String) async throws -> Caller {
        let account = try await controller.createAccount(name: name)
        return Caller(
            accountID: account.id, userName: name, isAdministrator: false, accessKeyID: "AKIAUSER", requestID: "req",
            sourceAddress: "127.0.0.1")
    }

    /// A machine image that everybody may launch.
    func image() async throws -> Image {
        try await controller.registerImage(
            RegisterImageRequest(location: "images/disk.raw", isPublic: true), as: admin)
    }

    func run(
        _ image: Image, _ count: Int = 1, type: String? = nil, zone: String? = nil, as caller: Caller? = nil
    ) async throws -> Reservation {
        try await controller.runInstances(
            RunInstancesRequest(
                imageID: image.id.value, minCount: count, maxCount: count, instanceType: type, zone: zone),
            as: caller ?? admin)
    }

    func instance(_ id: InstanceID) async throws -> Instance {
        let page = try await controller.describeInstances(DescribeRequest(ids: [id.value]), as: admin)
        return try #require(page.items.first?.instances.first)
    }

    func states() async throws -> [InstanceState: Int] {
        let page = try await controller.describeInstances(DescribeRequest(), as: admin)
        return page.items.flatMap(\.instances).reduce(into: [:]) { $0[$1.state, default: 0] += 1 }
    }

    /// Waits until the condition holds.
    func eventually(
        _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: () async throws -> Bool
    ) async throws {
        for _ in 0..<24_000 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("it did not come about that \(what)", sourceLocation: sourceLocation)
    }
}

/// A clock that stands until it is moved.
final class TestClock: Sendable {
    private let value = Mutex(Timestamp(milliseconds: 1_767_225_600_000))
    var now: Timestamp { value.withLock { $0 } }
    func advance(seconds: Int64) { value.withLock { $0.milliseconds += seconds * 1000 } }
}

/// Objects by location; everything else is a raw disk of 1 MiB.
final class FakeImages: ImageSource {
    private let objects = Mutex<[String: [UInt8]]>([:])
    private let missing = Mutex<Set<String>>([])

    func put(_ bytes: [UInt8], at location: String) { objects.withLock { $0[location] = bytes } }
    func remove(_ location: String) { missing.withLock { _ = $0.insert(location) } }

    func inspect(location: String, as caller: Caller) async throws(CloudError) -> ImageObject {
        if missing.withLock({ $0.contains(location) }) {
            throw .invalidValue(parameter: "ImageLocation", value: location, reason: "There is no such object.")
        }
        let bytes = objects.withLock { $0[location] } ?? [UInt8](repeating: 0, count: 1 << 20)
        return ImageObject(
            sizeBytes: Int64(bytes.count), sha256: String(repeating: "0", count: 64),
            leading: Array(bytes.prefix(65_536)))
    }

    // MARK: Bundles

    private let bundles = Mutex<[String: Result<UnbundledImage, CloudError>]>([:])
    private let dropped = Mutex<[String]>([])
    /// Locations that were discarded.
    var discarded: [String] { dropped.withLock { $0 } }

    /// What the bundle with this manifest holds, or why it cannot be put together.
    func put(bundle result: Result<UnbundledImage, CloudError>, at manifest: String) {
        bundles.withLock { $0[manifest] = result }
    }

    func bundle(manifest location: String, as caller: Caller) async throws(CloudError) -> BundledImage {
        guard bundles.withLock({ $0[location] != nil }) else {
            throw .invalidValue(parameter: "ImageLocation", value: location, reason: "There is no such object.")
        }
        return BundledImage(name: "disk.img", architecture: "i386", sizeBytes: 1 << 20)
    }

    func unbundle(manifest location: String, of account: String) async throws(CloudError) -> UnbundledImage {
        guard let result = bundles.withLock({ $0[location] }) else {
            throw .invalidValue(parameter: "ImageLocation", value: location, reason: "There is no such object.")
        }
        return try result.get()
    }

    private let storing = Mutex<[BundlingFailure?]>([])
    private let made = Mutex<[String]>([])
    /// Manifests that were made, staged copies and parts that were removed, in order.
    var bundleLog: [String] { made.withLock { $0 } }

    /// What becomes of the next bundles that are stored: nil for success, which is what those after them have.
    func nextBundles(_ outcomes: [BundlingFailure?]) { storing.withLock { $0 = outcomes } }

    func stagingURL(_ name: String, validFor seconds: Int) async throws(CloudError) -> String {
        "http://walrus/staging/\(name)?Signature=secret"
    }

    func storeBundle(
        _ task: BundleTask, machine: BundledImage, as owner: Caller,
        progress: @escaping @Sendable (_ parts: Int, _ percent: Int) async -> Bool
    ) async throws(BundlingFailure) {
        guard await progress(1, 40) else { throw .unwanted }
        if let failure = storing.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { throw failure }
        made.withLock { $0.append("made \(task.bucket)/\(task.manifest) \(machine.architecture ?? "")") }
    }

    func discardStaged(_ name: String) async throws(CloudError) { made.withLock { $0.append("staged gone") } }

    func discardParts(of task: BundleTask) async throws(CloudError) {
        made.withLock { $0.append("\(task.parts) parts gone") }
    }

    func discard(location: String) async throws(CloudError) { dropped.withLock { $0.append(location) } }

    func temporaryURL(location: String, validFor seconds: Int) async throws(CloudError) -> String {
        if missing.withLock({ $0.contains(location) }) { throw .notFound(.image, [location]) }
        return "http://walrus/\(location)?Signature=secret"
    }
}
