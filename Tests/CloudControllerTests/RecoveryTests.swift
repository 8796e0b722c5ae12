import CloudModel
import Contracts
import Store
import Testing

@testable import CloudController

@Suite struct RecoveryTests {
    @Test func whatWasAcceptedIsPlacedOnceAfterARestart() async throws {
        var cloud = try await TestCloud.open()
        let image = try await cloud.image()
        await cloud.zone.setRefusal(ServiceFault(code: .unavailable, message: "busy"))
        for _ in 0..<20 { _ = try await cloud.run(image, 3) }
        // The end of the process between acceptance and placement.
        await cloud.stop()
        await cloud.zone.setRefusal(nil)
        cloud = try await cloud.reopened()
        try await cloud.eventually("all run") { try await cloud.states() == [.running: 60] }
        #expect(await cloud.zone.timesStarted == [Int](repeating: 1, count: 60))
    }

    @Test func lostAnswersAndRestartsAtAnyMomentStartNothingTwice() async throws {
        var cloud = try await TestCloud.open()
        let image = try await cloud.image()
        var accepted = 0
        for round in 0..<12 {
            await cloud.zone.setLosesAnswers(round % 3 == 1)
            for _ in 0..<5 {
                _ = try await cloud.run(image, 2)
                accepted += 2
            }
            // Some rounds end at once, others after the placement has begun.
            if round % 2 == 0 {
                let calls = await cloud.zone.runCalls
                try await cloud.eventually("placing begins") { await cloud.zone.runCalls > calls || accepted == 0 }
            }
            cloud = try await cloud.reopened()
        }
        await cloud.zone.setLosesAnswers(false)
        try await cloud.eventually("all run") { try await cloud.states() == [.running: accepted] }
        #expect(await cloud.zone.timesStarted == [Int](repeating: 1, count: accepted))
        #expect(await cloud.zone.terminateCalls.isEmpty)
    }

    @Test func aRestartDoesNotTouchRunningInstances() async throws {
        var cloud = try await TestCloud.open()
        _ = try await cloud.run(try await cloud.image(), 10)
        try await cloud.eventually("all run") { try await cloud.states() == [.running: 10] }
        let calls = await cloud.zone.runCalls
        cloud = try await cloud.reopened()
        try await cloud.eventually("the reconciler has run") {
            await cloud.controller.reconcilerStatus().allSatisfy { $0.runs > 2 }
        }
        #expect(try await cloud.states() == [.running: 10])
        #expect(await cloud.zone.runCalls == calls)
        #expect(await cloud.zone.terminateCalls.isEmpty)
    }

    @Test func anUnsettledZoneEndsNothingAndASettledOneEndsWhatItDoesNotKnow() async throws {
        let cloud = try await TestCloud.open()
        let reservation = try await cloud.run(try await cloud.image(), 2)
        try await cloud.eventually("all run") { try await cloud.states() == [.running: 2] }
        let gone = reservation.instances[0].id
        await cloud.zone.lose(gone.value, tells: false)
        await cloud.zone.restart(settled: false)
        let runs = await cloud.controller.reconcilerStatus()[0].runs
        try await cloud.eventually("the reconciler has run") {
            await cloud.controller.reconcilerStatus()[0].runs > runs + 2
        }
        #expect(try await cloud.states() == [.running: 2])
        await cloud.zone.settle()
        try await cloud.eventually("it is over") { try await cloud.instance(gone).state == .terminated }
        #expect(try await cloud.instance(gone).stateReason?.code == "Server.InternalError")
        #expect(try await cloud.states() == [.running: 1, .terminated: 1])
    }

    @Test func anInstanceThatItsNodeForgotIsOver() async throws {
        let cloud = try await TestCloud.open()
        let id = try await cloud.run(try await cloud.image()).instances[0].id
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        await cloud.zone.lose(id.value, tells: true)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
    }

    @Test func aLostRecordIsRebuiltFromItsNodes() async throws {
        let cloud = try await TestCloud.open()
        let key = try await cloud.controller.createKeyPair(
            name: "k", type: "ed25519", tags: [], dryRun: false, as: cloud.admin)
        let image = try await cloud.image()
        let before = try await cloud.controller.runInstances(
            RunInstancesRequest(
                imageID: image.id.value, instanceType: "c1.medium", keyName: "k", userData: [1, 2, 3]),
            as: cloud.admin
        ).instances[0]
        try await cloud.eventually("it runs") { try await cloud.instance(before.id).state == .running }
        await cloud.stop()
        // The record is lost: a store that was restored from a backup of before the launch.
        _ = try await cloud.store.commit(
            StoreTransaction(operations: [
                .delete(Key.instance(before.id)), .delete(Key.userData(before.id)),
            ]))
        let after = try await cloud.reopened()
        try await after.eventually("it is back") { try await after.states() == [.running: 1] }
        let rebuilt = try await after.instance(before.id)
        #expect(rebuilt.reservationID == before.reservationID)
        #expect(rebuilt.type == before.type)
        #expect(rebuilt.publicKey == key.keyPair.publicKey)
        #expect(rebuilt.groups == before.groups)
        #expect(rebuilt.macAddress == before.macAddress)
        #expect(rebuilt.launchTime == before.launchTime)
        #expect(rebuilt.nodeName == "us-east-1a-n0")
        #expect(try await after.store.get(Key.userData(before.id))?.bytes == [1, 2, 3])
        #expect(await after.zone.terminateCalls.isEmpty)
        #expect(await after.zone.timesStarted == [1])
    }

    @Test func aForgottenInstanceIsNotRebuiltAndIsEndedIfItStillLives() async throws {
        let cloud = try await TestCloud.open()
        let id = try await cloud.run(try await cloud.image()).instances[0].id
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        let report = try #require(await cloud.zone.reports[id.value])
        _ = try await cloud.controller.terminateInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
        cloud.clock.advance(seconds: 3599)
        try await cloud.controller.cleanUp()
        #expect(try await cloud.states() == [.terminated: 1])
        cloud.clock.advance(seconds: 2)
        try await cloud.controller.cleanUp()
        #expect(try await cloud.states().isEmpty)
        #expect(try await cloud.store.get(Key.instance(id)) == nil)
        // A node that was away and comes back with it, after a restart of the cloud.
        let later = try await cloud.reopened()
        let calls = await later.zone.terminateCalls.count
        await later.zone.insert(report)
        try await later.eventually("the zone is told to end it") {
            await later.zone.terminateCalls.dropFirst(calls).contains(id.value)
        }
        #expect(try await later.states().isEmpty)
        later.clock.advance(seconds: 8 * 86_400)
        try await later.controller.cleanUp()
        #expect(try await later.store.get(Key.tombstone(id)) == nil)
    }

    @Test func anInstanceThatIsOverAndYetAliveIsEnded() async throws {
        let cloud = try await TestCloud.open()
        let id = try await cloud.run(try await cloud.image()).instances[0].id
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        let report = try #require(await cloud.zone.reports[id.value])
        await cloud.zone.lose(id.value, tells: true)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
        await cloud.zone.insert(report)
        try await cloud.eventually("the zone is told") { await cloud.zone.terminateCalls.contains(id.value) }
        #expect(try await cloud.instance(id).state == .terminated)
    }

    @Test func anOldReportDoesNotUndoANewerOne() async throws {
        let cloud = try await TestCloud.open()
        await cloud.zone.setRunsAtOnce(false)
        let id = try await cloud.run(try await cloud.image()).instances[0].id
        try await cloud.eventually("it is placed") { try await cloud.instance(id).nodeName != nil }
        await cloud.zone.setState(.stopped, of: id.value, generation: 9)
        try await cloud.eventually("it is stopped") { try await cloud.instance(id).state == .stopped }
        await cloud.zone.setState(.running, of: id.value, generation: 8)
        let runs = await cloud.controller.reconcilerStatus()[0].runs
        try await cloud.eventually("time passes") { await cloud.controller.reconcilerStatus()[0].runs > runs + 2 }
        #expect(try await cloud.instance(id).state == .stopped)
        await cloud.zone.setState(.running, of: id.value, generation: 10)
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
    }

    @Test func aDamagedRecordStopsTheStartAndSaysWhich() async throws {
        let cloud = try await TestCloud.open(runs: false)
        _ = try await cloud.store.commit(
            StoreTransaction(operations: [.put("/images/ami-00000000", Array(#"{"v":2}"#.utf8))]))
        do {
            _ = try await cloud.reopened(runs: false)
            Issue.record("a record of a later release was read")
        } catch CloudError.internalError(_, let detail) {
            #expect(detail.contains("/images/ami-00000000"))
        }
    }

    @Test func theFirstStartMakesAnAdministratorWithARandomKey() async throws {
        let cloud = try await TestCloud.open(runs: false)
        let account = try await cloud.controller.administratorAccount()
        #expect(account.id == "123456789012")
        #expect(account.isAdministrator)
        let keys = await cloud.controller.accessKeys(accountID: account.id)
        let key = try #require(keys.first)
        #expect(keys.count == 1)
        #expect(key.id.utf8.count == 20)
        #expect(key.id.hasPrefix("AKIA"))
        #expect(key.secret.utf8.count == 40)
        #expect(try await cloud.controller.accessKey(id: key.id) == key)
        let again = try await cloud.reopened(runs: false)
        #expect(try await again.controller.accessKey(id: key.id) == key)
        try await again.controller.setAccessKey(id: key.id, isActive: false)
        #expect(try await again.controller.accessKey(id: key.id) == nil)
        let other = try await TestCloud.open(runs: false)
        #expect(await other.controller.accessKeys(accountID: account.id).first?.secret != key.secret)
    }
}
