// From the bytes of a query string and a form to a tree of parameters.
//
//     Filter.1.Name=tag:Role&Filter.1.Value.1=web&DryRun=true
//
//     (root) ─ Filter ─ 1 ─ Name: "tag:Role"
//            │            └ Value ─ 1: "web"
//            └ DryRun: "true"

/// A parameter's value and what is below it.
package struct ParameterNode: Sendable, Equatable {
    package var value: String?
    package var children: [String: ParameterNode] = [:]

    package init(value: String? = nil) { self.value = value }

    package mutating func insert(_ value: String, at path: ArraySlice<Substring>) {
        guard let first = path.first else {
            self.value = value
            return
        }
        children[String(first), default: ParameterNode()].insert(value, at: path.dropFirst())
    }

    /// All values at and below this node, in no order.
    package var allValues: [String] {
        var values = value.map { [$0] } ?? []
        for child in children.values { values += child.allValues }
        return values
    }
}

/// The parameters of a request, or those below one name, with typed access (see `ParameterReading.swift`).
package struct Parameters: Sendable {
    /// Name of the place in the tree, empty at the root.
    package let path: String
    package let node: ParameterNode

    package init(path: String, node: ParameterNode) {
        self.path = path
        self.node = node
    }

    /// Deeper than any parameter of a service; what is deeper is unknown and ignored.
    private static let deepest = 12

    /// Reads query string and form together.
    ///
    /// Strict, since two readings of one request would let one thing be signed and another be done: a name may come
    /// once, percent-encoding must be whole, text must be UTF-8.
    package init(query: String, form: [UInt8], mostParameters: Int) throws(QueryFault) {
        var root = ParameterNode()
        var names = Set<String>()
        let queryBytes = Array(query.utf8)
        for raw in [queryBytes[...], form[...]] {
            for piece in raw.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: true) {
                guard names.count < mostParameters else {
                    throw .malformedQuery("The request has more than \(mostParameters) parameters.")
                }
                let equals = piece.firstIndex(of: UInt8(ascii: "=")) ?? piece.endIndex
                let name = try Self.decode(piece[..<equals], partOf: nil)
                guard !name.isEmpty else { throw .malformedQuery("The request has a parameter without a name.") }
                let value = equals == piece.endIndex ? "" : try Self.decode(piece[(equals + 1)...], partOf: name)
                guard names.insert(name).inserted else {
                    throw .malformedQuery("The parameter \(Self.shortened(name)) may be given only once.")
                }
                let parts = name.utf8.split(
                    separator: UInt8(ascii: "."), maxSplits: Self.deepest, omittingEmptySubsequences: false)
                if parts.count <= Self.deepest { root.insert(value, at: parts.map { Substring($0) }[...]) }
            }
        }
        self.init(path: "", node: root)
    }

    private static func decode(_ bytes: ArraySlice<UInt8>, partOf name: String?) throws(QueryFault) -> String {
        var place: String { name.map { "The value of the parameter \(shortened($0))" } ?? "The name of a parameter" }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "+"): decoded.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard index + 2 <= bytes.endIndex, let high = digit(bytes[index]), let low = digit(bytes[index + 1])
                else {
                    throw .malformedQuery("\(place) is not percent-encoded correctly: % takes two hexadecimal digits.")
                }
                decoded.append(high << 4 | low)
                index += 2
            default: decoded.append(byte)
            }
        }
        guard let text = String(validating: decoded, as: UTF8.self) else {
            throw .malformedQuery("\(place) is not UTF-8; send binary data in Base64.")
        }
        return text
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// As much of a client's text as fits into a message.
    package static func shortened(_ text: String) -> String {
        text.utf8.count <= 128 ? text : String(text.unicodeScalars.prefix(100).map(Character.init)) + "…"
    }
}
