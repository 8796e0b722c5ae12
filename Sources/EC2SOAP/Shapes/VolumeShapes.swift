extension ShapeTable {
    static let volumeRows = """
        action CreateVolume @2008-05-05: size?, snapshotId?, availabilityZone, volumeType? @2012-07-20,
            iops:int? @2012-07-20 -> volumeId, size, snapshotId, availabilityZone, status, createTime:dateTime,
            volumeType? @2012-07-20, iops:int? @2012-07-20
        action DeleteVolume @2008-05-05: volumeId -> return:boolean
        action DescribeVolumes @2008-05-05: volumeSet:DescribeVolumesSetType =VolumeId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> volumeSet:DescribeVolumesSetResponseType
        action AttachVolume @2008-05-05: volumeId, instanceId, device -> volumeId, instanceId, device, status,
            attachTime:dateTime
        action DetachVolume @2008-05-05: volumeId, instanceId?, device?, force:boolean? -> volumeId, instanceId,
            device, status, attachTime:dateTime
        action CreateSnapshot @2008-05-05: volumeId, description? @2009-10-31 -> snapshotId, volumeId, status,
            startTime:dateTime, progress, ownerId @2009-10-31, volumeSize @2009-10-31, description? @2009-10-31
        action DeleteSnapshot @2008-05-05: snapshotId -> return:boolean
        action DescribeSnapshots @2008-05-05: snapshotSet:DescribeSnapshotsSetType =SnapshotId,
            ownersSet:DescribeSnapshotsOwnersType? @2009-10-31 =Owner,
            restorableBySet:DescribeSnapshotsRestorableBySetType? @2009-10-31 =RestorableBy,
            filterSet:FilterSetType? @2010-08-31 =Filter -> snapshotSet:DescribeSnapshotsSetResponseType
        action DescribeSnapshotAttribute @2009-10-31: snapshotId,
            (createVolumePermission:EmptyElementType =Attribute) -> snapshotId,
            createVolumePermission:CreateVolumePermissionListType
        action ModifySnapshotAttribute @2009-10-31: snapshotId,
            createVolumePermission:CreateVolumePermissionOperationType -> return:boolean
        action ResetSnapshotAttribute @2009-10-31: snapshotId, (createVolumePermission:EmptyElementType =Attribute) ->
            return:boolean
        type DescribeVolumesSetType: item:DescribeVolumesSetItemType*
        type DescribeVolumesSetItemType: volumeId =.
        type DescribeVolumesSetResponseType: item:DescribeVolumesSetItemResponseType*
        type DescribeVolumesSetItemResponseType: volumeId, size, snapshotId, availabilityZone, status,
            createTime:dateTime, attachmentSet:AttachmentSetResponseType, tagSet:ResourceTagSetType? @2010-08-31,
            volumeType? @2012-07-20, iops:int? @2012-07-20
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
            ownerId @2009-10-31, volumeSize @2009-10-31, description? @2009-10-31, ownerAlias? @2009-10-31,
            tagSet:ResourceTagSetType? @2010-08-31
        type CreateVolumePermissionOperationType: (add:CreateVolumePermissionListType |
            remove:CreateVolumePermissionListType)
        type CreateVolumePermissionListType: item:CreateVolumePermissionItemType*
        type CreateVolumePermissionItemType: (userId | group)
        """

    static let otherRows = """
        action DescribeBundleTasks @2008-12-01: bundlesSet:DescribeBundleTasksInfoType =BundleId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> bundleInstanceTasksSet:BundleInstanceTasksSetType
        action DescribeReservedInstances @2009-03-01:
            reservedInstancesSet:DescribeReservedInstancesSetType? =ReservedInstancesId,
            filterSet:FilterSetType? @2010-08-31 =Filter ->
            reservedInstancesSet:DescribeReservedInstancesResponseSetType
        action DescribeReservedInstancesOfferings @2009-03-01:
            reservedInstancesOfferingsSet:DescribeReservedInstancesOfferingsSetType? =ReservedInstancesOfferingId,
            instanceType?, availabilityZone?, productDescription?, filterSet:FilterSetType? @2010-08-31 =Filter ->
            reservedInstancesOfferingsSet:DescribeReservedInstancesOfferingsResponseSetType
        action DescribeSpotInstanceRequests @2009-11-30:
            spotInstanceRequestIdSet:SpotInstanceRequestIdSetType =SpotInstanceRequestId,
            filterSet:FilterSetType? @2010-08-31 =Filter -> spotInstanceRequestSet:SpotInstanceRequestSetType
        action CreatePlacementGroup @2010-06-15: groupName, strategy -> return:boolean !true
        action DescribePlacementGroups @2010-06-15: placementGroupSet:DescribePlacementGroupsInfoType =GroupName,
            filterSet:FilterSetType? @2010-08-31 =Filter -> placementGroupSet:PlacementGroupSetType
        action DeletePlacementGroup @2010-06-15: groupName -> return:boolean
        action DescribeAccountAttributes @2012-12-01:
            accountAttributeNameSet:AccountAttributeNameSetType? =AttributeName,
            filterSet:FilterSetType? =Filter -> accountAttributeSet:AccountAttributeSetType
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
            start:dateTime @2009-10-31, duration:long, fixedPrice:double, usagePrice:double, instanceCount:int,
            productDescription, state
        type DescribeReservedInstancesOfferingsSetType: item:DescribeReservedInstancesOfferingsSetItemType*
        type DescribeReservedInstancesOfferingsSetItemType: reservedInstancesOfferingId =.
        type DescribeReservedInstancesOfferingsResponseSetType:
            item:DescribeReservedInstancesOfferingsResponseSetItemType*
        type DescribeReservedInstancesOfferingsResponseSetItemType: reservedInstancesOfferingId, instanceType,
            availabilityZone, duration:long, fixedPrice:double, usagePrice:double, productDescription
        type SpotInstanceRequestIdSetType: item:SpotInstanceRequestIdSetItemType*
        type SpotInstanceRequestIdSetItemType: spotInstanceRequestId =.
        type SpotInstanceRequestSetType: item:SpotInstanceRequestSetItemType*
        type SpotInstanceRequestSetItemType: spotInstanceRequestId, spotPrice, type, state
        type DescribePlacementGroupsInfoType: item:DescribePlacementGroupItemType*
        type DescribePlacementGroupItemType: groupName =.
        type PlacementGroupSetType: item:PlacementGroupInfoType*
        type PlacementGroupInfoType: groupName, strategy, state
        type AccountAttributeNameSetType: item:AccountAttributeNameSetItemType*
        type AccountAttributeNameSetItemType: attributeName =.
        type AccountAttributeSetType: item:AccountAttributeSetItemType*
        type AccountAttributeSetItemType: attributeName, attributeValueSet:AccountAttributeValueSetType
        type AccountAttributeValueSetType: item:AccountAttributeValueSetItemType*
        type AccountAttributeValueSetItemType: attributeValue
        """
}
