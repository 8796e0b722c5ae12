import Posix

/// What Rocks trips over in a `<post>`, `<pre>`, `<boot>` or `<configure>` and the files in it.
struct ScriptChecks {
    private let path: String
    private let element: MarkupElement
    private let ownedDirectories: Set<String>?
    private(set) var findings: [Finding] = []
    private(set) var databaseCommand: TextPosition?

    init(_ path: String, _ element: MarkupElement, ownedDirectories: Set<String>?) {
        self.path = path
        self.element = element
        self.ownedDirectories = ownedDirectories
    }

    private mutating func report(
        _ severity: Finding.Severity, _ position: TextPosition?, _ message: String, cure: String
    ) {
        findings.append(Finding(severity, path, position, message, cure: cure))
    }

    mutating func run() {
        if let interpreter = element.attribute("interpreter") {
            let isShell = ["/bin/sh", "/bin/bash"].contains(interpreter.value)
            report(
                isShell ? .warning : .error, interpreter.position,
                "\"rocks run roll\" of Rocks 5 ignores interpreter=\"\(interpreter.value)\" and feeds the text to the shell",
                cure: isShell ? "leave it out" : "write a shell script, which may call \(interpreter.value)")
        }
        if let argument = element.attribute("arg"), !argument.value.isEmpty {
            report(
                .warning, argument.position,
                "\"rocks run roll\" ignores arg=\"\(argument.value)\" in Rocks 5, and leaves out --nochroot scripts in 6 "
                    + "and 7", cure: "write a script that runs in the installed system")
        }
        if let order = element.attribute("order"), element.name == "boot", !["pre", "post"].contains(order.value) {
            report(.error, order.position, "boot@order is \"\(order.value)\"", cure: "write pre or post")
        }
        var made: Set<String> = []
        var lineStart = true
        for item in element.content {
            switch item {
            case .text(let text, let position), .characterData(let text, let position):
                script(text, position, lineStart: lineStart)
                made.formUnion(Self.directoriesMade(in: text))
                lineStart = text.hasSuffix("\n")
            case .entity: lineStart = false
            case .element(let child):
                switch child.name {
                case "file": file(child, made: &made)
                case "eval", "include", "sinclude", "var", "copy": break
                default:
                    report(
                        .error, child.position,
                        "<\(child.name)> stands within <\(element.name)>, where Rocks' generator stops at it",
                        cure: child.name == "package"
                            ? "put it outside of <\(element.name)>" : "remove it; write &lt; for a < of the script")
                }
            }
        }
    }

    private func place(_ start: TextPosition, _ line: Int) -> TextPosition {
        line == 0 ? start : TextPosition(line: start.line + line, column: 1)
    }

    private mutating func script(_ text: String, _ start: TextPosition, lineStart: Bool) {
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            sectionMark(String(line), place(start, number), isLineStart: number > 0 || lineStart)
            let words = line.split { $0 == " " || $0 == "\t" }
            addedAttribute(words.map(String.init), place(start, number))
            guard databaseCommand == nil, let first = words.first else { continue }
            let isRocks = first == "rocks" || first == "/opt/rocks/bin/rocks"
            if isRocks, words.count > 1, number > 0 || lineStart { databaseCommand = place(start, number) }
        }
    }

    /// `rocks add … attr` stops where the attribute is there already, so that a script cannot be run again.
    private mutating func addedAttribute(_ words: [String], _ position: TextPosition) {
        guard let at = words.firstIndex(where: { $0 == "rocks" || $0.hasSuffix("/rocks") }), at + 2 < words.count,
            words[at + 1] == "add", words[at + 2] == "attr" || (at + 3 < words.count && words[at + 3] == "attr")
        else { return }
        report(
            .warning, position, "\"rocks add … attr\" stops if the attribute is there, as when the roll is run again",
            cure: "write rocks set")
    }

    /// A script of rocksconfig.d runs at boot, in the order of the names, if it has the right one.
    private mutating func bootScript(_ element: MarkupElement, _ name: String, _ position: TextPosition) {
        let directory = "/etc/rc.d/rocksconfig.d/"
        guard name.hasPrefix(directory) else { return }
        let words = name.dropFirst(directory.count).split(
            separator: "-", maxSplits: 2, omittingEmptySubsequences: false)
        let isRight =
            words.count == 3 && (words[0] == "pre" || words[0] == "post") && words[1].count == 2
            && words[1].allSatisfy { ("0"..."9").contains($0) } && !words[2].isEmpty
        if !isRight {
            report(
                .error, position, "scripts in rocksconfig.d run only if they are named pre-NN-name or post-NN-name",
                cure: "rename it, for instance to post-80-name")
        } else if words[0] == "post", words[1] <= "02" {
            report(
                .warning, position,
                "on a frontend it runs before or beside post-02-rocks-dist, which makes the distribution",
                cure: "use a number above 02")
        }
        if let perms = element.attribute("perms")?.value, perms.allSatisfy({ ("0"..."7").contains($0) }),
            let mode = Int(perms, radix: 8), mode & 0o100 == 0
        {
            report(.error, position, "the script is not executable (perms=\"\(perms)\")", cure: "write perms=\"0755\"")
        } else if element.attribute("perms") == nil, element.attribute("mode")?.value != "append" {
            report(.error, position, "the script is not executable (no perms)", cure: "write perms=\"0755\"")
        }
    }

    /// Lines that mean something to anaconda, or to the script that is made of this one.
    private mutating func sectionMark(_ line: String, _ position: TextPosition, isLineStart: Bool) {
        if line.contains("%post") {
            report(
                .error, position,
                "the text contains %post, and \"rocks run roll\" of Rocks 5 then leaves out the script",
                cure: "write it otherwise, for instance with a variable between")
        } else if isLineStart, let first = line.split(separator: " ").first,
            ["%end", "%pre", "%packages", "%include", "%ksappend", "%addon", "%anaconda", "%onerror", "%traceback"]
                .contains(first)
        {
            report(
                .error, position, "a line begins with \(first), which ends the script for the installer",
                cure: "indent it, or write it otherwise")
        }
        if line == "ROCKS-KS-POST" {
            report(
                .error, position, "the line ROCKS-KS-POST ends the script in Rocks 6 and 7", cure: "write another word")
        }
    }

    /// Directories that `mkdir -p` or `install -d` in a text make, with those above them.
    private static func directoriesMade(in text: String) -> Set<String> {
        var result: Set<String> = []
        for line in text.split(separator: "\n") {
            for command in line.split(whereSeparator: { ";&|()".contains($0) }) {
                let words = command.split { $0 == " " || $0 == "\t" }.map { $0.filter { !"'\"".contains($0) } }
                guard let at = words.firstIndex(where: { ["mkdir", "/bin/mkdir", "install"].contains($0) }) else {
                    continue
                }
                guard words[at] != "install" || words.contains("-d") else { continue }
                for word in words[(at + 1)...] where word.hasPrefix("/") {
                    var name = String(word)
                    while name.count > 1, name.hasSuffix("/") { name.removeLast() }
                    while name != "/" {
                        result.insert(name)
                        name = FileSystem.parent(name)
                    }
                }
            }
        }
        return result
    }

    private mutating func file(_ element: MarkupElement, made: inout Set<String>) {
        let attribute = element.attribute("name")
        guard let attribute, !attribute.value.isEmpty else {
            report(.error, element.position, "<file> has no name", cure: "write name=\"/…\"")
            return
        }
        let name = attribute.value
        if !name.hasPrefix("/") {
            report(.error, attribute.position, "the file's name \"\(name)\" is not absolute", cure: "begin it with /")
        } else if attribute.entities.isEmpty {
            let directory = FileSystem.parent(name)
            if let ownedDirectories, !RocksBase.directories.contains(directory), !made.contains(directory),
                !ownedDirectories.contains(directory)
            {
                report(
                    .error, attribute.position,
                    "<file> does not make the directory \(directory), which no package on the disc and no earlier command "
                        + "of this script makes", cure: "write mkdir -p \(directory) before it")
            }
        }
        if name.contains(where: { " \t'\"$`;&|<>()*?\\".contains($0) }) {
            report(
                .error, attribute.position, "the file's name stands unquoted in the script that Rocks makes",
                cure: "use a name without spaces and characters of the shell")
        }
        bootScript(element, name, attribute.position)
        // Besides, Rocks makes a directory for earlier versions.
        made.insert(FileSystem.parent(name) + "/RCS")
        if let mode = element.attribute("mode"), !["create", "append"].contains(mode.value) {
            report(
                mode.value == "pipe" ? .warning : .error, mode.position,
                mode.value == "pipe"
                    ? "mode=\"pipe\" exists since Rocks 6.2; before, the command becomes the file's text"
                    : "mode is \"\(mode.value)\"", cure: "write create or append")
        }
        if let vars = element.attribute("vars"), !["literal", "expanded"].contains(vars.value) {
            report(.error, vars.position, "vars is \"\(vars.value)\"", cure: "write literal or expanded")
        }
        if let perms = element.attribute("perms") {
            let isOctal = perms.value.allSatisfy { ("0"..."7").contains($0) } && (3...4).contains(perms.value.count)
            let symbolic =
                perms.value.contains { "+-=".contains($0) }
                && perms.value.allSatisfy { "ugoarwxXst+-=,".contains($0) }
            if !isOctal && !symbolic || perms.value.isEmpty {
                report(.error, perms.position, "perms is \"\(perms.value)\"", cure: "write octal digits: 0644")
            }
        }
        if let owner = element.attribute("owner"),
            !owner.value.allSatisfy({ $0.isLetter || $0.isNumber || "_.:-".contains($0) }) || owner.value.isEmpty
        {
            report(.error, owner.position, "owner is \"\(owner.value)\"", cure: "write user:group")
        }
        for later in ["rcs", "include", "src"] {
            if let attribute = element.attribute(later) {
                report(
                    .warning, attribute.position,
                    "the attribute \(later) exists since Rocks 6.2; before, it is ignored",
                    cure: "do without it")
            }
        }
        for item in element.content {
            switch item {
            case .text(let text, let start), .characterData(let text, let start):
                for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                    sectionMark(String(line), place(start, number), isLineStart: number > 0)
                    if line == "EOF" {
                        report(
                            .error, place(start, number),
                            "the line EOF ends the file here, and what follows is run as shell",
                            cure: "end inner texts with another word")
                    }
                }
            case .element(let child) where child.name == "file": file(child, made: &made)
            case .element(let child) where !["eval", "include", "sinclude", "var"].contains(child.name):
                report(
                    .error, child.position, "<\(child.name)> stands within <file>, where Rocks' generator stops at it",
                    cure: "write &lt;\(child.name)&gt; if it is text of the file")
            default: break
            }
        }
    }
}
