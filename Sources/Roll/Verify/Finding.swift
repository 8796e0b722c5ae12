public import JSON

/// Something that is wrong, or doubtful, with a roll.
public struct Finding: Sendable, Equatable {
    /// How bad it is.
    public enum Severity: String, Sendable, Comparable {
        /// Works, perhaps not as meant, or not on every release.
        case warning
        /// Breaks the roll, a host, or all hosts.
        case error

        /// A warning is less than an error.
        public static func < (one: Severity, other: Severity) -> Bool { one == .warning && other == .error }
    }

    /// How bad it is.
    public let severity: Severity
    /// The file it is in, on the disc or within a package; the image itself for what concerns the whole.
    public let path: String
    /// Where in it.
    public let position: TextPosition?
    /// Cause.
    public let message: String
    /// Cure.
    public let cure: String

    /// Makes a finding.
    public init(_ severity: Severity, _ path: String, _ position: TextPosition? = nil, _ message: String, cure: String)
    {
        self.severity = severity
        self.path = path
        self.position = position
        self.message = message
        self.cure = cure
    }

    /// `path:line:column: error: cause. Cure.`
    public var text: String {
        let place = position.map { ":\($0.line):\($0.column)" } ?? ""
        return "\(path)\(place): \(severity.rawValue): \(message). \(Self.sentence(cure))"
    }

    private static func sentence(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() + "." }

    /// For programs.
    public var json: JSONValue {
        .object([
            JSONMember("severity", .string(severity.rawValue)), JSONMember("path", .string(path)),
            JSONMember("line", position.map { .integer(Int64($0.line)) } ?? .null),
            JSONMember("column", position.map { .integer(Int64($0.column)) } ?? .null),
            JSONMember("message", .string(message)), JSONMember("cure", .string(cure)),
        ])
    }
}
