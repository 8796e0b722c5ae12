import Archive
import Crypto
import Posix
import XML

/// One package as a dnf repository describes it (the formats of createrepo: common, rpm, filelists, other).
struct RepositoryPackage {
    let package: RPMPackage
    /// Path from the repository's root.
    let location: String
    /// Seconds since 1970 of the file there.
    let modified: Int64
    /// SHA-256 of the whole file.
    let checksum: String

    static let commonNamespace = "http://linux.duke.edu/metadata/common"
    static let rpmNamespace = "http://linux.duke.edu/metadata/rpm"
    static let filelistsNamespace = "http://linux.duke.edu/metadata/filelists"
    static let otherNamespace = "http://linux.duke.edu/metadata/other"

    init(_ package: RPMPackage, location: String, modified: Int64) throws {
        self.package = package
        self.location = location
        self.modified = modified
        checksum = try Self.checksum(package.region)
    }

    static func checksum(_ region: FileRegion) throws -> String {
        var sha256 = SHA256()
        try region.forEachPiece { sha256.update(data: $0) }
        return Hex.encode(Array(sha256.finalize()))
    }

    private var epoch: String { String(package.epoch ?? 0) }

    private var versionAttributes: [(name: String, value: String)] {
        [("epoch", epoch), ("ver", package.version), ("rel", package.release)]
    }

    // MARK: primary

    func writePrimary(_ xml: inout XMLWriter) {
        let header = package.header
        xml.open("package", [("type", "rpm")])
        xml.element("name", package.name)
        xml.element("arch", package.arch)
        xml.element("version", "", versionAttributes)
        xml.element("checksum", checksum, [("type", "sha256"), ("pkgid", "YES")])
        xml.element("summary", header.string(.md5OrSummary) ?? "")
        xml.element("description", header.string(.descriptionTag) ?? "")
        xml.element("packager", header.string(.packager) ?? "")
        xml.element("url", header.string(.url) ?? "")
        xml.element("time", "", [("file", String(modified)), ("build", String(package.buildTime))])
        let installed = header.integer(.longSize) ?? header.integer(.size) ?? 0
        let archive =
            package.signature.integer(.longArchiveSizeSignature) ?? package.signature.integer(.payloadSizeOrBuildHost)
            ?? header.integer(.archiveSize) ?? 0
        xml.element(
            "size", "",
            [
                ("package", String(package.region.size)), ("installed", String(installed)),
                ("archive", String(archive)),
            ])
        xml.element("location", "", [("href", location)])
        xml.open("format")
        xml.element("rpm:license", header.string(.license) ?? "")
        xml.element("rpm:vendor", header.string(.vendor) ?? "")
        xml.element("rpm:group", header.string(.group) ?? "")
        xml.element("rpm:buildhost", header.string(.payloadSizeOrBuildHost) ?? "")
        xml.element("rpm:sourcerpm", header.string(.sourcePackageName) ?? "")
        xml.element(
            "rpm:header-range", "",
            [
                ("start", String(package.headerRange.lowerBound)), ("end", String(package.headerRange.upperBound)),
            ])
        relations(&xml, "rpm:provides", package.provides)
        relations(&xml, "rpm:requires", requires)
        relations(
            &xml, "rpm:conflicts", RPMPackage.dependencies(header, .conflictNames, .conflictFlags, .conflictVersions))
        relations(
            &xml, "rpm:obsoletes", RPMPackage.dependencies(header, .obsoleteNames, .obsoleteFlags, .obsoleteVersions))
        relations(&xml, "rpm:suggests", RPMPackage.dependencies(header, .suggestNames, .suggestFlags, .suggestVersions))
        relations(&xml, "rpm:enhances", RPMPackage.dependencies(header, .enhanceNames, .enhanceFlags, .enhanceVersions))
        relations(
            &xml, "rpm:recommends",
            RPMPackage.dependencies(header, .recommendNames, .recommendFlags, .recommendVersions))
        relations(
            &xml, "rpm:supplements",
            RPMPackage.dependencies(header, .supplementNames, .supplementFlags, .supplementVersions))
        files(&xml) { file in
            file.path.hasPrefix("/etc/") || file.path.contains("bin/") || file.path == "/usr/lib/sendmail"
        }
        xml.close()
        xml.close()
    }

    /// What it needs from elsewhere: rpm's own features and what it offers itself are left out, as createrepo does.
    private var requires: [RPMPackage.Dependency] {
        let provided = Set(package.provides.map { Relation($0) })
        let own = Set(package.files.map(\.path))
        var seen: Set<Relation> = []
        return package.requires.filter { dependency in
            let relation = Relation(dependency)
            return !dependency.name.hasPrefix("rpmlib(") && !provided.contains(relation)
                && !(dependency.name.hasPrefix("/") && own.contains(dependency.name)) && seen.insert(relation).inserted
        }
    }

    private struct Relation: Hashable {
        let name: String
        let sense: UInt32
        let version: String

        init(_ dependency: RPMPackage.Dependency) {
            name = dependency.name
            sense = dependency.flags & 0b1110
            version = dependency.version
        }
    }

    private func relations(_ xml: inout XMLWriter, _ name: String, _ dependencies: [RPMPackage.Dependency]) {
        guard !dependencies.isEmpty else { return }
        xml.open(name)
        for dependency in dependencies {
            var attributes: [(name: String, value: String)] = [("name", dependency.name)]
            let senses: [UInt32: String] = [2: "LT", 4: "GT", 8: "EQ", 10: "LE", 12: "GE"]
            if let sense = senses[dependency.flags & 0b1110] {
                attributes.append(("flags", sense))
                let parts = Self.parts(dependency.version)
                attributes.append(("epoch", parts.epoch))
                attributes.append(("ver", parts.version))
                if let release = parts.release { attributes.append(("rel", release)) }
            }
            // Needed before the package's own scripts: RPMSENSE_PREREQ, SCRIPT_PRE, SCRIPT_POST.
            if name == "rpm:requires", dependency.flags & (64 | 512 | 1024) != 0 { attributes.append(("pre", "1")) }
            xml.element("rpm:entry", "", attributes)
        }
        xml.close()
    }

    private static func parts(_ version: String) -> (epoch: String, version: String, release: String?) {
        var rest = Substring(version)
        var epoch = "0"
        if let colon = rest.firstIndex(of: ":") {
            epoch = String(rest[..<colon])
            rest = rest[rest.index(after: colon)...]
        }
        guard let dash = rest.lastIndex(of: "-") else { return (epoch, String(rest), nil) }
        return (epoch, String(rest[..<dash]), String(rest[rest.index(after: dash)...]))
    }

    private func files(_ xml: inout XMLWriter, where wanted: (RPMPackage.OwnedFile) -> Bool) {
        for file in package.files where wanted(file) {
            if file.isDirectory {
                xml.element("file", file.path, [("type", "dir")])
            } else if file.isGhost {
                xml.element("file", file.path, [("type", "ghost")])
            } else {
                xml.element("file", file.path)
            }
        }
    }

    // MARK: filelists and other

    private func open(_ xml: inout XMLWriter) {
        xml.open("package", [("pkgid", checksum), ("name", package.name), ("arch", package.arch)])
        xml.element("version", "", versionAttributes)
    }

    func writeFilelists(_ xml: inout XMLWriter) {
        open(&xml)
        files(&xml) { _ in true }
        xml.close()
    }

    func writeOther(_ xml: inout XMLWriter) {
        open(&xml)
        let authors = package.header.strings(.changelogAuthors)
        let times = package.header.integers(.changelogTimes)
        let texts = package.header.strings(.changelogTexts)
        // The ten newest, oldest of them first, as createrepo does.
        let count = min(10, authors.count, times.count, texts.count)
        for index in (0..<count).reversed() {
            xml.element("changelog", texts[index], [("author", authors[index]), ("date", String(times[index]))])
        }
        xml.close()
    }
}
