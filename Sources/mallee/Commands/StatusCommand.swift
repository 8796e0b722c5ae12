import ArgumentParser
import CloudClient
import JSON

/// What the cloud has, and what is wrong with it.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show zones, free slots and your instances; for administrators also nodes.")

    @OptionGroup var cloud: CloudOptions

    func run() async throws {
        let credentials = try cloud.load()
        try await cloud.withNative { client in
            print("EC2 \(credentials.ec2URL)\nS3  \(credentials.s3URL)")
            let status = try await client.call("GET", ["status"])
            for zone in try await client.items(["zones"]) {
                let isAvailable = zone["isAvailable"]?.boolean == true
                print("\(zone.shown("name"))  \(isAvailable ? "available" : "unavailable")")
                if !isAvailable { print("    \(zone.shown("message"))") }
                for slots in zone["slots"]?.elements ?? [] {
                    print("    \(slots.shown("type"))  \(slots.shown("free")) of \(slots.shown("maximum")) slots free")
                }
                for node in zone["nodes"]?.elements ?? [] {
                    func pair(_ name: String) -> String {
                        "\(node[name]?.shown("free") ?? "")/\(node[name]?.shown("total") ?? "")"
                    }
                    print(
                        "    node \(node.shown("name"))  \(node.shown("state"))  \(node.shown("instances")) instances, "
                            + "free: \(pair("cores")) cores, \(pair("memoryMiB")) MiB, \(pair("diskGiB")) GiB")
                }
            }
            let states = (status["instances"]?.objectMembers ?? []).map { "\($0.value.int64 ?? 0) \($0.name)" }
            print("instances: \(states.isEmpty ? "none" : states.joined(separator: ", "))")
        }
    }
}
