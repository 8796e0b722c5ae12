import ArgumentParser
import Foundation

/// Says what is wrong with this front end, and what to do about it.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Examine this front end: what is wrong, and what to do about it.",
        discussion: """
            Looks at configuration, names, ports, services, certificates, clock, disks, Walrus, the zones and their \
            nodes; on a host that is a node as well, at what `mallee-node doctor` looks at. Changes nothing. Run it as \
            root. Exit status: 0 if all is well, 1 with warnings, 2 with failures.
            """)

    @Flag(help: "For scripts: one JSON document.")
    var json = false

    @Option(help: "Directory that is the root of the host to examine (default: this host).", completion: .directory)
    var root: String?

    func run() async throws {
        var doctor = FrontEndDoctor(layout: InstalledLayout(root: root))
        try await doctor.run()
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(doctor.report), as: UTF8.self))
        } else {
            for finding in doctor.report.findings { print(finding.line) }
        }
        if doctor.report.status != 0 { throw ExitCode(doctor.report.status) }
    }
}
