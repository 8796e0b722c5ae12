import Foundation

/// Where an installed cloud keeps what, after the Filesystem Hierarchy Standard. The packages and the units say the
/// same paths.
struct InstalledLayout: Sendable {
    /// The user that the front-end services run as.
    static let user = "mallee"
    static let configuration = "/etc/mallee"
    static let cloudConfiguration = "/etc/mallee/cloud.conf"
    static let walrusConfiguration = "/etc/mallee/walrus.conf"
    static let clusterConfiguration = "/etc/mallee/cluster.conf"
    static let nodeConfiguration = "/etc/mallee/node.conf"
    /// The copy that the front end hands out to nodes.
    static let enrolmentSecret = "/etc/mallee/enrolment.secret"
    static let fingerprint = "/etc/mallee/authority.fingerprint"
    static let state = "/var/lib/mallee"
    static let authority = "/var/lib/mallee/authority"
    static let identities = "/var/lib/mallee/identity"
    static let administrator = "/var/lib/mallee/admin"
    static let logs = "/var/log/mallee"

    /// Prefix of all paths: "" on the running host, otherwise an absolute directory without "/" at its end.
    let root: String

    /// - Parameter root: a directory that becomes the root of a host, as for `rpm --root`; nil for the running host.
    init(root: String? = nil) {
        let path = root.map { URL(fileURLWithPath: $0).standardizedFileURL.path } ?? ""
        self.root = path == "/" ? "" : path
    }

    /// Where a path of the installed host is found now.
    func path(_ path: String) -> String { root + path }
}
