// What service level agreements are about, as interfaces see it: who holds what since when, who waits, and why
// a request was refused. Which agreement holds is the back end's matter.

/// What an account may hold at the same time; nil is no limit.
public struct AllocationQuota: Hashable, Sendable, Codable {
    /// Instances that are not terminated.
    public var instances: Int?
    /// Virtual CPUs of them.
    public var cores: Int?
    /// Memory of them in MiB.
    public var memoryMiB: Int?
    /// Makes a quota.
    public init(instances: Int? = nil, cores: Int? = nil, memoryMiB: Int? = nil) {
        self.instances = instances
        self.cores = cores
        self.memoryMiB = memoryMiB
    }
}

/// What an account holds now, with what is about to be launched for it.
public struct AllocationUse: Hashable, Sendable {
    /// See `AllocationQuota`.
    public var instances = 0
    /// See `AllocationQuota`.
    public var cores = 0
    /// See `AllocationQuota`.
    public var memoryMiB = 0
    /// Disks of the instances together, in GiB.
    public var diskGiB = 0
    /// Nothing.
    public init() {}

    /// One more instance.
    public mutating func add(_ type: InstanceType) {
        instances += 1
        cores += type.cores
        memoryMiB += type.memoryMiB
        diskGiB += type.demand.diskGiB
    }
}

/// What one account holds.
public struct AccountHoldings: Hashable, Sendable {
    /// One of its instances.
    public struct Item: Hashable, Sendable {
        /// The instance.
        public var id: InstanceID
        /// Its type.
        public var type: InstanceType
        /// Its state.
        public var state: InstanceState
        /// Its zone; of one that waits, the zone it is shown in.
        public var zone: String
        /// Since when it was held: its launch, or its start if it had to wait.
        public var since: Timestamp
        /// Until when it may run.
        public var lease: Lease?
        /// Whether it waits for room.
        public var isWaiting: Bool
        /// Makes an item.
        public init(
            id: InstanceID, type: InstanceType, state: InstanceState, zone: String, since: Timestamp, lease: Lease?,
            isWaiting: Bool
        ) {
            self.id = id
            self.type = type
            self.state = state
            self.zone = zone
            self.since = since
            self.lease = lease
            self.isWaiting = isWaiting
        }
    }
    /// The account.
    public var accountID: String
    /// Its name.
    public var accountName: String
    /// Together, those that wait among them.
    public var use: AllocationUse
    /// What it may hold.
    public var quota: AllocationQuota
    /// Decayed use in weighted core-seconds, where the agreement keeps account of it; see `FairShare`.
    public var usage: Double?
    /// Its share, where the agreement has shares.
    public var share: Double?
    /// Its instances, the oldest first.
    public var items: [Item]
    /// Makes it.
    public init(
        accountID: String, accountName: String, use: AllocationUse, quota: AllocationQuota, usage: Double? = nil,
        share: Double? = nil, items: [Item]
    ) {
        self.accountID = accountID
        self.accountName = accountName
        self.use = use
        self.quota = quota
        self.usage = usage
        self.share = share
        self.items = items
    }
}

/// A request that waits for room.
public struct WaitingRequest: Hashable, Sendable {
    /// Its reservation; the instances of it are pending.
    public var reservationID: ReservationID
    /// Who asked.
    public var accountID: String
    /// Type of the instances.
    public var type: InstanceType
    /// Architecture of their image.
    public var architecture: String
    /// Whether they start from a kernel outside of their disk.
    public var hasKernel: Bool
    /// How many; they start together.
    public var count: Int
    /// The zone that was asked for; nil for any.
    public var zone: String?
    /// Since when.
    public var since: Timestamp
    /// Makes it.
    public init(
        reservationID: ReservationID, accountID: String, type: InstanceType, architecture: String, hasKernel: Bool,
        count: Int, zone: String?, since: Timestamp
    ) {
        self.reservationID = reservationID
        self.accountID = accountID
        self.type = type
        self.architecture = architecture
        self.hasKernel = hasKernel
        self.count = count
        self.zone = zone
        self.since = since
    }
}

/// A request for instances that was refused.
public struct AllocationRefusal: Equatable, Sendable {
    /// When.
    public var at: Timestamp
    /// Who asked.
    public var accountID: String
    /// The user within the account.
    public var userName: String
    /// The request's id, as it stands in the log.
    public var requestID: String
    /// The type asked for; nil for the default.
    public var type: String?
    /// The least number that was asked for.
    public var count: Int
    /// The zone that was asked for; nil for any.
    public var zone: String?
    /// Why.
    public var error: CloudError
    /// Makes it.
    public init(
        at: Timestamp, accountID: String, userName: String, requestID: String, type: String?, count: Int,
        zone: String?, error: CloudError
    ) {
        self.at = at
        self.accountID = accountID
        self.userName = userName
        self.requestID = requestID
        self.type = type
        self.count = count
        self.zone = zone
        self.error = error
    }
}

/// The agreement that holds, for people.
public struct AgreementSummary: Hashable, Sendable {
    /// Names of its parts, such as "quota" and "fairshare"; "unrestricted" if there are none.
    public var policies: [String]
    /// One sentence each.
    public var terms: [String]
    /// Makes it.
    public init(policies: [String], terms: [String]) {
        self.policies = policies
        self.terms = terms
    }
}

/// Holdings and agreements.
public protocol AllocationBackend: Sendable {
    /// What an account holds: the caller's own, or for administrators any.
    ///
    /// - Parameter account: nil for the caller's own.
    func holdings(of account: String?, as caller: Caller) async throws(CloudError) -> AccountHoldings
    /// What each account holds that holds anything; administrators only.
    func allHoldings(as caller: Caller) async throws(CloudError) -> [AccountHoldings]
    /// The requests that wait, in the order in which they are to start; users see their own only.
    func waitingRequests(as caller: Caller) async throws(CloudError) -> [WaitingRequest]
    /// The latest requests that were refused, newest first, since the cloud controller's start; administrators only.
    func refusals(as caller: Caller) async throws(CloudError) -> [AllocationRefusal]
    /// The agreement that holds; administrators only.
    func agreement(as caller: Caller) async throws(CloudError) -> AgreementSummary
}
