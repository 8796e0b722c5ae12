extension ShapeTable {
    // What the versions have is from the API references of those versions and the WSDL files that AWS published with
    // 2008-02-01, 2008-05-05, 2008-12-01, 2009-10-31 and 2009-11-30.
    static let instanceRows = """
        action RunInstances: imageId, minCount:int, maxCount:int, keyName?, groupSet:GroupSetType =#,
            additionalInfo? =-, userData:UserDataType?, addressingType? -2011-01-01, instanceType,
            placement:PlacementRequestType?, kernelId?, ramdiskId?, blockDeviceMapping:BlockDeviceMappingType?,
            monitoring:MonitoringInstanceType? @2009-05-15, subnetId? @2009-07-15,
            disableApiTermination:boolean? @2009-10-31, instanceInitiatedShutdownBehavior? @2009-10-31,
            privateIpAddress? @2011-01-01, clientToken? @2010-08-31,
            networkInterfaceSet:InstanceNetworkInterfaceSetRequestType? @2012-06-01 =NetworkInterface,
            iamInstanceProfile:IamInstanceProfileRequestType? @2012-06-01, ebsOptimized:boolean? @2012-07-20 ->
            reservationId, ownerId, groupSet:GroupSetType, instancesSet:RunningInstancesSetType,
            requesterId? @2009-07-15
        action DescribeInstances: instancesSet:DescribeInstancesInfoType =InstanceId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> reservationSet:ReservationSetType
        action DescribeInstanceStatus @2011-11-01: instancesSet:InstanceIdSetType =InstanceId,
            filterSet:FilterSetType? =Filter, nextToken?, maxResults:int?, includeAllInstances:boolean? ->
            instanceStatusSet:InstanceStatusSetType, nextToken?
        action ReportInstanceStatus @2012-08-15: instancesSet:InstanceIdSetType =InstanceId, status,
            startTime:dateTime?, endTime:dateTime?, reasonCodesSet:ReportInstanceStatusReasonCodesSetType =ReasonCode,
            description? -> return:boolean
        type ReportInstanceStatusReasonCodesSetType: item:ReportInstanceStatusReasonCodeSetItemType*
        type ReportInstanceStatusReasonCodeSetItemType: reasonCode =.
        action TerminateInstances: instancesSet:InstanceIdSetType =InstanceId ->
            instancesSet:InstanceStateChangeSetType
        action StopInstances @2009-10-31: instancesSet:InstanceIdSetType =InstanceId, force:boolean? ->
            instancesSet:InstanceStateChangeSetType
        action StartInstances @2009-10-31: instancesSet:InstanceIdSetType =InstanceId ->
            instancesSet:InstanceStateChangeSetType
        action RebootInstances: instancesSet:RebootInstancesInfoType =InstanceId -> return:boolean
        action GetConsoleOutput: instanceId -> instanceId, timestamp:dateTime, output
        action GetPasswordData @2009-10-31: instanceId -> instanceId, timestamp:dateTime, passwordData
        action MonitorInstances @2009-05-15: instancesSet:MonitorInstancesSetType =InstanceId ->
            instancesSet:MonitorInstancesResponseSetType
        action UnmonitorInstances @2009-05-15: instancesSet:MonitorInstancesSetType =InstanceId ->
            instancesSet:MonitorInstancesResponseSetType
        type GroupSetType: item:GroupItemType*
        type GroupItemType: groupId -2011-01-01 =SecurityGroup, groupId? @2011-01-01 =SecurityGroupId,
            groupName? @2011-01-01 =SecurityGroup
        type UserDataType: data? =.
        type PlacementRequestType: availabilityZone?, groupName? @2010-06-15, tenancy? @2011-05-15
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
            deleteOnTermination:boolean?
        type SecurityGroupIdSetType: item:SecurityGroupIdSetItemType*
        type SecurityGroupIdSetItemType: groupId =.
        type IamInstanceProfileRequestType: arn?, name?
        type FilterSetType: item:FilterType*
        type FilterType: name, valueSet:ValueSetType =Value
        type ValueSetType: item:ValueType*
        type ValueType: value =.
        type ReservationSetType: item:ReservationInfoType*
        type ReservationInfoType: reservationId, ownerId, groupSet:GroupSetType, instancesSet:RunningInstancesSetType,
            requesterId? @2009-07-15
        type RunningInstancesSetType: item:RunningInstancesItemType+
        type RunningInstancesItemType: instanceId, imageId -2009-10-31, imageId? @2009-10-31,
            instanceState:InstanceStateType, privateDnsName, dnsName -2009-10-31, dnsName? @2009-10-31, reason?,
            keyName?, amiLaunchIndex?, productCodes:ProductCodesSetType?, instanceType, launchTime:dateTime,
            placement:PlacementResponseType?, kernelId?, ramdiskId?, platform? @2008-12-01,
            monitoring:InstanceMonitoringStateType? @2009-05-15, subnetId? @2009-07-15, vpcId? @2009-07-15,
            privateIpAddress? @2009-07-15, ipAddress? @2009-07-15, sourceDestCheck:boolean? @2011-01-01,
            groupSet:GroupSetType? @2011-01-01, stateReason:StateReasonType? @2009-10-31, architecture? @2009-10-31,
            rootDeviceType? @2009-10-31, rootDeviceName? @2009-10-31,
            blockDeviceMapping:InstanceBlockDeviceMappingResponseType? @2009-10-31, instanceLifecycle? @2009-11-30,
            spotInstanceRequestId? @2009-11-30, virtualizationType? @2010-06-15, clientToken? @2010-08-31,
            tagSet:ResourceTagSetType? @2010-08-31, hypervisor? @2010-11-15,
            networkInterfaceSet:InstanceNetworkInterfaceSetType? @2011-12-15,
            iamInstanceProfile:IamInstanceProfileResponseType? @2012-06-01, ebsOptimized:boolean? @2012-07-20
        type InstanceStateType: code:int, name
        type ProductCodesSetType: item:ProductCodesSetItemType*
        type ProductCodesSetItemType: productCode, type? @2011-05-15
        type PlacementResponseType: availabilityZone, groupName? @2010-06-15, tenancy? @2011-05-15
        type InstanceMonitoringStateType: state
        type StateReasonType: code, message
        type InstanceBlockDeviceMappingResponseType: item:InstanceBlockDeviceMappingResponseItemType*
        type InstanceBlockDeviceMappingResponseItemType: deviceName, (ebs:EbsInstanceBlockDeviceMappingResponseType)
        type EbsInstanceBlockDeviceMappingResponseType: volumeId, status, attachTime:dateTime,
            deleteOnTermination:boolean?
        type InstanceNetworkInterfaceSetType: item:InstanceNetworkInterfaceSetItemType*
        type InstanceNetworkInterfaceSetItemType: networkInterfaceId, subnetId?, vpcId?, description?, ownerId,
            status, privateIpAddress?
        type IamInstanceProfileResponseType: arn, id
        type InstanceIdSetType: item:InstanceIdType*
        type InstanceIdType: instanceId =.
        type DescribeInstancesInfoType: item:DescribeInstancesItemType*
        type DescribeInstancesItemType: instanceId =.
        type RebootInstancesInfoType: item:RebootInstancesItemType+
        type RebootInstancesItemType: instanceId =.
        type InstanceStateChangeSetType: item:InstanceStateChangeType*
        type InstanceStateChangeType: instanceId, shutdownState:InstanceStateType -2009-10-31,
            currentState:InstanceStateType @2009-10-31, previousState:InstanceStateType
        type MonitorInstancesSetType: item:MonitorInstancesSetItemType+
        type MonitorInstancesSetItemType: instanceId =.
        type MonitorInstancesResponseSetType: item:MonitorInstancesResponseSetItemType*
        type MonitorInstancesResponseSetItemType: instanceId, monitoring:InstanceMonitoringStateType
        type InstanceStatusSetType: item:InstanceStatusItemType*
        type InstanceStatusItemType: instanceId, availabilityZone, eventsSet:InstanceStatusEventsSetType?,
            instanceState:InstanceStateType, systemStatus:InstanceStatusType, instanceStatus:InstanceStatusType
        type InstanceStatusEventsSetType: item:InstanceStatusEventType*
        type InstanceStatusEventType: code, description, notBefore:dateTime, notAfter:dateTime?
        type InstanceStatusType: status, details:InstanceStatusDetailsSetType?
        type InstanceStatusDetailsSetType: item:InstanceStatusDetailsSetItemType*
        type InstanceStatusDetailsSetItemType: name, status, impairedSince:dateTime?
        """

    static let instanceAttributeRows = """
        action DescribeInstanceAttribute @2009-10-31: instanceId, (instanceType:EmptyElementType =Attribute |
            kernel:EmptyElementType =Attribute | ramdisk:EmptyElementType =Attribute |
            userData:EmptyElementType =Attribute | disableApiTermination:EmptyElementType =Attribute |
            instanceInitiatedShutdownBehavior:EmptyElementType =Attribute |
            rootDeviceName:EmptyElementType =Attribute | blockDeviceMapping:EmptyElementType =Attribute |
            sourceDestCheck:EmptyElementType @2011-01-01 =Attribute |
            groupSet:EmptyElementType @2011-01-01 =Attribute | productCodes:EmptyElementType @2011-11-01 =Attribute |
            ebsOptimized:EmptyElementType @2012-07-20 =Attribute) -> instanceId,
            (instanceType:NullableAttributeValueType | kernel:NullableAttributeValueType |
            ramdisk:NullableAttributeValueType | userData:NullableAttributeValueType |
            disableApiTermination:NullableAttributeBooleanValueType |
            instanceInitiatedShutdownBehavior:NullableAttributeValueType | rootDeviceName:NullableAttributeValueType |
            blockDeviceMapping:InstanceBlockDeviceMappingResponseType |
            sourceDestCheck:NullableAttributeBooleanValueType @2011-01-01 | groupSet:GroupSetType @2011-01-01 |
            productCodes:ProductCodesSetType @2011-11-01 | ebsOptimized:NullableAttributeBooleanValueType @2012-07-20)
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
