// The USER mode's network for guests that have a virtual interface on the host (Xen's vif), as QEMU's user-mode network
// is for processes: the guest gets a link-local address by DHCP, finds the metadata service at 169.254.169.254, reaches
// the outside by translation, and is reached through the forwarded ports of its own loopback address.
//
//     guest ── vif ── bridge of its own ┬ DHCP, metadata: sockets of this process, bound to that bridge
//                                       └ forwards, translation: the kernel's rules, which outlive this process
//
// Because nobody else is on the bridge, whoever asks there is that guest: addresses cannot be forged to read another's
// metadata. Needs root, `ip` and iptables.
import Posix

/// The links of all guests of one driver.
final class GuestEdge: @unchecked Sendable {
    private final class Place {
        /// As it was made; `forwards` may have changed since.
        let link: GuestLink
        let directory: String
        let datagrams: DeviceDatagrams
        let metadata: Listener?
        /// Guarded by the edge's lock.
        var forwards: [PortForward]

        var current: GuestLink {
            var current = link
            current.forwards = forwards
            return current
        }

        init(link: GuestLink, directory: String, datagrams: DeviceDatagrams, metadata: Listener?) {
            self.link = link
            forwards = link.forwards
            self.directory = directory
            self.datagrams = datagrams
            self.metadata = metadata
        }
    }

    /// A process that carries one connection of a guest to its metadata service.
    private struct Relay {
        let place: Place
        let process: Process
    }

    // `lock` guards the table and the thread; `rulesLock` is held while rules are put in force, and taken first.
    private let lock = Lock()
    private let rulesLock = Lock()
    private var places: [String: Place] = [:]
    /// Link-local addresses of the guests whose links are being made.
    private var reserved: [String: UInt32] = [:]
    private var thread: Thread?
    private var isStopping = false
    /// When the thread gives the kernel the rules of all links again.
    private var rulesDue: Milliseconds = 0
    /// When it was seen last that the kernel's chains call Mallee's; with `rulesLock` held.
    private var jumpsSeen: Milliseconds = -1_000_000
    private let wakeReading: File
    private let wakeWriting: File

    /// The first rules load modules of the kernel.
    private static let commandTimeout: Milliseconds = 120_000
    private static let idlePause: Milliseconds = 5_000
    private static let reopenPause: Milliseconds = 2_000
    /// Somebody may reload the host's firewall, and the rules are gone.
    private static let rulesPause: Milliseconds = 15_000
    /// Connections to the metadata service of one guest at a time.
    private static let mostRelays = 32
    /// Where the link of a guest is kept.
    static func file(_ directory: String) -> String { directory + "/guest.network" }

    init() throws(PosixError) {
        (wakeReading, wakeWriting) = try File.pipe()
    }

    // MARK: Links

    /// Makes the link of a guest that is about to start, with its forwards.
    ///
    /// - Returns: the bridge to attach it to.
    func open(
        _ id: String, _ network: UserNetwork, macAddress: String, directory: String
    ) throws(HypervisorError) -> String {
        guard let host = GuestLink.number(network.hostAddress),
            let mac = Hex.decode(macAddress.split(separator: ":").joined())
        else {
            throw HypervisorError(
                .invalidDefinition, "\(id): \(network.hostAddress) or \(macAddress) is no address")
        }
        let address = lock.withLock { () -> UInt32? in
            var taken: [UInt32] = []
            for (other, place) in places where other != id { taken.append(place.link.address) }
            for (other, address) in reserved where other != id { taken.append(address) }
            let address = GuestLink.address(like: host, taken: taken)
            reserved[id] = address
            return address
        }
        guard let address else {
            throw HypervisorError(.insufficientResources, "\(id): all link-local addresses of this host are taken")
        }
        defer { lock.withLock { reserved[id] = nil } }
        let link = GuestLink(
            hostAddress: host, address: address, hardwareAddress: mac, metadataCommand: network.metadataCommand,
            forwards: network.forwards.filter { forward in Self.isPossible(forward) })
        do throws(PosixError) {
            // First on disk, so that a later node controller finds what there is to take down.
            try FileSystem.write(Self.file(directory), text: link.kept + "\n", permissions: 0o600)
            try make(link)
            try serve(id, link, directory)
        } catch {
            close(id, directory)
            throw HypervisorError(error, "making the network of \(id)")
        }
        // Before there is a guest: without them it would reach this host and other guests.
        if let failure = putRulesInForce(jumpsSeenWithin: 1_000) {
            close(id, directory)
            throw HypervisorError(.startFailed, "\(id): the rules of its network cannot be put in force: \(failure)")
        }
        return link.bridge
    }

    /// Goes on with the link of a guest that runs already.
    func reopen(_ id: String, directory: String) {
        do throws(PosixError) {
            let path = Self.file(directory)
            guard FileSystem.exists(path) else { return }
            guard let link = GuestLink(kept: try FileSystem.readText(path, limit: 1 << 20)) else {
                throw PosixError(errno: PosixError.invalid, operation: "read", detail: path)
            }
            try make(link)
            // Each rewriting leaves out who is not known yet, so the last of many guests is waited for.
            lock.withLock { rulesDue = Clock.monotonic + Self.reopenPause }
            try serve(id, link, directory)
            wake()
        } catch {
            Output.error("\(id): its network is not looked after: \(error.description)")
        }
    }

    /// Takes a guest's link down. One that is not there is no error.
    func close(_ id: String, _ directory: String) {
        let place = lock.withLock { () -> Place? in
            let place = places[id]
            places[id] = nil
            return place
        }
        place?.metadata?.close()
        wake()
        do throws(PosixError) {
            let path = Self.file(directory)
            var link = place?.link
            if link == nil, FileSystem.exists(path) {
                link = GuestLink(kept: try FileSystem.readText(path, limit: 1 << 20))
            }
            guard let link else { return }
            if let failure = putRulesInForce() { Output.error("\(id): its forwards are open still: \(failure)") }
            try remove(bridge: link.bridge)
            try FileSystem.remove(path, ifPresent: true)
        } catch {
            Output.error("\(id): its network is not taken down: \(error.description)")
        }
    }

    /// Takes down bridges that no guest is attached to and none is known for: what a killed node controller left.
    func sweep() {
        do throws(PosixError) {
            let known = lock.withLock { () -> [String] in
                var names: [String] = []
                for place in places.values { names.append(place.link.bridge) }
                return names
            }
            for name in try FileSystem.list("/sys/class/net") {
                guard name.hasPrefix(GuestLink.prefix), name.utf8.count == GuestLink.prefix.utf8.count + 6,
                    FileSystem.isDirectory("/sys/class/net/\(name)/brif"), !known.contains(name),
                    try FileSystem.list("/sys/class/net/\(name)/brif").isEmpty
                else { continue }
                try remove(bridge: name)
            }
        } catch {
            Output.error("bridges that no guest uses are left: \(error.description)")
        }
    }

    private func make(_ link: GuestLink) throws(PosixError) {
        let settings = "/sys/class/net/\(link.bridge)"
        if !FileSystem.exists(settings) {
            try command("ip", ["link", "add", link.bridge, "type", "bridge"])
        }
        // A bridge without spanning tree has nothing to wait for; old kernels wait 30 s.
        try set(settings + "/bridge/forward_delay", "0")
        // The addresses of loopback are the host's own, but their forwards lead here (Linux 3.6).
        try set("/proc/sys/net/ipv4/conf/\(link.bridge)/route_localnet", "1")
        let disabled = "/proc/sys/net/ipv6/conf/\(link.bridge)/disable_ipv6"
        if FileSystem.exists(disabled) { try set(disabled, "1") }
        try set("/proc/sys/net/ipv4/ip_forward", "1")
        try command("ip", ["-batch", "-"], input: link.setUp)
    }

    private func set(_ path: String, _ value: String) throws(PosixError) {
        let file = try File(path, [.write])
        try file.write(Array(value.utf8))
        try file.close()
    }

    private func remove(bridge: String) throws(PosixError) {
        guard FileSystem.exists("/sys/class/net/" + bridge) else { return }
        try command("ip", ["link", "delete", bridge, "type", "bridge"])
    }

    private func command(_ name: String, _ arguments: [String], input: String = "") throws(PosixError) {
        let result = try Command.run(
            Self.program(name), arguments, input: Array(input.utf8), timeout: Self.commandTimeout)
        guard result.isSuccess else {
            throw PosixError(
                errno: PosixError.protocolViolation, operation: name,
                detail: arguments.joined(separator: " ") + " (\(result.explanation))")
        }
    }

    /// A service's PATH may lack the places of the administrator's commands.
    static func find(_ name: String) -> String? {
        if let path = FileSystem.findExecutable(name) { return path }
        for path in ["/usr/sbin/" + name, "/sbin/" + name] where FileSystem.exists(path) { return path }
        return nil
    }

    private static func program(_ name: String) -> String { find(name) ?? name }

    /// A script for the toolstack that attaches a virtual interface to a bridge of the edge. Xen's own does the same, and
    /// much for bridges of other kinds: it starts some forty programs, each time.
    ///
    /// - Returns: nil if the commands for it are not there.
    func interfaceScript(bridge: String) -> String? {
        guard let ip = Self.find("ip"), let write = Self.find("xenstore-write") else { return nil }
        return """
            #!/bin/sh
            # Called by Xen's toolstack, which names the interface and its place in xenstore. It goes by itself.
            case $1 in online | add) ;; *) exit 0 ;; esac
            if problem=$(\(ip) link set dev "$vif" address fe:ff:ff:ff:ff:ff master \(bridge) up 2>&1); then
                exec \(write) "$XENBUS_PATH/hotplug-status" connected
            fi
            \(write) "$XENBUS_PATH/hotplug-error" "$vif cannot be attached to \(bridge): $problem"
            exit 1

            """
    }

    // MARK: Forwards

    private static func isPossible(_ forward: PortForward) -> Bool {
        (1...65_535).contains(forward.hostPort) && (1...65_535).contains(forward.guestPort)
    }

    /// Puts exactly these forwards of a guest in force. Established connections live on: the kernel knows them.
    func setForwards(_ id: String, _ forwards: [PortForward]) -> [PortForwardResult] {
        var failure: String?
        do throws(PosixError) {
            let place = lock.withLock { () -> (GuestLink, String)? in
                guard let place = places[id] else { return nil }
                place.forwards = forwards.filter { forward in Self.isPossible(forward) }
                return (place.current, place.directory)
            }
            if let (link, directory) = place {
                try FileSystem.write(Self.file(directory), text: link.kept + "\n", permissions: 0o600)
                failure = putRulesInForce()
            }
        } catch {
            failure = error.description
        }
        return Self.results(forwards, failure: failure)
    }

    /// What became of these forwards.
    ///
    /// - Parameter failure: why none is in force.
    static func results(_ forwards: [PortForward], failure: String?) -> [PortForwardResult] {
        var results: [PortForwardResult] = []
        for forward in forwards {
            results.append(
                PortForwardResult(
                    forward: forward, failure: isPossible(forward) ? failure : "a port is a number from 1 to 65535"))
        }
        return results
    }

    /// The forwards of a guest; nil if it has no link here.
    func forwards(_ id: String) -> [PortForward]? { lock.withLock { places[id]?.forwards } }

    /// Gives the kernel the rules of all links; returns why that did not work.
    ///
    /// - Parameter jumpsSeenWithin: the time in milliseconds after which it is looked again whether its chains call Mallee's.
    private func putRulesInForce(jumpsSeenWithin limit: Milliseconds = 10_000) -> String? {
        rulesLock.lock()
        defer { rulesLock.unlock() }
        let links = lock.withLock { () -> [GuestLink] in
            var links: [GuestLink] = []
            for place in places.values { links.append(place.current) }
            return links
        }
        do throws(PosixError) {
            let result = try tables("iptables-restore", ["--noflush"], input: GuestLink.rules(links))
            guard result.isSuccess else { return "iptables-restore: \(result.explanation)" }
            guard Clock.monotonic >= jumpsSeen + limit else { return nil }
            for (table, chain, target) in GuestLink.jumps {
                let rule = [chain, "-j", target]
                let there = try tables("iptables", ["-t", table, "-C"] + rule)
                if there.isSuccess { continue }
                // 1: there is no such rule.
                guard there.status == .exited(1) else { return "iptables -C \(chain): \(there.explanation)" }
                let added = try tables("iptables", ["-t", table, "-I"] + rule)
                guard added.isSuccess else { return "iptables -I \(chain): \(added.explanation)" }
            }
            jumpsSeen = Clock.monotonic
            return nil
        } catch {
            return error.isNotFound
                ? "iptables is not there; install the package iptables" : error.description
        }
    }

    /// Runs a program of iptables, again for a while if another program is at the tables, which it says by 4.
    private func tables(
        _ name: String, _ arguments: [String], input: String = ""
    ) throws(PosixError) -> Command.Result {
        var tries = 0
        while true {
            let result = try Command.run(
                Self.program(name), arguments, input: Array(input.utf8), timeout: Self.commandTimeout)
            tries += 1
            guard result.status == .exited(4), tries <= 10 else { return result }
            Thread.sleep(200)
        }
    }

    // MARK: DHCP and metadata

    private func serve(_ id: String, _ link: GuestLink, _ directory: String) throws(PosixError) {
        let datagrams = try DeviceDatagrams(device: link.bridge, port: 67)
        var metadata: Listener?
        if !link.metadataCommand.isEmpty {
            metadata = try Listener.tcp(address: GuestLink.text(GuestLink.metadata), port: 80, device: link.bridge)
        }
        let place = Place(link: link, directory: directory, datagrams: datagrams, metadata: metadata)
        lock.lock()
        defer { lock.unlock() }
        places[id] = place
        if thread == nil, !isStopping { thread = try Thread.start(name: "edge") { self.run() } }
        try wakeWriting.write([0])
    }

    private func wake() {
        do throws(PosixError) {
            try wakeWriting.write([0])
        } catch {}  // It comes round by itself within idlePause.
    }

    /// Ends the thread and lets go of all links, which stay.
    func stop() {
        lock.lock()
        isStopping = true
        let running = thread
        lock.unlock()
        wake()
        running?.join(timeout: 10_000)
        let all = lock.withLock { () -> [Place] in
            let all = Array(places.values)
            places = [:]
            return all
        }
        for place in all { place.metadata?.close() }
    }

    private func run() {
        var told: String?
        var relays: [Relay] = []
        while !lock.withLock({ isStopping }) {
            // Those of adopted guests are there still.
            let isDue = lock.withLock { () -> Bool in
                guard Clock.monotonic >= rulesDue else { return false }
                rulesDue = Clock.monotonic + Self.rulesPause
                return true
            }
            if isDue {
                let failure = putRulesInForce()
                if let failure, failure != told { Output.error("forwards are not in force: \(failure)") }
                told = failure
            }
            let all = lock.withLock { Array(places.values) }
            var items = [Poll.Item(wakeReading.descriptor, readable: true)]
            for place in all {
                items.append(Poll.Item(place.datagrams.descriptor, readable: true))
                items.append(Poll.Item(place.metadata?.descriptor ?? -1, readable: true))
            }
            do throws(PosixError) {
                items = try Poll.wait(items, timeout: Self.idlePause)
                if items[0].isReadable { _ = try wakeReading.read(4096) }
            } catch {
                // Only for want of memory; with no pause it would spin.
                Thread.sleep(500)
                continue
            }
            for index in all.indices {
                if items[1 + 2 * index].isReadable { answer(all[index]) }
                if items[2 + 2 * index].isReadable { relay(all[index], &relays) }
            }
            // Also those of links that are gone.
            relays.removeAll { relay in !relay.process.isRunning }
        }
    }

    /// One datagram of a guest; what is damaged is dropped.
    private func answer(_ place: Place) {
        do throws(PosixError) {
            guard let bytes = try place.datagrams.receive(), let request = DHCPRequest(bytes) else { return }
            let lease = DHCPLease(
                address: place.link.address, server: GuestLink.router, router: GuestLink.router,
                nameServers: Self.nameServers(), hardwareAddress: place.link.hardwareAddress)
            if let answer = lease.answer(request) { try place.datagrams.broadcast(answer, port: 68) }
        } catch {
            // A bridge that was just taken down; the guest asks again if it is there.
            Thread.sleep(10)
        }
    }

    /// The host's own, as far as a guest can reach them.
    private static func nameServers() -> [UInt32] {
        do throws(PosixError) {
            return nameServers(in: try FileSystem.readText("/etc/resolv.conf", limit: 1 << 16))
        } catch {
            return []
        }
    }

    static func nameServers(in text: String) -> [UInt32] {
        var found: [UInt32] = []
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { character in character == " " || character == "\t" })
            guard words.count >= 2, words[0] == "nameserver", let address = GuestLink.number(String(words[1])),
                address >> 24 != 127, found.count < 3
            else { continue }
            found.append(address)
        }
        return found
    }

    /// A connection of a guest to its metadata service: a process carries it, as QEMU starts one.
    private func relay(_ place: Place, _ relays: inout [Relay]) {
        guard let listener = place.metadata, let program = place.link.metadataCommand.first else { return }
        do throws(PosixError) {
            guard let connection = try listener.accept(timeout: 0) else { return }
            var count = 0
            for relay in relays where relay.place === place { count += 1 }
            guard count < Self.mostRelays else { return }
            var options = Process.Options()
            options.input = .descriptor(connection.descriptor)
            options.output = .descriptor(connection.descriptor)
            options.newSession = true
            let process = try Process.start(program, Array(place.link.metadataCommand.dropFirst()), options)
            relays.append(Relay(place: place, process: process))
        } catch {
            if error.errno != PosixError.invalid {
                Output.error("a guest's metadata request is not served: \(error.description)")
            }
        }
    }
}
