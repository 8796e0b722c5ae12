// Prints the types of a schema.

struct TypeEmitter {
    /// The prefix of a schema's own namespace where its default namespace is another's.
    static let prefix = "m"

    let schema: Schema
    let model: Model

    func enumeration(_ type: SimpleType) -> String {
        let name = type.name.local
        var text = SwiftNames.comment(
            type.documentation.isEmpty ? "\(name) of the schema." : type.documentation, indent: 4)
        text += "    public enum \(name): String, Sendable, CaseIterable {\n"
        for value in type.values {
            text += "        /// `\(value)` of the schema.\n"
            text += "        case \(SwiftNames.enumCase(value)) = \(SwiftNames.literal(value))\n"
        }
        let allowed = type.values.joined(separator: ", ")
        text += """

                    /// Reads the text of an element.
                    public init(xml: XMLElement) throws(ContractError) {
                        let text = try ContractValue.token(xml)
                        guard let value = Self(rawValue: text) else {
                            throw ContractValue.wrong(text, \(SwiftNames.literal("one of " + allowed)))
                        }
                        self = value
                    }
                }

            """
        return text
    }

    func structure(_ type: ComplexType) -> String {
        let indent = type.isFault ? 0 : 4
        let name = type.swiftName
        var text = SwiftNames.comment(documentation(of: type), indent: indent)
        var conformances = "Sendable, Equatable"
        if type.isMessage { conformances = "ContractMessage, Equatable" }
        if type.isFault { conformances = "Error, Sendable, Equatable" }
        text += "public struct \(name): \(conformances) {\n"
        if type.isMessage { text += messageNames(type) }
        for field in type.fields {
            text += SwiftNames.comment(documentation(of: field), indent: indent + 4)
            text += "public var \(SwiftNames.identifier(field.name)): \(swiftType(field))\n"
        }
        text += "\n/// Makes a value; what is optional is absent unless given.\n"
        text += memberwise(type) + "\n"
        text += "/// Reads the content of an element.\n" + reader(type) + "\n"
        text += "/// Writes an element with this content.\n" + writer(type)
        return text + "}\n"
    }

    // MARK: Parts of a structure

    private func documentation(of type: ComplexType) -> String {
        if !type.documentation.isEmpty { return type.documentation }
        guard type.isMessage else { return "\(type.name.local) of the schema." }
        for service in model.services {
            for operation in service.operations {
                if operation.request == type.name { return "The request of \(operation.name)." }
                if operation.response == type.name { return "The response of \(operation.name)." }
            }
        }
        return "The element \(type.name.local) of the schema."
    }

    private func documentation(of field: Field) -> String {
        var text = field.documentation.isEmpty ? "The element `\(field.name)`." : field.documentation
        if case .builtin(.dateTime, _) = resolved(field.type) { text += " In milliseconds since 1970 UTC." }
        return text
    }

    private func messageNames(_ type: ComplexType) -> String {
        let name = SwiftNames.literal(type.name.local)
        let qualified = model.isMixed(type) ? SwiftNames.literal("\(Self.prefix):\(type.name.local)") : name
        return """
            /// Local name of the element.
            public static var element: String { \(name) }
            /// Namespace of the element.
            public static var namespace: String { \(schema.swiftName).namespace }
            /// The name that the element is written under.
            public static var qualifiedName: String { \(qualified) }


            """
    }

    private func memberwise(_ type: ComplexType) -> String {
        let parameters = type.fields.map { field in
            let initial = field.isArray && field.minimum == 0 ? " = []" : field.isOptional ? " = nil" : ""
            return "\(SwiftNames.identifier(field.name)): \(swiftType(field))\(initial)"
        }
        let assignments = type.fields.map { "self.\($0.name) = \(SwiftNames.identifier($0.name))\n" }
        return "public init(\(parameters.joined(separator: ", "))) {\n\(assignments.joined())}\n"
    }

    private func reader(_ type: ComplexType) -> String {
        var text = "public init(xml: XMLElement) throws(ContractError) {\n"
        if !type.fields.isEmpty { text += "let namespace = \(schema.swiftName).namespace\n" }
        for field in type.fields {
            let name = SwiftNames.literal(field.name)
            let read = reader(of: field.type)
            if field.isArray {
                let counts =
                    field.minimum == 0 && field.maximum == nil
                    ? "" : " count: \(field.minimum)...\(field.maximum.map(String.init) ?? "Int.max"),"
                text += "self.\(field.name) = try xml.array(\(name), in: namespace,\(counts) \(read))\n"
            } else {
                let function = field.isOptional ? "optional" : "required"
                text += "self.\(field.name) = try xml.\(function)(\(name), in: namespace, \(read))\n"
            }
        }
        return text + "}\n"
    }

    private func reader(of type: TypeReference) -> String {
        switch resolved(type) {
        case .named(let name): return swiftName(name) + ".init(xml:)"
        case .builtin(let builtin, let facets):
            if facets.isEmpty { return builtin.reader }
            let value = "try \(builtin.reader)(xml)"
            let check: String
            if builtin.swift == "String" {
                check = "lengths: \(facets.minLength ?? 0)...\(facets.maxLength.map(String.init) ?? "Int.max")"
            } else {
                let lowest = facets.minInclusive.map(String.init) ?? "\(builtin.swift).min"
                let highest = facets.maxInclusive.map(String.init) ?? "\(builtin.swift).max"
                check = "in: \(lowest)...\(highest)"
            }
            return "{ (xml: XMLElement) throws(ContractError) in try ContractValue.checked(\(value), \(check)) }"
        }
    }

    private func writer(_ type: ComplexType) -> String {
        var text = "public func write(to writer: inout XMLWriter, as name: String) {\n"
        let own = "\(schema.swiftName).namespace"
        if let foreign = model.foreignNamespace(type).flatMap({ model.schema($0) }) {
            text += "writer.open(name, namespace: \(foreign.swiftName).namespace, "
            text += "prefix: \(SwiftNames.literal(Self.prefix)), for: \(own))\n"
        } else {
            text += "writer.open(name, namespace: \(own))\n"
        }
        for field in type.fields {
            let name = SwiftNames.literal(model.isMixed(type) ? "\(Self.prefix):\(field.name)" : field.name)
            if field.isArray {
                text += "for value in self.\(field.name) { \(statement(field.type, name, "value")) }\n"
            } else if field.isOptional {
                text += "if let value = self.\(field.name) { \(statement(field.type, name, "value")) }\n"
            } else {
                text += statement(field.type, name, "self.\(field.name)") + "\n"
            }
        }
        return text + "writer.close()\n}\n"
    }

    private func statement(_ type: TypeReference, _ name: String, _ value: String) -> String {
        switch resolved(type) {
        case .named(let reference):
            if model.complexType(reference) != nil { return "\(value).write(to: &writer, as: \(name))" }
            return "writer.element(\(name), \(value).rawValue)"
        case .builtin(.dateTime, _): return "writer.element(\(name), DateTime.format(\(value)))"
        case .builtin(.base64Binary, _): return "writer.element(\(name), ascii: Base64.encode(\(value)))"
        case .builtin(.double, _): return "writer.element(\(name), ContractValue.text(\(value)))"
        case .builtin: return "writer.element(\(name), \(value))"
        }
    }

    // MARK: Types

    /// A simple type without enumeration is its base with bounds.
    private func resolved(_ type: TypeReference) -> TypeReference {
        guard case .named(let name) = type, let simple = model.simpleType(name), simple.values.isEmpty else {
            return type
        }
        return simple.base
    }

    private func swiftType(_ field: Field) -> String {
        let element =
            switch resolved(field.type) {
            case .named(let name): swiftName(name)
            case .builtin(let builtin, _): builtin.swift
            }
        return field.isArray ? "[\(element)]" : field.isOptional ? "\(element)?" : element
    }

    private func swiftName(_ name: QName) -> String {
        if let type = model.complexType(name) {
            return type.isFault ? type.swiftName : "\(namespace(name)).\(type.swiftName)"
        }
        return "\(namespace(name)).\(name.local)"
    }

    private func namespace(_ name: QName) -> String { model.schema(name.namespace)?.swiftName ?? schema.swiftName }
}
