import CloudModel
import Contracts
import Foundation
import Testing

@testable import CloudController

@Suite struct BundlingTests {
    private static let policy = Data(#"{"expiration":"2100-01-01T00:00:00Z","conditions":[]}"#.utf8)
        .base64EncodedString()
    private static let signature = Data(repeating: 7, count: 20).base64EncodedString()

    private static func request(_ id: InstanceID) -> BundleInstanceRequest {
        BundleInstanceRequest(
            instanceID: id.value, bucket: "mine", prefix: "images/disk", accessKeyID: "AK", uploadPolicy: policy,
            uploadPolicySignature: signature)
    }

    /// A cloud with an image and a running instance of a user.
    private func world() async throws -> (cloud: TestCloud, user: Caller, id: InstanceID) {
        let cloud = try await TestCloud.open()
        let user = try await cloud.user("user")
        let id = try #require(try await cloud.run(try await cloud.image(), as: user).instances.first?.id)
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        return (cloud, user, id)
    }

    private func task(_ id: BundleTaskID, _ cloud: TestCloud) async throws -> BundleTask {
        try #require(
            try await cloud.controller.describeBundleTasks(DescribeRequest(ids: [id.value]), as: cloud.admin).first)
    }

    @Test func `a bundle goes through all states as its node reports`() async throws {
        let (cloud, user, id) = try await world()
        let made = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        #expect(made.state == .pending)
        await #expect(throws: CloudError.inUse(.bundleTask, id.value, by: made.id.value)) {
            try await cloud.controller.bundleInstance(Self.request(id), as: user)
        }
        try await cloud.eventually("the node has it") { try await task(made.id, cloud).state == .waitingForShutdown }
        #expect(await cloud.zone.bundleURLs == ["http://walrus/staging/\(made.id)?Signature=secret"])
        await #expect(throws: CloudError.inUse(.bundleTask, id.value, by: made.id.value)) {
            try await cloud.controller.rebootInstances(ids: [id.value], dryRun: false, as: user)
        }
        await cloud.zone.setBundle(.init(bundleId: made.id.value, state: .sending, progress: 60), of: id.value)
        try await cloud.eventually("it is bundling") {
            let now = try await task(made.id, cloud)
            return now.state == .bundling && now.progress == 30
        }
        await cloud.zone.setBundle(.init(bundleId: made.id.value, state: .sent), of: id.value)
        try await cloud.eventually("it is complete") { try await task(made.id, cloud).state == .complete }
        let done = try await task(made.id, cloud)
        #expect(done.progress == 100 && done.uploadPolicy.isEmpty && done.uploadPolicySignature.isEmpty)
        try await cloud.eventually("the copy is gone") {
            cloud.images.bundleLog == ["made mine/images/disk.manifest.xml x86_64", "staged gone"]
        }
        await #expect(
            throws: CloudError.incorrectState(
                .bundleTask, made.id.value, state: "complete", operation: "CancelBundleTask")
        ) { try await cloud.controller.cancelBundleTask(id: made.id.value, dryRun: false, as: user) }
        // Another may follow, and filters find it.
        let next = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        let found = try await cloud.controller.describeBundleTasks(
            DescribeRequest(filters: [
                Filter(name: "state", values: ["comp*"]), Filter(name: "s3-bucket", values: ["mine"]),
            ]), as: user)
        #expect(found.map(\.id) == [made.id] && next.id != made.id)
        // Ended ones are forgotten after a while.
        cloud.clock.advance(seconds: 8 * 86_400)
        try await cloud.controller.cleanUp()
        await #expect(throws: CloudError.notFound(.bundleTask, [made.id.value])) {
            try await cloud.controller.cancelBundleTask(id: made.id.value, dryRun: false, as: user)
        }
    }

    @Test func `a task goes on in the next life of the cloud, from any state`() async throws {
        var (cloud, user, id) = try await world()
        await cloud.zone.setDown(true)
        let made = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        #expect(try await task(made.id, cloud).state == .pending)
        await cloud.zone.setDown(false)
        cloud = try await cloud.reopened()
        try await cloud.eventually("the node has it") { try await task(made.id, cloud).state == .waitingForShutdown }
        #expect(try await task(made.id, cloud).uploadPolicy == Self.policy)
        // The node sends while there is no cloud; and the store fails when there is one.
        await cloud.stop()
        await cloud.zone.setBundle(.init(bundleId: made.id.value, state: .sent), of: id.value)
        let down = CloudError.unavailable(component: "Walrus", reason: "down")
        cloud.images.nextBundles([.later(down), .later(down)])
        cloud = try await cloud.reopened()
        try await cloud.eventually("it is stored") { try await task(made.id, cloud).state == .storing }
        cloud = try await cloud.reopened()
        try await cloud.eventually("it is complete") { try await task(made.id, cloud).state == .complete }
    }

    @Test func `what Walrus refuses fails the task, and its parts are removed`() async throws {
        let (cloud, user, id) = try await world()
        // The first time it may be otherwise later, so it is tried again.
        cloud.images.nextBundles([
            .later(.unavailable(component: "Walrus", reason: "down")),
            .refused(.init(code: "Client.AccessDenied", message: "Policy expired.")),
        ])
        let made = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        try await cloud.eventually("the node has it") { try await task(made.id, cloud).state == .waitingForShutdown }
        await cloud.zone.setBundle(.init(bundleId: made.id.value, state: .sent), of: id.value)
        try await cloud.eventually("it has failed") { try await task(made.id, cloud).state == .failed }
        #expect(try await task(made.id, cloud).failure?.code == "Client.AccessDenied")
        #expect(cloud.images.bundleLog == ["staged gone", "1 parts gone"])
        #expect(try await cloud.instance(id).state == .running)
    }

    @Test func `a node that fails, or is started again, or loses the instance fails the task`() async throws {
        let (cloud, user, id) = try await world()
        var made = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        try await cloud.eventually("the node has it") { try await task(made.id, cloud).state == .waitingForShutdown }
        await cloud.zone.setBundle(
            .init(bundleId: made.id.value, state: .failed, reason: .init(code: "Server.X", message: "disk full")),
            of: id.value)
        try await cloud.eventually("it has failed") { try await task(made.id, cloud).state == .failed }
        #expect(try await task(made.id, cloud).failure == .init(code: "Server.X", message: "disk full"))

        made = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        try await cloud.eventually("the node has it") { try await task(made.id, cloud).state == .waitingForShutdown }
        await cloud.zone.setBundle(nil, of: id.value)
        try await cloud.eventually("it has failed") { try await task(made.id, cloud).state == .failed }
        #expect(try await task(made.id, cloud).failure?.message.contains("started again") == true)

        await cloud.zone.setBundleFault(ServiceFault(code: .conflict, message: "it is parked"))
        made = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        try await cloud.eventually("it has failed") { try await task(made.id, cloud).state == .failed }
        #expect(try await task(made.id, cloud).failure?.message.contains("it is parked") == true)
        await cloud.zone.setBundleFault(nil)

        made = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        try await cloud.eventually("the node has it") { try await task(made.id, cloud).state == .waitingForShutdown }
        _ = try await cloud.controller.terminateInstances(ids: [id.value], dryRun: false, as: user)
        try await cloud.eventually("it has failed") { try await task(made.id, cloud).state == .failed }
        #expect(try await task(made.id, cloud).failure?.code == "Client.InstanceTerminated")
    }

    @Test func `a task is cancelled on its node, and fails with that reason`() async throws {
        let (cloud, user, id) = try await world()
        let made = try await cloud.controller.bundleInstance(Self.request(id), as: user)
        try await cloud.eventually("the node has it") { try await task(made.id, cloud).state == .waitingForShutdown }
        await #expect(throws: CloudError.dryRunSucceeded) {
            try await cloud.controller.cancelBundleTask(id: made.id.value, dryRun: true, as: user)
        }
        let stranger = try await cloud.user("stranger")
        await #expect(throws: CloudError.notFound(.bundleTask, [made.id.value])) {
            try await cloud.controller.cancelBundleTask(id: made.id.value, dryRun: false, as: stranger)
        }
        #expect(
            try await cloud.controller.cancelBundleTask(id: made.id.value, dryRun: false, as: user).state == .cancelling
        )
        try await cloud.eventually("it has failed") { try await task(made.id, cloud).state == .failed }
        #expect(try await task(made.id, cloud).failure?.code == "Client.Cancelled")
        #expect(await cloud.zone.cancelledBundles.contains(made.id.value))
    }

    @Test func `a request that cannot be is refused`() async throws {
        let (cloud, user, id) = try await world()
        func refused(_ change: (inout BundleInstanceRequest) -> Void) async -> Bool {
            var request = Self.request(id)
            change(&request)
            do {
                _ = try await cloud.controller.bundleInstance(request, as: user)
                return false
            } catch {
                return true
            }
        }
        #expect(await refused { $0.bucket = "a/b" })
        #expect(await refused { $0.prefix = "" })
        #expect(await refused { $0.prefix = "a/../b" })
        #expect(await refused { $0.uploadPolicy = "e30" + "!" })
        #expect(await refused { $0.uploadPolicy = Data("[]".utf8).base64EncodedString() })
        #expect(await refused { $0.uploadPolicySignature = "AAAA" })
        #expect(await refused { $0.instanceID = "i-0123456789abcdef0" })
        #expect(await refused { $0.dryRun = true })
        #expect(try await cloud.controller.describeBundleTasks(DescribeRequest(), as: user).isEmpty)
        _ = try await cloud.controller.terminateInstances(ids: [id.value], dryRun: false, as: user)
        #expect(await refused { _ in })
    }
}
