import JSON
import Posix

/// Finds QEMU and an accelerator that works.
///
/// /dev/kvm can be opened, and a virtual machine created, on hosts where the guest then hangs (nested virtualization that
/// is only half there). So a guest of 512 bytes is booted under a time limit; the answer is kept for this boot of the
/// host.
struct QEMUProbe {
    let stateDirectory: String

    /// A boot sector takes some 300 ms with KVM on a busy host; ten times as much is surely hung.
    static let timeLimit: Milliseconds = 3_000
    /// mov $21, %al; out %al, $0xf4; cli; hlt; jmp .-1: isa-debug-exit ends QEMU with 21 * 2 + 1.
    private static let program: [UInt8] = [0xb0, 21, 0xe6, 0xf4, 0xfa, 0xf4, 0xeb, 0xfd]
    private static let expected = ExitStatus.exited(43)
    private static let cure =
        "install qemu-system-x86_64 4.0 or later (Debian, Ubuntu: apt-get install qemu-system-x86 qemu-utils; Fedora: dnf "
        + "install qemu-system-x86; CentOS 7's qemu-kvm is 1.5 and lies outside PATH: put a newer one into the cluster's "
        + "contrib directory)"

    /// The program for a guest's architecture.
    static func executable(for architecture: GuestArchitecture) -> String? {
        switch architecture {
        case .x86_64: FileSystem.findExecutable("qemu-system-x86_64")
        case .i386: FileSystem.findExecutable("qemu-system-i386") ?? FileSystem.findExecutable("qemu-system-x86_64")
        }
    }

    func run() throws(HypervisorError) -> HypervisorFacts {
        var architectures: [GuestArchitecture] = []
        for architecture in [GuestArchitecture.x86_64, .i386] where Self.executable(for: architecture) != nil {
            architectures.append(architecture)
        }
        guard let first = architectures.first, let executable = Self.executable(for: first) else {
            throw HypervisorError(
                .notInstalled, "neither qemu-system-x86_64 nor qemu-system-i386 is in PATH: \(Self.cure)")
        }
        let version = try Self.version(executable)
        guard let major = version.split(separator: ".").first.flatMap({ text in Int(String(text)) }), major >= 4 else {
            throw HypervisorError(.notInstalled, "QEMU \(version) is too old, 4.0 is needed: \(Self.cure)")
        }
        var facts = HypervisorFacts(
            hypervisor: QEMUHypervisor.driverName, version: version, accelerator: "tcg", acceleratorReason: "",
            guestArchitectures: architectures)
        let failure = try keptAnswer(executable, version)
        if failure.isEmpty {
            facts.accelerator = "kvm"
            facts.acceleratorReason = "a guest ran with KVM"
        } else {
            facts.acceleratorReason = "emulation, since \(failure)"
        }
        return facts
    }

    private static func version(_ executable: String) throws(HypervisorError) -> String {
        do throws(PosixError) {
            let result = try Command.run(executable, ["--version"], timeout: 10_000)
            // "QEMU emulator version 7.2.22 (Debian …)"
            let words = result.outputText.split(whereSeparator: { character in character == " " || character == "\n" })
            guard result.isSuccess, words.count > 3, words[2] == "version" else {
                throw PosixError(
                    errno: PosixError.protocolViolation, operation: "understand",
                    detail: "\(executable) --version (\(result.explanation))")
            }
            return String(words[3])
        } catch {
            throw HypervisorError(error, "asking QEMU for its version")
        }
    }

    /// Why KVM cannot be used, or "" if it can; asked once per boot and version.
    private func keptAnswer(_ executable: String, _ version: String) throws(HypervisorError) -> String {
        do throws(PosixError) {
            try FileSystem.makeDirectory(stateDirectory, permissions: 0o700)
            let boot = try FileSystem.readText("/proc/sys/kernel/random/boot_id", limit: 256)
            let path = FileSystem.join(stateDirectory, "kvm-probe.json")
            let key = "\(boot.prefix(36)) \(executable) \(version)"
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
        let image = FileSystem.join(stateDirectory, "kvm-probe.img")
        var sector = Self.program + [UInt8](repeating: 0, count: 512 - Self.program.count)
        sector[510] = 0x55
        sector[511] = 0xaa
        try FileSystem.write(image, sector, permissions: 0o600)
        defer { removeQuietly(image) }
        let result = try Command.run(
            executable,
            [
                "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-accel", "kvm", "-m", "16",
                "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-blockdev",
                JSONValue.members(
                    ("driver", .string("raw")), ("node-name", .string("d")), ("read-only", .bool(true)),
                    ("file", .members(("driver", .string("file")), ("filename", .string(image))))
                ).serialized,
                "-device", "virtio-blk-pci,drive=d,bootindex=1",
            ], timeout: Self.timeLimit)
        if result.timedOut { return "/dev/kvm opens, but a guest did not run within \(Self.timeLimit) ms" }
        if result.status == Self.expected { return "" }
        return "QEMU could not run a guest with KVM (\(result.explanation))"
    }
}

/// Removes a temporary file; one that stays is overwritten next time.
func removeQuietly(_ path: String) {
    do throws(PosixError) {
        try FileSystem.remove(path, ifPresent: true)
    } catch {}
}
