import CloudModel
import Contracts
import Testing

@testable import CloudController

@Suite struct ZoneTests {
    @Test func aZoneThatDoesNotAnswerTakesNothingAndComesBack() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let running = try await cloud.run(image).instances[0].id
        try await cloud.eventually("it runs") { try await cloud.instance(running).state == .running }
        await cloud.zone.setDown(true)
        try await cloud.eventually("the zone is down") { await !cloud.controller.capacity()[0].isAvailable }
        let zones = try await cloud.controller.describeAvailabilityZones(DescribeRequest(), as: cloud.admin)
        #expect(zones[0].message?.contains("connection refused") == true)
        #expect(zones[0].slots.allSatisfy { $0.free == 0 })
        do {
            _ = try await cloud.run(image)
            Issue.record("a zone that does not answer took an instance")
        } catch CloudError.unavailable(_, let reason) {
            #expect(reason.contains("us-east-1a"))
        }
        #expect(try await cloud.instance(running).state == .running)
        // What is asked for meanwhile is done when it is back.
        _ = try await cloud.controller.terminateInstances(ids: [running.value], dryRun: false, as: cloud.admin)
        await cloud.zone.setDown(false)
        try await cloud.eventually("it is over") { try await cloud.instance(running).state == .terminated }
        _ = try await cloud.run(image)
    }

    @Test func slotsCountWhatRunsAndWhatIsAccepted() async throws {
        let cloud = try await TestCloud.open(zones: [FakeZone(name: "us-east-1a", nodes: 2, cores: 4)])
        func slots(_ type: String) async throws -> (Int, Int) {
            let zone = try await cloud.controller.describeAvailabilityZones(DescribeRequest(), as: cloud.admin)[0]
            let slots = try #require(zone.slots.first { $0.type.name == type })
            return (slots.free, slots.maximum)
        }
        #expect(try await slots("m1.small") == (8, 8))
        #expect(try await slots("m1.large") == (4, 4))
        await cloud.zone.setRefusal(ServiceFault(code: .unavailable, message: "busy"))
        _ = try await cloud.run(try await cloud.image(), 3)
        #expect(try await slots("m1.small") == (5, 8))
        await cloud.zone.setRefusal(nil)
        try await cloud.eventually("all run") { try await cloud.states() == [.running: 3] }
        #expect(try await slots("m1.small") == (5, 8))
        let nodes = try await cloud.controller.describeAvailabilityZones(DescribeRequest(), as: cloud.admin)[0].nodes
        #expect(nodes.map(\.name) == ["us-east-1a-n0", "us-east-1a-n1"])
        let user = try await cloud.user("user")
        let seen = try await cloud.controller.describeAvailabilityZones(DescribeRequest(), as: user)
        #expect(seen[0].nodes.isEmpty)
        #expect(seen[0].endpoint.isEmpty)
    }

    @Test func drainingNodesAndForeignArchitecturesAreNotCounted() async throws {
        let zone = FakeZone(name: "us-east-1a", nodes: 2, cores: 4)
        let cloud = try await TestCloud.open(zones: [zone])
        let small = try await cloud.controller.registerImage(
            RegisterImageRequest(location: "images/i386.raw", architecture: "i386"), as: cloud.admin)
        await zone.setNode("us-east-1a-n0", .init(cores: 4, memoryMiB: 4096, diskGiB: 100, state: .draining))
        await zone.setNode(
            "us-east-1a-n1", .init(cores: 4, memoryMiB: 4096, diskGiB: 100, architectures: ["x86_64"]))
        try await cloud.eventually("the change is known") {
            await cloud.controller.capacity()[0].slots.first { $0.type.name == "m1.small" }?.maximum == 4
        }
        do {
            _ = try await cloud.run(small)
            Issue.record("no node runs i386")
        } catch CloudError.insufficientCapacity(_, _, _, let available, let detail) {
            #expect(available == 0)
            #expect(detail.contains("no node that takes instances of this architecture"))
        }
    }

    @Test func whatFindsNoRoomInTimeIsTerminatedWithAReason() async throws {
        let cloud = try await TestCloud.open()
        await cloud.zone.setRefusal(
            ServiceFault(
                code: .insufficientResources, message: "No node has 128 MiB free.", resource: "memory", needed: 128,
                available: 5))
        let id = try await cloud.run(try await cloud.image()).instances[0].id
        try await cloud.eventually("it was tried several times") { await cloud.zone.runCalls > 3 }
        #expect(try await cloud.instance(id).state == .pending)
        cloud.clock.advance(seconds: 61)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
        let reason = try await cloud.instance(id).stateReason
        #expect(reason?.code == "Server.InsufficientInstanceCapacity")
        #expect(reason?.message.contains("Of memory, 128 were needed and 5 free") == true)
    }

    @Test func whatCannotBePlacedIsTerminatedAndDoesNotHoldUpOthers() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        await cloud.zone.setRefusal(ServiceFault(code: .invalidRequest, message: "The disk cannot be made."))
        let bad = try await cloud.run(image).instances[0].id
        try await cloud.eventually("it is over") { try await cloud.instance(bad).state == .terminated }
        #expect(try await cloud.instance(bad).stateReason?.message.contains("The disk cannot be made") == true)
        await cloud.zone.setRefusal(nil)
        let good = try await cloud.run(image).instances[0].id
        try await cloud.eventually("it runs") { try await cloud.instance(good).state == .running }
        cloud.images.remove(image.location)
        let other = try await cloud.controller.registerImage(
            RegisterImageRequest(location: "images/other.raw"), as: cloud.admin)
        cloud.images.remove("images/other.raw")
        let lost = try await cloud.run(other).instances[0].id
        try await cloud.eventually("it is over") { try await cloud.instance(lost).state == .terminated }
    }

    @Test func terminatingBeforePlacementNeedsNoNode() async throws {
        let cloud = try await TestCloud.open()
        await cloud.zone.setRefusal(ServiceFault(code: .unavailable, message: "busy"))
        let id = try await cloud.run(try await cloud.image()).instances[0].id
        let change = try await cloud.controller.terminateInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        #expect(change[0].previous == .pending)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
        await cloud.zone.setRefusal(nil)
        let runs = await cloud.controller.reconcilerStatus()[0].runs
        try await cloud.eventually("time passes") { await cloud.controller.reconcilerStatus()[0].runs > runs + 2 }
        #expect(await cloud.zone.starts[id.value] == nil)
    }

    @Test func theNetworkDocumentFollowsRulesAndMembers() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let group = try await cloud.controller.createSecurityGroup(
            name: "web", description: "web", tags: [], dryRun: false, as: cloud.admin)
        let run = RunInstancesRequest(imageID: image.id.value, groupIDs: [group.id.value])
        let id = try await cloud.controller.runInstances(run, as: cloud.admin).instances[0].id
        try await cloud.eventually("the group is known") {
            await cloud.zone.network?.securityGroup.map(\.groupName) == ["web"]
        }
        let first = try #require(await cloud.zone.network?.revision)
        _ = try await cloud.controller.authorize(
            [
                Permission(
                    ipProtocol: "tcp", fromPort: 22, toPort: 22,
                    blocks: [.init(cidr: "10.0.0.0/8"), .init(cidr: "192.168.1.7/16")],
                    groups: [.init(group: GroupSelector(name: "default"))])
            ], egress: false, group: GroupSelector(id: group.id.value), tags: [], dryRun: false, as: cloud.admin)
        try await cloud.eventually("the rule is known") { (await cloud.zone.network?.revision ?? 0) > first }
        let rule = try #require(await cloud.zone.network?.securityGroup.first?.ingress.first)
        #expect(rule.protocol == "tcp")
        #expect(rule.fromPort == 22)
        #expect(rule.cidr == ["10.0.0.0/8", "192.168.0.0/16"])
        #expect(rule.sourceGroupId.count == 1)
        let second = try #require(await cloud.zone.network?.revision)
        // The same content keeps its revision over a restart; the zone hears it again in its new life.
        let later = try await cloud.reopened()
        await later.zone.restart(settled: true)
        let count = await later.zone.networkRevisions.count
        try await later.eventually("it is told again") { await later.zone.networkRevisions.count > count }
        #expect(await later.zone.network?.revision == second)
        _ = try await later.controller.terminateInstances(ids: [id.value], dryRun: false, as: later.admin)
        try await later.eventually("the group has no members") {
            await later.zone.network?.securityGroup.isEmpty == true
        }
        // A zone that remembers a later revision is overtaken.
        await later.zone.setNetworkRevision(1000)
        await later.zone.restart(settled: true)
        try await later.eventually("the revision is raised") { (await later.zone.network?.revision ?? 0) > 1000 }
    }

    @Test func rebootAndConsoleGoToTheZone() async throws {
        let cloud = try await TestCloud.open()
        let id = try await cloud.run(try await cloud.image()).instances[0].id
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        try await cloud.controller.rebootInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        #expect(await cloud.zone.rebooted == [id.value])
        #expect(
            try await cloud.controller.consoleOutput(id: id.value, dryRun: false, as: cloud.admin).output == [])
        await cloud.zone.setConsole([104, 105], of: id.value)
        #expect(
            try await cloud.controller.consoleOutput(id: id.value, dryRun: false, as: cloud.admin).output == [104, 105])
        let user = try await cloud.user("user")
        await #expect(throws: CloudError.notFound(.instance, [id.value])) {
            try await cloud.controller.consoleOutput(id: id.value, dryRun: false, as: user)
        }
        await cloud.zone.setDown(true)
        await #expect(throws: CloudError.self) {
            try await cloud.controller.rebootInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        }
    }
}
