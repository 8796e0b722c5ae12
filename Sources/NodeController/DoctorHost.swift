// What runs guests on this host, their network, and where their disks and images lie.

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
        if HostHypervisor.isXen(configuration) {
            checkXen(configuration, &report)
            return
        }
        if XenHypervisor.isControlDomain() {
            report.warn(
                "hypervisor",
                "this is the control domain of a Xen host, but HYPERVISOR is \(configuration.hypervisor.rawValue): "
                    + "guests run in QEMU beside Xen, without KVM.",
                cure: "Set HYPERVISOR to auto to run them in Xen, or boot the kernel without Xen to have KVM.")
        }
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

    private func checkXen(_ configuration: NodeConfiguration, _ report: inout DoctorReport) {
        let why = configuration.hypervisor == .xen ? "HYPERVISOR is xen" : "this is the control domain of a Xen host"
        do throws(HypervisorError) {
            let programs = QEMUPrograms(directory: configuration.qemuDirectory)
            let hypervisor = try XenHypervisor(programs: programs)
            defer { hypervisor.detach() }
            let (facts, isMemoryFixed) = try hypervisor.examine()
            // Images are disks of Xen's guests, too.
            try programs.imageTool()
            report.ok("hypervisor", "guests run in Xen: \(facts.acceleratorReason).")
            if !isMemoryFixed {
                report.warn(
                    "memory",
                    "this system, Xen's control domain, has no fixed memory: guests take from it as they come.",
                    cure: "Add dom0_mem=2048M,max:2048M to Xen's command line (Debian: GRUB_CMDLINE_XEN in "
                        + "/etc/default/grub, then update-grub; RHEL, CentOS: the xen.gz line of grub.conf), and restart "
                        + "the host.")
            }
        } catch {
            report.fail(
                "hypervisor", "guests would run in Xen, since \(why), but \(error.message).",
                cure: configuration.hypervisor == .xen
                    ? "Correct that, or set HYPERVISOR to auto; then restart mallee-node."
                    : "Correct that, then restart mallee-node.")
        }
    }

    // MARK: Network

    func checkNetwork(_ configuration: NodeConfiguration, _ report: inout DoctorReport) {
        guard configuration.networkMode == "USER" else {
            report.fail(
                "network", "mode \(configuration.networkMode) is not served by this version.",
                cure: "Set NETWORK_MODE to USER.")
            return
        }
        guard HostHypervisor.isXen(configuration), configuration.simulatedNodes == 0 else {
            if let bridge = configuration.bridge {
                report.warn(
                    "network", "VNET_BRIDGE is \(bridge), which only guests in Xen are attached to.",
                    cure: "Remove the line.")
            }
            report.ok("network", "mode USER: guests reach out through this host; no bridge is needed.")
            return
        }
        if let bridge = configuration.bridge {
            checkBridge(bridge, &report)
            return
        }
        let missing = XenHypervisor.missingNetworkCommands()
        if missing.isEmpty {
            report.ok("network", "mode USER: each guest in Xen gets a link of its own with this host.")
        } else {
            report.fail(
                "network", "guests in Xen get no network: this host has no \(listed(missing)).",
                cure: "Install iproute2 and iptables, or set VNET_BRIDGE to a bridge of this host.")
        }
    }

    private func checkBridge(_ bridge: String, _ report: inout DoctorReport) {
        if FileSystem.isDirectory("/sys/class/net/\(bridge)/bridge") {
            report.ok("network", "guests are attached to \(bridge); their addresses are the business of its network.")
        } else if FileSystem.exists("/sys/class/net/\(bridge)") {
            report.warn(
                "network", "\(bridge), to which guests are attached by VNET_BRIDGE, is no bridge of Linux.",
                cure: "Name a bridge, unless this is one of another kind.")
        } else {
            report.fail(
                "network", "VNET_BRIDGE is \(bridge), and this host has no such interface, so that no guest starts.",
                cure: "Make that bridge in the host's network configuration, or remove the line.")
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
