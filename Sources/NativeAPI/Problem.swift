import CloudModel
import JSON
import Signatures

/// An error as a client gets it: "problem details" of RFC 9457, with members of our own for the stable code, the cure,
/// the request's id and the places of what is wrong.
struct Problem: Error, Sendable, Equatable {
    /// HTTP status.
    var status: Int
    /// Stable: programs may compare it.
    var code: String
    /// The same for every problem of one code.
    var title: String
    /// The cause, for people.
    var detail: String
    /// What helps, for people.
    var cure: String?
    /// What is wrong with the request, one by one.
    var violations: [SchemaViolation] = []
    /// The methods that are allowed, for 405.
    var allowed: String?
    /// For the administrator's log; never sent.
    var internalDetail: String?

    init(_ status: Int, _ code: String, _ title: String, _ detail: String, cure: String?) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.cure = cure
    }

    /// What is wrong with a request's form.
    static func invalid(_ violations: [SchemaViolation]) -> Problem {
        let first = violations.first.map { "\($0.pointer.isEmpty ? "the body" : $0.pointer): \($0.detail)" } ?? ""
        var problem = Problem(
            400, "invalid-request", "Invalid request", "The request does not have the form that is described: \(first)",
            cure: "Compare it with \(NativeInterface.basePath)/openapi.json.")
        problem.violations = violations
        return problem
    }

    static func notAuthenticated(_ detail: String, cure: String) -> Problem {
        Problem(401, "not-authenticated", "Not authenticated", detail, cure: cure)
    }

    /// What is wrong with a signature. None of it tells which keys exist.
    init(_ error: SignatureError) {
        self = .notAuthenticated(
            error.message,
            cure: "Sign the request with Signature Version 4 and an access key of this cloud, any region, service "
                + "'mallee'; the clocks must agree.")
    }

    /// The document.
    func document(requestID: String) -> JSONValue {
        var members = [
            JSONMember("type", .string("urn:mallee:problem:" + code)), JSONMember("title", .string(title)),
            JSONMember("status", .integer(Int64(status))), JSONMember("code", .string(code)),
            JSONMember("detail", .string(detail)),
        ]
        if let cure { members.append(JSONMember("cure", .string(cure))) }
        members.append(JSONMember("requestId", .string(requestID)))
        if !violations.isEmpty {
            members.append(
                JSONMember(
                    "errors",
                    .array(
                        violations.map {
                            .members(("pointer", .string($0.pointer)), ("detail", .string($0.detail)))
                        })))
        }
        return .object(members)
    }

    // MARK: The one table from the cloud's errors to problems

    /// An error of the cloud.
    init(_ error: CloudError) {
        switch error {
        case .notFound(let kind, let ids):
            self.init(
                404, "not-found", "Not found",
                "There is no \(kind.rawValue) \(Self.list(ids)), or it is not yours.", cure: nil)
        case .malformedID(let kind, let id):
            self.init(
                404, "not-found", "Not found", "\(Self.list([id])) is no identifier of a \(kind.rawValue).", cure: nil)
        case .invalidValue(let parameter, let value, let reason):
            self.init(
                422, "invalid-value", "Invalid value",
                reason.isEmpty ? "\(Self.list([value])) is no value for \(parameter)." : reason, cure: nil)
        case .missingParameter(let name):
            self.init(422, "missing-value", "Missing value", "\(name) is needed and missing.", cure: nil)
        case .invalidCombination(let message):
            self.init(422, "invalid-combination", "Invalid combination", message, cure: nil)
        case .duplicate(let kind, let name):
            self.init(
                409, "already-exists", "Already exists", "There is a \(kind.rawValue) \(Self.list([name])) already.",
                cure: "Choose another name, or use the one that is there.")
        case .inUse(let kind, let id, let user):
            self.init(
                409, "in-use", "In use", "The \(kind.rawValue) \(Self.list([id])) is in use by \(user).",
                cure: "Remove what uses it first.")
        case .incorrectState(let kind, let id, let state, let operation):
            self.init(
                409, "incorrect-state", "Incorrect state",
                "The \(kind.rawValue) \(Self.list([id])) is \(state), in which \(operation) is not possible.", cure: nil
            )
        case .idempotentParameterMismatch:
            self.init(
                409, "idempotency-mismatch", "Idempotency key used before",
                "The idempotency key was used before with another request.", cure: "Take a new key for a new request.")
        case .unauthorized(let operation):
            self.init(403, "not-allowed", "Not allowed", "You may not do this: \(operation)", cure: nil)
        case .notPermitted(let message): self.init(403, "not-permitted", "Not permitted", message, cure: nil)
        case .unsupported(let message): self.init(422, "unsupported", "Unsupported", message, cure: nil)
        case .dryRunSucceeded:
            self.init(409, "dry-run", "Dry run", "The request would have succeeded.", cure: nil)
        case .invalidNextToken:
            self.init(
                422, "invalid-cursor", "Invalid cursor",
                "The cursor was not handed out for this request, or is no longer good.", cure: "Begin without it.")
        case .limitExceeded(let kind, let limit, let inUse, let requested):
            self.init(
                409, "quota-exceeded", "Quota exceeded",
                "\(requested) more of \(kind.rawValue) were asked for; the limit is \(limit), and \(inUse) are in use.",
                cure: "Give some back, or ask the administrator for more.")
        case .insufficientCapacity(let zone, let type, let requested, let available, let detail):
            self.init(
                409, "insufficient-capacity", "Insufficient capacity",
                "There is no room for \(type) in \(zone ?? "any zone"): needed \(requested), free \(available). "
                    + detail,
                cure: "Try a smaller type, fewer instances, another zone, or later.")
        case .unavailable(let component, let reason):
            self.init(
                503, "unavailable", "Unavailable", "The \(component) cannot be reached at present: \(reason)",
                cure: "Try again later.")
        case .internalError(let message, let detail):
            self.init(
                500, "internal-error", "Internal error", message, cure: "Tell the administrator the request's id.")
            internalDetail = detail
        }
    }

    /// What the client sent, bounded.
    private static func list(_ ids: [String]) -> String {
        ids.prefix(10).map { "'" + String($0.unicodeScalars.prefix(100).map(Character.init)) + "'" }
            .joined(separator: ", ")
    }
}
