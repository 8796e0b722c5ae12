// The part of DHCP (RFC 2131, RFC 2132) that gives one guest its one address: reading what a client asks, and the
// answer. Pure functions of bytes; `GuestEdge` has the sockets.

/// What a client asks.
struct DHCPRequest: Sendable, Equatable {
    /// Option 53.
    enum Kind: UInt8, Sendable {
        case discover = 1
        case request = 3
        case decline = 4
        case release = 7
        case inform = 8
    }

    var kind: Kind
    /// What the answer repeats: transaction, flags, relay agent, hardware address (16 bytes).
    var transaction: [UInt8]
    var flags: [UInt8]
    var clientAddress: UInt32
    var hardwareAddress: [UInt8]
    /// Option 50.
    var requestedAddress: UInt32?
    /// Option 54: the server that the client chose.
    var server: UInt32?

    static let headerBytes = 236
    static let cookie: [UInt8] = [99, 130, 83, 99]
    private static let ethernet: UInt8 = 1

    /// Reads a datagram; nil if it is no request of a client on an Ethernet.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.headerBytes + 4, bytes[0] == 1, bytes[1] == Self.ethernet, bytes[2] == 6,
            bytes[Self.headerBytes..<Self.headerBytes + 4].elementsEqual(Self.cookie)
        else { return nil }
        transaction = Array(bytes[4..<8])
        flags = Array(bytes[10..<12])
        clientAddress = Self.number(bytes[12..<16])
        hardwareAddress = Array(bytes[28..<34])
        var found: Kind?
        var position = Self.headerBytes + 4
        while position < bytes.count, bytes[position] != 255 {
            if bytes[position] == 0 {
                position += 1
                continue
            }
            guard position + 1 < bytes.count else { return nil }
            let length = Int(bytes[position + 1])
            let value = position + 2
            guard value + length <= bytes.count else { return nil }
            switch (bytes[position], length) {
            case (53, 1): found = Kind(rawValue: bytes[value])
            case (50, 4): requestedAddress = Self.number(bytes[value..<value + 4])
            case (54, 4): server = Self.number(bytes[value..<value + 4])
            default: break
            }
            position = value + length
        }
        guard let found else { return nil }
        kind = found
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var value: UInt32 = 0
        for byte in bytes { value = value << 8 | UInt32(byte) }
        return value
    }
}

/// The address of one guest, and what goes with it.
struct DHCPLease: Sendable, Equatable {
    var address: UInt32
    var server: UInt32
    var router: UInt32
    var nameServers: [UInt32]
    var hardwareAddress: [UInt8]

    private static let offer: UInt8 = 2
    private static let acknowledge: UInt8 = 5
    private static let refuse: UInt8 = 6
    /// Clients that never ask again would keep it; those that do get the same one.
    private static let seconds: UInt32 = 86_400

    /// The answer to a request; nil if there is none to give.
    func answer(_ request: DHCPRequest) -> [UInt8]? {
        guard request.hardwareAddress == hardwareAddress else { return nil }
        switch request.kind {
        case .discover: return message(Self.offer, request)
        case .inform: return message(Self.acknowledge, request)
        case .request:
            if let chosen = request.server, chosen != server { return nil }
            let wanted = request.requestedAddress ?? request.clientAddress
            return message(wanted == address ? Self.acknowledge : Self.refuse, request)
        case .decline, .release: return nil
        }
    }

    private func message(_ kind: UInt8, _ request: DHCPRequest) -> [UInt8] {
        var bytes: [UInt8] = [2, 1, 6, 0] + request.transaction + [0, 0] + request.flags
        bytes += Self.octets(kind == Self.refuse ? 0 : request.clientAddress)
        bytes += Self.octets(kind == Self.refuse || request.kind == .inform ? 0 : address)
        bytes += [UInt8](repeating: 0, count: 8) + hardwareAddress
        bytes += [UInt8](repeating: 0, count: DHCPRequest.headerBytes - bytes.count)
        bytes += DHCPRequest.cookie + [53, 1, kind, 54, 4] + Self.octets(server)
        if kind != Self.refuse {
            if request.kind != .inform { bytes += [51, 4] + Self.octets(Self.seconds) }
            // 169.254.0.0/16, so that the metadata service is on the link.
            bytes += [1, 4, 255, 255, 0, 0, 3, 4] + Self.octets(router)
            if !nameServers.isEmpty {
                bytes += [6, UInt8(nameServers.count * 4)]
                for nameServer in nameServers { bytes += Self.octets(nameServer) }
            }
        }
        bytes.append(255)
        // Old clients expect a message of BOOTP's size.
        if bytes.count < 300 { bytes += [UInt8](repeating: 0, count: 300 - bytes.count) }
        return bytes
    }

    private static func octets(_ value: UInt32) -> [UInt8] {
        [
            UInt8(truncatingIfNeeded: value >> 24), UInt8(truncatingIfNeeded: value >> 16),
            UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value),
        ]
    }
}
