/// The second half of Rocks' work: from the expanded nodes to packages, commands and scripts.
struct ProfileGenerator {
    /// The host's attributes, escaped as Rocks has them when it evaluates conditions.
    let attributes: [String: String]
    let generation: HostProfile.Generation

    private(set) var packages: Set<String> = []
    private(set) var excluded: Set<String> = []
    private(set) var commands: [String] = []
    private(set) var preScripts: [HostProfile.Script] = []
    private(set) var postScripts: [HostProfile.Script] = []
    private(set) var bootPre: [String] = []
    private(set) var bootPost: [String] = []
    private(set) var files: [HostProfile.WrittenFile] = []
    /// Owner and permissions that an earlier `<file>` of the same name gave.
    private var known: [String: (owner: String, permissions: String)] = [:]

    init(attributes: [String: String], generation: HostProfile.Generation) {
        self.attributes = attributes
        self.generation = generation
    }

    mutating func add(_ root: MarkupElement, node: String, path: String) throws {
        try visitMain(root, node, path)
        try visit(root, node, path)
    }

    private func holds(_ element: MarkupElement, _ path: String) throws -> Bool {
        let text = Condition.joined(
            arch: element.attribute("arch")?.value, os: element.attribute("os")?.value,
            release: element.attribute("release")?.value, cond: element.attribute("cond")?.value)
        guard let text else { return true }
        do throws(Condition.Failure) {
            return try Condition(text).holds(attributes)
        } catch {
            throw RollError("\(path): the condition \"\(text)\" of <\(element.name)> stops Rocks: \(error).")
        }
    }

    private mutating func visitMain(_ element: MarkupElement, _ node: String, _ path: String) throws {
        for child in element.children {
            if child.name == "main" {
                guard try holds(child, path) else { continue }
                for command in child.children where try holds(command, path) {
                    var text = try text(command, node, path)
                    if command.name == "langsupport" { text = "--default=" + text.trimmingSpaces() }
                    let name = command.name == "lilo" ? "bootloader" : command.name
                    commands.append("\(name) \(text)")
                }
            } else {
                try visitMain(child, node, path)
            }
        }
    }

    private mutating func visit(_ element: MarkupElement, _ node: String, _ path: String) throws {
        for child in element.children {
            var isTaken = try holds(child, path)
            switch child.name {
            case "package" where isTaken: try package(child, node, path)
            case "pre" where isTaken: preScripts.append(try script(child, node, path))
            case "post" where isTaken: postScripts.append(try script(child, node, path))
            case "configure" where isTaken:
                guard generation != .five else { break }
                // For the installation unless it says otherwise.
                let phases = child.attribute("phase")?.value.split(separator: ",").map(String.init) ?? ["post"]
                if phases.contains("post") || phases.contains("pre") {
                    postScripts.append(try script(child, node, path))
                }
            case "boot" where isTaken:
                if child.attribute("order")?.value ?? "pre" == "post" {
                    bootPost.append(try text(child, node, path))
                } else {
                    bootPre.append(try text(child, node, path))
                }
            default: isTaken = false
            }
            // What is within an element that counts has been taken with it, but packages count wherever they are.
            if !isTaken || child.name == "package" { try visit(child, node, path) }
        }
    }

    private mutating func package(_ element: MarkupElement, _ node: String, _ path: String) throws {
        let text = try text(element, node, path).trimmingSpaces()
        let name = element.attribute("type")?.value == "meta" ? "@" + text : text
        if element.attribute("disable") != nil {
            if !packages.contains(name) { excluded.insert(name) }
        } else {
            packages.insert(name)
            excluded.remove(name)
        }
    }

    private mutating func script(_ element: MarkupElement, _ node: String, _ path: String) throws -> HostProfile.Script
    {
        HostProfile.Script(
            node: node, interpreter: element.attribute("interpreter")?.value,
            arguments: element.attribute("arg")?.value ?? "", text: try text(element, node, path))
    }

    private mutating func text(_ element: MarkupElement, _ node: String, _ path: String) throws -> String {
        var result = ""
        for item in element.content {
            switch item {
            case .text(let text, _), .characterData(let text, _): result += text
            case .entity: break
            case .element(let child):
                guard child.name == "file" else {
                    throw RollError(
                        "\(path): <\(child.name)> stands within <\(element.name)>, where Rocks' generator stops at it.")
                }
                result += try file(child, node, path)
            }
        }
        return result
    }

    /// A `<file>` as shell. Rocks keeps the earlier content in an RCS file beside it; here only the directory for that is
    /// made, since the tools are not everywhere.
    private mutating func file(_ element: MarkupElement, _ node: String, _ path: String) throws -> String {
        if let os = element.attribute("os")?.value, os != attributes["os"] { return "" }
        guard let name = element.attribute("name")?.value, !name.isEmpty else { return "" }
        var owner = element.attribute("owner")?.value ?? ""
        var permissions = element.attribute("perms")?.value ?? ""
        let mode = element.attribute("mode")?.value ?? "create"
        let text = try text(element, node, path)
        if let earlier = known[name] {
            if owner.isEmpty { owner = earlier.owner }
            if permissions.isEmpty { permissions = earlier.permissions }
        }
        let isFirst = known.updateValue((owner, permissions), forKey: name) == nil
        files.append(
            HostProfile.WrittenFile(
                node: node, path: name, mode: mode, owner: owner, permissions: permissions, text: text))
        var lines: [String] = [""]
        let keepsOld =
            generation == .five || !["0", "no", "false", "off"].contains(element.attribute("rcs")?.value ?? "")
        if keepsOld {
            if isFirst {
                lines.append("[ -f \(name) ] || touch \(name)")
                lines.append("[ -d $(dirname \(name))/RCS ] || mkdir -m 700 $(dirname \(name))/RCS")
            }
            if !owner.isEmpty { lines.append("chown \(owner) \(name)") }
            if generation == .five, !permissions.isEmpty { lines.append("chmod \(permissions) \(name)") }
        }
        let redirection = mode == "append" ? ">>" : ">"
        if let command = element.attribute("expr")?.value { lines.append("\(command) \(redirection) \(name)") }
        if text.isEmpty {
            lines.append("touch \(name)")
        } else if mode == "pipe", generation != .five {
            let source = element.attribute("src")?.value ?? ""
            let filter = text.trimmingSpaces()
            if source.isEmpty {
                lines.append("cat \(name) | (\(filter)) > \(name).new && mv \(name).new \(name)")
            } else {
                lines.append("cat \(source) | (\(filter)) > \(name)")
            }
        } else {
            let mark = element.attribute("vars")?.value == "expanded" ? "EOF" : "'EOF'"
            var body = text
            if !body.hasPrefix("\n") { body = "\n" + body }
            if !body.hasSuffix("\n") { body += "\n" }
            lines.append("cat \(redirection) \(name) << \(mark)\(body)EOF")
        }
        if generation != .five {
            if !permissions.isEmpty { lines.append("chmod \(permissions) \(name)") }
            lines.append("mkdir -p /var/rocks$(dirname \(name)) && cp -p \(name) /var/rocks$(dirname \(name))/")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
