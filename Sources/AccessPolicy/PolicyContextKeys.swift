extension Policy {
    /// The condition keys and variables whose values it needs of a request, as they are written in it.
    public var contextKeys: Set<String> {
        var keys: Set<String> = []
        for statement in statements {
            for condition in statement.conditions {
                keys.insert(condition.writtenKey)
                for value in condition.values { keys.formUnion(Self.variables(of: value)) }
            }
            for pattern in statement.resources.patterns { keys.formUnion(Self.variables(of: pattern)) }
        }
        return keys
    }

    /// The names in `${…}`, but for `${*}`, `${?}` and `${$}`, which stand for themselves.
    private static func variables(of text: String) -> Set<String> {
        var names: Set<String> = []
        for piece in text.split(separator: "$").dropFirst(text.hasPrefix("$") ? 0 : 1) {
            guard piece.hasPrefix("{"), let end = piece.firstIndex(of: "}") else { continue }
            let name = piece[piece.index(after: piece.startIndex)..<end].split(separator: ",").first ?? ""
            let plain = String(name.filter { $0 != " " })
            if !plain.isEmpty, !["*", "?"].contains(plain) { names.insert(plain) }
        }
        return names
    }
}
