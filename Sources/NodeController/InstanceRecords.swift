// The durable memory of a node: one record per instance, and the network document in force.

public import Contracts
public import Posix

/// What is remembered of an instance.
public struct InstanceRecord: Sendable {
    /// Everything that was asked for.
    public var spec: Contract.InstanceSpec
    /// Id of the user's request.
    public var correlation: String?
    /// See `InstanceMachine`.
    public var phase: InstanceMachine.Phase
    /// See `InstanceMachine`.
    public var generation: Int64
    /// See `InstanceMachine`.
    public var stateChangedAt: Milliseconds
    /// See `InstanceMachine`.
    public var reason: Contract.StateReason?
    /// Text of the guest's handle; nil before its first start.
    public var handle: String?

    /// A record.
    public init(
        spec: Contract.InstanceSpec, correlation: String?, phase: InstanceMachine.Phase, generation: Int64,
        stateChangedAt: Milliseconds, reason: Contract.StateReason?, handle: String?
    ) {
        self.spec = spec
        self.correlation = correlation
        self.phase = phase
        self.generation = generation
        self.stateChangedAt = stateChangedAt
        self.reason = reason
        self.handle = handle
    }
}

/// What the records held at the start.
public struct LoadedRecords: Sendable {
    /// All that could be read.
    public var records: [InstanceRecord] = []
    /// The network document in force when the node was stopped.
    public var network: Contract.NetworkDocument?
    /// What instances find of their instance profiles, by instance.
    public var credentials: [String: Contract.InstanceCredentials] = [:]
    /// What could not be read, with its place.
    public var problems: [String] = []

    /// Nothing.
    public init() {}
}

/// Why a record could not be written or the records not be read.
public struct RecordError: Error, Sendable, CustomStringConvertible {
    /// Cause and place.
    public let description: String
    /// Whether the disk is full.
    public let isDiskFull: Bool

    /// An error of the operating system.
    public init(_ error: PosixError, doing: String) {
        description = "\(doing) failed: \(error)"
        isDiskFull = error.isDiskFull
    }

    /// Any other.
    public init(_ description: String) {
        self.description = description
        isDiskFull = false
    }
}

/// Keeps the records of one node. Calls for one instance do not overlap.
public protocol InstanceRecords: AnyObject, Sendable {
    /// Reads everything, once, at the start.
    func load() throws(RecordError) -> LoadedRecords
    /// Makes a record durable before it returns.
    func save(_ record: InstanceRecord) throws(RecordError)
    /// Makes the network document durable.
    func save(_ network: Contract.NetworkDocument) throws(RecordError)
    /// Makes an instance's credentials durable, readable for the owner of this process only.
    func save(_ credentials: Contract.InstanceCredentials) throws(RecordError)
    /// Forgets an instance, with all that is kept of it.
    func remove(_ instanceId: String) throws(RecordError)
    /// Removes an instance's disks and sockets but keeps its record.
    func removeDisks(_ instanceId: String) throws(PosixError)
    /// The instance's own directory; nil where there are no files.
    func directory(of instanceId: String) -> String?
    /// Removes directories and ends processes that belong to no record, or to none of the adopted guests.
    func removeOrphans(keeping records: [InstanceRecord], adopted: [String], report: (String) -> Void)
}

/// Records of a simulated node: they live as long as the process.
public final class MemoryRecords: InstanceRecords, @unchecked Sendable {
    /// No records.
    public init() {}

    /// See `InstanceRecords`: always empty, since the node itself holds all there is.
    public func load() throws(RecordError) -> LoadedRecords { LoadedRecords() }
    /// See `InstanceRecords`.
    public func save(_ record: InstanceRecord) throws(RecordError) {}
    /// See `InstanceRecords`.
    public func save(_ network: Contract.NetworkDocument) throws(RecordError) {}
    /// See `InstanceRecords`.
    public func save(_ credentials: Contract.InstanceCredentials) throws(RecordError) {}
    /// See `InstanceRecords`.
    public func remove(_ instanceId: String) throws(RecordError) {}
    /// See `InstanceRecords`.
    public func removeDisks(_ instanceId: String) throws(PosixError) {}
    /// See `InstanceRecords`.
    public func directory(of instanceId: String) -> String? { nil }
    /// See `InstanceRecords`.
    public func removeOrphans(keeping records: [InstanceRecord], adopted: [String], report: (String) -> Void) {}
}
