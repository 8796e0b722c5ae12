import Posix

/// Xen's commands on this host: `xl` of Xen 4, or `xm` of Xen 3 and RHEL 5. Always argument vectors, always under a time
/// limit: a hypervisor in trouble makes them hang.
struct XenToolstack: Sendable {
    /// The two families of commands.
    enum Family: String, Sendable {
        /// Xen 4.1 and later.
        case xl
        /// Xen 3, with xend.
        case xm
        /// `mallee-xl`: libxenlight, in the words of xl.
        case xenlight = "mallee-xl"
    }

    /// Which one.
    let family: Family
    /// Its path.
    let program: String

    /// A list or a question takes milliseconds; with many domains a second.
    let queryTimeout: Milliseconds
    /// Building a domain reads kernel and ramdisk and may wait for dom0 to give memory back.
    let createTimeout: Milliseconds
    /// Held while a domain is made. xl lets nobody else make one meanwhile, since two at once may count on the same free
    /// memory; whoever waited inside of xl would have less of the time limit left.
    private let creation = Lock()
    private let listing = XenListing()
    private static let listLimit = 4 << 20
    /// What takes longer is worth a line in the log, though it may still succeed.
    private static let slow: Milliseconds = 15_000

    /// Uses the command at `program`.
    init(
        family: Family, program: String, queryTimeout: Milliseconds = 20_000, createTimeout: Milliseconds = 120_000
    ) {
        self.family = family
        self.program = program
        self.queryTimeout = queryTimeout
        self.createTimeout = createTimeout
    }

    /// What drives this host's Xen, and why that: libxenlight if it is of the running hypervisor's version, otherwise the
    /// commands of this host; nil if there are none.
    static func choose() -> (XenToolstack, why: String)? {
        guard let commands = find() else { return nil }
        let name = commands.family.rawValue
        guard commands.family == .xl else {
            return (commands, "driven by \(name), since xend runs or xl is not installed")
        }
        guard let program = helper() else { return (commands, "driven by \(name), since mallee-xl is not installed") }
        let library = XenToolstack(family: .xenlight, program: program)
        do throws(HypervisorError) {
            let info = try library.info()
            let hypervisor = "\(info["xen_major"] ?? "?").\(info["xen_minor"] ?? "?")"
            guard let version = info["library"], version == hypervisor else {
                return (
                    commands,
                    "driven by \(name), since libxenlight \(info["library"] ?? "?") is not of the hypervisor's version "
                        + hypervisor
                )
            }
            return (library, "driven by libxenlight \(version), the hypervisor's own version")
        } catch {
            return (commands, "driven by \(name), since libxenlight cannot be used: \(error.message)")
        }
    }

    /// It lies beside this program, or where administrators' commands are.
    private static func helper() -> String? {
        var places: [String] = []
        do throws(PosixError) {
            places.append(FileSystem.join(FileSystem.parent(try FileSystem.readLink("/proc/self/exe")), "mallee-xl"))
        } catch {}  // Without /proc it may be found elsewhere.
        for path in places + ["/usr/libexec/mallee/mallee-xl", "/usr/sbin/mallee-xl"] where FileSystem.exists(path) {
            return path
        }
        return nil
    }

    /// Where xend listens for xm (Xen 3.0.3 to 4.4).
    private static let xendSockets = ["/var/run/xend/xmlrpc.sock", "/run/xend/xmlrpc.sock"]

    /// Whether xend runs; then everything is to be done through it.
    private static func isXendRunning() -> Bool {
        for path in xendSockets where FileSystem.exists(path) {
            do throws(PosixError) {
                _ = try Socket.connect(path: path, timeout: 5_000)
                return true
            } catch {}  // A socket that a xend has left.
        }
        return false
    }

    /// The commands of this host; nil if there are none. `xl` is preferred where both are, unless xend runs: xl of Xen
    /// 4.0 to 4.4 cannot be used beside it.
    static func find() -> XenToolstack? {
        let commands = [(Family.xl, "xl"), (.xm, "xm")]
        for (family, name) in isXendRunning() ? commands.reversed() : commands {
            for path in [FileSystem.findExecutable(name), "/usr/sbin/" + name, "/sbin/" + name] {
                guard let path, FileSystem.exists(path) else { continue }
                return XenToolstack(family: family, program: path)
            }
        }
        return nil
    }

    // MARK: Questions

    /// All domains of the host, dom0 too.
    func domains() throws(HypervisorError) -> [XenDomain] {
        try listing.domains { () throws(HypervisorError) -> [XenDomain] in
            switch family {
            case .xl, .xenlight: try XenDomain.parse(verboseList: run(["list", "-v"]).outputText)
            case .xm: try XenDomain.parse(longList: run(["list", "--long"]).outputText)
            }
        }
    }

    /// The domain of this UUID; nil if there is none.
    func domain(_ uuid: String) throws(HypervisorError) -> XenDomain? { XenDomain.find(uuid, in: try domains()) }

    /// What `info` says: "xen_caps" and the like.
    func info() throws(HypervisorError) -> [String: String] {
        var facts: [String: String] = [:]
        for line in try run(["info"]).outputText.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            facts[Self.trimmed(parts[0])] = Self.trimmed(parts[1])
        }
        return facts
    }

    // MARK: Orders

    /// Creates a domain from its configuration; returns when it runs, or could. No process of the toolstack stays behind
    /// to decide about its end: the driver does.
    ///
    /// - Parameter paused: it runs only after `unpause`.
    func create(_ files: XenFiles, id: String, paused: Bool = false) throws(HypervisorError) {
        var arguments = ["create"]
        if paused { arguments.append("-p") }
        switch family {
        case .xl: arguments += ["-q", "-e", files.configuration]
        case .xm: arguments += ["-q", files.configuration]
        case .xenlight: arguments.append(files.libraryConfiguration)
        }
        creation.lock()
        defer { creation.unlock() }
        let result = try command(arguments, timeout: createTimeout)
        guard !result.timedOut else {
            throw HypervisorError(
                .timedOut,
                "\(id): \(family.rawValue) create did not end within \(createTimeout / 1000) s and was killed; look "
                    + "at the host's xenstored and at `\(family.rawValue) list`")
        }
        guard result.isSuccess else { throw Self.failure(of: result, id: id, family) }
    }

    /// Lets a domain run that was created paused.
    func unpause(_ domain: Int) throws(HypervisorError) { _ = try run(["unpause", String(domain)]) }

    /// Asks a domain to power down (`reboot` false) or to restart. libxenlight writes the request at once, and then waits
    /// up to a minute for the guest to take it. A guest that does not listen is no error.
    ///
    /// - Parameter patience: how long that may take; at most as long as a question.
    func ask(_ domain: Int, toReboot reboot: Bool, patience: Milliseconds) throws(HypervisorError) {
        // -F: an HVM guest without Xen's drivers is asked by ACPI.
        let arguments = [reboot ? "reboot" : "shutdown"] + (family == .xm ? [] : ["-F"]) + [String(domain)]
        _ = try command(arguments, timeout: max(1, min(queryTimeout, patience)))
    }

    /// Takes a domain's power away and its remains. A domain that is not there is no error, nor one that dies already.
    func destroy(_ domain: Int) throws(HypervisorError) {
        let arguments = ["destroy", String(domain)]
        let result = try command(arguments, timeout: createTimeout)
        guard !result.timedOut else { throw hanging(arguments) }
        // The commands fail for either, too.
        guard !result.isSuccess,
            try domains().contains(where: { other in other.id == domain && other.state != .dying })
        else { return }
        throw HypervisorError(
            .unavailable,
            "\(family.rawValue) destroy \(domain) failed (\(result.explanation)), and the domain is there still")
    }

    private func run(_ arguments: [String]) throws(HypervisorError) -> Command.Result {
        let result = try command(arguments, timeout: queryTimeout)
        guard !result.timedOut else { throw hanging(arguments) }
        guard result.isSuccess else {
            throw HypervisorError(
                .unavailable,
                "\(family.rawValue) \(arguments[0]) failed (\(result.explanation)); see whether xenstored"
                    + (family == .xm ? " and xend run" : " runs (service xencommons or xen)"))
        }
        return result
    }

    private func hanging(_ arguments: [String]) -> HypervisorError {
        HypervisorError(
            .timedOut,
            "\(family.rawValue) \(arguments.joined(separator: " ")) hung and was killed; restart the host's Xen services"
                + " or, if that does not help, the host")
    }

    private func command(_ arguments: [String], timeout: Milliseconds) throws(HypervisorError) -> Command.Result {
        let began = Clock.monotonic
        do throws(PosixError) {
            let result = try Command.run(program, arguments, timeout: timeout, outputLimit: Self.listLimit)
            let took = Clock.monotonic - began
            if took >= Self.slow, !result.timedOut {
                Output.error(
                    "\(family.rawValue) \(arguments.joined(separator: " ")) took \(took / 1000) s; the host is overloaded or "
                        + "its xenstored is")
            }
            return result
        } catch {
            if error.isNotFound {
                throw HypervisorError(
                    .notInstalled,
                    family == .xenlight
                        ? "\(program) is gone; install it again, or restart mallee-node, which then uses xl"
                        : "\(program) is gone; install Xen's tools again (Debian: xen-utils; RHEL, CentOS: xen)")
            }
            throw HypervisorError(error, "running \(family.rawValue) \(arguments[0])")
        }
    }

    /// What the toolstack's words mean for the caller.
    static func failure(of result: Command.Result, id: String, _ family: Family) -> HypervisorError {
        // libxl repeats itself; the last words are the closest to the caller, the first to the cause.
        var lines: [String] = []
        for line in (result.errorText + "\n" + result.outputText).split(separator: "\n") {
            let words = trimmed(line)
            if !words.isEmpty { lines.append(words) }
        }
        var shown = lines.prefix(3)
        if lines.count > 3, let last = lines.last { shown.append(last) }
        let words = shown.isEmpty ? "it gave no reason" : shown.joined(separator: " | ")
        let all = lines.joined(separator: "\n")
        for (code, meaning, marks) in meanings where marks.contains(where: { QEMUHypervisor.contains(all, $0) }) {
            return HypervisorError(code, "\(id): \(meaning) (\(family.rawValue): \(words))")
        }
        return HypervisorError(.startFailed, "\(id): \(family.rawValue) did not start it: \(words)")
    }

    /// Words of xl, xm and the libraries below them, by what they mean.
    private static let meanings: [(HypervisorError.Code, String, [StaticString])] = [
        (
            .insufficientResources, "Xen has not enough free memory for it; end other guests or use another host",
            [
                "annot allocate memory", "ot enough memory", "failed to free memory", "ot enough free memory",
                "allocate low memory", "ut of memory", "nsufficient memory", "but dom0_min_mem is",
                "privileged domain did not balloon",
            ]
        ),
        (.insufficientResources, "the host's disk is full; free some space there", ["No space left"]),
        (
            .invalidKernel,
            "its kernel cannot be started by this Xen: it is damaged, for another architecture, or made without support "
                + "for Xen",
            [
                "no loader", "nvalid kernel", "xc_dom_find_loader", "xc_dom_parse_image", "xc_dom_kernel_file",
                "Building domain failed",
            ]
        ),
        (
            .startFailed, "its disk could not be attached; Xen before 3.3 does not read qcow2 files",
            ["(tap) could not be connected", "(tap2) could not be connected"]
        ),
        (
            .unavailable, "the host's xend does not answer; restart it (service xend restart)",
            ["nable to connect to xend", "Xend has probably crashed"]
        ),
        (
            .unavailable, "the host's xenstored does not answer; restart the host's Xen services",
            ["xenstored does not run", "annot connect to xenstore", "ailed to connect to xenstore", "xs_open"]
        ),
    ]

    private static func trimmed(_ text: Substring) -> String {
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.first, byte == 0x20 || byte == 0x09 || byte == 0x0d { bytes = bytes.dropFirst() }
        while let byte = bytes.last, byte == 0x20 || byte == 0x09 || byte == 0x0d { bytes = bytes.dropLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
