/// Parameters of RunInstances that are kept under a name, in numbered versions.
public struct LaunchTemplate: Hashable, Sendable, Codable {
    /// One set of parameters; it never changes.
    public struct Version: Hashable, Sendable, Codable {
        /// From 1, each once, also after deletions.
        public var number: Int
        /// Free text.
        public var description: String?
        /// When it was made.
        public var createdAt: Timestamp
        /// The parameters: EC2's names below LaunchTemplateData with dots, such as "Placement.AvailabilityZone" or
        /// "TagSpecification.1.Tag.1.Key", and their values as they were sent.
        public var data: [String: String]
        /// Makes a version.
        public init(number: Int, description: String?, createdAt: Timestamp, data: [String: String]) {
            self.number = number
            self.description = description
            self.createdAt = createdAt
            self.data = data
        }
    }
    /// Its identifier.
    public var id: LaunchTemplateID
    /// Owner's account.
    public var accountID: String
    /// Unique in the account.
    public var name: String
    /// Who made it: the user's ARN.
    public var createdBy: String
    /// When it was made.
    public var createdAt: Timestamp
    /// Number of the version that is taken when none is named.
    public var defaultVersion: Int
    /// Number of the version that was made last.
    public var latestVersion: Int
    /// By number, lowest first.
    public var versions: [Version]
    /// Tags.
    public var tags: [Tag]
    /// Makes a template with its first version.
    public init(
        id: LaunchTemplateID, accountID: String, name: String, createdBy: String, first: Version, tags: [Tag] = []
    ) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.createdBy = createdBy
        createdAt = first.createdAt
        defaultVersion = first.number
        latestVersion = first.number
        versions = [first]
        self.tags = tags
    }

    /// The version that a client names: a number, "$Default" or "$Latest"; nil for the default one.
    ///
    /// - Returns: nil if there is none.
    public func version(named name: String?) -> Version? {
        let number: Int?
        switch name {
        case nil, "$Default": number = defaultVersion
        case "$Latest": number = versions.last?.number
        case let text?: number = Int(text)
        }
        return versions.first { $0.number == number }
    }

    /// Most versions of a template; each is part of one record.
    public static let versionLimit = 200
    /// Most templates of an account (EC2's quota is 5000 in a region).
    public static let limit = 5000
    /// Largest sum of names and values of a version, in bytes: user data of 16 KiB in Base64, and as much again.
    public static let largestData = 48 << 10
}

/// Launch templates: `lt-`.
public enum LaunchTemplateKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "lt"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.launchTemplate
}
/// The identifier of a launch template.
public typealias LaunchTemplateID = Identifier<LaunchTemplateKind>

/// A template named by id or by name.
public struct LaunchTemplateSelector: Hashable, Sendable {
    /// Template id, if given.
    public var id: String?
    /// Template name, if given.
    public var name: String?
    /// Makes a selector.
    public init(id: String? = nil, name: String? = nil) {
        self.id = id
        self.name = name
    }
}

/// CreateLaunchTemplate, in the cloud's own terms.
public struct CreateLaunchTemplateRequest: Hashable, Sendable {
    /// Name of the template.
    public var name: String
    /// Description of its first version.
    public var description: String?
    /// See `LaunchTemplate.Version.data`.
    public var data: [String: String]
    /// Makes the request idempotent.
    public var clientToken: String?
    /// Tags.
    public var tags: [Tag]
    /// Only check.
    public var dryRun: Bool
    /// Makes a request.
    public init(
        name: String, description: String? = nil, data: [String: String], clientToken: String? = nil,
        tags: [Tag] = [], dryRun: Bool = false
    ) {
        self.name = name
        self.description = description
        self.data = data
        self.clientToken = clientToken
        self.tags = tags
        self.dryRun = dryRun
    }
}

/// CreateLaunchTemplateVersion, in the cloud's own terms.
public struct CreateTemplateVersionRequest: Hashable, Sendable {
    /// The template.
    public var template: LaunchTemplateSelector
    /// The version whose parameters are taken where `data` has none; nil for none.
    public var source: String?
    /// Description of the version.
    public var description: String?
    /// See `LaunchTemplate.Version.data`.
    public var data: [String: String]
    /// Makes the request idempotent.
    public var clientToken: String?
    /// Only check.
    public var dryRun: Bool
    /// Makes a request.
    public init(
        template: LaunchTemplateSelector, source: String? = nil, description: String? = nil, data: [String: String],
        clientToken: String? = nil, dryRun: Bool = false
    ) {
        self.template = template
        self.source = source
        self.description = description
        self.data = data
        self.clientToken = clientToken
        self.dryRun = dryRun
    }
}

/// What became of the versions that DeleteLaunchTemplateVersions named.
public struct DeletedTemplateVersions: Hashable, Sendable {
    /// The template.
    public var template: LaunchTemplate
    /// Deleted.
    public var deleted: [Int]
    /// Not there.
    public var missing: [Int]
    /// The default version, which cannot be deleted.
    public var kept: [Int]
    /// Makes it.
    public init(template: LaunchTemplate, deleted: [Int], missing: [Int], kept: [Int]) {
        self.template = template
        self.deleted = deleted
        self.missing = missing
        self.kept = kept
    }
}

extension LaunchTemplate: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (LaunchTemplate) -> [String])? {
        switch name {
        case "create-time": return { [$0.createdAt.iso8601] }
        case "launch-template-name": return { [$0.name] }
        default: return nil
        }
    }
}

/// A version with its template, for the filters of DescribeLaunchTemplateVersions.
public struct DescribedTemplateVersion: Hashable, Sendable {
    /// The template.
    public var template: LaunchTemplate
    /// The version.
    public var version: LaunchTemplate.Version
    /// Makes it.
    public init(template: LaunchTemplate, version: LaunchTemplate.Version) {
        self.template = template
        self.version = version
    }
}

extension DescribedTemplateVersion: FilterableResource {
    /// None.
    public var filterableTags: [Tag] { [] }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (DescribedTemplateVersion) -> [String])? {
        func datum(_ key: String) -> @Sendable (DescribedTemplateVersion) -> [String] {
            { $0.version.data[key].map { [$0] } ?? [] }
        }
        switch name {
        case "create-time": return { [$0.version.createdAt.iso8601] }
        case "is-default-version":
            return { [$0.version.number == $0.template.defaultVersion ? "true" : "false"] }
        case "ebs-optimized": return datum("EbsOptimized")
        case "http-endpoint": return datum("MetadataOptions.HttpEndpoint")
        case "http-protocol-ipv4": return { _ in [] }
        case "host-resource-group-arn": return datum("Placement.HostResourceGroupArn")
        case "http-tokens": return datum("MetadataOptions.HttpTokens")
        case "iam-instance-profile": return datum("IamInstanceProfile.Arn")
        case "image-id": return datum("ImageId")
        case "instance-type": return datum("InstanceType")
        case "kernel-id": return datum("KernelId")
        case "license-configuration-arn": return datum("LicenseSpecification.1.LicenseConfigurationArn")
        case "network-card-index": return datum("NetworkInterface.1.NetworkCardIndex")
        case "ram-disk-id": return datum("RamDiskId")
        default: return nil
        }
    }
}

extension LaunchTemplate {
    /// `data` where it says something, `base` for everything else. What is said counts as a whole by the first name
    /// of the path: one network interface replaces all.
    public static func merge(_ data: [String: String], over base: [String: String]) -> [String: String] {
        func first(_ path: String) -> Substring { path.prefix { $0 != "." } }
        let said = Set(data.keys.map(first))
        return base.filter { !said.contains(first($0.key)) }.merging(data) { _, new in new }
    }
}
