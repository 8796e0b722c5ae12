// `mallee-node doctor`: looks at everything that a node needs, and says what is wrong and what to do.
//
// It changes nothing, and needs no running node controller. Checks go on after a failure where they can, so that one run
// tells everything.

import Hypervisor
import Posix

/// Examines the host of a node.
public struct NodeDoctor {
    let file: String

    /// - Parameter configurationFile: as for the node controller.
    public init(configurationFile: String) { file = configurationFile }

    /// Looks at everything.
    public func run() -> DoctorReport {
        var report = DoctorReport()
        guard let configuration = readConfiguration(&report) else { return report }
        checkNames(configuration, &report)
        checkPort(configuration, &report)
        let identity = checkIdentity(configuration, &report)
        report.checkClock()
        checkCluster(configuration, identity, &report)
        checkWalrus(configuration, &report)
        checkHypervisor(configuration, &report)
        checkNetwork(configuration, &report)
        checkDisk(configuration, &report)
        return report
    }

    private func readConfiguration(_ report: inout DoctorReport) -> NodeConfiguration? {
        var text = ""
        do throws(PosixError) {
            text = try FileSystem.readText(file, limit: 1 << 20)
        } catch {
            report.fail(
                "configuration", "\(error).",
                cure: error.isNotFound
                    ? "Install the package mallee-node, or name the file with --config." : "Run this as root.")
            return nil
        }
        var unknown: [String] = []
        do throws(NodeConfiguration.Invalid) {
            let configuration = try NodeConfiguration(text: text) { warning in unknown.append(warning) }
            for warning in unknown {
                report.warn("configuration", "\(file), \(warning).", cure: "Correct its spelling, or remove the line.")
            }
            if unknown.isEmpty { report.ok("configuration", "\(file) can be used.") }
            return configuration
        } catch {
            report.fail("configuration", "\(file): \(error).", cure: "Correct the file, then restart mallee-node.")
            return nil
        }
    }

    // MARK: Names

    private func checkNames(_ configuration: NodeConfiguration, _ report: inout DoctorReport) {
        var name = ""
        var interfaces: [HostNetwork.InterfaceAddress] = []
        do throws(PosixError) {
            name = try Host.name()
            interfaces = try HostNetwork.interfaceAddresses()
        } catch {
            report.fail("names", "\(error).", cure: "Check that /proc is mounted and this runs as root.")
            return
        }
        if configuration.nodeName.isEmpty, name == "localhost" || name.hasPrefix("localhost.") {
            report.fail(
                "names", "the host is called \(name), and NODE_NAME is not set.",
                cure: "Give the host its name (hostnamectl set-hostname), or set NODE_NAME.")
        }
        // The address that the cluster controller is told.
        var advertised = configuration.advertisedAddress
        if advertised.isEmpty { advertised = configuration.listenAddress }
        let isOwnName = advertised == "0.0.0.0" || advertised == "::"
        if isOwnName { advertised = name }
        do throws(PosixError) {
            let addresses = try HostNetwork.addresses(of: advertised)
            var foreign: [String] = []
            var reachable = false
            for address in addresses {
                if !interfaces.contains(where: { interface in interface.address == address }) {
                    foreign.append(address)
                }
                if !address.hasPrefix("127."), address != "::1" { reachable = true }
            }
            if let address = foreign.first {
                report.fail(
                    "names", "\(advertised) is \(address), and no interface of this host has that address.",
                    cure: isOwnName
                        ? "Correct /etc/hosts or DNS, or set ADVERTISED_ADDRESS." : "Correct ADVERTISED_ADDRESS.")
            } else if !reachable, configuration.listenAddress != "127.0.0.1" {
                report.warn(
                    "names", "\(advertised) is only a loopback address here, which no other host reaches.",
                    cure: "Set ADVERTISED_ADDRESS to the address on the cluster's network, or correct /etc/hosts.")
            } else {
                report.ok("names", "the cluster controller is told \(advertised) (\(listed(addresses))).")
            }
            if let address = addresses.first, reachable { checkReverse(address, name, &report) }
        } catch {
            report.fail(
                "names", "\(advertised) has no address: \(error.reason).",
                cure: isOwnName
                    ? "Add this host to /etc/hosts or DNS, or set ADVERTISED_ADDRESS." : "Correct ADVERTISED_ADDRESS.")
        }
    }

    private func checkReverse(_ address: String, _ name: String, _ report: inout DoctorReport) {
        do throws(PosixError) {
            guard let found = try HostNetwork.name(of: address) else {
                report.warn("names", "\(address) has no name.", cure: "Add it to DNS or /etc/hosts.")
                return
            }
            if short(found) == short(name) {
                report.ok("names", "\(address) is \(found).")
            } else {
                report.warn(
                    "names", "\(address) is called \(found), but this host is \(name).",
                    cure: "Let DNS or /etc/hosts and the host's name agree.")
            }
        } catch {
            report.warn("names", "the name of \(address) cannot be looked up: \(error.reason).", cure: "Check DNS.")
        }
    }

    private func short(_ name: String) -> String { String(name.split(separator: ".").first ?? "").lowercased() }

    func listed(_ words: [String]) -> String {
        var text = ""
        for word in words { text += (text.isEmpty ? "" : ", ") + word }
        return text
    }

    // MARK: Port

    private func checkPort(_ configuration: NodeConfiguration, _ report: inout DoctorReport) {
        let port = configuration.listenPort
        if port == 0 {
            report.ok("port", "LISTEN_PORT is 0: any free one is taken.")
            return
        }
        do throws(PosixError) {
            let owners = try PortOwner.find(port: port)
            guard let owner = owners.first else {
                report.warn(
                    "port", "nothing listens at \(port): the node controller does not run.",
                    cure: "Start mallee-node; \(configuration.logFile ?? "its log") says why it ended.")
                return
            }
            if owner.program == "mallee-node" {
                report.ok("port", "\(port) is served by \(owner).")
            } else if owner.pid == nil {
                report.warn("port", "\(port) is taken by \(owner).", cure: "Run this as root to learn by which.")
            } else {
                report.fail(
                    "port", "\(port) is taken by \(owner).", cure: "Stop that program, or set another LISTEN_PORT.")
            }
        } catch {
            report.warn("port", "who listens at \(port) is not known: \(error).", cure: "Run this as root.")
        }
    }
}
