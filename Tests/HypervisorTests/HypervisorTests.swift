import Hypervisor
import Posix
import Testing

/// What every driver has to do, tried with each that this machine has. A new driver adds a case to `Rig.Kind`.
@Suite("The contract of hypervisor drivers", .serialized) struct HypervisorContractTests {
    @Test(
        "QEMU is here, so that the contract is tried with real guests",
        .enabled(if: Rig.isQEMUInstalled, "QEMU is not installed: apt-get install qemu-system-x86 qemu-utils"))
    func isTriedWithQEMU() {
        #expect(Rig.Kind.available.contains(.qemu))
    }

    @Test(
        "the probe names accelerator, reason and architectures, the second time at once", arguments: Rig.Kind.available)
    func probe(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let facts = try rig.hypervisor.probe()
            #expect(facts.hypervisor == rig.hypervisor.name)
            #expect(!facts.version.isEmpty && !facts.acceleratorReason.isEmpty)
            #expect(facts.guestArchitectures.contains(.x86_64))
            let before = Clock.monotonic
            #expect(try rig.hypervisor.probe() == facts)
            #expect(Clock.monotonic - before < 100)
        }
    }

    @Test("a started guest runs, writes its console and is stopped at once", arguments: Rig.Kind.available)
    func startConsoleStop(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.idles, isAboutDisks: true)
            #expect(try rig.hypervisor.status(handle).state == .running)
            #expect(try eventually { try rig.hasBooted(handle) })
            let end = try rig.hypervisor.stop(handle, graceMilliseconds: 0)
            #expect(end.cause == .killed)
            #expect(try rig.hypervisor.status(handle).state == .ended(end))
            #expect(try rig.hypervisor.stop(handle, graceMilliseconds: 0) == end, "stopping again is no error")
            #expect(try rig.hasBooted(handle), "the console outlives the guest")
            #expect(rig.events.end(of: handle) == nil, "stop has a caller to tell, so there is no event")
        }
    }

    @Test("the console is cut to the limit, keeping beginning and end", arguments: Rig.Kind.available)
    func consoleLimit(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.idles)
            #expect(try eventually { try rig.hasBooted(handle) })
            #expect(try rig.hypervisor.consoleOutput(handle, limit: 10).bytes.count == 10)
            #expect(try rig.hypervisor.consoleOutput(handle, limit: 0).bytes.isEmpty)
        }
    }

    @Test("a guest that follows the power button is stopped softly", arguments: Rig.Kind.available)
    func softStop(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.followsPowerButton)
            #expect(try eventually { try rig.hasBooted(handle) })
            #expect(try rig.hypervisor.stop(handle, graceMilliseconds: 30_000).cause == .stopped)
            #expect(try rig.hasBooted(handle))
        }
    }

    @Test("a guest that ignores the power button loses its power after the grace time", arguments: Rig.Kind.available)
    func hardStop(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.idles)
            #expect(try eventually { try rig.hasBooted(handle) })
            let before = Clock.monotonic
            #expect(try rig.hypervisor.stop(handle, graceMilliseconds: 300).cause == .killed)
            #expect(Clock.monotonic - before >= 300)
        }
    }

    @Test("a guest that powers itself off is reported once and its console can be read", arguments: Rig.Kind.available)
    func powersOff(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.powersOff)
            #expect(eventually { rig.events.end(of: handle) != nil })
            #expect(rig.events.end(of: handle)?.cause == .guestPowerOff)
            #expect(rig.events.count(handle) { kind in if case .ended = kind { true } else { false } } == 1)
            guard case .ended(let end) = try rig.hypervisor.status(handle).state else {
                Issue.record("it is not ended")
                return
            }
            #expect(end.cause == .guestPowerOff)
            #expect(try rig.hasBooted(handle))
            #expect(failure { try rig.hypervisor.reboot(handle, graceMilliseconds: 0) }?.code == .ended)
            #expect(failure { _ = try rig.hypervisor.setForwards(handle, []) }?.code == .ended)
        }
    }

    @Test("a reboot at once and one that the guest follows both boot it again", arguments: Rig.Kind.available)
    func reboot(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.followsPowerButton)
            #expect(try eventually { try rig.hasBooted(handle) })
            try rig.hypervisor.reboot(handle, graceMilliseconds: 60_000)
            #expect(try eventually { try rig.boots(handle) == 2 }, "shut down and started afresh")
            #expect(try rig.hypervisor.status(handle).state == .running)
            #expect(eventually { rig.events.count(handle) { kind in kind == .reset } == 1 })
            #expect(try eventually { try rig.hasBooted(handle) })
            try rig.hypervisor.reboot(handle, graceMilliseconds: 0)
            #expect(try eventually { try rig.boots(handle) == 3 }, "reset")
            #expect(rig.events.end(of: handle) == nil)
        }
    }

    @Test("a guest that ignores the request to reboot is reset after the grace time", arguments: Rig.Kind.available)
    func hardReboot(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.idles)
            #expect(try eventually { try rig.hasBooted(handle) })
            try rig.hypervisor.reboot(handle, graceMilliseconds: 200)
            #expect(try eventually { try rig.boots(handle) == 2 })
        }
    }

    @Test("a guest that resets itself runs on and is reported", arguments: Rig.Kind.available)
    func resets(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.resetsOnce)
            #expect(try eventually { try rig.boots(handle) == 2 })
            #expect(eventually { rig.events.count(handle) { kind in kind == .reset } == 1 })
            #expect(try rig.hypervisor.status(handle).state == .running)
        }
    }

    @Test("a panic is reported, and the guest runs on", arguments: Rig.Kind.available)
    func panics(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.panics)
            #expect(eventually { rig.events.count(handle) { kind in kind == .panicked } == 1 })
            if kind == .xen {
                // There is no way for it to run on.
                #expect(eventually { rig.events.end(of: handle)?.cause == .crashed })
            } else {
                #expect(try rig.hypervisor.status(handle).state == .running)
            }
        }
    }

    @Test(
        "a guest's disk is made one file while it is off, and it is started again from its own",
        arguments: Rig.Kind.available)
    func flattens(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            var sector = BootSector()
            sector.action = .idles
            var definition = try rig.define("i-1", sector, isAboutDisks: true)
            let images = rig.hypervisor.diskImages
            let base = definition.disks[0].path
            let overlay = base + ".qcow2"
            try images.createOverlay(base: base, baseFormat: .raw, path: overlay, sizeBytes: 4 << 20)
            if kind != .simulated { definition.disks = [GuestDisk(path: overlay, format: .qcow2, role: .root)] }
            let handle = try rig.start(definition)
            #expect(try eventually { try rig.hasBooted(handle) })
            _ = try rig.hypervisor.stop(handle, graceMilliseconds: 0)
            try rig.hypervisor.forget(handle)

            let copy = base + ".copy"
            try images.flatten(path: overlay, format: .qcow2, to: copy) { false }
            let facts = try images.inspect(path: copy, format: kind == .simulated ? .raw : .qcow2)
            #expect(kind == .simulated || facts.virtualSizeBytes == 4 << 20)
            #expect(try FileSystem.status(copy).size > 0)
            #expect(throws: HypervisorError.self, "nothing is overwritten") {
                try images.flatten(path: overlay, format: .qcow2, to: copy) { false }
            }
            #expect(throws: HypervisorError.self) {
                try images.flatten(path: overlay, format: .qcow2, to: base + ".cancelled") { true }
            }
            #expect(!FileSystem.exists(base + ".cancelled"))

            let again = try rig.start(definition)
            #expect(try eventually { try rig.hasBooted(again) })
        }
    }

    @Test("one id runs only once, and may be started again after its end", arguments: Rig.Kind.available)
    func doubleStart(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let definition = try rig.define()
            let handle = try rig.start(definition)
            #expect(failure { _ = try rig.hypervisor.start(definition) }?.code == .alreadyRunning)
            #expect(failure { try rig.hypervisor.forget(handle) }?.code == .alreadyRunning)
            _ = try rig.hypervisor.stop(handle, graceMilliseconds: 0)
            let second = try rig.start(definition)
            #expect(try rig.hypervisor.status(second).state == .running)
            if kind != .simulated {
                #expect(try rig.hypervisor.adopt(handle) == nil, "the handle of the first run is not the second's")
                #expect(failure { _ = try rig.hypervisor.stop(handle, graceMilliseconds: 0) }?.code == .notFound)
            }
        }
    }

    @Test(
        "a guest outlives the driver and is adopted with its console, forwards and events",
        arguments: Rig.Kind.available)
    func adopts(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let forward = PortForward(hostPort: try freePort(), guestPort: 22)
            let network = UserNetwork(hostAddress: "127.0.0.1", forwards: [forward])
            let handle = try rig.start(.followsPowerButton, network: .user(network))
            #expect(try eventually { try rig.hasBooted(handle) })
            let copy = try #require(GuestHandle(text: handle.text))
            #expect(copy == handle)
            try rig.restartDriver()
            #expect(failure { _ = try rig.hypervisor.status(copy) }?.code == .notFound || kind == .simulated)
            #expect(try rig.hypervisor.find(id: handle.id, directory: rig.directory + "/i-1") == handle)
            let status = try #require(try rig.hypervisor.adopt(copy))
            #expect(status.state == .running)
            #expect(status.forwards == [PortForwardResult(forward: forward)])
            #expect(try rig.hypervisor.adopt(copy) == status, "adopting twice is no error")
            #expect(try rig.hasBooted(copy), "what was written before is there")
            try rig.hypervisor.reboot(copy, graceMilliseconds: 0)
            #expect(eventually { rig.events.count(copy) { kind in kind == .reset } == 1 })
            #expect(try eventually { try rig.boots(copy) == 2 })
            #expect(try eventually { try rig.hasBooted(copy) })
            #expect(try rig.hypervisor.stop(copy, graceMilliseconds: 30_000).cause == .stopped)
        }
    }

    @Test("a guest that is not there any more is not adopted", arguments: Rig.Kind.available)
    func adoptsNothing(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.idles)
            _ = try rig.hypervisor.stop(handle, graceMilliseconds: 0)
            try rig.hypervisor.forget(handle)
            try rig.hypervisor.forget(handle)
            #expect(failure { _ = try rig.hypervisor.status(handle) }?.code == .notFound)
            #expect(failure { _ = try rig.hypervisor.consoleOutput(handle, limit: 1) }?.code == .notFound)
            #expect(try rig.hypervisor.find(id: handle.id, directory: rig.directory + "/i-1") == nil)
            try FileSystem.removeTree(rig.directory + "/i-1")
            rig.host.restart()
            #expect(try rig.hypervisor.adopt(handle) == nil)
            let foreign = GuestHandle(driver: "other", id: "i-9", detail: "{}")
            #expect(failure { _ = try rig.hypervisor.adopt(foreign) }?.code == .invalidDefinition)
            #expect(GuestHandle(text: "qemu") == nil)
        }
    }

    @Test("forwards change while the guest runs; one that fails says why", arguments: Rig.Kind.available)
    func forwards(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let taken = try Listener.tcp(address: "127.0.0.1", port: 0)
            rig.host.change { behaviour in behaviour.refusedPorts = [Int(taken.port)] }
            let first = PortForward(hostPort: try freePort(), guestPort: 22)
            let second = PortForward(hostPort: try freePort(), guestPort: 80)
            let udp = PortForward(transport: .udp, hostPort: second.hostPort, guestPort: 53)
            let busy = PortForward(hostPort: Int(taken.port), guestPort: 443)
            let network = UserNetwork(hostAddress: "127.0.0.1", forwards: [first, busy])
            let handle = try rig.start(.idles, network: .user(network))
            let initial = try rig.hypervisor.status(handle).forwards
            #expect(initial.count == 2 && initial.first?.failure == nil)
            // The kernel's rules take a port whoever listens there; a guest has an address of its own for that.
            if kind != .xen {
                let reason = try #require(initial.last?.failure)
                #expect(kind == .simulated || reason.contains("in use"))
            }
            let results = try rig.hypervisor.setForwards(
                handle, [second, udp, PortForward(hostPort: 70_000, guestPort: 1)])
            #expect(results.map(\.forward) == [second, udp, PortForward(hostPort: 70_000, guestPort: 1)])
            #expect(results.map { result in result.failure == nil } == [true, true, false])
            if kind == .qemu {
                #expect(isOpen(second.hostPort))
                #expect(!isOpen(first.hostPort), "a forward that is not listed is closed")
            }
            #expect(try rig.hypervisor.setForwards(handle, []).isEmpty)
            if kind == .qemu { #expect(!isOpen(second.hostPort)) }
            taken.close()
        }
    }

    @Test("a guest without user-mode network has no forwards", arguments: Rig.Kind.available)
    func forwardsNeedUserNetwork(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let handle = try rig.start(.idles)
            #expect(failure { _ = try rig.hypervisor.setForwards(handle, []) }?.code == .unsupported)
        }
    }

    @Test("definitions that cannot work are refused with their reason", arguments: Rig.Kind.available)
    func refusesDefinitions(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let good = try rig.define(isAboutDisks: true)
            func code(_ change: (inout GuestDefinition) -> Void) -> HypervisorError.Code? {
                var bad = good
                change(&bad)
                return failure { _ = try rig.start(bad) }?.code
            }
            #expect(code { $0.id = "../x" } == .invalidDefinition)
            #expect(code { $0.id = "-x" } == .invalidDefinition)
            #expect(code { $0.name = "a,b" } == .invalidDefinition)
            #expect(code { $0.cores = 0 } == .invalidDefinition)
            #expect(code { $0.memoryMiB = 0 } == .invalidDefinition)
            #expect(code { $0.macAddress = "d0:0d:00:00:00:01,x=y" } == .invalidDefinition)
            #expect(
                code {
                    $0.kernel = nil
                    $0.kernelArguments = nil
                    $0.disks = []
                } == .invalidDefinition)
            #expect(
                code {
                    $0.kernel = nil
                    $0.kernelArguments = "quiet"
                } == .invalidDefinition)
            #expect(code { $0.disks[0].path = "nbd:host" } == .invalidDefinition)
            #expect(code { $0.network = .tap(interface: "x,script=/bin/sh") } == .invalidDefinition)
            #expect(code { $0.network = .user(UserNetwork(hostAddress: "0.0.0.0")) } == .invalidDefinition)
            #expect(code { $0.network = .user(UserNetwork(hostAddress: "127.0.0.1,x")) } == .invalidDefinition)
            if kind != .simulated {
                #expect(code { $0.disks[0].path = "/nowhere/disk" } == .notFound)
                #expect(code { $0.directory = "/nowhere" } == .invalidDefinition)
            }
        }
    }

    @Test("a detached driver refuses work and leaves its guests alone", arguments: Rig.Kind.available)
    func detached(kind: Rig.Kind) throws {
        try Rig.with(kind) { rig in
            let definition = try rig.define()
            let handle = try rig.start(definition)
            let old = rig.hypervisor
            try rig.restartDriver()
            #expect(failure { _ = try old.start(definition) }?.code == .unavailable)
            #expect(failure { _ = try old.status(handle) }?.code == .unavailable)
            #expect(try rig.hypervisor.adopt(handle)?.state == .running)
        }
    }

    private func isOpen(_ port: Int) -> Bool {
        do {
            _ = try Socket.connect(host: "127.0.0.1", port: UInt16(port), timeout: 2_000)
            return true
        } catch {
            return false
        }
    }
}

/// A port that nobody listens on now.
func freePort() throws -> Int {
    let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
    listener.close()
    return Int(listener.port)
}
