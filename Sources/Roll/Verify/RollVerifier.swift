import Archive
import Posix
import XML

/// Checks the disks of a roll against everything that Rocks 5.4 to 7 needs or trips over.
public struct RollVerifier {
    /// Names of packages that the operating system brings; nil if that is not known.
    public var systemPackages: Set<String>?
    /// Called with what is being checked.
    public var progress: (String) -> Void = { _ in }

    var findings: [Finding] = []
    /// Images by what their `.discinfo` says they are.
    private var disks: [String: String] = [:]

    /// Makes a verifier.
    public init() {}

    /// Checks all disks of a roll together; a roll's source directory as far as that goes without packages.
    ///
    /// - Returns: All findings, errors first.
    public mutating func verify(_ paths: [String]) -> [Finding] {
        findings = []
        disks = [:]
        var discs: [RollDisc] = []
        for path in paths {
            progress("reading \(path)")
            if FileSystem.isDirectory(path) {
                checkDirectory(path)
                continue
            }
            do {
                let region = try FileRegion(path: path)
                let image = try DiscImage(region)
                checkImage(image, path)
                discs.append(try RollDisc(image, path: path))
            } catch {
                report(
                    .error, path, nil, Self.cause(error, path),
                    cure: "copy or download the image anew, or make it anew with mallee-roll create")
            }
        }
        for disc in discs { checkDisc(disc) }
        if !discs.isEmpty { checkRoll(discs) }
        return findings.enumerated()
            .sorted { one, other in
                if one.element.severity != other.element.severity {
                    return one.element.severity > other.element.severity
                }
                return one.offset < other.offset
            }.map(\.element)
    }

    mutating func report(
        _ severity: Finding.Severity, _ path: String, _ position: TextPosition? = nil, _ message: String, cure: String
    ) {
        findings.append(Finding(severity, path, position, message, cure: cure))
    }

    /// An error's text without the path that the finding says anyway.
    static func cause(_ error: any Error, _ path: String) -> String {
        let text: String
        if let error = error as? ArchiveError, error.path == path {
            text = error.message
        } else {
            text = "\(error)"
        }
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    // MARK: The image

    private mutating func checkImage(_ image: DiscImage, _ path: String) {
        if image.region.size < image.volumeSize {
            report(
                .error, path, nil,
                "the image is cut off: its volume has \(image.volumeSize) bytes, the file \(image.region.size)",
                cure: "copy or download it anew")
        }
        if !path.hasSuffix(".iso") {
            report(.error, path, nil, "\"rocks add roll\" takes files whose names end in .iso only", cure: "rename it")
        }
        guard image.hasRockRidge else {
            report(
                .error, path, nil,
                "the disc has no Rock Ridge, so that Linux shows short names in lower case, and packages are not found",
                cure: "make it with mallee-roll create, or mkisofs -r")
            return
        }
        for entry in image.entries {
            if !entry.hasRockRidgeName, entry.path != entry.plainName {
                report(
                    .error, entry.path, nil,
                    "has no Rock Ridge name; Linux shows \"\(entry.path)\" for \(entry.plainName)",
                    cure: "make the disc with Rock Ridge names for all files")
            }
            if let mode = entry.mode {
                let needed: UInt32 = entry.isDirectory ? 0o555 : 0o444
                if mode & needed != needed {
                    report(
                        .error, entry.path, nil,
                        "has the permissions \(String(mode & 0o7777, radix: 8)): apache cannot read it when it is copied",
                        cure: "make it readable to all")
                }
            } else {
                report(.error, entry.path, nil, "has no Rock Ridge mode", cure: "make the disc with Rock Ridge")
            }
            if let owner = entry.owner, owner != 0 {
                report(.warning, entry.path, nil, "belongs to user \(owner)", cure: "make the disc with owner root")
            }
            if entry.modified <= 0 {
                report(
                    .error, entry.path, nil, "has no time of modification, by which Rocks chooses the newest package",
                    cure: "make the disc anew")
            }
        }
        secondReader(image, path)
    }

    /// libarchive must see the same files: an image that readers differ on is damaged.
    private mutating func secondReader(_ image: DiscImage, _ path: String) {
        do {
            let reader = try ArchiveReader(region: image.region)
            var seen: [String: Int64] = [:]
            while let entry = try reader.next(), seen.count <= image.entries.count + 1 {
                if entry.path != "." && !entry.path.isEmpty { seen[entry.path] = entry.kind == .file ? entry.size : -1 }
            }
            for entry in image.entries {
                let size = seen.removeValue(forKey: entry.path)
                if size == nil || !entry.isDirectory && !entry.isSymbolicLink && size != entry.size {
                    report(
                        .error, entry.path, nil, "a second reader of the disc does not find it, or not with this size",
                        cure: "make the disc anew")
                }
            }
            for name in seen.keys.sorted() {
                report(.error, name, nil, "only a second reader of the disc finds it", cure: "make the disc anew")
            }
        } catch {
            report(
                .error, path, nil, "a second reader of the disc fails: \(Self.cause(error, path))",
                cure: "make the disc anew")
        }
    }

    // MARK: One disk

    private mutating func checkDisc(_ disc: RollDisc) {
        guard !disc.parts.isEmpty else {
            let isForeign = disc.image.entry(".discinfo") != nil
            report(
                .error, disc.path, nil,
                "there is no roll-<name>.xml on the disc"
                    + (isForeign ? "; with .discinfo alone Rocks takes it for a disc of another system" : ""),
                cure: "put it into <name>/<version>/<arch>/")
            return
        }
        var byName: [String: [String]] = [:]
        for part in disc.parts {
            checkPart(part, disc)
            if let name = part.description?.name { byName[name, default: []].append(part.directory) }
        }
        for (name, directories) in byName.sorted(by: { $0.key < $1.key }) where directories.count > 1 {
            report(
                .warning, disc.path, nil,
                "the roll \(name) is there \(directories.count) times (\(directories.joined(separator: ", "))): \"rocks add "
                    + "roll\" enters one of them into its table only", cure: "make one disc for each architecture")
        }
        checkInformation(disc)
        checkLayout(disc)
        checkRepository(disc)
    }

    private mutating func checkInformation(_ disc: RollDisc) {
        let path = ".discinfo"
        guard let entry = disc.image.entry(path), !entry.isDirectory else {
            report(
                .error, path, nil,
                "is missing: when a frontend is installed the disc is «Not Identified», and the installer goes on asking "
                    + "for it", cure: "write four lines: time, name, architecture, disk number")
            return
        }
        let text: String
        do {
            text = String(decoding: try disc.image.content(entry).readAll(limit: 65536), as: UTF8.self)
        } catch {
            report(.error, path, nil, Self.cause(error, path), cure: "make the disc anew")
            return
        }
        let (information, defects) = DiscInformation.parse(text)
        for defect in defects {
            report(
                .error, path, TextPosition(line: defect.line, column: 1), defect.message,
                cure: "write four lines, as in: 1288742400.000000, mallee, x86_64, 1")
        }
        guard let information, let roll = disc.parts.first?.description else { return }
        if information.name != roll.name {
            report(
                .error, path, TextPosition(line: 2, column: 1),
                "names the disc \"\(information.name)\", and the roll is \(roll.name): the installer asks for the wrong disc",
                cure: "write \(roll.name)")
        }
        if information.arch != roll.arch, disc.parts.count == 1 {
            report(
                .error, path, TextPosition(line: 3, column: 1),
                "names the architecture \"\(information.arch)\", and the roll's is \(roll.arch)",
                cure: "write \(roll.arch)")
        }
        let key = "\(information.name) \(information.arch) disk \(information.disk)"
        if let other = disks[key] {
            report(
                .error, disc.path, nil,
                "is disk \(information.disk) by its .discinfo, and so is \(other): the installer cannot tell them apart",
                cure: "verify each disk once, or make the disks anew")
        }
        disks[key] = disc.path
        let file = FileSystem.name(disc.path)
        let expected = roll.imageName(disk: information.disk)
        if let named = Self.diskNumber(file), named != information.disk {
            report(
                .error, path, TextPosition(line: 4, column: 1),
                "says that this is disk \(information.disk), and the image is named as disk \(named): the installer asks "
                    + "for another one", cure: "write \(named), or name the image \(expected)")
        } else if file != expected, disc.parts.count == 1 {
            report(
                .warning, disc.path, nil, "the image of this disk is named \(expected) by Rocks, not \(file)",
                cure: "rename it; \"rocks create roll\" of a meta roll goes by file names")
        }
    }

    /// The number in `….disk2.iso`; nil if a name has another form.
    private static func diskNumber(_ name: String) -> Int? {
        let parts = name.split(separator: ".")
        guard parts.count > 2, parts[parts.count - 1] == "iso", parts[parts.count - 2].hasPrefix("disk") else {
            return nil
        }
        return Int(parts[parts.count - 2].dropFirst(4))
    }

    private mutating func checkLayout(_ disc: RollDisc) {
        let known: Set = [".discinfo", "repodata", "TRANS.TBL"]
        let names = Set(disc.parts.compactMap { $0.directory.split(separator: "/").first.map(String.init) })
        for entry in disc.image.entries where !entry.path.contains("/") {
            guard !known.contains(entry.path), !names.contains(entry.path) else { continue }
            let isBoot = ["isolinux", "images", "ks.cfg", "boot"].contains(entry.path)
            report(
                .warning, entry.path, nil,
                isBoot
                    ? "belongs on a bootable disc, which only the kernel roll is" : "is nothing that a roll's disc has",
                cure: "leave it out")
        }
        for entry in disc.image.entries where entry.isDirectory && FileSystem.name(entry.path) == "repodata" {
            guard entry.path.contains("/") else { continue }
            report(
                .warning, entry.path, nil,
                "\"rocks add roll\" copies it with the roll, where nothing keeps it up to date",
                cure: "keep repodata at the root of the disc only")
        }
    }

    private mutating func checkPart(_ part: RollDisc.Part, _ disc: RollDisc) {
        if let failure = part.failure {
            report(
                .error, part.descriptionPath, TextPosition(line: failure.line, column: failure.column),
                "is no XML: \(failure.message)", cure: "correct it; \"rocks add roll\" cannot read it")
        }
        for defect in part.defects {
            report(
                defect.isFatal ? .error : .warning, part.descriptionPath, defect.position, defect.message,
                cure: defect.cure)
        }
        if let roll = part.description {
            if part.directory != roll.directory {
                report(
                    .error, part.descriptionPath, nil,
                    "lies in \(part.directory), and describes \(roll.directory): Rocks looks for the roll there",
                    cure: "move everything to \(roll.directory)/, or correct name, version and arch")
            }
            if FileSystem.name(part.descriptionPath) != "roll-\(roll.name).xml" {
                report(
                    .error, part.descriptionPath, nil, "describes the roll \(roll.name)",
                    cure: "name it roll-\(roll.name).xml")
            }
        }
        for (directory, severity) in [("RedHat/RPMS", Finding.Severity.error), ("SRPMS", .warning)] {
            let path = part.directory + "/" + directory
            if disc.image.entry(path)?.isDirectory != true {
                report(
                    severity, path, nil, "the directory is missing",
                    cure: "make it\(severity == .warning ? "; it may be empty" : " and put the packages there")")
            }
        }
        for file in part.packages { checkPackage(file, part) }
        for entry in disc.image.entries
        where !entry.isDirectory && entry.path.hasPrefix(part.directory + "/RedHat/RPMS/")
            && !entry.path.hasSuffix(".rpm") && FileSystem.name(entry.path) != "TRANS.TBL"
        {
            report(.warning, entry.path, nil, "is no package", cure: "leave it out")
        }
    }
}
