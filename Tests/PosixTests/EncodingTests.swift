import Posix
import Testing

@Suite struct EncodingTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_232_054_007, "2026-11-21T03:34:14.007Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ])
    func `times are written and read`(time: Int64, text: String) {
        #expect(Timestamp.format(time) == text)
        #expect(Timestamp.parse(text) == time)
    }

    @Test func `fractions and offsets are read`() {
        #expect(Timestamp.parse("1970-01-01T00:00:00Z") == 0)
        #expect(Timestamp.parse("1970-01-01T00:00:00.5Z") == 500)
        #expect(Timestamp.parse("1970-01-01T00:00:00.123456789Z") == 123)
        #expect(Timestamp.parse("1970-01-01T02:00:00+02:00") == 0)
        #expect(Timestamp.parse("1969-12-31T23:30:00-00:30") == 0)
    }

    @Test(arguments: [
        "", "1970", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "1970-02-29T00:00:00Z",
        "1970-01-00T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00Zx", "1970-01-01T00:00:00+0200", "1970-01-01 00:00:00Z", "+970-01-01T00:00:00Z",
    ])
    func `what is no time is refused`(text: String) {
        #expect(Timestamp.parse(text) == nil)
    }

    @Test func `random moments survive writing and reading`() {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<2000 {
            let time = Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &random)
            #expect(Timestamp.parse(Timestamp.format(time)) == time)
        }
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `base64 agrees with RFC 4648`(plain: String, encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test func `base64 tolerates line ends and missing padding, nothing else`() {
        #expect(Base64.decode("Zm9v\r\nYg") == Array("foob".utf8))
        for bad in ["Z", "Zg=", "Zg===", "Zg==Zg==", "Zm9v=", "Zm-v", "=", "Zm9vYg=x"] {
            #expect(Base64.decode(bad) == nil, "\(bad)")
        }
    }

    @Test func `random bytes survive base64 and hexadecimal`() {
        var random = SeededGenerator(seed: 12)
        for length in 0..<200 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Hex.decode(Hex.encode(bytes)) == bytes)
        }
        #expect(Hex.decode("aBcD") == [0xab, 0xcd])
        #expect(Hex.decode("abc") == nil)
        #expect(Hex.decode("zz") == nil)
    }
}

/// The same numbers every time (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
