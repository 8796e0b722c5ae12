import Posix

@testable import Hypervisor

/// A driver to test, with its guests, directory and events. Every guest is gone after `close`.
final class Rig {
    enum Kind: String, CaseIterable, Sendable {
        case qemu
        case simulated
        /// In a Xen host's control domain alone, and by its toolstack: `Tests/Xen` runs the contract there.
        case xen

        /// The drivers that can be tried here.
        static var available: [Kind] {
            (isQEMUInstalled ? [.qemu] : []) + [.simulated] + (xenGuest != nil ? [.xen] : [])
        }
    }

    /// The guest for Xen (`Tests/Xen/guest.c`), which takes the name of its action.
    static let xenGuest = Environment["MALLEE_XEN_GUEST"]
    /// Where xl lies, so that it is used and not libxenlight.
    static let xlPath = Environment["MALLEE_XL"]

    static var isQEMUInstalled: Bool {
        FileSystem.findExecutable("qemu-system-x86_64") != nil && FileSystem.findExecutable("qemu-img") != nil
    }

    /// Kept between runs: the answer of the KVM probe, which takes seconds where KVM hangs, and the downloaded kernel.
    static let cacheDirectory = "/tmp/mallee-test-cache"

    let kind: Kind
    let directory: String
    let events = EventLog()
    /// Only for `simulated`.
    let host: SimulatedHost
    private(set) var hypervisor: any Hypervisor
    private var handles: [GuestHandle] = []

    init(_ kind: Kind) throws {
        self.kind = kind
        directory = try FileSystem.temporaryDirectory("/tmp/mallee-hv-")
        var behaviour = SimulatedBehaviour()
        behaviour.bootMilliseconds = 20
        behaviour.shutdownMilliseconds = 20
        host = SimulatedHost(clock: SimulatedClock(.automatic), behaviour: behaviour)
        hypervisor = try Self.driver(kind, host)
        observe()
    }

    private static func driver(_ kind: Kind, _ host: SimulatedHost) throws -> any Hypervisor {
        switch kind {
        case .qemu: try QEMUHypervisor(stateDirectory: cacheDirectory)
        case .simulated: SimulatedHypervisor(host: host)
        case .xen:
            if let xlPath {
                try XenHypervisor(toolstack: XenToolstack(family: .xl, program: xlPath), why: "driven by xl")
            } else {
                try XenHypervisor()
            }
        }
    }

    private func observe() {
        let events = events
        hypervisor.setEventHandler { event in events.add(event) }
    }

    /// As after a restart of the node controller: a new driver object that knows nothing.
    func restartDriver() throws {
        hypervisor.detach()
        hypervisor = try Self.driver(kind, host)
        observe()
    }

    /// A guest that is not started.
    ///
    /// - Parameter isAboutDisks: a disk costs a domain of Xen three seconds and a QEMU that serves it, so where the test
    ///   is not about disks it has none; its system is a kernel that lies beside. The other drivers' boot from their disks.
    func define(
        _ id: String = "i-1", _ sector: BootSector = BootSector(), network: GuestNetwork = .none,
        isAboutDisks: Bool = false
    ) throws -> GuestDefinition {
        let guest = FileSystem.join(directory, id)
        try FileSystem.makeDirectory(guest)
        let disk = FileSystem.join(guest, "root.img")
        try FileSystem.write(disk, sector.image)
        var definition = GuestDefinition(
            id: id, name: id, directory: guest, cores: 1, memoryMiB: 32, architecture: .x86_64,
            disks: [GuestDisk(path: disk, format: .raw, role: .root)], macAddress: "d0:0d:00:00:00:01",
            network: network)
        if kind == .xen, let guest = Self.xenGuest {
            definition.kernel = guest
            definition.kernelArguments = sector.action.rawValue
            if !isAboutDisks { definition.disks = [] }
        }
        return definition
    }

    func start(_ definition: GuestDefinition, _ action: BootSector.Action = .idles) throws -> GuestHandle {
        host.change { behaviour in behaviour.guestsObey = action == .followsPowerButton }
        let handle = try hypervisor.start(definition)
        handles.append(handle)
        if kind == .xen, action == .resetsOnce { try resetOnXen(definition) }
        guard kind == .simulated else { return handle }
        switch action {
        case .idles, .followsPowerButton: break
        case .powersOff: try host.powerOff(handle.id, after: 50)
        case .panics: try host.panic(handle.id, after: 50)
        case .resetsOnce: try host.reset(handle.id, after: 50)
        }
        return handle
    }

    /// A guest of one action, started.
    func start(
        _ action: BootSector.Action, id: String = "i-1", network: GuestNetwork = .none, isAboutDisks: Bool = false
    ) throws -> GuestHandle {
        var sector = BootSector()
        sector.action = action
        return try start(try define(id, sector, network: network, isAboutDisks: isAboutDisks), action)
    }

    /// A domain that is made again remembers nothing, so the guest waits to be told, and is another one afterwards.
    private func resetOnXen(_ definition: GuestDefinition) throws {
        let file = definition.directory + "/xen.cfg"
        for path in [file, definition.directory + "/xen.json"] {
            let text = try FileSystem.readText(path, limit: 1 << 16)
            try FileSystem.write(path, text: text.replacing("\"resets\"", with: "\"idles\""))
        }
        let domain = try Command.run("/usr/sbin/xl", ["domid", definition.name], timeout: 60_000).outputText
        let place = "/local/domain/" + domain.split(separator: "\n").joined() + "/data/go"
        let written = try Command.run("/usr/bin/xenstore-write", [place, "1"], timeout: 60_000)
        guard written.isSuccess else { throw HypervisorError(.startFailed, written.explanation) }
    }

    func console(_ handle: GuestHandle, limit: Int = 65_536) throws -> String {
        String(decoding: try hypervisor.consoleOutput(handle, limit: limit).bytes, as: UTF8.self)
    }

    /// Whether the guest's greeting is on its console by now.
    func hasBooted(_ handle: GuestHandle) throws -> Bool {
        let text = try console(handle)
        return kind == .simulated ? text.contains("login:") : text.contains("hello from the guest")
    }

    /// The greeting's count, which grows with every reset.
    func boots(_ handle: GuestHandle) throws -> Int {
        try console(handle).split(whereSeparator: \.isNewline).count { line in
            line.contains(kind == .simulated ? "This is not a real machine" : "hello from the guest")
        }
    }

    func close() throws {
        for handle in handles {
            do throws(HypervisorError) {
                if try hypervisor.adopt(handle) != nil {
                    _ = try hypervisor.stop(handle, graceMilliseconds: 0)
                }
            } catch {
                // An ended guest is what was wanted.
                if error.code != .notFound && error.code != .ended { throw error }
            }
        }
        hypervisor.detach()
        try FileSystem.removeTree(directory)
    }

    /// Runs a test's body with a rig and clears up, whatever happens.
    static func with(_ kind: Kind, _ body: (Rig) throws -> Void) throws {
        let rig = try Rig(kind)
        do {
            try body(rig)
        } catch {
            try rig.close()
            throw error
        }
        try rig.close()
    }
}

/// Events in the order in which they were told.
final class EventLog: @unchecked Sendable {
    // `lock` guards `list`.
    private let lock = Lock()
    private var list: [GuestEvent] = []

    func add(_ event: GuestEvent) { lock.withLock { list.append(event) } }
    var all: [GuestEvent] { lock.withLock { list } }

    /// How the guest ended, if that was told.
    func end(of handle: GuestHandle) -> GuestEnd? {
        for event in all where event.handle == handle {
            if case .ended(let end) = event.kind { return end }
        }
        return nil
    }

    /// How often the guest began anew.
    func resets(of handle: GuestHandle) -> Int { count(handle) { kind in kind == .reset } }

    func count(_ handle: GuestHandle, where matches: (GuestEvent.Kind) -> Bool) -> Int {
        all.count { event in event.handle == handle && matches(event.kind) }
    }
}

/// Waits until a condition holds; false after the time limit, which is generous because the machine may be busy.
func eventually(_ limit: Milliseconds = 120_000, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Deadline(after: limit)
    while try !condition() {
        if deadline.isPast { return false }
        Thread.sleep(20)
    }
    return true
}

/// The code of the HypervisorError that the body throws, nil if it throws none.
func failure(_ body: () throws -> Void) -> HypervisorError? {
    do {
        try body()
        return nil
    } catch {
        return error as? HypervisorError
    }
}
