import ArgumentParser
import AsyncHTTPClient
import CloudClient
import NIOPosix

/// The table of instance types.
struct TypeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "type", abstract: "Edit the table of instance types.", subcommands: [TypeSetCommand.self])
}

/// Adds a type, or changes one; running instances keep what they have.
struct TypeSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Add or change an instance type (administrators only).")

    @OptionGroup var cloud: CloudOptions

    @Argument(help: "Name, such as m1.small.")
    var name: String

    @Option(help: "Virtual CPUs.")
    var cores: Int

    @Option(help: "Memory in MiB.")
    var memory: Int

    @Option(help: "Root disk in GiB.")
    var disk: Int

    @Option(help: "Second, empty disk in GiB; 0 for none (default: as it is, or none).")
    var ephemeral: Int?

    @Option(help: "Swap disk in MiB; 0 for none (default: as it is, or none).")
    var swap: Int?

    func run() async throws {
        let credentials = try cloud.load()
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
        do {
            let ec2 = try EC2Client(
                http: http, url: credentials.ec2URL, accessKeyID: credentials.accessKeyID,
                secret: credentials.secretKey, region: credentials.region)
            var parameters = [
                (name: "Name", value: name), (name: "Cpu", value: String(cores)),
                (name: "Memory", value: String(memory)), (name: "Disk", value: String(disk)),
            ]
            if let ephemeral { parameters.append((name: "EphemeralDisk", value: String(ephemeral))) }
            if let swap { parameters.append((name: "Swap", value: String(swap))) }
            _ = try await ec2.call("ModifyInstanceTypeAttribute", parameters)
            var sizes = "\(name): \(cores) cores, \(memory) MiB, \(disk) GiB"
            if let ephemeral { sizes += ", ephemeral \(ephemeral) GiB" }
            if let swap { sizes += ", swap \(swap) MiB" }
            print(sizes)
            try await http.shutdown()
        } catch {
            try await http.shutdown()
            throw error
        }
    }
}
