/// An attribute of an element. Namespace declarations are not attributes: see `XMLElement.namespaceDeclarations`.
public struct XMLAttribute: Sendable, Equatable {
    /// The prefix as written, empty if there is none.
    public let prefix: String
    /// The name without its prefix.
    public let localName: String
    /// The namespace URI of the prefix; nil for an attribute without prefix.
    public let namespace: String?
    /// The value, normalised as XML 1.0 section 3.3.3 demands.
    public let value: String

    /// Makes an attribute.
    public init(prefix: String = "", localName: String, namespace: String? = nil, value: String) {
        self.prefix = prefix
        self.localName = localName
        self.namespace = namespace
        self.value = value
    }
}

/// A namespace declaration (`xmlns="…"` or `xmlns:p="…"`) as it stands on one element.
public struct XMLNamespaceDeclaration: Sendable, Equatable {
    /// The declared prefix; empty for the default namespace.
    public let prefix: String
    /// The namespace URI; empty where the default namespace is switched off.
    public let uri: String

    /// Makes a declaration.
    public init(prefix: String, uri: String) {
        self.prefix = prefix
        self.uri = uri
    }
}

/// One piece of an element's content, in document order.
public enum XMLContent: Sendable, Equatable {
    /// A child element.
    case element(XMLElement)
    /// Character data: text, CDATA and references between two tags, as one string.
    case text(String)
    /// The text of a comment. Only `XMLDocument.parse` keeps comments.
    case comment(String)
    /// A processing instruction. Only `XMLDocument.parse` keeps them.
    case instruction(target: String, data: String)
}

/// An element with everything in it. Immutable, so that it can be shared between threads.
///
/// Content keeps its order, whitespace, prefixes and namespace declarations, which is what canonical
/// XML needs; comments and processing instructions are only kept by `XMLDocument.parse`.
public final class XMLElement: Sendable, Equatable {
    /// The prefix as written, empty if there is none.
    public let prefix: String
    /// The name without its prefix.
    public let localName: String
    /// The namespace URI that the name resolves to; nil if it is in no namespace.
    public let namespace: String?
    /// The attributes in document order.
    public let attributes: [XMLAttribute]
    /// The namespace declarations that stand on this very element, in document order.
    public let namespaceDeclarations: [XMLNamespaceDeclaration]
    /// Child elements and text in document order.
    public let content: [XMLContent]

    /// Makes an element. The caller is responsible for valid names.
    public init(
        prefix: String = "", localName: String, namespace: String? = nil, attributes: [XMLAttribute] = [],
        namespaceDeclarations: [XMLNamespaceDeclaration] = [], content: [XMLContent] = []
    ) {
        self.prefix = prefix
        self.localName = localName
        self.namespace = namespace
        self.attributes = attributes
        self.namespaceDeclarations = namespaceDeclarations
        self.content = content
    }

    /// The name as written, with its prefix.
    public var qualifiedName: String { prefix.isEmpty ? localName : prefix + ":" + localName }

    /// The element's own text (not that of its children), concatenated.
    public var text: String {
        // Nearly every element with text has just that.
        if content.count == 1, case .text(let only) = content[0] { return only }
        var result = ""
        for case .text(let piece) in content { result += piece }
        return result
    }

    /// `text` without leading and trailing XML whitespace.
    public var trimmedText: String { text.trimmingXMLWhitespace() }

    /// The child elements in document order.
    public var children: [XMLElement] {
        var result: [XMLElement] = []
        for case .element(let child) in content { result.append(child) }
        return result
    }

    /// The first child element of this local name; with `namespace` given, only in that namespace.
    public func child(_ localName: String, namespace: String? = nil) -> XMLElement? {
        for case .element(let child) in content where child.isNamed(localName, namespace: namespace) {
            return child
        }
        return nil
    }

    /// All child elements of this local name; with `namespace` given, only in that namespace.
    public func children(_ localName: String, namespace: String? = nil) -> [XMLElement] {
        var result: [XMLElement] = []
        for case .element(let child) in content where child.isNamed(localName, namespace: namespace) {
            result.append(child)
        }
        return result
    }

    /// The value of an attribute; without `namespace`, of the one that has no prefix.
    public func attribute(_ localName: String, namespace: String? = nil) -> String? {
        for attribute in attributes where attribute.localName == localName && attribute.namespace == namespace {
            return attribute.value
        }
        return nil
    }

    /// Whether the element has this local name and, if `namespace` is given, is in it.
    public func isNamed(_ localName: String, namespace: String? = nil) -> Bool {
        guard self.localName == localName else { return false }
        guard let namespace else { return true }
        return self.namespace == namespace
    }

    /// Whether two elements are the same in name, prefix, attributes, declarations and content.
    public static func == (one: XMLElement, other: XMLElement) -> Bool {
        one === other
            || one.localName == other.localName && one.prefix == other.prefix && one.namespace == other.namespace
                && one.attributes == other.attributes && one.namespaceDeclarations == other.namespaceDeclarations
                && one.content == other.content
    }
}

extension XMLElement {
    /// Parses a document and returns its root element.
    ///
    /// Source: XML 1.0 (fifth edition) and Namespaces in XML 1.0, without DTD.
    /// - Throws: `XMLError` for anything that is not well-formed, not in UTF-8 (US-ASCII and ISO-8859-1
    ///   are read too if the XML declaration names them), has a DOCTYPE, or exceeds `limits`.
    public static func parse(_ bytes: [UInt8], limits: XMLLimits = XMLLimits()) throws(XMLError) -> XMLElement {
        var parser = XMLParser(bytes: try XMLDecoding.normalised(bytes, limits: limits), limits: limits)
        return try parser.document().root
    }

    /// Parses a document that is already text.
    public static func parse(_ text: String, limits: XMLLimits = XMLLimits()) throws(XMLError) -> XMLElement {
        try parse([UInt8](text.utf8), limits: limits)
    }
}

/// A whole document with its comments and processing instructions, as canonical forms need it.
public struct XMLDocument: Sendable, Equatable {
    /// Comments and processing instructions before the root element.
    public let before: [XMLContent]
    /// The root element.
    public let root: XMLElement
    /// Comments and processing instructions after the root element.
    public let after: [XMLContent]

    /// Parses a document as `XMLElement.parse` does, and keeps comments and processing instructions; each of them
    /// counts as an element among the limits.
    public static func parse(_ bytes: [UInt8], limits: XMLLimits = XMLLimits()) throws(XMLError) -> XMLDocument {
        var parser = XMLParser(
            bytes: try XMLDecoding.normalised(bytes, limits: limits), limits: limits, keepsMarkup: true)
        return try parser.document()
    }
}

extension String {
    /// The string without leading and trailing space, tab, carriage return and line feed.
    public func trimmingXMLWhitespace() -> String {
        let bytes = utf8
        var start = bytes.startIndex
        var end = bytes.endIndex
        while start < end, XMLCharacter.isSpace(bytes[start]) { start = bytes.index(after: start) }
        while start < end, XMLCharacter.isSpace(bytes[bytes.index(before: end)]) { end = bytes.index(before: end) }
        if start == bytes.startIndex && end == bytes.endIndex { return self }
        return String(self[start..<end])
    }
}
