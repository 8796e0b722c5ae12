import Archive
import Posix
public import XML

/// The profile of a roll: node files, graph files and what else its kickstart package puts below `/export/profile`.
public struct RollProfile: Sendable {
    /// One XML file of the profile.
    public struct Document: Sendable {
        /// Name without `.xml`: the node's name.
        public let name: String
        /// What messages call it.
        public let path: String
        /// Its bytes.
        public let bytes: [UInt8]
        /// Its root element, or why there is none.
        public let root: Result<MarkupElement, XMLError>
    }

    /// Node files by name.
    public let nodes: [String: Document]
    /// Graph files in the order of their names.
    public let graphs: [Document]
    /// All files by path below the profile.
    public let files: [String: [UInt8]]

    private static let limit = 4 << 20

    /// A profile of the given files.
    ///
    /// - Parameters:
    ///   - files: Bytes by path below the profile: `nodes/x.xml`.
    ///   - origin: What messages put before the paths.
    public init(files: [String: [UInt8]], origin: String) {
        var nodes: [String: Document] = [:]
        var graphs: [Document] = []
        for (path, bytes) in files.sorted(by: { $0.key < $1.key }) where path.hasSuffix(".xml") {
            let name = String(FileSystem.name(path).dropLast(4))
            let directory = FileSystem.parent(path)
            guard directory == "nodes" || directory == "graphs/default" else { continue }
            let isNode = directory == "nodes"
            let root = Result { () throws(XMLError) in
                try MarkupElement.parse(bytes, dropsDeclarationLines: isNode)
            }
            let document = Document(name: name, path: origin + path, bytes: bytes, root: root)
            if isNode { nodes[name] = document } else { graphs.append(document) }
        }
        self.nodes = nodes
        self.graphs = graphs
        self.files = files
    }

    /// The profile in a roll's kickstart package.
    public init(package: RPMPackage, name: String) throws {
        let prefix = "/export/profile/"
        let files = try package.payloadFiles(limit: Self.limit) { $0.hasPrefix(prefix) }
        self.init(
            files: Dictionary(uniqueKeysWithValues: files.map { (String($0.key.dropFirst(prefix.count)), $0.value) }),
            origin: "\(name):\(prefix)")
    }

    /// The profile in a directory with `nodes` and `graphs/default`.
    public init(directory: String) throws {
        guard FileSystem.isDirectory(FileSystem.join(directory, "nodes")) else {
            throw RollError("\(directory) has no directory nodes; give a roll's image, or its source directory.")
        }
        var files: [String: [UInt8]] = [:]
        for part in ["nodes", "graphs/default", "include"] {
            let path = FileSystem.join(directory, part)
            guard FileSystem.isDirectory(path) else { continue }
            for name in try FileSystem.list(path).sorted() where name.hasSuffix(".xml") || part == "include" {
                let file = FileSystem.join(path, name)
                guard try FileSystem.status(file).isRegular else { continue }
                files["\(part)/\(name)"] = try FileSystem.read(file, limit: Self.limit)
            }
        }
        self.init(files: files, origin: directory.hasSuffix("/") ? directory : directory + "/")
    }
}
