// JSON (RFC 8259) as values: a parser with limits and a writer.
//
// What lives here: JSONValue, JSONParser, JSONWriter. What does not: mapping to types (callers pick members by name),
// streaming of documents larger than memory, comments or other extensions.
//
// How it fails: the parser throws JSONError with the byte offset; it never traps, whatever the bytes. The writer cannot
// fail; numbers that JSON has no text for (infinities, NaN) become null.

/// One JSON value. Objects keep the order of their members.
public enum JSONValue: Sendable, Equatable {
    /// null
    case null
    /// true, false
    case bool(Bool)
    /// A number without fraction and exponent that fits 64 bits.
    case integer(Int64)
    /// Any other number.
    case double(Double)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object; the parser refuses two members of one name.
    case object([JSONMember])

    /// An object of these members, in this order.
    public static func members(_ members: (String, JSONValue)...) -> JSONValue {
        var list: [JSONMember] = []
        list.reserveCapacity(members.count)
        for (name, value) in members { list.append(JSONMember(name, value)) }
        return .object(list)
    }

    /// An array of strings.
    public static func strings(_ strings: [String]) -> JSONValue {
        .array(strings.map { text in .string(text) })
    }

    /// The value of an object's member; nil if this is no object or has no such member.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        for member in members where member.name == name { return member.value }
        return nil
    }

    /// The text of a string, nil for anything else.
    public var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The value of a number without fraction ("3", "3.0", "3e2"), nil for anything else.
    public var int64: Int64? {
        switch self {
        case .integer(let value): value
        case .double(let value): Int64(exactly: value)
        default: nil
        }
    }

    /// The value of any number, nil for anything else.
    public var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// The value of true or false, nil for anything else.
    public var boolean: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The elements of an array, nil for anything else.
    public var elements: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The members of an object, nil for anything else.
    public var objectMembers: [JSONMember]? {
        if case .object(let members) = self { members } else { nil }
    }
}

/// One member of an object.
public struct JSONMember: Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Its value.
    public var value: JSONValue

    /// Creates a member.
    public init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}

/// Why bytes are not the JSON that was expected.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of failure.
    public enum Code: String, Sendable, Equatable {
        /// A character that cannot stand there.
        case unexpectedCharacter = "unexpected character"
        /// The bytes end within a value.
        case unexpectedEnd = "unexpected end"
        /// Bytes follow after the value.
        case trailingBytes = "bytes after the value"
        /// Arrays and objects are nested too deeply.
        case tooDeep = "nested too deeply"
        /// There are more bytes than allowed.
        case tooLarge = "too large"
        /// A number that JSON does not know ("01", "1.", "+1") or that no double can hold.
        case invalidNumber = "invalid number"
        /// A string with a control character, an unknown escape or half of a surrogate pair.
        case invalidString = "invalid string"
        /// Bytes that are not UTF-8.
        case invalidUTF8 = "invalid UTF-8"
        /// Two members of an object have one name.
        case duplicateMember = "duplicate member"
    }

    /// Kind of failure.
    public let code: Code
    /// Where, counted in bytes from 0.
    public let offset: Int

    /// Creates an error.
    public init(_ code: Code, at offset: Int) {
        self.code = code
        self.offset = offset
    }

    /// "invalid JSON: unexpected end at byte 12"
    public var description: String { "invalid JSON: \(code.rawValue) at byte \(offset)" }
}
