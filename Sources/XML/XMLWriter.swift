/// Writes a document into a byte array as fast as bytes can be appended.
///
/// Text and attribute values are escaped; a character that XML 1.0 forbids becomes U+FFFD, so that the
/// result always parses. Names are the caller's constants and are written as they are.
public struct XMLWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8] = []
    private var open: [(name: String, scopeBefore: Int)] = []
    private var scope: [XMLNamespaceDeclaration] = []
    /// The length right after the last start tag, so that `close` can turn an empty element into `<a/>`.
    private var afterStartTag = -1

    /// Starts a document, with the XML declaration unless told otherwise.
    public init(declaration: Bool = true, reserving capacity: Int = 1024) {
        bytes.reserveCapacity(capacity)
        if declaration { raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") }
    }

    /// Makes room for that many bytes more, so that a long document is not copied as it grows.
    public mutating func reserve(_ additional: Int) { bytes.reserveCapacity(bytes.count + additional) }

    /// The document as text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Opens an element. `name` may have a prefix; `attributes` may contain `xmlns` declarations.
    public mutating func open(_ name: String, _ attributes: [(name: String, value: String)] = []) {
        open.append((name, scope.count))
        startTag(name, attributes)
        for attribute in attributes where attribute.name.utf8.starts(with: "xmlns".utf8) {
            let prefix = attribute.name.utf8.count == 5 ? "" : String(attribute.name.dropFirst(6))
            scope.append(XMLNamespaceDeclaration(prefix: prefix, uri: attribute.value))
        }
        bytes.append(UInt8(ascii: ">"))
        afterStartTag = bytes.count
    }

    /// Opens an element and makes `namespace` the default namespace inside of it, with a declaration if it is not
    /// that already. An element without prefix is then itself in that namespace.
    public mutating func open(_ name: String, namespace: String) {
        open.append((name, scope.count))
        startTag(name, [])
        declare("", namespace)
        bytes.append(UInt8(ascii: ">"))
        afterStartTag = bytes.count
    }

    /// Opens an element with a default namespace and one with a prefix inside of it, each declared if it is not in
    /// scope already.
    public mutating func open(_ name: String, namespace: String, prefix: String, for prefixed: String) {
        open.append((name, scope.count))
        startTag(name, [])
        declare("", namespace)
        declare(prefix, prefixed)
        bytes.append(UInt8(ascii: ">"))
        afterStartTag = bytes.count
    }

    /// Closes the innermost open element. Without one it does nothing.
    public mutating func close() {
        guard let (name, scopeBefore) = open.popLast() else { return }
        scope.removeLast(scope.count - scopeBefore)
        if bytes.count == afterStartTag {
            bytes.removeLast()
            raw("/>")
            return
        }
        endTag(name)
    }

    /// Writes an element, with what `body` writes inside of it.
    public mutating func element(
        _ name: String, _ attributes: [(name: String, value: String)] = [], body: (inout XMLWriter) -> Void
    ) {
        open(name, attributes)
        body(&self)
        close()
    }

    /// Writes an element with text.
    public mutating func element(_ name: String, _ text: String, _ attributes: [(name: String, value: String)] = []) {
        startTag(name, attributes)
        if text.isEmpty {
            raw("/>")
            return
        }
        bytes.append(UInt8(ascii: ">"))
        escape(text, inAttribute: false)
        endTag(name)
    }

    /// Writes an empty element.
    public mutating func element(_ name: String) { element(name, "") }

    /// Writes an element with a number.
    public mutating func element(_ name: String, _ value: Int) { plain(name, String(value)) }

    /// Writes an element with a number.
    public mutating func element(_ name: String, _ value: Int64) { plain(name, String(value)) }

    /// Writes an element with `true` or `false`.
    public mutating func element(_ name: String, _ value: Bool) { plain(name, value ? "true" : "false") }

    /// Writes an element with text that is already bytes of ASCII without markup, such as base64.
    public mutating func element(_ name: String, ascii value: [UInt8]) {
        startTag(name, [])
        bytes.append(UInt8(ascii: ">"))
        bytes.append(contentsOf: value)
        endTag(name)
    }

    /// Writes text inside the open element.
    public mutating func text(_ text: String) { escape(text, inAttribute: false) }

    /// Writes an element that was parsed before, with its prefixes and declarations as they were.
    public mutating func element(_ element: XMLElement) {
        var attributes: [(name: String, value: String)] = []
        for declaration in element.namespaceDeclarations {
            attributes.append((declaration.prefix.isEmpty ? "xmlns" : "xmlns:" + declaration.prefix, declaration.uri))
        }
        for attribute in element.attributes {
            let name = attribute.prefix.isEmpty ? attribute.localName : attribute.prefix + ":" + attribute.localName
            attributes.append((name, attribute.value))
        }
        open(element.qualifiedName, attributes)
        for piece in element.content {
            switch piece {
            case .element(let child): self.element(child)
            case .text(let text): self.text(text)
            case .comment(let text): raw("<!--" + text + "-->")
            case .instruction(let target, let data): raw(data.isEmpty ? "<?\(target)?>" : "<?\(target) \(data)?>")
            }
        }
        close()
    }

    /// Appends markup as it is. The caller is responsible for its being well-formed.
    public mutating func raw(_ markup: String) { bytes.append(contentsOf: markup.utf8) }

    /// Text as it may stand in the value of an attribute, for documents that are made from a template.
    public static func escapedAttribute(_ text: String) -> String {
        var writer = XMLWriter(declaration: false, reserving: text.utf8.count)
        writer.escape(text, inAttribute: true)
        return writer.text
    }

    // MARK: Parts

    private mutating func startTag(_ name: String, _ attributes: [(name: String, value: String)]) {
        bytes.append(UInt8(ascii: "<"))
        raw(name)
        for attribute in attributes {
            bytes.append(UInt8(ascii: " "))
            raw(attribute.name)
            raw("=\"")
            escape(attribute.value, inAttribute: true)
            bytes.append(UInt8(ascii: "\""))
        }
    }

    private mutating func declare(_ prefix: String, _ uri: String) {
        var position = scope.count - 1
        while position >= 0 {
            if scope[position].prefix == prefix {
                if scope[position].uri == uri { return }
                break
            }
            position -= 1
        }
        scope.append(XMLNamespaceDeclaration(prefix: prefix, uri: uri))
        raw(prefix.isEmpty ? " xmlns" : " xmlns:")
        raw(prefix)
        raw("=\"")
        escape(uri, inAttribute: true)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func endTag(_ name: String) {
        raw("</")
        raw(name)
        bytes.append(UInt8(ascii: ">"))
    }

    private mutating func plain(_ name: String, _ text: String) {
        startTag(name, [])
        bytes.append(UInt8(ascii: ">"))
        raw(text)
        endTag(name)
    }

    private mutating func escape(_ string: String, inAttribute: Bool) {
        var string = string
        string.withUTF8 { input in
            var start = 0
            var index = 0
            while index < input.count {
                let byte = input[index]
                // Letters, digits and most punctuation; 0xEF may begin U+FFFE and U+FFFF.
                if byte > UInt8(ascii: ">") && byte != 0xEF {
                    index += 1
                    continue
                }
                var length = 1
                let replacement: StaticString
                switch byte {
                case UInt8(ascii: "&"): replacement = "&amp;"
                case UInt8(ascii: "<"): replacement = "&lt;"
                case UInt8(ascii: ">"): replacement = "&gt;"
                case UInt8(ascii: "\"") where inAttribute: replacement = "&quot;"
                case 0x09 where inAttribute: replacement = "&#9;"
                case 0x0A where inAttribute: replacement = "&#10;"
                case 0x0D: replacement = "&#13;"
                case 0x09, 0x0A, 0x20...0x7F:
                    index += 1
                    continue
                case 0xEF:
                    guard index + 2 < input.count, input[index + 1] == 0xBF, input[index + 2] >= 0xBE else {
                        index += 1
                        continue
                    }
                    length = 3
                    replacement = "\u{FFFD}"
                default: replacement = "\u{FFFD}"
                }
                bytes.append(contentsOf: input[start..<index])
                bytes.append(
                    contentsOf: UnsafeBufferPointer(
                        start: replacement.utf8Start, count: replacement.utf8CodeUnitCount))
                index += length
                start = index
            }
            bytes.append(contentsOf: input[start..<input.count])
        }
    }
}
