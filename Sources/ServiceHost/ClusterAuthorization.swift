public import Contracts

/// A cluster controller behind the question who calls: nodes may speak for themselves only, and everything else is for
/// the cloud controller and the administrator's tools. So the key of one node harms no other.
///
/// Callers are known by their certificates; this is for listeners with TLS only.
public struct ClusterAuthorization: ClusterContract.AsyncService {
    /// The fault with which a certificate of a node is refused; nil if it counts.
    public typealias Admission = @Sendable (_ name: String, _ serial: String?) -> ServiceFault?

    private let service: any ClusterContract.AsyncService
    private let zone: String?
    private let admission: Admission

    /// - Parameters:
    ///   - zone: the cluster controller's own: certificates that were signed for nodes of another do not count.
    ///   - admission: asked with each call of a node, since certificates die while connections last.
    public init(service: any ClusterContract.AsyncService, zone: String?, admission: @escaping Admission) {
        self.service = service
        self.zone = zone
        self.admission = admission
    }

    private static func checkController(_ operation: String) throws(ServiceFault) {
        let caller = ComponentName.caller
        guard caller?.role != .cloud, caller?.role != .client else { return }
        throw refusal("\(operation) is for the cloud controller")
    }

    private static func checkAdministrator(_ operation: String) throws(ServiceFault) {
        guard ComponentName.caller?.role != .client else { return }
        throw refusal("\(operation) is for the administrator's tools")
    }

    /// A process of simulated nodes has one certificate, and its nodes are called NAME-0001 and so on.
    private func checkNode(_ node: String) throws(ServiceFault) {
        guard let caller = ComponentName.caller, caller.role == .node else {
            throw Self.refusal("only nodes register and report")
        }
        if let signed = ServiceCaller.current?.zone, let zone, signed != zone {
            throw Self.refusal("it was signed for the zone \(signed), and this is \(zone)")
        }
        if let fault = admission(caller.name, ServiceCaller.current?.serial) { throw fault }
        if node == caller.name { return }
        let number = node.dropFirst(caller.name.utf8.count + 1).utf8
        if node.hasPrefix(caller.name + "-"), number.count >= 4, number.allSatisfy({ (48...57).contains($0) }) {
            return
        }
        throw Self.refusal(
            "a node speaks for itself only, and not for \(node); NODE_NAME must be its certificate's name")
    }

    private static func refusal(_ reason: String) -> ServiceFault {
        ServiceFault(
            code: .invalidRequest,
            message:
                "The certificate of \(ComponentName.caller?.description ?? "nobody") does not allow this: \(reason)."
        )
    }

    /// See the contract.
    public func registerNode(_ request: ClusterContract.RegisterNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RegisterNodeResponse
    {
        try checkNode(request.node.nodeName)
        return try await service.registerNode(request)
    }

    /// See the contract.
    public func reportNode(_ request: ClusterContract.ReportNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ReportNodeResponse
    {
        try checkNode(request.node.nodeName)
        return try await service.reportNode(request)
    }

    /// See the contract.
    public func runInstances(_ request: ClusterContract.RunInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RunInstancesResponse
    {
        try Self.checkController("RunInstances")
        return try await service.runInstances(request)
    }

    /// See the contract.
    public func describeInstances(_ request: ClusterContract.DescribeInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeInstancesResponse
    {
        try Self.checkController("DescribeInstances")
        return try await service.describeInstances(request)
    }

    /// See the contract.
    public func terminateInstances(_ request: ClusterContract.TerminateInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.TerminateInstancesResponse
    {
        try Self.checkController("TerminateInstances")
        return try await service.terminateInstances(request)
    }

    /// See the contract.
    public func rebootInstances(_ request: ClusterContract.RebootInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RebootInstancesResponse
    {
        try Self.checkController("RebootInstances")
        return try await service.rebootInstances(request)
    }

    /// See the contract.
    public func bundleInstance(_ request: ClusterContract.BundleInstanceRequest) async throws(ServiceFault)
        -> ClusterContract.BundleInstanceResponse
    {
        try Self.checkController("BundleInstance")
        return try await service.bundleInstance(request)
    }

    /// See the contract.
    public func cancelBundleTask(_ request: ClusterContract.CancelBundleTaskRequest) async throws(ServiceFault)
        -> ClusterContract.CancelBundleTaskResponse
    {
        try Self.checkController("CancelBundleTask")
        return try await service.cancelBundleTask(request)
    }

    /// See the contract.
    public func getConsoleOutput(_ request: ClusterContract.GetConsoleOutputRequest) async throws(ServiceFault)
        -> ClusterContract.GetConsoleOutputResponse
    {
        try Self.checkController("GetConsoleOutput")
        return try await service.getConsoleOutput(request)
    }

    /// See the contract.
    public func describeResources(_ request: ClusterContract.DescribeResourcesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeResourcesResponse
    {
        try Self.checkController("DescribeResources")
        return try await service.describeResources(request)
    }

    /// See the contract.
    public func describeNodes(_ request: ClusterContract.DescribeNodesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeNodesResponse
    {
        try Self.checkController("DescribeNodes")
        return try await service.describeNodes(request)
    }

    /// See the contract.
    public func describeChanges(_ request: ClusterContract.DescribeChangesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeChangesResponse
    {
        try Self.checkController("DescribeChanges")
        return try await service.describeChanges(request)
    }

    /// See the contract.
    public func broadcastNetworkInfo(_ request: ClusterContract.BroadcastNetworkInfoRequest) async throws(ServiceFault)
        -> ClusterContract.BroadcastNetworkInfoResponse
    {
        try Self.checkController("BroadcastNetworkInfo")
        return try await service.broadcastNetworkInfo(request)
    }

    /// See the contract.
    public func setInstanceCredentials(_ request: ClusterContract.SetInstanceCredentialsRequest)
        async throws(ServiceFault) -> ClusterContract.SetInstanceCredentialsResponse
    {
        try Self.checkController("SetInstanceCredentials")
        return try await service.setInstanceCredentials(request)
    }

    /// See the contract.
    public func approveNode(_ request: ClusterContract.ApproveNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ApproveNodeResponse
    {
        try Self.checkAdministrator("ApproveNode")
        return try await service.approveNode(request)
    }

    /// See the contract.
    public func denyNode(_ request: ClusterContract.DenyNodeRequest) async throws(ServiceFault)
        -> ClusterContract.DenyNodeResponse
    {
        try Self.checkAdministrator("DenyNode")
        return try await service.denyNode(request)
    }

    /// See the contract.
    public func drainNode(_ request: ClusterContract.DrainNodeRequest) async throws(ServiceFault)
        -> ClusterContract.DrainNodeResponse
    {
        try Self.checkAdministrator("DrainNode")
        return try await service.drainNode(request)
    }

    /// See the contract.
    public func removeNode(_ request: ClusterContract.RemoveNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RemoveNodeResponse
    {
        try Self.checkAdministrator("RemoveNode")
        return try await service.removeNode(request)
    }

    /// See the contract.
    public func announceNode(_ request: ClusterContract.AnnounceNodeRequest) async throws(ServiceFault)
        -> ClusterContract.AnnounceNodeResponse
    {
        try Self.checkAdministrator("AnnounceNode")
        return try await service.announceNode(request)
    }

    /// See the contract.
    public func reconcileNodes(_ request: ClusterContract.ReconcileNodesRequest) async throws(ServiceFault)
        -> ClusterContract.ReconcileNodesResponse
    {
        try Self.checkAdministrator("ReconcileNodes")
        return try await service.reconcileNodes(request)
    }
}
