import ArgumentParser
import Posix
import Roll

/// `mallee-roll create`.
struct CreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make the disc, or disks, of a roll.",
        discussion: """
            Equal packages and an equal description make an equal image, bit by bit. Files on the disc have the build \
            time of their package; all else has the time in the environment variable SOURCE_DATE_EPOCH, or else the \
            newest package's.
            """)

    @Option(help: ArgumentHelp("The roll's description, roll-<name>.xml.", valueName: "file"))
    var roll: String

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Directories with RPM packages; those below are searched as well. Of each name and architecture the file "
                + "modified last is taken.",
            valueName: "directory"))
    var rpms: [String]

    @Option(help: ArgumentHelp("Where the images go.", valueName: "directory"))
    var output: String

    @Option(help: ArgumentHelp("Split into disks with at most this much of packages.", valueName: "MB"))
    var size: Double?

    @Option(help: "Architecture, if it is to be another than the description says: i386 or x86_64.")
    var arch: String?

    @Flag(help: "Print the images' paths only.")
    var quiet = false

    func validate() throws {
        if rpms.isEmpty { throw ValidationError("Give at least one directory with --rpms.") }
        if let size, !(size > 0 && size < 1e9) { throw ValidationError("--size must be greater than 0.") }
    }

    func run() throws {
        var builder = RollBuilder(rollFile: roll, packageDirectories: rpms, output: output)
        builder.maximumSize = size.map { Int64($0 * 1024 * 1024) }
        builder.arch = arch
        builder.sourceDate = try SourceDate.fromEnvironment()
        let line = ProgressLine(isQuiet: quiet)
        let disks = try reportingFailure {
            try builder.build { progress in
                switch progress {
                case .reading(let name, let number, let count): line.show("reading \(number)/\(count) \(name)")
                case .writing(let image, let bytes, let total): line.show("writing \(image)", bytes, of: total)
                case .skipped(let path, let reason): line.note("left out \(path): \(reason)")
                }
            }
        }
        line.finish()
        for disk in disks {
            print(disk.path)
            if !quiet { line.note("\(disk.packages.count) packages, \(ProgressLine.mebibytes(disk.size)) MiB") }
        }
    }
}
