import Contracts
import ServiceHost

/// A cluster controller behind the question who calls: nodes may speak for themselves only, and everything else is for
/// the cloud controller and the administrator's tools. So the key of one node harms no other.
///
/// Callers are known by their certificates; this is for listeners with TLS only.
struct ClusterAuthorization: ClusterContract.AsyncService {
    let service: any ClusterContract.AsyncService

    private static func checkController(_ operation: String) throws(ServiceFault) {
        let caller = ComponentName.caller
        guard caller?.role != .cloud, caller?.role != .client else { return }
        throw refusal("\(operation) is for the cloud controller")
    }

    /// A process of simulated nodes has one certificate, and its nodes are called NAME-0001 and so on.
    private static func checkNode(_ node: String) throws(ServiceFault) {
        guard let caller = ComponentName.caller, caller.role == .node else {
            throw refusal("only nodes register and report")
        }
        if node == caller.name { return }
        let number = node.dropFirst(caller.name.utf8.count + 1).utf8
        if node.hasPrefix(caller.name + "-"), number.count >= 4, number.allSatisfy({ (48...57).contains($0) }) {
            return
        }
        throw refusal("a node speaks for itself only, and not for \(node); NODE_NAME must be its certificate's name")
    }

    private static func refusal(_ reason: String) -> ServiceFault {
        ServiceFault(
            code: .invalidRequest,
            message:
                "The certificate of \(ComponentName.caller?.description ?? "nobody") does not allow this: \(reason)."
        )
    }

    func registerNode(_ request: ClusterContract.RegisterNodeRequest) async throws(ServiceFault)
        -> ClusterContract.RegisterNodeResponse
    {
        try Self.checkNode(request.node.nodeName)
        return try await service.registerNode(request)
    }

    func reportNode(_ request: ClusterContract.ReportNodeRequest) async throws(ServiceFault)
        -> ClusterContract.ReportNodeResponse
    {
        try Self.checkNode(request.node.nodeName)
        return try await service.reportNode(request)
    }

    func runInstances(_ request: ClusterContract.RunInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RunInstancesResponse
    {
        try Self.checkController("RunInstances")
        return try await service.runInstances(request)
    }

    func describeInstances(_ request: ClusterContract.DescribeInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeInstancesResponse
    {
        try Self.checkController("DescribeInstances")
        return try await service.describeInstances(request)
    }

    func terminateInstances(_ request: ClusterContract.TerminateInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.TerminateInstancesResponse
    {
        try Self.checkController("TerminateInstances")
        return try await service.terminateInstances(request)
    }

    func rebootInstances(_ request: ClusterContract.RebootInstancesRequest) async throws(ServiceFault)
        -> ClusterContract.RebootInstancesResponse
    {
        try Self.checkController("RebootInstances")
        return try await service.rebootInstances(request)
    }

    func getConsoleOutput(_ request: ClusterContract.GetConsoleOutputRequest) async throws(ServiceFault)
        -> ClusterContract.GetConsoleOutputResponse
    {
        try Self.checkController("GetConsoleOutput")
        return try await service.getConsoleOutput(request)
    }

    func describeResources(_ request: ClusterContract.DescribeResourcesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeResourcesResponse
    {
        try Self.checkController("DescribeResources")
        return try await service.describeResources(request)
    }

    func describeNodes(_ request: ClusterContract.DescribeNodesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeNodesResponse
    {
        try Self.checkController("DescribeNodes")
        return try await service.describeNodes(request)
    }

    func describeChanges(_ request: ClusterContract.DescribeChangesRequest) async throws(ServiceFault)
        -> ClusterContract.DescribeChangesResponse
    {
        try Self.checkController("DescribeChanges")
        return try await service.describeChanges(request)
    }

    func broadcastNetworkInfo(_ request: ClusterContract.BroadcastNetworkInfoRequest) async throws(ServiceFault)
        -> ClusterContract.BroadcastNetworkInfoResponse
    {
        try Self.checkController("BroadcastNetworkInfo")
        return try await service.broadcastNetworkInfo(request)
    }
}
