import Contracts
import Hypervisor
import Posix

/// One instance of a node: its specification, where it is in its life, and what belongs to its guest.
final class Instance: @unchecked Sendable {
    let spec: Contract.InstanceSpec
    /// Id of the user's request that started it, for the log.
    let correlation: String

    /// Guards everything below, and is held while the record is written, so that an older record never replaces a newer.
    /// It may be held when the node's own lock is taken, never the other way round.
    let lock = Lock()
    var machine: InstanceMachine
    /// Finds the guest; nil before the first start.
    var handle: GuestHandle?
    /// Forwards in force.
    var forwards: [PortForward] = []
    /// Forwards that were asked for last, whether in force or not.
    var wantedForwards: [PortForward] = []
    /// Whether a worker is at the forwards; if something changes meanwhile, it looks once more.
    var forwardsBusy = false
    var forwardsStale = false
    /// The kind of virtual machine where the driver has several; see `GuestStatus.machine`.
    var kind: String?
    /// Serves the guest's metadata while it may run.
    var metadata: MetadataServer?
    /// What its instance profile gives it.
    let credentials: GuestCredentials
    /// How its guest reaches its metadata.
    let metadataOptions: GuestMetadataOptions
    /// The latest copy of its root disk that was asked for, and whether it is still wanted; see `DiskCopying`.
    var bundle: Contract.BundleReport?
    var bundleIsCancelled = false
    /// Where the copy of a simulated guest's disk is.
    var copyDirectory: String?
    /// Where the copy goes: an address that authorises, so it is never logged.
    var bundleURL = ""
    /// Starts after a copy that failed in a row.
    var failedRestarts = 0

    init(
        spec: Contract.InstanceSpec, correlation: String, machine: InstanceMachine, handle: GuestHandle? = nil,
        credentials: Contract.InstanceCredentials? = nil
    ) {
        self.credentials = GuestCredentials(credentials)
        metadataOptions = GuestMetadataOptions(spec.metadata)
        self.spec = spec
        self.correlation = correlation
        self.machine = machine
        self.handle = handle
    }

    var id: String { spec.instanceId }

    /// The record, with the lock held.
    var record: InstanceRecord {
        InstanceRecord(
            spec: spec, correlation: correlation, phase: machine.phase, generation: machine.generation,
            stateChangedAt: machine.stateChangedAt, reason: machine.reason, handle: handle?.text)
    }

    /// The report, with the lock held.
    ///
    /// - Parameter machine: what guests of the node run on where the driver has but one kind.
    func report(nodeName: String, machine defaultKind: String? = nil) -> Contract.InstanceReport {
        var shown: [Contract.PortForward] = []
        shown.reserveCapacity(forwards.count)
        for forward in forwards {
            shown.append(
                Contract.PortForward(
                    protocol: forward.transport.rawValue, hostPort: forward.hostPort, guestPort: forward.guestPort))
        }
        return Contract.InstanceReport(
            instanceId: id, state: machine.state, detail: machine.detail, reason: machine.reason, nodeName: nodeName,
            generation: machine.generation, stateChangedAt: machine.stateChangedAt, spec: spec, forward: shown,
            machine: handle == nil ? nil : kind ?? defaultKind, bundle: bundle)
    }
}
