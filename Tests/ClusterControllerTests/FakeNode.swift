import Contracts
import Logging
import Store
import Synchronization

@testable import ClusterController

/// A node that does what it is told, and counts.
actor FakeNode: NodeContract.AsyncService {
    nonisolated let name: String
    var instances: [String: Contract.InstanceReport] = [:]
    var runs: [String] = []
    var networks: [Contract.NetworkDocument] = []
    var credentials: [String: Contract.InstanceCredentials] = [:]
    /// Thrown by every call while set.
    var fault: ServiceFault?

    init(_ name: String) { self.name = name }

    func set(_ fault: ServiceFault?) { self.fault = fault }
    private func check() throws(ServiceFault) { if let fault { throw fault } }

    func runInstance(_ request: NodeContract.RunInstanceRequest) async throws(ServiceFault)
        -> NodeContract.RunInstanceResponse
    {
        try check()
        runs.append(request.instance.instanceId)
        let report = Contract.InstanceReport(
            instanceId: request.instance.instanceId, state: .running, nodeName: name, generation: 1, stateChangedAt: 0,
            spec: request.instance)
        instances[request.instance.instanceId] = report
        return .init(instance: report)
    }
    func describeInstances(_ request: NodeContract.DescribeInstancesRequest) async throws(ServiceFault)
        -> NodeContract.DescribeInstancesResponse
    {
        try check()
        return .init(instance: Array(instances.values))
    }
    func describeResource(_ request: NodeContract.DescribeResourceRequest) async throws(ServiceFault)
        -> NodeContract.DescribeResourceResponse
    {
        try check()
        return .init(node: description())
    }
    func terminateInstance(_ request: NodeContract.TerminateInstanceRequest) async throws(ServiceFault)
        -> NodeContract.TerminateInstanceResponse
    {
        try check()
        guard var report = instances[request.instanceId] else {
            throw ServiceFault(code: .notFound, message: "unknown instance", resource: request.instanceId)
        }
        let before = report.state
        report.state = .terminated
        report.generation += 1
        instances[request.instanceId] = report
        return .init(
            change: .init(instanceId: request.instanceId, previousState: before, currentState: .terminated))
    }
    func rebootInstance(_ request: NodeContract.RebootInstanceRequest) async throws(ServiceFault)
        -> NodeContract.RebootInstanceResponse
    {
        try check()
        return .init(instanceId: request.instanceId)
    }
    func getConsoleOutput(_ request: NodeContract.GetConsoleOutputRequest) async throws(ServiceFault)
        -> NodeContract.GetConsoleOutputResponse
    {
        try check()
        return .init(instanceId: request.instanceId, timestamp: 0, output: Array("console of \(name)".utf8))
    }
    func bundleInstance(_ request: NodeContract.BundleInstanceRequest) async throws(ServiceFault)
        -> NodeContract.BundleInstanceResponse
    {
        .init(instance: try bundle(request.instanceId, .init(bundleId: request.bundleId, state: .shutdown)))
    }
    func cancelBundleTask(_ request: NodeContract.CancelBundleTaskRequest) async throws(ServiceFault)
        -> NodeContract.CancelBundleTaskResponse
    {
        .init(instance: try bundle(request.instanceId, .init(bundleId: request.bundleId, state: .cancelled)))
    }
    private func bundle(_ id: String, _ bundle: Contract.BundleReport) throws(ServiceFault) -> Contract.InstanceReport {
        try check()
        guard var report = instances[id] else {
            throw ServiceFault(code: .notFound, message: "unknown instance", resource: id)
        }
        report.generation += 1
        report.bundle = bundle
        instances[id] = report
        return report
    }
    func broadcastNetworkInfo(_ request: NodeContract.BroadcastNetworkInfoRequest) async throws(ServiceFault)
        -> NodeContract.BroadcastNetworkInfoResponse
    {
        try check()
        networks.append(request.network)
        return .init(revision: request.network.revision)
    }

    func setInstanceCredentials(_ request: NodeContract.SetInstanceCredentialsRequest) async throws(ServiceFault)
        -> NodeContract.SetInstanceCredentialsResponse
    {
        try check()
        credentials[request.credentials.instanceId] = request.credentials
        return .init(instanceId: request.credentials.instanceId)
    }

    /// 4 cores, 4096 MiB, 100 GiB, less what runs.
    func description() -> Contract.NodeDescription {
        let running = instances.values.filter { $0.state != .terminated }
        return Contract.NodeDescription(
            nodeName: name, endpoint: "https://\(name):8775/services/NodeController", state: .up,
            hypervisor: "simulated",
            architecture: ["x86_64"],
            resources: .init(
                coresTotal: 4, coresFree: 4 - running.reduce(0) { $0 + $1.spec.instanceType.cores },
                memoryMiBTotal: 4096,
                memoryMiBFree: 4096 - running.reduce(0) { $0 + $1.spec.instanceType.memoryMiB }, diskGiBTotal: 100,
                diskGiBFree: 100 - running.reduce(0) { $0 + $1.spec.instanceType.diskGiB }),
            softwareVersion: "test", startedAt: 0)
    }
}

/// A zone with fake nodes and a clock that the test turns.
final class Zone: Sendable {
    let cluster: ClusterController
    let nodes: [FakeNode]
    let store: SQLiteStore
    let clock: Clock

    final class Clock: Sendable {
        private let value = Mutex<Int64>(1_000_000)
        var now: Int64 { value.withLock { $0 } }
        func advance(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
    }

    init(
        _ names: [String], policy: any PlacementPolicy = GreedyPlacement(), store: SQLiteStore? = nil,
        nodes: [FakeNode]? = nil
    ) async throws {
        let all = nodes ?? names.map { FakeNode($0) }
        self.nodes = all
        let opened = try store ?? SQLiteStore.inMemory()
        self.store = opened
        let clock = Clock()
        self.clock = clock
        guard let addresses = AddressPool(cidr: "127.9.0.0/24") else { throw StoreError.closed }
        cluster = try await ClusterController.open(
            store: opened, configuration: ClusterConfiguration(zone: "zone-a", addresses: addresses), policy: policy,
            connect: { endpoint in all.first { endpoint.contains("//\($0.name):") } ?? FakeNode("nobody") },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, now: { clock.now })
    }

    func register(_ index: Int) async throws {
        let node = nodes[index]
        _ = try await cluster.registerNode(
            .init(node: await node.description(), instance: Array(await node.instances.values)))
    }

    func registerAll() async throws { for index in nodes.indices { try await register(index) } }

    /// The node pushes everything that it has.
    func report(_ index: Int) async throws {
        let node = nodes[index]
        _ = try await cluster.reportNode(
            .init(node: await node.description(), instance: Array(await node.instances.values), complete: true))
    }

    func spec(_ id: String, cores: Int = 1, groups: [String] = []) -> Contract.InstanceSpec {
        Contract.InstanceSpec(
            instanceId: id, reservationId: "r-1", accountId: "000000000001", launchIndex: 0, launchTime: 0,
            zone: "zone-a", instanceType: .init(name: "m1.small", cores: cores, memoryMiB: 256, diskGiB: 2),
            architecture: "x86_64",
            image: .init(artifactId: "ami-1", url: "http://127.0.0.1/x", format: .raw, sizeBytes: 512, sha256: "00"),
            macAddress: "d0:0d:00:00:00:01", group: groups.map { .init(groupId: $0, groupName: $0) })
    }

    func run(_ specs: Contract.InstanceSpec...) async throws -> [ClusterContract.Placement] {
        try await cluster.runInstances(.init(instance: specs)).placement
    }

    /// Waits until `condition` holds; the cluster delivers in the background.
    func until(_ what: String, _ condition: () async throws -> Bool) async throws {
        for _ in 0..<12_000 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Timeout(description: "never: \(what)")
    }
    struct Timeout: Error { var description: String }
}
