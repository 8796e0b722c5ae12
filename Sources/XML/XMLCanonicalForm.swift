/// The canonical forms of XML that signatures cover: one sequence of bytes for all documents that mean the same.
///
/// Sources: Canonical XML 1.0 (https://www.w3.org/TR/2001/REC-xml-c14n-20010315), Exclusive XML Canonicalization 1.0
/// (https://www.w3.org/TR/2002/REC-xml-exc-c14n-20020718). Documents have no DTD here, so there are no default
/// attributes, and attribute values are those of CDATA.
public struct XMLCanonicalForm: Sendable, Equatable {
    /// Which namespace declarations an element carries.
    public enum Method: Sendable, Equatable {
        /// Canonical XML 1.0: all declarations in scope.
        case inclusive
        /// Exclusive canonical XML: those that are visibly used, and inclusively those of the given prefixes
        /// (`InclusiveNamespaces PrefixList`; the empty string for the default namespace, `#default` there).
        case exclusive(inclusivePrefixes: [String])
    }

    /// The method.
    public var method: Method
    /// Whether comments stay.
    public var keepsComments: Bool

    /// Makes a form.
    public init(_ method: Method, keepsComments: Bool = false) {
        self.method = method
        self.keepsComments = keepsComments
    }

    /// Exclusive canonical XML without comments, which nearly every signature uses.
    public static var exclusive: XMLCanonicalForm { XMLCanonicalForm(.exclusive(inclusivePrefixes: [])) }

    /// The canonical form of a whole document.
    public func bytes(of document: XMLDocument) -> [UInt8] {
        var output = XMLCanonicalWriter(self)
        for piece in document.before where output.content(piece) { output.lineFeed() }
        output.element(document.root, rendered: [], pending: [])
        for piece in document.after {
            let start = output.bytes.count
            if output.content(piece) { output.insertLineFeed(at: start) }
        }
        return output.bytes
    }

    /// The canonical form of an element and all that is in it (the node-set of its subtree).
    ///
    /// - Parameter ancestors: the elements that it stands in, from the root down, whose declarations (and, in the
    ///   inclusive method, attributes of the namespace `xml`) reach into it.
    public func bytes(of element: XMLElement, within ancestors: [XMLElement]) -> [UInt8] {
        var output = XMLCanonicalWriter(self)
        var scope: [XMLNamespaceDeclaration] = []
        var inherited: [XMLAttribute] = []
        for ancestor in ancestors {
            for declaration in ancestor.namespaceDeclarations { scope.set(declaration) }
            if method == .inclusive {
                for attribute in ancestor.attributes where attribute.namespace == XMLCanonicalWriter.xmlNamespace {
                    inherited.removeAll { $0.localName == attribute.localName }
                    inherited.append(attribute)
                }
            }
        }
        inherited.removeAll { element.attribute($0.localName, namespace: XMLCanonicalWriter.xmlNamespace) != nil }
        output.element(element, rendered: [], pending: scope, inherited: inherited)
        return output.bytes
    }
}

extension [XMLNamespaceDeclaration] {
    /// Puts a declaration in the place of that of the same prefix.
    fileprivate mutating func set(_ declaration: XMLNamespaceDeclaration) {
        removeAll { $0.prefix == declaration.prefix }
        append(declaration)
    }

    fileprivate func uri(_ prefix: String) -> String? {
        for declaration in self where declaration.prefix == prefix { return declaration.uri }
        return nil
    }
}

/// Writes the canonical form. It recurses as deep as the document, which the parser's limits bound.
private struct XMLCanonicalWriter {
    static let xmlNamespace = "http://www.w3.org/XML/1998/namespace"

    let form: XMLCanonicalForm
    var bytes: [UInt8] = []

    init(_ form: XMLCanonicalForm) {
        self.form = form
        bytes.reserveCapacity(1024)
    }

    mutating func lineFeed() { bytes.append(0x0A) }

    mutating func insertLineFeed(at offset: Int) { bytes.insert(0x0A, at: offset) }

    /// Writes what is no element. Returns whether there was anything to write.
    @discardableResult
    mutating func content(_ piece: XMLContent) -> Bool {
        switch piece {
        case .element: return false
        case .text(let text):
            escape(text, inAttribute: false)
            return true
        case .comment(let text):
            guard form.keepsComments else { return false }
            raw("<!--")
            raw(text)
            raw("-->")
            return true
        case .instruction(let target, let data):
            raw("<?")
            raw(target)
            if !data.isEmpty {
                raw(" ")
                raw(data)
            }
            raw("?>")
            return true
        }
    }

    /// Writes an element.
    ///
    /// - Parameters:
    ///   - rendered: declarations that stand on elements of the output around this one.
    ///   - pending: declarations in scope outside of this element, rendered or not.
    ///   - inherited: attributes of the namespace `xml` that the apex of an inclusive form takes from outside.
    mutating func element(
        _ element: XMLElement, rendered: [XMLNamespaceDeclaration], pending: [XMLNamespaceDeclaration],
        inherited: [XMLAttribute] = []
    ) {
        var scope = pending
        for declaration in element.namespaceDeclarations { scope.set(declaration) }
        let own = declarations(of: element, scope: scope, rendered: rendered)
        var nowRendered = rendered
        for declaration in own { nowRendered.set(declaration) }

        let name = element.qualifiedName
        raw("<")
        raw(name)
        for declaration in own {
            raw(declaration.prefix.isEmpty ? " xmlns" : " xmlns:")
            raw(declaration.prefix)
            raw("=\"")
            escape(declaration.uri, inAttribute: true)
            raw("\"")
        }
        var attributes = inherited.isEmpty ? element.attributes : element.attributes + inherited
        if attributes.count > 1 { attributes.sort { Self.precedes($0, $1) } }
        for attribute in attributes {
            raw(" ")
            if !attribute.prefix.isEmpty {
                raw(attribute.prefix)
                raw(":")
            }
            raw(attribute.localName)
            raw("=\"")
            escape(attribute.value, inAttribute: true)
            raw("\"")
        }
        raw(">")
        for piece in element.content {
            if case .element(let child) = piece {
                self.element(child, rendered: nowRendered, pending: scope)
            } else {
                content(piece)
            }
        }
        raw("</")
        raw(name)
        raw(">")
    }

    /// The declarations that an element carries in the output, sorted by prefix.
    private func declarations(
        of element: XMLElement, scope: [XMLNamespaceDeclaration], rendered: [XMLNamespaceDeclaration]
    ) -> [XMLNamespaceDeclaration] {
        var wanted: [XMLNamespaceDeclaration] = []
        func consider(_ prefix: String) {
            if prefix == "xml" { return }
            for other in wanted where other.prefix == prefix { return }
            // The default namespace is switched off unless it is declared; any other prefix without declaration is
            // none at all.
            let declared = scope.uri(prefix)
            guard let uri = declared ?? (prefix.isEmpty ? "" : nil) else { return }
            let outer = rendered.uri(prefix) ?? (prefix.isEmpty ? "" : nil)
            if outer != uri { wanted.append(XMLNamespaceDeclaration(prefix: prefix, uri: uri)) }
        }
        switch form.method {
        case .inclusive:
            for declaration in scope { consider(declaration.prefix) }
        case .exclusive(let inclusivePrefixes):
            consider(element.prefix)
            for attribute in element.attributes where !attribute.prefix.isEmpty { consider(attribute.prefix) }
            for prefix in inclusivePrefixes where scope.uri(prefix) != nil { consider(prefix) }
        }
        if wanted.count > 1 { wanted.sort { $0.prefix.utf8.lexicographicallyPrecedes($1.prefix.utf8) } }
        return wanted
    }

    /// By namespace, those in none first, then by local name. UTF-8 sorts as Unicode's code points do.
    private static func precedes(_ one: XMLAttribute, _ other: XMLAttribute) -> Bool {
        let first = one.namespace ?? ""
        let second = other.namespace ?? ""
        if first != second { return first.utf8.lexicographicallyPrecedes(second.utf8) }
        return one.localName.utf8.lexicographicallyPrecedes(other.localName.utf8)
    }

    private mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func escape(_ text: String, inAttribute: Bool) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): raw("&amp;")
            case UInt8(ascii: "<"): raw("&lt;")
            case UInt8(ascii: ">") where !inAttribute: raw("&gt;")
            case UInt8(ascii: "\"") where inAttribute: raw("&quot;")
            case 0x09 where inAttribute: raw("&#x9;")
            case 0x0A where inAttribute: raw("&#xA;")
            case 0x0D: raw("&#xD;")
            default: bytes.append(byte)
            }
        }
    }
}
