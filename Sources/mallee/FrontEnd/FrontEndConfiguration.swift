import Foundation
import Posix
import ServiceHost

/// The three configuration files of a front end, and what follows from them.
struct FrontEndConfiguration {
    private let layout: InstalledLayout
    private(set) var cloud: ConfigurationEdit
    private(set) var walrus: ConfigurationEdit
    private(set) var cluster: ConfigurationEdit
    /// The administrator's choice of Walrus' directory, until it is in the file.
    private let walrusDirectory: String?
    private var filled: [String: [String]] = [:]

    /// Reads the files; those that are not there begin empty.
    init(layout: InstalledLayout, walrusDirectory: String? = nil) throws {
        func read(_ path: String) throws -> ConfigurationEdit {
            try ConfigurationEdit(path: path, text: try InstalledFile.read(layout.path(path)) ?? "")
        }
        self.layout = layout
        self.walrusDirectory = walrusDirectory
        cloud = try read(InstalledLayout.cloudConfiguration)
        walrus = try read(InstalledLayout.walrusConfiguration)
        cluster = try read(InstalledLayout.clusterConfiguration)
    }

    // MARK: What the files say, or will say

    var authority: String { cloud.value("AUTHORITY_DIR") ?? InstalledLayout.authority }
    var credentials: String { cloud.value("EUCARC") ?? state(cloud, "cloud") + "/eucarc" }
    var enrolmentSecret: String {
        cluster.value("ENROLMENT_SECRET_FILE") ?? state(cluster, "cluster") + "/enrolment.secret"
    }
    /// The file with the keys that wrap the secrets in the cloud controller's store.
    var secretsKey: String { cloud.value("SECRETS_KEY_FILE") ?? "\(state(cloud, "cloud"))/\(CloudDaemon.secretsFile)" }
    /// The cloud controller's store.
    var cloudStore: String { state(cloud, "cloud") + "/cloud.db" }
    /// The zone that is configured already.
    var zone: String? { cluster.value("ZONE") }

    var stateDirectories: [String] {
        [
            state(cloud, "cloud"), walrus.value("STATE_DIR") ?? walrusDirectory ?? state(walrus, "walrus"),
            state(cluster, "cluster"),
        ]
    }

    var identities: [(role: ComponentName.Role, path: String)] {
        [
            (.cloud, identity(cloud, "cloud")), (.walrus, identity(walrus, "walrus")),
            (.cluster, identity(cluster, "cluster")),
        ]
    }

    private func state(_ file: ConfigurationEdit, _ name: String) -> String {
        file.value("STATE_DIR") ?? "\(InstalledLayout.state)/\(name)"
    }

    private func identity(_ file: ConfigurationEdit, _ name: String) -> String {
        file.value("IDENTITY_DIR") ?? "\(InstalledLayout.identities)/\(name)"
    }

    // MARK: Filling

    /// Sets what is not set.
    ///
    /// - Returns: values that are set otherwise than the answers say, each in a sentence.
    mutating func fill(_ answers: FrontEndSetup.Answers) throws -> [String] {
        let ports = (1...65_535)
        let cloudPort = try cloud.file.integer("CLOUD_PORT", default: 8773, in: ports)
        let controlPort = try cloud.file.integer("CONTROL_PORT", default: 8778, in: ports)
        let walrusPort = try walrus.file.integer("WALRUS_PORT", default: 8780, in: ports)
        let clusterPort = try cluster.file.integer("CC_PORT", default: 8774, in: ports)
        let address = Self.bracketed(answers.address)
        let publicAddress = Self.bracketed(answers.publicAddress)
        let control = "https://\(address):\(controlPort)/services/CloudController"
        let secret = enrolmentSecret
        let credentials = credentials
        let paths = identities

        var differences: [String] = []
        // What was asked for, and what only makes the file complete.
        func apply(_ file: inout ConfigurationEdit, asked: [(String, String)], complete: [(String, String)]) throws {
            for (key, value) in asked {
                if let present = file.value(key), present != value {
                    differences.append("\(file.path) sets \(key) to \"\(present)\", not \"\(value)\".")
                }
            }
            for (key, value) in complete + asked where file.value(key) == nil {
                try file.fill(key, value)
                filled[file.path, default: []].append(key)
            }
        }
        let states = stateDirectories
        try apply(
            &cloud,
            asked: [
                ("PUBLIC_ENDPOINT", "\(publicAddress):\(cloudPort)"),
                ("ZONES", "\(answers.zone)=https://\(address):\(clusterPort)\(ClusterDaemon.path)"),
                ("WALRUS_URL", "http://\(address):\(walrusPort)"),
                ("PUBLIC_WALRUS_URL", "http://\(publicAddress):\(walrusPort)"), ("REGION", answers.region),
            ],
            complete: [
                ("STATE_DIR", states[0]), ("IDENTITY_DIR", paths[0].path), ("AUTHORITY_DIR", authority),
                ("LISTEN_ADDRESS", Self.everyAddress(answers.address)), ("EUCARC", credentials),
            ])
        try apply(
            &walrus,
            asked: [("CLOUD_ENDPOINT", control), ("REGION", answers.region)]
                + (walrusDirectory.map { [("STATE_DIR", $0)] } ?? []),
            complete: [
                ("STATE_DIR", states[1]), ("IDENTITY_DIR", paths[1].path),
                ("LISTEN_ADDRESS", Self.everyAddress(answers.address)),
            ])
        try apply(
            &cluster,
            asked: [
                ("ZONE", answers.zone), ("LISTEN_ADDRESS", answers.address), ("ADDRESSES", answers.addressBlock),
                ("ENROLMENT", answers.enrolment), ("CLOUD_CONTROL", control),
            ],
            complete: [
                ("STATE_DIR", states[2]), ("IDENTITY_DIR", paths[2].path), ("ENROLMENT_SECRET_FILE", secret),
            ])
        return differences
    }

    /// Writes the files that changed; owner and rights of files that are there stay, new ones are root's and readable
    /// by the group.
    ///
    /// - Returns: the files and the keys that were set.
    func write(group: gid_t) throws -> [(path: String, keys: [String])] {
        var written: [(path: String, keys: [String])] = []
        for file in [cloud, walrus, cluster] {
            guard let keys = filled[file.path] else { continue }
            let path = layout.path(file.path)
            var access = InstalledFile.Access(user: geteuid(), group: geteuid() == 0 ? group : getegid(), mode: 0o640)
            if let present = try FileSystem.statusIfPresent(path) {
                access = .init(user: present.user, group: present.group, mode: present.permissions)
            }
            try InstalledFile.write(path, file.text, access)
            written.append((file.path, keys))
        }
        return written
    }

    private static func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }
    private static func everyAddress(_ address: String) -> String { address.contains(":") ? "::" : "0.0.0.0" }
}
