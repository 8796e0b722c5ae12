// What a node keeps to prove who it is: its key, its certificate, and the authority that it trusts.
//
//     absent ──key made──▶ key only ──certificate written──▶ complete
//        ▲                    ▲                                 │ another cloud's, or another name's
//        └────────────────────┴──────── discarded ◀─────────────┘
//
// The certificate is written last, so that a crash at any moment leaves a state from which enrolment goes on.

public import Posix
import TLS

/// The files of an identity.
public struct NodeIdentityFiles: Sendable {
    /// Where they are.
    public let directory: String
    /// The private key: readable by root only.
    public var key: String { FileSystem.join(directory, "component.key") }
    /// The certificate.
    public var certificate: String { FileSystem.join(directory, "component.crt") }
    /// The certificate of the cloud's authority.
    public var authority: String { FileSystem.join(directory, "ca.crt") }

    /// The files in a directory.
    public init(directory: String) { self.directory = directory }

    /// How far an identity has come.
    public enum State: Sendable, Equatable {
        /// Not begun.
        case absent
        /// A key (PEM) that has no certificate yet.
        case keyOnly([UInt8])
        /// All there: the certificate's common name and the SHA-256 of the authority's certificate.
        case complete(name: String, authorityFingerprint: [UInt8])
    }

    /// Reads the files. A certificate that does not fit to its key, as a crash may leave it, does not count.
    public func state() throws(PosixError) -> State {
        guard let key = try read(self.key) else { return .absent }
        do throws(TLSError) {
            _ = try ComponentKey.publicKey(of: key)
        } catch {
            return .absent
        }
        guard let certificate = try read(self.certificate), let authority = try read(self.authority) else {
            return .keyOnly(key)
        }
        do throws(TLSError) {
            let known = try ComponentKey.check(certificate: certificate, key: key, authority: authority)
            return .complete(name: known.name, authorityFingerprint: known.authorityFingerprint)
        } catch {
            return .keyOnly(key)
        }
    }

    /// Begins an identity with a key (PEM); an older identity is discarded.
    public func begin(key: [UInt8]) throws(PosixError) {
        try FileSystem.makeDirectory(directory, permissions: 0o700)
        try discard()
        try FileSystem.write(self.key, key, permissions: 0o600)
    }

    /// Completes it.
    public func complete(certificate: [UInt8], authority: [UInt8]) throws(PosixError) {
        try FileSystem.write(self.authority, authority)
        try FileSystem.write(self.certificate, certificate)
    }

    /// Removes it; the certificate first, so that what is left is never taken for complete.
    public func discard() throws(PosixError) {
        try FileSystem.remove(certificate, ifPresent: true)
        try FileSystem.remove(key, ifPresent: true)
        try FileSystem.remove(authority, ifPresent: true)
    }

    private func read(_ path: String) throws(PosixError) -> [UInt8]? {
        guard try FileSystem.statusIfPresent(path) != nil else { return nil }
        return try FileSystem.read(path, limit: 64 << 10)
    }
}

/// SHA-256 of an authority's certificate (DER), as text.
public enum AuthorityFingerprint {
    /// The 32 bytes of "sha256:" and 64 hexadecimal digits, of either case, colons between them allowed; nil for
    /// anything else. White space around it does not count.
    public static func parse(_ text: String) -> [UInt8]? {
        var bytes = Array(text.utf8)[...]
        while let first = bytes.first, first <= 0x20 { bytes.removeFirst() }
        while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
        let prefix = Array("sha256:".utf8)
        guard bytes.count > prefix.count else { return nil }
        for (index, byte) in prefix.enumerated() where bytes[bytes.startIndex + index] | 0x20 != byte | 0x20 {
            return nil
        }
        var digits: [UInt8] = []
        for byte in bytes.dropFirst(prefix.count) where byte != UInt8(ascii: ":") { digits.append(byte) }
        guard digits.count == 64, let digest = Hex.decode(String(decoding: digits, as: UTF8.self)) else { return nil }
        return digest
    }

    /// The first fingerprint among the lines of a file; those that begin with # do not count.
    static func find(in text: String) -> [UInt8]? {
        for line in Array(text.utf8).split(separator: 0x0A) where line.first != UInt8(ascii: "#") {
            if let known = parse(String(decoding: line, as: UTF8.self)) { return known }
        }
        return nil
    }

    /// "sha256:" and 64 digits.
    public static func text(_ digest: [UInt8]) -> String { "sha256:" + Hex.encode(digest) }
}
