import Hypervisor
import Posix
import Testing

/// A real kernel in QEMU: network, metadata and forwards as an instance has them.
@Suite(
    "Linux in QEMU",
    .serialized, .enabled(if: Rig.isQEMUInstalled, "QEMU is not installed: apt-get install qemu-system-x86 qemu-utils"),
    .enabled(if: LinuxGuest.isPossible, "no Debian with busybox: apt-get install busybox-static"))
struct QEMULinuxTests {
    @Test("it gets its address and metadata, sees its disk, and answers through a forward")
    func boots() throws {
        try Rig.with(.qemu) { rig in
            var definition = try rig.define()
            let linux = try LinuxGuest(directory: rig.directory)
            let port = try freePort()
            definition.kernel = linux.kernel
            definition.ramdisk = linux.ramdisk
            definition.kernelArguments = "console=ttyS0 quiet panic=-1"
            definition.memoryMiB = 256
            definition.network = .user(
                UserNetwork(
                    hostAddress: "127.0.0.1", forwards: [PortForward(hostPort: port, guestPort: 7)],
                    metadataCommand: ["/bin/sed", "-u", "s/$/, it's a \"test\"/;q"]))
            try FileSystem.write(
                definition.disks[0].path, Array("disk contents".utf8) + [UInt8](repeating: 0, count: 1 << 20))
            let handle = try rig.start(definition)
            #expect(try eventually(120_000) { try rig.console(handle).contains("user space is up") })
            let console = try rig.console(handle)
            #expect(console.contains("lease: 169.254.10.15"), "\(console)")
            #expect(console.contains("metadata: hello, it's a \"test\""), "\(console)")
            #expect(console.contains("disk: disk contents"), "\(console)")
            #expect(try eventually { try answer(port) == "pong\n" })
            let other = try freePort()
            let results = try rig.hypervisor.setForwards(handle, [PortForward(hostPort: other, guestPort: 7)])
            #expect(results.allSatisfy { result in result.failure == nil })
            #expect(try eventually { try answer(other) == "pong\n" })
            #expect(throws: PosixError.self) { try Socket.connect(host: "127.0.0.1", port: UInt16(port)) }
        }
    }

    @Test("a kernel panic without a root file system can be read, and reaches the event handler")
    func panics() throws {
        try Rig.with(.qemu) { rig in
            var definition = try rig.define()
            let linux = try LinuxGuest(directory: rig.directory)
            definition.kernel = linux.kernel
            definition.kernelArguments = "console=ttyS0 root=/dev/vda"
            definition.memoryMiB = 256
            let handle = try rig.start(definition)
            #expect(try eventually(120_000) { try rig.console(handle).contains("Kernel panic - not syncing") })
            #expect(try rig.console(handle).contains("Linux version"), "from the first line on")
        }
    }

    /// What the guest's port 7 says; empty while nobody listens there.
    private func answer(_ port: Int) throws -> String {
        let socket = try Socket.connect(host: "127.0.0.1", port: UInt16(port), timeout: 120_000)
        socket.shutdownWriting()
        do throws(PosixError) {
            return String(decoding: try socket.read(64, timeout: 120_000), as: UTF8.self)
        } catch {
            return ""  // the guest was between two listeners
        }
    }
}
