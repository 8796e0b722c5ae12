/// A moment: milliseconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Hashable, Comparable, Sendable, Codable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var milliseconds: Int64
    /// Makes a moment.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }
    /// Earlier or later.
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }
    /// Reads the plain number.
    public init(from decoder: any Decoder) throws {
        milliseconds = try decoder.singleValueContainer().decode(Int64.self)
    }
    /// Writes the plain number.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }
}

/// A key and a value that a user put on a resource. Limits: EC2 User Guide, "Tag restrictions".
public struct Tag: Hashable, Sendable, Codable {
    /// Up to 127 characters; "aws:" is reserved.
    public var key: String
    /// Up to 256 characters.
    public var value: String
    /// Makes a tag.
    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// An account: the owner of resources.
public struct Account: Hashable, Sendable, Codable {
    /// 12 decimal digits.
    public var id: String
    /// The account's name, unique in the cloud.
    public var name: String
    /// Whether its users administer the cloud.
    public var isAdministrator: Bool
    /// When it was created.
    public var createdAt: Timestamp
    /// A name for sign-in that the account has chosen (CreateAccountAlias); unique in the cloud.
    public var alias: String?
    /// Whether none of its keys, passwords and certificates is good at present.
    public var isDisabled: Bool?
    /// Policies that administrators of the cloud have put on the account: quotas and denials for all of its users, the
    /// account itself among them. The original's PutAccountPolicy.
    public var policies: [InlinePolicy]?
    /// The password of the account itself.
    public var loginProfile: LoginProfile?
    /// What it asks of its users' passwords; nil for IAM's least.
    public var passwordPolicy: PasswordPolicy?
    /// The name under which the account itself appears among its users, as in the original.
    public static let rootUserName = "admin"
    /// The user name of keys by which parts of the cloud reach each other; they act as the account itself.
    public static let systemUserName = "mallee-system"
    /// Makes an account.
    public init(id: String, name: String, isAdministrator: Bool, createdAt: Timestamp) {
        self.id = id
        self.name = name
        self.isAdministrator = isAdministrator
        self.createdAt = createdAt
    }
}

/// An access key. The secret is part of the record: it is needed to verify signatures, so the store's files are
/// readable by the cloud's own user only.
public struct AccessKey: Hashable, Sendable, Codable {
    /// 20 upper-case characters, "AKI…".
    public var id: String
    /// 40 characters.
    public var secret: String
    /// Owner.
    public var accountID: String
    /// The user within the account.
    public var userName: String
    /// Disabled keys verify nothing.
    public var isActive: Bool
    /// When it was created.
    public var createdAt: Timestamp
    /// Makes a key.
    public init(
        id: String, secret: String, accountID: String, userName: String, isActive: Bool, createdAt: Timestamp
    ) {
        self.id = id
        self.secret = secret
        self.accountID = accountID
        self.userName = userName
        self.isActive = isActive
        self.createdAt = createdAt
    }
}

/// Virtual hardware that users choose by name; the administrator edits the table.
public struct InstanceType: Hashable, Sendable, Codable {
    /// Such as "m1.small".
    public var name: String
    /// Virtual CPUs.
    public var cores: Int
    /// Memory in MiB.
    public var memoryMiB: Int
    /// Root disk in GiB.
    public var diskGiB: Int
    /// Second, empty disk in GiB; 0 for none.
    public var ephemeralGiB: Int
    /// Swap disk in MiB; 0 for none.
    public var swapMiB: Int
    /// Makes a type.
    public init(name: String, cores: Int, memoryMiB: Int, diskGiB: Int, ephemeralGiB: Int = 0, swapMiB: Int = 0) {
        self.name = name
        self.cores = cores
        self.memoryMiB = memoryMiB
        self.diskGiB = diskGiB
        self.ephemeralGiB = ephemeralGiB
        self.swapMiB = swapMiB
    }
}

/// A machine image, kernel or ramdisk, whose bytes are an object of Walrus.
public struct Image: Hashable, Sendable, Codable {
    /// What it can be used as (EC2: imageType).
    public enum Kind: String, Sendable, Codable, CaseIterable { case machine, kernel, ramdisk }
    /// How its bytes are laid out.
    public enum Format: String, Sendable, Codable { case raw, qcow2, plain }
    /// EC2's image states that occur here.
    public enum State: String, Sendable, Codable { case pending, available, failed, disabled, deregistered }

    /// Its identifier.
    public var id: ImageID
    /// Owner's account.
    public var accountID: String
    /// Unique among the owner's images.
    public var name: String
    /// Free text.
    public var description: String?
    /// i386 or x86_64.
    public var architecture: String
    /// "bucket/key" in Walrus.
    public var location: String
    /// See `State`.
    public var state: State
    /// Layout of the bytes.
    public var format: Format
    /// Size of the object in bytes.
    public var sizeBytes: Int64
    /// Size of the disk that a guest sees, in bytes; 0 for kernels and ramdisks.
    public var virtualSizeBytes: Int64
    /// Lower-case hexadecimal SHA-256 of the object.
    public var sha256: String
    /// Default kernel, when it does not boot by itself.
    public var kernelID: ImageID?
    /// Default ramdisk.
    public var ramdiskID: ImageID?
    /// Kernel command line that goes with the kernel.
    public var kernelArguments: String?
    /// Whether every account may launch it.
    public var isPublic: Bool
    /// Accounts that may launch it besides the owner.
    public var launchAccounts: Set<String>
    /// EC2's root device name, such as "/dev/vda" or "/dev/sda1".
    public var rootDeviceName: String
    /// When it was registered.
    public var createdAt: Timestamp
    /// Tags.
    public var tags: [Tag]
    /// Where the bytes are if not at `location`, which then is the manifest of the bundle that they came in.
    public var object: String?
    /// Why it is in the state failed.
    public var failure: String?
    /// From when on only its owner, and who knows its id, still finds it.
    public var deprecatesAt: Timestamp?
    /// Whether DeregisterImage is refused.
    public var isProtectedFromDeregistration: Bool?

    /// Makes an image record.
    public init(
        id: ImageID, accountID: String, name: String, description: String? = nil, architecture: String,
        location: String, state: State = .available, format: Format, sizeBytes: Int64, virtualSizeBytes: Int64,
        sha256: String, kernelID: ImageID? = nil, ramdiskID: ImageID? = nil, kernelArguments: String? = nil,
        isPublic: Bool = false, launchAccounts: Set<String> = [], rootDeviceName: String = "/dev/sda1",
        createdAt: Timestamp, tags: [Tag] = []
    ) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.description = description
        self.architecture = architecture
        self.location = location
        self.state = state
        self.format = format
        self.sizeBytes = sizeBytes
        self.virtualSizeBytes = virtualSizeBytes
        self.sha256 = sha256
        self.kernelID = kernelID
        self.ramdiskID = ramdiskID
        self.kernelArguments = kernelArguments
        self.isPublic = isPublic
        self.launchAccounts = launchAccounts
        self.rootDeviceName = rootDeviceName
        self.createdAt = createdAt
        self.tags = tags
    }

    /// EC2's code of the reason for the state failed.
    public static let failureCode = "Client.InvalidImage"

    /// Whether it came in a bundle: `location` is a manifest.
    public var isBundle: Bool { Image.isManifest(location) }

    /// Whether a location is that of a bundle's manifest, by its name (ec2-register, `NAME.manifest.xml`).
    public static func isManifest(_ location: String) -> Bool { location.hasSuffix(".manifest.xml") }

    /// Its kind, which the identifier's prefix tells.
    public var kind: Kind { id.kind }
}

/// The public half of an SSH key pair.
public struct KeyPair: Hashable, Sendable, Codable {
    /// Its identifier.
    public var id: KeyPairID
    /// Owner's account.
    public var accountID: String
    /// Unique in the account.
    public var name: String
    /// rsa or ed25519.
    public var type: String
    /// As EC2 computes it: SHA-1 of the private key's PKCS#8 DER for created RSA keys, MD5 of the public key's DER
    /// for imported ones, base64 SHA-256 for ed25519 (EC2 API reference, KeyPairInfo).
    public var fingerprint: String
    /// OpenSSH one-line form.
    public var publicKey: String
    /// The text that was imported, as its owner sees it again.
    public var importedText: String?
    /// When it was created.
    public var createdAt: Timestamp
    /// Tags.
    public var tags: [Tag]
    /// Makes a record.
    public init(
        id: KeyPairID, accountID: String, name: String, type: String, fingerprint: String, publicKey: String,
        createdAt: Timestamp, tags: [Tag] = []
    ) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.type = type
        self.fingerprint = fingerprint
        self.publicKey = publicKey
        self.createdAt = createdAt
        self.tags = tags
    }
}

/// One rule of a security group: one peer and one port range, as EC2's SecurityGroupRule.
public struct SecurityGroupRule: Hashable, Sendable, Codable {
    /// Whom the traffic comes from (ingress) or goes to (egress).
    public enum Peer: Hashable, Sendable, Codable {
        /// IPv4 block, such as "10.0.0.0/8".
        case cidr(String)
        /// IPv6 block.
        case cidrV6(String)
        /// Members of a group, possibly of another account.
        case group(id: SecurityGroupID, accountID: String, name: String)
    }
    /// Its identifier.
    public var id: SecurityGroupRuleID
    /// Out of the instance rather than into it.
    public var isEgress: Bool
    /// tcp, udp, icmp, icmpv6, a protocol number, or "-1" for all.
    public var ipProtocol: String
    /// First port, or ICMP type; -1 for all.
    public var fromPort: Int
    /// Last port, or ICMP code; -1 for all.
    public var toPort: Int
    /// See `Peer`.
    public var peer: Peer
    /// Free text.
    public var description: String?
    /// Tags.
    public var tags: [Tag]
    /// Makes a rule.
    public init(
        id: SecurityGroupRuleID, isEgress: Bool, ipProtocol: String, fromPort: Int, toPort: Int, peer: Peer,
        description: String? = nil, tags: [Tag] = []
    ) {
        self.id = id
        self.isEgress = isEgress
        self.ipProtocol = ipProtocol
        self.fromPort = fromPort
        self.toPort = toPort
        self.peer = peer
        self.description = description
        self.tags = tags
    }
    /// Whether two rules let the same traffic through, whatever their ids and descriptions.
    public func permitsSame(as other: SecurityGroupRule) -> Bool {
        isEgress == other.isEgress && ipProtocol == other.ipProtocol && fromPort == other.fromPort
            && toPort == other.toPort && peer == other.peer
    }
}

/// A named set of rules that instances are members of.
public struct SecurityGroup: Hashable, Sendable, Codable {
    /// Its identifier.
    public var id: SecurityGroupID
    /// Owner's account.
    public var accountID: String
    /// Unique in the account; every account has "default".
    public var name: String
    /// Free text, required by EC2.
    public var description: String
    /// Its rules, in the order in which they were added.
    public var rules: [SecurityGroupRule]
    /// Tags.
    public var tags: [Tag]
    /// Makes a record.
    public init(
        id: SecurityGroupID, accountID: String, name: String, description: String, rules: [SecurityGroupRule] = [],
        tags: [Tag] = []
    ) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.description = description
        self.rules = rules
        self.tags = tags
    }
}
