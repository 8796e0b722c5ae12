import XML

/// Writes the WSDL of a version from the table of shapes. Names of messages, port type, binding, service and port are
/// those that AWS gave them, since clients that were generated from AWS's files use them.
struct WSDL {
    let table: ShapeTable
    let version: String
    /// Where the service is.
    let location: String

    func document() -> [UInt8] {
        let namespace = SOAPVersion.namespace(of: version)
        let actions = table.actions.filter { $0.since <= version }
        var writer = XMLWriter(reserving: 1 << 17)
        writer.open(
            "definitions",
            [
                ("xmlns", "http://schemas.xmlsoap.org/wsdl/"), ("xmlns:soap", "http://schemas.xmlsoap.org/wsdl/soap/"),
                ("xmlns:xs", "http://www.w3.org/2001/XMLSchema"), ("xmlns:tns", namespace),
                ("targetNamespace", namespace),
            ])
        writer.open("types")
        writer.open("xs:schema", [("targetNamespace", namespace), ("elementFormDefault", "qualified")])
        for action in actions {
            writer.element("xs:element", "", [("name", action.name), ("type", "tns:" + action.request)])
            writer.element(
                "xs:element", "", [("name", action.name + "Response"), ("type", "tns:" + action.response)])
        }
        for name in reachable(from: actions) {
            guard let shape = table.shapes[name] else { continue }
            write(shape, to: &writer)
        }
        writer.close()
        writer.close()
        for action in actions {
            for (message, part, element) in [
                ("RequestMsg", "RequestMsgReq", action.name),
                ("ResponseMsg", "ResponseMsgResp", action.name + "Response"),
            ] {
                writer.open("message", [("name", action.name + message)])
                writer.element("part", "", [("name", action.name + part), ("element", "tns:" + element)])
                writer.close()
            }
        }
        writer.open("portType", [("name", "AmazonEC2PortType")])
        for action in actions {
            writer.open("operation", [("name", action.name)])
            writer.element("input", "", [("message", "tns:\(action.name)RequestMsg")])
            writer.element("output", "", [("message", "tns:\(action.name)ResponseMsg")])
            writer.close()
        }
        writer.close()
        binding(actions, to: &writer)
        writer.open("service", [("name", "AmazonEC2")])
        writer.open("port", [("name", "AmazonEC2Port"), ("binding", "tns:AmazonEC2Binding")])
        writer.element("soap:address", "", [("location", location)])
        writer.close()
        writer.close()
        writer.close()
        return writer.bytes
    }

    private func binding(_ actions: [ActionShape], to writer: inout XMLWriter) {
        writer.open("binding", [("name", "AmazonEC2Binding"), ("type", "tns:AmazonEC2PortType")])
        writer.element(
            "soap:binding", "", [("style", "document"), ("transport", "http://schemas.xmlsoap.org/soap/http")])
        for action in actions {
            writer.open("operation", [("name", action.name)])
            writer.element("soap:operation", "", [("soapAction", action.name)])
            for direction in ["input", "output"] {
                writer.open(direction)
                writer.element("soap:body", "", [("use", "literal")])
                writer.close()
            }
            writer.close()
        }
        writer.close()
    }

    /// The types that the actions use, in the order of their names.
    private func reachable(from actions: [ActionShape]) -> [String] {
        var found = Set<String>()
        var open = actions.flatMap { [$0.request, $0.response] }
        while let name = open.popLast() {
            guard found.insert(name).inserted, let shape = table.shapes[name] else { continue }
            open += shape.fields(in: version).filter { !$0.isSimple }.map(\.type)
        }
        return found.sorted()
    }

    private func write(_ shape: Shape, to writer: inout XMLWriter) {
        writer.open("xs:complexType", [("name", shape.name)])
        writer.open("xs:sequence")
        var choice = 0
        for field in shape.fields(in: version) {
            if field.choice != choice {
                if choice != 0 { writer.close() }
                if field.choice != 0 { writer.open("xs:choice", field.choiceIsOptional ? [("minOccurs", "0")] : []) }
                choice = field.choice
            }
            var attributes = [
                (name: "name", value: field.name),
                (name: "type", value: (field.isSimple ? "xs:" : "tns:") + field.type),
            ]
            if field.minimum == 0 { attributes.append(("minOccurs", "0")) }
            if field.isRepeated { attributes.append(("maxOccurs", "unbounded")) }
            writer.element("xs:element", "", attributes)
        }
        if choice != 0 { writer.close() }
        writer.close()
        if shape.name == "UserDataType" {
            // AWS demands them; clients send them.
            for (name, value) in [("version", "1.0"), ("encoding", "base64")] {
                writer.element("xs:attribute", "", [("name", name), ("type", "xs:string"), ("fixed", value)])
            }
        }
        writer.close()
    }
}
