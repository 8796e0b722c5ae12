import CloudModel
import Testing

@testable import CloudController

/// Waiting for room, by fair share.
@Suite struct QueueTests {
    private static func fairShare(_ change: (inout FairShare) -> Void = { _ in }) -> FairShareAllocation {
        var discipline = FairShare()
        change(&discipline)
        return FairShareAllocation(discipline)
    }

    /// Fills the cloud: what the administrator then holds, and how many of the default type fit at all.
    private func fill(_ cloud: TestCloud, _ image: Image) async throws -> Reservation {
        let zone = try #require(await cloud.controller.capacity().first)
        let slots = try #require(zone.slots.first { $0.type.name == InstanceType.defaultName })
        return try await cloud.run(image, slots.free)
    }

    private func end(_ cloud: TestCloud, _ instances: [Instance]) async throws {
        _ = try await cloud.controller.terminateInstances(
            ids: instances.map(\.id.value), dryRun: false, as: cloud.admin)
    }

    @Test func `without room a request waits, a restart forgets none, and room starts it`() async throws {
        let cloud = try await TestCloud.open(configure: { $0.policy = Self.fairShare() })
        let image = try await cloud.image()
        let held = try await fill(cloud, image)
        let user = try await cloud.user("user")
        let waiting = try await cloud.run(image, 2, as: user)
        #expect(waiting.instances.allSatisfy { $0.state == .pending && $0.isWaiting })
        #expect(waiting.instances[0].stateReason?.message.contains("waits for room") == true)
        let queue = try await cloud.controller.waitingRequests(as: user)
        #expect(queue.map(\.reservationID) == [waiting.id])
        #expect(queue[0].count == 2)
        let again = try await cloud.reopened(configure: { $0.policy = Self.fairShare() })
        #expect(try await again.controller.waitingRequests(as: cloud.admin).count == 1)
        // One slot is not enough: both start together.
        try await end(again, [held.instances[0]])
        try await again.eventually("one is over") {
            try await again.instance(held.instances[0].id).state == .terminated
        }
        #expect(try await again.controller.waitingRequests(as: cloud.admin).count == 1)
        again.clock.advance(seconds: 3600)
        try await end(again, [held.instances[1]])
        try await again.eventually("both run") {
            for instance in waiting.instances where try await again.instance(instance.id).nodeName == nil {
                return false
            }
            return true
        }
        #expect(try await again.controller.waitingRequests(as: cloud.admin).isEmpty)
        let started = try await again.instance(waiting.instances[0].id)
        #expect(started.heldSince == again.clock.now)
        #expect(started.launchTime < started.heldSince)
    }

    @Test func `who has used least of his share comes first`() async throws {
        let cloud = try await TestCloud.open(configure: { $0.policy = Self.fairShare { $0.halfLife = 3600 } })
        let image = try await cloud.image()
        let held = try await fill(cloud, image)
        try await cloud.controller.cleanUp()
        cloud.clock.advance(seconds: 1000)
        try await cloud.controller.cleanUp()
        let user = try await cloud.user("user")
        let first = try await cloud.run(image)
        cloud.clock.advance(seconds: 1)
        let second = try await cloud.run(image, as: user)
        let order = try await cloud.controller.waitingRequests(as: cloud.admin).map(\.reservationID)
        #expect(order == [second.id, first.id])
        #expect(try await cloud.controller.waitingRequests(as: user).map(\.reservationID) == [second.id])
        let holdings = try await cloud.controller.holdings(of: nil, as: cloud.admin)
        #expect((holdings.usage ?? 0) > 0)
        #expect(holdings.share == 1)
        try await end(cloud, [held.instances[0]])
        try await cloud.eventually("the user's starts") { try await !cloud.instance(second.instances[0].id).isWaiting }
        #expect(try await cloud.instance(first.instances[0].id).isWaiting)
    }

    @Test func `a full queue refuses, and so does what can never fit`() async throws {
        let cloud = try await TestCloud.open(configure: {
            $0.policy = Self.fairShare {
                $0.queueLength = 2
                $0.queueLengthPerAccount = 1
            }
        })
        let image = try await cloud.image()
        let held = try await fill(cloud, image)
        _ = try await cloud.run(image)
        for (caller, count, word) in [
            (cloud.admin, 1, "of this account wait"), (try await cloud.user("user"), held.instances.count + 1, "never"),
        ] {
            let failure = await thrown { _ = try await cloud.run(image, count, as: caller) }
            guard case .insufficientCapacity(_, _, _, _, let detail) = failure else {
                Issue.record("\(String(describing: failure))")
                continue
            }
            #expect(detail.contains(word == "never" ? "Waiting would not help" : word), "\(detail)")
        }
        _ = try await cloud.run(image, as: try await cloud.user("second"))
        let full = await thrown { _ = try await cloud.run(image, as: try await cloud.user("third")) }
        guard case .insufficientCapacity(_, _, _, _, let detail) = full else { throw try #require(full) }
        #expect(detail.contains("The queue is full"))
        let refusals = try await cloud.controller.refusals(as: cloud.admin)
        #expect(refusals.count == 3)
        #expect(refusals[0].error == full)
        try await cloud.controller.cleanUp()
        let again = try await cloud.reopened()
        #expect(try await again.controller.refusals(as: again.admin) == refusals)
    }

    @Test func `what waits can be terminated, and is given up after a time`() async throws {
        let cloud = try await TestCloud.open(configure: { $0.policy = Self.fairShare { $0.longestWait = 100 } })
        let image = try await cloud.image()
        _ = try await fill(cloud, image)
        let ended = try await cloud.run(image).instances[0]
        let given = try await cloud.run(image).instances[0]
        try await end(cloud, [ended])
        try await cloud.eventually("it is over") { try await cloud.instance(ended.id).state == .terminated }
        #expect(try await cloud.controller.waitingRequests(as: cloud.admin).count == 1)
        cloud.clock.advance(seconds: 101)
        try await cloud.controller.cleanUp()
        let over = try await cloud.instance(given.id)
        #expect(over.state == .terminated)
        #expect(over.stateReason?.code == "Server.InsufficientInstanceCapacity")
    }

    @Test func `nobody overtakes unless the agreement allows it`() async throws {
        for mayOvertake in [false, true] {
            let cloud = try await TestCloud.open(configure: {
                $0.policy = Self.fairShare { $0.mayOvertake = mayOvertake }
            })
            let image = try await cloud.image()
            let held = try await fill(cloud, image)
            let large = try await cloud.run(image, 2)
            cloud.clock.advance(seconds: 1)
            try await end(cloud, [held.instances[0]])
            try await cloud.eventually("there is room for one") {
                try await cloud.instance(held.instances[0].id).state == .terminated
            }
            let small = try await cloud.run(image)
            #expect(small.instances[0].isWaiting == !mayOvertake)
            #expect(try await cloud.instance(large.instances[0].id).isWaiting)
        }
    }

    @Test func `use decays by half in a half-life, and accrues what runs`() {
        #expect(abs(FairShare.decayed(100, weight: 0, seconds: 60, halfLife: 60) - 50) < 1e-9)
        // In the limit, what accrues and what decays are equal.
        let limit = 2 * 60 / 0.693_147_180_559_945_3
        #expect(abs(FairShare.decayed(0, weight: 2, seconds: 1e6, halfLife: 60) - limit) < 1e-6)
        #expect(abs(FairShare.decayed(0, weight: 3, seconds: 1, halfLife: 1_000_000) - 3) < 1e-5)
    }
}
