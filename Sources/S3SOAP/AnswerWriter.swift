internal import XML

/// Puts an answer into the schema's shape: its elements, in its order.
enum AnswerWriter {
    private static let instance = "http://www.w3.org/2001/XMLSchema-instance"

    static func envelope(_ operation: Schema.Operation, _ result: XMLElement?) -> [UInt8] {
        var writer = XMLWriter(reserving: 4096)
        writer.open("soapenv:Envelope", [("xmlns:soapenv", Envelope.namespace), ("xmlns:xsi", instance)])
        writer.open("soapenv:Body")
        writer.open(operation.name + "Response", namespace: Schema.namespace)
        // What is in an answer has one name in the schema, whatever REST calls it.
        for part in operation.answer { write(result, part, &writer) }
        for _ in 0..<3 { writer.close() }
        return writer.bytes
    }

    private static func write(_ element: XMLElement?, _ part: Schema.Part, _ writer: inout XMLWriter) {
        if part.type == "Grantee" {
            grantee(element, &writer)
        } else if let values = Schema.enumerations[part.type] {
            let text = element?.text ?? ""
            writer.element(part.name, values.contains(text) ? text : values.last ?? text)
        } else if let parts = Schema.types[part.type] {
            writer.open(part.name)
            for inner in parts { write(children: element?.children(inner.name) ?? [], inner, &writer) }
            writer.close()
        } else if let element {
            writer.element(part.name, element.text)
        } else if part.isNillable {
            writer.element(part.name, "", [("xsi:nil", "true")])
        } else {
            let fallback = ["int": "0", "long": "0", "boolean": "false", "dateTime": "1970-01-01T00:00:00.000Z"]
            writer.element(part.name, fallback[part.type] ?? "")
        }
    }

    private static func write(children: [XMLElement], _ part: Schema.Part, _ writer: inout XMLWriter) {
        if children.isEmpty {
            if part.least > 0 { write(nil, part, &writer) }
            return
        }
        for child in children.prefix(part.most ?? children.count) {
            // REST writes an empty element for nothing.
            if part.least == 0, part.isSimple, child.text.isEmpty { continue }
            write(child, part, &writer)
        }
    }

    private static func grantee(_ element: XMLElement?, _ writer: inout XMLWriter) {
        let kinds = [("ID", "CanonicalUser"), ("URI", "Group"), ("EmailAddress", "AmazonCustomerByEmail")]
        let kind = kinds.first { element?.child($0.0) != nil }?.1 ?? "CanonicalUser"
        writer.open("Grantee", [("xsi:type", kind)])
        for child in element?.children ?? []
        where ["ID", "DisplayName", "URI", "EmailAddress"].contains(child.localName) {
            writer.element(child.localName, child.text)
        }
        writer.close()
    }
}
