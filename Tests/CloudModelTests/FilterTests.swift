import Testing

@testable import CloudModel

@Suite struct FilterTests {
    @Test(arguments: [
        ("abc", "abc", true), ("abc", "abd", false), ("abc", "ABC", false), ("", "", true), ("", "a", false),
        ("*", "", true), ("*", "anything", true), ("a*c", "abbbc", true), ("a*c", "abbbd", false),
        ("*b*", "abc", true), ("a?c", "abc", true), ("a?c", "ac", false), ("?", "", false), ("a**b", "ab", true),
        ("\\*", "*", true), ("\\*", "x", false), ("a\\?", "a?", true), ("a\\?", "ab", false), ("\\\\", "\\", true),
        ("a\\", "a\\", true), ("?", "é", true), ("?é?", "aéb", true), ("*é", "caffé", true), ("??", "é", false),
        ("*.*.*", "a.b.c", true), ("*ab*ab*", "xabyab", true), ("*ab*ab*", "xab", false),
    ])
    func patternsMatchAsTheUserGuideSays(pattern: String, text: String, expected: Bool) {
        #expect(WildcardPattern(pattern).matches(text) == expected)
    }

    @Test func manyStarsDoNotTakeForever() {
        let pattern = WildcardPattern(String(repeating: "*a", count: 200) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 5000)))
    }

    @Test func patternsAgreeWithASimpleMatcher() {
        func simple(_ pattern: ArraySlice<Character>, _ text: ArraySlice<Character>) -> Bool {
            guard let first = pattern.first else { return text.isEmpty }
            switch first {
            case "*":
                return simple(pattern.dropFirst(), text) || (!text.isEmpty && simple(pattern, text.dropFirst()))
            case "?": return !text.isEmpty && simple(pattern.dropFirst(), text.dropFirst())
            default: return text.first == first && simple(pattern.dropFirst(), text.dropFirst())
            }
        }
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<5000 {
            let pattern = String(
                (0..<Int.random(in: 0...6, using: &generator)).map { _ in "ab*?".randomElement(using: &generator) ?? "a"
                })
            let text = String(
                (0..<Int.random(in: 0...7, using: &generator)).map { _ in "ab".randomElement(using: &generator) ?? "a" }
            )
            #expect(
                WildcardPattern(pattern).matches(text) == simple(Array(pattern)[...], Array(text)[...]),
                "\(pattern) \(text)")
        }
    }

    private static let instance: Instance = {
        var instance = Samples.instance()
        instance.tags = [Tag(key: "Owner", value: "me"), Tag(key: "Empty", value: "")]
        instance.privateAddress = "10.0.0.1"
        instance.publicAddress = "192.0.2.1"
        instance.state = .running
        var options = InstanceOptions()
        options.lease = Lease(endsAt: Timestamp(milliseconds: 1_767_312_000_000), latest: Samples.launch)
        instance.options = options
        return instance
    }()

    @Test(arguments: [
        ("instance-id", instance.id.value), ("image-id", "ami-12345678"), ("instance-type", "m1.small"),
        ("instance-state-name", "running"), ("instance-state-code", "16"), ("availability-zone", "us-east-1a"),
        ("availability-zone-id", "use1-az1"), ("owner-id", "123456789012"),
        ("reservation-id", instance.reservationID.value),
        ("key-name", "k"), ("launch-index", "0"), ("launch-time", "2026-01-01T*"), ("architecture", "x86_64"),
        ("private-ip-address", "10.0.0.*"), ("ip-address", "192.0.2.1"), ("group-name", "default"),
        ("instance.group-name", "default"), ("group-id", "sg-*"), ("client-token", "token"), ("tag:Owner", "me"),
        ("tag-key", "Own*"), ("tag-value", "me"), ("tag:Empty", ""), ("root-device-name", "/dev/sda1"),
        ("root-device-type", "instance-store"), ("monitoring-state", "disabled"), ("tenancy", "default"),
        ("network-interface.mac-address", "02:*"), ("virtualization-type", "hvm"), ("instance-status.status", "ok"),
        ("metadata-options.http-tokens", "optional"), ("event.code", "instance-retirement"),
        ("event.not-before", "2026-01-02T*"), ("network-interface.network-interface-id", "eni-*"),
    ])
    func instancesHaveTheAttribute(name: String, pattern: String) throws {
        #expect(
            try FilterMatcher<Instance>([Filter(name: name, values: ["no-such-value", pattern])]).matches(Self.instance)
        )
        #expect(try !FilterMatcher<Instance>([Filter(name: name, values: ["no-such-value"])]).matches(Self.instance))
        #expect(try !FilterMatcher<Instance>([Filter(name: name, values: [])]).matches(Self.instance))
    }

    @Test(arguments: [
        "outpost-arn", "placement-group-name", "spot-instance-request-id", "iam-instance-profile.arn", "platform",
    ])
    func knownAttributesThatTheCloudLacksMatchNothing(name: String) throws {
        #expect(try !FilterMatcher<Instance>([Filter(name: name, values: ["*"])]).matches(Self.instance))
    }

    @Test(arguments: [
        ("network-interface-id", "eni-*"), ("attachment.instance-id", instance.id.value),
        ("attachment.attachment-id", "eni-attach-*"), ("attachment.device-index", "0"), ("status", "in-use"),
        ("mac-address", "02:*"), ("private-ip-address", "10.0.0.1"), ("addresses.private-ip-address", "10.0.0.1"),
        ("association.public-ip", "192.0.2.1"), ("addresses.association.owner-id", "amazon"), ("group-id", "sg-*"),
        ("availability-zone", "us-east-1a"), ("vpc-id", "vpc-*"), ("subnet-id", "subnet-*"),
        ("owner-id", "123456789012"), ("interface-type", "interface"), ("source-dest-check", "true"),
        ("requester-managed", "false"), ("operator.managed", "false"),
    ])
    func interfacesHaveTheAttribute(name: String, pattern: String) throws {
        let interface = try #require(NetworkInterface(of: Self.instance))
        for (value, passes) in [(pattern, true), ("no-such-value", false)] {
            let matcher = try FilterMatcher<NetworkInterface>([Filter(name: name, values: [value])])
            #expect(matcher.matches(interface) == passes)
        }
    }

    @Test func anInterfaceIsThereAsLongAsItsInstance() throws {
        var instance = Self.instance
        let interface = try #require(NetworkInterface(of: instance))
        #expect(interface.id.dropFirst(4) == instance.id.value.dropFirst(2))
        #expect(NetworkInterface.isID(interface.id))
        #expect(
            !NetworkInterface.isID("eni-") && !NetworkInterface.isID("eni-0123") && !NetworkInterface.isID("i-01234567")
        )
        instance.state = .terminated
        #expect(NetworkInterface(of: instance) == nil)
        #expect(throws: CloudError.self) {
            try FilterMatcher<NetworkInterface>([Filter(name: "colour", values: ["red"])])
        }
    }

    @Test(arguments: ["", "no-such", "Instance-Id", "instance_id", "tags"])
    func unknownNamesAreRefused(name: String) {
        #expect(throws: CloudError.self) { try FilterMatcher<Instance>([Filter(name: name, values: ["x"])]) }
        #expect(throws: CloudError.self) { try FilterMatcher<Image>([Filter(name: name, values: ["x"])]) }
        #expect(throws: CloudError.self) { try FilterMatcher<Region>([Filter(name: name, values: ["x"])]) }
    }

    @Test(arguments: ["image-watermark.watermark-key", "public-ssm-parameter-name", "scan-result.finding-scan-date"])
    func `what no image of this cloud has finds none`(name: String) throws {
        let image = Image(
            id: .random(.machine), accountID: "1", name: "n", architecture: "x86_64", location: "b/k", format: .raw,
            sizeBytes: 1, virtualSizeBytes: 1, sha256: "", createdAt: Samples.launch)
        #expect(try !FilterMatcher<Image>([Filter(name: name, values: ["*"])]).matches(image))
    }

    @Test func groupsAreFoundByTheirRules() throws {
        var group = SecurityGroup(
            id: .random(), accountID: "1", name: "g", description: "d", rules: [PermissionRules.allowAllEgress()])
        group.rules.append(
            SecurityGroupRule(
                id: .random(), isEgress: false, ipProtocol: "tcp", fromPort: 22, toPort: 23,
                peer: .cidr("10.0.0.0/8")))
        func matches(_ name: String, _ value: String) throws -> Bool {
            try FilterMatcher<SecurityGroup>([Filter(name: name, values: [value])]).matches(group)
        }
        #expect(try matches("ip-permission.cidr", "10.0.0.0/8"))
        #expect(try matches("ip-permission.from-port", "22"))
        #expect(try matches("ip-permission.to-port", "23"))
        #expect(try matches("ip-permission.protocol", "tcp"))
        #expect(try !matches("ip-permission.cidr", "0.0.0.0/0"))
        #expect(try matches("egress.ip-permission.cidr", "0.0.0.0/0"))
        #expect(try matches("egress.ip-permission.protocol", "-1"))
        #expect(throws: CloudError.self) { try matches("ip-permission.colour", "red") }
    }
}

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

enum Samples {
    static let launch = Timestamp(milliseconds: 1_767_225_600_000)

    /// A pending instance on no node.
    static func instance() -> Instance {
        Instance(
            id: .random(), reservationID: .random(), accountID: "123456789012", launchIndex: 0,
            imageID: ImageID("ami-12345678") ?? .random(.machine), kernelID: nil, ramdiskID: nil,
            architecture: "x86_64", rootDeviceName: "/dev/sda1",
            type: InstanceType(name: "m1.small", cores: 1, memoryMiB: 128, diskGiB: 2), zone: "us-east-1a",
            keyName: "k", publicKey: nil, userData: nil,
            groups: [GroupMembership(id: .random(), name: "default")], macAddress: "02:00:00:00:00:01",
            launchTime: launch, clientToken: "token", isMonitored: false, tags: [])
    }
}
