public import CloudModel
import Dispatch
import JSON
public import Logging
import Posix

/// Where a site decides itself: JSON in, JSON out.
public protocol ExternalDecider: Sendable {
    /// What it is, for messages: the program's path or the URL.
    var name: String { get }
    /// The answer to a question.
    ///
    /// - Parameter timeLimit: in milliseconds; it must not take longer.
    /// - Throws: any error; its description goes to the log.
    func answer(_ question: [UInt8], timeLimit: Int64) async throws -> [UInt8]
}

/// A site's own program, called with its arguments for each question; the question is its standard input.
public struct ProgramDecider: ExternalDecider {
    /// Absolute path and arguments.
    public let command: [String]
    /// Makes a decider; `command` is not empty.
    public init(command: [String]) { self.command = command }
    /// Its path.
    public var name: String { command.first ?? "" }

    struct Failure: Error, CustomStringConvertible { var description: String }

    /// Runs it on a thread of its own, since that blocks.
    public func answer(_ question: [UInt8], timeLimit: Int64) async throws -> [UInt8] {
        let command = command
        let result = try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result {
                        try Command.run(
                            command[0], Array(command.dropFirst()), input: question, timeout: timeLimit)
                    })
            }
        }
        guard result.isSuccess else {
            throw Failure(
                description: result.timedOut
                    ? "it was killed after \(timeLimit) ms" : "it failed: \(result.explanation)")
        }
        return result.output
    }
}

/// Asks a site's own program or URL about each request, and if wanted regularly about what is held.
///
///     {"version": 1, "question": "allocate", "time": "2026-11-21T10:00:00.000Z",
///      "account": "123456789012", "user": "alice", "administrator": false,
///      "request": {"id": "…", "image": "ami-…", "type": "m1.small", "cores": 1, "memoryMiB": 128, "diskGiB": 2,
///                  "minimum": 1, "maximum": 4, "zone": null, "tags": {"project": "x"}},
///      "holds": {"instances": 3, "cores": 3, "memoryMiB": 384, "diskGiB": 6},
///      "offers": [{"zone": "us-east-1a", "slots": 12}]}
///
///     {"allow": true}    with, if wanted, "maximum": 2, "zones": ["us-east-1a"], "leaseSeconds": 3600,
///                        "longestLeaseSeconds": 7200
///     {"allow": false, "reason": "The project's grant has ended; ask your supervisor."}
///
/// A review is asked with `"question": "review"` and `"accounts"`, each with its `"instances"`, and answered by
/// `{"end": [{"instance": "i-…", "reason": "…"}]}`.
///
/// One that takes longer than its time limit, fails or answers nonsense has said nothing: then the configured default
/// counts for requests, and a review ends nothing.
public struct ExternalAllocation: AllocationPolicy {
    /// Who is asked.
    public let decider: any ExternalDecider
    /// For one question, in milliseconds.
    public let timeLimit: Int64
    /// Whether requests run when there is no answer.
    public let allowsOnFailure: Bool
    /// See `AllocationPolicy`.
    public let reviewInterval: Int64?
    private let logger: Logger

    /// Makes the policy.
    public init(
        decider: any ExternalDecider, timeLimit: Int64 = 5000, allowsOnFailure: Bool = false,
        reviewInterval: Int64? = nil, logger: Logger = Logger(label: "mallee.sla")
    ) {
        self.decider = decider
        self.timeLimit = timeLimit
        self.allowsOnFailure = allowsOnFailure
        self.reviewInterval = reviewInterval
        self.logger = logger
    }

    /// Always.
    public var needsAdvice: Bool { true }

    /// What the site says.
    public func advise(_ question: AllocationQuestion) async throws(CloudError) -> AllocationAdvice {
        let answer: Answer
        do {
            let bytes = try await decider.answer(Self.text(question), timeLimit: timeLimit)
            answer = try Answer(bytes, offers: question.offers)
        } catch {
            logger.error(
                "The site's allocation policy gave no answer.",
                metadata: [
                    "policy": "\(decider.name)", "problem": "\(error)", "request": "\(question.caller.requestID)",
                    "account": "\(question.caller.accountID)", "allowed": "\(allowsOnFailure)",
                ])
            guard allowsOnFailure else {
                throw .unavailable(
                    component: "site's allocation policy",
                    reason: "It gave no answer, and without one nothing is launched. Try again later, or ask the "
                        + "administrator.")
            }
            return AllocationAdvice()
        }
        guard answer.allow else {
            throw .notPermitted(
                "The site's allocation policy refuses the request: "
                    + (answer.reason ?? "it gives no reason; ask the administrator."))
        }
        var advice = AllocationAdvice(maximum: answer.maximum, zones: answer.zones)
        if let seconds = answer.leaseSeconds {
            advice.lease = LeaseRule(seconds: seconds, longest: answer.longestLeaseSeconds).lease(from: question.now)
        }
        return advice
    }

    /// What the site says.
    public func review(_ holdings: [AccountHoldings], at now: CloudModel.Timestamp) async -> [(
        id: InstanceID, reason: String
    )] {
        do {
            let bytes = try await decider.answer(Self.text(holdings, at: now), timeLimit: timeLimit)
            return try Self.endings(bytes)
        } catch {
            logger.error(
                "The site's allocation policy gave no answer to a review; nothing ends.",
                metadata: ["policy": "\(decider.name)", "problem": "\(error)"])
            return []
        }
    }

    /// Who is asked.
    public var summary: AgreementSummary {
        var terms = [
            "\(decider.name) is asked about each request, within \(timeLimit) ms; without an answer requests are "
                + (allowsOnFailure ? "allowed." : "refused.")
        ]
        if let reviewInterval { terms.append("It is asked every \(reviewInterval) seconds what is to end.") }
        return AgreementSummary(policies: ["external"], terms: terms)
    }

    // MARK: JSON

    struct Nonsense: Error, CustomStringConvertible { var description: String }

    struct Answer: Equatable {
        var allow: Bool
        var reason: String?
        var maximum: Int?
        var zones: [String]?
        var leaseSeconds: Int64?
        var longestLeaseSeconds: Int64?

        init(_ bytes: [UInt8], offers: [ZoneAllocation.Offer]) throws {
            let value = try JSONValue.parse(bytes, maximumDepth: 16, maximumBytes: 1 << 20)
            guard let allow = value["allow"]?.boolean else {
                throw Nonsense(description: "the answer has no \"allow\" that is true or false")
            }
            self.allow = allow
            func number(_ name: String) throws -> Int64? {
                guard let member = value[name], member != .null else { return nil }
                guard let number = member.int64, (0...Int64(Int32.max)).contains(number) else {
                    throw Nonsense(description: "\"\(name)\" is no whole number from 0 to \(Int32.max)")
                }
                return number
            }
            if let member = value["reason"], member != .null {
                guard let text = member.text else { throw Nonsense(description: "\"reason\" is no text") }
                // It goes to users: one line of bounded length.
                reason = String(
                    String.UnicodeScalarView(
                        text.unicodeScalars.prefix(500).map { $0.value < 32 || $0.value == 127 ? " " : $0 }))
            }
            maximum = try number("maximum").map { Int($0) }
            leaseSeconds = try number("leaseSeconds")
            longestLeaseSeconds = try number("longestLeaseSeconds")
            if let member = value["zones"], member != .null {
                guard let elements = member.elements else { throw Nonsense(description: "\"zones\" is no array") }
                zones = try elements.map { element in
                    guard let zone = element.text, offers.contains(where: { $0.zone == zone }) else {
                        throw Nonsense(description: "\"zones\" names one that was not offered")
                    }
                    return zone
                }
            }
        }
    }

    static func text(_ question: AllocationQuestion) -> [UInt8] {
        let request = question.request
        let tags = request.instanceTags.map { JSONMember($0.key, .string($0.value)) }
        return JSONValue.members(
            ("version", .integer(1)), ("question", .string("allocate")), ("time", .string(question.now.iso8601)),
            ("account", .string(question.caller.accountID)), ("user", .string(question.caller.userName)),
            ("administrator", .bool(question.caller.isAdministrator)),
            (
                "request",
                .members(
                    ("id", .string(question.caller.requestID)), ("image", .string(request.imageID)),
                    ("type", .string(question.type.name)), ("cores", .integer(Int64(question.type.cores))),
                    ("memoryMiB", .integer(Int64(question.type.memoryMiB))),
                    ("diskGiB", .integer(Int64(question.type.demand.diskGiB))),
                    ("minimum", .integer(Int64(request.minCount))), ("maximum", .integer(Int64(request.maxCount))),
                    ("zone", request.zone.map { .string($0) } ?? .null), ("tags", .object(tags)))
            ),
            ("holds", use(question.use)),
            (
                "offers",
                .array(
                    question.offers.map {
                        .members(("zone", .string($0.zone)), ("slots", .integer(Int64($0.slots))))
                    })
            )
        ).serializedBytes
    }

    private static func use(_ use: AllocationUse) -> JSONValue {
        .members(
            ("instances", .integer(Int64(use.instances))), ("cores", .integer(Int64(use.cores))),
            ("memoryMiB", .integer(Int64(use.memoryMiB))), ("diskGiB", .integer(Int64(use.diskGiB))))
    }

    static func text(_ holdings: [AccountHoldings], at now: CloudModel.Timestamp) -> [UInt8] {
        let accounts: [JSONValue] = holdings.map { account in
            .members(
                ("account", .string(account.accountID)), ("name", .string(account.accountName)),
                ("holds", use(account.use)),
                (
                    "instances",
                    .array(
                        account.items.map { item in
                            .members(
                                ("instance", .string(item.id.value)), ("type", .string(item.type.name)),
                                ("state", .string(item.state.rawValue)), ("zone", .string(item.zone)),
                                ("since", .string(item.since.iso8601)), ("waits", .bool(item.isWaiting)),
                                ("leaseUntil", item.lease.map { .string($0.endsAt.iso8601) } ?? .null))
                        })
                ))
        }
        return JSONValue.members(
            ("version", .integer(1)), ("question", .string("review")), ("time", .string(now.iso8601)),
            ("accounts", .array(accounts))
        ).serializedBytes
    }

    static func endings(_ bytes: [UInt8]) throws -> [(id: InstanceID, reason: String)] {
        let value = try JSONValue.parse(bytes, maximumDepth: 16, maximumBytes: 1 << 22)
        guard let end = value["end"]?.elements else { throw Nonsense(description: "the answer has no array \"end\"") }
        return try end.map { element in
            guard let text = element["instance"]?.text, let id = InstanceID(text) else {
                throw Nonsense(description: "an entry of \"end\" names no instance")
            }
            return (id, String((element["reason"]?.text ?? "the site's allocation policy has ended it").prefix(500)))
        }
    }
}
