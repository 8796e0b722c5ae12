import Crypto
import Foundation
import Synchronization

/// The server's nonces: single use, for one name, two minutes by the monotonic clock.
///
/// A nonce carries its own end of validity and an authenticator under a key of this process, so that nothing is
/// remembered for those who only begin; remembered are the nonces that were used, and only somebody who knows the
/// enrolment secret can use one. A restart makes all of them invalid.
final class EnrolmentNonces: Sendable {
    /// How long a nonce is good, in milliseconds.
    static let validMilliseconds: Int64 = 120_000
    /// More uses within that time are refused rather than remembered.
    static let most = 200_000

    private let key = SymmetricKey(size: .bits256)
    private let used = Mutex<[Data: Int64]>([:])
    /// Milliseconds of a clock that nobody sets.
    private let clock: @Sendable () -> Int64

    init(clock: @escaping @Sendable () -> Int64) { self.clock = clock }

    /// 32 bytes: 8 of the time, 8 random ones, 16 of the authenticator.
    func issue(for name: String) -> [UInt8] {
        var nonce = withUnsafeBytes(of: (clock() + Self.validMilliseconds).bigEndian) { Array($0) }
        nonce += withUnsafeBytes(of: UInt64.random(in: .min ... .max)) { Array($0) }
        return nonce + authenticator(of: nonce, name)
    }

    /// Whether the nonce was issued for the name, is still good, and was not used.
    func isGood(_ nonce: [UInt8], for name: String) -> Bool {
        guard let end = end(of: nonce, name), clock() < end else { return false }
        return used.withLock { $0[Data(nonce)] == nil }
    }

    /// Uses it up; false if somebody else was faster.
    func use(_ nonce: [UInt8], for name: String) -> Bool {
        guard let end = end(of: nonce, name) else { return false }
        let now = clock()
        guard now < end else { return false }
        return used.withLock { used in
            if used.count >= Self.most { used = used.filter { $0.value > now } }
            guard used.count < Self.most, used[Data(nonce)] == nil else { return false }
            used[Data(nonce)] = end
            if used.count % 4096 == 0 { used = used.filter { $0.value > now } }
            return true
        }
    }

    private func end(of nonce: [UInt8], _ name: String) -> Int64? {
        guard nonce.count == 32,
            Self.isEqual(Array(nonce[16...]), authenticator(of: Array(nonce[..<16]), name))
        else { return nil }
        return nonce[..<8].reduce(0) { $0 << 8 | Int64($1) }
    }

    private func authenticator(of bytes: [UInt8], _ name: String) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: bytes + Array(name.utf8), using: key).prefix(16))
    }

    private static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count == b.count && zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
