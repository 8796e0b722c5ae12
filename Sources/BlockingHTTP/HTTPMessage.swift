public import Posix

/// A request as the server's handler gets it.
public struct HTTPRequest: Sendable {
    /// "GET", as sent (methods are case-sensitive).
    public let method: String
    /// The request target as sent.
    public let target: String
    /// The path of the target, percent-encoded as sent; "/" if it has none.
    public let path: String
    /// What follows the first "?", as sent; nil without one.
    public let query: String?
    /// The header fields.
    public let headers: HTTPHeaders
    /// The body, without any chunking.
    public let body: [UInt8]
    /// "address:port" of the peer; empty for a Unix socket.
    public let peerAddress: String
    /// Common name of the peer's verified certificate; nil without TLS.
    public let peerCommonName: String?

    /// A request; its path and query are taken from the target.
    public init(
        method: String, target: String, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [],
        peerAddress: String = "", peerCommonName: String? = nil
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.peerAddress = peerAddress
        self.peerCommonName = peerCommonName
        var bytes = Array(target.utf8)[...]
        // A proxy's form "http://host/path" (RFC 9112, 3.2.2): the path begins after the host.
        if bytes.first != 0x2f, let colon = bytes.firstIndex(of: 0x3a), bytes.count > colon + 2,
            bytes[colon + 1] == 0x2f, bytes[colon + 2] == 0x2f
        {
            let host = bytes[(colon + 3)...]
            bytes = host[(host.firstIndex { byte in byte == 0x2f || byte == 0x3f } ?? host.endIndex)...]
        }
        if let mark = bytes.firstIndex(of: 0x3f) {
            query = String(decoding: bytes[(mark + 1)...], as: UTF8.self)
            bytes = bytes[..<mark]
        } else {
            query = nil
        }
        path = bytes.isEmpty ? "/" : String(decoding: bytes, as: UTF8.self)
    }

    /// The first value of a name in the query, decoded; "" for a name without "=".
    public func queryValue(_ name: String) -> String? {
        guard let query else { return nil }
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard PercentEncoding.decode(String(parts[0]), plusIsBlank: true) == name else { continue }
            return parts.count == 1 ? "" : PercentEncoding.decode(String(parts[1]), plusIsBlank: true)
        }
        return nil
    }
}

/// A handler's answer.
public struct HTTPResponse: Sendable {
    /// The status code, 200 to 599.
    public var status: Int
    /// Fields beside those that frame the message, which the server sets.
    public var headers: HTTPHeaders
    /// The body.
    public var body: [UInt8]

    /// An answer with any body.
    public init(status: Int, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// An answer with a text body.
    public init(status: Int, contentType: String = "text/plain; charset=utf-8", text: String) {
        self.init(status: status, headers: HTTPHeaders([("Content-Type", contentType)]), body: Array(text.utf8))
    }

    /// Whether a message of this status has no body by definition.
    static func hasNoBody(_ status: Int) -> Bool { status < 200 || status == 204 || status == 304 }

    /// The standard phrase of a status code (RFC 9110, 15).
    public static func reason(_ status: Int) -> String {
        switch status {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}

/// How much and how long a peer may talk.
public struct HTTPLimits: Sendable {
    /// Bytes of the first line and all header fields together.
    public var headerBytes = 64 << 10
    /// Number of header fields.
    public var headerFields = 100
    /// Bytes of a request's body.
    public var bodyBytes = 16 << 20
    /// From the first byte of a request to the end of its header, and for the TLS handshake.
    public var headerTime: Milliseconds = 15_000
    /// For the whole of a request's body.
    public var bodyTime: Milliseconds = 120_000
    /// Without any progress in writing an answer.
    public var writeTime: Milliseconds = 30_000
    /// Between two requests on one connection.
    public var idleTime: Milliseconds = 60_000

    /// The defaults.
    public init() {}
}

/// Percent-encoding (RFC 3986).
public enum PercentEncoding {
    /// Decodes; nil for a "%" without two digits. `plusIsBlank` for the values of forms and queries.
    public static func decode(_ text: String, plusIsBlank: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == 0x25 {
                guard let high = rest.popFirst().flatMap(Hex.value), let low = rest.popFirst().flatMap(Hex.value) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(plusIsBlank && byte == 0x2b ? 0x20 : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Encodes all but letters, digits and "-._~"; with `keepSlash` also not "/".
    public static func encode(_ text: String, keepSlash: Bool = false) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: bytes.append(byte)
            case 0x2f where keepSlash: bytes.append(byte)
            default:
                bytes.append(0x25)
                bytes += uppercaseHex(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func uppercaseHex(_ byte: UInt8) -> [UInt8] {
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x41 + value - 10 }
        return [digit(byte >> 4), digit(byte & 15)]
    }
}
