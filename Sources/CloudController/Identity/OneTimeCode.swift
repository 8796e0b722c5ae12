import Crypto

/// The codes of virtual MFA devices: RFC 6238 with SHA-1, steps of 30 seconds and six digits, as all such devices make
/// them.
enum OneTimeCode {
    /// The length of a step in seconds.
    static let step: Int64 = 30

    /// The code of a step (RFC 4226, 5.3).
    static func code(_ secret: [UInt8], step: Int64) -> String {
        let counter = (0..<8).map { UInt8(truncatingIfNeeded: step >> (56 - 8 * $0)) }
        let digest = Array(HMAC<Insecure.SHA1>.authenticationCode(for: counter, using: SymmetricKey(data: secret)))
        let offset = Int(digest[19] & 15)
        var number: UInt32 = 0
        for byte in digest[offset..<offset + 4] { number = number << 8 | UInt32(byte) }
        let text = String((number & 0x7FFF_FFFF) % 1_000_000)
        return String(repeating: "0", count: 6 - text.count) + text
    }

    /// The first step of some whose code it is.
    static func step(of code: String, _ secret: [UInt8], in steps: ClosedRange<Int64>) -> Int64? {
        guard code.utf8.count == 6 else { return nil }
        return steps.first { self.code(secret, step: $0) == code }
    }

    /// The first of two consecutive steps whose codes they are.
    static func step(of codes: (String, String), _ secret: [UInt8], in steps: ClosedRange<Int64>) -> Int64? {
        guard codes.0.utf8.count == 6, codes.1.utf8.count == 6 else { return nil }
        return steps.first { code(secret, step: $0) == codes.0 && code(secret, step: $0 + 1) == codes.1 }
    }
}
