import JSON
import Testing

@Suite("JSON") struct JSONTests {
    @Test(
        "every kind of value is read",
        arguments: [
            ("null", JSONValue.null), (" true ", .bool(true)), ("false", .bool(false)), ("0", .integer(0)),
            ("-0", .integer(0)), ("-12", .integer(-12)), ("9223372036854775807", .integer(.max)),
            ("-9223372036854775808", .integer(.min)), ("9223372036854775808", .double(9.223372036854775808e18)),
            ("1.5", .double(1.5)), ("-2.5e-3", .double(-0.0025)), ("1E2", .double(100)), ("\"\"", .string("")),
            ("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", .string("a\"\\/\u{8}\u{c}\n\r\té")),
            ("\"\\ud83d\\ude00é😀\"", .string("😀é😀")), ("[]", .array([])),
            ("[1, [2]\n]", .array([.integer(1), .array([.integer(2)])])),
            ("{}", .object([])),
            ("{ \"a\" : {\"b\":null} , \"c\":[] }", .members(("a", .members(("b", .null))), ("c", .array([])))),
        ])
    func reads(text: String, value: JSONValue) throws {
        #expect(try JSONValue.parse(text) == value)
    }

    @Test(
        "what is not JSON is refused with its kind and place",
        arguments: [
            ("", JSONError(.unexpectedEnd, at: 0)), ("  ", JSONError(.unexpectedEnd, at: 2)),
            ("nul", JSONError(.unexpectedEnd, at: 3)),
            ("nulx", JSONError(.unexpectedCharacter, at: 3)), ("[1,]", JSONError(.unexpectedCharacter, at: 3)),
            ("[1 2]", JSONError(.unexpectedCharacter, at: 3)), ("{\"a\" 1}", JSONError(.unexpectedCharacter, at: 5)),
            ("{a:1}", JSONError(.unexpectedCharacter, at: 1)), ("{\"a\":1,}", JSONError(.unexpectedCharacter, at: 7)),
            ("1 2", JSONError(.trailingBytes, at: 2)), ("01", JSONError(.invalidNumber, at: 0)),
            ("1.", JSONError(.invalidNumber, at: 0)), ("-", JSONError(.invalidNumber, at: 0)),
            ("1e", JSONError(.invalidNumber, at: 0)), ("1e999", JSONError(.invalidNumber, at: 0)),
            ("+1", JSONError(.unexpectedCharacter, at: 0)), ("NaN", JSONError(.unexpectedCharacter, at: 0)),
            ("\"a", JSONError(.unexpectedEnd, at: 2)), ("\"\\x\"", JSONError(.invalidString, at: 1)),
            ("\"a\nb\"", JSONError(.invalidString, at: 2)), ("\"\\ud800\"", JSONError(.invalidString, at: 1)),
            ("\"\\udc00\"", JSONError(.invalidString, at: 1)), ("\"\\u12\"", JSONError(.invalidString, at: 5)),
            ("{\"a\":1,\"a\":2}", JSONError(.duplicateMember, at: 7)),
            ("// x\n1", JSONError(.unexpectedCharacter, at: 0)),
        ])
    func refuses(text: String, error: JSONError) {
        #expect(throws: error) { try JSONValue.parse(text) }
    }

    @Test("bytes that are not UTF-8 are refused")
    func refusesInvalidUTF8() {
        #expect(throws: JSONError(.invalidUTF8, at: 1)) { try JSONValue.parse([0x22, 0xff, 0x22]) }
    }

    @Test("depth and size are limited, so that no input exhausts the stack or memory")
    func limits() throws {
        #expect(throws: JSONError(.tooDeep, at: 64)) {
            try JSONValue.parse(String(repeating: "[", count: 100_000))
        }
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(try JSONValue.parse(deep).elements?.count == 1)
        #expect(throws: JSONError(.tooLarge, at: 3)) { try JSONValue.parse(Array("[1,2]".utf8), maximumBytes: 3) }
    }

    @Test("members are found by name and kind")
    func accessors() throws {
        let value = try JSONValue.parse("{\"s\":\"x\",\"n\":3.0,\"d\":0.5,\"b\":true,\"a\":[1],\"o\":{},\"z\":null}")
        #expect(value["s"]?.text == "x")
        #expect(value["n"]?.int64 == 3)
        #expect(value["d"]?.int64 == nil)
        #expect(value["d"]?.number == 0.5)
        #expect(value["b"]?.boolean == true)
        #expect(value["a"]?.elements?.count == 1)
        #expect(value["o"]?.objectMembers?.isEmpty == true)
        #expect(value["z"] == .null)
        #expect(value["missing"] == nil)
        #expect(value["s"]?.int64 == nil && value["n"]?.text == nil && value["a"]?["x"] == nil)
    }

    @Test("the writer escapes, keeps order and has no text for infinity")
    func writes() {
        let value = JSONValue.members(
            ("b", .strings(["\"\\\n\u{1}\u{7f}é"])), ("a", .double(1)), ("i", .integer(.min)),
            ("x", .double(.infinity)),
            ("e", .object([])))
        #expect(
            value.serialized
                == "{\"b\":[\"\\\"\\\\\\n\\u0001\\u007fé\"],\"a\":1.0,\"i\":-9223372036854775808,\"x\":null,\"e\":{}}")
        #expect(
            JSONValue.members(("a", .array([.integer(1), .null]))).indented == "{\n  \"a\": [\n    1,\n    null\n  ]\n}"
        )
    }

    @Test("random values survive writing and reading")
    func roundTrip() throws {
        var random = SeededGenerator(state: 7)
        for _ in 0..<500 {
            let value = randomValue(depth: 0, &random)
            #expect(try JSONValue.parse(value.serializedBytes) == value)
            #expect(try JSONValue.parse(value.indented) == value)
        }
    }

    @Test("damaged documents are read or refused, never trap")
    func fuzz() throws {
        var random = SeededGenerator(state: 42)
        var refused = 0
        for _ in 0..<5_000 {
            var bytes = randomValue(depth: 0, &random).serializedBytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0...bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0 where index < bytes.count: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1 where index < bytes.count: bytes.remove(at: index)
                case 2: bytes.removeSubrange(index...)
                default: bytes.insert(Array("{}[]\",:\\u0e-.".utf8).randomElement(using: &random) ?? 0, at: index)
                }
            }
            do throws(JSONError) {
                let value = try JSONValue.parse(bytes)
                #expect(try JSONValue.parse(value.serializedBytes) == value)
            } catch {
                refused += 1
                #expect(error.offset >= 0 && error.offset <= bytes.count)
            }
        }
        #expect(refused > 500)
    }

    private func randomValue(depth: Int, _ random: inout SeededGenerator) -> JSONValue {
        switch Int.random(in: 0..<(depth < 4 ? 8 : 6), using: &random) {
        case 0: .null
        case 1: .bool(Bool.random(using: &random))
        case 2: .integer(Int64.random(in: .min ... .max, using: &random))
        case 3: .double(Double.random(in: -1e300...1e300, using: &random))
        case 4: .double(Double.random(in: -1...1, using: &random))
        case 5: .string(randomText(&random))
        case 6: .array((0..<Int.random(in: 0...4, using: &random)).map { _ in randomValue(depth: depth + 1, &random) })
        default:
            .object(
                (0..<Int.random(in: 0...4, using: &random)).map { index in
                    JSONMember("\(index)" + randomText(&random), randomValue(depth: depth + 1, &random))
                })
        }
    }

    private func randomText(_ random: inout SeededGenerator) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            let code = UInt32.random(in: 0...(Bool.random(using: &random) ? 0x7f : 0x10ffff), using: &random)
            if let scalar = Unicode.Scalar(code) { text.unicodeScalars.append(scalar) }
        }
        return text
    }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
