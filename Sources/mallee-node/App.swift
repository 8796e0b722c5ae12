// mallee-node: the node controller as a process.
//
//   mallee-node --config FILE [--stop-guests-on-exit]
//   mallee-node doctor --config FILE [--json]
//   mallee-node relay SOCKET        joins standard input and output to a guest's metadata socket (started by QEMU)
//   mallee-node --version
//
// Here are the command line and the signals; `NodeProcess` puts the node together.

import NodeController
import Posix

@main
struct App {
    static let usage = """
        usage: mallee-node --config FILE [--stop-guests-on-exit]
               mallee-node doctor --config FILE [--json]
               mallee-node relay SOCKET
               mallee-node --version

        SIGTERM ends the node controller and leaves guests running (with --stop-guests-on-exit: as SIGINT).
        SIGINT and SIGUSR1 switch all guests off first; they are started again with the node controller.
        SIGHUP opens the log file anew.
        doctor examines this host and says what to do; status 0 all is well, 1 warnings, 2 failures.

        """

    static func main() {
        // Before any thread starts, since threads inherit it.
        Signals.block()
        do throws(PosixError) {
            try Host.exit(run(Array(Host.arguments().dropFirst())))
        } catch {
            Output.error("mallee-node: \(error)")
            Host.exit(1)
        }
    }

    private static func run(_ arguments: [String]) throws(PosixError) -> Int32 {
        switch arguments.first {
        case "relay":
            guard arguments.count == 2 else { return misused("relay needs the path of one socket") }
            return Relay.run(socket: arguments[1])
        case "doctor":
            return try doctor(Array(arguments.dropFirst()))
        case "--version":
            try Output.write("mallee-node \(MalleeRelease.version)\n")
            return 0
        case "--help", "-h":
            try Output.write(usage)
            return 0
        default:
            return serve(arguments)
        }
    }

    private static func doctor(_ arguments: [String]) throws(PosixError) -> Int32 {
        var file = "/etc/mallee/node.conf"
        var isJSON = false
        var index = 0
        while index < arguments.count {
            switch arguments[index] {
            case "--config" where index + 1 < arguments.count:
                file = arguments[index + 1]
                index += 1
            case "--json": isJSON = true
            case let other: return misused("\(other) is not understood")
            }
            index += 1
        }
        let report = NodeDoctor(configurationFile: file).run()
        try Output.write(isJSON ? report.json : report.text)
        return report.status
    }

    private static func serve(_ arguments: [String]) -> Int32 {
        var file: String?
        var stopsGuests = false
        var index = 0
        while index < arguments.count {
            switch arguments[index] {
            case "--config" where index + 1 < arguments.count:
                file = arguments[index + 1]
                index += 1
            case "--stop-guests-on-exit": stopsGuests = true
            case let other: return misused("\(other) is not understood")
            }
            index += 1
        }
        guard let file else { return misused("--config FILE is missing") }
        do throws(NodeProcess.Failure) {
            let process = try NodeProcess(configurationFile: file)
            try process.start()
            notify(process) { () throws(PosixError) in try ServiceNotification().ready("Running.") }
            return wait(process, stopsGuests)
        } catch {
            Output.error("mallee-node: \(error)")
            return 1
        }
    }

    /// A service manager that cannot be told is no reason to stop serving.
    private static func notify(_ process: NodeProcess, _ body: () throws(PosixError) -> Bool) {
        do throws(PosixError) {
            _ = try body()
        } catch {
            process.log.warning("\(error)")
        }
    }

    private static func wait(_ process: NodeProcess, _ stopsGuests: Bool) -> Int32 {
        while true {
            do throws(PosixError) {
                switch try Signals.wait() {
                case Signals.hangup: process.log.reopen()
                case Signals.terminate:
                    notify(process) { () throws(PosixError) in try ServiceNotification().stopping() }
                    process.stop(withGuests: stopsGuests)
                    return 0
                case Signals.interrupt, Signals.user1:
                    notify(process) { () throws(PosixError) in try ServiceNotification().stopping() }
                    process.stop(withGuests: true)
                    return 0
                default: break
                }
            } catch {
                process.log.error("\(error)")
                process.stop(withGuests: stopsGuests)
                return 1
            }
        }
    }

    private static func misused(_ message: String) -> Int32 {
        Output.error("mallee-node: \(message)\n\(usage)")
        return 2
    }
}
