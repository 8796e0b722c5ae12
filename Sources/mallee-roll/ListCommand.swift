import Archive
import ArgumentParser
import JSON
import Posix
import Roll

/// `mallee-roll list`.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show what is on a roll's disc.")

    @Argument(help: ArgumentHelp("The image.", valueName: "iso"))
    var image: String

    @Flag(help: "Print as JSON.")
    var json = false

    func run() throws {
        let disc = try reportingFailure { try RollDisc(path: image) }
        if json {
            print(value(disc).indented)
            return
        }
        print("\(image): volume \"\(disc.image.volume)\", \(ProgressLine.mebibytes(disc.image.region.size)) MiB")
        for part in disc.parts {
            if let roll = part.description {
                print(
                    "roll \(roll.name) \(roll.version), release \(roll.release), for \(roll.arch), in \(part.directory)"
                )
            } else {
                print("\(part.descriptionPath): cannot be read; see mallee-roll verify")
            }
            for file in part.packages {
                let size = ProgressLine.mebibytes(file.entry.size)
                let pad = String(repeating: " ", count: max(0, 8 - size.count))
                let summary: String
                switch file.package {
                case .success(let package): summary = package.header.string(.md5OrSummary) ?? ""
                case .failure(let error): summary = "cannot be read: \(error.message)"
                }
                print("  \(pad)\(size) MiB  \(FileSystem.name(file.path))  \(summary)")
            }
        }
        if disc.parts.isEmpty { print("  no roll-<name>.xml is on this disc") }
    }

    private func value(_ disc: RollDisc) -> JSONValue {
        .object([
            JSONMember("image", .string(image)), JSONMember("volume", .string(disc.image.volume)),
            JSONMember("size", .integer(disc.image.region.size)),
            JSONMember(
                "rolls",
                .array(
                    disc.parts.map { part in
                        .object([
                            JSONMember("directory", .string(part.directory)),
                            JSONMember("name", part.description.map { .string($0.name) } ?? .null),
                            JSONMember("version", part.description.map { .string($0.version) } ?? .null),
                            JSONMember("release", part.description.map { .string($0.release) } ?? .null),
                            JSONMember("arch", part.description.map { .string($0.arch) } ?? .null),
                            JSONMember("packages", .array(part.packages.map { package($0) })),
                        ])
                    })),
        ])
    }

    private func package(_ file: RollDisc.PackageFile) -> JSONValue {
        var members = [
            JSONMember("path", .string(file.path)), JSONMember("size", .integer(file.entry.size)),
            JSONMember("modified", .integer(file.entry.modified)),
        ]
        switch file.package {
        case .success(let package):
            members += [
                JSONMember("name", .string(package.name)), JSONMember("version", .string(package.version)),
                JSONMember("release", .string(package.release)), JSONMember("arch", .string(package.arch)),
                JSONMember("buildTime", .integer(package.buildTime)),
            ]
        case .failure(let error): members.append(JSONMember("error", .string(error.description)))
        }
        return .object(members)
    }
}
