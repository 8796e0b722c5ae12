import Foundation
import GoldenFiles
import JSON
import QueryProtocol
import Testing

@testable import NativeAPI

/// Routes and document are one.
@Suite struct DocumentTests {
    @Test func `the published document is the one that is served`() throws {
        let text = String(decoding: NativeInterface.openAPIDocument, as: UTF8.self)
        let published = try GoldenFile("../../docs/openapi.json").content(ifNew: text)
        #expect(
            published == text,
            "docs/openapi.json differs from the table of operations; `make openapi` writes it anew")
    }

    @Test func `every operation of the document has a route, and every route an operation`() throws {
        let document = try JSONValue.parse(NativeInterface.openAPIDocument)
        var documented: [String: String] = [:]
        for path in document["paths"]?.objectMembers ?? [] {
            for method in path.value.objectMembers ?? [] {
                documented[method.name.uppercased() + " " + path.name] = method.value["operationId"]?.text
            }
        }
        #expect(documented.count == Operation.all.count)
        for (target, id) in documented {
            let parts = target.split(separator: " ")
            let path = parts[1].replacingOccurrences(of: "{", with: "").replacingOccurrences(of: "}", with: "")
            let (operation, _) = try Router.route(
                String(parts[0]), NativeInterface.basePath + path, Operation.all)
            #expect(operation.id == id)
        }
        #expect(Set(Operation.all.map(\.id)).count == Operation.all.count)
    }

    @Test func `every form that is named is there`() {
        func names(_ schema: Schema) -> [String] {
            switch schema {
            case .named(let name): [name]
            case .array(let schema, _), .map(let schema, _), .nullable(let schema): names(schema)
            case .object(let fields): fields.flatMap { names($0.schema) }
            case .string, .integer, .number, .boolean: []
            }
        }
        let used = Operation.all.flatMap { operation in
            [operation.body, operation.success.schema].compactMap { $0 }.flatMap(names)
        }
        for name in used + Shapes.components.values.flatMap(names) {
            #expect(Shapes.components[name] != nil, "\(name)")
        }
    }

    @Test func `anybody gets the document`() async throws {
        let test = try await TestInterface.open()
        let answer = try await test.send(
            QueryRequest(
                id: requestID, method: "GET", path: "/api/v1/openapi.json", headers: [(name: "host", value: "x")],
                sourceAddress: "127.0.0.1"))
        #expect(answer.status == 200)
        #expect(answer.body["openapi"]?.text == "3.1.0")
    }
}
