// ClusterController: one availability zone. It knows the zone's nodes, decides which node takes an instance, hands
// the zone's network document to the nodes, and passes on what they report.
//
// Here: the service behind the cluster contract, placement policies, the change log of the long poll. Not here:
// HTTP, SOAP and TLS (`ServiceHost`), what users are allowed to do (`CloudController`), guests (`NodeController`).
//
// Truth: the nodes own the facts; this service keeps in memory what they last reported. Durable are which node an
// instance was given to, so that no repetition of a request, and no crash, starts an instance twice; and who enrolled
// under which name (`NodeRecord`). Failing: operations throw `ServiceFault`; an unreachable node delays its own instances only.
public import Contracts
public import Logging
public import Store

/// How the zone behaves; fixed while the service runs.
public struct ClusterConfiguration: Sendable {
    /// The zone's name, such as "us-east-1a".
    public var zone: String
    /// How instances are attached to the network.
    public var networkMode: Contract.NetworkMode
    /// Instances get their private addresses from this IPv4 block.
    public var addresses: AddressPool
    /// How often a node reports when nothing changes, in milliseconds. A node that has been silent for three of these
    /// is down.
    public var heartbeatMilliseconds: Int
    /// How long a node may be unreachable before an instance that it never acknowledged is given to another, in
    /// milliseconds.
    public var replaceAfterMilliseconds: Int64
    /// How long the report of a terminated instance is kept, in milliseconds.
    public var keepTerminatedMilliseconds: Int64

    /// A configuration with the usual times.
    public init(
        zone: String, networkMode: Contract.NetworkMode = .user, addresses: AddressPool,
        heartbeatMilliseconds: Int = 5000, replaceAfterMilliseconds: Int64 = 60_000,
        keepTerminatedMilliseconds: Int64 = 3_600_000
    ) {
        self.zone = zone
        self.networkMode = networkMode
        self.addresses = addresses
        self.heartbeatMilliseconds = heartbeatMilliseconds
        self.replaceAfterMilliseconds = replaceAfterMilliseconds
        self.keepTerminatedMilliseconds = keepTerminatedMilliseconds
    }
}

/// Makes the connection to a node from the endpoint that it registered with.
public typealias NodeConnector = @Sendable (_ endpoint: String) -> any NodeContract.AsyncService

/// The service of one availability zone. See the module's head.
public actor ClusterController {
    let configuration: ClusterConfiguration
    let store: any Store
    let policy: any PlacementPolicy
    let connect: NodeConnector
    let logger: Logger
    /// Milliseconds since 1970; replaced in tests.
    let now: @Sendable () -> Int64

    var nodes = NodeTable()
    /// Which node each instance was given to, as in the store.
    var placements: [String: Placement] = [:]
    /// By node, the instances that it acknowledged before this process began, until it registers.
    var unreported: [String: Set<String>] = [:]
    /// Last report of each instance, or what is said of it until its node reports it.
    var reports: [String: Contract.InstanceReport] = [:]
    var addressesInUse: Set<UInt32> = []
    var addressCursor: UInt32 = 0
    var changes: ChangeLog
    var network: Contract.NetworkDocument
    /// Nodes in the store that have not reported since this service started.
    var silent: Set<String> = []
    var dispatching: Set<String> = []
    /// Enrolments and orders about nodes, as in the store.
    var records: [String: NodeRecord] = [:]
    var busyNames: Set<String> = []
    var waitingForName: [String: [CheckedContinuation<Void, Never>]] = [:]
    /// Whose certificates count.
    public nonisolated let admission: NodeAdmission
    var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    /// Set at the end: long polls are answered at once.
    var isStopping = false
    var nextWaiter = 0

    /// Opens the zone on its store: placements and remembered nodes are read back.
    ///
    /// - Throws: `StoreError` if the store cannot be read; `ContractError` if a record in it is damaged.
    public static func open(
        store: any Store, configuration: ClusterConfiguration, policy: any PlacementPolicy,
        connect: @escaping NodeConnector, logger: Logger, now: @escaping @Sendable () -> Int64
    ) async throws -> ClusterController {
        var placements: [String: Placement] = [:]
        for entry in try await store.range(prefix: Placement.prefix).entries {
            let placement = try Placement(stored: entry.value.bytes)
            placements[placement.spec.instanceId] = placement
        }
        var remembered: Set<String> = []
        for entry in try await store.range(prefix: nodePrefix).entries {
            remembered.insert(String(entry.key.dropFirst(nodePrefix.count)))
        }
        var records: [String: NodeRecord] = [:]
        for entry in try await store.range(prefix: NodeRecord.prefix).entries {
            let record = try NodeRecord(stored: entry.value.bytes)
            records[record.name] = record
        }
        return ClusterController(
            store: store, configuration: configuration, policy: policy, connect: connect, logger: logger, now: now,
            placements: placements, remembered: remembered, records: records)
    }

    /// Where the names of known nodes are kept.
    static let nodePrefix = "/nodes/"

    private init(
        store: any Store, configuration: ClusterConfiguration, policy: any PlacementPolicy,
        connect: @escaping NodeConnector, logger: Logger, now: @escaping @Sendable () -> Int64,
        placements: [String: Placement], remembered: Set<String>, records: [String: NodeRecord]
    ) {
        self.store = store
        self.configuration = configuration
        self.policy = policy
        self.connect = connect
        self.logger = logger
        self.now = now
        self.placements = placements
        silent = remembered
        self.records = records
        admission = NodeAdmission(records)
        changes = ChangeLog(epoch: "\(now())-\(UInt32.random(in: 0...UInt32.max))")
        network = Contract.NetworkDocument(revision: 0, mode: configuration.networkMode, securityGroup: [])
        for (id, placement) in placements {
            if let address = placement.address { addressesInUse.insert(address) }
            reports[id] = placement.report(zone: configuration.zone, generation: 0, at: now())
            changes.noteInstance(id)
            if placement.phase == .acknowledged || placement.phase == .terminating {
                unreported[placement.node, default: []].insert(id)
            }
        }
    }

    /// How long an instance may take from its delivery into its node's reports.
    static let settlingMilliseconds: Int64 = 15_000

    /// Watches over the nodes until the task is cancelled: marks silent ones down, repeats what could not be
    /// delivered, forgets what is long over.
    public func run() async {
        while !Task.isCancelled {
            await sweep()
            do {
                try await Task.sleep(for: .milliseconds(min(1000, configuration.heartbeatMilliseconds)))
            } catch {
                break
            }
        }
        // Its listener would wait for every long poll, and so would who stops the process.
        isStopping = true
        wake()
    }

    /// The fault of a store that failed.
    func fault(_ error: any Error) -> ServiceFault {
        logger.error("The cluster's store failed.", metadata: ["error": "\(error)"])
        return ServiceFault(
            code: .unavailable,
            message: "The cluster controller of \(configuration.zone) cannot write its store: \(error)")
    }
}
