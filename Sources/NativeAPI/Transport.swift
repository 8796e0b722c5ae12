public import CloudModel
public import QueryProtocol
public import Signatures

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
    /// Told once about every request when its answer is ready.
    public var observer: @Sendable (NativeObservation) -> Void

    /// Makes a configuration; the defaults suit production.
    public init(
        largestBody: Int = 256 << 10, largestTarget: Int = 16 << 10, region: String = "us-east-1",
        signatures: SignaturePolicy = SignaturePolicy(),
        sessions: (any NativeSessionSource)? = nil,
        now: @escaping @Sendable () -> CloudModel.Timestamp = { Timestamp.ofSystemClock() },
        observer: @escaping @Sendable (NativeObservation) -> Void = { _ in }
    ) {
        self.largestBody = largestBody
        self.largestTarget = largestTarget
        self.region = region
        self.signatures = signatures
        self.sessions = sessions
        self.now = now
        self.observer = observer
    }
}
