// mallee: one binary for every front-end role and for the administrator's commands.
//
// Here: the command line, and one readable file per daemon that wires it (Daemons/). Not here: any decision of the
// cloud; daemons own those. A command that fails says cause and cure on standard error and ends with status 1.
import ArgumentParser

/// The root of the command line.
@main
struct Mallee: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mallee", abstract: "A private cloud with the interfaces of EC2 and S3.",
        version: "mallee \(MalleeRelease.version)",
        subcommands: [
            UpCommand.self, DownCommand.self, StatusCommand.self, ImageCommand.self, TypeCommand.self,
            CloudCommand.self, WalrusCommand.self, ClusterCommand.self, CertificateCommand.self,
        ])
}

/// What this release calls itself.
enum MalleeRelease {
    static let version = "0.1.0"
}
