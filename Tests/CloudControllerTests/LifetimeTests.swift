import CloudModel
import Testing

@testable import CloudController

/// The original's conditions `ec2:KeepAlive` and `ec2:ExpirationTime`: until when a policy lets instances run.
@Suite struct LifetimeTests {
    private func user(_ cloud: TestCloud, _ conditions: String...) async throws -> Caller {
        let user = try await cloud.controller.createUser(
            name: "ada", path: "/", boundary: nil, tags: [], as: cloud.admin)
        for (index, condition) in conditions.enumerated() {
            let document =
                #"{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{\#(condition)}}}"#
            try await cloud.controller.putInlinePolicy(
                InlinePolicy(name: "p\(index)", document: document), on: .user("ada"), as: cloud.admin)
        }
        var caller = cloud.admin
        caller.identity = .user(name: "ada", path: "/")
        caller.userID = user.id
        caller.userName = "ada"
        return caller
    }

    @Test func `an instance is ended when its launcher's policy says, and that is not put off`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let ada = try await user(cloud, #""NumericEquals":{"ec2:KeepAlive":"60"}"#)
        let start = cloud.clock.now
        let instance = try await cloud.run(image, as: ada).instances[0]
        #expect(instance.options?.lease?.endsAt == start.adding(seconds: 3600))
        #expect(try await cloud.run(image).instances[0].options?.lease == nil, "the account itself is not bound")
        let wish = Tag(key: Lease.requestTag, value: start.adding(seconds: 3700).iso8601)
        await #expect(throws: CloudError.self) {
            try await cloud.controller.createTags(
                resourceIDs: [instance.id.value], tags: [wish], dryRun: false, as: ada)
        }
        cloud.clock.advance(seconds: 3601)
        try await cloud.controller.cleanUp()
        #expect(try await cloud.instance(instance.id).intent == .terminate)
    }

    @Test func `the latest of the identity's ends counts, and the account's limits it`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let start = cloud.clock.now
        let ada = try await user(
            cloud, #""NumericEquals":{"ec2:KeepAlive":"60"}"#,
            #""DateEquals":{"ec2:ExpirationTime":"\#(start.adding(seconds: 7200).iso8601)"}"#)
        let first = try await cloud.run(image, as: ada).instances[0]
        #expect(first.options?.lease?.endsAt == start.adding(seconds: 7200))
        let limit =
            #"{"Statement":{"Effect":"Limit","Action":"ec2:RunInstances","Resource":"*","Condition":{"NumericEquals":{"ec2:KeepAlive":"10"}}}}"#
        try await cloud.controller.setAccountPolicy(
            "short", document: limit, of: cloud.admin.accountID, as: cloud.admin)
        for caller in [ada, cloud.admin] {
            let instance = try await cloud.run(image, as: caller).instances[0]
            #expect(instance.options?.lease?.endsAt == start.adding(seconds: 600))
        }
    }

    @Test func `after the time of expiry nothing is launched`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let ada = try await user(
            cloud, #""DateEquals":{"ec2:ExpirationTime":"\#(cloud.clock.now.adding(seconds: 60).iso8601)"}"#)
        #expect(try await cloud.run(image, as: ada).instances.count == 1)
        cloud.clock.advance(seconds: 60)
        await #expect(throws: CloudError.self) { try await cloud.run(image, as: ada) }
    }
}
