import JSON

/// The argument vector of one guest's QEMU: a pure function of the definition, so that tests can read it.
struct QEMUCommandLine {
    let definition: GuestDefinition
    let facts: HypervisorFacts
    let files: QEMUFiles
    /// Whether QEMU can lay itself in a sandbox on this host.
    var hasSandbox = true

    /// Kept by QEMU itself until it is read, so that nothing is lost while no node controller runs.
    static let consoleRingBytes = 256 << 10
    /// The user-mode network: link-local, so that the metadata address is on the guest's own link.
    static let guestAddress = "169.254.10.15"
    private static let userNetwork =
        "ipv6=off,net=169.254.0.0/16,dhcpstart=169.254.10.15,host=169.254.0.2,dns=169.254.0.3"

    /// Arguments after the program's name.
    var arguments: [String] {
        var list = ["-name", "guest=\(definition.name)", "-nodefaults", "-no-user-config", "-display", "none"]
        // graphics=off makes the firmware speak on the serial console, so that "no bootable device" can be read there.
        list += ["-machine", "pc,graphics=off,usb=off,vmport=off,dump-guest-core=off"]
        list += accelerator
        list += ["-smp", "\(definition.cores)", "-m", "\(definition.memoryMiB)", "-rtc", "base=utc"]
        list += ["-boot", "menu=off,strict=on", "-pidfile", files.pid]
        if hasSandbox { list += ["-sandbox", sandbox] }
        // A guest that powers off stays as a paused process until its console is read.
        list += ["-no-shutdown"]
        if majorVersion >= 6 { list += ["-device", "pvpanic", "-action", "panic=none"] }
        list += [
            "-chardev", "ringbuf,id=console,size=\(Self.consoleRingBytes)", "-device", "isa-serial,chardev=console",
        ]
        list += ["-chardev", "socket,id=qmp,path=\(Self.escape(files.qmp)),server=on,wait=off"]
        list += ["-mon", "chardev=qmp,mode=control"]
        list += ["-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0"]
        for index in definition.disks.indices { list += disk(definition.disks[index], index) }
        list += network
        if let kernel = definition.kernel { list += ["-kernel", kernel] }
        if let ramdisk = definition.ramdisk { list += ["-initrd", ramdisk] }
        if let kernelArguments = definition.kernelArguments { list += ["-append", kernelArguments] }
        return list
    }

    private var majorVersion: Int {
        facts.version.split(separator: ".").first.flatMap { text in Int(String(text)) } ?? 0
    }

    private var accelerator: [String] {
        if facts.accelerator == "kvm" { return ["-accel", "kvm", "-cpu", "host"] }
        // x86-64-v2, which today's distributions need, in the vendor that needs no Meltdown work-around: page table
        // isolation is very slow when emulated.
        let cpu =
            definition.architecture == .x86_64
            ? "qemu64,+cx16,+lahf_lm,+popcnt,+pni,+ssse3,+sse4.1,+sse4.2" : "qemu32,+pni,+ssse3"
        return ["-accel", "tcg,thread=multi", "-cpu", cpu]
    }

    /// The metadata command is the only program that QEMU may start, and only if there is one. libslirp calls setsid for
    /// it, which counts as a privilege.
    private var sandbox: String {
        var permission = "deny"
        if case .user(let user) = definition.network, !user.metadataCommand.isEmpty { permission = "allow" }
        return "on,obsolete=deny,elevateprivileges=\(permission),spawn=\(permission),resourcecontrol=deny"
    }

    private func disk(_ disk: GuestDisk, _ index: Int) -> [String] {
        // Data is safe once the guest flushes; blocks of zeros and discarded blocks take no room.
        let node = JSONValue.members(
            ("driver", .string(disk.format.rawValue)), ("node-name", .string("disk\(index)")),
            ("read-only", .bool(disk.readOnly)), ("discard", .string("unmap")),
            ("detect-zeroes", .string(disk.readOnly ? "off" : "unmap")),
            ("cache", .members(("direct", .bool(false)), ("no-flush", .bool(false)))),
            ("file", .members(("driver", .string("file")), ("filename", .string(disk.path)))))
        var device = "virtio-blk-pci,drive=disk\(index),serial=\(disk.role.rawValue)\(index)"
        if index == 0, definition.kernel == nil { device += ",bootindex=1" }
        return ["-blockdev", node.serialized, "-device", device]
    }

    private var network: [String] {
        let backend: String
        switch definition.network {
        // A bridge was refused before.
        case .none, .bridge: return []
        case .tap(let interface): backend = "tap,id=n0,ifname=\(interface),script=no,downscript=no"
        case .user(let user):
            // Forwards are opened by QMP, so that a port that is taken does not keep the guest from starting.
            var text = "user,id=n0,\(Self.userNetwork)"
            if !user.metadataCommand.isEmpty {
                let command = user.metadataCommand.map(Self.shellQuote).joined(separator: " ")
                text += ",guestfwd=" + Self.escape("tcp:169.254.169.254:80-cmd:\(command)")
            }
            backend = text
        }
        // Without its option ROM the firmware does not try to boot from the network.
        return ["-netdev", backend, "-device", "virtio-net-pci,netdev=n0,mac=\(definition.macAddress),romfile="]
    }

    /// A value within a comma-separated option: QEMU reads two commas as one.
    static func escape(_ value: String) -> String {
        var bytes: [UInt8] = []
        for byte in value.utf8 {
            bytes.append(byte)
            if byte == UInt8(ascii: ",") { bytes.append(byte) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// libslirp splits the command with g_shell_parse_argv, which knows quotes but starts no shell.
    static func shellQuote(_ word: String) -> String {
        var bytes: [UInt8] = [UInt8(ascii: "'")]
        for byte in word.utf8 {
            if byte == UInt8(ascii: "'") {
                bytes.append(contentsOf: "'\\''".utf8)
            } else {
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "'"))
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The driver's files in a guest's directory.
struct QEMUFiles: Sendable {
    let directory: String

    /// Control socket, made by QEMU.
    var qmp: String { directory + "/qmp.sock" }
    /// Process number, written and removed by QEMU.
    var pid: String { directory + "/qemu.pid" }
    /// What QEMU and the metadata command say on standard error.
    var log: String { directory + "/qemu.log" }
    /// Address on the host that forwards listen on.
    var address: String { directory + "/guest.address" }
    /// Why the guest ended, once it has.
    var end: String { directory + "/guest.end" }
    /// What the guest wrote.
    var console: GuestConsole { GuestConsole(directory: directory) }

    /// All of them.
    var all: [String] { [qmp, pid, log, address, end] + console.paths }
}
