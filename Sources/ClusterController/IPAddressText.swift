import Foundation

/// IP addresses as text.
enum IPAddressText {
    /// The one spelling of an IPv4 or IPv6 address, IPv4 in IPv6 as IPv4; nil for anything else.
    static func canonical(_ text: String) -> String? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            return withUnsafeBytes(of: four) { $0.map { String($0) }.joined(separator: ".") }
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let bytes = withUnsafeBytes(of: six) { Array($0) }
        if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
            return bytes.suffix(4).map { String($0) }.joined(separator: ".")
        }
        var buffer = [CChar](repeating: 0, count: 46)
        guard inet_ntop(AF_INET6, &six, &buffer, 46) != nil else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
