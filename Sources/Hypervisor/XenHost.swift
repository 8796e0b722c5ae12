import Posix

/// What a Xen host can start guests by: pure functions of what Xen says and of which boot loaders are installed.
struct XenHost: Sendable {
    private let words: [Substring]
    /// "xen_caps" of `xl info`, for messages.
    let capabilities: String
    let family: XenToolstack.Family
    /// Major and minor number of the hypervisor.
    let version: (major: Int, minor: Int)
    /// GRUB for paravirtual guests by architecture, which runs in the guest.
    let grubs: [GuestArchitecture: String]
    /// pygrub, which runs in the control domain.
    let pygrub: String?
    /// Xen's firmware for guests with virtualization extensions, and the QEMU that serves them; only xm is told.
    private(set) var firmware: String?
    private(set) var deviceModel: String?

    /// Debian's grub-xen-host; then where a site that makes its own puts it.
    private static let grubDirectories = ["/usr/lib/grub-xen", "/usr/lib/xen/boot"]
    /// Debian (its directory is named after the version), RHEL, old Xen.
    private static let pygrubs = ["/usr/lib/xen/bin/pygrub", "/usr/bin/pygrub", "/usr/libexec/xen/bin/pygrub"]

    init(
        capabilities: String, family: XenToolstack.Family, version: (major: Int, minor: Int),
        grubs: [GuestArchitecture: String] = [:], pygrub: String? = nil
    ) {
        self.capabilities = capabilities
        words = capabilities.split(separator: " ")
        self.family = family
        self.version = version
        self.grubs = grubs
        self.pygrub = pygrub
    }

    /// What `info` says, and what lies on this host.
    init(info: [String: String], capabilities: String, family: XenToolstack.Family) {
        let version = (
            major: info["xen_major"].flatMap { text in Int(text) } ?? 0,
            minor: info["xen_minor"].flatMap { text in Int(text) } ?? 0
        )
        var grubs: [GuestArchitecture: String] = [:]
        for directory in Self.grubDirectories {
            for (architecture, name) in [
                (GuestArchitecture.x86_64, "grub-x86_64-xen.bin"), (.i386, "grub-i386-xen.bin"),
            ] {
                let path = FileSystem.join(directory, name)
                if grubs[architecture] == nil, FileSystem.exists(path) { grubs[architecture] = path }
            }
        }
        let places = ["/usr/lib/xen-\(version.major).\(version.minor)/bin/pygrub"] + Self.pygrubs
        self.init(
            capabilities: capabilities, family: family, version: version, grubs: grubs,
            pygrub: places.first { path in FileSystem.exists(path) })
        guard family == .xm else { return }
        // Xen's own places, then RHEL's and Debian's.
        let own = "/usr/lib/xen-\(version.major).\(version.minor)"
        firmware = ["/usr/lib/xen/boot/hvmloader", own + "/boot/hvmloader"].first { path in FileSystem.exists(path) }
        deviceModel = ["/usr/lib64/xen/bin/qemu-dm", "/usr/lib/xen/bin/qemu-dm", own + "/bin/qemu-dm"]
            .first { path in FileSystem.exists(path) }
    }

    /// Whether Xen has this kind of machine for an architecture ("x86_32p" is 32 bits with PAE).
    private func offers(_ kind: String, _ architecture: GuestArchitecture) -> Bool {
        let prefix = kind + (architecture == .x86_64 ? "x86_64" : "x86_32")
        return words.contains { word in word.hasPrefix(prefix) }
    }

    private func isParavirtual(_ architecture: GuestArchitecture) -> Bool { offers("xen-3.0-", architecture) }
    private func isHardware(_ architecture: GuestArchitecture) -> Bool { offers("hvm-3.0-", architecture) }
    /// Machines without firmware came with Xen 4.10's xl.
    private var hasKernelsInHardware: Bool { family != .xm && (version.major, version.minor) >= (4, 10) }

    /// Architectures of guests that Xen runs, best first.
    var architectures: [GuestArchitecture] {
        var found: [GuestArchitecture] = []
        for architecture in [GuestArchitecture.x86_64, .i386]
        where isParavirtual(architecture) || isHardware(architecture) {
            found.append(architecture)
        }
        return found
    }

    /// What guests can be started from, of any architecture.
    var boots: [GuestBoot] {
        var found: [GuestBoot] = []
        for (boot, isKernel) in [(GuestBoot.kernel, true), (.disk, false)] {
            if architectures.contains(where: { architecture in
                !machines(isKernel: isKernel, architecture).isEmpty
            }) {
                found.append(boot)
            }
        }
        return found
    }

    /// Machines that may start such a guest, best first.
    private func machines(isKernel: Bool, _ architecture: GuestArchitecture) -> [XenConfiguration.Machine] {
        var found: [XenConfiguration.Machine] = []
        if isKernel {
            if isParavirtual(architecture) { found.append(.paravirtual) }
            if isHardware(architecture), hasKernelsInHardware { found.append(.hardwareKernel) }
            return found
        }
        // A disk made for any machine has a boot sector; one with a kernel for Xen and GRUB's configuration is needed for
        // the others. pygrub first: it leaves the kernel to Xen's builder, which unpacks more kinds than GRUB does (2.06:
        // neither LZ4 nor zstd, the kinds of today's distributions).
        if isHardware(architecture) { found.append(.hardware) }
        if isParavirtual(architecture) {
            if pygrub != nil { found.append(.bootLoader) }
            if grubs[architecture] != nil { found.append(.grub) }
        }
        return found
    }

    /// The machines to try for a guest, best first. The next is for a kernel that the one before cannot start.
    ///
    /// - Throws: `unsupported`, with what the host cannot do.
    func machines(for definition: GuestDefinition) throws(HypervisorError) -> [XenConfiguration.Machine] {
        let found = machines(isKernel: definition.kernel != nil, definition.architecture)
        if let first = found.first {
            // What is on a disk shows itself only when it runs.
            return definition.kernel == nil ? [first] : found
        }
        let architecture = definition.architecture.rawValue
        throw HypervisorError(
            .unsupported,
            definition.kernel != nil
                ? "\(definition.id): this host's Xen starts no \(architecture) guests from a kernel (it offers \(capabilities))"
                : "\(definition.id): to boot \(architecture) guests from their disks, this host needs a processor with "
                    + "virtualization extensions, pygrub or pvgrub (Debian: apt-get install grub-xen-host); its Xen offers "
                    + capabilities)
    }

    /// What the configuration of such a machine names as its boot loader.
    func bootLoader(_ machine: XenConfiguration.Machine, _ architecture: GuestArchitecture) -> String {
        switch machine {
        case .grub: grubs[architecture] ?? ""
        case .bootLoader: pygrub ?? ""
        case .paravirtual, .hardware, .hardwareKernel: ""
        }
    }
}
