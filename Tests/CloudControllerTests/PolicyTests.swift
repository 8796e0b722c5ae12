import CloudModel
import Testing

@testable import CloudController

@Suite struct PolicyTests {
    @Test func `a quota limits what an account holds, and another account has its own`() async throws {
        let cloud = try await TestCloud.open(configure: {
            $0.policy = QuotaAllocation(standard: AllocationQuota(instances: 3, cores: 4))
        })
        let image = try await cloud.image()
        let request = RunInstancesRequest(imageID: image.id.value, minCount: 1, maxCount: 5)
        let first = try await cloud.controller.runInstances(request, as: cloud.admin)
        #expect(first.instances.count == 3)
        let failure = await thrown {
            _ = try await cloud.controller.runInstances(request, as: cloud.admin)
        }
        #expect(failure == .limitExceeded(.instance, limit: 3, inUse: 3, requested: 1))
        let user = try await cloud.user("user")
        // Two cores each.
        let large = try await cloud.controller.runInstances(
            RunInstancesRequest(imageID: image.id.value, minCount: 1, maxCount: 5, instanceType: "m1.large"), as: user)
        #expect(large.instances.count == 2)
        _ = try await cloud.controller.terminateInstances(
            ids: first.instances.map(\.id.value), dryRun: false, as: cloud.admin)
        try await cloud.eventually("they are over") { try await cloud.states()[.terminated] == 3 }
        #expect(try await cloud.controller.runInstances(request, as: cloud.admin).instances.count == 3)
    }

    @Test func `a quota lets nothing through between two requests at the same time`() async throws {
        let cloud = try await TestCloud.open(configure: {
            $0.policy = QuotaAllocation(standard: AllocationQuota(memoryMiB: 5 * 128))
        })
        let image = try await cloud.image()
        let launched = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    do {
                        return try await cloud.run(image).instances.count
                    } catch {
                        return 0
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(launched == 5)
    }

    @Test func `an agreement is read, and nonsense is refused with its place`() async throws {
        let text = """
            {"quota": {"instances": 1}, "accounts": {"123456789012": {"instances": 2}}, "leases": [{"seconds": 60}]}
            """
        let policy = try ServiceLevelAgreement(json: Array(text.utf8)).policy()
        let cloud = try await TestCloud.open(configure: { $0.policy = policy })
        let image = try await cloud.image()
        let request = RunInstancesRequest(imageID: image.id.value, minCount: 1, maxCount: 9)
        let launched = try await cloud.controller.runInstances(request, as: cloud.admin).instances
        #expect(launched.count == 2)
        #expect(launched[0].options?.lease?.endsAt == cloud.clock.now.adding(seconds: 60))
        let user = try await cloud.user("user")
        #expect(try await cloud.controller.runInstances(request, as: user).instances.count == 1)
        #expect(try ServiceLevelAgreement(json: Array("{}".utf8)).policy() is UnrestrictedAllocation)
        for bad in [
            "", "[]", "{\"quota\": 3}", "{\"quota\": {\"instances\": -1}}", "{\"leases\": [{\"seconds\": 1e30}]}",
        ] {
            #expect(throws: CloudError.self) { try ServiceLevelAgreement(json: Array(bad.utf8)) }
        }
    }

    @Test func `a lease ends an instance, and its owner can put that off for a while`() async throws {
        let rules = [LeaseRule(tag: "keep", seconds: nil), LeaseRule(seconds: 3600, longest: 7200)]
        let cloud = try await TestCloud.open(configure: { $0.policy = LeaseAllocation(rules: rules) })
        let image = try await cloud.image()
        let short = try await cloud.run(image).instances[0]
        let long = try await cloud.run(image).instances[0]
        let kept = try await cloud.controller.runInstances(
            RunInstancesRequest(imageID: image.id.value, instanceTags: [Tag(key: "keep", value: "")]), as: cloud.admin
        ).instances[0]
        #expect(kept.options == nil)
        let lease = try #require(long.options?.lease)
        let event = Lease.eventID(of: long.id)
        let extended = try await cloud.controller.extendLease(
            of: long.id.value, event: event, to: lease.latest, dryRun: false, as: cloud.admin)
        #expect(extended.options?.lease?.endsAt == lease.latest)
        for (name, moment) in [
            (event, lease.latest.adding(seconds: 1)), (event, cloud.clock.now), ("instance-event-0", lease.latest),
        ] {
            await #expect(throws: CloudError.self) {
                try await cloud.controller.extendLease(
                    of: long.id.value, event: name, to: moment, dryRun: false, as: cloud.admin)
            }
        }
        cloud.clock.advance(seconds: 3600)
        // Without the policy: the lease is the instance's.
        let again = try await cloud.reopened()
        try await again.controller.cleanUp()
        #expect(try await again.instance(short.id).intent == .terminate)
        #expect(try await again.instance(short.id).stateReason?.code == "Server.ScheduledStop")
        #expect(try await again.instance(long.id).intent == .run)
        #expect(try await again.instance(kept.id).intent == .run)
        cloud.clock.advance(seconds: 3600)
        try await again.controller.cleanUp()
        #expect(try await again.instance(long.id).intent == .terminate)
        #expect(try await again.instance(kept.id).intent == .run)
    }
}
