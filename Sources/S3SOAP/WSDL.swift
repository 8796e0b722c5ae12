internal import XML

/// Writes the WSDL. Names of messages, port type, binding, service and port are AWS's, since clients that were generated
/// from AWS's file use them.
struct WSDL {
    /// Where the service is.
    let location: String

    func document() -> [UInt8] {
        var writer = XMLWriter(reserving: 1 << 16)
        writer.open(
            "definitions",
            [
                ("xmlns", "http://schemas.xmlsoap.org/wsdl/"), ("xmlns:soap", "http://schemas.xmlsoap.org/wsdl/soap/"),
                ("xmlns:xs", "http://www.w3.org/2001/XMLSchema"), ("xmlns:tns", Schema.namespace),
                ("targetNamespace", Schema.namespace),
            ])
        writer.open("types")
        schema(&writer)
        writer.close()
        for operation in Schema.list {
            for (message, element) in [("Request", ""), ("Response", "Response")] {
                writer.open("message", [("name", operation.name + message)])
                writer.element("part", "", [("name", "parameters"), ("element", "tns:" + operation.name + element)])
                writer.close()
            }
        }
        writer.open("portType", [("name", "AmazonS3")])
        for operation in Schema.list {
            writer.open("operation", [("name", operation.name)])
            for (direction, message) in [("input", "Request"), ("output", "Response")] {
                writer.element(
                    direction, "",
                    [("name", operation.name + message), ("message", "tns:" + operation.name + message)])
            }
            writer.close()
        }
        writer.close()
        writer.open("binding", [("name", "AmazonS3SoapBinding"), ("type", "tns:AmazonS3")])
        writer.element(
            "soap:binding", "", [("style", "document"), ("transport", "http://schemas.xmlsoap.org/soap/http")])
        for operation in Schema.list {
            writer.open("operation", [("name", operation.name)])
            writer.element("soap:operation", "", [("soapAction", "")])
            for (direction, message) in [("input", "Request"), ("output", "Response")] {
                writer.open(direction, [("name", operation.name + message)])
                writer.element("soap:body", "", [("use", "literal")])
                writer.close()
            }
            writer.close()
        }
        writer.close()
        writer.open("service", [("name", "AmazonS3")])
        writer.open("port", [("name", "AmazonS3"), ("binding", "tns:AmazonS3SoapBinding")])
        writer.element("soap:address", "", [("location", location)])
        for _ in 0..<3 { writer.close() }
        return writer.bytes
    }

    private func schema(_ writer: inout XMLWriter) {
        writer.open("xs:schema", [("targetNamespace", Schema.namespace), ("elementFormDefault", "qualified")])
        for operation in Schema.list {
            for (name, parts) in [
                (operation.name, operation.request), (operation.name + "Response", operation.answer),
            ] {
                writer.open("xs:element", [("name", name)])
                writer.open("xs:complexType")
                sequence(parts, &writer)
                writer.close()
                writer.close()
            }
        }
        for (name, parts) in Schema.types.sorted(by: { $0.key < $1.key }) where name != "CanonicalUser" {
            writer.open("xs:complexType", [("name", name)])
            sequence(parts, &writer)
            writer.close()
        }
        for (name, values) in Schema.enumerations.sorted(by: { $0.key < $1.key }) {
            writer.open("xs:simpleType", [("name", name)])
            writer.open("xs:restriction", [("base", "xs:string")])
            for value in values { writer.element("xs:enumeration", "", [("value", value)]) }
            writer.close()
            writer.close()
        }
        grantees(&writer)
        writer.close()
    }

    /// The kinds of grantees, which are the only types that derive from others.
    private func grantees(_ writer: inout XMLWriter) {
        writer.element("xs:complexType", "", [("name", "Grantee"), ("abstract", "true")])
        for (name, base, parts) in [
            ("User", "Grantee", []), ("AmazonCustomerByEmail", "User", [Schema.Part("EmailAddress")]),
            ("CanonicalUser", "User", Schema.types["CanonicalUser"] ?? []), ("Group", "Grantee", [Schema.Part("URI")]),
        ] {
            writer.open(
                "xs:complexType", [("name", name)] + (name == "User" ? [(name: "abstract", value: "true")] : []))
            writer.open("xs:complexContent")
            writer.open("xs:extension", [("base", "tns:" + base)])
            if !parts.isEmpty { sequence(parts, &writer) }
            for _ in 0..<3 { writer.close() }
        }
    }

    private func sequence(_ parts: [Schema.Part], _ writer: inout XMLWriter) {
        writer.open("xs:sequence")
        for part in parts {
            var attributes = [
                (name: "name", value: part.name),
                (name: "type", value: (Schema.Part.simple.contains(part.type) ? "xs:" : "tns:") + part.type),
            ]
            if part.least == 0 { attributes.append(("minOccurs", "0")) }
            if part.most != 1 { attributes.append(("maxOccurs", part.most.map(String.init) ?? "unbounded")) }
            if part.isNillable { attributes.append(("nillable", "true")) }
            writer.element("xs:element", "", attributes)
        }
        writer.close()
    }
}
