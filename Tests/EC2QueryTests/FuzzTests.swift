import CloudModel
import QueryProtocol
import Signatures
import Testing
import XML

@testable import EC2Query

/// SplitMix64, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct FuzzTests {
    private static let names = [
        "InstanceId", "InstanceId.1", "ImageId", "MinCount", "MaxCount", "Filter.1.Name", "Filter.1.Value.1",
        "Filter.1.Value.999999999999999999999", "NextToken", "MaxResults", "DryRun", "GroupId", "GroupName", "KeyName",
        "PublicKeyMaterial", "UserData", "IpPermissions.1.IpProtocol", "IpPermissions.1.FromPort",
        "IpPermissions.1.IpRanges.1.CidrIp", "CidrIp", "IpProtocol", "TagSpecification.1.ResourceType",
        "TagSpecification.1.Tag.1.Key", "Tag.1.Key", "Tag.1.Value", "ResourceId.1", "Name", "Cpu", "ZoneName.1",
        "BlockDeviceMapping.1.Ebs.VolumeSize", "Placement.AvailabilityZone", "NetworkInterface.1.DeviceIndex",
        "..", ".", "Filter", "Filter..Name", "Filter.1", "LocationType", "SecurityGroupRuleId.1", "AttributeName.1",
    ]
    private static let values = [
        "", "1", "0", "-1", "true", "i-0123456789abcdef0", "ami-0123456789abcdef0", "9223372036854775807",
        "-9223372036854775808", "verbose", "tcp", "0.0.0.0/0", "AAAA", "instance", "%00%01", "%F0%9F%8C%B3", "a%0Ab",
        "*",
        "<x>&amp;]]>", "%EF%BF%BE", "m1.small", "availability-zone",
    ]

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `random parameters to all actions give an answer or an error document`(seed: UInt64) async {
        let cloud = TestCloud(isAdministrator: true)
        var generator = SeededGenerator(seed: seed)
        let actions = EC2Action.all.map(\.name)
        for _ in 0..<400 {
            let action = actions[Int.random(in: 0..<actions.count, using: &generator)]
            var pieces = ["Action=" + action]
            for _ in 0..<Int.random(in: 0...12, using: &generator) {
                let name = Self.names[Int.random(in: 0..<Self.names.count, using: &generator)]
                let value = Self.values[Int.random(in: 0..<Self.values.count, using: &generator)]
                pieces.append(PercentEncoding.encode(name) + "=" + value)
            }
            pieces.shuffle(using: &generator)
            let answer = await cloud.send(TestCloud.signed(Array(pieces.joined(separator: "&").utf8)))
            #expect(answer.root?.localName == (answer.status == 200 ? action + "Response" : "Response"))
            #expect(answer.status != 500 || answer.code == nil)
        }
    }

    @Test(arguments: [11, 12, 13, 14] as [UInt64])
    func `random bytes as body, query and headers give an error document`(seed: UInt64) async {
        let cloud = TestCloud()
        var generator = SeededGenerator(seed: seed)
        func junk(_ longest: Int) -> [UInt8] {
            let alphabet = Array("&=%+.;/?#Action0AF\u{7F}\u{00}".utf8) + [0x80, 0xC3, 0xFF]
            let plain = Bool.random(using: &generator)
            return (0..<Int.random(in: 0...longest, using: &generator)).map { _ in
                plain
                    ? UInt8.random(in: 0...255, using: &generator)
                    : alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            }
        }
        for round in 0..<300 {
            var request = TestCloud.signed(junk(300))
            if round % 3 == 0 {
                request.method = Bool.random(using: &generator) ? "GET" : "POST"
                request.query = String(decoding: junk(200), as: UTF8.self)
                request.path = String(decoding: junk(30), as: UTF8.self)
                request.headers.append((name: "Authorization", value: String(decoding: junk(100), as: UTF8.self)))
            }
            let answer = await cloud.send(request)
            #expect(answer.root?.localName == "Response")
            #expect((400..<500).contains(answer.status))
        }
    }

    @Test func `the parser keeps every parameter exactly`() throws {
        var generator = SeededGenerator(seed: 99)
        for _ in 0..<200 {
            var expected: [String: String] = [:]
            for _ in 0..<Int.random(in: 0...20, using: &generator) {
                let name = "P." + String(Int.random(in: 0...999, using: &generator))
                let scalars = (0..<Int.random(in: 0...10, using: &generator)).compactMap { _ in
                    Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &generator))
                }
                expected[name] = String(String.UnicodeScalarView(scalars))
            }
            let form = expected.map { PercentEncoding.encode($0.key) + "=" + PercentEncoding.encode($0.value) }
                .shuffled(using: &generator).joined(separator: "&")
            let parameters = try Parameters(query: "", form: Array(form.utf8), mostParameters: 100)
            for (name, value) in expected {
                #expect(parameters.raw(name)?.unicodeScalars.elementsEqual(value.unicodeScalars) == true)
            }
            #expect(parameters.structures("P").count == expected.count)
        }
    }

    @Test func `a body of the largest size is answered in bounded time`() async {
        let cloud = TestCloud()
        let clock = ContinuousClock()
        for piece in ["a&", "a.1.2.3.4.5.6.7.8.9.10.11=1&", "=&", "%41%41&", "Filter.1.Value.1.", "A=", "&"] {
            let count = (1 << 20) / piece.utf8.count
            let body = Array(String(repeating: piece, count: count).utf8)
            var status = 0
            let time = await clock.measure { status = await cloud.send(TestCloud.signed(body)).status }
            #expect(status >= 400)
            // Generous for an unoptimised build on a busy machine; quadratic work would take minutes.
            #expect(time < .seconds(120), "\(piece)")
        }
    }

    @Test func `twenty thousand ids are read`() async {
        let cloud = TestCloud()
        let ids = (1...19_000).map { "InstanceId.\($0)=i-0123456789abcdef0" }.joined(separator: "&")
        let answer = await cloud.send(TestCloud.signed(Array(("Action=DescribeInstances&" + ids).utf8)))
        #expect(answer.status == 200)
        let request = await cloud.backend.describeRequest
        #expect(request?.ids.count == 19_000)
    }
}
