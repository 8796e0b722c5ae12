import JSON
import Posix

/// Guests as Xen domains, by the toolstack's commands (`xl`, or `xm` of Xen 3).
///
/// A domain outlives this process. It is known by the UUID that it was made with, never by its name or number, which
/// others may change or use again; domains of others are left alone. One thread waits for xenstore's word that a domain
/// ended, and reads the consoles. Xen is told to preserve a domain that ends, so that the reason can be read; the driver
/// destroys the remains, or makes the domain again if the guest restarted itself.
public final class XenHypervisor: Hypervisor, @unchecked Sendable {
    static let driverName = "xen"

    /// "xen"
    public var name: String { Self.driverName }
    /// "xvd", also in guests with firmware, whose emulated disks Xen's drivers unplug.
    public var diskPrefix: String { "xvd" }
    /// `qemu-img`.
    public let diskImages: any DiskImages

    private let table = GuestTable<XenGuest>(driver: "Xen")
    // `lock` guards the handler, `probeLock` what the probe found.
    private let lock = Lock()
    private let probeLock = Lock()
    private var handler: @Sendable (GuestEvent) -> Void = { _ in }
    private var facts: HypervisorFacts?
    private var host = XenHost(capabilities: "", family: .xl, version: (0, 0))
    let toolstack: XenToolstack
    private let toolstackReason: String
    let watcher: XenWatcher
    /// The network of guests in the USER mode.
    let edge: GuestEdge

    private let sweepsBridges: Bool
    /// How often, and after which pauses, a domain that cannot be made again is tried; a minute in all.
    var restartTries = 12
    var restartPause: Milliseconds = 5_000
    /// How long restarts under way may hold up the end of this process.
    private static let restartPatience: Milliseconds = 10_000
    /// Why the domains could not be listed; of the watcher's thread alone.
    var listTrouble: String?

    /// Whether this is the control domain of a Xen host.
    public static func isControlDomain() -> Bool {
        do throws(PosixError) {
            // In the host's own system it says "control_d"; it needs xenfs, which xencommons mounts, perhaps later.
            if FileSystem.exists("/proc/xen/capabilities") {
                let text = try FileSystem.readText("/proc/xen/capabilities", limit: 4096)
                return text.split(whereSeparator: { character in character == "\n" || character == " " })
                    .contains("control_d")
            }
            let system = "/sys/hypervisor"
            guard FileSystem.exists(system + "/type"), FileSystem.exists(system + "/uuid"),
                try FileSystem.readText(system + "/type", limit: 64).hasPrefix("xen")
            else { return false }
            // Only the control domain's has nothing but zeros.
            let uuid = try FileSystem.readText(system + "/uuid", limit: 64)
            return !uuid.isEmpty
                && uuid.utf8.allSatisfy { byte in
                    byte == UInt8(ascii: "0") || byte == UInt8(ascii: "-") || byte <= 0x20
                }
        } catch {
            return false
        }
    }

    /// Creates a driver; guests of earlier ones are taken over with `adopt`.
    ///
    /// - Parameter programs: where `qemu-img` is.
    /// - Throws: `notInstalled` if there are no toolstack commands.
    public convenience init(programs: QEMUPrograms = QEMUPrograms()) throws(HypervisorError) {
        guard let (toolstack, why) = XenToolstack.choose() else {
            throw HypervisorError(
                .notInstalled,
                "neither xl nor xm is there: install Xen's tools (Debian: apt-get install xen-utils; RHEL, CentOS: yum "
                    + "install xen)")
        }
        try self.init(toolstack: toolstack, why: why, programs: programs)
    }

    /// - Parameter sweepsBridges: whether what earlier node controllers left of guests' networks is taken down.
    init(
        toolstack: XenToolstack, why: String, programs: QEMUPrograms = QEMUPrograms(), sweepsBridges: Bool = true
    ) throws(HypervisorError) {
        self.toolstack = toolstack
        self.sweepsBridges = sweepsBridges
        toolstackReason = why
        diskImages = QEMUImages(programs: programs)
        do throws(PosixError) {
            watcher = try XenWatcher()
            edge = try GuestEdge()
        } catch {
            throw HypervisorError(error, "setting up the Xen driver")
        }
        watcher.onChange = { isNews in self.look(isNews: isNews) }
        watcher.consoles = { self.openConsoles() }
        watcher.onOutput = { descriptor in self.readConsole(descriptor) }
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
        let (found, host, _) = try ask()
        self.host = host
        // Before the first start of this process.
        if sweepsBridges { edge.sweep() }
        facts = found
        return found
    }

    /// What `probe` finds out, for one who only looks: nothing is tidied up that a node controller beside may use.
    ///
    /// - Returns: the facts, and whether the control domain has an amount of memory of its own ("dom0_mem").
    /// - Throws: `unavailable` if the toolstack does not answer.
    public func examine() throws(HypervisorError) -> (facts: HypervisorFacts, isMemoryFixed: Bool) {
        let (facts, _, isMemoryFixed) = try ask()
        return (facts, isMemoryFixed)
    }

    private func ask() throws(HypervisorError) -> (facts: HypervisorFacts, host: XenHost, isMemoryFixed: Bool) {
        let info = try toolstack.info()
        guard let capabilities = info["xen_caps"] else {
            throw HypervisorError(
                .unavailable, "\(toolstack.family.rawValue) info does not say what this Xen can do (xen_caps)")
        }
        var version = info["xen_version"] ?? ""
        if version.isEmpty {
            version = "\(info["xen_major"] ?? "?").\(info["xen_minor"] ?? "?")\(info["xen_extra"] ?? "")"
        }
        let host = XenHost(info: info, capabilities: capabilities, family: toolstack.family)
        let memory = Self.guestMemory(info, domains: try toolstack.domains())
        let found = HypervisorFacts(
            hypervisor: name, version: version, accelerator: "xen",
            acceleratorReason: "this is the control domain of Xen \(version), \(toolstackReason)",
            guestArchitectures: host.architectures, boots: host.boots,
            guestMemoryMiB: memory?.amount,
            // The control domain may have fewer.
            processors: info["nr_cpus"].flatMap { text in Int(text) })
        return (found, host, memory?.isFixed ?? true)
    }

    /// Commands that the USER mode's network needs and this host lacks.
    public static func missingNetworkCommands() -> [String] {
        ["ip", "iptables", "iptables-restore"].filter { name in GuestEdge.find(name) == nil }
    }

    /// See `Hypervisor.healthCheckPause`.
    public var healthCheckPause: Int64? { 15_000 }

    /// See `Hypervisor.checkHealth`.
    public func checkHealth() throws(HypervisorError) { _ = try toolstack.domains() }

    /// What the control domain keeps, in MiB, where it has no fixed amount.
    private static let controlDomainMemory: Int64 = 1024

    /// The host's memory without what its own system has, in MiB; nil if Xen does not say. Without "dom0_mem" on Xen's
    /// command line the control domain begins with nearly all of it, and gives it to guests as they come (xl.conf(5),
    /// autoballoon), so what it has at a moment says nothing. Old toolstacks do not show that line: a control domain that
    /// has most of the memory is taken to give it.
    static func guestMemory(_ info: [String: String], domains: [XenDomain]) -> (amount: Int64, isFixed: Bool)? {
        guard let total = info["total_memory"].flatMap({ text in Int64(text) }),
            let own = domains.first(where: { domain in domain.id == 0 })?.memoryMiB
        else { return nil }
        let isFixed =
            info["xen_commandline"].map { line in QEMUHypervisor.contains(line, "dom0_mem=") } ?? (own <= total / 2)
        // Xen itself and the domains' page tables need some.
        return (max(0, total - (isFixed ? own : controlDomainMemory) - 128), isFixed)
    }

    // MARK: Start

    /// See `Hypervisor.start`.
    public func start(_ definition: GuestDefinition) throws(HypervisorError) -> GuestHandle {
        try definition.check(filesExist: true)
        guard FileSystem.isDirectory(definition.directory), definition.directory.hasPrefix("/") else {
            throw HypervisorError(.invalidDefinition, "\(definition.id): \(definition.directory) is no directory")
        }
        _ = try probe()
        try table.reserve(definition.id)
        defer { table.release(definition.id) }
        if let running = try find(id: definition.id, directory: definition.directory) {
            throw HypervisorError(
                .alreadyRunning, "\(definition.id) runs already (\(running.detail)); adopt it instead of starting it")
        }
        let files = XenFiles(directory: definition.directory)
        var attached = definition
        if case .user(let network) = definition.network {
            attached.network = .bridge(
                try edge.open(
                    definition.id, network, macAddress: definition.macAddress, directory: definition.directory))
        }
        let guest: XenGuest
        do throws(HypervisorError) {
            guest = try create(attached, files, isOnEdge: attached.network != definition.network)
        } catch {
            edge.close(definition.id, definition.directory)
            throw error
        }
        if case .user(let network) = definition.network {
            let results = GuestEdge.results(network.forwards, failure: nil)
            guest.lock.withLock { guest.forwards = results }
        }
        guest.lock.withLock { guest.restarts.started(at: Clock.monotonic) }
        register(guest)
        return guest.handle
    }

    /// Makes the domain as the first of the machines that can start it.
    ///
    /// - Parameter isOnEdge: whether its bridge is one that `edge` made.
    private func create(
        _ definition: GuestDefinition, _ files: XenFiles, isOnEdge: Bool
    ) throws(HypervisorError) -> XenGuest {
        let host = probeLock.withLock { self.host }
        var refusal: HypervisorError?
        for machine in try host.machines(for: definition) {
            let guest = try prepare(definition, files, machine, host, isOnEdge: isOnEdge)
            do throws(HypervisorError) {
                try make(guest)
                return guest
            } catch {
                // While a domain may be there, its UUID has to stay on disk.
                guard abandon(guest), error.code == .invalidKernel else { throw explained(error, definition) }
                // Why the best machine does not take it says more than why another does not.
                if refusal == nil { refusal = error }
            }
        }
        throw refusal ?? HypervisorError(.unsupported, "\(definition.id): this host starts no such guest")
    }

    /// The toolstack's words of a start that failed may not say that it was for want of memory.
    private func explained(_ error: HypervisorError, _ definition: GuestDefinition) -> HypervisorError {
        guard error.code == .startFailed || error.code == .insufficientResources else { return error }
        do throws(HypervisorError) {
            guard let text = try toolstack.info()["free_memory"], let free = Int64(text),
                free < Int64(definition.memoryMiB)
            else { return error }
            return HypervisorError(
                .insufficientResources,
                "\(definition.id) needs \(definition.memoryMiB) MiB of memory, and Xen has \(free) MiB free on this host: the "
                    + "rest belongs to its other domains. \(error.message)")
        } catch {
            // The start's own error is what the caller needs.
            return error
        }
    }

    /// Writes the domain's files; its UUID is on disk before the domain exists, so that `find` finds it.
    private func prepare(
        _ definition: GuestDefinition, _ files: XenFiles, _ machine: XenConfiguration.Machine, _ host: XenHost,
        isOnEdge: Bool
    ) throws(HypervisorError) -> XenGuest {
        let uuid: String
        let boot: String
        do throws(PosixError) {
            uuid = Self.uuid(try Random.bytes(16))
            boot = try Self.boot()
        } catch {
            throw HypervisorError(error, "starting \(definition.id)")
        }
        var configuration = XenConfiguration(
            definition: definition, uuid: uuid, family: toolstack.family, machine: machine,
            bootLoader: host.bootLoader(machine, definition.architecture))
        configuration.describesDisksByKeywords = host.version >= (4, 2)
        configuration.firmware = host.firmware
        configuration.deviceModel = host.deviceModel
        // Firmware's devices have a second interface, which Xen's own script knows; xm was not tried.
        var script: String?
        if isOnEdge, machine != .hardware, toolstack.family != .xm, case .bridge(let bridge) = definition.network {
            script = edge.interfaceScript(bridge: bridge)
        }
        if script != nil { configuration.interfaceScript = files.interface }
        let text = try configuration.text()
        let json = try configuration.json()
        do throws(PosixError) {
            for path in files.all { try FileSystem.remove(path, ifPresent: true) }
            // Both, since a later node controller may find another toolstack.
            try FileSystem.write(files.configuration, text: text, permissions: 0o600)
            try FileSystem.write(files.libraryConfiguration, text: json, permissions: 0o600)
            if let script { try FileSystem.write(files.interface, text: script, permissions: 0o700) }
            try FileSystem.write(files.uuid, text: uuid + "\n" + machine.type + "\n", permissions: 0o600)
        } catch {
            throw HypervisorError(error, "starting \(definition.id)")
        }
        let detail = XenHandleDetail(
            uuid: uuid, directory: definition.directory, boot: boot, machine: machine.type)
        return XenGuest(
            handle: GuestHandle(driver: Self.driverName, id: definition.id, detail: detail.text), detail, files)
    }

    /// A random UUID (RFC 9562, version 4).
    static func uuid(_ random: [UInt8]) -> String {
        var bytes = random
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        var text = ""
        for index in 0..<16 {
            if index == 4 || index == 6 || index == 8 || index == 10 { text += "-" }
            text += Hex.encode([bytes[index]])
        }
        return text
    }

    /// What `XenFiles.again` holds while the domain of this UUID is made again on this boot of the host.
    static func mark(uuid: String, boot: String) -> String { uuid + "\n" + boot + "\n" }

    static func boot() throws(PosixError) -> String {
        String(try FileSystem.readText("/proc/sys/kernel/random/boot_id", limit: 256).prefix(36))
    }

    /// Removes what a failed start may have left, as if it had never been. If the toolstack does not let it, the UUID
    /// stays on disk, by which `find` gets at it later.
    ///
    /// - Returns: whether nothing is left.
    private func abandon(_ guest: XenGuest) -> Bool {
        do throws(HypervisorError) {
            if let domain = try toolstack.domain(guest.uuid) { try toolstack.destroy(domain.id) }
            do throws(PosixError) {
                try FileSystem.remove(guest.files.uuid, ifPresent: true)
            } catch {
                throw HypervisorError(error, "removing a file")
            }
            return true
        } catch {
            // The start's own error is what the caller needs; this one is for who looks after the host.
            Output.error("\(guest.handle.id): what is left of its domain could not be removed yet: \(error.message)")
            return false
        }
    }

    private func register(_ guest: XenGuest) {
        table.insert(guest)
        watcher.start()
    }

    // MARK: Find and adopt

    /// See `Hypervisor.find`.
    public func find(id: String, directory: String) throws(HypervisorError) -> GuestHandle? {
        let files = XenFiles(directory: directory)
        var uuid = ""
        var machine: String?
        var boot = ""
        do throws(PosixError) {
            guard FileSystem.exists(files.uuid) else { return nil }
            let lines = try FileSystem.readText(files.uuid, limit: 64).split(separator: "\n")
            uuid = String(lines.first ?? "")
            // Earlier releases wrote no more.
            if lines.count > 1 { machine = String(lines[1]) }
            boot = try Self.boot()
        } catch {
            throw HypervisorError(error, "looking for \(id)")
        }
        // Somebody of this process may just be at its domain.
        if let known = table.known(id), known.uuid == uuid {
            return known.lock.withLock { known.end == nil } ? known.handle : nil
        }
        guard XenDomain.isUUID(uuid[...]) else { return nil }
        let domain = try toolstack.domain(uuid)
        let detail = XenHandleDetail(uuid: uuid, directory: directory, boot: boot, machine: machine)
        let handle = GuestHandle(driver: Self.driverName, id: id, detail: detail.text)
        // `adopt` goes on with it.
        if try isBeingRestarted(id, files, detail, domain) { return handle }
        guard let domain, domain.state != .dying else { return nil }
        // The toolstack lets a domain run as the last step of making it: this one was left half made.
        if domain.isPaused {
            try toolstack.destroy(domain.id)
            return nil
        }
        return handle
    }

    /// See `Hypervisor.adopt`.
    public func adopt(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus? {
        let detail = try XenHandleDetail(handle)
        switch try table.adoption(of: handle) {
        case .known(let guest): return status(of: guest)
        case .outdated: return nil
        case .new: break
        }
        let files = XenFiles(directory: detail.directory)
        let guest = XenGuest(handle: handle, detail, files)
        let domain = try toolstack.domain(detail.uuid)
        if try isBeingRestarted(handle.id, files, detail, domain) {
            // Somebody was killed at it: the next look goes on.
            guest.intent = .rebooting(until: Clock.monotonic)
            guest.domain = domain?.id
            edge.reopen(handle.id, directory: detail.directory)
            for forward in edge.forwards(handle.id) ?? [] { guest.forwards.append(PortForwardResult(forward: forward)) }
            register(guest)
            return status(of: guest)
        }
        guard let domain else {
            edge.close(handle.id, detail.directory)
            guard let end = GuestEnd.read(files.end) ?? lostEnd(detail) else { return nil }
            guest.phase = .ended(end)
            table.insert(guest)
            return status(of: guest)
        }
        guest.domain = domain.id
        guest.isSilent = true
        edge.reopen(handle.id, directory: detail.directory)
        for forward in edge.forwards(handle.id) ?? [] { guest.forwards.append(PortForwardResult(forward: forward)) }
        register(guest)
        settle(guest, domain)
        guest.lock.withLock { guest.isSilent = false }
        return status(of: guest)
    }

    /// Whether its domain was to be made again, on this boot of the host, and is not made yet.
    private func isBeingRestarted(
        _ id: String, _ files: XenFiles, _ detail: XenHandleDetail, _ domain: XenDomain?
    ) throws(HypervisorError) -> Bool {
        do throws(PosixError) {
            guard FileSystem.exists(files.again), !FileSystem.exists(files.end),
                try FileSystem.readText(files.again, limit: 256)
                    == Self.mark(uuid: detail.uuid, boot: try Self.boot())
            else { return false }
            // The toolstack lets a domain run as the last step of making it.
            guard let domain, domain.state == .alive, !domain.isPaused else { return true }
            try FileSystem.remove(files.again, ifPresent: true)
            return false
        } catch {
            throw HypervisorError(error, "looking for \(id)")
        }
    }

    /// What a vanished domain left: nil if the host was rebooted since or the directory is gone.
    private func lostEnd(_ detail: XenHandleDetail) -> GuestEnd? {
        do throws(PosixError) {
            guard try Self.boot() == detail.boot, FileSystem.isDirectory(detail.directory) else { return nil }
        } catch {
            return nil
        }
        return GuestEnd(
            cause: .hypervisorDied, message: "its Xen domain was destroyed or ended while nobody watched")
    }

    // MARK: Status, console, end

    /// See `Hypervisor.status`.
    public func status(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus {
        status(of: try guest(handle))
    }

    private func status(of guest: XenGuest) -> GuestStatus {
        guest.lock.lock()
        defer { guest.lock.unlock() }
        if case .ended(let end) = guest.phase { return GuestStatus(state: .ended(end), machine: guest.machine) }
        return GuestStatus(state: .running, forwards: guest.forwards, machine: guest.machine)
    }

    func guest(_ handle: GuestHandle) throws(HypervisorError) -> XenGuest { try table.guest(handle) }

    /// See `Hypervisor.consoleOutput`.
    public func consoleOutput(_ handle: GuestHandle, limit: Int) throws(HypervisorError) -> ConsoleOutput {
        let guest = try guest(handle)
        guest.drain()
        do throws(PosixError) {
            return try guest.files.console.read(limit: limit)
        } catch {
            throw HypervisorError(error, "reading the console of \(handle.id)")
        }
    }

    /// See `Hypervisor.setForwards`.
    public func setForwards(
        _ handle: GuestHandle, _ forwards: [PortForward]
    ) throws(HypervisorError) -> [PortForwardResult] {
        let guest = try guest(handle)
        guard guest.lock.withLock({ guest.phase == .running }) else {
            throw HypervisorError(.ended, "\(handle.id) has ended")
        }
        guard edge.forwards(handle.id) != nil else {
            throw HypervisorError(
                .unsupported, "\(handle.id) has no user-mode network, so no ports are forwarded")
        }
        let results = edge.setForwards(handle.id, forwards)
        guest.lock.withLock { guest.forwards = results }
        return results
    }

    /// See `Hypervisor.forget`.
    public func forget(_ handle: GuestHandle) throws(HypervisorError) { try table.forget(handle) }

    /// See `Hypervisor.detach`.
    public func detach() {
        guard table.detach() else { return }
        watcher.stop()
        // A restart that is cut off is begun anew by the next node controller; one that gets to its end is quicker.
        let deadline = Deadline(after: Self.restartPatience)
        while !deadline.isPast, allGuests().contains(where: { guest in guest.lock.withLock { guest.isBusy } }) {
            Thread.sleep(20)
        }
        edge.stop()
        table.clear()
        watcher.onChange = { _ in }
        watcher.consoles = { [] }
        watcher.onOutput = { _ in }
    }

    // MARK: For the watcher's thread

    func allGuests() -> [XenGuest] { table.all }

    /// Tells the node controller.
    func tell(_ event: GuestEvent) {
        let handler = lock.withLock { self.handler }
        handler(event)
    }
}
