import CloudModel
import EC2Query
import QueryProtocol
import Testing

@Suite struct GateTests {
    @Test(arguments: EC2Action.all.map(\.name))
    func `every action asks the gate first, and a refusal ends it`(action: String) async {
        let cloud = TestCloud(isAdministrator: true)
        await cloud.backend.refuse(.unauthorized(operation: "User: x is not authorized to perform: ec2:\(action)"))
        let answer = await cloud.send(action)
        #expect(answer.code == "UnauthorizedOperation")
        #expect(answer.status == 403)
        #expect(await cloud.backend.checks.map(\.action) == ["ec2:" + action])
        #expect(await cloud.backend.asked.isEmpty)
    }

    @Test func `a launch names everything that it takes, and what it adds`() async {
        let cloud = TestCloud()
        _ = await cloud.send(
            "RunInstances",
            [
                ("ImageId", "ami-0123456789abcdef0"), ("MinCount", "1"), ("MaxCount", "3"), ("KeyName", "k"),
                ("SecurityGroupId.1", "sg-0123456789abcdef0"), ("InstanceType", "m1.small"),
                ("TagSpecification.1.ResourceType", "instance"), ("TagSpecification.1.Tag.1.Key", "Owner"),
                ("TagSpecification.1.Tag.1.Value", "ada"),
            ])
        let check = await cloud.backend.checks.first
        #expect(
            check?.resources.map(\.arn) == [
                "arn:aws:ec2:us-east-1::image/ami-0123456789abcdef0",
                "arn:aws:ec2:us-east-1:123456789012:security-group/sg-0123456789abcdef0",
                "arn:aws:ec2:us-east-1:123456789012:key-pair/k", "arn:aws:ec2:us-east-1:123456789012:instance/*",
            ])
        #expect(check?.facts["ec2:instancetype"] == ["m1.small"])
        #expect(check?.facts["aws:requesttag/owner"] == ["ada"])
        #expect(check?.additions["ec2:quota-vminstancenumber"] == 3)
    }

    @Test func `listing has no resources, ending instances has them`() async {
        let cloud = TestCloud()
        _ = await cloud.send("DescribeInstances", [("InstanceId.1", "i-0123456789abcdef0")])
        _ = await cloud.send(
            "TerminateInstances", [("InstanceId.1", "i-0123456789abcdef0"), ("InstanceId.2", "i-0123456789abcdef1")])
        let checks = await cloud.backend.checks
        #expect(checks.first?.resources == [AccessResource("*")])
        #expect(
            checks.last?.resources.map(\.arn) == [
                "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0",
                "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef1",
            ])
    }

    @Test func `a quota is told as EC2 tells it`() async {
        let cloud = TestCloud()
        await cloud.backend.refuse(.limitExceeded(.instance, limit: 2, inUse: 2, requested: 1))
        #expect(await cloud.send("RunInstances", [("ImageId", "ami-1")]).code == "InstanceLimitExceeded")
    }
}
