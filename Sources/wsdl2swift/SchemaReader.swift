// Reads XML Schema 1.0 as far as the contracts use it.
import XML

/// An element with the namespace prefixes in scope, which QNames in attribute values need.
struct Scoped {
    let element: XMLElement
    let prefixes: [String: String]
    let file: String

    init(_ element: XMLElement, prefixes: [String: String] = [:], file: String) {
        self.element = element
        self.file = file
        var prefixes = prefixes
        for declaration in element.namespaceDeclarations { prefixes[declaration.prefix] = declaration.uri }
        self.prefixes = prefixes
    }

    var name: String { element.localName }

    func children(_ namespace: String) -> [Scoped] {
        element.children.filter { $0.namespace == namespace }.map { Scoped($0, prefixes: prefixes, file: file) }
    }

    func children(_ name: String, _ namespace: String) -> [Scoped] { children(namespace).filter { $0.name == name } }

    func attribute(_ name: String) throws -> String {
        guard let value = element.attribute(name) else { throw error("the attribute \(name) is missing") }
        return value
    }

    /// An attribute whose value is a qualified name.
    func qualifiedName(_ attribute: String) throws -> QName {
        let value = try self.attribute(attribute)
        let parts = value.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let prefix = parts.count == 2 ? parts[0] : ""
        guard parts.count <= 2, let local = parts.last else { throw error("\(value) is no qualified name") }
        guard let namespace = prefixes[prefix] else { throw error("the prefix of \(value) is not declared") }
        return QName(namespace: namespace, local: local)
    }

    func error(_ message: String) -> GeneratorError {
        let name = element.attribute("name").map { " \($0)" } ?? ""
        return GeneratorError(file, "<\(element.qualifiedName)\(name)>: \(message)")
    }
}

/// Reads one schema element.
struct SchemaReader {
    static let namespace = "http://www.w3.org/2001/XMLSchema"
    private static let generatorNamespace = "urn:mallee:wsdl2swift"

    private var schema: Schema

    static func read(_ root: Scoped, text: String?) throws -> Schema {
        guard root.element.isNamed("schema", namespace: namespace) else { throw root.error("a schema is expected") }
        guard try root.attribute("elementFormDefault") == "qualified" else {
            throw root.error("elementFormDefault must be qualified")
        }
        var swiftName: String?
        for annotation in root.children("annotation", namespace) {
            for info in annotation.children("appinfo", namespace)
            where info.element.attribute("source") == generatorNamespace {
                let parts = info.element.trimmedText.split(separator: "=").map(String.init)
                if parts.count == 2, parts[0] == "swift-namespace" { swiftName = parts[1] }
            }
        }
        guard let swiftName else {
            throw root.error("an appinfo of source \(generatorNamespace) with swift-namespace=Name is missing")
        }
        var reader = SchemaReader(
            schema: Schema(
                namespace: try root.attribute("targetNamespace"), swiftName: swiftName,
                documentation: documentation(of: root), file: root.file, text: text))
        for child in root.children(namespace) { try reader.read(child) }
        return reader.schema
    }

    /// The documentation in an annotation, white space collapsed.
    static func documentation(of node: Scoped) -> String {
        let texts = node.children("annotation", namespace).flatMap { $0.children("documentation", namespace) }
        return texts.map { collapsed($0.element.text) }.joined(separator: "\n\n")
    }

    static func collapsed(_ text: String) -> String {
        text.split { $0 == " " || $0 == "\n" || $0 == "\t" }.joined(separator: " ")
    }

    private mutating func read(_ node: Scoped) throws {
        switch node.name {
        case "annotation", "import": break
        case "simpleType": schema.simpleTypes.append(try simpleType(node))
        case "complexType":
            schema.complexTypes.append(
                try complexType(node, name: try node.attribute("name"), documentation: nil, isMessage: false))
        case "element":
            let name = QName(namespace: schema.namespace, local: try node.attribute("name"))
            if node.element.attribute("type") != nil {
                schema.elements[name] = try node.qualifiedName("type")
                return
            }
            guard let content = node.children("complexType", Self.namespace).first else {
                throw node.error("a type or a complexType is missing")
            }
            let documentation = Self.documentation(of: node)
            schema.complexTypes.append(
                try complexType(content, name: name.local, documentation: documentation, isMessage: true))
        default: throw node.error("not supported at the top of a schema")
        }
    }

    private func complexType(
        _ node: Scoped, name: String, documentation: String?, isMessage: Bool
    ) throws -> ComplexType {
        var fields: [Field] = []
        for child in node.children(Self.namespace) {
            switch child.name {
            case "annotation": break
            case "sequence": fields += try child.children(Self.namespace).map { try field($0) }
            default: throw child.error("not supported in the complexType \(name); use a sequence of elements")
            }
        }
        var seen: Set<String> = []
        for field in fields where !seen.insert(field.name).inserted {
            throw node.error("the element \(field.name) stands twice in \(name)")
        }
        return ComplexType(
            name: QName(namespace: schema.namespace, local: name), swiftName: name,
            documentation: documentation ?? Self.documentation(of: node), fields: fields, isMessage: isMessage)
    }

    private func field(_ node: Scoped) throws -> Field {
        guard node.name == "element" else { throw node.error("not supported in a sequence; use elements") }
        for attribute in node.element.attributes
        where !["name", "type", "minOccurs", "maxOccurs"].contains(attribute.localName) {
            throw node.error("the attribute \(attribute.localName) is not supported")
        }
        guard let minimum = Int(node.element.attribute("minOccurs") ?? "1"), minimum >= 0 else {
            throw node.error("minOccurs is no number")
        }
        let maxOccurs = node.element.attribute("maxOccurs") ?? "1"
        let maximum = maxOccurs == "unbounded" ? nil : Int(maxOccurs)
        if maxOccurs != "unbounded", maximum.map({ $0 < max(1, minimum) }) ?? true {
            throw node.error("maxOccurs is no number, or less than minOccurs or 1")
        }
        let type: TypeReference
        if node.element.attribute("type") != nil {
            type = try reference(try node.qualifiedName("type"), node)
        } else if let inline = node.children("simpleType", Self.namespace).first {
            let (base, values) = try restriction(inline)
            guard values.isEmpty else { throw node.error("give the enumeration a name") }
            type = base
        } else {
            throw node.error("a type is missing; give a complexType a name")
        }
        return Field(
            name: try node.attribute("name"), documentation: Self.documentation(of: node), type: type,
            minimum: minimum, maximum: maximum)
    }

    private func reference(_ name: QName, _ node: Scoped) throws -> TypeReference {
        guard name.namespace == Self.namespace else { return .named(name) }
        guard let builtin = Builtin(rawValue: name.local) else {
            throw node.error("the type \(name.local) of XML Schema is not supported")
        }
        return .builtin(builtin, Facets())
    }

    private func simpleType(_ node: Scoped) throws -> SimpleType {
        let (base, values) = try restriction(node)
        return SimpleType(
            name: QName(namespace: schema.namespace, local: try node.attribute("name")),
            documentation: Self.documentation(of: node), values: values, base: base)
    }

    private func restriction(_ node: Scoped) throws -> (base: TypeReference, values: [String]) {
        guard let restriction = node.children("restriction", Self.namespace).first,
            case .builtin(let builtin, _) = try reference(try restriction.qualifiedName("base"), restriction)
        else { throw node.error("a restriction of a type of XML Schema is expected") }
        var facets = Facets()
        var values: [String] = []
        for facet in restriction.children(Self.namespace) {
            let value = try facet.attribute("value")
            switch facet.name {
            case "enumeration": values.append(value)
            case "minLength" where builtin.swift == "String": facets.minLength = Int(value)
            case "maxLength" where builtin.swift == "String": facets.maxLength = Int(value)
            case "minInclusive" where builtin == .int || builtin == .long: facets.minInclusive = Int64(value)
            case "maxInclusive" where builtin == .int || builtin == .long: facets.maxInclusive = Int64(value)
            default: throw facet.error("the facet is not supported for \(builtin.rawValue)")
            }
        }
        if !values.isEmpty, builtin.swift != "String" || !facets.isEmpty {
            throw node.error("an enumeration must be of strings without other facets")
        }
        return (.builtin(builtin, facets), values)
    }
}
