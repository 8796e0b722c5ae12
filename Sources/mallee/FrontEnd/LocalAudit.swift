import Foundation
import Logging
import ServiceHost

/// The audit of what is ordered at the shell of a host, past every interface: one JSON line for each change.
///
/// In a file of its own, since it belongs to whoever gives such orders, mostly root, and the services' file to their user.
struct LocalAudit {
    static let name = "audit-local.log"

    private let log: AuditLog

    /// - Parameter directory: where the file is. An order that could not be written down is not begun.
    init(directory: String) throws {
        log = try AuditLog(path: directory + "/" + Self.name, logger: Logger(label: "mallee"))
    }

    func record(_ action: String, resources: [String]) {
        log.record(
            AuditEvent(
                interface: .local, action: action, requestID: UUID().uuidString.lowercased(), principal: Self.principal,
                source: "local", resources: resources, result: .done, status: 0))
    }

    /// The user, and on whose behalf sudo made him that.
    private static var principal: String {
        let user = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid \(geteuid())"
        guard let behind = ProcessInfo.processInfo.environment["SUDO_USER"], behind != user else { return user }
        return "\(user) for \(behind)"
    }
}
