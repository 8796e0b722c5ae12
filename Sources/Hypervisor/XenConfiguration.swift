import JSON

/// The configuration of one domain, as the file that xl and xm read (xl.cfg(5)), and as libxenlight's own JSON
/// (libxl_types.idl): pure functions of the definition, so that tests can read them.
struct XenConfiguration {
    /// How the guest's system is started.
    enum Machine: String, Sendable, CaseIterable {
        /// Paravirtual, from a kernel on the host.
        case paravirtual = "pv"
        /// Paravirtual, from the disk, by GRUB that runs in the guest (pvgrub).
        case grub = "pvgrub"
        /// Paravirtual, from the kernel that pygrub finds on the first disk.
        case bootLoader = "pygrub"
        /// With virtualization extensions, but no firmware and no emulated devices, from a kernel on the host.
        case hardwareKernel = "pvh"
        /// With firmware, from the first disk; needs virtualization extensions.
        case hardware = "hvm"

        /// The type in configurations (xl.cfg(5)).
        var type: String {
            switch self {
            case .paravirtual, .grub, .bootLoader: "pv"
            case .hardwareKernel: "pvh"
            case .hardware: "hvm"
            }
        }
    }

    let definition: GuestDefinition
    let uuid: String
    let family: XenToolstack.Family
    let machine: Machine
    /// Path of pygrub or GRUB, for the machines that need one.
    let bootLoader: String
    /// What the toolstack calls to attach the guest's interface; nil for Xen's own.
    var interfaceScript: String?
    /// Whether disks are described by keywords: xl's since Xen 4.2, whose earlier ones read xm's way (xl-disk-configuration(5)).
    var describesDisksByKeywords = true
    /// What xm of Xen 3.0 does not start a guest with firmware without: paths of Xen's firmware and of its QEMU. Later
    /// ones find them by themselves, and take them still.
    var firmware: String?
    var deviceModel: String?

    private var kernel: String? { machine == .grub ? bootLoader : definition.kernel }

    /// The file's text.
    func text() throws(HypervisorError) -> String {
        var lines = [
            "name = \(try quoted(definition.name))", "uuid = \(try quoted(uuid))", "memory = \(definition.memoryMiB)",
            "vcpus = \(definition.cores)",
            // The driver wants to see why a domain ended before its remains go.
            "on_poweroff = \"preserve\"", "on_reboot = \"preserve\"", "on_crash = \"preserve\"",
        ]
        switch machine {
        case .paravirtual, .grub, .hardwareKernel:
            if machine == .hardwareKernel { lines.append("type = \"pvh\"") }
            if let kernel { lines.append("kernel = \(try quoted(kernel))") }
            if let ramdisk = definition.ramdisk { lines.append("ramdisk = \(try quoted(ramdisk))") }
            if let arguments = definition.kernelArguments {
                lines.append("extra = \(try quoted(Self.translated(arguments)))")
            }
        case .bootLoader: lines.append("bootloader = \(try quoted(bootLoader))")
        case .hardware:
            // xl has "type" since 4.10 and takes "builder" still; xm knows only this.
            lines += ["builder = \"hvm\"", "serial = \"pty\"", "vnc = 0", "sdl = 0", "boot = \"c\""]
            lines += ["acpi = 1", "apic = 1", "pae = 1"]
            if family == .xm {
                if let firmware { lines.append("kernel = \(try quoted(firmware))") }
                if let deviceModel { lines.append("device_model = \(try quoted(deviceModel))") }
            }
        }
        var disks: [String] = []
        for index in definition.disks.indices { disks.append(try quoted(disk(definition.disks[index], index))) }
        lines.append("disk = [ \(disks.joined(separator: ", ")) ]")
        switch definition.network {
        case .none: lines.append("vif = [ ]")
        case .bridge(let bridge):
            var vif = "mac=\(definition.macAddress),bridge=\(bridge)"
            if let interfaceScript { vif += ",script=\(interfaceScript)" }
            if machine == .hardware { vif += ",type=ioemu" }
            lines.append("vif = [ \(try quoted(vif)) ]")
        case .user, .tap:
            throw HypervisorError(
                .unsupported,
                "\(definition.id): a Xen guest is attached to a bridge, not to a tap device")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The same for libxenlight. What is left out gets libxenlight's defaults.
    func json() throws(HypervisorError) -> String {
        // What can be said in one way only must not mean something else in the other.
        _ = try text()
        var machineFacts: [JSONMember] = []
        switch machine {
        case .paravirtual, .grub, .hardwareKernel:
            if let kernel { machineFacts.append(JSONMember("kernel", .string(kernel))) }
            if let ramdisk = definition.ramdisk { machineFacts.append(JSONMember("ramdisk", .string(ramdisk))) }
            if let arguments = definition.kernelArguments {
                machineFacts.append(JSONMember("cmdline", .string(Self.translated(arguments))))
            }
            machineFacts.append(JSONMember("type." + machine.type, .object([])))
        case .bootLoader:
            machineFacts = [JSONMember("bootloader", .string(bootLoader)), JSONMember("type.pv", .object([]))]
        case .hardware:
            machineFacts = [
                JSONMember(
                    "type.hvm",
                    .members(
                        ("serial", .string("pty")), ("boot", .string("c")),
                        ("vnc", .members(("enable", .string("False")))),
                        ("sdl", .members(("enable", .string("False"))))))
            ]
        }
        let kibibytes = Int64(definition.memoryMiB) * 1024
        var processors: [JSONValue] = []
        for index in 0..<definition.cores { processors.append(.integer(Int64(index))) }
        var disks: [JSONValue] = []
        for index in definition.disks.indices {
            let disk = definition.disks[index]
            disks.append(
                .members(
                    ("pdev_path", .string(disk.path)), ("vdev", .string(try device(index))),
                    ("backend", .string("qdisk")),
                    ("format", .string(disk.format.rawValue)), ("readwrite", .integer(disk.readOnly ? 0 : 1))))
        }
        var interfaces: [JSONValue] = []
        if case .bridge(let bridge) = definition.network {
            var interface = [
                JSONMember("devid", .integer(0)), JSONMember("mac", .string(definition.macAddress)),
                JSONMember("bridge", .string(bridge)),
                JSONMember("nictype", .string(machine == .hardware ? "vif_ioemu" : "vif")),
            ]
            if let interfaceScript { interface.append(JSONMember("script", .string(interfaceScript))) }
            interfaces.append(.object(interface))
        }
        return JSONValue.members(
            (
                "c_info",
                .members(
                    ("type", .string(machine.type)), ("name", .string(definition.name)),
                    ("uuid", .string(uuid)))
            ),
            (
                "b_info",
                .object(
                    [
                        JSONMember("max_vcpus", .integer(Int64(definition.cores))),
                        JSONMember("avail_vcpus", .array(processors)), JSONMember("max_memkb", .integer(kibibytes)),
                        JSONMember("target_memkb", .integer(kibibytes)),
                    ] + machineFacts)
            ),
            ("disks", .array(disks)), ("nics", .array(interfaces)), ("on_poweroff", .string("preserve")),
            ("on_reboot", .string("preserve")), ("on_crash", .string("preserve"))
        ).serialized
    }

    private func device(_ index: Int) throws(HypervisorError) -> String {
        guard index < 16 else {
            throw HypervisorError(.invalidDefinition, "\(definition.id): a Xen guest has at most 16 disks here")
        }
        let letter = String(decoding: [UInt8(ascii: "a") + UInt8(index)], as: UTF8.self)
        // Firmware finds four disks.
        return (machine == .hardware && index < 4 ? "hd" : "xvd") + letter
    }

    private func disk(_ disk: GuestDisk, _ index: Int) throws(HypervisorError) -> String {
        let device = try device(index)
        if family != .xm, describesDisksByKeywords {
            // By QEMU, whatever the format: files behind loop devices are few, and need scripts. "target" comes last, since
            // it takes the rest of the line.
            let way = "access=" + (disk.readOnly ? "ro" : "rw")
            return "backendtype=qdisk,format=\(disk.format.rawValue),vdev=\(device),\(way),target=\(disk.path)"
        }
        let prefix = disk.format == .qcow2 ? "tap:qcow2:" : "file:"
        guard !disk.path.utf8.contains(UInt8(ascii: ",")) else {
            throw HypervisorError(
                .invalidDefinition, "\(disk.path) has a comma, which \(family.rawValue) does not understand")
        }
        return "\(prefix)\(disk.path),\(device),\(disk.readOnly ? "r" : "w")"
    }

    /// Command lines are written for QEMU's devices; Xen's have other names.
    static func translated(_ arguments: String) -> String {
        var words: [String] = []
        for word in arguments.split(separator: " ") {
            if word.hasPrefix("root=/dev/vd") {
                words.append("root=/dev/xvd" + word.dropFirst("root=/dev/vd".utf8.count))
            } else if word.hasPrefix("console=ttyS0") {
                words.append("console=hvc0")
            } else {
                words.append(String(word))
            }
        }
        return words.joined(separator: " ")
    }

    /// A string of the file's syntax. There is no way to write a quote within one that both toolstacks read.
    private func quoted(_ text: String) throws(HypervisorError) -> String {
        for byte in text.utf8
        where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7f {
            throw HypervisorError(
                .invalidDefinition, "\(definition.id): a quote, backslash or control character cannot be given to Xen")
        }
        return "\"\(text)\""
    }
}
