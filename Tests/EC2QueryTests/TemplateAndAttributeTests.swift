import CloudModel
import QueryProtocol
import Testing

@testable import EC2Query

@Suite struct TemplateAndAttributeTests {
    let cloud = TestCloud()
    let counts = [("MinCount", "1"), ("MaxCount", "1")]

    @Test func `RunInstances takes from a template what it does not say itself`() async throws {
        let answer = await cloud.send(
            "RunInstances",
            counts + [
                ("LaunchTemplate.LaunchTemplateName", "web"), ("LaunchTemplate.Version", "$Latest"),
                ("InstanceType", "m1.xlarge"), ("SecurityGroup.1", "default"), ("DisableApiTermination", "false"),
                ("TagSpecification.1.ResourceType", "instance"), ("TagSpecification.1.Tag.1.Key", "more"),
                ("TagSpecification.1.Tag.1.Value", "1"),
            ])
        #expect(answer.code == nil, "\(answer.message ?? "")")
        let request = try #require(await cloud.backend.runRequest)
        #expect(request.imageID == "ami-0123456789abcdef0")
        #expect(request.instanceType == "m1.xlarge")
        #expect(request.ramdiskID == "ari-0123456789abcdef0")
        #expect(request.userData == Array("a".utf8))
        #expect(request.groupNames == ["default"] && request.groupIDs.isEmpty)
        #expect(request.instanceTags == [Tag(key: "k", value: "<v>"), Tag(key: "more", value: "1")])
        #expect(
            request.systemTags == [
                Tag(key: "aws:ec2launchtemplate:id", value: ActionTests.template),
                Tag(key: "aws:ec2launchtemplate:version", value: "1"),
            ])
        #expect(request.options == InstanceOptions())
        _ = await cloud.send("RunInstances", counts + [("LaunchTemplate.LaunchTemplateName", "web")])
        #expect(await cloud.backend.runRequest?.options.isProtectedFromTermination == true)
    }

    @Test func `a template that is not there, or named twice, or a version that is not there, is refused`() async {
        let template = ("LaunchTemplate.LaunchTemplateName", "web")
        let missing = await cloud.send("RunInstances", counts + [template, ("LaunchTemplate.Version", "7")])
        #expect(missing.code == "InvalidLaunchTemplateId.VersionNotFound")
        #expect(await cloud.send("RunInstances", counts + [("LaunchTemplate.Version", "1")]).code == "MissingParameter")
    }

    @Test func `subnets and placement groups are read`() async throws {
        let minimal = counts + [("ImageId", "ami-0123456789abcdef0")]
        _ = await cloud.send("RunInstances", minimal + [("SubnetId", ActionTests.subnet)])
        #expect(await cloud.backend.runRequest?.zone == "us-east-1a")
        _ = await cloud.send("RunInstances", minimal + [("Placement.GroupId", "pg-0123456789abcdef0")])
        #expect(await cloud.backend.runRequest?.options.placementGroup == "near")
        let other = await cloud.send("RunInstances", minimal + [("NetworkInterface.1.SubnetId", "subnet-0123abcd")])
        #expect(other.code == "InvalidSubnetID.NotFound")
        let both = await cloud.send(
            "RunInstances",
            minimal + [("SubnetId", ActionTests.subnet), ("Placement.AvailabilityZone", "us-east-1b")])
        #expect(both.code == "InvalidParameterCombination")
    }

    @Test(arguments: [
        ("InstanceType.Value", "m1.large", "IncorrectInstanceState"),
        ("UserData.Value", "YQ==", "IncorrectInstanceState"),
    ])
    func `what takes a stopped instance is passed on`(name: String, value: String, code: String) async {
        await cloud.backend.fail(
            with: .incorrectState(.instance, "i-1", state: "running", operation: "to change it"))
        #expect(await cloud.send("ModifyInstanceAttribute", [("InstanceId", "i-1"), (name, value)]).code == code)
    }

    @Test(arguments: [
        ([("DisableApiTermination.Value", "maybe")], "InvalidParameterValue"), ([], "MissingParameter"),
        ([("DisableApiStop.Value", "true"), ("GroupId.1", "sg-1")], "InvalidParameterCombination"),
        ([("InstanceInitiatedShutdownBehavior.Value", "stop")], "UnsupportedOperation"),
        ([("InstanceInitiatedShutdownBehavior.Value", "dance")], "InvalidParameterValue"),
        ([("SourceDestCheck.Value", "false")], "UnsupportedOperation"),
        ([("Attribute", "no-such"), ("Value", "x")], "InvalidParameterValue"),
    ])
    func `bad changes of an instance are refused`(parameters: [(String, String)], code: String) async {
        let answer = await cloud.send("ModifyInstanceAttribute", [("InstanceId", "i-1")] + parameters)
        #expect(answer.code == code)
    }

    @Test func `the old form of changes is understood`() async {
        _ = await cloud.send(
            "ModifyInstanceAttribute",
            [("InstanceId", "i-1"), ("Attribute", "disableApiTermination"), ("Value", "true")])
        _ = await cloud.send(
            "ModifyImageAttribute",
            [
                ("ImageId", "ami-1"), ("Attribute", "launchPermission"), ("OperationType", "remove"),
                ("UserId.1", "210987654321"), ("Group.1", "all"),
            ])
        let asked = await cloud.backend.asked
        #expect(asked.first == "modify i-1 [CloudModel.InstanceChange.terminationProtection(true)]")
        #expect(asked.last == "permit ami-1 +[] -[\"210987654321\", \"all\"]")
    }

    @Test func `every attribute can be described`() async {
        for name in [
            "instanceType", "kernel", "ramdisk", "disableApiTermination", "disableApiStop", "rootDeviceName",
            "instanceInitiatedShutdownBehavior", "blockDeviceMapping", "productCodes", "sourceDestCheck", "groupSet",
            "ebsOptimized", "sriovNetSupport", "enaSupport", "enclaveOptions",
        ] {
            let answer = await cloud.send("DescribeInstanceAttribute", [("InstanceId", "i-1"), ("Attribute", name)])
            #expect(answer.elements(name).count == 1, "\(name)")
        }
        for name in ["description", "kernel", "ramdisk", "productCodes", "blockDeviceMapping", "bootMode"] {
            let answer = await cloud.send("DescribeImageAttribute", [("ImageId", "ami-1"), ("Attribute", name)])
            #expect(answer.elements(name).count == 1, "\(name)")
        }
    }

    @Test func `a Windows password is found in the console`() {
        #expect(Instances.password(in: Array("x<Password>YQ==\r\n</Password>y".utf8)) == "YQ==")
        #expect(Instances.password(in: Array("<Password>YQ==</Password><Password>Yg==</Password>".utf8)) == "Yg==")
        for none in ["", "<Password>", "<Password></Password>", "<Password><b></Password>", "</Password><Password>"] {
            #expect(Instances.password(in: Array(none.utf8)) == nil, "\(none)")
        }
    }

    @Test func `versions of a template are chosen, and filters apply`() async {
        let id = ("LaunchTemplateId", ActionTests.template)
        let action = "DescribeLaunchTemplateVersions"
        #expect(await cloud.send(action, [id]).elements("launchTemplateVersionSet/item").count == 1)
        #expect(
            await cloud.send(action, [id, ("MinVersion", "2")]).elements("launchTemplateVersionSet/item").isEmpty)
        #expect(
            await cloud.send(action, [("LaunchTemplateVersion.1", "$Default")])
                .elements("launchTemplateVersionSet/item").count == 1)
        #expect(await cloud.send(action).code == "MissingParameter")
        #expect(
            await cloud.send(action, [id, ("LaunchTemplateVersion.1", "9")]).code
                == "InvalidLaunchTemplateId.VersionNotFound")
        let filtered = await cloud.send(
            action, [id, ("Filter.1.Name", "image-id"), ("Filter.1.Value.1", "ami-9*")])
        #expect(filtered.elements("launchTemplateVersionSet/item").isEmpty)
    }
}
