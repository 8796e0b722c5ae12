// XML: a small, strict reader and a fast writer for XML 1.0 with namespaces.
//
// Here live `XMLElement` (a parsed document is its root element), the parser behind
// `XMLElement.parse`, its limits, `XMLWriter`, and the canonical forms that signatures cover
// (`XMLCanonicalForm`). Here do not live schemas, SOAP, or any one protocol's documents.
//
// The parser knows no DTD: `<!DOCTYPE` is refused, so there are no entities to expand and no files
// to fetch. It works on a whole document in memory, does not recurse, and bounds depth, size,
// number of elements, attributes and namespaces (`XMLLimits`). Every failure is an `XMLError` with
// line and column; nothing is repaired or guessed.
//
// The module is portable: it compiles as ordinary and as Embedded Swift.

/// Why a document was refused, and where.
public struct XMLError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What a caller can do about the failure.
    public enum Code: Sendable {
        /// The document breaks XML 1.0 or Namespaces in XML 1.0.
        case malformed
        /// The document is in an encoding that is not supported, or is not valid in its own.
        case encoding
        /// The document has a document type declaration, which is never read.
        case doctype
        /// The document is larger, deeper or wider than the `XMLLimits` allow.
        case limit
    }

    /// The kind of failure.
    public let code: Code
    /// A sentence for people: the cause and, where there is one, the cure.
    public let message: String
    /// Line of the failure, from 1.
    public let line: Int
    /// Column of the failure in characters (Unicode scalars), from 1.
    public let column: Int

    /// Makes an error at a place in a document.
    public init(code: Code, message: String, line: Int, column: Int) {
        self.code = code
        self.message = message
        self.line = line
        self.column = column
    }

    /// The message with its place, for logs and faults.
    public var description: String { "\(message) (line \(line), column \(column))" }
}

/// How large a document may be before it is refused with `XMLError.Code.limit`.
public struct XMLLimits: Sendable {
    /// Bytes of the whole document.
    public var bytes: Int
    /// Nesting of elements; the root has depth 1.
    public var depth: Int
    /// Elements of the whole document.
    public var elements: Int
    /// Attributes and namespace declarations of one element.
    public var attributes: Int
    /// Namespace declarations in scope at one place. It bounds the cost of resolving a prefix.
    public var namespaces: Int

    /// Makes limits; the defaults suit messages between the cloud's own components.
    public init(
        bytes: Int = 64 << 20, depth: Int = 100, elements: Int = 2_000_000, attributes: Int = 64,
        namespaces: Int = 128
    ) {
        self.bytes = bytes
        self.depth = depth
        self.elements = elements
        self.attributes = attributes
        self.namespaces = namespaces
    }

    /// Limits for documents from unknown callers (an S3 ACL, a SOAP request of a user): 1 MiB.
    public static let untrusted = XMLLimits(bytes: 1 << 20, depth: 50, elements: 50_000)
}
