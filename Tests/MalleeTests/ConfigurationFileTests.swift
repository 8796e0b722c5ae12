import Testing

@testable import mallee

@Suite struct ConfigurationFileTests {
    @Test func `values are read with and without quotes, comments are not`() throws {
        let file = try ConfigurationFile(path: "x", text: "# A=\"1\"\nB=\"two words\"\nC=3\n\nD='4'\n")
        #expect(file.optional("A") == nil)
        #expect(file.string("B", default: "") == "two words")
        #expect(try file.integer("C", default: 0, in: 0...9) == 3)
        #expect(file.optional("D") == "4")
        #expect(file.unknown(besides: ["B", "C"]) == ["D"])
    }
}
