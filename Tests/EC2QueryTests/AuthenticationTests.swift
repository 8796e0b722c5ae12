import CloudModel
import EC2Query
import QueryProtocol
import Signatures
import Testing
import XML

@Suite struct AuthenticationTests {
    let cloud = TestCloud()

    @Test func `a RunInstances of botocore is authenticated and understood`() async {
        let answer = await cloud.send(ClientRequests.runInstances)
        #expect(answer.code == nil)
        #expect(answer.root?.localName == "RunInstancesResponse")
        let request = await cloud.backend.runRequest
        #expect(
            request
                == RunInstancesRequest(
                    imageID: "ami-0123456789abcdef0", minCount: 1, maxCount: 3, instanceType: "t2.micro",
                    keyName: "my key", groupIDs: ["sg-0123456789abcdef0"], zone: "us-east-1a",
                    userData: Array("#!/bin/sh\necho \"grüße\" + 1\n".utf8), clientToken: "token-1", monitoring: true,
                    instanceTags: [Tag(key: "Name", value: "web & db"), Tag(key: "empty", value: "")]))
        let caller = await cloud.backend.caller
        #expect(
            caller
                == Caller(
                    accountID: FakeCloud.accountID, userName: "admin", isAdministrator: false,
                    accessKeyID: TestCloud.accessKeyID, requestID: requestID,
                    sourceAddress: "192.0.2.7"))
    }

    @Test func `filters of botocore arrive in order`() async {
        _ = await cloud.send(ClientRequests.describeInstances)
        let request = await cloud.backend.describeRequest
        #expect(
            request
                == DescribeRequest(
                    filters: [
                        Filter(name: "tag:Role", values: ["web*", "db?"]),
                        Filter(name: "instance-state-name", values: ["running"]),
                    ], maxResults: 50))
    }

    @Test func `nested permissions of botocore are read`() async {
        let answer = await cloud.send(ClientRequests.authorizeIngress)
        #expect(answer.code == nil)
        let permissions = await cloud.backend.permissions
        #expect(
            permissions == [
                Permission(
                    ipProtocol: "tcp", fromPort: 22, toPort: 22,
                    blocks: [
                        Permission.BlockPeer(cidr: "10.0.0.0/8", description: "in the house"),
                        Permission.BlockPeer(cidr: "0.0.0.0/0"),
                    ], blocksV6: [Permission.BlockPeer(cidr: "::/0")]),
                Permission(
                    ipProtocol: "-1",
                    groups: [
                        Permission.GroupPeer(
                            group: GroupSelector(id: "sg-0123456789abcdef1"), accountID: "123456789012")
                    ]),
            ])
    }

    @Test func `a key is decoded from Base64`() async {
        _ = await cloud.send(ClientRequests.importKeyPair)
        let bytes = await cloud.backend.bytes
        #expect(bytes == Array("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE me@here".utf8))
    }

    @Test func `a presigned request is good in any region until it expires`() async {
        let answer = await cloud.send(ClientRequests.presigned)
        #expect(answer.root?.localName == "DescribeInstancesResponse")
        let request = await cloud.backend.describeRequest
        #expect(request?.filters == [Filter(name: "key-name", values: ["a b/c+d"])])
        let late = await TestCloud(now: TestCloud.now + 601).send(ClientRequests.presigned)
        #expect(late.code == "RequestExpired")
        #expect(late.status == 400)
    }

    @Test func `version 2 of old clients is accepted by GET and POST`() async {
        let get = await cloud.send(ClientRequests.version2Get)
        #expect(get.code == nil)
        #expect(get.root?.namespace == "http://ec2.amazonaws.com/doc/2009-11-30/")
        let request = await cloud.backend.runRequest
        #expect(request?.imageID == "emi-0123abcd")
        #expect(request?.groupNames == ["default"])
        #expect(request?.userData == [0xFB, 0xFF, 0xFE] + Array(" old".utf8))
        let post = await cloud.send(ClientRequests.version2Post)
        #expect(post["instanceId"] == "i-0123456789abcdef0")
        #expect(post["output"] == Base64.encode([0, 27, 255] + Array("login:".utf8)))
    }

    @Test func `a wrong secret is refused, and the message helps`() async {
        let answer = await cloud.send("DescribeInstances", secret: "wrong")
        #expect(answer.code == "SignatureDoesNotMatch")
        #expect(answer.status == 403)
        #expect(answer.message?.contains("AWS4-HMAC-SHA256") == true)
        #expect(!answer.text.contains(TestCloud.secret))
        let asked = await cloud.backend.asked
        #expect(asked.isEmpty)
    }

    @Test func `a body that was changed is refused`() async {
        var request = ClientRequests.runInstances
        request.body += Array("&DryRun=true".utf8)
        #expect(await cloud.send(request).code == "SignatureDoesNotMatch")
        request = ClientRequests.version2Get
        request.query += "&DryRun=true"
        #expect(await cloud.send(request).code == "SignatureDoesNotMatch")
    }

    @Test func `unknown, disabled and orphaned keys get the same answer`() async {
        let unknown = await cloud.send("DescribeInstances", accessKeyID: "AKIAUNKNOWN000000000")
        let orphan = await cloud.send("DescribeInstances", accessKeyID: "AKIAMALLEEEXAMPLE002")
        let disabled = await TestCloud(isActive: false).send("DescribeInstances")
        #expect(unknown.code == "AuthFailure")
        #expect(unknown.status == 401)
        #expect(unknown.text == orphan.text)
        #expect(unknown.text == disabled.text)
    }

    @Test func `a skewed clock is named as the cause`() async {
        let answer = await TestCloud(now: TestCloud.now + 1000).send("DescribeInstances")
        #expect(answer.code == "RequestExpired")
        #expect(answer.message?.contains("clock") == true)
    }

    @Test func `an unsigned request is told so`() async {
        let answer = await cloud.send(
            EC2Request(
                id: requestID, method: "GET", path: "/", query: "Action=DescribeInstances",
                headers: [(name: "Host", value: "127.0.0.1")], sourceAddress: "192.0.2.7"))
        #expect(answer.code == "MissingAuthenticationToken")
        #expect(answer.status == 403)
    }

    @Test func `a session token is refused with the cure`() async {
        var request = TestCloud.signed(Array("Action=DescribeInstances".utf8))
        request.headers.append((name: "X-Amz-Security-Token", value: "token"))
        let answer = await cloud.send(request)
        #expect(answer.code == "InvalidClientTokenId")
        #expect(answer.message?.contains("AWS_SESSION_TOKEN") == true)
        request.headers.removeLast()
        request.headers.append((name: "X-Amz-Security-Token", value: "expired"))
        #expect(await cloud.send(request).code == "RequestExpired")
    }

    @Test func `a body that the signature does not cover is refused`() async {
        let signer = SigV4Signer(
            accessKeyID: TestCloud.accessKeyID, secret: TestCloud.secret, region: "us-east-1", service: "ec2")
        var headers = [
            (name: "Host", value: "127.0.0.1:8773"), (name: "X-Amz-Content-Sha256", value: "UNSIGNED-PAYLOAD"),
        ]
        let unsigned = SignedRequest(method: "POST", path: "/", headers: headers)
        headers += signer.headers(for: unsigned, payloadHash: "UNSIGNED-PAYLOAD", now: TestCloud.now)
        let answer = await cloud.send(
            EC2Request(
                id: requestID, method: "POST", path: "/", headers: headers,
                body: Array("Action=DescribeInstances".utf8),
                sourceAddress: "192.0.2.7"))
        #expect(answer.code == "IncompleteSignature")
    }

    @Test func `a store that cannot be reached is an error of the server, without detail`() async {
        await cloud.backend.fail(with: .unavailable(component: "store", reason: "restarting"))
        let answer = await cloud.send("DescribeInstances")
        #expect(answer.code == "Unavailable")
        #expect(answer.status == 503)
    }
}
