// What the contracts say, in Swift's terms.

/// A qualified name of XML.
struct QName: Hashable {
    let namespace: String
    let local: String
}

/// The simple types of XML Schema that have a Swift type.
enum Builtin: String {
    case string, token, normalizedString, anyURI, int, long, boolean, double, base64Binary, dateTime

    var swift: String {
        switch self {
        case .string, .token, .normalizedString, .anyURI: "String"
        case .int: "Int"
        case .long, .dateTime: "Int64"
        case .boolean: "Bool"
        case .double: "Double"
        case .base64Binary: "[UInt8]"
        }
    }

    /// The function of ContractValue that reads it.
    var reader: String {
        switch self {
        case .string, .normalizedString: "ContractValue.string"
        case .token, .anyURI: "ContractValue.token"
        case .int: "ContractValue.int"
        case .long: "ContractValue.long"
        case .boolean: "ContractValue.boolean"
        case .double: "ContractValue.double"
        case .base64Binary: "ContractValue.base64"
        case .dateTime: "ContractValue.dateTime"
        }
    }
}

/// Bounds that a restriction sets.
struct Facets: Equatable {
    var minLength: Int?
    var maxLength: Int?
    var minInclusive: Int64?
    var maxInclusive: Int64?

    var isEmpty: Bool { self == Facets() }
}

/// The type of an element.
enum TypeReference {
    case builtin(Builtin, Facets)
    case named(QName)
}

/// An element of a sequence.
struct Field {
    let name: String
    let documentation: String
    var type: TypeReference
    let minimum: Int
    /// nil for unbounded.
    let maximum: Int?

    var isArray: Bool { maximum != 1 }
    var isOptional: Bool { !isArray && minimum == 0 }
}

/// A complexType, named or of an element.
struct ComplexType {
    let name: QName
    var swiftName: String
    let documentation: String
    var fields: [Field]
    /// Whether it is the content of a global element, that is, a message.
    let isMessage: Bool
    /// Whether a WSDL fault carries it.
    var isFault = false
}

/// A named simpleType: an enumeration, or another name for a built-in type with bounds.
struct SimpleType {
    let name: QName
    let documentation: String
    let values: [String]
    let base: TypeReference
}

/// A schema: one Swift namespace.
struct Schema {
    let namespace: String
    let swiftName: String
    let documentation: String
    let file: String
    /// The whole text, for a schema that is a file of its own.
    let text: String?
    var complexTypes: [ComplexType] = []
    var simpleTypes: [SimpleType] = []
    /// Global elements that have a named type.
    var elements: [QName: QName] = [:]
}

/// An operation of a portType with its binding.
struct Operation {
    let name: String
    let documentation: String
    let request: QName
    let response: QName
    let soapAction: String
}

/// A service: a portType.
struct Service {
    let name: String
    let documentation: String
    let schemaNamespace: String
    let file: String
    let text: String
    let location: String
    let operations: [Operation]
    /// The files that the WSDL imports, by schemaLocation.
    let imports: [String]
}

/// Everything that was read.
struct Model {
    var schemas: [Schema] = []
    var services: [Service] = []
    var faults: Set<QName> = []

    func schema(_ namespace: String) -> Schema? { schemas.first { $0.namespace == namespace } }

    func complexType(_ name: QName) -> ComplexType? {
        schema(name.namespace)?.complexTypes.first { $0.name == name }
    }

    func simpleType(_ name: QName) -> SimpleType? { schema(name.namespace)?.simpleTypes.first { $0.name == name } }

    /// Checks that every name that is used exists, and names requests and faults as Swift has them.
    mutating func resolve() throws {
        let requests = Set(services.flatMap { $0.operations.map { $0.request } })
        for schemaIndex in schemas.indices {
            let file = schemas[schemaIndex].file
            for index in schemas[schemaIndex].complexTypes.indices {
                let type = schemas[schemaIndex].complexTypes[index]
                if type.isMessage && requests.contains(type.name) {
                    schemas[schemaIndex].complexTypes[index].swiftName = type.name.local + "Request"
                }
                schemas[schemaIndex].complexTypes[index].isFault = !type.isMessage && faults.contains(type.name)
                for field in type.fields {
                    guard case .named(let name) = field.type else { continue }
                    guard complexType(name) != nil || simpleType(name) != nil else {
                        throw GeneratorError(file, "\(type.name.local)/\(field.name): no type \(name.local)")
                    }
                }
            }
        }
        for service in services {
            for operation in service.operations {
                for name in [operation.request, operation.response] where complexType(name)?.isMessage != true {
                    throw GeneratorError(
                        service.file,
                        "operation \(operation.name): \(name.local) is no element with a sequence of its own")
                }
            }
        }
    }

    /// Whether the content of a type is written with a prefix for its own namespace, because somewhere in it an
    /// element of this namespace has content of another.
    func isMixed(_ type: ComplexType) -> Bool { foreignNamespace(type) != nil }

    /// The other namespace of a mixed type's content.
    func foreignNamespace(_ type: ComplexType, visited: Set<QName> = []) -> String? {
        if visited.contains(type.name) { return nil }
        for field in type.fields {
            guard case .named(let name) = field.type, let content = complexType(name) else { continue }
            if name.namespace != type.name.namespace { return name.namespace }
            if let foreign = foreignNamespace(content, visited: visited.union([type.name])) { return foreign }
        }
        return nil
    }
}
