import BlockingHTTP
import Contracts
import Hypervisor
import Posix
import Testing

@testable import NodeController

typealias NodeClient = NodeContract.Client<HTTPSOAPTransport>

/// A host with a state directory that outlives the node controllers on it, as a real one does.
final class TestHost {
    let directory: TemporaryDirectory
    let simulated: SimulatedHost
    let capacity: NodeResources

    init(
        behaviour: SimulatedBehaviour = SimulatedBehaviour(),
        capacity: NodeResources = NodeResources(cores: 8, memoryMiB: 1024, diskGiB: 100)
    ) throws {
        directory = try TemporaryDirectory()
        simulated = SimulatedHost(clock: SimulatedClock(.automatic), behaviour: behaviour)
        self.capacity = capacity
    }

    func boot(
        tombstone: Milliseconds = 600_000, images: ImageCache? = nil, listener: (any NodeChangeListener)? = nil
    ) throws -> TestNode {
        try TestNode(self, tombstone, images, listener)
    }
}

/// A node controller that serves on a free port.
final class TestNode {
    let node: NodeController
    let endpoint: String
    let records: FileRecords
    private let server: HTTPServer
    private let workers: WorkerPool
    private let http = HTTPClient()

    fileprivate init(
        _ host: TestHost, _ tombstone: Milliseconds, _ images: ImageCache?, _ listener: (any NodeChangeListener)?
    ) throws {
        let log = NodeLog.quiet()
        workers = WorkerPool(name: "step", threads: 8, log: log)
        records = try FileRecords(directory: host.directory.file("state"))
        let routes = NodeEndpoint()
        server = HTTPServer(listener: try Listener.tcp(address: "127.0.0.1", port: 0), handler: routes)
        endpoint = "http://127.0.0.1:\(server.port)\(NodeEndpoint.path)"
        var settings = NodeController.Settings(
            name: "node-1", endpoint: endpoint, capacity: host.capacity, softwareVersion: "test")
        settings.shutdownGrace = 2_000
        settings.tombstoneTime = tombstone
        settings.hypervisorPatience = 100
        settings.adoptionPause = 50
        settings.relayCommand = ["/nonexistent", "relay"]
        node = NodeController(
            settings: settings, hypervisor: SimulatedHypervisor(host: host.simulated), records: records, images: images,
            environment: NodeEnvironment(workers: workers, log: log, uploads: http))
        if let listener { node.setListener(listener) }
        try server.start()
        try node.start()
        routes.serve(node)
    }

    var client: NodeClient { NodeClient(transport: HTTPSOAPTransport(client: http, endpoint: endpoint)) }

    func stop(withGuests: Bool = false) {
        server.stop(grace: 1000)
        if withGuests { node.parkGuests() }
        node.stop()
        workers.stop(timeout: 120_000)
        records.close()
    }

    func waitFor(_ state: Contract.InstanceState, _ id: String, sourceLocation: SourceLocation = #_sourceLocation) {
        Fixture.wait("\(id) is \(state.rawValue)", sourceLocation: sourceLocation) { node.report(id)?.state == state }
    }
}

extension NodeContract.Client {
    func run(_ spec: Contract.InstanceSpec) throws(ServiceFault) -> Contract.InstanceReport {
        try runInstance(NodeContract.RunInstanceRequest(correlationId: "test", instance: spec)).instance
    }

    func describe(_ ids: String...) throws(ServiceFault) -> [Contract.InstanceReport] {
        try describeInstances(NodeContract.DescribeInstancesRequest(instanceId: ids)).instance
    }

    func terminate(_ id: String, force: Bool = true) throws(ServiceFault) -> Contract.InstanceStateChange {
        try terminateInstance(NodeContract.TerminateInstanceRequest(instanceId: id, force: force)).change
    }

    func free() throws(ServiceFault) -> Contract.Resources {
        try describeResource(NodeContract.DescribeResourceRequest()).node.resources
    }
}
