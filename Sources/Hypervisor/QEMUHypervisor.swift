import JSON
import Posix

/// Guests as QEMU processes, with KVM where it works and emulation otherwise.
///
/// Each guest is a process in a session of its own that outlives this one. It is controlled over QMP by a Unix socket in
/// the guest's directory; one thread reads the sockets of all guests. Starting a guest does not wait for QMP: the guest
/// boots while the connection is made.
public final class QEMUHypervisor: Hypervisor, @unchecked Sendable {
    static let driverName = "qemu"

    /// "qemu"
    public var name: String { Self.driverName }
    /// virtio's "vd"
    public var diskPrefix: String { "vd" }
    /// `qemu-img`.
    public let diskImages: any DiskImages

    private let table = GuestTable<QEMUGuest>(driver: "QEMU")
    // `lock` guards the connections and the handler; each guest has a lock of its own, which may be taken while holding
    // none or, never the other way round, this one.
    private let lock = Lock()
    private let probeLock = Lock()
    private var byDescriptor: [Int32: QEMUGuest] = [:]
    private var handler: @Sendable (GuestEvent) -> Void = { _ in }
    private var facts: HypervisorFacts?
    private let stateDirectory: String
    private let programs: QEMUPrograms
    private let loop: QMPEventLoop

    /// How long QEMU may take until it answers after its start.
    private static let startTimeout: Milliseconds = 30_000
    /// How long a command may take.
    static let commandTimeout: Milliseconds = 10_000
    /// How long a guest's process may take to go after `quit`, before it is killed.
    static let quitTimeout: Milliseconds = 3_000

    /// Creates a driver; guests of earlier ones are taken over with `adopt`.
    ///
    /// - Parameters:
    ///   - stateDirectory: where the answer of the KVM probe is kept; made if it is not there.
    ///   - programs: where QEMU is.
    public init(stateDirectory: String, programs: QEMUPrograms = QEMUPrograms()) throws(HypervisorError) {
        self.stateDirectory = stateDirectory
        self.programs = programs
        diskImages = QEMUImages(programs: programs)
        do throws(PosixError) {
            loop = try QMPEventLoop()
        } catch {
            throw HypervisorError(error, "setting up the QEMU driver")
        }
        loop.onEvent = { connection, event in self.received(event, from: connection) }
        loop.onLost = { connection in self.lost(connection) }
        loop.onTick = { self.tick() }
    }

    /// See `Hypervisor.setEventHandler`.
    public func setEventHandler(_ handler: @escaping @Sendable (GuestEvent) -> Void) {
        lock.withLock { self.handler = handler }
    }

    /// See `Hypervisor.probe`.
    public func probe() throws(HypervisorError) -> HypervisorFacts {
        probeLock.lock()
        defer { probeLock.unlock() }
        if let facts { return facts }
        let found = try QEMUProbe(stateDirectory: stateDirectory, programs: programs).run()
        facts = found
        return found
    }

    // MARK: Start

    /// See `Hypervisor.start`.
    public func start(_ definition: GuestDefinition) throws(HypervisorError) -> GuestHandle {
        try definition.check(filesExist: true)
        let files = QEMUFiles(directory: definition.directory)
        guard FileSystem.isDirectory(definition.directory), definition.directory.hasPrefix("/") else {
            throw HypervisorError(.invalidDefinition, "\(definition.id): \(definition.directory) is no directory")
        }
        guard files.qmp.utf8.count < 108 else {
            throw HypervisorError(
                .invalidDefinition,
                "\(files.qmp) is too long for a Unix socket (107 bytes); use a shorter state directory")
        }
        if case .bridge = definition.network {
            throw HypervisorError(
                .unsupported, "\(definition.id): QEMU guests are attached by a tap device or user-mode network")
        }
        let facts = try probe()
        let emulator = try programs.emulator(for: definition.architecture)
        try table.reserve(definition.id)
        defer { table.release(definition.id) }
        if let running = try find(id: definition.id, directory: definition.directory) {
            throw HypervisorError(
                .alreadyRunning, "\(definition.id) runs already (\(running.detail)); adopt it instead of starting it")
        }
        let guest = try launch(
            emulator.path,
            QEMUCommandLine(definition: definition, facts: facts, files: files, hasSandbox: emulator.hasSandbox))
        do throws(HypervisorError) {
            try connect(guest, until: Deadline(after: Self.startTimeout))
            if case .user(let user) = definition.network, !user.forwards.isEmpty {
                _ = try applyForwards(guest, user.forwards)
            }
        } catch {
            abandon(guest)
            throw error
        }
        return guest.handle
    }

    private func launch(_ executable: String, _ line: QEMUCommandLine) throws(HypervisorError) -> QEMUGuest {
        let definition = line.definition
        do throws(PosixError) {
            for path in line.files.all { try FileSystem.remove(path, ifPresent: true) }
            var options = Process.Options()
            options.newSession = true
            options.directory = definition.directory
            options.error = .file(line.files.log)
            var hostAddress: String?
            if case .user(let user) = definition.network {
                hostAddress = user.hostAddress
                try FileSystem.append(line.files.address, Array(user.hostAddress.utf8), permissions: 0o600)
            }
            let process = try Process.start(executable, line.arguments, options)
            guard let identity = try ProcessIdentity.of(process.pid) else {
                _ = try process.wait(timeout: Self.quitTimeout)
                throw PosixError(
                    errno: PosixError.noSuchProcess, operation: "start QEMU",
                    detail: "(\(Self.lastLine(line.files.log)))")
            }
            let detail = QEMUHandleDetail(
                process: identity, directory: definition.directory, hostAddress: hostAddress)
            return QEMUGuest(
                handle: GuestHandle(driver: Self.driverName, id: definition.id, detail: detail.text),
                files: line.files, identity: identity, hostAddress: hostAddress, process: process)
        } catch {
            throw error.errno == PosixError.noSuchProcess
                ? HypervisorError(.startFailed, "\(definition.id): \(error.detail)")
                : HypervisorError(error, "starting \(definition.id)")
        }
    }

    private static func lastLine(_ path: String) -> String {
        do throws(PosixError) {
            let text = try FileSystem.readText(path, limit: 4 << 20)
            return text.split(separator: "\n").last.map { line in String(line) } ?? "no reason given"
        } catch {
            return "no reason given"
        }
    }

    /// Connects to a guest's control socket as soon as QEMU has made it, and registers the guest.
    private func connect(_ guest: QEMUGuest, until deadline: Deadline) throws(HypervisorError) {
        let id = guest.handle.id
        while true {
            if guest.isProcessGone { throw startFailure(guest) }
            do throws(PosixError) {
                let connection = QMPConnection(socket: try Socket.connect(path: guest.files.qmp, timeout: 1_000))
                try register(guest, connection)
                break
            } catch {
                guard error.isNotFound || error.errno == PosixError.connectionRefused || error.isTimeout else {
                    throw HypervisorError(error, "connecting to \(id)'s QEMU")
                }
            }
            if deadline.isPast {
                throw HypervisorError(.timedOut, "\(id): QEMU did not open its control socket; \(guest.logTail)")
            }
            // QEMU takes 50 to 100 ms; the guest boots meanwhile.
            Thread.sleep(5)
        }
        do throws(HypervisorError) {
            _ = try execute(guest, "query-status", timeout: deadline.remaining ?? Self.startTimeout)
        } catch {
            // QEMU opens the socket before it reads kernel and disks, so this is how a bad kernel shows.
            if error.code == .ended {
                do throws(PosixError) {
                    _ = try guest.process?.wait(timeout: Self.quitTimeout)
                } catch {}  // What matters is said next.
                throw startFailure(guest)
            }
            throw error
        }
        guest.lock.withLock { if guest.phase == .starting { guest.phase = .running } }
    }

    private func startFailure(_ guest: QEMUGuest) -> HypervisorError {
        let words = guest.logTail
        let memory = words.utf8.count > 0 && Self.contains(words, "annot allocate memory")
        return HypervisorError(
            memory ? .insufficientResources : .startFailed,
            "\(guest.handle.id): QEMU ended at once: \(words.isEmpty ? "it gave no reason" : words)")
    }

    /// `String.contains` does not exist in Embedded Swift.
    static func contains(_ text: String, _ part: StaticString) -> Bool {
        let bytes = Array(text.utf8)
        let count = part.utf8CodeUnitCount
        guard bytes.count >= count else { return false }
        for start in 0...(bytes.count - count) {
            var index = 0
            while index < count, bytes[start + index] == part.utf8Start[index] { index += 1 }
            if index == count { return true }
        }
        return false
    }

    /// Ends a guest whose start failed, as if it had never been.
    private func abandon(_ guest: QEMUGuest) {
        guest.lock.withLock { guest.isSilent = true }
        do throws(PosixError) {
            try guest.identity.signal(Signals.kill)
            _ = try guest.process?.wait(timeout: Self.quitTimeout)
        } catch {}  // The start's own error is what the caller needs.
        withdraw(guest)
    }

    /// Lets go of a guest without touching it.
    private func withdraw(_ guest: QEMUGuest) {
        let connection = guest.lock.withLock { guest.connection }
        connection?.close()
        table.remove(guest)
        if let connection { drop(connection) }
        guest.lock.withLock { guest.connection = nil }
    }

    /// Makes the guest and its connection known, and lets the loop read it.
    private func register(_ guest: QEMUGuest, _ connection: QMPConnection) throws(PosixError) {
        table.insert(guest)
        lock.withLock { byDescriptor[connection.descriptor] = guest }
        guest.lock.withLock { guest.connection = connection }
        try loop.add(connection)
    }

    // MARK: Find and adopt

    /// See `Hypervisor.find`.
    public func find(id: String, directory: String) throws(HypervisorError) -> GuestHandle? {
        let files = QEMUFiles(directory: directory)
        do throws(PosixError) {
            guard FileSystem.exists(files.pid) else { return nil }
            let text = try FileSystem.readText(files.pid, limit: 64)
            guard let pid = Int32(String(text.split(separator: "\n").first ?? "")),
                let identity = try ProcessIdentity.of(pid)
            else { return nil }
            // The number may be another program's by now: ours has its own pid file among its arguments.
            let words = try FileSystem.read("/proc/\(pid)/cmdline", limit: 1 << 20).split(separator: 0)
            var isOurs = false
            var hostAddress: String?
            for word in words {
                if word.elementsEqual(files.pid.utf8) { isOurs = true }
                if word.starts(with: "user,id=n0".utf8) { hostAddress = try Self.keptAddress(files) }
            }
            guard isOurs else { return nil }
            let detail = QEMUHandleDetail(process: identity, directory: directory, hostAddress: hostAddress)
            return GuestHandle(driver: Self.driverName, id: id, detail: detail.text)
        } catch {
            if error.isNotFound || error.errno == PosixError.noSuchProcess { return nil }
            throw HypervisorError(error, "looking for \(id)")
        }
    }

    private static func keptAddress(_ files: QEMUFiles) throws(PosixError) -> String? {
        let text = try FileSystem.readText(files.address, limit: 64)
        return GuestDefinition.isLoopback(text) ? text : nil
    }

    /// See `Hypervisor.adopt`.
    public func adopt(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus? {
        let detail = try QEMUHandleDetail(handle)
        switch try table.adoption(of: handle) {
        case .known(let guest): return status(of: guest)
        case .outdated: return nil
        case .new: break
        }
        let files = QEMUFiles(directory: detail.directory)
        let guest = QEMUGuest(
            handle: handle, files: files, identity: detail.process, hostAddress: detail.hostAddress, process: nil)
        if guest.isProcessGone {
            guard let end = GuestEnd.read(files.end) ?? lostEnd(guest) else { return nil }
            guest.phase = .ended(end)
            table.insert(guest)
            return status(of: guest)
        }
        guest.phase = .running
        guest.isSilent = true
        do throws(HypervisorError) {
            try connect(guest, until: Deadline(after: Self.commandTimeout))
            let state = try execute(guest, "query-status", timeout: Self.commandTimeout)["status"]?.text
            switch state {
            case "shutdown":
                finish(guest, GuestEnd(cause: .guestPowerOff, message: "the guest powered itself off"))
                guard guest.waitForEnd(timeout: Self.quitTimeout * 3) != nil else {
                    throw HypervisorError(.timedOut, "\(handle.id) powered off, but its QEMU does not go")
                }
            case "prelaunch", "paused":
                // The earlier node controller died in the middle of a reboot.
                _ = try execute(guest, "cont", timeout: Self.commandTimeout)
            default: break
            }
            if guest.hostAddress != nil { try loadForwards(guest) }
        } catch {
            guard error.code == .ended || error.code == .startFailed else {
                withdraw(guest)
                throw error
            }
            // It ended while we were about it.
            if guest.waitForEnd(timeout: Self.quitTimeout * 2) == nil {
                let end = lostEnd(guest) ?? GuestEnd(cause: .hypervisorDied, message: "its QEMU ended")
                guest.lock.withLock { guest.phase = .ended(end) }
                table.insert(guest)
            }
        }
        guest.lock.withLock { guest.isSilent = false }
        return status(of: guest)
    }

    /// What an ended guest left: nil if the host was rebooted since or the directory is gone.
    private func lostEnd(_ guest: QEMUGuest) -> GuestEnd? {
        do throws(PosixError) {
            let boot = try FileSystem.readText("/proc/sys/kernel/random/boot_id", limit: 256)
            guard boot.hasPrefix(guest.identity.boot), FileSystem.isDirectory(guest.files.directory) else { return nil }
        } catch {
            return nil  // Without /proc nothing is known of processes either.
        }
        let words = guest.logTail
        return GuestEnd(
            cause: .hypervisorDied,
            message: "its QEMU ended while nobody watched" + (words.isEmpty ? "" : ": \(words)"))
    }

    // MARK: Status and console

    /// See `Hypervisor.status`.
    public func status(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus {
        status(of: try guest(handle))
    }

    private func status(of guest: QEMUGuest) -> GuestStatus {
        guest.lock.lock()
        defer { guest.lock.unlock() }
        if case .ended(let end) = guest.phase { return GuestStatus(state: .ended(end)) }
        return GuestStatus(state: .running, processId: guest.identity.pid, forwards: guest.forwards)
    }

    func guest(_ handle: GuestHandle) throws(HypervisorError) -> QEMUGuest { try table.guest(handle) }

    func execute(
        _ guest: QEMUGuest, _ command: String, _ arguments: JSONValue? = nil,
        timeout: Milliseconds = QEMUHypervisor.commandTimeout
    ) throws(HypervisorError) -> JSONValue {
        guard let connection = guest.lock.withLock({ guest.connection }) else {
            throw HypervisorError(.ended, "\(guest.handle.id) has no connection to its QEMU")
        }
        do throws(HypervisorError) {
            return try connection.execute(command, arguments, timeout: timeout)
        } catch {
            throw HypervisorError(error.code, "\(guest.handle.id): \(error.message)")
        }
    }

    /// See `Hypervisor.consoleOutput`.
    public func consoleOutput(_ handle: GuestHandle, limit: Int) throws(HypervisorError) -> ConsoleOutput {
        let guest = try guest(handle)
        let waiter = Waiter<Bool>()
        let isConnected = guest.lock.withLock { () -> Bool in
            guard guest.connection != nil, case .running = guest.phase else { return false }
            guest.consoleWaiters.append(waiter)
            return true
        }
        if isConnected {
            readConsole(guest)
            guard waiter.take(timeout: Self.commandTimeout) != nil else {
                throw HypervisorError(.timedOut, "\(handle.id): QEMU did not hand out the console in time")
            }
        }
        do throws(PosixError) {
            return try guest.console.read(limit: limit)
        } catch {
            throw HypervisorError(error, "reading the console of \(handle.id)")
        }
    }

    /// See `Hypervisor.forget`.
    public func forget(_ handle: GuestHandle) throws(HypervisorError) { try table.forget(handle) }

    /// See `Hypervisor.detach`.
    public func detach() {
        guard table.detach() else { return }
        loop.stop()
        table.clear()
        lock.withLock { byDescriptor = [:] }
        // The loop's closures hold this object; now nothing does.
        loop.onEvent = { _, _ in }
        loop.onLost = { _ in }
        loop.onTick = { QMPEventLoop.idlePause }
    }

    // MARK: What the event loop's thread needs

    func guest(of connection: QMPConnection) -> QEMUGuest? {
        lock.withLock { byDescriptor[connection.descriptor] }
    }

    func drop(_ connection: QMPConnection) {
        lock.withLock { byDescriptor[connection.descriptor] = nil }
    }

    func allGuests() -> [QEMUGuest] { table.all }

    func reconnect(_ guest: QEMUGuest) throws(PosixError) {
        try register(guest, QMPConnection(socket: try Socket.connect(path: guest.files.qmp, timeout: 100)))
    }

    func wakeLoop() { loop.wake() }

    /// Tells the node controller; on the event loop's thread.
    func tell(_ event: GuestEvent) {
        let handler = lock.withLock { self.handler }
        handler(event)
    }
}
