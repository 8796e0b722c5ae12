// The node's configuration file: KEY="value" lines as in the original's eucalyptus.conf.
//
// Parsing knows no file system, so that it can be tested; `mallee-node` reads the file.

/// What a node is told at its start.
public struct NodeConfiguration: Sendable {
    /// Which driver runs guests.
    public enum HypervisorChoice: String, Sendable {
        /// QEMU, with KVM where it really works.
        case qemu
        /// Guests that exist only as records.
        case simulated
        /// Xen, of which this host is the control domain.
        case xen
        /// Xen in its control domain, QEMU elsewhere; a message tells how to install it if it is missing.
        case auto
    }

    /// A value that cannot be used, with its cure.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        /// Cause and cure.
        public let description: String

        init(_ description: String) { self.description = description }
    }

    /// NODE_NAME: unique in the cluster; the host's name if empty.
    public var nodeName = ""
    /// STATE_DIR: records, disks and image cache. Not needed by simulated nodes.
    public var stateDirectory = ""
    /// LISTEN_ADDRESS: an address of this host.
    public var listenAddress = "0.0.0.0"
    /// LISTEN_PORT: 0 takes a free one.
    public var listenPort: UInt16 = 8775
    /// ADVERTISED_ADDRESS: host name or address that the cluster controller reaches this node under.
    public var advertisedAddress = ""
    /// CLUSTER_ENDPOINT: URL of the cluster controller's service; a node without one registers nowhere.
    public var clusterEndpoint: String?
    /// HYPERVISOR.
    public var hypervisor = HypervisorChoice.auto
    /// VNET_BRIDGE: a bridge of this host that Xen guests are attached to, in a network of the site with its own DHCP;
    /// nil gives each guest a link with this host alone, with metadata and forwarded ports.
    public var bridge: String?
    /// TLS_CERT, TLS_KEY, TLS_CA: PEM files; all three or none.
    public var tlsCertificate: String?
    /// TLS_KEY.
    public var tlsKey: String?
    /// TLS_CA.
    public var tlsAuthority: String?
    /// ENROLMENT_ENDPOINT: URL of the zone's enrolment service, where the node gets its certificate by itself.
    public var enrolmentEndpoint: String?
    /// ENROLMENT_SECRET_FILE: the secret that every node of the zone knows, as 64 hexadecimal digits.
    public var enrolmentSecretFile = "/etc/mallee/enrolment.secret"
    /// AUTHORITY_FINGERPRINT: "sha256:" and 64 hexadecimal digits; read from the file if nil.
    public var authorityFingerprint: String?
    /// AUTHORITY_FINGERPRINT_FILE: holds the same in its first line.
    public var authorityFingerprintFile = "/etc/mallee/authority.fingerprint"
    /// IDENTITY_DIR: component.key, component.crt and ca.crt, instead of TLS_CERT, TLS_KEY and TLS_CA. With
    /// ENROLMENT_ENDPOINT it is STATE_DIR/identity unless set, and the node makes it.
    public var identityDirectory: String?
    /// Whether the node keeps its identity itself: then certificates are good whatever this host's clock says.
    public var usesIdentity: Bool { identityDirectory != nil }
    /// ALLOW_PLAIN_HTTP: must be set to run without TLS.
    public var allowsPlainHTTP = false
    /// MAX_CORES: cores for instances; 0 detects them.
    public var maxCores = 0
    /// MAX_MEM: MiB for instances; 0 detects it.
    public var maxMemoryMiB = 0
    /// MAX_DISK: GiB for instances; 0 detects it.
    public var maxDiskGiB = 0
    /// CORES_OVERCOMMIT: how often a core may be given away.
    public var coresOvercommit = 1.0
    /// MEM_OVERCOMMIT.
    public var memoryOvercommit = 1.0
    /// DISK_OVERCOMMIT.
    public var diskOvercommit = 1.0
    /// CACHE_SIZE: GiB for images; 0 takes a quarter of the free disk.
    public var cacheGiB = 0
    /// SIMULATED_NODES: that many nodes in this process; 0 is one ordinary node.
    public var simulatedNodes = 0
    /// NETWORK_MODE: what to do until the cluster's network document comes; only USER is served.
    public var networkMode = "USER"
    /// WALRUS_URL: where images come from, for the doctor; the orders for instances name each image's own place.
    public var walrusURL: String?
    /// QEMU_DIRECTORY: where QEMU's programs are; nil looks where they usually are.
    public var qemuDirectory: String?
    /// REGION: the region's name in metadata; empty derives it from the zone.
    public var region = ""
    /// SHUTDOWN_GRACE: seconds that a guest has to shut down.
    public var shutdownGraceSeconds = 10
    /// READY_FILE: written with the endpoint when the node answers.
    public var readyFile: String?
    /// LOG_FILE: standard error if empty.
    public var logFile: String?
    /// LOGLEVEL.
    public var logLevel = NodeLog.Level.info

    /// The defaults.
    public init() {}

    /// Reads a configuration.
    /// - Parameter warn: is told of keys that are not known; they do not stop the node, since the file may be shared
    ///   with other components.
    public init(text: String, warn: (String) -> Void) throws(Invalid) {
        var number = 0
        // By bytes: as characters, CR LF is one and no line end.
        for line in Array(text.utf8).split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            guard let (key, value) = try NodeConfiguration.assignment(line, number) else { continue }
            if try !set(key, value, number) { warn("line \(number): unknown key \(key); it has no effect") }
        }
        try validate()
    }

    // MARK: Lines

    /// Key and value of a line; nil for comments and empty lines.
    private static func assignment(_ line: ArraySlice<UInt8>, _ number: Int) throws(Invalid) -> (String, String)? {
        var bytes = trimmed(line)
        guard let first = bytes.first, first != UInt8(ascii: "#") else { return nil }
        let export = Array("export ".utf8)
        if bytes.starts(with: export) { bytes = trimmed(bytes.dropFirst(export.count)) }
        guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > bytes.startIndex else {
            throw Invalid("line \(number) is not KEY=\"value\"; write one assignment per line, comments begin with #")
        }
        let key = bytes[..<equals]
        for byte in key where !isKeyByte(byte) {
            throw Invalid("line \(number): a key has only letters, digits and _, with no blank before =")
        }
        return (String(decoding: key, as: UTF8.self), try value(bytes[(equals + 1)...], number))
    }

    /// A value as a shell reads it, without expansions: quoted, or bare up to a blank.
    private static func value(_ text: ArraySlice<UInt8>, _ number: Int) throws(Invalid) -> String {
        var result: [UInt8] = []
        var rest = text
        var quote: UInt8?
        while let byte = rest.popFirst() {
            if let open = quote {
                if byte == open {
                    quote = nil
                } else if byte == UInt8(ascii: "\\"), open == UInt8(ascii: "\""), let next = rest.popFirst() {
                    if next != UInt8(ascii: "\""), next != UInt8(ascii: "\\"), next != UInt8(ascii: "$") {
                        result.append(byte)
                    }
                    result.append(next)
                } else {
                    result.append(byte)
                }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if isBlank(byte) {
                let after = trimmed(rest)
                guard after.first == nil || after.first == UInt8(ascii: "#") else {
                    throw Invalid("line \(number): a value with blanks needs quotes")
                }
                break
            } else {
                result.append(byte)
            }
        }
        guard quote == nil else { throw Invalid("line \(number): the closing quote is missing") }
        return String(decoding: result, as: UTF8.self)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
            || (0x61...0x7A).contains(byte)
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes
        while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return bytes
    }

    // MARK: Keys

    /// False if the key is not known.
    private mutating func set(_ key: String, _ value: String, _ line: Int) throws(Invalid) -> Bool {
        switch key {
        case "NODE_NAME": nodeName = value
        case "STATE_DIR": stateDirectory = value
        case "LISTEN_ADDRESS": listenAddress = value
        case "LISTEN_PORT": listenPort = UInt16(try NodeConfiguration.number(key, value, line, 0...65535))
        case "ADVERTISED_ADDRESS": advertisedAddress = value
        case "CLUSTER_ENDPOINT": clusterEndpoint = value.isEmpty ? nil : value
        case "HYPERVISOR":
            guard let choice = HypervisorChoice(rawValue: value) else {
                throw Invalid("line \(line): HYPERVISOR is \"\(value)\"; it must be qemu, xen, simulated or auto")
            }
            hypervisor = choice
        case "VNET_BRIDGE": bridge = value.isEmpty ? nil : value
        case "TLS_CERT": tlsCertificate = value.isEmpty ? nil : value
        case "TLS_KEY": tlsKey = value.isEmpty ? nil : value
        case "TLS_CA": tlsAuthority = value.isEmpty ? nil : value
        case "ENROLMENT_ENDPOINT": enrolmentEndpoint = value.isEmpty ? nil : value
        case "ENROLMENT_SECRET_FILE": if !value.isEmpty { enrolmentSecretFile = value }
        case "AUTHORITY_FINGERPRINT": authorityFingerprint = value.isEmpty ? nil : value
        case "AUTHORITY_FINGERPRINT_FILE": if !value.isEmpty { authorityFingerprintFile = value }
        case "IDENTITY_DIR": identityDirectory = value.isEmpty ? nil : value
        case "ALLOW_PLAIN_HTTP": allowsPlainHTTP = try NodeConfiguration.flag(key, value, line)
        case "MAX_CORES": maxCores = try NodeConfiguration.number(key, value, line, 0...1_000_000)
        case "MAX_MEM": maxMemoryMiB = try NodeConfiguration.number(key, value, line, 0...2_000_000_000)
        case "MAX_DISK": maxDiskGiB = try NodeConfiguration.number(key, value, line, 0...2_000_000_000)
        case "CORES_OVERCOMMIT": coresOvercommit = try NodeConfiguration.factor(key, value, line)
        case "MEM_OVERCOMMIT": memoryOvercommit = try NodeConfiguration.factor(key, value, line)
        case "DISK_OVERCOMMIT": diskOvercommit = try NodeConfiguration.factor(key, value, line)
        case "CACHE_SIZE": cacheGiB = try NodeConfiguration.number(key, value, line, 0...1_000_000)
        case "SIMULATED_NODES": simulatedNodes = try NodeConfiguration.number(key, value, line, 0...100_000)
        case "NETWORK_MODE", "VNET_MODE": networkMode = value.uppercased()
        case "WALRUS_URL": walrusURL = value.isEmpty ? nil : value
        case "QEMU_DIRECTORY":
            guard value.isEmpty || value.utf8.first == UInt8(ascii: "/") else {
                throw Invalid("line \(line): QEMU_DIRECTORY is \"\(value)\"; name an absolute directory")
            }
            qemuDirectory = value.isEmpty ? nil : value
        case "REGION": region = value
        case "SHUTDOWN_GRACE": shutdownGraceSeconds = try NodeConfiguration.number(key, value, line, 0...3600)
        case "READY_FILE": readyFile = value.isEmpty ? nil : value
        case "LOG_FILE": logFile = value.isEmpty ? nil : value
        case "LOGLEVEL":
            guard let level = NodeLog.Level(name: value) else {
                throw Invalid("line \(line): LOGLEVEL is \"\(value)\"; it must be debug, info, warning or error")
            }
            logLevel = level
        default: return false
        }
        return true
    }

    private static func number(
        _ key: String, _ value: String, _ line: Int, _ range: ClosedRange<Int>
    ) throws(Invalid) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw Invalid(
                "line \(line): \(key) is \"\(value)\"; it must be a number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return number
    }

    private static func flag(_ key: String, _ value: String, _ line: Int) throws(Invalid) -> Bool {
        switch value.lowercased() {
        case "y", "yes", "1", "true": return true
        case "n", "no", "0", "false", "": return false
        default: throw Invalid("line \(line): \(key) is \"\(value)\"; it must be Y or N")
        }
    }

    /// A factor from 0.1 to 100 with up to three decimals. Parsed by hand: a conversion from text to floating point
    /// is not there in the embedded run time.
    private static func factor(_ key: String, _ value: String, _ line: Int) throws(Invalid) -> Double {
        let parts = value.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        var result: Double?
        if let whole = parts.first.flatMap({ Int(String($0)) }), (0...100).contains(whole) {
            var thousandths = whole * 1000
            if parts.count == 2 {
                let digits = String(parts[1])
                if (1...3).contains(digits.utf8.count), let fraction = UInt16(digits) {
                    var scaled = Int(fraction)
                    for _ in digits.utf8.count..<3 { scaled *= 10 }
                    thousandths += scaled
                } else {
                    thousandths = 0
                }
            }
            result = Double(thousandths) / 1000
        }
        guard let result, result >= 0.1, result <= 100 else {
            throw Invalid("line \(line): \(key) is \"\(value)\"; it must be a factor such as 1.5, from 0.1 to 100")
        }
        return result
    }

    // MARK: The whole

    private mutating func validate() throws(Invalid) {
        let isReal = simulatedNodes == 0 && hypervisor != .simulated
        if isReal {
            guard stateDirectory.hasPrefix("/") else {
                throw Invalid(
                    "STATE_DIR is \"\(stateDirectory)\"; name an absolute directory for records, disks and images")
            }
            // Unix sockets of the guests are STATE_DIR/instances/i-…/… and may have 107 bytes.
            guard stateDirectory.utf8.count <= NodeConfiguration.longestStateDirectory else {
                throw Invalid(
                    "STATE_DIR has \(stateDirectory.utf8.count) bytes, but sockets below it allow only "
                        + "\(NodeConfiguration.longestStateDirectory); choose a shorter path")
            }
        }
        try adoptIdentity()
        let given = [tlsCertificate, tlsKey, tlsAuthority]
        let count = given.reduce(0) { sum, path in sum + (path == nil ? 0 : 1) }
        guard count == 0 || count == 3 else {
            throw Invalid(
                "TLS_CERT, TLS_KEY and TLS_CA belong together: set all three, or none with ALLOW_PLAIN_HTTP=Y")
        }
        guard count == 3 || allowsPlainHTTP else {
            throw Invalid(
                "the service needs a certificate: set ENROLMENT_ENDPOINT, so that the node gets one by itself, or IDENTITY_DIR, "
                    + "or TLS_CERT, TLS_KEY and TLS_CA; to run it without, set ALLOW_PLAIN_HTTP=Y")
        }
        guard networkMode == "USER" else {
            throw Invalid("NETWORK_MODE is \(networkMode); this node serves USER only")
        }
    }

    /// Takes the files of TLS from the identity's directory, where there is or will be one.
    private mutating func adoptIdentity() throws(Invalid) {
        if identityDirectory == nil, enrolmentEndpoint != nil, !stateDirectory.isEmpty {
            identityDirectory = stateDirectory + "/identity"
        }
        guard let directory = identityDirectory else {
            guard enrolmentEndpoint == nil else {
                throw Invalid("ENROLMENT_ENDPOINT needs STATE_DIR or IDENTITY_DIR, where the node keeps its key")
            }
            return
        }
        guard tlsCertificate == nil, tlsKey == nil, tlsAuthority == nil else {
            throw Invalid(
                "IDENTITY_DIR or ENROLMENT_ENDPOINT takes the place of TLS_CERT, TLS_KEY and TLS_CA; set one or the other"
            )
        }
        guard directory.utf8.first == UInt8(ascii: "/") else {
            throw Invalid("IDENTITY_DIR is \"\(directory)\"; name an absolute directory")
        }
        if let text = authorityFingerprint, AuthorityFingerprint.parse(text) == nil {
            throw Invalid("AUTHORITY_FINGERPRINT is \"\(text)\"; it must be sha256: and 64 hexadecimal digits")
        }
        let files = NodeIdentityFiles(directory: directory)
        tlsCertificate = files.certificate
        tlsKey = files.key
        tlsAuthority = files.authority
    }

    /// Bytes that STATE_DIR may have at most.
    public static let longestStateDirectory = 60

    /// Whether the service speaks TLS.
    public var usesTLS: Bool { tlsCertificate != nil }
}
