// The network edge of the USER mode, as a pure function: which ports of an instance's loopback address are
// forwarded into its guest. The driver makes it so; nothing is bound here.
//
// All traffic to a user-mode guest comes from this machine's loopback, so a rule counts when one of its
// CIDR blocks contains 127.0.0.1. Rules with a source group do not count: guests of this mode cannot reach
// each other's addresses, and a sender on the loopback cannot be told from any other process, so counting
// them would open the port to everybody on the machine (the usual default group would open all of them).

public import Contracts

/// The ports to forward, and what had to be left out.
public struct PortForwardPlan: Sendable {
    /// The forwards, lowest guest port first, TCP before UDP.
    public var forwards: [Contract.PortForward] = []
    /// How many ports the rules open that are not forwarded because of the cap.
    public var leftOut = 0
    /// Ports whose host side had to be moved up because this process may not bind them.
    public var moved = 0

    /// Most forwards of one instance; each costs the hypervisor a socket.
    public static let cap = 1024
    /// How far a port is moved up that may not be bound.
    public static let offset = 10000

    /// Makes the plan for an instance.
    /// - Parameters:
    ///   - groups: all groups of the zone's network document.
    ///   - members: ids of the instance's own groups.
    ///   - lowestBindable: the first port that this process may bind: 0 as root, else
    ///     `net.ipv4.ip_unprivileged_port_start`.
    public init(
        groups: [Contract.SecurityGroupRules], members: [String], lowestBindable: Int, cap: Int = PortForwardPlan.cap
    ) {
        var tcp = PortSet()
        var udp = PortSet()
        for group in groups where members.contains(group.groupId) {
            for rule in group.ingress {
                guard rule.cidr.contains(where: { IPv4Block($0)?.contains(IPv4Block.loopback) ?? false }) else {
                    continue
                }
                let range = PortForwardPlan.ports(of: rule)
                switch rule.protocol {
                case "tcp", "6": tcp.insert(range)
                case "udp", "17": udp.insert(range)
                case "-1":
                    tcp.insert(1...65535)
                    udp.insert(1...65535)
                default: break
                }
            }
        }
        let wanted = tcp.count + udp.count
        let tcpPorts = tcp.lowest(cap)
        let udpPorts = udp.lowest(cap)
        var next = (tcp: 0, udp: 0)
        while forwards.count < cap, next.tcp < tcpPorts.count || next.udp < udpPorts.count {
            let takesTCP =
                next.udp >= udpPorts.count
                || (next.tcp < tcpPorts.count && tcpPorts[next.tcp] <= udpPorts[next.udp])
            let port = takesTCP ? tcpPorts[next.tcp] : udpPorts[next.udp]
            if takesTCP { next.tcp += 1 } else { next.udp += 1 }
            var hostPort = port
            if port < lowestBindable {
                hostPort = port + PortForwardPlan.offset
                // A port that is opened by itself keeps its place.
                if (takesTCP ? tcp : udp).contains(hostPort) { continue }
                moved += 1
            }
            forwards.append(
                Contract.PortForward(
                    protocol: takesTCP ? "tcp" : "udp", hostPort: Int(hostPort), guestPort: Int(port)))
        }
        leftOut = max(0, wanted - forwards.count)
    }

    private static func ports(of rule: Contract.PermissionRule) -> ClosedRange<Int> {
        let first = rule.fromPort < 0 ? 1 : max(1, min(65535, Int(rule.fromPort)))
        let last = rule.toPort < 0 ? 65535 : min(65535, Int(rule.toPort))
        return first...max(first, last)
    }
}

/// Ports as a sorted list of ranges that do not touch, so that "all ports" costs nothing.
struct PortSet {
    private(set) var ranges: [ClosedRange<Int>] = []

    var count: Int {
        var sum = 0
        for range in ranges { sum += range.count }
        return sum
    }

    mutating func insert(_ range: ClosedRange<Int>) {
        var low = range.lowerBound
        var high = range.upperBound
        var kept: [ClosedRange<Int>] = []
        for other in ranges {
            if other.upperBound + 1 < low || other.lowerBound > high + 1 {
                kept.append(other)
            } else {
                low = min(low, other.lowerBound)
                high = max(high, other.upperBound)
            }
        }
        kept.append(low...high)
        kept.sort { $0.lowerBound < $1.lowerBound }
        ranges = kept
    }

    func contains(_ port: Int) -> Bool { ranges.contains { $0.contains(port) } }

    func lowest(_ limit: Int) -> [Int] {
        var result: [Int] = []
        for range in ranges {
            for port in range {
                if result.count >= limit { return result }
                result.append(port)
            }
        }
        return result
    }
}

/// An IPv4 address block in CIDR notation.
struct IPv4Block {
    static let loopback: UInt32 = 0x7F00_0001

    private let base: UInt32
    private let mask: UInt32

    /// Parses `a.b.c.d/n`, or `a.b.c.d` for the address alone; nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = IPv4Block.address(parts[0]) else { return nil }
        var bits = 32
        if parts.count == 2 {
            guard let given = Int(String(parts[1])), (0...32).contains(given) else { return nil }
            bits = given
        }
        mask = bits == 0 ? 0 : ~UInt32(0) << UInt32(32 - bits)
        base = address & mask
    }

    func contains(_ address: UInt32) -> Bool { address & mask == base }

    static func address(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var result: UInt32 = 0
        for part in parts {
            guard !part.isEmpty, part.count <= 3, let byte = UInt8(String(part)) else { return nil }
            result = result << 8 | UInt32(byte)
        }
        return result
    }
}
