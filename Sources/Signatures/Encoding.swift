// Percent-encoding, hexadecimal, Base64 and the small string rules of the canonical forms, over bytes: what is signed
// need not be valid UTF-8.

/// Percent-encoding as RFC 3986 and the AWS signature rules want it.
public enum PercentEncoding {
    static let digits = Array("0123456789ABCDEF".utf8)

    /// Whether a byte stands for itself (`A-Z a-z 0-9 - . _ ~`).
    @inline(__always)
    static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E: true
        default: false
        }
    }

    /// Encodes every byte that is not unreserved; `/` is kept if asked for (paths).
    public static func encode(_ bytes: some Sequence<UInt8>, keepingSlash: Bool = false) -> String {
        var out: [UInt8] = []
        for byte in bytes {
            if isUnreserved(byte) || (keepingSlash && byte == 0x2F) {
                out.append(byte)
            } else {
                out.append(0x25)
                out.append(digits[Int(byte >> 4)])
                out.append(digits[Int(byte & 15)])
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Encodes a string's UTF-8 bytes.
    public static func encode(_ text: String, keepingSlash: Bool = false) -> String {
        encode(text.utf8, keepingSlash: keepingSlash)
    }

    /// Decodes `%XX` (and `+` as space if asked for). A `%` without two hexadecimal digits stands for itself.
    public static func decode(_ bytes: some Collection<UInt8>, plusIsSpace: Bool = false) -> [UInt8] {
        if !bytes.contains(where: { $0 == 0x25 || $0 == 0x2B }) { return Array(bytes) }
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index != bytes.endIndex {
            let byte = bytes[index]
            bytes.formIndex(after: &index)
            if byte == 0x25, index != bytes.endIndex, let high = hexValue(bytes[index]) {
                let next = bytes.index(after: index)
                if next != bytes.endIndex, let low = hexValue(bytes[next]) {
                    out.append(high << 4 | low)
                    index = bytes.index(after: next)
                    continue
                }
            }
            out.append(plusIsSpace && byte == 0x2B ? 0x20 : byte)
        }
        return out
    }
}

/// The value of a hexadecimal digit.
@inline(__always)
func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}

/// Lower-case hexadecimal.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var out: [UInt8] = []
    for byte in bytes {
        out.append(digits[Int(byte >> 4)])
        out.append(digits[Int(byte & 15)])
    }
    return String(decoding: out, as: UTF8.self)
}

/// Base64 of RFC 4648 with padding.
public enum Base64 {
    static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Whether a byte can stand in Base64; the padding can.
    public static func isDigit(_ byte: UInt8) -> Bool { byte == 0x3D || alphabet.contains(byte) }

    /// Encodes bytes.
    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var out: [UInt8] = []
        var pending: UInt32 = 0
        var count = 0
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                for shift in [18, 12, 6, 0] as [UInt32] { out.append(alphabet[Int(pending >> shift & 63)]) }
                pending = 0
                count = 0
            }
        }
        if count == 1 {
            out.append(alphabet[Int(pending >> 2 & 63)])
            out.append(alphabet[Int(pending << 4 & 63)])
            out += [0x3D, 0x3D]
        } else if count == 2 {
            out.append(alphabet[Int(pending >> 10 & 63)])
            out.append(alphabet[Int(pending >> 4 & 63)])
            out.append(alphabet[Int(pending << 2 & 63)])
            out.append(0x3D)
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Decodes padded Base64; nil if the text is anything else.
    public static func decode(_ text: String) -> [UInt8]? {
        let bytes = Array(text.utf8)
        guard bytes.count % 4 == 0 else { return nil }
        let padding = bytes.reversed().prefix { $0 == 0x3D }.count
        guard padding <= 2 else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count / 4 * 3)
        var pending: UInt32 = 0
        var count = 0
        for byte in bytes.dropLast(padding) {
            let value: UInt8
            switch byte {
            case 0x41...0x5A: value = byte - 0x41
            case 0x61...0x7A: value = byte - 0x61 + 26
            case 0x30...0x39: value = byte - 0x30 + 52
            case 0x2B: value = 62
            case 0x2F: value = 63
            default: return nil
            }
            pending = pending << 6 | UInt32(value)
            count += 1
            if count == 4 {
                out += [UInt8(pending >> 16 & 255), UInt8(pending >> 8 & 255), UInt8(pending & 255)]
                pending = 0
                count = 0
            }
        }
        switch count {
        case 0: break
        case 2: out.append(UInt8(pending >> 4 & 255))
        case 3: out += [UInt8(pending >> 10 & 255), UInt8(pending >> 2 & 255)]
        default: return nil
        }
        return out
    }
}

/// ASCII lower case, byte by byte.
func lowercasedASCII(_ text: String) -> String {
    String(decoding: text.utf8.map { (0x41...0x5A).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
}

/// Compares ASCII text without regard to case.
func equalIgnoringCase(_ left: String, _ right: String) -> Bool {
    guard left.utf8.count == right.utf8.count else { return false }
    for (a, b) in zip(left.utf8, right.utf8) {
        let x = (0x41...0x5A).contains(a) ? a + 32 : a
        let y = (0x41...0x5A).contains(b) ? b + 32 : b
        if x != y { return false }
    }
    return true
}

/// Without blanks at both ends.
func trimmed(_ text: some StringProtocol) -> String {
    var bytes = Array(text.utf8)[...]
    while let first = bytes.first, first == 0x20 || first == 0x09 { bytes = bytes.dropFirst() }
    while let last = bytes.last, last == 0x20 || last == 0x09 { bytes = bytes.dropLast() }
    return String(decoding: bytes, as: UTF8.self)
}

/// Trimmed, and each inner run of blanks as one space (canonical headers of V4).
func collapsed(_ text: String) -> String {
    var out: [UInt8] = []
    for byte in trimmed(text).utf8 {
        let blank = byte == 0x20 || byte == 0x09
        if blank {
            if out.last != 0x20 { out.append(0x20) }
        } else {
            out.append(byte)
        }
    }
    return String(decoding: out, as: UTF8.self)
}

/// Compares two strings in time that depends only on their lengths.
public func equalInConstantTime(_ left: String, _ right: String) -> Bool {
    let a = Array(left.utf8)
    let b = Array(right.utf8)
    guard a.count == b.count else { return false }
    var difference: UInt8 = 0
    for index in a.indices { difference |= a[index] ^ b[index] }
    return difference == 0
}
