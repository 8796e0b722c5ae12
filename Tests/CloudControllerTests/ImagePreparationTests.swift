import CloudModel
import Testing

@testable import CloudController

@Suite struct ImagePreparationTests {
    private static let manifest = "b/disk.img.manifest.xml"

    private static func unbundled(_ location: String = "cloud/disk") -> UnbundledImage {
        UnbundledImage(
            location: location,
            object: ImageObject(
                sizeBytes: 1 << 20, sha256: String(repeating: "1", count: 64),
                leading: [UInt8](repeating: 0, count: 65_536)))
    }

    private func image(_ id: ImageID, _ cloud: TestCloud) async throws -> Image {
        try #require(
            try await cloud.controller.describeImages(
                DescribeRequest(ids: [id.value]), owners: [], executableBy: [], as: cloud.admin
            ).items.first)
    }

    @Test func `a bundle is put together after its registration, and then launched from`() async throws {
        let cloud = try await TestCloud.open()
        cloud.images.put(bundle: .success(Self.unbundled()), at: Self.manifest)
        let registered = try await cloud.controller.registerImage(
            RegisterImageRequest(location: Self.manifest), as: cloud.admin)
        #expect(registered.state == .pending)
        #expect(registered.architecture == "i386")
        try await cloud.eventually("it is available") {
            try await image(registered.id, cloud).state == .available
        }
        let made = try await image(registered.id, cloud)
        #expect(made.location == Self.manifest)
        #expect(made.object == "cloud/disk")
        #expect(made.virtualSizeBytes == 1 << 20)
        // The object goes with the last image that needs it.
        let copy = try await cloud.controller.copyImage(
            CopyImageRequest(sourceID: made.id.value, sourceRegion: "us-east-1", name: "copy"), as: cloud.admin)
        try await cloud.controller.deregisterImage(id: made.id.value, dryRun: false, as: cloud.admin)
        try await cloud.controller.cleanUp()
        #expect(cloud.images.discarded.isEmpty)
        try await cloud.controller.deregisterImage(id: copy.id.value, dryRun: false, as: cloud.admin)
        try await cloud.controller.cleanUp()
        // Housekeeping of its own may have come at the same time.
        #expect(Set(cloud.images.discarded) == ["cloud/disk"])
    }

    @Test func `a bundle that cannot be put together fails with the reason`() async throws {
        let cloud = try await TestCloud.open()
        let refusal = CloudError.invalidValue(parameter: "ImageLocation", value: "x", reason: "Part 3 is damaged.")
        cloud.images.put(bundle: .failure(refusal), at: Self.manifest)
        let registered = try await cloud.controller.registerImage(
            RegisterImageRequest(location: Self.manifest), as: cloud.admin)
        try await cloud.eventually("it has failed") { try await image(registered.id, cloud).state == .failed }
        #expect(try await image(registered.id, cloud).failure == "Part 3 is damaged.")
        await #expect(throws: CloudError.self) { try await cloud.run(registered) }
        await #expect(throws: CloudError.self) {
            try await cloud.controller.registerImage(
                RegisterImageRequest(location: "b/none.manifest.xml"), as: cloud.admin)
        }
    }

    @Test func `a disk is imported as an image`() async throws {
        let cloud = try await TestCloud.open()
        let controller = cloud.controller
        let user = try await cloud.user("user")
        var request = ImportImageRequest(
            location: "b/disk", format: "RAW", description: "mine", clientToken: "t",
            tags: [Tag(key: "k", value: "v")])
        let task = try await controller.importImage(request, as: user)
        #expect(task.state == .active)
        #expect(try await controller.importImage(request, as: user).id == task.id)
        request.description = "other"
        await #expect(throws: CloudError.idempotentParameterMismatch(token: "t")) {
            try await controller.importImage(request, as: user)
        }
        func current() async throws -> ImageImport {
            try #require(
                try await controller.describeImageImports(DescribeRequest(ids: [task.id.value]), as: user).items.first)
        }
        try await cloud.eventually("it is completed") { try await current().state == .completed }
        let imported = try #require(try await current().imageID)
        let image = try await image(imported, cloud)
        #expect(image.accountID == user.accountID)
        #expect(image.name == task.id.value)
        #expect(image.tags == [Tag(key: "k", value: "v")])
        await #expect(
            throws: CloudError.incorrectState(
                .imageImport, task.id.value, state: "completed", operation: "CancelImportTask")
        ) {
            try await controller.cancelImageImport(id: task.id.value, reason: nil, dryRun: false, as: user)
        }
        // Somebody else's does not exist.
        let stranger = try await cloud.user("stranger")
        await #expect(throws: CloudError.notFound(.imageImport, [task.id.value])) {
            try await controller.describeImageImports(DescribeRequest(ids: [task.id.value]), as: stranger)
        }
        cloud.clock.advance(seconds: 8 * 86_400)
        try await controller.cleanUp()
        await #expect(throws: CloudError.notFound(.imageImport, [task.id.value])) { _ = try await current() }
    }

    @Test func `an import that cannot be done says why, and one that waits can be cancelled`() async throws {
        let cloud = try await TestCloud.open()
        cloud.images.remove("b/none")
        let task = try await cloud.controller.importImage(
            ImportImageRequest(location: "b/none", format: "raw"), as: cloud.admin)
        func current(_ id: ImageImportID) async throws -> ImageImport {
            try #require(
                try await cloud.controller.describeImageImports(DescribeRequest(ids: [id.value]), as: cloud.admin)
                    .items.first)
        }
        try await cloud.eventually("it has failed") { try await current(task.id).state == .failed }
        #expect(try await current(task.id).message == "ClientError: There is no such object.")
        let wrong = try await cloud.controller.importImage(
            ImportImageRequest(location: "b/disk", format: "qcow2"), as: cloud.admin)
        try await cloud.eventually("it has failed") { try await current(wrong.id).state == .failed }
        await #expect(throws: CloudError.self) {
            try await cloud.controller.importImage(
                ImportImageRequest(location: "b/disk", format: "VMDK"), as: cloud.admin)
        }
        let idle = try await TestCloud.open(runs: false)
        let waiting = try await idle.controller.importImage(
            ImportImageRequest(location: "b/disk", format: "raw"), as: idle.admin)
        let (previous, cancelled) = try await idle.controller.cancelImageImport(
            id: waiting.id.value, reason: "no need", dryRun: false, as: idle.admin)
        #expect(previous.status == "active")
        #expect(cancelled.status == "deleted")
        #expect(cancelled.message == "canceled: no need")
    }
}
