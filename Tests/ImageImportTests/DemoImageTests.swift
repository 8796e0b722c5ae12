import Archive
import Foundation
import Testing

@testable import ImageImport

@Suite struct DemoImageTests {
    /// A module file is an ELF object; only its .modinfo strings matter here.
    private func module(_ name: String, needs: String) -> PackagedFile {
        PackagedFile(
            entry: ArchiveEntry(path: "lib/modules/6.1.0/kernel/drivers/\(name).ko", kind: .file, permissions: 0o644),
            bytes: Array("\u{7f}ELF\0license=GPL\0depends=\(needs)\0name=\(name)\0".utf8))
    }

    @Test func modulesAreLoadedAfterWhatTheyNeed() {
        let modules = KernelModules([
            module("virtio_net", needs: "virtio,net_failover"), module("virtio", needs: "virtio_ring"),
            module("virtio_ring", needs: ""), module("net_failover", needs: "failover"), module("failover", needs: ""),
            module("unused", needs: ""),
        ])
        let order = modules.loadOrder(of: ["virtio-net", "virtio"]).compactMap {
            $0.entry.path.split(separator: "/").last
        }
        #expect(order == ["virtio_ring.ko", "virtio.ko", "failover.ko", "net_failover.ko", "virtio_net.ko"])
    }

    @Test func modulesThatNeedEachOtherDoNotLoopForEver() {
        let modules = KernelModules([module("a", needs: "b"), module("b", needs: "a")])
        #expect(modules.loadOrder(of: ["a"]).count == 2)
    }

    @Test(.enabled(if: Program.find("apt-get") != nil && Program.find("mke2fs") != nil))
    func theDemoImageIsBuiltFromPackagesAndFoundTheSecondTime() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("demo-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let image = try DemoImage.build(in: directory) { _, _, _ in }
        let ramdisk = try ArchiveReader(path: image.ramdisk.path)
        var names: Set<String> = []
        while let entry = try ramdisk.next() { names.insert(entry.path) }
        #expect(names.isSuperset(of: ["init", "bin/busybox", "dev/console", "modules/virtio_blk.ko"]))
        let kernel = try Data(contentsOf: image.kernel)
        #expect(kernel.dropFirst(0x202).prefix(4) == Data("HdrS".utf8), "the magic number of a bzImage")
        let root = try FileHandle(forReadingFrom: image.root)
        try root.seek(toOffset: 0x438)
        #expect(try root.read(upToCount: 2) == Data([0x53, 0xEF]), "the ext4 magic number")
        let built = try FileManager.default.attributesOfItem(atPath: image.root.path)[.modificationDate] as? Date
        _ = try DemoImage.build(in: directory) { _, _, _ in }
        let found = try FileManager.default.attributesOfItem(atPath: image.root.path)[.modificationDate] as? Date
        #expect(built == found)
    }
}
