extension ShapeTable {
    // What the versions have is from the WSDL files that AWS published with them (of all but 2011-05-15, 2011-07-15 and
    // 2012-11-15, which have what the one before has).
    static let instanceRows = """
        action RunInstances: imageId, minCount:int, maxCount:int, keyName?, groupSet:GroupSetType =#,
            additionalInfo? =-, userData:UserDataType?, addressingType?, instanceType,
            placement:PlacementRequestType?, kernelId?, ramdiskId?, blockDeviceMapping:BlockDeviceMappingType?,
            monitoring:MonitoringInstanceType? @2009-04-04, subnetId? @2009-07-15,
            disableApiTermination:boolean? @2009-10-31, instanceInitiatedShutdownBehavior? @2009-10-31,
            license:InstanceLicenseRequestType? @2010-06-15, privateIpAddress? @2010-06-15, clientToken? @2010-08-31,
            networkInterfaceSet:InstanceNetworkInterfaceSetRequestType? @2011-12-01 =NetworkInterface,
            iamInstanceProfile:IamInstanceProfileRequestType? @2012-06-01, ebsOptimized:boolean? @2012-07-20 ->
            reservationId, ownerId, groupSet:GroupSetType, instancesSet:RunningInstancesSetType,
            requesterId? @2008-08-08
        action DescribeInstances: instancesSet:DescribeInstancesInfoType =InstanceId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> reservationSet:ReservationSetType
        action DescribeInstanceStatus @2011-11-01: instancesSet:InstanceIdSetType =InstanceId,
            filterSet:FilterSetType? =Filter, nextToken?, maxResults:int?,
            includeAllInstances:boolean? @2012-05-01 ->
            instanceStatusSet:InstanceStatusSetType, nextToken?
        action ReportInstanceStatus @2011-12-15: instancesSet:InstanceIdSetType =InstanceId, status,
            startTime:dateTime?, endTime:dateTime?, reasonCodesSet:ReportInstanceStatusReasonCodesSetType =ReasonCode,
            description? -> return:boolean
        type ReportInstanceStatusReasonCodesSetType: item:ReportInstanceStatusReasonCodeSetItemType+
        type ReportInstanceStatusReasonCodeSetItemType: reasonCode =.
        action TerminateInstances: instancesSet:TerminateInstancesInfoType -2009-10-31 =InstanceId,
            instancesSet:InstanceIdSetType @2009-10-31 =InstanceId ->
            instancesSet:TerminateInstancesResponseInfoType -2009-10-31,
            instancesSet:InstanceStateChangeSetType @2009-10-31
        action StopInstances @2009-10-31: instancesSet:InstanceIdSetType =InstanceId, force:boolean? ->
            instancesSet:InstanceStateChangeSetType
        action StartInstances @2009-10-31: instancesSet:InstanceIdSetType =InstanceId ->
            instancesSet:InstanceStateChangeSetType
        action RebootInstances: instancesSet:RebootInstancesInfoType =InstanceId -> return:boolean
        action GetConsoleOutput: instanceId -> instanceId, timestamp:dateTime, output
        action GetPasswordData @2009-07-15: instanceId -> instanceId, timestamp:dateTime, passwordData
        action MonitorInstances @2009-04-04: instancesSet:MonitorInstancesSetType =InstanceId ->
            instancesSet:MonitorInstancesResponseSetType
        action UnmonitorInstances @2009-04-04: instancesSet:MonitorInstancesSetType =InstanceId ->
            instancesSet:MonitorInstancesResponseSetType
        type GroupSetType: item:GroupItemType*
        type GroupItemType: groupId -2011-01-01 =SecurityGroup, groupId? @2011-01-01 =SecurityGroupId,
            groupName? @2011-01-01 =SecurityGroup
        type UserDataType: data -2009-10-31 =., data? @2009-10-31 =.
        type InstanceLicenseRequestType: pool
        type InstanceLicenseResponseType: pool
        type PlacementRequestType: availabilityZone?, groupName? @2010-06-15, tenancy? @2011-02-28
        type MonitoringInstanceType: enabled:boolean?
        type BlockDeviceMappingType: item:BlockDeviceMappingItemType*
        type BlockDeviceMappingItemType: virtualName -2009-10-31, deviceName -2009-10-31, deviceName @2009-10-31,
            (virtualName @2009-10-31 | ebs:EbsBlockDeviceType @2009-10-31 | noDevice:EmptyElementType @2009-10-31)
        type EbsBlockDeviceType: snapshotId?, volumeSize:int?, deleteOnTermination:boolean?, volumeType? @2012-07-20,
            iops:int? @2012-07-20
        type EmptyElementType:
        type InstanceNetworkInterfaceSetRequestType: item:InstanceNetworkInterfaceSetItemRequestType*
        type InstanceNetworkInterfaceSetItemRequestType: networkInterfaceId?, deviceIndex:int, subnetId?,
            description?, privateIpAddress?, groupSet:SecurityGroupIdSetType? =SecurityGroupId,
            deleteOnTermination:boolean?,
            privateIpAddressesSet:PrivateIpAddressesSetRequestType? @2012-06-15 =PrivateIpAddresses,
            secondaryPrivateIpAddressCount:int? @2012-06-15
        type PrivateIpAddressesSetRequestType: item:PrivateIpAddressesSetItemRequestType*
        type PrivateIpAddressesSetItemRequestType: privateIpAddress, primary:boolean?
        type SecurityGroupIdSetType: item:SecurityGroupIdSetItemType*
        type SecurityGroupIdSetItemType: groupId =.
        type IamInstanceProfileRequestType: arn?, name?
        type FilterSetType: item:FilterType*
        type FilterType: name, valueSet:ValueSetType =Value
        type ValueSetType: item:ValueType*
        type ValueType: value =.
        type ReservationSetType: item:ReservationInfoType*
        type ReservationInfoType: reservationId, ownerId, groupSet:GroupSetType, instancesSet:RunningInstancesSetType,
            requesterId? @2008-08-08
        type RunningInstancesSetType: item:RunningInstancesItemType+
        type RunningInstancesItemType: instanceId, imageId -2009-10-31, imageId? @2009-10-31,
            instanceState:InstanceStateType, privateDnsName, dnsName -2009-07-15, dnsName? @2009-07-15, reason?,
            keyName?, amiLaunchIndex?, productCodes:ProductCodesSetType?, instanceType, launchTime:dateTime,
            placement:PlacementResponseType -2008-08-08, placement:PlacementResponseType? @2008-08-08, kernelId?,
            ramdiskId?, platform? @2008-08-08, monitoring:InstanceMonitoringStateType? @2009-04-04, subnetId? @2009-07-15, vpcId? @2009-07-15,
            privateIpAddress? @2009-07-15, ipAddress? @2009-07-15, sourceDestCheck:boolean? @2011-01-01,
            groupSet:GroupSetType @2011-01-01, stateReason:StateReasonType? @2009-10-31, architecture? @2009-10-31,
            rootDeviceType? @2009-10-31, rootDeviceName? @2009-10-31,
            blockDeviceMapping:InstanceBlockDeviceMappingResponseType? @2009-10-31, instanceLifecycle? @2009-11-30,
            spotInstanceRequestId? @2009-11-30, license:InstanceLicenseResponseType? @2010-06-15,
            virtualizationType? @2010-06-15, clientToken? @2010-08-31,
            tagSet:ResourceTagSetType? @2010-08-31, hypervisor? @2010-11-15,
            networkInterfaceSet:InstanceNetworkInterfaceSetType? @2011-12-01,
            iamInstanceProfile:IamInstanceProfileResponseType? @2012-06-01, ebsOptimized:boolean? @2012-07-20
        type InstanceStateType: code:int, name
        type ProductCodesSetType: item:ProductCodesSetItemType*
        type ProductCodesSetItemType: productCode, type @2012-04-01 !devpay
        type PlacementResponseType: availabilityZone, groupName? @2010-06-15, tenancy? @2011-02-28
        type InstanceMonitoringStateType: state
        type StateReasonType: code, message
        type InstanceBlockDeviceMappingResponseType: item:InstanceBlockDeviceMappingResponseItemType*
        type InstanceBlockDeviceMappingResponseItemType: deviceName, (ebs:EbsInstanceBlockDeviceMappingResponseType)
        type EbsInstanceBlockDeviceMappingResponseType: volumeId, status, attachTime:dateTime,
            deleteOnTermination:boolean?
        type InstanceNetworkInterfaceSetType: item:InstanceNetworkInterfaceSetItemType*
        type InstanceNetworkInterfaceSetItemType: networkInterfaceId, subnetId?, vpcId?, description?, ownerId, status,
            macAddress @2012-12-01 -2013-02-01, macAddress? @2013-02-01, privateIpAddress?, privateDnsName?,
            sourceDestCheck:boolean?, groupSet:GroupSetType?, attachment:InstanceNetworkInterfaceAttachmentType,
            association:InstanceNetworkInterfaceAssociationType?,
            privateIpAddressesSet:InstancePrivateIpAddressesSetType? @2012-06-15
        type InstanceNetworkInterfaceAttachmentType: attachmentId, deviceIndex:int, status, attachTime:dateTime,
            deleteOnTermination:boolean
        type InstanceNetworkInterfaceAssociationType: publicIp, publicDnsName? @2012-12-01, ipOwnerId?
        type InstancePrivateIpAddressesSetType: item:InstancePrivateIpAddressesSetItemType*
        type InstancePrivateIpAddressesSetItemType: privateIpAddress?, privateDnsName? @2012-12-01, primary:boolean?,
            association:InstanceNetworkInterfaceAssociationType?
        type IamInstanceProfileResponseType: arn, id
        type InstanceIdSetType: item:InstanceIdType*
        type InstanceIdType: instanceId =.
        type DescribeInstancesInfoType: item:DescribeInstancesItemType*
        type DescribeInstancesItemType: instanceId =.
        type RebootInstancesInfoType: item:RebootInstancesItemType+
        type RebootInstancesItemType: instanceId =.
        type TerminateInstancesInfoType: item:TerminateInstancesItemType+
        type TerminateInstancesItemType: instanceId =.
        type TerminateInstancesResponseInfoType: item:TerminateInstancesResponseItemType*
        type TerminateInstancesResponseItemType: instanceId, shutdownState:InstanceStateType,
            previousState:InstanceStateType
        type InstanceStateChangeSetType: item:InstanceStateChangeType*
        type InstanceStateChangeType: instanceId, currentState:InstanceStateType, previousState:InstanceStateType
        type MonitorInstancesSetType: item:MonitorInstancesSetItemType+
        type MonitorInstancesSetItemType: instanceId =.
        type MonitorInstancesResponseSetType: item:MonitorInstancesResponseSetItemType+
        type MonitorInstancesResponseSetItemType: instanceId, monitoring:InstanceMonitoringStateType
        type InstanceStatusSetType: item:InstanceStatusItemType*
        type InstanceStatusItemType: instanceId, availabilityZone, eventsSet:InstanceStatusEventsSetType?,
            instanceState:InstanceStateType, systemStatus:InstanceStatusType @2011-12-15,
            instanceStatus:InstanceStatusType @2011-12-15
        type InstanceStatusEventsSetType: item:InstanceStatusEventType*
        type InstanceStatusEventType: code, description, notBefore:dateTime, notAfter:dateTime?
        type InstanceStatusType: status, details:InstanceStatusDetailsSetType?
        type InstanceStatusDetailsSetType: item:InstanceStatusDetailsSetItemType*
        type InstanceStatusDetailsSetItemType: name, status, impairedSince:dateTime? @2012-05-01
        """

    static let instanceAttributeRows = """
        action DescribeInstanceAttribute @2009-10-31: instanceId, (instanceType:EmptyElementType =Attribute |
            kernel:EmptyElementType =Attribute | ramdisk:EmptyElementType =Attribute |
            userData:EmptyElementType =Attribute | disableApiTermination:EmptyElementType =Attribute |
            instanceInitiatedShutdownBehavior:EmptyElementType =Attribute |
            rootDeviceName:EmptyElementType =Attribute | blockDeviceMapping:EmptyElementType =Attribute |
            sourceDestCheck:EmptyElementType @2011-01-01 =Attribute |
            groupSet:EmptyElementType @2011-01-01 =Attribute | productCodes:EmptyElementType @2012-04-01 =Attribute |
            ebsOptimized:EmptyElementType @2012-07-20 =Attribute) -> instanceId,
            (instanceType:NullableAttributeValueType | kernel:NullableAttributeValueType |
            ramdisk:NullableAttributeValueType | userData:NullableAttributeValueType |
            disableApiTermination:NullableAttributeBooleanValueType |
            instanceInitiatedShutdownBehavior:NullableAttributeValueType | rootDeviceName:NullableAttributeValueType |
            blockDeviceMapping:InstanceBlockDeviceMappingResponseType |
            sourceDestCheck:NullableAttributeBooleanValueType @2011-01-01 | groupSet:GroupSetType @2011-01-01 |
            productCodes:ProductCodesSetType @2012-04-01 | ebsOptimized:NullableAttributeBooleanValueType @2012-07-20)
        action ModifyInstanceAttribute @2009-10-31: instanceId, (instanceType:AttributeValueType |
            kernel:AttributeValueType | ramdisk:AttributeValueType | userData:AttributeValueType |
            disableApiTermination:AttributeBooleanValueType | instanceInitiatedShutdownBehavior:AttributeValueType |
            blockDeviceMapping:InstanceBlockDeviceMappingType |
            sourceDestCheck:AttributeBooleanValueType @2011-01-01 |
            groupSet:SecurityGroupIdSetType @2011-01-01 =GroupId |
            ebsOptimized:AttributeBooleanValueType @2012-07-20) -> return:boolean
        action ResetInstanceAttribute @2009-10-31: instanceId, (kernel:EmptyElementType =Attribute |
            ramdisk:EmptyElementType =Attribute | sourceDestCheck:EmptyElementType @2011-01-01 =Attribute) ->
            return:boolean
        type AttributeValueType: value
        type AttributeBooleanValueType: value:boolean
        type NullableAttributeValueType: value?
        type NullableAttributeBooleanValueType: value:boolean?
        type InstanceBlockDeviceMappingType: item:InstanceBlockDeviceMappingItemType*
        type InstanceBlockDeviceMappingItemType: deviceName, (virtualName | ebs:InstanceEbsBlockDeviceType |
            noDevice:EmptyElementType)
        type InstanceEbsBlockDeviceType: volumeId, deleteOnTermination:boolean?
        """
}
