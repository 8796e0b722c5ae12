import ArgumentParser
import Contracts
import Foundation
import Posix
import ServiceHost

/// The nodes of the cloud, for the administrator and for the site's own tools.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "List, approve, drain and remove nodes.",
        subcommands: [
            NodeListCommand.self, NodeApproveCommand.self, NodeDenyCommand.self, NodeDrainCommand.self,
            NodeRemoveCommand.self, NodeAnnounceCommand.self, NodeReconcileCommand.self,
        ], defaultSubcommand: NodeListCommand.self)
}

/// How the cluster controllers are reached.
struct NodeOptions: ParsableArguments {
    @Option(help: "URL of a cluster controller (default: every zone of the cloud controller's configuration).")
    var cluster: String?

    @Option(help: "The zone that is meant, if the cloud has several.")
    var zone: String?

    @Option(
        help: "Directory of the administrator's identity: component.key, component.crt, ca.crt.", completion: .directory
    )
    var identity = InstalledLayout.administrator

    @Option(help: "The cloud controller's configuration, which names the zones.", completion: .file())
    var config = InstalledLayout.cloudConfiguration

    /// The cluster controllers that are meant, by zone.
    private func endpoints() throws -> [(zone: String, url: String)] {
        if let cluster { return [(zone ?? "", cluster)] }
        let file = try ConfigurationFile(path: config)
        let all = file.words("ZONES").compactMap { word -> (zone: String, url: String)? in
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
        let wanted = all.filter { zone == nil || $0.zone == zone }
        guard !wanted.isEmpty else {
            throw CommandFailure(
                "\(config) names \(zone.map { "no zone \($0)" } ?? "no zone (ZONES)"); use --cluster URL.")
        }
        return wanted
    }

    /// Calls every cluster controller that is meant, one after the other.
    func forEach(_ body: (_ zone: String, any ClusterContract.AsyncService) async throws -> Void) async throws {
        let endpoints = try endpoints()
        let connections = try ServiceConnections(identity: try ComponentIdentity.load(directory: identity))
        do {
            for (zone, url) in endpoints {
                do {
                    let peer = try zone.isEmpty ? .role(.cluster) : ExpectedPeer.zone(zone, in: config)
                    try await body(
                        zone, ClusterContract.AsyncClient(transport: connections.transport(to: url, of: peer)))
                } catch let fault as ServiceFault {
                    throw CommandFailure(endpoints.count > 1 ? "\(zone): \(fault.message)" : fault.message)
                }
            }
        } catch {
            try await connections.shutdown()
            throw error
        }
        try await connections.shutdown()
    }

    /// Calls the one cluster controller that is meant.
    func withOne(_ body: (any ClusterContract.AsyncService) async throws -> Void) async throws {
        let count = try endpoints().count
        guard count == 1 else { throw CommandFailure("The cloud has \(count) zones; say which with --zone.") }
        try await forEach { _, service in try await body(service) }
    }
}

/// What `mallee node list` shows.
struct NodeListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the nodes with their state, free and total resources.")

    @OptionGroup var options: NodeOptions
    @Flag(help: "For programs: a JSON array.") var json = false

    func run() async throws {
        var rows: [NodeRow] = []
        try await options.forEach { zone, service in
            let answer = try await service.describeNodes(.init())
            rows += NodeRow.rows(answer, zone: zone)
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(rows), as: UTF8.self))
        } else {
            print(NodeRow.table(rows, now: Date()), terminator: "")
        }
    }
}

/// One node in the list.
struct NodeRow: Encodable, Sendable, Equatable {
    var name: String
    var zone: String
    var address: String
    var hypervisor: String?
    /// enabled, draining, unreachable, faulty, asleep, pending approval, approved, enrolled, announced or denied.
    var state: String
    var detail: String?
    var coresFree: Int?
    var coresTotal: Int?
    var memoryMiBFree: Int?
    var memoryMiBTotal: Int?
    var diskGiBFree: Int?
    var diskGiBTotal: Int?
    var instances: Int?
    /// In ISO 8601; nil before it was ever heard of.
    var lastHeard: String?
    /// Of the key that waits for approval, or of the certificate in force.
    var keyFingerprint: String?

    /// Nodes that registered, and those that are only known by their enrolment.
    static func rows(_ answer: ClusterContract.DescribeNodesResponse, zone: String) -> [NodeRow] {
        let enrolments = Dictionary(answer.enrolment.map { ($0.nodeName, $0) }, uniquingKeysWith: { first, _ in first })
        var rows = answer.node.map { node in
            let enrolment = enrolments[node.nodeName]
            let free = node.resources
            return NodeRow(
                name: node.nodeName, zone: zone,
                address: URLComponents(string: node.endpoint)?.host ?? enrolment?.address ?? "",
                hypervisor: kind(node),
                state: enrolment?.state == .pendingApproval ? "pending approval" : word(node.state),
                detail: node.detail, coresFree: free.coresFree, coresTotal: free.coresTotal,
                memoryMiBFree: free.memoryMiBFree, memoryMiBTotal: free.memoryMiBTotal,
                diskGiBFree: free.diskGiBFree, diskGiBTotal: free.diskGiBTotal, instances: node.instanceCount,
                lastHeard: node.lastSeen.map { Timestamp.format($0) }, keyFingerprint: enrolment?.keyFingerprint)
        }
        let registered = Set(answer.node.map(\.nodeName))
        for enrolment in answer.enrolment where !registered.contains(enrolment.nodeName) {
            rows.append(
                NodeRow(
                    name: enrolment.nodeName, zone: zone, address: enrolment.address ?? "",
                    state: word(enrolment.state), keyFingerprint: enrolment.keyFingerprint))
        }
        return rows.sorted { ($0.zone, $0.name) < ($1.zone, $1.name) }
    }

    /// What kind of host it is: Xen, KVM that really works, or emulation only.
    private static func kind(_ node: Contract.NodeDescription) -> String {
        switch node.accelerator?.split(separator: ":").first {
        case "kvm": "\(node.hypervisor) (kvm)"
        case "tcg": "\(node.hypervisor) (emulation)"
        default: node.hypervisor
        }
    }

    private static func word(_ state: Contract.NodeState) -> String {
        switch state {
        case .up: "enabled"
        case .down: "unreachable"
        case .draining: "draining"
        case .asleep: "asleep"
        case .faulty: "faulty"
        }
    }

    private static func word(_ state: ClusterContract.NodeEnrolmentState) -> String {
        switch state {
        case .pendingApproval: "pending approval"
        // It has its certificate and has not registered since, at least not with this life of the controller.
        case .enrolled, .certified: "unreachable"
        case .announced, .approved, .denied, .removed: state.rawValue
        }
    }

    /// Columns for people.
    static func table(_ rows: [NodeRow], now: Date) -> String {
        func pair(_ free: Int?, _ total: Int?) -> String {
            guard let free, let total else { return "-" }
            return "\(free)/\(total)"
        }
        var lines = [["NAME", "ADDRESS", "HYPERVISOR", "STATE", "CORES", "MEMORY MiB", "DISK GiB", "LAST HEARD"]]
        for row in rows {
            let heard = row.lastHeard.flatMap { Timestamp.parse($0) }.map { time in
                "\(max(0, Int(now.timeIntervalSince1970) - Int(time / 1000))) s ago"
            }
            lines.append([
                row.name, row.address.isEmpty ? "-" : row.address, row.hypervisor ?? "-", row.state,
                pair(row.coresFree, row.coresTotal), pair(row.memoryMiBFree, row.memoryMiBTotal),
                pair(row.diskGiBFree, row.diskGiBTotal), heard ?? "never",
            ])
        }
        let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            zip(line, widths).map { $0.0.padding(toLength: $0.1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
                .replacingOccurrences(of: " +$", with: "", options: .regularExpression) + "\n"
        }.joined()
    }
}

struct NodeApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Let in a node that waits for approval, or was denied.")

    @OptionGroup var options: NodeOptions
    @Argument(help: "The node's name.") var name: String
    @Option(help: "Approve only this key, as `mallee node list --json` shows it (sha256:…).")
    var key: String?

    func run() async throws {
        try await options.withOne { service in
            let record = try await service.approveNode(.init(nodeName: name, keyFingerprint: key)).enrolment
            print("\(name) is approved (\(record.keyFingerprint ?? "it has not asked yet")).")
        }
    }
}

struct NodeDenyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deny", abstract: "Keep a name out until it is approved.")

    @OptionGroup var options: NodeOptions
    @Argument(help: "The node's name.") var name: String

    func run() async throws {
        try await options.withOne { service in
            _ = try await service.denyNode(.init(nodeName: name))
            print("\(name) is denied.")
        }
    }
}

struct NodeDrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Give a node no new instances; those that it has run on.")

    @OptionGroup var options: NodeOptions
    @Argument(help: "The node's name.") var name: String
    @Flag(help: "Let it take instances again.") var undo = false

    func run() async throws {
        try await options.withOne { service in
            _ = try await service.drainNode(.init(nodeName: name, undo: undo))
            print(undo ? "\(name) takes instances again." : "\(name) takes no new instances.")
        }
    }
}

struct NodeRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Take a node out of the cloud; its certificate is dead from then on.")

    @OptionGroup var options: NodeOptions
    @Argument(help: "The node's name.") var name: String
    @Flag(help: "Also with instances on it, which are ended and lost.") var force = false

    func run() async throws {
        try await options.withOne { service in
            _ = try await service.removeNode(.init(nodeName: name, force: force))
            print("\(name) is removed.")
        }
    }
}

struct NodeAnnounceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "announce", abstract: "Expect a node that is not up yet.")

    @OptionGroup var options: NodeOptions
    @Argument(help: "The node's name.") var name: String
    @Option(help: "The IP address that alone may enrol under this name.") var address: String?

    func run() async throws {
        try await options.withOne { service in
            let record = try await service.announceNode(.init(nodeName: name, address: address)).enrolment
            if record.state == .denied {
                print("\(name) is announced, but denied: `mallee node approve \(name)` lets it in.")
            } else {
                print("\(name) is announced\(address.map { " for \($0)" } ?? "").")
            }
        }
    }
}

struct NodeReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile", abstract: "Make the announced nodes those of a list.",
        discussion: """
            Names that are new are announced. Nodes that were announced before and are not in the list are removed, or \
            drained while instances run there. Nodes that were never announced are reported and left as they are.
            """)

    @OptionGroup var options: NodeOptions
    @Option(help: "File with one name per line; - is standard input.") var namesFrom: String

    func run() async throws {
        let bytes: Data
        if namesFrom == "-" {
            bytes = try FileHandle.standardInput.read(upToCount: 1 << 22) ?? Data()
        } else {
            bytes = Data(try FileSystem.read(namesFrom, limit: 1 << 22))
        }
        let names = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard !names.isEmpty else {
            throw CommandFailure("The list of names is empty; nothing was changed. Remove nodes one by one.")
        }
        try await options.withOne { service in
            let answer = try await service.reconcileNodes(.init(nodeName: names))
            for (word, names) in [
                ("announced", answer.announcedNodeName), ("removed", answer.removedNodeName),
                ("draining", answer.drainingNodeName), ("unknown", answer.unknownNodeName),
            ] {
                for name in names { print("\(word) \(name)") }
            }
        }
    }
}
