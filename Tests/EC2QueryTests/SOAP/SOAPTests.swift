import CloudModel
import EC2Query
import QueryProtocol
import Testing
import WSSecurity
import XML

@testable import EC2SOAP

@Suite struct SOAPTests {
    private static func namespace(_ version: String) -> String { "http://ec2.amazonaws.com/doc/\(version)/" }

    @Test(arguments: SOAPVersion.all) func `instances are run in every version`(version: String) async throws {
        let soap = try SOAPCloud()
        let answer = try await soap.send(
            """
            <RunInstances xmlns="\(Self.namespace(version))"><imageId>ami-0123456789abcdef0</imageId>
            <minCount>1</minCount><maxCount>2</maxCount><keyName>my key</keyName>
            <groupSet><item><groupId>\(version < "2011" ? "default" : ActionTests.group)</groupId></item></groupSet>
            <userData version="1.0" encoding="base64"><data>aGVsbG8=</data></userData>
            <instanceType>m1.small</instanceType><placement><availabilityZone>us-east-1a</availabilityZone></placement>
            </RunInstances>
            """)
        #expect(answer.fault == nil, "\(answer.message)")
        #expect(answer.status == 200)
        #expect(answer.content?.namespace == Self.namespace(version))
        #expect(answer["reservationId"] == "r-0123456789abcdef0")
        #expect(answer["instancesSet/item/instanceState/name"] == "running")
        #expect((answer["requestId"] != nil) == (version >= "2008-08-08"))
        #expect(answer["groupSet/item/groupId"] == (version < "2011" ? "default" : ActionTests.group))
        let request = try #require(await soap.cloud.backend.runRequest)
        #expect(request.imageID == "ami-0123456789abcdef0")
        #expect(request.minCount == 1 && request.maxCount == 2)
        #expect(request.keyName == "my key")
        #expect(request.groupNames == (version < "2011" ? ["default"] : []))
        #expect(request.groupIDs == (version < "2011" ? [] : [ActionTests.group]))
        #expect(request.userData == Array("hello".utf8))
        #expect(request.zone == "us-east-1a")
    }

    /// A request by SOAP, and what a Query client would send.
    static let requests: [(version: String, body: String, query: [(String, String)])] = [
        (
            "2009-11-30",
            "<DescribeInstances><instancesSet><item><instanceId>i-1</instanceId></item>"
                + "<item><instanceId>i-2</instanceId></item></instancesSet></DescribeInstances>",
            [("InstanceId.1", "i-1"), ("InstanceId.2", "i-2")]
        ),
        (
            "2012-12-01",
            "<DescribeInstances><instancesSet/><filterSet><item><name>tag:Role</name><valueSet><item>"
                + "<value>web</value></item><item><value>db</value></item></valueSet></item></filterSet>"
                + "</DescribeInstances>",
            [("Filter.1.Name", "tag:Role"), ("Filter.1.Value.1", "web"), ("Filter.1.Value.2", "db")]
        ),
        (
            "2009-11-30",
            "<AuthorizeSecurityGroupIngress><userId>1</userId><groupName>web</groupName><ipPermissions>"
                + "<item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><groups><item>"
                + "<userId>2</userId><groupName>db</groupName></item></groups><ipRanges><item>"
                + "<cidrIp>10.0.0.0/8</cidrIp></item></ipRanges></item></ipPermissions>"
                + "</AuthorizeSecurityGroupIngress>",
            [
                ("GroupName", "web"), ("IpPermissions.1.IpProtocol", "tcp"), ("IpPermissions.1.FromPort", "22"),
                ("IpPermissions.1.ToPort", "22"), ("IpPermissions.1.Groups.1.UserId", "2"),
                ("IpPermissions.1.Groups.1.GroupName", "db"), ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
            ]
        ),
        (
            "2008-02-01",
            "<ModifyImageAttribute><imageId>ami-1</imageId><launchPermission><add><item>"
                + "<userId>111111111111</userId></item><item><group>all</group></item></add></launchPermission>"
                + "</ModifyImageAttribute>",
            [
                ("ImageId", "ami-1"), ("LaunchPermission.Add.1.UserId", "111111111111"),
                ("LaunchPermission.Add.2.Group", "all"),
            ]
        ),
        (
            "2008-02-01",
            "<DescribeImageAttribute><imageId>ami-1</imageId><launchPermission/></DescribeImageAttribute>",
            [("ImageId", "ami-1"), ("Attribute", "launchPermission")]
        ),
        (
            "2008-02-01",
            "<DescribeImages><executableBySet><item><user>self</user></item></executableBySet>"
                + "<imagesSet><item><imageId>ami-1</imageId></item></imagesSet><ownersSet><item><owner>self</owner>"
                + "</item></ownersSet></DescribeImages>",
            [("ExecutableBy.1", "self"), ("ImageId.1", "ami-1"), ("Owner.1", "self")]
        ),
        (
            "2012-06-15",
            "<RunInstances><imageId>ami-1</imageId><minCount> 1 </minCount><maxCount>1</maxCount>"
                + "<groupSet><item><groupId>sg-1</groupId></item><item><groupName>web</groupName></item></groupSet>"
                + "<blockDeviceMapping><item><deviceName>/dev/sdb</deviceName><ebs><volumeSize>8</volumeSize></ebs>"
                + "</item><item><deviceName>/dev/sdc</deviceName><noDevice/></item></blockDeviceMapping>"
                + "<networkInterfaceSet><item><deviceIndex>0</deviceIndex><groupSet><item><groupId>sg-2</groupId></item>"
                + "</groupSet></item></networkInterfaceSet></RunInstances>",
            [
                ("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1"), ("SecurityGroupId.1", "sg-1"),
                ("SecurityGroup.2", "web"), ("BlockDeviceMapping.1.DeviceName", "/dev/sdb"),
                ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"), ("BlockDeviceMapping.2.DeviceName", "/dev/sdc"),
                ("BlockDeviceMapping.2.NoDevice", ""), ("NetworkInterface.1.DeviceIndex", "0"),
                ("NetworkInterface.1.SecurityGroupId.1", "sg-2"),
            ]
        ),
        (
            "2010-08-31",
            "<CreateTags><resourcesSet><item><resourceId>i-1</resourceId></item></resourcesSet><tagSet>"
                + "<item><key>a</key><value/></item></tagSet></CreateTags>",
            [("ResourceId.1", "i-1"), ("Tag.1.Key", "a"), ("Tag.1.Value", "")]
        ),
        (
            "2011-01-01",
            "<ModifyInstanceAttribute><instanceId>i-1</instanceId><groupSet><item><groupId>sg-1</groupId>"
                + "</item></groupSet></ModifyInstanceAttribute>",
            [("InstanceId", "i-1"), ("GroupId.1", "sg-1")]
        ),
    ]

    @Test(arguments: requests.indices) func `a request says what the Query parameters say`(index: Int) throws {
        let example = Self.requests[index]
        let element = try XMLElement.parse(example.body)
        let action = try #require(ShapeTable.all.action(element.localName, in: example.version))
        let parameters = try RequestReading.parameters(
            of: element, action: action, version: example.version, table: .all)
        #expect(parameters.map(\.name) == example.query.map(\.0))
        #expect(parameters.map(\.value) == example.query.map(\.1))
    }

    @Test func `an element that is in no version is refused unless it is empty`() async throws {
        let soap = try SOAPCloud()
        let start = "<StopInstances xmlns=\"\(Self.namespace("2009-11-30"))\"><instancesSet/>"
        let refused = try await soap.send(start + "<hibernate>true</hibernate></StopInstances>")
        #expect(refused.fault == "soapenv:Client.UnsupportedOperation")
        #expect(refused.message.contains("hibernate"))
        let ignored = try await soap.send(start + "<hibernate/></StopInstances>", id: "TS-2")
        #expect(!ignored.message.contains("hibernate"))
    }

    @Test func `the back end's errors are EC2's faults`() async throws {
        let soap = try SOAPCloud()
        let body = "<DescribeInstances xmlns=\"\(Self.namespace("2009-11-30"))\"><instancesSet/></DescribeInstances>"
        let cases: [(CloudError, String)] = [
            (.notFound(.image, ["ami-1"]), "soapenv:Client.InvalidAMIID.NotFound"),
            (.unauthorized(operation: "no"), "soapenv:Client.UnauthorizedOperation"),
            (.unavailable(component: "store", reason: "gone"), "soapenv:Server.Unavailable"),
            (.internalError(message: "An error.", detail: "secret"), "soapenv:Server.InternalError"),
        ]
        for (number, (error, code)) in cases.enumerated() {
            await soap.cloud.backend.fail(with: error)
            let answer = try await soap.send(body, id: "TS-\(number)")
            #expect(answer.fault == code)
            #expect(answer.status == 500)
            #expect(answer["detail/RequestID"] == requestID)
            #expect(!answer.text.contains("secret"))
        }
        let last = try #require(soap.cloud.observations.all.last)
        #expect(last.action == "DescribeInstances" && last.internalDetail == "secret" && last.caller != nil)
    }

    @Test(arguments: [
        ("Nonsense", "2009-11-30", "Client.InvalidAction"),
        ("CreateFleet", "2009-11-30", "Client.UnsupportedOperation"),
        ("DescribeInstanceTypes", "2009-11-30", "Client.UnsupportedOperation"),
        ("DescribeRegions", "2007-01-19", "Client.NoSuchVersion"), ("DescribeRegions", "x", "Client.NoSuchVersion"),
    ])
    func `what is not offered`(action: String, version: String, code: String) async throws {
        let answer = try await SOAPCloud().send("<\(action) xmlns=\"\(Self.namespace(version))\"/>")
        #expect(answer.fault == "soapenv:" + code, "\(answer.text)")
    }

    @Test(arguments: ["2015-10-01", "2009-12-24"])
    func `a version between or after the known ones has the shapes of the one before, in its own namespace`(
        version: String
    ) async throws {
        let answer = try await SOAPCloud().send(
            "<DescribeKeyPairs xmlns=\"\(Self.namespace(version))\"><keySet/></DescribeKeyPairs>")
        #expect(answer.fault == nil, "\(answer.text)")
        #expect(answer.content?.namespace == Self.namespace(version))
        #expect(answer["keySet/item/keyName"] == "my key")
    }

    @Test func `who signs with an unknown certificate is told no more than that`() async throws {
        let soap = try SOAPCloud(isKnown: false)
        let answer = try await soap.send("<DescribeRegions xmlns=\"\(Self.namespace("2009-11-30"))\"/>")
        #expect(answer.fault == "soapenv:Client.AuthFailure")
        #expect(answer.message == "AWS was not able to validate the provided access credentials")
        #expect(await soap.cloud.backend.asked.isEmpty)
    }

    @Test func `a message is obeyed once`() async throws {
        let soap = try SOAPCloud()
        let message = try soap.signer.message(
            "<CreateKeyPair xmlns=\"\(Self.namespace("2009-11-30"))\"><keyName>k</keyName></CreateKeyPair>")
        #expect(await soap.send(message).fault == nil)
        let asked = await soap.cloud.backend.asked.count
        let second = await soap.send(message)
        #expect(second.fault == "soapenv:Client.InvalidSecurity")
        #expect(await soap.cloud.backend.asked.count == asked)
    }

    @Test(arguments: [
        ("2026-11-21T03:40:00Z", "2026-11-21T03:45:00Z"), ("2026-11-21T04:10:00Z", "2026-11-21T04:15:00Z"),
        ("2026-11-21T03:45:00Z", "2026-11-21T05:00:00Z"), ("yesterday", "tomorrow"),
    ])
    func `a message counts in its time only`(created: String, expires: String) async throws {
        let soap = try SOAPCloud()
        let answer = await soap.send(
            try soap.signer.message(
                "<DescribeRegions xmlns=\"\(Self.namespace("2009-11-30"))\"/>", created: created, expires: expires))
        #expect(answer.fault == "soapenv:Client.InvalidSecurity", "\(answer.text)")
    }

    @Test func `one element in the body, and no more than the limit`() async throws {
        let soap = try SOAPCloud()
        #expect(try await soap.send("").fault == "soapenv:Client.MalformedSOAPMessage")
        let region = "<DescribeRegions xmlns=\"\(Self.namespace("2009-11-30"))\"/>"
        #expect(try await soap.send(region + region, id: "TS-2").fault == "soapenv:Client.MalformedSOAPMessage")
        let long = await soap.send([UInt8](repeating: 0x20, count: (1 << 20) + 1))
        #expect(long.fault == "soapenv:Client.RequestTooLong")
    }

    // Signed anew after the change, so that the reading of bodies is reached.
    @Test(arguments: Array(1...5) as [UInt64]) func `changed bodies are answered by a fault of the client or obeyed`(
        seed: UInt64
    ) async throws {
        let soap = try SOAPCloud()
        var generator = SeededGenerator(seed: seed &* 104_729)
        for number in 0..<100 {
            let example = Self.requests[Int.random(in: 0..<Self.requests.count, using: &generator)]
            var body = Array(
                example.body.replacing(first: ">", by: " xmlns=\"\(Self.namespace(example.version))\">").utf8)
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let position = Int.random(in: 0..<body.count, using: &generator)
                let end = min(body.count, position + Int.random(in: 1...30, using: &generator))
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: body[position] = UInt8.random(in: 0x20...0x7E, using: &generator)
                case 1: body.removeSubrange(position..<end)
                case 2: body.insert(contentsOf: body[position..<end], at: position)
                default: body.insert(contentsOf: "<item/>".utf8, at: position)
                }
            }
            let message: [UInt8]
            do {
                message = try soap.signer.message(String(decoding: body, as: UTF8.self), id: "TS-\(number)")
            } catch is XMLError {
                continue
            }
            let answer = await soap.send(message)
            #expect(answer.content != nil)
            if let fault = answer.fault { #expect(fault.hasPrefix("soapenv:Client."), "\(answer.text)") }
        }
    }

    @Test func `which requests are meant for it`() {
        func request(_ method: String, query: String = "", _ headers: [(name: String, value: String)] = [])
            -> EC2Request
        {
            EC2Request(id: requestID, method: method, path: "/", query: query, headers: headers, sourceAddress: "")
        }
        #expect(EC2SOAPInterface.isMeant(by: request("GET", query: "wsdl")))
        #expect(EC2SOAPInterface.isMeant(by: request("GET", query: "WSDL")))
        #expect(!EC2SOAPInterface.isMeant(by: request("GET", query: "Action=DescribeRegions")))
        #expect(
            EC2SOAPInterface.isMeant(by: request("POST", [(name: "Content-Type", value: "text/xml;charset=utf-8")])))
        #expect(EC2SOAPInterface.isMeant(by: request("POST", [(name: "SOAPAction", value: "")])))
        let form = (name: "Content-Type", value: "application/x-www-form-urlencoded")
        #expect(!EC2SOAPInterface.isMeant(by: request("POST", [form])))
    }
}

extension String {
    fileprivate func replacing(first old: Character, by new: String) -> String {
        guard let position = firstIndex(of: old) else { return self }
        return self[..<position] + new + self[index(after: position)...]
    }
}
