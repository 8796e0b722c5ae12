/// The parser proper: one pass over normalised bytes, with a stack of its own instead of recursion.
///
///     prolog ──▶ content of the open element ◀─┐
///                  │ start tag: push ──────────┤
///                  │ end tag: pop, add to parent ─┘
///                  └ root closed ──▶ comments and instructions only ──▶ end
struct XMLParser {
    private let bytes: [UInt8]
    private let limits: XMLLimits
    /// Whether comments and processing instructions are kept; only canonical forms need them.
    private let keepsMarkup: Bool
    private var index = 0
    private var elementCount = 0
    private var open: [Frame] = []
    private var scope: [XMLNamespaceDeclaration] = []

    /// An element whose end tag has not come yet.
    private struct Frame {
        let name: Range<Int>
        let prefix: String
        let localName: String
        let namespace: String?
        let attributes: [XMLAttribute]
        let declarations: [XMLNamespaceDeclaration]
        let scopeBefore: Int
        var content: [XMLContent] = []
    }

    private struct RawAttribute {
        let at: Int
        let prefix: String
        let localName: String
        let value: String
    }

    private static let xmlNamespace = "http://www.w3.org/XML/1998/namespace"
    private static let xmlnsNamespace = "http://www.w3.org/2000/xmlns/"

    /// `bytes` come from `XMLDecoding.normalised`: valid UTF-8, legal characters, line feeds.
    init(bytes: [UInt8], limits: XMLLimits, keepsMarkup: Bool = false) {
        self.bytes = bytes
        self.limits = limits
        self.keepsMarkup = keepsMarkup
    }

    /// Parses the whole document.
    mutating func document() throws(XMLError) -> XMLDocument {
        try xmlDeclaration()
        let before = try misc()
        guard peek() == UInt8(ascii: "<") else {
            throw malformed(index >= bytes.count ? "the document has no root element" : "text before the root element")
        }
        var root = try startTag()
        while root == nil { root = try contentPiece() }
        let after = try misc()
        guard index >= bytes.count else { throw malformed("content after the root element") }
        guard let root else { throw malformed("the document has no root element") }
        return XMLDocument(before: before, root: root, after: after)
    }

    // MARK: Prolog

    private mutating func xmlDeclaration() throws(XMLError) {
        guard looksAt("<?xml"), XMLCharacter.isSpace(peek(5)) else { return }
        index += 5
        var seen = 0
        while true {
            let spaced = skipSpace()
            if looksAt("?>") { break }
            guard spaced else { throw malformed("white space is missing in the XML declaration") }
            let at = index
            let (prefix, name) = try qualifiedName()
            try equalsSign()
            let value = try attributeValue()
            // The order is fixed: version, encoding, standalone.
            switch (prefix, name) {
            case ("", "version") where seen == 0 && value.hasPrefix("1."): seen = 1
            case ("", "encoding") where seen == 1 && !value.isEmpty: seen = 2
            case ("", "standalone") where (seen == 1 || seen == 2) && (value == "yes" || value == "no"): seen = 3
            default: throw malformed("the XML declaration has no place for \(name)=\"\(value)\"", at: at)
            }
        }
        guard seen > 0 else { throw malformed("the XML declaration has no version") }
        index += 2
    }

    /// Comments, processing instructions and white space outside of the root element. Returns what is kept of them.
    private mutating func misc() throws(XMLError) -> [XMLContent] {
        var kept: [XMLContent] = []
        while true {
            skipSpace()
            if looksAt("<!--") {
                let piece = try comment()
                if let piece { kept.append(piece) }
            } else if looksAt("<?") {
                let piece = try processingInstruction()
                if let piece { kept.append(piece) }
            } else if looksAt("<!DOCTYPE") {
                throw XMLDecoding.error(
                    .doctype, "a document type declaration is not accepted; send the document without <!DOCTYPE",
                    bytes, index)
            } else {
                return kept
            }
        }
    }

    private mutating func comment() throws(XMLError) -> XMLContent? {
        let start = index
        index += 4
        let first = index
        while index < bytes.count {
            if looksAt("--") {
                guard peek(2) == UInt8(ascii: ">") else { throw malformed("\"--\" inside a comment") }
                let text = first..<index
                index += 3
                guard keepsMarkup else { return nil }
                try count()
                return .comment(String(decoding: bytes[text], as: UTF8.self))
            }
            index += 1
        }
        throw malformed("the comment is not closed", at: start)
    }

    private mutating func processingInstruction() throws(XMLError) -> XMLContent? {
        let start = index
        index += 2
        let target = try name()
        let lower = String(decoding: bytes[target], as: UTF8.self).lowercased()
        if lower == "xml" { throw malformed("the XML declaration is only allowed at the very start", at: start) }
        guard looksAt("?>") || XMLCharacter.isSpace(peek()) else {
            throw malformed("white space is missing after the target of a processing instruction")
        }
        skipSpace()
        let first = index
        while index < bytes.count {
            if looksAt("?>") {
                let data = first..<index
                index += 2
                guard keepsMarkup else { return nil }
                try count()
                return .instruction(
                    target: String(decoding: bytes[target], as: UTF8.self),
                    data: String(decoding: bytes[data], as: UTF8.self))
            }
            index += 1
        }
        throw malformed("the processing instruction is not closed", at: start)
    }

    /// Counts an element, or a comment or instruction that is kept.
    private mutating func count() throws(XMLError) {
        elementCount += 1
        if elementCount > limits.elements { throw exceeded("more than \(limits.elements) elements") }
    }

    // MARK: Elements

    /// Reads a start tag. Returns the element if it is the root and empty.
    private mutating func startTag() throws(XMLError) -> XMLElement? {
        let start = index
        try count()
        if open.count >= limits.depth { throw exceeded("elements nested deeper than \(limits.depth)") }
        index += 1
        let nameStart = index
        let (prefix, localName) = try qualifiedName()
        let nameRange = nameStart..<index
        var raw: [RawAttribute] = []
        var declarations: [XMLNamespaceDeclaration] = []
        while true {
            let spaced = skipSpace()
            let byte = peek()
            if byte == UInt8(ascii: ">") || byte == UInt8(ascii: "/") { break }
            if byte == 0 { throw malformed("the start tag is not closed", at: start) }
            guard spaced else { throw malformed("white space is missing between attributes") }
            if raw.count + declarations.count >= limits.attributes {
                throw exceeded("more than \(limits.attributes) attributes on one element")
            }
            let at = index
            let (attributePrefix, attributeName) = try qualifiedName()
            try equalsSign()
            let value = try attributeValue()
            if attributePrefix == "xmlns" {
                declarations.append(try declaration(attributeName, value, among: declarations, at: at))
            } else if attributePrefix.isEmpty && attributeName == "xmlns" {
                declarations.append(try declaration("", value, among: declarations, at: at))
            } else {
                raw.append(RawAttribute(at: at, prefix: attributePrefix, localName: attributeName, value: value))
            }
        }
        let scopeBefore = scope.count
        if !declarations.isEmpty {
            scope.append(contentsOf: declarations)
            if scope.count > limits.namespaces { throw exceeded("more than \(limits.namespaces) namespaces in scope") }
        }
        let namespace = try resolve(prefix, at: nameStart)
        let attributes = raw.isEmpty ? [] : try resolved(raw)
        let empty = peek() == UInt8(ascii: "/")
        if empty {
            guard peek(1) == UInt8(ascii: ">") else { throw malformed("\">\" is missing after \"/\"") }
            index += 1
        }
        index += 1
        open.append(
            Frame(
                name: nameRange, prefix: prefix, localName: localName, namespace: namespace, attributes: attributes,
                declarations: declarations, scopeBefore: scopeBefore))
        return empty ? closeElement() : nil
    }

    private mutating func endTag() throws(XMLError) -> XMLElement? {
        let start = index
        index += 2
        let given = try name(allowingColon: true)
        let expected = open[open.count - 1].name
        guard bytes[given].elementsEqual(bytes[expected]) else {
            let wanted = String(decoding: bytes[expected], as: UTF8.self)
            throw malformed("the end tag does not match the open element \"\(wanted)\"", at: start)
        }
        skipSpace()
        guard peek() == UInt8(ascii: ">") else { throw malformed("the end tag is not closed", at: start) }
        index += 1
        return closeElement()
    }

    /// Moves the innermost open element into its parent, or returns it if it is the root.
    private mutating func closeElement() -> XMLElement? {
        let frame = open.removeLast()
        scope.removeLast(scope.count - frame.scopeBefore)
        let element = XMLElement(
            prefix: frame.prefix, localName: frame.localName, namespace: frame.namespace, attributes: frame.attributes,
            namespaceDeclarations: frame.declarations, content: frame.content)
        guard !open.isEmpty else { return element }
        open[open.count - 1].content.append(.element(element))
        return nil
    }

    /// Reads text up to the next tag and then that tag. Returns the root when it closes.
    private mutating func contentPiece() throws(XMLError) -> XMLElement? {
        try characterData()
        guard index < bytes.count else {
            let name = String(decoding: bytes[open[open.count - 1].name], as: UTF8.self)
            throw malformed("the document ends inside the element \"\(name)\"")
        }
        if peek(1) == UInt8(ascii: "/") { return try endTag() }
        return try startTag()
    }

    /// Text, references, CDATA, comments and instructions up to the next tag, as one piece of text.
    private mutating func characterData() throws(XMLError) {
        var buffer: [UInt8] = []
        var text: Range<Int>?  // The one plain run, while there is only one: the usual case needs no copy.
        func plain(_ run: Range<Int>) {
            if run.isEmpty { return }
            if text == nil && buffer.isEmpty {
                text = run
                return
            }
            if let first = text {
                buffer.append(contentsOf: bytes[first])
                text = nil
            }
            buffer.append(contentsOf: bytes[run])
        }
        /// Closes the piece of text before markup that is kept.
        func flush() {
            if let run = text {
                open[open.count - 1].content.append(.text(String(decoding: bytes[run], as: UTF8.self)))
            } else if !buffer.isEmpty {
                open[open.count - 1].content.append(.text(String(decoding: buffer, as: UTF8.self)))
            }
            text = nil
            buffer.removeAll(keepingCapacity: true)
        }
        scan: while index < bytes.count {
            let start = index
            while index < bytes.count, bytes[index] != UInt8(ascii: "<"), bytes[index] != UInt8(ascii: "&") {
                if bytes[index] == UInt8(ascii: "]"), looksAt("]]>") { throw malformed("\"]]>\" in text") }
                index += 1
            }
            plain(start..<index)
            guard index < bytes.count else { break }
            if bytes[index] == UInt8(ascii: "&") {
                if let first = text {
                    buffer.append(contentsOf: bytes[first])
                    text = nil
                }
                try reference(into: &buffer)
                continue
            }
            switch (peek(1), peek(2)) {
            case (UInt8(ascii: "!"), UInt8(ascii: "-")) where looksAt("<!--"):
                if let piece = try comment() {
                    flush()
                    open[open.count - 1].content.append(piece)
                }
            case (UInt8(ascii: "!"), UInt8(ascii: "[")) where looksAt("<![CDATA["): plain(try cdata())
            case (UInt8(ascii: "?"), _):
                if let piece = try processingInstruction() {
                    flush()
                    open[open.count - 1].content.append(piece)
                }
            case (UInt8(ascii: "!"), _):
                if looksAt("<!DOCTYPE") {
                    throw XMLDecoding.error(
                        .doctype, "a document type declaration is not accepted; send the document without <!DOCTYPE",
                        bytes, index)
                }
                throw malformed("a markup declaration is not allowed here")
            default: break scan
            }
        }
        flush()
    }

    private mutating func cdata() throws(XMLError) -> Range<Int> {
        let start = index
        index += 9
        let first = index
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "]"), looksAt("]]>") {
                let range = first..<index
                index += 3
                return range
            }
            index += 1
        }
        throw malformed("the CDATA section is not closed", at: start)
    }

    // MARK: Namespaces

    private func declaration(
        _ prefix: String, _ uri: String, among others: [XMLNamespaceDeclaration], at: Int
    ) throws(XMLError) -> XMLNamespaceDeclaration {
        for other in others where other.prefix == prefix {
            throw malformed("the namespace prefix \"\(prefix)\" is declared twice", at: at)
        }
        let bindsXML = uri == Self.xmlNamespace
        if prefix == "xmlns" || uri == Self.xmlnsNamespace || (prefix == "xml") != bindsXML {
            throw malformed("the prefixes xml and xmlns and their namespaces are reserved", at: at)
        }
        if uri.isEmpty && !prefix.isEmpty {
            throw malformed("the namespace prefix \"\(prefix)\" is bound to nothing", at: at)
        }
        return XMLNamespaceDeclaration(prefix: prefix, uri: uri)
    }

    private func resolve(_ prefix: String, at: Int) throws(XMLError) -> String? {
        var position = scope.count - 1
        while position >= 0 {
            if scope[position].prefix == prefix {
                let uri = scope[position].uri
                return uri.isEmpty ? nil : uri
            }
            position -= 1
        }
        if prefix.isEmpty { return nil }
        if prefix == "xml" { return Self.xmlNamespace }
        throw malformed("the namespace prefix \"\(prefix)\" is not declared", at: at)
    }

    private func resolved(_ raw: [RawAttribute]) throws(XMLError) -> [XMLAttribute] {
        var result: [XMLAttribute] = []
        result.reserveCapacity(raw.count)
        for attribute in raw {
            let namespace = attribute.prefix.isEmpty ? nil : try resolve(attribute.prefix, at: attribute.at)
            for other in result where other.localName == attribute.localName && other.namespace == namespace {
                throw malformed(
                    "the attribute \"\(attribute.localName)\" stands twice on one element", at: attribute.at)
            }
            result.append(
                XMLAttribute(
                    prefix: attribute.prefix, localName: attribute.localName, namespace: namespace,
                    value: attribute.value))
        }
        return result
    }

    // MARK: Tokens

    private mutating func name(allowingColon: Bool = false) throws(XMLError) -> Range<Int> {
        let start = index
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x80 {
                if byte == UInt8(ascii: ":") {
                    guard allowingColon else { break }
                } else if !XMLCharacter.isNameContinuation(UInt32(byte)) {
                    break
                } else if index == start, !XMLCharacter.isNameStart(UInt32(byte)) {
                    break
                }
                index += 1
                continue
            }
            guard let (scalar, length) = XMLCharacter.decode(bytes, at: index),
                index == start ? XMLCharacter.isNameStart(scalar) : XMLCharacter.isNameContinuation(scalar)
            else { break }
            index += length
        }
        guard index > start else { throw malformed("a name is missing") }
        return start..<index
    }

    private mutating func qualifiedName() throws(XMLError) -> (prefix: String, localName: String) {
        let first = try name()
        guard peek() == UInt8(ascii: ":") else { return ("", String(decoding: bytes[first], as: UTF8.self)) }
        index += 1
        let second = try name()
        if peek() == UInt8(ascii: ":") { throw malformed("a name with two colons") }
        return (String(decoding: bytes[first], as: UTF8.self), String(decoding: bytes[second], as: UTF8.self))
    }

    private mutating func equalsSign() throws(XMLError) {
        skipSpace()
        guard peek() == UInt8(ascii: "=") else { throw malformed("\"=\" is missing after the name of an attribute") }
        index += 1
        skipSpace()
    }

    private mutating func attributeValue() throws(XMLError) -> String {
        let quote = peek()
        guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            throw malformed("the value of an attribute must stand in quotes")
        }
        let start = index
        index += 1
        let first = index
        var buffer: [UInt8]?
        while index < bytes.count {
            let byte = bytes[index]
            if byte == quote {
                let end = index
                index += 1
                if let buffer { return String(decoding: buffer, as: UTF8.self) }
                return String(decoding: bytes[first..<end], as: UTF8.self)
            }
            if byte == UInt8(ascii: "<") { throw malformed("\"<\" in the value of an attribute") }
            let special = byte == UInt8(ascii: "&") || byte == 0x0A || byte == 0x09
            if special && buffer == nil { buffer = Array(bytes[first..<index]) }
            if byte == UInt8(ascii: "&") {
                var expanded: [UInt8] = []
                try reference(into: &expanded)
                buffer?.append(contentsOf: expanded)
            } else {
                buffer?.append(special ? 0x20 : byte)
                index += 1
            }
        }
        throw malformed("the value of an attribute is not closed", at: start)
    }

    /// Reads `&name;`, `&#n;` or `&#xn;` and appends what it stands for.
    private mutating func reference(into buffer: inout [UInt8]) throws(XMLError) {
        let start = index
        index += 1
        // The longest legal reference, &#x10FFFF; with a few leading zeros, is far shorter than this.
        var body: [UInt8] = []
        while index < bytes.count, body.count < 16, bytes[index] != UInt8(ascii: ";") {
            body.append(bytes[index])
            index += 1
        }
        guard peek() == UInt8(ascii: ";") else { throw malformed("\"&\" must be written as &amp;", at: start) }
        index += 1
        if body.first == UInt8(ascii: "#") {
            guard let scalar = Self.scalarValue(body.dropFirst()), XMLCharacter.isLegal(scalar),
                let unicode = Unicode.Scalar(scalar)
            else { throw malformed("a numeric reference to a character that XML does not allow", at: start) }
            buffer.append(contentsOf: UTF8.encode(unicode).map { Array($0) } ?? [])
            return
        }
        switch String(decoding: body, as: UTF8.self) {
        case "lt": buffer.append(UInt8(ascii: "<"))
        case "gt": buffer.append(UInt8(ascii: ">"))
        case "amp": buffer.append(UInt8(ascii: "&"))
        case "quot": buffer.append(UInt8(ascii: "\""))
        case "apos": buffer.append(UInt8(ascii: "'"))
        case let other: throw malformed("the entity \"\(other)\" is not one of the five of XML", at: start)
        }
    }

    private static func scalarValue(_ digits: ArraySlice<UInt8>) -> UInt32? {
        let hexadecimal = digits.first == UInt8(ascii: "x")
        let body = hexadecimal ? digits.dropFirst() : digits
        if body.isEmpty { return nil }
        var value: UInt32 = 0
        for byte in body {
            let digit: UInt32
            switch byte {
            case 0x30...0x39: digit = UInt32(byte - 0x30)
            case 0x41...0x46 where hexadecimal: digit = UInt32(byte - 0x41 + 10)
            case 0x61...0x66 where hexadecimal: digit = UInt32(byte - 0x61 + 10)
            default: return nil
            }
            value = value * (hexadecimal ? 16 : 10) + digit
            if value > 0x10FFFF { return nil }
        }
        return value
    }

    // MARK: Bytes

    /// The byte ahead, or 0 at the end: a document cannot contain 0.
    @inline(__always)
    private func peek(_ ahead: Int = 0) -> UInt8 { index + ahead < bytes.count ? bytes[index + ahead] : 0 }

    private func looksAt(_ token: StaticString) -> Bool {
        guard index + token.utf8CodeUnitCount <= bytes.count else { return false }
        for offset in 0..<token.utf8CodeUnitCount where bytes[index + offset] != token.utf8Start[offset] {
            return false
        }
        return true
    }

    @discardableResult
    private mutating func skipSpace() -> Bool {
        let start = index
        while index < bytes.count, XMLCharacter.isSpace(bytes[index]) { index += 1 }
        return index > start
    }

    private func malformed(_ message: String, at offset: Int? = nil) -> XMLError {
        XMLDecoding.error(.malformed, message, bytes, offset ?? index)
    }

    private func exceeded(_ message: String) -> XMLError { XMLDecoding.error(.limit, message, bytes, index) }
}
