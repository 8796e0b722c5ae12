import ArgumentParser
import CloudClient
import XML

/// The key of the secrets in the cloud's store.
struct CloudKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "The key that wraps the secrets in the cloud's store.",
        subcommands: [Rotate.self])

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new key, wrap all secrets by it and forget the old one (administrators only).",
            discussion: """
                The cloud goes on serving meanwhile. An interrupted rotation is ended by the next start, or by saying \
                this again. Back the key file up afterwards: backups of the store from now on need the new key, older \
                ones the old.
                """)

        @OptionGroup var cloud: CloudOptions

        func run() async throws {
            try await AccountSession.with(cloud) { session in
                let answer = try await session.call("RotateSecretsKey")
                let how = answer?.value("Continued") == "true" ? " (an interrupted rotation was ended)" : ""
                print("key \(answer?.value("KeyId") ?? ""): \(answer?.value("Rewrapped") ?? "") values wrapped\(how)")
                print("Back up the key file now.")
            }
        }
    }
}
