import CloudModel
import Testing

@testable import CloudController

/// Instances of a zone that the configuration no longer names.
@Suite struct RemovedZoneTests {
    private static func withoutItsZone(_ body: (TestCloud) async throws -> Void = { _ in }) async throws
        -> (before: TestCloud, after: TestCloud, id: InstanceID)
    {
        let before = try await TestCloud.open()
        let id = try await before.run(try await before.image()).instances[0].id
        try await before.eventually("it runs") { try await before.instance(id).state == .running }
        try await body(before)
        await before.stop()
        let after = try await TestCloud.open(
            zones: [FakeZone(name: "us-east-1b")], store: before.store, clock: before.clock, images: before.images)
        return (before, after, id)
    }

    @Test func canBeEnded() async throws {
        let (before, after, id) = try await Self.withoutItsZone()
        #expect(try await after.instance(id).state == .running, "nobody has asked for its end")
        let change = try await after.controller.terminateInstances(ids: [id.value], dryRun: false, as: after.admin)
        #expect(change.map(\.previous) == [.running])
        #expect(change.map(\.current) == [.terminated])
        #expect(try await after.instance(id).stateReason?.code == "Client.UserInitiatedShutdown")
        // The zone comes back with its guest.
        await after.stop()
        let again = try await TestCloud.open(
            zones: before.zones, store: before.store, clock: before.clock, images: before.images)
        try await again.eventually("the zone is told") { await again.zone.terminateCalls.contains(id.value) }
    }

    @Test func areOverIfTheirEndWasUnderWay() async throws {
        let (_, after, id) = try await Self.withoutItsZone { cloud in
            await cloud.stop()
            _ = try await cloud.controller.terminateInstances(
                ids: [try await Self.firstID(of: cloud)], dryRun: false, as: cloud.admin)
        }
        try await after.eventually("it is over") { try await after.instance(id).state == .terminated }
    }

    private static func firstID(of cloud: TestCloud) async throws -> String {
        let page = try await cloud.controller.describeInstances(DescribeRequest(), as: cloud.admin)
        return try #require(page.items.first?.instances.first).id.value
    }
}
