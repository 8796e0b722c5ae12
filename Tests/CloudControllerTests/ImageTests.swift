import CloudModel
import Store
import Testing

@testable import CloudController

@Suite struct ImageTests {
    @Test func anImageIsRegisteredSeenAndDeregistered() async throws {
        let cloud = try await TestCloud.open()
        let controller = cloud.controller
        let user = try await cloud.user("user")
        let own = try await controller.registerImage(
            RegisterImageRequest(location: "b/private.raw", name: "private"), as: cloud.admin)
        let open = try await controller.registerImage(
            RegisterImageRequest(location: "b/open.raw", name: "open", isPublic: true), as: cloud.admin)
        #expect(own.format == .raw)
        #expect(own.virtualSizeBytes == 1 << 20)
        func names(_ caller: Caller, owners: [String] = [], by: [String] = []) async throws -> Set<String> {
            let page = try await controller.describeImages(
                DescribeRequest(), owners: owners, executableBy: by, as: caller)
            return Set(page.items.map(\.name))
        }
        #expect(try await names(user) == ["open"])
        #expect(try await names(cloud.admin) == ["open", "private"])
        #expect(try await names(user, owners: ["self"]).isEmpty)
        #expect(try await names(user, owners: [cloud.admin.accountID]) == ["open"])
        #expect(try await names(cloud.admin, owners: ["amazon"]).isEmpty)
        #expect(try await names(cloud.admin, by: ["all"]) == ["open"])
        await #expect(throws: CloudError.duplicate(.image, "open")) {
            try await controller.registerImage(
                RegisterImageRequest(location: "b/other.raw", name: "open"), as: cloud.admin)
        }
        await #expect(throws: CloudError.unauthorized(operation: "DeregisterImage of another account's image")) {
            try await controller.deregisterImage(id: open.id.value, dryRun: false, as: user)
        }
        let id = try await cloud.run(open).instances[0].id
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        try await controller.deregisterImage(id: open.id.value, dryRun: false, as: cloud.admin)
        #expect(try await names(cloud.admin) == ["private"])
        await #expect(throws: CloudError.notFound(.image, [open.id.value])) {
            try await controller.describeImages(
                DescribeRequest(ids: [open.id.value]), owners: [], executableBy: [], as: cloud.admin)
        }
        await #expect(throws: CloudError.notFound(.image, [open.id.value])) { try await cloud.run(open) }
        try await controller.cleanUp()
        #expect(try await cloud.instance(id).state == .running)
        #expect(try await cloud.store.get(Key.image(open.id)) != nil)
        _ = try await controller.terminateInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
        try await controller.cleanUp()
        #expect(try await cloud.store.get(Key.image(open.id)) == nil)
    }

    @Test func kernelsAndRamdisksAreOfTheirKind() async throws {
        let cloud = try await TestCloud.open(runs: false)
        cloud.images.put([0x7F, 0x45, 0x4C, 0x46, 0, 0], at: "b/vmlinux")
        cloud.images.put([0x1F, 0x8B, 0x08], at: "b/initrd")
        let kernel = try await cloud.controller.registerImage(
            RegisterImageRequest(location: "b/vmlinux", kind: .kernel), as: cloud.admin)
        let ramdisk = try await cloud.controller.registerImage(
            RegisterImageRequest(location: "b/initrd", kind: .ramdisk), as: cloud.admin)
        #expect(kernel.id.value.hasPrefix("aki-"))
        #expect(ramdisk.id.value.hasPrefix("ari-"))
        let image = try await cloud.controller.registerImage(
            RegisterImageRequest(
                location: "b/disk", kernelID: kernel.id.value, ramdiskID: ramdisk.id.value,
                kernelArguments: "console=ttyS0"),
            as: cloud.admin)
        #expect(image.kernelID == kernel.id)
        for request in [
            RegisterImageRequest(location: "b/disk2", kernelID: ramdisk.id.value),
            RegisterImageRequest(location: "b/disk2", ramdiskID: ramdisk.id.value),
            RegisterImageRequest(location: "b/disk2", kind: .kernel),
            RegisterImageRequest(location: "b/disk2", architecture: "arm64"),
            RegisterImageRequest(location: "nobucket"),
            RegisterImageRequest(location: "b/vmlinux", kind: .ramdisk),
        ] {
            await #expect(throws: CloudError.self) {
                try await cloud.controller.registerImage(request, as: cloud.admin)
            }
        }
    }

    @Test func administratorsMayChooseIds() async throws {
        let cloud = try await TestCloud.open(runs: false)
        let request = RegisterImageRequest(location: "b/d", requestedID: "ami-12c6146b")
        let user = try await cloud.user("user")
        await #expect(throws: CloudError.self) { try await cloud.controller.registerImage(request, as: user) }
        let image = try await cloud.controller.registerImage(request, as: cloud.admin)
        #expect(image.id.value == "ami-12c6146b")
        var other = request
        other.name = "other"
        await #expect(throws: CloudError.duplicate(.image, "ami-12c6146b")) {
            try await cloud.controller.registerImage(other, as: cloud.admin)
        }
        try await cloud.controller.deregisterImage(id: "ami-12c6146b", dryRun: false, as: cloud.admin)
        #expect(try await cloud.controller.registerImage(request, as: cloud.admin).id == image.id)
    }

    @Test func aNameIsTakenOnceByManyAtTheSameTime() async throws {
        let cloud = try await TestCloud.open(runs: false)
        let made = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<20 {
                group.addTask {
                    do {
                        _ = try await cloud.controller.registerImage(
                            RegisterImageRequest(location: "b/\(index)", name: "same"), as: cloud.admin)
                        return true
                    } catch {
                        #expect(error as? CloudError == .duplicate(.image, "same"))
                        return false
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == 1)
    }
}
