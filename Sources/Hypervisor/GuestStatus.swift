/// What finds a guest again. Its text is kept in the node's record.
public struct GuestHandle: Sendable, Hashable {
    /// Name of the driver that started it.
    public let driver: String
    /// Id of the guest.
    public let id: String
    /// What the driver needs besides; only the driver reads it.
    public let detail: String

    /// Creates a handle; for drivers.
    public init(driver: String, id: String, detail: String) {
        self.driver = driver
        self.id = id
        self.detail = detail
    }

    /// Reads a handle from its text.
    ///
    /// - Returns: nil if the text is not one.
    public init?(text: String) {
        let parts = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        driver = String(parts[0])
        id = String(parts[1])
        detail = String(parts[2])
    }

    /// The handle in one line: driver, id and detail separated by blanks.
    public var text: String { "\(driver) \(id) \(detail)" }
}

/// How a guest is.
public struct GuestStatus: Sendable, Equatable {
    /// Whether the guest runs, or why not.
    public var state: GuestState
    /// Process of the guest on the host; 0 if there is none.
    public var processId: Int32
    /// What became of the forwards last asked for.
    public var forwards: [PortForwardResult]
    /// The kind of virtual machine where a driver has several: "xen-pv", "xen-pvh", "xen-hvm"; nil elsewhere.
    public var machine: String?

    /// Creates a status.
    public init(
        state: GuestState, processId: Int32 = 0, forwards: [PortForwardResult] = [], machine: String? = nil
    ) {
        self.state = state
        self.processId = processId
        self.forwards = forwards
        self.machine = machine
    }
}

/// Whether a guest runs.
public enum GuestState: Sendable, Equatable {
    /// It runs, or boots.
    case running
    /// It does not run any more.
    case ended(GuestEnd)
}

/// Why a guest does not run any more.
public struct GuestEnd: Sendable, Equatable {
    /// Kinds of end.
    public enum Cause: String, Sendable, Equatable {
        /// The guest powered itself off.
        case guestPowerOff = "guest-power-off"
        /// `stop`: the guest followed the request to power down.
        case stopped
        /// `stop`: its power was taken away.
        case killed
        /// The guest's kernel crashed, and its virtual machine stopped with it.
        case crashed = "guest-crashed"
        /// The guest restarted itself again and again, so it was not started once more.
        case restartedTooOften = "guest-restarted-too-often"
        /// The hypervisor's process or domain ended or was killed from outside.
        case hypervisorDied = "hypervisor-died"
    }

    /// Kind of end.
    public var cause: Cause
    /// For people: what happened, with the hypervisor's own words if there are any.
    public var message: String

    /// Creates an end.
    public init(cause: Cause, message: String) {
        self.cause = cause
        self.message = message
    }
}

/// Something that happened to a guest without being asked for.
public struct GuestEvent: Sendable, Equatable {
    /// Kinds of event.
    public enum Kind: Sendable, Equatable {
        /// The guest ended by itself or its process died; not sent for `stop`. Its console can be read.
        case ended(GuestEnd)
        /// The guest was reset, by itself or for `reboot`; it runs on.
        case reset
        /// The guest's kernel reported a panic; the virtual machine runs on as the kernel decides.
        case panicked
    }

    /// Whose event.
    public var handle: GuestHandle
    /// What happened.
    public var kind: Kind

    /// Creates an event.
    public init(handle: GuestHandle, kind: Kind) {
        self.handle = handle
        self.kind = kind
    }
}

/// Console output of a guest.
public struct ConsoleOutput: Sendable, Equatable {
    /// The bytes as the guest wrote them; not necessarily UTF-8.
    public var bytes: [UInt8]
    /// When the last of it was read from the guest, in milliseconds since 1970.
    public var timestampMilliseconds: Int64

    /// Creates an output.
    public init(bytes: [UInt8], timestampMilliseconds: Int64) {
        self.bytes = bytes
        self.timestampMilliseconds = timestampMilliseconds
    }
}
