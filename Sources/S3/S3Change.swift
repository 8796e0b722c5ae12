/// A change that somebody asked for, as an audit log wants it: one for each request that is neither GET nor HEAD,
/// whatever became of it.
public struct S3Change: Sendable, Equatable {
    /// Milliseconds since 1970, when the request came.
    public var time: Int64
    /// The request's id, which the client got as well.
    public var requestID: String
    /// The API's name of the operation, `PutObject`; `-` for a request that is none.
    public var operation: String
    /// The bucket; nil if the request names none.
    public var bucket: String?
    /// The key; nil for a request about the bucket.
    public var key: String?
    /// The account that signed; nil for an unsigned request, or one whose signature was refused.
    public var account: String?
    /// The user's ARN, where it was not the account itself.
    public var user: String?
    /// The address from which it came; empty if that is not known.
    public var address: String
    /// The status of the answer.
    public var status: Int
    /// S3's code of the refusal; nil if it was carried out.
    public var error: String?

    /// Whether it was carried out.
    public var succeeded: Bool { error == nil && status < 400 }
}

/// Is told of changes, in the request's own time: what it does must be quick.
public protocol S3ChangeObserver: Sendable {
    /// The answer is ready and goes out when this returns.
    func observed(_ change: S3Change) async
}
