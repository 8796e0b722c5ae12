import CloudModel
import EC2Query
import QueryProtocol
import Testing
import XML

@Suite struct ProtocolTests {
    let cloud = TestCloud()

    @Test func `the answer carries the request's id in body and header`() async {
        let answer = await cloud.send("DescribeInstances")
        #expect(answer.status == 200)
        #expect(answer["requestId"] == requestID)
        #expect(answer.header("x-amzn-requestid") == requestID)
        #expect(answer.header("content-type") == "text/xml;charset=UTF-8")
    }

    @Test(arguments: [
        ("2016-11-15", "2016-11-15"), ("2006-06-26", "2006-06-26"), ("2009-11-30", "2009-11-30"),
        ("2031-01-01", "2031-01-01"), ("2013-10-15", "2013-10-15"), ("eucalyptus", "2016-11-15"),
        ("", "2016-11-15"),
    ]) func `every version is answered in its own namespace`(asked: String, namespace: String) async {
        let answer = await cloud.send("DescribeInstances", version: asked)
        #expect(answer.root?.namespace == "http://ec2.amazonaws.com/doc/\(namespace)/")
        #expect(answer.root?.localName == "DescribeInstancesResponse")
    }

    @Test(arguments: ["2016-13-15", "20161115", "\"/><x>", "latest"])
    func `a version that is no date does not exist`(asked: String) async {
        let answer = await cloud.send("DescribeInstances", version: asked)
        #expect(answer.code == "NoSuchVersion")
        #expect(answer.status == 400)
    }

    @Test func `a missing version is no error`() async {
        let answer = await cloud.send("DescribeRegions", version: nil)
        #expect(answer.root?.namespace == "http://ec2.amazonaws.com/doc/2016-11-15/")
    }

    @Test func `errors are EC2's document, in no namespace`() async {
        let answer = await cloud.send("NoSuchAction")
        #expect(answer.root?.namespace == nil)
        #expect(
            answer.text == """
                <?xml version="1.0" encoding="UTF-8"?>
                <Response><Errors><Error><Code>InvalidAction</Code><Message>The action NoSuchAction is not valid for \
                this web service.</Message></Error></Errors>\
                <RequestID>11111111-2222-4333-8444-555555555555</RequestID></Response>
                """)
        #expect(answer.status == 400)
    }

    @Test(arguments: [
        "CreateVpc", "CreateInstanceExportTask", "CreateVolume", "RequestSpotInstances", "MigrateInstances",
    ])
    func `an action that is known and not offered says so`(name: String) async {
        let answer = await cloud.send(name)
        #expect(answer.code == "UnsupportedOperation")
        #expect(answer.message?.contains(name) == true)
        #expect(EC2Action.unoffered.contains(name))
    }

    @Test func `the table names each action once and knows EC2's`() {
        #expect(Set(EC2Action.all.map(\.name)).count == EC2Action.all.count)
        #expect(EC2Action.unoffered.count == 835 - EC2Action.all.count - EmptyList.all.count)
        #expect(
            EC2Action.all.filter { $0.authorization == .administrator }.map(\.name) == ["ModifyInstanceTypeAttribute"])
        for action in EC2Action.all { #expect(!action.summary.isEmpty && action.since.utf8.count == 10) }
    }

    @Test func `a request without action is told what this is`() async {
        let answer = await cloud.send(
            EC2Request(id: requestID, method: "GET", path: "/", headers: [], sourceAddress: "192.0.2.7"))
        #expect(answer.code == "MissingAction")
        #expect(answer.message?.contains("EC2 endpoint") == true)
        #expect(await cloud.send("").code == "MissingAction")
    }

    @Test(arguments: ["HEAD", "PUT", "DELETE", "OPTIONS", "BREW"]) func `other methods are refused`(method: String)
        async
    {
        let answer = await cloud.send(
            EC2Request(
                id: requestID, method: method, path: "/", query: "Action=DescribeInstances", headers: [],
                sourceAddress: ""))
        #expect(answer.code == "MethodNotAllowed")
        #expect(answer.status == 405)
        #expect(answer.header("allow") == "GET, POST")
    }

    @Test(arguments: ["text/xml", "multipart/form-data; boundary=x", "application/json"])
    func `a body that is no form is refused`(type: String) async {
        let answer = await cloud.send(
            TestCloud.signed(Array("Action=DescribeInstances".utf8), contentType: type))
        #expect(answer.code == "MalformedQueryString")
        #expect(answer.message?.contains("x-www-form-urlencoded") == true)
    }

    @Test func `a GET with a body is refused`() async {
        let request = TestCloud.signed(Array("Action=DescribeInstances".utf8), method: "GET")
        #expect(await cloud.send(request).code == "MalformedQueryString")
    }

    @Test func `a parameter may come once, also across query and form`() async {
        let twice = TestCloud.signed(Array("Action=DescribeInstances&DryRun=true&DryRun=false".utf8))
        #expect(await cloud.send(twice).code == "MalformedQueryString")
        let across = TestCloud.signed(Array("Action=DescribeInstances".utf8), query: "Action=TerminateInstances")
        #expect(await cloud.send(across).code == "MalformedQueryString")
        let encoded = TestCloud.signed(Array("Action=DescribeInstances&%41ction=RunInstances".utf8))
        #expect(await cloud.send(encoded).code == "MalformedQueryString")
    }

    @Test(arguments: ["A=%", "A=%4", "A=%zz", "%=1", "A=%FF%FE", "%80=1", "=1", "A=%C0%80", "A=%ED%A0%80"])
    func `bad encoding is refused`(piece: String) async {
        let answer = await cloud.send(TestCloud.signed(Array(("Action=DescribeInstances&" + piece).utf8)))
        #expect(answer.code == "MalformedQueryString")
        #expect(answer.status == 400)
    }

    @Test func `large requests are refused before they are read`() async {
        let body = TestCloud.signed([UInt8](repeating: 0x41, count: (1 << 20) + 1))
        #expect(await cloud.send(body).status == 413)
        let query = EC2Request(
            id: requestID, method: "GET", path: "/", query: String(repeating: "a", count: 200_000), headers: [],
            sourceAddress: "")
        #expect(await cloud.send(query).status == 414)
        let many = (0..<20_001).map { "P.\($0)=1" }.joined(separator: "&")
        #expect(await cloud.send(TestCloud.signed(Array(many.utf8))).code == "MalformedQueryString")
    }

    @Test func `unknown and deep parameters are ignored`() async {
        let deep = Array(repeating: "a", count: 100).joined(separator: ".")
        let answer = await cloud.send(
            "DescribeInstances", [("Nonsense", "1"), (deep, "1"), ("Filter.x.Name", "1"), ("InstanceId.-1", "i-1")])
        #expect(answer.code == nil)
        let request = await cloud.backend.describeRequest
        #expect(request == DescribeRequest())
    }

    @Test func `a request of an ordinary user for an administrator's action is refused`() async {
        let answer = await cloud.send("ModifyInstanceTypeAttribute", [("Name", "m1.small"), ("Cpu", "2")])
        #expect(answer.code == "UnauthorizedOperation")
        #expect(answer.status == 403)
        let asked = await cloud.backend.asked
        #expect(asked.isEmpty)
    }

    @Test func `internal detail goes to the observer and not to the client`() async {
        await cloud.backend.fail(with: .internalError(message: "The request failed.", detail: "disk /dev/sdx is dead"))
        let answer = await cloud.send("DescribeInstances", [("InstanceId.1", "i-0123456789abcdef0")])
        #expect(answer.code == "InternalError")
        #expect(answer.status == 500)
        #expect(answer.message == "The request failed.")
        #expect(!answer.text.contains("sdx"))
        let observation = cloud.observations.all.last
        #expect(observation?.internalDetail == "disk /dev/sdx is dead")
        #expect(observation?.action == "DescribeInstances")
        #expect(observation?.status == 500)
        #expect(observation?.errorCode == "InternalError")
        #expect(observation?.caller?.userName == "admin")
        #expect(observation?.responseBytes == answer.response.body.count)
    }

    @Test func `the observer hears of every request`() async {
        _ = await cloud.send("DescribeInstances")
        _ = await cloud.send("NoSuchAction")
        _ = await cloud.send(
            EC2Request(id: requestID, method: "GET", path: "/", headers: [], sourceAddress: "192.0.2.9"))
        let all = cloud.observations.all
        #expect(all.map(\.errorCode) == [nil, "InvalidAction", "MissingAction"])
        #expect(all.map(\.action) == ["DescribeInstances", "NoSuchAction", nil])
        #expect(all.last?.caller == nil)
        #expect(all.last?.sourceAddress == "192.0.2.9")
    }
}
