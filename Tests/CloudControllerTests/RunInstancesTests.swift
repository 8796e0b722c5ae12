import CloudModel
import Contracts
import Testing

@testable import CloudController

@Suite struct RunInstancesTests {
    @Test func anInstanceIsPendingThenRunningThenTerminated() async throws {
        let cloud = try await TestCloud.open()
        await cloud.zone.setRunsAtOnce(false)
        let image = try await cloud.image()
        let reservation = try await cloud.run(image)
        let id = try #require(reservation.instances.first?.id)
        #expect(reservation.instances.map(\.state) == [.pending])
        #expect(reservation.instances[0].groups.map(\.name) == ["default"])
        try await cloud.eventually("it is placed") { try await cloud.instance(id).nodeName != nil }
        #expect(try await cloud.instance(id).state == .pending)
        await cloud.zone.setState(.running, of: id.value)
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        #expect(try await cloud.instance(id).privateAddress != nil)
        #expect(try await cloud.instance(id).stateReason == nil)

        await cloud.zone.setEndsAtOnce(false)
        let change = try await cloud.controller.terminateInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        #expect(change == [StateTransition(id: id, previous: .running, current: .shuttingDown)])
        try await cloud.eventually("the zone was told") { await cloud.zone.terminateCalls.contains(id.value) }
        #expect(try await cloud.instance(id).state == .shuttingDown)
        await cloud.zone.setState(.terminated, of: id.value)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
        #expect(try await cloud.instance(id).stateReason?.code == "Client.UserInitiatedShutdown")
        let again = try await cloud.controller.terminateInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        #expect(again == [StateTransition(id: id, previous: .terminated, current: .terminated)])
    }

    @Test func theSameTokenAnswersTheSameReservationAlsoAfterARestart() async throws {
        var cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let request = RunInstancesRequest(imageID: image.id.value, minCount: 2, maxCount: 2, clientToken: "once")
        let first = try await cloud.controller.runInstances(request, as: cloud.admin)
        let second = try await cloud.controller.runInstances(request, as: cloud.admin)
        #expect(first.id == second.id)
        #expect(first.instances.map(\.id) == second.instances.map(\.id))
        cloud = try await cloud.reopened()
        let third = try await cloud.controller.runInstances(request, as: cloud.admin)
        #expect(first.instances.map(\.id) == third.instances.map(\.id))
        var other = request
        other.userData = [1]
        await #expect(throws: CloudError.idempotentParameterMismatch(token: "once")) {
            try await cloud.controller.runInstances(other, as: cloud.admin)
        }
        let stranger = try await cloud.user("stranger")
        let theirs = try await cloud.controller.runInstances(request, as: stranger)
        #expect(theirs.id != first.id)
    }

    @Test func aTokenWhoseInstancesAreForgottenDoesNotStartThemAgain() async throws {
        let cloud = try await TestCloud.open()
        let request = RunInstancesRequest(imageID: try await cloud.image().id.value, clientToken: "t")
        let id = try await cloud.controller.runInstances(request, as: cloud.admin).instances[0].id
        _ = try await cloud.controller.terminateInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
        cloud.clock.advance(seconds: 3601)
        try await cloud.controller.cleanUp()
        await #expect(throws: CloudError.self) {
            try await cloud.controller.runInstances(request, as: cloud.admin)
        }
        cloud.clock.advance(seconds: 86_400)
        try await cloud.controller.cleanUp()
        let fresh = try await cloud.controller.runInstances(request, as: cloud.admin)
        #expect(fresh.instances[0].id != id)
    }

    @Test func manySendersOfOneTokenGetOneReservation() async throws {
        let cloud = try await TestCloud.open()
        let request = RunInstancesRequest(imageID: try await cloud.image().id.value, clientToken: "same")
        let ids = try await withThrowingTaskGroup(of: ReservationID.self) { group in
            for _ in 0..<40 {
                group.addTask { try await cloud.controller.runInstances(request, as: cloud.admin).id }
            }
            return try await group.reduce(into: Set<ReservationID>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
        #expect(try await cloud.states().values.reduce(0, +) == 1)
    }

    @Test(arguments: [true, false]) func exactlyAsManyAreAcceptedAsFit(placing: Bool) async throws {
        // 150 slots of m1.small (1 core) over three nodes; the other resources do not matter.
        let cloud = try await TestCloud.open(zones: [FakeZone(name: "us-east-1a", nodes: 3, cores: 50)])
        let image = try await cloud.image()
        if !placing {
            await cloud.zone.setRefusal(ServiceFault(code: .unavailable, message: "busy"))
        }
        let accepted = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    do {
                        _ = try await cloud.run(image)
                        return true
                    } catch CloudError.insufficientCapacity {
                        return false
                    } catch {
                        Issue.record("\(error)")
                        return false
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(accepted == 150)
        await cloud.zone.setRefusal(nil)
        try await cloud.eventually("all run") { try await cloud.states() == [.running: 150] }
        #expect(await cloud.zone.timesStarted.allSatisfy { $0 == 1 })
    }

    @Test func shortCapacitySaysWhatIsNeededAndWhatIsFree() async throws {
        let cloud = try await TestCloud.open(zones: [
            FakeZone(name: "us-east-1a", nodes: 2, cores: 8, memoryMiB: 600, diskGiB: 100)
        ])
        let image = try await cloud.image()
        do {
            _ = try await cloud.run(image, 3, type: "m1.large")
            Issue.record("3 × 512 MiB do not fit on 2 × 600 MiB")
        } catch CloudError.insufficientCapacity(let zone, let type, let requested, let available, let detail) {
            #expect(zone == nil)
            #expect(type == "m1.large")
            #expect(requested == 3)
            #expect(available == 2)
            #expect(detail.contains("2 cores, 512 MiB of memory and 10 GiB of disk"))
            #expect(detail.contains("us-east-1a has room for 2, short of memory"))
            #expect(detail.contains("600 MiB"))
        }
        // As many as there is room for, if the minimum fits.
        let some = try await cloud.controller.runInstances(
            RunInstancesRequest(imageID: image.id.value, minCount: 1, maxCount: 10, instanceType: "m1.large"),
            as: cloud.admin)
        #expect(some.instances.count == 2)
    }

    @Test func aRequestGoesWhereMostIsFreeAndIsSpreadOnlyIfItMust() async throws {
        let cloud = try await TestCloud.open(zones: [
            FakeZone(name: "us-east-1a", cores: 4), FakeZone(name: "us-east-1b", cores: 6),
        ])
        let image = try await cloud.image()
        let together = try await cloud.run(image, 5)
        #expect(Set(together.instances.map(\.zone)) == ["us-east-1b"])
        let spread = try await cloud.run(image, 5)
        #expect(spread.instances.filter { $0.zone == "us-east-1a" }.count == 4)
        #expect(spread.instances.filter { $0.zone == "us-east-1b" }.count == 1)
        #expect(spread.instances.map(\.launchIndex) == [0, 1, 2, 3, 4])
        await #expect(throws: CloudError.self) { try await cloud.run(image) }
    }

    @Test func whatCannotBeLaunchedIsRefusedWithItsCause() async throws {
        let cloud = try await TestCloud.open { $0.instancesPerAccount = 4 }
        let image = try await cloud.image()
        let user = try await cloud.user("user")
        let own = try await cloud.controller.registerImage(
            RegisterImageRequest(location: "images/private.raw"), as: cloud.admin)
        cloud.images.put(Array("070701".utf8), at: "images/initrd")
        let ramdisk = try await cloud.controller.registerImage(
            RegisterImageRequest(location: "images/initrd", kind: .ramdisk, isPublic: true), as: cloud.admin)
        func refusal(_ change: (inout RunInstancesRequest) -> Void, as caller: Caller? = nil) async -> CloudError? {
            var request = RunInstancesRequest(imageID: image.id.value)
            change(&request)
            do {
                _ = try await cloud.controller.runInstances(request, as: caller ?? cloud.admin)
                return nil
            } catch {
                return error
            }
        }
        #expect(await refusal { $0.imageID = "nonsense" } == .malformedID(.image, "nonsense"))
        #expect(await refusal { $0.imageID = "ami-00000000" } == .notFound(.image, ["ami-00000000"]))
        #expect(await refusal({ $0.imageID = own.id.value }, as: user) == .notFound(.image, [own.id.value]))
        #expect(await refusal { $0.kernelID = "aki-00000000" } == .notFound(.image, ["aki-00000000"]))
        #expect(await refusal { $0.keyName = "none" } == .notFound(.keyPair, ["none"]))
        #expect(await refusal { $0.groupNames = ["none"] } == .notFound(.securityGroup, ["none"]))
        #expect(await refusal { $0.groupIDs = ["sg-1"] } == .malformedID(.securityGroup, "sg-1"))
        for change: (inout RunInstancesRequest) -> Void in [
            { $0.imageID = ramdisk.id.value }, { $0.kernelID = ramdisk.id.value }, { $0.instanceType = "x9.huge" },
            { $0.zone = "us-east-1z" }, { $0.minCount = 0 }, { $0.maxCount = 0 },
            { $0.userData = [UInt8](repeating: 0, count: 16_385) },
            { $0.clientToken = String(repeating: "x", count: 65) },
            { $0.instanceTags = [Tag(key: "aws:x", value: "")] },
        ] {
            guard case .invalidValue = await refusal(change) else {
                Issue.record("not refused as an invalid value")
                continue
            }
        }
        #expect(
            await refusal {
                $0.minCount = 5; $0.maxCount = 5
            }
                == .limitExceeded(.instance, limit: 4, inUse: 0, requested: 5))
        #expect(await refusal { $0.dryRun = true } == .dryRunSucceeded)
        #expect(try await cloud.states().isEmpty)
        #expect(await refusal { $0.userData = [UInt8](repeating: 7, count: 16_384) } == nil)
    }

    @Test func userDataReachesTheNodeAndIsNotInTheListing() async throws {
        let cloud = try await TestCloud.open()
        let request = RunInstancesRequest(imageID: try await cloud.image().id.value, userData: [0, 255, 10])
        let id = try await cloud.controller.runInstances(request, as: cloud.admin).instances[0].id
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        #expect(await cloud.zone.reports[id.value]?.spec.userData == [0, 255, 10])
        #expect(try await cloud.instance(id).userData == nil)
    }

    @Test func anAgreementCanKeepAZoneFree() async throws {
        struct OnlyZoneB: AllocationPolicy {
            func restrict(
                _ offers: [ZoneAllocation.Offer], for request: RunInstancesRequest, of caller: Caller,
                type: InstanceType, use: () -> AllocationUse
            )
                throws(CloudError) -> [ZoneAllocation.Offer]
            { offers.filter { $0.zone == "us-east-1b" } }
        }
        let cloud = try await TestCloud.open(zones: [
            FakeZone(name: "us-east-1a"), FakeZone(name: "us-east-1b", cores: 2),
        ]) { $0.policy = OnlyZoneB() }
        let image = try await cloud.image()
        #expect(try await cloud.run(image).instances[0].zone == "us-east-1b")
        await #expect(throws: CloudError.self) { try await cloud.run(image, zone: "us-east-1a") }
    }
}
