/// Where a request goes: "http://host:port/path?query", "https://…", or "http+unix://%2Frun%2Fx.sock/path".
public struct HTTPURL: Sendable, Equatable, CustomStringConvertible {
    /// How the server is reached.
    public enum Scheme: Sendable, Equatable {
        /// TCP.
        case http
        /// TLS over TCP.
        case https
        /// A Unix socket.
        case unix
    }

    /// How the server is reached.
    public let scheme: Scheme
    /// Host name or address (IPv6 without brackets), or the path of the Unix socket.
    public let host: String
    /// The port; 0 for a Unix socket.
    public let port: UInt16
    /// Path and query as they go on the wire; begins with "/".
    public var target: String

    /// A Unix socket and a target on it.
    public init(unixSocket: String, target: String) {
        scheme = .unix
        host = unixSocket
        port = 0
        self.target = target
    }

    /// Nil for another scheme, user names, a missing host, a bad port, or characters that must be percent-encoded.
    /// A fragment is dropped.
    public init?(_ text: String) {
        var bytes = Array(text.utf8)[...]
        for byte in bytes where byte <= 0x20 || byte >= 0x7f { return nil }
        if let hash = bytes.firstIndex(of: 0x23) { bytes = bytes[..<hash] }
        func drop(_ prefix: String) -> Bool {
            let wanted = Array(prefix.utf8)
            guard bytes.count >= wanted.count,
                HTTPHeaders.sameName(String(decoding: bytes.prefix(wanted.count), as: UTF8.self), prefix)
            else { return false }
            bytes = bytes.dropFirst(wanted.count)
            return true
        }
        if drop("http://") {
            scheme = .http
        } else if drop("https://") {
            scheme = .https
        } else if drop("http+unix://") {
            scheme = .unix
        } else {
            return nil
        }
        let stop = bytes.firstIndex { byte in byte == 0x2f || byte == 0x3f } ?? bytes.endIndex
        let rest = String(decoding: bytes[stop...], as: UTF8.self)
        target = rest.isEmpty || rest.utf8.first == 0x3f ? "/" + rest : rest
        let authority = bytes[..<stop]
        if authority.contains(0x40) { return nil }
        if scheme == .unix {
            guard let path = PercentEncoding.decode(String(decoding: authority, as: UTF8.self)), path.utf8.first == 0x2f
            else { return nil }
            host = path
            port = 0
            return
        }
        var name = authority
        var digits: ArraySlice<UInt8> = []
        if authority.first == 0x5b {
            guard let close = authority.firstIndex(of: 0x5d) else { return nil }
            name = authority[(authority.startIndex + 1)..<close]
            let tail = authority[(close + 1)...]
            if !tail.isEmpty, tail.first != 0x3a { return nil }
            digits = tail.dropFirst()
            if !name.contains(0x3a) { return nil }
        } else if let colon = authority.firstIndex(of: 0x3a) {
            name = authority[..<colon]
            digits = authority[(colon + 1)...]
            if digits.contains(0x3a) { return nil }
        }
        if name.isEmpty { return nil }
        host = String(decoding: name, as: UTF8.self)
        if digits.isEmpty {
            port = scheme == .https ? 443 : 80
        } else {
            for digit in digits where !(0x30...0x39).contains(digit) { return nil }
            guard let number = UInt16(String(decoding: digits, as: UTF8.self)), number > 0 else { return nil }
            port = number
        }
    }

    /// The value of the Host field (RFC 9110, 7.2): without the port where it is the scheme's own.
    public var hostField: String {
        if scheme == .unix { return "localhost" }
        let name = host.utf8.contains(0x3a) ? "[\(host)]" : host
        return port == (scheme == .https ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// The URL without its target: what connections are kept for.
    var origin: String {
        switch scheme {
        case .http: "http://\(hostField)"
        case .https: "https://\(hostField)"
        case .unix: "http+unix://\(PercentEncoding.encode(host))"
        }
    }

    /// The URL as text.
    public var description: String { origin + target }
}
