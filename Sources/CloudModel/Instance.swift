/// States of an instance as users see them, with EC2's numbers.
///
///     pending ──▶ running ──▶ shutting-down ──▶ terminated
///        │           │  ▲            ▲
///        │           ▼  │            │
///        │       stopping ──▶ stopped┤
///        └────────────(failure)──────┘
///
/// Source: EC2 User Guide, "Instance state changes"; InstanceState in the API reference. A pending instance that
/// cannot start becomes terminated, with a state reason. Nothing leaves terminated.
public enum InstanceState: String, Sendable, Codable, CaseIterable {
    case pending, running, terminated, stopping, stopped
    case shuttingDown = "shutting-down"

    /// The low byte of EC2's state code.
    public var code: Int {
        switch self {
        case .pending: 0
        case .running: 16
        case .shuttingDown: 32
        case .terminated: 48
        case .stopping: 64
        case .stopped: 80
        }
    }

    /// Whether an instance in this state occupies a slot of its zone.
    public var holdsResources: Bool { self != .terminated && self != .stopped }

    /// Whether an observation on the node may move an instance from this state to `next`.
    public func canBecome(_ next: InstanceState) -> Bool {
        if self == next { return true }
        switch (self, next) {
        case (.terminated, _): return false
        case (_, .terminated), (_, .shuttingDown): return true
        case (.shuttingDown, _): return false
        case (.pending, _), (.running, .stopping), (.running, .stopped), (.stopping, .stopped), (.stopped, .pending),
            (.stopped, .running):
            return true
        case (.running, _), (.stopping, _), (.stopped, _): return false
        }
    }
}

/// Why an instance is in its state. Codes are EC2's (StateReason in the API reference).
public struct StateReason: Hashable, Sendable, Codable {
    /// Such as "Client.UserInitiatedShutdown" or "Server.InsufficientInstanceCapacity".
    public var code: String
    /// For users: cause and cure.
    public var message: String
    /// Makes a reason.
    public init(code: String, message: String) {
        self.code = code
        self.message = message
    }
}

/// A group as an instance is a member of it.
public struct GroupMembership: Hashable, Sendable, Codable {
    /// The group.
    public var id: SecurityGroupID
    /// Its name at launch.
    public var name: String
    /// Makes a membership.
    public init(id: SecurityGroupID, name: String) {
        self.id = id
        self.name = name
    }
}

/// What the owner wants with an instance; the reconciler makes the nodes agree.
public enum InstanceIntent: String, Sendable, Codable { case run, terminate }

/// The cloud's record of one instance: the owner's intent and the last fact from the node.
public struct Instance: Hashable, Sendable, Codable {
    /// Its identifier.
    public var id: InstanceID
    /// The reservation it was launched in.
    public var reservationID: ReservationID
    /// Owner's account.
    public var accountID: String
    /// Index within its reservation, from 0.
    public var launchIndex: Int
    /// What the owner wants.
    public var intent: InstanceIntent
    /// What is so, as far as the cloud knows.
    public var state: InstanceState
    /// Why.
    public var stateReason: StateReason?
    /// When the state last changed.
    public var stateChangedAt: Timestamp
    /// The image it was launched from.
    public var imageID: ImageID
    /// Kernel in use, if any.
    public var kernelID: ImageID?
    /// Ramdisk in use, if any.
    public var ramdiskID: ImageID?
    /// i386 or x86_64.
    public var architecture: String
    /// EC2's root device name.
    public var rootDeviceName: String
    /// The type as it was at launch: a later edit of the table does not change it.
    public var type: InstanceType
    /// Availability zone.
    public var zone: String
    /// The node it was placed on.
    public var nodeName: String?
    /// What it runs on, as its node says: "xen-pv", "xen-pvh", "xen-hvm", "kvm", "qemu" (emulation), "simulated"; nil before
    /// its start.
    public var machine: String?
    /// EC2's word for how its system runs: "paravirtual" or "hvm".
    public var virtualizationType: String { machine == "xen-pv" ? "paravirtual" : "hvm" }
    /// Name of the key pair, if any.
    public var keyName: String?
    /// Public key as it was at launch.
    public var publicKey: String?
    /// Raw user data, at most 16 KiB.
    public var userData: [UInt8]?
    /// Groups.
    public var groups: [GroupMembership]
    /// MAC address, lower-case with colons.
    public var macAddress: String
    /// Private IPv4 address, when assigned.
    public var privateAddress: String?
    /// Public IPv4 address, when assigned.
    public var publicAddress: String?
    /// When it was launched.
    public var launchTime: Timestamp
    /// The token that it was launched with.
    public var clientToken: String?
    /// Whether detailed monitoring was asked for.
    public var isMonitored: Bool
    /// Generation of the last report applied; older ones are ignored.
    public var reportGeneration: Int64
    /// Tags.
    public var tags: [Tag]
    /// What the owner has set beyond the launch; nil for nothing.
    public var options: InstanceOptions?

    /// Makes a record of an instance that was just accepted.
    public init(
        id: InstanceID, reservationID: ReservationID, accountID: String, launchIndex: Int, imageID: ImageID,
        kernelID: ImageID?, ramdiskID: ImageID?, architecture: String, rootDeviceName: String, type: InstanceType,
        zone: String, keyName: String?, publicKey: String?, userData: [UInt8]?, groups: [GroupMembership],
        macAddress: String, launchTime: Timestamp, clientToken: String?, isMonitored: Bool, tags: [Tag]
    ) {
        self.id = id
        self.reservationID = reservationID
        self.accountID = accountID
        self.launchIndex = launchIndex
        intent = .run
        state = .pending
        stateReason = StateReason(code: "pending", message: "pending")
        stateChangedAt = launchTime
        self.imageID = imageID
        self.kernelID = kernelID
        self.ramdiskID = ramdiskID
        self.architecture = architecture
        self.rootDeviceName = rootDeviceName
        self.type = type
        self.zone = zone
        self.keyName = keyName
        self.publicKey = publicKey
        self.userData = userData
        self.groups = groups
        self.macAddress = macAddress
        self.launchTime = launchTime
        self.clientToken = clientToken
        self.isMonitored = isMonitored
        reportGeneration = 0
        self.tags = tags
    }
}

/// Instances that were launched by one request, as EC2 describes them.
public struct Reservation: Hashable, Sendable {
    /// Its identifier.
    public var id: ReservationID
    /// Owner's account.
    public var accountID: String
    /// The instances asked for, by launch index.
    public var instances: [Instance]
    /// Makes a reservation.
    public init(id: ReservationID, accountID: String, instances: [Instance]) {
        self.id = id
        self.accountID = accountID
        self.instances = instances
    }
}
