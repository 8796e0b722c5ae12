import Testing
import XML

@Suite("Parsing")
struct ParsingTests {
    @Test("an element has its name, namespace, attributes, children and text")
    func tree() throws {
        let root = try XMLElement.parse(
            """
            <?xml version="1.0" encoding="UTF-8" standalone="yes"?>
            <!-- before --><?pi data?>
            <a xmlns="urn:one" xmlns:p="urn:two" x="1" p:x="2">
              <b>first</b><p:b>second</p:b><b>third &lt;&amp;&gt;&quot;&apos;&#65;&#x1F333;</b>
              <c xmlns="">none</c>t<![CDATA[<&]]>u<!-- - -->v<?q?>
            </a>
            <!-- after -->
            """)
        #expect(root.localName == "a")
        #expect(root.namespace == "urn:one")
        #expect(root.attribute("x") == "1")
        #expect(root.attribute("x", namespace: "urn:two") == "2")
        #expect(root.attribute("y") == nil)
        #expect(root.children.map(\.qualifiedName) == ["b", "p:b", "b", "c"])
        #expect(root.child("b")?.text == "first")
        #expect(root.child("b", namespace: "urn:two")?.text == "second")
        #expect(root.children("b").count == 3)
        #expect(root.children("b", namespace: "urn:one").last?.text == "third <&>\"'A🌳")
        #expect(root.child("c")?.namespace == nil)
        #expect(root.trimmedText.hasSuffix("t<&uv"))
        #expect(root.namespaceDeclarations.count == 2)
    }

    @Test("attribute values and line ends are normalised as XML 1.0 says")
    func normalisation() throws {
        let root = try XMLElement.parse("<a x='1\t2\r\n3&#10;4'>l1\r\nl2\rl3&#13;</a>")
        #expect(root.attribute("x") == "1 2 3\n4")
        #expect(root.text == "l1\nl2\nl3\r")
    }

    @Test(
        "a document that is not well-formed is refused",
        arguments: [
            "", "   ", "text", "<", "<a", "<a>", "<a/", "<a></b>", "<a></a", "<a/><b/>", "<a/>x", "x<a/>", "</a>",
            "<a><b></a></b>", "<a x=1/>", "<a x='1/>", "<a x/>", "<a x='1' x='2'/>", "<a x='1'y='2'/>", "<a x='<'/>",
            "<a>&</a>", "<a>&amp</a>", "<a>&nbsp;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#xFFFF;</a>",
            "<a>&#;</a>", "<a>&#x;</a>", "<a>&#99999999999999;</a>", "<a>&#-1;</a>", "<a>]]></a>", "<a><![CDATA[</a>",
            "<a><!-- -- --></a>", "<a><!-- </a>", "<a><?p </a>", "<a><?xml version='1.0'?></a>", "<a><!ELEMENT b></a>",
            " <?xml version='1.0'?><a/>", "<?xml?><a/>", "<?xml encoding='UTF-8'?><a/>", "<?xml version='2.0'?><a/>",
            "<?xml version='1.0' version='1.0'?><a/>", "<?xml version='1.0' standalone='maybe'?><a/>",
            "<1a/>", "<-a/>", "<a:b/>", "<a:/>", "<:a/>", "<a:b:c xmlns:a='u'/>", "<a b:c='1'/>", "<a xmlns:b=''/>",
            "<a xmlns:xml='u'/>", "<a xmlns:xmlns='u'/>", "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
            "<a xmlns:b='u' xmlns:b='v'/>", "<a xmlns:b='u' xmlns:c='u' b:x='1' c:x='2'/>", "<a>\u{1}</a>",
            "<a>\u{FFFF}</a>", "<a\u{00D7}/>", "< a/>", "<a / >", "<a></ a>", "<xmlns:a/>",
        ])
    func malformed(_ document: String) {
        let error = #expect(throws: XMLError.self) { try XMLElement.parse(document) }
        #expect(error?.code == .malformed)
    }

    @Test(
        "a DOCTYPE is refused, so there is no entity to expand and no file to read",
        arguments: [
            "<!DOCTYPE a><a/>", "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
            "<?xml version='1.0'?>\n<!-- x --><!DOCTYPE a [<!ENTITY l 'ha'><!ENTITY m '&l;&l;'>]><a>&m;</a>",
            "<a><!DOCTYPE b></a>",
        ])
    func doctype(_ document: String) {
        let error = #expect(throws: XMLError.self) { try XMLElement.parse(document) }
        #expect(error?.code == .doctype)
    }

    @Test(
        "bytes that are not strict UTF-8 are refused",
        arguments: [
            [0x80], [0xC3], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF],
            [0xF0, 0x9F, 0x8C],
        ] as [[UInt8]])
    func invalidUTF8(_ bytes: [UInt8]) {
        let document = Array("<a>".utf8) + bytes + Array("</a>".utf8)
        let error = #expect(throws: XMLError.self) { try XMLElement.parse(document) }
        #expect(error?.code == .encoding)
    }

    @Test("US-ASCII and ISO-8859-1 are read, any other encoding is refused by name")
    func encodings() throws {
        let latin1 = Array("<?xml version='1.0' encoding='ISO-8859-1'?><a>".utf8) + [0xE9] + Array("</a>".utf8)
        #expect(try XMLElement.parse(latin1).text == "é")
        #expect(try XMLElement.parse("<?xml version=\"1.0\" encoding=\"us-ascii\"?><a>e</a>").text == "e")
        #expect(try XMLElement.parse([0xEF, 0xBB, 0xBF] + Array("<a>é</a>".utf8)).text == "é")
        let refused: [[UInt8]] = [
            Array("<?xml version='1.0' encoding='US-ASCII'?><a>é</a>".utf8),
            Array("<?xml version='1.0' encoding='Shift_JIS'?><a/>".utf8), [0xFE, 0xFF, 0, 0x3C], [0xFF, 0xFE, 0x3C, 0],
        ]
        for document in refused {
            let error = #expect(throws: XMLError.self) { try XMLElement.parse(document) }
            #expect(error?.code == .encoding)
        }
        let error = #expect(throws: XMLError.self) {
            try XMLElement.parse("<?xml version='1.0' encoding='EBCDIC-37'?><a/>")
        }
        #expect(error?.message.contains("EBCDIC-37") == true)
    }

    @Test("an error says line and column")
    func position() {
        let error = #expect(throws: XMLError.self) { try XMLElement.parse("<a>\n  <é>&x;</é>\n</a>") }
        #expect(error?.line == 2)
        #expect(error?.column == 6)
        #expect(error?.description.hasSuffix("(line 2, column 6)") == true)
    }

    @Test("depth, elements, attributes, namespaces and bytes are bounded")
    func limits() throws {
        let limits = XMLLimits(bytes: 100_000, depth: 5, elements: 10, attributes: 3, namespaces: 4)
        let bombs = [
            String(repeating: "<a>", count: 30_000),
            "<a>" + String(repeating: "<b/>", count: 10) + "</a>",
            "<a b='' c='' d='' e=''/>",
            "<a xmlns:b='u' xmlns:c='u' xmlns:d='u'><a xmlns:b='u' xmlns:c='u'/></a>",
            String(repeating: " ", count: 100_001),
        ]
        for bomb in bombs {
            let error = #expect(throws: XMLError.self) { try XMLElement.parse(bomb, limits: limits) }
            #expect(error?.code == .limit)
        }
        #expect(try XMLElement.parse("<a><a><a><a><a/></a></a></a></a>", limits: limits).children.count == 1)
        #expect(throws: XMLError.self) { try XMLElement.parse(String(repeating: "<a>", count: 1_000_000)) }
    }

    @Test("a very long attribute, name and text are read in full")
    func large() throws {
        let long = String(repeating: "x&amp;", count: 200_000)
        let root = try XMLElement.parse("<a b='\(long)'>\(long)</a>")
        #expect(root.attribute("b")?.utf8.count == 400_000)
        #expect(root.text == root.attribute("b"))
        let name = String(repeating: "n", count: 100_000)
        #expect(try XMLElement.parse("<\(name)></\(name)>").localName == name)
    }
}
