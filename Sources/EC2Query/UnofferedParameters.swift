import CloudModel
import QueryProtocol

/// A parameter of EC2 that would change what the request means and is not offered here. Parameters that EC2 does not
/// know are ignored; these are refused, so that nobody gets something else than was asked for.
struct UnofferedParameter: Sendable {
    /// Dotted name; everything below it counts as well.
    let name: String
    /// Values that ask for nothing else than what is done anyway.
    let accepted: [String]
    /// What to do instead.
    let cure: String

    init(_ name: String, accepting accepted: [String] = [], _ cure: String) {
        self.name = name
        self.accepted = accepted
        self.cure = cure
    }
}

extension Parameters {
    /// Refuses the request if any of `unoffered` is in it with a value that matters.
    func refuse(_ unoffered: [UnofferedParameter]) throws(CloudError) {
        for parameter in unoffered {
            guard let node = node(at: parameter.name) else { continue }
            let asks = node.allValues.contains { value in
                !value.isEmpty && !parameter.accepted.contains(value.lowercased())
            }
            if asks { throw .unsupported("The parameter \(name(parameter.name)) is not offered. \(parameter.cure)") }
        }
    }
}
