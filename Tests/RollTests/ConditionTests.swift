import Roll
import Testing

/// The expected values are those of Python 2.7 with the names of a host as Rocks gives them.
@Suite struct ConditionTests {
    private let host = [
        "a": "yes", "off": "off", "version": "5.4", "n": "3", "os": "linux", "name": "compute-0-0", "zero": "0",
    ]

    @Test(arguments: [
        ("a", true), ("off", false), ("missing", false), ("not missing", true), ("True", false), ("a == True", false),
        ("a is True", false), ("a == 1", true), ("version == '5.4'", false), ("version == 5.4", true),
        ("version > 5", true),
        ("n >= 2", true), ("1 < n < 5", true), ("5 > n > 4", false), ("os in ('linux', 'sunos')", true),
        ("\"li\" in os", true),
        ("os in ['sunos']", false), ("n < 'x'", true), ("None < 0", true), ("missing < 0", true),
        ("missing != 0", true),
        ("zero != 0", false), ("missing == None", true), ("missing is None", true), ("os <> 'x'", true),
        ("n + 1 == 4", true),
        ("n % 2", true), ("n / 2 == 1", true), ("-n / 2 == -2", true), ("010 == 8", true), ("'a' 'b' == 'ab'", true),
        ("os and n", true), ("a and not off or missing", true), ("not a or off", false), ("os not in ('x',)", true),
        ("name == 'compute-0-0'", true), ("(a)", true), ("()", false), ("1.5 > n", false), ("not not a", true),
        ("'' or off", false), ("['linux'] > ''", false), ("('linux', 1) > 'z'", true), ("[1] == (1,)", false),
        ("[1, 2] < [1, 3]", true),
    ])
    func conditionsHaveTheValueThatPythonGives(text: String, value: Bool) throws {
        #expect(try Condition(text).holds(host) == value)
    }

    @Test(arguments: [
        "", "a and", "a b", "a = 1", "a && b", "!a", "int(n)", "os.name", "os[0]", "'x", "(a", "a)", "lambda: 1",
        "a if b else c", "1x", "09", "and", "$a",
    ])
    func whatIsNoConditionIsRefused(text: String) {
        #expect(throws: Condition.Failure.self) { try Condition(text) }
    }

    @Test(arguments: ["'x' in missing", "n in os", "os + 1", "n / 0", "-os", "missing + 1"])
    func whatPythonStopsAtHasNoValue(text: String) throws {
        let condition = try Condition(text)
        #expect(throws: Condition.Failure.self) { try condition.holds(host) }
    }

    @Test func olderAttributesAreJoined() throws {
        #expect(
            Condition.joined(arch: "i386, x86_64", os: nil, release: nil, cond: "a")
                == "( arch==\"i386\" or arch==\"x86_64\" ) and a")
        #expect(Condition.joined(arch: nil, os: nil, release: nil, cond: nil) == nil)
    }

    @Test func anyTextIsParsedOrRefused() {
        var random = SystemRandomNumberGenerator()
        let parts = [
            "a", "not", "and", "or", "in", "is", "(", ")", "[", "]", ",", "==", "<", "<>", "'x'", "\"", "1", ".5", "-",
            "%",
            "\\", "é", "None", "&", "0x", " ",
        ]
        for _ in 0..<3000 {
            let text = (0..<Int.random(in: 0...14, using: &random)).map { _ in parts.randomElement(using: &random) ?? ""
            }
            .joined(separator: " ")
            guard let condition = try? Condition(text) else { continue }
            // A value or a failure; what matters is that it ends.
            _ = try? condition.holds(host)
        }
        let deep = String(repeating: "(", count: 100_000)
        #expect(throws: Condition.Failure.self) { try Condition(deep) }
    }
}
