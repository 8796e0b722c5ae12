/// A place in a text, counted from 1; the column counts bytes.
public struct TextPosition: Sendable, Equatable, Comparable {
    /// Line.
    public let line: Int
    /// Column.
    public let column: Int

    /// Makes a position.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// Earlier in the text is less.
    public static func < (one: TextPosition, other: TextPosition) -> Bool {
        (one.line, one.column) < (other.line, other.column)
    }
}

/// An element of a roll's XML with the places of everything in it.
///
/// Unlike `XMLElement` it keeps references to entities as they are, since Rocks fills in a host's attributes there, and
/// says where each thing stands.
public struct MarkupElement: Sendable {
    /// Text or a reference, of which values and content are made.
    public enum Piece: Sendable, Equatable {
        /// Text, after resolving the references that XML itself defines.
        case text(String)
        /// `&name;`: a host's attribute.
        case entity(String)
    }

    /// An attribute.
    public struct Attribute: Sendable {
        /// Its name.
        public let name: String
        /// Its value.
        public let pieces: [Piece]
        /// Where its name begins.
        public let position: TextPosition
        /// The value between the quotes, as it is written.
        public let source: String

        /// The value with entities replaced; `nil` from `resolve` leaves nothing.
        public func value(_ resolve: (String) -> String?) -> String { Markup.join(pieces, resolve) }
        /// The value; references are kept as they are written.
        public var value: String { value { "&\($0);" } }
        /// Names of the entities in it.
        public var entities: [String] { pieces.compactMap { if case .entity(let name) = $0 { name } else { nil } } }
    }

    /// What is in an element, in order.
    public enum Content: Sendable {
        /// Text.
        case text(String, TextPosition)
        /// A CDATA section.
        case characterData(String, TextPosition)
        /// A reference to an entity.
        case entity(String, TextPosition)
        /// An element.
        case element(MarkupElement)
    }

    /// Its name.
    public let name: String
    /// Its attributes as they are written.
    public let attributes: [Attribute]
    /// What is in it.
    public let content: [Content]
    /// Where its start tag begins.
    public let position: TextPosition
    /// Where its end tag begins, or its start tag if it is empty.
    public let end: TextPosition

    /// An attribute by name.
    public func attribute(_ name: String) -> Attribute? { attributes.first { $0.name == name } }

    /// The elements directly in it.
    public var children: [MarkupElement] {
        content.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }

    /// The text directly in it; references are kept as they are written.
    public var text: String {
        var result = ""
        for item in content {
            switch item {
            case .text(let text, _), .characterData(let text, _): result += text
            case .entity(let name, _): result += "&\(name);"
            case .element: break
            }
        }
        return result
    }

    /// Calls `body` for it and every element below, outermost first.
    public func forEachElement(_ body: (MarkupElement) throws -> Void) rethrows {
        try body(self)
        for child in children { try child.forEachElement(body) }
    }
}

/// Helpers of `MarkupElement`'s values.
enum Markup {
    static func join(_ pieces: [MarkupElement.Piece], _ resolve: (String) -> String?) -> String {
        pieces.reduce(into: "") { result, piece in
            switch piece {
            case .text(let text): result += text
            case .entity(let name): result += resolve(name) ?? ""
            }
        }
    }
}
