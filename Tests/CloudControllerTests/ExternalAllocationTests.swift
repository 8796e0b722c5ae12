import CloudModel
import Foundation
import JSON
import Synchronization
import Testing

@testable import CloudController

/// A site's own program or URL.
@Suite struct ExternalAllocationTests {
    /// Answers as a closure says, and remembers what it was asked.
    final class Site: ExternalDecider {
        let name = "site"
        private let asked = Mutex<[JSONValue]>([])
        private let reply: @Sendable (JSONValue) throws -> String
        init(_ reply: @escaping @Sendable (JSONValue) throws -> String) { self.reply = reply }
        var questions: [JSONValue] { asked.withLock { $0 } }

        func answer(_ question: [UInt8], timeLimit: Int64) async throws -> [UInt8] {
            let value = try JSONValue.parse(question)
            asked.withLock { $0.append(value) }
            return Array(try reply(value).utf8)
        }
    }

    struct Broken: Error {}

    private func open(_ site: any ExternalDecider, allows: Bool = false, review: Int64? = nil) async throws -> TestCloud
    {
        try await TestCloud.open(configure: {
            $0.policy = ExternalAllocation(decider: site, allowsOnFailure: allows, reviewInterval: review)
        })
    }

    @Test func `it is told everything, and what it allows is kept to`() async throws {
        let site = Site { _ in #"{"allow": true, "maximum": 2, "zones": ["us-east-1a"], "leaseSeconds": 60}"# }
        let cloud = try await open(site)
        let image = try await cloud.image()
        let reservation = try await cloud.controller.runInstances(
            RunInstancesRequest(
                imageID: image.id.value, minCount: 1, maxCount: 3, instanceTags: [Tag(key: "project", value: "x")]),
            as: cloud.admin)
        #expect(reservation.instances.count == 2)
        #expect(reservation.instances[0].options?.lease?.endsAt == cloud.clock.now.adding(seconds: 60))
        let question = try #require(site.questions.first)
        #expect(question["question"]?.text == "allocate")
        #expect(question["account"]?.text == cloud.admin.accountID)
        #expect(question["request"]?["tags"]?["project"]?.text == "x")
        #expect(question["request"]?["maximum"]?.int64 == 3)
        #expect(question["holds"]?["instances"]?.int64 == 0)
        #expect((question["offers"]?.elements?.first?["slots"]?.int64 ?? 0) > 0)
    }

    @Test func `a refusal reaches the user with its reason, and the administrator's list`() async throws {
        let cloud = try await open(Site { _ in #"{"allow": false, "reason": "The grant has ended."}"# })
        let image = try await cloud.image()
        let failure = await thrown { _ = try await cloud.run(image) }
        guard case .notPermitted(let message) = failure else { throw try #require(failure) }
        #expect(message.contains("The grant has ended."))
        #expect(try await cloud.controller.refusals(as: cloud.admin).map(\.error) == [.notPermitted(message)])
        let user = try await cloud.user("user")
        await #expect(throws: CloudError.self) { try await cloud.controller.refusals(as: user) }
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"allow": "yes"}"#, #"{"allow": true, "zones": ["mars"]}"#,
        #"{"allow": true, "maximum": -1}"#,
    ])
    func `nonsense counts as no answer, for which the default counts`(text: String) async throws {
        let strict = try await open(Site { _ in text })
        let image = try await strict.image()
        let failure = await thrown { _ = try await strict.run(image) }
        guard case .unavailable = failure else { throw try #require(failure) }
        let lenient = try await open(Site { _ in throw Broken() }, allows: true)
        #expect(try await lenient.run(try await lenient.image()).instances.count == 1)
    }

    @Test func `each request of an account sees what the one before has got`() async throws {
        let site = Site { question in
            (question["holds"]?["instances"]?.int64 ?? 0) < 3
                ? #"{"allow": true}"# : #"{"allow": false, "reason": "enough"}"#
        }
        let cloud = try await open(site)
        let image = try await cloud.image()
        let launched = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<12 {
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
        #expect(launched == 3)
    }

    @Test func `a review ends what the site names`() async throws {
        let site = Site { question in
            guard question["question"]?.text == "review" else { return #"{"allow": true}"# }
            let first = question["accounts"]?.elements?.first?["instances"]?.elements?.first
            return #"{"end": [{"instance": "\#(first?["instance"]?.text ?? "")", "reason": "idle"}]}"#
        }
        let cloud = try await open(site, review: 60)
        let image = try await cloud.image()
        let instance = try await cloud.run(image).instances[0]
        cloud.clock.advance(seconds: 60)
        try await cloud.controller.cleanUp()
        let ended = try await cloud.instance(instance.id)
        #expect(ended.intent == .terminate)
        #expect(ended.stateReason?.message == "Server.ScheduledStop: idle")
    }

    @Test func `a program answers, fails, or is killed`() async throws {
        let answer = try await ProgramDecider(command: ["/bin/sh", "-c", "cat > /dev/null; echo '{\"allow\": true}'"])
            .answer(Array("{}".utf8), timeLimit: 60_000)
        #expect(try ExternalAllocation.Answer(answer, offers: []).allow)
        for command in [["/bin/sh", "-c", "exit 3"], ["/no/such/program"], ["/bin/sleep", "1000"]] {
            await #expect(throws: (any Error).self) {
                try await ProgramDecider(command: command).answer([], timeLimit: 300)
            }
        }
    }
}
