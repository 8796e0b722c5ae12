// mallee: one binary for every front-end role and for the administrator's commands.
//
// Here: the command line, and one readable file per daemon that wires it (Daemons/). Not here: any decision of the
// cloud; daemons own those. A command that fails says cause and cure on standard error and ends with status 1.
import ArgumentParser
import Dispatch
import Foundation
import Posix

/// Where the process begins.
@main
enum Launch {
    static func main() {
        // Before any other thread exists, so that all inherit it: a daemon waits for its signals in one thread, and
        // they must not end it in another. Other commands end by Ctrl-C as any program does.
        let daemons: [any ParsableCommand.Type] = [
            UpCommand.self, CloudCommand.self, WalrusCommand.self, ClusterCommand.self,
        ]
        let command = CommandLine.arguments.dropFirst().first
        let isKey =
            command == CloudCommand.configuration.commandName && CommandLine.arguments.dropFirst(2).first == "key"
        if !isKey, daemons.contains(where: { $0.configuration.commandName == command }) { Signals.block() }
        // Detached, since this thread, the main actor's, waits below.
        Task.detached {
            await Mallee.main()
            exit(0)
        }
        // Not dispatchMain, which would unblock every signal in this thread.
        DispatchSemaphore(value: 0).wait()
    }
}

/// The root of the command line.
struct Mallee: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mallee", abstract: "A private cloud with the interfaces of EC2 and S3.",
        version: "mallee \(MalleeRelease.version)",
        subcommands: [
            UpCommand.self, DownCommand.self, StatusCommand.self, InstanceCommand.self, AccountCommand.self,
            ImageCommand.self,
            TypeCommand.self,
            CloudCommand.self, WalrusCommand.self, ClusterCommand.self, CertificateCommand.self, NodeCommand.self,
            AgreementCommand.self, InitCommand.self, EnrolmentCommand.self,
            DoctorCommand.self,
        ])
}
