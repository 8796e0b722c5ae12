import Archive
import Crypto
import Posix
import XML

extension RollVerifier {
    /// The disc as a dnf repository: metadata and packages must agree.
    mutating func checkRepository(_ disc: RollDisc) {
        let index = "repodata/repomd.xml"
        guard let entry = disc.image.entry(index) else {
            report(
                .warning, index, nil, "is missing: the disc is no dnf repository, and serves hosts with Rocks only",
                cure: "make the disc with mallee-roll create")
            return
        }
        do {
            let root = try XMLElement.parse(try disc.image.content(entry).readAll(limit: 1 << 20))
            var types: Set<String> = []
            for data in root.children where data.localName == "data" {
                let type = data.attributes.first { $0.localName == "type" }?.value ?? ""
                types.insert(type)
                try checkMetadata(data, type, disc)
            }
            for type in ["primary", "filelists", "other"] where !types.contains(type) {
                report(.error, index, nil, "lists no \(type) metadata", cure: "make the disc with mallee-roll create")
            }
        } catch {
            report(.error, index, nil, "cannot be read: \(error)", cure: "make the disc with mallee-roll create")
        }
    }

    private func element(_ parent: XMLElement, _ name: String) -> XMLElement? {
        parent.children.first { $0.localName == name }
    }

    private mutating func checkMetadata(_ data: XMLElement, _ type: String, _ disc: RollDisc) throws {
        let cure = "make the disc with mallee-roll create"
        let href = element(data, "location")?.attributes.first { $0.localName == "href" }?.value ?? ""
        guard let entry = disc.image.entry(href), !entry.isDirectory else {
            report(.error, "repodata/repomd.xml", nil, "names \(href), which is not on the disc", cure: cure)
            return
        }
        let content = try disc.image.content(entry)
        if element(data, "checksum")?.trimmedText != (try RepositoryPackage.checksum(content)) {
            report(.error, href, nil, "has another checksum than repomd.xml states", cure: cure)
        }
        if let size = element(data, "size")?.trimmedText, Int64(size) != content.size {
            report(.error, href, nil, "has \(content.size) bytes; repomd.xml states \(size)", cure: cure)
        }
        let text = try ArchiveReader(region: content, content: .compressedFile).readAll(limit: 256 << 20)
        if let open = element(data, "open-checksum")?.trimmedText, open != Hex.encode(Array(SHA256.hash(data: text))) {
            report(.error, href, nil, "unpacked it has another checksum than repomd.xml states", cure: cure)
        }
        guard ["primary", "filelists", "other"].contains(type) else { return }
        let root = try XMLElement.parse(text)
        let packages = root.children.filter { $0.localName == "package" }
        if let count = root.attributes.first(where: { $0.localName == "packages" })?.value, Int(count) != packages.count
        {
            report(.error, href, nil, "states \(count) packages and lists \(packages.count)", cure: cure)
        }
        if type == "primary" {
            try checkPrimary(packages, href, disc)
        } else {
            try checkIdentifiers(packages, href, disc)
        }
    }

    private mutating func checkPrimary(_ packages: [XMLElement], _ path: String, _ disc: RollDisc) throws {
        let cure = "make the disc with mallee-roll create"
        var files: [String: RollDisc.PackageFile] = [:]
        for file in disc.parts.flatMap(\.packages) { files[file.path] = file }
        for package in packages {
            let href = element(package, "location")?.attributes.first { $0.localName == "href" }?.value ?? ""
            guard let file = files.removeValue(forKey: href) else {
                report(
                    .error, path, nil, "lists the package \(href), which is not on the disc", cure: cure)
                continue
            }
            let content = try disc.image.content(file.entry)
            if element(package, "checksum")?.trimmedText != (try RepositoryPackage.checksum(content)) {
                report(.error, href, nil, "has another checksum than the repository's metadata states", cure: cure)
            }
            guard case .success(let header) = file.package else { continue }
            let version = element(package, "version")
            func attribute(_ name: String) -> String? { version?.attributes.first { $0.localName == name }?.value }
            if element(package, "name")?.trimmedText != header.name
                || element(package, "arch")?.trimmedText != header.arch
                || attribute("ver") != header.version || attribute("rel") != header.release
                || attribute("epoch") != String(header.epoch ?? 0)
            {
                report(
                    .error, href, nil, "is \(header.identity), and the repository's metadata says otherwise", cure: cure
                )
            }
        }
        for href in files.keys.sorted() {
            report(.error, href, nil, "is not listed in the repository's metadata", cure: cure)
        }
    }

    private mutating func checkIdentifiers(_ packages: [XMLElement], _ path: String, _ disc: RollDisc) throws {
        var stated: Set<String> = []
        for package in packages {
            if let id = package.attributes.first(where: { $0.localName == "pkgid" })?.value { stated.insert(id) }
        }
        var present: Set<String> = []
        for file in disc.parts.flatMap(\.packages) {
            present.insert(try RepositoryPackage.checksum(try disc.image.content(file.entry)))
        }
        if stated != present {
            report(
                .error, path, nil, "speaks of other packages than are on the disc",
                cure: "make the disc with mallee-roll create")
        }
    }
}
