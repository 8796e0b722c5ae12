import CloudModel
import Contracts

// The cluster controller's contract in the cloud's own values: the only file that reads and writes its messages.

/// Why a zone did not do what it was asked.
enum ClusterFailure: Error, CustomStringConvertible {
    /// What its cluster controller, or the way to it, answered.
    case fault(ServiceFault)

    private var detail: ServiceFault {
        switch self {
        case .fault(let fault): fault
        }
    }

    /// For people.
    var reason: String { detail.message }
    var description: String { "\(detail.code.rawValue): \(detail.message)" }
    /// What it is about, if it is about one thing.
    var resource: String? { detail.resource }
    /// Whether the same call may succeed later.
    var isRetryable: Bool { detail.isRetryable }
    /// Whether what it is about is not there.
    var isNotFound: Bool { detail.isNotFound }

    /// In the words of users.
    func cloudError(component: String) -> CloudError {
        switch detail.code {
        case .unavailable, .insufficientResources: .unavailable(component: component, reason: detail.message)
        case .unsupported: .unsupported(detail.message)
        case .notFound, .invalidRequest, .conflict, .internal:
            .internalError(message: "The \(component) could not do it.", detail: description)
        }
    }
}

extension ServiceFault {
    var isNotFound: Bool { code == .notFound }
    var isRetryable: Bool {
        switch code {
        case .insufficientResources, .unavailable: true
        case .notFound, .invalidRequest, .conflict, .unsupported, .internal: false
        }
    }
}

/// A node as a zone describes it.
struct NodeReport: Sendable {
    var description: AvailabilityZone.Node
    var capacity: ZoneCapacity.Node

    init(_ node: Contract.NodeDescription) {
        let resources = node.resources
        description = AvailabilityZone.Node(
            name: node.nodeName, state: node.state.rawValue,
            hypervisor: node.accelerator.map { "\(node.hypervisor) (\($0))" } ?? node.hypervisor,
            lastSeen: node.lastSeen.map(Timestamp.init(milliseconds:)), instanceCount: node.instanceCount ?? 0,
            freeCores: resources.coresFree, totalCores: resources.coresTotal, freeMemoryMiB: resources.memoryMiBFree,
            totalMemoryMiB: resources.memoryMiBTotal, freeDiskGiB: resources.diskGiBFree,
            totalDiskGiB: resources.diskGiBTotal)
        capacity = ZoneCapacity.Node(
            name: node.nodeName,
            // A node of an earlier release says nothing of it, and starts guests from anything.
            architectures: ArchitectureSet(names: node.architecture)
                .union(node.boot.isEmpty || node.boot.contains("kernel") ? .fromKernel : [])
                .union(node.boot.isEmpty || node.boot.contains("disk") ? .fromDisk : []),
            // The cluster wakes a sleeping node when it needs it.
            acceptsInstances: node.state == .up || node.state == .asleep,
            total: ResourceAmount(
                cores: resources.coresTotal, memoryMiB: resources.memoryMiBTotal, diskGiB: resources.diskGiBTotal),
            reportedFree: ResourceAmount(
                cores: resources.coresFree, memoryMiB: resources.memoryMiBFree, diskGiB: resources.diskGiBFree))
    }
}

/// An instance as a zone reports it.
struct InstanceReport: Sendable {
    var id: InstanceID
    var observation: InstanceObservation
    /// The copy of its root disk that the node was last asked for.
    var bundle: Contract.BundleReport?
    private var spec: Contract.InstanceSpec

    /// Nil if it does not name an instance.
    init?(_ report: Contract.InstanceReport) {
        guard let id = InstanceID(report.instanceId), let state = InstanceState(rawValue: report.state.rawValue) else {
            return nil
        }
        self.id = id
        observation = InstanceObservation(
            state: state, reason: report.reason.map { StateReason(code: $0.code, message: $0.message) },
            nodeName: report.nodeName, generation: report.generation,
            stateChangedAt: Timestamp(milliseconds: report.stateChangedAt),
            privateAddress: report.spec.privateAddress, publicAddress: report.spec.publicAddress,
            machine: report.machine)
        bundle = report.bundle
        spec = report.spec
    }

    /// The cloud's record as it must have been when the instance was placed; nil if the description is not whole.
    var rebuilt: Instance? {
        guard let reservation = ReservationID(spec.reservationId), let image = ImageID(spec.image.artifactId) else {
            return nil
        }
        let groups = spec.group.compactMap { group in
            SecurityGroupID(group.groupId).map { GroupMembership(id: $0, name: group.groupName) }
        }
        let type = InstanceType(
            name: spec.instanceType.name, cores: spec.instanceType.cores, memoryMiB: spec.instanceType.memoryMiB,
            diskGiB: spec.instanceType.diskGiB, ephemeralGiB: spec.instanceType.ephemeralGiB ?? 0,
            swapMiB: spec.instanceType.swapMiB ?? 0)
        var instance = Instance(
            id: id, reservationID: reservation, accountID: spec.accountId, launchIndex: spec.launchIndex,
            imageID: image, kernelID: spec.kernel.flatMap { ImageID($0.artifactId) },
            ramdiskID: spec.ramdisk.flatMap { ImageID($0.artifactId) }, architecture: spec.architecture,
            rootDeviceName: "/dev/sda1", type: type, zone: spec.zone, keyName: spec.keyName,
            publicKey: spec.publicKey, userData: spec.userData, groups: groups, macAddress: spec.macAddress,
            launchTime: Timestamp(milliseconds: spec.launchTime), clientToken: nil, isMonitored: false, tags: [])
        instance.privateAddress = spec.privateAddress
        instance.publicAddress = spec.publicAddress
        if let metadata = spec.metadata {
            var options = InstanceOptions()
            options.metadata = MetadataOptions(
                requiresTokens: metadata.tokensRequired, isDisabled: metadata.disabled)
            instance.options = options
        }
        return instance
    }
}

/// An answer of a long poll.
struct ZoneChanges: Sendable {
    var epoch: String
    var revision: Int64
    var isComplete: Bool
    var isSettled: Bool
    var reports: [InstanceReport]
    var removed: [InstanceID]
    var nodes: [NodeReport]
    var removedNodes: [String]

    /// Whether it says nothing new.
    var isEmpty: Bool { reports.isEmpty && removed.isEmpty && nodes.isEmpty && removedNodes.isEmpty }
}

/// What became of one instance that was to be placed.
enum PlacementResult: Sendable {
    case placed(node: String, privateAddress: String?, publicAddress: String?)
    case refused(ServiceFault)
}

/// What a node needs besides the instance's record.
struct LaunchMaterial: Sendable {
    var image: Contract.Artifact
    var kernel: Contract.Artifact?
    var ramdisk: Contract.Artifact?
    var kernelArguments: String?
    var userData: [UInt8]?
}

/// A zone's cluster controller.
struct ZoneLink: Sendable {
    let name: String
    let endpoint: String
    let service: any ClusterContract.AsyncService

    func changes(epoch: String?, since revision: Int64, waitMilliseconds: Int) async throws(ClusterFailure)
        -> ZoneChanges
    {
        let answer: ClusterContract.DescribeChangesResponse
        do throws(ServiceFault) {
            answer = try await service.describeChanges(
                ClusterContract.DescribeChangesRequest(
                    epoch: epoch, sinceRevision: epoch == nil ? nil : revision, waitMilliseconds: waitMilliseconds))
        } catch {
            throw .fault(error)
        }
        return ZoneChanges(
            epoch: answer.epoch, revision: answer.revision, isComplete: answer.complete, isSettled: answer.settled,
            reports: answer.instance.compactMap(InstanceReport.init),
            removed: answer.removedInstanceId.compactMap { InstanceID($0) }, nodes: answer.node.map(NodeReport.init),
            removedNodes: answer.removedNodeName)
    }

    /// What became of each; one that is missing was not answered for.
    func run(_ specs: [Contract.InstanceSpec], correlation: String?) async throws(ClusterFailure)
        -> [InstanceID: PlacementResult]
    {
        let answer: ClusterContract.RunInstancesResponse
        do throws(ServiceFault) {
            answer = try await service.runInstances(
                ClusterContract.RunInstancesRequest(correlationId: correlation, instance: specs))
        } catch {
            throw .fault(error)
        }
        var results: [InstanceID: PlacementResult] = [:]
        for placement in answer.placement {
            guard let id = InstanceID(placement.instanceId) else { continue }
            if let node = placement.nodeName {
                results[id] = .placed(
                    node: node, privateAddress: placement.privateAddress, publicAddress: placement.publicAddress)
            } else if let fault = placement.fault {
                results[id] = .refused(fault)
            }
        }
        return results
    }

    /// The states of those that a node knows.
    func terminate(_ ids: [InstanceID]) async throws(ClusterFailure) -> [InstanceID: InstanceState] {
        let answer: ClusterContract.TerminateInstancesResponse
        do throws(ServiceFault) {
            answer = try await service.terminateInstances(
                ClusterContract.TerminateInstancesRequest(instanceId: ids.map(\.value)))
        } catch {
            throw .fault(error)
        }
        var states: [InstanceID: InstanceState] = [:]
        for change in answer.change {
            if let id = InstanceID(change.instanceId) {
                states[id] = InstanceState(rawValue: change.currentState.rawValue)
            }
        }
        return states
    }

    /// Those that were handed on.
    func reboot(_ ids: [InstanceID], correlation: String) async throws(ClusterFailure) -> [InstanceID] {
        do throws(ServiceFault) {
            let answer = try await service.rebootInstances(
                ClusterContract.RebootInstancesRequest(correlationId: correlation, instanceId: ids.map(\.value)))
            return answer.instanceId.compactMap { InstanceID($0) }
        } catch {
            throw .fault(error)
        }
    }

    func console(_ id: InstanceID, correlation: String) async throws(ClusterFailure)
        -> (timestamp: Timestamp, output: [UInt8])
    {
        do throws(ServiceFault) {
            let answer = try await service.getConsoleOutput(
                ClusterContract.GetConsoleOutputRequest(correlationId: correlation, instanceId: id.value))
            return (Timestamp(milliseconds: answer.timestamp), answer.output)
        } catch {
            throw .fault(error)
        }
    }

    /// Those whose nodes have it now.
    func setCredentials(_ credentials: [Contract.InstanceCredentials]) async throws(ClusterFailure) -> Set<InstanceID> {
        do throws(ServiceFault) {
            let answer = try await service.setInstanceCredentials(
                ClusterContract.SetInstanceCredentialsRequest(credentials: credentials))
            return Set(answer.instanceId.compactMap { InstanceID($0) })
        } catch {
            throw .fault(error)
        }
    }

    /// Has an instance's root disk copied to a URL; the instance as it is then.
    func bundle(_ id: InstanceID, task: BundleTaskID, to url: String) async throws(ClusterFailure) -> InstanceReport? {
        do throws(ServiceFault) {
            let answer = try await service.bundleInstance(
                ClusterContract.BundleInstanceRequest(
                    correlationId: task.value, instanceId: id.value, bundleId: task.value, uploadUrl: url))
            return InstanceReport(answer.instance)
        } catch {
            throw .fault(error)
        }
    }

    /// Gives up a copy; the instance as it is then.
    func cancelBundle(_ id: InstanceID, task: BundleTaskID) async throws(ClusterFailure) -> InstanceReport? {
        do throws(ServiceFault) {
            let answer = try await service.cancelBundleTask(
                ClusterContract.CancelBundleTaskRequest(
                    correlationId: task.value, instanceId: id.value, bundleId: task.value))
            return InstanceReport(answer.instance)
        } catch {
            throw .fault(error)
        }
    }

    /// The revision that the cluster has now.
    func broadcast(_ document: Contract.NetworkDocument) async throws(ClusterFailure) -> Int64 {
        do throws(ServiceFault) {
            return try await service.broadcastNetworkInfo(
                ClusterContract.BroadcastNetworkInfoRequest(network: document)
            ).revision
        } catch {
            throw .fault(error)
        }
    }
}

extension Instance {
    /// What a node is told of it.
    func spec(_ material: LaunchMaterial) -> Contract.InstanceSpec {
        Contract.InstanceSpec(
            instanceId: id.value, reservationId: reservationID.value, accountId: accountID, launchIndex: launchIndex,
            launchTime: launchTime.milliseconds, zone: zone,
            instanceType: Contract.InstanceTypeSpec(
                name: type.name, cores: type.cores, memoryMiB: type.memoryMiB, diskGiB: type.diskGiB,
                ephemeralGiB: type.ephemeralGiB > 0 ? type.ephemeralGiB : nil,
                swapMiB: type.swapMiB > 0 ? type.swapMiB : nil),
            architecture: architecture, image: material.image, kernel: material.kernel, ramdisk: material.ramdisk,
            kernelArguments: material.kernelArguments, macAddress: macAddress, privateAddress: privateAddress,
            publicAddress: publicAddress, keyName: keyName, publicKey: publicKey, userData: material.userData,
            group: groups.map { Contract.GroupReference(groupId: $0.id.value, groupName: $0.name) },
            metadata: options?.metadata?.contract)
    }
}

extension MetadataOptions {
    /// What a node is told of them.
    var contract: Contract.MetadataOptions {
        Contract.MetadataOptions(tokensRequired: requiresTokens, disabled: isDisabled)
    }
}

extension Image {
    /// What a node is told of it.
    func artifact(url: String) -> Contract.Artifact {
        let layout: Contract.ImageFormat =
            switch format {
            case .raw: .raw
            case .qcow2: .qcow2
            case .plain: .plain
            }
        return Contract.Artifact(
            artifactId: id.value, url: url, format: layout, sizeBytes: sizeBytes, sha256: sha256,
            virtualSizeBytes: virtualSizeBytes > 0 ? virtualSizeBytes : nil)
    }
}
