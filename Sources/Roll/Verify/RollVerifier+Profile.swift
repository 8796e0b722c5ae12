import Archive
import Posix
import XML

extension RollVerifier {
    /// What concerns all disks of a roll together: their packages and the profile.
    mutating func checkRoll(_ discs: [RollDisc]) {
        var names: [String] = []
        for disc in discs {
            for part in disc.parts {
                if let name = part.description?.name, !names.contains(name) { names.append(name) }
            }
        }
        if names.count > 1 {
            report(
                .warning, discs[0].path, nil, "several rolls are checked at once: \(names.joined(separator: ", "))",
                cure: "verify the disks of one roll together")
        }
        for name in names {
            let parts = discs.flatMap(\.parts).filter { $0.description?.name == name }
            guard let roll = parts.first?.description else { continue }
            let packages = parts.flatMap(\.packages)
            checkProfile(roll, packages, parts)
        }
    }

    private mutating func checkProfile(
        _ roll: RollDescription, _ files: [RollDisc.PackageFile], _ parts: [RollDisc.Part]
    ) {
        let place = parts[0].directory + "/RedHat/RPMS"
        var seen: Set<String> = []
        let kickstart = files.filter { $0.fileName?.kickstartRoll == roll.name && seen.insert($0.path).inserted }
        for file in files
        where file.fileName.flatMap(\.kickstartRoll) != nil && !kickstart.contains(where: { $0.path == file.path }) {
            report(
                .warning, file.path, nil, "brings the profile of another roll, \(file.fileName?.kickstartRoll ?? "")",
                cure: "put it on that roll's disc")
        }
        guard let file = kickstart.first else {
            let likely = files.first { $0.path.contains("kickstart") }
            report(
                .error, likely?.path ?? place, nil,
                "there is no package roll-\(roll.name)-kickstart-<version>-<release>.noarch.rpm, so that the roll brings no "
                    + "nodes and no graph",
                cure: likely == nil ? "build it, and make the disc anew" : "name the kickstart package so")
            return
        }
        guard case .success(let package) = file.package else { return }
        checkKickstartPackage(file, package, roll)
        let profile: RollProfile
        do {
            profile = try RollProfile(package: package, name: FileSystem.name(file.path))
        } catch {
            // Its defects are reported with the package itself.
            if !findings.contains(where: { $0.path == file.path && $0.severity == .error }) {
                report(.error, file.path, nil, "cannot be unpacked: \(error)", cure: "build the package anew")
            }
            return
        }
        checkContents(profile, file, roll, parts[0])
        // A package that cannot be read is reported with itself.
        let owned = Set(
            files.compactMap { try? $0.package.get() }.flatMap(\.files).filter(\.isDirectory).map(\.path))
        let named = checkNodes(profile, roll, ownedDirectories: owned)
        checkNamedPackages(named, files, roll)
    }

    /// Checks nodes and graph; returns the packages that nodes name.
    private mutating func checkNodes(
        _ profile: RollProfile, _ roll: RollDescription, ownedDirectories: Set<String>?
    ) -> [String: (path: String, position: TextPosition)] {
        var frontend: Set<String> = []
        let edges = RollGraph(profile.graphs).edges
        var pending = ["server"]
        while let node = pending.popLast() {
            if frontend.insert(node).inserted { pending += edges.filter { $0.from == node }.map(\.to) }
        }
        let set = Self.attributesSet(profile)
        var named: [String: (path: String, position: TextPosition)] = [:]
        var database: [String: TextPosition] = [:]
        for (name, document) in profile.nodes.sorted(by: { $0.key < $1.key }) {
            var checks = NodeChecks(
                document, roll: roll.name, setAttributes: set, ownedDirectories: ownedDirectories,
                isOnFrontend: frontend.contains(name))
            checks.run()
            findings += checks.findings
            for package in checks.packages { named[package.name] = (document.path, package.position) }
            if let command = checks.databaseCommand { database[name] = command }
        }
        var graph = GraphChecks(profile, roll: roll.name)
        graph.run(databaseNodes: database)
        findings += graph.findings
        return named
    }

    /// A roll's source directory: description, nodes and graphs, before there are packages.
    mutating func checkDirectory(_ directory: String) {
        do {
            let names = try FileSystem.list(directory).filter { $0.hasPrefix("roll-") && $0.hasSuffix(".xml") }.sorted()
            guard let name = names.first else {
                report(
                    .error, directory, nil, "there is no roll-<name>.xml in this directory",
                    cure: "give a roll's directory")
                return
            }
            let path = FileSystem.join(directory, name)
            let bytes = try FileSystem.read(path, limit: 1 << 20)
            let parsed: (description: RollDescription?, defects: [RollDescription.Defect])
            do throws(XMLError) {
                parsed = try RollDescription.parse(bytes)
            } catch {
                report(
                    .error, path, TextPosition(line: error.line, column: error.column), "is no XML: \(error.message)",
                    cure: "correct it; \"rocks add roll\" cannot read it")
                return
            }
            for defect in parsed.defects {
                report(defect.isFatal ? .error : .warning, path, defect.position, defect.message, cure: defect.cure)
            }
            guard let roll = parsed.description else { return }
            if name != "roll-\(roll.name).xml" {
                report(.error, path, nil, "describes the roll \(roll.name)", cure: "name it roll-\(roll.name).xml")
            }
            let profile = try RollProfile(directory: directory)
            if profile.graphs.isEmpty {
                report(
                    .error, directory, nil, "has no graphs/default/*.xml, so that no host gets anything of the roll",
                    cure: "write graphs/default/\(roll.name).xml")
            }
            // Which packages there will be is not known here.
            _ = checkNodes(profile, roll, ownedDirectories: nil)
        } catch {
            report(.error, directory, nil, Self.cause(error, directory), cure: "give a roll's directory or image")
        }
    }

    private mutating func checkContents(
        _ profile: RollProfile, _ file: RollDisc.PackageFile, _ roll: RollDescription, _ part: RollDisc.Part
    ) {
        if profile.nodes.isEmpty {
            report(.error, file.path, nil, "has no nodes/*.xml", cure: "put the node files into /export/profile/nodes")
        }
        if profile.graphs.isEmpty {
            report(
                .error, file.path, nil, "has no graphs/default/*.xml, so that no host gets anything of the roll",
                cure: "put the graph into /export/profile/graphs/default/\(roll.name).xml")
        }
        for document in profile.graphs where document.name != roll.name {
            report(
                .warning, document.path, nil, "graph files of all rolls lie in one directory",
                cure: "name it \(roll.name).xml")
        }
        let copy = "roll-\(roll.name).xml"
        if let bytes = profile.files[copy] {
            do throws(XMLError) {
                let (description, _) = try RollDescription.parse(bytes)
                if let description, description != roll {
                    report(
                        .warning, "\(FileSystem.name(file.path)):/export/profile/\(copy)", nil,
                        "differs from the disc's \(part.descriptionPath)",
                        cure: "build the package anew from the same file")
                }
            } catch {
                report(
                    .error, "\(FileSystem.name(file.path)):/export/profile/\(copy)",
                    TextPosition(line: error.line, column: error.column), "is no XML: \(error.message)",
                    cure: "correct it")
            }
        } else {
            report(
                .warning, file.path, nil, "has no /export/profile/\(copy), which the drawing of the graph reads",
                cure: "put a copy of the roll's description there")
        }
        for path in profile.files.keys.sorted() {
            let top = path.split(separator: "/").first.map(String.init) ?? path
            let isKnown = ["nodes", "graphs", "include", "site-nodes"].contains(top) || path == copy
            let isTooDeep =
                top == "nodes" && path.split(separator: "/").count != 2
                || top == "graphs" && (path.split(separator: "/").count != 3 || !path.hasPrefix("graphs/default/"))
            if !isKnown || isTooDeep {
                report(
                    .warning, "\(FileSystem.name(file.path)):/export/profile/\(path)", nil, "Rocks does not look there",
                    cure: "node files go to nodes/, graph files to graphs/default/, without directories below")
            }
        }
    }

    /// Attributes that some script of the roll sets with `rocks add|set … attr`.
    private static func attributesSet(_ profile: RollProfile) -> Set<String> {
        var result: Set<String> = []
        for bytes in profile.files.values {
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                let words = line.split { $0 == " " || $0 == "\t" }.map { $0.filter { !"'\";".contains($0) } }
                guard let at = words.firstIndex(where: { $0 == "rocks" || $0.hasSuffix("/rocks") }),
                    at + 3 < words.count, words[at + 1] == "set" || words[at + 1] == "add"
                else { continue }
                switch words[at + 2] {
                case "attr": result.insert(String(words[at + 3]))
                case "host", "appliance", "os":
                    if at + 5 < words.count, words[at + 3] == "attr" { result.insert(String(words[at + 5])) }
                default: break
                }
            }
        }
        return result
    }

    /// Packages that nodes name must be on the disc or come with the system: Rocks leaves out others without a word.
    private mutating func checkNamedPackages(
        _ named: [String: (path: String, position: TextPosition)], _ files: [RollDisc.PackageFile],
        _ roll: RollDescription
    ) {
        let present = Set(files.compactMap { $0.fileName?.name })
        for (name, place) in named.sorted(by: { $0.key < $1.key }) where !present.contains(name) {
            if name == roll.name || name.hasPrefix(roll.name + "-") || name.hasPrefix("roll-\(roll.name)-") {
                report(
                    .error, place.path, place.position,
                    "the package \(name) is missing from the disc; Rocks leaves it out without a word (--ignoremissing)",
                    cure: "build it and make the disc anew, or correct the name")
            } else if let systemPackages {
                if !systemPackages.contains(name) {
                    report(
                        .error, place.path, place.position,
                        "the package \(name) is neither on the disc nor among those of the system; Rocks leaves it out "
                            + "without a word (--ignoremissing)", cure: "put it on the disc, or correct the name")
                }
            } else {
                report(
                    .warning, place.path, place.position,
                    "the package \(name) is not on the disc; if the system has none of this name, Rocks leaves it out "
                        + "without a word", cure: "give a list of the system's packages with --os-packages to be sure")
            }
        }
        if let systemPackages {
            for file in files {
                guard let name = file.fileName, name.arch != "src", systemPackages.contains(name.name) else { continue }
                report(
                    .warning, file.path, nil,
                    "the system has a package \(name.name), too: the distribution keeps the file modified last, and hosts may "
                        + "not install with a version that others do not fit",
                    cure: "leave it off the disc, or rename it")
            }
        }
        var provided: [String: String] = [:]
        // Packages that cannot be read are reported with themselves.
        for file in files {
            guard let package = try? file.package.get(), package.arch != "src" else { continue }
            for item in package.provides { provided[item.name] = package.name }
            for owned in package.files { provided[owned.path] = package.name }
        }
        for file in files {
            guard let name = file.fileName, name.arch != "src", name.kickstartRoll == nil,
                let package = try? file.package.get()
            else { continue }
            if named[name.name] == nil {
                let needed = files.contains { other in
                    (try? other.package.get())?.requires.contains { provided[$0.name] == name.name } ?? false
                }
                report(
                    .warning, file.path, nil,
                    "no node names the package \(name.name)"
                        + (needed
                            ? "; Rocks 5 installs without looking at dependencies, so that it is missing there" : ""),
                    cure: "write <package>\(name.name)</package> into a node, or leave it off the disc")
            }
            for dependency in package.requires where !dependency.name.hasPrefix("rpmlib(") {
                guard provided[dependency.name] == nil else { continue }
                if dependency.name == roll.name || dependency.name.hasPrefix(roll.name + "-") {
                    report(
                        .error, file.path, nil, "needs \(dependency.name), which no package on the disc provides",
                        cure: "put that package on the disc")
                }
            }
        }
    }
}
