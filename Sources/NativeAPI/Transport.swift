public import CloudModel
public import Signatures

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// An HTTP request as the listener received it. Nothing of it has been decoded: signatures cover the raw form.
public struct NativeRequest: Sendable {
    /// Upper-case method.
    public var method: String
    /// Path as it was sent, percent-encoded, without the query.
    public var path: String
    /// Query string as it was sent, without the question mark; empty if there was none.
    public var query: String
    /// All headers in the order of arrival, `Host` among them.
    public var headers: [(name: String, value: String)]
    /// The whole body. The listener stops reading one byte beyond `NativeConfiguration.largestBody`.
    public var body: [UInt8]
    /// Address of the peer, for the audit.
    public var sourceAddress: String
    /// Whether it came over TLS.
    public var isSecure: Bool

    /// Makes a request.
    public init(
        method: String, path: String, query: String = "", headers: [(name: String, value: String)],
        body: [UInt8] = [], sourceAddress: String, isSecure: Bool = false
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.sourceAddress = sourceAddress
        self.isSecure = isSecure
    }

    /// The first header of a name, whatever its case.
    func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name }?.value
    }
}

/// The answer to a `NativeRequest`.
public struct NativeResponse: Sendable {
    /// HTTP status.
    public var status: Int
    /// Headers, without those that the listener adds itself (Content-Length, Date, Connection).
    public var headers: [(name: String, value: String)]
    /// JSON in UTF-8, or nothing.
    public var body: [UInt8]
}

/// What is known of a request when its answer is ready, for the audit, metrics and the log.
public struct NativeObservation: Sendable {
    /// Its id.
    public var requestID: String
    /// Address of the peer.
    public var sourceAddress: String
    /// HTTP status.
    public var status: Int
    /// How long it took.
    public var milliseconds: Int64
    /// The operation's id; nil if there is none.
    public var operation: String?
    /// Whether the operation changes nothing.
    public var isReading = true
    /// ARNs of what it concerns, where that was known before it was tried.
    public var resources: [String] = []
    /// Who asked; nil before he was authenticated.
    public var caller: Caller?
    /// The problem's code.
    public var problem: String?
    /// The problem's text.
    public var message: String?
    /// What only the administrator may see.
    public var internalDetail: String?

    init(requestID: String, sourceAddress: String, status: Int, milliseconds: Int64) {
        self.requestID = requestID
        self.sourceAddress = sourceAddress
        self.status = status
        self.milliseconds = milliseconds
    }
}

/// Where sessions come from, such as those of the console: a token stands for a user who has signed in.
public protocol NativeSessionSource: Sendable {
    /// The user of a session; nil if there is none of this token, or it is over.
    func caller(session token: String, requestID: String, sourceAddress: String) async throws(CloudError) -> Caller?
}

/// What the interface can be told from outside.
public struct NativeConfiguration: Sendable {
    /// Largest body of a request in bytes.
    public var largestBody: Int
    /// Largest path and query together, in bytes.
    public var largestTarget: Int
    /// The cloud's region, for ARNs.
    public var region: String
    /// How far clocks may differ.
    public var signatures: SignaturePolicy
    /// Who answers for `Authorization: Bearer …`; nil for nobody.
    public var sessions: (any NativeSessionSource)?
    /// The time.
    public var now: @Sendable () -> CloudModel.Timestamp
    /// A new id for each request.
    public var requestID: @Sendable () -> String
    /// Told once about every request when its answer is ready.
    public var observer: @Sendable (NativeObservation) -> Void

    /// Makes a configuration; the defaults suit production.
    public init(
        largestBody: Int = 256 << 10, largestTarget: Int = 16 << 10, region: String = "us-east-1",
        signatures: SignaturePolicy = SignaturePolicy(),
        sessions: (any NativeSessionSource)? = nil,
        now: @escaping @Sendable () -> CloudModel.Timestamp = { systemTime() },
        requestID: @escaping @Sendable () -> String = { randomRequestID() },
        observer: @escaping @Sendable (NativeObservation) -> Void = { _ in }
    ) {
        self.largestBody = largestBody
        self.largestTarget = largestTarget
        self.region = region
        self.signatures = signatures
        self.sessions = sessions
        self.now = now
        self.requestID = requestID
        self.observer = observer
    }

    /// The system's clock.
    public static func systemTime() -> CloudModel.Timestamp {
        var time = timespec()
        // CLOCK_REALTIME cannot fail with a valid pointer.
        _ = clock_gettime(CLOCK_REALTIME, &time)
        return CloudModel.Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// A random UUID (version 4).
    public static func randomRequestID() -> String {
        var bytes: [UInt8] = (0..<16).map { _ in UInt8.random(in: 0...255) }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += hexadecimal([byte])
        }
        return text
    }
}
