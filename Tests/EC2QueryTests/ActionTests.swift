import CloudModel
import EC2Query
import QueryProtocol
import Testing
import XML

/// One request to one action, what the back end must have been asked, and what must be at which place in the answer.
struct ActionCase: Sendable, CustomTestStringConvertible {
    var action: String
    var parameters: [(String, String)]
    var asked: String
    var answer: [(String, String)]

    init(
        _ action: String, _ parameters: [(String, String)] = [], asks asked: String, answers answer: [(String, String)]
    ) {
        self.action = action
        self.parameters = parameters
        self.asked = asked
        self.answer = answer
    }

    var testDescription: String { action }
}

@Suite struct ActionTests {
    @Test(arguments: cases) func `each action asks the back end and answers in EC2's form`(example: ActionCase) async {
        let cloud = TestCloud(isAdministrator: true)
        let answer = await cloud.send(example.action, example.parameters)
        #expect(answer.code == nil, "\(answer.message ?? "")")
        #expect(answer.root?.localName == example.action + "Response")
        for (path, value) in example.answer { #expect(answer[path] == value, "\(path)") }
        // What the answer is made of may take further questions.
        let asked = await cloud.backend.asked
        #expect(example.asked.isEmpty ? asked.isEmpty : asked.contains(example.asked), "\(asked)")
    }

    @Test func `no action of the table is without a test`() {
        #expect(Set(Self.cases.map(\.action)) == Set(EC2Action.all.map(\.name)))
    }

    @Test(arguments: cases.filter { !$0.asked.isEmpty })
    func `each action passes on the back end's refusal`(example: ActionCase) async {
        let cloud = TestCloud(isAdministrator: true)
        await cloud.backend.fail(with: .unauthorized(operation: "not today"))
        let answer = await cloud.send(example.action, example.parameters)
        #expect(answer.code == "UnauthorizedOperation")
    }

    @Test(arguments: EC2Action.all.map(\.name)) func `each action survives a request without parameters`(name: String)
        async
    {
        let answer = await TestCloud(isAdministrator: true).send(name)
        let code = answer.code
        // Some name what is missing "No instances specified".
        #expect(code == nil || code == "MissingParameter" || code == "InvalidParameterCombination", "\(code ?? "")")
    }

    static let instance = "i-0123456789abcdef0"
    static let group = "sg-0123456789abcdef0"
    static let set = "reservationSet/item/instancesSet/item/"

    static let cases: [ActionCase] =
        instanceCases + imageAndKeyCases + groupCases + zoneCases + tagCases + attributeCases
        + templateCases + networkCases

    static let instanceCases: [ActionCase] = [
        ActionCase(
            "RunInstances", RunInstancesTests.minimal, asks: "run",
            answers: [
                ("reservationId", "r-0123456789abcdef0"), ("ownerId", FakeCloud.accountID),
                ("groupSet", ""), ("instancesSet/item/instanceId", instance),
                ("instancesSet/item/groupSet/item/groupId", group),
                ("instancesSet/item/instanceState/code", "16"), ("instancesSet/item/instanceState/name", "running"),
            ]),
        ActionCase(
            "DescribeInstances", [("InstanceId.1", instance)], asks: "instances",
            answers: [
                ("reservationSet/item/reservationId", "r-0123456789abcdef0"),
                (set + "imageId", "ami-0123456789abcdef0"),
                (set + "privateDnsName", "10.1.2.3"), (set + "dnsName", "127.1.2.3"),
                (set + "privateIpAddress", "10.1.2.3"), (set + "ipAddress", "127.1.2.3"), (set + "keyName", "my key"),
                (set + "amiLaunchIndex", "0"), (set + "instanceType", "m1.small"),
                (set + "launchTime", "2026-11-21T04:00:00.123Z"), (set + "placement/availabilityZone", "us-east-1a"),
                (set + "placement/tenancy", "default"), (set + "kernelId", "aki-0123456789abcdef0"),
                (set + "ramdiskId", "ari-0123456789abcdef0"), (set + "monitoring/state", "enabled"),
                ("reservationSet/item/groupSet", ""), (set + "groupSet/item/groupId", group),
                (set + "groupSet/item/groupName", "default"),
                (set + "stateReason/code", "pending"), (set + "architecture", "x86_64"),
                (set + "rootDeviceType", "instance-store"), (set + "rootDeviceName", "/dev/sda1"),
                (set + "virtualizationType", "hvm"), (set + "clientToken", "token-1"),
                (set + "tagSet/item/key", "Name"), (set + "tagSet/item/value", "<web> & \"db\""),
                (set + "cpuOptions/coreCount", "1"), (set + "metadataOptions/httpTokens", "optional"),
                (set + "productCodes", ""), (set + "blockDeviceMapping", ""),
            ]),
        ActionCase(
            "DescribeInstanceStatus", [("IncludeAllInstances", "true")], asks: "status of all",
            answers: [
                ("instanceStatusSet/item/instanceId", instance),
                ("instanceStatusSet/item/instanceState/name", "running"),
                ("instanceStatusSet/item/systemStatus/status", "ok"),
                ("instanceStatusSet/item/instanceStatus/details/item/name", "reachability"),
                ("instanceStatusSet/item/instanceStatus/details/item/status", "passed"),
            ]),
        ActionCase(
            "TerminateInstances", [("InstanceId.2", "i-2"), ("InstanceId.1", "i-1")], asks: "terminate i-1 i-2",
            answers: [
                ("instancesSet/item/instanceId", instance), ("instancesSet/item/currentState/code", "32"),
                ("instancesSet/item/currentState/name", "shutting-down"),
                ("instancesSet/item/previousState/name", "running"),
            ]),
        ActionCase(
            "RebootInstances", [("InstanceId", instance)], asks: "reboot " + instance, answers: [("return", "true")]),
        ActionCase(
            "GetConsoleOutput", [("InstanceId", instance)], asks: "console " + instance,
            answers: [
                ("instanceId", instance), ("timestamp", "2026-11-21T04:00:00.123Z"), ("output", "ABv/bG9naW46"),
            ]),
    ]

    static let imageAndKeyCases: [ActionCase] = [
        ActionCase(
            "RegisterImage", [("ImageLocation", "images/demo.img"), ("Name", "demo")], asks: "register",
            answers: [("imageId", "ami-0123456789abcdef0")]),
        ActionCase("DeregisterImage", [("ImageId", "ami-1")], asks: "deregister ami-1", answers: [("return", "true")]),
        ActionCase(
            "DescribeImages", [("Owner.1", "self"), ("ExecutableBy.1", "all")], asks: "images [\"self\"] [\"all\"]",
            answers: [
                ("imagesSet/item/imageId", "ami-0123456789abcdef0"),
                ("imagesSet/item/imageLocation", "images/demo.img"),
                ("imagesSet/item/imageState", "available"), ("imagesSet/item/imageOwnerId", FakeCloud.accountID),
                ("imagesSet/item/isPublic", "true"), ("imagesSet/item/imageType", "machine"),
                ("imagesSet/item/kernelId", "aki-0123456789abcdef0"), ("imagesSet/item/name", "demo"),
                ("imagesSet/item/description", "A small Linux"), ("imagesSet/item/tagSet/item/value", "linux"),
                ("imagesSet/item/creationDate", "2026-11-21T04:00:00.123Z"),
            ]),
        ActionCase(
            "CreateKeyPair", [("KeyName", "my key"), ("KeyType", "ed25519"), ("KeyFormat", "pem")],
            asks: "create key my key ed25519",
            answers: [
                ("keyName", "my key"), ("keyFingerprint", "1f:51:ae"), ("keyPairId", "key-0123456789abcdef0"),
                ("keyMaterial", "-----BEGIN PRIVATE KEY-----\nAA==\n"),
            ]),
        ActionCase(
            "ImportKeyPair", [("KeyName", "k"), ("PublicKeyMaterial", "c3NoLXJzYQ==")], asks: "import key k",
            answers: [("keyName", "my key"), ("keyPairId", "key-0123456789abcdef0")]),
        ActionCase(
            "DescribeKeyPairs", [("KeyName.1", "my key"), ("IncludePublicKey", "true")], asks: "keys",
            answers: [
                ("keySet/item/keyName", "my key"), ("keySet/item/keyType", "rsa"),
                ("keySet/item/publicKey", "ssh-rsa AAAA"), ("keySet/item/tagSet/item/key", "k"),
            ]),
        ActionCase(
            "DeleteKeyPair", [("KeyName", "my key")], asks: "delete key my key -",
            answers: [("return", "true"), ("keyPairId", "key-0123456789abcdef0")]),
    ]

    static let groupCases: [ActionCase] = [
        ActionCase(
            "CreateSecurityGroup", [("GroupName", "web"), ("GroupDescription", "for the web")],
            asks: "create group web: for the web", answers: [("return", "true"), ("groupId", group)]),
        ActionCase(
            "DescribeSecurityGroups", [("GroupId.1", group), ("GroupName.1", "default")], asks: "groups",
            answers: [
                ("securityGroupInfo/item/groupId", group), ("securityGroupInfo/item/groupDescription", "default group"),
                ("securityGroupInfo/item/ipPermissions/item/ipProtocol", "tcp"),
                ("securityGroupInfo/item/ipPermissions/item/fromPort", "22"),
                ("securityGroupInfo/item/ipPermissions/item/ipRanges/item/cidrIp", "0.0.0.0/0"),
                ("securityGroupInfo/item/ipPermissions/item/ipRanges/item/description", "ssh"),
                ("securityGroupInfo/item/ipPermissions/item/ipv6Ranges/item/cidrIpv6", "::/0"),
                ("securityGroupInfo/item/ipPermissions/item/groups/item/groupId", group),
                ("securityGroupInfo/item/ipPermissionsEgress/item/ipProtocol", "-1"),
            ]),
        ActionCase(
            "DeleteSecurityGroup", [("GroupName", "web")], asks: "delete group - web",
            answers: [("return", "true"), ("groupId", group)]),
        ActionCase(
            "AuthorizeSecurityGroupIngress",
            [
                ("GroupName", "web"), ("IpProtocol", "tcp"), ("FromPort", "22"), ("ToPort", "22"),
                ("CidrIp", "0.0.0.0/0"),
            ],
            asks: "authorize ingress - web",
            answers: [
                ("return", "true"), ("securityGroupRuleSet/item/securityGroupRuleId", "sgr-0123456789abcdef0"),
                ("securityGroupRuleSet/item/groupId", group), ("securityGroupRuleSet/item/isEgress", "false"),
                ("securityGroupRuleSet/item/cidrIpv4", "0.0.0.0/0"), ("securityGroupRuleSet/item/description", "ssh"),
                ("securityGroupRuleSet/item/groupOwnerId", FakeCloud.accountID),
            ]),
        ActionCase(
            "AuthorizeSecurityGroupEgress",
            [
                ("GroupId", group), ("IpPermissions.1.IpProtocol", "-1"),
                ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
            ],
            asks: "authorize egress \(group) -", answers: [("return", "true")]),
        ActionCase(
            "RevokeSecurityGroupIngress", [("GroupId", group), ("SecurityGroupRuleId.1", "sgr-1")],
            asks: "revoke ingress [\"sgr-1\"]",
            answers: [
                ("return", "true"), ("revokedSecurityGroupRuleSet/item/securityGroupRuleId", "sgr-0123456789abcdef0"),
                ("revokedSecurityGroupRuleSet/item/groupId", group),
            ]),
        ActionCase(
            "RevokeSecurityGroupEgress",
            [
                ("GroupId", group), ("IpPermissions.1.IpProtocol", "-1"),
                ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
            ],
            asks: "revoke egress []", answers: [("return", "true")]),
        ActionCase(
            "DescribeSecurityGroupRules", [("SecurityGroupRuleId.1", "sgr-0123456789abcdef3")], asks: "groups",
            answers: [
                ("securityGroupRuleSet/item/securityGroupRuleId", "sgr-0123456789abcdef3"),
                ("securityGroupRuleSet/item/isEgress", "true"),
            ]),
    ]

    static let zoneCases: [ActionCase] = [
        ActionCase(
            "DescribeAvailabilityZones", [("AllAvailabilityZones", "true")], asks: "zones",
            answers: [
                ("availabilityZoneInfo/item/zoneName", "us-east-1a"),
                ("availabilityZoneInfo/item/zoneState", "available"),
                ("availabilityZoneInfo/item/regionName", "us-east-1"), ("availabilityZoneInfo/item/zoneId", "use1-az1"),
            ]),
        ActionCase(
            "DescribeRegions", [("AllRegions", "true")], asks: "regions",
            answers: [
                ("regionInfo/item/regionName", "us-east-1"), ("regionInfo/item/regionEndpoint", "127.0.0.1:8773"),
            ]),
        ActionCase(
            "DescribeInstanceTypes", [("InstanceType.1", "m1.small")], asks: "types",
            answers: [
                ("instanceTypeSet/item/instanceType", "m1.small"), ("instanceTypeSet/item/vCpuInfo/defaultVCpus", "1"),
                ("instanceTypeSet/item/memoryInfo/sizeInMiB", "128"),
                ("instanceTypeSet/item/instanceStorageInfo/totalSizeInGB", "13"),
                ("instanceTypeSet/item/processorInfo/supportedArchitectures/item", "i386"),
            ]),
        ActionCase(
            "DescribeInstanceTypeOfferings",
            [("LocationType", "availability-zone"), ("Filter.1.Name", "instance-type"), ("Filter.1.Value.1", "m1.x*")],
            asks: "zones",
            answers: [
                ("instanceTypeOfferingSet/item/instanceType", "m1.xlarge"),
                ("instanceTypeOfferingSet/item/locationType", "availability-zone"),
                ("instanceTypeOfferingSet/item/location", "us-east-1a"),
            ]),
        ActionCase(
            "ModifyInstanceTypeAttribute", [("Name", "m1.small"), ("Cpu", "4")], asks: "modify type",
            answers: [
                ("instanceType/name", "m1.small"), ("instanceType/cpu", "4"), ("instanceType/memory", "128"),
                ("instanceType/disk", "10"), ("previousInstanceType/cpu", "1"),
            ]),
    ]

    static let tagCases: [ActionCase] = [
        ActionCase(
            "CreateTags", [("ResourceId.1", instance), ("Tag.1.Key", "k"), ("Tag.1.Value", "v")],
            asks: "tag " + instance, answers: [("return", "true")]),
        ActionCase(
            "DeleteTags", [("ResourceId.1", instance), ("Tag.1.Key", "k")], asks: "untag " + instance,
            answers: [("return", "true")]),
        ActionCase(
            "DescribeTags", [("Filter.1.Name", "key"), ("Filter.1.Value.1", "a*")], asks: "tags",
            answers: [
                ("tagSet/item/resourceId", instance), ("tagSet/item/resourceType", "instance"),
                ("tagSet/item/key", "a<b"), ("tagSet/item/value", "c&d"),
            ]),
        ActionCase(
            "DescribeAccountAttributes", [("AttributeName.1", "default-vpc")], asks: "limits",
            answers: [
                ("accountAttributeSet/item/attributeName", "default-vpc"),
                ("accountAttributeSet/item/attributeValueSet/item/attributeValue", vpc),
            ]),
    ]
}
