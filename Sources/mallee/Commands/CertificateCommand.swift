import ArgumentParser
import ServiceHost

/// Certificates for components that run by themselves.
struct CertificateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificate", abstract: "Issue a component's key and certificate from the cloud's own authority.",
        discussion: "Run it where the authority's directory is, and carry the output to the component's host.")

    @Option(help: "Directory of the authority; made the first time.", completion: .directory)
    var authority: String

    @Option(help: "cloud, walrus, storage, cluster, node or client.")
    var role: String

    @Option(help: "The zone's name for a cluster, the host's name for the others.")
    var name: String

    @Option(help: "A host name or address at which it will be reached; may be repeated.")
    var host: [String] = []

    @Option(name: .shortAndLong, help: "Directory for component.key, component.crt and ca.crt.", completion: .directory)
    var output: String

    func run() throws {
        guard let role = ComponentName.Role(rawValue: role), let name = ComponentName(role: role, name: name) else {
            throw ValidationError(
                "--role must be one of \(ComponentName.Role.allCases.map { $0.rawValue }.joined(separator: ", ")), and "
                    + "--name 1 to 48 letters, digits, dots, dashes and underscores.")
        }
        let open = try CloudAuthority.open(directory: authority)
        let audit = try LocalAudit(directory: authority)
        _ = try open.identity(for: name, hosts: host, directory: output)
        audit.record("IssueCertificate", resources: [name.description, output])
        print(output)
    }
}
