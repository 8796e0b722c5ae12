import ArgumentParser
import AsyncHTTPClient
import CloudClient
import Foundation
import JSON
import NIOPosix

/// Instances, over the native interface.
struct InstanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "instance", abstract: "List, run and terminate instances.",
        subcommands: [
            InstanceListCommand.self, InstanceRunCommand.self, InstanceShowCommand.self, InstanceTerminateCommand.self,
            InstanceRebootCommand.self, InstanceConsoleCommand.self, InstanceExtendCommand.self,
        ], defaultSubcommand: InstanceListCommand.self)
}

extension CloudOptions {
    /// Runs `body` with a client of the native interface.
    func withNative(_ body: (NativeClient) async throws -> Void) async throws {
        let credentials = try load()
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
        do {
            try await body(
                try NativeClient(
                    http: http, ec2URL: credentials.ec2URL, accessKeyID: credentials.accessKeyID,
                    secret: credentials.secretKey, region: credentials.region))
        } catch {
            try await http.shutdown()
            throw error
        }
        try await http.shutdown()
    }
}

extension JSONValue {
    /// A member as a person reads it.
    func shown(_ name: String) -> String {
        switch self[name] {
        case .string(let text): text
        case .integer(let number): String(number)
        case .double(let number): String(format: "%.1f", number)
        case .bool(let value): value ? "yes" : "no"
        default: ""
        }
    }

    /// A moment without its milliseconds.
    func moment(_ name: String) -> String { shown(name).replacingOccurrences(of: ".000Z", with: "Z") }
}

struct InstanceListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show your instances.")

    @OptionGroup var cloud: CloudOptions
    @Option(help: "Only those in this state.") var instanceState: String?
    @Flag(help: "For programs: a JSON array.") var json = false

    func run() async throws {
        try await cloud.withNative { client in
            let query = instanceState.map { [(name: "state", value: $0)] } ?? []
            let items = try await client.items(["instances"], query: query + [(name: "limit", value: "1000")])
            if json { return print(JSONValue.array(items).indented) }
            var table = TextTable("INSTANCE", "STATE", "TYPE", "ZONE", "ADDRESS", "LAUNCHED", "LEASE UNTIL")
            for item in items {
                let address = item.shown("publicAddress")
                table.add(
                    item.shown("id"), item["isWaiting"]?.boolean == true ? "waiting" : item.shown("state"),
                    item.shown("type"), item.shown("zone"), address.isEmpty ? item.shown("privateAddress") : address,
                    item.moment("launchedAt"), item["lease"]?.moment("endsAt") ?? "")
            }
            print(table.text, terminator: "")
        }
    }
}

struct InstanceRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run instances; prints their ids.")

    @OptionGroup var cloud: CloudOptions
    @Argument(help: "The image.") var image: String
    @Option(help: "Instance type.") var type: String?
    @Option(help: "How many.") var count = 1
    @Option(help: "How many it must be at least (default: all).") var minimum: Int?
    @Option(help: "Name of a key pair.") var key: String?
    @Option(help: "Security group, by name or id; may be repeated.") var group: [String] = []
    @Option(help: "Availability zone.") var zone: String?
    @Option(help: "File with user data.", completion: .file()) var userDataFile: String?
    @Option(help: "Tag, as KEY=VALUE; may be repeated.") var tag: [String] = []

    func run() async throws {
        var body = [JSONMember("imageId", .string(image)), JSONMember("count", .integer(Int64(count)))]
        if let minimum { body.append(JSONMember("minimum", .integer(Int64(minimum)))) }
        for (name, value) in [("type", type), ("keyPair", key), ("zone", zone)] {
            if let value { body.append(JSONMember(name, .string(value))) }
        }
        if !group.isEmpty { body.append(JSONMember("securityGroups", .strings(group))) }
        if let userDataFile {
            let data = try Data(contentsOf: URL(fileURLWithPath: userDataFile))
            body.append(JSONMember("userData", .string(data.base64EncodedString())))
        }
        if !tag.isEmpty {
            body.append(
                JSONMember(
                    "tags",
                    .object(
                        tag.map { text in
                            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                            return JSONMember(
                                String(parts[0]), .string(parts.count > 1 ? String(parts[1]) : ""))
                        })))
        }
        try await cloud.withNative { client in
            let answer = try await client.call(
                "POST", ["instances"], body: .object(body), idempotencyKey: UUID().uuidString)
            for item in answer["items"]?.elements ?? [] { print(item.shown("id")) }
        }
    }
}

struct InstanceShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show an instance, as JSON.")

    @OptionGroup var cloud: CloudOptions
    @Argument(help: "The instance.") var id: String

    func run() async throws {
        try await cloud.withNative { print(try await $0.call("GET", ["instances", id]).indented) }
    }
}

struct InstanceTerminateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "terminate", abstract: "Terminate instances.")

    @OptionGroup var cloud: CloudOptions
    @Argument(help: "The instances.") var ids: [String]

    func run() async throws {
        try await cloud.withNative { client in
            for id in ids {
                let answer = try await client.call("DELETE", ["instances", id])
                print("\(id)  \(answer.shown("state"))")
            }
        }
    }
}

struct InstanceRebootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "reboot", abstract: "Reboot an instance.")

    @OptionGroup var cloud: CloudOptions
    @Argument(help: "The instance.") var id: String

    func run() async throws {
        try await cloud.withNative { _ = try await $0.call("POST", ["instances", id, "reboot"]) }
    }
}

struct InstanceConsoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console", abstract: "Print the latest output of an instance's console.")

    @OptionGroup var cloud: CloudOptions
    @Argument(help: "The instance.") var id: String

    func run() async throws {
        try await cloud.withNative { client in
            let answer = try await client.call("GET", ["instances", id, "console"])
            guard let data = Data(base64Encoded: answer.shown("output")) else {
                throw CommandFailure("The cloud's answer holds no console output.")
            }
            try FileHandle.standardOutput.write(contentsOf: data)
        }
    }
}

struct InstanceExtendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extend", abstract: "Put the end of an instance's lease off.")

    @OptionGroup var cloud: CloudOptions
    @Argument(help: "The instance.") var id: String
    @Option(help: "Date and time in ISO 8601 (default: the latest that is allowed).") var until: String?

    func run() async throws {
        try await cloud.withNative { client in
            let instance = try await client.call("GET", ["instances", id])
            guard let latest = instance["lease"]?["latest"]?.text else {
                throw CommandFailure("\(id) has no lease; it runs until it is terminated.")
            }
            let answer = try await client.call(
                "PUT", ["instances", id, "lease"], body: .members(("endsAt", .string(until ?? latest))))
            print("\(id)  \(answer["lease"]?.moment("endsAt") ?? "")")
        }
    }
}
