import JSON
import Posix
import Testing

@testable import Hypervisor

/// What needs no Xen: the toolstack's words, the configuration, xenstore's protocol. The driver itself is tried in a real
/// control domain.
@Suite struct XenTests {
    // MARK: Lists

    /// Of Xen 4.17.
    private static let list = """
        Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label   NODE Affinity
        Domain-0                                     0  1024     2     r-----      39.6 00000000-0000-0000-0000-000000000000        -                -            all
        i-0123456789abcdef0                          3   128     1     -b----       1.2 C0FFEE00-1111-4222-8333-444455556666        -                -            all
        two words                                    4   128     1     ---s--       0.9 c0ffee00-1111-4222-8333-444455556667        0                -            all
        again                                        5   128     1     ---s--       0.9 c0ffee00-1111-4222-8333-444455556668        1                -            all
        broken                                       6   128     1     ---sc-       0.9 c0ffee00-1111-4222-8333-444455556669        3                -            all
        (null)                                       7     0     1     --ps-d       0.9 c0ffee00-1111-4222-8333-44445555666a        0                -            all

        """

    @Test func `the list of xl says who lives and why others do not`() throws {
        let domains = try XenDomain.parse(verboseList: Self.list)
        #expect(domains.map(\.id) == [0, 3, 4, 5, 6, 7])
        #expect(domains.map(\.name)[2] == "two words")
        #expect(domains[1].uuid == "c0ffee00-1111-4222-8333-444455556666")
        #expect(domains[0].memoryMiB == 1024)
        #expect(
            domains.map(\.state) == [
                .alive, .alive, .shutDown(.powerOff), .shutDown(.reboot), .shutDown(.crash), .dying,
            ])
    }

    @Test func `a list that is not understood is an error, never an empty list`() {
        for text in [
            "", "Error: cannot connect", "Name ID Mem\nDomain-0 0 1024 2 r----- 1.0\n",
            "Name ID\nx y 128 1 -b---- 1.0 c0ffee00-1111-4222-8333-444455556667 - -\n",
        ] where !text.isEmpty {
            #expect(throws: HypervisorError.self) { try XenDomain.parse(verboseList: text) }
        }
        for text in ["(domain (domid 3)", ")", "(domain (uuid \"", String(repeating: "(", count: 10_000)] {
            #expect(throws: HypervisorError.self) { try XenDomain.parse(longList: text) }
        }
    }

    @Test func `the list of xm is read too`() throws {
        let text = """
            (domain
                (domid 0)
                (uuid 00000000-0000-0000-0000-000000000000)
                (vcpus 2) (memory 512) (name Domain-0) (state r-----))
            (domain
                (domid 9)
                (uuid 5F2D9C1E-0000-4000-8000-0000000000AA)
                (vcpus 1)
                (memory 256)
                (on_poweroff preserve)
                (image (linux (kernel /boot/x) (args 'root=/dev/sda1 (state r-----)')))
                (device (vif (bridge xenbr0) (uuid 00000000-0000-4000-8000-000000000001)))
                (name i-1)
                (state ---s--)
                (shutdown_reason reboot)
            )
            (domain (uuid 5f2d9c1e-0000-4000-8000-0000000000ab) (name 'managed, off') (state ------))
            """
        let domains = try XenDomain.parse(longList: text)
        #expect(domains.map(\.id) == [0, 9])
        #expect(domains[1].name == "i-1")
        #expect(domains[1].uuid == "5f2d9c1e-0000-4000-8000-0000000000aa")
        #expect(domains[1].state == .shutDown(.reboot))
        #expect(domains[1].memoryMiB == 256)
    }

    /// In the form of Xen 4.1's xend; before 4.1, what is empty has no quotes.
    @Test func `xend of later Xens leaves open why a domain ended`() throws {
        func domain(_ state: String, _ more: String = "") throws -> XenDomain {
            try #require(
                XenDomain.parse(
                    longList: """
                        (domain
                            (domid 9)
                            (pool_name Pool-0)
                            (bootloader '')
                            (vcpus 2)
                            (cpus (() ()))
                            (on_crash preserve)
                            (uuid c0ffee00-1111-4222-8333-444455556666)
                            (name i-1)
                            (maxmem 256)
                            (memory 256)
                            (cpu_time 1.5)
                            (image (linux (kernel /c/kernel) (args 'root=/dev/xvda1 ro (state -b----)') (tsc_mode 0)))
                            (status 2)
                            (state \(state))
                            \(more)
                            (device (tap (uname tap:qcow2:/s/i-1/root.qcow2) (dev xvda) (mode w)))
                        )
                        """
                ).first)
        }
        #expect(try domain("---s--").lacksReason)
        #expect(try domain("---s--").state == .shutDown(.powerOff))
        #expect(try domain("----c-").state == .shutDown(.crash))
        for (state, more) in [("-b----", ""), ("----c-", ""), ("---s--", "(shutdown_reason poweroff)"), ("--p--d", "")]
        {
            #expect(try !domain(state, more).lacksReason)
        }
        #expect(try domain("-b----").memoryMiB == 256)
    }

    @Test(arguments: 0..<500) func `a damaged list never crashes`(seed: Int) {
        var generator = SystemRandomNumberGenerator()
        var bytes = Array(Self.list.utf8)
        for _ in 0...(seed % 9) {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            bytes[at] = UInt8.random(in: 0...255, using: &generator)
        }
        let text = String(decoding: bytes, as: UTF8.self)
        _ = try? XenDomain.parse(verboseList: text)
        _ = try? XenDomain.parse(longList: "(domain " + text.replacing("-", with: "(") + ")")
    }

    // MARK: Configuration

    private func definition() -> GuestDefinition {
        GuestDefinition(
            id: "i-1", name: "i-1", directory: "/s/i-1", cores: 2, memoryMiB: 256, architecture: .x86_64,
            disks: [
                GuestDisk(path: "/s/i-1/root.qcow2", format: .qcow2, role: .root),
                GuestDisk(path: "/s/i-1/swap.img", format: .raw, role: .swap, readOnly: true),
            ], kernel: "/c/kernel", ramdisk: "/c/ramdisk", kernelArguments: "root=/dev/vda1 ro console=ttyS0 quiet",
            macAddress: "d0:0d:00:00:00:01", network: .bridge("xenbr0"))
    }

    private func text(
        _ definition: GuestDefinition, _ machine: XenConfiguration.Machine, _ family: XenToolstack.Family = .xl
    ) throws -> String {
        try XenConfiguration(
            definition: definition, uuid: "c0ffee00-1111-4222-8333-444455556666", family: family, machine: machine,
            bootLoader: "/usr/bin/pygrub"
        ).text()
    }

    @Test func `a paravirtual guest gets its kernel, disks and interface`() throws {
        #expect(
            try text(definition(), .paravirtual) == """
                name = "i-1"
                uuid = "c0ffee00-1111-4222-8333-444455556666"
                memory = 256
                vcpus = 2
                on_poweroff = "preserve"
                on_reboot = "preserve"
                on_crash = "preserve"
                kernel = "/c/kernel"
                ramdisk = "/c/ramdisk"
                extra = "root=/dev/xvda1 ro console=hvc0 quiet"
                disk = [ "backendtype=qdisk,format=qcow2,vdev=xvda,access=rw,target=/s/i-1/root.qcow2", \
                "backendtype=qdisk,format=raw,vdev=xvdb,access=ro,target=/s/i-1/swap.img" ]
                vif = [ "mac=d0:0d:00:00:00:01,bridge=xenbr0" ]

                """)
    }

    @Test func `an interface on a bridge of the edge is attached by our own script`() throws {
        var configuration = XenConfiguration(
            definition: definition(), uuid: "c0ffee00-1111-4222-8333-444455556666", family: .xl, machine: .paravirtual,
            bootLoader: "")
        configuration.interfaceScript = "/s/i-1/xen.vif"
        #expect(
            try configuration.text().contains(
                "vif = [ \"mac=d0:0d:00:00:00:01,bridge=xenbr0,script=/s/i-1/xen.vif\" ]"))
        let json = try JSONValue.parse(configuration.json())
        #expect(json["nics"]?.elements?.first?["script"]?.text == "/s/i-1/xen.vif")
    }

    @Test func `xm gets its own words for disks`() throws {
        #expect(
            try text(definition(), .paravirtual, .xm).contains(
                "disk = [ \"tap:qcow2:/s/i-1/root.qcow2,xvda,w\", \"file:/s/i-1/swap.img,xvdb,r\" ]"))
    }

    @Test func `xl of Xen 4-1 gets xm's words for disks`() throws {
        var configuration = XenConfiguration(
            definition: definition(), uuid: "c0ffee00-1111-4222-8333-444455556666", family: .xl, machine: .paravirtual,
            bootLoader: "")
        configuration.describesDisksByKeywords = false
        #expect(try configuration.text().contains("\"tap:qcow2:/s/i-1/root.qcow2,xvda,w\""))
    }

    @Test func `xm is told where firmware and QEMU are, and xl is not`() throws {
        var definition = definition()
        (definition.kernel, definition.ramdisk, definition.kernelArguments) = (nil, nil, nil)
        func text(_ family: XenToolstack.Family, _ machine: XenConfiguration.Machine) throws -> String {
            var configuration = XenConfiguration(
                definition: definition, uuid: "c0ffee00-1111-4222-8333-444455556666", family: family, machine: machine,
                bootLoader: "/usr/bin/pygrub")
            configuration.firmware = "/usr/lib/xen/boot/hvmloader"
            configuration.deviceModel = "/usr/lib64/xen/bin/qemu-dm"
            return try configuration.text()
        }
        let hardware = try text(.xm, .hardware)
        #expect(hardware.contains("\nkernel = \"/usr/lib/xen/boot/hvmloader\"\n"))
        #expect(hardware.contains("\ndevice_model = \"/usr/lib64/xen/bin/qemu-dm\"\n"))
        for other in [try text(.xl, .hardware), try text(.xm, .bootLoader)] {
            #expect(!other.contains("kernel = ") && !other.contains("device_model"))
        }
    }

    @Test func `nothing of a definition can end a string of the configuration`() {
        for text in ["/k\"\nextra='x'", "/k\\", "/k\u{7f}", "a\u{1}"] {
            var definition = definition()
            definition.kernelArguments = text
            #expect(throws: HypervisorError.self) { try self.text(definition, .paravirtual) }
        }
    }

    @Test func `a guest without firmware gets the same as a paravirtual one, but its type`() throws {
        let paravirtual = try text(definition(), .paravirtual)
        let text = try text(definition(), .hardwareKernel)
        #expect(text.split(separator: "\n").filter { $0 != "type = \"pvh\"" } == paravirtual.split(separator: "\n"))
        #expect(text.contains("type = \"pvh\""))
    }

    @Test func `a disk is booted by GRUB in the guest, by pygrub, or by firmware`() throws {
        var definition = definition()
        (definition.kernel, definition.ramdisk, definition.kernelArguments) = (nil, nil, nil)
        let grub = try text(definition, .grub)
        #expect(grub.contains("kernel = \"/usr/bin/pygrub\"") && grub.contains("vdev=xvda"))
        #expect(!grub.contains("ramdisk") && !grub.contains("extra"))
        #expect(try text(definition, .bootLoader).contains("bootloader = \"/usr/bin/pygrub\""))
        for _ in 0..<4 {
            definition.disks.append(GuestDisk(path: "/s/i-1/more", format: .raw, role: .ephemeral))
        }
        let firmware = try text(definition, .hardware)
        #expect(
            firmware.contains("builder = \"hvm\"") && firmware.contains("vdev=hda") && firmware.contains("type=ioemu"))
        #expect(firmware.contains("vdev=hdd") && firmware.contains("vdev=xvde"), "firmware finds four disks")
    }

    @Test(arguments: XenConfiguration.Machine.allCases)
    func `libxenlight's words say the same machine`(machine: XenConfiguration.Machine) throws {
        var definition = definition()
        if machine != .paravirtual && machine != .hardwareKernel {
            (definition.kernel, definition.ramdisk, definition.kernelArguments) = (nil, nil, nil)
        }
        let json = try JSONValue.parse(
            XenConfiguration(
                definition: definition, uuid: "c0ffee00-1111-4222-8333-444455556666", family: .xenlight,
                machine: machine, bootLoader: "/boot/loader"
            ).json())
        #expect(json["c_info"]?["type"]?.text == machine.type)
        let build = try #require(json["b_info"])
        #expect(build["type." + machine.type] != nil)
        switch machine {
        case .paravirtual, .hardwareKernel: #expect(build["kernel"]?.text == "/c/kernel")
        case .grub: #expect(build["kernel"]?.text == "/boot/loader")
        case .bootLoader: #expect(build["bootloader"]?.text == "/boot/loader")
        case .hardware: #expect(build["kernel"] == nil && build["bootloader"] == nil)
        }
    }

    @Test func `the machines follow from the image and from what this Xen can do`() throws {
        let pv = "xen-3.0-x86_64 xen-3.0-x86_32p"
        let hardware = "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64"
        var definition = definition()
        func machines(
            _ capabilities: String, family: XenToolstack.Family = .xl, version: (Int, Int) = (4, 17),
            grub: Bool = false, pygrub: Bool = true
        ) throws -> [XenConfiguration.Machine] {
            try XenHost(
                capabilities: capabilities, family: family, version: version,
                grubs: grub ? [.x86_64: "/grub", .i386: "/grub32"] : [:], pygrub: pygrub ? "/pygrub" : nil
            ).machines(for: definition)
        }
        #expect(try machines(pv) == [.paravirtual])
        #expect(try machines(pv + " " + hardware) == [.paravirtual, .hardwareKernel])
        #expect(try machines(hardware) == [.hardwareKernel])
        #expect(throws: HypervisorError.self) { try machines(hardware, version: (4, 9)) }
        #expect(throws: HypervisorError.self) { try machines(hardware, family: .xm, version: (3, 4)) }
        definition.kernel = nil
        #expect(try machines(pv + " " + hardware, grub: true) == [.hardware])
        #expect(try machines(pv, grub: true, pygrub: false) == [.grub])
        #expect(try machines(pv) == [.bootLoader])
        let error = failure { _ = try machines(pv, pygrub: false) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("grub-xen-host") == true)
        definition.architecture = .i386
        #expect(try machines(pv) == [.bootLoader])
        #expect(throws: HypervisorError.self) { try machines("xen-3.0-x86_64") }
    }

    @Test func `what a host starts guests from is said before they are placed there`() {
        func boots(_ capabilities: String, pygrub: String? = nil) -> [GuestBoot] {
            XenHost(capabilities: capabilities, family: .xl, version: (4, 17), pygrub: pygrub).boots
        }
        #expect(boots("xen-3.0-x86_64") == [.kernel])
        #expect(boots("xen-3.0-x86_64", pygrub: "/pygrub") == [.kernel, .disk])
        #expect(boots("hvm-3.0-x86_64") == [.kernel, .disk])
        #expect(boots("") == [])
        let old = XenHost(capabilities: "hvm-3.0-x86_64", family: .xm, version: (3, 4))
        #expect(old.boots == [.disk])
        #expect(old.architectures == [.x86_64])
    }

    @Test func `a guest that restarts itself at once, again and again, is stopped`() {
        var limit = RestartLimit()
        limit.started(at: 0)
        var now: Int64 = 0
        func restart(after time: Int64) -> Bool {
            now += time
            defer { limit.started(at: now) }
            return limit.allows(at: now)
        }
        for _ in 0..<RestartLimit.most {
            let allowed = restart(after: RestartLimit.quick - 1)
            #expect(allowed)
        }
        let afterLong = restart(after: RestartLimit.quick)
        #expect(afterLong, "it ran for a while")
        for _ in 0..<RestartLimit.most {
            let allowed = restart(after: 1)
            #expect(allowed)
        }
        limit.forgive()
        for _ in 0..<RestartLimit.most {
            let allowed = restart(after: 1)
            #expect(allowed)
        }
        let oneTooMany = restart(after: 1)
        #expect(!oneTooMany)
    }

    @Test func `a tap device is refused with the cure`() {
        var definition = definition()
        definition.network = .tap(interface: "tap0")
        let error = failure { _ = try self.text(definition, .paravirtual) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("bridge") == true)
    }

    @Test func `a domain that was left half made is told from one that runs`() throws {
        let text = Self.list.replacing("-b----       1.2", with: "--p---       1.2")
        #expect(try XenDomain.parse(verboseList: text).map(\.isPaused) == [false, true, false, false, false, true])
    }

    @Test func `UUIDs are random and well formed`() {
        #expect(
            XenHypervisor.uuid([UInt8](repeating: 0xff, count: 16)) == "ffffffff-ffff-4fff-bfff-ffffffffffff")
        #expect(XenDomain.isUUID("c0ffee00-1111-4222-8333-444455556666"))
        for wrong in [
            "c0ffee00-1111-4222-8333-44445555666", "c0ffee0011114222833344445555666600", "",
            "g0ffee00-1111-4222-8333-444455556666",
        ] {
            #expect(!XenDomain.isUUID(wrong[...]))
        }
    }

    // MARK: The toolstack

    /// A program in place of xl, to see what becomes of its words and of its silence.
    private func toolstack(_ script: String, _ body: (XenToolstack) throws -> Void) throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-xl-")
        let program = directory + "/xl"
        try FileSystem.write(program, text: "#!/bin/sh\n" + script + "\n", permissions: 0o755)
        defer { _ = failure { try? FileSystem.removeTree(directory) } }
        try body(XenToolstack(family: .xl, program: program))
    }

    @Test func `the toolstack's words are told apart by what can be done`() throws {
        for (words, code) in [
            ("libxl: error: failed to free memory for the domain", HypervisorError.Code.insufficientResources),
            ("xc_dom_boot_mem_init: can not allocate low memory for domain: Out of memory", .insufficientResources),
            ("write: No space left on device", .insufficientResources),
            ("xc_dom_find_loader: no loader", .invalidKernel),
            ("libxenlight does not work here: this is no control domain, or xenstored does not run", .unavailable),
            // xm and xend, 3.0 to 4.1
            ("Error: I need 262144 KiB, but dom0_min_mem is 262144 and shrinking to", .insufficientResources),
            ("Error: Not enough memory is available, and dom0", .insufficientResources),
            ("Error: The privileged domain did not balloon!", .insufficientResources),
            ("Error: Building domain failed: ostype=linux dom=4 err=-22", .invalidKernel),
            ("Error: Unable to connect to xend: Connection refused. Is xend running?", .unavailable),
            ("Error: Device 51712 (tap) could not be connected.", .startFailed),
            ("what nobody has seen before", .startFailed), ("", .startFailed),
        ] {
            try toolstack("echo '\(words)' >&2; exit 3") { toolstack in
                let error = failure { try toolstack.create(XenFiles(directory: "/nowhere"), id: "i-1") }
                #expect(error?.code == code)
                if !words.isEmpty { #expect(error?.message.contains(words) == true) }
            }
        }
    }

    @Test func `a toolstack that fails is no empty list`() throws {
        try toolstack("echo 'xenstore is not there' >&2; exit 1") { toolstack in
            let error = failure { _ = try toolstack.domains() }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("xenstore is not there") == true)
        }
    }

    @Test func `memory for guests is what the control domain does not keep`() {
        func memory(_ commandLine: String?, own: Int64) -> Int64? {
            var info = ["total_memory": "8192"]
            info["xen_commandline"] = commandLine
            let domain = XenDomain(id: 0, name: "Domain-0", uuid: "", state: .alive, memoryMiB: own)
            return XenHypervisor.guestMemory(info, domains: [domain])?.amount
        }
        #expect(memory("dom0_mem=2048M,max:2048M console=com1", own: 2048) == 6016)
        #expect(memory("dom0_mem=8100M", own: 8100) == 0)
        // Nothing fixed: what the control domain has just now is given to guests as they come.
        #expect(memory("console=com1", own: 7900) == 7040)
        #expect(memory("console=com1", own: 400) == 7040)
        // Old toolstacks do not show that line.
        #expect(memory(nil, own: 2048) == 6016)
        #expect(memory(nil, own: 7900) == 7040)
        #expect(XenHypervisor.guestMemory(["total_memory": "8192"], domains: []) == nil)
    }

    @Test func `who only looks learns what the driver would find, and nothing is tidied up`() throws {
        let script = """
            [ "$1" != info ] || printf '%s\\n' 'xen_major : 4' 'xen_minor : 17' 'xen_extra : .3' 'total_memory : 4096' \
                'xen_caps : xen-3.0-x86_64 hvm-3.0-x86_32' 'xen_commandline : placeholder console=com1' 'nr_cpus : 16'
            [ "$1" != list ] || cat <<'EOF'
            \(Self.list.split(separator: "\n").prefix(2).joined(separator: "\n"))
            EOF
            """
        try toolstack(script) { toolstack in
            let (facts, isMemoryFixed) = try XenHypervisor(toolstack: toolstack, why: "driven by xl").examine()
            #expect(!isMemoryFixed)
            #expect(facts.version == "4.17.3" && facts.accelerator == "xen")
            #expect(facts.acceleratorReason == "this is the control domain of Xen 4.17.3, driven by xl")
            #expect(facts.guestArchitectures == [.x86_64, .i386])
            // The control domain has 1024 MiB at this moment, and is counted as having them.
            #expect(facts.processors == 16)
            #expect(facts.guestMemoryMiB == Int64(4096 - 1024 - 128))
        }
        try toolstack("exit 1") { toolstack in
            #expect(failure { _ = try XenHypervisor(toolstack: toolstack, why: "").examine() }?.code == .unavailable)
        }
    }

    // MARK: xenstore

    /// Answers like xenstored, on the other end of a pair of sockets.
    private func serve(_ socket: Socket, _ values: [String: String]) throws -> Thread {
        try Thread.start(name: "xenstored") {
            while let header = try? socket.read(16, timeout: 30_000), header.count == 16 {
                let length = Int(header[12]) | Int(header[13]) << 8
                var payload: [UInt8] = []
                while payload.count < length, let part = try? socket.read(length - payload.count, timeout: 30_000) {
                    payload += part
                }
                let path = String(decoding: payload.prefix { byte in byte != 0 }, as: UTF8.self)
                let request = UInt32(header[4]) | UInt32(header[5]) << 8
                var reply = XenStoreConnection.Message(kind: UInt32(header[0]), request: request, payload: [])
                if header[0] == 4 {
                    reply.payload = Array("OK\0".utf8)
                    let event = XenStoreConnection.Message(
                        kind: 15, request: 0, payload: Array("\(path)\0m\0".utf8))
                    try? socket.write(XenStoreConnection.encode(event), timeout: 30_000)
                } else if let value = values[path] {
                    reply.payload = Array(value.utf8)
                } else {
                    reply.kind = 16
                    reply.payload = Array((path == "/forbidden" ? "EACCES\0" : "ENOENT\0").utf8)
                }
                // In two parts, as a busy daemon may write.
                let bytes = XenStoreConnection.encode(reply)
                try? socket.write(Array(bytes.prefix(7)), timeout: 30_000)
                try? socket.write(Array(bytes.dropFirst(7)), timeout: 30_000)
            }
        }
    }

    @Test func `values, lists, nothing and refusals come out of xenstore`() throws {
        let (mine, theirs) = try Socket.pair()
        let thread = try serve(
            theirs, ["/local/domain/3/console/tty": "/dev/pts/4", "/local/domain": "0\u{0}3\u{0}"])
        let store = XenStoreConnection(stream: mine)
        #expect(try store.read("/local/domain/3/console/tty") == "/dev/pts/4")
        #expect(try store.read("/local/domain/9/console/tty") == nil)
        #expect(try store.list("/local/domain") == ["0", "3"])
        #expect(throws: PosixError.self) { try store.read("/forbidden") }
        try store.watch("@releaseDomain")
        #expect(try store.takeEvents())
        #expect(try !store.takeEvents())
        mine.shutdown()
        #expect(thread.join(timeout: 120_000))
    }

    @Test func `why a domain of xend ended stands with the machine that it was`() throws {
        let (mine, theirs) = try Socket.pair()
        let thread = try serve(
            theirs,
            [
                "/local/domain/3/vm": "/vm/c0ffee00-1111-4222-8333-444455556666-1",
                "/vm/c0ffee00-1111-4222-8333-444455556666-1/xend/last_shutdown_reason": "reboot",
                "/local/domain/4/vm": "/vm/c0ffee00-1111-4222-8333-444455556667",
                "/local/domain/5/vm": "/vm/5", "/vm/5/xend/last_shutdown_reason": "?",
            ])
        let store = XenStoreConnection(stream: mine)
        #expect(try store.shutdownReason(xend: 3) == .reboot)
        for domain in [4, 5, 6] { #expect(try store.shutdownReason(xend: domain) == nil) }
        mine.shutdown()
        #expect(thread.join(timeout: 120_000))
    }

    @Test func `a message that is too long is no message`() throws {
        let (mine, theirs) = try Socket.pair()
        let store = XenStoreConnection(stream: mine)
        var bytes = XenStoreConnection.encode(XenStoreConnection.Message(kind: 2, request: 1, payload: []))
        bytes[14] = 0x7f
        try theirs.write(bytes, timeout: 30_000)
        #expect(throws: PosixError.self) { try store.read("/x") }
    }
}
