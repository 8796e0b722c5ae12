import CloudModel
import EC2Query
import QueryProtocol
import Signatures
import Testing
import XML

@Suite struct DetailTests {
    let cloud = TestCloud()

    @Test func `paging parameters go to the back end and its token to the client`() async {
        let answer = await cloud.send("DescribeInstances", [("MaxResults", "7"), ("NextToken", "t")])
        let request = await cloud.backend.describeRequest
        #expect(request == DescribeRequest(maxResults: 7, nextToken: "t"))
        #expect(answer["nextToken"] == "more")
    }

    @Test func `a filter needs name and value, and an empty value is one`() async {
        #expect(await cloud.send("DescribeInstances", [("Filter.1.Name", "x")]).code == "MissingParameter")
        #expect(await cloud.send("DescribeInstances", [("Filter.1.Value.1", "x")]).code == "MissingParameter")
        _ = await cloud.send("DescribeInstances", [("Filter.1.Name", "tag:a"), ("Filter.1.Value.1", "")])
        let request = await cloud.backend.describeRequest
        #expect(request?.filters == [Filter(name: "tag:a", values: [""])])
    }

    @Test func `groups of a reservation are told to those who look for them there`() async {
        let place = "reservationSet/item/groupSet/item/groupId"
        #expect(await cloud.send("DescribeInstances")[place] == nil)
        #expect(await cloud.send("DescribeInstances", version: "2014-10-01")[place] == ActionTests.group)
        #expect(
            await cloud.send("DescribeInstances", path: "/services/compute")[place] == ActionTests.group)
    }

    @Test func `tags are specified for each type of resource`() async {
        func run(_ types: [String]) async -> Answer {
            await cloud.send(
                "RunInstances",
                RunInstancesTests.minimal
                    + types.enumerated().flatMap { index, type in
                        let place = "TagSpecification.\(index + 1)."
                        return [
                            (place + "ResourceType", type), (place + "Tag.1.Key", "k\(index)"),
                            (place + "Tag.1.Value", "v"),
                        ]
                    })
        }
        #expect(await run(["instance", "volume"]).code == nil)
        // EC2 refuses it; public suites do it, and what is meant is plain.
        #expect(await run(["instance", "instance"]).code == nil)
        #expect(await cloud.backend.runRequest?.instanceTags.map(\.key) == ["k0", "k1"])
        let none = await run([""])
        #expect(none.code == "InvalidParameterValue")
        #expect(none.message == "Tag specification resource type must have a value")
        let other = await run(["image"])
        #expect(other.message?.hasPrefix("'image' is not a valid taggable resource type for this operation") == true)
    }

    @Test func `a group that does not exist is told before what is wrong with the rules`() async {
        await cloud.backend.fail(with: .notFound(.securityGroup, ["sg-123abc"]))
        for action in ["AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"] {
            let answer = await cloud.send(action, [("GroupId", "sg-123abc"), ("IpPermissions.1", "")])
            #expect(answer.code == "InvalidGroup.NotFound")
            #expect(answer.message == "The security group 'sg-123abc' does not exist")
        }
    }

    @Test func `what is usually left out of the images can be asked for`() async {
        _ = await cloud.send("DescribeImages", [("IncludeDeprecated", "true"), ("IncludeDisabled", "true")])
        #expect(await cloud.backend.describeRequest?.including == [.deprecatedImages, .disabledImages])
    }

    @Test func `a placement group is found by its name across services`() async {
        let arn = "arn:aws:ec2:us-east-1:\(FakeCloud.accountID):placement-group/near"
        _ = await cloud.send("DescribePlacementGroups", [("Filter.1.Name", "group-arn"), ("Filter.1.Value.1", arn)])
        let values = await cloud.backend.describeRequest?.filters.first?.values
        #expect(values == ["arn:aws:ec2:*:\(FakeCloud.accountID):placement-group/near"])
    }

    @Test func `old versions name groups by name and the new state as they did`() async {
        let old = await cloud.send("DescribeInstances", version: "2009-11-30")
        #expect(old["reservationSet/item/groupSet/item/groupId"] == "default")
        #expect(old["reservationSet/item/groupSet/item/groupName"] == nil)
        let terminated = await cloud.send("TerminateInstances", [("InstanceId.1", "i-1")], version: "2009-04-04")
        #expect(terminated["instancesSet/item/shutdownState/name"] == "shutting-down")
        #expect(terminated["instancesSet/item/currentState"] == nil)
    }

    @Test func `a source group without protocol means TCP, UDP and ICMP`() async {
        _ = await cloud.send(
            "AuthorizeSecurityGroupIngress",
            [
                ("GroupName", "web"), ("SourceSecurityGroupName", "lb"),
                ("SourceSecurityGroupOwnerId", "123456789012"),
            ])
        let permissions = await cloud.backend.permissions
        #expect(permissions.map(\.ipProtocol) == ["tcp", "udp", "icmp"])
        #expect(permissions.map(\.fromPort) == [0, 0, -1])
        #expect(permissions.map(\.toPort) == [65_535, 65_535, -1])
        #expect(
            permissions.first?.groups == [
                Permission.GroupPeer(group: GroupSelector(name: "lb"), accountID: "123456789012")
            ])
    }

    private static let incompletePermissions: [([(String, String)], String)] = [
        ([("GroupName", "web")], "MissingParameter"),
        ([("CidrIp", "0.0.0.0/0"), ("IpProtocol", "tcp")], "MissingParameter"),
        ([("GroupName", "web"), ("CidrIp", "0.0.0.0/0")], "MissingParameter"),
        ([("GroupName", "web"), ("IpProtocol", "tcp"), ("FromPort", "22")], "MissingParameter"),
        ([("GroupName", "web"), ("IpPermissions.1.FromPort", "22")], "MissingParameter"),
        (
            [("GroupName", "web"), ("IpPermissions.1.IpProtocol", "tcp"), ("IpPermissions.1.FromPort", "ssh")],
            "InvalidParameterValue"
        ),
        (
            [
                ("GroupName", "web"), ("IpPermissions.1.IpProtocol", "tcp"),
                ("IpPermissions.1.PrefixListIds.1.PrefixListId", "pl-1"),
            ],
            "UnsupportedOperation"
        ),
        (
            [
                ("GroupName", "web"), ("IpPermissions.1.IpProtocol", "tcp"), ("IpProtocol", "tcp"),
                ("CidrIp", "0.0.0.0/0"),
            ],
            "InvalidParameterCombination"
        ),
        (
            [("GroupName", "web"), ("IpPermissions.1.IpProtocol", "tcp"), ("IpPermissions.1.Groups.1.UserId", "1")],
            "MissingParameter"
        ),
    ]

    @Test(arguments: incompletePermissions)
    func `incomplete permissions are refused`(parameters: [(String, String)], code: String) async {
        #expect(await cloud.send("AuthorizeSecurityGroupIngress", parameters).code == code)
        // Whether there is the group that is named, and nothing else.
        let isNamed = parameters.contains { $0.0 == "GroupName" }
        #expect(await cloud.backend.asked == (isNamed ? ["groups"] : []))
    }

    @Test func `rules are filtered by group and tag, and an unknown one is an error`() async {
        let all = await cloud.send(
            "DescribeSecurityGroupRules", [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", "sg-0123456789abcdef0")])
        #expect(all.elements("securityGroupRuleSet/item").count == 4)
        let none = await cloud.send(
            "DescribeSecurityGroupRules", [("Filter.1.Name", "tag:a"), ("Filter.1.Value.1", "*")])
        #expect(none.elements("securityGroupRuleSet/item").isEmpty)
        let unknown = await cloud.send(
            "DescribeSecurityGroupRules", [("SecurityGroupRuleId.1", "sgr-0123456789abcdeff")])
        #expect(unknown.code == "InvalidSecurityGroupRuleId.NotFound")
        let malformed = await cloud.send("DescribeSecurityGroupRules", [("SecurityGroupRuleId.1", "rule")])
        #expect(malformed.code == "InvalidSecurityGroupRuleId.Malformed")
        let filter = await cloud.send(
            "DescribeSecurityGroupRules", [("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")])
        #expect(filter.code == "InvalidParameterValue")
    }

    @Test func `rules come in pages`() async {
        var group = FakeCloud.group
        group.rules = (0..<13).map { number in
            SecurityGroupRule(
                id: id("sgr-0123456789abcde" + (number < 10 ? "0" : "") + String(number)), isEgress: false,
                ipProtocol: "tcp", fromPort: number, toPort: number, peer: .cidr("10.0.0.0/8"))
        }
        let expected = group.rules.map(\.id.value)
        group.rules.shuffle()
        await cloud.backend.have(groups: [group])
        var pages: [[String]] = []
        var token: String?
        repeat {
            var parameters = [("MaxResults", "5")]
            if let token { parameters.append(("NextToken", token)) }
            let answer = await cloud.send("DescribeSecurityGroupRules", parameters)
            pages.append(answer.elements("securityGroupRuleSet/item/securityGroupRuleId").map(\.text))
            token = answer["nextToken"]
        } while token != nil && pages.count < 10
        #expect(pages.map(\.count) == [5, 5, 3])
        #expect(Array(pages.joined()) == expected)
        #expect(await cloud.send("DescribeSecurityGroupRules", [("NextToken", "x")]).code == "InvalidNextToken")
    }

    @Test func `each state of an instance is written with its number`() async {
        for state in InstanceState.allCases {
            var instance = FakeCloud.instance
            instance.state = state
            instance.stateReason = nil
            instance.privateAddress = nil
            instance.publicAddress = nil
            let reservation = Reservation(
                id: instance.reservationID, accountID: FakeCloud.accountID, instances: [instance])
            let answer = await TestCloud(reservations: [reservation]).send("DescribeInstances")
            let place = "reservationSet/item/instancesSet/item/"
            #expect(answer[place + "instanceState/code"] == String(state.code))
            #expect(answer[place + "instanceState/name"] == state.rawValue)
            #expect(answer[place + "stateReason"] == nil)
            #expect(answer[place + "ipAddress"] == nil)
            #expect(answer[place + "dnsName"] == "")
        }
    }

    @Test func `text of users that XML forbids does not break the answer`() async {
        var instance = FakeCloud.instance
        instance.tags = [Tag(key: "a\u{0}b", value: "]]>\u{FFFE}\u{1B}")]
        let reservation = Reservation(
            id: instance.reservationID, accountID: FakeCloud.accountID, instances: [instance])
        let answer = await TestCloud(reservations: [reservation]).send("DescribeInstances")
        #expect(answer["reservationSet/item/instancesSet/item/tagSet/item/key"] == "a\u{FFFD}b")
        #expect(
            answer["reservationSet/item/instancesSet/item/tagSet/item/value"] == "]]>\u{FFFD}\u{FFFD}")
    }

    @Test func `verbose zones show slots as the original does, and nodes to administrators`() async {
        let parameters = [("ZoneName.1", "verbose")]
        let user = await cloud.send("DescribeAvailabilityZones", parameters)
        let request = await cloud.backend.describeRequest
        #expect(request?.names == [])
        #expect(
            user.elements("availabilityZoneInfo/item/zoneName").map(\.text)
                == ["us-east-1a", "|- vm types", "|- m1.small", "|- c1.xlarge"])
        #expect(
            user.elements("availabilityZoneInfo/item/zoneState").map(\.text) == [
                "available", "free / max   cpu   ram  disk", "0004 / 0008   1    128    10",
                "0000 / 0002  16   2048   120",
            ])
        let administrator = await TestCloud(isAdministrator: true).send("DescribeAvailabilityZones", parameters)
        #expect(administrator.elements("availabilityZoneInfo/item/zoneName").last?.text == "|- compute-0-0")
        #expect(
            administrator.elements("availabilityZoneInfo/item/zoneState").last?.text
                == "up qemu  2 instances  6/8 cpu  1024/4096 ram  10/40 disk @ 2026-11-21T04:00:00.123Z")
    }

    @Test func `types come in the original's form on the original's path only`() async {
        let plain = await cloud.send("DescribeInstanceTypes")
        #expect(plain["instanceTypeDetails"] == nil)
        let original = await cloud.send(
            "DescribeInstanceTypes", [("Availability", "true")], path: "/services/Eucalyptus")
        let details = original.elements("instanceTypeDetails").first
        #expect(details?.namespace == "http://msgs.eucalyptus.com/3.3.0")
        #expect(original["instanceTypeDetails/item/memory"] == "128")
        #expect(original["instanceTypeDetails/item/availability/item/max"] == "8")
        #expect(original["instanceTypeSet/item/instanceType"] == "m1.small")
    }

    @Test func `a new type needs all sizes`() async {
        let cloud = TestCloud(isAdministrator: true)
        let incomplete = await cloud.send("ModifyInstanceTypeAttribute", [("Name", "new.type"), ("Cpu", "1")])
        #expect(incomplete.code == "MissingParameter")
        let complete = await cloud.send(
            "ModifyInstanceTypeAttribute",
            [
                ("Name", "new.type"), ("Cpu", "1"), ("Memory", "64"), ("Disk", "2"), ("EphemeralDisk", "5"),
                ("Swap", "32"),
            ])
        #expect(complete["instanceType/name"] == "new.type")
        #expect(complete["previousInstanceType"] == nil)
        let type = await cloud.backend.type
        #expect(
            type == InstanceType(name: "new.type", cores: 1, memoryMiB: 64, diskGiB: 2, ephemeralGiB: 5, swapMiB: 32))
        let reset = await cloud.send("ModifyInstanceTypeAttribute", [("Name", "m1.small"), ("Reset", "true")])
        #expect(reset.code == "UnsupportedOperation")
        let dry = await cloud.send("ModifyInstanceTypeAttribute", [("Name", "m1.small"), ("DryRun", "true")])
        #expect(dry.code == "DryRunOperation")
    }

    @Test func `deleting a tag tells no value from an empty one`() async {
        _ = await cloud.send(
            "DeleteTags", [("ResourceId.1", "i-1"), ("Tag.1.Key", "a"), ("Tag.2.Key", "b"), ("Tag.2.Value", "")])
        let tags = await cloud.backend.deletedTags
        #expect(tags.map(\.key) == ["a", "b"])
        #expect(tags.map(\.value) == [nil, ""])
    }

    @Test func `deleting a key pair that is not there succeeds`() async {
        let answer = await cloud.send("DeleteKeyPair", [("KeyName", "absent")])
        #expect(answer["return"] == "true")
        #expect(answer["keyPairId"] == nil)
    }

    @Test func `extensions of RegisterImage reach the back end`() async {
        let answer = await cloud.send(
            "RegisterImage",
            [
                ("ImageLocation", "b/k"), ("ImageType", "kernel"), ("ImageId", "aki-0123456789abcdef0"),
                ("KernelArguments", "console=ttyS0"), ("LaunchPermission.1.Group", "all"), ("Architecture", "i386"),
                ("VirtualizationType", "hvm"),
            ])
        #expect(answer.code == nil)
        let request = await cloud.backend.registerRequest
        #expect(
            request
                == RegisterImageRequest(
                    location: "b/k", architecture: "i386", kind: .kernel, kernelArguments: "console=ttyS0",
                    requestedID: "aki-0123456789abcdef0", isPublic: true))
    }

    @Test(arguments: [
        ("BlockDeviceMapping.1.Ebs.SnapshotId", "snap-1", "UnsupportedOperation"),
        ("BootMode", "uefi", "UnsupportedOperation"),
        ("LaunchPermission.1.UserId", "1", "UnsupportedOperation"), ("ImageType", "iso", "InvalidParameterValue"),
    ]) func `what RegisterImage does not offer is refused`(name: String, value: String, code: String) async {
        #expect(await cloud.send("RegisterImage", [("ImageLocation", "b/k"), (name, value)]).code == code)
    }

    @Test func `a group in another VPC, a PuTTY key and an unknown attribute are refused`() async {
        #expect(
            await cloud.send(
                "CreateSecurityGroup", [("GroupName", "a"), ("GroupDescription", "b"), ("VpcId", "vpc-0123abcd")]
            ).code
                == "InvalidVpcID.NotFound")
        #expect(
            await cloud.send("CreateKeyPair", [("KeyName", "a"), ("KeyFormat", "ppk")]).code == "UnsupportedOperation")
        #expect(
            await cloud.send("DescribeAccountAttributes", [("AttributeName.1", "x")]).code == "InvalidParameterValue")
        #expect(
            await cloud.send("ImportKeyPair", [("KeyName", "a"), ("PublicKeyMaterial", "%%")]).code
                == "InvalidKey.Format")
    }
}
