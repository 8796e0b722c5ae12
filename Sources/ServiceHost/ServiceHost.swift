// ServiceHost: what every front-end daemon stands on: the HTTP listener, dispatch by path, SOAP on both sides,
// the cloud's own certificate authority, and log lines.
//
// Does not live here: any service, any user-facing protocol (EC2, S3), and the node's own HTTP, which is
// BlockingHTTP because the node must do without an async runtime.
//
// Fails with `ServiceHostError` (starting, certificates) and, towards callers of a remote service, `ServiceFault`.

/// Why a listener could not start or a certificate could not be made or used: cause and cure.
public enum ServiceHostError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The address cannot be listened on.
    case cannotListen(address: String, cause: String)
    /// A key or certificate file is missing, damaged, expired or of another cloud.
    case certificate(String)
    /// A file of keys, certificates or logs cannot be written or read.
    case file(path: String, cause: String)

    /// One or two sentences for people.
    public var description: String {
        switch self {
        case .cannotListen(let address, let cause):
            "Cannot listen on \(address): \(cause). Stop the program that uses the address, or configure another port."
        case .certificate(let problem): problem
        case .file(let path, let cause): "Cannot use the file \(path): \(cause)."
        }
    }
}
