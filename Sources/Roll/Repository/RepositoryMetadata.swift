import Archive
import Crypto
import Posix
import XML

/// The metadata of a dnf and yum repository: repomd.xml, and primary, filelists and other, compressed with gzip.
///
/// Written here rather than by createrepo_c, since the tool reads RPM headers anyway to verify a disc, and must run
/// where no such program is. Equal packages make equal bytes.
enum RepositoryMetadata {
    /// Makes the files of `repodata/`, by name.
    ///
    /// - Parameters:
    ///   - packages: In any order.
    ///   - revision: Seconds since 1970: revision of the repository and time of its files.
    static func files(_ packages: [RepositoryPackage], revision: Int64) throws -> [(name: String, bytes: [UInt8])] {
        let packages = packages.sorted { $0.location < $1.location }
        var result: [(name: String, bytes: [UInt8])] = []
        var index = XMLWriter()
        index.open(
            "repomd",
            [
                ("xmlns", "http://linux.duke.edu/metadata/repo"), ("xmlns:rpm", RepositoryPackage.rpmNamespace),
            ])
        index.element("revision", String(revision))
        func add(
            _ type: String, _ root: String, _ namespaces: [(name: String, value: String)],
            _ write: (RepositoryPackage, inout XMLWriter) -> Void
        ) throws {
            var xml = XMLWriter(reserving: packages.count * 4096 + 1024)
            xml.open(root, namespaces + [("packages", String(packages.count))])
            for package in packages { write(package, &xml) }
            xml.close()
            let compressed = try gzip(xml.bytes, name: type)
            let checksum = Hex.encode(Array(SHA256.hash(data: compressed)))
            let name = "\(checksum)-\(type).xml.gz"
            result.append((name, compressed))
            index.open("data", [("type", type)])
            index.element("checksum", checksum, [("type", "sha256")])
            index.element("open-checksum", Hex.encode(Array(SHA256.hash(data: xml.bytes))), [("type", "sha256")])
            index.element("location", "", [("href", "repodata/\(name)")])
            index.element("timestamp", String(revision))
            index.element("size", compressed.count)
            index.element("open-size", xml.bytes.count)
            index.close()
        }
        try add(
            "primary", "metadata",
            [
                ("xmlns", RepositoryPackage.commonNamespace), ("xmlns:rpm", RepositoryPackage.rpmNamespace),
            ]
        ) { $0.writePrimary(&$1) }
        try add("filelists", "filelists", [("xmlns", RepositoryPackage.filelistsNamespace)]) {
            $0.writeFilelists(&$1)
        }
        try add("other", "otherdata", [("xmlns", RepositoryPackage.otherNamespace)]) { $0.writeOther(&$1) }
        index.close()
        result.append(("repomd.xml", index.bytes))
        return result
    }

    private static func gzip(_ bytes: [UInt8], name: String) throws -> [UInt8] {
        let directory = try FileSystem.temporaryDirectory()
        defer {
            // Best effort: what is left behind is a file in the directory for temporary files.
            try? FileSystem.removeTree(directory)
        }
        let path = FileSystem.join(directory, name)
        let writer = try ArchiveWriter(path: path, format: .gzip)
        try writer.add(ArchiveEntry(path: name, kind: .file, permissions: 0o644), bytes: bytes)
        try writer.close()
        return try FileSystem.read(path, limit: 1 << 30)
    }
}
