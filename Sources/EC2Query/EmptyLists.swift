import QueryProtocol

/// A describe action on resources of which there are none here, since nothing makes them: the list is truthfully empty,
/// and whatever is named by id does not exist. The actions that would make such resources are refused.
public struct EmptyList: Sendable {
    /// The action's name.
    public let action: String
    /// The version of the API that brought it.
    public let since: String
    /// The element that holds the list in the answer.
    let element: String
    /// EC2's code for a resource that does not exist, by the parameter that names such resources.
    let ids: [String: String]

    private init(_ action: String, since: String, _ element: String, ids: [String: String] = [:]) {
        self.action = action
        self.since = since
        self.element = element
        self.ids = ids
    }

    /// The action with this name, if it is one of these.
    static func named(_ name: String) -> EmptyList? { byName[name] }

    private static let byName = Dictionary(all.map { ($0.action, $0) }, uniquingKeysWith: { first, _ in first })

    /// Refuses what names a resource; the filters are not looked at, as nothing could pass them.
    func check(_ parameters: Parameters) throws(EC2Fault) {
        for (parameter, code) in ids.sorted(by: { $0.key < $1.key }) {
            guard let id = parameters.list(parameter).first else { continue }
            throw EC2Fault(code, "'\(Parameters.shortened(id))' does not exist")
        }
    }

    /// All of them. Elements: service model of 2016-11-15; codes: "Error codes" of the API reference.
    public static let all: [EmptyList] = [
        EmptyList("DescribeVolumes", since: "2008-05-05", "volumeSet", ids: ["VolumeId": "InvalidVolume.NotFound"]),
        EmptyList(
            "DescribeVolumeStatus", since: "2012-05-01", "volumeStatusSet", ids: ["VolumeId": "InvalidVolume.NotFound"]),
        EmptyList(
            "DescribeVolumesModifications", since: "2016-11-15", "volumeModificationSet",
            ids: ["VolumeId": "InvalidVolume.NotFound"]),
        EmptyList(
            "DescribeSnapshots", since: "2008-05-05", "snapshotSet", ids: ["SnapshotId": "InvalidSnapshot.NotFound"]),
        EmptyList(
            "DescribeAddresses", since: "2008-02-01", "addressesSet",
            ids: ["PublicIp": "InvalidAddress.NotFound", "AllocationId": "InvalidAllocationID.NotFound"]),
        EmptyList(
            "DescribeAddressesAttribute", since: "2016-11-15", "addressSet",
            ids: ["AllocationId": "InvalidAllocationID.NotFound"]),
        EmptyList(
            "DescribeMovingAddresses", since: "2014-10-01", "movingAddressStatusSet",
            ids: ["PublicIp": "InvalidAddress.NotFound"]),
        EmptyList(
            "DescribeNetworkInterfacePermissions", since: "2016-11-15", "networkInterfacePermissions",
            ids: ["NetworkInterfacePermissionId": "InvalidPermissionID.NotFound"]),
        EmptyList(
            "DescribeConversionTasks", since: "2010-11-15", "conversionTasks",
            ids: ["ConversionTaskId": "InvalidConversionTaskId"]),
        EmptyList(
            "DescribeExportTasks", since: "2011-12-15", "exportTaskSet",
            ids: ["ExportTaskId": "InvalidExportTaskID.NotFound"]),
        EmptyList(
            "DescribeExportImageTasks", since: "2016-11-15", "exportImageTaskSet",
            ids: ["ExportImageTaskId": "InvalidExportTaskID.NotFound"]),
        EmptyList(
            "DescribeImportSnapshotTasks", since: "2014-10-01", "importSnapshotTaskSet",
            ids: ["ImportTaskId": "InvalidConversionTaskId"]),
        EmptyList(
            "DescribeReservedInstances", since: "2009-03-01", "reservedInstancesSet",
            ids: ["ReservedInstancesId": "InvalidReservedInstancesId"]),
        EmptyList(
            "DescribeReservedInstancesOfferings", since: "2009-03-01", "reservedInstancesOfferingsSet",
            ids: ["ReservedInstancesOfferingId": "InvalidReservedInstancesOfferingId"]),
        EmptyList(
            "DescribeReservedInstancesListings", since: "2012-08-15", "reservedInstancesListingsSet",
            ids: ["ReservedInstancesListingId": "InvalidReservedInstancesListingId"]),
        EmptyList(
            "DescribeReservedInstancesModifications", since: "2013-08-15", "reservedInstancesModificationsSet",
            ids: ["ReservedInstancesModificationId": "InvalidReservedInstancesModificationId"]),
        EmptyList(
            "DescribeSpotInstanceRequests", since: "2009-11-30", "spotInstanceRequestSet",
            ids: ["SpotInstanceRequestId": "InvalidSpotInstanceRequestID.NotFound"]),
        EmptyList(
            "DescribeSpotFleetRequests", since: "2015-04-15", "spotFleetRequestConfigSet",
            ids: ["SpotFleetRequestId": "InvalidSpotFleetRequestId.NotFound"]),
        EmptyList("DescribeSpotPriceHistory", since: "2009-11-30", "spotPriceHistorySet"),
        EmptyList("DescribeFleets", since: "2016-11-15", "fleetSet", ids: ["FleetId": "InvalidFleetId.NotFound"]),
        EmptyList(
            "DescribeCapacityReservations", since: "2016-11-15", "capacityReservationSet",
            ids: ["CapacityReservationId": "InvalidCapacityReservationId.NotFound"]),
        EmptyList("DescribeHosts", since: "2015-10-01", "hostSet", ids: ["HostId": "InvalidHostID.NotFound"]),
        EmptyList(
            "DescribeHostReservations", since: "2016-11-15", "hostReservationSet",
            ids: ["HostReservationIdSet": "InvalidHostReservationId.NotFound"]),
        EmptyList(
            "DescribeVpcPeeringConnections", since: "2014-02-01", "vpcPeeringConnectionSet",
            ids: ["VpcPeeringConnectionId": "InvalidVpcPeeringConnectionID.NotFound"]),
        EmptyList(
            "DescribeVpcEndpoints", since: "2014-10-01", "vpcEndpointSet",
            ids: ["VpcEndpointId": "InvalidVpcEndpointId.NotFound"]),
        EmptyList(
            "DescribeVpcEndpointServiceConfigurations", since: "2016-11-15", "serviceConfigurationSet",
            ids: ["ServiceId": "InvalidVpcEndpointServiceId.NotFound"]),
        EmptyList("DescribeVpcEndpointConnections", since: "2016-11-15", "vpcEndpointConnectionSet"),
        EmptyList(
            "DescribeVpcEndpointConnectionNotifications", since: "2016-11-15", "connectionNotificationSet",
            ids: ["ConnectionNotificationId": "InvalidConnectionNotification"]),
        EmptyList(
            "DescribeNatGateways", since: "2015-10-01", "natGatewaySet", ids: ["NatGatewayId": "NatGatewayNotFound"]),
        EmptyList(
            "DescribeVpnGateways", since: "2009-07-15", "vpnGatewaySet",
            ids: ["VpnGatewayId": "InvalidVpnGatewayID.NotFound"]),
        EmptyList(
            "DescribeVpnConnections", since: "2009-07-15", "vpnConnectionSet",
            ids: ["VpnConnectionId": "InvalidVpnConnectionID.NotFound"]),
        EmptyList(
            "DescribeCustomerGateways", since: "2009-07-15", "customerGatewaySet",
            ids: ["CustomerGatewayId": "InvalidCustomerGatewayID.NotFound"]),
        EmptyList(
            "DescribeEgressOnlyInternetGateways", since: "2016-11-15", "egressOnlyInternetGatewaySet",
            ids: ["EgressOnlyInternetGatewayId": "InvalidEgressOnlyInternetGatewayId.NotFound"]),
        EmptyList(
            "DescribeCarrierGateways", since: "2016-11-15", "carrierGatewaySet",
            ids: ["CarrierGatewayId": "InvalidCarrierGatewayID.NotFound"]),
        EmptyList(
            "DescribeFlowLogs", since: "2015-04-15", "flowLogSet", ids: ["FlowLogId": "InvalidFlowLogId.NotFound"]),
        EmptyList(
            "DescribePrefixLists", since: "2015-04-15", "prefixListSet",
            ids: ["PrefixListId": "InvalidPrefixListID.NotFound"]),
        EmptyList(
            "DescribeManagedPrefixLists", since: "2016-11-15", "prefixListSet",
            ids: ["PrefixListId": "InvalidPrefixListID.NotFound"]),
        EmptyList(
            "DescribeTransitGateways", since: "2016-11-15", "transitGatewaySet",
            ids: ["TransitGatewayIds": "InvalidTransitGatewayID.NotFound"]),
        EmptyList(
            "DescribeTransitGatewayAttachments", since: "2016-11-15", "transitGatewayAttachments",
            ids: ["TransitGatewayAttachmentIds": "InvalidTransitGatewayAttachmentID.NotFound"]),
        EmptyList(
            "DescribeTransitGatewayVpcAttachments", since: "2016-11-15", "transitGatewayVpcAttachments",
            ids: ["TransitGatewayAttachmentIds": "InvalidTransitGatewayAttachmentID.NotFound"]),
        EmptyList(
            "DescribeTransitGatewayRouteTables", since: "2016-11-15", "transitGatewayRouteTables",
            ids: ["TransitGatewayRouteTableIds": "InvalidRouteTableID.NotFound"]),
        EmptyList(
            "DescribeTransitGatewayPeeringAttachments", since: "2016-11-15", "transitGatewayPeeringAttachments",
            ids: ["TransitGatewayAttachmentIds": "InvalidTransitGatewayAttachmentID.NotFound"]),
        EmptyList(
            "DescribeClassicLinkInstances", since: "2014-10-01", "instancesSet",
            ids: ["InstanceId": "InvalidInstanceID.NotFound"]),
        EmptyList(
            "DescribeScheduledInstances", since: "2015-10-01", "scheduledInstanceSet",
            ids: ["ScheduledInstanceId": "InvalidScheduledInstance"]),
        EmptyList(
            "DescribeFpgaImages", since: "2016-11-15", "fpgaImageSet",
            ids: ["FpgaImageId": "InvalidFpgaImageID.NotFound"]),
        EmptyList(
            "DescribePublicIpv4Pools", since: "2016-11-15", "publicIpv4PoolSet",
            ids: ["PoolId": "InvalidPublicIpv4PoolID.NotFound"]),
        EmptyList("DescribeIpv6Pools", since: "2016-11-15", "ipv6PoolSet", ids: ["PoolId": "InvalidPoolID.NotFound"]),
        EmptyList(
            "DescribeInstanceEventWindows", since: "2016-11-15", "instanceEventWindowSet",
            ids: ["InstanceEventWindowId": "InvalidInstanceEventWindowId.NotFound"]),
        EmptyList(
            "DescribeInstanceConnectEndpoints", since: "2016-11-15", "instanceConnectEndpointSet",
            ids: ["InstanceConnectEndpointId": "InvalidInstanceConnectEndpointId.NotFound"]),
        EmptyList(
            "DescribeReplaceRootVolumeTasks", since: "2016-11-15", "replaceRootVolumeTaskSet",
            ids: ["ReplaceRootVolumeTaskId": "InvalidReplaceRootVolumeTaskId.NotFound"]),
        EmptyList("DescribeStoreImageTasks", since: "2016-11-15", "storeImageTaskResultSet"),
        EmptyList("DescribeFastSnapshotRestores", since: "2016-11-15", "fastSnapshotRestoreSet"),
        // Only a peering connection, of which there are none, could refer to a group of another VPC.
        EmptyList("DescribeSecurityGroupReferences", since: "2016-04-01", "securityGroupReferenceSet"),
        EmptyList("DescribeStaleSecurityGroups", since: "2016-04-01", "staleSecurityGroupSet"),
        EmptyList("DescribeSecurityGroupVpcAssociations", since: "2016-11-15", "securityGroupVpcAssociationSet"),
        EmptyList(
            "DescribeTrafficMirrorFilters", since: "2016-11-15", "trafficMirrorFilterSet",
            ids: ["TrafficMirrorFilterId": "InvalidTrafficMirrorFilterId.NotFound"]),
        EmptyList(
            "DescribeTrafficMirrorSessions", since: "2016-11-15", "trafficMirrorSessionSet",
            ids: ["TrafficMirrorSessionId": "InvalidTrafficMirrorSessionId.NotFound"]),
        EmptyList(
            "DescribeTrafficMirrorTargets", since: "2016-11-15", "trafficMirrorTargetSet",
            ids: ["TrafficMirrorTargetId": "InvalidTrafficMirrorTargetId.NotFound"]),
        EmptyList(
            "DescribeAddressTransfers", since: "2016-11-15", "addressTransferSet",
            ids: ["AllocationId": "InvalidAllocationID.NotFound"]),
        EmptyList("DescribeCapacityReservationFleets", since: "2016-11-15", "capacityReservationFleetSet"),
        EmptyList("DescribeCapacityBlocks", since: "2016-11-15", "capacityBlockSet"),
        EmptyList(
            "DescribeClientVpnEndpoints", since: "2016-11-15", "clientVpnEndpoint",
            ids: ["ClientVpnEndpointId": "InvalidClientVpnEndpointId.NotFound"]),
        EmptyList("DescribeCoipPools", since: "2016-11-15", "coipPoolSet"),
        EmptyList("DescribeElasticGpus", since: "2016-11-15", "elasticGpuSet"),
        EmptyList("DescribeFastLaunchImages", since: "2016-11-15", "fastLaunchImageSet"),
        EmptyList("DescribeHostReservationOfferings", since: "2016-11-15", "offeringSet"),
        EmptyList("DescribeInstanceTopology", since: "2016-11-15", "instanceSet"),
        EmptyList("DescribeIpams", since: "2016-11-15", "ipamSet", ids: ["IpamId": "InvalidIpamId.NotFound"]),
        EmptyList(
            "DescribeIpamPools", since: "2016-11-15", "ipamPoolSet", ids: ["IpamPoolId": "InvalidIpamPoolId.NotFound"]),
        EmptyList(
            "DescribeIpamScopes", since: "2016-11-15", "ipamScopeSet",
            ids: ["IpamScopeId": "InvalidIpamScopeId.NotFound"]),
        EmptyList(
            "DescribeLocalGateways", since: "2016-11-15", "localGatewaySet",
            ids: ["LocalGatewayId": "InvalidLocalGatewayID.NotFound"]),
        EmptyList("DescribeLocalGatewayRouteTables", since: "2016-11-15", "localGatewayRouteTableSet"),
        EmptyList(
            "DescribeLockedSnapshots", since: "2016-11-15", "snapshotSet",
            ids: ["SnapshotId": "InvalidSnapshot.NotFound"]),
        EmptyList("DescribeMacHosts", since: "2016-11-15", "macHostSet", ids: ["HostId": "InvalidHostID.NotFound"]),
        EmptyList(
            "DescribeNetworkInsightsPaths", since: "2016-11-15", "networkInsightsPathSet",
            ids: ["NetworkInsightsPathId": "InvalidNetworkInsightsPathId.NotFound"]),
        EmptyList(
            "DescribeNetworkInsightsAnalyses", since: "2016-11-15", "networkInsightsAnalysisSet",
            ids: ["NetworkInsightsAnalysisId": "InvalidNetworkInsightsAnalysisId.NotFound"]),
        EmptyList("DescribeRouteServers", since: "2016-11-15", "routeServerSet"),
        EmptyList("DescribeSnapshotTierStatus", since: "2016-11-15", "snapshotTierStatusSet"),
        EmptyList("DescribeTrafficMirrorFilterRules", since: "2016-11-15", "trafficMirrorFilterRuleSet"),
        EmptyList("DescribeTransitGatewayConnects", since: "2016-11-15", "transitGatewayConnectSet"),
        EmptyList("DescribeTransitGatewayConnectPeers", since: "2016-11-15", "transitGatewayConnectPeerSet"),
        EmptyList(
            "DescribeTransitGatewayMulticastDomains", since: "2016-11-15", "transitGatewayMulticastDomains",
            ids: ["TransitGatewayMulticastDomainIds": "InvalidTransitGatewayMulticastDomainId.NotFound"]),
        EmptyList("DescribeTransitGatewayPolicyTables", since: "2016-11-15", "transitGatewayPolicyTables"),
        EmptyList("DescribeTrunkInterfaceAssociations", since: "2016-11-15", "interfaceAssociationSet"),
        EmptyList(
            "DescribeVerifiedAccessEndpoints", since: "2016-11-15", "verifiedAccessEndpointSet",
            ids: ["VerifiedAccessEndpointId": "InvalidVerifiedAccessEndpointId.NotFound"]),
        EmptyList(
            "DescribeVerifiedAccessGroups", since: "2016-11-15", "verifiedAccessGroupSet",
            ids: ["VerifiedAccessGroupId": "InvalidVerifiedAccessGroupId.NotFound"]),
        EmptyList(
            "DescribeVerifiedAccessInstances", since: "2016-11-15", "verifiedAccessInstanceSet",
            ids: ["VerifiedAccessInstanceId": "InvalidVerifiedAccessInstanceId.NotFound"]),
        EmptyList(
            "DescribeVerifiedAccessTrustProviders", since: "2016-11-15", "verifiedAccessTrustProviderSet",
            ids: ["VerifiedAccessTrustProviderId": "InvalidVerifiedAccessTrustProviderId.NotFound"]),
        EmptyList("DescribeVpcBlockPublicAccessExclusions", since: "2016-11-15", "vpcBlockPublicAccessExclusionSet"),
        EmptyList("ListImagesInRecycleBin", since: "2016-11-15", "imageSet", ids: ["ImageId": "InvalidAMIID.NotFound"]),
        EmptyList(
            "ListSnapshotsInRecycleBin", since: "2016-11-15", "snapshotSet",
            ids: ["SnapshotId": "InvalidSnapshot.NotFound"]),
    ]
}
