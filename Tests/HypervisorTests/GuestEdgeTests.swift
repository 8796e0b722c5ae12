import Posix
import Testing

@testable import Hypervisor

/// What needs no root: DHCP's bytes, addresses and rules. Sockets, bridges and rules in force are tried with a real Xen.
@Suite struct GuestEdgeTests {
    private static let mac: [UInt8] = [0xd0, 0x0d, 1, 2, 3, 4]

    private func request(
        _ kind: UInt8, options: [UInt8] = [], mac: [UInt8] = GuestEdgeTests.mac, client: [UInt8] = [0, 0, 0, 0]
    ) -> [UInt8] {
        var bytes: [UInt8] = [1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0x80, 0] + client
        bytes += [UInt8](repeating: 0, count: 12) + mac
        bytes += [UInt8](repeating: 0, count: 236 - bytes.count)
        return bytes + [99, 130, 83, 99, 0, 53, 1, kind] + options + [255]
    }

    private let lease = DHCPLease(
        address: 0xA9FE_0105, server: GuestLink.router, router: GuestLink.router, nameServers: [0x0A01_0101],
        hardwareAddress: GuestEdgeTests.mac)

    /// Options of an answer by number.
    private func options(_ answer: [UInt8]) -> [UInt8: [UInt8]] {
        var found: [UInt8: [UInt8]] = [:]
        var at = 240
        while answer[at] != 255 {
            let length = Int(answer[at + 1])
            found[answer[at]] = Array(answer[(at + 2)..<(at + 2 + length)])
            at += 2 + length
        }
        return found
    }

    @Test func `a guest is offered its address, with gateway, mask and name servers`() throws {
        let asked = try #require(DHCPRequest(request(1)))
        let answer = try #require(lease.answer(asked))
        #expect(answer.count >= 300)
        #expect(Array(answer[..<12]) == [2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0x80, 0])
        #expect(Array(answer[16..<20]) == [169, 254, 1, 5])
        #expect(Array(answer[28..<34]) == Self.mac)
        let options = options(answer)
        #expect(options[53] == [2])
        #expect(options[1] == [255, 255, 0, 0])
        #expect(options[3] == [169, 254, 0, 2])
        #expect(options[6] == [10, 1, 1, 1])
        #expect(options[51]?.count == 4)
    }

    @Test func `its own address is confirmed, another is refused`() throws {
        func kind(_ options: [UInt8], client: [UInt8] = [0, 0, 0, 0]) throws -> [UInt8]? {
            let asked = try #require(DHCPRequest(request(3, options: options, client: client)))
            return lease.answer(asked).flatMap { answer in self.options(answer)[53] }
        }
        #expect(try kind([50, 4, 169, 254, 1, 5, 54, 4, 169, 254, 0, 2]) == [5])
        #expect(try kind([], client: [169, 254, 1, 5]) == [5], "renewal")
        #expect(try kind([50, 4, 10, 0, 0, 9]) == [6])
        #expect(try kind([50, 4, 169, 254, 1, 5, 54, 4, 10, 0, 0, 1]) == nil, "it chose another server")
    }

    @Test func `strangers, releases and what is no request get no answer`() throws {
        let stranger = try #require(DHCPRequest(request(1, mac: [2, 0, 0, 0, 0, 9])))
        #expect(lease.answer(stranger) == nil)
        let release = try #require(DHCPRequest(request(7)))
        #expect(lease.answer(release) == nil)
        #expect(DHCPRequest(request(2)) == nil)
        #expect(DHCPRequest([]) == nil)
        #expect(DHCPRequest(Array(request(1).dropLast(3))) == nil)
        var reply = request(1)
        reply[0] = 2
        #expect(DHCPRequest(reply) == nil)
    }

    @Test(arguments: UInt64(0)..<2_000) func `damaged requests never crash`(seed: UInt64) {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func next() -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(truncatingIfNeeded: state >> 33)
        }
        var bytes = request(seed.isMultiple(of: 2) ? 1 : 3, options: [50, 4, 1, 2, 3, 4, 61, 7, 1, 2, 3, 4, 5, 6, 7])
        for _ in 0...(next() % 12) { bytes[next() % bytes.count] = UInt8(next() & 255) }
        if let asked = DHCPRequest(Array(bytes.prefix(next() % (bytes.count + 1)))) { _ = lease.answer(asked) }
        if let asked = DHCPRequest(bytes), let answer = lease.answer(asked) { #expect(answer.count >= 300) }
    }

    private func link(_ host: UInt32, _ address: UInt32, _ forwards: [PortForward] = []) -> GuestLink {
        GuestLink(
            hostAddress: host, address: address, hardwareAddress: Self.mac, metadataCommand: ["/x", "relay", "/s"],
            forwards: forwards)
    }

    @Test func `addresses end like the host's, and are nobody else's`() {
        #expect(GuestLink.address(like: 0x7F01_0105, taken: []) == 0xA9FE_0105)
        #expect(GuestLink.address(like: 0x7F02_0105, taken: [0xA9FE_0105]) == 0xA9FE_0106)
        #expect(GuestLink.address(like: 0x7F01_0003, taken: []) == 0xA9FE_0100, "the first 256 are reserved")
        #expect(GuestLink.address(like: 0x7F01_FFFE, taken: []) == 0xA9FE_0100)
        #expect(GuestLink.address(like: 0x7F01_A9FE, taken: []) == 0xA9FE_A9FF, "that is the metadata service")
    }

    @Test func `a bridge's name is an interface's, and one for each address`() {
        #expect(link(0x7F01_0005, 1).bridge == "mallee010005")
        #expect(link(0x7FFF_FFFE, 1).bridge.utf8.count <= 15)
    }

    @Test func `rules open what is forwarded and nothing else of the host`() {
        let rules = GuestLink.rules([
            link(0x7F01_0005, 0xA9FE_0105, [PortForward(hostPort: 22, guestPort: 22)]),
            link(0x7F01_0006, 0xA9FE_0106, [PortForward(transport: .udp, hostPort: 53, guestPort: 5353)]),
        ])
        #expect(
            rules.contains(
                "-A MALLEE-FORWARDS -d 127.1.0.5/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 169.254.1.5:22\n")
        )
        #expect(
            rules.contains(
                "-A MALLEE-FORWARDS -d 127.1.0.6/32 -p udp -m udp --dport 53 -j DNAT --to-destination 169.254.1.6:5353\n"
            ))
        #expect(rules.contains("-A MALLEE-IN -i mallee+ -j DROP\n"))
        #expect(rules.contains("-A MALLEE-PASS -i mallee+ -o mallee+ -j DROP\n"))
        #expect(rules.split(separator: "\n").filter { line in line == "COMMIT" }.count == 2)
        #expect(rules.hasSuffix("COMMIT\n"))
    }

    @Test func `a link is kept and read again`() throws {
        let whole = link(
            0x7F01_0005, 0xA9FE_0105,
            [PortForward(hostPort: 22, guestPort: 22), PortForward(transport: .udp, hostPort: 53, guestPort: 53)])
        #expect(GuestLink(kept: whole.kept) == whole)
        for wrong in [
            "", "{}", "null", whole.kept.replacing("127.1.0.5", with: "127.1.5"), String(whole.kept.dropLast(4)),
        ] {
            #expect(GuestLink(kept: wrong) == nil)
        }
    }

    @Test func `name servers on the host's loopback are of no use to guests`() {
        let text =
            "search x\nnameserver 127.0.0.53\nnameserver\t10.1.1.1\nnameserver fe80::1\nnameserver 10.1.1.2 # b\n"
        #expect(GuestEdge.nameServers(in: text) == [0x0A01_0101, 0x0A01_0102])
    }
}
