// What `mallee-node doctor` finds, in words and as JSON. The checks are in the files Doctor*.swift.

import JSON

/// What one check found.
public struct DoctorFinding: Sendable, Equatable {
    /// How bad it is.
    public enum Level: String, Sendable {
        /// As it should be.
        case ok
        /// The node works, but not as well as it could, or not for long.
        case warn
        /// The node cannot do its work.
        case fail
    }

    /// How bad it is.
    public let level: Level
    /// What was checked: "port", "clock".
    public let check: String
    /// What was found; one sentence.
    public let message: String
    /// What to do about it; one sentence, empty if nothing is to be done.
    public let cure: String

    /// "fail  port: 8775 is taken by nginx (pid 77). Stop it, or set another LISTEN_PORT."
    public var line: String {
        let label = level == .ok ? "ok  " : level.rawValue
        return "\(label)  \(check): \(message)\(cure.isEmpty ? "" : " " + cure)"
    }
}

/// What all checks found, in their order.
public struct DoctorReport: Sendable {
    /// One for each thing that was looked at.
    public private(set) var findings: [DoctorFinding] = []

    /// Nothing yet.
    public init() {}

    /// 0 if all is well, 1 with warnings, 2 with failures.
    public var status: Int32 {
        var status: Int32 = 0
        for finding in findings {
            switch finding.level {
            case .ok: break
            case .warn: status = max(status, 1)
            case .fail: status = 2
            }
        }
        return status
    }

    /// One line for each finding.
    public var text: String {
        var text = ""
        for finding in findings { text += finding.line + "\n" }
        return text
    }

    /// `{"status":1,"findings":[{"level":"warn","check":"clock","message":"…","cure":"…"}]}`
    public var json: String {
        var items: [JSONValue] = []
        for finding in findings {
            items.append(
                .members(
                    ("level", .string(finding.level.rawValue)), ("check", .string(finding.check)),
                    ("message", .string(finding.message)), ("cure", .string(finding.cure))))
        }
        return JSONValue.members(("status", .integer(Int64(status))), ("findings", .array(items))).serialized + "\n"
    }

    mutating func ok(_ check: String, _ message: String) { add(.ok, check, message, "") }
    mutating func warn(_ check: String, _ message: String, cure: String) { add(.warn, check, message, cure) }
    mutating func fail(_ check: String, _ message: String, cure: String) { add(.fail, check, message, cure) }

    private mutating func add(_ level: DoctorFinding.Level, _ check: String, _ message: String, _ cure: String) {
        findings.append(DoctorFinding(level: level, check: check, message: message, cure: cure))
    }
}
