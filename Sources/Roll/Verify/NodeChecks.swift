import Posix
import XML

/// What Rocks trips over in a node file.
struct NodeChecks {
    let document: RollProfile.Document
    let roll: String
    /// Attributes that some node of the roll sets.
    let setAttributes: Set<String>
    /// Directories that packages on the disc own; nil if they are not known.
    let ownedDirectories: Set<String>?
    /// Whether the frontend gets the node.
    let isOnFrontend: Bool

    private(set) var findings: [Finding] = []
    /// Packages that the node names, with their places; groups, excluded ones and those made of attributes are left out.
    private(set) var packages: [(name: String, position: TextPosition)] = []
    /// Whether a script of the node calls `rocks` itself, and where.
    private(set) var databaseCommand: TextPosition?

    init(
        _ document: RollProfile.Document, roll: String, setAttributes: Set<String>, ownedDirectories: Set<String>?,
        isOnFrontend: Bool
    ) {
        self.isOnFrontend = isOnFrontend
        self.document = document
        self.roll = roll
        self.setAttributes = setAttributes
        self.ownedDirectories = ownedDirectories
    }

    private mutating func report(
        _ severity: Finding.Severity, _ position: TextPosition?, _ message: String, cure: String
    ) {
        findings.append(Finding(severity, document.path, position, message, cure: cure))
    }

    mutating func run() {
        checkDeclarationLines()
        switch document.root {
        case .failure(let error):
            // A line that Rocks drops explains what follows from it.
            guard findings.isEmpty || error.code == .doctype else { return }
            let cure =
                error.code == .doctype
                ? "remove the DOCTYPE" : "correct the XML; no host that has this node gets a kickstart until then"
            report(
                .error, TextPosition(line: error.line, column: error.column), "is no XML for Rocks: \(error.message)",
                cure: cure)
        case .success(let root): check(root)
        }
    }

    /// Rocks drops every line with `<?xml`, whatever else is on it.
    private mutating func checkDeclarationLines() {
        // By bytes: for Swift a line end of DOS is one character other than "\n".
        let lines = document.bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        for (number, line) in lines.enumerated() {
            guard let start = line.firstRange(of: "<?xml") else { continue }
            let before = line[..<start.lowerBound]
            var rest = line[start.upperBound...]
            if let end = rest.firstRange(of: "?>") { rest = rest[end.upperBound...] } else { rest = "" }
            let lost = (String(before) + String(rest)).trimmingSpaces()
            if !lost.isEmpty {
                report(
                    .error, TextPosition(line: number + 1, column: 1),
                    "Rocks drops the whole line on which <?xml stands, and with it \"\(lost.prefix(40))\"",
                    cure: "put <kickstart> on a line of its own")
            }
        }
    }

    // MARK: Elements

    private static let stripped: Set = ["description", "changelog", "copyright"]
    private static let expanded: Set = ["eval", "include", "sinclude", "var", "copy"]
    private static let sections: Set = ["package", "pre", "post", "main", "boot", "debug", "configure"]
    private static let scripts: Set = ["pre", "post", "boot", "configure"]

    private mutating func check(_ root: MarkupElement) {
        if root.name != "kickstart" {
            report(.error, root.position, "the root element is <\(root.name)>, not <kickstart>", cure: "rename it")
        }
        if let name = root.attribute("roll")?.value {
            if name != roll {
                report(
                    .error, root.position,
                    "the node says roll=\"\(name)\", so that \"rocks run roll \(roll)\" skips it",
                    cure: "write roll=\"\(roll)\"")
            }
        } else {
            report(
                .error, root.position,
                "<kickstart> has no attribute roll; the node belongs to the roll \"unknown\", and \"rocks run roll \(roll)\" "
                    + "skips it", cure: "write <kickstart roll=\"\(roll)\">")
        }
        attributes(root)
        for child in root.children {
            switch child.name {
            case let name where Self.sections.contains(name) || Self.expanded.contains(name): section(child)
            case let name where Self.stripped.contains(name): break
            default:
                report(
                    .warning, child.position, "Rocks does not know <\(child.name)> here and leaves it out",
                    cure: "remove it, or put it within <post>")
                section(child)
            }
        }
    }

    private mutating func section(_ element: MarkupElement) {
        attributes(element)
        if element.name == "package" {
            package(element)
        } else if Self.scripts.contains(element.name) {
            var script = ScriptChecks(self.document.path, element, ownedDirectories: ownedDirectories)
            script.run()
            findings += script.findings
            if databaseCommand == nil { databaseCommand = script.databaseCommand }
        } else if element.name == "main" {
            for child in element.children { attributes(child) }
        }
        entities(element)
        if element.name == "configure" {
            report(
                .warning, element.position, "<configure> exists since Rocks 6.2 only; before, it is left out",
                cure: "use <post>")
        }
        if element.name == "var" || element.name == "copy" {
            report(
                .warning, element.position, "<\(element.name)> means nothing in Rocks 6 and 7",
                cure: "use attributes and <file>")
        }
        if Self.scripts.contains(element.name) { for child in element.children { inScript(child) } }
    }

    private mutating func inScript(_ element: MarkupElement) {
        attributes(element)
        for child in element.children { inScript(child) }
    }

    private mutating func attributes(_ element: MarkupElement) {
        // These are used up by the first pass and never written out again.
        let isWritten = !Self.expanded.contains(element.name) && !Self.stripped.contains(element.name)
        for attribute in element.attributes {
            let value = attribute.value { "&\($0);" }
            let literal = attribute.pieces.reduce(into: "") { if case .text(let text) = $1 { $0 += text } }
            if isWritten, let bad = literal.first(where: { "\"<&".contains($0) }) {
                report(
                    .error, attribute.position,
                    "the value of \(attribute.name) contains \(bad), which Rocks writes out unescaped between double quotes",
                    cure: attribute.name == "cond"
                        ? "write cond=\"os=='linux'\": double quotes outside, single quotes inside, and >= or > instead of <"
                        : "use single quotes inside, or leave it out")
            }
            for entity in attribute.entities {
                if RocksBase.attributes.contains(entity) { continue }
                report(
                    .error, attribute.position,
                    "&\(entity); stands in an attribute's value: on a host without this attribute that is the fatal error "
                        + "\"undefined entity\", and the host gets no kickstart", cure: "use it in text only")
            }
            if attribute.name == "cond" {
                condition(value, attribute)
                if !Self.sections.contains(element.name), !isMainCommand(element) {
                    report(
                        .warning, attribute.position, "cond has no meaning on <\(element.name)>",
                        cure: "put it on the <post>, <pre>, <package> or <boot> around it")
                }
            }
            if attribute.name == "release" {
                report(
                    .warning, attribute.position,
                    "release compares text with Rocks' release, which is converted to a number: it never holds",
                    cure: "compare the attribute version in cond")
            }
        }
    }

    private func isMainCommand(_ element: MarkupElement) -> Bool {
        guard case .success(let root) = document.root else { return false }
        return root.children.contains { main in
            main.name == "main" && main.children.contains { $0.position == element.position }
        }
    }

    private mutating func condition(_ text: String, _ attribute: MarkupElement.Attribute) {
        do throws(Condition.Failure) {
            let condition = try Condition(text)
            for name in ["True", "False", "true", "false"] where condition.names.contains(name) {
                report(
                    .error, attribute.position,
                    "\(name) in a condition is None in Rocks, since it is no attribute of the host",
                    cure: "write the attribute alone, or \"not\" before it")
            }
        } catch {
            report(
                .error, attribute.position, "the condition \"\(text)\" is no Python that Rocks can evaluate: \(error)",
                cure: "write it as in cond=\"mallee and os=='linux'\"")
        }
    }

    private mutating func package(_ element: MarkupElement) {
        let hasEntity = element.content.contains { if case .entity = $0 { true } else { false } }
        let name = element.text.trimmingSpaces()
        for child in element.children where !Self.expanded.contains(child.name) {
            report(
                .error, child.position, "<\(child.name)> stands within <package>, where Rocks' generator stops at it",
                cure: "remove it")
        }
        guard element.children.isEmpty, !hasEntity else { return }
        if name.isEmpty {
            report(.error, element.position, "<package> names no package", cure: "write a name, or remove it")
        } else if name.contains(where: \.isWhitespace) {
            report(
                .error, element.position, "<package> contains \"\(name)\", which is more than one name",
                cure: "write one <package> for each")
        } else if element.attribute("type")?.value != "meta", element.attribute("disable") == nil {
            packages.append((name, element.position))
        }
    }

    // MARK: Entities

    private mutating func entities(_ element: MarkupElement) {
        for item in element.content {
            switch item {
            case .entity(let name, let position):
                if RocksBase.attributes.contains(name) { continue }
                if setAttributes.contains(name) {
                    guard isOnFrontend else { continue }
                    report(
                        .warning, position,
                        "the roll sets the attribute \(name) itself, so that &\(name); is empty when the roll is run on the "
                            + "frontend for the first time", cure: "ask for its value in the script when it runs")
                    continue
                }
                // A roll's own settings, which the administrator may give or leave out.
                if name.hasPrefix(roll + "_") || name == roll { continue }
                report(
                    .warning, position,
                    "&\(name); is no attribute of Rocks, and no script of the roll sets it; on a host without it, it is "
                        + "empty without a word", cure: "correct the name, or let the roll set it")
            case .characterData(let text, let position):
                if let name = Self.reference(in: text) {
                    report(
                        .warning, position, "&\(name); is not replaced within CDATA",
                        cure: "close the CDATA section before it")
                }
            case .element(let child) where !Self.stripped.contains(child.name): entities(child)
            case .element: break
            case .text(let text, let position):
                if let bad = text.unicodeScalars.first(where: { !$0.isASCII }) {
                    report(
                        .warning, position,
                        "the text contains '\(Character(bad))', which is not ASCII; Rocks drops it or stops, by release",
                        cure: "write ASCII")
                }
            }
        }
    }

    private static func reference(in text: String) -> String? {
        for part in text.split(separator: "&").dropFirst(text.hasPrefix("&") ? 0 : 1) {
            guard let end = part.firstIndex(of: ";") else { continue }
            let name = part[..<end]
            if !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) { return String(name) }
        }
        return nil
    }
}
