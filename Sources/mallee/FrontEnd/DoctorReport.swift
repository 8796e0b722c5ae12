import Foundation

/// What `mallee doctor` found; the same form as that of `mallee-node doctor --json`.
struct DoctorReport: Codable, Equatable, Sendable {
    enum Level: String, Codable, Sendable {
        /// As it should be.
        case ok
        /// The cloud works, but not as well as it could, or not for long.
        case warn
        /// Something does not work.
        case fail
    }

    struct Finding: Codable, Equatable, Sendable {
        var level: Level
        /// What was checked.
        var check: String
        /// What was found; one sentence.
        var message: String
        /// What to do; one sentence, empty if nothing is to be done.
        var cure: String

        /// One line for people.
        var line: String {
            "\(level == .ok ? "ok  " : level.rawValue)  \(check): \(message)\(cure.isEmpty ? "" : " " + cure)"
        }
    }

    private(set) var findings: [Finding] = []

    /// 0 if all is well, 1 with warnings, 2 with failures.
    var status: Int32 { findings.map { $0.level == .ok ? 0 : $0.level == .warn ? 1 : 2 }.max() ?? 0 }

    mutating func ok(_ check: String, _ message: String) {
        findings.append(Finding(level: .ok, check: check, message: message, cure: ""))
    }

    mutating func warn(_ check: String, _ message: String, cure: String) {
        findings.append(Finding(level: .warn, check: check, message: message, cure: cure))
    }

    mutating func fail(_ check: String, _ message: String, cure: String) {
        findings.append(Finding(level: .fail, check: check, message: message, cure: cure))
    }

    /// Takes over what another doctor found.
    mutating func add(_ other: [Finding], prefix: String) {
        for var finding in other {
            finding.check = prefix + finding.check
            findings.append(finding)
        }
    }

    // MARK: JSON

    private enum Key: String, CodingKey { case status, findings }

    init() {}

    init(from decoder: any Decoder) throws {
        findings = try decoder.container(keyedBy: Key.self).decode([Finding].self, forKey: .findings)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(status, forKey: .status)
        try container.encode(findings, forKey: .findings)
    }
}
