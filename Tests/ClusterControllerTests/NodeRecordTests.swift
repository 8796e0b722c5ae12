import Contracts
import Testing

@testable import ClusterController

@Suite struct NodeRecordTests {
    private func random(_ name: String, _ generator: inout some RandomNumberGenerator) -> NodeRecord {
        let phases: [NodeRecord.Phase] = [.announced, .pending, .enrolled, .certified, .denied, .removed]
        func some(_ text: String) -> String? { Bool.random(using: &generator) ? text : nil }
        var record = NodeRecord(name, phases.randomElement(using: &generator) ?? .pending, since: 7)
        record.isAnnounced = Bool.random(using: &generator)
        record.isDraining = Bool.random(using: &generator)
        record.trustsHandmade = Bool.random(using: &generator)
        record.generation = Int.random(in: 0...3, using: &generator)
        record.expectedAddress = some("10.1.1.1")
        record.address = some("a <&\"> b")
        record.serial = some("7f")
        record.keyFingerprint = some("sha256:00")
        if Bool.random(using: &generator) {
            record.candidate = .init(
                keyFingerprint: "sha256:11", address: some("::1"), since: 9, isApproved: Bool.random(using: &generator))
        }
        return record
    }

    @Test func aRecordIsReadAsItWasWritten() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            let record = random("compute-0-0", &generator)
            #expect(try NodeRecord(stored: record.stored) == record)
        }
    }

    @Test func aDamagedRecordIsAnErrorAndNeverARecordOfSomebodyElse() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            let record = random("compute-0-0", &generator)
            var bytes = record.stored
            bytes.removeSubrange(Int.random(in: 0..<bytes.count, using: &generator)...)
            #expect(throws: (any Error).self) { try NodeRecord(stored: bytes) }
        }
        #expect(throws: NodeRecord.Damaged.self) { try NodeRecord(stored: Array("<node version='2'/>".utf8)) }
    }

    @Test func onlyTheLatestCertificateOfANameCounts() {
        var record = NodeRecord("n", .announced, since: 0)
        #expect(record.refusal(serial: "1") == nil, "made by hand, and never enrolled")
        record.phase = .enrolled
        record.generation = 1
        record.serial = "2"
        #expect(record.refusal(serial: "2") == nil)
        #expect(record.refusal(serial: "1") == .superseded && record.refusal(serial: nil) == .superseded)
        record.phase = .removed
        record.serial = nil
        #expect(record.refusal(serial: "2") == .removed)
        // Announced again, but not enrolled: the dead certificate stays dead.
        record.phase = .announced
        #expect(record.refusal(serial: "2") == .removed)
        var byHand = NodeRecord("n", .removed, since: 0)
        byHand.trustsHandmade = false
        #expect(byHand.refusal(serial: "1") == .removed)
    }

    @Test func addressesHaveOneSpelling() {
        #expect(IPAddressText.canonical("10.1.1.1") == "10.1.1.1")
        #expect(IPAddressText.canonical("::ffff:10.1.1.1") == "10.1.1.1")
        #expect(IPAddressText.canonical("FE80:0::1") == "fe80::1")
        for bad in ["", "10.1.1", "10.1.1.256", "name", "10.1.1.1 ", "::1::"] {
            #expect(IPAddressText.canonical(bad) == nil)
        }
    }

    @Test func aDrainingNodeTakesNoNewInstancesAndKeepsWhatItHas() async throws {
        let zone = try await Zone(["a", "b"])
        try await zone.registerAll()
        #expect(try await zone.run(zone.spec("i-1")).first?.nodeName == "a")
        try await zone.until("delivered") { await zone.nodes[0].runs == ["i-1"] }
        try await zone.report(0)
        _ = try await zone.cluster.drainNode(.init(nodeName: "a"))
        #expect(try await zone.run(zone.spec("i-2")).first?.nodeName == "b")
        try await zone.report(0)
        #expect(try await zone.cluster.describeNodes(.init()).node.map(\.state) == [.draining, .up])
        #expect(try await zone.cluster.describeInstances(.init(instanceId: ["i-1"])).instance.first?.state == .running)
        // Restarted, it is still draining.
        let later = try await Zone(["a", "b"], store: zone.store, nodes: zone.nodes)
        try await later.registerAll()
        #expect(try await later.run(later.spec("i-3")).first?.nodeName == "b")
        _ = try await later.cluster.drainNode(.init(nodeName: "a", undo: true))
        try await later.report(0)
        #expect(try await later.run(later.spec("i-4")).first?.nodeName == "a")
    }

    @Test func aNodeWithInstancesIsRemovedOnlyByForceWhichEndsThem() async throws {
        let zone = try await Zone(["a", "b"])
        try await zone.registerAll()
        _ = try await zone.run(zone.spec("i-1"))
        try await zone.until("delivered") { await zone.nodes[0].runs == ["i-1"] }
        try await zone.report(0)
        await #expect {
            try await zone.cluster.removeNode(.init(nodeName: "a"))
        } throws: {
            ($0 as? ServiceFault)?.code == .conflict && "\($0)".contains("i-1")
        }
        _ = try await zone.cluster.removeNode(.init(nodeName: "a", force: true))
        #expect(await zone.nodes[0].instances["i-1"]?.state == .terminated)
        let report = try await zone.cluster.describeInstances(.init(instanceId: ["i-1"])).instance.first
        #expect(report?.state == .terminated && report?.reason?.message.contains("was removed") == true)
        #expect(try await zone.cluster.describeNodes(.init()).node.map(\.nodeName) == ["b"])
        await #expect(throws: ServiceFault.self) { try await zone.register(0) }
        // A list that names it lets it in again.
        #expect(try await zone.cluster.reconcileNodes(.init(nodeName: ["a"])).announcedNodeName == ["a"])
        try await zone.register(0)
        #expect(try await zone.cluster.describeNodes(.init()).node.count == 2)
    }
}
