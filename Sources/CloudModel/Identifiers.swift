/// What an identifier names: its prefix on the wire and the noun used in messages.
public protocol IdentifierKind: Sendable {
    /// The part before the dash, such as "i" for instances.
    static var prefix: String { get }
    /// Prefixes that the original printed and that are read as `prefix`.
    static var alternatePrefixes: [String] { get }
    /// The resource this kind names.
    static var resource: ResourceKind { get }
}

extension IdentifierKind {
    /// None, for most kinds.
    public static var alternatePrefixes: [String] { [] }
}

/// The kinds of resources that errors, tags and audit lines speak of.
public enum ResourceKind: String, Sendable, Codable, CaseIterable {
    case instance, image, reservation, volume, snapshot, address, tag, account, user
    case keyPair = "key-pair"
    case securityGroup = "security-group"
    case securityGroupRule = "security-group-rule"
    /// A rule as requests describe it (protocol, ports, peer), in distinction from one named by its id.
    case permission
    case instanceType = "instance-type"
    case availabilityZone = "availability-zone"
    case node, region
    case userGroup = "group"
    case role, policy
    case inlinePolicy = "inline-policy"
    case policyVersion = "policy-version"
    case instanceProfile = "instance-profile"
    case accessKey = "access-key"
    case loginProfile = "login-profile"
    case signingCertificate = "signing-certificate"
    case accountAlias = "account-alias"
    /// A managed policy as something that is attached to an identity.
    case attachment
    case mfaDevice = "mfa-device"
    case passwordPolicy = "password-policy"
    case credentialReport = "credential-report"
    case vpc, subnet
    case routeTable = "route-table"
    case internetGateway = "internet-gateway"
    case networkACL = "network-acl"
    case dhcpOptions = "dhcp-options"
    case networkInterface = "network-interface"
    case placementGroup = "placement-group"
    case launchTemplate = "launch-template"
    /// A launch template by its name, for which EC2 has codes of its own.
    case launchTemplateName = "launch-template-name"
    case launchTemplateVersion = "launch-template-version"
    case imageImport = "import-image-task"
    /// That an instance has an instance profile.
    case profileAssociation = "iam-instance-profile-association"
    case bundleTask = "bundle-task"
}

/// A resource's identifier: prefix, dash, and 17 (or, from older tools, 8) lower-case hexadecimal digits.
/// Source: EC2 User Guide, "Resource IDs".
public struct Identifier<Kind: IdentifierKind>: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The whole identifier, such as "i-0123456789abcdef0".
    public let value: String

    /// Reads an identifier as a user wrote it; nil if it is malformed.
    public init?(_ text: String) {
        guard let dash = text.utf8.lastIndex(of: UInt8(ascii: "-")) else { return nil }
        let prefix = text[..<dash].lowercased()
        guard prefix == Kind.prefix || Kind.alternatePrefixes.contains(prefix) else { return nil }
        let digits = text[text.index(after: dash)...].lowercased()
        guard digits.utf8.count == 17 || digits.utf8.count == 8 else { return nil }
        guard digits.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else { return nil }
        value = Kind.prefix + "-" + digits
    }

    /// A new random identifier of 17 digits.
    public static func random() -> Self {
        var generator = SystemRandomNumberGenerator()
        return random(using: &generator)
    }

    /// A new identifier of 17 digits from `generator`.
    public static func random(using generator: inout some RandomNumberGenerator) -> Self {
        let digits = Array("0123456789abcdef".utf8)
        var bits: UInt64 = generator.next()
        var text = [UInt8]()
        text.reserveCapacity(17)
        for _ in 0..<16 {
            text.append(digits[Int(bits & 15)])
            bits >>= 4
        }
        text.append(digits[Int(generator.next() & 15)])
        return Self(trusted: Kind.prefix + "-" + String(decoding: text, as: UTF8.self))
    }

    private init(trusted: String) { value = trusted }

    /// The identifier as it goes over the wire.
    public var description: String { value }
    /// Order of the text.
    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

extension Identifier: Codable {
    /// Reads the plain string.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let parsed = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\(text) is no \(Kind.resource.rawValue) identifier")
        }
        self = parsed
    }

    /// Writes the plain string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}

/// Instances: `i-`.
public enum InstanceKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "i"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.instance
}
/// Reservations: `r-`.
public enum ReservationKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "r"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.reservation
}
/// Machine images: `ami-`, or the original's `emi-`.
public enum MachineImageKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "ami"
    /// See `IdentifierKind`.
    public static let alternatePrefixes = ["emi"]
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.image
}
/// Kernel images: `aki-`, or the original's `eki-`.
public enum KernelImageKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "aki"
    /// See `IdentifierKind`.
    public static let alternatePrefixes = ["eki"]
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.image
}
/// Ramdisk images: `ari-`, or the original's `eri-`.
public enum RamdiskImageKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "ari"
    /// See `IdentifierKind`.
    public static let alternatePrefixes = ["eri"]
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.image
}
/// Security groups: `sg-`.
public enum SecurityGroupKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "sg"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.securityGroup
}
/// Security group rules: `sgr-`.
public enum SecurityGroupRuleKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "sgr"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.securityGroupRule
}
/// Key pairs: `key-`.
public enum KeyPairKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "key"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.keyPair
}
/// The identifier of an instance.
public typealias InstanceID = Identifier<InstanceKind>
/// The identifier of a reservation.
public typealias ReservationID = Identifier<ReservationKind>
/// The identifier of a security group.
public typealias SecurityGroupID = Identifier<SecurityGroupKind>
/// The identifier of a rule of a security group.
public typealias SecurityGroupRuleID = Identifier<SecurityGroupRuleKind>
/// The identifier of a key pair.
public typealias KeyPairID = Identifier<KeyPairKind>

/// The identifier of an image of any kind (machine, kernel or ramdisk): EC2 has one name space and one set of
/// actions for the three.
public struct ImageID: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    /// The whole identifier, such as "ami-0123456789abcdef0".
    public let value: String

    /// Reads an identifier as a user wrote it; nil if it is malformed.
    public init?(_ text: String) {
        if let id = Identifier<MachineImageKind>(text) {
            value = id.value
        } else if let id = Identifier<KernelImageKind>(text) {
            value = id.value
        } else if let id = Identifier<RamdiskImageKind>(text) {
            value = id.value
        } else {
            return nil
        }
    }

    /// A new random identifier for an image of `type`.
    public static func random(_ type: Image.Kind) -> ImageID {
        switch type {
        case .machine: ImageID(trusted: Identifier<MachineImageKind>.random().value)
        case .kernel: ImageID(trusted: Identifier<KernelImageKind>.random().value)
        case .ramdisk: ImageID(trusted: Identifier<RamdiskImageKind>.random().value)
        }
    }

    private init(trusted: String) { value = trusted }

    /// Whether it names a machine image, a kernel or a ramdisk.
    public var kind: Image.Kind {
        if value.hasPrefix("aki-") { return .kernel }
        return value.hasPrefix("ari-") ? .ramdisk : .machine
    }
    /// The identifier as it goes over the wire.
    public var description: String { value }
    /// Order of the text.
    public static func < (left: ImageID, right: ImageID) -> Bool { left.value < right.value }

    /// Reads the plain string.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let parsed = ImageID(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\(text) is no image identifier")
        }
        self = parsed
    }
    /// Writes the plain string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}
