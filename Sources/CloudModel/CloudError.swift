/// The one error vocabulary of the cloud, by what the caller can do about it. Interface modules map it to the codes
/// of their protocol (EC2, native, …) as the last step; nothing else invents codes.
///
/// Texts are for users: they say the cause and the cure and never hold secrets or another account's data. What only
/// the administrator may see goes into `internalError`'s `detail`, which is logged and not sent.
public enum CloudError: Error, Sendable, Equatable {
    // Fails again as it stands.
    /// Identifiers that name nothing the caller may see.
    case notFound(ResourceKind, [String])
    /// An identifier that is not one.
    case malformedID(ResourceKind, String)
    /// A parameter has a value it cannot have.
    case invalidValue(parameter: String, value: String, reason: String)
    /// A required parameter is missing.
    case missingParameter(String)
    /// Parameters that do not go together.
    case invalidCombination(String)
    /// The name is taken.
    case duplicate(ResourceKind, String)
    /// The resource is used by others and cannot be removed.
    case inUse(ResourceKind, String, by: String)
    /// The state of the resource does not allow the operation.
    case incorrectState(ResourceKind, String, state: String, operation: String)
    /// The same client token came with other parameters.
    case idempotentParameterMismatch(token: String)
    /// The caller may not do this.
    case unauthorized(operation: String)
    /// The owner himself has forbidden it, such as to terminate a protected instance.
    case notPermitted(String)
    /// The action is known but not offered.
    case unsupported(String)
    /// DryRun was set and the request would have succeeded.
    case dryRunSucceeded
    /// A NextToken that was not handed out, or no longer is good.
    case invalidNextToken(String)
    /// A quota of the account is reached. `limit` and `inUse` in units of the resource.
    case limitExceeded(ResourceKind, limit: Int, inUse: Int, requested: Int)

    // May succeed later, or elsewhere.
    /// Too few slots. The text says what was needed and what is free.
    case insufficientCapacity(zone: String?, type: String, requested: Int, available: Int, detail: String)
    /// A component cannot be reached.
    case unavailable(component: String, reason: String)

    // For the administrator.
    /// A fault of the cloud itself; `message` is sent, `detail` is logged.
    case internalError(message: String, detail: String)

    /// Whether the same request may succeed later without a change.
    public var isRetryable: Bool {
        switch self {
        case .insufficientCapacity, .unavailable, .internalError: true
        case .notFound, .malformedID, .invalidValue, .missingParameter, .invalidCombination, .duplicate, .inUse,
            .incorrectState, .idempotentParameterMismatch, .unauthorized, .notPermitted, .unsupported, .dryRunSucceeded,
            .invalidNextToken, .limitExceeded:
            false
        }
    }
}
