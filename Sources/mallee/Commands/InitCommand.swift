import ArgumentParser
import ClusterController
import Foundation
import Posix
import ServiceHost

/// Makes a host on which the packages are installed the front end of a cloud.
struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make this host the front end of a cloud: keys, certificates, configuration.",
        discussion: """
            Makes what is missing and never replaces what is there: the cloud's certificate authority, the identities \
            of its components and of the administrator, the enrolment secret, the authority's fingerprint, and the \
            values in /etc/mallee/cloud.conf, walrus.conf and cluster.conf that are not set. It may be run again at \
            any time, also after it was interrupted. Afterwards start mallee-cloud, mallee-walrus and mallee-cluster.
            """)

    @Option(help: "Name of the availability zone, such as the cluster's name.")
    var zone: String

    @Option(help: "The address of this host that nodes reach, in numbers.")
    var address: String

    @Option(help: "The address or host name that users reach (default: the one of --address).")
    var publicAddress: String?

    @Option(help: "Block of the private addresses of instances, /8 to /29.")
    var addressBlock = "127.1.0.0/16"

    @Option(help: "What becomes of nodes that know the enrolment secret: auto, or approve by an administrator.")
    var enrolment = Enrolment.auto

    @Option(help: "Region; tools know Amazon's names, so one of those is the safe choice.")
    var region = "us-east-1"

    @Option(
        help: "Directory for Walrus' objects, of its own and with room (default: /var/lib/mallee/walrus).",
        completion: .directory)
    var walrusDirectory: String?

    @Option(help: "Directory that is the root of the host to set up (default: this host).", completion: .directory)
    var root: String?

    enum Enrolment: String, ExpressibleByArgument, CaseIterable, Sendable {
        case auto, approve
    }

    func validate() throws {
        guard ComponentName(role: .cluster, name: zone) != nil else {
            throw ValidationError("--zone must be 1 to 48 letters, digits, dots, dashes and underscores.")
        }
        guard HostAddress.isNumeric(address), !HostAddress.isEverything(address) else {
            throw ValidationError("--address must be an address in numbers that nodes can reach, such as 10.1.1.1.")
        }
        if let publicAddress {
            guard HostAddress.isNumeric(publicAddress) || HostAddress.isName(publicAddress),
                !HostAddress.isEverything(publicAddress)
            else { throw ValidationError("--public-address must be an address or a host name.") }
        }
        guard AddressPool(cidr: addressBlock) != nil else {
            throw ValidationError("--address-block must be an IPv4 block from /8 to /29, such as 127.1.0.0/16.")
        }
        if let walrusDirectory {
            guard walrusDirectory.hasPrefix("/"), walrusDirectory != "/", !walrusDirectory.contains("\""),
                !walrusDirectory.contains(where: \.isNewline)
            else { throw ValidationError("--walrus-directory must be an absolute path.") }
        }
        guard HostAddress.isName(region), region.utf8.count <= 48 else {
            throw ValidationError("--region must be letters, digits and dashes.")
        }
    }

    func run() throws {
        if root == nil, geteuid() != 0 {
            throw CommandFailure("mallee init writes to /etc and /var: run it as root (or into --root DIR).")
        }
        let layout = InstalledLayout(root: root)
        let user = SystemUser.find(InstalledLayout.user, layout: layout)
        if user == nil {
            print("note     there is no user \(InstalledLayout.user); files belong to whoever runs this")
        }
        var changes: [String] = []
        let setup = FrontEndSetup(
            layout: layout,
            answers: .init(
                zone: zone, address: address, publicAddress: publicAddress ?? address, addressBlock: addressBlock,
                enrolment: enrolment.rawValue, region: region, walrusDirectory: walrusDirectory),
            user: user, hostName: try Host.name(),
            report: { outcome, thing in
                print(outcome.column + thing)
                if outcome.isChange { changes.append(thing) }
            })
        // What an interrupted run has done is written down, too.
        let result = Result { try setup.run() }
        if !changes.isEmpty {
            try LocalAudit(directory: layout.path(InstalledLayout.logs)).record("InitFrontEnd", resources: changes)
        }
        for difference in try result.get() { print("differs  \(difference) Left as it is.") }
        print("The front end is set up. Start mallee-cloud, mallee-walrus and mallee-cluster; `mallee doctor` checks.")
    }
}

/// Forms of addresses and host names.
enum HostAddress {
    /// An IPv4 or IPv6 address in numbers.
    static func isNumeric(_ text: String) -> Bool {
        var v4 = in_addr()
        var v6 = in6_addr()
        return inet_pton(AF_INET, text, &v4) == 1 || inet_pton(AF_INET6, text, &v6) == 1
    }

    /// The address that stands for every address when listening.
    static func isEverything(_ text: String) -> Bool { text == "0.0.0.0" || text == "::" }

    /// A host name: labels of letters, digits and dashes (RFC 1123, 2.1).
    static func isName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.utf8.first != UInt8(ascii: "-")
                && label.utf8.last != UInt8(ascii: "-")
                && label.utf8.allSatisfy { byte in
                    byte == UInt8(ascii: "-") || (48...57).contains(byte) || (65...90).contains(byte)
                        || (97...122).contains(byte)
                }
        }
    }
}
