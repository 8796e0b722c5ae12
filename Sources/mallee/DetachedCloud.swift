import Foundation
import Posix

/// `mallee up --detach`: the same command once more, in a session of its own.
enum DetachedCloud {
    /// Starts it and returns when it is ready.
    ///
    /// - Throws: `CommandFailure` with the end of its output if it ends first.
    static func start(_ directory: StateDirectory) async throws {
        try directory.create()
        if let running = try RunningCloud.find(directory) {
            throw CommandFailure("The cloud runs already (process \(try running.identity.pid)).")
        }
        let output = directory.logs.appendingPathComponent("up.out").path
        let ready = directory.run.appendingPathComponent("ready")
        var options = Posix.Process.Options()
        options.newSession = true
        options.output = .emptied(output)
        options.error = .sameAsOutput
        let arguments = try Host.arguments().dropFirst().filter { $0 != "--detach" }
        let process = try Posix.Process.start(FileSystem.readLink("/proc/self/exe"), Array(arguments), options)
        while process.isRunning {
            if let text = try? String(contentsOf: ready, encoding: .utf8),
                Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)) == process.pid
            {
                print(try String(contentsOfFile: output, encoding: .utf8), terminator: "")
                print("It runs on in the background; `mallee down` stops it.")
                return
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
        throw CommandFailure("The cloud did not start:\n\(text.suffix(4000))")
    }
}
