import Posix

/// A real Linux: Debian's cloud kernel from its package, and an initramfs with busybox that this file writes.
struct LinuxGuest {
    let kernel: String
    let ramdisk: String

    /// What the tests need from the system to make one.
    static var isPossible: Bool {
        FileSystem.findExecutable("apt-get") != nil && FileSystem.findExecutable("dpkg-deb") != nil
            && FileSystem.exists(busybox)
    }

    private static let busybox = "/bin/busybox"
    /// In the order in which they need each other.
    private static let modules = [
        "drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev",
        "drivers/virtio/virtio_pci_modern_dev", "drivers/virtio/virtio_pci", "net/core/failover",
        "drivers/net/net_failover", "drivers/net/virtio_net", "drivers/block/virtio_blk",
    ]

    /// Sets the network up by DHCP, reads from the metadata address, answers on port 7, writes to its disk.
    private static let script = """
        #!/bin/busybox sh
        b=/bin/busybox
        $b mount -t devtmpfs dev /dev; $b mount -t proc proc /proc; $b mount -t sysfs sys /sys
        for m in /modules/*.ko; do $b insmod $m; done
        $b ip link set lo up; $b ip link set eth0 up
        $b udhcpc -i eth0 -n -q -s /lease
        $b echo "disk: $($b head -c 13 /dev/vda)"
        $b echo "metadata: $( ($b echo hello; $b sleep 1) | $b nc 169.254.169.254 80)"
        $b echo "user space is up"
        while true; do $b echo pong | $b nc -l -p 7; done
        """
    private static let lease = """
        #!/bin/busybox sh
        [ "$1" = bound ] && /bin/busybox ip addr add $ip/$mask dev $interface && /bin/busybox echo "lease: $ip"
        exit 0
        """

    /// Fetches the kernel once and makes the initramfs in `directory`.
    init(directory: String) throws {
        let tree = try Self.kernelPackage()
        let boot = FileSystem.join(tree, "boot")
        guard let image = try FileSystem.list(boot).first(where: { name in name.hasPrefix("vmlinuz-") }) else {
            throw PosixError(errno: PosixError.notFound, operation: "find a kernel in", detail: boot)
        }
        kernel = FileSystem.join(boot, image)
        let version = image.dropFirst("vmlinuz-".count)
        var archive = CPIOArchive()
        for name in ["bin", "dev", "proc", "sys", "modules"] { archive.add(name, mode: 0o040755, []) }
        archive.add("bin/busybox", mode: 0o100755, try FileSystem.read(Self.busybox))
        archive.add("bin/sh", mode: 0o120777, Array("busybox".utf8))
        for (number, module) in Self.modules.enumerated() {
            let path = "\(tree)/lib/modules/\(version)/kernel/\(module).ko"
            archive.add("modules/\(number).ko", mode: 0o100644, try FileSystem.read(path))
        }
        archive.add("init", mode: 0o100755, Array(Self.script.utf8))
        archive.add("lease", mode: 0o100755, Array(Self.lease.utf8))
        ramdisk = FileSystem.join(directory, "initramfs.cpio")
        try FileSystem.write(ramdisk, archive.finished())
    }

    /// The unpacked package, kept between runs.
    private static func kernelPackage() throws -> String {
        let tree = FileSystem.join(Rig.cacheDirectory, "linux")
        try FileSystem.makeDirectory(Rig.cacheDirectory, permissions: 0o700)
        // Two test runs at once would step on each other.
        let lock = try FileLock.acquire(tree + ".lock", wait: true)
        defer { try? lock?.release() }  // it ends with the process anyway
        if FileSystem.exists(tree) { return tree }
        // "linux-image-cloud-amd64" only names the newest one.
        let depends = try run("apt-cache", ["depends", "--important", "linux-image-cloud-amd64"], in: "/tmp")
        guard
            let package = depends.split(separator: "\n").compactMap({ line in
                line.split(separator: " ").last { word in word.hasPrefix("linux-image-") && line.contains("Depends:") }
            }).first
        else { throw PosixError(errno: PosixError.notFound, operation: "find the newest kernel in", detail: depends) }
        let work = try FileSystem.temporaryDirectory(tree + "-")
        defer { try? FileSystem.removeTree(work) }  // a directory left in /tmp harms nobody
        _ = try run("apt-get", ["download", String(package)], in: work)
        guard let file = try FileSystem.list(work).first(where: { name in name.hasSuffix(".deb") }) else {
            throw PosixError(errno: PosixError.notFound, operation: "find the package in", detail: work)
        }
        _ = try run("dpkg-deb", ["-x", file, "tree"], in: work)
        try FileSystem.rename(work + "/tree", to: tree)
        return tree
    }

    private static func run(_ program: String, _ arguments: [String], in directory: String) throws -> String {
        let result = try Command.run(program, arguments, directory: directory, timeout: 300_000)
        guard result.isSuccess else {
            throw PosixError(
                errno: PosixError.inputOutput, operation: "run \(program)", detail: result.explanation)
        }
        return result.outputText
    }
}

/// The "newc" format of cpio, which the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst).
struct CPIOArchive {
    private var bytes: [UInt8] = []
    private var entries = 0

    mutating func add(_ name: String, mode: Int, _ content: [UInt8]) {
        entries += 1
        var header = "070701"
        // inode, mode, uid, gid, links, time, size, device major and minor, rdev major and minor, name's length, check
        for value in [entries, mode, 0, 0, 1, 0, content.count, 0, 0, 0, 0, name.utf8.count + 1, 0] {
            let digits = String(value, radix: 16)
            header += String(repeating: "0", count: 8 - digits.count) + digits
        }
        append(Array(header.utf8) + Array(name.utf8) + [0])
        append(content)
    }

    private mutating func append(_ part: [UInt8]) {
        bytes += part
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    func finished() -> [UInt8] {
        var copy = self
        copy.add("TRAILER!!!", mode: 0, [])
        return copy.bytes
    }
}
