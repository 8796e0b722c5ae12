import Glibc
import Testing

@testable import Posix

@Suite struct HostNetworkTests {
    @Test func `names and addresses of loopback are found both ways`() throws {
        #expect(try HostNetwork.addresses(of: "localhost").contains { $0 == "127.0.0.1" || $0 == "::1" })
        #expect(try HostNetwork.addresses(of: "127.0.0.7") == ["127.0.0.7"])
        let back = try HostNetwork.name(of: "127.0.0.1")
        #expect(back == "localhost" || back == nil || back?.isEmpty == false)
        #expect(
            try HostNetwork.interfaceAddresses().contains(
                HostNetwork.InterfaceAddress(interface: "lo", address: "127.0.0.1")))
    }

    @Test func `a name that does not exist is an error that names it`() throws {
        let error = #expect(throws: PosixError.self) { try HostNetwork.addresses(of: "no-such-host.invalid") }
        #expect(error?.description.contains("no-such-host.invalid") == true)
        #expect(throws: PosixError.self) { try HostNetwork.name(of: "not an address") }
    }

    @Test func `the kernel tells how well the clock is kept`() throws {
        #expect(try ClockState.current().greatestError >= 0)
    }
}

@Suite struct PortOwnerTests {
    @Test func `this process owns the port that it listens at`() throws {
        let listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        let owners = try PortOwner.find(port: listener.port)
        #expect(owners.map(\.pid) == [getpid()])
        #expect(owners.first?.program.isEmpty == false)
        #expect(owners.first?.user == getuid())
    }

    @Test func `only listening sockets of the port count, also those of IPv6`() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:2245 00000000:0000 0A 00000000:00000000 00:00000000 00000000    48        0 1234 1 0 100 0
               1: 0100007F:2245 0100007F:9C40 01 00000000:00000000 00:00000000 00000000    48        0 1235 1 0 100 0
               2: 0100007F:2246 00000000:0000 0A 00000000:00000000 00:00000000 00000000    48        0 1236 1 0 100 0
               3: 00000000000000000000000000000000:2245 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 99 1
               4: garbage
            """
        #expect(PortOwner.parse(table, port: 0x2245).map(\.inode) == [1234, 99])
        #expect(PortOwner.parse(table, port: 1).isEmpty)
    }

    @Test func `no table whatever makes the parser trap`() {
        var generator = Seeded()
        let pieces = ["0A", ":", " ", "\n", "2245", "FFFFFF", "-1", "99999999999999999999", "é", "0:"]
        for _ in 0..<2000 {
            let text = (0..<Int.random(in: 0..<60, using: &generator)).map { _ in
                pieces[Int.random(in: 0..<pieces.count, using: &generator)]
            }.joined()
            _ = PortOwner.parse(text, port: 0x2245)
        }
    }
}

/// The same numbers in every run (splitmix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64 = 20_261_121

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
