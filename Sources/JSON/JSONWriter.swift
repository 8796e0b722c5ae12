extension JSONValue {
    /// The value as JSON in one line without blanks, in UTF-8.
    public var serialized: String { String(decoding: serializedBytes, as: UTF8.self) }

    /// The value as JSON in one line without blanks, as UTF-8 bytes.
    public var serializedBytes: [UInt8] {
        var output: [UInt8] = []
        write(into: &output)
        return output
    }

    /// The value as JSON over several lines, for people.
    public var indented: String {
        var output: [UInt8] = []
        writeIndented(into: &output, level: 0)
        return String(decoding: output, as: UTF8.self)
    }

    private func write(into output: inout [UInt8]) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): output.append(contentsOf: String(value).utf8)
        case .double(let value): output.append(contentsOf: Self.text(of: value).utf8)
        case .string(let text): Self.quote(text, into: &output)
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for index in elements.indices {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                elements[index].write(into: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for index in members.indices {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                Self.quote(members[index].name, into: &output)
                output.append(UInt8(ascii: ":"))
                members[index].value.write(into: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    private func writeIndented(into output: inout [UInt8], level: Int) {
        switch self {
        case .array(let elements) where !elements.isEmpty:
            output.append(UInt8(ascii: "["))
            for index in elements.indices {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                Self.newLine(into: &output, level: level + 1)
                elements[index].writeIndented(into: &output, level: level + 1)
            }
            Self.newLine(into: &output, level: level)
            output.append(UInt8(ascii: "]"))
        case .object(let members) where !members.isEmpty:
            output.append(UInt8(ascii: "{"))
            for index in members.indices {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                Self.newLine(into: &output, level: level + 1)
                Self.quote(members[index].name, into: &output)
                output.append(contentsOf: ": ".utf8)
                members[index].value.writeIndented(into: &output, level: level + 1)
            }
            Self.newLine(into: &output, level: level)
            output.append(UInt8(ascii: "}"))
        default:
            write(into: &output)
        }
    }

    private static func newLine(into output: inout [UInt8], level: Int) {
        output.append(0x0a)
        for _ in 0..<level * 2 { output.append(0x20) }
    }

    /// The shortest text that reads back as the same number; "1.0" stays a double.
    private static func text(of value: Double) -> String {
        value.isFinite ? String(value) : "null"
    }

    private static func quote(_ text: String, into output: inout [UInt8]) {
        let hexadecimal = Array("0123456789abcdef".utf8)
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case 0x0a: output.append(contentsOf: "\\n".utf8)
            case 0x0d: output.append(contentsOf: "\\r".utf8)
            case 0x09: output.append(contentsOf: "\\t".utf8)
            case 0..<0x20, 0x7f:
                output.append(contentsOf: "\\u00".utf8)
                output.append(hexadecimal[Int(byte >> 4)])
                output.append(hexadecimal[Int(byte & 15)])
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
