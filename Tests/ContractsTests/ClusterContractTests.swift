import Contracts
import Testing
import XML

/// Answers every operation with a full response and keeps the requests as their XML; or throws, if it has a fault.
actor SampleCluster: ClusterContract.AsyncService {
    var requests: [String] = []
    let fault: ServiceFault?

    init(fault: ServiceFault? = nil) { self.fault = fault }

    static let placements = ClusterContract.RunInstancesResponse(placement: [
        .init(instanceId: "i-1", nodeName: "n", privateAddress: "127.0.0.2", publicAddress: "127.0.0.2"),
        .init(instanceId: "i-2", fault: Samples.fault), .init(instanceId: Samples.awkward),
    ])
    static let describe = ClusterContract.DescribeInstancesResponse(instance: [Samples.smallReport, Samples.report])
    static let terminate = ClusterContract.TerminateInstancesResponse(change: [Samples.change, Samples.change])
    static let reboot = ClusterContract.RebootInstancesResponse(instanceId: ["i-1", "i-2"])
    static let bundle = ClusterContract.BundleInstanceResponse(instance: Samples.report)
    static let cancelled = ClusterContract.CancelBundleTaskResponse(instance: Samples.report)
    static let console = ClusterContract.GetConsoleOutputResponse(instanceId: "i", timestamp: 0, output: [])
    static let resources = ClusterContract.DescribeResourcesResponse(
        zone: "z", availability: [.init(name: "m1.small", maxInstances: 4, availableInstances: 0)])
    static let nodes = ClusterContract.DescribeNodesResponse(
        node: [Samples.node],
        enrolment: [.init(nodeName: "m", state: .announced, draining: false, generation: 0, since: 0)])
    static let changes = ClusterContract.DescribeChangesResponse(
        epoch: "e", revision: 9, complete: true, settled: false, instance: [Samples.report],
        removedInstanceId: ["i-9"], node: [Samples.node], removedNodeName: ["gone"])
    static let network = ClusterContract.BroadcastNetworkInfoResponse(revision: 0)
    static let taken = ClusterContract.SetInstanceCredentialsResponse(instanceId: ["i-1"])
    static let register = ClusterContract.RegisterNodeResponse(
        zone: "z", heartbeatMilliseconds: 5000, network: Samples.network)
    static let reported = ClusterContract.ReportNodeResponse(known: false, network: Samples.network)
    static let enrolment = ClusterContract.NodeEnrolment(
        nodeName: "n", state: .pendingApproval, draining: true, address: "10.1.255.254", keyFingerprint: "sha256:00",
        serialNumber: "7f", generation: 3, since: 1)
    static let approve = ClusterContract.ApproveNodeResponse(enrolment: enrolment)
    static let deny = ClusterContract.DenyNodeResponse(enrolment: enrolment)
    static let drain = ClusterContract.DrainNodeResponse(enrolment: enrolment)
    static let remove = ClusterContract.RemoveNodeResponse(enrolment: enrolment)
    static let announce = ClusterContract.AnnounceNodeResponse(enrolment: enrolment)
    static let reconcile = ClusterContract.ReconcileNodesResponse(
        announcedNodeName: ["a"], removedNodeName: ["b", "c"], drainingNodeName: [Samples.awkward],
        unknownNodeName: ["d"])

    private func take<Message: ContractMessage>(_ request: Message) throws(ServiceFault) {
        requests.append(xml(request))
        if let fault { throw fault }
    }

    func runInstances(_ request: ClusterContract.RunInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RunInstancesResponse
    {
        try take(request)
        return Self.placements
    }

    func describeInstances(_ request: ClusterContract.DescribeInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeInstancesResponse
    {
        try take(request)
        return Self.describe
    }

    func terminateInstances(_ request: ClusterContract.TerminateInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.TerminateInstancesResponse
    {
        try take(request)
        return Self.terminate
    }

    func rebootInstances(_ request: ClusterContract.RebootInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RebootInstancesResponse
    {
        try take(request)
        return Self.reboot
    }

    func bundleInstance(_ request: ClusterContract.BundleInstanceRequest) async throws(ServiceFault)
        -> ClusterContract.BundleInstanceResponse
    {
        try take(request)
        return Self.bundle
    }

    func cancelBundleTask(_ request: ClusterContract.CancelBundleTaskRequest) async throws(ServiceFault)
        -> ClusterContract.CancelBundleTaskResponse
    {
        try take(request)
        return Self.cancelled
    }

    func getConsoleOutput(_ request: ClusterContract.GetConsoleOutputRequest) async throws(ServiceFault)
        -> ClusterContract.GetConsoleOutputResponse
    {
        try take(request)
        return Self.console
    }

    func describeResources(_ request: ClusterContract.DescribeResourcesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeResourcesResponse
    {
        try take(request)
        return Self.resources
    }

    func describeNodes(_ request: ClusterContract.DescribeNodesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeNodesResponse
    {
        try take(request)
        return Self.nodes
    }

    func describeChanges(_ request: ClusterContract.DescribeChangesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeChangesResponse
    {
        try take(request)
        return Self.changes
    }

    func broadcastNetworkInfo(_ request: ClusterContract.BroadcastNetworkInfoRequest) async throws(ServiceFault)
        -> ClusterContract.BroadcastNetworkInfoResponse
    {
        try take(request)
        return Self.network
    }

    func setInstanceCredentials(_ request: ClusterContract.SetInstanceCredentialsRequest) async throws(ServiceFault)
        -> ClusterContract.SetInstanceCredentialsResponse
    {
        try take(request)
        return Self.taken
    }

    func registerNode(_ request: ClusterContract.RegisterNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RegisterNodeResponse
    {
        try take(request)
        return Self.register
    }

    func reportNode(_ request: ClusterContract.ReportNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ReportNodeResponse
    {
        try take(request)
        return Self.reported
    }

    func approveNode(_ request: ClusterContract.ApproveNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ApproveNodeResponse
    {
        try take(request)
        return Self.approve
    }

    func denyNode(_ request: ClusterContract.DenyNodeRequest) async throws(ServiceFault)
        -> ClusterContract.DenyNodeResponse
    {
        try take(request)
        return Self.deny
    }

    func drainNode(_ request: ClusterContract.DrainNodeRequest) async throws(ServiceFault)
        -> ClusterContract.DrainNodeResponse
    {
        try take(request)
        return Self.drain
    }

    func removeNode(_ request: ClusterContract.RemoveNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RemoveNodeResponse
    {
        try take(request)
        return Self.remove
    }

    func announceNode(_ request: ClusterContract.AnnounceNodeRequest) async throws(ServiceFault)
        -> ClusterContract.AnnounceNodeResponse
    {
        try take(request)
        return Self.announce
    }

    func reconcileNodes(_ request: ClusterContract.ReconcileNodesRequest) async throws(ServiceFault)
        -> ClusterContract.ReconcileNodesResponse
    {
        try take(request)
        return Self.reconcile
    }
}

func xml<Message: ContractMessage>(_ message: Message) -> String {
    var writer = XMLWriter(declaration: false)
    message.write(to: &writer, as: Message.qualifiedName)
    return writer.text
}

/// Hands the messages of a client straight to the dispatcher.
struct ClusterLoopback: AsyncSOAPTransport {
    let cluster: SampleCluster

    func call(soapAction: String, body: [UInt8]) async throws(ServiceFault) -> [UInt8] {
        await ClusterContract.dispatch(body: body, soapAction: soapAction, service: cluster).body
    }
}

@Suite("Cluster contract")
struct ClusterContractTests {
    /// Calls every operation with full requests, compares the responses, and returns the requests as XML.
    private func exercise(_ service: any ClusterContract.AsyncService) async throws -> [String] {
        var sent: [String] = []
        func check<Request: ContractMessage, Response: ContractMessage & Equatable>(
            _ request: Request, _ expected: Response,
            _ call: (Request) async throws(ServiceFault) -> Response
        ) async throws {
            sent.append(xml(request))
            #expect(try await call(request) == expected)
        }
        try await check(
            ClusterContract.RunInstancesRequest(correlationId: "c", instance: [Samples.spec, Samples.smallSpec]),
            SampleCluster.placements, service.runInstances)
        try await check(
            ClusterContract.DescribeInstancesRequest(instanceId: ["i-1"]), SampleCluster.describe,
            service.describeInstances)
        try await check(
            ClusterContract.TerminateInstancesRequest(instanceId: ["i-1", "i-2"], force: true),
            SampleCluster.terminate, service.terminateInstances)
        try await check(
            ClusterContract.RebootInstancesRequest(instanceId: ["i-1"]), SampleCluster.reboot, service.rebootInstances)
        try await check(
            ClusterContract.BundleInstanceRequest(
                correlationId: "c", instanceId: "i-1", bundleId: "bun-1", uploadUrl: "http://w/b?" + Samples.awkward),
            SampleCluster.bundle, service.bundleInstance)
        try await check(
            ClusterContract.CancelBundleTaskRequest(instanceId: "i-1", bundleId: "bun-1"), SampleCluster.cancelled,
            service.cancelBundleTask)
        try await check(
            ClusterContract.GetConsoleOutputRequest(instanceId: Samples.awkward), SampleCluster.console,
            service.getConsoleOutput)
        try await check(
            ClusterContract.DescribeResourcesRequest(instanceType: [Samples.type]), SampleCluster.resources,
            service.describeResources)
        try await check(ClusterContract.DescribeNodesRequest(), SampleCluster.nodes, service.describeNodes)
        try await check(
            ClusterContract.DescribeChangesRequest(epoch: "e", sinceRevision: 8, waitMilliseconds: 1000),
            SampleCluster.changes, service.describeChanges)
        try await check(
            ClusterContract.BroadcastNetworkInfoRequest(network: Samples.network), SampleCluster.network,
            service.broadcastNetworkInfo)
        try await check(
            ClusterContract.SetInstanceCredentialsRequest(
                credentials: [Samples.credentials, .init(instanceId: "i-2", lastUpdated: 0)]),
            SampleCluster.taken, service.setInstanceCredentials)
        try await check(
            ClusterContract.RegisterNodeRequest(node: Samples.node, instance: [Samples.report]),
            SampleCluster.register, service.registerNode)
        try await check(
            ClusterContract.ReportNodeRequest(
                node: Samples.node, instance: [Samples.smallReport], removedInstanceId: ["i-0"], complete: false,
                networkRevision: 3), SampleCluster.reported, service.reportNode)
        try await check(
            ClusterContract.ApproveNodeRequest(nodeName: "n", keyFingerprint: "sha256:00"), SampleCluster.approve,
            service.approveNode)
        try await check(ClusterContract.DenyNodeRequest(nodeName: "n"), SampleCluster.deny, service.denyNode)
        try await check(
            ClusterContract.DrainNodeRequest(correlationId: "c", nodeName: Samples.awkward, undo: true),
            SampleCluster.drain, service.drainNode)
        try await check(
            ClusterContract.RemoveNodeRequest(nodeName: "n", force: false), SampleCluster.remove, service.removeNode)
        try await check(
            ClusterContract.AnnounceNodeRequest(nodeName: "n", address: "10.1.255.254"), SampleCluster.announce,
            service.announceNode)
        try await check(
            ClusterContract.ReconcileNodesRequest(nodeName: ["a", "b"]), SampleCluster.reconcile,
            service.reconcileNodes)
        return sent
    }

    @Test("a service in the process and one behind SOAP are interchangeable")
    func interchangeable() async throws {
        let near = SampleCluster()
        let sent = try await exercise(near)
        #expect(await near.requests == sent)
        let far = SampleCluster()
        #expect(try await exercise(ClusterContract.AsyncClient(transport: ClusterLoopback(cluster: far))) == sent)
        #expect(await far.requests == sent)
        #expect(sent.count == 20)
    }

    @Test("a fault behind SOAP is the fault that was thrown")
    func fault() async {
        let client = ClusterContract.AsyncClient(
            transport: ClusterLoopback(cluster: SampleCluster(fault: Samples.fault)))
        await #expect(throws: Samples.fault) { try await client.describeNodes(.init()) }
    }

    @Test("a list that must not be empty is refused when it is")
    func emptyList() async {
        let cluster = SampleCluster()
        let reply = await ClusterContract.dispatch(
            body: soap("<RebootInstances xmlns='urn:mallee:contract:cluster:1'/>"), soapAction: nil, service: cluster)
        #expect(reply.fault?.message.contains("RebootInstances/instanceId: the element is missing") == true)
        #expect(await cluster.requests.isEmpty)
    }

    @Test("content of two namespaces is written so that each element is in its own")
    func mixedNamespaces() throws {
        let (own, types) = (ClusterContract.namespace, Contract.namespace)
        let response = try XMLElement.parse(xml(SampleCluster.placements))
        #expect(response.namespace == own)
        let placement = response.children("placement", namespace: own)
        #expect(placement.count == 3)
        let fault = try #require(placement[1].child("fault", namespace: own))
        #expect(fault.children.allSatisfy { $0.namespace == types })
        // Alone, as a store keeps it, a value can be read too.
        var writer = XMLWriter()
        writer.open("record", [("version", "1")])
        Samples.spec.write(to: &writer, as: "instance")
        writer.close()
        let record = try XMLElement.parse(writer.bytes)
        #expect(try Contract.InstanceSpec(xml: #require(record.child("instance"))) == Samples.spec)
    }

    @Test("the WSDL names the address of the service and where its schema is")
    func wsdl() throws {
        let url = "https://cc.example:8774/services/ClusterController"
        let root = try XMLElement.parse(ClusterContract.wsdl(location: url))
        #expect(root.child("service")?.child("port")?.child("address")?.attribute("location") == url)
        #expect(root.child("portType")?.children("operation").count == 20)
        #expect(ClusterContract.description(query: "xsd=types.xsd", location: url) == Contract.schemaText)
        #expect(ClusterContract.description(query: "", location: url) == nil)
    }
}
