import CloudModel
import EC2Query
import QueryProtocol
import Testing
import XML

/// A request that must be answered with one of EC2's documented errors: because of its parameters, or because the back
/// end fails as it does for the documented cause.
struct ErrorCase: Sendable, CustomTestStringConvertible {
    var action: String
    var parameters: [(String, String)]
    var failure: CloudError?
    var code: String

    init(_ action: String, _ parameters: [(String, String)] = [], _ failure: CloudError? = nil, _ code: String) {
        self.action = action
        self.parameters = parameters
        self.failure = failure
        self.code = code
    }

    var testDescription: String { action + " " + code }
}

/// Codes: "Error codes for the Amazon EC2 API" in the API reference.
@Suite struct ErrorTests {
    @Test(arguments: cases) func `each documented error has EC2's code`(example: ErrorCase) async {
        let cloud = TestCloud(isAdministrator: true)
        await cloud.backend.fail(with: example.failure)
        let answer = await cloud.send(example.action, example.parameters)
        #expect(answer.code == example.code, "\(answer.message ?? "")")
        #expect(answer.message?.isEmpty == false)
        #expect(answer.status >= 400 && answer.status != 500)
    }

    @Test func `no action of the table is without an error`() {
        #expect(Set(Self.cases.map(\.action)) == Set(EC2Action.all.map(\.name)))
    }

    @Test(arguments: EC2Action.all) func `no action is done for strangers, and some only for administrators`(
        action: EC2Action
    ) async throws {
        let example = try #require(ActionTests.cases.first { $0.action == action.name })
        let cloud = TestCloud(isAdministrator: false)
        let unsigned = await cloud.send(
            EC2Request(
                id: requestID, method: "GET", path: "/", query: "Action=" + action.name,
                headers: [(name: "Host", value: "127.0.0.1:8773")], sourceAddress: "192.0.2.9"))
        #expect(unsigned.code == "MissingAuthenticationToken")
        #expect(await cloud.send(action.name, example.parameters, secret: "wrong").code == "SignatureDoesNotMatch")
        #expect(
            await cloud.send(action.name, example.parameters, accessKeyID: "AKIAUNKNOWN000000000").code
                == "AuthFailure")
        #expect(await cloud.backend.asked.isEmpty)
        let asUser = await cloud.send(action.name, example.parameters)
        #expect(asUser.code == (action.authorization == .administrator ? "UnauthorizedOperation" : nil))
    }

    private static let i = "i-0123456789abcdef0"
    private static let noInstance = CloudError.notFound(.instance, [i])
    private static let badInstance = CloudError.malformedID(.instance, "x")
    private static let noImage = CloudError.notFound(.image, ["ami-0123abcd"])
    private static let noGroup = CloudError.notFound(.securityGroup, ["sg-0123abcd"])
    private static let noTemplate = CloudError.notFound(.launchTemplate, ["lt-0123abcd"])
    private static let noVersion = CloudError.notFound(.launchTemplateVersion, ["lt-0123abcd version 9"])
    private static let stopped = CloudError.incorrectState(.instance, i, state: "pending", operation: "it")
    private static let run = RunInstancesTests.minimal
    private static let noBundle = CloudError.notFound(.bundleTask, ["bun-1"])
    private static let bundle = [
        ("InstanceId", "i-1"), ("Storage.S3.Bucket", "b"), ("Storage.S3.Prefix", "p"),
        ("Storage.S3.AWSAccessKeyId", "AK"), ("Storage.S3.UploadPolicy", "e30="),
        ("Storage.S3.UploadPolicySignature", "c2ln"),
    ]
    private static let noImport = CloudError.notFound(.imageImport, ["x"])
    private static let disk = [
        ("DiskContainer.1.Format", "RAW"), ("DiskContainer.1.UserBucket.S3Bucket", "b"),
        ("DiskContainer.1.UserBucket.S3Key", "k"),
    ]
    private static let filter = [("Filter.1.Name", "no-such"), ("Filter.1.Value.1", "x")]
    private static let rule = [
        ("GroupId", "sg-0123abcd"), ("IpPermissions.1.IpProtocol", "tcp"), ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"), ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ]

    static let cases: [ErrorCase] =
        instanceCases + attributeCases + imageCases + keyCases + groupCases + templateCases + networkCases

    private static let instanceCases: [ErrorCase] = [
        ErrorCase("RunInstances", "MissingParameter"),
        ErrorCase("RunInstances", run, noImage, "InvalidAMIID.NotFound"),
        ErrorCase("RunInstances", run, .malformedID(.image, "x"), "InvalidAMIID.Malformed"),
        ErrorCase("RunInstances", run, .notFound(.keyPair, ["k"]), "InvalidKeyPair.NotFound"),
        ErrorCase("RunInstances", run, noGroup, "InvalidGroup.NotFound"),
        ErrorCase("RunInstances", run, .notFound(.placementGroup, ["g"]), "InvalidPlacementGroup.Unknown"),
        ErrorCase(
            "RunInstances", run, .limitExceeded(.instance, limit: 1, inUse: 1, requested: 1), "InstanceLimitExceeded"),
        ErrorCase("RunInstances", run, .idempotentParameterMismatch(token: "t"), "IdempotentParameterMismatch"),
        ErrorCase("RunInstances", run + [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("RunInstances", run + [("UserData", "%")], "InvalidUserData.Malformed"),
        ErrorCase("RunInstances", run + [("BlockDeviceMapping.1.DeviceName", "/dev/sdb")], "MissingParameter"),
        ErrorCase(
            "RunInstances",
            run + [("BlockDeviceMapping.1.DeviceName", "/dev/sdb"), ("BlockDeviceMapping.1.Ebs.VolumeType", "gp2")],
            "MissingParameter"),
        ErrorCase("DescribeInstances", [], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase("DescribeInstances", [], badInstance, "InvalidInstanceID.Malformed"),
        ErrorCase("DescribeInstances", [], .invalidNextToken("t"), "InvalidNextToken"),
        ErrorCase("DescribeInstances", [("Filter.1.Name", "x")], "MissingParameter"),
        ErrorCase("DescribeInstanceStatus", [("IncludeAllInstances", "x")], "InvalidParameterValue"),
        ErrorCase("DescribeInstanceStatus", [], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase("TerminateInstances", "InvalidParameterCombination"),
        ErrorCase("TerminateInstances", [("InstanceId.1", i)], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase("TerminateInstances", [("InstanceId.1", i)], .notPermitted("protected"), "OperationNotPermitted"),
        ErrorCase("RebootInstances", "InvalidParameterCombination"),
        ErrorCase("RebootInstances", [("InstanceId.1", i)], stopped, "IncorrectInstanceState"),
        ErrorCase("ReportInstanceStatus", [("InstanceId.1", i), ("Status", "ok")], "MissingParameter"),
        ErrorCase("ReportInstanceStatus", [("InstanceId.1", i), ("Status", "well")], "InvalidParameterValue"),
        ErrorCase(
            "ReportInstanceStatus", [("InstanceId.1", i), ("Status", "ok"), ("ReasonCode.1", "x")],
            "InvalidParameterValue"),
        ErrorCase(
            "ReportInstanceStatus", [("InstanceId.1", i), ("Status", "ok"), ("ReasonCode.1", "other")], noInstance,
            "InvalidInstanceID.NotFound"),
        ErrorCase("ConfirmProductInstance", [("InstanceId", i)], "MissingParameter"),
        ErrorCase(
            "ConfirmProductInstance", [("InstanceId", i), ("ProductCode", "p")], noInstance,
            "InvalidInstanceID.NotFound"),
        ErrorCase("GetConsoleOutput", [("InstanceId", i)], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase("GetConsoleOutput", [("InstanceId.1", i), ("InstanceId.2", i)], "InvalidParameterCombination"),
        ErrorCase("StopInstances", [("InstanceId.1", i)], .unsupported("no EBS"), "UnsupportedOperation"),
        ErrorCase("StopInstances", [("InstanceId.1", i)], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase("StartInstances", [("InstanceId.1", i)], .unsupported("no EBS"), "UnsupportedOperation"),
        ErrorCase("StartInstances", "InvalidParameterCombination"),
    ]

    private static let attributeCases: [ErrorCase] = [
        ErrorCase("DescribeInstanceAttribute", [("InstanceId", i)], "MissingParameter"),
        ErrorCase("DescribeInstanceAttribute", [("InstanceId", i), ("Attribute", "x")], "InvalidParameterValue"),
        ErrorCase(
            "DescribeInstanceAttribute", [("InstanceId", i), ("Attribute", "userData")], noInstance,
            "InvalidInstanceID.NotFound"),
        ErrorCase(
            "ModifyInstanceAttribute", [("InstanceId", i), ("InstanceType.Value", "m1.large")], stopped,
            "IncorrectInstanceState"),
        ErrorCase(
            "ModifyInstanceAttribute", [("InstanceId", i), ("GroupId.1", "sg-0123abcd")], noGroup,
            "InvalidGroup.NotFound"),
        ErrorCase("ResetInstanceAttribute", [("InstanceId", i), ("Attribute", "userData")], "InvalidParameterValue"),
        ErrorCase(
            "ResetInstanceAttribute", [("InstanceId", i), ("Attribute", "kernel")], stopped, "IncorrectInstanceState"),
        ErrorCase("MonitorInstances", "MissingParameter"),
        ErrorCase("MonitorInstances", [("InstanceId.1", i)], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase("UnmonitorInstances", [("InstanceId.1", "x")], badInstance, "InvalidInstanceID.Malformed"),
        ErrorCase(
            "ModifyInstanceEventStartTime", [("InstanceId", i), ("InstanceEventId", "x"), ("NotBefore", "tomorrow")],
            "InvalidParameterValue"),
        ErrorCase(
            "ModifyInstanceEventStartTime",
            [("InstanceId", i), ("InstanceEventId", "x"), ("NotBefore", "2026-11-21T04:00:00Z")], noInstance,
            "InvalidInstanceID.NotFound"),
        ErrorCase("GetPasswordData", "MissingParameter"),
        ErrorCase("GetPasswordData", [("InstanceId", i)], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase(
            "DescribeInstanceCreditSpecifications", [("InstanceId.1", i)], noInstance, "InvalidInstanceID.NotFound"),
    ]

    private static let imageCases: [ErrorCase] = [
        ErrorCase("RegisterImage", "MissingParameter"),
        ErrorCase("RegisterImage", [("ImageLocation", "b/k")], .duplicate(.image, "n"), "InvalidAMIName.Duplicate"),
        ErrorCase(
            "RegisterImage", [("ImageLocation", "b/image.manifest.xml")], .unsupported("no bundles"),
            "UnsupportedOperation"),
        ErrorCase("ImportImage", "MissingParameter"),
        ErrorCase("ImportImage", disk + [("DiskContainer.2.Format", "RAW")], "UnsupportedOperation"),
        ErrorCase("ImportImage", disk + [("Encrypted", "true")], "UnsupportedOperation"),
        ErrorCase("ImportImage", disk + [("DiskContainer.1.Url", "http://x/y")], "InvalidParameterValue"),
        ErrorCase("ImportImage", disk, .idempotentParameterMismatch(token: "t"), "IdempotentParameterMismatch"),
        ErrorCase(
            "ImportImage", disk, .limitExceeded(.imageImport, limit: 20, inUse: 20, requested: 1),
            "ResourceLimitExceeded"),
        ErrorCase("ImportImage", disk + [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("DescribeImportImageTasks", [], noImport, "InvalidConversionTaskId"),
        ErrorCase(
            "DescribeImportImageTasks", [], .malformedID(.imageImport, "x"), "InvalidConversionTaskId.Malformed"),
        ErrorCase("DescribeImportImageTasks", [("Filters.1.Name", "x")], "MissingParameter"),
        ErrorCase("BundleInstance", "MissingParameter"),
        ErrorCase("BundleInstance", [("InstanceId", "i-1"), ("Storage.S3.Bucket", "b")], "MissingParameter"),
        ErrorCase(
            "BundleInstance", bundle, .notFound(.instance, ["i-0123456789abcdef0"]), "InvalidInstanceID.NotFound"),
        ErrorCase("BundleInstance", bundle, .malformedID(.instance, "x"), "InvalidInstanceID.Malformed"),
        ErrorCase(
            "BundleInstance", bundle, .inUse(.bundleTask, "i-0123456789abcdef0", by: "bun-1"), "BundlingInProgress"),
        ErrorCase(
            "BundleInstance", bundle, .incorrectState(.instance, "i-1", state: "pending", operation: "it"),
            "IncorrectInstanceState"),
        ErrorCase(
            "BundleInstance", bundle, .invalidValue(parameter: "Storage.S3.UploadPolicy", value: "", reason: "no"),
            "InvalidParameterValue"),
        ErrorCase("BundleInstance", bundle + [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("DescribeBundleTasks", [], noBundle, "InvalidBundleID.NotFound"),
        ErrorCase("DescribeBundleTasks", [], .malformedID(.bundleTask, "x"), "InvalidBundleID.Malformed"),
        ErrorCase("DescribeBundleTasks", [("Filter.1.Name", "x")], "MissingParameter"),
        ErrorCase("CancelBundleTask", "MissingParameter"),
        ErrorCase("CancelBundleTask", [("BundleId", "bun-1")], noBundle, "InvalidBundleID.NotFound"),
        ErrorCase("CancelBundleTask", [("BundleId", "x")], .malformedID(.bundleTask, "x"), "InvalidBundleID.Malformed"),
        ErrorCase(
            "CancelBundleTask", [("BundleId", "bun-1")],
            .incorrectState(.bundleTask, "bun-1", state: "complete", operation: "it"), "IncorrectState"),
        ErrorCase("CancelImportTask", "MissingParameter"),
        ErrorCase("CancelImportTask", [("ImportTaskId", "x")], noImport, "InvalidConversionTaskId"),
        ErrorCase(
            "CancelImportTask", [("ImportTaskId", "x")],
            .incorrectState(.imageImport, "x", state: "completed", operation: "it"), "IncorrectState"),
        ErrorCase("DescribeIdFormat", [("Resource", "moon")], "InvalidParameterValue"),
        ErrorCase("DescribeIdentityIdFormat", "MissingParameter"),
        ErrorCase("DescribeIdentityIdFormat", [("PrincipalArn", "me")], "InvalidParameterValue"),
        ErrorCase("DescribeAggregateIdFormat", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("ModifyInstanceMetadataOptions", [("InstanceId", i)], "MissingParameter"),
        ErrorCase(
            "ModifyInstanceMetadataOptions", [("InstanceId", i), ("HttpTokens", "sometimes")], "InvalidParameterValue"),
        ErrorCase(
            "ModifyInstanceMetadataOptions", [("InstanceId", i), ("HttpPutResponseHopLimit", "65")],
            "InvalidParameterValue"),
        ErrorCase(
            "ModifyInstanceMetadataOptions",
            [("InstanceId", i), ("HttpTokens", "required"), ("InstanceMetadataTags", "enabled")],
            "UnsupportedOperation"),
        ErrorCase(
            "ModifyInstanceMetadataOptions", [("InstanceId", i), ("HttpTokens", "required")], noInstance,
            "InvalidInstanceID.NotFound"),
        ErrorCase("DescribePrincipalIdFormat", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("DescribePrincipalIdFormat", [("Resource.1", "moon")], "InvalidParameterValue"),
        ErrorCase("DescribePrincipalIdFormat", [("NextToken", "x")], "InvalidNextToken"),
        ErrorCase("ModifyIdFormat", [("Resource", "instance")], "MissingParameter"),
        ErrorCase("ModifyIdFormat", [("Resource", "moon"), ("UseLongIds", "true")], "InvalidParameterValue"),
        ErrorCase("ModifyIdFormat", [("Resource", "instance"), ("UseLongIds", "false")], "OperationNotPermitted"),
        ErrorCase("ModifyIdentityIdFormat", [("Resource", "instance"), ("UseLongIds", "true")], "MissingParameter"),
        ErrorCase("GetEbsEncryptionByDefault", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("GetSerialConsoleAccessStatus", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("GetImageBlockPublicAccessState", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("GetSnapshotBlockPublicAccessState", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("GetAllowedImagesSettings", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("GetInstanceMetadataDefaults", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("EnableImageDeprecation", [("ImageId", "ami-1")], "MissingParameter"),
        ErrorCase("EnableImageDeprecation", [("ImageId", "ami-1"), ("DeprecateAt", "soon")], "InvalidParameterValue"),
        ErrorCase("DisableImageDeprecation", [("ImageId", "ami-0123abcd")], noImage, "InvalidAMIID.NotFound"),
        ErrorCase("DisableImage", [("ImageId", "ami-0123abcd")], noImage, "InvalidAMIID.NotFound"),
        ErrorCase(
            "DisableImage", [("ImageId", "ami-1")],
            .incorrectState(.image, "ami-1", state: "pending", operation: "DisableImage"), "InvalidAMIID.Unavailable"),
        ErrorCase("EnableImage", [("ImageId", "ami-0123abcd")], noImage, "InvalidAMIID.NotFound"),
        ErrorCase(
            "EnableImageDeregistrationProtection", [("ImageId", "ami-1"), ("WithCooldown", "true")],
            "UnsupportedOperation"),
        ErrorCase(
            "DisableImageDeregistrationProtection", [("ImageId", "ami-0123abcd")], noImage, "InvalidAMIID.NotFound"),
        ErrorCase("DeregisterImage", [("ImageId", "ami-0123abcd")], noImage, "InvalidAMIID.NotFound"),
        ErrorCase("DescribeImages", [("ImageId.1", "ami-0123abcd")], noImage, "InvalidAMIID.NotFound"),
        ErrorCase("DescribeImageAttribute", [("ImageId", "ami-1"), ("Attribute", "x")], "InvalidParameterValue"),
        ErrorCase(
            "DescribeImageAttribute", [("ImageId", "ami-1"), ("Attribute", "kernel")], noImage,
            "InvalidAMIID.NotFound"),
        ErrorCase("ModifyImageAttribute", [("ImageId", "ami-1")], "MissingParameter"),
        ErrorCase(
            "ModifyImageAttribute", [("ImageId", "ami-1"), ("LaunchPermission.Add.1.Group", "some")],
            "InvalidAMIAttributeItemValue"),
        ErrorCase(
            "ModifyImageAttribute", [("ImageId", "ami-1"), ("LaunchPermission.Add.1.UserId", "1")],
            .invalidValue(parameter: "LaunchPermission", value: "1", reason: "no account"),
            "InvalidAMIAttributeItemValue"),
        ErrorCase("ModifyImageAttribute", [("ImageId", "ami-1"), ("ProductCode.1", "x")], "UnsupportedOperation"),
        ErrorCase("ResetImageAttribute", [("ImageId", "ami-1"), ("Attribute", "kernel")], "InvalidParameterValue"),
        ErrorCase("CopyImage", [("SourceImageId", "ami-1")], "MissingParameter"),
        ErrorCase(
            "CopyImage", [("SourceImageId", "ami-1"), ("SourceRegion", "r"), ("Name", "n")], noImage,
            "InvalidAMIID.NotFound"),
        ErrorCase(
            "CopyImage", [("SourceImageId", "ami-1"), ("SourceRegion", "r"), ("Name", "n"), ("Encrypted", "true")],
            "UnsupportedOperation"),
    ]

    private static let keyCases: [ErrorCase] = [
        ErrorCase("CreateKeyPair", "MissingParameter"),
        ErrorCase("CreateKeyPair", [("KeyName", "k")], .duplicate(.keyPair, "k"), "InvalidKeyPair.Duplicate"),
        ErrorCase("ImportKeyPair", [("KeyName", "k"), ("PublicKeyMaterial", "%")], "InvalidKey.Format"),
        ErrorCase("DescribeKeyPairs", [], .notFound(.keyPair, ["k"]), "InvalidKeyPair.NotFound"),
        ErrorCase("DeleteKeyPair", "MissingParameter"),
        ErrorCase("CreateTags", "MissingParameter"),
        ErrorCase(
            "CreateTags", [("ResourceId.1", "x-1"), ("Tag.1.Key", "k")], .malformedID(.tag, "x-1"), "InvalidID"),
        ErrorCase(
            "CreateTags", [("ResourceId.1", i), ("Tag.1.Key", "k")],
            .limitExceeded(.tag, limit: 50, inUse: 50, requested: 1), "TagLimitExceeded"),
        ErrorCase("GetSecurityGroupsForVpc", "MissingParameter"),
        ErrorCase("GetSecurityGroupsForVpc", [("VpcId", "vpc-0123abcd")], "InvalidVpcID.NotFound"),
        ErrorCase(
            "GetSecurityGroupsForVpc",
            [("VpcId", ActionTests.vpc), ("Filter.1.Name", "x"), ("Filter.1.Value.1", "y")], "InvalidParameterValue"),
        ErrorCase("DeleteTags", [("ResourceId.1", i)], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase("DescribeTags", [("MaxResults", "x")], "InvalidParameterValue"),
        ErrorCase("DescribeAccountAttributes", [("AttributeName.1", "x")], "InvalidParameterValue"),
    ]

    private static let groupCases: [ErrorCase] = [
        ErrorCase("CreateSecurityGroup", [("GroupName", "g")], "MissingParameter"),
        ErrorCase(
            "CreateSecurityGroup", [("GroupName", "g"), ("GroupDescription", "d")], .duplicate(.securityGroup, "g"),
            "InvalidGroup.Duplicate"),
        ErrorCase(
            "CreateSecurityGroup", [("GroupName", "g"), ("GroupDescription", "d"), ("VpcId", "vpc-0123abcd")],
            "InvalidVpcID.NotFound"),
        ErrorCase("DescribeSecurityGroups", [("GroupId.1", "sg-0123abcd")], noGroup, "InvalidGroup.NotFound"),
        ErrorCase(
            "DeleteSecurityGroup", [("GroupId", "sg-0123abcd")], .inUse(.securityGroup, "sg", by: "1 instance"),
            "InvalidGroup.InUse"),
        ErrorCase("AuthorizeSecurityGroupIngress", rule, .duplicate(.permission, "x"), "InvalidPermission.Duplicate"),
        ErrorCase("AuthorizeSecurityGroupIngress", [("GroupId", "sg-0123abcd")], "MissingParameter"),
        ErrorCase(
            "AuthorizeSecurityGroupEgress", rule,
            .limitExceeded(.securityGroupRule, limit: 60, inUse: 60, requested: 1),
            "RulesPerSecurityGroupLimitExceeded"),
        ErrorCase("RevokeSecurityGroupIngress", rule, .notFound(.permission, ["x"]), "InvalidPermission.NotFound"),
        ErrorCase("RevokeSecurityGroupEgress", rule, noGroup, "InvalidGroup.NotFound"),
        ErrorCase(
            "DescribeSecurityGroupRules", [("SecurityGroupRuleId.1", "sgr-0123abcd")],
            "InvalidSecurityGroupRuleId.NotFound"),
        ErrorCase(
            "DescribeSecurityGroupRules", [("SecurityGroupRuleId.1", "x")], "InvalidSecurityGroupRuleId.Malformed"),
        ErrorCase(
            "DescribeSecurityGroupRules", [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", "foobar")],
            "InvalidGroupId.Malformed"),
        ErrorCase("ModifySecurityGroupRules", [("GroupId", "sg-0123abcd")], "MissingParameter"),
        ErrorCase(
            "ModifySecurityGroupRules",
            [
                ("GroupId", "sg-0123abcd"), ("SecurityGroupRule.1.SecurityGroupRuleId", "sgr-1"),
                ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "tcp"),
            ], "MissingParameter"),
        ErrorCase(
            "ModifySecurityGroupRules",
            [
                ("GroupId", "sg-0123abcd"), ("SecurityGroupRule.1.SecurityGroupRuleId", "sgr-1"),
                ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "10.0.0.0/8"),
            ], "InvalidParameterValue"),
        ErrorCase(
            "ModifySecurityGroupRules",
            [
                ("GroupId", "sg-0123abcd"), ("SecurityGroupRule.1.SecurityGroupRuleId", "sgr-1"),
                ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "tcp"),
                ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "10.0.0.0/8"),
                ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv6", "2001:db8::/32"),
            ], "InvalidParameterCombination"),
        ErrorCase(
            "UpdateSecurityGroupRuleDescriptionsIngress", rule, .notFound(.permission, ["x"]),
            "InvalidPermission.NotFound"),
        ErrorCase("UpdateSecurityGroupRuleDescriptionsEgress", [("GroupId", "sg-0123abcd")], "MissingParameter"),
    ]

    private static let templateCases: [ErrorCase] = [
        ErrorCase("AssociateIamInstanceProfile", [("InstanceId", "i-0123456789abcdef0")], "MissingParameter"),
        ErrorCase(
            "AssociateIamInstanceProfile",
            [("InstanceId", "i-0123456789abcdef0"), ("IamInstanceProfile.Name", "front")],
            .incorrectState(
                .profileAssociation, "i-0123456789abcdef0", state: "associated",
                operation: "AssociateIamInstanceProfile"),
            "IncorrectState"),
        ErrorCase(
            "DescribeIamInstanceProfileAssociations", [("AssociationId.1", "iip-assoc-0")],
            .malformedID(.profileAssociation, "iip-assoc-0"), "InvalidAssociationID.Malformed"),
        ErrorCase("ReplaceIamInstanceProfileAssociation", [("IamInstanceProfile.Name", "front")], "MissingParameter"),
        ErrorCase(
            "ReplaceIamInstanceProfileAssociation",
            [("AssociationId", "iip-assoc-0123456789abcdef0"), ("IamInstanceProfile.Name", "front")],
            .incorrectState(.profileAssociation, "iip-assoc-0123456789abcdef0", state: "disassociating", operation: ""),
            "IncorrectState"),
        ErrorCase(
            "DisassociateIamInstanceProfile", [("AssociationId", "iip-assoc-0123456789abcdef0")],
            .notFound(.profileAssociation, ["iip-assoc-0123456789abcdef0"]), "InvalidAssociationID.NotFound"),
        ErrorCase(
            "CreatePlacementGroup", [("GroupName", "g")], .duplicate(.placementGroup, "g"),
            "InvalidPlacementGroup.Duplicate"),
        ErrorCase("CreatePlacementGroup", [("GroupName", "g"), ("PartitionCount", "2")], "UnsupportedOperation"),
        ErrorCase(
            "DescribePlacementGroups", [("GroupName.1", "g")], .notFound(.placementGroup, ["g"]),
            "InvalidPlacementGroup.Unknown"),
        ErrorCase(
            "DeletePlacementGroup", [("GroupName", "g")], .inUse(.placementGroup, "g", by: "1 instance"),
            "InvalidPlacementGroup.InUse"),
        ErrorCase("CreateLaunchTemplate", [("LaunchTemplateName", "web")], "MissingParameter"),
        ErrorCase(
            "CreateLaunchTemplate", [("LaunchTemplateName", "*"), ("LaunchTemplateData.ImageId", "x")],
            .invalidValue(parameter: "LaunchTemplateName", value: "*", reason: "so"),
            "InvalidLaunchTemplateName.MalformedException"),
        ErrorCase(
            "CreateLaunchTemplate", [("LaunchTemplateName", "web"), ("LaunchTemplateData.ImageId", "x")],
            .duplicate(.launchTemplateName, "web"), "InvalidLaunchTemplateName.AlreadyExistsException"),
        ErrorCase(
            "CreateLaunchTemplateVersion", [("LaunchTemplateName", "w"), ("LaunchTemplateData.ImageId", "x")],
            .notFound(.launchTemplateName, ["w"]), "InvalidLaunchTemplateName.NotFoundException"),
        ErrorCase(
            "DescribeLaunchTemplates", [("LaunchTemplateId.1", "lt-0123abcd")], noTemplate,
            "InvalidLaunchTemplateId.NotFound"),
        ErrorCase(
            "DescribeLaunchTemplates", [], .malformedID(.launchTemplate, "x"), "InvalidLaunchTemplateId.Malformed"),
        ErrorCase(
            "DescribeLaunchTemplateVersions", [("LaunchTemplateId", "lt-0123abcd")], noTemplate,
            "InvalidLaunchTemplateId.NotFound"),
        ErrorCase(
            "ModifyLaunchTemplate", [("LaunchTemplateId", "lt-0123abcd"), ("SetDefaultVersion", "9")], noVersion,
            "InvalidLaunchTemplateId.VersionNotFound"),
        ErrorCase("DeleteLaunchTemplate", "MissingParameter"),
        ErrorCase(
            "DeleteLaunchTemplate", [("LaunchTemplateId", "lt-1"), ("LaunchTemplateName", "web")],
            "InvalidParameterCombination"),
        ErrorCase("GetLaunchTemplateData", [("InstanceId", i)], noInstance, "InvalidInstanceID.NotFound"),
        ErrorCase(
            "DeleteLaunchTemplateVersions", [("LaunchTemplateId", "lt-1"), ("LaunchTemplateVersion.1", "$Latest")],
            "InvalidParameterValue"),
    ]

    private static let networkCases: [ErrorCase] = [
        ErrorCase("DescribeVpcs", [("VpcId.1", "vpc-0123abcd")], "InvalidVpcID.NotFound"),
        ErrorCase("DescribeVpcs", filter, "InvalidParameterValue"),
        ErrorCase(
            "DescribeVpcAttribute", [("VpcId", "x"), ("Attribute", "enableDnsSupport")], "InvalidVpcId.Malformed"),
        ErrorCase("DescribeSubnets", [("SubnetId.1", "subnet-0123abcd")], "InvalidSubnetID.NotFound"),
        ErrorCase("DescribeSubnets", [("SubnetId.1", "subnet-fake")], "InvalidSubnetID.NotFound"),
        ErrorCase(
            "DescribeNetworkInterfaceAttribute", [("NetworkInterfaceId", "eni-0123abcd"), ("Attribute", "groupSet")],
            "InvalidNetworkInterfaceID.NotFound"),
        ErrorCase(
            "DescribeNetworkInterfaceAttribute", [("NetworkInterfaceId", "eni-x"), ("Attribute", "groupSet")],
            "InvalidNetworkInterfaceId.Malformed"),
        ErrorCase(
            "DescribeNetworkInterfaceAttribute", [("NetworkInterfaceId", "eni-0123abcd"), ("Attribute", "x")],
            "InvalidParameterValue"),
        ErrorCase(
            "DescribeNetworkInterfaces", [("NetworkInterfaceId.1", "eni-0123abcd")],
            "InvalidNetworkInterfaceID.NotFound"),
        ErrorCase(
            "DescribeNetworkInterfaces", [("NetworkInterfaceId.1", "eni-x")], "InvalidNetworkInterfaceId.Malformed"),
        ErrorCase("DescribeNetworkInterfaces", filter, "InvalidParameterValue"),
        ErrorCase("DescribeNetworkInterfaces", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("DescribeSubnets", [("DryRun", "true")], "DryRunOperation"),
        ErrorCase("DescribeRouteTables", [("RouteTableId.1", "rtb-0123abcd")], "InvalidRouteTableID.NotFound"),
        ErrorCase("DescribeRouteTables", [("MaxResults", "101")], "InvalidParameterValue"),
        ErrorCase(
            "DescribeInternetGateways", [("InternetGatewayId.1", "igw-0123abcd")], "InvalidInternetGatewayID.NotFound"),
        ErrorCase("DescribeNetworkAcls", [("NetworkAclId.1", "acl-0123abcd")], "InvalidNetworkAclID.NotFound"),
        ErrorCase("DescribeDhcpOptions", [("DhcpOptionsId.1", "dopt-0123abcd")], "InvalidDhcpOptionID.NotFound"),
        ErrorCase(
            "DescribeAvailabilityZones", [("ZoneName.1", "z")], .notFound(.availabilityZone, ["z"]),
            "InvalidZone.NotFound"),
        ErrorCase("DescribeRegions", [("RegionName.1", "r")], .notFound(.region, ["r"]), "InvalidParameterValue"),
        ErrorCase(
            "DescribeInstanceTypes", [("InstanceType.1", "t")], .notFound(.instanceType, ["t"]), "InvalidInstanceType"),
        ErrorCase("DescribeInstanceTypeOfferings", [("LocationType", "planet")], "InvalidParameterValue"),
        ErrorCase("ModifyInstanceTypeAttribute", [("Name", "m1.small"), ("Cpu", "many")], "InvalidParameterValue"),
    ]
}

extension ErrorCase {
    /// A request without parameters that matter.
    fileprivate init(_ action: String, _ code: String) { self.init(action, [], nil, code) }
    /// A request that fails by its parameters.
    fileprivate init(_ action: String, _ parameters: [(String, String)], _ code: String) {
        self.init(action, parameters, nil, code)
    }
}
