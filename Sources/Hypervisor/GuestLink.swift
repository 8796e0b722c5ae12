// What a guest's place in the USER mode's network consists of, as values: names, addresses, and the kernel's rules as
// text. `GuestEdge` brings it about.
import JSON
import Posix

/// One guest's link with its host: a bridge of its own, on which nobody else is.
struct GuestLink: Sendable, Equatable {
    /// Address on the host of this guest alone.
    var hostAddress: UInt32
    /// Address of the guest on the link.
    var address: UInt32
    /// The guest's interface.
    var hardwareAddress: [UInt8]
    /// See `UserNetwork.metadataCommand`.
    var metadataCommand: [String]
    var forwards: [PortForward]

    /// What the bridges of all guests begin with.
    static let prefix = "mallee"
    /// 169.254.0.2: the host on every link, as in QEMU's user-mode network.
    static let router: UInt32 = 0xA9FE_0002
    /// 169.254.169.254
    static let metadata: UInt32 = 0xA9FE_A9FE
    private static let link: UInt32 = 0xA9FE_0000

    /// The bridge: at most 15 bytes, and one for each address of a /8.
    var bridge: String {
        var digits = String(hostAddress & 0xff_ffff, radix: 16)
        while digits.utf8.count < 6 { digits = "0" + digits }
        return Self.prefix + digits
    }

    /// An address on the link that no other guest of this host has: the one that ends like the host address, if it can
    /// be; nil if 65,000 guests have them all.
    static func address(like hostAddress: UInt32, taken: [UInt32]) -> UInt32? {
        var low = hostAddress & 0xffff
        for _ in 0..<0x1_0000 {
            let candidate = link | low
            // RFC 3927 keeps the first and last 256; the metadata service is one of the rest.
            if (0x100..<0xff00).contains(low), candidate != metadata, !taken.contains(candidate) { return candidate }
            low = (low + 1) & 0xffff
        }
        return nil
    }

    /// Dotted decimal.
    static func text(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }

    /// Reads dotted decimal.
    static func number(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let byte = UInt8(String(part)), part.utf8.first != UInt8(ascii: "+") else { return nil }
            value = value << 8 | UInt32(byte)
        }
        return value
    }

    // MARK: Orders

    /// Lines for `ip -batch`, that may be carried out again.
    var setUp: String {
        """
        link set dev \(bridge) up
        addr replace \(Self.text(Self.router))/32 dev \(bridge)
        addr replace \(Self.text(Self.metadata))/32 dev \(bridge)
        route replace \(Self.text(address))/32 dev \(bridge) src \(Self.text(Self.router))

        """
    }

    /// What `iptables-restore --noflush` reads to make these links and no others work. Only Mallee's chains are touched,
    /// each table at once.
    static func rules(_ links: [GuestLink]) -> String {
        let all = prefix + "+"
        let router = text(router)
        var lines = ["*nat", ":MALLEE-FORWARDS - [0:0]", ":MALLEE-TRANSLATE - [0:0]"]
        for link in links {
            for forward in link.forwards {
                let kind = forward.transport.rawValue
                lines.append(
                    "-A MALLEE-FORWARDS -d \(text(link.hostAddress))/32 -p \(kind) -m \(kind) --dport \(forward.hostPort)"
                        + " -j DNAT --to-destination \(text(link.address)):\(forward.guestPort)")
            }
        }
        lines += [
            "-A MALLEE-TRANSLATE -s 127.0.0.0/8 -o \(all) -j SNAT --to-source \(router)",
            // Link-local addresses mean nothing outside of the host.
            "-A MALLEE-TRANSLATE -s 169.254.0.0/16 ! -o \(all) -j MASQUERADE", "COMMIT",
        ]
        // Guests reach neither the host, but for what is here, nor each other, as in QEMU's user-mode network.
        lines += [
            "*filter", ":MALLEE-IN - [0:0]", ":MALLEE-PASS - [0:0]",
            "-A MALLEE-IN -i \(all) -m state --state ESTABLISHED,RELATED -j ACCEPT",
            "-A MALLEE-IN -i \(all) -p udp -m udp --dport 67 -j ACCEPT",
            "-A MALLEE-IN -i \(all) -d \(text(metadata))/32 -p tcp -m tcp --dport 80 -j ACCEPT",
            "-A MALLEE-IN -i \(all) -p icmp -j ACCEPT", "-A MALLEE-IN -i \(all) -j DROP",
            "-A MALLEE-PASS -i \(all) -o \(all) -j DROP", "-A MALLEE-PASS -i \(all) -j ACCEPT",
            "-A MALLEE-PASS -o \(all) -m state --state ESTABLISHED,RELATED -j ACCEPT",
            "-A MALLEE-PASS -o \(all) -j DROP", "COMMIT", "",
        ]
        return lines.joined(separator: "\n")
    }

    /// Table, chain of the kernel, and the chain of Mallee's that it calls first.
    static let jumps = [
        ("nat", "OUTPUT", "MALLEE-FORWARDS"), ("nat", "POSTROUTING", "MALLEE-TRANSLATE"),
        ("filter", "INPUT", "MALLEE-IN"),
        ("filter", "FORWARD", "MALLEE-PASS"),
    ]

    // MARK: Kept for a later node controller

    /// The link as text.
    var kept: String {
        var open: [JSONValue] = []
        for forward in forwards {
            open.append(
                .members(
                    ("transport", .string(forward.transport.rawValue)), ("host", .integer(Int64(forward.hostPort))),
                    ("guest", .integer(Int64(forward.guestPort)))))
        }
        var command: [JSONValue] = []
        for word in metadataCommand { command.append(.string(word)) }
        return JSONValue.members(
            ("hostAddress", .string(Self.text(hostAddress))), ("address", .string(Self.text(address))),
            ("mac", .string(Hex.encode(hardwareAddress))), ("metadata", .array(command)), ("forwards", .array(open))
        ).serialized
    }

    /// Reads what `kept` wrote; nil if it is not that.
    init?(kept text: String) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(text)
        } catch {
            return nil
        }
        guard let host = value["hostAddress"]?.text.flatMap({ text in Self.number(text) }),
            let address = value["address"]?.text.flatMap({ text in Self.number(text) }),
            let mac = value["mac"]?.text.flatMap({ text in Hex.decode(text) }), mac.count == 6
        else { return nil }
        var command: [String] = []
        for word in value["metadata"]?.elements ?? [] { if let text = word.text { command.append(text) } }
        var open: [PortForward] = []
        for item in value["forwards"]?.elements ?? [] {
            guard
                let transport = item["transport"]?.text.flatMap({ text in
                    PortForward.TransportProtocol(rawValue: text)
                }), let hostPort = item["host"]?.int64, let guestPort = item["guest"]?.int64,
                (1...65_535).contains(hostPort), (1...65_535).contains(guestPort)
            else { return nil }
            open.append(PortForward(transport: transport, hostPort: Int(hostPort), guestPort: Int(guestPort)))
        }
        self.init(
            hostAddress: host, address: address, hardwareAddress: mac, metadataCommand: command, forwards: open)
    }

    init(
        hostAddress: UInt32, address: UInt32, hardwareAddress: [UInt8], metadataCommand: [String],
        forwards: [PortForward]
    ) {
        self.hostAddress = hostAddress
        self.address = address
        self.hardwareAddress = hardwareAddress
        self.metadataCommand = metadataCommand
        self.forwards = forwards
    }
}
