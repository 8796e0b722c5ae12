import JSON
import Posix
import Testing

@testable import Hypervisor

private let installed = Comment("QEMU is not installed: apt-get install qemu-system-x86 qemu-utils")

/// What only QEMU does.
@Suite("QEMU driver", .serialized, .enabled(if: Rig.isQEMUInstalled, installed)) struct QEMUTests {
    @Test("a kernel that is none is refused with QEMU's own words")
    func badKernel() throws {
        try Rig.with(.qemu) { rig in
            var definition = try rig.define()
            definition.kernel = definition.directory + "/kernel"
            try FileSystem.write(definition.directory + "/kernel", text: "no kernel")
            let error = try #require(failure { _ = try rig.start(definition) })
            #expect(error.code == .startFailed)
            #expect(error.message.contains("kernel"), "\(error.message)")
            #expect(try rig.hypervisor.find(id: "i-1", directory: definition.directory) == nil)
            definition.kernel = nil
            #expect(try rig.hypervisor.status(try rig.start(definition)).state == .running, "nothing is left of it")
        }
    }

    @Test("a corrupt qcow2 disk is refused with QEMU's own words")
    func corruptDisk() throws {
        try Rig.with(.qemu) { rig in
            var definition = try rig.define()
            definition.disks[0].format = .qcow2
            let error = try #require(failure { _ = try rig.start(definition) })
            #expect(error.code == .startFailed)
            #expect(error.message.contains("qcow2"), "\(error.message)")
        }
    }

    @Test("a disk without a boot sector says so on the console")
    func notBootable() throws {
        try Rig.with(.qemu) { rig in
            let definition = try rig.define()
            try FileSystem.write(definition.disks[0].path, [UInt8](repeating: 0, count: 1 << 20))
            let handle = try rig.start(definition)
            #expect(try eventually { try rig.console(handle).contains("not a bootable disk") })
        }
    }

    @Test("a flood of output is bounded: the beginning and the end are kept")
    func flood() throws {
        try Rig.with(.qemu) { rig in
            var sector = BootSector()
            sector.flood = (String(repeating: "x", count: 98) + "\r\n", 4_000)
            let handle = try rig.start(try rig.define("i-1", sector))
            #expect(
                try eventually {
                    try rig.console(handle).hasSuffix("xx\r\n")
                        && rig.hypervisor.consoleOutput(handle, limit: 65_536).bytes.count == 65_536
                })
            let text = try rig.console(handle)
            #expect(text.contains("hello from the guest") && text.contains("left out"))
            let files = QEMUFiles(directory: rig.directory + "/i-1")
            var total: Int64 = 0
            for path in files.console.paths {
                total += try FileSystem.statusIfPresent(path)?.size ?? 0
            }
            #expect(total <= GuestConsole.headBytes + 2 * GuestConsole.tailBytes)
        }
    }

    @Test("a QEMU that is killed from outside is reported")
    func killedFromOutside() throws {
        try Rig.with(.qemu) { rig in
            let handle = try rig.start(.idles)
            #expect(try eventually { try rig.hasBooted(handle) })
            let pid = try rig.hypervisor.status(handle).processId
            try #require(try ProcessIdentity.of(pid)).signal(Signals.kill)
            #expect(eventually { rig.events.end(of: handle)?.cause == .hypervisorDied })
            #expect(try rig.hasBooted(handle), "what was read before is kept")
        }
    }

    @Test("a guest that powered off, or whose QEMU died, while no driver was there is adopted as ended")
    func endedMeanwhile() throws {
        try Rig.with(.qemu) { rig in
            let dead = try rig.start(.idles, id: "i-1")
            let off = try rig.start(.followsPowerButton, id: "i-2")
            #expect(try eventually { try rig.hasBooted(off) })
            let pid = try rig.hypervisor.status(dead).processId
            rig.hypervisor.detach()
            try #require(try ProcessIdentity.of(pid)).signal(Signals.kill)
            // Presses the button as an administrator at the monitor would, and waits until the guest is off.
            let connection = QMPConnection(
                socket: try eventuallyConnect(QEMUFiles(directory: rig.directory + "/i-2").qmp))
            connection.send("system_powerdown") { _ in }
            #expect(
                eventually {
                    guard let events = connection.receive() else { return true }
                    return events.contains { event in event.name == "SHUTDOWN" }
                })
            connection.close()
            try rig.restartDriver()
            guard case .ended(let deadEnd) = try rig.hypervisor.adopt(dead)?.state,
                case .ended(let offEnd) = try rig.hypervisor.adopt(off)?.state
            else {
                Issue.record("they are not ended")
                return
            }
            #expect(deadEnd.cause == .hypervisorDied)
            #expect(offEnd.cause == .guestPowerOff)
            #expect(try rig.hasBooted(off), "QEMU kept the console")
            #expect(rig.events.all.isEmpty, "adopt has a caller to tell")
            try rig.restartDriver()
            #expect(try rig.hypervisor.adopt(off)?.state == .ended(offEnd), "the reason is kept")
        }
    }

    private func eventuallyConnect(_ path: String) throws -> Socket {
        try Socket.connect(path: path, timeout: 120_000)
    }

    @Test("QEMU does not see signals of the node's terminal and leaves no process behind")
    func process() throws {
        try Rig.with(.qemu) { rig in
            let handle = try rig.start(.idles)
            let pid = try rig.hypervisor.status(handle).processId
            let stat = try FileSystem.readText("/proc/\(pid)/stat")
            let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
            #expect(fields.count > 3 && fields[3] == "\(pid)", "it leads a session of its own")
            _ = try rig.hypervisor.stop(handle, graceMilliseconds: 0)
            #expect(!FileSystem.exists("/proc/\(pid)"), "not even a zombie")
        }
    }

    @Test("twenty guests share one thread of the driver")
    func threads() throws {
        try Rig.with(.qemu) { rig in
            _ = try rig.start(.idles, id: "i-0")
            let before = try driverThreads()
            for index in 1..<20 { _ = try rig.start(.idles, id: "i-\(index)") }
            // Other tests' drivers have one each.
            #expect(try driverThreads() < before + 10)
        }
    }

    private func driverThreads() throws -> Int {
        try FileSystem.list("/proc/self/task").count { task in
            (try? FileSystem.readText("/proc/self/task/\(task)/comm").hasPrefix("qmp")) == true  // it may have ended
        }
    }

    @Test("the KVM probe is honest and remembered")
    func kvmProbe() throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-hv-")
        defer { try? FileSystem.removeTree(directory) }  // a directory left in /tmp harms nobody
        let first = try QEMUProbe(stateDirectory: directory).run()
        #expect(first.accelerator == "kvm" || first.accelerator == "tcg")
        let before = Clock.monotonic
        #expect(try QEMUProbe(stateDirectory: directory).run() == first)
        #expect(Clock.monotonic - before < 2_000)
        // An answer of another boot does not count.
        let path = directory + "/kvm-probe.json"
        let kept = try JSONValue.parse(try FileSystem.readText(path))
        #expect(kept["key"]?.text?.isEmpty == false)
        try FileSystem.write(path, text: "{\"key\":\"other\",\"failure\":\"nonsense\"}")
        #expect(try QEMUProbe(stateDirectory: directory).run() == first)
        try FileSystem.write(path, text: "{\"key\":")
        #expect(try QEMUProbe(stateDirectory: directory).run() == first)
    }

    @Test("the guest that the probe boots runs, and is known to have run")
    func probeGuest() throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-hv-")
        defer { try? FileSystem.removeTree(directory) }  // a directory left in /tmp harms nobody
        let probe = QEMUProbe(stateDirectory: directory)
        let emulator = try probe.programs.emulator(for: .x86_64)
        #expect(try probe.boot(emulator.path, accelerator: "tcg", timeLimit: 60_000) == "")
        #expect(try probe.boot(emulator.path, accelerator: "none", timeLimit: 60_000) != "")
        // A machine that resets without having said anything has crashed.
        let silent = directory + "/silent"
        try FileSystem.write(silent, text: "#!/bin/sh\nexit 0\n", permissions: 0o700)
        #expect(try probe.boot(silent, accelerator: "tcg", timeLimit: 60_000) != "")
    }

    @Test("the first QEMU that is new enough is taken, from the places where it may be")
    func programs() throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-hv-")
        defer { try? FileSystem.removeTree(directory) }  // a directory left in /tmp harms nobody
        func program(_ name: String, _ script: String) throws {
            try FileSystem.write("\(directory)/\(name)", text: "#!/bin/sh\n\(script)\n", permissions: 0o700)
        }
        func problem(_ body: () throws(HypervisorError) -> Void) -> HypervisorError? {
            do throws(HypervisorError) {
                try body()
                return nil
            } catch {
                return error
            }
        }
        let programs = QEMUPrograms(directory: directory)
        let missing = problem { () throws(HypervisorError) in _ = try programs.emulator(for: .x86_64) }
        #expect(missing?.code == .notInstalled)
        #expect(missing?.message.contains(directory) == true)
        try program("qemu-system-x86_64", "echo 'QEMU emulator version 1.5.3 (qemu-kvm-1.5.3-175.el7)'")
        let old = problem { () throws(HypervisorError) in _ = try programs.emulator(for: .x86_64) }
        #expect(old?.message.contains("is 1.5.3") == true)
        // Red Hat's, on a kernel without seccomp(2): QEMU knows no -sandbox there.
        try program("qemu-kvm", "[ $# = 1 ] || exit 1\necho 'QEMU emulator version 6.2.0 (qemu-kvm-6.2.0-53)'")
        let expected = QEMUPrograms.Emulator(path: directory + "/qemu-kvm", version: "6.2.0", hasSandbox: false)
        #expect(try programs.emulator(for: .x86_64) == expected)
        #expect(try programs.emulator(for: .i386) == expected)
        try program("qemu-system-x86_64", "echo 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'")
        #expect(try programs.emulator(for: .x86_64) == expected, "what was found is kept")
        #expect(
            try QEMUPrograms(directory: directory).emulator(for: .x86_64)
                == QEMUPrograms.Emulator(path: directory + "/qemu-system-x86_64", version: "7.2.22", hasSandbox: true))
        try program("qemu-img", "echo 'qemu-img version 1.5.3, Copyright (c) 2004-2008 Fabrice Bellard'")
        #expect(problem { () throws(HypervisorError) in try programs.imageTool() }?.message.contains("1.5.3") == true)
        try program("qemu-img", "echo 'qemu-img version 4.0.0'")
        #expect(try programs.imageTool() == directory + "/qemu-img")
    }

    @Test("QEMU is looked for in PATH, then in the package mallee-qemu, then where RHEL has it")
    func places() throws {
        let top = try FileSystem.temporaryDirectory("/tmp/mallee-hv-")
        defer { try? FileSystem.removeTree(top) }  // a directory left in /tmp harms nobody
        func program(_ path: String, _ version: String) throws {
            try FileSystem.makeDirectory(FileSystem.parent(top + path))
            let name = path.hasSuffix("-img") ? "qemu-img" : "QEMU emulator"
            try FileSystem.write(
                top + path, text: "#!/bin/sh\necho '\(name) version \(version)'\n", permissions: 0o700)
        }
        let usual = QEMUPrograms.Places()
        let places = QEMUPrograms.Places(
            path: [top + "/usr/local/bin", top + "/usr/bin"], bundled: top + usual.bundled,
            redHat: top + usual.redHat)
        func found() throws -> [String] {
            let programs = QEMUPrograms(usual: places)
            try programs.check()
            return try [programs.emulator(for: .x86_64).path, programs.imageTool()].map {
                String($0.dropFirst(top.utf8.count))
            }
        }
        do throws(HypervisorError) {
            try QEMUPrograms(usual: places).check()
            Issue.record("QEMU was found where none is")
        } catch {
            #expect(error.code == .notInstalled)
            for place in ["PATH", places.bundled, places.redHat, "mallee-qemu"] {
                #expect(error.message.contains(place), "\(error.message)")
            }
        }
        // RHEL 8 and 9: an emulator outside of PATH, and qemu-img in it.
        try program("/usr/libexec/qemu-kvm", "6.2.0")
        #expect(throws: HypervisorError.self) { try found() }
        try program("/usr/bin/qemu-img", "6.2.0")
        #expect(try found() == ["/usr/libexec/qemu-kvm", "/usr/bin/qemu-img"])
        // CentOS 7, whose own is too old, with the roll's package.
        for old in ["/usr/libexec/qemu-kvm", "/usr/bin/qemu-img"] { try program(old, "1.5.3") }
        #expect(throws: HypervisorError.self) { try found() }
        for name in ["/qemu-system-x86_64", "/qemu-img"] { try program(usual.bundled + name, "7.2.22") }
        #expect(try found() == [usual.bundled + "/qemu-system-x86_64", usual.bundled + "/qemu-img"])
        try program("/usr/libexec/qemu-kvm", "9.1.0")
        #expect(try found()[0] == usual.bundled + "/qemu-system-x86_64", "the package comes before RHEL's")
        // What the administrator has put into PATH comes first, if it is new enough.
        try program("/usr/bin/qemu-system-x86_64", "4.0.0")
        #expect(try found()[0] == "/usr/bin/qemu-system-x86_64")
        try program("/usr/local/bin/qemu-system-x86_64", "8.0.0")
        #expect(try found()[0] == "/usr/local/bin/qemu-system-x86_64")
    }

    @Test("the package puts QEMU where it is looked for")
    func packaged() throws {
        let top = FileSystem.parent(FileSystem.parent(FileSystem.parent(#filePath)))
        let script = try FileSystem.readText(top + "/Scripts/qemu-bundle.sh")
        let home = try #require(script.firstMatch(of: /(?m)^home=(.*)$/)).output.1
        #expect(QEMUPrograms.Places().bundled == home + "/bin")
        #expect(try FileSystem.readText(top + "/rpmspec/mallee-qemu.spec.in").contains("\n\(home)\n"))
    }

    @Test("values cannot break out of their place in QEMU's options")
    func commandLine() throws {
        let facts = HypervisorFacts(
            hypervisor: "qemu", version: "7.2.22", accelerator: "tcg", acceleratorReason: "", guestArchitectures: [])
        var definition = GuestDefinition(
            id: "i-1", name: "i-1", directory: "/a,b", cores: 2, memoryMiB: 64, architecture: .x86_64,
            disks: [GuestDisk(path: "/d,readonly=on\"", format: .qcow2, role: .root, readOnly: true)],
            macAddress: "d0:0d:00:00:00:01",
            network: .user(UserNetwork(hostAddress: "127.0.0.1", metadataCommand: ["/bin/x", "a,b", "it's"])))
        let line = QEMUCommandLine(
            definition: definition, facts: facts, files: QEMUFiles(directory: definition.directory)
        ).arguments
        let drive = try #require(line.firstIndex(of: "-blockdev"))
        let node = try JSONValue.parse(line[drive + 1])
        #expect(node["file"]?["filename"]?.text == "/d,readonly=on\"")
        #expect(node["driver"]?.text == "qcow2" && node["read-only"]?.boolean == true)
        #expect(line.contains("socket,id=qmp,path=/a,,b/qmp.sock,server=on,wait=off"))
        let netdev = try #require(line.first { word in word.hasPrefix("user,") })
        #expect(netdev.hasSuffix("guestfwd=tcp:169.254.169.254:80-cmd:'/bin/x' 'a,,b' 'it'\\''s'"))
        #expect(line.contains { word in word.hasSuffix("spawn=allow,resourcecontrol=deny") })
        definition.network = .none
        let alone = QEMUCommandLine(
            definition: definition, facts: facts, files: QEMUFiles(directory: definition.directory)
        ).arguments
        #expect(alone.contains { word in word.hasSuffix("spawn=deny,resourcecontrol=deny") })
        #expect(!alone.contains("-netdev"))
    }

    @Test("the monitor's table of forwards is read")
    func forwardTable() {
        let table = """
            Hub -1 (n0):
              Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
              TCP[HOST_FORWARD]  19       127.1.0.5  2222   169.254.10.15    22     0     0
              UDP[HOST_FORWARD]  20       127.1.0.5    53   169.254.10.15    53     0     0
              TCP[ESTABLISHED]   25       127.1.0.5  2222   169.254.10.15    22     0     0
            """
        #expect(
            QEMUForwards.parse(table) == [
                PortForward(hostPort: 2222, guestPort: 22),
                PortForward(transport: .udp, hostPort: 53, guestPort: 53),
            ])
        #expect(QEMUForwards.parse("").isEmpty)
    }

    @Test("nonsense on the control socket ends the connection and answers who waits")
    func nonsense() throws {
        for text in ["{}\n", "[1]\n", "{\"return\":1}\n", "\u{0}\n", String(repeating: "x", count: 3 << 20)] {
            let (ours, theirs) = try Socket.pair()
            let connection = QMPConnection(socket: ours)
            let waiter = Waiter<Bool>()
            connection.send("quit") { reply in
                if case .lost = reply { waiter.give(true) } else { waiter.give(false) }
            }
            let writer = try Thread.start(name: "writer") {
                try? theirs.write(Array(text.utf8), timeout: 2_000)  // fails once the reader has had enough
                theirs.shutdown()
            }
            #expect(eventually(10_000) { connection.receive() == nil })
            connection.close()
            #expect(waiter.take(timeout: 1_000) == true)
            #expect(writer.join(timeout: 120_000))
        }
    }
}
