import Archive
import Posix
import XML

/// Assembles the disks of a roll.
///
/// A disk holds `<name>/<version>/<arch>/` with the roll's description, `RedHat/RPMS` and `SRPMS`; `.discinfo`, by which
/// the installer knows the disk; and `repodata` at its root, which makes it a dnf repository. Rocks copies
/// `<name>/` only, so that it never sees the repodata.
public struct RollBuilder {
    /// What is being done.
    public enum Progress: Sendable {
        /// A package is read: which of how many.
        case reading(name: String, number: Int, of: Int)
        /// A disk is written: bytes of how many.
        case writing(image: String, bytes: Int64, of: Int64)
        /// A package is left out, and why.
        case skipped(path: String, reason: String)
    }

    /// A disk that was made.
    public struct Disk: Sendable, Equatable {
        /// The image.
        public let path: String
        /// Its size in bytes.
        public let size: Int64
        /// Names of the package files on it.
        public let packages: [String]
    }

    /// The roll's description: a `roll-<name>.xml`.
    public var rollFile: String
    /// Directories that are searched for packages, with those below.
    public var packageDirectories: [String]
    /// Where the images go.
    public var output: String
    /// Bytes of packages on one disk; nil does not split.
    public var maximumSize: Int64?
    /// Architecture, if it is to be another than the description says.
    public var arch: String?
    /// Seconds since 1970 for everything without a time of its own; nil takes the newest package's build time.
    public var sourceDate: Int64?

    /// Makes a builder.
    public init(rollFile: String, packageDirectories: [String], output: String) {
        self.rollFile = rollFile
        self.packageDirectories = packageDirectories
        self.output = output
    }

    private struct Candidate {
        let path: String
        let fileName: RPMFileName
        let package: RPMPackage
        /// Milliseconds since 1970.
        let modified: Int64
    }

    /// Makes the disks.
    ///
    /// - Returns: Them, first disk first.
    /// - Throws: `RollError`, `ArchiveError`, `PosixError` or `XMLError` with cause and cure; no image is left half-written
    ///   under its name.
    public func build(progress: (Progress) -> Void = { _ in }) throws -> [Disk] {
        var (roll, rollBytes) = try description()
        if let arch, arch != roll.arch {
            rollBytes = try Self.replaceArch(rollBytes, arch)
            roll.arch = arch
        }
        let packages = try select(roll, progress)
        let isRollKickstart: (Candidate) -> Bool = { $0.fileName.kickstartRoll == roll.name }
        guard packages.contains(where: isRollKickstart) else {
            throw RollError(
                "No package roll-\(roll.name)-kickstart-<version>-<release>.noarch.rpm in "
                    + "\(packageDirectories.joined(separator: ", ")): without it Rocks has no nodes and graph of this "
                    + "roll. Build it, or name the directory where it is.")
        }
        let date = sourceDate ?? packages.map(\.package.buildTime).max() ?? 0
        let disks = split(packages, first: isRollKickstart)
        try FileSystem.makeDirectory(output)
        var result: [Disk] = []
        for (number, files) in disks.enumerated() {
            result.append(try write(number + 1, files, roll, rollBytes, date, progress))
        }
        return result
    }

    private func description() throws -> (RollDescription, [UInt8]) {
        let bytes = try FileSystem.read(rollFile, limit: 1 << 20)
        let parsed: (description: RollDescription?, defects: [RollDescription.Defect])
        do throws(XMLError) {
            parsed = try RollDescription.parse(bytes)
        } catch {
            throw RollError("\(rollFile):\(error.line):\(error.column): \(error.message)")
        }
        if let defect = parsed.defects.first(where: \.isFatal) {
            throw RollError(
                "\(rollFile):\(defect.position.line):\(defect.position.column): \(defect.message); \(defect.cure).")
        }
        guard let description = parsed.description else { throw RollError("\(rollFile) describes no roll.") }
        let expected = "roll-\(description.name).xml"
        guard FileSystem.name(rollFile) == expected else {
            throw RollError("\(rollFile) describes the roll \(description.name); name the file \(expected).")
        }
        return (description, bytes)
    }

    private static func replaceArch(_ bytes: [UInt8], _ arch: String) throws -> [UInt8] {
        guard ["i386", "x86_64"].contains(arch) else {
            throw RollError("The architecture \(arch) is not one that Rocks knows; use i386 or x86_64.")
        }
        let root = try MarkupElement.parse(bytes)
        var place: MarkupElement.Attribute?
        root.forEachElement { if $0.name == "info" { place = $0.attribute("arch") } }
        guard let place else { throw RollError("The roll's description has no info@arch.") }
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        let line = lines[place.position.line - 1]
        let head = line[..<(place.position.column - 1)]
        var tail = line[(place.position.column - 1)...]
        guard let quote = tail.firstIndex(where: { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "'") }),
            let end = tail[(quote + 1)...].firstIndex(of: tail[quote])
        else { throw RollError("info@arch must be on one line.") }
        tail.replaceSubrange((quote + 1)..<end, with: Array(arch.utf8))
        lines[place.position.line - 1] = Array(head) + Array(tail)
        return Array(lines.joined(separator: [0x0A]))
    }

    // MARK: Which packages

    /// The packages that belong on the disc: of the roll's architectures, the newest of each name and architecture.
    private func select(_ roll: RollDescription, _ progress: (Progress) -> Void) throws -> [Candidate] {
        var paths: [String] = []
        for directory in packageDirectories {
            guard FileSystem.isDirectory(directory) else {
                throw RollError("\(directory) is no directory; give directories with RPM packages.")
            }
            try Self.collect(directory, &paths)
        }
        guard !paths.isEmpty else {
            throw RollError("There is no .rpm file in \(packageDirectories.joined(separator: ", ")).")
        }
        paths.sort()
        let architectures = RPMFileName.architectures(ofRoll: roll.arch)
        var newest: [String: Candidate] = [:]
        for (number, path) in paths.enumerated() {
            progress(.reading(name: FileSystem.name(path), number: number + 1, of: paths.count))
            guard let name = RPMFileName(FileSystem.name(path)) else {
                throw RollError("\(path): Rocks needs file names of the form name-version-release.arch.rpm.")
            }
            guard architectures.contains(name.arch) else {
                progress(.skipped(path: path, reason: "\(name.arch) does not belong into a roll for \(roll.arch)"))
                continue
            }
            let package = try RPMPackage(try FileRegion(path: path))
            guard package.name == name.name, package.arch == name.arch, package.version == name.version,
                package.release == name.release
            else {
                throw RollError(
                    "\(path) contains \(package.identity); Rocks goes by the file name, so give it that of its package."
                )
            }
            let candidate = Candidate(
                path: path, fileName: name, package: package,
                modified: try FileSystem.status(path).modified)
            if let other = newest[name.key] {
                let keep = try Self.newer(candidate, other)
                let drop = keep.path == candidate.path ? other : candidate
                progress(
                    .skipped(path: drop.path, reason: "\(keep.path) is newer (by time of modification, as in Rocks)"))
                newest[name.key] = keep
            } else {
                newest[name.key] = candidate
            }
        }
        return newest.values.sorted { FileSystem.name($0.path) < FileSystem.name($1.path) }
    }

    private static func collect(_ directory: String, _ paths: inout [String]) throws {
        for name in try FileSystem.list(directory).sorted() {
            let path = FileSystem.join(directory, name)
            let status = try FileSystem.status(path, followLinks: false)
            if status.isDirectory {
                try collect(path, &paths)
            } else if name.hasSuffix(".rpm") {
                paths.append(path)
            }
        }
    }

    /// By time of modification as Rocks does; then, so that the result does not hang on chance, by build time and version.
    private static func newer(_ one: Candidate, _ other: Candidate) throws -> Candidate {
        if one.modified != other.modified { return one.modified > other.modified ? one : other }
        if one.package.buildTime != other.package.buildTime {
            return one.package.buildTime > other.package.buildTime ? one : other
        }
        let order = [
            RPMVersion.compare(String(one.package.epoch ?? 0), String(other.package.epoch ?? 0)),
            RPMVersion.compare(one.package.version, other.package.version),
            RPMVersion.compare(one.package.release, other.package.release),
        ].first { $0 != 0 }
        guard let order else {
            // The same package twice; the first by path.
            return one.path < other.path ? one : other
        }
        return order > 0 ? one : other
    }

    // MARK: Which disk

    /// Fills one disk after the other as Rocks does: a package that is too large for what is left waits for the next.
    /// The kickstart package comes first, since Rocks wants it when it has read the first disk.
    private func split(_ packages: [Candidate], first isFirst: (Candidate) -> Bool) -> [[Candidate]] {
        guard let maximumSize else { return [packages] }
        func priority(_ candidate: Candidate) -> Int {
            isFirst(candidate) ? 0 : candidate.package.arch == "src" ? 2 : 1
        }
        var remaining = packages.sorted { one, other in
            let order = (priority(one), priority(other))
            if order.0 != order.1 { return order.0 < order.1 }
            return FileSystem.name(one.path) < FileSystem.name(other.path)
        }
        var disks: [[Candidate]] = []
        while !remaining.isEmpty {
            var free = maximumSize
            var disk: [Candidate] = []
            var waiting: [Candidate] = []
            for candidate in remaining {
                // A package larger than any disk gets one to itself.
                if candidate.package.region.size <= free || disk.isEmpty && waiting.isEmpty {
                    disk.append(candidate)
                    free -= candidate.package.region.size
                } else {
                    waiting.append(candidate)
                }
            }
            disks.append(disk)
            remaining = waiting
        }
        return disks
    }

    // MARK: Writing

    private func write(
        _ number: Int, _ candidates: [Candidate], _ roll: RollDescription, _ rollBytes: [UInt8], _ date: Int64,
        _ progress: (Progress) -> Void
    ) throws -> Disk {
        let base = roll.directory
        let name = roll.imageName(disk: number)
        let path = FileSystem.join(output, name)
        let temporary = path + ".part"
        let repository = try candidates.map {
            // The time of the build, which the package itself states: copying a package about does not change the disc,
            // and a package that is built anew is newer.
            try RepositoryPackage($0.package, location: Self.location($0, base), modified: $0.package.buildTime)
        }
        let metadata = try RepositoryMetadata.files(repository, revision: date)
        do {
            let writer = try DiscWriter(
                path: temporary, volume: "\(roll.name) disk\(number)", time: date,
                directories: ["repodata", base + "/RedHat/RPMS", base + "/SRPMS"])
            try writer.add(
                ".discinfo",
                bytes: Array(DiscInformation(time: date, name: roll.name, arch: roll.arch, disk: number).text.utf8),
                modified: date)
            try writer.add("\(base)/roll-\(roll.name).xml", bytes: rollBytes, modified: date)
            for file in metadata { try writer.add("repodata/" + file.name, bytes: file.bytes, modified: date) }
            let total = candidates.reduce(0) { $0 + $1.package.region.size }
            var done: Int64 = 0
            for (candidate, entry) in zip(candidates, repository) {
                try writer.add(entry.location, candidate.package.region, modified: entry.modified) { bytes in
                    progress(.writing(image: name, bytes: done + bytes, of: total))
                }
                done += candidate.package.region.size
            }
            try writer.close()
            try FileSystem.rename(temporary, to: path)
        } catch {
            // The error that matters is already at hand.
            try? FileSystem.remove(temporary, ifPresent: true)
            throw error
        }
        return Disk(
            path: path, size: try FileSystem.status(path).size, packages: candidates.map { FileSystem.name($0.path) })
    }

    private static func location(_ candidate: Candidate, _ base: String) -> String {
        let directory = candidate.package.arch == "src" ? "SRPMS" : "RedHat/RPMS"
        return "\(base)/\(directory)/\(FileSystem.name(candidate.path))"
    }
}
