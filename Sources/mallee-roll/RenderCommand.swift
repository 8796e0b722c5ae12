import ArgumentParser
import JSON
import Posix
import Roll

/// `mallee-roll render`.
struct RenderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render",
        abstract: "Show what a host of a kind gets from a roll: packages, files and scripts.",
        discussion: """
            The graph is followed from the root as Rocks does, conditions are evaluated, attributes filled in and files \
            written out. Attributes that every host has (os, arch, hostname, version, …) have values unless --attr gives \
            others; a reference to any other attribute that is not given is empty, and is reported.
            """)

    enum Form: String, ExpressibleByArgument, CaseIterable {
        case summary, packages, posts, script, kickstart, json
    }

    @Argument(help: ArgumentHelp("The roll's image, or a directory with nodes and graphs/default.", valueName: "roll"))
    var roll: String

    @Option(help: ArgumentHelp("The node of the host's appliance: server, compute, vm-container, …", valueName: "node"))
    var root: String

    @Option(help: ArgumentHelp("An attribute of the host; may be given several times.", valueName: "name=value"))
    var attr: [String] = []

    @Option(
        help: ArgumentHelp(
            "A file of attributes, \"name: value\" in each line, as \"rocks report host attr\" prints them.",
            valueName: "file"))
    var attrFile: String?

    @Option(help: "Generation of Rocks: 5, 6 or 7.")
    var os = 7

    @Option(
        help:
            "summary; packages (names); posts (scripts alone); script (as rocks run roll prints it); kickstart; or json."
    )
    var format = Form.summary

    @Flag(help: "Run the programs of <eval> on this machine; without it a mark stands in their place.")
    var runEvals = false

    func validate() throws {
        guard HostProfile.Generation(rawValue: os) != nil else { throw ValidationError("--os must be 5, 6 or 7.") }
        for item in attr where !item.dropFirst().contains("=") {
            throw ValidationError("--attr \(item) has not the form name=value.")
        }
    }

    func run() throws {
        try reportingFailure {
            guard let generation = HostProfile.Generation(rawValue: os) else { return }
            let isDirectory = FileSystem.isDirectory(roll)
            let disc = isDirectory ? nil : try RollDisc(path: roll)
            let source = try disc?.profile() ?? RollProfile(directory: roll)
            var attributes = try attributes()
            if let arch = disc?.parts.first?.description?.arch, attributes["arch"] == nil { attributes["arch"] = arch }
            let profile = try HostProfile(
                source, root: root, attributes: attributes, generation: generation,
                runEval: runEvals ? { try EvalProcess.run(shell: $0, text: $1) } : nil)
            for warning in profile.warnings { StandardError.write("\(warning)\n") }
            switch format {
            case .summary: print(profile.summary, terminator: "")
            case .packages: for name in profile.packages { print(name) }
            case .posts: print(profile.postText, terminator: "")
            case .script:
                let base = "/export/rocks/install/rocks-dist/\(attributes["arch"] ?? "x86_64")/RedHat/RPMS/"
                let files = disc?.parts.flatMap(\.packages) ?? []
                print(
                    profile.script { name in
                        // Without a disc nobody knows the file; the shell finds it.
                        guard disc != nil else { return "\(base)\(name)-[0-9]*.rpm" }
                        return files.first { $0.fileName?.name == name }.map { base + FileSystem.name($0.path) }
                    }, terminator: "")
            case .kickstart: print(profile.kickstart, terminator: "")
            case .json: print(json(profile).indented)
            }
        }
    }

    private func attributes() throws -> [String: String] {
        var result: [String: String] = [:]
        if let attrFile {
            for line in try FileSystem.readText(attrFile).split(whereSeparator: \.isNewline) {
                guard let colon = line.firstIndex(of: ":") else { continue }
                result[trimmed(line[..<colon])] = trimmed(line[line.index(after: colon)...])
            }
        }
        for item in attr {
            guard let equals = item.firstIndex(of: "=") else { continue }
            result[String(item[..<equals])] = String(item[item.index(after: equals)...])
        }
        return result
    }

    private func trimmed(_ text: Substring) -> String {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    private func json(_ profile: HostProfile) -> JSONValue {
        func script(_ script: HostProfile.Script) -> JSONValue {
            .object([
                JSONMember("node", .string(script.node)),
                JSONMember("interpreter", script.interpreter.map { .string($0) } ?? .null),
                JSONMember("arguments", .string(script.arguments)), JSONMember("text", .string(script.text)),
            ])
        }
        return .object([
            JSONMember("nodes", .strings(profile.nodes)), JSONMember("packages", .strings(profile.packages)),
            JSONMember("excludedPackages", .strings(profile.excludedPackages)),
            JSONMember("commands", .strings(profile.commands)),
            JSONMember(
                "files",
                .array(
                    profile.files.map {
                        .object([
                            JSONMember("node", .string($0.node)), JSONMember("path", .string($0.path)),
                            JSONMember("mode", .string($0.mode)), JSONMember("owner", .string($0.owner)),
                            JSONMember("permissions", .string($0.permissions)), JSONMember("text", .string($0.text)),
                        ])
                    })),
            JSONMember(
                "evals",
                .array(
                    profile.evals.map {
                        .object([
                            JSONMember("mark", .string($0.mark)), JSONMember("shell", .string($0.shell)),
                            JSONMember("text", .string($0.text)), JSONMember("path", .string($0.path)),
                            JSONMember("line", .integer(Int64($0.position.line))),
                        ])
                    })),
            JSONMember("preScripts", .array(profile.preScripts.map(script))),
            JSONMember("postScripts", .array(profile.postScripts.map(script))),
            JSONMember("warnings", .strings(profile.warnings)),
        ])
    }
}
