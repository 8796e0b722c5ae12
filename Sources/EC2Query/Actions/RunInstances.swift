import CloudModel
import QueryProtocol
import XML

/// The actions on instances.
enum Instances {}

extension Instances {
    /// RunInstances.
    static func run(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let template = try await LaunchTemplates.resolved(call)
        let parameters = template.parameters
        var request = try runRequest(parameters)
        request.instanceTags = try NamingRules.merge(request.instanceTags, into: template.tags)
        request.systemTags = template.systemTags
        if let id = parameters.text("Placement.AvailabilityZoneId") {
            request.zone = try await zoneName(of: id, call)
        }
        if let subnet = parameters.text("SubnetId") ?? parameters.structures("NetworkInterface").first?.text("SubnetId")
        {
            let zone = try await Networks.zone(ofSubnet: subnet, call)
            guard request.zone == nil || request.zone == zone else {
                throw .invalidCombination("The subnet '\(subnet)' is in the availability zone \(zone)")
            }
            request.zone = zone
        }
        if let id = parameters.text("Placement.GroupId") {
            let groups = try await call.backend.describePlacementGroups(DescribeRequest(ids: [id]), as: call.caller)
            request.options.placementGroup = groups.first?.name
        }
        let reservation = try await call.backend.runInstances(request, as: call.caller)
        var networks = NetworkMarkup()
        answer.reservation(
            reservation, version: call.version, withGroups: call.tellsGroupsOfReservations, &networks)
    }

    private static func zoneName(of id: String, _ call: Call) async throws(CloudError) -> String {
        var request = DescribeRequest(ids: [id])
        request.withDetails = false
        let zones = try await call.backend.describeAvailabilityZones(request, as: call.caller)
        guard let zone = zones.first else { throw .notFound(.availabilityZone, [id]) }
        return zone.name
    }

    /// Reads and checks the parameters; a zone given by id is left to the caller.
    static func runRequest(_ parameters: Parameters) throws(CloudError) -> RunInstancesRequest {
        try parameters.refuse(unofferedOfRun)
        try checkBlockDevices(parameters)
        let image = try parameters.required("ImageId")
        let minCount = try parameters.requiredInteger("MinCount")
        let maxCount = try parameters.requiredInteger("MaxCount")
        guard minCount >= 1 else { throw badCount("MinCount", minCount, "It must be 1 or more.") }
        guard maxCount >= minCount else {
            throw badCount("MaxCount", maxCount, "It must not be less than MinCount, which is \(minCount).")
        }
        var groupIDs = parameters.list("SecurityGroupId")
        let groupNames = parameters.list("SecurityGroup")
        if let interface = try networkInterface(parameters) {
            guard groupIDs.isEmpty, groupNames.isEmpty else {
                throw .invalidCombination(
                    "Network interfaces and an instance-level security groups may not be specified on the same request")
            }
            guard parameters.text("SubnetId") == nil else {
                throw .invalidCombination(
                    "Network interfaces and an instance-level subnet ID may not be specified on the same request")
            }
            groupIDs = interface.list("SecurityGroupId")
        }
        let zone = parameters.text("Placement.AvailabilityZone")
        guard zone == nil || parameters.text("Placement.AvailabilityZoneId") == nil else {
            throw .invalidCombination("Give either Placement.AvailabilityZone or Placement.AvailabilityZoneId")
        }
        var request = RunInstancesRequest(
            imageID: image, minCount: minCount, maxCount: maxCount, instanceType: parameters.text("InstanceType"),
            keyName: parameters.text("KeyName"), groupIDs: groupIDs, groupNames: groupNames, zone: zone,
            userData: try userData(parameters), kernelID: parameters.text("KernelId"),
            ramdiskID: parameters.text("RamdiskId"), clientToken: try clientToken(parameters),
            monitoring: try parameters.flag("Monitoring.Enabled") ?? false,
            // Instances of this cloud have no volumes and no network interfaces of their own that could be tagged.
            instanceTags: try parameters.tagSpecifications(for: "instance", absent: ["volume", "network-interface"]),
            dryRun: try parameters.dryRun())
        request.options = InstanceOptions(
            isProtectedFromTermination: try parameters.flag("DisableApiTermination") == true ? true : nil,
            isProtectedFromStop: try parameters.flag("DisableApiStop") == true ? true : nil,
            placementGroup: parameters.text("Placement.GroupName"))
        request.options.metadata = try MetadataWishes(parameters, below: "MetadataOptions.").options
        request.profile = InstanceProfiles.selector(parameters)
        return request
    }

    private static func badCount(_ name: String, _ value: Int, _ reason: String) -> CloudError {
        .invalidValue(
            parameter: name, value: String(value),
            reason: "Value (\(value)) for parameter \(name) is invalid. \(reason)")
    }

    private static func userData(_ parameters: Parameters) throws(CloudError) -> [UInt8]? {
        guard let data = try parameters.base64("UserData") else { return nil }
        guard data.count <= 16_384 else {
            // EC2 has a code of its own for user data that cannot be read, but not for this.
            throw .invalidValue(
                parameter: "UserData length", value: "",
                reason: "User data is limited to 16384 bytes; these are \(data.count).")
        }
        return data
    }

    private static func clientToken(_ parameters: Parameters) throws(CloudError) -> String? {
        guard let token = parameters.text("ClientToken") else { return nil }
        guard token.utf8.count <= 64 else {
            throw .invalidValue(
                parameter: "ClientToken", value: Parameters.shortened(token),
                reason: "A client token has at most 64 characters.")
        }
        return token
    }

    /// The one network interface that a request may describe: today's tools put the groups there.
    private static func networkInterface(_ parameters: Parameters) throws(CloudError) -> Parameters? {
        let interfaces = parameters.structures("NetworkInterface")
        guard let first = interfaces.first else { return nil }
        guard interfaces.count == 1, try first.integer("DeviceIndex") ?? 0 == 0 else {
            throw .unsupported("An instance has one network interface here; describe only the one with DeviceIndex 0.")
        }
        try first.refuse(unofferedOfInterface)
        return first
    }

    private static func checkBlockDevices(_ parameters: Parameters) throws(CloudError) {
        for device in parameters.structures("BlockDeviceMapping") {
            if let ebs = device.node(at: "Ebs") {
                // A root device has its size from the image.
                let isRoot = ["/dev/sda1", "/dev/sda", "/dev/xvda", "/dev/vda"].contains(device.text("DeviceName"))
                guard isRoot || ebs.children["VolumeSize"] != nil || ebs.children["SnapshotId"] != nil else {
                    throw .missingParameter("size or snapshotId")
                }
                throw .unsupported(
                    "\(device.name("Ebs")): EBS volumes are not offered yet; the instance type decides the sizes of the "
                        + "instance's disks. Leave the mapping out.")
            }
            // An empty NoDevice is the one that counts.
            if device.node(at: "NoDevice") != nil {
                throw .unsupported(
                    "\(device.name("NoDevice")) is not offered: the instance type decides which disks there are.")
            }
            guard let name = device.text("VirtualName") else { throw .missingParameter("ebs") }
            guard name.hasPrefix("ephemeral"), !name.dropFirst(9).isEmpty,
                name.dropFirst(9).utf8.allSatisfy({ (48...57).contains($0) })
            else {
                throw .invalidValue(
                    parameter: device.name("VirtualName"), value: Parameters.shortened(name),
                    reason: "Value (\(Parameters.shortened(name))) for parameter \(device.name("VirtualName")) is "
                        + "invalid. Expected: 'ephemeral0' and so on.")
            }
        }
    }

    private static let noVPC = "The cloud chooses the addresses of an instance; leave it out."

    /// What would change the meaning of RunInstances and is not offered.
    static let unofferedOfRun: [UnofferedParameter] = [
        UnofferedParameter("PrivateIpAddress", noVPC),
        UnofferedParameter("Ipv6AddressCount", accepting: ["0"], noVPC),
        UnofferedParameter("Ipv6Address", noVPC),
        UnofferedParameter("EnablePrimaryIpv6", accepting: ["false"], noVPC),
        UnofferedParameter("SecondaryInterface", noVPC),
        UnofferedParameter("AddressingType", accepting: ["public"], "Instances have a public address."),
        UnofferedParameter("InstanceMarketOptions", "There are only on-demand instances; leave it out."),
        UnofferedParameter("Placement.Tenancy", accepting: ["default"], "Hosts are shared; leave it out."),
        UnofferedParameter("Placement.PartitionNumber", "Placement groups have no partitions; leave it out."),
        UnofferedParameter("Placement.SpreadDomain", "Leave it out."),
        UnofferedParameter("Placement.HostId", "There are no dedicated hosts; leave it out."),
        UnofferedParameter("Placement.HostResourceGroupArn", "There are no dedicated hosts; leave it out."),
        UnofferedParameter("Placement.Affinity", accepting: ["default"], "There are no dedicated hosts; leave it out."),
        UnofferedParameter("CapacityReservationSpecification.CapacityReservationTarget", "There are no reservations."),
        UnofferedParameter(
            "CapacityReservationSpecification.CapacityReservationPreference", accepting: ["none", "open"],
            "There are no reservations."),
        UnofferedParameter("CpuOptions.CoreCount", "The instance type decides; choose another type."),
        UnofferedParameter("CpuOptions.ThreadsPerCore", accepting: ["1"], "Cores have one thread."),
        UnofferedParameter("CpuOptions.AmdSevSnp", accepting: ["disabled"], "Leave it out."),
        UnofferedParameter("CpuOptions.NestedVirtualization", accepting: ["disabled"], "Leave it out."),
        UnofferedParameter("MetadataOptions.HttpProtocolIpv6", accepting: ["disabled"], "Leave it out."),
        UnofferedParameter("MetadataOptions.InstanceMetadataTags", accepting: ["disabled"], "Leave it out."),
        UnofferedParameter("HibernationOptions.Configured", accepting: ["false"], "Instances cannot hibernate."),
        UnofferedParameter("EnclaveOptions.Enabled", accepting: ["false"], "There are no enclaves."),
        UnofferedParameter("NetworkPerformanceOptions.BandwidthWeighting", accepting: ["default"], "Leave it out."),
        UnofferedParameter("ElasticGpuSpecification", "There are no GPUs."),
        UnofferedParameter("ElasticInferenceAccelerator", "There are no accelerators."),
        UnofferedParameter("LicenseSpecification", "Licences are not managed; leave it out."),
        UnofferedParameter("Operator", "Leave it out."),
        UnofferedParameter("EbsOptimized", accepting: ["false"], "There are no EBS volumes yet; leave it out."),
        UnofferedParameter(
            "InstanceInitiatedShutdownBehavior", accepting: ["terminate"],
            "An instance with its root on instance storage terminates when its guest shuts down."),
    ]

    private static let unofferedOfInterface: [UnofferedParameter] = [
        UnofferedParameter("NetworkInterfaceId", noVPC),
        UnofferedParameter("PrivateIpAddress", noVPC),
        UnofferedParameter("PrivateIpAddresses", noVPC),
        UnofferedParameter("SecondaryPrivateIpAddressCount", accepting: ["0"], noVPC),
        UnofferedParameter("Ipv6AddressCount", accepting: ["0"], noVPC),
        UnofferedParameter("Ipv6Addresses", noVPC),
        UnofferedParameter("Ipv4Prefix", noVPC),
        UnofferedParameter("Ipv4PrefixCount", accepting: ["0"], noVPC),
        UnofferedParameter("Ipv6Prefix", noVPC),
        UnofferedParameter("Ipv6PrefixCount", accepting: ["0"], noVPC),
        UnofferedParameter("PrimaryIpv6", accepting: ["false"], noVPC),
        UnofferedParameter("AssociatePublicIpAddress", accepting: ["true"], "Instances have a public address."),
        UnofferedParameter("AssociateCarrierIpAddress", accepting: ["false"], "Leave it out."),
        UnofferedParameter("DeleteOnTermination", accepting: ["true"], "The interface ends with the instance."),
        UnofferedParameter("InterfaceType", accepting: ["interface"], "Leave it out."),
        UnofferedParameter("NetworkCardIndex", accepting: ["0"], "There is one network card."),
        UnofferedParameter("EnaSrdSpecification.EnaSrdEnabled", accepting: ["false"], "Leave it out."),
    ]
}
