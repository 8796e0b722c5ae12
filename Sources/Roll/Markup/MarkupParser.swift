public import XML

extension MarkupElement {
    /// Reads a document.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8.
    ///   - dropsDeclarationLines: Rocks leaves out every line of a node file in which `<?xml` stands, with all that
    ///     stands beside it.
    /// - Throws: `XMLError`: not well-formed, too large or deep, or with a document type, which Rocks' own header in
    ///   front of a node file makes an error.
    public static func parse(_ bytes: [UInt8], dropsDeclarationLines: Bool = false) throws(XMLError) -> MarkupElement {
        var parser = MarkupParser(bytes)
        if dropsDeclarationLines {
            parser.dropDeclarationLines()
            parser.isBehindHeader = true
        }
        return try parser.document()
    }
}

/// A parser of XML 1.0 documents without a document type. It does not recurse.
struct MarkupParser {
    private var bytes: [UInt8]
    private var at = 0
    private let lineStarts: [Int]
    /// Whether Rocks puts a header of its own in front, as it does for node files.
    fileprivate(set) var isBehindHeader = false

    private static let maximumBytes = 4 << 20
    private static let maximumDepth = 64

    private struct Open {
        let name: String
        let attributes: [MarkupElement.Attribute]
        let position: TextPosition
        var content: [MarkupElement.Content] = []
    }

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        lineStarts = [0] + bytes.indices.filter { bytes[$0] == 0x0A }.map { $0 + 1 }
    }

    /// Blanks those lines, so that places stay as they are.
    mutating func dropDeclarationLines() {
        let mark = Array("<?xml".utf8)
        for (number, start) in lineStarts.enumerated() {
            let end = number + 1 < lineStarts.count ? lineStarts[number + 1] - 1 : bytes.count
            guard end - start >= mark.count,
                (start...(end - mark.count)).contains(where: { bytes[$0..<$0 + mark.count].elementsEqual(mark) })
            else { continue }
            for index in start..<end { bytes[index] = 0x20 }
        }
    }

    private func position(_ offset: Int) -> TextPosition {
        var (low, high) = (0, lineStarts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        return TextPosition(line: low + 1, column: offset - lineStarts[low] + 1)
    }

    private func failure(_ message: String, at offset: Int? = nil, code: XMLError.Code = .malformed) -> XMLError {
        let place = position(offset ?? at)
        return XMLError(code: code, message: message, line: place.line, column: place.column)
    }

    private func starts(with text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard at + count <= bytes.count else { return false }
        return text.withUTF8Buffer { buffer in bytes[at..<at + count].elementsEqual(buffer) }
    }

    private mutating func skip(past text: StaticString, of what: String) throws(XMLError) -> Range<Int> {
        let start = at
        while at < bytes.count {
            if starts(with: text) {
                defer { at += text.utf8CodeUnitCount }
                return start..<at
            }
            at += 1
        }
        throw failure("\(what) is not closed", at: start)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private static func isNameByte(_ byte: UInt8, first: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            UInt8(ascii: ":"), 0x80...0xFF:
            true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."): !first
        default: false
        }
    }

    private mutating func skipSpace() {
        while at < bytes.count, Self.isSpace(bytes[at]) { at += 1 }
    }

    private mutating func name(_ what: String) throws(XMLError) -> String {
        let start = at
        guard at < bytes.count, Self.isNameByte(bytes[at], first: true) else { throw failure("\(what) is expected") }
        while at < bytes.count, Self.isNameByte(bytes[at], first: false) { at += 1 }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    mutating func document() throws(XMLError) -> MarkupElement {
        guard bytes.count <= Self.maximumBytes else {
            throw failure("the document is larger than \(Self.maximumBytes) bytes", at: 0, code: .limit)
        }
        var validator = UTF8()
        var iterator = bytes.makeIterator()
        var consumed = 0
        validation: while true {
            switch validator.decode(&iterator) {
            case .scalarValue(let scalar): consumed += UTF8.width(scalar)
            case .emptyInput: break validation
            case .error: throw failure("the text is not UTF-8", at: min(consumed, bytes.count), code: .encoding)
            }
        }
        if starts(with: "\u{FEFF}") {
            guard !isBehindHeader else {
                throw failure(
                    "the file begins with a byte order mark, which stands in the middle of a text where Rocks has put its "
                        + "own header in front")
            }
            at += 3
        }
        var open: [Open] = []
        var root: MarkupElement?
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "<") {
                if starts(with: "<!--") {
                    let start = at
                    at += 4
                    let body = try skip(past: "-->", of: "a comment")
                    // XML forbids -- within a comment, and expat refuses it.
                    let text = bytes[body]
                    if zip(text, text.dropFirst()).contains(where: { $0 == 0x2D && $1 == 0x2D }) || text.last == 0x2D {
                        throw failure("a comment contains --, which XML forbids", at: start)
                    }
                } else if starts(with: "<![CDATA[") {
                    let start = at
                    guard !open.isEmpty else { throw failure("CDATA stands outside of the root element") }
                    at += 9
                    let body = try skip(past: "]]>", of: "a CDATA section")
                    open[open.count - 1].content.append(
                        .characterData(String(decoding: bytes[body], as: UTF8.self), position(start)))
                } else if starts(with: "<?") {
                    at += 2
                    _ = try skip(past: "?>", of: "a processing instruction")
                } else if starts(with: "<!") {
                    throw failure(
                        "a DOCTYPE or other declaration is not allowed: Rocks puts its own in front of the file",
                        code: .doctype)
                } else if starts(with: "</") {
                    let start = at
                    at += 2
                    let name = try name("an element's name")
                    skipSpace()
                    guard at < bytes.count, bytes[at] == UInt8(ascii: ">") else { throw failure("> is expected") }
                    at += 1
                    guard let last = open.popLast() else { throw failure("</\(name)> closes nothing", at: start) }
                    guard last.name == name else {
                        throw failure(
                            "</\(name)> does not close <\(last.name)> of line \(last.position.line)", at: start)
                    }
                    close(last, end: start, &open, &root)
                } else {
                    let isEmpty = try startTag(&open, isFirst: root == nil)
                    if isEmpty, let last = open.popLast() { close(last, end: nil, &open, &root) }
                }
            } else if open.isEmpty {
                guard Self.isSpace(bytes[at]) else { throw failure("text stands outside of the root element") }
                at += 1
            } else {
                try text(&open[open.count - 1].content)
            }
        }
        if let last = open.last {
            throw failure("<\(last.name)> of line \(last.position.line) is not closed", at: bytes.count)
        }
        guard let root else { throw failure("the document has no root element", at: 0) }
        return root
    }

    private func close(_ last: Open, end: Int?, _ open: inout [Open], _ root: inout MarkupElement?) {
        let element = MarkupElement(
            name: last.name, attributes: last.attributes, content: last.content, position: last.position,
            end: end.map { position($0) } ?? last.position)
        if open.isEmpty {
            root = element
        } else {
            open[open.count - 1].content.append(.element(element))
        }
    }

    /// Reads a start tag onto the stack; true if it is an empty element's.
    private mutating func startTag(_ open: inout [Open], isFirst: Bool) throws(XMLError) -> Bool {
        let start = at
        at += 1
        let name = try name("an element's name")
        guard !open.isEmpty || isFirst else { throw failure("a second root element begins", at: start) }
        guard open.count < Self.maximumDepth else {
            throw failure("elements are nested deeper than \(Self.maximumDepth)", at: start, code: .limit)
        }
        var attributes: [MarkupElement.Attribute] = []
        while true {
            let before = at
            skipSpace()
            guard at < bytes.count else { throw failure("<\(name)> is not closed", at: start) }
            if bytes[at] == UInt8(ascii: ">") {
                at += 1
                open.append(Open(name: name, attributes: attributes, position: position(start)))
                return false
            }
            if starts(with: "/>") {
                at += 2
                open.append(Open(name: name, attributes: attributes, position: position(start)))
                return true
            }
            guard at > before else { throw failure("a space is expected between attributes") }
            let place = at
            let key = try self.name("an attribute's name")
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "=") else { throw failure("= is expected after \(key)") }
            at += 1
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") || bytes[at] == UInt8(ascii: "'") else {
                throw failure("the value of \(key) must be in quotes")
            }
            let quote = bytes[at]
            at += 1
            let valueStart = at
            var pieces: [MarkupElement.Piece] = []
            var run: [UInt8] = []
            func flush() {
                if !run.isEmpty { pieces.append(.text(String(decoding: run, as: UTF8.self))) }
                run = []
            }
            while true {
                guard at < bytes.count else { throw failure("the value of \(key) is not closed", at: place) }
                let byte = bytes[at]
                if byte == quote { break }
                if byte == UInt8(ascii: "<") { throw failure("the value of \(key) contains <; write &lt;") }
                if byte == UInt8(ascii: "&") {
                    switch try reference() {
                    case .text(let text): run += text.utf8
                    case .entity(let name):
                        flush()
                        pieces.append(.entity(name))
                    }
                    continue
                }
                run.append(Self.isSpace(byte) ? 0x20 : byte)
                at += 1
            }
            flush()
            guard !attributes.contains(where: { $0.name == key }) else {
                throw failure("the attribute \(key) is given twice", at: place)
            }
            attributes.append(
                MarkupElement.Attribute(
                    name: key, pieces: pieces, position: position(place),
                    source: String(decoding: bytes[valueStart..<at], as: UTF8.self)))
            at += 1
        }
    }

    private mutating func text(_ content: inout [MarkupElement.Content]) throws(XMLError) {
        var start = at
        var run: [UInt8] = []
        func flush() {
            if !run.isEmpty { content.append(.text(String(decoding: run, as: UTF8.self), position(start))) }
            run = []
        }
        while at < bytes.count, bytes[at] != UInt8(ascii: "<") {
            let place = at
            if bytes[at] == UInt8(ascii: "&") {
                switch try reference() {
                case .text(let text): run += text.utf8
                case .entity(let name):
                    flush()
                    content.append(.entity(name, position(place)))
                    start = at
                }
                continue
            }
            if starts(with: "]]>") { throw failure("]]> stands in text") }
            if bytes[at] < 0x20, !Self.isSpace(bytes[at]) {
                throw failure("the control character \(bytes[at]) is not allowed in XML")
            }
            // Line ends are one character each.
            if bytes[at] == 0x0D {
                if at + 1 >= bytes.count || bytes[at + 1] != 0x0A { run.append(0x0A) }
            } else {
                run.append(bytes[at])
            }
            at += 1
        }
        flush()
    }

    /// At `&`: a character, or an entity's name.
    private mutating func reference() throws(XMLError) -> MarkupElement.Piece {
        let start = at
        let hint = "& begins a reference; write &amp; for the character (&& is &amp;&amp;)"
        at += 1
        guard at < bytes.count else { throw failure(hint, at: start) }
        if bytes[at] == UInt8(ascii: "#") {
            guard let end = bytes[at...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else {
                throw failure(hint, at: start)
            }
            let digits = String(decoding: bytes[(at + 1)..<end], as: UTF8.self)
            let number = digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            guard let number, let scalar = Unicode.Scalar(number), number >= 0x20 || [9, 10, 13].contains(number) else {
                throw failure("&#\(digits); is no character of XML", at: start)
            }
            at = end + 1
            return .text(String(Character(scalar)))
        }
        guard Self.isNameByte(bytes[at], first: true) else { throw failure(hint, at: start) }
        let name = try name("an entity's name")
        guard at < bytes.count, bytes[at] == UInt8(ascii: ";") else { throw failure(hint, at: start) }
        at += 1
        switch name {
        case "amp": return .text("&")
        case "lt": return .text("<")
        case "gt": return .text(">")
        case "quot": return .text("\"")
        case "apos": return .text("'")
        default: return .entity(name)
        }
    }
}
