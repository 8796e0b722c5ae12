import Foundation
public import Logging
import Synchronization

/// One change, or the attempt at one: who did what to which resource, from where, and how it ended.
///
/// It has no place for values of parameters, so that no secret gets into it: names and ids only.
public struct AuditEvent: Sendable {
    /// Through which door.
    public enum Interface: String, Sendable, CaseIterable {
        case ec2, iam, sts, s3, soap, native, console
        /// Between components, and from `mallee node`.
        case contract
        /// At the shell of a host.
        case local
    }

    /// How it ended.
    public enum Result: String, Sendable, CaseIterable {
        case done
        /// The caller may not.
        case refused
        /// It could not be done, or was asked for wrongly.
        case failed

        /// What an HTTP status tells.
        public init(status: Int, code: String?) {
            let refusals: Set<String> = ["UnauthorizedOperation", "AccessDenied", "AuthFailure"]
            self =
                if status < 400 { .done } else if refusals.contains(code ?? "") || status == 401 || status == 403 {
                    .refused
                } else { .failed }
        }
    }

    /// Through which door.
    public var interface: Interface
    /// The name in the interface's reference.
    public var action: String
    /// The id of the request; it is in the services' logs as well.
    public var requestID: String
    /// ARN of the user, or the component's name.
    public var principal: String
    /// Account of the user; "" for components.
    public var account: String
    /// The access key, or the fingerprint or serial number of the certificate; "" if there is none.
    public var credential: String
    /// The address it came from.
    public var source: String
    /// ids, names or ARNs of what it concerned.
    public var resources: [String]
    /// How it ended.
    public var result: Result
    /// HTTP status.
    public var status: Int
    /// The interface's error code; nil if it was done.
    public var code: String?

    /// Makes an event.
    public init(
        interface: Interface, action: String, requestID: String, principal: String, account: String = "",
        credential: String = "", source: String, resources: [String], result: Result, status: Int, code: String? = nil
    ) {
        self.interface = interface
        self.action = action
        self.requestID = requestID
        self.principal = principal
        self.account = account
        self.credential = credential
        self.source = source
        self.resources = resources
        self.result = result
        self.status = status
        self.code = code
    }

    private static let longest = 1024
    private static let mostResources = 100

    /// The line, with its end.
    func line(at time: Date) -> String {
        func field(_ name: String, _ value: String) -> String {
            ",\"\(name)\":" + LineLogHandler.quoted(String(decoding: value.utf8.prefix(Self.longest), as: UTF8.self))
        }
        var line = "{\"time\":\"\(LineLogHandler.timestamp(time))\""
        line += field("interface", interface.rawValue) + field("action", action) + field("who", principal)
        if !account.isEmpty { line += field("account", account) }
        if !credential.isEmpty { line += field("credential", credential) }
        line += field("from", source)
        let shown = resources.prefix(Self.mostResources).map { LineLogHandler.quoted(String($0.prefix(Self.longest))) }
        line += ",\"resources\":[\(shown.joined(separator: ","))]"
        if resources.count > Self.mostResources { line += ",\"moreResources\":\(resources.count - Self.mostResources)" }
        line += field("request", requestID) + field("result", result.rawValue) + ",\"status\":\(status)"
        if let code { line += field("code", code) }
        return line + "}\n"
    }
}

/// The audit: one JSON object a line, in a file of its own that is rotated by size.
///
/// A disk that fails does not stop the cloud, since that would hand everybody's instances to whoever fills it; nor is it
/// silent: the service's log says so at level error, at once and then each minute, and the first line that can be
/// written again tells how many are missing. A log that cannot be opened when the service starts stops the start.
public final class AuditLog: Sendable {
    private struct Trouble {
        var lost = 0
        var toldAt: ContinuousClock.Instant?
    }

    private let sink: RotatingFileSink
    private let logger: Logger
    private let trouble = Mutex(Trouble())

    /// The default for the size of one file, in bytes.
    public static let defaultBytes = 64 << 20
    /// The default for how many old files are kept.
    public static let defaultKeep = 10

    /// Opens or makes the file (0640).
    ///
    /// - Parameters:
    ///   - maximumBytes: size at which it is rotated.
    ///   - keep: how many old files are kept (`<path>.1` …).
    ///   - logger: learns of a log that cannot be written.
    public init(path: String, maximumBytes: Int = defaultBytes, keep: Int = defaultKeep, logger: Logger)
        throws(ServiceHostError)
    {
        sink = try RotatingFileSink(path: path, maximumBytes: maximumBytes, keep: keep)
        self.logger = logger
    }

    /// Writes the event.
    public func record(_ event: AuditEvent) {
        let line = event.line(at: Date())
        trouble.withLock { trouble in
            let isResumption = trouble.lost > 0
            let text =
                isResumption
                ? "{\"time\":\"\(LineLogHandler.timestamp(Date()))\",\"action\":\"AuditLogResumed\",\"lost\":\(trouble.lost)}\n"
                    + line : line
            if let cause = sink.append(text) {
                trouble.lost += 1
                let now = ContinuousClock.now
                if let told = trouble.toldAt, told.duration(to: now) < .seconds(60) { return }
                trouble.toldAt = now
                logger.error(
                    "The audit log cannot be written; changes go on unrecorded. Make room on its disk.",
                    metadata: ["cause": "\(cause)", "lost": "\(trouble.lost)"])
            } else if isResumption {
                logger.notice("The audit log is written again.", metadata: ["lost": "\(trouble.lost)"])
                trouble = Trouble()
            }
        }
    }

    /// Opens the file anew, after a rotation outside of this process.
    public func reopen() { sink.reopen() }
}
