import Archive
public import Foundation

/// A small Linux that shows what the cloud does: DHCP, metadata, user data, ssh with the injected key. Its kernel,
/// busybox and dropbear are the distribution's own packages.
public struct DemoImage: Sendable {
    /// Kernel file.
    public let kernel: URL
    /// Initramfs: loads the virtio modules and hands over to the root disk.
    public let ramdisk: URL
    /// ext4 root file system, raw.
    public let root: URL
    /// Kernel command line.
    public let kernelArguments: String

    /// Builds it in `directory` (created), or finds it there from an earlier time.
    ///
    /// - Throws: `ImageImportError` if apt or mke2fs is missing or a package cannot be fetched.
    public static func build(in directory: URL, progress: ImportProgress) throws -> DemoImage {
        let image = DemoImage(
            kernel: directory.appendingPathComponent("vmlinuz"),
            ramdisk: directory.appendingPathComponent("initrd.gz"), root: directory.appendingPathComponent("root.ext4"),
            // Quiet: the serial line is the slowest device of an emulated machine.
            kernelArguments: "console=ttyS0 quiet panic=-1")
        let done = directory.appendingPathComponent("complete-\(DemoGuest.revision)")
        if FileManager.default.fileExists(atPath: done.path) { return image }
        #if !arch(x86_64)
            throw ImageImportError("The demo image is built from amd64 packages; import an image of your own here.")
        #endif
        let cache = directory.appendingPathComponent("packages")
        try FileManager.default.createDirectory(at: cache, withIntermediateDirectories: true)
        let packages = DebianPackages(cache: cache)

        progress("fetching the kernel package", 0, nil)
        let kernelPackage = try packages.fetch(packages.firstDependency(of: "linux-image-cloud-amd64"))
        let kernelFiles = try packages.files(of: kernelPackage) {
            $0.hasPrefix("boot/vmlinuz-") || $0.hasSuffix(".ko")
        }
        guard let vmlinuz = kernelFiles.first(where: { $0.entry.path.hasPrefix("boot/vmlinuz-") }) else {
            throw ImageImportError("\(kernelPackage.lastPathComponent) holds no kernel.")
        }
        try Data(vmlinuz.bytes).write(to: image.kernel, options: .atomic)

        progress("fetching busybox and dropbear", 0, nil)
        let busybox = try packages.files(of: packages.fetch("busybox-static")) { $0 == "bin/busybox" }
        guard let busybox = busybox.first?.bytes else { throw ImageImportError("busybox-static holds no busybox.") }
        var files: [PackagedFile] = []
        for name in DemoGuest.sshPackages {
            files += try packages.files(of: packages.fetch(name)) { DemoGuest.isWanted($0) }
        }

        progress("building the ramdisk", 0, nil)
        let modules = KernelModules(kernelFiles).loadOrder(of: DemoGuest.modules)
        try writeRamdisk(image.ramdisk, busybox: busybox, modules: modules)
        progress("building the root file system", 0, nil)
        try writeRoot(image.root, busybox: busybox, files: files, in: directory)
        try Data().write(to: done)
        return image
    }

    private static func writeRamdisk(_ file: URL, busybox: [UInt8], modules: [PackagedFile]) throws {
        let writer = try ArchiveWriter(path: file.path, format: .initramfs)
        for directory in ["bin", "dev", "proc", "sys", "root", "modules"] {
            try writer.add(ArchiveEntry(path: directory, kind: .directory, permissions: 0o755))
        }
        try writer.add(
            ArchiveEntry(path: "dev/console", kind: .characterDevice(major: 5, minor: 1), permissions: 0o600))
        try writer.add(ArchiveEntry(path: "bin/busybox", kind: .file, permissions: 0o755), bytes: busybox)
        var loading = ""
        for module in modules {
            guard let name = module.entry.path.split(separator: "/").last else { continue }
            try writer.add(
                ArchiveEntry(path: "modules/\(name)", kind: .file, permissions: 0o644), bytes: module.bytes)
            // A module may be built in, or its device absent: the disk decides whether that matters.
            loading += "$b insmod /modules/\(name) 2>/dev/null\n"
        }
        let script = DemoGuest.ramdiskInit(loading: loading)
        try writer.add(ArchiveEntry(path: "init", kind: .file, permissions: 0o755), bytes: Array(script.utf8))
        try writer.close()
    }

    private static func writeRoot(_ file: URL, busybox: [UInt8], files: [PackagedFile], in directory: URL) throws {
        let tree = directory.appendingPathComponent("tree")
        try? FileManager.default.removeItem(at: tree)  // of an earlier, broken run; usually not there
        defer { try? FileManager.default.removeItem(at: tree) }  // a leftover is removed by the next run
        func put(_ path: String, _ bytes: [UInt8], _ permissions: Int) throws {
            let target = tree.appendingPathComponent(path)
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: target)
            try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: target.path)
        }
        for path in ["dev", "proc", "sys", "tmp", "root", "mnt", "run", "etc/dropbear", "var/lib/mallee", "var/log"] {
            try FileManager.default.createDirectory(
                at: tree.appendingPathComponent(path), withIntermediateDirectories: true)
        }
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o700], ofItemAtPath: tree.appendingPathComponent("root").path)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o1777], ofItemAtPath: tree.appendingPathComponent("tmp").path)
        try put("bin/busybox", busybox, 0o755)
        for packaged in files {
            let path = packaged.entry.path
            switch packaged.entry.kind {
            case .file: try put(path, packaged.bytes, Int(packaged.entry.permissions))
            case .symbolicLink(let target):
                let link = tree.appendingPathComponent(path)
                try FileManager.default.createDirectory(
                    at: link.deletingLastPathComponent(), withIntermediateDirectories: true)
                try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: target)
            case .directory, .characterDevice: break
            }
        }
        for (path, (text, permissions)) in DemoGuest.files { try put(path, Array(text.utf8), permissions) }
        // Sparse, so its size costs nothing until it is used.
        try Data().write(to: file)
        let handle = try FileHandle(forWritingTo: file)
        try handle.truncate(atOffset: 128 << 20)
        try handle.close()
        _ = try Program.run(
            "mke2fs",
            [
                "-q", "-F", "-t", "ext4", "-L", "mallee-demo", "-m", "0", "-E", "root_owner=0:0", "-d", tree.path,
                file.path,
            ], in: directory)
    }
}
