// `mallee doctor`: looks at everything that a front end needs, and says what is wrong and what to do.
//
// It changes nothing and goes on after a failure, so that one run tells everything. Here: configuration, names, ports,
// services, disk. FrontEndDoctor+Trust.swift: certificates and secrets. FrontEndDoctor+Services.swift: what answers.
import Foundation
import Posix
import ServiceHost

/// Examines a front end.
struct FrontEndDoctor {
    /// A daemon and its configuration.
    struct Component {
        let name: String
        let file: ConfigurationFile

        var service: String { "mallee-" + name }
    }

    let layout: InstalledLayout
    /// How long services may take to answer that they are well.
    var patience = Duration.seconds(5)
    var report = DoctorReport()

    /// Looks at everything.
    mutating func run() async throws {
        let components = checkConfiguration()
        // Nothing else of a host that is no front end is of interest.
        guard !components.isEmpty else { return try checkNode() }
        try checkNames(components)
        checkPorts(components)
        checkServices(components)
        checkTrust(components)
        checkClock()
        checkDisk(components)
        try await checkAnswers(components)
        try checkNode()
    }

    // MARK: Configuration

    private static let required: [String: [String]] = [
        "cloud": ["STATE_DIR", "IDENTITY_DIR", "WALRUS_URL", "ZONES"],
        "walrus": ["STATE_DIR", "IDENTITY_DIR", "CLOUD_ENDPOINT"], "cluster": ["STATE_DIR", "ZONE"],
    ]

    /// The components of this host, as far as their files can be used.
    private mutating func checkConfiguration() -> [Component] {
        var found: [Component] = []
        for (name, path) in [
            ("cloud", InstalledLayout.cloudConfiguration), ("walrus", InstalledLayout.walrusConfiguration),
            ("cluster", InstalledLayout.clusterConfiguration),
        ] {
            guard FileSystem.exists(layout.path(path)) else { continue }
            do {
                let file = try ConfigurationFile(path: layout.path(path))
                found.append(Component(name: name, file: file))
                let unknown = file.unknown(besides: ConfigurationKeys.of(name))
                if !unknown.isEmpty {
                    report.warn(
                        "configuration", "\(path) sets \(unknown.joined(separator: ", ")), which has no effect.",
                        cure: "Correct the spelling, or remove it.")
                }
                let missing = (Self.required[name] ?? []).filter { file.optional($0) == nil }
                if !missing.isEmpty {
                    report.fail(
                        "configuration", "\(path) does not set \(missing.joined(separator: ", ")).",
                        cure: "Run `mallee init`, or set it by hand.")
                } else if unknown.isEmpty {
                    report.ok("configuration", "\(path) can be used.")
                }
            } catch {
                report.fail(
                    "configuration", "\(error)",
                    cure: geteuid() == 0 ? "Correct the file, then restart mallee-\(name)." : "Run this as root.")
            }
        }
        if report.findings.isEmpty {
            report.fail(
                "configuration", "there is no configuration in \(InstalledLayout.configuration).",
                cure: "Install mallee-cloud, mallee-walrus and mallee-cluster, then run `mallee init`.")
        }
        return found
    }

    // MARK: Names

    private mutating func checkNames(_ components: [Component]) throws {
        let own = try HostNetwork.interfaceAddresses().map(\.address)
        let name = try Host.name()
        checkName(name, own: own, what: "this host")
        for component in components {
            let address = component.file.string("LISTEN_ADDRESS", default: "127.0.0.1")
            if !HostAddress.isEverything(address), !own.contains(address) {
                report.fail(
                    "names", "\(component.service) listens at \(address), which is on no interface of this host.",
                    cure: "Correct LISTEN_ADDRESS in \(component.file.path), or bring the interface up.")
            } else if component.name == "cluster", address.hasPrefix("127.") {
                report.warn(
                    "names", "\(component.service) listens at \(address), which no other host reaches.",
                    cure: "Set LISTEN_ADDRESS in \(component.file.path) to the address on the nodes' network.")
            }
        }
        guard let cloud = components.first(where: { $0.name == "cloud" })?.file else { return }
        if let endpoint = cloud.optional("PUBLIC_ENDPOINT") {
            let host = Self.host(of: "http://" + endpoint) ?? endpoint
            checkEndpoint(host, key: "PUBLIC_ENDPOINT", file: cloud.path, own: own)
        }
        for key in ["WALRUS_URL", "PUBLIC_WALRUS_URL"] {
            guard let url = cloud.optional(key) else { continue }
            guard let host = Self.host(of: url) else {
                report.fail("names", "\(key) is no URL.", cure: "Write http://HOST:8780 in \(cloud.path).")
                continue
            }
            checkEndpoint(host, key: key, file: cloud.path, own: own)
        }
    }

    static func host(of url: String) -> String? {
        URLComponents(string: url)?.host.flatMap { $0.isEmpty ? nil : $0.trimmingCharacters(in: ["[", "]"]) }
    }

    private mutating func checkName(_ name: String, own: [String], what: String) {
        do {
            let addresses = try HostNetwork.addresses(of: name)
            if let foreign = addresses.first(where: { !own.contains($0) }) {
                report.fail(
                    "names", "\(what) is \(name), whose address \(foreign) is on no interface here.",
                    cure: "Correct /etc/hosts or DNS.")
            } else if addresses.allSatisfy({ $0.hasPrefix("127.") || $0 == "::1" }) {
                report.warn(
                    "names", "\(name) is only a loopback address here.",
                    cure: "Give it the address on the nodes' network in /etc/hosts.")
            } else {
                report.ok("names", "\(what) is \(name), \(addresses.joined(separator: ", ")).")
            }
            for address in addresses where !address.hasPrefix("127.") && own.contains(address) {
                let back = try HostNetwork.name(of: address)
                if back?.split(separator: ".").first?.lowercased() != name.split(separator: ".").first?.lowercased() {
                    report.warn(
                        "names", "\(address) is called \(back ?? "nothing"), not \(name).",
                        cure: "Let DNS or /etc/hosts and the host's name agree.")
                }
            }
        } catch {
            report.fail("names", "\(name) has no address: \(error).", cure: "Add it to /etc/hosts or DNS.")
        }
    }

    /// Where users or nodes are sent: on this host, or at least to be resolved.
    private mutating func checkEndpoint(_ host: String, key: String, file: String, own: [String]) {
        do {
            let addresses = try HostNetwork.addresses(of: host)
            if addresses.contains(where: own.contains) {
                report.ok("names", "\(key) leads to this host (\(host)).")
            } else {
                report.warn(
                    "names", "\(key) is \(host), which is no address of this host.",
                    cure: "That is right only if packets for it are forwarded here; otherwise correct \(file).")
            }
        } catch {
            report.fail("names", "\(key) is \(host): \(error).", cure: "Correct \(file), or add the name to DNS.")
        }
    }

    // MARK: Ports

    /// The ports that a component listens at, with the key of each.
    static func ports(_ component: Component) throws -> [(port: Int, key: String)] {
        let range = 1...65_535
        return switch component.name {
        case "cloud":
            [
                (try component.file.integer("CLOUD_PORT", default: 8773, in: range), "CLOUD_PORT"),
                (try component.file.integer("CONTROL_PORT", default: 8778, in: range), "CONTROL_PORT"),
            ]
        case "walrus": [(try component.file.integer("WALRUS_PORT", default: 8780, in: range), "WALRUS_PORT")]
        default:
            [(try component.file.integer("CC_PORT", default: 8774, in: range), "CC_PORT")]
                + (component.file.optional("ENROLMENT_SECRET_FILE") == nil
                    ? []
                    : [(try component.file.integer("ENROLMENT_PORT", default: 8777, in: range), "ENROLMENT_PORT")])
        }
    }

    private mutating func checkPorts(_ components: [Component]) {
        for component in components {
            do {
                for (port, key) in try Self.ports(component) {
                    try checkPort(UInt16(port), key, component)
                }
            } catch {
                report.fail("ports", "\(error)", cure: "Correct \(component.file.path), or run this as root.")
            }
        }
    }

    private mutating func checkPort(_ port: UInt16, _ key: String, _ component: Component) throws {
        let owners = try PortOwner.find(port: port)
        guard let owner = owners.first else {
            report.fail(
                "ports", "nothing listens at \(port) (\(key)), where \(component.service) should.",
                cure:
                    "Start or restart \(component.service); \(component.file.optional("LOG_FILE") ?? "its log") says why it ended."
            )
            return
        }
        // The program's name alone would take one component for another. It may have ended meanwhile.
        let command = owner.pid.flatMap { try? FileSystem.read("/proc/\($0)/cmdline", limit: 65_536) }
        let words = command?.split(separator: 0) ?? []
        let role = words.count > 1 ? String(decoding: words[1], as: UTF8.self) : ""
        if owner.program == "mallee", role == component.name || role == "up" {
            report.ok("ports", "\(port) is served by \(owner).")
        } else if owner.pid == nil {
            report.warn("ports", "\(port) (\(key)) is taken by \(owner).", cure: "Run this as root to learn by which.")
        } else {
            report.fail(
                "ports", "\(port) (\(key) of \(component.service)) is taken by \(owner).",
                cure: "Stop that program, or set another \(key) in \(component.file.path).")
        }
    }

    // MARK: Services

    /// By systemd, where it runs; elsewhere the ports tell.
    private mutating func checkServices(_ components: [Component]) {
        guard layout.root.isEmpty, FileSystem.isDirectory("/run/systemd/system") else { return }
        for component in components {
            do {
                let active = try Command.run("systemctl", ["is-active", component.service], timeout: 10_000)
                let enabled = try Command.run("systemctl", ["is-enabled", component.service], timeout: 10_000)
                let state = active.outputText.trimmingCharacters(in: .whitespacesAndNewlines)
                if !active.isSuccess {
                    report.fail(
                        "services", "\(component.service) is \(state.isEmpty ? "unknown to systemd" : state).",
                        cure: "Run systemctl start \(component.service); journalctl -u \(component.service) says more.")
                } else if !enabled.isSuccess {
                    report.warn(
                        "services", "\(component.service) runs, but not after the next boot.",
                        cure: "Run systemctl enable \(component.service).")
                } else {
                    report.ok("services", "\(component.service) runs.")
                }
            } catch {
                report.warn("services", "\(error).", cure: "Install systemctl, or look with ps.")
            }
        }
    }

    // MARK: Clock

    private mutating func checkClock() {
        do {
            let state = try ClockState.current()
            if state.isSynchronized {
                report.ok("clock", "it is kept in step, to \(state.greatestError) ms.")
            } else {
                report.warn(
                    "clock", "nothing keeps it in step with others; it says \(Timestamp.format(Clock.now)).",
                    cure: "Run chronyd or ntpd, and let the nodes use this host as their server.")
            }
        } catch {
            report.warn("clock", "\(error).", cure: "Check the time by hand; it says \(Timestamp.format(Clock.now)).")
        }
    }

    // MARK: Disk

    private mutating func checkDisk(_ components: [Component]) {
        for component in components {
            guard let directory = component.file.optional("STATE_DIR") else { continue }
            // Objects and images need room; the databases of the others are small.
            let (least, wanted): (Int64, Int64) = component.name == "walrus" ? (1 << 30, 10 << 30) : (64 << 20, 1 << 30)
            checkSpace(directory, component, least: least, wanted: wanted)
        }
        if let log = components.compactMap({ $0.file.optional("LOG_FILE") }).first {
            let directory = layout.path(FileSystem.parent(log))
            if !FileSystem.isDirectory(directory) {
                report.fail(
                    "disk", "\(directory) is not there, so that no log can be written.", cure: "Run `mallee init`.")
            }
        }
    }

    private mutating func checkSpace(_ directory: String, _ component: Component, least: Int64, wanted: Int64) {
        let path = layout.path(directory)
        do {
            let status = try FileSystem.status(path)
            if let user = SystemUser.find(InstalledLayout.user, layout: layout), status.user != user.user {
                report.fail(
                    "disk", "\(directory) belongs to user id \(status.user), not to \(user.name).",
                    cure: "Run chown -R \(user.name): \(directory).")
            }
            if status.permissions & 0o007 != 0 {
                report.fail("disk", "\(directory) is open to every user.", cure: "Run chmod 700 \(directory).")
            }
            let space = try FileSystem.space(path)
            let free = "\(space.available >> 20) MiB of \(space.total >> 20) MiB are free at \(directory)"
            if space.available < least {
                report.fail("disk", "\(free): \(component.service) will stop.", cure: "Make room, or move STATE_DIR.")
            } else if space.available < wanted {
                report.warn("disk", "\(free), which is little.", cure: "Make room, or move STATE_DIR.")
            } else {
                report.ok("disk", "\(free).")
            }
        } catch {
            report.fail(
                "disk", "\(error).", cure: FileSystem.exists(path) ? "Run this as root." : "Run `mallee init`.")
        }
    }
}
