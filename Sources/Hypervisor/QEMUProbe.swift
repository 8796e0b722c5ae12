import JSON
import Posix

/// Finds QEMU and an accelerator that works.
///
/// /dev/kvm can be opened, and a virtual machine created, on hosts where the guest then hangs (nested virtualization that
/// is only half there). So a guest of 14 bytes is booted under a time limit; the answer is kept for this boot of the
/// host.
struct QEMUProbe {
    let stateDirectory: String
    var programs = QEMUPrograms()

    /// A boot sector takes some 300 ms with KVM on a busy host; ten times as much is surely hung.
    static let timeLimit: Milliseconds = 3_000
    /// mov $0x3f8, %dx; mov $'M', %al; out %al, %dx; mov $0xfe, %al; out %al, $0x64; cli; hlt; jmp .-1: says M on the
    /// serial port and resets the machine, at which QEMU ends with 0. Red Hat's QEMU has no device to end it otherwise,
    /// and a machine that crashes resets as well, but says nothing.
    static let program: [UInt8] = [
        0xba, 0xf8, 0x03, 0xb0, 0x4d, 0xee, 0xb0, 0xfe, 0xe6, 0x64, 0xfa, 0xf4, 0xeb, 0xfd,
    ]

    /// The firmware does not read disks of less than a cylinder.
    private static let diskBytes = 1 << 20

    func run() throws(HypervisorError) -> HypervisorFacts {
        let emulator = try programs.emulator(for: .x86_64)
        let failure = try keptAnswer(emulator.path, emulator.version)
        return HypervisorFacts(
            hypervisor: QEMUHypervisor.driverName, version: emulator.version,
            accelerator: failure.isEmpty ? "kvm" : "tcg",
            acceleratorReason: failure.isEmpty ? "a guest ran with KVM" : "emulation, since \(failure)",
            guestArchitectures: [.x86_64, .i386], program: emulator.path)
    }

    /// Why KVM cannot be used, or "" if it can; asked once per boot and version.
    private func keptAnswer(_ executable: String, _ version: String) throws(HypervisorError) -> String {
        do throws(PosixError) {
            try FileSystem.makeDirectory(stateDirectory, permissions: 0o700)
            let boot = try FileSystem.readText("/proc/sys/kernel/random/boot_id", limit: 256)
            let path = FileSystem.join(stateDirectory, "kvm-probe.json")
            let key = "2 \(boot.prefix(36)) \(executable) \(version)"
            if FileSystem.exists(path) {
                let kept = Self.parse(try FileSystem.read(path, limit: 65_536))
                if kept?["key"]?.text == key, let failure = kept?["failure"]?.text { return failure }
            }
            let failure = try askHardware(executable)
            let answer = JSONValue.members(("key", .string(key)), ("failure", .string(failure)))
            try FileSystem.write(path, text: answer.serialized + "\n", permissions: 0o600)
            return failure
        } catch {
            throw HypervisorError(error, "probing KVM")
        }
    }

    /// A file that cannot be read as JSON counts as none: the question is asked again.
    private static func parse(_ bytes: [UInt8]) -> JSONValue? {
        do throws(JSONError) {
            return try JSONValue.parse(bytes)
        } catch {
            return nil
        }
    }

    private func askHardware(_ executable: String) throws(PosixError) -> String {
        guard FileSystem.exists("/dev/kvm") else {
            return "there is no /dev/kvm: the processor has no virtualization extensions, they are turned off in the "
                + "firmware, or the kvm module is not loaded"
        }
        do throws(PosixError) {
            try File("/dev/kvm", [.read, .write]).close()
        } catch {
            return "/dev/kvm cannot be opened (\(error.reason)); put the node's user into the group kvm"
        }
        return try boot(executable, accelerator: "kvm", timeLimit: Self.timeLimit)
    }

    /// Why a guest did not run with an accelerator, or "" if it did.
    func boot(_ executable: String, accelerator: String, timeLimit: Milliseconds) throws(PosixError) -> String {
        let image = FileSystem.join(stateDirectory, "kvm-probe.img")
        var disk = Self.program + [UInt8](repeating: 0, count: Self.diskBytes - Self.program.count)
        disk[510] = 0x55
        disk[511] = 0xaa
        try FileSystem.write(image, disk, permissions: 0o600)
        defer { removeQuietly(image) }
        let result = try Command.run(
            executable,
            [
                "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-accel", accelerator, "-m",
                "16",
                "-no-reboot", "-chardev", "stdio,id=serial", "-device", "isa-serial,chardev=serial", "-blockdev",
                JSONValue.members(
                    ("driver", .string("raw")), ("node-name", .string("d")), ("read-only", .bool(true)),
                    ("file", .members(("driver", .string("file")), ("filename", .string(image))))
                ).serialized,
                "-device", "virtio-blk-pci,drive=d,bootindex=1",
            ], timeout: timeLimit)
        if result.timedOut { return "/dev/kvm opens, but a guest did not run within \(timeLimit) ms" }
        if result.isSuccess, result.output.last == UInt8(ascii: "M") { return "" }
        return "QEMU could not run a guest with \(accelerator) (\(result.explanation))"
    }
}

/// Removes a temporary file; one that stays is overwritten next time.
func removeQuietly(_ path: String) {
    do throws(PosixError) {
        try FileSystem.remove(path, ifPresent: true)
    } catch {}
}
