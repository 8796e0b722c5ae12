import Testing
import XML

@Suite("Writing")
struct WritingTests {
    @Test("elements, attributes and values come out as written")
    func plain() throws {
        var writer = XMLWriter()
        writer.open("a", namespace: "urn:a")
        writer.element("s", "x<y & \"z\"]]>", [("k", "\"<\n>")])
        writer.element("i", -5)
        writer.element("l", Int64.min)
        writer.element("t", true)
        writer.element("e")
        writer.element("n") { $0.element("m", ascii: Array("YQ==".utf8)) }
        writer.open("z")
        writer.close()
        writer.close()
        writer.close()
        #expect(
            writer.text == """
                <?xml version="1.0" encoding="UTF-8"?>
                <a xmlns="urn:a"><s k="&quot;&lt;&#10;&gt;">x&lt;y &amp; "z"]]&gt;</s><i>-5</i>\
                <l>-9223372036854775808</l><t>true</t><e/><n><m>YQ==</m></n><z/></a>
                """)
        _ = try XMLElement.parse(writer.bytes)
    }

    @Test("a character that XML forbids becomes U+FFFD, everything else survives")
    func characters() throws {
        var text = ""
        for scalar in (0...0x2FF).compactMap(Unicode.Scalar.init) { text.unicodeScalars.append(scalar) }
        text += "\u{FFFD}\u{FFFE}\u{FFFF}\u{FEFF}\u{10FFFF}\u{E000}ﷺ"
        var writer = XMLWriter()
        writer.element("a", text, [("b", text)])
        let root = try XMLElement.parse(writer.bytes)
        let allowed = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    let legal = scalar.value >= 0x20 || [9, 10, 13].contains(scalar.value)
                    return legal && scalar.value != 0xFFFE && scalar.value != 0xFFFF ? scalar : "\u{FFFD}"
                }))
        #expect(root.text == allowed)
        #expect(root.attribute("b") == allowed)
    }
}

/// A small reproducible generator (SplitMix64): the same seed gives the same documents.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite("Random documents")
struct RandomDocumentTests {
    private static let names = ["a", "b", "longer-name", "é", "x.1", "_", "名"]
    private static let texts = ["", "x", "<&>\"'", " \n\t\r ", "]]>", "🌳é", "--", "&#10;"]

    private static func element(_ generator: inout SeededGenerator, depth: Int) -> XMLElement {
        var attributes: [XMLAttribute] = []
        for name in names where Int.random(in: 0..<4, using: &generator) == 0 {
            attributes.append(XMLAttribute(localName: name, value: texts.randomElement(using: &generator) ?? ""))
        }
        let prefixed = Bool.random(using: &generator)
        let uri = "urn:\(Int.random(in: 0..<3, using: &generator))"
        var content: [XMLContent] = []
        for _ in 0..<Int.random(in: 0..<5, using: &generator) {
            if depth > 0, Bool.random(using: &generator) {
                content.append(.element(element(&generator, depth: depth - 1)))
            } else if let text = texts.randomElement(using: &generator), !text.isEmpty {
                // Two neighbouring texts are one after parsing.
                if case .text? = content.last { continue }
                content.append(.text(text))
            }
        }
        return XMLElement(
            prefix: prefixed ? "p" : "", localName: names.randomElement(using: &generator) ?? "a", namespace: uri,
            attributes: attributes, namespaceDeclarations: [.init(prefix: prefixed ? "p" : "", uri: uri)],
            content: content)
    }

    @Test("what is written is read back equal")
    func roundTrip() throws {
        var generator = SeededGenerator(state: 1)
        for _ in 0..<500 {
            let tree = Self.element(&generator, depth: 6)
            var writer = XMLWriter()
            writer.element(tree)
            #expect(try XMLElement.parse(writer.bytes) == tree)
        }
    }

    @Test("a damaged document is parsed or refused, and what is parsed can be written and read again")
    func mutations() throws {
        var generator = SeededGenerator(state: 2)
        let pieces: [[UInt8]] = [
            "<", ">", "/", "&", ";", "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>", "\"", "'", "=", "xmlns:p='q'",
            "<!DOCTYPE", ":", "&#x", "\u{0}", "é",
        ].map { Array($0.utf8) }
        var parsed = 0
        var refused = 0
        for _ in 0..<3000 {
            var writer = XMLWriter()
            writer.element(Self.element(&generator, depth: 3))
            var bytes = writer.bytes
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: at)
                case 2: bytes.removeSubrange(at...)
                default: bytes.insert(contentsOf: pieces.randomElement(using: &generator) ?? [], at: at)
                }
                if bytes.isEmpty { bytes = [0x3C] }
            }
            do throws(XMLError) {
                let tree = try XMLElement.parse(bytes)
                parsed += 1
                var again = XMLWriter()
                again.element(tree)
                #expect(try XMLElement.parse(again.bytes) == tree)
            } catch {
                refused += 1
                #expect(error.line >= 1 && error.column >= 1)
            }
        }
        #expect(parsed > 50)
        #expect(refused > 500)
    }
}
