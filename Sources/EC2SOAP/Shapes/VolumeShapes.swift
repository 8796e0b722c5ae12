extension ShapeTable {
    static let volumeRows = """
        action CreateVolume @2008-05-05: size?, snapshotId?, availabilityZone, volumeType? @2012-07-20,
            iops:int? @2012-07-20 -> volumeId, size, snapshotId, availabilityZone, status, createTime:dateTime,
            volumeType @2012-07-20 !standard, iops:int? @2012-07-20
        action DeleteVolume @2008-05-05: volumeId -> return:boolean
        action DescribeVolumes @2008-05-05: volumeSet:DescribeVolumesSetType =VolumeId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> volumeSet:DescribeVolumesSetResponseType
        action AttachVolume @2008-05-05: volumeId, instanceId, device -> volumeId, instanceId, device, status,
            attachTime:dateTime
        action DetachVolume @2008-05-05: volumeId, instanceId?, device?, force:boolean? -> volumeId, instanceId,
            device, status, attachTime:dateTime
        action CreateSnapshot @2008-05-05: volumeId, description? @2009-08-15 -> snapshotId, volumeId, status,
            startTime:dateTime, progress, ownerId @2009-08-15, volumeSize @2009-08-15, description? @2009-08-15
        action DeleteSnapshot @2008-05-05: snapshotId -> return:boolean
        action DescribeSnapshots @2008-05-05: snapshotSet:DescribeSnapshotsSetType =SnapshotId,
            ownersSet:DescribeSnapshotsOwnersType? @2009-08-15 =Owner,
            restorableBySet:DescribeSnapshotsRestorableBySetType? @2009-08-15 =RestorableBy,
            filterSet:FilterSetType? @2010-08-31 =Filter -> snapshotSet:DescribeSnapshotsSetResponseType
        action DescribeSnapshotAttribute @2009-08-15: snapshotId,
            (createVolumePermission:EmptyElementType =Attribute |
            productCodes:EmptyElementType @2012-04-01 =Attribute) -> snapshotId,
            createVolumePermission:CreateVolumePermissionListType -2012-04-01,
            (createVolumePermission:CreateVolumePermissionListType @2012-04-01 |
            productCodes:ProductCodesSetType @2012-04-01)
        action ModifySnapshotAttribute @2009-08-15: snapshotId,
            createVolumePermission:CreateVolumePermissionOperationType -> return:boolean
        action ResetSnapshotAttribute @2009-08-15: snapshotId, (createVolumePermission:EmptyElementType =Attribute) ->
            return:boolean
        type DescribeVolumesSetType: item:DescribeVolumesSetItemType*
        type DescribeVolumesSetItemType: volumeId =.
        type DescribeVolumesSetResponseType: item:DescribeVolumesSetItemResponseType*
        type DescribeVolumesSetItemResponseType: volumeId, size, snapshotId, availabilityZone, status,
            createTime:dateTime, attachmentSet:AttachmentSetResponseType, tagSet:ResourceTagSetType? @2010-08-31,
            volumeType @2012-07-20 !standard, iops:int? @2012-07-20
        type AttachmentSetResponseType: item:AttachmentSetItemResponseType*
        type AttachmentSetItemResponseType: volumeId, instanceId, device, status, attachTime:dateTime,
            deleteOnTermination:boolean @2009-10-31
        type DescribeSnapshotsSetType: item:DescribeSnapshotsSetItemType*
        type DescribeSnapshotsSetItemType: snapshotId =.
        type DescribeSnapshotsOwnersType: item:DescribeSnapshotsOwnerType*
        type DescribeSnapshotsOwnerType: owner =.
        type DescribeSnapshotsRestorableBySetType: item:DescribeSnapshotsRestorableByType*
        type DescribeSnapshotsRestorableByType: user =.
        type DescribeSnapshotsSetResponseType: item:DescribeSnapshotsSetItemResponseType*
        type DescribeSnapshotsSetItemResponseType: snapshotId, volumeId, status, startTime:dateTime, progress,
            ownerId @2009-08-15, volumeSize @2009-08-15, description? @2009-08-15, ownerAlias? @2009-10-31,
            tagSet:ResourceTagSetType? @2010-08-31
        type CreateVolumePermissionOperationType: (add:CreateVolumePermissionListType |
            remove:CreateVolumePermissionListType)
        type CreateVolumePermissionListType: item:CreateVolumePermissionItemType*
        type CreateVolumePermissionItemType: (userId | group)
        """

    static let otherRows = """
        action DescribeBundleTasks @2008-08-08: bundlesSet:DescribeBundleTasksInfoType =BundleId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> bundleInstanceTasksSet:BundleInstanceTasksSetType
        action BundleInstance @2008-08-08: instanceId, storage:BundleInstanceTaskStorageType =Storage ->
            bundleInstanceTask:BundleInstanceTaskType
        action CancelBundleTask @2008-08-08: bundleId -> bundleInstanceTask:BundleInstanceTaskType
        action DescribeReservedInstances @2009-03-01:
            reservedInstancesSet:DescribeReservedInstancesSetType? =ReservedInstancesId,
            filterSet:FilterSetType? @2010-08-31 =Filter, offeringType? @2011-11-01 ->
            reservedInstancesSet:DescribeReservedInstancesResponseSetType
        action DescribeReservedInstancesOfferings @2009-03-01:
            reservedInstancesOfferingsSet:DescribeReservedInstancesOfferingsSetType? =ReservedInstancesOfferingId,
            instanceType?, availabilityZone?, productDescription?, filterSet:FilterSetType? @2010-08-31 =Filter,
            instanceTenancy? @2011-02-28, offeringType? @2011-11-01, includeMarketplace:boolean? @2012-08-15,
            minDuration:long? @2012-08-15, maxDuration:long? @2012-08-15, maxInstanceCount:int? @2012-08-15,
            nextToken? @2012-08-15, maxResults:int? @2012-08-15 ->
            reservedInstancesOfferingsSet:DescribeReservedInstancesOfferingsResponseSetType, nextToken? @2012-08-15
        action DescribeSpotInstanceRequests @2009-11-30:
            spotInstanceRequestIdSet:SpotInstanceRequestIdSetType =SpotInstanceRequestId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> spotInstanceRequestSet:SpotInstanceRequestSetType
        action CreatePlacementGroup @2010-06-15: groupName, strategy -> return:boolean !true
        action DescribePlacementGroups @2010-06-15: placementGroupSet:DescribePlacementGroupsInfoType =GroupName,
            filterSet:FilterSetType? @2010-08-31 =Filter -> placementGroupSet:PlacementGroupSetType
        action DeletePlacementGroup @2010-06-15: groupName -> return:boolean
        action DescribeAccountAttributes @2012-12-01:
            accountAttributeNameSet:AccountAttributeNameSetType? =AttributeName,
            filterSet:FilterSetType? @2013-02-01 =Filter -> accountAttributeSet:AccountAttributeSetType?
        type DescribeBundleTasksInfoType: item:DescribeBundleTasksItemType*
        type DescribeBundleTasksItemType: bundleId =.
        type BundleInstanceTasksSetType: item:BundleInstanceTaskType*
        type BundleInstanceTaskType: instanceId, bundleId, state, startTime:dateTime, updateTime:dateTime,
            storage:BundleInstanceTaskStorageType, progress?, error:BundleInstanceTaskErrorType?
        type BundleInstanceTaskStorageType: S3:BundleInstanceS3StorageType
        type BundleInstanceS3StorageType: bucket, prefix, awsAccessKeyId?, uploadPolicy?, uploadPolicySignature?
        type BundleInstanceTaskErrorType: code, message
        type DescribeReservedInstancesSetType: item:DescribeReservedInstancesSetItemType*
        type DescribeReservedInstancesSetItemType: reservedInstancesId =.
        type DescribeReservedInstancesResponseSetType: item:DescribeReservedInstancesResponseSetItemType*
        type DescribeReservedInstancesResponseSetItemType: reservedInstancesId, instanceType, availabilityZone,
            start:dateTime, duration:long, fixedPrice:double, usagePrice:double, instanceCount:int,
            productDescription, state, tagSet:ResourceTagSetType? @2010-08-31, instanceTenancy @2011-02-28,
            currencyCode @2011-02-28, offeringType @2011-11-01, recurringCharges:RecurringChargesSetType? @2011-11-01
        type RecurringChargesSetType: item:RecurringChargesSetItemType*
        type RecurringChargesSetItemType: frequency, amount:double
        type PricingDetailsSetType: item:PricingDetailsSetItemType*
        type PricingDetailsSetItemType: price:double, count:int
        type DescribeReservedInstancesOfferingsSetType: item:DescribeReservedInstancesOfferingsSetItemType*
        type DescribeReservedInstancesOfferingsSetItemType: reservedInstancesOfferingId =.
        type DescribeReservedInstancesOfferingsResponseSetType:
            item:DescribeReservedInstancesOfferingsResponseSetItemType*
        type DescribeReservedInstancesOfferingsResponseSetItemType: reservedInstancesOfferingId, instanceType,
            availabilityZone, duration:long, fixedPrice:double, usagePrice:double, productDescription,
            instanceTenancy @2011-02-28, currencyCode @2011-02-28, offeringType @2011-11-01,
            recurringCharges:RecurringChargesSetType @2011-11-01, marketplace:boolean? @2012-08-15,
            pricingDetailsSet:PricingDetailsSetType? @2012-08-15
        type SpotInstanceRequestIdSetType: item:SpotInstanceRequestIdSetItemType*
        type SpotInstanceRequestIdSetItemType: spotInstanceRequestId =.
        type SpotInstanceRequestSetType: item:SpotInstanceRequestSetItemType*
        type SpotInstanceRequestSetItemType: spotInstanceRequestId, spotPrice, type, state,
            fault:SpotInstanceStateFaultType?, status:SpotInstanceStatusMessageType? @2012-10-01,
            validFrom:dateTime?, validUntil:dateTime?, launchGroup?, availabilityZoneGroup?,
            launchSpecification:LaunchSpecificationResponseType?, instanceId?, createTime:dateTime?,
            productDescription?, tagSet:ResourceTagSetType? @2010-08-31, launchedAvailabilityZone? @2011-11-01
        type SpotInstanceStateFaultType: code, message
        type SpotInstanceStatusMessageType: code?, updateTime:dateTime?, message?
        type LaunchSpecificationResponseType: imageId, keyName?, groupSet:GroupSetType, addressingType?, instanceType,
            placement:PlacementRequestType? -2011-02-28, placement:SpotPlacementRequestType? @2011-02-28, kernelId?,
            ramdiskId?, blockDeviceMapping:BlockDeviceMappingType?, monitoring:MonitoringInstanceType?, subnetId?,
            networkInterfaceSet:InstanceNetworkInterfaceSetRequestType? @2011-12-01,
            iamInstanceProfile:IamInstanceProfileRequestType? @2012-06-01, ebsOptimized:boolean? @2012-07-20
        type SpotPlacementRequestType: availabilityZone?, groupName?
        type DescribePlacementGroupsInfoType: item:DescribePlacementGroupItemType*
        type DescribePlacementGroupItemType: groupName =.
        type PlacementGroupSetType: item:PlacementGroupInfoType*
        type PlacementGroupInfoType: groupName, strategy, state
        type AccountAttributeNameSetType: item:AccountAttributeNameSetItemType+ -2013-02-01,
            item:AccountAttributeNameSetItemType* @2013-02-01
        type AccountAttributeNameSetItemType: attributeName =.
        type AccountAttributeSetType: item:AccountAttributeSetItemType+ -2013-02-01,
            item:AccountAttributeSetItemType* @2013-02-01
        type AccountAttributeSetItemType: attributeName, attributeValueSet:AccountAttributeValueSetType
        type AccountAttributeValueSetType: item:AccountAttributeValueSetItemType+ -2013-02-01,
            item:AccountAttributeValueSetItemType* @2013-02-01
        type AccountAttributeValueSetItemType: attributeValue
        """
}
