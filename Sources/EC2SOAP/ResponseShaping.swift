import XML

/// Puts an answer of the Query interface into the shape of a version: the elements that the version has, in its order.
struct ResponseShaping {
    let table: ShapeTable
    let version: String

    /// Writes the children of an element by its shape.
    func write(_ source: XMLElement?, as shape: Shape, to writer: inout XMLWriter) {
        var chosen = Set<Int>()
        let fields = shape.fields(in: version)
        for field in fields {
            let elements = source?.children(field.name) ?? []
            if field.choice != 0 {
                // One of the alternatives: the first that there is.
                guard let element = elements.first, chosen.insert(field.choice).inserted else { continue }
                write(element, field, to: &writer)
            } else if field.isRepeated {
                for element in elements { write(element, field, to: &writer) }
            } else if let element = elements.first {
                // EC2 writes an empty element for nothing, which is no number or time.
                if field.minimum == 0, element.content.isEmpty, field.isSimple, field.type != "string" { continue }
                write(element, field, to: &writer)
            } else if field.minimum == 1 {
                write(nil, field, to: &writer)
            }
        }
    }

    private func write(_ element: XMLElement?, _ field: Field, to writer: inout XMLWriter) {
        if let shape = table.shapes[field.type] {
            writer.open(field.name)
            write(element, as: shape, to: &writer)
            writer.close()
        } else {
            let text = element?.text ?? ""
            writer.element(field.name, text.isEmpty ? fallback(field) : text)
        }
    }

    /// What stands for a value that the version demands and the cloud does not have.
    private func fallback(_ field: Field) -> String {
        if !field.fallback.isEmpty { return field.fallback }
        switch field.type {
        case "int", "long", "double": return "0"
        case "boolean": return "false"
        case "dateTime": return "1970-01-01T00:00:00.000Z"
        default: return ""
        }
    }
}
