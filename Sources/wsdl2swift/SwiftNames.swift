// Names and comments as Swift has them.

enum SwiftNames {
    private static let keywords: Set<String> = [
        "associatedtype", "class", "deinit", "enum", "extension", "fileprivate", "func", "import", "init", "inout",
        "internal", "let", "open", "operator", "private", "precedencegroup", "protocol", "public", "rethrows", "static",
        "struct", "subscript", "typealias", "var", "break", "case", "catch", "continue", "default", "defer", "do",
        "else", "fallthrough", "for", "guard", "if", "in", "repeat", "return", "throw", "switch", "where", "while",
        "Any", "as", "await", "false", "is", "nil", "self", "Self", "super", "throws", "true", "try",
    ]

    /// An identifier, in backquotes if it is a keyword.
    static func identifier(_ name: String) -> String { keywords.contains(name) ? "`\(name)`" : name }

    /// `shutting-down`, `MANAGED-NOVLAN`, `qcow2` as `shuttingDown`, `managedNovlan`, `qcow2`.
    static func enumCase(_ value: String) -> String {
        let words = value.split { !$0.isLetter && !$0.isNumber }.map(String.init)
        var name = ""
        for word in words {
            let word = word == word.uppercased() ? word.lowercased() : word
            name += name.isEmpty ? lowerFirst(word) : word.prefix(1).uppercased() + word.dropFirst()
        }
        if name.first?.isNumber ?? true { name = "_" + name }
        return identifier(name)
    }

    /// `RunInstance` as `runInstance`.
    static func lowerFirst(_ name: String) -> String { name.prefix(1).lowercased() + name.dropFirst() }

    /// A string literal.
    static func literal(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Text of many lines as a literal that needs no escapes.
    static func multilineLiteral(_ text: String) -> String { "##\"\"\"\n\(text)\n\"\"\"##" }

    /// A doc comment, wrapped.
    static func comment(_ text: String, indent: Int) -> String {
        let width = 116 - indent
        var lines: [String] = []
        for (number, paragraph) in text.split(separator: "\n", omittingEmptySubsequences: true).enumerated() {
            if number > 0 { lines.append("///") }
            var line = "///"
            for word in paragraph.split(separator: " ") {
                if line.count + 1 + word.count > width {
                    lines.append(line)
                    line = "///"
                }
                line += " " + word
            }
            lines.append(line)
        }
        return lines.map { String(repeating: " ", count: indent) + $0 + "\n" }.joined()
    }
}
