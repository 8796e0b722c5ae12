import EC2Query
import QueryProtocol
import Testing
import XML

@Suite struct EmptyListTests {
    @Test(arguments: EmptyList.all.map(\.action)) func `the list is empty, and nothing is found by id`(action: String)
        async
    {
        let cloud = TestCloud()
        let answer = await cloud.send(
            action, [("Filter.1.Name", "any"), ("Filter.1.Value.1", "thing"), ("MaxResults", "5")])
        #expect(answer.root?.localName == action + "Response")
        #expect(answer.root?.children.count == 2)
        #expect(answer.root?.children.last?.children.isEmpty == true)
        #expect(await cloud.send(action, [("DryRun", "true")]).code == "DryRunOperation")
        #expect(await cloud.send(action, [("NextToken", "x")]).code == "InvalidNextToken")
        #expect(await cloud.send(action, secret: "wrong").code == "SignatureDoesNotMatch")
    }

    @Test func `a resource that is named does not exist, in EC2's code`() async {
        let cloud = TestCloud()
        let cases = [
            ("DescribeVolumes", "VolumeId.1", "InvalidVolume.NotFound"),
            ("DescribeSnapshots", "SnapshotId.1", "InvalidSnapshot.NotFound"),
            ("DescribeAddresses", "PublicIp.1", "InvalidAddress.NotFound"),
            ("DescribeAddresses", "AllocationId.1", "InvalidAllocationID.NotFound"),
        ]
        for (action, parameter, code) in cases {
            #expect(await cloud.send(action, [(parameter, "x-1")]).code == code)
        }
    }

    @Test func `no action is in both tables, and all are EC2's`() {
        let lists = Set(EmptyList.all.map(\.action))
        #expect(lists.count == EmptyList.all.count)
        #expect(lists.isDisjoint(with: EC2Action.all.map(\.name)))
        #expect(lists.isDisjoint(with: EC2Action.unoffered))
    }
}
