import ArgumentParser
import Foundation
import Posix

/// Stops the cloud that `mallee up` runs elsewhere.
struct DownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Stop the cloud of a state directory, as Ctrl-C in its terminal does.")

    @OptionGroup var state: StateOption

    func run() async throws {
        guard let running = try RunningCloud.find(state.directory) else {
            print("No cloud runs on \(state.directory.root.path).")
            return
        }
        let process = try running.identity
        _ = try process.signal(Signals.interrupt)
        for _ in 0..<900 {
            if try !process.isAlive() {
                print("Stopped.")
                return
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw CommandFailure(
            "The cloud (process \(process.pid)) has not stopped within 90 s; see \(state.directory.logs.path)/mallee.log."
        )
    }
}

/// What `mallee up` leaves in the state directory while it runs.
struct RunningCloud: Codable {
    var process: String
    var ec2URL: String
    var s3URL: String
    var zones: [String]

    var identity: ProcessIdentity {
        get throws {
            guard let identity = ProcessIdentity(process) else {
                throw CommandFailure("The file run/up.json in the state directory is damaged; remove it.")
            }
            return identity
        }
    }

    /// The cloud that runs on this directory, if one does.
    static func find(_ directory: StateDirectory) throws -> RunningCloud? {
        guard let data = try? Data(contentsOf: directory.processFile) else { return nil }
        let cloud = try JSONDecoder().decode(RunningCloud.self, from: data)
        return try cloud.identity.isAlive() ? cloud : nil
    }
}
