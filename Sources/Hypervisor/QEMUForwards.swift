import Posix

/// Forwards of QEMU's user-mode network, by the human monitor: QMP has no commands for them.
enum QEMUForwards {
    /// "tcp:127.1.0.5:2222", what hostfwd_remove wants.
    static func removal(_ forward: PortForward, host: String) -> String {
        "hostfwd_remove n0 \(forward.transport.rawValue):\(host):\(forward.hostPort)"
    }

    /// What hostfwd_add wants; the guest's address is the DHCP range's first.
    static func addition(_ forward: PortForward, host: String) -> String {
        "hostfwd_add n0 \(forward.transport.rawValue):\(host):\(forward.hostPort)"
            + "-\(QEMUCommandLine.guestAddress):\(forward.guestPort)"
    }

    /// The forwards that "info usernet" lists:
    ///
    ///     TCP[HOST_FORWARD]  19       127.1.0.5  2222   169.254.10.15    22     0     0
    static func parse(_ table: String) -> [PortForward] {
        var forwards: [PortForward] = []
        for line in table.split(whereSeparator: { character in character == "\r\n" || character == "\n" }) {
            let words = line.split(separator: " ")
            guard words.count >= 6, let hostPort = Int(String(words[3])), let guestPort = Int(String(words[5])) else {
                continue
            }
            if words[0] == "TCP[HOST_FORWARD]" {
                forwards.append(PortForward(transport: .tcp, hostPort: hostPort, guestPort: guestPort))
            } else if words[0] == "UDP[HOST_FORWARD]" {
                forwards.append(PortForward(transport: .udp, hostPort: hostPort, guestPort: guestPort))
            }
        }
        return forwards
    }

    /// QEMU only says that it could not; the kernel says why when we try the same.
    static func explain(_ forward: PortForward, host: String, words: String) -> String {
        let port = "\(host):\(forward.hostPort)"
        if forward.transport == .tcp, (1...65_535).contains(forward.hostPort) {
            do throws(PosixError) {
                let probe = try Listener.tcp(address: host, port: UInt16(forward.hostPort))
                probe.close()
            } catch {
                if error.errno == PosixError.accessDenied || error.errno == PosixError.notPermitted {
                    return
                        "port \(forward.hostPort) is below 1024, which only root may listen on: run the node as root, "
                        + "or set net.ipv4.ip_unprivileged_port_start=0"
                }
                if error.errno == PosixError.addressInUse {
                    return "\(port) is in use by another program; it must listen on other addresses than \(host)"
                }
                return "cannot listen on \(port): \(error.reason)"
            }
        }
        return "QEMU could not listen on \(port): \(words)"
    }
}
