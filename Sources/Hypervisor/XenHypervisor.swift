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
    /// `qemu-img`.
    public let diskImages: any DiskImages

    // `lock` guards the tables and the handler; a guest's locks may be taken while holding it, not the other way round.
    let lock = Lock()
    private let probeLock = Lock()
    private var guests: [String: XenGuest] = [:]
    private var starting: Set<String> = []
    private var handler: @Sendable (GuestEvent) -> Void = { _ in }
    private var facts: HypervisorFacts?
    private var capabilities = ""
    private var isDetached = false
    let toolstack: XenToolstack
    let watcher: XenWatcher

    /// Where pygrub lies: Debian, RHEL, old Xen.
    private static let bootLoaders = [
        "/usr/lib/xen-4.17/bin/pygrub", "/usr/lib/xen/bin/pygrub", "/usr/bin/pygrub", "/usr/libexec/xen/bin/pygrub",
    ]

    /// Whether this is the control domain of a Xen host.
    public static func isControlDomain() -> Bool {
        do throws(PosixError) {
            // In the host's own system it says "control_d"; it needs xenfs, which xencommons mounts.
            if FileSystem.exists("/proc/xen/capabilities") {
                let text = try FileSystem.readText("/proc/xen/capabilities", limit: 4096)
                return text.split(whereSeparator: { character in character == "\n" || character == " " })
                    .contains("control_d")
            }
            return false
        } catch {
            return false
        }
    }

    /// Creates a driver; guests of earlier ones are taken over with `adopt`.
    ///
    /// - Throws: `notInstalled` if there are no toolstack commands.
    public convenience init() throws(HypervisorError) {
        guard let toolstack = XenToolstack.find() else {
            throw HypervisorError(
                .notInstalled,
                "neither xl nor xm is there: install Xen's tools (Debian: apt-get install xen-utils; RHEL, CentOS: yum "
                    + "install xen)")
        }
        try self.init(toolstack: toolstack)
    }

    init(toolstack: XenToolstack) throws(HypervisorError) {
        self.toolstack = toolstack
        diskImages = QEMUImages()
        do throws(PosixError) {
            watcher = try XenWatcher()
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
        let info = try toolstack.info()
        guard let capabilities = info["xen_caps"] else {
            throw HypervisorError(
                .unavailable, "\(toolstack.family.rawValue) info does not say what this Xen can do (xen_caps)")
        }
        var version = info["xen_version"] ?? ""
        if version.isEmpty {
            version = "\(info["xen_major"] ?? "?").\(info["xen_minor"] ?? "?")\(info["xen_extra"] ?? "")"
        }
        var architectures: [GuestArchitecture] = []
        for (architecture, word) in [(GuestArchitecture.x86_64, "x86_64"), (.i386, "x86_32")]
        where capabilities.split(separator: " ").contains(where: { part in
            part.split(separator: "-").last?.hasPrefix(word) == true
        }) {
            architectures.append(architecture)
        }
        let found = HypervisorFacts(
            hypervisor: name, version: version, accelerator: "xen",
            acceleratorReason: "this is the control domain of Xen \(version), driven by \(toolstack.family.rawValue)",
            guestArchitectures: architectures,
            guestMemoryMiB: Self.guestMemory(info, domains: try toolstack.domains(), toolstack))
        self.capabilities = capabilities
        facts = found
        return found
    }

    /// The host's memory without what its own system has, in MiB; nil if Xen does not say.
    private static func guestMemory(
        _ info: [String: String], domains: [XenDomain], _ toolstack: XenToolstack
    ) -> Int64? {
        guard let total = info["total_memory"].flatMap({ text in Int64(text) }),
            let own = domains.first(where: { domain in domain.id == 0 })?.memoryMiB
        else { return nil }
        // Xen itself and the domains' page tables need some.
        return max(0, total - own - 128)
    }

    // MARK: Start

    /// See `Hypervisor.start`.
    public func start(_ definition: GuestDefinition) throws(HypervisorError) -> GuestHandle {
        try definition.check(filesExist: true)
        guard FileSystem.isDirectory(definition.directory), definition.directory.hasPrefix("/") else {
            throw HypervisorError(.invalidDefinition, "\(definition.id): \(definition.directory) is no directory")
        }
        _ = try probe()
        try reserve(definition.id)
        defer { lock.withLock { _ = starting.remove(definition.id) } }
        if let running = try find(id: definition.id, directory: definition.directory) {
            throw HypervisorError(
                .alreadyRunning, "\(definition.id) runs already (\(running.detail)); adopt it instead of starting it")
        }
        let files = XenFiles(directory: definition.directory)
        let guest = try prepare(definition, files)
        do throws(HypervisorError) {
            try toolstack.create(configuration: files.configuration, id: definition.id)
        } catch {
            abandon(guest)
            throw error
        }
        register(guest)
        return guest.handle
    }

    private func reserve(_ id: String) throws(HypervisorError) {
        lock.lock()
        defer { lock.unlock() }
        guard !isDetached else { throw Self.detachedError }
        if let guest = guests[id] {
            guard case .ended = guest.lock.withLock({ guest.phase }) else {
                throw HypervisorError(.alreadyRunning, "\(id) runs already")
            }
        }
        guard starting.insert(id).inserted else {
            throw HypervisorError(.alreadyRunning, "\(id) is being started already")
        }
    }

    private static let detachedError = HypervisorError(
        .unavailable, "the Xen driver is detached; the node controller is shutting down")

    /// Writes the domain's files; its UUID is on disk before the domain exists, so that `find` finds it.
    private func prepare(_ definition: GuestDefinition, _ files: XenFiles) throws(HypervisorError) -> XenGuest {
        let bootLoader = Self.bootLoaders.first { path in FileSystem.exists(path) }
        let machine = try XenConfiguration.machine(
            for: definition, capabilities: capabilities, hasBootLoader: bootLoader != nil)
        do throws(PosixError) {
            let uuid = Self.uuid(try Random.bytes(16))
            let configuration: String
            do throws(HypervisorError) {
                configuration = try XenConfiguration(
                    definition: definition, uuid: uuid, family: toolstack.family, machine: machine,
                    bootLoader: bootLoader ?? ""
                ).text()
            } catch {
                throw PosixError(errno: PosixError.invalid, operation: "configure", detail: error.message)
            }
            for path in files.all { try FileSystem.remove(path, ifPresent: true) }
            try FileSystem.write(files.configuration, text: configuration, permissions: 0o600)
            try FileSystem.write(files.uuid, text: uuid + "\n", permissions: 0o600)
            let detail = XenHandleDetail(uuid: uuid, directory: definition.directory, boot: try Self.boot())
            return XenGuest(
                handle: GuestHandle(driver: Self.driverName, id: definition.id, detail: detail.text), uuid: uuid,
                files: files)
        } catch {
            if error.errno == PosixError.invalid, error.operation == "configure" {
                throw HypervisorError(.invalidDefinition, error.detail)
            }
            throw HypervisorError(error, "starting \(definition.id)")
        }
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

    private static func boot() throws(PosixError) -> String {
        String(try FileSystem.readText("/proc/sys/kernel/random/boot_id", limit: 256).prefix(36))
    }

    /// Removes what a failed start may have left, as if it had never been.
    private func abandon(_ guest: XenGuest) {
        do throws(HypervisorError) {
            if let domain = try toolstack.domains().first(where: { domain in domain.uuid == guest.uuid }) {
                try toolstack.destroy(domain.id)
            }
        } catch {
            // The start's own error is what the caller needs; this one is for who looks after the host.
            Output.error("\(guest.handle.id): what is left of its domain could not be removed: \(error.message)")
        }
    }

    private func register(_ guest: XenGuest) {
        lock.withLock { guests[guest.handle.id] = guest }
        watcher.start()
    }

    // MARK: Find and adopt

    /// See `Hypervisor.find`.
    public func find(id: String, directory: String) throws(HypervisorError) -> GuestHandle? {
        let files = XenFiles(directory: directory)
        do throws(PosixError) {
            guard FileSystem.exists(files.uuid) else { return nil }
            let text = try FileSystem.readText(files.uuid, limit: 64)
            guard let uuid = text.split(separator: "\n").first, XenDomain.isUUID(uuid) else { return nil }
            let known: Bool
            do throws(HypervisorError) {
                known = try toolstack.domains().contains { domain in domain.uuid == uuid && domain.state != .dying }
            } catch {
                throw PosixError(errno: PosixError.protocolViolation, operation: "list domains", detail: error.message)
            }
            guard known else { return nil }
            let detail = XenHandleDetail(uuid: String(uuid), directory: directory, boot: try Self.boot())
            return GuestHandle(driver: Self.driverName, id: id, detail: detail.text)
        } catch {
            throw HypervisorError(error, "looking for \(id)")
        }
    }

    /// See `Hypervisor.adopt`.
    public func adopt(_ handle: GuestHandle) throws(HypervisorError) -> GuestStatus? {
        let detail = try XenHandleDetail(handle)
        if let known = lock.withLock({ guests[handle.id] }) {
            if known.handle == handle { return status(of: known) }
            guard case .ended = known.lock.withLock({ known.phase }) else { return nil }
        }
        guard !lock.withLock({ isDetached }) else { throw Self.detachedError }
        let files = XenFiles(directory: detail.directory)
        let guest = XenGuest(handle: handle, uuid: detail.uuid, files: files)
        let domain = try toolstack.domains().first { domain in domain.uuid == detail.uuid }
        guard let domain else {
            guard let end = GuestEnd.read(files.end) ?? lostEnd(detail) else { return nil }
            guest.phase = .ended(end)
            lock.withLock { guests[handle.id] = guest }
            return status(of: guest)
        }
        guest.domain = domain.id
        guest.isSilent = true
        register(guest)
        settle(guest, domain)
        guest.lock.withLock { guest.isSilent = false }
        return status(of: guest)
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
        if case .ended(let end) = guest.phase { return GuestStatus(state: .ended(end)) }
        return GuestStatus(state: .running)
    }

    func guest(_ handle: GuestHandle) throws(HypervisorError) -> XenGuest {
        lock.lock()
        defer { lock.unlock() }
        guard !isDetached else { throw Self.detachedError }
        guard let guest = guests[handle.id], guest.handle == handle else {
            throw HypervisorError(.notFound, "the Xen driver has no guest \(handle.id); adopt it first")
        }
        return guest
    }

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

    /// See `Hypervisor.setForwards`: a Xen guest has an address of its own, and no forwards.
    public func setForwards(
        _ handle: GuestHandle, _ forwards: [PortForward]
    ) throws(HypervisorError) -> [PortForwardResult] {
        _ = try guest(handle)
        throw HypervisorError(.unsupported, "\(handle.id) has no user-mode network, so no ports are forwarded")
    }

    /// See `Hypervisor.forget`.
    public func forget(_ handle: GuestHandle) throws(HypervisorError) {
        lock.lock()
        guard let guest = guests[handle.id], guest.handle == handle else { return lock.unlock() }
        if case .ended = guest.lock.withLock({ guest.phase }) { guests[handle.id] = nil }
        let stillThere = guests[handle.id] != nil
        lock.unlock()
        if stillThere { throw HypervisorError(.alreadyRunning, "\(handle.id) runs; stop it before forgetting it") }
        do throws(PosixError) {
            for path in guest.files.all { try FileSystem.remove(path, ifPresent: true) }
        } catch {
            throw HypervisorError(error, "removing files of \(handle.id)")
        }
    }

    /// See `Hypervisor.detach`.
    public func detach() {
        lock.lock()
        let was = isDetached
        isDetached = true
        lock.unlock()
        guard !was else { return }
        watcher.stop()
        lock.withLock { guests = [:] }
        watcher.onChange = { _ in }
        watcher.consoles = { [] }
        watcher.onOutput = { _ in }
    }

    // MARK: For the watcher's thread

    func allGuests() -> [XenGuest] { lock.withLock { Array(guests.values) } }

    /// Tells the node controller.
    func tell(_ event: GuestEvent) {
        let handler = lock.withLock { self.handler }
        handler(event)
    }
}
