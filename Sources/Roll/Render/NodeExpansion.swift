import Posix
import XML

/// The first pass over a node file: attributes are filled in, evals run or marked, includes read.
///
/// The result is XML text again, as in Rocks, which parses it a second time: an attribute's value that then is no XML
/// is found here as it would be there.
struct NodeExpansion {
    let document: RollProfile.Document
    /// The host's attributes as they are, not escaped.
    let attributes: [String: String]
    let files: [String: [UInt8]]
    /// Runs an eval: shell and text; nil leaves a mark.
    let runEval: ((String, String) throws -> String)?

    private(set) var evals: [HostProfile.Eval] = []
    private(set) var warnings: [String] = []
    private var variables: [String: String] = [:]
    private var output = ""
    private var firstEval: Int

    init(
        _ document: RollProfile.Document, attributes: [String: String], files: [String: [UInt8]], firstEval: Int,
        runEval: ((String, String) throws -> String)?
    ) {
        self.document = document
        self.attributes = attributes
        self.files = files
        self.firstEval = firstEval
        self.runEval = runEval
    }

    private func failure(_ position: TextPosition, _ message: String) -> RollError {
        RollError("\(document.path):\(position.line):\(position.column): \(message)")
    }

    /// Runs both passes.
    mutating func run() throws -> MarkupElement {
        let root: MarkupElement
        switch document.root {
        case .success(let element): root = element
        case .failure(let error):
            throw RollError("\(document.path):\(error.line):\(error.column): \(error.message)")
        }
        try element(root)
        do throws(XMLError) {
            return try MarkupElement.parse(Array(output.utf8))
        } catch {
            let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
            let line = error.line <= lines.count ? lines[error.line - 1].prefix(120) : ""
            throw RollError(
                "\(document.path): with the host's attributes filled in it is no XML any more: \(error.message), in "
                    + "\"\(line)\". Rocks writes attributes' values into double quotes as they are; keep \", < and & out "
                    + "of them.")
        }
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    private mutating func value(_ name: String, _ position: TextPosition) -> String {
        if let value = attributes[name] { return value }
        warnings.append(
            "\(document.path):\(position.line):\(position.column): the host has no attribute \(name); &\(name); is empty"
        )
        return ""
    }

    private mutating func text(_ element: MarkupElement) -> String {
        var result = ""
        for item in element.content {
            switch item {
            case .text(let text, _), .characterData(let text, _): result += text
            case .entity(let name, let position): result += value(name, position)
            case .element: break
            }
        }
        return result
    }

    private func attribute(_ element: MarkupElement, _ name: String) throws -> String? {
        guard let attribute = element.attribute(name) else { return nil }
        for entity in attribute.entities where attributes[entity] == nil {
            throw failure(
                attribute.position,
                "the host has no attribute \(entity), and Rocks stops at an undefined entity in an attribute's value")
        }
        return attribute.value { attributes[$0] }
    }

    private mutating func element(_ element: MarkupElement) throws {
        switch element.name {
        case "description", "changelog", "copyright":
            return
        case "eval": try eval(element)
        case "include", "sinclude":
            let name = try attribute(element, "file") ?? ""
            guard let bytes = files["include/" + name] else {
                if element.name == "sinclude" { return }
                throw failure(element.position, "there is no include/\(name) in this roll")
            }
            let included = String(decoding: bytes, as: UTF8.self)
            output += try attribute(element, "mode") ?? "quote" == "quote" ? Self.escaped(included) : included
        case "var":
            guard let name = try attribute(element, "name") else { return }
            if let value = try attribute(element, "val") {
                variables[name] = value
            } else if let other = try attribute(element, "ref") {
                variables[name] = variables[other] ?? ""
            } else {
                output += Self.escaped(variables[name] ?? "")
            }
        case "copy":
            throw failure(element.position, "<copy> is not supported here; use <file>")
        default:
            output += "<\(element.name)"
            for item in element.attributes where item.name != "roll" && item.name != "file" {
                output += " \(item.name)=\"\(try attribute(element, item.name) ?? "")\""
            }
            output += ">"
            for item in element.content {
                switch item {
                case .text(let text, _), .characterData(let text, _): output += Self.escaped(text)
                case .entity(let name, let position): output += Self.escaped(value(name, position))
                case .element(let child): try self.element(child)
                }
            }
            output += "</\(element.name)>"
        }
    }

    private mutating func eval(_ element: MarkupElement) throws {
        let shell = try attribute(element, "shell") ?? "sh"
        let mode = try attribute(element, "mode") ?? "quote"
        let command = text(element)
        let mark = "EVAL_\(firstEval + evals.count)"
        evals.append(
            HostProfile.Eval(
                mark: mark, shell: shell, text: command, path: document.path, position: element.position))
        guard let runEval else {
            output += mark
            return
        }
        let result = try runEval(shell, command)
        output += mode == "quote" ? Self.escaped(result) : result
    }
}
