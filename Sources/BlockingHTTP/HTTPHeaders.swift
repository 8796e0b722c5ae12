/// Header fields in their order; names are compared without regard to case.
public struct HTTPHeaders: Sendable, Equatable {
    /// One field.
    public struct Field: Sendable, Equatable {
        /// As sent.
        public let name: String
        /// Without white space around it.
        public let value: String
    }

    /// All fields in order.
    public private(set) var fields: [Field] = []

    /// No fields.
    public init() {}

    /// These fields in order.
    public init(_ fields: [(String, String)]) {
        for (name, value) in fields { add(name, value) }
    }

    /// The first value of this name. Setting replaces all of them; nil removes them.
    public subscript(name: String) -> String? {
        get {
            for field in fields where Self.sameName(field.name, name) { return field.value }
            return nil
        }
        set {
            fields.removeAll { field in Self.sameName(field.name, name) }
            if let newValue { add(name, newValue) }
        }
    }

    /// All values of this name.
    public func values(_ name: String) -> [String] {
        var values: [String] = []
        for field in fields where Self.sameName(field.name, name) { values.append(field.value) }
        return values
    }

    /// Adds a field, also if there is one of this name.
    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

    /// Whether a comma-separated list in fields of this name has this word, without regard to case.
    public func contains(_ name: String, token: String) -> Bool {
        for value in values(name) {
            for part in value.split(separator: ",") where Self.sameName(Self.trim(part), token) { return true }
        }
        return false
    }

    /// ASCII comparison without regard to case.
    static func sameName(_ a: String, _ b: String) -> Bool {
        let a = a.utf8
        let b = b.utf8
        guard a.count == b.count else { return false }
        var other = b.makeIterator()
        for x in a {
            guard let y = other.next(), lower(x) == lower(y) else { return false }
        }
        return true
    }

    private static func lower(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte + 32 : byte }

    static func trim(_ text: Substring) -> String {
        var bytes = Array(text.utf8)[...]
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The fields as sent on the wire. Line ends inside a value, which would forge fields, become blanks.
    func write(to bytes: inout [UInt8]) {
        for field in fields {
            bytes += field.name.utf8
            bytes += [0x3a, 0x20]
            for byte in field.value.utf8 { bytes.append(byte == 0x0d || byte == 0x0a || byte == 0 ? 0x20 : byte) }
            bytes += [0x0d, 0x0a]
        }
    }
}
