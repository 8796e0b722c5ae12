import CPosix

/// Names one process for good: numbers are reused, but never with the same start time in the same boot.
/// Its text can be written to a file and used after a restart to find the process again.
public struct ProcessIdentity: Sendable, Equatable, Hashable, CustomStringConvertible {
    /// The process number.
    public let pid: Int32
    /// When it started, in clock ticks since the boot (field 22 of /proc/PID/stat).
    public let startTicks: Int64
    /// Which boot (/proc/sys/kernel/random/boot_id).
    public let boot: String

    /// "PID:TICKS:BOOT".
    public var description: String { "\(pid):\(startTicks):\(boot)" }

    /// From `description`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let pid = Int32(String(parts[0])), pid > 0, let ticks = Int64(String(parts[1])),
            ticks >= 0, !parts[2].isEmpty
        else { return nil }
        self.init(pid: pid, startTicks: ticks, boot: String(parts[2]))
    }

    private init(pid: Int32, startTicks: Int64, boot: String) {
        self.pid = pid
        self.startTicks = startTicks
        self.boot = boot
    }

    /// That of a process that runs now, child or not; nil when none has this number or it has ended.
    public static func of(_ pid: Int32) throws(PosixError) -> ProcessIdentity? {
        let stat: String
        do throws(PosixError) {
            stat = try FileSystem.readText("/proc/\(pid)/stat", limit: 65536)
        } catch {
            // ESRCH comes when it ends between open and read.
            if error.isNotFound || error.errno == PosixError.noSuchProcess { return nil }
            throw error
        }
        guard let (state, ticks) = parse(stat) else {
            throw PosixError(errno: PosixError.invalid, operation: "understand", detail: "/proc/\(pid)/stat")
        }
        // A zombie or dead process only waits to be reaped.
        if state == 0x5a || state == 0x58 || state == 0x78 { return nil }
        var boot = try FileSystem.readText("/proc/sys/kernel/random/boot_id", limit: 256)
        while boot.utf8.last == 0x0a { boot.removeLast() }
        return ProcessIdentity(pid: pid, startTicks: ticks, boot: boot)
    }

    /// State letter and start time. The command name in parentheses may hold blanks and parentheses itself.
    static func parse(_ stat: String) -> (state: UInt8, startTicks: Int64)? {
        let bytes = Array(stat.utf8)
        guard let close = bytes.lastIndex(of: 0x29) else { return nil }
        let fields = bytes[(close + 1)...].split(separator: 0x20)
        // The first after the name is field 3.
        guard fields.count > 19, let state = fields[0].first,
            let ticks = Int64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        return (state, ticks)
    }

    /// Whether this very process still runs.
    public func isAlive() throws(PosixError) -> Bool { try Self.of(pid) == self }

    /// Sends a signal to this very process; false when it has ended. A process that got the number since is never hit
    /// (with kernels before 5.3, unless it got it in the very same instant).
    @discardableResult
    public func signal(_ number: Int32) throws(PosixError) -> Bool {
        let handle = cposix_pidfd_open(pid)
        defer { if handle >= 0 { _ = cposix_close(handle) } }
        if handle == -PosixError.noSuchProcess { return false }
        // The handle is of whoever has the number now; only then look whether that is the one meant.
        guard try isAlive() else { return false }
        let result = handle >= 0 ? cposix_pidfd_signal(handle, number) : cposix_kill(pid, number)
        if result == -PosixError.noSuchProcess { return false }
        try check(result, "send signal \(number) to", "process \(pid)")
        return true
    }

    /// Waits until this very process has ended; false after the time limit. For processes that are not children.
    public func waitForEnd(timeout: Milliseconds?) throws(PosixError) -> Bool {
        let deadline = Deadline(after: timeout)
        var pause: Milliseconds = 2
        while try isAlive() {
            if deadline.isPast { return false }
            Thread.sleep(min(pause, deadline.remaining ?? pause))
            pause = min(pause * 2, 100)
        }
        return true
    }
}
