import CloudModel
import Testing

@testable import CloudController

/// What owners see of leases, and how they put their ends off.
@Suite struct LeaseWarningTests {
    private func leased(_ cloud: TestCloud, tags: [CloudModel.Tag] = []) async throws -> Instance {
        let image = try await cloud.image()
        return try await cloud.controller.runInstances(
            RunInstancesRequest(imageID: image.id.value, instanceTags: tags), as: cloud.admin
        ).instances[0]
    }

    private func open() async throws -> TestCloud {
        try await TestCloud.open(configure: {
            $0.policy = LeaseAllocation(rules: [LeaseRule(seconds: 7200, longest: 14_400, warnings: [3600, 600])])
        })
    }

    private func tag(_ key: String, of instance: Instance) -> String? {
        instance.tags.first { $0.key == key }?.value
    }

    @Test func `the end is a tag from the launch on, and each warning is given once`() async throws {
        let cloud = try await open()
        let id = try await leased(cloud).id
        let start = cloud.clock.now
        #expect(tag(Lease.endTag, of: try await cloud.instance(id)) == start.adding(seconds: 7200).iso8601)
        try await cloud.controller.cleanUp()
        #expect(tag(Lease.warningTag, of: try await cloud.instance(id)) == nil)
        cloud.clock.advance(seconds: 3700)
        try await cloud.controller.cleanUp()
        let warned = try await cloud.instance(id)
        #expect(tag(Lease.warningTag, of: warned)?.contains("is terminated at") == true)
        #expect(warned.options?.lease?.warned == 3600)
        cloud.clock.advance(seconds: 3000)
        try await cloud.controller.cleanUp()
        #expect(try await cloud.instance(id).options?.lease?.warned == 600)
        #expect(try await cloud.instance(id).intent == .run)
        cloud.clock.advance(seconds: 600)
        try await cloud.controller.cleanUp()
        #expect(try await cloud.instance(id).intent == .terminate)
    }

    @Test func `the owner puts the end off by a tag, within limits`() async throws {
        let cloud = try await open()
        let id = try await leased(cloud).id
        let start = cloud.clock.now
        cloud.clock.advance(seconds: 3700)
        try await cloud.controller.cleanUp()
        let wish = Tag(key: Lease.requestTag, value: start.adding(seconds: 10_000).iso8601)
        try await cloud.controller.createTags(resourceIDs: [id.value], tags: [wish], dryRun: false, as: cloud.admin)
        let extended = try await cloud.instance(id)
        #expect(extended.options?.lease?.endsAt == start.adding(seconds: 10_000))
        #expect(tag(Lease.endTag, of: extended) == wish.value)
        #expect(tag(Lease.warningTag, of: extended) == nil)
        for value in ["tomorrow", start.iso8601, start.adding(seconds: 14_401).iso8601] {
            await #expect(throws: CloudError.self) {
                try await cloud.controller.createTags(
                    resourceIDs: [id.value], tags: [Tag(key: Lease.requestTag, value: value)], dryRun: false,
                    as: cloud.admin)
            }
        }
        #expect(try await cloud.instance(id).options?.lease?.endsAt == start.adding(seconds: 10_000))
    }

    @Test func `a launch can ask for a shorter lease by the same tag`() async throws {
        let cloud = try await open()
        let wish = cloud.clock.now.adding(seconds: 100)
        let instance = try await leased(cloud, tags: [Tag(key: Lease.requestTag, value: wish.iso8601)])
        #expect(instance.options?.lease?.endsAt == wish)
        await #expect(throws: CloudError.self) {
            try await leased(cloud, tags: [Tag(key: Lease.requestTag, value: "never")])
        }
    }
}
