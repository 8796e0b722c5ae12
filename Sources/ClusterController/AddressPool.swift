/// A block of IPv4 addresses, for the private addresses of a zone.
public struct AddressPool: Sendable, Hashable {
    /// First address that is handed out, as a number.
    public let first: UInt32
    /// Last address that is handed out.
    public let last: UInt32

    /// Reads "127.16.0.0/16"; the network's first four addresses and its last one are not handed out. Nil unless it
    /// is a block of 8 to 2^24 addresses.
    public init?(cidr: String) {
        let parts = cidr.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let base = Self.parse(String(parts[0])), let bits = UInt32(parts[1]),
            (8...29).contains(bits)
        else { return nil }
        let size = UInt32(1) << (32 - bits)
        let network = base & ~(size - 1)
        first = network + 4
        last = network + size - 2
    }

    /// The first free address at or after `cursor`, going round once; nil if there is none.
    func free(from cursor: UInt32, used: Set<UInt32>) -> UInt32? {
        var candidate = cursor < first || cursor > last ? first : cursor
        for _ in first...last {
            if !used.contains(candidate) { return candidate }
            candidate = candidate == last ? first : candidate + 1
        }
        return nil
    }

    /// Dotted-quad form.
    static func text(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }

    /// Reads the dotted-quad form; nil if it is none.
    static func parse(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let byte = UInt8(part) else { return nil }
            value = value << 8 | UInt32(byte)
        }
        return value
    }
}
