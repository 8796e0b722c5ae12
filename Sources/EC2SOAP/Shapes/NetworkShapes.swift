extension ShapeTable {
    static let securityGroupRows = """
        action CreateSecurityGroup: groupName, groupDescription, vpcId? @2011-01-01 -> return:boolean,
            groupId @2011-01-01
        action DeleteSecurityGroup: groupName -2011-01-01, (groupId @2011-01-01 | groupName @2011-01-01) ->
            return:boolean
        action DescribeSecurityGroups: securityGroupSet:DescribeSecurityGroupsSetType =GroupName,
            securityGroupIdSet:DescribeSecurityGroupsIdSetType? @2011-01-01 =GroupId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> securityGroupInfo:SecurityGroupSetType
        action AuthorizeSecurityGroupIngress: userId -2011-01-01 =-, userId? @2011-01-01 =-, groupName -2011-01-01,
            (groupId @2011-01-01 | groupName @2011-01-01), ipPermissions:IpPermissionSetType -> return:boolean
        action RevokeSecurityGroupIngress: userId -2011-01-01 =-, userId? @2011-01-01 =-, groupName -2011-01-01,
            (groupId @2011-01-01 | groupName @2011-01-01), ipPermissions:IpPermissionSetType -> return:boolean
        action AuthorizeSecurityGroupEgress @2011-01-01: groupId, ipPermissions:IpPermissionSetType -> return:boolean
        action RevokeSecurityGroupEgress @2011-01-01: groupId, ipPermissions:IpPermissionSetType -> return:boolean
        type DescribeSecurityGroupsSetType: item:DescribeSecurityGroupsSetItemType*
        type DescribeSecurityGroupsSetItemType: groupName =.
        type DescribeSecurityGroupsIdSetType: item:DescribeSecurityGroupsIdSetItemType*
        type DescribeSecurityGroupsIdSetItemType: groupId =.
        type SecurityGroupSetType: item:SecurityGroupItemType*
        type SecurityGroupItemType: ownerId, groupId @2011-01-01, groupName, groupDescription, vpcId? @2011-01-01,
            ipPermissions:IpPermissionSetType, ipPermissionsEgress:IpPermissionSetType? @2011-01-01,
            tagSet:ResourceTagSetType? @2011-01-01
        type IpPermissionSetType: item:IpPermissionType*
        type IpPermissionType: ipProtocol, fromPort:int -2011-01-01 !-1, fromPort:int? @2011-01-01,
            toPort:int -2011-01-01 !-1, toPort:int? @2011-01-01, groups:UserIdGroupPairSetType,
            ipRanges:IpRangeSetType
        type UserIdGroupPairSetType: item:UserIdGroupPairType*
        type UserIdGroupPairType: userId -2011-01-01, userId? @2011-01-01, groupId? @2011-01-01,
            groupName -2011-01-01, groupName? @2011-01-01
        type IpRangeSetType: item:IpRangeItemType*
        type IpRangeItemType: cidrIp
        """

    static let zoneRows = """
        action DescribeAvailabilityZones: availabilityZoneSet:DescribeAvailabilityZonesSetType =ZoneName,
            filterSet:FilterSetType? @2010-08-31 =Filter -> availabilityZoneInfo:AvailabilityZoneSetType
        action DescribeRegions @2008-12-01: regionSet:DescribeRegionsSetType =RegionName,
            filterSet:FilterSetType? @2010-08-31 =Filter -> regionInfo:RegionSetType
        type DescribeAvailabilityZonesSetType: item:DescribeAvailabilityZonesSetItemType*
        type DescribeAvailabilityZonesSetItemType: zoneName =.
        type AvailabilityZoneSetType: item:AvailabilityZoneItemType*
        type AvailabilityZoneItemType: zoneName, zoneState, regionName @2008-12-01,
            messageSet:AvailabilityZoneMessageSetType @2009-07-15
        type AvailabilityZoneMessageSetType: item:AvailabilityZoneMessageType*
        type AvailabilityZoneMessageType: message
        type DescribeRegionsSetType: item:DescribeRegionsSetItemType*
        type DescribeRegionsSetItemType: regionName =.
        type RegionSetType: item:RegionItemType*
        type RegionItemType: regionName, regionEndpoint
        """

    static let addressRows = """
        action AllocateAddress: domain? @2011-01-01 -> publicIp, domain @2011-01-01 !standard,
            allocationId? @2011-01-01
        action ReleaseAddress: publicIp -2011-01-01, (publicIp @2011-01-01 | allocationId @2011-01-01) ->
            return:boolean
        action DescribeAddresses: publicIpsSet:DescribeAddressesInfoType =PublicIp,
            allocationIdsSet:AllocationIdSetType @2011-01-01 =AllocationId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> addressesSet:DescribeAddressesResponseInfoType
        action AssociateAddress: publicIp -2011-01-01, (publicIp @2011-01-01 | allocationId @2011-01-01),
            instanceId -2011-12-01, (networkInterfaceId @2011-12-01 | instanceId @2011-12-01),
            privateIpAddress? @2012-06-15, allowReassociation:boolean? @2012-06-15 -> return:boolean, associationId? @2011-01-01
        action DisassociateAddress: publicIp -2011-01-01, (publicIp @2011-01-01 | associationId @2011-01-01) ->
            return:boolean
        type DescribeAddressesInfoType: item:DescribeAddressesItemType*
        type DescribeAddressesItemType: publicIp =.
        type AllocationIdSetType: item:AllocationIdSetItemType*
        type AllocationIdSetItemType: allocationId =.
        type DescribeAddressesResponseInfoType: item:DescribeAddressesResponseItemType*
        type DescribeAddressesResponseItemType: publicIp, allocationId? @2011-01-01, domain @2011-01-01 !standard,
            instanceId?, associationId? @2011-01-01, networkInterfaceId? @2011-12-01,
            networkInterfaceOwnerId? @2011-12-01, privateIpAddress? @2012-06-15
        """

    static let networkRows = """
        action DescribeVpcs @2009-07-15: vpcSet:VpcIdSetType? =VpcId, filterSet:FilterSetType? =Filter ->
            vpcSet:VpcSetType
        action DescribeSubnets @2009-07-15: subnetSet:SubnetIdSetType? =SubnetId, filterSet:FilterSetType? =Filter ->
            subnetSet:SubnetSetType
        action DescribeDhcpOptions @2009-07-15: dhcpOptionsSet:DhcpOptionsIdSetType? =DhcpOptionsId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> dhcpOptionsSet:DhcpOptionsSetType
        action DescribeRouteTables @2011-01-01: routeTableIdSet:RouteTableIdSetType =RouteTableId,
            filterSet:FilterSetType? =Filter -> routeTableSet:RouteTableSetType
        action DescribeInternetGateways @2011-01-01: internetGatewayIdSet:InternetGatewayIdSetType =InternetGatewayId,
            filterSet:FilterSetType? =Filter -> internetGatewaySet:InternetGatewaySetType
        action DescribeNetworkAcls @2011-01-01: networkAclIdSet:NetworkAclIdSetType =NetworkAclId,
            filterSet:FilterSetType? =Filter -> networkAclSet:NetworkAclSetType
        type VpcIdSetType: item:VpcIdSetItemType*
        type VpcIdSetItemType: vpcId =.
        type VpcSetType: item:VpcType*
        type VpcType: vpcId, state?, cidrBlock?, dhcpOptionsId?, tagSet:ResourceTagSetType? @2010-08-31,
            instanceTenancy? @2011-02-28, isDefault:boolean? @2012-12-01
        type SubnetIdSetType: item:SubnetIdSetItemType*
        type SubnetIdSetItemType: subnetId =.
        type SubnetSetType: item:SubnetType*
        type SubnetType: subnetId, state?, vpcId?, cidrBlock?, availableIpAddressCount:int?, availabilityZone?,
            defaultForAz:boolean? @2012-12-01, mapPublicIpOnLaunch:boolean? @2012-12-01, tagSet:ResourceTagSetType? @2010-08-31
        type DhcpOptionsIdSetType: item:DhcpOptionsIdSetItemType*
        type DhcpOptionsIdSetItemType: dhcpOptionsId =.
        type DhcpOptionsSetType: item:DhcpOptionsType*
        type DhcpOptionsType: dhcpOptionsId, dhcpConfigurationSet:DhcpConfigurationItemSetType,
            tagSet:ResourceTagSetType? @2010-08-31
        type DhcpConfigurationItemSetType: item:DhcpConfigurationItemType*
        type DhcpConfigurationItemType: key, valueSet:DhcpValueSetType
        type DhcpValueSetType: item:DhcpValueType*
        type DhcpValueType: value
        type RouteTableIdSetType: item:RouteTableIdSetItemType*
        type RouteTableIdSetItemType: routeTableId =.
        type RouteTableSetType: item:RouteTableType*
        type RouteTableType: routeTableId, vpcId, routeSet:RouteSetType, associationSet:RouteTableAssociationSetType,
            propagatingVgwSet:PropagatingVgwSetType @2012-08-15, tagSet:ResourceTagSetType?
        type PropagatingVgwSetType: item:PropagatingVgwType*
        type PropagatingVgwType: gatewayId
        type RouteSetType: item:RouteType*
        type RouteType: destinationCidrBlock, (gatewayId -2011-12-01 | instanceId -2011-12-01)?, gatewayId? @2011-12-01,
            instanceId? @2011-12-01, instanceOwnerId? @2011-12-01, networkInterfaceId? @2011-12-01, state,
            origin @2012-08-15 !CreateRouteTable
        type RouteTableAssociationSetType: item:RouteTableAssociationType*
        type RouteTableAssociationType: routeTableAssociationId, routeTableId, (subnetId | main:boolean)
        type InternetGatewayIdSetType: item:InternetGatewayIdSetItemType*
        type InternetGatewayIdSetItemType: internetGatewayId =.
        type InternetGatewaySetType: item:InternetGatewayType*
        type InternetGatewayType: internetGatewayId, attachmentSet:InternetGatewayAttachmentSetType,
            tagSet:ResourceTagSetType?
        type InternetGatewayAttachmentSetType: item:InternetGatewayAttachmentType*
        type InternetGatewayAttachmentType: vpcId, state
        type NetworkAclIdSetType: item:NetworkAclIdSetItemType*
        type NetworkAclIdSetItemType: networkAclId =.
        type NetworkAclSetType: item:NetworkAclType*
        type NetworkAclType: networkAclId, vpcId, default:boolean, entrySet:NetworkAclEntrySetType,
            associationSet:NetworkAclAssociationSetType, tagSet:ResourceTagSetType?
        type NetworkAclEntrySetType: item:NetworkAclEntryType*
        type NetworkAclEntryType: ruleNumber:int, protocol, ruleAction, egress:boolean, cidrBlock,
            icmpTypeCode:IcmpTypeCodeType?, portRange:PortRangeType?
        type IcmpTypeCodeType: code:int, type:int
        type PortRangeType: from:int, to:int
        type NetworkAclAssociationSetType: item:NetworkAclAssociationType*
        type NetworkAclAssociationType: networkAclAssociationId, networkAclId, subnetId
        """
}
