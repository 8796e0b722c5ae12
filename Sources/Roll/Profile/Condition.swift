/// A condition as it stands in `cond=`: a Python 2 expression over a host's attributes.
///
/// Rocks evaluates it with Python's `eval`, where every name that is no attribute of the host is None, and so are `True`
/// and `False`, since in Python 2 these are names as well. Attributes are converted first: on, true, yes, y to True;
/// off, false, no, n to False; then whole and decimal numbers; everything else stays text.
///
/// Here the part of Python that makes sense there is parsed and evaluated by hand: `or`, `and`, `not`, comparisons
/// (chained ones and `in`, `is`, `<>` as well), `+ - * / %`, literals, tuples and lists. Nothing is ever executed.
public struct Condition: Sendable {
    /// Why a condition is none, or has no value.
    public struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        /// The cause.
        public let description: String
    }

    /// A value of Python.
    indirect enum Value: Sendable {
        case none
        case boolean(Bool)
        case integer(Int)
        case float(Double)
        case text(String)
        case list([Value])
        case tuple([Value])
    }

    indirect enum Expression: Sendable {
        case value(Value)
        case name(String)
        case list([Expression])
        case tuple([Expression])
        case not(Expression)
        case negative(Expression)
        case and(Expression, Expression)
        case or(Expression, Expression)
        case comparison(Expression, [(String, Expression)])
        case arithmetic(String, Expression, Expression)
    }

    let expression: Expression
    /// The condition as it is written.
    public let source: String
    /// The names in it, in order, each once.
    public let names: [String]

    /// Parses a condition.
    public init(_ source: String) throws(Failure) {
        var parser = try ConditionParser(source)
        expression = try parser.all()
        self.source = source
        names = parser.names
    }

    /// Joins the older attributes arch, os and release, each a list with commas, with a condition, as Rocks does; nil if
    /// there is none of them.
    public static func joined(arch: String?, os: String?, release: String?, cond: String?) -> String? {
        var parts: [String] = []
        for (name, list) in [("arch", arch), ("os", os), ("release", release)] {
            guard let list, !list.isEmpty else { continue }
            let tests = list.split(separator: ",", omittingEmptySubsequences: false)
                .map { "\(name)==\"\(String($0).trimmingSpaces())\"" }
            parts.append("( \(tests.joined(separator: " or ")) )")
        }
        if let cond, !cond.isEmpty { parts.append(cond) }
        return parts.isEmpty ? nil : parts.joined(separator: " and ")
    }

    /// Whether it holds for a host.
    ///
    /// - Throws: `Failure` where Python would: a comparison by `in` with None, arithmetic with text.
    public func holds(_ attributes: [String: String]) throws(Failure) -> Bool {
        Self.isTrue(try Self.evaluate(expression, attributes))
    }

    // MARK: Evaluation

    static func isTrue(_ value: Value) -> Bool {
        switch value {
        case .none: false
        case .boolean(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .text(let value): !value.isEmpty
        case .list(let values), .tuple(let values): !values.isEmpty
        }
    }

    static func converted(_ text: String) -> Value {
        switch text.lowercased() {
        case "on", "true", "yes", "y": return .boolean(true)
        case "off", "false", "no", "n": return .boolean(false)
        default: break
        }
        let trimmed = text.trimmingSpaces()
        if let value = Int(trimmed) { return .integer(value) }
        // What Swift takes for a number beyond Python: hexadecimal.
        if !trimmed.lowercased().contains("x"), let value = Double(trimmed) { return .float(value) }
        return .text(text)
    }

    private static func evaluate(_ expression: Expression, _ attributes: [String: String]) throws(Failure) -> Value {
        switch expression {
        case .value(let value): return value
        case .name(let name): return attributes[name].map(converted) ?? .none
        case .list(let items), .tuple(let items):
            var values: [Value] = []
            for item in items { values.append(try evaluate(item, attributes)) }
            if case .list = expression { return .list(values) }
            return .tuple(values)
        case .not(let operand): return .boolean(!isTrue(try evaluate(operand, attributes)))
        case .negative(let operand):
            switch number(try evaluate(operand, attributes)) {
            case .integer(let value) where value != .min: return .integer(-value)
            case .float(let value): return .float(-value)
            default: throw Failure(description: "a minus sign stands before what is no number")
            }
        case .and(let left, let right):
            let value = try evaluate(left, attributes)
            return isTrue(value) ? try evaluate(right, attributes) : value
        case .or(let left, let right):
            let value = try evaluate(left, attributes)
            return isTrue(value) ? value : try evaluate(right, attributes)
        case .comparison(let first, let rest):
            var left = try evaluate(first, attributes)
            for (operation, operand) in rest {
                let right = try evaluate(operand, attributes)
                guard try compare(operation, left, right) else { return .boolean(false) }
                left = right
            }
            return .boolean(true)
        case .arithmetic(let operation, let left, let right):
            return try calculate(operation, try evaluate(left, attributes), try evaluate(right, attributes))
        }
    }

    /// Booleans are numbers in Python.
    private static func number(_ value: Value) -> Value {
        if case .boolean(let value) = value { return .integer(value ? 1 : 0) }
        return value
    }

    private static func compare(_ operation: String, _ left: Value, _ right: Value) throws(Failure) -> Bool {
        switch operation {
        case "==": return order(left, right) == 0
        case "!=", "<>": return order(left, right) != 0
        case "<": return order(left, right) < 0
        case ">": return order(left, right) > 0
        case "<=": return order(left, right) <= 0
        case ">=": return order(left, right) >= 0
        case "is", "is not":
            let same: Bool
            switch (left, right) {
            case (.none, .none): same = true
            case (.boolean(let one), .boolean(let other)): same = one == other
            case (.integer(let one), .integer(let other)): same = one == other
            default: same = false
            }
            return same == (operation == "is")
        case "in", "not in":
            let found: Bool
            switch (left, right) {
            case (_, .list(let values)), (_, .tuple(let values)): found = values.contains { order(left, $0) == 0 }
            case (.text(let part), .text(let whole)): found = part.isEmpty || whole.contains(part)
            case (_, .text):
                throw Failure(description: "'in' looks for what is no text within a text; Python stops there")
            default:
                throw Failure(
                    description:
                        "'in' looks within what is no text or list (an attribute that the host lacks is None); "
                        + "Python stops there")
            }
            return found == (operation == "in")
        default: throw Failure(description: "the comparison \(operation) is not known")
        }
    }

    /// Python 2's order of everything: None, numbers, then lists, texts and tuples by the names of their types.
    private static func order(_ left: Value, _ right: Value) -> Int {
        func rank(_ value: Value) -> Int {
            switch value {
            case .none: 0
            case .boolean, .integer, .float: 1
            case .list: 2
            case .text: 3
            case .tuple: 4
            }
        }
        func sign<Item: Comparable>(_ one: Item, _ other: Item) -> Int { one < other ? -1 : one == other ? 0 : 1 }
        switch (number(left), number(right)) {
        case (.none, .none): return 0
        case (.integer(let one), .integer(let other)): return sign(one, other)
        case (.integer(let one), .float(let other)): return sign(Double(one), other)
        case (.float(let one), .integer(let other)): return sign(one, Double(other))
        case (.float(let one), .float(let other)): return sign(one, other)
        case (.text(let one), .text(let other)):
            if one.utf8.elementsEqual(other.utf8) { return 0 }
            return one.utf8.lexicographicallyPrecedes(other.utf8) ? -1 : 1
        case (.list(let one), .list(let other)), (.tuple(let one), .tuple(let other)):
            for (left, right) in zip(one, other) {
                let result = order(left, right)
                if result != 0 { return result }
            }
            return sign(one.count, other.count)
        default: return sign(rank(left), rank(right))
        }
    }

    private static func calculate(_ operation: String, _ left: Value, _ right: Value) throws(Failure) -> Value {
        let failure = Failure(description: "\(operation) cannot be applied to these values; Python stops there")
        if operation == "+", case .text(let one) = left, case .text(let other) = right { return .text(one + other) }
        switch (number(left), number(right)) {
        case (.integer(let one), .integer(let other)):
            let result: (partialValue: Int, overflow: Bool)
            switch operation {
            case "+": result = one.addingReportingOverflow(other)
            case "-": result = one.subtractingReportingOverflow(other)
            case "*": result = one.multipliedReportingOverflow(by: other)
            default:
                guard other != 0 else { throw Failure(description: "division by zero; Python stops there") }
                // Python rounds down, and the remainder has the divisor's sign.
                let division = one.quotientAndRemainderFloored(other)
                guard let division else { throw failure }
                result = (operation == "/" ? division.quotient : division.remainder, false)
            }
            guard !result.overflow else { throw Failure(description: "the number is too large") }
            return .integer(result.partialValue)
        case (let one, let other):
            guard let one = double(one), let other = double(other) else { throw failure }
            switch operation {
            case "+": return .float(one + other)
            case "-": return .float(one - other)
            case "*": return .float(one * other)
            default:
                guard other != 0 else { throw Failure(description: "division by zero; Python stops there") }
                return .float(operation == "/" ? one / other : one - other * (one / other).rounded(.down))
            }
        }
    }

    private static func double(_ value: Value) -> Double? {
        switch value {
        case .integer(let value): Double(value)
        case .float(let value): value
        default: nil
        }
    }
}

extension Int {
    /// Quotient rounded down and the remainder that goes with it; nil on overflow. The divisor is not 0.
    fileprivate func quotientAndRemainderFloored(_ divisor: Int) -> (quotient: Int, remainder: Int)? {
        let quotient = dividedReportingOverflow(by: divisor)
        guard !quotient.overflow else { return nil }
        let remainder = self % divisor
        if remainder != 0, (remainder < 0) != (divisor < 0) {
            return (quotient.partialValue - 1, remainder + divisor)
        }
        return (quotient.partialValue, remainder)
    }
}

extension String {
    /// Without white space at both ends.
    func trimmingSpaces() -> String {
        func isSpace(_ character: Character) -> Bool { character.isWhitespace }
        guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else {
            return ""
        }
        return String(self[first...last])
    }
}
