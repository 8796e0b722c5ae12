import ClusterController
import Contracts
import Logging
import Posix
import ServiceHost
import Testing

@testable import mallee

private func unknown(_ id: String) -> ServiceFault { ServiceFault(code: .notFound, message: "not here: \(id)") }

/// A node that tells its name by the console of its only instance.
private struct NamedNode: NodeContract.AsyncService {
    let name: String

    func getConsoleOutput(
        _ request: NodeContract.GetConsoleOutputRequest
    ) async throws(ServiceFault) -> NodeContract.GetConsoleOutputResponse {
        .init(instanceId: request.instanceId, timestamp: 0, output: Array(name.utf8))
    }
    func runInstance(
        _ request: NodeContract.RunInstanceRequest
    ) async throws(ServiceFault) -> NodeContract.RunInstanceResponse { throw unknown(name) }
    func describeInstances(
        _ request: NodeContract.DescribeInstancesRequest
    ) async throws(ServiceFault) -> NodeContract.DescribeInstancesResponse { throw unknown(name) }
    func describeResource(
        _ request: NodeContract.DescribeResourceRequest
    ) async throws(ServiceFault) -> NodeContract.DescribeResourceResponse { throw unknown(name) }
    func terminateInstance(
        _ request: NodeContract.TerminateInstanceRequest
    ) async throws(ServiceFault) -> NodeContract.TerminateInstanceResponse { throw unknown(name) }
    func rebootInstance(
        _ request: NodeContract.RebootInstanceRequest
    ) async throws(ServiceFault) -> NodeContract.RebootInstanceResponse { throw unknown(name) }
    func bundleInstance(
        _ request: NodeContract.BundleInstanceRequest
    ) async throws(ServiceFault) -> NodeContract.BundleInstanceResponse { throw unknown(name) }
    func cancelBundleTask(
        _ request: NodeContract.CancelBundleTaskRequest
    ) async throws(ServiceFault) -> NodeContract.CancelBundleTaskResponse { throw unknown(name) }
    func broadcastNetworkInfo(
        _ request: NodeContract.BroadcastNetworkInfoRequest
    ) async throws(ServiceFault) -> NodeContract.BroadcastNetworkInfoResponse { throw unknown(name) }
    func setInstanceCredentials(
        _ request: NodeContract.SetInstanceCredentialsRequest
    ) async throws(ServiceFault) -> NodeContract.SetInstanceCredentialsResponse { throw unknown(name) }
}

@Suite struct ClusterPeerTests {
    private struct Nowhere: LogSink {
        func write(_ line: String) {}
    }

    // A listener's logger must keep the request's id.
    private static let logger = Logger(label: "test") { LineLogHandler(label: $0, level: .error, sink: Nowhere()) }

    private static func description(_ name: String, at endpoint: String) -> Contract.NodeDescription {
        Contract.NodeDescription(
            nodeName: name, endpoint: endpoint, state: .up, hypervisor: "simulated", architecture: ["x86_64"],
            resources: .init(
                coresTotal: 4, coresFree: 4, memoryMiBTotal: 1024, memoryMiBFree: 1024, diskGiBTotal: 10,
                diskGiBFree: 10), softwareVersion: "test", startedAt: 0)
    }

    private static func report(_ id: String, on name: String, generation: Int64) -> Contract.InstanceReport {
        Contract.InstanceReport(
            instanceId: id, state: .running, nodeName: name, generation: generation, stateChangedAt: 0,
            spec: Contract.InstanceSpec(
                instanceId: id, reservationId: "r-1", accountId: "000000000001", launchIndex: 0, launchTime: 0,
                zone: "zone-a", instanceType: .init(name: "m1.small", cores: 1, memoryMiB: 256, diskGiB: 2),
                architecture: "x86_64",
                image: .init(
                    artifactId: "ami-1", url: "http://127.0.0.1/x", format: .raw, sizeBytes: 512, sha256: "00"),
                macAddress: "d0:0d:00:00:00:01", group: []))
    }

    @Test func `a cluster controller calls a node only where that node's own certificate answers`() async throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-peer-")
        defer { try? FileSystem.removeTree(directory) }  // a temporary directory
        let authority = try CloudAuthority.open(directory: directory + "/ca")
        func identity(_ name: String) throws -> ComponentIdentity {
            try authority.issue(#require(ComponentName(name)), hosts: ["127.0.0.1"])
        }
        let identities = ["a": try identity("node:a"), "b": try identity("node:b")]
        let cluster = try await ClusterDaemon.open(
            storePath: directory + "/cluster.db",
            configuration: ClusterConfiguration(
                zone: "zone-a", addresses: try #require(AddressPool(cidr: "127.9.0.0/24"))),
            policy: GreedyPlacement(), identity: try identity("cluster:zone-a"), host: "127.0.0.1", port: 0, audit: nil,
            logger: Self.logger)
        let clusterURL = "https://127.0.0.1:\(try await cluster.listener.start())\(ClusterDaemon.path)"
        var nodes: [String: HTTPService] = [:]
        var endpoints: [String: String] = [:]
        for (name, identity) in identities {
            let node = HTTPService(
                .init(name: name, tls: try identity.serverTLS(clients: .required)),
                responder: SOAPResponder.node(NamedNode(name: name)), logger: Self.logger)
            nodes[name] = node
            endpoints[name] = "https://127.0.0.1:\(try await node.start())/services/NodeController"
        }
        /// Registers a node with its own certificate, at whatever address, and asks for its instance's console.
        func console(of name: String, at endpoint: String, as caller: String, generation: Int64) async throws -> String
        {
            let connections = try ServiceConnections(identity: identities[caller])
            let service = ClusterContract.AsyncClient(
                transport: connections.transport(to: clusterURL, of: .role(.cluster)))
            _ = try await service.registerNode(
                .init(
                    node: Self.description(name, at: endpoint),
                    instance: [Self.report("i-\(name)", on: name, generation: generation)]))
            try await connections.shutdown()
            do throws(ServiceFault) {
                let answer = try await cluster.controller.getConsoleOutput(.init(instanceId: "i-\(name)"))
                return String(decoding: answer.output, as: UTF8.self)
            } catch {
                return error.message
            }
        }
        let a = try #require(endpoints["a"])
        let b = try #require(endpoints["b"])
        #expect(try await console(of: "a", at: a, as: "a", generation: 1) == "a")
        #expect(try await console(of: "b", at: b, as: "b", generation: 1) == "b")
        // Another host has got a's address, or a has given another's as its own.
        let refused = try await console(of: "a", at: b, as: "a", generation: 2)
        #expect(refused.contains("its certificate is that of node:b, and node:a was expected"), "\(refused)")
        #expect(refused.contains(b))
        // b goes on being talked to at the same address.
        #expect(try await console(of: "b", at: b, as: "b", generation: 2) == "b")
        // The nodes of a simulated fleet have one certificate between them.
        #expect(try await console(of: "a-0001", at: a, as: "a", generation: 1) == "a")
        // Nobody can say who answers without TLS.
        let plain = try await console(
            of: "a", at: a.replacing("https:", with: "http:"), as: "a", generation: 3)
        #expect(plain.contains("no https URL"), "\(plain)")
        for node in nodes.values { await node.stop() }
        await cluster.listener.stop()
        try await cluster.close()
    }

    @Test func `a zone's name in a configuration must be one`() throws {
        let component = try #require(ComponentName("cluster:zone-1"))
        #expect(try ExpectedPeer.zone("zone-1", in: "f") == .component(component))
        let error = #expect(throws: CommandFailure.self) { try ExpectedPeer.zone("zone 1", in: "cloud.conf") }
        #expect(error.map { "\($0)" }?.contains("cloud.conf") == true)
    }
}
