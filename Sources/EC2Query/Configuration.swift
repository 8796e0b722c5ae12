public import CloudModel
public import QueryProtocol
public import Signatures

/// What the interface can be told from outside.
public struct EC2Configuration: Sendable {
    /// How large requests may be. The largest legitimate one is a RunInstances with 16 KiB of user data or a
    /// DescribeInstances that names some thousand ids.
    public var limits: QueryLimits
    /// Largest body of a request in bytes.
    public var largestBody: Int { limits.largestBody }
    /// How far clocks may differ.
    public var signatures: SignaturePolicy
    /// The cloud's region, for ARNs.
    public var region: String
    /// The time.
    public var now: @Sendable () -> CloudModel.Timestamp
    /// Told once about every request when its answer is ready: for the audit, metrics and the log.
    public var observer: @Sendable (EC2Observation) -> Void

    /// Makes a configuration; the defaults suit production.
    public init(
        largestBody: Int = 1 << 20, largestQuery: Int = 128 << 10, mostParameters: Int = 20_000,
        signatures: SignaturePolicy = SignaturePolicy(), region: String = "us-east-1",
        now: @escaping @Sendable () -> CloudModel.Timestamp = { Timestamp.ofSystemClock() },
        observer: @escaping @Sendable (EC2Observation) -> Void = { _ in }
    ) {
        limits = QueryLimits(
            largestBody: largestBody, largestQuery: largestQuery, mostParameters: mostParameters)
        self.signatures = signatures
        self.region = region
        self.now = now
        self.observer = observer
    }
}

/// One line of the audit: who asked what, and how it ended.
public struct EC2Observation: Sendable {
    /// The request's id.
    public var requestID: String
    /// The action as it was asked for; nil if there was none.
    public var action: String?
    /// Who asked, if the request could be authenticated.
    public var caller: Caller?
    /// Where it came from.
    public var sourceAddress: String
    /// HTTP status of the answer.
    public var status: Int
    /// EC2's code, if it failed.
    public var errorCode: String?
    /// The text that was sent, if it failed.
    public var errorMessage: String?
    /// What only the administrator may read; it was not sent.
    public var internalDetail: String?
    /// From arrival to the finished answer, by the configured clock.
    public var milliseconds: Int64
    /// Bytes of the answer's body.
    public var responseBytes: Int
    /// Whether the action only reads.
    public var isReading: Bool
    /// ids and names of what it concerned; of actions that change something.
    public var resources: [String]
}
