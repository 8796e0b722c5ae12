// Simple values of XML Schema as Swift has them. Source: XML Schema part 2 (2nd edition).
import XML

/// Reads and writes the text of simple types.
enum ContractValue {
    // MARK: Reading

    static func string(_ xml: XMLElement) throws(ContractError) -> String {
        for case .element(let child) in xml.content {
            throw ContractError(message: "text is expected, not the element \(child.localName)")
        }
        return xml.text
    }

    /// A token: white space around it does not count.
    static func token(_ xml: XMLElement) throws(ContractError) -> String { try string(xml).trimmingXMLWhitespace() }

    /// An xsd:int: 32 bits on every machine.
    static func int(_ xml: XMLElement) throws(ContractError) -> Int {
        let text = try token(xml)
        guard let value = Int32(text) else { throw wrong(text, "a whole number of 32 bits") }
        return Int(value)
    }

    static func long(_ xml: XMLElement) throws(ContractError) -> Int64 {
        let text = try token(xml)
        guard let value = Int64(text) else { throw wrong(text, "a whole number of 64 bits") }
        return value
    }

    static func boolean(_ xml: XMLElement) throws(ContractError) -> Bool {
        switch try token(xml) {
        case "true", "1": return true
        case "false", "0": return false
        case let text: throw wrong(text, "true or false")
        }
    }

    static func double(_ xml: XMLElement) throws(ContractError) -> Double {
        switch try token(xml) {
        case "INF": return .infinity
        case "-INF": return -.infinity
        case "NaN": return .nan
        case let text:
            // Swift also reads hexadecimal and names, which the schema does not know.
            for byte in text.utf8 {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
                    UInt8(ascii: "e"), UInt8(ascii: "E"):
                    continue
                default: throw wrong(text, "a number")
                }
            }
            guard let value = Double(text) else { throw wrong(text, "a number") }
            return value
        }
    }

    static func base64(_ xml: XMLElement) throws(ContractError) -> [UInt8] {
        let text = try string(xml)
        guard let bytes = Base64.decode(text) else { throw ContractError(message: "the text is not base64") }
        return bytes
    }

    /// An xsd:dateTime in milliseconds since 1970 UTC.
    static func dateTime(_ xml: XMLElement) throws(ContractError) -> Int64 {
        let text = try token(xml)
        guard let value = DateTime.parse(text) else {
            throw wrong(text, "a date and time such as 2026-01-31T12:00:00.000Z")
        }
        return value
    }

    // MARK: Facets

    /// A string whose length in characters (Unicode scalars) is in `lengths`.
    static func checked(_ value: String, lengths: ClosedRange<Int>) throws(ContractError) -> String {
        let count = value.unicodeScalars.count
        guard lengths.contains(count) else {
            throw ContractError(message: "the text has \(count) characters; \(described(lengths)) are allowed")
        }
        return value
    }

    /// A number that is in `range`.
    static func checked<Number: FixedWidthInteger>(
        _ value: Number, in range: ClosedRange<Number>
    ) throws(ContractError) -> Number {
        guard range.contains(value) else {
            throw ContractError(message: "\(value) is out of range; \(described(range)) is allowed")
        }
        return value
    }

    private static func described<Number: FixedWidthInteger>(_ range: ClosedRange<Number>) -> String {
        if range.upperBound == Number.max { return "\(range.lowerBound) or more" }
        if range.lowerBound == Number.min { return "\(range.upperBound) or less" }
        return "\(range.lowerBound) to \(range.upperBound)"
    }

    /// The error for text that is no value of its type. Long text is cut, so that logs stay readable.
    static func wrong(_ text: String, _ expected: String) -> ContractError {
        let shown = text.unicodeScalars.count > 60 ? String(text.prefix(60)) + "…" : text
        return ContractError(message: "\"\(shown)\" is not \(expected)")
    }

    // MARK: Writing

    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-INF" : "INF" }
        return "\(value)"
    }
}
