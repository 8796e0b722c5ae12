import Contracts
import Store
import Testing

@testable import ClusterController

@Suite struct ClusterControllerTests {
    @Test func anInstanceIsPlacedDeliveredAndReported() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        let placed = try await zone.run(zone.spec("i-1"))
        #expect(
            placed.first?.nodeName == "a" && placed.first?.privateAddress == "127.9.0.4" && placed.first?.fault == nil)
        try await zone.until("delivered") { await zone.nodes[0].runs == ["i-1"] }
        try await zone.report(0)
        let seen = try await zone.cluster.describeInstances(.init(instanceId: ["i-1"])).instance
        #expect(seen.first?.state == .running && seen.first?.spec.privateAddress == "127.9.0.4")
    }

    @Test func repeatingARequestNeverStartsAnInstanceTwice() async throws {
        let zone = try await Zone(["a", "b"], policy: RoundRobinPlacement())
        try await zone.registerAll()
        let first = try await zone.run(zone.spec("i-1"))
        let again = try await zone.run(zone.spec("i-1"), zone.spec("i-1"))
        #expect(again.allSatisfy { $0.nodeName == first.first?.nodeName })
        try await zone.until("delivered") { await zone.nodes[0].runs.count == 1 }
        try await zone.report(0)
        await zone.cluster.sweep()
        #expect(await zone.nodes[0].runs == ["i-1"])
        #expect(await zone.nodes[1].runs.isEmpty)
    }

    @Test func aRestartBetweenPlacementAndDeliveryDeliversToTheSameNode() async throws {
        let zone = try await Zone(["a", "b"])
        try await zone.registerAll()
        await zone.nodes[0].set(ServiceFault(code: .unavailable, message: "gone"))
        #expect(try await zone.run(zone.spec("i-1")).first?.nodeName == "a")

        let later = try await Zone(["a", "b"], store: zone.store, nodes: zone.nodes)
        let before = try await later.cluster.describeChanges(.init())
        #expect(before.complete && !before.settled)
        #expect(before.instance.map { $0.instanceId } == ["i-1"], "a placement is never absent from a complete answer")
        await zone.nodes[0].set(nil)
        #expect(try await later.run(later.spec("i-1")).first?.nodeName == "a")
        try await later.registerAll()
        await later.cluster.sweep()
        try await later.until("delivered") { await later.nodes[0].runs == ["i-1"] }
        #expect(try await later.cluster.describeChanges(.init()).settled)
    }

    @Test func whatIsPromisedCountsBeforeTheNodeReportsIt() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        await zone.nodes[0].set(ServiceFault(code: .unavailable, message: "slow"))
        for index in 0..<4 { #expect(try await zone.run(zone.spec("i-\(index)")).first?.fault == nil) }
        let refused = try await zone.run(zone.spec("i-5")).first?.fault
        #expect(refused?.code == .insufficientResources && refused?.resource == "cores")
        #expect(refused?.needed == 1 && refused?.available == 0)
        let slots = try await zone.cluster.describeResources(
            .init(instanceType: [.init(name: "m1.small", cores: 1, memoryMiB: 256, diskGiB: 2)])
        ).availability.first
        #expect(slots?.availableInstances == 0 && slots?.maxInstances == 4)
    }

    @Test func aNodeThatRefusesForLackOfRoomIsReplacedByAnother() async throws {
        let zone = try await Zone(["a", "b"])
        try await zone.registerAll()
        await zone.nodes[0].set(ServiceFault(code: .insufficientResources, message: "no room after all"))
        #expect(try await zone.run(zone.spec("i-1")).first?.nodeName == "a")
        try await zone.until("given to b") { await zone.nodes[1].runs == ["i-1"] }
    }

    @Test func anInstanceThatItsNodeRejectsIsTerminatedWithTheReason() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        await zone.nodes[0].set(ServiceFault(code: .invalidRequest, message: "the image is for another machine"))
        _ = try await zone.run(zone.spec("i-1"))
        try await zone.until("terminated") {
            try await zone.cluster.describeInstances(.init(instanceId: ["i-1"])).instance.first?.state == .terminated
        }
        let report = try await zone.cluster.describeInstances(.init(instanceId: ["i-1"])).instance.first
        #expect(report?.reason?.message == "Server.InternalError: the image is for another machine")
        #expect(try await zone.run(zone.spec("i-2")).first?.privateAddress == "127.9.0.5", "addresses go on in turn")
    }

    /// - Parameter restarted: whether the cluster controller was restarted between.
    @Test(arguments: [false, true]) func aNodeThatComesBackEmptyHasLostItsInstances(restarted: Bool) async throws {
        var zone = try await Zone(["a"])
        try await zone.registerAll()
        _ = try await zone.run(zone.spec("i-1"))
        try await zone.until("delivered") { await zone.nodes[0].runs == ["i-1"] }
        try await zone.report(0)
        try await zone.until("the acknowledgement is stored") {
            try await zone.store.range(prefix: "/placements/").entries.contains {
                String(decoding: $0.value.bytes, as: UTF8.self).contains("acknowledged")
            }
        }
        if restarted { zone = try await Zone(["a"], store: zone.store, nodes: zone.nodes) }
        zone.clock.advance(60_000)
        let node = await zone.nodes[0].description()
        _ = try await zone.cluster.registerNode(.init(node: node, instance: []))
        let report = try await zone.cluster.describeInstances(.init(instanceId: ["i-1"])).instance.first
        #expect(report?.state == .terminated)
        let message = try #require(report?.reason?.message)
        #expect(message.hasSuffix("The node a no longer knows the instance; its disks are lost."))
    }

    @Test func aSilentNodeLosesWhatItNeverAcknowledgedAndItsLateCopyIsEnded() async throws {
        let zone = try await Zone(["a", "b"])
        try await zone.registerAll()
        await zone.nodes[0].set(ServiceFault(code: .unavailable, message: "unreachable"))
        #expect(try await zone.run(zone.spec("i-1")).first?.nodeName == "a")
        zone.clock.advance(30_000)
        try await zone.report(1)
        await zone.cluster.sweep()
        #expect(try await zone.cluster.describeNodes(.init()).node.map { $0.state } == [.down, .up])
        #expect(await zone.nodes[1].runs.isEmpty, "too early to give it to another")
        zone.clock.advance(61_000)
        try await zone.report(1)
        await zone.cluster.sweep()
        try await zone.until("given to b") { await zone.nodes[1].runs == ["i-1"] }
        try await zone.report(1)

        // The node had it after all, and comes back.
        await zone.nodes[0].set(nil)
        _ = try await zone.nodes[0].runInstance(.init(instance: zone.spec("i-1")))
        try await zone.register(0)
        try await zone.until("the copy is ended") { await zone.nodes[0].instances["i-1"]?.state == .terminated }
        let seen = try await zone.cluster.describeInstances(.init(instanceId: ["i-1"])).instance.first
        #expect(seen?.nodeName == "b" && seen?.state == .running)
    }

    @Test func terminationIsRepeatedUntilTheNodeObeys() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        _ = try await zone.run(zone.spec("i-1"))
        try await zone.until("delivered") { await zone.nodes[0].runs == ["i-1"] }
        try await zone.report(0)
        await zone.nodes[0].set(ServiceFault(code: .unavailable, message: "gone"))
        let change = try await zone.cluster.terminateInstances(.init(instanceId: ["i-1"])).change.first
        #expect(change?.previousState == .running && change?.currentState == .shuttingDown)
        await zone.nodes[0].set(nil)
        try await zone.until("terminated") {
            await zone.cluster.sweep()
            return await zone.nodes[0].instances["i-1"]?.state == .terminated
        }
        try await zone.report(0)
        let again = try await zone.cluster.terminateInstances(.init(instanceId: ["i-1"])).change.first
        #expect(again?.currentState == .terminated, "repeating it is no error")
    }

    @Test func unknownInstancesAreLeftOutOnlyWhenEveryNodeHasReported() async throws {
        let zone = try await Zone(["a", "b"])
        try await zone.registerAll()
        #expect(try await zone.cluster.terminateInstances(.init(instanceId: ["i-9"])).change.isEmpty)
        let later = try await Zone(["a", "b"], store: zone.store, nodes: zone.nodes)
        try await later.register(0)
        await #expect(throws: ServiceFault.self) {
            try await later.cluster.terminateInstances(.init(instanceId: ["i-9"]))
        }
    }

    @Test func theLongPollAnswersAtOnceWhenSomethingChanges() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        let start = try await zone.cluster.describeChanges(.init())
        async let answer = zone.cluster.describeChanges(
            .init(epoch: start.epoch, sinceRevision: start.revision, waitMilliseconds: 30_000))
        _ = try await zone.run(zone.spec("i-1"))
        let changes = try await answer
        #expect(!changes.complete && changes.instance.map { $0.instanceId } == ["i-1"])
        let nothing = try await zone.cluster.describeChanges(
            .init(epoch: changes.epoch, sinceRevision: Int64.max, waitMilliseconds: 10))
        #expect(nothing.instance.isEmpty)
    }

    @Test func anInstanceThatANodeNoLongerHasIsReportedLost() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        _ = try await zone.run(zone.spec("i-1"))
        try await zone.until("delivered") { await zone.nodes[0].runs == ["i-1"] }
        try await zone.report(0)
        _ = try await zone.cluster.reportNode(.init(node: await zone.nodes[0].description(), complete: true))
        let seen = try await zone.cluster.describeInstances(.init(instanceId: ["i-1"])).instance.first
        #expect(seen?.state == .terminated && seen?.reason?.code == "Server.InternalError")
    }

    @Test func credentialsGoToTheNodesThatHaveTheInstancesAndStayThere() async throws {
        let zone = try await Zone(["n1", "n2"], policy: RoundRobinPlacement())
        try await zone.registerAll()
        _ = try await zone.run(zone.spec("i-1"), zone.spec("i-2"))
        try await zone.until("delivered") {
            let (first, second) = (await zone.nodes[0].runs.count, await zone.nodes[1].runs.count)
            return first + second == 2
        }
        let messages = ["i-1", "i-2", "i-3"].map { id in
            Contract.InstanceCredentials(instanceId: id, lastUpdated: 1, profileArn: "arn", secretAccessKey: "secret")
        }
        let answer = try await zone.cluster.setInstanceCredentials(.init(credentials: messages))
        #expect(Set(answer.instanceId) == ["i-1", "i-2"])
        for node in zone.nodes {
            let (runs, credentials) = (await node.runs, await node.credentials)
            #expect(Set(credentials.keys) == Set(runs))
        }
        // Nothing of it stays in the cluster controller's store.
        for entry in try await zone.store.range(prefix: "", after: nil, limit: 1000).entries {
            #expect(!String(decoding: entry.value.bytes, as: UTF8.self).contains("secret"))
        }
        let down = zone.nodes[0]
        await down.set(ServiceFault(code: .unavailable, message: "down"))
        let partial = try await zone.cluster.setInstanceCredentials(.init(credentials: messages))
        #expect(Set(partial.instanceId) == Set(await zone.nodes[1].runs))
    }

    @Test func aNodeGetsTheRulesOfItsInstancesGroupsAndOnlyThose() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        func rules(_ group: String, port: Int) -> Contract.SecurityGroupRules {
            .init(
                groupId: group, accountId: "1", groupName: group,
                ingress: [.init(protocol: "tcp", fromPort: port, toPort: port, cidr: ["0.0.0.0/0"])])
        }
        _ = try await zone.cluster.broadcastNetworkInfo(
            .init(
                network: .init(
                    revision: 1, mode: .user, securityGroup: [rules("sg-1", port: 22), rules("sg-2", port: 80)])))
        _ = try await zone.run(zone.spec("i-1", groups: ["sg-1"]))
        try await zone.until("delivered") { await zone.nodes[0].runs == ["i-1"] }
        #expect(await zone.nodes[0].networks.last?.securityGroup == [rules("sg-1", port: 22)])
        let count = await zone.nodes[0].networks.count
        _ = try await zone.cluster.broadcastNetworkInfo(
            .init(
                network: .init(
                    revision: 2, mode: .user, securityGroup: [rules("sg-1", port: 22), rules("sg-2", port: 443)])))
        _ = try await zone.cluster.broadcastNetworkInfo(
            .init(
                network: .init(
                    revision: 3, mode: .user, securityGroup: [rules("sg-1", port: 23), rules("sg-2", port: 443)])))
        try await zone.until("the new rules") {
            await zone.nodes[0].networks.last?.securityGroup == [rules("sg-1", port: 23)]
        }
        #expect(await zone.nodes[0].networks.count == count + 1, "a change of a group that it has not is none for it")
    }

    @Test func `a node is told how its instances reach their metadata, and of no others`() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        _ = try await zone.run(zone.spec("i-1"))
        try await zone.until("delivered") { await zone.nodes[0].runs == ["i-1"] }
        func entry(_ id: String, _ tokensRequired: Bool) -> Contract.InstanceMetadata {
            .init(instanceId: id, options: .init(tokensRequired: tokensRequired, disabled: false))
        }
        func broadcast(_ revision: Int64, _ metadata: [Contract.InstanceMetadata]) async throws {
            _ = try await zone.cluster.broadcastNetworkInfo(
                .init(network: .init(revision: revision, mode: .user, securityGroup: [], metadata: metadata)))
        }
        try await broadcast(1, [entry("i-1", true), entry("i-2", true)])
        try await zone.until("it is told") { await zone.nodes[0].networks.last?.metadata == [entry("i-1", true)] }
        let count = await zone.nodes[0].networks.count
        try await broadcast(2, [entry("i-1", true)])
        try await broadcast(3, [entry("i-1", false)])
        try await zone.until("it is told again") {
            await zone.nodes[0].networks.last?.metadata == [entry("i-1", false)]
        }
        #expect(await zone.nodes[0].networks.count == count + 1)
    }

    @Test func aNodeThatTheClusterDoesNotKnowIsToldToRegister() async throws {
        let zone = try await Zone(["a"])
        let answer = try await zone.cluster.reportNode(.init(node: await zone.nodes[0].description(), complete: false))
        #expect(!answer.known)
    }

    @Test func consoleAndRebootGoToTheInstancesNode() async throws {
        let zone = try await Zone(["a", "b"], policy: RoundRobinPlacement())
        try await zone.registerAll()
        _ = try await zone.run(zone.spec("i-1"), zone.spec("i-2"))
        try await zone.until("delivered") { await zone.nodes[1].runs == ["i-2"] }
        try await zone.report(1)
        let console = try await zone.cluster.getConsoleOutput(.init(instanceId: "i-2"))
        #expect(String(decoding: console.output, as: UTF8.self) == "console of b")
        #expect(try await zone.cluster.rebootInstances(.init(instanceId: ["i-2"])).instanceId == ["i-2"])
        await #expect(throws: ServiceFault.self) { try await zone.cluster.getConsoleOutput(.init(instanceId: "i-9")) }
    }

    @Test func terminatedInstancesAreForgottenAfterTheirTime() async throws {
        let zone = try await Zone(["a"])
        try await zone.registerAll()
        await zone.nodes[0].set(ServiceFault(code: .invalidRequest, message: "no"))
        _ = try await zone.run(zone.spec("i-1"))
        try await zone.until("terminated") {
            try await zone.cluster.describeInstances(.init()).instance.first?.state == .terminated
        }
        await zone.cluster.sweep()
        #expect(try await zone.cluster.describeInstances(.init()).instance.count == 1)
        zone.clock.advance(3_600_001)
        await zone.cluster.sweep()
        #expect(try await zone.cluster.describeInstances(.init()).instance.isEmpty)
        #expect(try await zone.store.range(prefix: "/placements/").entries.isEmpty)
    }
}
