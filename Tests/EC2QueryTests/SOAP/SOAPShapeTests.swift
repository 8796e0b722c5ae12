import CloudModel
import EC2Query
import QueryProtocol
import Testing
import XML

@testable import EC2SOAP

@Suite struct SOAPShapeTests {
    @Test func `the table can be read and has no holes`() {
        #expect(ShapeTable.all.problems.isEmpty, "\(ShapeTable.all.problems)")
        #expect(ShapeTable.all.actions.count > 60)
    }

    @Test func `every action of the versions is offered by SOAP too`() {
        let known = Set(ShapeTable.all.actions.map(\.name))
        let offered =
            EC2Action.all.map { ($0.name, $0.since) } + EmptyList.all.map { ($0.action, $0.since) }
        for (name, since) in offered where since <= SOAPVersion.latest {
            #expect(known.contains(name), "\(name)")
        }
    }

    /// What each action answers is in the shape of each version: checked by walking it, not by what wrote it.
    @Test(arguments: SOAPVersion.all) func `answers follow the schema of the version`(version: String) async throws {
        let table = ShapeTable.all
        var checked = 0
        for example in ActionTests.cases {
            guard let action = table.action(example.action, in: version), let shape = table.shapes[action.response]
            else { continue }
            let answer = await TestCloud(isAdministrator: true).send(
                example.action, example.parameters, version: version)
            let source = try #require(answer.root)
            guard answer.code == nil else { continue }
            var writer = XMLWriter()
            writer.open("Answer")
            ResponseShaping(table: table, version: version).write(source, as: shape, to: &writer)
            writer.close()
            let element = try XMLElement.parse(writer.bytes)
            for problem in problems(element, shape, version) {
                // An attribute of an image or instance that the version does not know cannot be asked for by SOAP.
                if problem.contains("no alternative") { continue }
                Issue.record("\(version) \(example.action): \(problem)")
            }
            checked += 1
        }
        #expect(checked >= 15)
    }

    private func problems(_ element: XMLElement, _ shape: Shape, _ version: String) -> [String] {
        var found: [String] = []
        var children = element.children[...]
        var choices: [Int: Int] = [:]
        for field in shape.fields(in: version) {
            var count = 0
            while let child = children.first, child.localName == field.name, count == 0 || field.isRepeated {
                children = children.dropFirst()
                count += 1
                found += problems(child, field, version).map { "\(element.localName)/" + $0 }
            }
            if field.choice != 0 {
                choices[field.choice, default: 0] += count
            } else if count < field.minimum {
                found.append("\(element.localName) lacks \(field.name)")
            }
        }
        for (_, count) in choices where count != 1 { found.append("\(element.localName) has no alternative: \(count)") }
        for child in children { found.append("\(element.localName) has \(child.localName) out of place") }
        return found
    }

    private func problems(_ element: XMLElement, _ field: Field, _ version: String) -> [String] {
        if let shape = ShapeTable.all.shapes[field.type] { return problems(element, shape, version) }
        let text = element.text
        let isRight =
            switch field.type {
            case "int", "long": Int(text) != nil
            case "double": Double(text) != nil
            case "boolean": ["true", "false"].contains(text)
            case "dateTime": text.utf8.count == 24 && text.hasSuffix("Z")
            default: element.children.isEmpty
            }
        return isRight ? [] : ["\(element.localName) is no \(field.type): \(text)"]
    }

    @Test(arguments: SOAPVersion.all) func `each version has its WSDL`(version: String) throws {
        let document = WSDL(table: .all, version: version, location: "http://h/services/compute/").document()
        let root = try XMLElement.parse(document)
        let namespace = "http://ec2.amazonaws.com/doc/\(version)/"
        #expect(root.attribute("targetNamespace") == namespace)
        let schema = try #require(root.child("types")?.child("schema"))
        // Every type that is used is there.
        let types = Set(schema.children("complexType").compactMap { $0.attribute("name") })
        func used(_ element: XMLElement) -> [String] {
            element.children.flatMap { used($0) } + [element.attribute("type")].compactMap(\.self)
        }
        for name in used(schema) where name.hasPrefix("tns:") { #expect(types.contains(String(name.dropFirst(4)))) }
        let operations = root.child("portType")?.children("operation").compactMap { $0.attribute("name") } ?? []
        #expect(operations.contains("RunInstances"))
        #expect(operations.contains("CreateTags") == (version >= "2010-08-31"))
        #expect(operations.contains("CreateVolume") == (version >= "2008-05-05"))
        let service = root.child("service")
        #expect(service?.attribute("name") == "AmazonEC2")
        #expect(service?.child("port")?.child("address")?.attribute("location") == "http://h/services/compute/")
    }

    @Test(arguments: [
        ("/services/Eucalyptus", "2013-02-01", "http://h:1/services/Eucalyptus/"),
        ("/services/compute/2009-11-30", "2009-11-30", "http://h:1/services/compute/"),
        ("/", "2013-02-01", "http://h:1/"), ("/2008-02-01/", "2008-02-01", "http://h:1/"),
    ])
    func `the WSDL is served by path`(path: String, version: String, location: String) async throws {
        let response = try await SOAPCloud().interface.respond(
            to: EC2Request(
                id: requestID, method: "GET", path: path, query: "wsdl", headers: [(name: "Host", value: "h:1")],
                sourceAddress: ""))
        #expect(response.status == 200)
        let root = try XMLElement.parse(response.body)
        #expect(root.attribute("targetNamespace") == "http://ec2.amazonaws.com/doc/\(version)/")
        #expect(root.child("service")?.child("port")?.child("address")?.attribute("location") == location)
    }

    @Test(arguments: [("/services/compute/2009-01-01", "h"), ("/", ""), ("/", "h\"/><x"), ("/", "a b")])
    func `there is no WSDL of what is no version, or for a host that is none`(path: String, host: String) async throws {
        let response = try await SOAPCloud().interface.respond(
            to: EC2Request(
                id: requestID, method: "GET", path: path, query: "wsdl", headers: [(name: "Host", value: host)],
                sourceAddress: ""))
        #expect(response.status == 404)
    }
}
