// The disks of an instance: a copy-on-write root over the cached image, and empty sparse disks.

import Contracts
import Hypervisor
import Posix

extension NodeController {
    /// The instance's directory; a name without a file behind it where guests are simulated.
    func directory(of instance: Instance) -> String {
        records.directory(of: instance.id) ?? "/simulated/" + instance.id
    }

    /// The disks in the order in which the guest sees them.
    func disks(of instance: Instance) -> [GuestDisk] {
        let directory = directory(of: instance)
        let type = instance.spec.instanceType
        var disks = [GuestDisk(path: FileSystem.join(directory, "root.qcow2"), format: .qcow2, role: .root)]
        if (type.ephemeralGiB ?? 0) > 0 {
            disks.append(GuestDisk(path: FileSystem.join(directory, "ephemeral.raw"), format: .raw, role: .ephemeral))
        }
        if (type.swapMiB ?? 0) > 0 {
            disks.append(GuestDisk(path: FileSystem.join(directory, "swap.raw"), format: .raw, role: .swap))
        }
        return disks
    }

    /// Makes the disks anew; what an interrupted attempt left is replaced.
    func makeDisks(_ instance: Instance) throws(StepFailure) {
        guard let images else { return }
        let type = instance.spec.instanceType
        for disk in disks(of: instance) {
            do throws(PosixError) {
                try FileSystem.remove(disk.path, ifPresent: true)
            } catch {
                throw StepFailure(error, doing: "replacing a disk of an earlier attempt")
            }
            do throws(HypervisorError) {
                switch disk.role {
                case .root:
                    let image = instance.spec.image
                    try hypervisor.diskImages.createOverlay(
                        base: images.path(image), baseFormat: image.format == .qcow2 ? .qcow2 : .raw, path: disk.path,
                        sizeBytes: Int64(type.diskGiB) << 30)
                case .ephemeral:
                    try hypervisor.diskImages.createEmpty(
                        path: disk.path, format: disk.format, sizeBytes: Int64(type.ephemeralGiB ?? 0) << 30)
                case .swap:
                    try hypervisor.diskImages.createEmpty(
                        path: disk.path, format: disk.format, sizeBytes: Int64(type.swapMiB ?? 0) << 20)
                }
            } catch {
                throw StepFailure(error)
            }
            if disk.role == .swap {
                do throws(PosixError) {
                    try SwapHeader.write(to: disk.path, sizeBytes: Int64(type.swapMiB ?? 0) << 20)
                } catch {
                    throw StepFailure(error, doing: "writing the swap disk's header")
                }
            }
        }
    }
}

/// The header that makes a disk a Linux swap area, as mkswap(8) writes it (Linux, include/linux/swap.h).
enum SwapHeader {
    static let page = 4096

    static func write(to path: String, sizeBytes: Int64) throws(PosixError) {
        let file = try File(path, [.read, .write])
        try file.write(bytes(sizeBytes: sizeBytes), at: 0)
        try file.close()
    }

    /// The first page. The numbers are in the byte order of the guest, which is little endian here.
    static func bytes(sizeBytes: Int64) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: page)
        let pages = UInt32(clamping: sizeBytes / Int64(page))
        put(1, at: 1024, in: &header)  // version
        put(pages == 0 ? 0 : pages - 1, at: 1028, in: &header)  // last page
        header.replaceSubrange((page - 10)..., with: Array("SWAPSPACE2".utf8))
        return header
    }

    private static func put(_ value: UInt32, at offset: Int, in header: inout [UInt8]) {
        for index in 0..<4 { header[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
    }
}
