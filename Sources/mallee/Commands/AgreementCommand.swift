import ArgumentParser
import CloudClient
import JSON

/// The service level agreement, for the administrator.
struct AgreementCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sla", abstract: "Show the service level agreement, who holds what, and who waits.",
        subcommands: [
            AgreementShowCommand.self, AgreementHoldingsCommand.self, AgreementQueueCommand.self,
            AgreementRefusalsCommand.self,
        ], defaultSubcommand: AgreementShowCommand.self)
}

struct AgreementShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what is agreed (administrators only).")

    @OptionGroup var cloud: CloudOptions

    func run() async throws {
        try await cloud.withNative { client in
            let agreement = try await client.call("GET", ["agreement"])
            print((agreement["policies"]?.elements ?? []).compactMap { $0.text }.joined(separator: ", "))
            for term in agreement["terms"]?.elements ?? [] { print("  \(term.text ?? "")") }
        }
    }
}

struct AgreementHoldingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holdings", abstract: "Show who holds what, since when (administrators only).")

    @OptionGroup var cloud: CloudOptions
    @Option(help: "Only this account.") var account: String?
    @Flag(help: "For programs: a JSON array.") var json = false

    func run() async throws {
        try await cloud.withNative { client in
            let query = account.map { [(name: "account", value: $0)] } ?? []
            let items = try await client.items(["holdings"], query: query)
            if json { return print(JSONValue.array(items).indented) }
            var table = TextTable("ACCOUNT", "NAME", "INSTANCE", "TYPE", "STATE", "ZONE", "SINCE", "LEASE UNTIL")
            for item in items {
                let use = item["use"] ?? .null
                table.add(
                    item.shown("accountId"), item.shown("accountName"), "\(use.shown("instances")) in all",
                    "\(use.shown("cores")) cores", "\(use.shown("memoryMiB")) MiB", "\(use.shown("diskGiB")) GiB",
                    item.shown("usage").isEmpty ? "" : "used \(item.shown("usage"))", "")
                for instance in item["instances"]?.elements ?? [] {
                    table.add(
                        "", "", instance.shown("id"), instance.shown("type"),
                        instance["isWaiting"]?.boolean == true ? "waiting" : instance.shown("state"),
                        instance.shown("zone"), instance.moment("since"), instance["lease"]?.moment("endsAt") ?? "")
                }
            }
            print(table.text, terminator: "")
        }
    }
}

struct AgreementQueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Show the requests that wait for room, in the order in which they start.")

    @OptionGroup var cloud: CloudOptions

    func run() async throws {
        try await cloud.withNative { client in
            var table = TextTable("RESERVATION", "ACCOUNT", "INSTANCES", "TYPE", "ZONE", "SINCE")
            for item in try await client.items(["queue"]) {
                table.add(
                    item.shown("reservationId"), item.shown("accountId"), item.shown("count"), item.shown("type"),
                    item.shown("zone"), item.moment("since"))
            }
            print(table.text, terminator: "")
        }
    }
}

struct AgreementRefusalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refusals", abstract: "Show which requests were refused, and why (administrators only).")

    @OptionGroup var cloud: CloudOptions

    func run() async throws {
        try await cloud.withNative { client in
            for item in try await client.items(["refusals"]) {
                print(
                    "\(item.moment("at"))  \(item.shown("accountId"))/\(item.shown("userName"))  "
                        + "\(item.shown("count")) × \(item["type"]?.text ?? "default type")  \(item.shown("code"))\n"
                        + "    \(item.shown("reason"))")
            }
        }
    }
}
