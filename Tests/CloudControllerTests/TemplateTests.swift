import CloudModel
import Store
import Testing

@testable import CloudController

@Suite struct TemplateTests {
    @Test func `a template has versions, of which one is the default, and survives a restart`() async throws {
        let cloud = try await TestCloud.open()
        let create = CreateLaunchTemplateRequest(
            name: "web", data: ["InstanceType": "m1.small", "KeyName": "k"], clientToken: "t",
            tags: [Tag(key: "a", value: "b")])
        let made = try await cloud.controller.createLaunchTemplate(create, as: cloud.admin)
        #expect(try await cloud.controller.createLaunchTemplate(create, as: cloud.admin).id == made.id)
        let selector = LaunchTemplateSelector(name: "web")
        let request = CreateTemplateVersionRequest(
            template: selector, source: "1", data: ["InstanceType": "m1.large"], clientToken: "t")
        let second = try await cloud.controller.createLaunchTemplateVersion(request, as: cloud.admin)
        #expect(second.version.number == 2)
        #expect(second.version.data == ["InstanceType": "m1.large", "KeyName": "k"])
        let repeated = try await cloud.controller.createLaunchTemplateVersion(request, as: cloud.admin)
        #expect(repeated.version.number == 2)
        for version in ["1", "2"] {
            _ = try await cloud.controller.setDefaultVersion(
                version, of: selector, clientToken: version, dryRun: false, as: cloud.admin)
        }
        let late = try await cloud.controller.setDefaultVersion(
            "1", of: selector, clientToken: "1", dryRun: false, as: cloud.admin)
        #expect(late.defaultVersion == 2)
        await #expect(throws: CloudError.idempotentParameterMismatch(token: "2")) {
            try await cloud.controller.setDefaultVersion(
                "1", of: selector, clientToken: "2", dryRun: false, as: cloud.admin)
        }
        let again = try await cloud.reopened()
        let kept = try await again.controller.launchTemplate(selector, as: again.admin)
        #expect(kept.defaultVersion == 2 && kept.latestVersion == 2 && kept.tags == create.tags)
        let deleted = try await again.controller.deleteLaunchTemplateVersions(
            [1, 2, 3], of: selector, dryRun: false, as: again.admin)
        #expect(deleted.deleted == [1] && deleted.kept == [2] && deleted.missing == [3])
        _ = try await again.controller.deleteLaunchTemplate(selector, dryRun: false, as: again.admin)
        await #expect(throws: CloudError.notFound(.launchTemplateName, ["web"])) {
            try await again.controller.launchTemplate(selector, as: again.admin)
        }
    }

    @Test func `bad templates, and those of others, are refused`() async throws {
        let cloud = try await TestCloud.open()
        let user = try await cloud.user("user")
        let made = try await cloud.controller.createLaunchTemplate(
            CreateLaunchTemplateRequest(name: "web", data: ["ImageId": "ami-1"]), as: cloud.admin)
        await #expect(throws: CloudError.duplicate(.launchTemplateName, "web")) {
            try await cloud.controller.createLaunchTemplate(
                CreateLaunchTemplateRequest(name: "web", data: ["ImageId": "ami-1"]), as: cloud.admin)
        }
        for (name, data) in [("a", ["ImageId": "x"]), ("a b c", ["ImageId": "x"]), ("empty", [:])] {
            await #expect(throws: CloudError.self) {
                try await cloud.controller.createLaunchTemplate(
                    CreateLaunchTemplateRequest(name: name, data: data), as: cloud.admin)
            }
        }
        await #expect(throws: CloudError.notFound(.launchTemplate, [made.id.value])) {
            try await cloud.controller.deleteLaunchTemplate(
                LaunchTemplateSelector(id: made.id.value), dryRun: false, as: user)
        }
        #expect(try await cloud.controller.describeLaunchTemplates(DescribeRequest(), as: user).items.isEmpty)
    }

    @Test func `the instances of a placement group are in one zone, and it is not deleted under them`() async throws {
        let cloud = try await TestCloud.open(zones: [FakeZone(name: "us-east-1a"), FakeZone(name: "us-east-1b")])
        let image = try await cloud.image()
        _ = try await cloud.controller.createPlacementGroup(
            name: "near", strategy: nil, tags: [], dryRun: false, as: cloud.admin)
        var request = RunInstancesRequest(imageID: image.id.value)
        request.options.placementGroup = "near"
        var zones = Set<String>()
        for _ in 0..<6 {
            for instance in try await cloud.controller.runInstances(request, as: cloud.admin).instances {
                zones.insert(instance.zone)
                #expect(instance.options?.placementGroup == "near")
            }
        }
        #expect(zones.count == 1)
        request.zone = zones.contains("us-east-1a") ? "us-east-1b" : "us-east-1a"
        await #expect(throws: CloudError.self) {
            try await cloud.controller.runInstances(request, as: cloud.admin)
        }
        await #expect(throws: CloudError.inUse(.placementGroup, "near", by: "6 instances")) {
            try await cloud.controller.deletePlacementGroup(name: "near", dryRun: false, as: cloud.admin)
        }
        for strategy in ["spread", "partition", "heap"] {
            await #expect(throws: CloudError.self) {
                try await cloud.controller.createPlacementGroup(
                    name: "far", strategy: strategy, tags: [], dryRun: false, as: cloud.admin)
            }
        }
        request.options.placementGroup = "absent"
        await #expect(throws: CloudError.notFound(.placementGroup, ["absent"])) {
            try await cloud.controller.runInstances(request, as: cloud.admin)
        }
    }

    @Test func `each account has a network of its own, whose parts can be tagged`() async throws {
        let cloud = try await TestCloud.open(
            zones: [FakeZone(name: "us-east-1a"), FakeZone(name: "us-east-1b")],
            configure: { $0.addressBlocks = ["us-east-1a": "10.1.0.0/24"] })
        let user = try await cloud.user("user")
        let network = try await cloud.controller.network(as: cloud.admin)
        #expect(network.subnets.map(\.cidr) == ["10.1.0.0/24", "172.31.16.0/20"])
        #expect(network.subnets[0].availableAddresses == 251)
        #expect(network.vpcID != (try await cloud.controller.network(as: user).vpcID))
        #expect(network.parts.allSatisfy { NetworkPart.part(of: $0.id) == $0.part })
        _ = try await cloud.run(try await cloud.image(), zone: "us-east-1a")
        #expect(try await cloud.controller.network(as: cloud.admin).subnets[0].availableAddresses == 250)
        let tag = Tag(key: "Name", value: "home")
        try await cloud.controller.createTags(
            resourceIDs: [network.vpcID, network.subnets[1].id], tags: [tag], dryRun: false, as: cloud.admin)
        let again = try await cloud.reopened(configure: { $0.addressBlocks = ["us-east-1a": "10.1.0.0/24"] })
        #expect(try await again.controller.network(as: again.admin).subnets[1].tags == [tag])
        let listed = try await again.controller.describeTags(
            DescribeRequest(filters: [Filter(name: "resource-type", values: ["vpc"])]), as: again.admin)
        #expect(listed.items.map(\.resourceID) == [network.vpcID])
        await #expect(throws: CloudError.notFound(.vpc, [network.vpcID])) {
            try await again.controller.createTags(
                resourceIDs: [network.vpcID], tags: [tag], dryRun: false, as: user)
        }
        try await again.controller.deleteTags(
            resourceIDs: [network.vpcID], tags: [], dryRun: false, as: again.admin)
        #expect(try await again.controller.network(as: again.admin).tags[network.vpcID] == nil)
    }

    @Test func `records of the release before are read`() async throws {
        let instance = """
            {"v":1,"id":"i-0123456789abcdef0","reservationID":"r-0123456789abcdef0","accountID":"123456789012",\
            "launchIndex":0,"intent":"run","state":"pending","stateChangedAt":1,"imageID":"ami-0123456789abcdef0",\
            "architecture":"x86_64","rootDeviceName":"/dev/sda1","type":{"name":"m1.small","cores":1,"memoryMiB":1,\
            "diskGiB":1,"ephemeralGiB":0,"swapMiB":0},"zone":"z","groups":[],"macAddress":"02:00","launchTime":1,\
            "isMonitored":false,"reportGeneration":0,"tags":[]}
            """
        let token = """
            {"v":1,"token":"t","accountID":"123456789012","fingerprint":"f","reservationID":"r-0123456789abcdef0",\
            "createdAt":1}
            """
        guard
            case .instance(let read) = try StoredRecord.decode(
                key: "/instances/i-0123456789abcdef0", bytes: Array(instance.utf8)),
            case .token(let known) = try StoredRecord.decode(
                key: "/tokens/123456789012/t", bytes: Array(token.utf8))
        else {
            Issue.record("the records are not recognised")
            return
        }
        #expect(read.options == nil)
        #expect(known.reservationID?.value == "r-0123456789abcdef0" && known.resource == nil)
    }
}
