import ArgumentParser
import Foundation

/// Where a one-machine cloud keeps everything, and the names of what is in it.
struct StateDirectory: Sendable {
    let root: URL

    /// The directory named, or `MALLEE_STATE`, or `~/.local/state/mallee`.
    init(_ path: String?) {
        let environment = ProcessInfo.processInfo.environment
        let chosen =
            path ?? environment["MALLEE_STATE"]
            ?? (environment["XDG_STATE_HOME"].map { $0 + "/mallee" } ?? NSHomeDirectory() + "/.local/state/mallee")
        root = URL(fileURLWithPath: chosen).standardizedFileURL
    }

    /// Creates the directory, readable by its owner only.
    func create() throws {
        try FileManager.default.createDirectory(
            at: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for directory in [logs, cloud, walrus, nodes, run, demo] {
            try FileManager.default.createDirectory(
                at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
    }

    var eucarc: URL { root.appendingPathComponent("eucarc") }
    var logs: URL { root.appendingPathComponent("log") }
    var run: URL { root.appendingPathComponent("run") }
    var authority: URL { root.appendingPathComponent("ca") }
    var cloud: URL { root.appendingPathComponent("cloud") }
    var walrus: URL { root.appendingPathComponent("walrus") }
    var nodes: URL { root.appendingPathComponent("nodes") }
    var demo: URL { root.appendingPathComponent("demo") }
    /// The running cloud: its process and where it answers.
    var processFile: URL { run.appendingPathComponent("up.json") }
    func cluster(_ zone: String) -> URL { root.appendingPathComponent("cluster-\(zone)") }
    func node(_ name: String) -> URL { nodes.appendingPathComponent(name) }
}

/// The option that every command about a one-machine cloud takes.
struct StateOption: ParsableArguments {
    @Option(
        help: "Directory with the cloud's state (default: $MALLEE_STATE, or ~/.local/state/mallee).",
        completion: .directory)
    var stateDir: String?

    var directory: StateDirectory { StateDirectory(stateDir) }
}

/// A failure that the user is told without ceremony.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
