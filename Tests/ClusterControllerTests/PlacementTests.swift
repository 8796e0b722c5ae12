import Contracts
import Foundation
import Logging
import Testing

@testable import ClusterController

@Suite struct PlacementPolicyTests {
    private func node(_ name: String, free: Int, state: Contract.NodeState = .up) -> PlacementCandidate {
        PlacementCandidate(
            name: name, state: state, freeCores: free, freeMemoryMiB: 1024, freeDiskGiB: 10, instanceCount: 0)
    }

    private func spec() async throws -> Contract.InstanceSpec { try await Zone([]).spec("i-1") }

    @Test func greedyFillsTheFirstNodeThatFits() async throws {
        let decision = await GreedyPlacement().choose(
            for: try await spec(), among: [node("a", free: 0), node("b", free: 1), node("c", free: 9)])
        #expect(decision == .node("b"))
    }

    @Test func roundRobinContinuesAfterTheLastChoiceAndSkipsFullNodes() async throws {
        let policy = RoundRobinPlacement()
        let nodes = [node("a", free: 9), node("b", free: 0), node("c", free: 9)]
        var chosen: [PlacementDecision] = []
        for _ in 0..<3 { chosen.append(await policy.choose(for: try await spec(), among: nodes)) }
        #expect(chosen == [.node("a"), .node("c"), .node("a")])
    }

    @Test func powerSaveWakesASleepingNodeOnlyWhenNoAwakeOneFits() async throws {
        struct Power: NodePower {
            func wake(_ nodeName: String) async -> Bool { nodeName == "z" }
            func sleep(_ nodeName: String) async -> Bool { false }
        }
        let policy = PowerSavePlacement(power: Power())
        let asleep = node("z", free: 9, state: .asleep)
        #expect(await policy.choose(for: try await spec(), among: [node("a", free: 1), asleep]) == .node("a"))
        #expect(await policy.choose(for: try await spec(), among: [node("a", free: 0), asleep]) == .waking("z"))
    }

    private func script(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("place-\(UUID().uuidString)").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    private func ask(_ text: String, limit: Duration = .seconds(100)) async throws -> PlacementDecision {
        let path = try script(text)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let policy = ExternalPlacement(
            program: path, timeLimit: limit, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return await policy.choose(for: try await spec(), among: [node("a", free: 0), node("b", free: 3)])
    }

    @Test func theExternalProgramGetsTheQuestionAndItsChoiceCounts() async throws {
        let decision = try await ask(
            "#!/usr/bin/env python3\nimport json,sys\nq=json.load(sys.stdin)\n"
                + "print(json.dumps({'node':[n['name'] for n in q['nodes'] if n['fits']][0] if q['instance']['type']=='m1.small' else None}))\n"
        )
        #expect(decision == .node("b"))
    }

    @Test func theExternalProgramMayRefuseWithItsReason() async throws {
        let decision = try await ask("#!/bin/sh\necho '{\"node\": null, \"reason\": \"quota\"}'\n")
        #expect(decision == .none(reason: "quota"))
    }

    @Test(arguments: [
        "#!/bin/sh\necho '{\"node\": \"a\"}'\n", "#!/bin/sh\necho '{\"node\": \"nowhere\"}'\n",
        "#!/bin/sh\necho nonsense\n",
        "#!/bin/sh\nexit 3\n", "#!/bin/sh\nkill -9 $$\n",
    ])
    func anExternalProgramThatFailsPlacesNothing(_ text: String) async throws {
        guard case .none = try await ask(text) else {
            Issue.record("placed by \(text)")
            return
        }
    }

    @Test func anExternalProgramThatHangsIsKilled() async throws {
        let decision = try await ask("#!/bin/sh\nexec sleep 600\n", limit: .milliseconds(300))
        guard case .none(let reason) = decision else {
            Issue.record("placed")
            return
        }
        #expect(reason.contains("killed"))
    }
}

@Suite struct AddressPoolTests {
    @Test func addressesAreHandedOutInTurnAndGoRound() throws {
        let pool = try #require(AddressPool(cidr: "10.0.0.0/29"))
        var used: Set<UInt32> = []
        var texts: [String] = []
        var cursor: UInt32 = 0
        while let address = pool.free(from: cursor, used: used) {
            used.insert(address)
            texts.append(AddressPool.text(address))
            cursor = address + 1
        }
        #expect(texts == ["10.0.0.4", "10.0.0.5", "10.0.0.6"])
        used.remove(try #require(AddressPool.parse("10.0.0.4")))
        #expect(pool.free(from: cursor, used: used).map { AddressPool.text($0) } == "10.0.0.4")
    }

    @Test(arguments: ["", "10.0.0.0", "10.0.0.0/30", "10.0.0.0/7", "10.0.0/24", "10.0.0.256/24", "a.b.c.d/24"])
    func whatIsNoUsableBlockIsRefused(_ text: String) { #expect(AddressPool(cidr: text) == nil) }
}

@Suite struct ChangeLogTests {
    @Test func onlyTheLatestNoteOfEachSubjectIsTold() {
        var log = ChangeLog(epoch: "e")
        log.noteInstance("i-1")
        log.noteNode("n")
        let seen = log.revision
        log.noteInstance("i-2")
        log.noteInstance("i-1")
        #expect(log.subjects(since: 0) == [.node("n"), .instance("i-2"), .instance("i-1")])
        #expect(log.subjects(since: seen) == [.instance("i-2"), .instance("i-1")])
        #expect(log.subjects(since: log.revision).isEmpty)
    }

    @Test func aLongLogForgetsWhatWasOvertaken() {
        var log = ChangeLog(epoch: "e")
        for _ in 0..<100_000 { log.noteInstance("i-1") }
        #expect(log.subjects(since: 0).count == 1)
    }
}
