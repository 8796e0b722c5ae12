import CloudModel
import EC2Query
import QueryProtocol

/// Attributes, templates, placement groups and the account's network.
extension ActionTests {
    static let vpc = NetworkPart.vpc.id(of: FakeCloud.accountID)
    static let subnet = NetworkPart.subnet.id(of: FakeCloud.accountID, zone: "us-east-1a")
    static let template = "lt-0123456789abcdef0"

    static let attributeCases: [ActionCase] = [
        ActionCase(
            "DescribeInstanceAttribute", [("InstanceId", instance), ("Attribute", "userData")],
            asks: "attributes of " + instance, answers: [("instanceId", instance), ("userData/value", "IyE=")]),
        ActionCase(
            "ModifyInstanceAttribute", [("InstanceId", instance), ("DisableApiTermination.Value", "true")],
            asks: "modify \(instance) [CloudModel.InstanceChange.terminationProtection(true)]",
            answers: [("return", "true")]),
        ActionCase(
            "ResetInstanceAttribute", [("InstanceId", instance), ("Attribute", "sourceDestCheck")],
            asks: "modify \(instance) []", answers: [("return", "true")]),
        ActionCase(
            "ModifyInstanceMetadataOptions", [("InstanceId", instance), ("HttpTokens", "required")],
            asks: "modify \(instance) [CloudModel.InstanceChange.metadata(requiresTokens: Optional(true), "
                + "isDisabled: nil, hopLimit: nil)]",
            answers: [
                ("instanceId", instance), ("instanceMetadataOptions/state", "pending"),
                ("instanceMetadataOptions/httpEndpoint", "enabled"),
            ]),
        ActionCase(
            "MonitorInstances", [("InstanceId.1", "i-1")], asks: "monitor [\"i-1\"] true",
            answers: [("instancesSet/item/instanceId", instance), ("instancesSet/item/monitoring/state", "enabled")]),
        ActionCase(
            "UnmonitorInstances", [("InstanceId.1", "i-1")], asks: "monitor [\"i-1\"] false",
            answers: [("instancesSet/item/monitoring/state", "disabled")]),
        ActionCase(
            "StopInstances", [("InstanceId.1", "i-1")], asks: "stop i-1",
            answers: [("instancesSet/item/currentState/name", "stopping")]),
        ActionCase(
            "StartInstances", [("InstanceId.1", "i-1")], asks: "start i-1",
            answers: [("instancesSet/item/instanceId", instance)]),
        ActionCase(
            "ModifyInstanceEventStartTime",
            [
                ("InstanceId", instance), ("InstanceEventId", "instance-event-1"),
                ("NotBefore", "2026-11-21T04:00:00.123Z"),
            ],
            asks: "extend \(instance) instance-event-1 1795233600000",
            answers: [
                ("event/instanceEventId", "instance-event-0123456789abcdef0"), ("event/code", "instance-retirement"),
                ("event/notBefore", "2026-11-21T04:00:00.000Z"),
            ]),
        ActionCase(
            "GetPasswordData", [("InstanceId", instance)], asks: "console " + instance,
            answers: [("instanceId", instance), ("passwordData", "")]),
        ActionCase(
            "DescribeInstanceCreditSpecifications", [("InstanceId.1", instance)], asks: "instances",
            answers: [("instanceCreditSpecificationSet", "")]),
        ActionCase(
            "DescribeImageAttribute", [("ImageId", "ami-1"), ("Attribute", "launchPermission")],
            asks: "own image ami-1",
            answers: [
                ("imageId", "ami-0123456789abcdef0"), ("launchPermission/item/group", "all"),
                ("launchPermission/item/userId", "210987654321"),
            ]),
        ActionCase(
            "ModifyImageAttribute",
            [
                ("ImageId", "ami-1"), ("LaunchPermission.Add.1.UserId", "210987654321"),
                ("LaunchPermission.Remove.1.Group", "all"),
            ],
            asks: "permit ami-1 +[\"210987654321\"] -[\"all\"]", answers: [("return", "true")]),
        ActionCase(
            "ResetImageAttribute", [("ImageId", "ami-1"), ("Attribute", "launchPermission")],
            asks: "change ami-1 resetLaunchPermissions", answers: [("return", "true")]),
        ActionCase(
            "EnableImageDeprecation", [("ImageId", "ami-1"), ("DeprecateAt", "2027-01-01T00:00:00.000Z")],
            asks: "change ami-1 deprecation(Optional(CloudModel.Timestamp(milliseconds: 1798761600000)))",
            answers: [("return", "true")]),
        ActionCase(
            "DisableImageDeprecation", [("ImageId", "ami-1")], asks: "change ami-1 deprecation(nil)",
            answers: [("return", "true")]),
        ActionCase(
            "DisableImage", [("ImageId", "ami-1")], asks: "change ami-1 disabled(true)", answers: [("return", "true")]),
        ActionCase(
            "EnableImage", [("ImageId", "ami-1")], asks: "change ami-1 disabled(false)", answers: [("return", "true")]),
        ActionCase(
            "EnableImageDeregistrationProtection", [("ImageId", "ami-1"), ("WithCooldown", "false")],
            asks: "change ami-1 deregistrationProtection(true)", answers: [("return", "enabled-without-cooldown")]),
        ActionCase(
            "DisableImageDeregistrationProtection", [("ImageId", "ami-1")],
            asks: "change ami-1 deregistrationProtection(false)", answers: [("return", "disabled")]),
        ActionCase(
            "ImportImage",
            [
                ("DiskContainer.1.Format", "RAW"), ("DiskContainer.1.UserBucket.S3Bucket", "b"),
                ("DiskContainer.1.UserBucket.S3Key", "dir/disk"), ("Description", "mine"),
            ],
            asks: "import b/dir/disk RAW",
            answers: [
                ("importTaskId", "import-ami-0123456789abcdef0"), ("status", "active"), ("progress", "0"),
                ("snapshotDetailSet/item/userBucket/s3Bucket", "b"),
                ("snapshotDetailSet/item/userBucket/s3Key", "dir/disk"), ("architecture", "x86_64"),
            ]),
        ActionCase(
            "DescribeImportImageTasks", [("Filters.1.Name", "task-state"), ("Filters.1.Value.1", "active")],
            asks: "imports", answers: [("importImageTaskSet/item/importTaskId", "import-ami-0123456789abcdef0")]),
        ActionCase(
            "CancelImportTask", [("ImportTaskId", "import-ami-1")], asks: "cancel import-ami-1",
            answers: [
                ("importTaskId", "import-ami-0123456789abcdef0"), ("previousState", "active"), ("state", "deleted"),
            ]),
        ActionCase(
            "BundleInstance",
            [
                ("InstanceId", instance), ("Storage.S3.Bucket", "b"), ("Storage.S3.Prefix", "p"),
                ("Storage.S3.AWSAccessKeyId", "AK"), ("Storage.S3.UploadPolicy", "e30="),
                ("Storage.S3.UploadPolicySignature", "c2ln"),
            ],
            asks: "bundle \(instance) b p AK e30= c2ln",
            answers: [
                ("bundleInstanceTask/bundleId", "bun-0123456789abcdef0"), ("bundleInstanceTask/state", "failed"),
                ("bundleInstanceTask/storage/S3/bucket", "b"), ("bundleInstanceTask/error/code", "Client.X"),
                ("bundleInstanceTask/startTime", "1970-01-01T00:00:00.000Z"),
            ]),
        // boto3 takes the policy for bytes, which it puts into Base64: so Base64 is there twice.
        ActionCase(
            "BundleInstance",
            [
                ("InstanceId", instance), ("Storage.S3.Bucket", "b"), ("Storage.S3.Prefix", "p"),
                ("Storage.S3.AWSAccessKeyId", "AK"), ("Storage.S3.UploadPolicy", "ZTMwPQ=="),
                ("Storage.S3.UploadPolicySignature", "c2ln"),
            ],
            asks: "bundle \(instance) b p AK e30= c2ln", answers: [("bundleInstanceTask/progress", "0%")]),
        ActionCase(
            "DescribeBundleTasks",
            [("BundleId.1", "bun-1"), ("Filter.1.Name", "state"), ("Filter.1.Value.1", "failed")],
            asks: "bundles", answers: [("bundleInstanceTasksSet/item/bundleId", "bun-0123456789abcdef0")]),
        ActionCase(
            "CancelBundleTask", [("BundleId", "bun-1")], asks: "cancel bun-1",
            answers: [("bundleInstanceTask/instanceId", "i-0123456789abcdef0")]),
        ActionCase(
            "ReportInstanceStatus",
            [("InstanceId.1", "i-1"), ("Status", "impaired"), ("ReasonCode.1", "unresponsive")],
            asks: "status of [\"i-1\"] true [\"unresponsive\"]", answers: [("return", "true")]),
        ActionCase(
            "ConfirmProductInstance", [("InstanceId", instance), ("ProductCode", "p")], asks: "instances",
            answers: [("return", "false")]),
        ActionCase(
            "DescribeIdFormat", [("Resource", "instance")], asks: "",
            answers: [("statusSet/item/resource", "instance"), ("statusSet/item/useLongIds", "true")]),
        ActionCase(
            "DescribeIdentityIdFormat", [("PrincipalArn", "all")], asks: "",
            answers: [("statusSet/item/useLongIds", "true")]),
        ActionCase(
            "DescribeAggregateIdFormat", asks: "", answers: [("useLongIdsAggregated", "true")]),
        ActionCase(
            "DescribePrincipalIdFormat", [("Resource.1", "instance")], asks: "",
            answers: [
                ("principalSet/item/arn", "arn:aws:iam::\(FakeCloud.accountID):root"),
                ("principalSet/item/statusSet/item/resource", "instance"),
                ("principalSet/item/statusSet/item/useLongIds", "true"),
            ]),
        ActionCase(
            "ModifyIdFormat", [("Resource", "all-current"), ("UseLongIds", "true")], asks: "",
            answers: [("return", "true")]),
        ActionCase(
            "ModifyIdentityIdFormat", [("PrincipalArn", "all"), ("Resource", "instance"), ("UseLongIds", "true")],
            asks: "", answers: [("return", "true")]),
        ActionCase("GetEbsEncryptionByDefault", asks: "", answers: [("ebsEncryptionByDefault", "false")]),
        ActionCase("GetSerialConsoleAccessStatus", asks: "", answers: [("serialConsoleAccessEnabled", "false")]),
        ActionCase("GetImageBlockPublicAccessState", asks: "", answers: [("imageBlockPublicAccessState", "unblocked")]),
        ActionCase("GetSnapshotBlockPublicAccessState", asks: "", answers: [("state", "unblocked")]),
        ActionCase("GetAllowedImagesSettings", asks: "", answers: [("state", "disabled"), ("imageCriterionSet", "")]),
        ActionCase("GetInstanceMetadataDefaults", asks: "", answers: [("accountLevel/managedBy", "account")]),
        ActionCase(
            "GetSecurityGroupsForVpc", [("VpcId", vpc)], asks: "groups",
            answers: [
                ("securityGroupForVpcSet/item/groupId", group), ("securityGroupForVpcSet/item/primaryVpcId", vpc),
            ]),
        ActionCase(
            "CopyImage", [("SourceImageId", "ami-1"), ("SourceRegion", "us-east-1"), ("Name", "copy")],
            asks: "copy ami-1 copy", answers: [("imageId", "ami-0123456789abcdef0")]),
        ActionCase(
            "ModifySecurityGroupRules",
            [
                ("GroupId", group), ("SecurityGroupRule.1.SecurityGroupRuleId", "sgr-1"),
                ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "tcp"),
                ("SecurityGroupRule.1.SecurityGroupRule.FromPort", "80"),
                ("SecurityGroupRule.1.SecurityGroupRule.ToPort", "80"),
                ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "10.0.0.0/8"),
            ],
            asks: "replace [\"sgr-1\"] of " + group, answers: [("return", "true")]),
        ActionCase(
            "UpdateSecurityGroupRuleDescriptionsIngress",
            [
                ("GroupId", group), ("SecurityGroupRuleDescription.1.SecurityGroupRuleId", "sgr-1"),
                ("SecurityGroupRuleDescription.1.Description", "new"),
            ],
            asks: "describe rules ingress [\"sgr-1\"]", answers: [("return", "true")]),
        ActionCase(
            "UpdateSecurityGroupRuleDescriptionsEgress",
            [
                ("GroupId", group), ("IpPermissions.1.IpProtocol", "-1"),
                ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
                ("IpPermissions.1.IpRanges.1.Description", "out"),
            ],
            asks: "describe rules egress []", answers: [("return", "true")]),
    ]

    static let templateCases: [ActionCase] = [
        ActionCase(
            "AssociateIamInstanceProfile",
            [("InstanceId", "i-0123456789abcdef0"), ("IamInstanceProfile.Name", "front")],
            asks: "associate - front with i-0123456789abcdef0",
            answers: [
                ("iamInstanceProfileAssociation/associationId", "iip-assoc-0123456789abcdef0"),
                ("iamInstanceProfileAssociation/state", "associating"),
                ("iamInstanceProfileAssociation/iamInstanceProfile/id", "AIPA1"),
            ]),
        ActionCase(
            "DescribeIamInstanceProfileAssociations", [("AssociationId.1", "iip-assoc-0123456789abcdef0")],
            asks: "associations",
            answers: [
                (
                    "iamInstanceProfileAssociationSet/item/iamInstanceProfile/arn",
                    "arn:aws:iam::123456789012:instance-profile/web/front"
                ), ("nextToken", "more"),
            ]),
        ActionCase(
            "ReplaceIamInstanceProfileAssociation",
            [
                ("AssociationId", "iip-assoc-0123456789abcdef0"),
                ("IamInstanceProfile.Arn", "arn:aws:iam::123456789012:instance-profile/b"),
            ],
            asks: "replace iip-assoc-0123456789abcdef0 by arn:aws:iam::123456789012:instance-profile/b -",
            answers: [("iamInstanceProfileAssociation/instanceId", "i-0123456789abcdef0")]),
        ActionCase(
            "DisassociateIamInstanceProfile", [("AssociationId", "iip-assoc-0123456789abcdef0")],
            asks: "disassociate iip-assoc-0123456789abcdef0",
            answers: [("iamInstanceProfileAssociation/associationId", "iip-assoc-0123456789abcdef0")]),
        ActionCase(
            "CreatePlacementGroup", [("GroupName", "near"), ("Strategy", "cluster")],
            asks: "create placement group near cluster",
            answers: [("return", "true"), ("placementGroup/groupId", "pg-0123456789abcdef0")]),
        ActionCase(
            "DescribePlacementGroups", [("GroupName.1", "near")], asks: "placement groups",
            answers: [
                ("placementGroupSet/item/groupName", "near"), ("placementGroupSet/item/strategy", "cluster"),
                ("placementGroupSet/item/state", "available"),
            ]),
        ActionCase(
            "DeletePlacementGroup", [("GroupName", "near")], asks: "delete placement group near",
            answers: [("return", "true")]),
        ActionCase(
            "CreateLaunchTemplate",
            [
                ("LaunchTemplateName", "web"), ("LaunchTemplateData.InstanceType", "m1.small"),
                ("LaunchTemplateData.SecurityGroupId.1", "sg-1"), ("LaunchTemplateData.NoSuchThing", "x"),
                ("LaunchTemplateData.Placement.<b>", "x"), ("LaunchTemplateData.KeyName", ""),
            ],
            asks: "create template web [\"InstanceType=m1.small\", \"SecurityGroupId.1=sg-1\"]",
            answers: [
                ("launchTemplate/launchTemplateId", template), ("launchTemplate/launchTemplateName", "web"),
                ("launchTemplate/defaultVersionNumber", "1"), ("launchTemplate/latestVersionNumber", "1"),
                ("launchTemplate/createdBy", "arn:aws:iam::123456789012:root"),
                ("launchTemplate/createTime", "2026-11-21T04:00:00.123Z"), ("launchTemplate/tagSet/item/key", "k"),
            ]),
        ActionCase(
            "CreateLaunchTemplateVersion",
            [("LaunchTemplateName", "web"), ("SourceVersion", "1"), ("LaunchTemplateData.InstanceType", "m1.large")],
            asks: "create version of web from 1",
            answers: [
                ("launchTemplateVersion/versionNumber", "2"), ("launchTemplateVersion/defaultVersion", "false"),
                ("launchTemplateVersion/launchTemplateData/networkInterfaceSet/item/groupSet/groupId", "sg-1"),
                (
                    "launchTemplateVersion/launchTemplateData/networkInterfaceSet/item/ipv6AddressesSet/item/ipv6Address",
                    "::1"
                ),
            ]),
        ActionCase(
            "DescribeLaunchTemplates", [("LaunchTemplateId.1", template)], asks: "templates",
            answers: [("launchTemplates/item/launchTemplateId", template)]),
        ActionCase(
            "DescribeLaunchTemplateVersions", [("LaunchTemplateId", template), ("LaunchTemplateVersion.1", "$Latest")],
            asks: "template \(template) -",
            answers: [
                ("launchTemplateVersionSet/item/versionNumber", "1"),
                ("launchTemplateVersionSet/item/versionDescription", "first"),
                ("launchTemplateVersionSet/item/defaultVersion", "true"),
                (
                    "launchTemplateVersionSet/item/launchTemplateData/userData", "YQ=="
                ),
                (
                    "launchTemplateVersionSet/item/launchTemplateData/instanceType", "m1.small"
                ),
                (
                    "launchTemplateVersionSet/item/launchTemplateData/securityGroupIdSet/item", group
                ),
                (
                    "launchTemplateVersionSet/item/launchTemplateData/placement/availabilityZone", "us-east-1a"
                ),
                (
                    "launchTemplateVersionSet/item/launchTemplateData/tagSpecificationSet/item/resourceType", "instance"
                ),
                (
                    "launchTemplateVersionSet/item/launchTemplateData/tagSpecificationSet/item/tagSet/item/value", "<v>"
                ),
                (
                    "launchTemplateVersionSet/item/launchTemplateData/ramDiskId", "ari-0123456789abcdef0"
                ),
            ]),
        ActionCase(
            "GetLaunchTemplateData", [("InstanceId", instance)], asks: "attributes of " + instance,
            answers: [
                ("launchTemplateData/imageId", "ami-0123456789abcdef0"), ("launchTemplateData/userData", "IyE="),
                ("launchTemplateData/securityGroupIdSet/item", group),
                ("launchTemplateData/tagSpecificationSet/item/tagSet/item/key", "Name"),
            ]),
        ActionCase(
            "ModifyLaunchTemplate", [("LaunchTemplateId", template), ("SetDefaultVersion", "1")], asks: "default 1",
            answers: [("launchTemplate/launchTemplateId", template)]),
        ActionCase(
            "DeleteLaunchTemplate", [("LaunchTemplateId", template)], asks: "delete template " + template,
            answers: [("launchTemplate/launchTemplateName", "web")]),
        ActionCase(
            "DeleteLaunchTemplateVersions",
            [
                ("LaunchTemplateId", template), ("LaunchTemplateVersion.1", "3"), ("LaunchTemplateVersion.2", "2"),
                ("LaunchTemplateVersion.3", "1"),
            ],
            asks: "delete versions [3, 2, 1]",
            answers: [
                ("successfullyDeletedLaunchTemplateVersionSet/item/versionNumber", "3"),
                ("unsuccessfullyDeletedLaunchTemplateVersionSet/item/versionNumber", "2"),
                (
                    "unsuccessfullyDeletedLaunchTemplateVersionSet/item/responseError/code",
                    "launchTemplateVersionDoesNotExist"
                ),
            ]),
    ]

    static let networkCases: [ActionCase] = [
        ActionCase(
            "DescribeVpcs", [("VpcId.1", vpc)], asks: "network",
            answers: [
                ("vpcSet/item/vpcId", vpc), ("vpcSet/item/isDefault", "true"), ("vpcSet/item/state", "available"),
                ("vpcSet/item/cidrBlock", "127.1.0.0/16"), ("vpcSet/item/tagSet/item/value", "home"),
                ("vpcSet/item/cidrBlockAssociationSet/item/cidrBlockState/state", "associated"),
            ]),
        ActionCase(
            "DescribeVpcAttribute", [("VpcId", vpc), ("Attribute", "enableDnsSupport")], asks: "network",
            answers: [("vpcId", vpc), ("enableDnsSupport/value", "true")]),
        ActionCase(
            "DescribeSubnets",
            [("Filter.1.Name", "availability-zone"), ("Filter.1.Value.1", "us-*a"), ("SubnetId.1", subnet)],
            asks: "network",
            answers: [
                ("subnetSet/item/subnetId", subnet), ("subnetSet/item/vpcId", vpc),
                ("subnetSet/item/cidrBlock", "127.1.0.0/16"), ("subnetSet/item/defaultForAz", "true"),
                ("subnetSet/item/availableIpAddressCount", "65530"),
                ("subnetSet/item/availabilityZone", "us-east-1a"),
            ]),
        ActionCase(
            "DescribeRouteTables", [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc)], asks: "network",
            answers: [
                ("routeTableSet/item/vpcId", vpc), ("routeTableSet/item/associationSet/item/main", "true"),
                ("routeTableSet/item/routeSet/item/gatewayId", "local"),
            ]),
        ActionCase(
            "DescribeInternetGateways", asks: "network",
            answers: [
                ("internetGatewaySet/item/attachmentSet/item/vpcId", vpc),
                ("internetGatewaySet/item/attachmentSet/item/state", "available"),
            ]),
        ActionCase(
            "DescribeNetworkAcls", [("Filter.1.Name", "default"), ("Filter.1.Value.1", "true")], asks: "network",
            answers: [
                ("networkAclSet/item/default", "true"), ("networkAclSet/item/entrySet/item/ruleAction", "allow"),
                ("networkAclSet/item/associationSet/item/subnetId", subnet),
            ]),
        ActionCase(
            "DescribeNetworkInterfaceAttribute",
            [("NetworkInterfaceId", "eni-0123456789abcdef0"), ("Attribute", "attachment")], asks: "instances",
            answers: [
                ("networkInterfaceId", "eni-0123456789abcdef0"), ("attachment/instanceId", instance),
                ("attachment/deviceIndex", "0"),
            ]),
        ActionCase(
            "DescribeNetworkInterfaces",
            [
                ("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instance),
                ("NetworkInterfaceId.1", "eni-0123456789abcdef0"),
            ], asks: "instances",
            answers: [
                ("networkInterfaceSet/item/networkInterfaceId", "eni-0123456789abcdef0"),
                ("networkInterfaceSet/item/attachment/instanceId", instance),
                ("networkInterfaceSet/item/vpcId", vpc), ("networkInterfaceSet/item/status", "in-use"),
            ]),
        ActionCase(
            "DescribeDhcpOptions", asks: "network",
            answers: [("dhcpOptionsSet/item/dhcpConfigurationSet/item/key", "domain-name-servers")]),
    ]
}
