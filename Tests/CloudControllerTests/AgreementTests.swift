import CloudModel
import JSON
import Testing

@testable import CloudController

/// What the service level agreement says, and errors in it.
@Suite struct AgreementTests {
    @Test(arguments: [
        ("{\n  \"quota\": {\"instances\": }\n}", "line 2, column 26"), ("[]", "must be an object"),
        ("{\"quotas\": {}}", "at quotas"), ("{\"quota\": 3}", "at quota"),
        ("{\"quota\": {\"instances\": -1}}", "at quota.instances"), ("{\"accounts\": {\"1\": {}}}", "at accounts.1"),
        ("{\"leases\": [{}, {\"seconds\": \"x\"}]}", "at leases[1].seconds"),
        ("{\"leases\": [{\"warnings\": [null]}]}", "at leases[0].warnings[0]"),
        ("{\"fairshare\": {\"shares\": {\"123456789012\": 0}}}", "at fairshare.shares.123456789012"),
        ("{\"fairshare\": {\"overtake\": 1}}", "at fairshare.overtake"), ("{\"external\": {}}", "at external"),
        ("{\"external\": {\"program\": [\"ls\"]}}", "at external.program"),
        ("{\"external\": {\"url\": \"ftp://x\"}}", "at external.url"),
        ("{\"external\": {\"program\": [\"/bin/true\"], \"onFailure\": \"maybe\"}}", "at external.onFailure"),
    ])
    func `an error names its place`(json: String, place: String) throws {
        let error = #expect(throws: CloudError.self) { try ServiceLevelAgreement(json: Array(json.utf8)) }
        guard case .invalidValue(_, _, let reason) = try #require(error) else { return #expect(Bool(false)) }
        #expect(reason.contains(place), "\(reason)")
    }

    @Test func `everything together is one policy with a summary`() throws {
        let json = """
            {"quota": {"instances": 10, "cores": 20}, "accounts": {"123456789012": {}},
             "leases": [{"tag": "production"}, {"account": "123456789012", "seconds": 60, "longest": 120}],
             "fairshare": {"halfLifeSeconds": 60, "share": 2, "shares": {"123456789012": 0.5}, "queue": 5,
                           "queuePerAccount": 2, "longestWaitSeconds": 9, "overtake": true, "memoryMiBPerCore": 1024},
             "external": {"program": ["/bin/cat", "-"], "timeLimitMilliseconds": 10, "onFailure": "allow",
                          "reviewSeconds": 7}}
            """
        let agreement = try ServiceLevelAgreement(json: Array(json.utf8))
        let policy = try agreement.policy()
        #expect(policy.summary.policies == ["quota", "external", "lease", "fairshare"])
        #expect(policy.needsAdvice)
        #expect(policy.reviewInterval == 7)
        let queue = try #require(policy.queue)
        #expect(queue.capacity == (5, 2))
        #expect(queue.share(of: "123456789012") == 0.5)
        #expect(queue.share(of: "000000000000") == 2)
        #expect(policy.quota(of: "000000000000").instances == 10)
        #expect(policy.quota(of: "123456789012").instances == nil)
        let url = try ServiceLevelAgreement(json: Array("{\"external\": {\"url\": \"http://x/\"}}".utf8))
        #expect(throws: CloudError.self) { try url.policy() }
    }

    @Test func `bytes at random are an agreement or an error, and never anything else`() {
        var generator = SeededGenerator(seed: 7)
        let text = Array(
            "{\"quota\": {\"instances\": 10}, \"leases\": [{\"seconds\": 60}], \"fairshare\": {\"queue\": 5}}".utf8)
        for _ in 0..<3000 {
            var bytes = text
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            do throws(CloudError) {
                _ = try ServiceLevelAgreement(json: bytes)
            } catch {
                guard case .invalidValue(_, _, let reason) = error else {
                    Issue.record("\(error)")
                    continue
                }
                #expect(reason.hasPrefix("The service level agreement is not valid"))
            }
            do {
                _ = try ExternalAllocation.Answer(bytes, offers: [])
                _ = try ExternalAllocation.endings(bytes)
            } catch {
                #expect(!"\(error)".isEmpty)
            }
        }
    }
}
