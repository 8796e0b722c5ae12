// CloudController: what decides. It owns accounts, images, key pairs, security groups, types and instances of a cloud.
//
// Lives here: the implementation of `CloudBackend` over a `Store`, the choice of zones, the reconcilers that make the
// zones agree with what was recorded, and the watchers that follow the zones. Does not live here: wire formats and
// signatures of users (interface modules), the choice of nodes (cluster controllers), objects (Walrus).
//
// How it works: every change is validated against the view, committed to the store on condition that what it was
// validated against is still so, then taken into the view, then answered. Reads are answered from the view. The actor
// is never held across a commit, so that the store can group the commits of many requests; room and names that
// a request under way will use are set aside meanwhile.
//
// Fails with `CloudError`. A crash at any moment loses nothing that was acknowledged: what was recorded and not yet
// done is done by the reconcilers after the next start.

public import CloudModel
import Crypto
public import Logging
public import Store

/// The cloud controller. Open it, then let `run()` work until it is cancelled.
public actor CloudController: CloudBackend, IdentityBackend {
    nonisolated let store: any Store
    nonisolated let configuration: CloudConfiguration
    nonisolated let images: any ImageSource
    nonisolated let logger: Logger
    /// Connections to the zones, in the order of the configuration.
    nonisolated let zones: [ZoneLink]

    /// Policies that were read before.
    nonisolated let policyCache = PolicyCache()
    /// Last uses of credentials, by account; see `CredentialUses.swift`.
    var credentialUses: [String: CredentialUses] = [:]
    /// The accounts whose uses the store does not have yet, and when it got the last ones.
    var unkeptUses: Set<String> = []
    var usesKeptAt = Timestamp(milliseconds: 0)
    /// The latest credential report of each account that asked for one.
    var credentialReports: [String: CredentialReport] = [:]

    var view: CloudView
    /// What is known of each zone from its cluster controller.
    var zoneStates: [String: ZoneState]
    /// Requests between their decision and their commit; see `Launches`.
    var launches = Launches()
    /// Image names of registrations under way.
    var imageNamesInFlight: Set<ImageName> = []
    /// Records, by key, whose last commit ended with no answer from the store: they are read again before the next
    /// change.
    var uncertain: [String: StoredRecord] = [:]
    /// Wakes the reconciler of a zone; set while `run()` works.
    var signals: [String: AsyncStream<Void>.Continuation] = [:]
    /// Wakes what hands credentials to instances of a zone; set while `run()` works.
    var credentialSignals: [String: AsyncStream<Void>.Continuation] = [:]
    /// Orders placements and polls, see `ZoneState.isStale`.
    var sequence: Int64 = 0
    /// Wakes the work on bundles; set while `run()` works.
    var bundleWork: AsyncStream<Void>.Continuation?
    /// Bundle tasks that are worked on at this moment, and those of them of which there is news meanwhile.
    var bundlesInHand: Set<BundleTaskID> = []
    var bundleNews: Set<BundleTaskID> = []
    /// What nodes last said of the instances that are being bundled.
    var nodeBundles: [InstanceID: NodeBundle] = [:]
    /// Wakes the preparation of images; set while `run()` works.
    var imageWork: AsyncStream<Void>.Continuation?
    /// The latest refusals; see `keepRefusals`.
    var refused: RefusalsRecord
    /// When the policy was last asked what is to end.
    var reviewedAt = Timestamp(milliseconds: 0)
    /// Wakes what starts waiting requests; set while `run()` works and the policy has a queue.
    var queueSignal: AsyncStream<Void>.Continuation?
    /// Presigned URLs of images, good for a while.
    var imageURLs: [ImageID: ImageURL] = [:]

    /// An image's name in its account.
    struct ImageName: Hashable {
        var accountID: String
        var name: String
    }

    private init(
        store: any Store, configuration: CloudConfiguration, zones: [ZoneConnection], images: any ImageSource,
        logger: Logger, view: CloudView
    ) {
        self.store = store
        self.configuration = configuration
        self.images = images
        self.logger = logger
        self.zones = zones.map { ZoneLink(name: $0.name, endpoint: $0.endpoint, service: $0.service) }
        self.view = view
        refused = view.refusals?.value ?? RefusalsRecord(items: [])
        zoneStates = Dictionary(
            zones.map { ($0.name, ZoneState(name: $0.name)) }, uniquingKeysWith: { first, _ in first })
    }

    /// The prefixes of the store's keys whose values hold secrets, which must not lie in the store as they are.
    public static var secretPrefixes: [String] { Key.secretPrefixes }

    /// Reads the store, or makes a new cloud in an empty one: an administrator's account with a random access key, its
    /// default security group, and the table of types.
    ///
    /// - Throws: `unavailable` if the store does not answer, `internalError` if it holds what cannot be read,
    ///   `invalidValue` for a configuration that cannot be.
    public static func open(
        store: any Store, configuration: CloudConfiguration = CloudConfiguration(), zones: [ZoneConnection],
        images: any ImageSource, logger: Logger = Logger(label: "mallee.cloud")
    ) async throws(CloudError) -> CloudController {
        try check(configuration, zones: zones)
        var view = try await load(from: store)
        if view.cloud == nil {
            try await initialise(store, configuration: configuration)
            view = try await load(from: store)
        }
        if view.identities.sessionKey == nil {
            try await makeSessionKey(store, configuration: configuration)
            view = try await load(from: store)
        }
        if let wanted = configuration.accountID, let cloud = view.cloud, cloud.administratorAccountID != wanted {
            logger.warning(
                "the configured account id is not that of the existing cloud, which is kept",
                metadata: ["configured": "\(wanted)", "existing": "\(cloud.administratorAccountID)"])
        }
        return CloudController(
            store: store, configuration: configuration, zones: zones, images: images, logger: logger, view: view)
    }

    /// Follows the zones and makes them agree with what is recorded, until the task is cancelled. Stopping it stops
    /// nothing that runs.
    public func run() async {
        var streams: [(link: ZoneLink, wakes: AsyncStream<Void>, credentials: AsyncStream<Void>)] = []
        for link in zones {
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            signals[link.name] = continuation
            continuation.yield()
            let (credentials, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            credentialSignals[link.name] = signal
            streams.append((link, stream, credentials))
        }
        let (imageWakes, imageWork) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.imageWork = imageWork
        imageWork.yield()
        let (bundleWakes, bundleWork) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.bundleWork = bundleWork
        bundleWork.yield()
        let (queueWakes, queueSignal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        if configuration.policy.queue != nil { self.queueSignal = queueSignal }
        queueSignal.yield()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.serveQueue(queueWakes) }
            for (link, wakes, credentials) in streams {
                group.addTask { await self.handOutCredentials(link, wakes: credentials) }
                group.addTask { await self.watch(link) }
                group.addTask { await self.reconcile(link, wakes: wakes) }
            }
            group.addTask { await self.prepareImages(imageWakes) }
            group.addTask { await self.serveBundles(bundleWakes) }
            group.addTask { await self.tick() }
            group.addTask { await self.keepHouse() }
        }
        signals = [:]
        credentialSignals = [:]
        self.imageWork = nil
        self.bundleWork = nil
        queueSignal.finish()
        self.queueSignal = nil
    }

    /// Wakes every reconciler now and then, in case that a signal was missed or a zone has to be asked again, and those
    /// that have something to try again when it is due.
    private func tick() async {
        let step = min(configuration.retryDelay.lowerBound, configuration.reconcileInterval)
        var waited: Int64 = 0
        var releases = -1
        while await pause(milliseconds: max(1, step)) {
            waited += step
            let now = ContinuousClock.now
            for (zone, signal) in signals {
                let isDue = zoneStates[zone]?.retries.values.contains { $0.due <= now } ?? false
                if isDue || waited >= configuration.reconcileInterval { signal.yield() }
            }
            if releases != view.instances.releases || waited >= configuration.reconcileInterval {
                releases = view.instances.releases
                queueSignal?.yield()
            }
            if waited >= configuration.reconcileInterval {
                waited = 0
                wakeImages()
                wakeBundles()
            }
        }
    }

    /// Wakes the reconciler of a zone.
    func wake(zone: String) { signals[zone]?.yield() }

    /// Waits; false when the task was cancelled.
    nonisolated func pause(milliseconds: Int64) async -> Bool {
        do {
            try await Task.sleep(for: .milliseconds(milliseconds))
            return !Task.isCancelled
        } catch {
            return false
        }
    }

    private static func check(_ configuration: CloudConfiguration, zones: [ZoneConnection]) throws(CloudError) {
        if let id = configuration.accountID {
            guard id.utf8.count == 12, id.utf8.allSatisfy({ (48...57).contains($0) }) else {
                throw .invalidValue(parameter: "accountID", value: id, reason: "An account id has 12 digits.")
            }
        }
        guard Set(zones.map(\.name)).count == zones.count else {
            throw .invalidValue(
                parameter: "zones", value: zones.map(\.name).joined(separator: ", "),
                reason: "Every availability zone needs a name of its own.")
        }
    }
}
