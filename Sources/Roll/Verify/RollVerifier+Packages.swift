import Archive
import Posix

extension RollVerifier {
    /// Features of rpm that a package may need: what is there since when. Rocks 5 has rpm 4.4, Rocks 6 has 4.8, Rocks 7 has
    /// 4.11.
    private static let features: [String: (since: String, rocks: Int?)] = [
        "CompressedFileNames": ("3.0.4", 5), "PayloadFilesHavePrefix": ("4.0", 5), "PartialHardlinkSets": ("4.0.4", 5),
        "VersionedDependencies": ("3.0.3", 5), "ScriptletInterpreterArgs": ("4.0.3", 5),
        "BuiltinLuaScripts": ("4.2.2", 5), "PayloadIsBzip2": ("3.0.5", 5), "FileDigests": ("4.6.0", 6),
        "FileCaps": ("4.6.1", 6), "PayloadIsLzma": ("4.4.6", 6), "PayloadIsXz": ("5.2", 6),
        "ScriptletExpansion": ("4.9", 7), "TildeInVersions": ("4.10", 7), "LargeFiles": ("4.12", nil),
        "RichDependencies": ("4.12", nil), "PayloadIsZstd": ("5.4.18", nil), "CaretInVersions": ("4.15", nil),
        "DynamicBuildRequires": ("4.15", nil),
    ]

    mutating func checkPackage(_ file: RollDisc.PackageFile, _ part: RollDisc.Part) {
        progress("checking \(file.path)")
        let directory = FileSystem.parent(file.path)
        guard let name = file.fileName else {
            report(
                .error, file.path, nil, "the name has not the form name-version-release.arch.rpm, by which Rocks goes",
                cure: "rename it")
            return
        }
        let expected = part.directory + (name.arch == "src" ? "/SRPMS" : "/RedHat/RPMS")
        if directory != expected {
            report(.error, file.path, nil, "Rocks does not look for it there", cure: "put it into \(expected)/")
        }
        if let roll = part.description, !RPMFileName.architectures(ofRoll: roll.arch).contains(name.arch) {
            report(
                .error, file.path, nil,
                "a package for \(name.arch) does not belong into a roll for \(roll.arch); Rocks leaves it out without a word",
                cure: "make a disc for that architecture")
        }
        if let other = part.packages.first(where: { $0.path != file.path && $0.fileName?.key == name.key }),
            file.entry.modified <= other.entry.modified
        {
            report(
                .error, file.path, nil,
                "there is \(FileSystem.name(other.path)) with the same name and architecture as well; Rocks keeps the one "
                    + "modified last"
                    + (file.entry.modified == other.entry.modified ? ", and both are of the same time" : ""),
                cure: "leave one of them out")
        }
        let package: RPMPackage
        switch file.package {
        case .success(let value): package = value
        case .failure(let error):
            report(.error, file.path, nil, Self.cause(error, file.path), cure: "build or copy the package anew")
            return
        }
        if (package.name, package.version, package.release) != (name.name, name.version, name.release)
            || package.arch != name.arch
        {
            report(
                .error, file.path, nil, "contains \(package.identity), and Rocks goes by the file's name",
                cure: "name it \(package.identity).rpm")
        }
        for defect in package.defects() {
            report(.error, file.path, nil, defect, cure: "build or copy the package anew")
        }
        if file.entry.modified < package.buildTime {
            report(
                .warning, file.path, nil,
                "its time on the disc is earlier than its build, so that an older package may win on the frontend",
                cure: "make the disc with mallee-roll create")
        }
        checkFeatures(package, file)
    }

    private mutating func checkFeatures(_ package: RPMPackage, _ file: RollDisc.PackageFile) {
        let isKickstart = file.fileName?.kickstartRoll != nil
        for dependency in package.requires where dependency.name.hasPrefix("rpmlib(") {
            let feature = String(dependency.name.dropFirst(7).dropLast())
            if isKickstart {
                if !["CompressedFileNames", "PayloadFilesHavePrefix"].contains(feature) {
                    report(
                        .error, file.path, nil,
                        "the kickstart package needs rpmlib(\(feature)); rpm of Rocks 5 has CompressedFileNames and "
                            + "PayloadFilesHavePrefix only, and does not unpack it",
                        cure: Self.cure(feature))
                }
                continue
            }
            guard let known = Self.features[feature] else {
                report(
                    .error, file.path, nil, "needs rpmlib(\(feature)), which rpm of Rocks 5 to 7 does not have",
                    cure: Self.cure(feature))
                continue
            }
            // The binaries themselves need a kernel that Rocks 5 does not have, so that rpm 4.6 may be asked for.
            if known.rocks.map({ $0 > 6 }) ?? true {
                report(
                    .error, file.path, nil,
                    "needs rpmlib(\(feature)), which came with rpm \(known.since); Rocks 6 has rpm 4.8"
                        + (known.rocks == nil ? ", Rocks 7 rpm 4.11" : ""), cure: Self.cure(feature))
            }
        }
        let compressor = package.header.string(.payloadCompressor) ?? "gzip"
        if isKickstart, compressor != "gzip" {
            report(
                .error, file.path, nil, "the kickstart package's payload is compressed by \(compressor), not gzip",
                cure: "build it with --define \"_binary_payload w9.gzdio\"")
        } else if !["gzip", "bzip2", "xz", "lzma"].contains(compressor) {
            report(
                .error, file.path, nil,
                "its payload is compressed by \(compressor), which rpm of Rocks 5 to 7 cannot read",
                cure: "build it with --define \"_binary_payload w9.gzdio\"")
        }
    }

    private static func cure(_ feature: String) -> String {
        switch feature {
        case "FileDigests": "build it with --define \"_binary_filedigest_algorithm 1\""
        case "PayloadIsXz", "PayloadIsZstd", "PayloadIsLzma", "PayloadIsBzip2":
            "build it with --define \"_binary_payload w9.gzdio\""
        case "RichDependencies": "write the dependency without if, and, or"
        case "TildeInVersions", "CaretInVersions": "use a version without ~ and ^"
        case "LargeFiles": "keep every file below 4 GiB"
        default: "build it without this feature"
        }
    }

    /// The package with the roll's nodes and graph.
    mutating func checkKickstartPackage(_ file: RollDisc.PackageFile, _ package: RPMPackage, _ roll: RollDescription) {
        let prefix = "/export/profile"
        if package.arch != "noarch" {
            report(
                .error, file.path, nil, "the kickstart package is for \(package.arch)",
                cure: "build it with BuildArch: noarch")
        }
        let prefixes = package.header.strings(.prefixes)
        if prefixes.isEmpty {
            report(
                .error, file.path, nil,
                "the kickstart package is not relocatable: Rocks unpacks it to build/export/profile, where nobody looks, and "
                    + "the roll has no nodes", cure: "write Prefix: /export/profile into its spec file")
        } else if prefixes != [prefix] {
            report(
                .error, file.path, nil,
                "the kickstart package's prefix is \(prefixes.joined(separator: ", ")), not /export/profile",
                cure: "write Prefix: /export/profile into its spec file")
        }
        for owned in package.files {
            let isInside = owned.path == prefix || owned.path.hasPrefix(prefix + "/")
            if !isInside {
                report(
                    .error, file.path, nil, "the kickstart package has \(owned.path), outside of /export/profile",
                    cure: "put it into another package")
            } else if owned.path.hasPrefix(prefix + "/var/") || owned.path == prefix + "/var" {
                report(
                    .error, file.path, nil,
                    "the kickstart package has \(owned.path), and Rocks deletes var there after unpacking",
                    cure: "move it")
            } else if owned.mode & (owned.isDirectory ? 0o555 : 0o444) != (owned.isDirectory ? 0o555 : 0o444) {
                report(
                    .error, file.path, nil,
                    "\(owned.path) has the permissions \(String(owned.mode & 0o7777, radix: 8)); apache must read it",
                    cure: owned.isDirectory ? "give it 0755" : "give it 0644")
            }
        }
        let algorithm = package.header.integer(.fileDigestAlgorithm) ?? 1
        if algorithm != 1 {
            report(
                .error, file.path, nil,
                "the kickstart package's files have digests other than md5, which rpm of Rocks 5 "
                    + "cannot check", cure: "build it with --define \"_binary_filedigest_algorithm 1\"")
        }
        for (tag, script) in [
            (RPMHeader.Tag.preInstall, "%pre"), (.postInstall, "%post"), (.preRemove, "%preun"),
            (.postRemove, "%postun"),
        ] where package.header.has(tag) {
            report(
                .warning, file.path, nil,
                "the kickstart package has a \(script) script, which runs on the frontend at each \"rocks create distro\"",
                cure: "leave it out")
        }
    }
}
