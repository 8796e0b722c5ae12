import CloudModel
import JSON

/// The form of a JSON value: written as JSON Schema into the OpenAPI document, and used to check what requests bring.
/// Only what this interface needs; there are no patterns, since what names may be is the back end's to say.
public indirect enum Schema: Sendable, Equatable {
    /// A text of so many characters (code points).
    case string(StringRules = StringRules())
    /// A whole number.
    case integer(ClosedRange<Int64>)
    /// Any number.
    case number
    /// true or false.
    case boolean
    /// An array of so many elements.
    case array(Schema, ClosedRange<Int> = 0...Int.max)
    /// An object with these members and no others.
    case object([Field])
    /// An object with any member names and values of one form.
    case map(Schema, ClosedRange<Int> = 0...Int.max)
    /// One of the document's components.
    case named(String)
    /// That, or null.
    case nullable(Schema)

    /// What a text may be.
    public struct StringRules: Sendable, Equatable {
        /// Forms that are checked.
        public enum Format: String, Sendable {
            /// RFC 3339.
            case dateTime = "date-time"
            /// Base64 of bytes.
            case byte
        }
        /// Length in code points.
        public var length: ClosedRange<Int>
        /// One of these; empty for any.
        public var choices: [String]
        /// See `Format`.
        public var format: Format?
        /// Makes rules.
        public init(length: ClosedRange<Int> = 0...Int.max, choices: [String] = [], format: Format? = nil) {
            self.length = length
            self.choices = choices
            self.format = format
        }
    }

    /// A member of an object.
    public struct Field: Sendable, Equatable {
        /// Its name.
        public var name: String
        /// Its form.
        public var schema: Schema
        /// Whether it must be there.
        public var isRequired: Bool
        /// What it means.
        public var description: String

        /// A member that must be there.
        public static func required(_ name: String, _ schema: Schema, _ description: String) -> Field {
            Field(name: name, schema: schema, isRequired: true, description: description)
        }
        /// A member that may be absent.
        public static func optional(_ name: String, _ schema: Schema, _ description: String) -> Field {
            Field(name: name, schema: schema, isRequired: false, description: description)
        }
    }

    /// A text of a length.
    static func text(_ length: ClosedRange<Int> = 0...Int.max) -> Schema { .string(StringRules(length: length)) }
    /// One of some words.
    static func choice(_ words: [String]) -> Schema { .string(StringRules(choices: words)) }
    /// A moment.
    static let moment = Schema.string(StringRules(format: .dateTime))
    /// A number that is not negative.
    static let count = Schema.integer(0...Int64.max)
}

// MARK: JSON Schema

extension Schema {
    /// As JSON Schema 2020-12, which OpenAPI 3.1 takes.
    var document: JSONValue { .object(members) }

    private var members: [JSONMember] {
        switch self {
        case .string(let rules):
            var members = [JSONMember("type", .string("string"))]
            if rules.length.lowerBound > 0 {
                members.append(JSONMember("minLength", .integer(Int64(rules.length.lowerBound))))
            }
            if rules.length.upperBound < .max {
                members.append(JSONMember("maxLength", .integer(Int64(rules.length.upperBound))))
            }
            if !rules.choices.isEmpty { members.append(JSONMember("enum", .strings(rules.choices))) }
            if let format = rules.format { members.append(JSONMember("format", .string(format.rawValue))) }
            return members
        case .integer(let range):
            var members = [JSONMember("type", .string("integer"))]
            if range.lowerBound > .min { members.append(JSONMember("minimum", .integer(range.lowerBound))) }
            if range.upperBound < .max { members.append(JSONMember("maximum", .integer(range.upperBound))) }
            return members
        case .number: return [JSONMember("type", .string("number"))]
        case .boolean: return [JSONMember("type", .string("boolean"))]
        case .array(let element, let count):
            var members = [JSONMember("type", .string("array")), JSONMember("items", element.document)]
            if count.lowerBound > 0 { members.append(JSONMember("minItems", .integer(Int64(count.lowerBound)))) }
            if count.upperBound < .max { members.append(JSONMember("maxItems", .integer(Int64(count.upperBound)))) }
            return members
        case .object(let fields):
            let properties = fields.map { field in
                JSONMember(field.name, .object(Self.described(field.schema, field.description)))
            }
            var members = [JSONMember("type", .string("object")), JSONMember("properties", .object(properties))]
            let required = fields.filter { $0.isRequired }.map { $0.name }
            if !required.isEmpty { members.append(JSONMember("required", .strings(required))) }
            members.append(JSONMember("additionalProperties", .bool(false)))
            return members
        case .map(let value, let count):
            var members = [JSONMember("type", .string("object")), JSONMember("additionalProperties", value.document)]
            if count.upperBound < .max {
                members.append(JSONMember("maxProperties", .integer(Int64(count.upperBound))))
            }
            return members
        case .named(let name): return [JSONMember("$ref", .string("#/components/schemas/" + name))]
        case .nullable(let schema):
            var members = schema.members
            if let index = members.firstIndex(where: { $0.name == "type" }), let type = members[index].value.text {
                members[index].value = .strings([type, "null"])
                return members
            }
            return [JSONMember("oneOf", .array([schema.document, .members(("type", .string("null")))]))]
        }
    }

    /// A schema with its description; beside a reference, OpenAPI 3.1 allows one.
    static func described(_ schema: Schema, _ description: String) -> [JSONMember] {
        description.isEmpty ? schema.members : schema.members + [JSONMember("description", .string(description))]
    }
}

// MARK: Checking

/// What is wrong with a value, and where.
public struct SchemaViolation: Error, Sendable, Equatable {
    /// JSON Pointer (RFC 6901) to the place; empty for the whole value.
    public var pointer: String
    /// What it must be.
    public var detail: String
}

extension Schema {
    /// Everything that is wrong with a value, at most 20 findings.
    func violations(in value: JSONValue, components: [String: Schema]) -> [SchemaViolation] {
        var found: [SchemaViolation] = []
        check(value, "", components, &found)
        return found
    }

    private func check(
        _ value: JSONValue, _ pointer: String, _ components: [String: Schema], _ found: inout [SchemaViolation]
    ) {
        if found.count >= 20 { return }
        func wrong(_ detail: String) { found.append(SchemaViolation(pointer: pointer, detail: detail)) }
        switch self {
        case .string(let rules):
            guard let text = value.text else { return wrong("It must be a text.") }
            if !rules.choices.isEmpty, !rules.choices.contains(text) {
                return wrong("It must be one of: \(rules.choices.joined(separator: ", ")).")
            }
            let length = text.unicodeScalars.count
            if !rules.length.contains(length) {
                let most = rules.length.upperBound == .max ? "or more" : "to \(rules.length.upperBound)"
                return wrong("It must have \(rules.length.lowerBound) \(most) characters; it has \(length).")
            }
            switch rules.format {
            case nil: break
            case .dateTime:
                if Timestamp(iso8601: text) == nil {
                    wrong("It must be a date and time as in RFC 3339, such as 2026-11-21T10:00:00Z.")
                }
            case .byte: if Base64Text.decode(text) == nil { wrong("It must be Base64.") }
            }
        case .integer(let range):
            guard let number = value.int64, range.contains(number) else {
                let most = range.upperBound == .max ? "or more" : "to \(range.upperBound)"
                return wrong("It must be a whole number, \(range.lowerBound) \(most).")
            }
        case .number: if value.number == nil { wrong("It must be a number.") }
        case .boolean: if value.boolean == nil { wrong("It must be true or false.") }
        case .array(let element, let count):
            guard let elements = value.elements else { return wrong("It must be an array.") }
            guard count.contains(elements.count) else {
                return wrong("It must have \(count.lowerBound) to \(count.upperBound) elements.")
            }
            for (index, one) in elements.enumerated() { element.check(one, pointer + "/\(index)", components, &found) }
        case .object(let fields):
            guard let members = value.objectMembers else { return wrong("It must be an object.") }
            for field in fields where field.isRequired && value[field.name] == nil {
                found.append(SchemaViolation(pointer: pointer + "/" + field.name, detail: "It is missing."))
            }
            for member in members {
                let place = pointer + "/" + Self.escaped(member.name)
                guard let field = fields.first(where: { $0.name == member.name }) else {
                    found.append(SchemaViolation(pointer: place, detail: "It is not known."))
                    if found.count >= 20 { return }
                    continue
                }
                field.schema.check(member.value, place, components, &found)
            }
        case .map(let schema, let count):
            guard let members = value.objectMembers else { return wrong("It must be an object.") }
            guard count.contains(members.count) else {
                return wrong("It must have at most \(count.upperBound) members.")
            }
            for member in members {
                schema.check(member.value, pointer + "/" + Self.escaped(member.name), components, &found)
            }
        case .named(let name): components[name]?.check(value, pointer, components, &found)
        case .nullable(let schema): if value != .null { schema.check(value, pointer, components, &found) }
        }
    }

    private static func escaped(_ name: String) -> String {
        var text = ""
        // What the client sent goes back to it: bounded.
        for scalar in name.unicodeScalars.prefix(64) {
            switch scalar {
            case "~": text += "~0"
            case "/": text += "~1"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
