// What a bucket's owner can set, in typed form. The store keeps each as a document of its name.

public import AccessPolicy
internal import Foundation
public import ObjectStore

/// The name of a setting in the store.
public enum BucketSetting: String, Sendable, CaseIterable {
    case acl, policy, cors, tags, lifecycle, logging, website, notification, encryption, objectLock
    case publicAccessBlock, ownership, requestPayment, selfDenied
}

/// Who owns what others put into a bucket.
public enum ObjectOwnership: String, Sendable, Codable {
    /// Whoever puts it.
    case writer = "ObjectWriter"
    /// The bucket's owner, if the writer grants him full control.
    case preferred = "BucketOwnerPreferred"
    /// The bucket's owner; access control lists have no effect.
    case enforced = "BucketOwnerEnforced"
}

/// What keeps a bucket from being opened to everybody.
public struct PublicAccessBlock: Sendable, Codable, Equatable {
    /// Refuse access control lists that grant to everybody.
    public var blockACLs: Bool
    /// Do as if such lists did not.
    public var ignoreACLs: Bool
    /// Refuse policies that allow everybody.
    public var blockPolicy: Bool
    /// Let such a policy serve nobody but the owner.
    public var restrictBuckets: Bool

    /// Makes one.
    public init(blockACLs: Bool, ignoreACLs: Bool, blockPolicy: Bool, restrictBuckets: Bool) {
        self.blockACLs = blockACLs
        self.ignoreACLs = ignoreACLs
        self.blockPolicy = blockPolicy
        self.restrictBuckets = restrictBuckets
    }
}

/// A rule of cross-origin resource sharing.
public struct CORSRule: Sendable, Codable, Equatable {
    /// Its name, if it has one.
    public var id: String?
    /// Origins, with at most one `*` each.
    public var origins: [String]
    /// Methods.
    public var methods: [String]
    /// Request headers, with at most one `*` each.
    public var headers: [String]
    /// Response headers that a page may see.
    public var exposed: [String]
    /// Seconds for which a browser may remember the answer.
    public var maxAge: Int?

    /// Makes a rule.
    public init(
        id: String?, origins: [String], methods: [String], headers: [String], exposed: [String], maxAge: Int?
    ) {
        self.id = id
        self.origins = origins
        self.methods = methods
        self.headers = headers
        self.exposed = exposed
        self.maxAge = maxAge
    }

    /// Whether the rule is for requests from this origin with this method and these headers.
    public func matches(origin: String, method: String, headers asked: [String]) -> Bool {
        origins.contains { PolicyPattern.matches(origin, $0) } && methods.contains(method)
            && asked.allSatisfy { header in
                headers.contains { PolicyPattern.matches(header, $0, ignoringCase: true) }
            }
    }
}

/// Where access logs go.
public struct LoggingConfiguration: Sendable, Codable, Equatable {
    /// The bucket.
    public var bucket: String
    /// The beginning of their keys.
    public var prefix: String
    /// Who may do what with them, beside the owner; nil for nobody.
    public var grants: [Grant]?
    /// Whether account, region, bucket and day stand in their keys, and which day; nil if not.
    public var partition: Partition?

    /// Which day.
    public enum Partition: String, Sendable, Codable {
        /// That of the requests.
        case event = "EventTime"
        /// That on which the log was stored.
        case delivery = "DeliveryTime"
    }

    /// Makes one.
    public init(bucket: String, prefix: String, grants: [Grant]? = nil, partition: Partition? = nil) {
        self.bucket = bucket
        self.prefix = prefix
        self.grants = grants
        self.partition = partition
    }
}

/// Object lock of a bucket: it is on, and what holds for objects that say nothing.
public struct ObjectLockConfiguration: Sendable, Codable, Equatable {
    /// The default retention's strictness; nil for none.
    public var mode: ObjectRetention.Mode?
    /// Its length; one of the two.
    public var days: Int?
    /// See `days`.
    public var years: Int?

    /// Makes one.
    public init(mode: ObjectRetention.Mode? = nil, days: Int? = nil, years: Int? = nil) {
        self.mode = mode
        self.days = days
        self.years = years
    }

    func retention(from now: Int64) -> ObjectRetention? {
        guard let mode else { return nil }
        let length = Int64(days ?? (years ?? 0) * 365) * 86_400_000
        return ObjectRetention(mode: mode, until: now + length)
    }
}

/// A static website.
public struct WebsiteConfiguration: Sendable, Codable, Equatable {
    /// Appended to a key that ends in a slash.
    public var index: String?
    /// The page for errors.
    public var error: String?
    /// Everything goes to this host.
    public var redirectAll: Redirect?
    /// Rules in their order.
    public var rules: [Rule]

    /// Where to send a reader; what is nil stays as asked.
    public struct Redirect: Sendable, Codable, Equatable {
        /// `http` or `https`.
        public var scheme: String?
        /// The host.
        public var host: String?
        /// In place of the rule's prefix.
        public var prefix: String?
        /// In place of the key.
        public var key: String?
        /// The status, 301 unless given.
        public var status: Int?

        /// Makes one.
        public init(
            scheme: String? = nil, host: String? = nil, prefix: String? = nil, key: String? = nil, status: Int? = nil
        ) {
            self.scheme = scheme
            self.host = host
            self.prefix = prefix
            self.key = key
            self.status = status
        }
    }

    /// A redirection on a condition.
    public struct Rule: Sendable, Codable, Equatable {
        /// Keys that begin so.
        public var keyPrefix: String?
        /// When the answer would be this error.
        public var error: Int?
        /// Then there.
        public var redirect: Redirect

        /// Makes one.
        public init(keyPrefix: String?, error: Int?, redirect: Redirect) {
            self.keyPrefix = keyPrefix
            self.error = error
            self.redirect = redirect
        }
    }

    /// Makes a website.
    public init(index: String?, error: String?, redirectAll: Redirect?, rules: [Rule]) {
        self.index = index
        self.error = error
        self.redirectAll = redirectAll
        self.rules = rules
    }

    /// The redirection of a request, if a rule has one.
    public func rule(key: String, error: Int?) -> Rule? {
        rules.first { rule in
            (rule.keyPrefix.map { key.utf8.starts(with: $0.utf8) } ?? true) && rule.error == error
        }
    }
}

/// Who is told of events, and of which.
public struct NotificationRule: Sendable, Codable, Equatable {
    /// Its name.
    public var id: String
    /// `Topic`, `Queue` or `CloudFunction`, as it was given.
    public var kind: String
    /// The webhook's URL.
    public var endpoint: String
    /// Patterns of events, `s3:ObjectCreated:*`.
    public var events: [String]
    /// Keys that begin so.
    public var prefix: String?
    /// Keys that end so.
    public var suffix: String?

    /// Makes a rule.
    public init(id: String, kind: String, endpoint: String, events: [String], prefix: String?, suffix: String?) {
        self.id = id
        self.kind = kind
        self.endpoint = endpoint
        self.events = events
        self.prefix = prefix
        self.suffix = suffix
    }

    /// Whether it is about this event.
    public func matches(event: String, key: String) -> Bool {
        events.contains { PolicyPattern.matches("s3:" + event, $0) }
            && (prefix.map { key.utf8.starts(with: $0.utf8) } ?? true)
            && (suffix.map { key.utf8.reversed().starts(with: $0.utf8.reversed()) } ?? true)
    }
}

/// All settings of a bucket, read from its record.
public struct BucketSettings: Sendable {
    /// See `BucketSetting`. Nil where nothing was set.
    public var acl: AccessControlList?
    /// The policy as it was given.
    public var policyText: String?
    /// The same, read.
    public var policy: Policy?
    /// Rules for requests from other origins, in the order in which they are tried.
    public var cors: [CORSRule]?
    /// The bucket's own tags.
    public var tags: [ObjectTag]?
    /// When objects and uploads expire.
    public var lifecycle: [LifecycleRule]?
    /// Where server access logs go.
    public var logging: LoggingConfiguration?
    /// How the bucket answers as a static website.
    public var website: WebsiteConfiguration?
    /// Who is told of events.
    public var notification: [NotificationRule]?
    /// The default encryption's algorithm: `AES256`.
    public var encryption: String?
    /// Whether versions can be locked, and for how long they are unless the request says otherwise.
    public var objectLock: ObjectLockConfiguration?
    /// What of public access is ignored or refused.
    public var publicAccessBlock: PublicAccessBlock?
    /// Who owns what others put, and whether access control lists count.
    public var ownership: ObjectOwnership?
    /// `BucketOwner` or `Requester`.
    public var requestPayment: String?
    /// Whether the owner confirmed that the policy may shut him out as well.
    public var selfDenied: Bool?

    init(_ record: BucketRecord) throws {
        func read<T: Decodable>(_ setting: BucketSetting, _ type: T.Type) throws -> T? {
            try record.settings[setting.rawValue].map { try JSONDecoder().decode(type, from: Data($0.utf8)) }
        }
        acl = try read(.acl, AccessControlList.self)
        policyText = record.settings[BucketSetting.policy.rawValue]
        policy = try policyText.map { try Policy(Array($0.utf8)) }
        cors = try read(.cors, [CORSRule].self)
        tags = try read(.tags, [ObjectTag].self)
        lifecycle = try read(.lifecycle, [LifecycleRule].self)
        logging = try read(.logging, LoggingConfiguration.self)
        website = try read(.website, WebsiteConfiguration.self)
        notification = try read(.notification, [NotificationRule].self)
        encryption = try read(.encryption, String.self)
        objectLock = try read(.objectLock, ObjectLockConfiguration.self)
        publicAccessBlock = try read(.publicAccessBlock, PublicAccessBlock.self)
        ownership = try read(.ownership, ObjectOwnership.self)
        requestPayment = try read(.requestPayment, String.self)
        selfDenied = try read(.selfDenied, Bool.self)
    }

    /// A value as the store keeps it.
    public static func encode(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }
}

/// A bucket with its settings.
public struct BucketState: Sendable {
    /// The record.
    public let record: BucketRecord
    /// Its settings.
    public let settings: BucketSettings
}
