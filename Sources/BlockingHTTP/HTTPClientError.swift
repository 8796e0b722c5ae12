public import Posix

/// Why a call got no (complete) answer.
public struct HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What can be done about it.
    public enum Kind: Sendable, Equatable {
        /// The URL is not understood.
        case badURL
        /// No connection, or no TLS: the server has not seen the request.
        case notConnected
        /// The connection failed, or a time limit passed, after the request was sent at least in part: the server may
        /// have acted on it.
        case interrupted
        /// The server's answer breaks the protocol.
        case badAnswer
        /// The answer is longer than allowed.
        case tooLarge
        /// The taker of the body (such as a file) failed.
        case refusedByTaker
        /// The status was not the one hoped for; only from `download`.
        case status(Int)
    }

    /// What can be done about it.
    public let kind: Kind
    /// The URL.
    public let url: String
    /// The reason in words.
    public let reason: String
    /// The kernel's error, if one was the cause.
    public let cause: PosixError?

    init(_ kind: Kind, _ url: String, _ reason: String, cause: PosixError? = nil) {
        self.kind = kind
        self.url = url
        self.reason = reason
        self.cause = cause
    }

    /// Whether a time limit passed.
    public var isTimeout: Bool { cause?.isTimeout ?? false }
    /// Reason and URL. The query is left out, since it may carry a signature.
    public var description: String {
        "\(url.split(separator: "?", maxSplits: 1).first.map { part in String(part) } ?? ""): \(reason)"
    }
}
