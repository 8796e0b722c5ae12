// What runs guests on this host, and where their disks and images lie.

import Hypervisor
import Posix

extension NodeDoctor {
    private static let gibibyte: Int64 = 1 << 30

    func checkHypervisor(_ configuration: NodeConfiguration, _ report: inout DoctorReport) {
        if configuration.hypervisor == .simulated || configuration.simulatedNodes > 0 {
            report.warn(
                "hypervisor", "it is simulated: no guest really runs.", cure: "Set HYPERVISOR to auto for real guests.")
            return
        }
        checkXen(&report)
        // The kept answer of the node controller is used; without one the question is asked in a place of its own.
        var directory = FileSystem.join(configuration.stateDirectory, "hypervisor")
        var temporary: String?
        if !FileSystem.isDirectory(directory) {
            do throws(PosixError) {
                directory = try FileSystem.temporaryDirectory("/tmp/mallee-doctor-")
                temporary = directory
            } catch {
                report.fail("hypervisor", "\(error).", cure: "Make room in /tmp.")
                return
            }
        }
        do throws(HypervisorError) {
            let programs = QEMUPrograms(directory: configuration.qemuDirectory)
            let hypervisor = try QEMUHypervisor(stateDirectory: directory, programs: programs)
            let facts = try hypervisor.probe()
            hypervisor.detach()
            try programs.imageTool()
            if facts.accelerator == "kvm" {
                report.ok("hypervisor", "QEMU \(facts.version) with KVM (\(facts.program)).")
            } else {
                report.warn(
                    "hypervisor",
                    "QEMU \(facts.version) (\(facts.program)) without KVM, so guests are slow: \(facts.acceleratorReason).",
                    cure: "Turn virtualization on in the firmware, load kvm_intel or kvm_amd; in a virtual machine, "
                        + "allow it nested virtualization.")
            }
        } catch {
            report.fail("hypervisor", "\(error.message).", cure: "Install QEMU, then restart mallee-node.")
        }
        guard let temporary else { return }
        do throws(PosixError) {
            try FileSystem.removeTree(temporary)
        } catch {
            report.warn("hypervisor", "\(error).", cure: "Remove it.")
        }
    }

    /// A Xen dom0 has no KVM to offer.
    private func checkXen(_ report: inout DoctorReport) {
        guard FileSystem.exists("/proc/xen/capabilities") else { return }
        do throws(PosixError) {
            let bytes = try FileSystem.read("/proc/xen/capabilities", limit: 4096)
            if bytes.starts(with: Array("control_d".utf8)) {
                report.warn(
                    "hypervisor", "this is the dom0 of a Xen host; guests will run in QEMU, not in Xen.",
                    cure: "Boot the kernel without Xen to have KVM.")
            }
        } catch {
            report.warn("hypervisor", "\(error).", cure: "Run this as root.")
        }
    }

    // MARK: Disk

    func checkDisk(_ configuration: NodeConfiguration, _ report: inout DoctorReport) {
        let directory = configuration.stateDirectory
        if directory.isEmpty { return }
        // The nearest directory that is there: the node controller makes those below.
        var existing = directory
        while !FileSystem.exists(existing), existing != "/" { existing = FileSystem.parent(existing) }
        guard FileSystem.isDirectory(existing) else {
            report.fail("disk", "\(existing) is not a directory.", cure: "Move it away, or set another STATE_DIR.")
            return
        }
        do throws(PosixError) {
            let (probe, path) = try FileSystem.temporaryFile(beside: FileSystem.join(existing, "mallee-doctor"))
            try probe.close()
            try FileSystem.remove(path)
        } catch {
            report.fail(
                "disk", "nothing can be written below \(existing): \(error.reason).",
                cure: "Run this as root; if it is, mount the file system for writing, or set another STATE_DIR.")
            return
        }
        let cache = FileSystem.join(directory, "cache")
        do throws(PosixError) {
            let space = try FileSystem.space(existing)
            let free =
                "\(space.available / NodeDoctor.gibibyte) GiB of \(space.total / NodeDoctor.gibibyte) GiB are free"
            if space.available < NodeDoctor.gibibyte {
                report.fail(
                    "disk", "\(free) at \(existing): no instance fits.",
                    cure: "Make room, or move STATE_DIR to a larger file system.")
            } else if space.available < 10 * NodeDoctor.gibibyte {
                report.warn(
                    "disk", "\(free) at \(existing), which a few instances fill.",
                    cure: "Move STATE_DIR to a larger file system, such as /state/partition1.")
            } else {
                report.ok("disk", "\(free) at \(existing).")
            }
            let limit = try HostCapacity.cacheBytes(configuration, stateDirectory: existing)
            if configuration.cacheGiB > 0, limit > space.total {
                report.fail(
                    "images", "CACHE_SIZE is \(configuration.cacheGiB) GiB, more than the whole file system.",
                    cure: "Lower CACHE_SIZE, or set it to 0.")
            } else {
                report.ok("images", "the cache in \(cache) may take \(limit / NodeDoctor.gibibyte) GiB.")
            }
        } catch {
            report.fail("disk", "\(error).", cure: "Run this as root.")
        }
    }
}
