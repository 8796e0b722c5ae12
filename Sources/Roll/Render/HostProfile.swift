import Posix
import XML

/// What a host of a kind gets from a roll: packages, files and scripts, as Rocks' generator makes them.
public struct HostProfile: Sendable {
    /// Generation of Rocks whose form is used.
    public enum Generation: Int, Sendable, CaseIterable {
        /// Rocks 5.4, on release 5 of the distribution.
        case five = 5
        /// Rocks 6.2.
        case six = 6
        /// Rocks 7.0.
        case seven = 7

        /// The attribute `version` of its hosts.
        public var version: String {
            switch self {
            case .five: "5.4"
            case .six: "6.2"
            case .seven: "7.0"
            }
        }
    }

    /// A script.
    public struct Script: Sendable, Equatable {
        /// The node that it comes from.
        public let node: String
        /// Interpreter; nil is the shell.
        public let interpreter: String?
        /// Arguments of its section: `--nochroot`.
        public let arguments: String
        /// Its text, with files written out as shell.
        public let text: String
    }

    /// A file that a script writes.
    public struct WrittenFile: Sendable, Equatable {
        /// The node that it comes from.
        public let node: String
        /// Where.
        public let path: String
        /// `create`, `append` or `pipe`.
        public let mode: String
        /// `user:group`, or empty.
        public let owner: String
        /// Octal, or empty.
        public let permissions: String
        /// Its content; for `pipe`, the command.
        public let text: String
    }

    /// Text that Rocks gets by running a program on the frontend.
    public struct Eval: Sendable, Equatable {
        /// What stands in its place if it is not run.
        public let mark: String
        /// Interpreter.
        public let shell: String
        /// Program.
        public let text: String
        /// The node file.
        public let path: String
        /// Where in it.
        public let position: TextPosition
    }

    /// The roll's nodes, in order.
    public internal(set) var nodes: [String] = []
    /// Packages to install, sorted; groups begin with @.
    public internal(set) var packages: [String] = []
    /// Packages to leave out, sorted.
    public internal(set) var excludedPackages: [String] = []
    /// Commands of the kickstart's first part.
    public internal(set) var commands: [String] = []
    /// Scripts before the installation.
    public internal(set) var preScripts: [Script] = []
    /// Scripts after it.
    public internal(set) var postScripts: [Script] = []
    /// Texts for the first boot, before and after its other services.
    public internal(set) var bootPre: [String] = []
    /// See `bootPre`.
    public internal(set) var bootPost: [String] = []
    /// Files that the scripts write.
    public internal(set) var files: [WrittenFile] = []
    /// Evals, in order.
    public internal(set) var evals: [Eval] = []
    /// Attributes that are used and that the host does not have.
    public internal(set) var warnings: [String] = []
    /// The generation.
    public let generation: Generation

    /// Renders a roll for a host.
    ///
    /// - Parameters:
    ///   - profile: The roll's nodes and graphs.
    ///   - root: The node of the host's appliance: `server`, `compute`, `vm-container`, …
    ///   - attributes: The host's attributes; those that every host has get a value if they are missing.
    ///   - generation: Generation of Rocks.
    ///   - runEval: Runs an eval (shell, text) and returns what it prints; nil leaves marks.
    /// - Throws: `RollError` where Rocks would stop.
    public init(
        _ profile: RollProfile, root: String, attributes: [String: String], generation: Generation,
        runEval: ((String, String) throws -> String)? = nil
    ) throws {
        self.generation = generation
        var attributes = attributes
        for (name, value) in Self.defaults(root: root, generation) where attributes[name] == nil {
            attributes[name] = value
        }
        for document in profile.graphs {
            if case .failure(let error) = document.root {
                throw RollError("\(document.path):\(error.line):\(error.column): \(error.message)")
            }
        }
        // Rocks escapes attributes before it does anything with them.
        let escaped = attributes.mapValues { NodeExpansion.escaped($0) }
        let graph = RollGraph(profile.graphs)
        var generator = ProfileGenerator(attributes: escaped, generation: generation)
        for name in try GraphTraversal(graph).nodes(root: root, attributes: escaped) {
            // What Rocks or another roll brings.
            guard let document = profile.nodes[name] else {
                if name == root, !RocksBase.nodes.contains(name) {
                    throw RollError(
                        "There is no node \(name) at which a host's graph begins. Appliances of Rocks begin at server, "
                            + "compute, vm-container, login or nas.")
                }
                if !RocksBase.nodes.contains(name) {
                    throw RollError(
                        "The graph leads to the node \(name), of which there is no file: Rocks stops with «cannot find "
                            + "node \"\(name)\"». Add nodes/\(name).xml or remove the edge.")
                }
                continue
            }
            nodes.append(name)
            var expansion = NodeExpansion(
                document, attributes: attributes, files: profile.files, firstEval: evals.count + 1, runEval: runEval)
            let root = try expansion.run()
            evals += expansion.evals
            warnings += expansion.warnings
            try generator.add(root, node: name, path: document.path)
        }
        packages = generator.packages.sorted()
        excludedPackages = generator.excluded.sorted()
        commands = generator.commands
        preScripts = generator.preScripts
        postScripts = generator.postScripts
        bootPre = generator.bootPre
        bootPost = generator.bootPost
        files = generator.files
    }

    private static func defaults(root: String, _ generation: Generation) -> [String: String] {
        var result = [
            "os": "linux", "arch": "x86_64", "graph": "default", "distribution": "rocks-dist", "rack": "0", "rank": "0",
            "version": generation.version, "release": "0", "root": root,
            "membership": root == "server" ? "Frontend" : root == "vm-container" ? "VM Container" : "Compute",
            "hostname": root == "server" ? "frontend" : "\(root)-0-0",
        ]
        if generation != .five {
            result["rocks_version"] = generation.version
            result["rocks_version_major"] = String(generation.rawValue)
        }
        return result
    }
}
