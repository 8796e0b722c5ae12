import Archive
import Foundation

/// Debian packages, fetched by name with apt and read without installing them.
struct DebianPackages {
    /// Where the package files are kept between runs.
    let cache: URL

    /// The package that a metapackage depends on first: the real kernel behind `linux-image-cloud-amd64`.
    func firstDependency(of metapackage: String) throws -> String {
        let output = try Program.run("apt-cache", ["depends", "--no-recommends", metapackage], in: cache)
        for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 && words[0].hasSuffix("Depends:") { return String(words[1]) }
        }
        throw ImageImportError("apt knows no package \(metapackage); run `apt-get update` first.")
    }

    /// The package's file, fetched unless it is in the cache.
    func fetch(_ name: String) throws -> URL {
        if let file = try cached(name) { return file }
        _ = try Program.run("apt-get", ["download", name], in: cache)
        guard let file = try cached(name) else {
            throw ImageImportError("apt-get download \(name) left no file; run `apt-get update` and try again.")
        }
        return file
    }

    private func cached(_ name: String) throws -> URL? {
        try FileManager.default.contentsOfDirectory(at: cache, includingPropertiesForKeys: nil)
            .first { $0.lastPathComponent.hasPrefix(name + "_") && $0.pathExtension == "deb" }
    }

    /// Files of a package for which `wanted` says yes: path without leading slash, kind, bytes.
    func files(of package: URL, where wanted: (String) -> Bool) throws -> [PackagedFile] {
        let outer = try ArchiveReader(path: package.path)
        while let member = try outer.next() {
            guard member.path.hasPrefix("data.tar") else { continue }
            let inner = try ArchiveReader(bytes: outer.readAll(limit: 512 << 20), name: package.lastPathComponent)
            var result: [PackagedFile] = []
            while let entry = try inner.next() {
                guard wanted(entry.path) else { continue }
                let bytes = entry.kind == .file ? try inner.readAll(limit: 256 << 20) : []
                result.append(PackagedFile(entry: entry, bytes: bytes))
            }
            return result
        }
        throw ImageImportError("\(package.lastPathComponent) is no Debian package; remove it and try again.")
    }
}

/// A file out of a package.
struct PackagedFile {
    var entry: ArchiveEntry
    var bytes: [UInt8]
}

/// Kernel modules and the order in which they are loaded. The package carries no modules.dep (its installation makes
/// it), so the modules' own `depends=` lines are read.
struct KernelModules {
    private let modules: [String: PackagedFile]

    init(_ files: [PackagedFile]) {
        var modules: [String: PackagedFile] = [:]
        for file in files {
            guard let name = file.entry.path.split(separator: "/").last, name.hasSuffix(".ko") else { continue }
            modules[Self.normal(String(name.dropLast(3)))] = file
        }
        self.modules = modules
    }

    private static func normal(_ name: String) -> String { String(name.map { $0 == "-" ? "_" : $0 }) }

    /// The named modules and what they need, each after its needs. Names that are not there are built in.
    func loadOrder(of names: [String]) -> [PackagedFile] {
        var order: [PackagedFile] = []
        var seen: Set<String> = []
        func visit(_ name: String) {
            let name = Self.normal(name)
            guard seen.insert(name).inserted, let file = modules[name] else { return }
            for need in Self.dependencies(file.bytes) { visit(need) }
            order.append(file)
        }
        for name in names { visit(name) }
        return order
    }

    /// The names behind "depends=" in the module's .modinfo section.
    static func dependencies(_ module: [UInt8]) -> [String] {
        let data = Data(module)
        guard let start = data.range(of: Data([0] + Array("depends=".utf8)))?.upperBound,
            let end = data[start...].firstIndex(of: 0)
        else { return [] }
        return String(decoding: data[start..<end], as: UTF8.self).split(separator: ",").map(String.init)
    }
}
