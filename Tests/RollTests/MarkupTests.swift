import Roll
import Testing
import XML

@Suite struct MarkupTests {
    private func parse(_ text: String, drop: Bool = false) throws -> MarkupElement {
        try MarkupElement.parse(Array(text.utf8), dropsDeclarationLines: drop)
    }

    @Test func elementsTextAndReferencesKeepTheirPlaces() throws {
        let root = try parse("<kickstart>\n<post>\na &amp;&amp; &hostname; b\n</post></kickstart>")
        let post = try #require(root.children.first)
        #expect(post.position == TextPosition(line: 2, column: 1))
        guard case .entity(let name, let place) = post.content[1] else {
            Issue.record("no entity")
            return
        }
        #expect(name == "hostname" && place == TextPosition(line: 3, column: 14))
        #expect(post.text == "\na && &hostname; b\n")
    }

    @Test func aLineWithADeclarationIsDroppedWhole() throws {
        #expect(throws: XMLError.self) { try parse("<?xml version=\"1.0\"?><kickstart>\n</kickstart>", drop: true) }
        #expect(try parse("<?xml version=\"1.0\"?>\n<kickstart>\n</kickstart>", drop: true).position.line == 2)
    }

    @Test func aByteOrderMarkIsOnlyRightWhereNothingIsPutInFront() throws {
        #expect(try parse("\u{FEFF}<graph/>").name == "graph")
        let error = #expect(throws: XMLError.self) { try parse("\u{FEFF}<kickstart>\n</kickstart>", drop: true) }
        #expect(error?.message.contains("byte order mark") == true)
        // It goes with the line that Rocks drops.
        #expect(try parse("\u{FEFF}<?xml version=\"1.0\"?>\n<kickstart/>", drop: true).name == "kickstart")
    }

    @Test(arguments: [
        ("<a><!DOCTYPE x></a>", 1, 4), ("<a>\n x && y</a>", 2, 4), ("<a>\n<b></a>", 2, 4), ("<a b='<'/>", 1, 7),
        ("<a b='1' b='2'/>", 1, 10), ("<a/><b/>", 1, 5), ("<a><!-- x -- y --></a>", 1, 4), ("<a>]]></a>", 1, 4),
        ("<a x=1/>", 1, 6), ("", 1, 1), ("<a>&#1;</a>", 1, 4),
    ])
    func whatIsNotWellFormedIsRefusedWithItsPlace(text: String, line: Int, column: Int) {
        let error = #expect(throws: XMLError.self) { try parse(text) }
        #expect(error?.line == line && error?.column == column, "\(String(describing: error))")
    }
}
