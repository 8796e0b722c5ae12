// Reads WSDL 1.1 with the SOAP 1.1 binding, document/literal wrapped.
import Foundation
import XML

/// Reads one WSDL file and the schemas it imports.
enum ServiceReader {
    private static let namespace = "http://schemas.xmlsoap.org/wsdl/"
    private static let soapNamespace = "http://schemas.xmlsoap.org/wsdl/soap/"

    static func read(_ url: URL, into model: inout Model) throws {
        let (root, text) = try load(url)
        guard root.element.isNamed("definitions", namespace: namespace) else { throw root.error("a WSDL is expected") }
        var imports: [String] = []
        var schemaNamespace: String?
        for types in root.children("types", namespace) {
            for node in types.children("schema", SchemaReader.namespace) {
                for imported in node.children("import", SchemaReader.namespace) {
                    let location = try imported.attribute("schemaLocation")
                    imports.append(location)
                    try readSchema(url.deletingLastPathComponent().appendingPathComponent(location), into: &model)
                }
                let schema = try SchemaReader.read(node, text: nil)
                guard schemaNamespace == nil else { throw node.error("only one schema of its own is supported") }
                schemaNamespace = schema.namespace
                guard model.schema(schema.namespace) == nil else { throw node.error("the namespace is taken") }
                model.schemas.append(schema)
            }
        }
        guard let schemaNamespace else { throw root.error("the types have no schema") }
        let portTypes = root.children("portType", namespace)
        guard portTypes.count == 1, let portType = portTypes.first else { throw root.error("one portType is expected") }
        let messages = try messageElements(root)
        let actions = try soapActions(root)
        var operations: [Operation] = []
        for node in portType.children("operation", namespace) {
            let name = try node.attribute("name")
            guard let action = actions[name] else { throw node.error("the binding does not have this operation") }
            operations.append(
                Operation(
                    name: name, documentation: documentation(of: node),
                    request: try message("input", of: node, messages),
                    response: try message("output", of: node, messages), soapAction: action))
            for fault in node.children("fault", namespace) {
                guard let element = messages[try fault.qualifiedName("message")],
                    let type = model.schema(element.namespace)?.elements[element]
                else { throw fault.error("the fault's element must have a named type") }
                model.faults.insert(type)
            }
        }
        model.services.append(
            Service(
                name: try portType.attribute("name"), documentation: documentation(of: root),
                schemaNamespace: schemaNamespace, file: root.file, text: text, location: try location(root),
                operations: operations, imports: imports))
    }

    private static func load(_ url: URL) throws -> (root: Scoped, text: String) {
        let bytes = [UInt8](try Data(contentsOf: url))
        do throws(XMLError) {
            let root = Scoped(try XMLElement.parse(bytes), file: url.lastPathComponent)
            return (root, String(decoding: bytes, as: UTF8.self))
        } catch {
            throw GeneratorError(url.lastPathComponent, error.description)
        }
    }

    private static func readSchema(_ url: URL, into model: inout Model) throws {
        let (root, text) = try load(url)
        let schema = try SchemaReader.read(root, text: text)
        // Both services import the shared values.
        if model.schema(schema.namespace) == nil { model.schemas.append(schema) }
    }

    private static func messageElements(_ root: Scoped) throws -> [QName: QName] {
        var result: [QName: QName] = [:]
        let target = try root.attribute("targetNamespace")
        for node in root.children("message", namespace) {
            let parts = node.children("part", namespace)
            guard parts.count == 1, let part = parts.first else { throw node.error("one part is expected") }
            result[QName(namespace: target, local: try node.attribute("name"))] = try part.qualifiedName("element")
        }
        return result
    }

    private static func message(_ kind: String, of node: Scoped, _ messages: [QName: QName]) throws -> QName {
        guard let child = node.children(kind, namespace).first else { throw node.error("the \(kind) is missing") }
        guard let element = messages[try child.qualifiedName("message")] else { throw child.error("no such message") }
        return element
    }

    private static func soapActions(_ root: Scoped) throws -> [String: String] {
        var result: [String: String] = [:]
        for binding in root.children("binding", namespace) {
            for soap in binding.children("binding", soapNamespace)
            where (soap.element.attribute("style") ?? "document") != "document" {
                throw soap.error("the style must be document")
            }
            for operation in binding.children("operation", namespace) {
                guard let soap = operation.children("operation", soapNamespace).first else {
                    throw operation.error("soap:operation is missing")
                }
                for part in operation.children(namespace) {
                    for body in part.children("body", soapNamespace) where body.element.attribute("use") != "literal" {
                        throw body.error("the use must be literal")
                    }
                }
                result[try operation.attribute("name")] = try soap.attribute("soapAction")
            }
        }
        return result
    }

    private static func location(_ root: Scoped) throws -> String {
        for service in root.children("service", namespace) {
            for port in service.children("port", namespace) {
                for address in port.children("address", soapNamespace) { return try address.attribute("location") }
            }
        }
        throw root.error("soap:address is missing")
    }

    private static func documentation(of node: Scoped) -> String {
        node.children("documentation", namespace).map { SchemaReader.collapsed($0.element.text) }
            .joined(separator: "\n\n")
    }
}
