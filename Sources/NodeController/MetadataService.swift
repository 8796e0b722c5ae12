// The instance metadata service of one guest: HTTP's meaning, without sockets.
//
// Requests come through a socket that only this guest's relay knows, so the caller is the guest. Version 1
// (no token) and version 2 (IMDSv2: PUT a token, send it with each request) are both answered, unless the instance's options
// want tokens or nothing at all; a token that is sent must be valid. Tokens live in memory: after a restart of the node controller a client gets 401 and takes
// a new one, as with an expired token.

public import Contracts
public import Posix

/// The answers to one guest's metadata requests.
public final class MetadataService: @unchecked Sendable {
    /// A request, as far as it matters here.
    public struct Request: Sendable {
        /// "GET", "PUT", …
        public var method: String
        /// Path with query, as sent.
        public var target: String
        /// X-aws-ec2-metadata-token.
        public var token: String?
        /// X-aws-ec2-metadata-token-ttl-seconds.
        public var tokenSeconds: String?
        /// Whether there is an X-Forwarded-For.
        public var isForwarded: Bool

        /// Creates a request.
        public init(
            method: String, target: String, token: String? = nil, tokenSeconds: String? = nil,
            isForwarded: Bool = false
        ) {
            self.method = method
            self.target = target
            self.token = token
            self.tokenSeconds = tokenSeconds
            self.isForwarded = isForwarded
        }
    }

    /// A response.
    public struct Response: Sendable, Equatable {
        /// Status code.
        public var status: Int
        /// Content-Type.
        public var contentType: String
        /// Further header fields.
        public var headers: [Header] = []
        /// The body, empty for HEAD.
        public var body: [UInt8]

        /// A header field.
        public struct Header: Sendable, Equatable {
            /// Its name.
            public var name: String
            /// Its value.
            public var value: String
        }
    }

    /// Longest life of a token, in seconds (EC2 user guide, "Use IMDSv2").
    public static let longestToken = 21_600
    /// Most live tokens of a guest; the oldest is forgotten first.
    public static let mostTokens = 1_024

    private let tree: MetadataTree
    private let credentials: GuestCredentials
    private let options: GuestMetadataOptions
    // Guards `tokens`; requests come from several threads.
    private let lock = Lock()
    private var tokens: [(text: String, expires: Milliseconds)] = []

    /// The service of an instance.
    /// - Parameters:
    ///   - region: see `MetadataTree`.
    ///   - diskPrefix: see `MetadataTree`.
    ///   - credentials: what its instance profile gives it, now and later.
    ///   - options: how the guest reaches it, now and later.
    public init(
        _ spec: Contract.InstanceSpec, region: String? = nil, diskPrefix: String = "vd",
        credentials: GuestCredentials = GuestCredentials(),
        options: GuestMetadataOptions = GuestMetadataOptions()
    ) {
        tree = MetadataTree(spec, region: region, diskPrefix: diskPrefix)
        self.credentials = credentials
        self.options = options
    }

    /// Answers a request that came at a time (of the steady clock).
    public func respond(_ request: Request, now: Milliseconds) -> Response {
        let options = options.current
        if options.disabled { return MetadataService.page(403, "Forbidden") }
        let path = MetadataService.path(of: request.target)
        if MetadataService.isTokenPath(path) {
            return request.method == "PUT" ? makeToken(request, now) : MetadataService.page(405, "Method Not Allowed")
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return MetadataService.page(405, "Method Not Allowed")
        }
        let isKnown = request.token.map { isValid($0, now) } ?? !options.tokensRequired
        guard isKnown else { return MetadataService.page(401, "Unauthorized") }
        var response: Response
        var tree = tree
        tree.credentials = credentials.current
        switch tree.answer(path: path) {
        case .text(let text):
            response = Response(status: 200, contentType: "text/plain", body: Array(text.utf8))
        case .bytes(let bytes):
            response = Response(status: 200, contentType: "application/octet-stream", body: bytes)
        case .notFound:
            response = MetadataService.page(404, "Not Found")
        }
        if request.method == "HEAD" { response.body = [] }
        return response
    }

    // MARK: Tokens

    private func makeToken(_ request: Request, _ now: Milliseconds) -> Response {
        // A proxy in front of the guest must not hand tokens to strangers.
        guard !request.isForwarded else { return MetadataService.page(403, "Forbidden") }
        guard let text = request.tokenSeconds, let seconds = Int64(text), seconds >= 1,
            seconds <= Int64(MetadataService.longestToken)
        else { return MetadataService.page(400, "Bad Request") }
        let token: String
        do throws(PosixError) {
            token = Base64.encode(try Random.bytes(39)) + "=="
        } catch {
            return MetadataService.page(500, "Internal Server Error")
        }
        lock.withLock {
            tokens.removeAll { $0.expires <= now }
            if tokens.count >= MetadataService.mostTokens { tokens.removeFirst() }
            tokens.append((token, now + seconds * 1000))
        }
        return Response(
            status: 200, contentType: "text/plain",
            headers: [Response.Header(name: "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", value: String(seconds))],
            body: Array(token.utf8))
    }

    private func isValid(_ token: String, _ now: Milliseconds) -> Bool {
        lock.withLock { tokens.contains { $0.text == token && $0.expires > now } }
    }

    // MARK: Parts

    private static func isTokenPath(_ path: String) -> Bool { path == "/latest/api/token" }

    private static func path(of target: String) -> String {
        let bytes = Array(target.utf8)
        guard let end = bytes.firstIndex(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) else {
            return target
        }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// The error page in the form that EC2 sends.
    private static func page(_ status: Int, _ title: String) -> Response {
        let text = """
            <?xml version="1.0" encoding="iso-8859-1"?>
            <!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
                     "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
            <html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
             <head>
              <title>\(status) - \(title)</title>
             </head>
             <body>
              <h1>\(status) - \(title)</h1>
             </body>
            </html>

            """
        return Response(status: status, contentType: "text/html", body: Array(text.utf8))
    }
}
