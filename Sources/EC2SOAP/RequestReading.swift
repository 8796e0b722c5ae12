import CloudModel
import XML

/// Turns the element in a request's body into the parameters of the Query interface, by the table of shapes.
struct RequestReading {
    let table: ShapeTable
    let version: String
    private(set) var parameters: [(name: String, value: String)] = []

    init(table: ShapeTable, version: String) {
        self.table = table
        self.version = version
    }

    /// The parameters of a request.
    ///
    /// The order of elements is not looked at, and elements of later versions are understood; what is in no version would
    /// change what was asked for and is refused.
    static func parameters(
        of element: XMLElement, action: ActionShape, version: String, table: ShapeTable
    ) throws(CloudError) -> [(name: String, value: String)] {
        var reading = RequestReading(table: table, version: version)
        guard let shape = table.shapes[action.request] else { return [] }
        try reading.read(element, as: shape, path: "", suffix: "")
        return reading.parameters
    }

    /// - Parameters:
    ///   - path: what the names of parameters begin with.
    ///   - suffix: what they end with, within a list that has no name of its own.
    private mutating func read(
        _ element: XMLElement, as shape: Shape, path: String, suffix: String
    ) throws(CloudError) {
        var numbers: [String: Int] = [:]
        for child in element.children {
            guard let field = field(child.localName, of: shape) else {
                if child.content.isEmpty { continue }
                throw .unsupported(
                    "The element \(shortened(child.localName)) in \(element.localName) is not understood; leave it out."
                )
            }
            numbers[field.name, default: 0] += 1
            let number = numbers[field.name, default: 1]
            guard field.isRepeated || number == 1 else {
                throw .invalidValue(
                    parameter: field.name, value: "", reason: "The element \(field.name) may be given only once.")
            }
            if field.isRepeated {
                // The members of a list, which are all called item.
                if path.hasSuffix("#") {
                    let outer = path == "#" ? "" : String(path.dropLast(2))
                    try read(child, field, path: outer, suffix: ".\(number)", named: false)
                } else {
                    try read(child, field, path: "\(path).\(number)", suffix: suffix, named: false)
                }
            } else {
                try read(child, field, path: path, suffix: suffix, named: true)
            }
        }
        // User data may stand in the element itself.
        if element.children.isEmpty, shape.name == "UserDataType", !element.trimmedText.isEmpty {
            parameters.append((path + suffix, element.text))
        }
    }

    private mutating func read(
        _ element: XMLElement, _ field: Field, path: String, suffix: String, named: Bool
    ) throws(CloudError) {
        var path = path
        if named {
            switch field.query {
            case "-": return
            case ".": break
            case "#": path = path.isEmpty ? "#" : path + ".#"
            default: path = path.isEmpty ? field.query : path + "." + field.query
            }
        }
        if field.isSimple {
            guard element.children.isEmpty else {
                throw .invalidValue(
                    parameter: field.name, value: "", reason: "The element \(field.name) holds text only.")
            }
            let text = field.type == "string" ? element.text : element.trimmedText
            parameters.append((path + suffix, text))
            return
        }
        if field.type == "EmptyElementType" {
            // Which attribute is meant is said by the element's name.
            parameters.append((path + suffix, field.query == "Attribute" ? field.name : ""))
            return
        }
        guard let shape = table.shapes[field.type] else { return }
        try read(element, as: shape, path: path, suffix: suffix)
    }

    /// The field of this version, or of any.
    private func field(_ name: String, of shape: Shape) -> Field? {
        let fields = shape.fields.filter { $0.name == name }
        return fields.first { $0.isPart(of: version) } ?? fields.last
    }

    private func shortened(_ text: String) -> String {
        text.utf8.count <= 100 ? text : String(text.prefix(80)) + "…"
    }
}
