import Contracts
import Testing
import XML

/// Answers every operation with a full response and keeps the requests; or throws, if it has a fault.
final class SampleNode: NodeContract.Service {
    var fault: ServiceFault?
    var runs: [NodeContract.RunInstanceRequest] = []
    var describes: [NodeContract.DescribeInstancesRequest] = []
    var resources: [NodeContract.DescribeResourceRequest] = []
    var terminations: [NodeContract.TerminateInstanceRequest] = []
    var reboots: [NodeContract.RebootInstanceRequest] = []
    var consoles: [NodeContract.GetConsoleOutputRequest] = []
    var networks: [NodeContract.BroadcastNetworkInfoRequest] = []
    var credentials: [NodeContract.SetInstanceCredentialsRequest] = []

    static let run = NodeContract.RunInstanceResponse(instance: Samples.report)
    static let describe = NodeContract.DescribeInstancesResponse(instance: [Samples.report, Samples.smallReport])
    static let resource = NodeContract.DescribeResourceResponse(node: Samples.node)
    static let terminate = NodeContract.TerminateInstanceResponse(change: Samples.change)
    static let reboot = NodeContract.RebootInstanceResponse(instanceId: Samples.awkward)
    static let console = NodeContract.GetConsoleOutputResponse(
        instanceId: "i-1", timestamp: 1_780_000_000_999, output: [0, 0x1B, 0xFF, 10])
    static let network = NodeContract.BroadcastNetworkInfoResponse(revision: Int64.max)
    static let taken = NodeContract.SetInstanceCredentialsResponse(instanceId: Samples.awkward)

    private func check() throws(ServiceFault) {
        if let fault { throw fault }
    }

    func runInstance(_ request: NodeContract.RunInstanceRequest) throws(ServiceFault)
        -> NodeContract.RunInstanceResponse
    {
        runs.append(request)
        try check()
        return Self.run
    }

    func describeInstances(_ request: NodeContract.DescribeInstancesRequest) throws(ServiceFault)
        -> NodeContract.DescribeInstancesResponse
    {
        describes.append(request)
        try check()
        return Self.describe
    }

    func describeResource(_ request: NodeContract.DescribeResourceRequest) throws(ServiceFault)
        -> NodeContract.DescribeResourceResponse
    {
        resources.append(request)
        try check()
        return Self.resource
    }

    func terminateInstance(_ request: NodeContract.TerminateInstanceRequest) throws(ServiceFault)
        -> NodeContract.TerminateInstanceResponse
    {
        terminations.append(request)
        try check()
        return Self.terminate
    }

    func rebootInstance(_ request: NodeContract.RebootInstanceRequest) throws(ServiceFault)
        -> NodeContract.RebootInstanceResponse
    {
        reboots.append(request)
        try check()
        return Self.reboot
    }

    func bundleInstance(_ request: NodeContract.BundleInstanceRequest) throws(ServiceFault)
        -> NodeContract.BundleInstanceResponse
    {
        try check()
        return NodeContract.BundleInstanceResponse(instance: Samples.report)
    }

    func cancelBundleTask(_ request: NodeContract.CancelBundleTaskRequest) throws(ServiceFault)
        -> NodeContract.CancelBundleTaskResponse
    {
        try check()
        return NodeContract.CancelBundleTaskResponse(instance: Samples.report)
    }

    func getConsoleOutput(_ request: NodeContract.GetConsoleOutputRequest) throws(ServiceFault)
        -> NodeContract.GetConsoleOutputResponse
    {
        consoles.append(request)
        try check()
        return Self.console
    }

    func broadcastNetworkInfo(_ request: NodeContract.BroadcastNetworkInfoRequest) throws(ServiceFault)
        -> NodeContract.BroadcastNetworkInfoResponse
    {
        networks.append(request)
        try check()
        return Self.network
    }

    func setInstanceCredentials(_ request: NodeContract.SetInstanceCredentialsRequest) throws(ServiceFault)
        -> NodeContract.SetInstanceCredentialsResponse
    {
        credentials.append(request)
        try check()
        return Self.taken
    }
}

/// Hands the messages of a client straight to the dispatcher.
final class NodeLoopback: SOAPTransport {
    let node: SampleNode
    var actions: [String] = []

    init(_ node: SampleNode) { self.node = node }

    func call(soapAction: String, body: [UInt8]) throws(ServiceFault) -> [UInt8] {
        actions.append(soapAction)
        return NodeContract.dispatch(body: body, soapAction: "\"\(soapAction)\"", service: node).body
    }
}

@Suite("Node contract")
struct NodeContractTests {
    let node = SampleNode()
    var loopback: NodeLoopback { NodeLoopback(node) }

    @Test("every operation arrives as it was sent, and its answer as it was given")
    func roundTrip() throws {
        let transport = loopback
        let client = NodeContract.Client(transport: transport)

        let runs = [
            NodeContract.RunInstanceRequest(correlationId: Samples.awkward, instance: Samples.spec),
            NodeContract.RunInstanceRequest(instance: Samples.smallSpec),
        ]
        for request in runs { #expect(try client.runInstance(request) == SampleNode.run) }
        #expect(node.runs == runs)

        let describes = [
            NodeContract.DescribeInstancesRequest(), .init(correlationId: "", instanceId: ["i-1", "", "i-3"]),
        ]
        for request in describes { #expect(try client.describeInstances(request) == SampleNode.describe) }
        #expect(node.describes == describes)

        #expect(try client.describeResource(.init(correlationId: "c")) == SampleNode.resource)
        #expect(node.resources == [.init(correlationId: "c")])

        let terminations = [
            NodeContract.TerminateInstanceRequest(instanceId: "i-1"),
            .init(correlationId: "c", instanceId: "i-2", force: false), .init(instanceId: "i-3", force: true),
        ]
        for request in terminations { #expect(try client.terminateInstance(request) == SampleNode.terminate) }
        #expect(node.terminations == terminations)

        #expect(try client.rebootInstance(.init(instanceId: "i-1")) == SampleNode.reboot)
        #expect(node.reboots == [.init(instanceId: "i-1")])
        #expect(try client.getConsoleOutput(.init(instanceId: "i-1")) == SampleNode.console)
        #expect(node.consoles == [.init(instanceId: "i-1")])
        #expect(try client.broadcastNetworkInfo(.init(network: Samples.network)) == SampleNode.network)
        #expect(node.networks == [.init(network: Samples.network)])
        for credentials in [Samples.credentials, .init(instanceId: "i-1", lastUpdated: 0)] {
            #expect(try client.setInstanceCredentials(.init(credentials: credentials)) == SampleNode.taken)
        }
        #expect(node.credentials.first?.credentials == Samples.credentials)

        #expect(Set(transport.actions).count == 8)
        #expect(transport.actions.first == "NodeController#RunInstance")
    }

    @Test("a fault of the service reaches the caller with all its parts", arguments: Contract.FaultCode.allCases)
    func faults(_ code: Contract.FaultCode) {
        let client = NodeContract.Client(transport: loopback)
        for fault in [ServiceFault(code: code, message: "why"), Samples.fault] {
            node.fault = fault
            #expect(throws: fault) { try client.describeResource(.init()) }
        }
    }

    @Test("a fault is answered with status 500, faultcode, faultstring and the schema's detail")
    func faultOnTheWire() throws {
        node.fault = Samples.fault
        let reply = NodeContract.dispatch(
            body: soap("<DescribeResource xmlns='urn:mallee:contract:node:1'/>"), soapAction: "", service: node)
        #expect(reply.status == 500)
        #expect(reply.operation == "DescribeResource")
        #expect(reply.fault?.detail == Samples.fault)
        let envelope = "http://schemas.xmlsoap.org/soap/envelope/"
        let fault = try #require(
            try XMLElement.parse(reply.body).child("Body", namespace: envelope)?.child("Fault", namespace: envelope))
        // Unqualified, as SOAP 1.1 section 4.4 has them.
        #expect(fault.child("faultcode")?.text == "soap:Server")
        #expect(fault.child("faultcode")?.namespace == nil)
        #expect(fault.child("faultstring")?.text == Samples.awkward)
        let detail = try #require(
            fault.child("detail")?.child("serviceFault", namespace: "urn:mallee:contract:types:1"))
        #expect(detail.children.map(\.localName) == ["code", "message", "resource", "needed", "available"])
        #expect(detail.child("code", namespace: "urn:mallee:contract:types:1")?.text == "insufficient-resources")
    }

    @Test("elements stand in the namespaces that their schemas say")
    func namespaces() throws {
        var writer = XMLWriter()
        let request = NodeContract.RunInstanceRequest(correlationId: "c", instance: Samples.spec)
        request.write(to: &writer, as: NodeContract.RunInstanceRequest.qualifiedName)
        let root = try XMLElement.parse(writer.bytes)
        let (own, types) = ("urn:mallee:contract:node:1", "urn:mallee:contract:types:1")
        #expect(root.isNamed("RunInstance", namespace: own))
        #expect(root.children.map(\.namespace) == [own, own])
        let instance = try #require(root.child("instance"))
        #expect(instance.children.allSatisfy { $0.namespace == types })
        #expect(instance.child("image")?.children.allSatisfy { $0.namespace == types } == true)
    }

    @Test("unknown elements, comments, other prefixes and an order of one's own do not disturb")
    func tolerance() throws {
        let reply = NodeContract.dispatch(
            body: Array(
                """
                <?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/">
                <e:Header><w:To xmlns:w="urn:w" e:mustUnderstand="0">x</w:To>
                  <w:For xmlns:w="urn:w" e:mustUnderstand="1" e:actor="urn:someone-else"/></e:Header>
                <e:Body> <!-- c --> <x:TerminateInstance xmlns:x="urn:mallee:contract:node:1">
                  <x:force> 1 </x:force><x:new>1</x:new><instanceId xmlns="urn:other">no</instanceId>
                  <x:instanceId>i-<![CDATA[1]]></x:instanceId></x:TerminateInstance></e:Body></e:Envelope>
                """.utf8), soapAction: "\"\"", service: node)
        #expect(reply.status == 200)
        #expect(node.terminations == [.init(instanceId: "i-1", force: true)])
    }

    @Test(
        "a request that does not follow the schema is a Client fault that names the element",
        arguments: [
            ("<TerminateInstance/>", "TerminateInstance/instanceId: the element is missing"),
            (
                "<TerminateInstance><instanceId>a</instanceId><instanceId>b</instanceId></TerminateInstance>",
                "more than once"
            ),
            (
                "<TerminateInstance><instanceId><x/></instanceId></TerminateInstance>",
                "TerminateInstance/instanceId: text"
            ),
            (
                "<TerminateInstance><instanceId>a</instanceId><force>yes</force></TerminateInstance>",
                "TerminateInstance/force: \"yes\" is not true or false"
            ), ("<RunInstance><instance/></RunInstance>", "RunInstance/instance/instanceId: the element is missing"),
            ("<BroadcastNetworkInfo><network/></BroadcastNetworkInfo>", "network/revision"),
            (
                "<BroadcastNetworkInfo><network><t:revision>9223372036854775808</t:revision></network></BroadcastNetworkInfo>",
                "is not a whole number of 64 bits"
            ),
            (
                "<BroadcastNetworkInfo><network><t:revision>1</t:revision><t:mode>x</t:mode></network></BroadcastNetworkInfo>",
                "\"x\" is not one of USER, SYSTEM"
            ),
        ])
    func schemaViolations(_ body: String, _ expected: String) {
        let declared = body.replacing(
            /^<(\w+)/,
            with: { "<\($0.1) xmlns='urn:mallee:contract:node:1' xmlns:t='urn:mallee:contract:types:1'" })
        let reply = NodeContract.dispatch(body: soap(declared), soapAction: nil, service: node)
        #expect(reply.status == 500)
        #expect(reply.fault?.code == .client)
        #expect(reply.fault?.detail?.code == .invalidRequest)
        #expect(reply.fault?.message.contains(expected) == true, "\(reply.fault?.message ?? "")")
        #expect(node.runs.isEmpty && node.terminations.isEmpty && node.networks.isEmpty)
    }

    @Test(
        "what is not a SOAP 1.1 call is answered with the right fault",
        arguments: [
            ("", SOAPFault.Code.client), ("hello", .client), ("<a/>", .client), ("<Envelope/>", .versionMismatch),
            ("<Envelope xmlns='http://www.w3.org/2003/05/soap-envelope'><Body/></Envelope>", .versionMismatch),
            ("<!DOCTYPE a><a/>", .client), ("<E/>", .client), ("<E><B/></E>", .client), ("<E><B>text</B></E>", .client),
            ("<E><B><x/><y/></B></E>", .client), ("<E><B><x/></B></E>", .client),
            ("<E><B><RunInstance xmlns='urn:other'/></B></E>", .client),
            ("<E><B><Nothing xmlns='urn:mallee:contract:node:1'/></B></E>", .client),
            ("<E><H><x s:mustUnderstand='1'/></H><B><x/></B></E>", .mustUnderstand),
            (
                "<E><H><x s:mustUnderstand='1' s:actor='http://schemas.xmlsoap.org/soap/actor/next'/></H><B><x/></B></E>",
                .mustUnderstand
            ),
        ])
    func envelopes(_ body: String, _ code: SOAPFault.Code) throws {
        let names = ["E": "Envelope", "H": "Header", "B": "Body"]
        let text = body.replacing(/<(\/?)([EHB])([ \/>])/) { match in
            let name = names[String(match.2)] ?? ""
            let declaration =
                match.2 == "E" && match.1.isEmpty ? " xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'" : ""
            return "<\(match.1)s:\(name)\(declaration)\(match.3)"
        }
        let reply = NodeContract.dispatch(body: Array(text.utf8), soapAction: "\"urn:x\"", service: node)
        #expect(reply.status == 500)
        #expect(reply.fault?.code == code)
        #expect(String(decoding: reply.body, as: UTF8.self).contains("<faultcode>soap:\(code.rawValue)</faultcode>"))
        _ = try XMLElement.parse(reply.body)
    }

    @Test("an answer that is not understood becomes a fault that may be tried again")
    func brokenAnswers() {
        final class Broken: SOAPTransport {
            let answer: String
            init(_ answer: String) { self.answer = answer }
            func call(soapAction: String, body: [UInt8]) throws(ServiceFault) -> [UInt8] { Array(answer.utf8) }
        }
        let wrong = "<RebootInstanceResponse xmlns='urn:mallee:contract:node:1'><instanceId/></RebootInstanceResponse>"
        for answer in ["", "<html/>", String(decoding: soap(wrong), as: UTF8.self)] {
            let fault = #expect(throws: ServiceFault.self) {
                try NodeContract.Client(transport: Broken(answer)).describeResource(.init())
            }
            #expect(fault?.code == .unavailable)
        }
        for (code, expected) in [("s:Client.Auth", Contract.FaultCode.invalidRequest), ("s:Server", .internal)] {
            let answer = soap(
                "<s:Fault xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><faultcode>\(code)</faultcode>"
                    + "<faultstring> no </faultstring></s:Fault>")
            let fault = #expect(throws: ServiceFault.self) {
                try NodeContract.Client(transport: Broken(String(decoding: answer, as: UTF8.self)))
                    .describeResource(.init())
            }
            #expect(fault == ServiceFault(code: expected, message: "no"))
        }
    }

    @Test("whatever happens to a request, the dispatcher answers well-formed XML")
    func fuzz() throws {
        var generator = SeededGenerator(state: 42)
        let transport = Recorder()
        let client = NodeContract.Client(transport: transport)
        _ = try? client.runInstance(.init(correlationId: "c", instance: Samples.spec))  // The recorder answers nothing.
        _ = try? client.broadcastNetworkInfo(.init(network: Samples.network))
        #expect(transport.bodies.count == 2)
        var statuses: [Int: Int] = [:]
        for round in 0..<2000 {
            var body = transport.bodies[round % 2]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let at = Int.random(in: 0..<body.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: body[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: body.remove(at: at)
                case 2: body.insert(UInt8.random(in: 0x20...0x7E, using: &generator), at: at)
                case 3: body.swapAt(at, Int.random(in: 0..<body.count, using: &generator))
                default:
                    let end = min(body.count, at + Int.random(in: 1...40, using: &generator))
                    body.insert(contentsOf: body[at..<end], at: Int.random(in: 0...body.count, using: &generator))
                }
            }
            let reply = NodeContract.dispatch(body: body, soapAction: nil, service: node)
            statuses[reply.status, default: 0] += 1
            _ = try XMLElement.parse(reply.body)
        }
        #expect(statuses.keys.allSatisfy { $0 == 200 || $0 == 500 })
        #expect((statuses[200] ?? 0) > 20 && (statuses[500] ?? 0) > 500)
    }

    private final class Recorder: SOAPTransport {
        var bodies: [[UInt8]] = []
        func call(soapAction: String, body: [UInt8]) throws(ServiceFault) -> [UInt8] {
            bodies.append(body)
            return []
        }
    }

    @Test("the WSDL names the address of the service and where its schema is")
    func wsdl() throws {
        let url = "https://node-1:8775/services/NodeController?a=1&b=\"2\""
        let text = try #require(NodeContract.description(query: "wsdl", location: url))
        let root = try XMLElement.parse(text)
        let address = root.child("service")?.child("port")?.child("address")
        #expect(address?.attribute("location") == url)
        let imported = root.child("types")?.child("schema")?.child("import")
        #expect(imported?.attribute("schemaLocation") == url + "?xsd=types.xsd")
        let schema = try #require(NodeContract.description(query: "xsd=types.xsd", location: url))
        #expect(try XMLElement.parse(schema).attribute("targetNamespace") == Contract.namespace)
        #expect(NodeContract.description(query: "xsd=/etc/passwd", location: url) == nil)
        #expect(NodeContract.wsdl(location: "http://h/").contains("localhost") == false)
    }
}

/// An envelope of SOAP 1.1 around markup.
func soap(_ body: String) -> [UInt8] {
    Array(
        ("<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body>" + body
            + "</soap:Body></soap:Envelope>").utf8)
}

/// A small reproducible generator (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
