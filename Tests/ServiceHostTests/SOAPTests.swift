import AsyncHTTPClient
import Contracts
import Hummingbird
import NIOCore
import NIOHTTP1
import NIOSSL
import ServiceHost
import Testing
import XML

@Suite("SOAP over HTTP, both sides", .timeLimit(.minutes(10)))
struct SOAPTests {
    /// Answers two operations; the others are as absent as a node that does not know an instance.
    private struct Node: NodeContract.AsyncService {
        var answering: @Sendable (String) async -> Void = { _ in }

        func getConsoleOutput(
            _ request: NodeContract.GetConsoleOutputRequest
        ) async throws(ServiceFault) -> NodeContract.GetConsoleOutputResponse {
            await answering(request.instanceId)
            guard request.instanceId.hasPrefix("i-") else { throw unknown(request.instanceId) }
            let text = "caller \(ComponentName.caller?.description ?? "unknown")"
            return .init(instanceId: request.instanceId, timestamp: 7, output: Array(text.utf8))
        }

        func runInstance(
            _ request: NodeContract.RunInstanceRequest
        ) async throws(ServiceFault) -> NodeContract.RunInstanceResponse { throw unknown("") }
        func describeInstances(
            _ request: NodeContract.DescribeInstancesRequest
        ) async throws(ServiceFault) -> NodeContract.DescribeInstancesResponse { throw unknown("") }
        func describeResource(
            _ request: NodeContract.DescribeResourceRequest
        ) async throws(ServiceFault) -> NodeContract.DescribeResourceResponse { throw unknown("") }
        func terminateInstance(
            _ request: NodeContract.TerminateInstanceRequest
        ) async throws(ServiceFault) -> NodeContract.TerminateInstanceResponse { throw unknown("") }
        func rebootInstance(
            _ request: NodeContract.RebootInstanceRequest
        ) async throws(ServiceFault) -> NodeContract.RebootInstanceResponse { throw unknown("") }
        func broadcastNetworkInfo(
            _ request: NodeContract.BroadcastNetworkInfoRequest
        ) async throws(ServiceFault) -> NodeContract.BroadcastNetworkInfoResponse { throw unknown("") }
        func setInstanceCredentials(
            _ request: NodeContract.SetInstanceCredentialsRequest
        ) async throws(ServiceFault) -> NodeContract.SetInstanceCredentialsResponse { throw unknown("") }

        func bundleInstance(
            _ request: NodeContract.BundleInstanceRequest
        ) async throws(ServiceFault) -> NodeContract.BundleInstanceResponse { throw unknown("") }
        func cancelBundleTask(
            _ request: NodeContract.CancelBundleTaskRequest
        ) async throws(ServiceFault) -> NodeContract.CancelBundleTaskResponse { throw unknown("") }

        private func unknown(_ id: String) -> ServiceFault {
            ServiceFault(code: .notFound, message: "there is no instance \(id)", resource: id)
        }
    }

    private func withConnections(
        _ identity: ComponentIdentity? = nil, _ body: (ServiceConnections) async throws -> Void
    ) async throws {
        let connections = try ServiceConnections(identity: identity)
        do {
            try await body(connections)
        } catch {
            try await connections.shutdown()
            throw error
        }
        try await connections.shutdown()
    }

    private func client(
        _ connections: ServiceConnections, _ endpoint: String, of peer: ExpectedPeer = .role(.node),
        timeout: Duration = .seconds(120)
    ) -> NodeContract.AsyncClient {
        NodeContract.AsyncClient(transport: connections.transport(to: endpoint, of: peer, timeout: timeout))
    }

    @Test("The generated client calls the generated service; faults keep code, message and resource")
    func roundTrip() async throws {
        try await withListener(SOAPResponder.node(Node())) { port, _ in
            try await withConnections { connections in
                let node = client(connections, "http://127.0.0.1:\(port)/services/NodeController")
                let answer = try await node.getConsoleOutput(.init(instanceId: "i-1"))
                #expect(answer.instanceId == "i-1")
                #expect(String(decoding: answer.output, as: UTF8.self) == "caller unknown")
                let fault = await #expect(throws: ServiceFault.self) {
                    try await node.getConsoleOutput(.init(instanceId: "<&>"))
                }
                #expect(fault == ServiceFault(code: .notFound, message: "there is no instance <&>", resource: "<&>"))
            }
        }
    }

    @Test("Over TLS the caller is known by its certificate, and nobody calls without one")
    func mutualTLS() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try CloudAuthority.open(directory: directory)
            let server = try authority.issue(try #require(ComponentName("node:a")), hosts: [])
            let caller = try authority.issue(try #require(ComponentName("cluster:zone-1")), hosts: [])
            try await withListener(SOAPResponder.node(Node()), tls: server.serverTLS(clients: .required)) { port, _ in
                try await withConnections(caller) { connections in
                    let node = client(connections, "https://127.0.0.1:\(port)/")
                    let answer = try await node.getConsoleOutput(.init(instanceId: "i-1"))
                    #expect(String(decoding: answer.output, as: UTF8.self) == "caller cluster:zone-1")
                }
            }
            // A listener that lets anybody in, for the contract, still refuses their calls.
            var nobody = try caller.clientTLS()
            nobody.certificateChain = []
            nobody.privateKey = nil
            let anybody = HTTPClient.Configuration(tlsConfiguration: nobody)
            try await withListener(SOAPResponder.node(Node()), tls: server.serverTLS(clients: .optional)) { port, _ in
                try await withClient(anybody) { client in
                    let url = "https://localhost:\(port)/services/NodeController"
                    let wsdl = try await client.get(url + "?wsdl")
                    #expect(wsdl.status == 200)
                    #expect(wsdl.body.contains("location=\"\(url)\""))
                    var call = HTTPClientRequest(url: url)
                    call.method = .POST
                    call.headers.add(name: "Content-Type", value: "text/xml")
                    call.body = .bytes(ByteBuffer(string: "<x/>"))
                    #expect(try await client.execute(call, timeout: .seconds(300)).status == .forbidden)
                }
            }
        }
    }

    @Test("A call reaches the component that it is for, and no other of the same cloud")
    func expectedPeer() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try CloudAuthority.open(directory: directory)
            func name(_ text: String) throws -> ComponentName { try #require(ComponentName(text)) }
            // The host that the call is made to is in the certificate; that is not what counts.
            let server = try authority.issue(name("node:b"), hosts: ["127.0.0.1"])
            let caller = try authority.issue(name("cluster:zone-1"), hosts: [])
            try await withListener(SOAPResponder.node(Node()), tls: server.serverTLS(clients: .required)) { port, _ in
                try await withConnections(caller) { connections in
                    let endpoint = "https://127.0.0.1:\(port)/"
                    func call(_ peer: ExpectedPeer, at endpoint: String) async -> String {
                        do throws(ServiceFault) {
                            _ = try await client(connections, endpoint, of: peer).getConsoleOutput(
                                .init(instanceId: "i-1"))
                            return "answered"
                        } catch {
                            return error.code == .unavailable ? error.message : "\(error)"
                        }
                    }
                    #expect(await call(.component(try name("node:b")), at: endpoint) == "answered")
                    #expect(await call(.role(.node), at: endpoint) == "answered")
                    // Connections to it are open and idle; they are not used for what is meant for others.
                    let other = await call(.component(try name("node:a")), at: endpoint)
                    #expect(other.contains("node:b, and node:a was expected"), "\(other)")
                    #expect(other.contains(endpoint))
                    let cloud = await call(.role(.cloud), at: endpoint)
                    #expect(cloud.contains("node:b, and a cloud controller was expected"), "\(cloud)")
                    let zone = await call(.component(try name("cluster:b")), at: endpoint)
                    #expect(zone.contains("cluster:b was expected"), "\(zone)")
                    // Where nobody can say who answers, nobody is asked.
                    let plain = await call(.role(.node), at: "http://127.0.0.1:\(port)/")
                    #expect(plain.contains("no https URL"), "\(plain)")
                    #expect(await call(.component(try name("node:b")), at: endpoint) == "answered")
                }
            }
        }
    }

    @Test("After the end of the connections a call says so")
    func ended() async throws {
        let connections = try ServiceConnections(identity: nil)
        let node = client(connections, "http://127.0.0.1:1/")
        try await connections.shutdown()
        let fault = await #expect(throws: ServiceFault.self) { try await node.getConsoleOutput(.init(instanceId: "i")) }
        #expect(fault?.message.contains("stopping") == true, "\(fault?.message ?? "")")
    }

    @Test("The contract is served with the address that was asked, and its schema at every usual place")
    func contract() async throws {
        try await withListener(SOAPResponder.node(Node())) { port, _ in
            try await withClient { client in
                let base = "http://127.0.0.1:\(port)/services/NodeController"
                for query in ["?wsdl", "?WSDL"] {
                    let wsdl = try await client.get(base + query)
                    #expect(wsdl.status == 200)
                    #expect(wsdl.type == "text/xml; charset=utf-8")
                    #expect(wsdl.body.contains("location=\"\(base)\""))
                    #expect(throws: Never.self) { try XMLElement.parse(wsdl.body) }
                }
                for place in [
                    base + "/types.xsd", base + "?xsd=types.xsd", "http://127.0.0.1:\(port)/services/types.xsd",
                ] {
                    let schema = try await client.get(place)
                    #expect(schema.status == 200, "\(place)")
                    #expect(try XMLElement.parse(schema.body).localName == "schema")
                }
                #expect(try await client.get(base).status == 404)
            }
            // A host or path that is markup must not become part of the document.
            try await RawConnection.to(port) { connection in
                try await connection.send("GET /a?wsdl HTTP/1.1\r\nHost: \"><evil/>\r\n\r\n")
                let answer = try await connection.receive(until: "</wsdl:definitions>")
                #expect(answer.contains("location=\"http://127.0.0.1:\(port)/a\""))
                #expect(!answer.contains("<evil/>"))
                try await connection.send("GET /a\"><evil/>?wsdl HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                #expect(try await !connection.receiveAll().contains("<evil/>"))
            }
        }
    }

    @Test("What is no SOAP call is refused with the reason")
    func refusals() async throws {
        let responder = SOAPResponder(
            description: { NodeContract.description(query: $0, location: $1) }, maximumRequestBytes: 1000
        ) { envelope, action in
            await NodeContract.dispatch(body: envelope, soapAction: action, service: Node())
        }
        try await withListener(responder) { port, _ in
            try await withClient { client in
                func send(
                    _ method: HTTPMethod, _ body: String, type: String = "text/xml"
                ) async throws -> (status: UInt, body: String) {
                    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)/")
                    request.method = method
                    request.headers.add(name: "Content-Type", value: type)
                    request.body = .bytes(ByteBuffer(string: body))
                    let response = try await client.execute(request, timeout: .seconds(300))
                    return (response.status.code, String(buffer: try await response.body.collect(upTo: 1 << 20)))
                }
                let notXML = try await send(.POST, "hello")
                #expect(notXML.status == 500 && notXML.body.contains("faultcode"))
                let json = try await send(.POST, "{}", type: "application/json")
                #expect(json.status == 415)
                let large = try await send(.POST, String(repeating: "x", count: 1001))
                #expect(large.status == 413)
                let put = try await send(.PUT, "x")
                #expect(put.status == 405)
            }
        }
    }

    @Test("A service that cannot be reached, is silent, or is no SOAP service is an unavailable that names it")
    func unavailable() async throws {
        func expectUnavailable(
            _ node: NodeContract.AsyncClient, _ endpoint: String, _ cause: String,
            sourceLocation: SourceLocation = #_sourceLocation
        ) async {
            let fault = await #expect(throws: ServiceFault.self, sourceLocation: sourceLocation) {
                try await node.getConsoleOutput(.init(instanceId: "i-1"))
            }
            #expect(fault?.code == .unavailable, sourceLocation: sourceLocation)
            let message = fault?.message ?? ""
            #expect(message.contains(endpoint), "\(message)", sourceLocation: sourceLocation)
            #expect(message.contains(cause), "\(message)", sourceLocation: sourceLocation)
        }
        try await withConnections { connections in
            var free = ""
            let silence = Gate()
            try await withListener(SOAPResponder.node(Node { _ in await silence.wait() })) { port, _ in
                free = "http://127.0.0.1:\(port)/"
                await expectUnavailable(
                    client(connections, free, timeout: .milliseconds(300)), free, "no answer within")
                silence.open()
            }
            await expectUnavailable(client(connections, free), free, "refused")
            try await withListener(NotFoundResponder()) { port, _ in
                let endpoint = "http://127.0.0.1:\(port)/services/X"
                await expectUnavailable(client(connections, endpoint), endpoint, "HTTP 404: Nothing is served")
            }
            let endpoint = "http://name.invalid:1/"
            await expectUnavailable(client(connections, endpoint), endpoint, "")
        }
    }

    @Test("Connections that nobody closed, as after a mistake in a configuration, do not end the process")
    func abandoned() async throws {
        func abandon() throws {
            _ = try ServiceConnections(identity: nil).transport(
                to: "http://127.0.0.1:1/", of: .role(.node))
        }
        try abandon()
        let closed = try ServiceConnections(identity: nil)
        try await closed.shutdown()
    }
}
