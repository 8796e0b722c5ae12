import CloudModel
import Testing

@testable import CloudController

@Suite struct DescribeTests {
    @Test func pagesCoverEverythingOnceInAStableOrder() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        var ids: [InstanceID] = []
        for count in [7, 1, 12, 3] {
            ids += try await cloud.run(image, count).instances.map(\.id)
            cloud.clock.advance(seconds: 1)
        }
        var request = DescribeRequest(maxResults: 5)
        var seen: [InstanceID] = []
        var pages = 0
        repeat {
            let page = try await cloud.controller.describeInstances(request, as: cloud.admin)
            seen += page.items.flatMap(\.instances).map(\.id)
            request.nextToken = page.nextToken
            pages += 1
            // What is launched meanwhile comes last and disturbs nothing.
            if pages == 2 { ids += try await cloud.run(image).instances.map(\.id) }
        } while request.nextToken != nil
        #expect(seen == ids)
        #expect(pages == 5)
        let all = try await cloud.controller.describeInstances(DescribeRequest(), as: cloud.admin)
        #expect(all.items.flatMap(\.instances).map(\.id) == ids)
    }

    @Test func tokensOfOtherRequestsAndInventedOnesAreRefused() async throws {
        let cloud = try await TestCloud.open()
        _ = try await cloud.run(try await cloud.image(), 8)
        let first = try await cloud.controller.describeInstances(DescribeRequest(maxResults: 5), as: cloud.admin)
        let token = try #require(first.nextToken)
        let user = try await cloud.user("user")
        await #expect(throws: CloudError.invalidNextToken(token)) {
            try await cloud.controller.describeInstances(
                DescribeRequest(maxResults: 5, nextToken: token), as: user)
        }
        await #expect(throws: CloudError.invalidNextToken(token)) {
            try await cloud.controller.describeInstances(
                DescribeRequest(
                    filters: [Filter(name: "image-id", values: ["*"])], maxResults: 5, nextToken: token),
                as: cloud.admin)
        }
        for bad in ["", "zz", "31", "31313a", String(repeating: "a", count: 9000)] {
            await #expect(throws: CloudError.invalidNextToken(bad)) {
                try await cloud.controller.describeInstances(
                    DescribeRequest(maxResults: 5, nextToken: bad), as: cloud.admin)
            }
        }
        for bad in [0, 4, 1001, -1] {
            await #expect(throws: CloudError.self) {
                try await cloud.controller.describeInstances(DescribeRequest(maxResults: bad), as: cloud.admin)
            }
        }
    }

    @Test func everybodySeesHisOwnAndAdministratorsSeeAllByName() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let user = try await cloud.user("user")
        let theirs = try await cloud.run(image, as: user).instances[0].id
        let mine = try await cloud.run(image).instances[0].id
        func seen(_ request: DescribeRequest, _ caller: Caller) async throws -> Set<InstanceID> {
            let page = try await cloud.controller.describeInstances(request, as: caller)
            return Set(page.items.flatMap(\.instances).map(\.id))
        }
        #expect(try await seen(DescribeRequest(), user) == [theirs])
        #expect(try await seen(DescribeRequest(), cloud.admin) == [mine])
        #expect(try await seen(DescribeRequest(ids: [theirs.value]), cloud.admin) == [theirs])
        #expect(try await seen(DescribeRequest(ids: ["verbose"]), cloud.admin) == [mine, theirs])
        await #expect(throws: CloudError.notFound(.instance, [mine.value])) {
            try await seen(DescribeRequest(ids: [mine.value]), user)
        }
        await #expect(throws: CloudError.malformedID(.instance, "verbose")) {
            try await seen(DescribeRequest(ids: ["verbose"]), user)
        }
        await #expect(throws: CloudError.notFound(.instance, [mine.value])) {
            try await cloud.controller.terminateInstances(ids: [theirs.value, mine.value], dryRun: false, as: user)
        }
        #expect(try await cloud.instance(theirs).intent == .run)
        var stranger = user
        stranger.accountID = "999999999999"
        await #expect(throws: CloudError.unauthorized(operation: "DescribeInstances")) {
            try await seen(DescribeRequest(), stranger)
        }
    }

    @Test func filtersAndStatusesChoose() async throws {
        let cloud = try await TestCloud.open(zones: [FakeZone(name: "us-east-1a"), FakeZone(name: "us-east-1b")])
        let image = try await cloud.image()
        let small = try await cloud.run(image, 2, type: "m1.small", zone: "us-east-1a")
        let large = try await cloud.run(image, 1, type: "m1.large", zone: "us-east-1b")
        try await cloud.eventually("all run") { try await cloud.states() == [.running: 3] }
        try await cloud.controller.createTags(
            resourceIDs: [small.instances[1].id.value], tags: [Tag(key: "role", value: "db-main")], dryRun: false,
            as: cloud.admin)
        func ids(_ filters: [Filter]) async throws -> Set<InstanceID> {
            let page = try await cloud.controller.describeInstances(
                DescribeRequest(filters: filters), as: cloud.admin)
            return Set(page.items.flatMap(\.instances).map(\.id))
        }
        let smalls = Set(small.instances.map(\.id))
        #expect(try await ids([Filter(name: "instance-type", values: ["m1.s*"])]) == smalls)
        #expect(try await ids([Filter(name: "availability-zone", values: ["us-east-1b"])]) == [large.instances[0].id])
        #expect(try await ids([Filter(name: "tag:role", values: ["db-*"])]) == [small.instances[1].id])
        #expect(try await ids([Filter(name: "tag-key", values: ["role"])]) == [small.instances[1].id])
        #expect(
            try await ids([
                Filter(name: "reservation-id", values: [small.id.value, large.id.value]),
                Filter(name: "launch-index", values: ["0"]),
            ]) == [small.instances[0].id, large.instances[0].id])
        #expect(try await ids([Filter(name: "outpost-arn", values: ["*"])]).isEmpty)
        do {
            _ = try await ids([Filter(name: "no-such", values: ["x"])])
            Issue.record("an unknown filter was taken")
        } catch CloudError.invalidValue(_, _, let reason) {
            #expect(reason == "The filter 'no-such' is invalid")
        }
        _ = try await cloud.controller.terminateInstances(
            ids: [large.instances[0].id.value], dryRun: false, as: cloud.admin)
        try await cloud.eventually("it is over") {
            try await cloud.instance(large.instances[0].id).state == .terminated
        }
        let running = try await cloud.controller.describeInstanceStatus(
            DescribeRequest(), includeAll: false, as: cloud.admin)
        #expect(Set(running.items.map(\.id)) == smalls)
        let all = try await cloud.controller.describeInstanceStatus(
            DescribeRequest(), includeAll: true, as: cloud.admin)
        #expect(all.items.count == 3)
    }

    @Test func regionsZonesAndTypesAreDescribed() async throws {
        let cloud = try await TestCloud.open()
        let regions = try await cloud.controller.describeRegions(DescribeRequest(), as: cloud.admin)
        #expect(regions.map(\.name) == ["us-east-1"])
        await #expect(throws: CloudError.notFound(.region, ["mars"])) {
            try await cloud.controller.describeRegions(DescribeRequest(names: ["mars"]), as: cloud.admin)
        }
        await #expect(throws: CloudError.notFound(.availabilityZone, ["us-east-1q"])) {
            try await cloud.controller.describeAvailabilityZones(
                DescribeRequest(names: ["us-east-1q"]), as: cloud.admin)
        }
        #expect(AvailabilityZone.zoneID(name: "us-east-1a") == "use1-az1")
        #expect(AvailabilityZone.zoneID(name: "ap-southeast-2b") == "apse2-az2")
        let types = try await cloud.controller.describeInstanceTypes(DescribeRequest(), as: cloud.admin).items
        #expect(types.contains { $0.name == "m1.small" && $0.memoryMiB <= 256 })
        #expect(types.map(\.memoryMiB) == types.map(\.memoryMiB).sorted())
        var changed = try #require(types.first { $0.name == "m1.small" })
        changed.memoryMiB = 192
        let user = try await cloud.user("user")
        await #expect(throws: CloudError.unauthorized(operation: "ModifyInstanceTypeAttribute")) {
            try await cloud.controller.modifyInstanceType(changed, as: user)
        }
        let before = try await cloud.run(try await cloud.image()).instances[0]
        _ = try await cloud.controller.modifyInstanceType(changed, as: cloud.admin)
        let again = try await cloud.reopened()
        let now = try await again.controller.describeInstanceTypes(
            DescribeRequest(names: ["m1.small"]), as: again.admin)
        #expect(now.items == [changed])
        #expect(try await again.instance(before.id).type == before.type)
        changed.cores = 0
        await #expect(throws: CloudError.self) {
            try await again.controller.modifyInstanceType(changed, as: again.admin)
        }
    }

    @Test func tagsAreSetChangedListedAndRemoved() async throws {
        let cloud = try await TestCloud.open()
        let controller = cloud.controller
        let image = try await cloud.image()
        let instance = try await cloud.run(image).instances[0].id
        let key = try await controller.createKeyPair(
            name: "k", type: "ed25519", tags: [], dryRun: false, as: cloud.admin
        ).keyPair
        let group = try await controller.describeSecurityGroups(DescribeRequest(), as: cloud.admin).items[0]
        let resources = [
            instance.value, image.id.value, key.id.value, group.id.value, group.rules[0].id.value,
        ]
        try await controller.createTags(
            resourceIDs: resources, tags: [Tag(key: "a", value: "1"), Tag(key: "b", value: "2")], dryRun: false,
            as: cloud.admin)
        try await controller.createTags(
            resourceIDs: resources, tags: [Tag(key: "a", value: "3")], dryRun: false, as: cloud.admin)
        let listed = try await controller.describeTags(DescribeRequest(), as: cloud.admin).items
        #expect(Set(listed.map(\.resourceID)) == Set(resources))
        #expect(listed.count == 10)
        #expect(listed.filter { $0.tag.key == "a" }.allSatisfy { $0.tag.value == "3" })
        let ofImages = try await controller.describeTags(
            DescribeRequest(filters: [
                Filter(name: "resource-type", values: ["image"]), Filter(name: "key", values: ["b"]),
            ]), as: cloud.admin)
        #expect(
            ofImages.items
                == [TagDescription(resourceID: image.id.value, resource: .image, tag: Tag(key: "b", value: "2"))])
        try await controller.deleteTags(
            resourceIDs: resources, tags: [("a", "other"), ("b", nil)], dryRun: false, as: cloud.admin)
        #expect(try await controller.describeTags(DescribeRequest(), as: cloud.admin).items.count == 5)
        try await controller.deleteTags(resourceIDs: resources, tags: [], dryRun: false, as: cloud.admin)
        #expect(try await controller.describeTags(DescribeRequest(), as: cloud.admin).items.isEmpty)
        let many = (0..<51).map { Tag(key: "k\($0)", value: "") }
        try await controller.createTags(
            resourceIDs: [image.id.value], tags: Array(many.prefix(50)), dryRun: false, as: cloud.admin)
        await #expect(throws: CloudError.limitExceeded(.tag, limit: 50, inUse: 50, requested: 1)) {
            try await controller.createTags(
                resourceIDs: [image.id.value], tags: [many[50]], dryRun: false, as: cloud.admin)
        }
        let user = try await cloud.user("user")
        await #expect(throws: CloudError.notFound(.image, [image.id.value])) {
            try await controller.createTags(
                resourceIDs: [image.id.value], tags: [many[50]], dryRun: false, as: user)
        }
    }
}
