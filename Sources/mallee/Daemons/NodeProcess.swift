import Foundation
import Logging
import Posix

/// Keeps one `mallee-node` process running.
///
///     absent ──start──▶ running ──ends──▶ absent (started again, slower each time it ends at once)
///        ▲                 │
///        └─── stopped ◀────┘ SIGINT: its guests are shut down first
///
/// A process that an earlier life of this program started is taken over: its guests go on.
actor NodeProcess {
    private let name: String
    private let executable: String
    private let configuration: String
    private let identityFile: String
    private let log: String
    private let logger: Logger
    private var identity: ProcessIdentity?
    /// Reaps the process if it is a child of ours.
    private var child: Posix.Process?
    private var isStopping = false

    init(name: String, executable: String, configuration: String, directory: String, log: String, logger: Logger) {
        self.name = name
        self.executable = executable
        self.configuration = configuration
        identityFile = directory + "/process"
        self.log = log
        self.logger = logger
    }

    /// Takes over the process of an earlier life, or starts one.
    func start() throws {
        if let text = try? String(contentsOfFile: identityFile, encoding: .utf8),
            let known = ProcessIdentity(text.trimmingCharacters(in: .whitespacesAndNewlines)), try known.isAlive()
        {
            identity = known
            logger.info(
                "A node of an earlier start is taken over.", metadata: ["node": "\(name)", "pid": "\(known.pid)"])
            return
        }
        try launch()
    }

    private func launch() throws {
        var options = Posix.Process.Options()
        // A Ctrl-C at the terminal is for us: we decide in which order things stop.
        options.newSession = true
        options.output = .file(log)
        options.error = .sameAsOutput
        let process = try Posix.Process.start(executable, ["--config", configuration], options)
        child = process
        let started = try process.identity()
        identity = started
        try Data(started.description.utf8).write(to: URL(fileURLWithPath: identityFile), options: .atomic)
        logger.info("A node was started.", metadata: ["node": "\(name)", "pid": "\(process.pid)"])
    }

    private func isRunning() throws -> Bool {
        if let child { return child.isRunning }
        return try identity?.isAlive() ?? false
    }

    /// Starts the process again whenever it ends, until `stop` or cancellation.
    func keepRunning() async {
        var pause: Duration = .milliseconds(200)
        var startedAt = ContinuousClock.now
        while !isStopping && !Task.isCancelled {
            do {
                try await Task.sleep(for: .milliseconds(250))
                if try isRunning() || isStopping { continue }
                if ContinuousClock.now - startedAt > .seconds(30) { pause = .milliseconds(200) }
                logger.error(
                    "A node has ended and is started again; its log says why.",
                    metadata: ["node": "\(name)", "log": "\(log)", "pause": "\(pause)"])
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(30))
                startedAt = .now
                if !isStopping { try launch() }
            } catch is CancellationError {
                return
            } catch {
                logger.error("A node cannot be started.", metadata: ["node": "\(name)", "error": "\(error)"])
                do { try await Task.sleep(for: pause) } catch { return }
                pause = min(pause * 2, .seconds(30))
            }
        }
    }

    /// Shuts down the guests and ends the process.
    func stop() async {
        isStopping = true
        do {
            guard let identity, try isRunning() else { return }
            _ = try identity.signal(Signals.interrupt)
            for _ in 0..<600 {
                if try !isRunning() { break }
                try await Task.sleep(for: .milliseconds(100))
            }
            if try isRunning() {
                logger.error("A node does not stop and is killed.", metadata: ["node": "\(name)"])
                _ = try identity.signal(Signals.kill)
            }
            try? FileManager.default.removeItem(atPath: identityFile)  // a dead process's file is recognised anyway
        } catch {
            logger.error("A node could not be stopped.", metadata: ["node": "\(name)", "error": "\(error)"])
        }
    }
}
