// One domain of the Xen driver, as the driver sees it. Its domain may change: a restart is a new domain with the same
// UUID.
//
//                  domain shut down: poweroff, crash; gone; stop
//     running ───────────────────────────────────────────────────▶ ended
//      │   ▲                (remains are destroyed, console is read)
//      └───┘ domain shut down: reboot, or `reboot` (destroyed and created again, also by a later node controller; tried for a
//            while if that fails)
import JSON
import Posix

final class XenGuest: TabledGuest, @unchecked Sendable {
    /// What is asked of the guest.
    enum Intent: Sendable, Equatable {
        case none
        /// `stop` waits for it.
        case stopping
        /// `reboot`: destroyed and created again at the latest at this moment of the steady clock.
        case rebooting(until: Milliseconds)
    }

    enum Phase: Sendable, Equatable {
        case running
        case ended(GuestEnd)
    }

    let handle: GuestHandle
    let uuid: String
    /// "xen-pv" and the like; nil if it was found without its record.
    let machine: String?
    let files: XenFiles
    var paths: [String] { files.all }

    // `lock` guards everything below; `change` tells of a new phase.
    let lock = Lock()
    let change = Condition()
    var phase = Phase.running
    var intent = Intent.none
    /// Ends without an event: `stop` and `adopt` have a caller to tell.
    var isSilent = false
    /// Somebody destroys or creates its domain just now; what the list says about it does not count.
    var isBusy = false
    /// What became of the forwards last asked for.
    var forwards: [PortForwardResult] = []
    /// Domain of the last list.
    var domain: Int?
    /// How often it may restart itself.
    var restarts = RestartLimit()
    /// How often in a row its domain could not be made again.
    var failedRestarts = 0

    // `consoleLock` guards the console; it may be taken while holding none of the other locks.
    let consoleLock = Lock()
    private var terminal: File?
    private var terminalDomain: Int?
    private var terminalPlace: String?
    private var endedPlace: String?
    private var isConsoleOver = false

    init(handle: GuestHandle, _ detail: XenHandleDetail, _ files: XenFiles) {
        self.handle = handle
        uuid = detail.uuid
        machine = detail.machine.map { type in "xen-" + type }
        self.files = files
    }

    /// Claims the guest for an operation on its domain; false if another is at it.
    func claim() -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard !isBusy, phase == .running else { return false }
        isBusy = true
        return true
    }

    func release() { lock.withLock { isBusy = false } }

    /// Whether its domain could not be made again, and is tried later; with the lock held.
    func isWaiting(_ now: Milliseconds) -> Bool {
        guard failedRestarts > 0, case .rebooting(let until) = intent else { return false }
        return now < until
    }

    var end: GuestEnd? {
        if case .ended(let end) = phase { return end }
        return nil
    }

    // MARK: Console

    /// The terminal to wait for; nil while there is none.
    var terminalDescriptor: Int32? { consoleLock.withLock { terminal?.descriptor } }

    /// Whether the console of this domain is not read yet.
    func lacksTerminal(of domain: Int) -> Bool { consoleLock.withLock { terminal == nil || terminalDomain != domain } }

    /// Whether the terminal that xenstore names at this place is over. That of a serial port is over with its QEMU, which
    /// its domain may outlive, and the next one of its name is another guest's. xenconsoled, started again, makes new ones.
    func hasEnded(_ place: String) -> Bool {
        consoleLock.withLock { endedPlace == place } && place.hasSuffix("/serial/0/tty")
    }

    /// Reads this domain's console from now on. xenconsoled keeps what came before, up to 1 MiB.
    ///
    /// - Parameter place: where xenstore names it.
    func openTerminal(_ path: String, at place: String, of domain: Int) throws(PosixError) {
        consoleLock.lock()
        defer { consoleLock.unlock() }
        // The next terminal of this name is somebody else's.
        guard !isConsoleOver else { return }
        drainHoldingLock()
        terminal = try File(path, [.read, .nonBlocking])
        terminalDomain = domain
        terminalPlace = place
        drainHoldingLock()
    }

    /// Keeps what the guest has written, and reads no more: there is no domain of it.
    func closeConsole() {
        consoleLock.lock()
        defer { consoleLock.unlock() }
        drainHoldingLock()
        terminal = nil
        isConsoleOver = true
    }

    /// Keeps what the guest has written until now.
    func drain() {
        consoleLock.lock()
        defer { consoleLock.unlock() }
        drainHoldingLock()
    }

    /// Keeps what the guest has written and what of it is on its way still: until nothing comes for a moment, or for so
    /// long that somebody else must be writing.
    func drainToEnd() {
        let deadline = Deadline(after: Self.drainTimeout)
        while true {
            drain()
            guard let descriptor = terminalDescriptor, !deadline.isPast else { return }
            do throws(PosixError) {
                let items = try Poll.wait([Poll.Item(descriptor, readable: true)], timeout: Self.silence)
                guard items[0].isReadable else { return }
            } catch {
                // Only for want of memory.
                return
            }
        }
    }

    /// xenconsoled passes on what it has at once.
    private static let silence: Milliseconds = 100
    private static let drainTimeout: Milliseconds = 3_000
    private static let readsAtOnce = 64

    private func endTerminal() {
        terminal = nil
        endedPlace = terminalPlace
    }

    private func drainHoldingLock() {
        guard let terminal else { return }
        do throws(PosixError) {
            // A guest that writes without end must not keep others from being read.
            for _ in 0..<Self.readsAtOnce {
                let bytes = try terminal.read(16_384)
                guard !bytes.isEmpty else { return endTerminal() }
                try files.console.append(bytes)
            }
        } catch {
            if error.errno == PosixError.tryAgain { return }
            // EIO: the other side is gone, which is how a terminal ends.
            endTerminal()
            if error.errno != PosixError.inputOutput {
                Output.error("\(handle.id): console output is lost: \(error.description)")
            }
        }
    }
}

/// The driver's files in a guest's directory.
struct XenFiles: Sendable {
    let directory: String

    /// The domain's configuration for xl and xm.
    var configuration: String { directory + "/xen.cfg" }
    /// The domain's configuration for libxenlight.
    var libraryConfiguration: String { directory + "/xen.json" }
    /// The domain's UUID and its machine's type, written before the domain is made.
    var uuid: String { directory + "/xen.uuid" }
    /// What attaches its interface to its bridge.
    var interface: String { directory + "/xen.vif" }
    /// Is there while its domain is destroyed and made again.
    var again: String { directory + "/xen.again" }
    /// Why the guest ended, once it has.
    var end: String { directory + "/guest.end" }
    /// What the guest wrote.
    var console: GuestConsole { GuestConsole(directory: directory) }
    /// All of them, but for what `GuestEdge` keeps there.
    var all: [String] { [configuration, libraryConfiguration, uuid, interface, again, end] + console.paths }
}

/// What a Xen guest's handle holds besides driver and id.
struct XenHandleDetail {
    var uuid: String
    var directory: String
    /// Boot of the host in which it was started.
    var boot: String
    /// "pv", "pvh" or "hvm"; nil in records of earlier releases, and if it was found without one.
    var machine: String?

    var text: String {
        var members = [
            JSONMember("uuid", .string(uuid)), JSONMember("directory", .string(directory)),
            JSONMember("boot", .string(boot)),
        ]
        if let machine { members.append(JSONMember("machine", .string(machine))) }
        return JSONValue.object(members).serialized
    }

    init(uuid: String, directory: String, boot: String, machine: String?) {
        self.uuid = uuid
        self.directory = directory
        self.boot = boot
        self.machine = machine
    }

    init(_ handle: GuestHandle) throws(HypervisorError) {
        let value = try handle.detailValue(driver: XenHypervisor.driverName)
        guard let uuid = value["uuid"]?.text,
            let directory = value["directory"]?.text, let boot = value["boot"]?.text
        else { throw HypervisorError(.invalidDefinition, "\(handle.text) is no handle of the Xen driver") }
        self.init(uuid: uuid, directory: directory, boot: boot, machine: value["machine"]?.text)
    }
}
