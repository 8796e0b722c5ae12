import AsyncHTTPClient
import Contracts
import Foundation
import NIOCore
import NIOHTTP1
import Posix
import ServiceHost

// What answers: Walrus and EC2 over HTTP, the zones over mutual TLS, the node controller of this host.
extension FrontEndDoctor {
    mutating func checkAnswers(_ components: [Component]) async throws {
        guard let cloud = components.first(where: { $0.name == "cloud" })?.file else { return }
        let http = HTTPClient(eventLoopGroupProvider: .singleton)
        if let port = try? cloud.integer("CLOUD_PORT", default: 8773, in: 1...65_535) {  // told with the ports
            var host = cloud.string("LISTEN_ADDRESS", default: "127.0.0.1")
            if HostAddress.isEverything(host) { host = "127.0.0.1" }
            await checkHealth("cloud", "http://\(host.contains(":") ? "[\(host)]" : host):\(port)", http)
        }
        if let url = cloud.optional("WALRUS_URL") { await checkHealth("walrus", url, http) }
        try await http.shutdown()
        await checkZones(cloud)
    }

    private mutating func checkHealth(_ name: String, _ url: String, _ http: HTTPClient) async {
        do {
            let sent = Date()
            let answer = try await http.execute(
                HTTPClientRequest(url: url.trimmingCharacters(in: ["/"]) + "/healthz"), timeout: TimeAmount(patience))
            if answer.status == .ok {
                report.ok(name, "\(url) answers.")
            } else {
                report.warn(
                    name, "\(url) answers with status \(answer.status.code).",
                    cure: "Look into the log of mallee-\(name); if this is no \(name), correct the URL.")
            }
            if let text = answer.headers.first(name: "date"), let theirs = Self.httpDate(text) {
                compareClock(url, theirs, sent: sent, received: Date())
            }
        } catch {
            report.fail(
                name, "\(url) does not answer: \(error).",
                cure: "Start mallee-\(name); if it runs, correct the URL, or let the firewall pass it.")
        }
    }

    /// "Sun, 06 Nov 1994 08:49:37 GMT".
    static func httpDate(_ text: String) -> Date? {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "GMT")
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return format.date(from: text)
    }

    /// The Date field has whole seconds.
    mutating func compareClock(_ url: String, _ theirs: Date, sent: Date, received: Date) {
        let ahead = theirs.timeIntervalSince(received)
        let behind = sent.timeIntervalSince(theirs + 1)
        let difference = Int(max(ahead, behind))
        guard difference >= 2 else { return }
        report.warn(
            "clock", "it is \(difference) s \(ahead > 0 ? "behind" : "ahead of") \(url).",
            cure: "Run chronyd or ntpd on both hosts.")
    }

    // MARK: Zones and nodes

    private mutating func checkZones(_ cloud: ConfigurationFile) async {
        let zones = cloud.words("ZONES")
        guard !zones.isEmpty else { return }
        let connections: ServiceConnections
        do {
            let identity = try ComponentIdentity.load(directory: layout.path(InstalledLayout.administrator))
            connections = try ServiceConnections(identity: identity)
        } catch {
            report.warn(
                "cluster", "the zones cannot be asked without the administrator's identity.",
                cure: geteuid() == 0 ? "Run `mallee init`." : "Run this as root.")
            return
        }
        for word in zones {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                report.fail(
                    "cluster", "ZONES holds \"\(word)\", which is no NAME=URL.", cure: "Correct it in \(cloud.path).")
                continue
            }
            do {
                let service = ClusterContract.AsyncClient(
                    transport: connections.transport(
                        to: parts[1], of: try .zone(parts[0], in: cloud.path), timeout: patience * 2))
                let nodes = try await service.describeNodes(ClusterContract.DescribeNodesRequest()).node
                report.ok("cluster", "zone \(parts[0]) answers at \(parts[1]) over TLS.")
                checkNodes(nodes.map { ($0.nodeName, $0.state.rawValue) }, zone: parts[0])
            } catch {
                report.fail(
                    "cluster", "zone \(parts[0]): \((error as? ServiceFault)?.message ?? "\(error)")",
                    cure:
                        "Start mallee-cluster; if it runs, compare ZONES with its LISTEN_ADDRESS and CC_PORT, and its "
                        + "certificate with the cloud's authority.")
            }
        }
        do { try await connections.shutdown() } catch {
            report.warn("cluster", "a connection did not close: \(error).", cure: "Run this again.")
        }
    }

    /// - Parameter nodes: name and state of each.
    mutating func checkNodes(_ nodes: [(name: String, state: String)], zone: String) {
        let lost = nodes.filter { $0.state == "down" || $0.state == "faulty" || $0.state == "unreachable" }
        let up = nodes.count { $0.state == "up" || $0.state == "enabled" }
        if nodes.isEmpty {
            report.warn(
                "nodes", "zone \(zone) has none, so that no instance can run.",
                cure: "Install one (on Rocks: insert-ethers), or look into mallee-node's log there.")
        } else if lost.isEmpty {
            report.ok("nodes", "zone \(zone) has \(nodes.count), \(up) of them up.")
        } else {
            let names = lost.prefix(10).map(\.name).joined(separator: ", ") + (lost.count > 10 ? ", …" : "")
            report.warn(
                "nodes", "\(lost.count) of \(nodes.count) in zone \(zone) cannot be reached: \(names).",
                cure: "Run mallee-node doctor there; `mallee node remove` forgets those that are gone.")
        }
    }

    // MARK: The node controller of this host

    /// A host may be front end and node.
    mutating func checkNode() throws {
        let configuration = layout.path(InstalledLayout.nodeConfiguration)
        guard layout.root.isEmpty, FileSystem.exists(configuration),
            let program = ["/usr/sbin/mallee-node", "/usr/local/sbin/mallee-node"].first(where: FileSystem.exists)
                ?? FileSystem.findExecutable("mallee-node")
        else { return }
        try checkNode(program: program, configuration: configuration)
    }

    mutating func checkNode(program: String, configuration: String) throws {
        let result = try Command.run(
            program, ["doctor", "--config", configuration, "--json"], timeout: 120_000)
        do {
            let findings = try JSONDecoder().decode(DoctorReport.self, from: Data(result.output)).findings
            report.add(findings, prefix: "node ")
        } catch {
            report.fail(
                "node", "\(program) doctor gave no answer (\(result.explanation)).",
                cure: "Install a mallee-node of the same version, and run it by hand.")
        }
    }
}
