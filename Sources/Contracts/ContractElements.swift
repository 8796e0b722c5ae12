// Child elements of a schema's sequence, by how often each may stand there. Unknown elements are ignored.
import XML

extension XMLElement {
    /// Reads the child that must be there exactly once.
    func required<Value>(
        _ name: String, in namespace: String, _ read: (XMLElement) throws(ContractError) -> Value
    ) throws(ContractError) -> Value {
        guard let value = try optional(name, in: namespace, read) else {
            throw ContractError(path: [name], message: "the element is missing")
        }
        return value
    }

    /// Reads the child that may be there once.
    func optional<Value>(
        _ name: String, in namespace: String, _ read: (XMLElement) throws(ContractError) -> Value
    ) throws(ContractError) -> Value? {
        var found: XMLElement?
        for case .element(let child) in content where child.isNamed(name, namespace: namespace) {
            if found != nil { throw ContractError(path: [name], message: "the element stands there more than once") }
            found = child
        }
        guard let found else { return nil }
        do throws(ContractError) { return try read(found) } catch { throw error.within(name) }
    }

    /// Reads the children of a name, of which there must be a number in `counts`.
    func array<Value>(
        _ name: String, in namespace: String, count counts: ClosedRange<Int> = 0...Int.max,
        _ read: (XMLElement) throws(ContractError) -> Value
    ) throws(ContractError) -> [Value] {
        var values: [Value] = []
        for case .element(let child) in content where child.isNamed(name, namespace: namespace) {
            do throws(ContractError) { values.append(try read(child)) } catch { throw error.within(name) }
        }
        if values.count < counts.lowerBound {
            let message =
                values.isEmpty
                ? "the element is missing" : "the element stands there \(values.count) times, not \(counts.lowerBound)"
            throw ContractError(path: [name], message: message)
        }
        if values.count > counts.upperBound {
            throw ContractError(
                path: [name], message: "the element stands there \(values.count) times, at most \(counts.upperBound)")
        }
        return values
    }
}
