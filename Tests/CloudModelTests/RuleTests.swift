import Testing

@testable import CloudModel

@Suite struct RuleTests {
    @Test(arguments: [
        ("10.1.2.3/8", "10.0.0.0/8"), ("0.0.0.0/0", "0.0.0.0/0"), ("100.68.0.18/18", "100.68.0.0/18"),
        ("1.2.3.4/32", "1.2.3.4/32"), ("255.255.255.255/1", "128.0.0.0/1"), ("9.8.7.6/0", "0.0.0.0/0"),
    ])
    func ipv4BlocksAreBroughtIntoNormalForm(text: String, normal: String) {
        #expect(IPv4Block(text)?.description == normal)
    }

    @Test(arguments: [
        "", "/", "1.2.3.4", "1.2.3.4/", "1.2.3.4/33", "1.2.3/8", "1.2.3.4.5/8", "256.0.0.0/8", "01.2.3.4/8",
        "1.2.3.4/+8", "1.2.3.4/8/8", " 1.2.3.4/8", "1.2.3.4/8 ", "a.b.c.d/8", "1..3.4/8", "-1.2.3.4/8", "::/0",
        "1.2.3.4/008x",
    ])
    func otherTextIsNoIPv4Block(text: String) { #expect(IPv4Block(text) == nil) }

    @Test(arguments: [
        ("::/0", "::/0"), ("2001:DB8::1/32", "2001:db8::/32"), ("::1/128", "::1/128"),
        ("2001:db8:0:0:1:0:0:1/128", "2001:db8::1:0:0:1/128"), ("fe80::1:2:3:4/64", "fe80::/64"),
        ("::ffff:1.2.3.4/128", "::ffff:102:304/128"), ("1:2:3:4:5:6:7:8/127", "1:2:3:4:5:6:7:8/127"),
        ("1:2:3:4:5:6:7:0/128", "1:2:3:4:5:6:7:0/128"), ("1::/16", "1::/16"), ("0:0:1::/128", "0:0:1::/128"),
        ("1:0:0:2::3/128", "1:0:0:2::3/128"),
    ])
    func ipv6BlocksAreBroughtIntoNormalForm(text: String, normal: String) {
        #expect(IPv6Block(text)?.description == normal)
    }

    @Test(arguments: [
        "", "::", "::/129", ":/0", ":::/0", "1::2::3/0", "1:2:3:4:5:6:7/128", "1:2:3:4:5:6:7:8:9/128", "12345::/16",
        "g::/16", "1:2:3:4:5:6:7:8::/128", "::1.2.3/128", "1.2.3.4/8", "1:/16", ":1/16", "::1.2.3.4:5/128",
    ])
    func otherTextIsNoIPv6Block(text: String) { #expect(IPv6Block(text) == nil) }

    @Test func randomTextNeverTrapsABlock() {
        var generator = SeededGenerator(seed: 3)
        let letters = Array("0123456789abcdef:./ ")
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0...24, using: &generator)).map { _ in
                    letters.randomElement(using: &generator) ?? "0"
                })
            if let block = IPv4Block(text) { #expect(IPv4Block(block.description) == block) }
            if let block = IPv6Block(text) { #expect(IPv6Block(block.description) == block, "\(text)") }
        }
    }

    private func rules(_ permission: Permission) throws(CloudError) -> [SecurityGroupRule] {
        try PermissionRules.rules(of: [permission], egress: false) { (_) throws(CloudError) in
            throw .notFound(.securityGroup, ["sg-1"])
        }
    }

    @Test(arguments: [
        ("TCP", "tcp"), ("6", "tcp"), ("udp", "udp"), ("17", "udp"), ("icmp", "icmp"), ("1", "icmp"),
        ("58", "icmpv6"), ("-1", "-1"), ("all", "-1"), ("50", "50"),
    ])
    func protocolsHaveOneName(text: String, normal: String) throws {
        let rule = try rules(
            Permission(ipProtocol: text, fromPort: 8, toPort: 8, blocks: [.init(cidr: "0.0.0.0/0")])
        )[0]
        #expect(rule.ipProtocol == normal)
        #expect(rule.fromPort == (["tcp", "udp", "icmp", "icmpv6"].contains(normal) ? 8 : -1))
    }

    @Test func wrongPermissionsAreRefused() {
        let any = [Permission.BlockPeer(cidr: "0.0.0.0/0")]
        let wrong = [
            Permission(ipProtocol: "tcp", blocks: any), Permission(ipProtocol: "tcp", fromPort: 1, blocks: any),
            Permission(ipProtocol: "tcp", fromPort: 2, toPort: 1, blocks: any),
            Permission(ipProtocol: "tcp", fromPort: -1, toPort: -1, blocks: any),
            Permission(ipProtocol: "udp", fromPort: 0, toPort: 65_536, blocks: any),
            Permission(ipProtocol: "icmp", fromPort: 256, toPort: 0, blocks: any),
            Permission(ipProtocol: "icmp", fromPort: -1, toPort: 0, blocks: any),
            Permission(ipProtocol: "nonsense", blocks: any), Permission(ipProtocol: "256", blocks: any),
            Permission(ipProtocol: "", blocks: any), Permission(ipProtocol: "-1"),
            Permission(ipProtocol: "-1", blocks: [.init(cidr: "1.2.3.4")]),
            Permission(ipProtocol: "-1", blocks: [.init(cidr: "0.0.0.0/0"), .init(cidr: "1.2.3.4/0")]),
            Permission(ipProtocol: "-1", groups: [.init(group: GroupSelector(name: "none"))]),
            Permission(ipProtocol: "-1", blocks: [.init(cidr: "0.0.0.0/0", description: "Let's Encrypt")]),
            Permission(ipProtocol: "-1", blocks: [.init(cidr: "0.0.0.0/0", description: "é")]),
            Permission(
                ipProtocol: "-1",
                blocks: [.init(cidr: "0.0.0.0/0", description: String(repeating: "x", count: 256))]),
        ]
        for permission in wrong { #expect(throws: CloudError.self) { try rules(permission) } }
        #expect(throws: CloudError.self) { try PermissionRules.rules(of: [], egress: false) { _ in .cidr("") } }
    }

    @Test func tagsFollowEC2sRestrictions() throws {
        try NamingRules.checkTags([
            Tag(key: String(repeating: "ä", count: 127), value: String(repeating: "v", count: 256))
        ])
        for tags in [
            [Tag(key: "", value: "")], [Tag(key: String(repeating: "k", count: 128), value: "")],
            [Tag(key: "k", value: String(repeating: "v", count: 257))], [Tag(key: "AWS:x", value: "")],
            [Tag(key: "a", value: "1"), Tag(key: "a", value: "2")], (0..<51).map { Tag(key: "\($0)", value: "") },
        ] {
            #expect(throws: CloudError.self) { try NamingRules.checkTags(tags) }
        }
        // What the cloud has put on does not count.
        let full = (0..<49).map { Tag(key: "\($0)", value: "") } + [Tag(key: "aws:ec2launchtemplate:id", value: "lt")]
        let whole = try NamingRules.merge([Tag(key: "last", value: "")], into: full)
        #expect(whole.count == 51)
        #expect(throws: CloudError.limitExceeded(.tag, limit: 50, inUse: 50, requested: 1)) {
            try NamingRules.merge([Tag(key: "more", value: "")], into: whole)
        }
        let merged = try NamingRules.merge(
            [Tag(key: "b", value: "2"), Tag(key: "a", value: "3")], into: [Tag(key: "a", value: "1")])
        #expect(merged == [Tag(key: "a", value: "3"), Tag(key: "b", value: "2")])
        #expect(NamingRules.remove([("a", "x"), ("b", nil)], from: merged) == [Tag(key: "a", value: "3")])
        #expect(NamingRules.remove([], from: merged).isEmpty)
    }

    @Test func namesFollowEC2sRestrictions() throws {
        try NamingRules.checkGroupName("a (b) _.-")
        try NamingRules.checkKeyPairName("key with blanks/and slashes")
        for name in ["", "default", "sg-1234", "ä", "line\nbreak", String(repeating: "x", count: 256)] {
            #expect(throws: CloudError.self) { try NamingRules.checkGroupName(name) }
        }
        #expect(throws: CloudError.self) { try NamingRules.checkKeyPairName("\u{7F}") }
    }

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_767_225_599_999, "2025-12-31T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ])
    func momentsAreWrittenAsISO8601(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).iso8601 == text)
    }
}
