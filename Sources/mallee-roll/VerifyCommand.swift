import ArgumentParser
import JSON
import Posix
import Roll

/// `mallee-roll verify`.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check a roll's disc, or all its disks together, for everything that Rocks 5.4 to 7 trips over.",
        discussion: """
            Each finding says where it is, the cause and the cure. The exit status is 0 if there is no error (warnings may \
            be), and 1 otherwise.
            """)

    @Argument(help: ArgumentHelp("Images of the roll's disks, or a directory with its sources.", valueName: "roll"))
    var images: [String]

    @Option(
        help: ArgumentHelp(
            "Names of the system's packages, one in a line, as \"rpm -qa --qf '%{name}\\n'\" or dnf prints them; with it a "
                + "package that is nowhere is an error.", valueName: "file"))
    var osPackages: String?

    @Flag(help: "Print findings as JSON.")
    var json = false

    @Flag(help: "Print errors only.")
    var errorsOnly = false

    func run() throws {
        var verifier = RollVerifier()
        let line = ProgressLine(isQuiet: json)
        verifier.progress = { line.show($0) }
        if let osPackages {
            verifier.systemPackages = try reportingFailure {
                Set(
                    try FileSystem.readText(osPackages, limit: 64 << 20).split(whereSeparator: \.isNewline)
                        .map { $0.split(separator: " ").first.map(String.init) ?? "" })
            }
        }
        let findings = verifier.verify(images)
        line.finish()
        let errors = findings.filter { $0.severity == .error }
        let shown = errorsOnly ? errors : findings
        if json {
            print(
                JSONValue.object([
                    JSONMember("images", .strings(images)), JSONMember("ok", .bool(errors.isEmpty)),
                    JSONMember("findings", .array(shown.map(\.json))),
                ]).indented)
        } else {
            for finding in shown { print(finding.text) }
            let warnings = findings.count - errors.count
            if findings.isEmpty {
                print("\(images.joined(separator: ", ")): all is well")
            } else {
                print("\(Self.count(errors.count, "error")), \(Self.count(warnings, "warning"))")
            }
        }
        if !errors.isEmpty { throw ExitCode(1) }
    }

    private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
