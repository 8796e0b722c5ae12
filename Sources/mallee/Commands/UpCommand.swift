import ArgumentParser
import Foundation
import Logging
import Posix
import ServiceHost

/// Starts a whole cloud on this machine.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Start a whole cloud on this machine; Ctrl-C stops it.",
        discussion: """
            Starts the cloud controller, Walrus, a cluster controller for each zone and its nodes. What a first start \
            makes (accounts, keys, the demo image) later starts find again. Ctrl-C shuts the guests down and leaves no \
            process; the next start brings them back.
            """)

    @OptionGroup var state: StateOption

    @Option(
        help: """
            First port. EC2 and S3 answer there; the cluster controllers of the zones on the next ports, S3 alone \
            (at /) 7 higher.
            """)
    var portBase = 8773

    @Option(help: "qemu (real guests) or simulated (none).")
    var hypervisor = HypervisorChoice.qemu

    @Option(help: "Nodes in each zone; 0 leaves it to nodes that are started by themselves.")
    var nodes = 1

    @Option(help: "Availability zones (1 to 6), each with a cluster controller of its own.")
    var clusters = 1

    @Option(help: "Region; tools know Amazon's names, so one of those is the safe choice.")
    var region = "us-east-1"

    @Option(help: "The administrator's account, 12 digits; only the first start asks (default: random).")
    var accountId: String?

    @Option(help: "Placement policy: GREEDY, ROUNDROBIN, or USER with --placement-program.")
    var placement = "ROUNDROBIN"

    @Option(help: "The program of the placement policy USER.")
    var placementProgram: String?

    @Option(help: "Service level agreement: a file in JSON (default: everything is free for all).", completion: .file())
    var sla: String?
    @Option(help: "A domain below which a bucket is a host name of S3; may be repeated.")
    var s3Domain: [String] = []

    @Option(help: "A domain below which a bucket answers as a static website; may be repeated.")
    var websiteDomain: [String] = []

    @Option(help: "A file in JSON with limits of accounts on buckets, objects and bytes (`mallee walrus --help`).")
    var quotaFile: String?

    @Option(
        help: """
            File with the S3 store behind Walrus: S3_ENDPOINT and the other keys of `mallee help walrus serve`, and \
            LIFECYCLE_DAY.
            """, completion: .file())
    var walrusConfig: String?

    @Flag(help: "Return when the cloud is up, and leave it running; stop it with `mallee down`.")
    var detach = false

    @Flag(inversion: .prefixedNo, help: "Make and register the demo image at the first start.")
    var demo = true

    enum HypervisorChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
        case qemu, simulated
    }

    func validate() throws {
        guard (1...65_000).contains(portBase) else { throw ValidationError("--port-base must be 1 to 65000.") }
        guard (1...6).contains(clusters) else { throw ValidationError("--clusters must be 1 to 6.") }
        let most = hypervisor == .simulated ? 100_000 : 16
        guard (0...most).contains(nodes) else {
            throw ValidationError("--nodes must be 0 to \(most) with --hypervisor \(hypervisor.rawValue).")
        }
        if let accountId, accountId.utf8.count != 12 || !accountId.utf8.allSatisfy({ (48...57).contains($0) }) {
            throw ValidationError("--account-id must be 12 digits.")
        }
    }

    func run() async throws {
        if detach { return try await DetachedCloud.start(state.directory) }
        let cloud = try await OneMachineCloud.start(self, directory: state.directory)
        await cloud.announce()
        await cloud.runUntilSignalled()
    }
}
