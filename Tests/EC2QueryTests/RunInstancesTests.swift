import CloudModel
import EC2Query
import QueryProtocol
import Testing

@Suite struct RunInstancesTests {
    let cloud = TestCloud()
    static let minimal = [("ImageId", "ami-0123456789abcdef0"), ("MinCount", "1"), ("MaxCount", "1")]

    private func run(_ parameters: [(String, String)]) async -> Answer {
        await cloud.send("RunInstances", Self.minimal + parameters)
    }

    @Test func `how guests reach their metadata can be chosen`() async {
        _ = await run([("MetadataOptions.HttpTokens", "optional"), ("MetadataOptions.HttpPutResponseHopLimit", "1")])
        #expect(await cloud.backend.runRequest?.options.metadata == nil)
        _ = await run([
            ("MetadataOptions.HttpTokens", "required"), ("MetadataOptions.HttpEndpoint", "disabled"),
            ("MetadataOptions.HttpPutResponseHopLimit", "2"),
        ])
        #expect(
            await cloud.backend.runRequest?.options.metadata
                == MetadataOptions(requiresTokens: true, isDisabled: true, hopLimit: 2))
        #expect(await run([("MetadataOptions.HttpTokens", "maybe")]).code == "InvalidParameterValue")
        #expect(await run([("MetadataOptions.HttpPutResponseHopLimit", "0")]).code == "InvalidParameterValue")
    }

    @Test func `the least request is enough`() async {
        let answer = await run([])
        #expect(answer.code == nil)
        let request = await cloud.backend.runRequest
        #expect(request == RunInstancesRequest(imageID: "ami-0123456789abcdef0"))
    }

    @Test(arguments: [
        ("PrivateIpAddress", "10.0.0.1"), ("Ipv6AddressCount", "1"),
        ("InstanceMarketOptions.MarketType", "spot"), ("InstanceMarketOptions.SpotOptions.MaxPrice", "1"),
        ("Placement.Tenancy", "dedicated"), ("Placement.PartitionNumber", "1"),
        ("Placement.HostId", "h"), ("CpuOptions.CoreCount", "2"),
        ("MetadataOptions.HttpProtocolIpv6", "enabled"), ("MetadataOptions.InstanceMetadataTags", "enabled"),
        ("HibernationOptions.Configured", "true"), ("EnclaveOptions.Enabled", "true"), ("EbsOptimized", "true"),
        ("InstanceInitiatedShutdownBehavior", "stop"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", "snap-0123456789abcdef0"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"), ("BlockDeviceMapping.1.NoDevice", ""),
        ("ElasticGpuSpecification.1.Type", "x"), ("LicenseSpecification.1.LicenseConfigurationArn", "x"),
        ("CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId", "cr-1"),
        ("NetworkInterface.1.NetworkInterfaceId", "eni-1"),
        ("NetworkInterface.1.AssociatePublicIpAddress", "false"), ("NetworkInterface.1.DeviceIndex", "1"),
        ("NetworkInterface.1.PrivateIpAddresses.1.PrivateIpAddress", "10.0.0.1"), ("AddressingType", "private"),
    ]) func `what is not offered is refused by name`(name: String, value: String) async {
        let answer = await run([(name, value)])
        #expect(answer.code == "UnsupportedOperation")
        #expect(answer.status == 400)
        let request = await cloud.backend.runRequest
        #expect(request == nil)
    }

    @Test(arguments: [
        ("SubnetId", ""), ("EbsOptimized", "false"), ("Placement.Tenancy", "default"),
        ("CreditSpecification.CpuCredits", "unlimited"), ("MetadataOptions.HttpTokens", "optional"),
        ("MetadataOptions.HttpPutResponseHopLimit", "1"), ("DisableApiTermination", "False"),
        ("InstanceInitiatedShutdownBehavior", "terminate"), ("HibernationOptions.Configured", "false"),
        ("BlockDeviceMapping.1.VirtualName", "ephemeral0"), ("MaintenanceOptions.AutoRecovery", "default"),
        ("CapacityReservationSpecification.CapacityReservationPreference", "open"), ("AddressingType", "public"),
        ("NetworkInterface.1.DeviceIndex", "0"), ("SomethingNew", "x"),
    ]) func `what changes nothing is accepted`(name: String, value: String) async {
        let answer = await run([(name, value)])
        #expect(answer.code == nil)
        let request = await cloud.backend.runRequest
        #expect(request == RunInstancesRequest(imageID: "ami-0123456789abcdef0"))
    }

    @Test(arguments: [
        ("MinCount", "0", "InvalidParameterValue"), ("MinCount", "x", "InvalidParameterValue"),
        ("MinCount", "2", "InvalidParameterValue"), ("MaxCount", "99999999999999999999", "InvalidParameterValue"),
        ("MaxCount", "3000000000", "InvalidParameterValue"), ("MaxCount", "", "MissingParameter"),
        ("ImageId", "", "MissingParameter"),
    ]) func `counts and image are checked`(name: String, value: String, code: String) async {
        let parameters = Self.minimal.map { $0.0 == name ? (name, value) : $0 }
        let answer = await cloud.send("RunInstances", parameters)
        #expect(answer.code == code)
        #expect(answer.message?.contains(name) == true)
    }

    @Test(arguments: [
        ("UserData", "not base64!", "InvalidUserData.Malformed"), ("UserData", "AAA", "InvalidUserData.Malformed"),
        ("Monitoring.Enabled", "yes", "InvalidParameterValue"), ("DryRun", "2", "InvalidParameterValue"),
        ("ClientToken", String(repeating: "x", count: 65), "InvalidParameterValue"),
        ("TagSpecification.1.Tag.1.Key", "k", "InvalidParameterValue"),
        ("BlockDeviceMapping.1.VirtualName", "disk", "InvalidParameterValue"),
    ]) func `malformed values are refused`(name: String, value: String, code: String) async {
        #expect(await run([(name, value)]).code == code)
    }

    @Test func `user data has a limit of 16 KiB, decoded`() async {
        let largest = String(repeating: "AAAA", count: 16_384 / 3) + "AA=="
        #expect(await run([("UserData", largest)]).code == nil)
        let request = await cloud.backend.runRequest
        #expect(request?.userData?.count == 16_384)
        #expect(await run([("UserData", String(repeating: "AAAA", count: 5462))]).code == "InvalidParameterValue")
    }

    @Test func `line breaks and unescaped pluses in Base64 are forgiven`() async {
        _ = await run([("UserData", "+/v7\r\n+w==\n")])
        var request = await cloud.backend.runRequest
        #expect(request?.userData == [0xFB, 0xFB, 0xFB, 0xFB])
        _ = await run([("UserData", " /v7 w==")])
        request = await cloud.backend.runRequest
        #expect(request?.userData == [0xFB, 0xFB, 0xFB, 0xFB])
    }

    @Test func `lists are ordered by number`() async {
        _ = await run(
            (1...12).reversed().map { ("SecurityGroupId.\($0)", "sg-\($0)") } + [
                ("SecurityGroup.2", "b"), ("SecurityGroup.1", "a"),
            ])
        let request = await cloud.backend.runRequest
        #expect(request?.groupIDs == (1...12).map { "sg-\($0)" })
        #expect(request?.groupNames == ["a", "b"])
    }

    @Test func `groups stand with the instance or with its interface`() async {
        let answer = await run([("SecurityGroup.1", "a"), ("NetworkInterface.1.SecurityGroupId.1", "sg-1")])
        #expect(answer.code == "InvalidParameterCombination")
        let subnet = await run([("SubnetId", "subnet-0123abcd"), ("NetworkInterface.1.DeviceIndex", "0")])
        #expect(subnet.code == "InvalidParameterCombination")
        #expect(
            await run([("NetworkInterface.1.DeviceIndex", "0"), ("NetworkInterface.2.DeviceIndex", "1")]).code
                == "UnsupportedOperation")
    }

    @Test func `tags of volumes go nowhere and of unknown things are refused`() async {
        func specification(_ type: String) -> [(String, String)] {
            [
                ("TagSpecification.1.ResourceType", type), ("TagSpecification.1.Tag.1.Key", "k"),
                ("TagSpecification.1.Tag.1.Value", "v"),
            ]
        }
        _ = await run(specification("volume"))
        var request = await cloud.backend.runRequest
        #expect(request?.instanceTags == [])
        _ = await run(specification("instance"))
        request = await cloud.backend.runRequest
        #expect(request?.instanceTags == [Tag(key: "k", value: "v")])
        #expect(await run(specification("teapot")).code == "InvalidParameterValue")
    }

    @Test func `a zone may be given by name or id`() async {
        _ = await run([("Placement.AvailabilityZoneId", "use1-az1")])
        let request = await cloud.backend.runRequest
        #expect(request?.zone == "us-east-1a")
        #expect(
            await run([("Placement.AvailabilityZoneId", "use1-az1"), ("Placement.AvailabilityZone", "us-east-1a")]).code
                == "InvalidParameterCombination")
    }

    @Test func `a dry run is answered with 412`() async {
        let answer = await run([("DryRun", "true")])
        #expect(answer.code == "DryRunOperation")
        #expect(answer.status == 412)
    }
}
