// Condition operators ("IAM JSON policy elements: Condition operators").

/// One key of one operator, with the values of which one has to match.
struct PolicyCondition: Sendable {
    private enum Comparison: Sendable {
        case stringEquals, stringEqualsIgnoringCase, stringLike, arn, bool, null, address
        case numeric(Order)
        case date(Order)
    }

    private enum Order: Sendable {
        case equal, less, lessOrEqual, greater, greaterOrEqual

        func holds<T: Comparable>(_ one: T, _ other: T) -> Bool {
            switch self {
            case .equal: one == other
            case .less: one < other
            case .lessOrEqual: one <= other
            case .greater: one > other
            case .greaterOrEqual: one >= other
            }
        }
    }

    private enum Quantifier: Sendable { case single, anyValue, allValues }

    private let comparison: Comparison
    private let isInverted: Bool
    private let ifExists: Bool
    private let quantifier: Quantifier
    /// In lower case.
    let key: String
    /// As the document has it.
    let writtenKey: String
    let values: [String]

    /// Whether a condition may begin with this.
    static func isOperator(_ name: String) -> Bool { comparison(parts(of: name).name) != nil }

    /// Whether its values are moments.
    static func isAboutTime(_ name: String) -> Bool {
        if case (.date, _)? = comparison(parts(of: name).name) { true } else { false }
    }

    private static func parts(of name: String) -> (quantifier: Quantifier, name: String, ifExists: Bool) {
        var text = Substring(name)
        var quantifier = Quantifier.single
        if text.hasPrefix("ForAnyValue:") {
            quantifier = .anyValue
            text = text.dropFirst(12)
        } else if text.hasPrefix("ForAllValues:") {
            quantifier = .allValues
            text = text.dropFirst(13)
        }
        let ifExists = text.hasSuffix("IfExists")
        if ifExists { text = text.dropLast(8) }
        return (quantifier, String(text), ifExists)
    }

    init(_ name: String, key: String, values: [String]) throws(PolicyError) {
        let (quantifier, plain, ifExists) = Self.parts(of: name)
        guard let (comparison, isInverted) = Self.comparison(plain) else {
            throw PolicyError("Invalid Condition type : \(name)")
        }
        self.comparison = comparison
        self.isInverted = isInverted
        self.ifExists = ifExists
        self.quantifier = quantifier
        self.key = key.lowercased()
        writtenKey = key
        self.values = values
    }

    private static func comparison(_ name: String) -> (Comparison, isInverted: Bool)? {
        switch name {
        case "StringEquals", "BinaryEquals": (.stringEquals, false)
        case "StringNotEquals": (.stringEquals, true)
        case "StringEqualsIgnoreCase": (.stringEqualsIgnoringCase, false)
        case "StringNotEqualsIgnoreCase": (.stringEqualsIgnoringCase, true)
        case "StringLike": (.stringLike, false)
        case "StringNotLike": (.stringLike, true)
        case "ArnEquals", "ArnLike": (.arn, false)
        case "ArnNotEquals", "ArnNotLike": (.arn, true)
        case "Bool": (.bool, false)
        case "Null": (.null, false)
        case "IpAddress": (.address, false)
        case "NotIpAddress": (.address, true)
        case "NumericEquals": (.numeric(.equal), false)
        case "NumericNotEquals": (.numeric(.equal), true)
        case "NumericLessThan": (.numeric(.less), false)
        case "NumericLessThanEquals": (.numeric(.lessOrEqual), false)
        case "NumericGreaterThan": (.numeric(.greater), false)
        case "NumericGreaterThanEquals": (.numeric(.greaterOrEqual), false)
        case "DateEquals": (.date(.equal), false)
        case "DateNotEquals": (.date(.equal), true)
        case "DateLessThan": (.date(.less), false)
        case "DateLessThanEquals": (.date(.lessOrEqual), false)
        case "DateGreaterThan": (.date(.greater), false)
        case "DateGreaterThanEquals": (.date(.greaterOrEqual), false)
        default: nil
        }
    }

    /// Whether it is about what the account holds after the request.
    var isQuota: Bool { PolicyPattern.matches(key, "*:quota-*") }

    /// The original's conditions that forbid nothing, but say until when an instance may run: `ec2:KeepAlive` in minutes
    /// from its launch, `ec2:ExpirationTime` as a moment.
    var isLifetime: Bool { key == "ec2:keepalive" || key == "ec2:expirationtime" }

    /// The latest end that it grants, in seconds since 1970.
    func end(launchedAt now: Int64) -> Int64? {
        guard isLifetime else { return nil }
        return values.compactMap { value in
            if key == "ec2:expirationtime" { return PolicyDate.seconds(value) }
            // No instance lives for a thousand years.
            guard let minutes = Int64(value), (1...525_960_000).contains(minutes) else { return nil }
            return now + minutes * 60
        }.max()
    }

    func isBinding(_ keys: Set<String>) -> Bool {
        // A binding to everything binds nothing.
        keys.contains(key) && !isInverted && !ifExists
            && !values.contains { ["*", "0.0.0.0/0", "::/0"].contains($0) }
    }

    func holds(_ request: PolicyRequest) -> Bool {
        if isLifetime { return true }
        let actual = request.context(key)
        if case .null = comparison {
            let isAbsent = actual?.isEmpty ?? true
            return values.contains { ($0.lowercased() == "true") == isAbsent }
        }
        guard let actual, !actual.isEmpty else {
            // An inverted comparison with nothing holds, others do not.
            return ifExists || isInverted || quantifier == .allValues
        }
        let expected = values.compactMap { Self.substituted($0, request) }
        func matches(_ value: String) -> Bool { expected.contains { compare(value, $0) } != isInverted }
        switch quantifier {
        case .single, .anyValue: return actual.contains(where: matches)
        case .allValues: return actual.allSatisfy(matches)
        }
    }

    private func compare(_ value: String, _ text: PolicyPattern.Text) -> Bool {
        if case .stringLike = comparison { return text.matches(value) }
        if case .arn = comparison { return text.matches(value) }
        let expected = text.plain
        return switch comparison {
        case .stringEquals: value.utf8.elementsEqual(expected.utf8)
        case .stringEqualsIgnoringCase: value.lowercased() == expected.lowercased()
        case .stringLike, .arn: false
        case .bool: value.lowercased() == expected.lowercased()
        case .null: false
        case .address: PolicyAddress.isIn(value, block: expected)
        case .numeric(let order):
            if let one = Double(value), let other = Double(expected) { order.holds(one, other) } else { false }
        case .date(let order):
            if let one = PolicyDate.seconds(value), let other = PolicyDate.seconds(expected) {
                order.holds(one, other)
            } else {
                false
            }
        }
    }

    /// Puts in the values of policy variables, which stand for themselves even if they hold wildcards: `${aws:username}`,
    /// `${aws:PrincipalTag/team, 'none'}` with a default, and `${*}`, `${?}`, `${$}`. nil if the request has no value for
    /// one of them: nothing matches that, lest `${aws:PrincipalTag/team}*` matches everything for those without a tag.
    static func substituted(_ pattern: String, _ request: PolicyRequest) -> PolicyPattern.Text? {
        guard pattern.utf8.contains(UInt8(ascii: "$")) else { return PolicyPattern.Text(pattern: pattern) }
        var result = PolicyPattern.Text(pattern: "")
        var rest = Substring(pattern)
        while let dollar = rest.firstIndex(of: "$") {
            result.append(pattern: rest[..<dollar])
            rest = rest[dollar...]
            guard rest.hasPrefix("${"), let end = rest.firstIndex(of: "}") else {
                result.append(pattern: rest)
                return result
            }
            let inner = rest[rest.index(rest.startIndex, offsetBy: 2)..<end]
            let parts = inner.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].filter { $0 != " " }
            if ["*", "?", "$"].contains(name) {
                result.append(literal: name)
            } else if let value = request.context(name.lowercased())?.first {
                result.append(literal: value)
            } else if parts.count == 2, let open = parts[1].firstIndex(of: "'"),
                let close = parts[1].lastIndex(of: "'"),
                open < close
            {
                result.append(literal: String(parts[1][parts[1].index(after: open)..<close]))
            } else {
                return nil
            }
            rest = rest[rest.index(after: end)...]
        }
        result.append(pattern: rest)
        return result
    }
}

/// Addresses and blocks of them.
enum PolicyAddress {
    static func isIn(_ address: String, block: String) -> Bool {
        let parts = block.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let base = bits(String(parts[0])), let value = bits(address), base.count == value.count else {
            return false
        }
        let length: Int
        if parts.count == 2 {
            guard let given = Int(parts[1]), (0...base.count * 8).contains(given) else { return false }
            length = given
        } else {
            length = base.count * 8
        }
        for bit in 0..<length where (base[bit / 8] ^ value[bit / 8]) & (0x80 >> UInt8(bit % 8)) != 0 { return false }
        return true
    }

    /// 4 or 16 bytes.
    private static func bits(_ text: String) -> [UInt8]? {
        if !text.utf8.contains(UInt8(ascii: ":")) {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 4 else { return nil }
            var bytes: [UInt8] = []
            for part in parts {
                guard let byte = UInt8(part) else { return nil }
                bytes.append(byte)
            }
            return bytes
        }
        var head: [UInt16] = []
        var tail: [UInt16]?
        var pieces = text.split(separator: ":", omittingEmptySubsequences: false)
        if pieces.first == "", pieces.count > 1, pieces[1] == "" { pieces.removeFirst() }
        if pieces.last == "", pieces.count > 1, pieces[pieces.count - 2] == "" { pieces.removeLast() }
        for piece in pieces {
            if piece.isEmpty {
                guard tail == nil else { return nil }
                tail = []
            } else {
                guard piece.utf8.count <= 4, let value = UInt16(piece, radix: 16) else { return nil }
                if tail == nil { head.append(value) } else { tail?.append(value) }
            }
        }
        let missing = 8 - head.count - (tail?.count ?? 0)
        guard tail == nil ? missing == 0 : missing >= 1 else { return nil }
        let words = head + [UInt16](repeating: 0, count: missing) + (tail ?? [])
        return words.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }
}

/// Times: seconds since 1970, or `YYYY-MM-DD[Thh:mm:ss[.fff]Z]`.
enum PolicyDate {
    static func seconds(_ text: String) -> Int64? {
        if let number = Int64(text) { return number }
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int64? {
            guard range.upperBound <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[range] {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            return value
        }
        guard bytes.count >= 10, bytes[4] == 0x2D, bytes[7] == 0x2D, let year = number(0..<4),
            let month = number(5..<7), let day = number(8..<10), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        // Days from the civil calendar (Howard Hinnant's algorithm).
        let y = month <= 2 ? year - 1 : year
        let era = y / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        if bytes.count == 10 { return days * 86_400 }
        guard bytes.count >= 19, bytes[10] == 0x54, bytes[13] == 0x3A, bytes[16] == 0x3A, let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), hour < 24, minute < 60, second <= 60
        else { return nil }
        return days * 86_400 + hour * 3600 + minute * 60 + second
    }
}
