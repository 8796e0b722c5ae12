// The machinery that runs guests, behind one small protocol.
//
// What lives here: the protocol and its values (this file, GuestDefinition, GuestStatus, HypervisorError), the drivers
// (QEMU*, Simulated*) and disk image tools. What does not: policy. Who runs, where, with which image and which open
// ports is decided by the node controller, which also prepares disks before it starts a guest.
//
// How it fails: every call throws HypervisorError, whose code says what the caller can do and whose message names cause
// and cure. Every call has a time limit of its own; none waits for ever on a guest, a process or a socket.

/// A driver that runs guests on this host.
///
/// Life of a guest, as every driver keeps it:
///
///                 start                        guest powers off, dies, or stop
///     (nothing) ─────────▶ running ───────────────────────────────────────────▶ ended ──forget──▶ (nothing)
///                          │     ▲                                               ▲
///                          └─────┘ reboot, or reset by the guest                 │ start of the same id is allowed
///                                                                                └ again from here
///
/// Calls may come from several threads at once. They block their caller until they are done or their time limit is over;
/// calls for different guests do not wait for each other.
public protocol Hypervisor: AnyObject, Sendable {
    /// Name of the driver in records and descriptions: "qemu", "xen", "simulated".
    var name: String { get }

    /// What Linux in a guest calls its disks, without their letters: "vd", "xvd".
    var diskPrefix: String { get }

    /// The tools that make and check disks in the formats that this driver's guests use.
    var diskImages: any DiskImages { get }

    /// Finds out what this host can do. The first call may take some seconds (a tiny guest is booted to see whether KVM
    /// really runs); the answer is kept, so later calls are quick.
    ///
    /// - Throws: `notInstalled` with the command that installs what is missing.
    func probe() throws(HypervisorError) -> HypervisorFacts

    /// Starts a guest and returns when it runs, which does not mean that its system is up.
    ///
    /// The handle's text belongs into the node's record before anything else is done: it is what finds the guest again
    /// after a restart of the node controller. Forwards of a user-mode network are set; one that failed does not fail the
    /// start, see `GuestStatus.forwards`.
    ///
    /// - Throws: `alreadyRunning` if a guest of this id runs; `invalidDefinition` (a file is missing, a name is
    ///   malformed); `insufficientResources`; `startFailed` with the hypervisor's own words; `timedOut`.
    func start(_ definition: GuestDefinition) throws(HypervisorError) -> GuestHandle

    /// Finds a guest whose handle was never recorded, because the node controller died between its start and that.
    ///
    /// - Parameters:
    ///   - id: the guest's id.
    ///   - directory: `GuestDefinition.directory` of that start.
    /// - Returns: a handle to adopt; nil if no guest of this id runs there, so that it can be started.
    func find(id: String, directory: String) throws(HypervisorError) -> GuestHandle?

    /// Takes over a guest that an earlier driver object started, also one that ended meanwhile; events of it are
    /// delivered from now on. Adopting a guest that this object has already is no error.
    ///
    /// - Returns: nil if there is no trace of it any more (the host was rebooted, its directory is gone): the guest does
    ///   not run.
    func adopt(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus?

    /// How a guest is now. Quick: answered from what the driver knows.
    ///
    /// - Throws: `notFound` if the guest was neither started nor adopted by this object, or is forgotten.
    func status(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus

    /// Asks the guest to shut down and starts it afresh in the same virtual machine; after the grace time it is reset.
    /// Returns as soon as the request is on its way; an event `reset` follows.
    ///
    /// - Throws: `notFound`, `ended`, `timedOut`.
    func reboot(_ handle: GuestHandle, graceMilliseconds: Int64) throws(HypervisorError)

    /// Ends a guest: asks it to power down, and takes its power away after the grace time (at once if that is 0).
    /// Returns when it has ended; stopping an ended guest is no error. No event follows.
    ///
    /// - Throws: `notFound`; `timedOut` if not even killing it helped.
    func stop(_ handle: GuestHandle, graceMilliseconds: Int64) throws(HypervisorError) -> GuestEnd

    /// What the guest wrote to its serial console, from the first line on: if there is more than `limit` bytes, the
    /// beginning, a line that says how much is left out, and the end. Also works after the guest has ended, until it is
    /// forgotten.
    ///
    /// - Throws: `notFound`, `timedOut`.
    func consoleOutput(_ handle: GuestHandle, limit: Int) throws(HypervisorError) -> ConsoleOutput

    /// Makes exactly these forwards of a user-mode network be in force, without touching the guest: opens what is new,
    /// closes what is not listed, leaves the rest as it is (established connections live on).
    ///
    /// - Returns: one result for each forward asked for, in that order.
    /// - Throws: `notFound`, `ended`, `timedOut`; `unsupported` if the guest has no user-mode network.
    func setForwards(_ handle: GuestHandle, _ forwards: [PortForward]) throws(HypervisorError) -> [PortForwardResult]

    /// Drops what the driver keeps of an ended guest: memory, and files of its own in the guest's directory (not the
    /// disks). Forgetting an unknown guest is no error.
    ///
    /// - Throws: `alreadyRunning` if the guest still runs.
    func forget(_ handle: GuestHandle) throws(HypervisorError)

    /// Sets who is told of events; replaces whoever was. The handler is called on a thread of the driver or of whoever
    /// moves simulated time, one call at a time. It must return quickly and must not call the driver: hand the event over.
    func setEventHandler(_ handler: @escaping @Sendable (GuestEvent) -> Void)

    /// How often `checkHealth` is worth calling, in milliseconds; nil if the driver depends on no services of the host.
    var healthCheckPause: Int64? { get }

    /// Looks whether the services and tools of the host that the driver depends on answer at this moment. Blocks for some
    /// tens of seconds at most.
    ///
    /// - Throws: what is wrong, with the cure.
    func checkHealth() throws(HypervisorError)

    /// Lets go of all guests, which run on, and of threads and sockets. The object answers `unavailable` afterwards.
    func detach()
}

extension Hypervisor {
    /// Nothing to check.
    public var healthCheckPause: Int64? { nil }
    /// Nothing to check.
    public func checkHealth() throws(HypervisorError) {}
}

/// What a host can do, as `Hypervisor.probe` found out.
public struct HypervisorFacts: Sendable, Equatable {
    /// The driver's name.
    public var hypervisor: String
    /// Version of the hypervisor's software, "7.2.22".
    public var version: String
    /// "kvm", "tcg", "xen", "none".
    public var accelerator: String
    /// Why that accelerator, for people: "/dev/kvm opens, but a guest did not run within 3000 ms".
    public var acceleratorReason: String
    /// Guests that can run, best first.
    public var guestArchitectures: [GuestArchitecture]
    /// What guests can be started from.
    public var boots: [GuestBoot]
    /// The program that runs guests, where the driver has one; else empty.
    public var program: String
    /// Memory in MiB that guests may have in all; nil if it is this system's own, less what the system needs.
    public var guestMemoryMiB: Int64?
    /// The host's processors; nil if they are those that this system has.
    public var processors: Int?

    /// Creates the facts.
    public init(
        hypervisor: String, version: String, accelerator: String, acceleratorReason: String,
        guestArchitectures: [GuestArchitecture], boots: [GuestBoot] = [.kernel, .disk], program: String = "",
        guestMemoryMiB: Int64? = nil, processors: Int? = nil
    ) {
        self.hypervisor = hypervisor
        self.version = version
        self.accelerator = accelerator
        self.acceleratorReason = acceleratorReason
        self.guestArchitectures = guestArchitectures
        self.boots = boots
        self.program = program
        self.guestMemoryMiB = guestMemoryMiB
        self.processors = processors
    }
}
