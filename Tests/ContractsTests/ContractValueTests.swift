import Testing
import XML

@testable import Contracts

@Suite("Simple values")
struct ContractValueTests {
    @Test(
        "date and time are read with any offset and fraction",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00", 0), ("1970-01-01T00:00:00.001Z", 1),
            ("1969-12-31T23:59:59.999Z", -1), ("2026-11-21T03:34:12.5Z", 1_795_232_052_500),
            ("2026-11-21T05:04:12.500999+01:30", 1_795_232_052_500), ("2026-11-20T13:34:12.5-14:00", 1_795_232_052_500),
            ("2000-02-29T24:00:00Z", 951_868_800_000), ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] as [(String, Int64)])
    func dateTime(_ text: String, _ milliseconds: Int64) {
        #expect(DateTime.parse(text) == milliseconds)
    }

    @Test(
        "what is no moment is refused",
        arguments: [
            "", "2026", "2026-11-21", "2026-11-21 03:34:12Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:01Z", "2026-01-01T25:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+15:00", "2026-01-01T00:00:00+01", "2026-01-01T00:00:00Zx",
            "999999999-12-31T00:00:00Z", "-999999999-01-01T00:00:00Z", "26-01-01T00:00:00Z", "2026-1-1T00:00:00Z",
        ])
    func notDateTime(_ text: String) {
        #expect(DateTime.parse(text) == nil)
    }

    @Test("every moment is read back as it was written")
    func dateTimeRoundTrip() {
        #expect(DateTime.format(0) == "1970-01-01T00:00:00.000Z")
        #expect(DateTime.format(-1) == "1969-12-31T23:59:59.999Z")
        var generator = SeededGenerator(state: 3)
        var samples: [Int64] = [.max, .min + 86_400_000, -62_135_596_800_001]
        for bits in 1..<63 { samples.append(Int64.random(in: -(1 << bits)...(1 << bits), using: &generator)) }
        for sample in samples { #expect(DateTime.parse(DateTime.format(sample)) == sample) }
    }

    @Test("base64 is read back as it was written, and read strictly")
    func base64() throws {
        #expect(String(decoding: Base64.encode(Array("Mallee".utf8)), as: UTF8.self) == "TWFsbGVl")
        var generator = SeededGenerator(state: 4)
        for count in 0..<100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(Base64.decode(String(decoding: Base64.encode(bytes), as: UTF8.self)) == bytes)
        }
        #expect(Base64.decode(" TQ = =\n") == [77])
        for text in ["T", "TQ", "TQ=", "TQ===", "TR==", "TWF=", "TWE", "=", "====", "TQ==TQ==", "TQ-_", "é"] {
            #expect(Base64.decode(text) == nil, "\(text)")
        }
    }

    @Test(
        "whole numbers have the bits of the schema's types, whatever the machine",
        arguments: [
            ("2147483647", 2_147_483_647), (" -2147483648 ", -2_147_483_648), ("+7", 7), ("007", 7),
        ] as [(String, Int)])
    func ints(_ text: String, _ value: Int) throws {
        #expect(try ContractValue.int(XMLElement.parse("<a>\(text)</a>")) == value)
    }

    @Test("wrong numbers are refused", arguments: ["", "2147483648", "1.0", "0x10", "1 2", "--1", "one", "١"])
    func notInts(_ text: String) {
        #expect(throws: ContractError.self) { try ContractValue.int(XMLElement.parse("<a>\(text)</a>")) }
    }

    @Test("real numbers are read as the schema writes them")
    func doubles() throws {
        for value in [0, -1.5, 1e300, .infinity, -.infinity, .leastNonzeroMagnitude] as [Double] {
            #expect(try ContractValue.double(XMLElement.parse("<a>\(ContractValue.text(value))</a>")) == value)
        }
        #expect(try ContractValue.double(XMLElement.parse("<a>NaN</a>")).isNaN)
        for text in ["", "nan", "0x1p3", "infinity", "1,5"] {
            #expect(throws: ContractError.self) { try ContractValue.double(XMLElement.parse("<a>\(text)</a>")) }
        }
    }

    @Test("bounds of a restriction are kept")
    func facets() throws {
        #expect(try ContractValue.checked("🌳é", lengths: 2...2) == "🌳é")
        #expect(throws: ContractError(message: "the text has 3 characters; 0 to 2 are allowed")) {
            try ContractValue.checked("abc", lengths: 0...2)
        }
        #expect(try ContractValue.checked(Int64(5), in: 5...Int64.max) == 5)
        #expect(throws: ContractError(message: "4 is out of range; 5 or more is allowed")) {
            try ContractValue.checked(4, in: 5...Int.max)
        }
    }

    @Test("an element that must stand there a number of times is counted")
    func counts() throws {
        let three = try XMLElement.parse("<a xmlns='u'><b/><b/><b/></a>")
        #expect(try three.array("b", in: "u", count: 1...3, ContractValue.string).count == 3)
        #expect(throws: ContractError.self) { try three.array("b", in: "u", count: 1...2, ContractValue.string) }
        #expect(throws: ContractError.self) { try three.array("b", in: "u", count: 4...9, ContractValue.string) }
        #expect(try three.array("b", in: "v", ContractValue.string).isEmpty)
    }
}
