/// An IPv4 block in CIDR notation, with the bits beyond the prefix cleared as EC2 does ("100.68.0.18/18" is kept as
/// "100.68.0.0/18").
public struct IPv4Block: Hashable, Sendable, CustomStringConvertible {
    /// Network address, most significant byte first.
    public let address: UInt32
    /// Length of the prefix, 0 to 32.
    public let prefixLength: Int

    /// Reads "a.b.c.d/n"; nil if it is anything else.
    public init?(_ text: String) {
        guard let (host, length) = splitBlock(text, most: 32), let address = Self.address(host) else { return nil }
        self.address = length == 0 ? 0 : address & (UInt32.max << UInt32(32 - length))
        prefixLength = length
    }

    /// Normal form.
    public var description: String {
        let octets = [24, 16, 8, 0].map { String(address >> UInt32($0) & 255) }
        return octets.joined(separator: ".") + "/\(prefixLength)"
    }

    /// Reads a dotted quad without leading zeroes (which some systems take for octal).
    static func address(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard part.utf8.count <= 3, part.utf8.allSatisfy({ (48...57).contains($0) }), let octet = UInt8(part),
                part.utf8.count == 1 || part.utf8.first != 48
            else { return nil }
            address = address << 8 | UInt32(octet)
        }
        return address
    }
}

/// An IPv6 block in CIDR notation, written as RFC 5952 says, with the bits beyond the prefix cleared.
public struct IPv6Block: Hashable, Sendable, CustomStringConvertible {
    /// Eight groups of 16 bits.
    public let groups: [UInt16]
    /// Length of the prefix, 0 to 128.
    public let prefixLength: Int

    /// Reads an address of RFC 4291 with "/n"; nil if it is anything else.
    public init?(_ text: String) {
        guard let (host, length) = splitBlock(text, most: 128), var groups = Self.groups(host) else { return nil }
        for index in 0..<8 {
            let kept = max(0, min(16, length - index * 16))
            groups[index] &= kept == 0 ? 0 : UInt16.max << UInt16(16 - kept)
        }
        self.groups = groups
        prefixLength = length
    }

    private static func groups(_ text: Substring) -> [UInt16]? {
        var halves: [[UInt16]] = [[]]
        var rest = text
        // At most one "::"; what is left of it fills the front, what is right the back.
        while !rest.isEmpty {
            if rest.hasPrefix("::") {
                guard halves.count == 1 else { return nil }
                halves.append([])
                rest = rest.dropFirst(2)
                continue
            }
            if rest.startIndex != text.startIndex, !halves[halves.count - 1].isEmpty {
                guard rest.first == ":" else { return nil }
                rest = rest.dropFirst()
            }
            let word = rest.prefix { $0 != ":" }
            guard !word.isEmpty else { return nil }
            if word.utf8.contains(UInt8(ascii: ".")) {
                guard word.endIndex == rest.endIndex, let quad = IPv4Block.address(word) else { return nil }
                halves[halves.count - 1] += [UInt16(quad >> 16), UInt16(quad & 0xFFFF)]
            } else {
                guard word.utf8.count <= 4, word.utf8.allSatisfy(isHexDigit), let value = UInt16(word, radix: 16)
                else { return nil }
                halves[halves.count - 1].append(value)
            }
            rest = rest[word.endIndex...]
        }
        if halves.count == 1 { return halves[0].count == 8 ? halves[0] : nil }
        let missing = 8 - halves[0].count - halves[1].count
        guard missing >= 1 else { return nil }
        return halves[0] + [UInt16](repeating: 0, count: missing) + halves[1]
    }

    /// Normal form of RFC 5952: lower case, the longest run of two or more zero groups as "::".
    public var description: String {
        var best = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index > max(1, best.count) { best = index..<end }
            index = max(end, index + 1)
        }
        let words = groups.map { String($0, radix: 16) }
        let text =
            best.isEmpty
            ? words.joined(separator: ":")
            : words[..<best.lowerBound].joined(separator: ":") + "::" + words[best.upperBound...].joined(separator: ":")
        return text + "/\(prefixLength)"
    }
}

private func isHexDigit(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (97...102).contains(byte) || (65...70).contains(byte)
}

private func splitBlock(_ text: String, most: Int) -> (Substring, Int)? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, (1...3).contains(parts[1].utf8.count),
        parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(parts[1]), length <= most
    else { return nil }
    return (parts[0], length)
}
