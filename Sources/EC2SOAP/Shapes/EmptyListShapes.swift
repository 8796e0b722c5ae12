extension ShapeTable {
    /// Actions on what the cloud has none of: their lists are empty, and ids do not exist.
    static let emptyListRows = """
        action DescribeConversionTasks @2010-11-15:
            conversionTaskIdSet:ConversionTaskIdSetType =ConversionTaskId -> requestId @2012-03-01,
            conversionTasks:ConversionTaskSetType
        type ConversionTaskIdSetType: item:ConversionTaskIdItemType*
        type ConversionTaskIdItemType: conversionTaskId? -2011-01-01 =., conversionTaskId @2011-01-01 =.
        type ConversionTaskSetType: item:ConversionTaskType*
        type ConversionTaskType: conversionTaskId, expirationTime?, (importVolume:ImportVolumeTaskDetailsType |
            importInstance:ImportInstanceTaskDetailsType), state, statusMessage?,
            tagSet:ResourceTagSetType? @2011-01-01
        type ImportInstanceTaskDetailsType: volumes:ImportInstanceVolumeDetailSetType, instanceId?, platform?,
            description?
        type ImportInstanceVolumeDetailSetType: item:ImportInstanceVolumeDetailItemType*
        type ImportInstanceVolumeDetailItemType: bytesConverted:long, availabilityZone,
            image:DiskImageDescriptionType, description?, volume:DiskImageVolumeDescriptionType, status,
            statusMessage?
        type ImportVolumeTaskDetailsType: bytesConverted:long, availabilityZone, description?,
            image:DiskImageDescriptionType, volume:DiskImageVolumeDescriptionType
        type DiskImageDescriptionType: format, size:long, importManifestUrl, checksum?
        type DiskImageVolumeDescriptionType: size:int, id
        action DescribeExportTasks @2012-05-01: exportTaskIdSet:ExportTaskIdSetType =ExportTaskId ->
            exportTaskSet:ExportTaskSetResponseType
        type ExportTaskIdSetType: item:ExportTaskIdType*
        type ExportTaskIdType: exportTaskId =.
        type ExportTaskSetResponseType: item:ExportTaskResponseType*
        type ExportTaskResponseType: exportTaskId, description?, state, statusMessage?,
            (instanceExport:InstanceExportTaskResponseType), (exportToS3:ExportToS3TaskResponseType)
        type InstanceExportTaskResponseType: instanceId, targetEnvironment?
        type ExportToS3TaskResponseType: diskImageFormat, containerFormat?, s3Bucket, s3Key
        action DescribeNetworkInterfaces @2011-12-01:
            networkInterfaceIdSet:NetworkInterfaceIdSetType? =NetworkInterfaceId, filterSet:FilterSetType? =Filter ->
            networkInterfaceSet:NetworkInterfaceSetType
        action DescribeNetworkInterfaceAttribute @2011-12-01: networkInterfaceId,
            (description:EmptyElementType =Attribute | sourceDestCheck:EmptyElementType =Attribute |
            groupSet:EmptyElementType =Attribute | attachment:EmptyElementType =Attribute) -> networkInterfaceId,
            (description:NullableAttributeValueType | sourceDestCheck:NullableAttributeBooleanValueType |
            groupSet:GroupSetType | attachment:NetworkInterfaceAttachmentType)
        type NetworkInterfaceIdSetType: item:NetworkInterfaceIdSetItemType*
        type NetworkInterfaceIdSetItemType: networkInterfaceId =.
        type NetworkInterfaceSetType: item:NetworkInterfaceType*
        type NetworkInterfaceType: networkInterfaceId, subnetId?, vpcId?, availabilityZone?, description?, ownerId,
            requesterId?, requesterManaged:boolean?, status, macAddress, privateIpAddress, privateDnsName?,
            sourceDestCheck:boolean, groupSet:GroupSetType, attachment:NetworkInterfaceAttachmentType?,
            association:NetworkInterfaceAssociationType?, tagSet:ResourceTagSetType?,
            privateIpAddressesSet:NetworkInterfacePrivateIpAddressesSetType? @2012-06-15
        type NetworkInterfaceAttachmentType: attachmentId, instanceId?, instanceOwnerId?, deviceIndex:int, status,
            attachTime:dateTime, deleteOnTermination:boolean
        type NetworkInterfaceAssociationType: publicIp, publicDnsName? @2012-12-01, ipOwnerId?, allocationId?,
            associationId?
        type NetworkInterfacePrivateIpAddressesSetType: item:NetworkInterfacePrivateIpAddressesSetItemType*
        type NetworkInterfacePrivateIpAddressesSetItemType: privateIpAddress, privateDnsName? @2012-12-01,
            primary:boolean, association:NetworkInterfaceAssociationType?
        action DescribeSpotPriceHistory @2009-11-30: startTime:dateTime?, endTime:dateTime?,
            instanceTypeSet:InstanceTypeSetType? =InstanceType,
            productDescriptionSet:ProductDescriptionSetType? =ProductDescription,
            filterSet:FilterSetType? @2010-08-31 =Filter, availabilityZone? @2011-11-01, maxResults:int? @2011-11-01,
            nextToken? @2011-11-01 -> spotPriceHistorySet:SpotPriceHistorySetType, nextToken? @2011-11-01
        type InstanceTypeSetType: item:InstanceTypeSetItemType+
        type InstanceTypeSetItemType: instanceType =.
        type ProductDescriptionSetType: item:ProductDescriptionSetItemType+
        type ProductDescriptionSetItemType: productDescription =.
        type SpotPriceHistorySetType: item:SpotPriceHistorySetItemType*
        type SpotPriceHistorySetItemType: instanceType, productDescription, spotPrice, timestamp:dateTime,
            availabilityZone? @2011-11-01
        action DescribeReservedInstancesListings @2012-08-15:
            reservedInstancesListingSet:DescribeReservedInstancesListingSetType? =ReservedInstancesListingId,
            reservedInstancesSet:DescribeReservedInstancesSetType? =ReservedInstancesId,
            filterSet:FilterSetType? =Filter ->
            reservedInstancesListingsSet:DescribeReservedInstancesListingsResponseSetType
        type DescribeReservedInstancesListingSetType: item:DescribeReservedInstancesListingSetItemType+
        type DescribeReservedInstancesListingSetItemType: reservedInstancesListingId =.
        type DescribeReservedInstancesListingsResponseSetType:
            item:DescribeReservedInstancesListingsResponseSetItemType*
        type DescribeReservedInstancesListingsResponseSetItemType: reservedInstancesListingId, reservedInstancesId,
            createDate:dateTime, updateDate:dateTime, status, statusMessage, instanceCounts:InstanceCountsSetType,
            priceSchedules:PriceScheduleSetType, tagSet:ResourceTagSetType?, clientToken?
        type InstanceCountsSetType: item:InstanceCountsSetItemType+
        type InstanceCountsSetItemType: state, instanceCount:int
        type PriceScheduleSetType: item:PriceScheduleSetItemType*
        type PriceScheduleSetItemType: term:long, price:double, currencyCode?, active:boolean
        action DescribeVolumeStatus @2012-03-01: volumeSet:DescribeVolumesSetType =VolumeId,
            filterSet:FilterSetType? =Filter, maxResults:int?, nextToken? -> volumeStatusSet:VolumeStatusSetType,
            nextToken?
        type VolumeStatusSetType: item:VolumeStatusItemType*
        type VolumeStatusItemType: volumeId, availabilityZone, volumeStatus:VolumeStatusInfoType,
            eventsSet:VolumeStatusEventsSetType, actionsSet:VolumeStatusActionsSetType
        type VolumeStatusInfoType: status, details:VolumeStatusDetailsSetType
        type VolumeStatusDetailsSetType: item:VolumeStatusDetailsItemType*
        type VolumeStatusDetailsItemType: name, status
        type VolumeStatusEventsSetType: item:VolumeStatusEventItemType*
        type VolumeStatusEventItemType: description, notBefore:dateTime, notAfter:dateTime, eventId, eventType
        type VolumeStatusActionsSetType: item:VolumeStatusActionItemType*
        type VolumeStatusActionItemType: description, code, eventId, eventType
        action DescribeVpnGateways @2009-07-15: vpnGatewaySet:VpnGatewayIdSetType? =VpnGatewayId,
            filterSet:FilterSetType? =Filter -> vpnGatewaySet:VpnGatewaySetType
        type VpnGatewayIdSetType: item:VpnGatewayIdSetItemType*
        type VpnGatewayIdSetItemType: vpnGatewayId =.
        type VpnGatewaySetType: item:VpnGatewayType*
        type VpnGatewayType: vpnGatewayId, state, type, availabilityZone -2011-01-01, availabilityZone? @2011-01-01,
            attachments:AttachmentSetType, tagSet:ResourceTagSetType? @2010-08-31
        type AttachmentSetType: item:AttachmentType*
        type AttachmentType: vpcId, state
        action DescribeVpnConnections @2009-07-15: vpnConnectionSet:VpnConnectionIdSetType? =VpnConnectionId,
            filterSet:FilterSetType? =Filter -> vpnConnectionSet:VpnConnectionSetType
        type VpnConnectionIdSetType: item:VpnConnectionIdSetItemType*
        type VpnConnectionIdSetItemType: vpnConnectionId =.
        type VpnConnectionSetType: item:VpnConnectionType*
        type VpnConnectionType: vpnConnectionId, state, customerGatewayConfiguration?, type?, customerGatewayId,
            vpnGatewayId, tagSet:ResourceTagSetType? @2010-08-31, vgwTelemetry:VgwTelemetryType? @2011-11-01,
            options:VpnConnectionOptionsResponseType? @2012-08-15, routes:VpnStaticRoutesSetType? @2012-08-15
        type VgwTelemetryType: item:VpnTunnelTelemetryType*
        type VpnTunnelTelemetryType: outsideIpAddress, status, lastStatusChange:dateTime, statusMessage?,
            acceptedRouteCount:int
        type VpnConnectionOptionsResponseType: staticRoutesOnly:boolean?
        type VpnStaticRoutesSetType: item:VpnStaticRouteType*
        type VpnStaticRouteType: destinationCidrBlock, source, state
        action DescribeCustomerGateways @2009-07-15: customerGatewaySet:CustomerGatewayIdSetType? =CustomerGatewayId,
            filterSet:FilterSetType? =Filter -> customerGatewaySet:CustomerGatewaySetType
        type CustomerGatewayIdSetType: item:CustomerGatewayIdSetItemType*
        type CustomerGatewayIdSetItemType: customerGatewayId =.
        type CustomerGatewaySetType: item:CustomerGatewayType*
        type CustomerGatewayType: customerGatewayId, state, type, ipAddress, bgpAsn:int -2012-08-15,
            bgpAsn:int? @2012-08-15, tagSet:ResourceTagSetType? @2010-08-31
        """
}
