// A query string or form body as a list of decoded name-value pairs, order and repetition kept.

/// Decoded parameters as bytes, since signatures cover bytes.
struct QueryParameters: Sendable {
    struct Parameter: Sendable {
        var name: [UInt8]
        var value: [UInt8]
    }

    var parameters: [Parameter] = []

    /// Splits at `&` and the first `=`, and decodes both sides. Empty pieces are dropped.
    init(_ raw: some Collection<UInt8>, plusIsSpace: Bool) {
        for piece in raw.split(separator: 0x26, omittingEmptySubsequences: true) {
            let name: [UInt8]
            var value: [UInt8] = []
            if let equals = piece.firstIndex(of: 0x3D) {
                name = PercentEncoding.decode(piece[..<equals], plusIsSpace: plusIsSpace)
                value = PercentEncoding.decode(piece[piece.index(after: equals)...], plusIsSpace: plusIsSpace)
            } else {
                name = PercentEncoding.decode(piece, plusIsSpace: plusIsSpace)
            }
            parameters.append(Parameter(name: name, value: value))
        }
    }

    /// The first value of that name.
    subscript(_ name: String) -> String? {
        for parameter in parameters where parameter.name.elementsEqual(name.utf8) {
            return String(decoding: parameter.value, as: UTF8.self)
        }
        return nil
    }

    /// Without the parameters of that name.
    func without(_ name: String) -> QueryParameters {
        var copy = self
        copy.parameters.removeAll { $0.name.elementsEqual(name.utf8) }
        return copy
    }

    /// `name=value&…`, each encoded by RFC 3986 and sorted by byte order of the encoded name, then value.
    var canonical: String {
        parameters
            .map { (PercentEncoding.encode($0.name), PercentEncoding.encode($0.value)) }
            .sorted { a, b in
                a.0 == b.0
                    ? a.1.utf8.lexicographicallyPrecedes(b.1.utf8) : a.0.utf8.lexicographicallyPrecedes(b.0.utf8)
            }
            .map { $0.0 + "=" + $0.1 }
            .joined(separator: "&")
    }
}
