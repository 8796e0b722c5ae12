/// Parses the Python of a condition by recursive descent; nesting is bounded.
struct ConditionParser {
    private enum Token: Equatable {
        case name(String)
        case text(String)
        case integer(Int)
        case float(Double)
        case symbol(String)
        case end
    }

    private let tokens: [Token]
    private var at = 0
    private var depth = 0
    private(set) var names: [String] = []

    private static let maximumDepth = 50
    private static let maximumTokens = 2000

    init(_ source: String) throws(Condition.Failure) {
        tokens = try Self.tokens(source)
    }

    mutating func all() throws(Condition.Failure) -> Condition.Expression {
        guard peek != .end else { throw failure("the condition is empty") }
        let result = try expression()
        guard peek == .end else { throw failure("'\(shown(peek))' is not expected") }
        return result
    }

    private func failure(_ text: String) -> Condition.Failure { Condition.Failure(description: text) }

    private var peek: Token { at < tokens.count ? tokens[at] : .end }

    private func shown(_ token: Token) -> String {
        switch token {
        case .name(let name): name
        case .text(let text): "\"\(text)\""
        case .integer(let value): String(value)
        case .float(let value): String(value)
        case .symbol(let symbol): symbol
        case .end: "the end"
        }
    }

    private mutating func take(_ symbol: String) -> Bool {
        guard peek == .symbol(symbol) || peek == .name(symbol) else { return false }
        at += 1
        return true
    }

    private mutating func expression() throws(Condition.Failure) -> Condition.Expression {
        depth += 1
        guard depth <= Self.maximumDepth else { throw failure("it is nested too deep") }
        defer { depth -= 1 }
        var result = try conjunction()
        while take("or") { result = .or(result, try conjunction()) }
        if peek == .name("if") || peek == .name("lambda") || peek == .name("for") {
            throw failure("'\(shown(peek))' is not supported in conditions")
        }
        return result
    }

    private mutating func conjunction() throws(Condition.Failure) -> Condition.Expression {
        var result = try negation()
        while take("and") { result = .and(result, try negation()) }
        return result
    }

    private mutating func negation() throws(Condition.Failure) -> Condition.Expression {
        var count = 0
        while take("not") { count += 1 }
        let operand = try comparison()
        switch count {
        case 0: return operand
        case 1: return .not(operand)
        default: return count % 2 == 1 ? .not(operand) : .not(.not(operand))
        }
    }

    private mutating func comparison() throws(Condition.Failure) -> Condition.Expression {
        let first = try sum()
        var rest: [(String, Condition.Expression)] = []
        while true {
            var operation: String?
            if case .symbol(let symbol) = peek, ["==", "!=", "<>", "<", ">", "<=", ">="].contains(symbol) {
                operation = symbol
                at += 1
            } else if take("in") {
                operation = "in"
            } else if take("is") {
                operation = take("not") ? "is not" : "is"
            } else if peek == .name("not"), at + 1 < tokens.count, tokens[at + 1] == .name("in") {
                at += 2
                operation = "not in"
            }
            guard let operation else { break }
            rest.append((operation, try sum()))
        }
        if peek == .symbol("=") { throw failure("'=' assigns in Python; compare with '=='") }
        return rest.isEmpty ? first : .comparison(first, rest)
    }

    private mutating func sum() throws(Condition.Failure) -> Condition.Expression {
        var result = try product()
        while case .symbol(let symbol) = peek, symbol == "+" || symbol == "-" {
            at += 1
            result = .arithmetic(symbol, result, try product())
        }
        return result
    }

    private mutating func product() throws(Condition.Failure) -> Condition.Expression {
        var result = try unary()
        while case .symbol(let symbol) = peek, ["*", "/", "%"].contains(symbol) {
            at += 1
            result = .arithmetic(symbol, result, try unary())
        }
        return result
    }

    private mutating func unary() throws(Condition.Failure) -> Condition.Expression {
        var isNegative = false
        while case .symbol(let symbol) = peek, symbol == "-" || symbol == "+" {
            if symbol == "-" { isNegative.toggle() }
            at += 1
        }
        let operand = try primary()
        return isNegative ? .negative(operand) : operand
    }

    private static let keywords: Set = [
        "and", "or", "not", "in", "is", "if", "else", "lambda", "for", "print", "import", "exec", "yield", "def",
        "class",
        "return", "pass", "del", "from", "as", "with", "while", "try", "assert", "raise", "global", "break", "continue",
    ]

    private mutating func primary() throws(Condition.Failure) -> Condition.Expression {
        let token = peek
        at += 1
        var result: Condition.Expression
        switch token {
        case .integer(let value): result = .value(.integer(value))
        case .float(let value): result = .value(.float(value))
        case .text(let text):
            var text = text
            // Texts side by side are one.
            while case .text(let more) = peek {
                text += more
                at += 1
            }
            result = .value(.text(text))
        case .name("None"): result = .value(.none)
        case .name(let name):
            guard !Self.keywords.contains(name) else { throw failure("'\(name)' is not expected here") }
            if !names.contains(name) { names.append(name) }
            result = .name(name)
        case .symbol("("), .symbol("["):
            let close = token == .symbol("(") ? ")" : "]"
            var items: [Condition.Expression] = []
            var isSequence = close == "]"
            while !take(close) {
                items.append(try expression())
                if take(",") {
                    isSequence = true
                } else if peek != .symbol(close) {
                    throw failure("'\(close)' is missing before '\(shown(peek))'")
                }
            }
            if items.isEmpty { isSequence = true }
            result = isSequence ? (close == ")" ? .tuple(items) : .list(items)) : items[0]
        case .end: throw failure("it ends where a value is expected")
        default: throw failure("'\(shown(token))' is not expected here")
        }
        if peek == .symbol("(") {
            throw failure("a function is called; in conditions every function's name is None, which Python cannot call")
        }
        if peek == .symbol(".") || peek == .symbol("[") {
            throw failure("'\(shown(peek))' after a value is not supported in conditions")
        }
        return result
    }

    // MARK: Tokens

    private static func tokens(_ source: String) throws(Condition.Failure) -> [Token] {
        func failure(_ text: String) -> Condition.Failure { Condition.Failure(description: text) }
        let text = Array(source.unicodeScalars)
        var result: [Token] = []
        var at = 0
        func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
        func isName(_ scalar: Unicode.Scalar) -> Bool {
            ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_" || isDigit(scalar)
        }
        while at < text.count {
            guard result.count < maximumTokens else { throw failure("it is too long") }
            let scalar = text[at]
            if scalar == " " || scalar == "\t" || scalar == "\n" {
                at += 1
            } else if isDigit(scalar) || (scalar == "." && at + 1 < text.count && isDigit(text[at + 1])) {
                let start = at
                while at < text.count, isName(text[at]) || text[at] == "." { at += 1 }
                let word = String(String.UnicodeScalarView(text[start..<at]))
                let lower = word.lowercased()
                if lower.hasPrefix("0x"), let value = Int(lower.dropFirst(2), radix: 16) {
                    result.append(.integer(value))
                } else if word.allSatisfy(\.isNumber) {
                    // A leading 0 means octal.
                    guard let value = word.hasPrefix("0") ? Int(word, radix: 8) : Int(word) else {
                        throw failure("'\(word)' is no number of Python 2")
                    }
                    result.append(.integer(value))
                } else if let value = Double(word) {
                    result.append(.float(value))
                } else {
                    throw failure("'\(word)' is no number of Python 2")
                }
            } else if isName(scalar) {
                let start = at
                while at < text.count, isName(text[at]) { at += 1 }
                result.append(.name(String(String.UnicodeScalarView(text[start..<at]))))
            } else if scalar == "'" || scalar == "\"" {
                var value = String.UnicodeScalarView()
                at += 1
                while true {
                    guard at < text.count else { throw failure("a text is not closed with \(scalar)") }
                    if text[at] == scalar { break }
                    if text[at] == "\\", at + 1 < text.count {
                        let escapes: [Unicode.Scalar: Unicode.Scalar] = [
                            "n": "\n", "t": "\t", "\\": "\\", "'": "'", "\"": "\"",
                        ]
                        if let escaped = escapes[text[at + 1]] {
                            value.append(escaped)
                            at += 2
                            continue
                        }
                    }
                    value.append(text[at])
                    at += 1
                }
                at += 1
                result.append(.text(String(value)))
            } else {
                let pair = at + 1 < text.count ? String(String.UnicodeScalarView(text[at..<at + 2])) : ""
                if ["==", "!=", "<>", "<=", ">="].contains(pair) {
                    result.append(.symbol(pair))
                    at += 2
                } else if "()[],<>=+-*/%.".unicodeScalars.contains(scalar) {
                    result.append(.symbol(String(Character(scalar))))
                    at += 1
                } else {
                    let hint =
                        scalar == "&" || scalar == "|" || scalar == "!" ? "; write 'and', 'or', 'not' in words" : ""
                    throw failure("'\(Character(scalar))' has no meaning in a condition\(hint)")
                }
            }
        }
        return result
    }
}
