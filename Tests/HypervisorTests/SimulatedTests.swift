import Hypervisor
import Posix
import Testing

/// What only the simulated driver does.
@Suite("Simulated driver") struct SimulatedTests {
    private func definition(_ id: String) -> GuestDefinition {
        GuestDefinition(
            id: id, name: id, directory: "/nowhere", cores: 1, memoryMiB: 128, architecture: .x86_64,
            disks: [GuestDisk(path: "/nowhere/disk", format: .raw, role: .root)], macAddress: "d0:0d:00:00:00:01",
            network: .user(UserNetwork(hostAddress: "127.0.0.1")))
    }

    private func console(_ driver: SimulatedHypervisor, _ handle: GuestHandle) throws -> String {
        String(decoding: try driver.consoleOutput(handle, limit: 65_536).bytes, as: UTF8.self)
    }

    @Test("time moves only when it is told to, and actions happen in order")
    func manualTime() throws {
        let clock = SimulatedClock(.manual)
        let host = SimulatedHost(clock: clock)
        let driver = SimulatedHypervisor(host: host)
        let log = EventLog()
        driver.setEventHandler { event in log.add(event) }
        let handle = try driver.start(definition("i-1"))
        clock.advance(milliseconds: 999)
        #expect(try !console(driver, handle).contains("login:"))
        clock.advance(milliseconds: 1)
        #expect(try console(driver, handle).contains("i-1 login:"))
        #expect(try console(driver, handle).contains("not a real machine"))
        try host.panic("i-1", after: 500)
        try host.powerOff("i-1", after: 900)
        try driver.reboot(handle, graceMilliseconds: 60_000)
        clock.advance(milliseconds: 500)
        // The reboot begins another life, in which what was to happen in the earlier one does not.
        #expect(log.all.map(\.kind) == [.panicked, .reset])
        clock.advance(milliseconds: 3_600_000)
        #expect(log.all.count == 2)
        #expect(clock.now == 3_601_500)
    }

    @Test("starts fail as told, and a full host says so")
    func failures() throws {
        let host = SimulatedHost(clock: SimulatedClock(.manual))
        let driver = SimulatedHypervisor(host: host)
        host.failNextStart(HypervisorError(.startFailed, "as told"))
        #expect(failure { _ = try driver.start(definition("i-1")) } == HypervisorError(.startFailed, "as told"))
        host.change { behaviour in behaviour.capacity = 1 }
        _ = try driver.start(definition("i-1"))
        #expect(failure { _ = try driver.start(definition("i-2")) }?.code == .insufficientResources)
    }

    @Test("a guest dies when told to")
    func dies() throws {
        let clock = SimulatedClock(.manual)
        let host = SimulatedHost(clock: clock)
        let driver = SimulatedHypervisor(host: host)
        let log = EventLog()
        driver.setEventHandler { event in log.add(event) }
        let handle = try driver.start(definition("i-1"))
        try host.die("i-1", after: 5_000)
        clock.advance(milliseconds: 4_999)
        #expect(log.all.isEmpty)
        clock.advance(milliseconds: 1)
        #expect(log.end(of: handle)?.cause == .hypervisorDied)
        #expect(failure { try host.die("i-1") }?.code == .notFound)
    }

    @Test("guests of an earlier process run on unless the host was restarted")
    func survives() throws {
        let clock = SimulatedClock(.manual)
        let handle = try SimulatedHypervisor(host: SimulatedHost(clock: clock)).start(definition("i-1"))
        let host = SimulatedHost(clock: clock)
        let driver = SimulatedHypervisor(host: host)
        #expect(try driver.adopt(handle)?.state == .running)
        host.restart()
        #expect(try driver.adopt(handle) == nil)
        let strict = SimulatedHost(clock: clock)
        strict.change { behaviour in behaviour.survivesRestart = false }
        #expect(try SimulatedHypervisor(host: strict).adopt(handle) == nil)
    }

    @Test("a thousand hosts with twenty guests each need no thread and little time")
    func many() throws {
        let clock = SimulatedClock(.manual)
        let before = try FileSystem.list("/proc/self/task").count
        var drivers: [SimulatedHypervisor] = []
        for _ in 0..<1_000 { drivers.append(SimulatedHypervisor(host: SimulatedHost(clock: clock))) }
        for driver in drivers {
            for index in 0..<20 { _ = try driver.start(definition("i-\(index)")) }
        }
        clock.advance(milliseconds: 1_000)
        var up = 0
        for driver in drivers {
            for index in 0..<20 {
                let handle = try #require(try driver.find(id: "i-\(index)", directory: "/nowhere"))
                if try console(driver, handle).contains("login:") { up += 1 }
            }
        }
        #expect(up == 20_000)
        // Others' tests run beside this one and have threads.
        #expect(try FileSystem.list("/proc/self/task").count - before < 200)
    }

    @Test("disk images make no files")
    func images() throws {
        let images = SimulatedHypervisor(host: SimulatedHost(clock: SimulatedClock(.manual))).diskImages
        try images.createOverlay(base: "/nowhere/base", baseFormat: .raw, path: "/nowhere/disk", sizeBytes: nil)
        try images.createEmpty(path: "/nowhere/disk", format: .raw, sizeBytes: 1)
        try images.check(path: "/nowhere/disk", format: .qcow2)
        #expect(try images.inspect(path: "/nowhere/disk", format: .qcow2).format == .qcow2)
        #expect(!FileSystem.exists("/nowhere"))
    }
}
