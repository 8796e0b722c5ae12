import CloudModel
import Contracts

/// A cluster controller without nodes: it keeps the contract of `ClusterContract.AsyncService` and does what a test
/// tells it to.
actor FakeZone: ClusterContract.AsyncService {
    struct Node {
        var cores: Int
        var memoryMiB: Int
        var diskGiB: Int
        var state = Contract.NodeState.up
        var architectures = ["i386", "x86_64"]
    }

    let name: String
    private(set) var nodes: [String: Node] = [:]
    private(set) var reports: [String: Contract.InstanceReport] = [:]
    /// How often each instance was started: more than once is what must never be.
    private(set) var starts: [String: Int] = [:]
    private(set) var terminateCalls: [String] = []
    private(set) var rebooted: [String] = []
    private(set) var network: Contract.NetworkDocument?
    private(set) var networkRevisions: [Int64] = []
    private(set) var runCalls = 0
    /// What the nodes' metadata have, and how often that was sent.
    private(set) var credentials: [String: Contract.InstanceCredentials] = [:]
    private(set) var credentialCalls = 0
    /// Instances whose nodes take no credentials.
    private var refusesCredentials: Set<String> = []

    /// Answers no call while true.
    private var isDown = false
    /// Instances come up by themselves.
    private var runsAtOnce = true
    private var endsAtOnce = true
    private var isSettled = true
    /// What every placement is answered with.
    private var refusal: ServiceFault?
    /// Places, and then loses the answer.
    private var losesAnswers = false
    private var knownNetworkRevision: Int64 = 0
    private var consoles: [String: [UInt8]] = [:]

    private var epoch = "e1"
    private var revision: Int64 = 1
    private var changed: [String: Int64] = [:]
    private var removed: [(id: String, revision: Int64)] = []
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(name: String, nodes: Int = 1, cores: Int = 1000, memoryMiB: Int = 1_000_000, diskGiB: Int = 100_000) {
        self.name = name
        for index in 0..<nodes {
            self.nodes["\(name)-n\(index)"] = Node(cores: cores, memoryMiB: memoryMiB, diskGiB: diskGiB)
        }
    }

    // MARK: What tests do to it

    func setDown(_ value: Bool) {
        isDown = value
        poke()
    }
    func setRefusal(_ fault: ServiceFault?) { refusal = fault }
    func setLosesAnswers(_ value: Bool) { losesAnswers = value }
    func setRefusesCredentials(_ ids: Set<String>) { refusesCredentials = ids }
    func setRunsAtOnce(_ value: Bool) { runsAtOnce = value }
    func setEndsAtOnce(_ value: Bool) { endsAtOnce = value }
    func setConsole(_ bytes: [UInt8], of id: String) { consoles[id] = bytes }
    func setNetworkRevision(_ value: Int64) { knownNetworkRevision = value }
    func setNode(_ name: String, _ node: Node?) {
        nodes[name] = node
        poke()
    }

    func setState(
        _ state: Contract.InstanceState, of id: String, reason: Contract.StateReason? = nil, generation: Int64? = nil
    ) {
        guard var report = reports[id] else { return }
        report.state = state
        report.reason = reason
        report.generation = generation ?? report.generation + 1
        report.stateChangedAt += 1
        reports[id] = report
        change(id)
    }

    /// A guest that the cloud is to hear of.
    func insert(_ report: Contract.InstanceReport) {
        reports[report.instanceId] = report
        change(report.instanceId)
    }

    /// A node loses an instance without a word of it.
    func lose(_ id: String, tells: Bool) {
        reports[id] = nil
        revision += 1
        if tells { removed.append((id, revision)) }
        poke()
    }

    /// Starts a new life, as after a restart: everything is told anew.
    func restart(settled: Bool) {
        epoch += "x"
        revision += 1
        isSettled = settled
        poke()
    }

    func settle() {
        isSettled = true
        revision += 1
        poke()
    }

    var timesStarted: [Int] { Array(starts.values) }

    private func change(_ id: String) {
        revision += 1
        changed[id] = revision
        poke()
    }

    private func poke() {
        revision += 1
        let resumed = waiting
        waiting = []
        for continuation in resumed { continuation.resume() }
    }

    private func answer() throws(ServiceFault) {
        if isDown { throw ServiceFault(code: .unavailable, message: "connection refused") }
    }

    // MARK: The contract

    func runInstances(_ request: ClusterContract.RunInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RunInstancesResponse
    {
        try answer()
        runCalls += 1
        var placements: [ClusterContract.Placement] = []
        for spec in request.instance {
            if let known = reports[spec.instanceId] {
                placements.append(placement(known))
                continue
            }
            if let refusal {
                placements.append(ClusterContract.Placement(instanceId: spec.instanceId, fault: refusal))
                continue
            }
            guard let node = nodes.keys.sorted().first(where: { fits(spec, on: $0) }) else {
                placements.append(
                    ClusterContract.Placement(
                        instanceId: spec.instanceId,
                        fault: ServiceFault(code: .insufficientResources, message: "No node has room.")))
                continue
            }
            starts[spec.instanceId, default: 0] += 1
            var spec = spec
            spec.privateAddress = "10.0.\(starts.count / 250).\(starts.count % 250 + 1)"
            spec.publicAddress = spec.privateAddress
            let report = Contract.InstanceReport(
                instanceId: spec.instanceId, state: runsAtOnce ? .running : .pending, nodeName: node, generation: 1,
                stateChangedAt: spec.launchTime + 1, spec: spec)
            reports[spec.instanceId] = report
            placements.append(placement(report))
            change(spec.instanceId)
        }
        if losesAnswers { throw ServiceFault(code: .unavailable, message: "the answer was lost") }
        return ClusterContract.RunInstancesResponse(placement: placements)
    }

    private func placement(_ report: Contract.InstanceReport) -> ClusterContract.Placement {
        ClusterContract.Placement(
            instanceId: report.instanceId, nodeName: report.nodeName, privateAddress: report.spec.privateAddress,
            publicAddress: report.spec.publicAddress)
    }

    private func fits(_ spec: Contract.InstanceSpec, on node: String) -> Bool {
        let free = describe(node).resources
        let type = spec.instanceType
        return free.coresFree >= type.cores && free.memoryMiBFree >= type.memoryMiB && free.diskGiBFree >= type.diskGiB
            && nodes[node]?.architectures.contains(spec.architecture) == true
    }

    func describeInstances(_ request: ClusterContract.DescribeInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeInstancesResponse
    {
        try answer()
        return ClusterContract.DescribeInstancesResponse(instance: Array(reports.values))
    }

    func terminateInstances(_ request: ClusterContract.TerminateInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.TerminateInstancesResponse
    {
        try answer()
        var changes: [Contract.InstanceStateChange] = []
        for id in request.instanceId {
            terminateCalls.append(id)
            guard let report = reports[id] else { continue }
            setState(endsAtOnce ? .terminated : .shuttingDown, of: id)
            changes.append(
                Contract.InstanceStateChange(
                    instanceId: id, previousState: report.state, currentState: .shuttingDown))
        }
        return ClusterContract.TerminateInstancesResponse(change: changes)
    }

    func rebootInstances(_ request: ClusterContract.RebootInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RebootInstancesResponse
    {
        try answer()
        let known = request.instanceId.filter { reports[$0] != nil }
        rebooted += known
        return ClusterContract.RebootInstancesResponse(instanceId: known)
    }

    private(set) var bundleURLs: [String] = []
    private(set) var cancelledBundles: [String] = []
    private var bundleFault: ServiceFault?

    func setBundleFault(_ fault: ServiceFault?) { bundleFault = fault }

    /// What a node says of the copy that it was asked for; nil as after its restart.
    func setBundle(_ bundle: Contract.BundleReport?, of id: String) {
        guard var report = reports[id] else { return }
        report.bundle = bundle
        report.generation += 1
        reports[id] = report
        change(id)
    }

    func bundleInstance(_ request: ClusterContract.BundleInstanceRequest) async throws(ServiceFault)
        -> ClusterContract.BundleInstanceResponse
    {
        try answer()
        if let bundleFault { throw bundleFault }
        bundleURLs.append(request.uploadUrl)
        setBundle(Contract.BundleReport(bundleId: request.bundleId, state: .shutdown), of: request.instanceId)
        guard let report = reports[request.instanceId] else {
            throw ServiceFault(code: .notFound, message: "no such instance", resource: request.instanceId)
        }
        return ClusterContract.BundleInstanceResponse(instance: report)
    }

    func cancelBundleTask(_ request: ClusterContract.CancelBundleTaskRequest) async throws(ServiceFault)
        -> ClusterContract.CancelBundleTaskResponse
    {
        try answer()
        cancelledBundles.append(request.bundleId)
        if let bundle = reports[request.instanceId]?.bundle, bundle.bundleId == request.bundleId, bundle.state != .sent
        {
            setBundle(Contract.BundleReport(bundleId: request.bundleId, state: .cancelled), of: request.instanceId)
        }
        guard let report = reports[request.instanceId] else {
            throw ServiceFault(code: .notFound, message: "no such instance", resource: request.instanceId)
        }
        return ClusterContract.CancelBundleTaskResponse(instance: report)
    }

    func getConsoleOutput(_ request: ClusterContract.GetConsoleOutputRequest) async throws(ServiceFault)
        -> ClusterContract.GetConsoleOutputResponse
    {
        try answer()
        guard let bytes = consoles[request.instanceId] else {
            throw ServiceFault(code: .notFound, message: "no such instance", resource: request.instanceId)
        }
        return ClusterContract.GetConsoleOutputResponse(
            instanceId: request.instanceId, timestamp: 1000, output: bytes)
    }

    func describeResources(_ request: ClusterContract.DescribeResourcesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeResourcesResponse
    {
        try answer()
        return ClusterContract.DescribeResourcesResponse(zone: name)
    }

    func describeNodes(_ request: ClusterContract.DescribeNodesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeNodesResponse
    {
        try answer()
        return ClusterContract.DescribeNodesResponse(node: nodes.keys.sorted().map(describe))
    }

    func describeChanges(_ request: ClusterContract.DescribeChangesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeChangesResponse
    {
        try answer()
        let complete = request.epoch != epoch
        let since = request.sinceRevision ?? 0
        if !complete, since >= revision, (request.waitMilliseconds ?? 0) > 0 {
            await waitForChange()
            try answer()
        }
        let isComplete = request.epoch != epoch
        let instances = reports.values.filter { isComplete || (changed[$0.instanceId] ?? 0) > since }
        return ClusterContract.DescribeChangesResponse(
            epoch: epoch, revision: revision, complete: isComplete, settled: isSettled, instance: Array(instances),
            removedInstanceId: isComplete ? [] : removed.filter { $0.revision > since }.map(\.id),
            node: nodes.keys.sorted().map(describe))
    }

    private func waitForChange() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { waiting.append(continuation) }
            }
        } onCancel: {
            Task { await self.poke() }
        }
    }

    func broadcastNetworkInfo(_ request: ClusterContract.BroadcastNetworkInfoRequest) async throws(ServiceFault)
        -> ClusterContract.BroadcastNetworkInfoResponse
    {
        try answer()
        networkRevisions.append(request.network.revision)
        if request.network.revision >= knownNetworkRevision {
            knownNetworkRevision = request.network.revision
            network = request.network
        }
        return ClusterContract.BroadcastNetworkInfoResponse(revision: knownNetworkRevision)
    }

    func setInstanceCredentials(_ request: ClusterContract.SetInstanceCredentialsRequest) async throws(ServiceFault)
        -> ClusterContract.SetInstanceCredentialsResponse
    {
        try answer()
        credentialCalls += 1
        var taken: [String] = []
        for message in request.credentials
        where reports[message.instanceId] != nil && !refusesCredentials.contains(message.instanceId) {
            credentials[message.instanceId] = message
            taken.append(message.instanceId)
        }
        return ClusterContract.SetInstanceCredentialsResponse(instanceId: taken)
    }

    func registerNode(_ request: ClusterContract.RegisterNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RegisterNodeResponse
    {
        throw ServiceFault(code: .unsupported, message: "not in this test")
    }

    func reportNode(_ request: ClusterContract.ReportNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ReportNodeResponse
    {
        throw ServiceFault(code: .unsupported, message: "not in this test")
    }

    func approveNode(_ request: ClusterContract.ApproveNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ApproveNodeResponse
    {
        throw ServiceFault(code: .unsupported, message: "not in this test")
    }

    func denyNode(_ request: ClusterContract.DenyNodeRequest) async throws(ServiceFault)
        -> ClusterContract.DenyNodeResponse
    {
        throw ServiceFault(code: .unsupported, message: "not in this test")
    }

    func drainNode(_ request: ClusterContract.DrainNodeRequest) async throws(ServiceFault)
        -> ClusterContract.DrainNodeResponse
    {
        throw ServiceFault(code: .unsupported, message: "not in this test")
    }

    func removeNode(_ request: ClusterContract.RemoveNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RemoveNodeResponse
    {
        throw ServiceFault(code: .unsupported, message: "not in this test")
    }

    func announceNode(_ request: ClusterContract.AnnounceNodeRequest) async throws(ServiceFault)
        -> ClusterContract.AnnounceNodeResponse
    {
        throw ServiceFault(code: .unsupported, message: "not in this test")
    }

    func reconcileNodes(_ request: ClusterContract.ReconcileNodesRequest) async throws(ServiceFault)
        -> ClusterContract.ReconcileNodesResponse
    {
        throw ServiceFault(code: .unsupported, message: "not in this test")
    }

    private func describe(_ node: String) -> Contract.NodeDescription {
        let known = nodes[node] ?? Node(cores: 0, memoryMiB: 0, diskGiB: 0)
        var free = known
        var count = 0
        for report in reports.values where report.nodeName == node && report.state != .terminated {
            free.cores -= report.spec.instanceType.cores
            free.memoryMiB -= report.spec.instanceType.memoryMiB
            free.diskGiB -= report.spec.instanceType.diskGiB
            count += 1
        }
        return Contract.NodeDescription(
            nodeName: node, endpoint: "https://\(node):8775/", state: known.state, hypervisor: "simulated",
            architecture: known.architectures,
            resources: Contract.Resources(
                coresTotal: known.cores, coresFree: free.cores, memoryMiBTotal: known.memoryMiB,
                memoryMiBFree: free.memoryMiB, diskGiBTotal: known.diskGiB, diskGiBFree: free.diskGiB),
            softwareVersion: "test", startedAt: 0, lastSeen: 1, instanceCount: count)
    }
}
