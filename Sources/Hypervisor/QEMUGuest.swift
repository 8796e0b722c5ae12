// One guest of the QEMU driver, as the driver sees it.
//
//                 SHUTDOWN event, stop, reboot's refusal
//     starting ─▶ running ─────────────────────▶ ending ──process gone──▶ ended
//                   │                              ▲ │ (console is read, then QMP quit, SIGKILL after a while)
//                   └──process gone by itself──────┘ │
//                                                    └ the process dies meanwhile: the same
import JSON
import Posix

final class QEMUGuest: TabledGuest, @unchecked Sendable {
    /// What is asked of the guest.
    enum Intent: Sendable, Equatable {
        case none
        /// `stop` waits for it.
        case stopping
        /// `reboot`: reset at the latest at this moment of the steady clock.
        case rebooting(until: Milliseconds)
    }

    enum Phase: Sendable, Equatable {
        case starting
        case running
        /// Waits for the process to be gone; killed at the latest at this moment.
        case ending(GuestEnd, killAt: Milliseconds)
        case ended(GuestEnd)
    }

    let handle: GuestHandle
    let files: QEMUFiles
    var paths: [String] { files.all }
    let identity: ProcessIdentity
    /// Address of the host that forwards listen on; nil if there is no user-mode network.
    let hostAddress: String?
    /// The process, if it is our child and must be reaped.
    let process: Process?

    // `lock` guards everything below; `change` tells of a new phase.
    let lock = Lock()
    let change = Condition()
    var phase = Phase.starting
    var intent = Intent.none
    var connection: QMPConnection?
    var forwards: [PortForwardResult] = []
    /// Ends the guest without an event: `stop`, `start` and `adopt` have a caller to tell.
    var isSilent = false
    /// A reboot turned the guest off, and the reset shall make it run again.
    var continuesAfterReset = false
    /// It waits for space on the disk.
    var isOutOfSpace = false
    var isReadingConsole = false
    var consoleWaiters: [Waiter<Bool>] = []
    var nextConsoleRead: Milliseconds = 0
    var nextAttempt: Milliseconds = 0
    var lastResetEvent: Milliseconds = -1_000_000
    let createdAt = Clock.monotonic

    init(
        handle: GuestHandle, files: QEMUFiles, identity: ProcessIdentity, hostAddress: String?, process: Process?
    ) {
        self.handle = handle
        self.files = files
        self.identity = identity
        self.hostAddress = hostAddress
        self.process = process
    }

    var console: GuestConsole { files.console }

    /// Whether the process has ended; reaps it if it is our child. An error of /proc counts as alive: it is asked again.
    var isProcessGone: Bool {
        if let process { return !process.isRunning }
        do throws(PosixError) {
            return try !identity.isAlive()
        } catch {
            return false
        }
    }

    var end: GuestEnd? {
        if case .ended(let end) = phase { return end }
        return nil
    }

    /// The last words of QEMU's standard error, for messages.
    var logTail: String {
        do throws(PosixError) {
            let bytes = try FileSystem.read(files.log, limit: 4 << 20).suffix(2_000)
            var text = String(decoding: bytes, as: UTF8.self)
            while let last = text.unicodeScalars.last, last == "\n" || last == "\r" || last == " " { text.removeLast() }
            return text
        } catch {
            return ""
        }
    }
}

/// What a QEMU guest's handle holds besides driver and id.
struct QEMUHandleDetail {
    var process: ProcessIdentity
    var directory: String
    var hostAddress: String?

    var text: String {
        var members = [
            JSONMember("process", .string(process.description)), JSONMember("directory", .string(directory)),
        ]
        if let hostAddress { members.append(JSONMember("hostAddress", .string(hostAddress))) }
        return JSONValue.object(members).serialized
    }

    init(process: ProcessIdentity, directory: String, hostAddress: String?) {
        self.process = process
        self.directory = directory
        self.hostAddress = hostAddress
    }

    init(_ handle: GuestHandle) throws(HypervisorError) {
        let value = try handle.detailValue(driver: QEMUHypervisor.driverName)
        guard let text = value["process"]?.text,
            let process = ProcessIdentity(text), let directory = value["directory"]?.text
        else { throw HypervisorError(.invalidDefinition, "\(handle.text) is no handle of the QEMU driver") }
        self.init(process: process, directory: directory, hostAddress: value["hostAddress"]?.text)
    }
}
