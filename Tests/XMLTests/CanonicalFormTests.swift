import Foundation
import Testing
import XML

@Suite("Canonical forms")
struct CanonicalFormTests {
    private static func canonical(_ form: XMLCanonicalForm, _ document: String) throws -> String {
        String(decoding: form.bytes(of: try XMLDocument.parse(Array(document.utf8))), as: UTF8.self)
    }

    // The examples of Canonical XML 1.0, section 3, without their document types.
    @Test("comments and instructions outside of the root element (3.1)")
    func outside() throws {
        let document = """
            <?xml version="1.0"?>

            <?xml-stylesheet   href="doc.xsl"
               type="text/xsl"   ?>

            <doc>Hello, world!<!-- Comment 1 --></doc>

            <?pi-without-data     ?>

            <!-- Comment 2 -->

            <!-- Comment 3 -->
            """
        #expect(
            try Self.canonical(XMLCanonicalForm(.inclusive), document) == """
                <?xml-stylesheet href="doc.xsl"
                   type="text/xsl"   ?>
                <doc>Hello, world!</doc>
                <?pi-without-data?>
                """)
        #expect(
            try Self.canonical(XMLCanonicalForm(.inclusive, keepsComments: true), document) == """
                <?xml-stylesheet href="doc.xsl"
                   type="text/xsl"   ?>
                <doc>Hello, world!<!-- Comment 1 --></doc>
                <?pi-without-data?>
                <!-- Comment 2 -->
                <!-- Comment 3 -->
                """)
    }

    @Test("white space in content stays (3.2)")
    func whiteSpace() throws {
        let document =
            "<doc>\n   <clean>   </clean>\n   <mixed>\n      A\n      <clean>   </clean>\n   </mixed>\n</doc>"
        #expect(try Self.canonical(XMLCanonicalForm(.inclusive), document) == document)
    }

    @Test("start and end tags (3.3)")
    func tags() throws {
        let document = """
            <doc>
               <e1   />
               <e2   ></e2>
               <e3   name = "elem3"   id="elem3"   />
               <e4   name="elem4"   id="elem4"   ></e4>
               <e5 a:attr="out" b:attr="sorted" attr2="all" attr="I'm"
                  xmlns:b="http://www.ietf.org"
                  xmlns:a="http://www.w3.org"
                  xmlns="http://example.org"/>
               <e6 xmlns="" xmlns:a="http://www.w3.org">
                  <e7 xmlns="http://www.ietf.org">
                     <e8 xmlns="" xmlns:a="http://www.w3.org">
                        <e9 xmlns="" xmlns:a="http://www.ietf.org"/>
                     </e8>
                  </e7>
               </e6>
            </doc>
            """
        #expect(
            try Self.canonical(XMLCanonicalForm(.inclusive), document) == """
                <doc>
                   <e1></e1>
                   <e2></e2>
                   <e3 id="elem3" name="elem3"></e3>
                   <e4 id="elem4" name="elem4"></e4>
                   <e5 xmlns="http://example.org" xmlns:a="http://www.w3.org" xmlns:b="http://www.ietf.org" \
                attr="I'm" attr2="all" b:attr="sorted" a:attr="out"></e5>
                   <e6 xmlns:a="http://www.w3.org">
                      <e7 xmlns="http://www.ietf.org">
                         <e8 xmlns="">
                            <e9 xmlns:a="http://www.ietf.org"></e9>
                         </e8>
                      </e7>
                   </e6>
                </doc>
                """)
    }

    @Test("modifications of characters (3.4)")
    func characters() throws {
        let document =
            "<doc>\n   <text>First line&#x0d;&#10;Second line</text>\n   <value>&#x32;</value>\n"
            + "   <compute><![CDATA[value>\"0\" && value<\"10\" ?\"valid\":\"error\"]]></compute>\n"
            + "   <compute expr='value>\"0\" &amp;&amp; value&lt;\"10\" ?\"valid\":\"error\"'>valid</compute>\n"
            + "   <norm attr=' &apos;   &#x20;&#13;&#xa;&#9;   &apos; '/>\n</doc>"
        #expect(
            try Self.canonical(XMLCanonicalForm(.inclusive), document)
                == "<doc>\n   <text>First line&#xD;\nSecond line</text>\n   <value>2</value>\n"
                + "   <compute>value&gt;\"0\" &amp;&amp; value&lt;\"10\" ?\"valid\":\"error\"</compute>\n"
                + "   <compute expr=\"value>&quot;0&quot; &amp;&amp; value&lt;&quot;10&quot; ?"
                + "&quot;valid&quot;:&quot;error&quot;\">valid</compute>\n"
                + "   <norm attr=\" '    &#xD;&#xA;&#x9;   ' \"></norm>\n</doc>")
    }

    // The example of Exclusive XML Canonicalization 1.0, section 2.2.
    @Test("an element is the same in both surroundings in the exclusive form, and is not in the inclusive one")
    func surroundings() throws {
        let documents = [
            """
            <n0:local xmlns:n0="foo:bar" xmlns:n3="ftp://example.org"><n1:elem2 xmlns:n1="http://example.net" \
            xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org"/></n1:elem2></n0:local>
            """,
            """
            <n2:pdu xmlns:n1="http://example.com" xmlns:n2="http://foo.example" xml:lang="fr" xml:space="retain">\
            <n1:elem2 xmlns:n1="http://example.net" xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org"/>\
            </n1:elem2></n2:pdu>
            """,
        ]
        var inclusive = Set<String>()
        for document in documents {
            let root = try XMLElement.parse(document)
            let element = try #require(root.children.first)
            #expect(
                String(decoding: XMLCanonicalForm.exclusive.bytes(of: element, within: [root]), as: UTF8.self) == """
                    <n1:elem2 xmlns:n1="http://example.net" xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org">\
                    </n3:stuff></n1:elem2>
                    """)
            inclusive.insert(
                String(decoding: XMLCanonicalForm(.inclusive).bytes(of: element, within: [root]), as: UTF8.self))
        }
        #expect(
            inclusive == [
                """
                <n1:elem2 xmlns:n0="foo:bar" xmlns:n1="http://example.net" xmlns:n3="ftp://example.org" \
                xml:lang="en"><n3:stuff></n3:stuff></n1:elem2>
                """,
                """
                <n1:elem2 xmlns:n1="http://example.net" xmlns:n2="http://foo.example" xml:lang="en" \
                xml:space="retain"><n3:stuff xmlns:n3="ftp://example.org"></n3:stuff></n1:elem2>
                """,
            ])
    }

    @Test("prefixes of the list, the default namespace among them, are treated as in the inclusive form")
    func prefixList() throws {
        let root = try XMLElement.parse(
            "<a xmlns=\"urn:d\" xmlns:p=\"urn:p\" xmlns:q=\"urn:q\"><q:b xmlns:r=\"urn:r\"/></a>")
        let element = try #require(root.children.first)
        let form = XMLCanonicalForm(.exclusive(inclusivePrefixes: ["", "p", "missing"]))
        #expect(
            String(decoding: form.bytes(of: element, within: [root]), as: UTF8.self)
                == "<q:b xmlns=\"urn:d\" xmlns:p=\"urn:p\" xmlns:q=\"urn:q\"></q:b>")
    }

    /// Made with libxml2, which xmlsec uses, from documents that were put together at random.
    struct Vector: Decodable {
        var document: String
        var method: String
        var comments: Bool
        var prefixes: [String]
        var id: String
        var canonical: String
    }

    @Test("the forms are those of libxml2")
    func vectors() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Vectors/libxml2.json")
        let vectors = try JSONDecoder().decode([Vector].self, from: try Data(contentsOf: file))
        #expect(vectors.count > 50)
        for vector in vectors {
            let form = XMLCanonicalForm(
                vector.method == "inclusive" ? .inclusive : .exclusive(inclusivePrefixes: vector.prefixes),
                keepsComments: vector.comments)
            let document = try XMLDocument.parse(Array(vector.document.utf8))
            var bytes = form.bytes(of: document)
            if !vector.id.isEmpty {
                let path = try #require(Self.path(to: vector.id, from: document.root))
                bytes = form.bytes(of: path[path.count - 1], within: path.dropLast())
            }
            #expect(String(decoding: bytes, as: UTF8.self) == vector.canonical, "\(vector.document)")
        }
    }

    private static func path(to id: String, from element: XMLElement) -> [XMLElement]? {
        if element.attribute("Id") == id { return [element] }
        for child in element.children {
            if let path = path(to: id, from: child) { return [element] + path }
        }
        return nil
    }

    @Test("comments and instructions are kept on demand, bounded, and written back")
    func kept() throws {
        let text = "<a>x<!-- c -->y<?p d?><b/></a>"
        let document = try XMLDocument.parse(Array(text.utf8))
        #expect(document.root.text == "xy")
        #expect(document.root.content.count == 5)
        var writer = XMLWriter(declaration: false)
        writer.element(document.root)
        #expect(writer.text == text)
        #expect(try XMLElement.parse(text).content.count == 2)
        let limits = XMLLimits(elements: 10)
        let many = "<a>" + String(repeating: "<!---->", count: 10) + "</a>"
        #expect(throws: XMLError.self) { try XMLDocument.parse(Array(many.utf8), limits: limits) }
        #expect(throws: Never.self) { try XMLElement.parse(many, limits: limits) }
    }
}
