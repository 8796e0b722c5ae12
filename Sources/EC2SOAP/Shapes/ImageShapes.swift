extension ShapeTable {
    static let imageRows = """
        action RegisterImage: imageLocation -2009-10-31, imageLocation? @2009-10-31, name @2009-10-31,
            description? @2009-10-31, architecture? @2009-10-31, kernelId? @2009-10-31, ramdiskId? @2009-10-31,
            rootDeviceName? @2009-10-31, blockDeviceMapping:BlockDeviceMappingType? @2009-10-31 -> imageId
        action DeregisterImage: imageId -> return:boolean
        action DescribeImages: executableBySet:DescribeImagesExecutableBySetType? =ExecutableBy,
            imagesSet:DescribeImagesInfoType =ImageId, ownersSet:DescribeImagesOwnersType? =Owner,
            filterSet:FilterSetType? @2010-08-31 =Filter -> imagesSet:DescribeImagesResponseInfoType
        action DescribeImageAttribute: imageId, (launchPermission:EmptyElementType =Attribute |
            productCodes:EmptyElementType =Attribute | kernel:EmptyElementType =Attribute |
            ramdisk:EmptyElementType =Attribute | blockDeviceMapping:EmptyElementType =Attribute |
            description:EmptyElementType @2009-10-31 =Attribute |
            instanceTypeCategory:EmptyElementType @2012-03-01 =Attribute) -> imageId,
            (launchPermission:LaunchPermissionListType | productCodes:ProductCodeListType -2012-03-01 |
            productCodes:ProductCodesSetType @2012-03-01 |
            kernel:NullableAttributeValueType | ramdisk:NullableAttributeValueType |
            description:NullableAttributeValueType @2009-10-31 | blockDeviceMapping:BlockDeviceMappingType)
        action ModifyImageAttribute: imageId, (launchPermission:LaunchPermissionOperationType |
            productCodes:ProductCodeListType =ProductCode | description:AttributeValueType @2009-10-31) ->
            return:boolean
        action ResetImageAttribute: imageId, (launchPermission:EmptyElementType =Attribute) -> return:boolean
        action CreateImage @2009-10-31: instanceId, name, description?, noReboot:boolean?,
            blockDeviceMapping:BlockDeviceMappingType? @2012-07-20 -> imageId
        action CopyImage @2013-02-01: sourceRegion, sourceImageId, name, description?, clientToken? -> imageId
        action ConfirmProductInstance: productCode, instanceId -> return:boolean, ownerId?
        type DescribeImagesExecutableBySetType: item:DescribeImagesExecutableByType*
        type DescribeImagesExecutableByType: user =.
        type DescribeImagesInfoType: item:DescribeImagesItemType*
        type DescribeImagesItemType: imageId =.
        type DescribeImagesOwnersType: item:DescribeImagesOwnerType*
        type DescribeImagesOwnerType: owner =.
        type DescribeImagesResponseInfoType: item:DescribeImagesResponseItemType*
        type DescribeImagesResponseItemType: imageId, imageLocation -2009-10-31, imageLocation? @2009-10-31,
            imageState, imageOwnerId, isPublic:boolean, productCodes:ProductCodesSetType?, architecture?, imageType?,
            kernelId?, ramdiskId?, platform? @2008-08-08, stateReason:StateReasonType? @2009-10-31,
            imageOwnerAlias? @2009-10-31, name? @2009-10-31, description? @2009-10-31, rootDeviceType? @2009-10-31,
            rootDeviceName? @2009-10-31, blockDeviceMapping:BlockDeviceMappingType? @2009-10-31,
            virtualizationType? @2010-06-15, tagSet:ResourceTagSetType? @2010-08-31, hypervisor? @2010-11-15
        type LaunchPermissionOperationType: (add:LaunchPermissionListType | remove:LaunchPermissionListType)
        type LaunchPermissionListType: item:LaunchPermissionItemType*
        type LaunchPermissionItemType: (userId | group)
        type ProductCodeListType: item:ProductCodeItemType*
        type ProductCodeItemType: (productCode =.)
        """

    static let keyPairAndTagRows = """
        action CreateKeyPair: keyName -> keyName, keyFingerprint, keyMaterial
        action ImportKeyPair @2010-08-31: keyName, publicKeyMaterial -> keyName, keyFingerprint
        action DescribeKeyPairs: keySet:DescribeKeyPairsInfoType =KeyName,
            filterSet:FilterSetType? @2010-08-31 =Filter -> keySet:DescribeKeyPairsResponseInfoType
        action DeleteKeyPair: keyName -> return:boolean
        type DescribeKeyPairsInfoType: item:DescribeKeyPairsItemType*
        type DescribeKeyPairsItemType: keyName =.
        type DescribeKeyPairsResponseInfoType: item:DescribeKeyPairsResponseItemType*
        type DescribeKeyPairsResponseItemType: keyName, keyFingerprint
        action CreateTags @2010-08-31: resourcesSet:ResourceIdSetType =ResourceId, tagSet:ResourceTagSetType =Tag ->
            return:boolean
        action DeleteTags @2010-08-31: resourcesSet:ResourceIdSetType =ResourceId, tagSet:DeleteTagsSetType =Tag ->
            return:boolean
        action DescribeTags @2010-08-31: filterSet:FilterSetType? =Filter -> tagSet:TagSetType
        type ResourceIdSetType: item:ResourceIdSetItemType*
        type ResourceIdSetItemType: resourceId =.
        type ResourceTagSetType: item:ResourceTagSetItemType*
        type ResourceTagSetItemType: key, value
        type DeleteTagsSetType: item:DeleteTagsSetItemType*
        type DeleteTagsSetItemType: key?, value?
        type TagSetType: item:TagSetItemType*
        type TagSetItemType: resourceId?, resourceType?, key?, value?
        """
}
